"""Workload B: peak resident memory of a run beside the bytes that its own ledger explains."""

import argparse
import sys
import tempfile
from pathlib import Path

from program import Outcome, Planner

HERE = Path(__file__).parent
TOLERANCE = 0.15
MEBIBYTE = 1024 * 1024


def pins(devices: int, sequence_parallel: bool) -> list[object]:
    """One micro-batch of all four sequences, heads and columns over all devices."""
    stream = "--sequence-parallel" if sequence_parallel else "--no-sequence-parallel"
    return [
        "--devices", devices, "--tensor", devices, "--data", 1, "--micro-batch", 4,
        *([stream] if devices > 1 else []),
    ]


def measure(planner: Planner, devices: int, sequence_parallel: bool, steps: int) -> bool:
    """Prints one row and returns whether the run is explained."""
    name = "sequence parallel" if sequence_parallel else "stream whole"
    plan = planner.plan(
        name, HERE / "workload-b.json", *pins(devices, sequence_parallel)
    )
    # The twin has the same threads, calls and collectives over a few kilobytes of buffers.
    start = planner.execute(plan, "--shrink").peak_resident_bytes
    outcome: Outcome = planner.execute(plan, "--steps", steps)
    executed = sum(outcome.document["peak_bytes_executed"])
    resident = outcome.peak_resident_bytes - start
    error = resident / executed - 1
    cells = [start, outcome.peak_resident_bytes, resident, executed]
    print(f"{name:<20}{''.join(f'{cell / MEBIBYTE:>12.1f}' for cell in cells)}{error:>+10.1%}")
    return abs(error) <= TOLERANCE


def main() -> int:
    parser = argparse.ArgumentParser(prog="Benchmarks/run resident-memory", description=__doc__)
    parser.add_argument("--tpplan", type=Path, required=True)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    columns = ["at start", "peak", "difference", "executed", "error"]
    print(f"{'MiB':<20}{''.join(f'{name:>12}' for name in columns[:-1])}{columns[-1]:>10}")
    with tempfile.TemporaryDirectory(prefix="resident-memory-") as folder:
        planner = Planner(arguments.tpplan, Path(folder))
        forms = [False, True] if arguments.devices > 1 else [False]
        explained = [
            measure(planner, arguments.devices, form, arguments.steps) for form in forms
        ]
    print(f"within {TOLERANCE:.0%}: {'yes' if all(explained) else 'no'}")
    return 0 if all(explained) else 1


if __name__ == "__main__":
    sys.exit(main())
