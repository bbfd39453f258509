"""Runs the tpplan command line."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from checkpoints import GLOBAL_BATCH, SEQUENCE


class PlannerError(Exception):
    """tpplan ended in another way than was expected."""


@dataclass(frozen=True)
class Choice:
    """One plan to pin, and how to run it."""

    tensor: int
    data: int
    micro_batch: int
    sequence_parallel: bool = False
    dtype: str = "float32"
    optimizer: str = "sgd"
    steps: int = 1

    def __str__(self) -> str:
        sharding = f"tensor {self.tensor} data {self.data} micro-batch {self.micro_batch}"
        run = f"{self.dtype}" + (f" {self.steps} x {self.optimizer}" if self.steps > 1 else "")
        return f"{sharding}{' sequence-parallel' if self.sequence_parallel else ''}, {run}"

    def search_arguments(self) -> list[str]:
        """The pins of this plan and of no other."""
        pins = [
            "--devices", str(self.tensor * self.data), "--cluster", "h100-sxm",
            "--global-batch", str(GLOBAL_BATCH), "--sequence", str(SEQUENCE),
            "--tensor", str(self.tensor), "--data", str(self.data),
            "--micro-batch", str(self.micro_batch), "--optimizer", self.optimizer,
        ]
        if self.tensor > 1:
            pins.append(f"--{'' if self.sequence_parallel else 'no-'}sequence-parallel")
        return pins


@dataclass
class Planner:
    """The program to run, and the folder that takes its files."""

    program: Path
    folder: Path

    def execute(self, model: Path, batch: Path, choice: Choice) -> dict[str, torch.Tensor]:
        """Searches, executes the plan that is found, and returns the dump."""
        plan, dump = self.folder / "plan.json", self.folder / "dump.safetensors"
        self._run("search", model, *choice.search_arguments(), "--emit", plan, "--json")
        report = self._run(
            "execute", plan, "--weights", model, "--batch", batch, "--dump", dump,
            "--dtype", choice.dtype, "--steps", choice.steps, "--no-record", "--json",
        )
        if report["valid"] is not True:
            raise PlannerError(f"not valid by its own reference: {json.dumps(report)}")
        return load_file(dump)

    def _run(self, *arguments: object) -> dict:
        command = [str(self.program), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if result.returncode != 0:
            said = (result.stderr.strip() + " " + result.stdout.strip())[:2000]
            raise PlannerError(f"exit {result.returncode} of {' '.join(command)}: {said}")
        return json.loads(result.stdout)
