"""Step times of programs, and how they are printed."""

import argparse
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from program import Outcome, Planner


@dataclass
class Samples:
    """What was measured of one program, over all rounds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        spread = f"{min(self.wall):.2f} to {max(self.wall):.2f}"
        return f"  {name:<16}{median(self.wall):>8.2f}{spread:>16}{median(self.cpu):>8.2f}"

    def add(self, outcome: Outcome) -> None:
        """Adds the steps that a program timed itself."""
        self.wall += outcome.document["step_seconds"]
        self.cpu.append(outcome.document["cpu_seconds_per_step"])


def measure_tpplan(planner: Planner, plan: Path, steps: int, samples: Samples) -> Outcome:
    """Times `steps` steps after the first; their CPU is the difference to a run of one step."""
    one = planner.execute(plan, "--steps", 1)
    many = planner.execute(plan, "--steps", steps + 1)
    samples.wall += many.document["step_seconds"][1:]
    samples.cpu.append((many.cpu_seconds - one.cpu_seconds) / steps)
    return many


def print_times(title: str, ours: Samples, rivals: dict[str, Samples]) -> None:
    """A table of times, and ours over the better of the rivals' in each."""
    print(f"{title}\n  {'':<16}{'wall s':>8}{'least to most':>16}{'CPU s':>8}")
    print(ours.row("tpplan"))
    for form, samples in rivals.items():
        print(samples.row(f"jax {form}"))
    wall = median(ours.wall) / min(median(rival.wall) for rival in rivals.values())
    cpu = median(ours.cpu) / min(median(rival.cpu) for rival in rivals.values())
    print(f"  tpplan / the better JAX: wall {wall:.2f}, CPU {cpu:.2f}", flush=True)


def comparison(
    name: str, description: str | None, *, rounds: int, steps: int
) -> argparse.Namespace:
    """The arguments of a comparison with JAX, printed with what the machine is like."""
    parser = argparse.ArgumentParser(prog=f"Benchmarks/run {name}", description=description)
    parser.add_argument("--tpplan", type=Path, required=True)
    parser.add_argument("--jax", type=Path, required=True, help="the python that has jax")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--steps", type=int, default=steps)
    arguments = parser.parse_args()
    print(f"medians of {arguments.rounds} x {arguments.steps} steps; {blas_core(arguments.tpplan)}")
    print(f"before: {load()}", flush=True)
    return arguments


def load() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"


def blas_core(tpplan: Path) -> str:
    """The processor whose kernels tpplan's OpenBLAS chose; `OPENBLAS_CORETYPE` may have chosen it."""
    said = subprocess.run(
        [tpplan, "--version"], env=os.environ | {"OPENBLAS_VERBOSE": "2"}, capture_output=True,
        text=True, check=True,
    )
    found = re.search(r"Core: (\w+)", said.stderr + said.stdout)
    return f"OpenBLAS for {found[1] if found else 'an unknown core'}"
