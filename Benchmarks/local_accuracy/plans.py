"""The plans of a model on so many devices, the fastest and an even sample of them as plan files."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

LAYOUTS = ["data", "megatron", "summa", "tesseract", "3d", "stationary", "sequence"]
SCHEDULES = ["gpipe", "1f1b", "interleaved", "zb-h1"]
# One search each: what it does not pin is free. Memory is never short here, so that nothing is computed again
# and nothing sharded unless it is pinned.
PINS = [
    *(["--layout", layout, "--pipeline", 1, "--recompute", "none"] for layout in LAYOUTS),
    *(["--layout", layout, "--pipeline", 1, "--recompute", "full"] for layout in ("data", "megatron", "summa")),
    *(["--layout", "data", "--pipeline", 1, "--zero", zero] for zero in (1, 2, 3)),
    *(["--layout", layout, "--schedule", schedule, "--recompute", "none"]
      for layout in ("megatron", "summa", "sequence") for schedule in SCHEDULES),
    *(["--layout", "megatron", "--schedule", schedule, "--recompute", "full"] for schedule in SCHEDULES),
]
# Beside these each layout on every number of stages and replicas, of which a few plans are taken.
DEGREES = (1, 2, 4, 8, 16)
TOP_OF_DEGREES = 2
FASTEST = 5
# Plans that do the same but for what is gathered again and where tables lie are told apart where their steps are
# predicted to differ by more than this: no measurement here tells them apart otherwise.
APART = 0.01


@dataclass
class Candidate:
    """A plan of a search, and once it is written its file."""

    plan: dict
    file: Path | None = None
    labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.labels = (
            plan["layout"], "one stage" if plan["schedule"] == "none" else plan["schedule"],
            f"recompute {plan['recompute']}", f"zero {plan['zero']}",
            "one micro-batch" if plan["micro_batches"] == 1 else "several")


class Pool:
    """All plans that the searches of PINS, and of DEGREES, list for a model on so many devices."""

    def __init__(self, program: Path, model: Path, devices: int, timings: Path, folder: Path, top: int):
        self.emitted = folder / "emitted.json"
        self.folder = folder
        found: dict[str, Candidate] = {}
        for pins, most in [(pins, top) for pins in PINS] + [(pins, TOP_OF_DEGREES) for pins in degrees(devices)]:
            for plan in plans([
                program, "search", model, "--cluster", "local", "--devices", devices, "--timings", timings,
                "--top", most, "--emit", self.emitted, "--json", *pins,
            ]):
                found.setdefault(key(plan), Candidate(plan))
        self.candidates = apart(sorted(found.values(), key=lambda candidate: candidate.plan["step_seconds"]))

    def fastest(self) -> list[Candidate]:
        return [self.written(candidate) for candidate in self.candidates[:FASTEST]]

    def sample(self, count: int) -> list[Candidate]:
        """The fastest, and of even slices of the others each that whose kinds were taken least."""
        taken, rest = self.candidates[:1], self.candidates[1:]
        seen = Counter(label for candidate in taken for label in candidate.labels)
        slices = min(count - len(taken), len(rest))
        for index in range(slices):
            part = rest[index * len(rest) // slices:(index + 1) * len(rest) // slices]
            chosen = min(part, key=lambda candidate: sum(seen[label] for label in candidate.labels))
            seen.update(chosen.labels)
            taken.append(chosen)
        return [self.written(candidate) for candidate in taken]

    def written(self, candidate: Candidate) -> Candidate:
        """The same with its plan file."""
        if candidate.file is None:
            candidate.file = self.write(candidate.plan, f"plan-{self.candidates.index(candidate)}")
        return candidate

    def write(self, plan: dict, name: str) -> Path:
        """A plan file: that which the search wrote, with another plan's choices."""
        document = json.loads(self.emitted.read_text())
        predicted = document["predicted"].keys()
        document["predicted"] = {key: plan[key] for key in predicted}
        document["choices"] = {
            key: value for key, value in plan.items() if key not in predicted and key != "rank"}
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(document))
        return file


def degrees(devices: int) -> list[list]:
    """The pins of each layout on every number of stages and replicas that there may be."""
    return [
        ["--layout", layout, "--pipeline", stages, "--data", replicas, "--recompute", "none"]
        for layout in LAYOUTS for stages in DEGREES for replicas in DEGREES
        if stages * replicas <= devices and (layout == "data") == (stages * replicas == devices)]


def apart(candidates: list[Candidate]) -> list[Candidate]:
    """Of `candidates`, fastest first, those that no faster one is like."""
    last: dict[tuple, float] = {}
    kept = []
    for candidate in candidates:
        plan = candidate.plan
        axes = tuple((axis["name"], axis["size"]) for axis in plan["mesh"]["axes"])
        kind = (
            plan["layout"], axes, plan["micro_batch"], plan["schedule"], plan["interleave"], plan["matmul"],
            plan["zero"], plan["recompute"], plan["sequence_parallel"])
        if plan["step_seconds"] > last.get(kind, 0) * (1 + APART):
            last[kind] = plan["step_seconds"]
            kept.append(candidate)
    return kept


def plans(command: list) -> list[dict]:
    """Those of a search; none where the pins cannot be met."""
    outcome = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if outcome.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, command))}: {outcome.stderr}")
    return json.loads(outcome.stdout)["plans"] if outcome.stdout else []


def key(plan: dict) -> tuple:
    """Equal for plans that differ in name alone, as a mesh of one row is of several layouts."""
    moved = sum(entry["total_bytes"] for entry in plan["communication"])
    return (
        plan["step_seconds"], moved, plan["memory"]["total"], plan["schedule"], plan["interleave"], plan["zero"],
        plan["recompute"], plan["micro_batch"], len(plan["stages"]))
