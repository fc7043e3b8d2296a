"""Tensors computed from their names alone, bit-identical in any language with 64-bit integers and IEEE doubles.

The computation uses only + - * / and square roots of doubles, in the order of this file, and one rounding to float32.
"""

import math
from collections.abc import Iterable

import numpy as np

FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
GOLDEN = 0x9E3779B97F4A7C15
MIX = [(30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)]  # of splitmix64: shift, then multiply
WORD = 2**64

# Keeps every network from B0 to B7 in a usable range: the variances of batch norm are random here, not measured.
CONVOLUTION_GAIN = 0.65
LINEAR_GAIN = 9.0  # large against the biases
INPUT = "input"


def key(name: str) -> int:
    """Returns the 64-bit FNV-1a hash of the name."""
    hashed = FNV_OFFSET
    for byte in name.encode():
        hashed = (hashed ^ byte) * FNV_PRIME % WORD
    return hashed


def uniform(name: str, count: int) -> np.ndarray:
    """Returns multiples of 2^-24 in [0, 1)."""
    counter = np.arange(1, count + 1, dtype=np.uint64)
    z = np.uint64(key(name)) + counter * np.uint64(GOLDEN)  # integer arrays of numpy wrap around
    for shift, factor in MIX:
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**24


def kind(name: str, dimensions: int, names: Iterable[str]) -> str:
    """Returns the kind of a tensor from its name, its dimensions and the other names: one rule for every naming."""
    prefix, _, last = name.rpartition(".")
    if dimensions == 4:
        return "convolution"
    if dimensions == 2:
        return "linear"
    if f"{prefix}.running_var" not in names:
        return "bias"
    return {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}[last]


def tensor(name: str, shape: tuple[int, ...], kind: str) -> np.ndarray:
    u = uniform(name, math.prod(shape))
    signed = 2.0 * u - 1.0
    match kind:
        case "convolution":
            values = signed * math.sqrt(3.0 * CONVOLUTION_GAIN / math.prod(shape[1:]))
        case "linear":
            values = signed * math.sqrt(3.0 * LINEAR_GAIN / shape[1])
        case "bias":
            values = 0.2 * signed
        case "gamma":
            values = 0.5 + u
        case "beta" | "mean":
            values = 0.4 * signed
        case "variance":
            values = 0.02 + 1.5 * u
        case "input":
            values = 4.0 * u - 2.0
        case _:
            raise ValueError(f"no such kind: {kind}")
    return values.astype(np.float32).reshape(shape)


def state_dict(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Returns every tensor of `shapes`; the number of batches is 0."""
    return {
        name: np.zeros((), np.int64)
        if name.endswith(".num_batches_tracked")
        else tensor(name, shape, kind(name, len(shape), shapes))
        for name, shape in shapes.items()
    }


def picture(side: int) -> np.ndarray:
    """Returns the normalised input picture in NCHW layout."""
    return tensor(INPUT, (1, 3, side, side), "input")
