"""Published steps of Megatron-LM against what tpplan predicts, and against constants fitted to other steps.

Attention as separate kernels, dropout 0.1, layers recomputed in full, no sequence parallelism: as Megatron-LM was
then.
"""

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np

SCORES = ("softmax", "softmax-gradient", "attention-scores", "dropout", "dropout-gradient")
TOLERANCE = 0.02  # of a row's logarithm, beside how far constants are free
STEP = 0.08


@dataclasses.dataclass(frozen=True)
class Study:
    """Rows of a table, the profile of the cluster that they were measured on, and what of it was fitted to them."""

    rows: list[dict]
    profile: pathlib.Path
    plan: Callable  # of planner, cluster and row: the plan that the row is of
    measured: Callable  # of row: seconds of a step
    fitted: dict[str, float]  # constants, and how far the logarithm of each is free


def gpt(hidden, heads, layers, vocabulary, sequence):
    """The Hugging Face configuration of a GPT-2 of these sizes."""
    return {
        "model_type": "gpt2", "n_embd": hidden, "n_head": heads, "n_inner": 4 * hidden, "n_layer": layers,
        "vocab_size": vocabulary, "n_positions": sequence,
    }


def plan(planner, cluster, model, tensor, *flags):
    """The fastest plan of `model` on tensor groups of so many devices with `flags`."""
    mesh = ["--layout", "megatron", "--tensor", tensor, "--no-sequence-parallel"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "config.json")
        path.write_text(json.dumps(model))
        answer = planner.run(
            "search", path, "--cluster", cluster, *(mesh if tensor > 1 else ["--layout", "data"]),
            "--context", 1, "--sequence", model["n_positions"], "--recompute", "full", "--zero", 0,
            "--attention", "unfused", "--dropout", 0.1, "--top", 1, "--json", *flags)
    return json.loads(answer)["plans"][0]


def changed(profile, factors):
    """`profile` with constants times their factors: of the device, of a level by its name, of how fast tiles are
    computed, or of what attention's scores move."""
    profile = json.loads(pathlib.Path(profile).read_text())
    levels = {level["name"]: level for level in profile["levels"]}
    for name, factor in factors.items():
        if name == "scores":
            for family in SCORES:
                profile["device"]["operators"]["families"][family]["traffic"] *= factor
        elif name == "tiles":
            profile["device"]["products"]["efficiency"] *= factor
        elif name in levels:
            levels[name]["bandwidth_bytes_per_second"] *= factor
        else:
            profile["device"][name] *= factor
    return profile


def errors(planner, study, factors):
    """Logarithms of predicted over measured times."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "cluster.json")
        path.write_text(json.dumps(changed(study.profile, dict(zip(study.fitted, factors)))))
        return np.log([
            study.plan(planner, path, row)["step_seconds"] / study.measured(row) for row in study.rows])


def left_out(planner, study):
    """Errors of each row in percent: as shipped, and with constants fitted to the others, by how errors change about
    the shipped ones."""
    here = np.ones(len(study.fitted))
    base = errors(planner, study, here)
    slopes = np.stack(
        [(errors(planner, study, np.exp(np.log(here) + STEP * unit)) - base) / STEP
         for unit in np.eye(len(here))], 1)
    freedom = np.diag(1 / np.array(list(study.fitted.values())))
    result = []
    for out in range(len(base)):
        kept = np.arange(len(base)) != out
        system = np.vstack([slopes[kept] / TOLERANCE, freedom])
        wanted = np.concatenate([-base[kept] / TOLERANCE, np.zeros(len(here))])
        change = np.linalg.lstsq(system, wanted, rcond=None)[0]
        result.append(base[out] + slopes[out] @ change)
    return 100 * np.expm1(base), 100 * np.expm1(np.array(result))
