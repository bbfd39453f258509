"""Predicted against measured step time of plans of small models on this machine's threads."""

import argparse
import csv
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from local_accuracy import figures
from local_accuracy.models import MODELS
from local_accuracy.plans import Pool
from local_accuracy.trial import CORES, Trial
from program import Planner, run
from samples import blas_core, load

MEAN_ERROR, RANK, BEST = 0.10, 0.9, 0.05


@dataclass(frozen=True)
class Comparison:
    """A predicted time and the measured one that it is held against."""

    title: str
    predicted: str
    measured: str

    def errors(self, trials: list[Trial]) -> list[float]:
        """What is predicted beyond what was measured, relative to that."""
        return [getattr(trial, self.predicted) / getattr(trial, self.measured) - 1 for trial in trials]

    def rank(self, trials: list[Trial]) -> float:
        return figures.correlation(
            [getattr(trial, self.predicted) for trial in trials], [getattr(trial, self.measured) for trial in trials])

    def row(self, trials: list[Trial]) -> str:
        errors = self.errors(trials)
        return f"{figures.mean_error(errors):>9.1%}{figures.worst(errors):>+8.1%}{self.rank(trials):>6.2f}"


WALL = Comparison("wall", "predicted", "wall")
# The step less its bubbles, as idle devices take no CPU time.
CPU = Comparison("CPU", "predicted", "cpu")


@dataclass
class Group:
    """The plans of one model on so many devices."""

    title: str
    trials: list[Trial]
    # Plans of which these are a sample.
    pool: int
    # The plans that are predicted fastest, and that which was, run again in turns.
    again: list[Trial]

    def row(self) -> str:
        predicted = [trial.predicted for trial in self.trials]
        return (
            f"{self.title:<18}{len(self.trials):>3} of {self.pool:<4}{max(predicted) / min(predicted):>6.2f}"
            + WALL.row(self.trials) + CPU.row(self.trials)
            + f"{self.regret('wall'):>+9.1%}{self.regret('cpu'):>+8.1%}")

    def regret(self, what: str) -> float:
        """What the plan that is predicted best takes more than that which was."""
        best = min(self.again, key=lambda trial: trial.predicted)
        return getattr(best, what) / min(getattr(trial, what) for trial in self.again) - 1


HEAD = (
    f"{'':<34}{'step and wall':<23}{'step and CPU / cores':<23}{'best later':>15}\n"
    f"{'model, devices':<18}{'plans':<10}{'ratio':>6}" + f"{'mean':>9}{'worst':>8}{'rank':>6}" * 2
    + f"{'wall':>9}{'CPU':>8}")


class Benchmark:
    """All groups, one after the other."""

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options, self.folder = options, folder
        self.timings = options.timings or folder / "timings.sqlite"
        self.planner = Planner(options.tpplan, folder)
        self.groups: list[Group] = []

    def run(self) -> None:
        for name in self.options.models:
            model = MODELS[name].write(self.options.tpplan, name, self.folder)
            self.calibrate(model, self.options.budget / 2)
            for devices in self.options.devices:
                self.groups.append(self.group(name, model, devices))
                print(self.groups[-1].row(), flush=True)
                if self.options.csv:
                    self.write(self.options.csv)

    def calibrate(self, model: Path, seconds: float, *flags: str) -> None:
        """Measures kernels and collectives apart."""
        outcome = run(
            self.options.tpplan, "calibrate", "--model", model, "--budget", seconds, "--dtype", "float32",
            "--timings", self.timings, "--json", *flags).document
        self.note(
            f"{model.stem}: {outcome['measured']} measured, {outcome['skipped']} known, {outcome['left']} left")

    def group(self, name: str, model: Path, devices: int) -> Group:
        folder = self.folder / f"{name}-{devices}"
        folder.mkdir(exist_ok=True)
        pool = Pool(
            self.options.tpplan, model, devices, self.timings, folder, self.options.top,
            Random(f"{self.options.seed} {name} {devices}"))
        trials = [Trial(name, devices, candidate) for candidate in pool.sample(self.options.plans)]
        for trial in trials:
            trial.predict(self.options.tpplan, self.timings)
        # The machine changes its speed: plans are run in turns, and kernels measured between these.
        self.round(trials)
        self.calibrate(model, self.options.budget / 2 / len(self.options.devices), "--again")
        for _ in range(self.options.rounds - 1):
            self.round(trials)
        # Every price is of the same times: searches have measured what their best plans compute.
        for trial in trials:
            trial.predict(self.options.tpplan, self.timings)
        trials.sort(key=lambda trial: trial.predicted)
        group = Group(f"{name}, {devices}", trials, len(pool.candidates), self.again(pool, trials))
        if self.options.recorded:
            self.record(trials, folder / "recorded.sqlite")
        for trial in trials:
            self.note(line(trial))
        return group

    def round(self, trials: list[Trial]) -> None:
        """A part of each plan's steps."""
        for trial in trials:
            trial.measure(self.planner, self.options.seconds / self.options.rounds)

    def again(self, pool: Pool, trials: list[Trial]) -> list[Trial]:
        """The plans that are predicted fastest, and that which was, run in turns."""
        chosen = pool.fastest()
        fastest = min(trials, key=lambda trial: trial.wall).candidate
        if fastest not in chosen:
            chosen.append(fastest)
        fresh = [Trial(trials[0].model, trials[0].devices, candidate) for candidate in chosen]
        for trial in fresh:
            trial.predict(self.options.tpplan, self.timings)
        # Of plans that are told to be alike small differences count.
        for _ in range(2 * self.options.rounds):
            self.round(fresh)
        return fresh

    def record(self, trials: list[Trial], timings: Path) -> None:
        """Prices once more, by the kernels of these very runs beside what was measured apart."""
        everything = self.folder / "timings.json"
        export = [self.options.tpplan, "timings", "export", everything, "--timings", self.timings]
        bring = [self.options.tpplan, "timings", "import", everything, "--timings", timings]
        for command in (export, bring):
            run(*command, "--json")
        for trial in trials:
            trial.record(self.options.tpplan, timings)
        for trial in trials:
            answer = run(
                self.options.tpplan, "explain", trial.candidate.file, "--json", "--timings", timings).document
            trial.recorded = answer["plan"]["step_seconds"]

    def note(self, text: str) -> None:
        if self.options.verbose:
            print("  " + text, flush=True)

    def verdict(self) -> bool:
        """Prints all groups together, and whether targets are met, by wall and by CPU time."""
        trials = [trial for group in self.groups for trial in group.trials]
        sources = {
            source: sum(trial.explained["sources"][source] for trial in trials)
            for source in ("measured", "interpolated", "modelled")}
        total = sum(sources.values())
        print("times " + ", ".join(f"{source} {seconds / total:.1%}" for source, seconds in sources.items()))
        print_kinds(trials)
        met = [self.judge(comparison, trials) for comparison in (WALL, CPU)]
        return met[0]

    def judge(self, comparison: Comparison, trials: list[Trial]) -> bool:
        errors = comparison.errors(trials)
        ranks = [comparison.rank(group.trials) for group in self.groups]
        regrets = [group.regret(comparison.measured) for group in self.groups]
        met = figures.mean_error(errors) <= MEAN_ERROR and min(ranks) >= RANK and max(regrets) <= BEST
        print(
            f"by {comparison.title} time: {len(trials)} plans, mean error {figures.mean_error(errors):.1%}, worst "
            f"{figures.worst(errors):+.1%}\n  rank {min(ranks):.2f} at least, {RANK} in "
            f"{sum(value >= RANK for value in ranks)} of {len(ranks)}; best within {BEST:.0%} in "
            f"{sum(value <= BEST for value in regrets)} of {len(regrets)}: {'met' if met else 'not met'}")
        return met

    def write(self, file: Path) -> None:
        with open(file, "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([
                "model", "devices", "layout", "schedule", "zero", "recompute", "micro_batch", "micro_batches",
                "plan", "predicted", "recorded", "wall", "cpu_over_cores", "compute", "communication",
                "bubble", "optimizer", "file"])
            for trial in (trial for group in self.groups for trial in group.trials):
                plan, parts = trial.plan, trial.plan["breakdown"]
                writer.writerow([
                    trial.model, trial.devices, plan["layout"], plan["schedule"], plan["zero"], plan["recompute"],
                    plan["micro_batch"], plan["micro_batches"], trial.name, trial.predicted, trial.recorded,
                    trial.wall, trial.cpu, parts["compute"], parts["communication_exposed"],
                    parts["bubble"], parts["optimizer"],
                    trial.candidate.file.stem])


def print_kinds(trials: list[Trial]) -> None:
    """Errors of plans that have something in common; negative where too little is predicted."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        for kind in (f"{trial.devices} devices", *trial.candidate.labels):
            kinds.setdefault(kind, []).append(trial)
    print(f"{'of plans with':<22}{'plans':>6}{'step and wall':>16}{'step and CPU':>15}")
    for kind, some in kinds.items():
        means = (
            fmean(Comparison("", predicted, measured).errors(some))
            for predicted, measured in (("predicted", "wall"), ("predicted", "cpu")))
        print(f"  {kind:<20}{len(some):>6}" + "".join(f"{value:>+15.1%}" for value in means))


def line(trial: Trial) -> str:
    recorded = "" if trial.recorded is None else f"{trial.recorded:>9.3f}"
    return (
        f"{trial.predicted:>7.3f}{recorded}  wall {trial.wall:.3f} {trial.predicted / trial.wall - 1:>+7.1%}  "
        f"CPU {trial.cpu:.3f} {trial.predicted / trial.cpu - 1:>+7.1%}  {trial.name}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Benchmarks/run local-accuracy", description=__doc__)
    parser.add_argument("--tpplan", type=Path, required=True)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--devices", nargs="+", type=int, default=[4, 8, 16])
    parser.add_argument("--plans", type=int, default=14, help="plans of a model on so many devices")
    parser.add_argument("--top", type=int, default=30, help="plans taken of each search for the fastest")
    parser.add_argument("--seed", type=int, default=0, help="of what plans are drawn")
    parser.add_argument("--seconds", type=float, default=1.5, help="CPU seconds timed of a run, after its first step")
    parser.add_argument("--rounds", type=int, default=3, help="how often plans take their turn")
    parser.add_argument("--budget", type=float, default=60, help="seconds of calibration a model, half of them before")
    parser.add_argument("--timings", type=Path, help="the database (default: a new one)")
    parser.add_argument("--recorded", action="store_true", help="price with kernels of these runs, too")
    parser.add_argument("--verbose", action="store_true", help="print every plan")
    parser.add_argument("--folder", type=Path, help="keep models, plans and times here")
    parser.add_argument("--csv", type=Path, help="write every plan to this file")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    print(f"{options.seconds:g} CPU seconds a plan, seed {options.seed}; {blas_core(options.tpplan)}")
    print(f"before: {load()}\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        benchmark = Benchmark(options, folder)
        benchmark.run()
        met = benchmark.verdict()
    print(f"after: {load()}, these runs' own included")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
