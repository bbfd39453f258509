"""How long searches take on one core, and what an exhaustive one takes of the same question."""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from program import Outcome, run
from samples import load

MEBIBYTE = 1024 * 1024
# Models, devices, batch, and CPU seconds wanted; of 512 sequences nothing divides on 1,000 devices.
QUESTIONS = [
    ("gpt3-175b", 64, 512, 0.5),
    ("gpt3-175b", 512, 512, 0.5),
    ("gpt3-175b", 4096, 512, 0.5),
    ("llama-3-70b", 1000, 1000, 0.5),
    ("megatron-1t", 16384, 512, 2.0),
    ("megatron-1t", 131072, 512, 5.0),
]
# Of a space small enough to price all of it.
NARROW = ["gpt2", "--devices", 16, "--layout", "megatron", "--context", 1, "--global-batch", 32]


@dataclass
class Search:
    """One question, asked again and again."""

    words: list[object]
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    last: Outcome | None = None

    def ask(self, tpplan: Path) -> None:
        start = time.perf_counter()
        self.last = run(tpplan, "search", *self.words, "--json")
        self.wall.append(time.perf_counter() - start)
        self.cpu.append(self.last.cpu_seconds)

    @property
    def candidates(self) -> int:
        return self.last.document["space"]["candidates"]

    @property
    def best(self) -> str:
        """The best plan and its cost, as text."""
        plans = self.last.document["plans"]
        return json.dumps(plans[0], sort_keys=True) if plans else "no plan"

    @property
    def row(self) -> str:
        spread = f"{min(self.cpu):.2f} to {max(self.cpu):.2f}"
        resident = self.last.peak_resident_bytes / MEBIBYTE
        return (
            f"{median(self.cpu):>8.2f}{spread:>15}{median(self.wall):>8.2f}{resident:>9.0f}"
            f"{self.candidates:>20,}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="Benchmarks/run search", description=__doc__)
    parser.add_argument("--tpplan", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cluster", default="h100-sxm")
    arguments = parser.parse_args()
    print(f"medians of {arguments.rounds} rounds; before: {load()}", flush=True)
    searches = [
        Search([
            model, "--devices", devices, "--global-batch", batch, "--cluster", arguments.cluster,
        ])
        for model, devices, batch, _ in QUESTIONS
    ]
    pruned = Search([*NARROW, "--cluster", arguments.cluster])
    exhaustive = Search([*pruned.words, "--exhaustive"])
    for _ in range(arguments.rounds):
        for search in [*searches, pruned, exhaustive]:
            search.ask(arguments.tpplan)
    columns = f"{'CPU s':>8}{'least to most':>15}{'wall s':>8}{'MiB':>9}{'candidates':>20}"
    print(f"{'':<22}{columns}{'wanted':>9}")
    for search, (model, devices, _, wanted) in zip(searches, QUESTIONS):
        print(f"{model:<14}{devices:>8}{search.row}{wanted:>7} s")
    for name, search in [("pruned", pruned), ("exhaustive", exhaustive)]:
        print(f"{name:<22}{search.row}")
    ratio = median(exhaustive.cpu) / median(pruned.cpu)
    print(f"exhaustive / pruned: CPU {ratio:.0f}; of gpt2 on 16 devices, layout megatron")
    same = pruned.best == exhaustive.best
    print(f"the same plan and cost: {'yes' if same else 'no'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
