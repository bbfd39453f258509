"""Workload A, tpplan beside JAX: wall and CPU seconds a step, runs interleaved."""

import argparse
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from program import Planner, run

HERE = Path(__file__).parent
# One micro-batch of all eight sequences, as in JAX.
PINS = ["--devices", 4, "--tensor", 4, "--data", 1, "--micro-batch", 8]
SHARDINGS = {
    "megatron": "--no-sequence-parallel",
    "megatron, sequence parallel": "--sequence-parallel",
}


@dataclass
class Samples:
    """What was measured of one program, over all rounds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        spread = f"{min(self.wall):.2f} to {max(self.wall):.2f}"
        return f"  {name:<16}{median(self.wall):>8.2f}{spread:>16}{median(self.cpu):>8.2f}"


def measure_tpplan(planner: Planner, plan: Path, steps: int, samples: Samples) -> None:
    """Times `steps` steps after the first; their CPU is the difference to a run of one step."""
    one = planner.execute(plan, "--steps", 1)
    many = planner.execute(plan, "--steps", steps + 1)
    samples.wall += many.document["step_seconds"][1:]
    samples.cpu.append((many.cpu_seconds - one.cpu_seconds) / steps)


def measure_jax(python: Path, form: str, flag: str, steps: int, samples: Samples) -> None:
    """Times `steps` steps after the first, which compiles."""
    flags = [flag] if flag == "--sequence-parallel" else []
    outcome = run(python, HERE / "jax_step.py", "--form", form, "--steps", steps, *flags)
    samples.wall += outcome.document["step_seconds"]
    samples.cpu.append(outcome.document["cpu_seconds_per_step"])


def compare(sharding: str, flag: str, planner: Planner, arguments: argparse.Namespace) -> None:
    """Interleaves the programs over the rounds and prints what came out."""
    ours, rivals = Samples(), {"jit": Samples(), "shard_map": Samples()}
    plan = planner.plan(sharding, HERE / "workload-a.json", *PINS, flag)
    for _ in range(arguments.rounds):
        measure_tpplan(planner, plan, arguments.steps, ours)
        for form, samples in rivals.items():
            measure_jax(arguments.jax, form, flag, arguments.steps, samples)
    print(f"{sharding}\n  {'':<16}{'wall s':>8}{'least to most':>16}{'CPU s':>8}")
    print(ours.row("tpplan"))
    for form, samples in rivals.items():
        print(samples.row(f"jax {form}"))
    wall = median(ours.wall) / min(median(rival.wall) for rival in rivals.values())
    cpu = median(ours.cpu) / min(median(rival.cpu) for rival in rivals.values())
    print(f"  tpplan / the better JAX: wall {wall:.2f}, CPU {cpu:.2f}", flush=True)


def load() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run workload-a", description=__doc__)
    parser.add_argument("--tpplan", type=Path, required=True)
    parser.add_argument("--jax", type=Path, required=True, help="the python that has jax")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    print(f"medians of {arguments.rounds} x {arguments.steps} steps; before: {load()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="workload-a-") as folder:
        for sharding, flag in SHARDINGS.items():
            compare(sharding, flag, Planner(arguments.tpplan, Path(folder)), arguments)
    print(f"after: {load()}, these runs' own included")


if __name__ == "__main__":
    main()
