"""Steps of Megatron-LM on A100s (arXiv 2104.04473, Table 1).

The table says neither micro-batch nor interleave: both are those that tpplan finds fastest, of what fits. Its
time is its FLOPs a step, by the paper's formula, over its FLOP/s. Gradients are reduced in 16 bits, as Megatron-LM
does without `--accumulate-allreduce-grads-in-fp32`, which `--precision bf16` gives.
"""

import published

SEQUENCE = 2048
FITTED = {"matmul_efficiency": 0.15, "nvlink": 0.15, "infiniband": 0.10, "scores": 0.30}


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
    model = published.gpt(
        int(row["hidden"]), int(row["heads"]), int(row["layers"]), int(row["vocab"]), SEQUENCE)
    return published.plan(
        planner, cluster, model, int(row["tensor_parallel"]), "--devices", row["gpus"], "--pipeline",
        row["pipeline_parallel"], "--data", row["data_parallel_derived"], "--global-batch",
        row["global_batch"], "--precision", "bf16")


def study(rows, clusters):
    return published.Study(rows, clusters / "a100-sxm-80gb.json", plan, measured, FITTED)
