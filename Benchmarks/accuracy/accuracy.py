"""How far predictions are from measurements: products, layers and steps of an H100, published clusters.

Errors are those of the shipped profiles, and of constants fitted anew to all but what they are then held against.
"""

import argparse
import csv
import pathlib
import subprocess

import numpy as np

import frames
import megatron_v1
import products
import ptdp
import published

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def show_products(options):
    """The shipped profile on what it was fitted to, and products left out of fits."""
    measured = products.read(options.data / "h100_matmul_bf16.csv")
    lines = "".join(
        f"{layout} {int(m)} {int(n)} {int(k)}\n"
        for layout, m, n, k in zip(measured.layout, measured.m, measured.n, measured.k))
    predicted = {}
    for name, flags in {"as shipped": [], "nothing measured known": ["--modelled"]}.items():
        answer = subprocess.run(
            [options.prices, options.cluster, *flags], input=lines, capture_output=True, text=True,
            check=True).stdout
        predicted[name] = np.array([float(line.split()[0]) for line in answer.splitlines()])
        print(f"  {name:32s}{products.summary(predicted[name], measured.micros)}")
    constants = products.fit(measured)
    modelled = products.modelled(constants, measured)
    apart = np.abs(predicted["nothing measured known"] / modelled - 1).max()
    print(f"  Swift and Python, both with nothing measured known, are at most {100 * apart:.2f} % apart")
    for name, alone, together in products.left_out(measured):
        print(f"  left out: {name}\n    tiles and waves alone         {alone}")
        print(f"    corrected by measured ones    {together}")


def percent(predicted, measured):
    return 100 * (predicted / measured - 1)


def show_layers(options, planner):
    """Layers, of which those count as busy whose kernels take longer than launching them."""
    busy = []
    for row in rows(options.data / "h100_layer_bf16.csv"):
        forward, backward = planner.layer(row)
        measured = float(row["fwd_us"]), float(row["bwd_us"])
        together = percent(1e6 * (forward + backward), sum(measured))
        launched = row["t"] != "1" and row["recompute"] != "none" or (row["b"] == "4") or (
            row["t"] == "8" and row["b"] == "1" and row["s"] == "4096")
        if not launched:
            busy.append(abs(together))
        print(
            f"  {row['model']:12s} t {row['t']} b {row['b']:>2s} s {row['s']} {row['recompute']:5s}"
            f" forward {percent(1e6 * forward, measured[0]):+6.1f} %"
            f"  backward {percent(1e6 * backward, measured[1]):+6.1f} %  both {together:+6.1f} %"
            f"  {'launches' if launched else 'busy'}")
    print(f"  busy: mean {np.mean(busy):.1f} %, worst {max(busy):.1f} %")


def show_steps(options, planner):
    """Whole steps: times, and the highest memory."""
    memory = []
    for row in rows(options.data / "h100_training_step.csv"):
        plan = planner.step(row)
        time = percent(plan["step_seconds"] * 1e6, float(row["step_us"]))
        memory.append(percent(plan["memory"]["total"], float(row["peak_bytes"])))
        launched = int(row["b"]) < 8
        print(
            f"  {row['model']} b {row['b']:>2s} {row['recompute']:5s} step"
            f" {plan['step_seconds'] * 1e3:6.1f} ms {time:+6.1f} %  memory"
            f" {plan['memory']['total'] / 1e9:5.2f} GB {memory[-1]:+6.1f} %"
            f"  {'launches' if launched else 'busy'}")
    print(f"  memory: mean {np.mean(np.abs(memory)):.1f} %, worst {max(map(abs, memory)):.1f} %")


def show_published(planner, study, describe):
    """Published steps, and each predicted with constants fitted to the others."""
    fitted, left = published.left_out(planner, study)
    for row, own, out in zip(study.rows, fitted, left):
        plan = study.plan(planner, study.profile, row)
        print(
            f"  {row['params_b']:>5s}B  {describe(row, plan)}  {plan['step_seconds']:7.3f} s"
            f"  fitted {own:+5.1f} %  left out {out:+5.1f} %")
    for name, error in (("fitted", fitted), ("left out", left)):
        print(f"  {name}: mean {np.mean(np.abs(error)):.1f} %, worst {max(abs(error)):.1f} %")


def show_a100s(options, planner):
    table = rows(options.data / "ptdp_table1_weak_scaling.csv")
    show_published(
        planner, ptdp.study(table, options.cluster.parent),
        lambda row, plan: f"micro-batch {plan['micro_batch']:2d}  interleave {plan['interleave']}")


def show_v100s(options, planner):
    study = megatron_v1.study(
        rows(options.data / "megatron_v1_weak_scaling.csv"), options.cluster.parent)
    show_published(planner, study, lambda row, plan: f"tensor {row['model_parallel_gpus']}")
    table = rows(options.data / "megatron_table8_strong_scaling.csv")
    for row, own in zip(table, megatron_v1.speedups(planner, study, table)):
        print(
            f"  {row['params_b']:>5s}B  tensor {row['model_parallel_gpus']}  {own:4.2f} times as fast"
            f"  {percent(own, float(row['speedup'])):+5.1f} %  not fitted")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    build = ROOT / ".build" / "release"
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of measurements")
    parser.add_argument("--tpplan", default=build / "tpplan")
    parser.add_argument("--prices", default=build / "ProductPrices")
    parser.add_argument("--cluster", type=pathlib.Path, default=ROOT / "models" / "clusters" / "h100-sxm.json")
    options = parser.parse_args()
    planner = frames.Planner(options.tpplan, options.cluster)
    print("products of an H100")
    show_products(options)
    print("layers of an H100")
    show_layers(options, planner)
    print("steps of an H100")
    show_steps(options, planner)
    print("published steps on A100s")
    show_a100s(options, planner)
    print("published steps on V100s")
    show_v100s(options, planner)


if __name__ == "__main__":
    main()
