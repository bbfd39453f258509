"""The plan of every shipped model on 8, 64 and 512 H100s, why it is taken, and whether it is proved: docs/plans.md."""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER = "h100-sxm"
# A proof that takes longer counts as none.
PROOF_SECONDS = 900
# How often the devices are doubled to find a plan that fits.
MOST_DOUBLINGS = 6


class Planner:
    """tpplan, with its plans in a folder."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = pathlib.Path(folder)

    def run(self, *words, seconds=None):
        return subprocess.run(
            [self.program, *map(str, words)], capture_output=True, text=True, timeout=seconds)

    def answer(self, *words):
        """The JSON document of a command that may say no."""
        outcome = self.run(*words, "--json")
        if outcome.returncode not in (0, 1):
            sys.exit(f"{' '.join(map(str, words))}: {outcome.stderr}")
        return json.loads(outcome.stdout)

    def models(self):
        return [model["name"] for model in self.answer("models")["models"]]

    def plan(self, model, devices):
        """The search's answer, and the file of its best plan."""
        path = self.folder / f"{model}-{devices}.json"
        answer = self.answer(
            "search", model, "--devices", devices, "--cluster", CLUSTER, "--top", 1, "--emit", path)
        return answer, path

    def first_fit(self, model, devices):
        """In words, the least of 2, 4, ... times as many devices on which a plan fits."""
        for count in (devices << doublings for doublings in range(1, MOST_DOUBLINGS + 1)):
            if self.plan(model, count)[0]["plans"]:
                return f"; {count} devices are enough"
        return ""

    def why(self, path):
        """The plan in words, and the sentence why; that of another layout is looked for first, as it alone
        decides where one fits."""
        for decisions in (["--decision", "layout"], []):
            answer = self.answer("explain", path, "--runners-up", *decisions)
            if any(other["fits"] for other in answer["runners_up"]):
                break
        return answer["plan_text"], answer["why"]

    def proof(self, path):
        """What the shrunk twin was, and whether it passed."""
        try:
            outcome = self.run(
                "execute", path, "--shrink", "--no-record", "--json", seconds=PROOF_SECONDS)
        except subprocess.TimeoutExpired:
            return f"no: longer than {PROOF_SECONDS} s"
        try:
            answer = json.loads(outcome.stdout)
        except json.JSONDecodeError:
            answer = {}
        if "valid" not in answer:
            return f"no: {outcome.stderr.strip().splitlines()[-1]}"
        axes = "data", "pipeline", "context"
        changes = [line.removeprefix("shrink: ") for line in outcome.stderr.splitlines()]
        mesh = ", ".join(change for change in changes if change.startswith(axes))
        twin = f"on {answer['devices']}" + (f" ({mesh})" if mesh else "")
        return f"yes, {twin}" if answer["valid"] else f"no, {twin}: {failure(answer)}"


def failure(answer):
    """What of a proof that was carried out does not hold."""
    errors = {name: error for name, error in answer["errors"].items() if name != "gradients"}
    errors["gradients"] = answer["errors"]["gradients"]["max"]
    found = [f"{name} {error:.1e}" for name, error in errors.items() if error > answer["tolerance"]]
    if any(e["predicted_bytes"] != e["measured_bytes"] for e in answer["communication"]):
        found.append("bytes differ")
    if answer["peak_bytes"]["predicted"] != answer["peak_bytes"]["measured"]:
        found.append("peaks differ")
    return ", ".join(found)


def seconds(value):
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1 or unit == "us":
            return f"{value * factor:.{3 if unit == 's' else 2}f} {unit}"


def gibibytes(count):
    return f"{count / 2**30:.2f} GiB"


def compact(text):
    """Stages alike one after another together: `6 none | 6 none | 6 none` is `3 x 6 none`."""
    def together(match):
        parts = match.group(0).split(" | ")
        runs = []
        for part in parts:
            if runs and runs[-1][0] == part:
                runs[-1][1] += 1
            else:
                runs.append([part, 1])
        return "; ".join(part if count == 1 else f"{count} x {part}" for part, count in runs)

    stage = r"\d+ (?:none|selective|full)(?: \+ \d+ (?:none|selective|full))*"
    return re.sub(rf"{stage}(?: \| {stage})+", together, text)


def row(planner, model, devices):
    answer, path = planner.plan(model, devices)
    if not answer["plans"]:
        return f"| {devices} | {nothing(answer)}{planner.first_fit(model, devices)} | | | | | |"
    plan = answer["plans"][0]
    text, why = planner.why(path)
    batches = f"micro-batch {plan['micro_batch']} x {plan['micro_batches']}"
    cells = [
        devices, f"{compact(text)}, {batches}", seconds(plan["step_seconds"]),
        f"{100 * plan['model_flops_utilization']:.1f} %", gibibytes(plan["memory"]["total"]), why,
        planner.proof(path),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def nothing(answer):
    """That nothing fits, and what the search says comes nearest."""
    nearest = answer["nearest"]
    if nearest is None:
        reason = answer["reasons"][0]
        return f"nothing fits: {reason['constraint']}: {reason['found']}; try {reason['try']}"
    degrees = ", ".join(f"{name} {size}" for name, size in nearest["degrees"].items() if size > 1)
    return (
        f"nothing fits: {nearest['layout']}, {degrees}, recompute {nearest['recompute']}, needs least, "
        f"{gibibytes(nearest['memory']['total'])}")


def profile():
    """What tells one state of the cluster's profile from another."""
    path = ROOT / f"models/clusters/{CLUSTER}.json"
    return f"`models/clusters/{path.name}`, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


HEAD = """# The plan of each shipped model

`Benchmarks/run plans` writes this page (under half an hour on two cores; `--models` and `--devices` narrow it). The
workload is each model's default, the cluster `{cluster}`, 8 devices a node:
{profile}. A row is `tpplan search MODEL --devices N`.

- *plan*: as `search` shows it; of stages alike one after another their number.
- *memory*: of the fullest device, of {limit} less what the cluster reserves. Where nothing fits, what the plan that
  needs least would take (`nearest` of the search's answer), and the first doubling of the devices that is enough.
- *why*: the sentence of `tpplan explain PLAN --runners-up`.
- *proved*: `tpplan execute PLAN --shrink`: whether loss, gradients, bytes and memory of a small twin are right,
  on how many threads (64 at most), and what of the mesh was cut for it.

Gradients are reduced while the last backward pass goes on, and what ZeRO 2 and 3 gather and scatter goes on beside
kernels (`overlaps_gradients` of the cluster); all other communication counts as exposed. Small models on 512 devices
take stages with a single micro-batch, most of whose step is bubble: launching kernels from an eager program is most of what any plan of theirs takes, wherever they run, and
with stages fewer weights are exchanged among fewer replicas.
"""


def write(planner, models, counts, out):
    limit = gibibytes(planner.answer(
        "search", "tiny-gpt2", "--devices", 1, "--cluster", CLUSTER)["cluster"]["memory_bytes"])
    print(HEAD.format(cluster=CLUSTER, profile=profile(), limit=limit), file=out)
    for model in models:
        print(f"## {model}\n", file=out)
        print("| devices | plan | step | utilization | memory | why | proved |", file=out)
        print("| ---: | --- | ---: | ---: | ---: | --- | --- |", file=out)
        for devices in counts:
            line = row(planner, model, devices)
            print(line, file=out, flush=True)
            print(f"{model} {line}", file=sys.stderr, flush=True)
        print(file=out)


def main():
    parser = argparse.ArgumentParser(prog="Benchmarks/run plans", description=__doc__)
    parser.add_argument("--tpplan", required=True)
    parser.add_argument("--models", nargs="+", help="default: all that are shipped")
    parser.add_argument("--devices", nargs="+", type=int, default=[8, 64, 512])
    parser.add_argument("--output", default=str(ROOT / "docs/plans.md"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner(options.tpplan, folder)
        partial = pathlib.Path(folder) / "plans.md"
        with open(partial, "w") as out:
            write(planner, options.models or planner.models(), options.devices, out)
        pathlib.Path(options.output).write_text(partial.read_text().rstrip() + "\n")


if __name__ == "__main__":
    main()
