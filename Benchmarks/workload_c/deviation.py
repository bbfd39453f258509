"""How far JAX's loss and gradients are from those that tpplan dumped."""

import json
from pathlib import Path

import numpy as np


def read(file: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file of float32."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + place for place in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    return tensors


def deviations(dump: Path, loss: float, layers: list[dict], input_gradient) -> dict:
    """Of the loss, and the largest of a gradient: max|a - b| / max(max|b|, a hundredth of the
    largest of all), as `tpplan execute` reports it."""
    expected = read(dump)
    computed = {"grad.input": np.asarray(input_gradient)}
    for layer, gradients in enumerate(layers):
        for name, gradient in gradients.items():
            block, rest = name.split(".", 1)
            computed[f"grad.{block}.{layer}.{rest}"] = np.asarray(gradient)
    reference = float(expected.pop("loss"))
    if computed.keys() != expected.keys():
        raise SystemExit(f"other gradients: {sorted(computed.keys() ^ expected.keys())}")
    largest = max(np.abs(tensor).max() for tensor in expected.values())
    worst, name = max(
        (
            np.abs(computed[name] - tensor).max() / max(np.abs(tensor).max(), largest / 100),
            name,
        )
        for name, tensor in expected.items()
    )
    return {
        "loss": loss, "loss_deviation": abs(loss - reference) / abs(reference),
        "gradient_deviation": float(worst), "worst": name,
    }
