"""The tile and wave model of matrix products, its fit to measured ones, and how far it is off on those left out.

The model is that of `Sources/PlanIR/Cluster/ProductModel.swift`; `accuracy.py` holds the two against each other.
Times are in microseconds, rates in FLOP or bytes a microsecond.
"""

import csv
import dataclasses

import numpy as np
from scipy.optimize import least_squares

TILES = [
    (64, 16), (64, 32), (64, 64), (64, 96), (64, 128), (64, 160), (128, 96), (128, 128),
    (128, 160), (128, 192), (128, 256), (192, 160), (192, 192), (256, 160),
]
DEPTH = 64
STORED = 32768  # elements of the tile that `store` is of
PROCESSORS = 132
PEAK = 989.4e6
BANDWIDTH = 3.35e6
# Residuals: nearest measured products, weights falling to nothing at REACH octaves.
REACH, PRIOR, OTHER_LAYOUT, LIMIT = 1.5, 0.5, 1.0, 0.25
LAYOUTS = {"NT": 0, "NN": 1, "TN": 2}


@dataclasses.dataclass
class Constants:
    """Name: start, least, most."""

    start: tuple = (2.8, 0.5, 6.0)  # microseconds before and after the tiles
    efficiency: tuple = (0.87, 0.6, 1.2)  # of PEAK, tiles being computed
    load: tuple = (17e6, 5e6, 60e6)  # bytes a microsecond into all processors
    overlap: tuple = (5.7, 1.2, 20.0)  # exponent that joins computing and loading
    store: tuple = (1.9, 0.0, 6.0)  # microseconds of a tile's end
    memory: tuple = (0.83, 0.4, 1.2)  # of BANDWIDTH
    slowdown: tuple = (0.185, 0.0, 0.6)  # of products that take long, for lower clocks
    slowdown_half: tuple = (280.0, 10.0, 5000.0)  # microseconds at which half of it is reached
    nn: tuple = (1.015, 0.8, 1.2)
    tn: tuple = (1.023, 0.8, 1.2)
    unaligned: tuple = (4.3, 1.0, 8.0)  # rows that are no multiple of 16 bytes


NAMES = [field.name for field in dataclasses.fields(Constants)]
BOUNDS = np.array([field.default for field in dataclasses.fields(Constants)])


@dataclasses.dataclass
class Products:
    """Measured products, an array of each column."""

    m: np.ndarray
    n: np.ndarray
    k: np.ndarray
    layout: np.ndarray
    micros: np.ndarray
    family: np.ndarray

    def __getitem__(self, chosen):
        return Products(*(getattr(self, f.name)[chosen] for f in dataclasses.fields(self)))

    def __len__(self):
        return len(self.micros)

    @property
    def places(self):
        return np.log2(np.stack([self.m, self.n, self.k], 1))


def read(path):
    """The rows of `path`; a family is the model that they are of, whose forward QKV product comes first."""
    rows = list(csv.DictReader(open(path)))
    family, families = 0, []
    for row in rows:
        if row.get("kind") == "qkv" and row["layout"] == "NT":
            family = int(row["k"])
        families.append(family)
    number = lambda name: np.array([float(row[name]) for row in rows])
    return Products(
        number("m"), number("n"), number("k"), np.array([row["layout"] for row in rows]),
        number("us"), np.array(families))


def modelled(constants, p):
    """Microseconds of the products `p`, nothing of them measured."""
    c = dict(zip(NAMES, constants))
    rows = [np.where(p.layout == "TN", p.m, p.k), np.where(p.layout == "NT", p.k, p.n), p.n]
    aligned = np.all([row % 8 == 0 for row in rows], axis=0)
    penalty = np.where(aligned, 1, c["unaligned"])
    best = np.full(len(p.m), np.inf)
    for height, width in TILES:
        waves = np.ceil(np.ceil(p.m / height) * np.ceil(p.n / width) / PROCESSORS)
        computing = 2 * height * width * DEPTH * PROCESSORS / (c["efficiency"] * PEAK)
        loading = (height + width) * DEPTH * 2 * PROCESSORS / c["load"]
        each = (computing ** c["overlap"] + loading ** c["overlap"]) ** (1 / c["overlap"])
        end = c["store"] * height * width / STORED
        best = np.minimum(best, waves * (each * penalty * np.ceil(p.k / DEPTH) + end))
    traffic = 2 * (p.m * p.k + p.n * p.k + p.m * p.n) / (c["memory"] * BANDWIDTH)
    time = (best**4 + traffic**4) ** 0.25 + c["start"]
    time = time * (1 + c["slowdown"] * time / (time + c["slowdown_half"]))
    factors = np.select([p.layout == "NN", p.layout == "NT"], [c["nn"], 1.0], c["tn"])
    return time * factors


def fit(p):
    """The constants for `p`, by least squares of logarithms, outliers counting linearly."""
    least, most = BOUNDS[:, 1], BOUNDS[:, 2]
    value = BOUNDS[:, 0].copy()
    scale = np.maximum(np.abs(value), 0.01)

    def error(scaled):
        return np.log(modelled(scaled * scale, p) / p.micros)

    for step in (1e-3, 1e-2, 3e-3):  # waves make steps: differences must reach over them
        value = scale * least_squares(
            error, value / scale, bounds=(least / scale, most / scale), loss="soft_l1", f_scale=0.03,
            diff_step=step).x
    return value


def corrected(constants, known, p):
    """Microseconds of `p`, corrected by what `known` ones nearby took beside what is modelled of them."""
    ratio = np.clip(np.log(known.micros / modelled(constants, known)), -LIMIT, LIMIT)
    distance = np.abs(p.places[:, None] - known.places[None]).sum(-1)
    distance = distance + OTHER_LAYOUT * (p.layout[:, None] != known.layout[None])
    weight = np.maximum(0, 1 - distance / REACH)
    return modelled(constants, p) * np.exp((weight @ ratio) / (PRIOR + weight.sum(1)))


def folds(p):
    """Ways of leaving products out: what is fitted and what is then predicted, by name."""
    every = np.arange(len(p))
    shape = [tuple(sorted(sizes)) for sizes in zip(p.m, p.n, p.k)]
    number = {s: i for i, s in enumerate(sorted(set(shape)))}
    order = np.random.default_rng(1).integers(0, 10, len(number))
    tenth = np.array([order[number[s]] for s in shape])
    middle = (p.m == 2048) & (p.layout == "NT")
    other = p.layout != "NT"

    def by(group):
        return [(every[group != value], every[group == value]) for value in np.unique(group)]

    return {
        "a tenth of the shapes": by(tenth),
        "a whole model": by(p.family),
        "all forward ones of 2048 rows": [(every[~middle], every[middle])],
        "all backward ones of a model": [
            (every[~(other & (p.family == f))], every[other & (p.family == f)])
            for f in np.unique(p.family)],
    }


def summary(predicted, measured):
    error = np.abs(predicted / measured - 1)
    return "median %5.2f %%  90th percentile %5.2f %%  mean %5.2f %%" % tuple(
        100 * x for x in (np.median(error), np.quantile(error, 0.9), error.mean()))


def left_out(p):
    """For each way of leaving out: errors of the model alone, and corrected."""
    lines = []
    for name, parts in folds(p).items():
        alone, together, measured = [], [], []
        for kept, out in parts:
            constants = fit(p[kept])
            alone.append(modelled(constants, p[out]))
            together.append(corrected(constants, p[kept], p[out]))
            measured.append(p[out].micros)
        measured = np.concatenate(measured)
        lines.append((name, summary(np.concatenate(alone), measured),
                      summary(np.concatenate(together), measured)))
    return lines


if __name__ == "__main__":
    import sys

    products = read(sys.argv[1])
    constants = fit(products)
    for name, value in zip(NAMES, constants):
        print(f"{name:14s} {value:.6g}")
    print("fitted:       ", summary(modelled(constants, products), products.micros))
    for name, alone, together in left_out(products):
        print(f"left out: {name}\n  model alone   {alone}\n  corrected     {together}")
