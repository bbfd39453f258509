"""One plan: what is predicted of its step, and what it took."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from local_accuracy.plans import Candidate
from program import Planner, run

FEWEST_STEPS, MOST_STEPS = 2, 24
CORES = len(os.sched_getaffinity(0))


@dataclass
class Trial:
    """Seconds of a step: predicted, of the wall, and of the CPU over the cores."""

    model: str
    devices: int
    candidate: Candidate
    explained: dict = field(default_factory=dict)
    walls: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    # CPU seconds of a run of one step.
    start: float = 0
    recorded: float | None = None

    def predict(self, program: Path, timings: Path) -> None:
        """Prices the plan by the times as they are."""
        self.explained = run(program, "explain", self.candidate.file, "--json", "--timings", timings).document

    def measure(self, planner: Planner, seconds: float) -> None:
        """A round: steps of so many CPU seconds, less a run of one step, which is the first of theirs, too."""
        steps = min(max(FEWEST_STEPS, round(seconds / (self.predicted * CORES))), MOST_STEPS)
        if not self.start:
            # Whatever disturbs a run adds to it.
            self.start = min(planner.execute(self.candidate.file, "--steps", 1).cpu_seconds for _ in range(2))
        many = planner.execute(self.candidate.file, "--steps", steps + 1)
        self.walls += many.document["step_seconds"][1:]
        self.shares.append((many.cpu_seconds - self.start) / steps / CORES)

    def record(self, program: Path, timings: Path) -> None:
        """Runs steps that record their kernels: enough for medians not to be of the first, which faults memory in."""
        run(program, "execute", self.candidate.file, "--no-validate", "--steps", 4, "--timings", timings, "--json")

    @property
    def plan(self) -> dict:
        return self.explained["plan"]

    @property
    def predicted(self) -> float:
        return self.plan["step_seconds"]

    @property
    def wall(self) -> float:
        return median(self.walls)

    @property
    def cpu(self) -> float:
        return median(self.shares)

    @property
    def name(self) -> str:
        plan = self.plan
        mesh = "x".join(f"{axis['name']} {axis['size']}" for axis in plan["mesh"]["axes"]) or "one device"
        words = [plan["layout"], mesh, f"{plan['micro_batches']} of {plan['micro_batch']}"]
        if plan["schedule"] != "none":
            words.append(plan["schedule"] + (f" {plan['interleave']}" if plan["interleave"] > 1 else ""))
        if plan["matmul"] == "stepped":
            words.append("stepped")
        if plan["zero"]:
            words.append(f"zero {plan['zero']}")
        if plan["recompute"] != "none":
            words.append(f"recompute {plan['recompute']}")
        return ", ".join(words)
