"""Runs a program and says what it printed and used."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """One finished process: its JSON, and what the kernel counted for it."""

    document: dict
    cpu_seconds: float
    peak_resident_bytes: int


def run(*command: object) -> Outcome:
    """Runs `command`, which prints one JSON document, and waits for it alone.

    A child begins with this process's peak resident memory as its own, as `execve` keeps it: so
    small a parent does not matter beside what is measured.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as notes:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=notes)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, notes):
            file.seek(0)
        text, said = output.read(), notes.read()
    if process.returncode != 0:
        sys.exit(f"exit {process.returncode} of {' '.join(map(str, command))}\n{said}{text}")
    return Outcome(
        document=json.loads(text),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_resident_bytes=usage.ru_maxrss * 1024,
    )


@dataclass(frozen=True)
class Planner:
    """The tpplan to measure; timings and plans go to a folder of their own."""

    program: Path
    folder: Path

    def plan(self, name: str, model: Path, *pins: object) -> Path:
        """Searches the best plan under `pins` and returns its file."""
        file = self.folder / f"{name}.json"
        run(
            self.program, "search", model, "--cluster", "local", *pins, "--emit", file, "--json",
            "--timings", self.folder / "timings.sqlite",
        )
        return file

    def execute(self, plan: Path, *flags: object) -> Outcome:
        """Runs a plan without the reference and without recording."""
        return run(
            self.program, "execute", plan, "--no-validate", "--no-record", "--json", *flags
        )
