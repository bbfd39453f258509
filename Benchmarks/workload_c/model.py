"""GPT-2 blocks in JAX under a layout, in two forms that share their arithmetic.

`shard_map` writes the collectives out; `jit` states how operands and results of each product are
sharded and lets XLA place them. What was gathered is saved for the backward pass in both.
"""

import functools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P

from workload_c.layouts import Layout, Product

EPSILON = 1e-5


@dataclass(frozen=True)
class Sizes:
    """What the model file says."""

    layers: int
    hidden: int
    heads: int
    ffn: int
    sequence: int
    batch: int

    @staticmethod
    def of(model: dict) -> "Sizes":
        dimensions, workload = model["dimensions"], model["workload"]
        return Sizes(
            model["segments"][0]["count"], dimensions["hidden"], dimensions["heads"],
            dimensions["ffn"], workload["sequence"], workload["global_batch"],
        )

    @property
    def width(self) -> int:
        return self.hidden // self.heads


def parameters(sizes: Sizes, layout: Layout) -> dict[str, tuple[tuple[int, ...], P]]:
    """Shape and sharding of each parameter of one layer."""
    hidden, ffn = sizes.hidden, sizes.ffn
    shapes = {}
    for block in ("attention", "mlp"):
        for part in ("gain", "bias"):
            shapes[f"{block}.norm.{part}"] = ((hidden,), layout.stream.vector)
    for name in ("query", "key", "value"):
        shapes[f"attention.{name}.weight"] = ((hidden, hidden), layout.up.weight)
        shapes[f"attention.{name}.bias"] = ((hidden,), layout.wide.vector)
    shapes["attention.out.weight"] = ((hidden, hidden), layout.down.weight)
    shapes["attention.out.bias"] = ((hidden,), layout.stream.vector)
    shapes["mlp.up.weight"] = ((hidden, ffn), layout.up.weight)
    shapes["mlp.up.bias"] = ((ffn,), layout.wide.vector)
    shapes["mlp.down.weight"] = ((ffn, hidden), layout.down.weight)
    shapes["mlp.down.bias"] = ((hidden,), layout.stream.vector)
    return shapes


class Written:
    """Collectives written out: values are a device's parts."""

    def __init__(self, layout: Layout):
        self.layout = layout

    def enter(self, x, product: Product):
        """The input as it is multiplied; once for all products that share it."""
        axis, dimension = product.gathered
        return jax.lax.all_gather(x, axis, axis=dimension, tiled=True)

    def weight(self, weight, product: Product):
        """Its gradient is scattered first and summed over copies then, as is done once a step."""
        if self.layout.copies:
            weight = jax.lax.pcast(weight, self.layout.copies, to="varying")
        return jax.lax.all_gather(weight, product.rows[-1], axis=0, tiled=True)

    def leave(self, y, product: Product):
        if product.scattered is None:
            return y
        return jax.lax.psum_scatter(y, product.scattered, scatter_dimension=0, tiled=True)

    def row_sums(self, *sums):
        return jax.lax.psum(sums, self.layout.stream.columns)


class Stated:
    """Shardings stated: values are whole, XLA places the collectives."""

    def __init__(self, layout: Layout, mesh):
        self.layout = layout
        self.mesh = mesh

    def constrain(self, x, specification: P):
        return jax.lax.with_sharding_constraint(x, NamedSharding(self.mesh, specification))

    def enter(self, x, product: Product):
        return self.constrain(x, product.whole_input)

    def weight(self, weight, product: Product):
        return self.constrain(weight, product.whole_weight)

    def leave(self, y, product: Product):
        return self.constrain(y, product.target.specification)

    def row_sums(self, *sums):
        return sums


def linear(moves, product: Product, x, weight):
    """One product of matrices: as an einsum over three dimensions XLA runs it on one core."""
    weight = moves.weight(weight, product)
    rows = math.prod(x.shape[:2])
    result = (x.reshape(rows, -1) @ weight).reshape(*x.shape[:2], -1)
    return moves.leave(result, product)


def layer_norm(moves, x, gain, bias, hidden: int):
    total, squares = moves.row_sums(x.sum(-1, keepdims=True), (x * x).sum(-1, keepdims=True))
    mean = total / hidden
    variance = squares / hidden - mean * mean
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * gain + bias


def causal_attention(query, key, value, width: int):
    """Softmax attention over the sequences and heads at hand."""
    query, key, value = (x.reshape(*x.shape[:2], -1, width) for x in (query, key, value))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / width**0.5
    length = scores.shape[-1]
    masked = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf)
    context = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(masked, axis=-1), value)
    return context.reshape(*context.shape[:2], -1)


def block(moves, layout: Layout, sizes: Sizes, x, w):
    """One layer: attention, then the feed-forward block."""
    up, down = layout.up, layout.down
    normed = layer_norm(moves, x, w["attention.norm.gain"], w["attention.norm.bias"], sizes.hidden)
    normed = moves.enter(normed, up)
    query, key, value = (
        linear(moves, up, normed, w[f"attention.{name}.weight"]) + w[f"attention.{name}.bias"]
        for name in ("query", "key", "value")
    )
    context = moves.enter(causal_attention(query, key, value, sizes.width), down)
    x = x + linear(moves, down, context, w["attention.out.weight"]) + w["attention.out.bias"]
    normed = layer_norm(moves, x, w["mlp.norm.gain"], w["mlp.norm.bias"], sizes.hidden)
    wide = linear(moves, up, moves.enter(normed, up), w["mlp.up.weight"]) + w["mlp.up.bias"]
    active = moves.enter(jax.nn.gelu(wide, approximate=True), down)
    return x + linear(moves, down, active, w["mlp.down.weight"]) + w["mlp.down.bias"]


def model(form: str, layout: Layout, sizes: Sizes, mesh):
    """The stream that leaves all layers, as a function of their parameters and the one that enters."""
    moves = Written(layout) if form == "shard_map" else Stated(layout, mesh)

    def forward(layers, x):
        return functools.reduce(lambda x, w: block(moves, layout, sizes, x, w), layers, x)

    if form == "jit":
        return forward
    one = {name: spec for name, (_, spec) in parameters(sizes, layout).items()}
    stream = layout.stream.specification
    return jax.shard_map(
        forward, mesh=mesh, in_specs=([one] * sizes.layers, stream), out_specs=stream
    )
