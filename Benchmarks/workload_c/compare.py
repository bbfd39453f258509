"""SUMMA, Tesseract and 3-D, tpplan beside JAX with the same sharding: seconds a step, and bytes."""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from program import Outcome, Planner, run
from samples import Samples, comparison, load, measure_tpplan, print_times

HERE = Path(__file__).parent
A, C = HERE.parent / "workload_a" / "workload-a.json", HERE / "workload-c.json"
# What is gathered is saved for the backward pass on both sides; one micro-batch.
PINS = [
    "--zero", 0, "--matmul", "gathered", "--gathers-inputs", "saved", "--gathers-weights", "saved",
    "--no-sequence-parallel",
]


@dataclass(frozen=True)
class Case:
    """A workload under a layout on a mesh."""

    model: Path
    layout: str
    mesh: str
    devices: int
    batch: int

    @property
    def name(self) -> str:
        return f"{self.model.stem}, {self.layout} {self.mesh}"

    def plan(self, planner: Planner) -> Path:
        return planner.plan(
            self.name.replace(", ", "-").replace(" ", "-"), self.model, "--devices", self.devices,
            "--layout", self.layout, "--mesh", self.mesh, "--micro-batch", self.batch, *PINS,
        )

    def jax(self, python: Path, form: str, steps: int, *flags: object) -> Outcome:
        return run(
            python, "-m", "workload_c.jax_step", self.model, "--layout", self.layout,
            "--mesh", self.mesh, "--form", form, "--steps", steps, *flags,
        )


CASES = [
    Case(C, "summa", "4x4", 16, 16),
    Case(C, "tesseract", "2x2x4", 16, 16),
    Case(C, "3d", "4x4x4", 64, 16),
    Case(A, "summa", "2x2", 4, 8),
]


def compare(case: Case, planner: Planner, arguments: argparse.Namespace) -> None:
    """Interleaves the programs over the rounds and prints what came out."""
    ours, rivals = Samples(), {"jit": Samples(), "shard_map": Samples()}
    documents: dict[str, dict] = {}
    plan = case.plan(planner)
    dump = planner.folder / "dump.safetensors"
    planner.execute(plan, "--dump", dump)
    for number in range(arguments.rounds):
        planned = measure_tpplan(planner, plan, arguments.steps, ours)
        for form, samples in rivals.items():
            flags = ["--against", dump] if number == 0 else []
            outcome = case.jax(arguments.jax, form, arguments.steps, *flags)
            samples.add(outcome)
            documents.setdefault(form, outcome.document)
    print_times(case.name, ours, rivals)
    for form, document in documents.items():
        print(
            f"  jax {form} from tpplan: loss {document['loss_deviation']:.1e}, gradients"
            f" {document['gradient_deviation']:.1e} ({document['worst']})"
        )
    print_bytes(planned.document["communication"], documents)


def print_bytes(planned: list[dict], documents: dict[str, dict]) -> None:
    """Bytes of each axis and collective, beside JAX's with the number of calls in its program."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    totals = {"tpplan": 0} | dict.fromkeys(documents, 0)

    def put(entry: dict, program: str, count: int, calls: str = "") -> None:
        row = rows.setdefault((entry["axis"], entry["collective"]), {})
        row[program] = f"{count:,}{calls}"
        totals[program] += count

    for entry in planned:
        put(entry, "tpplan", entry["measured_bytes"])
    for form, document in documents.items():
        for entry in document["collectives"]:
            put(entry, form, entry["bytes"], f" ({entry['calls']})")
    print(f"  {'bytes a step (calls)':<30}{'tpplan':>14}{'shard_map':>18}{'jit':>18}")
    rows["all", ""] = {program: f"{total:,}" for program, total in totals.items()}
    for (axis, collective), row in rows.items():
        tpplan, written, stated = (row.get(name, "-") for name in ("tpplan", "shard_map", "jit"))
        print(f"  {axis:<14} {collective:<15}{tpplan:>14}{written:>18}{stated:>18}")
    print(flush=True)


def main() -> None:
    arguments = comparison("workload-c", __doc__, rounds=2, steps=4)
    with tempfile.TemporaryDirectory(prefix="workload-c-") as folder:
        for case in CASES:
            compare(case, Planner(arguments.tpplan, Path(folder)), arguments)
    print(f"after: {load()}, these runs' own included")


if __name__ == "__main__":
    main()
