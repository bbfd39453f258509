"""The collectives of a compiled program, with their bytes as tpplan counts them.

A collective over groups of g on a whole buffer of N bytes moves N(g-1) bytes in each group, an
all-reduce 2N(g-1); a permute N for each pair.
"""

import math
import re
from collections import defaultdict

import numpy as np

INSTRUCTION = re.compile(
    r"= (?P<type>.+?) (?P<kind>all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)"
    r"(?:-start)?\("
)
ARRAY = re.compile(r"f32\[([0-9,]*)\]")
LISTED = re.compile(r"replica_groups=\{(\{[0-9,]*\}(?:,\{[0-9,]*\})*)\}")
ORDER = r"\[([0-9,]+)\](?:T\(([0-9,]+)\))?"
IOTA = re.compile(r"replica_groups=\[([0-9,]+)\]<=" + ORDER)
MESH = re.compile(
    r"replica_groups=mesh\[(?P<sizes>[^\]]*)\](?:, device_ids=\((?P<order>.*?)\))? *"
    r"\{(?P<within>[^}]*)\}"
)
PAIRS = re.compile(r"source_target_pairs=\{(\{[0-9,]*\}(?:,\{[0-9,]*\})*)\}")


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def ordered(dimensions: str, order: str | None) -> np.ndarray:
    """All devices, laid out along `dimensions` and transposed."""
    sizes = numbers(dimensions)
    devices = np.arange(math.prod(sizes)).reshape(sizes)
    return devices.transpose(numbers(order)) if order else devices


def groups_of(line: str) -> np.ndarray:
    """The groups, a row each; for a permute its pairs."""
    iota, mesh = IOTA.search(line), MESH.search(line)
    if iota:
        return ordered(*iota.groups()[1:]).reshape(numbers(iota[1]))
    if mesh:
        return groups_within(mesh)
    listed = LISTED.search(line) or PAIRS.search(line)
    if listed is None:
        raise SystemExit(f"groups in a form that is not known: {line[:600]}")
    return np.array([numbers(group) for group in re.findall(r"\{([0-9,]+)\}", listed[1])])


def groups_within(match: re.Match) -> np.ndarray:
    """Groups that vary along some axes of a mesh of XLA's own naming."""
    sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", match["sizes"])}
    names = list(sizes)
    devices = np.arange(math.prod(sizes.values()))
    if match["order"]:
        devices = ordered(*re.fullmatch(ORDER + ".*", match["order"] + ")").groups())
    devices = devices.reshape(list(sizes.values()))
    inner = [names.index(part.strip("' ")) for part in match["within"].split(",")]
    outer = [place for place in range(len(names)) if place not in inner]
    return devices.transpose(outer + inner).reshape(-1, math.prod(devices.shape[i] for i in inner))


def axes_of(groups: np.ndarray, axes: dict[str, int]) -> str:
    """The axes along which members of a group differ, joined as in a plan."""
    coordinates = np.unravel_index(groups, tuple(axes.values()))
    varying = [
        name for name, place in zip(axes, coordinates) if (place != place[:, :1]).any()
    ]
    return "+".join(varying)


def bytes_moved(kind: str, result: int, groups: np.ndarray) -> int:
    """Bytes that cross between devices, all groups together; `result` is a device's result."""
    count, size = groups.shape
    if kind == "collective-permute":
        return result * count
    whole = result * size if kind == "reduce-scatter" else result
    return whole * (size - 1) * count * (2 if kind == "all-reduce" else 1)


def collectives(program: str, axes: dict[str, int]) -> list[dict]:
    """Calls and bytes of each (axis, collective) of optimized HLO, in the order of a plan."""
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for line in program.splitlines():
        match = INSTRUCTION.search(line)
        if match is None:
            continue
        groups = groups_of(line)
        if groups.shape[1] == 1:
            continue
        result = sum(4 * math.prod(numbers(shape)) for shape in ARRAY.findall(match["type"]))
        entry = found[axes_of(groups, axes), match["kind"]]
        entry[0] += 1
        entry[1] += bytes_moved(match["kind"], result, groups)

    def place(key: tuple[str, str]):
        return [list(axes).index(name) for name in key[0].split("+") if name], key[1]

    return [
        {"axis": key[0], "collective": key[1], "calls": found[key][0], "bytes": found[key][1]}
        for key in sorted(found, key=place)
    ]
