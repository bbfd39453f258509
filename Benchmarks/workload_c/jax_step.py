"""A workload in JAX: forward, backward and SGD of GPT-2 blocks under a layout, on virtual devices."""

import argparse
import functools
import json
import math
import os
import resource
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", type=Path)
parser.add_argument("--layout", required=True)
parser.add_argument("--mesh", required=True, help="degrees, as tpplan's --mesh takes them")
parser.add_argument("--form", choices=["jit", "shard_map"], default="shard_map")
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--against", type=Path, help="a dump of tpplan to compare the first step with")
arguments = parser.parse_args()
DEGREES = tuple(map(int, arguments.mesh.split("x")))
# Read when jax is imported.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={math.prod(DEGREES)}"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
from jax.sharding import NamedSharding

from workload_c import drawn
from workload_c.collectives import collectives
from workload_c.deviation import deviations
from workload_c.layouts import LAYOUTS
from workload_c.model import Sizes, model, parameters

LEARNING_RATE = 1e-3


def make_step(forward, sizes: Sizes):
    """Loss, updated parameters, gradients; the old parameters are given up."""

    def loss(layers, x, cotangent):
        return (forward(layers, x) * cotangent).sum() / (sizes.batch * sizes.sequence)

    def gradients(layers, x, cotangent):
        return jax.value_and_grad(loss, argnums=(0, 1))(layers, x, cotangent)

    def step(layers, x, cotangent):
        value, (changes, input_gradient) = gradients(layers, x, cotangent)
        updated = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, layers, changes)
        return value, updated, input_gradient

    return jax.jit(step, donate_argnums=0), jax.jit(gradients)


class Program:
    """The compiled step with what it works on."""

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        self.layout = LAYOUTS[arguments.layout]
        self.axes = dict(zip(self.layout.axes, DEGREES, strict=True))
        kinds = (jax.sharding.AxisType.Auto,) * len(self.axes)
        self.mesh = jax.make_mesh(DEGREES, self.layout.axes, axis_types=kinds)
        self.layers = [self.draw(layer) for layer in range(sizes.layers)]
        self.x, self.cotangent = map(self.stream, ("features", "cotangent"))
        forward = model(arguments.form, self.layout, sizes, self.mesh)
        step, self.gradients = make_step(forward, sizes)
        self.step = step.lower(self.layers, self.x, self.cotangent).compile()

    def put(self, value, specification):
        return jax.device_put(value, NamedSharding(self.mesh, specification))

    def draw(self, layer: int):
        return {
            name: self.put(drawn.parameter(name, layer, shape), specification)
            for name, (shape, specification) in parameters(self.sizes, self.layout).items()
        }

    def stream(self, name: str):
        shape = (self.sizes.batch, self.sizes.sequence, self.sizes.hidden)
        return self.put(drawn.normal(name, shape), self.layout.stream.specification)

    def run(self):
        """One step; its loss."""
        loss, self.layers, _ = jax.block_until_ready(
            self.step(self.layers, self.x, self.cotangent)
        )
        return loss

    def compare(self, dump: Path) -> dict:
        """The first step beside tpplan's dump of it."""
        loss, (layers, x) = self.gradients(self.layers, self.x, self.cotangent)
        return deviations(dump, float(loss), layers, x)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure() -> dict:
    """Runs one step to warm up, then those that are timed."""
    program = Program(Sizes.of(json.loads(arguments.model.read_text())))
    answer = {"collectives": collectives(program.step.as_text(), program.axes)}
    if arguments.against:
        answer |= program.compare(arguments.against)
    first = program.run()
    seconds = []
    cpu = cpu_seconds()
    for _ in range(arguments.steps):
        start = time.perf_counter()
        program.run()
        seconds.append(time.perf_counter() - start)
    cpu = (cpu_seconds() - cpu) / max(arguments.steps, 1)
    return answer | {
        "step_seconds": seconds, "cpu_seconds_per_step": cpu, "loss": float(first),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
