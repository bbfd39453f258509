"""Published steps of Megatron-LM on A100s (arXiv 2104.04473, Table 1) against what tpplan predicts.

The table says neither micro-batch nor interleave: both are those that tpplan finds fastest, of what fits. Its
time is its FLOPs a step, by the paper's formula, over its FLOP/s. Dropout 0.1 and attention as separate kernels,
as Megatron-LM had them then; gradients are reduced in 16 bits, as it does without
`--accumulate-allreduce-grads-in-fp32`, which `--precision bf16` gives.
"""

import json
import pathlib
import tempfile

import numpy as np

SEQUENCE = 2048
# Constants that were fitted: place in the profile, relative freedom.
FITTED = {"matmul_efficiency": 0.15, "nvlink": 0.15, "infiniband": 0.10, "scores": 0.30}
SCORES = ("softmax", "softmax-gradient", "attention-scores", "dropout", "dropout-gradient")
TOLERANCE = 0.02  # of a row's logarithm, beside the freedoms above
STEP = 0.08


def flops(row):
    """Those of a step with full recomputation, equation 3 of the paper."""
    layers, hidden = int(row["layers"]), int(row["hidden"])
    tokens = int(row["global_batch"]) * SEQUENCE
    vocabulary = int(row["vocab"])
    share = 1 + SEQUENCE / (6 * hidden) + vocabulary / (16 * layers * hidden)
    return 96 * tokens * layers * hidden**2 * share


def measured(row):
    return flops(row) / (int(row["gpus"]) * float(row["tflops_per_gpu"]) * 1e12)


def plan(planner, cluster, row):
    """The fastest plan with the row's degrees."""
    hidden, tensor = int(row["hidden"]), int(row["tensor_parallel"])
    model = {
        "model_type": "gpt2", "n_embd": hidden, "n_head": int(row["heads"]), "n_inner": 4 * hidden,
        "n_layer": int(row["layers"]), "vocab_size": int(row["vocab"]), "n_positions": SEQUENCE,
    }
    mesh = ["--layout", "megatron", "--tensor", tensor, "--no-sequence-parallel"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "config.json")
        path.write_text(json.dumps(model))
        answer = planner.run(
            "search", path, "--cluster", cluster, "--devices", row["gpus"],
            *(mesh if tensor > 1 else ["--layout", "data"]), "--pipeline",
            row["pipeline_parallel"], "--data", row["data_parallel_derived"], "--context", 1,
            "--global-batch", row["global_batch"], "--sequence", SEQUENCE, "--recompute", "full",
            "--zero", 0, "--attention", "unfused", "--dropout", 0.1, "--precision", "bf16", "--top",
            1, "--json")
    return json.loads(answer)["plans"][0]


def changed(cluster, factors):
    """The profile `cluster` with each fitted constant times its factor."""
    profile = json.loads(pathlib.Path(cluster).read_text())
    factor = dict(zip(FITTED, factors))
    profile["device"]["matmul_efficiency"] *= factor["matmul_efficiency"]
    for level in profile["levels"]:
        level["bandwidth_bytes_per_second"] *= factor[level["name"]]
    for family in SCORES:
        profile["device"]["operators"]["families"][family]["traffic"] *= factor["scores"]
    return profile


def errors(planner, cluster, rows, factors):
    """Logarithms of predicted over measured times."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "cluster.json")
        path.write_text(json.dumps(changed(cluster, factors)))
        return np.log([
            plan(planner, path, row)["step_seconds"] / measured(row) for row in rows])


def left_out(planner, cluster, rows):
    """Errors of each row, constants fitted to the others, by how they change about the shipped ones."""
    here = np.ones(len(FITTED))
    base = errors(planner, cluster, rows, here)
    slopes = np.stack(
        [(errors(planner, cluster, rows, np.exp(np.log(here) + STEP * unit)) - base) / STEP
         for unit in np.eye(len(FITTED))], 1)
    freedom = np.diag(1 / np.array(list(FITTED.values())))
    result = []
    for out in range(len(rows)):
        kept = np.arange(len(rows)) != out
        system = np.vstack([slopes[kept] / TOLERANCE, freedom])
        wanted = np.concatenate([-base[kept] / TOLERANCE, np.zeros(len(FITTED))])
        change = np.linalg.lstsq(system, wanted, rcond=None)[0]
        result.append(base[out] + slopes[out] @ change)
    return 100 * np.expm1(base), 100 * np.expm1(np.array(result))
