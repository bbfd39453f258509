"""The distance of two dumps, by the definition that `tpplan execute` itself uses."""

import math
from dataclasses import dataclass

import torch


@dataclass
class Worst:
    """The largest error among the tensors of one kind."""

    error: float
    name: str


def kind_of(name: str) -> str:
    """The kind of a dumped tensor, which shares one floor: `grad.` and `param.` each are one."""
    return name.split(".", 1)[0]


def shape_faults(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> list[str]:
    """Says which names are missing, too many, or have another shape."""
    faults = [f"missing: {name}" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"not a parameter: {name}" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & found.keys()):
        if found[name].shape != wanted[name].shape:
            shapes = f"{list(found[name].shape)}, not {list(wanted[name].shape)}"
            faults.append(f"shape of {name}: {shapes}")
    return faults


def worst_errors(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]
) -> dict[str, Worst]:
    """Largest max|a-b| / max(max|b|, floor) of each kind; floor = 1e-2 x the kind's max|b|."""
    largest: dict[str, float] = {}
    for name, tensor in wanted.items():
        size = tensor.abs().max().item()
        largest[kind_of(name)] = max(size, largest.get(kind_of(name), 0.0))
    worst: dict[str, Worst] = {}
    for name, tensor in wanted.items():
        kind = kind_of(name)
        scale = max(tensor.abs().max().item(), 1e-2 * largest[kind])
        error = (found[name].double() - tensor.double()).abs().max().item() / scale
        # NaN compares false with everything, and would be lost behind the next tensor.
        error = math.inf if math.isnan(error) else error
        if kind not in worst or error > worst[kind].error:
            worst[kind] = Worst(error, name)
    return worst
