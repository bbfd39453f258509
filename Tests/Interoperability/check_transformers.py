"""Compares `tpplan execute` with Hugging Face transformers over checkpoints and plans."""

import argparse
import copy
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from checkpoints import CHECKPOINTS, Checkpoint, write_batch
from comparison import Worst, shape_faults, worst_errors
from planner import Choice, Planner, PlannerError
from reference import one_step, updates

TOLERANCE = 1e-4
# GPT-2 alone is float64 throughout in transformers: the others' rotary and norms run in float32.
TOLERANCE_FLOAT64 = 1e-10
TOLERANCE_ADAMW = 1e-8

CHOICES = [
    Choice(tensor=1, data=1, micro_batch=4),
    Choice(tensor=1, data=2, micro_batch=1),
    Choice(tensor=2, data=1, micro_batch=2, sequence_parallel=True),
    Choice(tensor=2, data=2, micro_batch=1),
    Choice(tensor=4, data=1, micro_batch=4),
    Choice(tensor=4, data=2, micro_batch=2, sequence_parallel=True),
    Choice(tensor=2, data=2, micro_batch=2, sequence_parallel=True, steps=5),
]

# Eight heads split eight ways.
WIDER = [
    Choice(tensor=8, data=1, micro_batch=2),
    Choice(tensor=8, data=2, micro_batch=1, sequence_parallel=True),
]

FLOAT64 = [
    Choice(tensor=4, data=2, micro_batch=1, sequence_parallel=True, dtype="float64"),
    Choice(tensor=2, data=2, micro_batch=1, dtype="float64", optimizer="adamw", steps=5),
]


def choices_for(checkpoint: Checkpoint) -> list[Choice]:
    """The plans to run: those that every checkpoint's heads divide, and more for some."""
    wider = WIDER if checkpoint.name in ("gpt2", "llama") else []
    return CHOICES + wider + (FLOAT64 if checkpoint.name == "gpt2" else [])


def tolerance_of(choice: Choice) -> float:
    """How far a run may be from transformers' float64."""
    if choice.dtype == "float32":
        return TOLERANCE
    return TOLERANCE_ADAMW if choice.optimizer == "adamw" else TOLERANCE_FLOAT64


@dataclass
class Report:
    """Prints one row a comparison and remembers the failures."""

    failures: int = 0

    def heading(self) -> None:
        print(f"{'checkpoint':<11}{'plan':<68}{'loss':>9}{'logits':>9}{'grad':>9}{'param':>9}")

    def row(self, name: str, choice: Choice, errors: dict[str, Worst]) -> None:
        """One comparison: its largest errors, and which tensors are too far."""
        kinds = ["loss", "logits", "grad", "param"]
        cells = [f"{errors[kind].error:9.1e}" if kind in errors else f"{'':>9}" for kind in kinds]
        print(f"{name:<11}{str(choice):<68}{''.join(cells)}")
        for kind, worst in errors.items():
            if not worst.error <= tolerance_of(choice):
                self.fail(f"{kind}: {worst.error:.3e} > {tolerance_of(choice):g} at {worst.name}")

    def fail(self, reason: str) -> None:
        """Counts a failure and says it below the row."""
        self.failures += 1
        print(f"    FAILED {reason}")


class Comparison:
    """One checkpoint on disk, with what transformers makes of it."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, program: Path):
        self.checkpoint = checkpoint
        self.folder = folder / checkpoint.name
        self.model = checkpoint.write(self.folder)
        self.batch_file = folder / f"{checkpoint.name}-batch.safetensors"
        self.batch = write_batch(self.batch_file, self.model.config.vocab_size)
        self.step = one_step(self.model, self.batch)
        self.planner = Planner(program, folder)

    def wanted(self, choice: Choice) -> dict[str, torch.Tensor]:
        """What the dump of a run should hold."""
        if choice.steps == 1:
            return self.step
        model = copy.deepcopy(self.model)
        return self.step | updates(model, self.batch, choice.optimizer, choice.steps)

    def run(self, choice: Choice, report: Report) -> None:
        """Runs one plan and reports how far it is from transformers."""
        wanted = self.wanted(choice)
        try:
            found = self.planner.execute(self.folder, self.batch_file, choice)
        except PlannerError as error:
            report.row(self.checkpoint.name, choice, {})
            report.fail(str(error))
            return
        faults = shape_faults(found, wanted)
        report.row(self.checkpoint.name, choice, {} if faults else worst_errors(found, wanted))
        for fault in faults:
            report.fail(fault)


def check(program: Path, folder: Path, names: list[str]) -> int:
    """Runs every comparison and returns the number of failures."""
    report = Report()
    report.heading()
    for checkpoint in CHECKPOINTS:
        if names and checkpoint.name not in names:
            continue
        comparison = Comparison(checkpoint, folder, program)
        for choice in choices_for(checkpoint):
            comparison.run(choice, report)
    return report.failures


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tpplan", type=Path, required=True)
    names = [checkpoint.name for checkpoint in CHECKPOINTS]
    parser.add_argument("--only", action="append", default=[], choices=names)
    parser.add_argument("--keep", type=Path)
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    start = time.monotonic()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        failures = check(arguments.tpplan, arguments.keep, arguments.only)
    else:
        with tempfile.TemporaryDirectory(prefix="check-transformers-") as folder:
            failures = check(arguments.tpplan, Path(folder), arguments.only)
    verdict = f"{failures} failed" if failures else "all within tolerance"
    print(f"{verdict}, in {time.monotonic() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
