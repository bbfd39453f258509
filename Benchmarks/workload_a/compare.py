"""Workload A, tpplan beside JAX: wall and CPU seconds a step, runs interleaved."""

import argparse
import tempfile
from pathlib import Path

from program import Planner, run
from samples import Samples, comparison, load, measure_tpplan, print_times

HERE = Path(__file__).parent
# One micro-batch of all eight sequences, as in JAX.
PINS = ["--devices", 4, "--tensor", 4, "--data", 1, "--micro-batch", 8]
SHARDINGS = {
    "megatron": "--no-sequence-parallel",
    "megatron, sequence parallel": "--sequence-parallel",
}


def measure_jax(python: Path, form: str, flag: str, steps: int, samples: Samples) -> None:
    """Times `steps` steps after the first, which compiles."""
    flags = [flag] if flag == "--sequence-parallel" else []
    samples.add(run(python, HERE / "jax_step.py", "--form", form, "--steps", steps, *flags))


def compare(sharding: str, flag: str, planner: Planner, arguments: argparse.Namespace) -> None:
    """Interleaves the programs over the rounds and prints what came out."""
    ours, rivals = Samples(), {"jit": Samples(), "shard_map": Samples()}
    plan = planner.plan(sharding, HERE / "workload-a.json", *PINS, flag)
    for _ in range(arguments.rounds):
        measure_tpplan(planner, plan, arguments.steps, ours)
        for form, samples in rivals.items():
            measure_jax(arguments.jax, form, flag, arguments.steps, samples)
    print_times(sharding, ours, rivals)


def main() -> None:
    arguments = comparison("workload-a", __doc__, rounds=3, steps=5)
    with tempfile.TemporaryDirectory(prefix="workload-a-") as folder:
        for sharding, flag in SHARDINGS.items():
            compare(sharding, flag, Planner(arguments.tpplan, Path(folder)), arguments)
    print(f"after: {load()}, these runs' own included")


if __name__ == "__main__":
    main()
