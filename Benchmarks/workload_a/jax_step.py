"""Workload A in JAX: forward, backward and SGD of four GPT-2 blocks on virtual host devices.

The sharding is Megatron's: weights of q, k, v and of the first linear split by columns, those that
follow by rows; the residual stream whole on every device, or split along the sequence. Two forms:
`jit` states shardings and lets XLA place the collectives, `shard_map` writes them out.
"""

import argparse
import functools
import json
import math
import os
import resource
import time

DEVICES = 4
# Read when jax is imported.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P

LAYERS, HIDDEN, HEADS, SEQUENCE, BATCH = 4, 512, 8, 256, 8
WIDTH = HIDDEN // HEADS
EPSILON = 1e-5
LEARNING_RATE = 1e-3

# Parameters of one layer: shape, and the sharding of each dimension.
PARAMETERS = {
    "norm1.gain": ((HIDDEN,), P()),
    "norm1.bias": ((HIDDEN,), P()),
    "query.weight": ((HIDDEN, HEADS, WIDTH), P(None, "tensor", None)),
    "query.bias": ((HEADS, WIDTH), P("tensor", None)),
    "key.weight": ((HIDDEN, HEADS, WIDTH), P(None, "tensor", None)),
    "key.bias": ((HEADS, WIDTH), P("tensor", None)),
    "value.weight": ((HIDDEN, HEADS, WIDTH), P(None, "tensor", None)),
    "value.bias": ((HEADS, WIDTH), P("tensor", None)),
    "out.weight": ((HEADS, WIDTH, HIDDEN), P("tensor", None, None)),
    "out.bias": ((HIDDEN,), P()),
    "norm2.gain": ((HIDDEN,), P()),
    "norm2.bias": ((HIDDEN,), P()),
    "up.weight": ((HIDDEN, 4 * HIDDEN), P(None, "tensor")),
    "up.bias": ((4 * HIDDEN,), P("tensor")),
    "down.weight": ((4 * HIDDEN, HIDDEN), P("tensor", None)),
    "down.bias": ((HIDDEN,), P()),
}

SPECIFICATIONS = [{name: spec for name, (_, spec) in PARAMETERS.items()}] * LAYERS


def make_parameters(mesh):
    """Draws all layers' parameters, sharded."""
    keys = iter(jax.random.split(jax.random.key(0), LAYERS * len(PARAMETERS)))

    def draw(name, shape, spec):
        scale = 1 / HIDDEN**0.5 if name.endswith("weight") else 0.1
        value = jax.random.normal(next(keys), shape) * scale + name.endswith("gain")
        return jax.device_put(value, NamedSharding(mesh, spec))

    return [
        {name: draw(name, shape, spec) for name, (shape, spec) in PARAMETERS.items()}
        for _ in range(LAYERS)
    ]


def layer_norm(x, gain, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * gain + bias


def causal_attention(query, key, value):
    """Softmax attention over whole sequences of the heads that are given."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / WIDTH**0.5
    length = scores.shape[-1]
    masked = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(masked, axis=-1), value)


def linear(x, weight, inputs=1):
    """x @ weight over the first `inputs` dimensions of the weight, as one product of matrices.

    Written as an einsum over four dimensions XLA runs it on one core, at half the speed.
    """
    rows, outputs = x.shape[:2], weight.shape[inputs:]
    columns = math.prod(outputs)
    product = x.reshape(rows[0] * rows[1], -1) @ weight.reshape(-1, columns)
    return product.reshape(*rows, *outputs)


def block(w, x, enter, leave):
    """One layer; `enter` stands before column-split weights, `leave` behind row-split ones."""
    normed = enter(layer_norm(x, w["norm1.gain"], w["norm1.bias"]))
    query, key, value = (
        linear(normed, w[f"{name}.weight"]) + w[f"{name}.bias"] for name in ("query", "key", "value")
    )
    context = causal_attention(query, key, value)
    x = x + leave(linear(context, w["out.weight"], inputs=2)) + w["out.bias"]
    normed = enter(layer_norm(x, w["norm2.gain"], w["norm2.bias"]))
    active = jax.nn.gelu(linear(normed, w["up.weight"]) + w["up.bias"], approximate=True)
    return x + leave(linear(active, w["down.weight"])) + w["down.bias"]


def stream_specification(sequence_parallel):
    return P(None, "tensor", None) if sequence_parallel else P()


def jit_model(mesh, sequence_parallel):
    """The model's output, collectives placed by XLA."""
    stream = NamedSharding(mesh, stream_specification(sequence_parallel))
    whole = NamedSharding(mesh, P())
    enter = lambda x: jax.lax.with_sharding_constraint(x, whole)
    leave = lambda x: jax.lax.with_sharding_constraint(x, stream)

    def model(parameters, x):
        return functools.reduce(lambda x, w: block(w, x, enter, leave), parameters, x)

    return model


def shard_map_model(mesh, sequence_parallel):
    """The model's output, collectives written out."""
    if sequence_parallel:
        enter = lambda x: jax.lax.all_gather(x, "tensor", axis=1, tiled=True)
        leave = lambda x: jax.lax.psum_scatter(x, "tensor", scatter_dimension=1, tiled=True)
    else:
        enter = lambda x: x
        leave = lambda x: jax.lax.psum(x, "tensor")
    stream = stream_specification(sequence_parallel)

    def model(parameters, x):
        return functools.reduce(lambda x, w: block(w, x, enter, leave), parameters, x)

    return jax.shard_map(model, mesh=mesh, in_specs=(SPECIFICATIONS, stream), out_specs=stream)


def make_step(model):
    """Loss, updated parameters, gradient of the input; the old parameters are given up."""

    def loss(parameters, x, cotangent):
        return (model(parameters, x) * cotangent).sum() / (BATCH * SEQUENCE)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(parameters, x, cotangent):
        value, (gradients, input_gradient) = jax.value_and_grad(loss, argnums=(0, 1))(
            parameters, x, cotangent
        )
        updated = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, parameters, gradients)
        return value, updated, input_gradient

    return step


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(form, sequence_parallel, steps):
    """Runs one step to compile and warm up, then `steps` that are timed."""
    mesh = jax.make_mesh((DEVICES,), ("tensor",), axis_types=(jax.sharding.AxisType.Auto,))
    models = {"jit": jit_model, "shard_map": shard_map_model}
    step = make_step(models[form](mesh, sequence_parallel))
    parameters = make_parameters(mesh)
    sharding = NamedSharding(mesh, stream_specification(sequence_parallel))
    x, cotangent = (
        jax.device_put(
            jax.random.normal(jax.random.key(seed), (BATCH, SEQUENCE, HIDDEN)), sharding
        )
        for seed in (1, 2)
    )
    first, parameters, gradient = jax.block_until_ready(step(parameters, x, cotangent))
    norm = float(jnp.linalg.norm(gradient))
    seconds = []
    cpu = cpu_seconds()
    for _ in range(steps):
        start = time.perf_counter()
        loss, parameters, _ = jax.block_until_ready(step(parameters, x, cotangent))
        seconds.append(time.perf_counter() - start)
    return {
        "step_seconds": seconds,
        "cpu_seconds_per_step": (cpu_seconds() - cpu) / steps,
        "loss": float(first),
        "last_loss": float(loss),
        "input_gradient_norm": norm,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=["jit", "shard_map"], default="jit")
    parser.add_argument("--sequence-parallel", action="store_true")
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.form, arguments.sequence_parallel, arguments.steps)))


if __name__ == "__main__":
    main()
