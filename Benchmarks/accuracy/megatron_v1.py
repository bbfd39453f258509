"""Steps of Megatron-LM on V100s of a DGX-2H: its page of version 1.0 (weak scaling), and arXiv 1909.08053, Table 8
(strong scaling, by software a year older).

One micro-batch of the whole batch, vocabulary 51,200, sequences of 1,024. The page's 62.4 TFLOP/s of one GPU are, by
its time, the operations of a step with full recomputation.
"""

import published

SEQUENCE, VOCABULARY = 1024, 51200
FITTED = {"tiles": 0.15, "nvlink": 0.15, "memory_efficiency": 0.10, "scores": 0.30}
# Hidden width, heads and layers by billions of parameters, which the table does not say: from memory of the page. They
# come to 1.16, 2.03, 4.24 and 8.67 billion.
SIZES = {"1.2": (1920, 15, 24), "2.0": (2304, 18, 30), "4.2": (3072, 24, 36), "8.7": (4096, 32, 42)}


def measured(row):
    return float(row["iteration_time_ms"]) / 1e3


def plan(planner, cluster, row):
    """The plan of a row; a row of Table 8 says its own sizes."""
    sizes = (
        tuple(int(row[name]) for name in ("hidden", "heads", "layers")) if "hidden" in row
        else SIZES[row["params_b"]])
    devices = int(row["model_parallel_gpus"])
    return published.plan(
        planner, cluster, published.gpt(*sizes, VOCABULARY, SEQUENCE), devices, "--devices", devices,
        "--pipeline", 1, "--data", 1, "--global-batch", row["batch"], "--micro-batch", row["batch"],
        "--precision", "mixed", "--memory", "unlimited")


def study(rows, clusters):
    return published.Study(rows, clusters / "v100-sxm3-32gb.json", plan, measured, FITTED)


def speedups(planner, study, rows):
    """Predicted speedups of the rows of Table 8 over the first."""
    seconds = [plan(planner, study.profile, row)["step_seconds"] for row in rows]
    return [seconds[0] / own for own in seconds]
