"""The plans of a model on so many devices, the fastest and a sample of all that there may be as plan files."""

import json
import subprocess
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from random import Random

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
# Plans of one cell of the sample that one is drawn of.
MOST_OF_CELL = 300
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
    """The plans of a model on so many devices: the fastest of all kinds, and any."""

    def __init__(
        self, program: Path, model: Path, devices: int, timings: Path, folder: Path, top: int, random: Random,
    ):
        self.emitted = folder / "emitted.json"
        self.folder, self.devices, self.random = folder, devices, random
        self.names = count()
        self.search = [
            program, "search", model, "--cluster", "local", "--devices", devices, "--timings", timings, "--emit",
            self.emitted, "--json"]
        self.batch = json.loads(model.read_text())["workload"]["global_batch"]
        found: dict[tuple, Candidate] = {}
        for pins, most in [(pins, top) for pins in PINS] + [(pins, TOP_OF_DEGREES) for pins in degrees(devices)]:
            for plan in plans([*self.search, "--top", most, *pins]):
                found.setdefault(key(plan), Candidate(plan))
        self.candidates = apart(sorted(found.values(), key=lambda candidate: candidate.plan["step_seconds"]))

    def fastest(self) -> list[Candidate]:
        return [self.written(candidate) for candidate in self.candidates[:FASTEST]]

    def sample(self, count: int) -> list[Candidate]:
        """The fastest, and plans drawn at random from all that fit: from cells drawn without regard to how many plans
        are in each, so that kinds of which there are few are among them."""
        taken = {key(self.candidates[0].plan): self.candidates[0]}
        cells = self.cells()
        self.random.shuffle(cells)
        for pins in cells:
            if len(taken) == count:
                break
            found = plans([*self.search, "--top", MOST_OF_CELL, *pins])
            if found:
                plan = self.random.choice(found)
                taken.setdefault(key(plan), Candidate(plan))
        return [self.written(candidate) for candidate in taken.values()]

    def cells(self) -> list[list]:
        """Pins that tell apart all that plans of one layout decide, but for what is gathered again and the like."""
        found = []
        for layout, stages, replicas, context in product(LAYOUTS, DEGREES, DEGREES, DEGREES):
            tensor = self.devices // (stages * replicas * context)
            if tensor * stages * replicas * context != self.devices or (layout == "data") != (tensor == 1):
                continue
            sizes = [size for size in DEGREES if self.batch % (size * replicas) == 0]
            for size, zero, recompute in product(sizes, range(4) if replicas > 1 else [0], ("none", "full")):
                for schedule in SCHEDULES if stages > 1 else [None]:
                    found.append([
                        "--layout", layout, "--pipeline", stages, "--data", replicas, "--context", context,
                        "--micro-batch", size, "--zero", zero, "--recompute", recompute,
                        *(["--schedule", schedule] if schedule else [])])
        return found

    def written(self, candidate: Candidate) -> Candidate:
        """The same with its plan file."""
        if candidate.file is None:
            candidate.file = self.write(candidate.plan, f"plan-{next(self.names)}")
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
