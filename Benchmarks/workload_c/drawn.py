"""tpplan's random numbers: weights, features and cotangent as `tpplan execute` draws them.

Each is a function of seed, stream and global element index alone (`CounterGenerator`), so that both
programs compute with the same numbers however they are sharded.
"""

import numpy as np

WORD = 1 << 64
GOLDEN = 0x9E3779B97F4A7C15


def mix(word):
    """SplitMix64's finaliser, of one number or of an array of them."""
    word = np.asarray(word, np.uint64)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def fingerprint(text: str) -> int:
    """FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % WORD
    return value


def normal(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Numbers of mean 0 and variance 1 of the stream `name`."""
    with np.errstate(over="ignore"):
        key = mix(np.uint64(fingerprint(name)) ^ mix(np.uint64((seed + GOLDEN) % WORD)))
        lanes = np.arange(4 * int(np.prod(shape)), dtype=np.uint64)
        words = mix(mix(lanes * np.uint64(GOLDEN) + key) ^ key)
    thirds = (words >> np.uint64(shift) & np.uint64(0x1FFFFF) for shift in (0, 21, 42))
    sums = sum(third.astype(np.int64) for third in thirds).reshape(-1, 4).sum(axis=1)
    return ((sums + 6.0) / (1 << 21) - 6).astype(np.float32).reshape(shape)


def parameter(name: str, layer: int, shape: tuple[int, ...]) -> np.ndarray:
    """`block.parameter` of a layer of a native model: weights of order one over the root of their
    rows, gains about one, biases small."""
    block, rest = name.split(".", 1)
    mean = 1.0 if rest.endswith("gain") else 0.0
    deviation = shape[0] ** -0.5 if rest.endswith("weight") else 0.1 if mean else 0.05
    return np.float32(mean) + np.float32(deviation) * normal(f"weight/{block}.{layer}.{rest}", shape)
