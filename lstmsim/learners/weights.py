"""Named weights: initial draws, and the check of weights that somebody brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lstmsim.checks import floats, refusal
from lstmsim.kernels.arrays import Flags, Floats

Weights = dict[str, Floats]
Masks = dict[str, Flags]

MAX_WEIGHTS = 20_000_000


def not_too_large(size: int, **sizes: int) -> None:
    """Check a net's number of weights, about, that follows from the sizes given.

    Raises
    ------
    ValueError
        Naming the sizes.
    """
    if size > MAX_WEIGHTS:
        given = ", ".join(f"{name}={value}" for name, value in sizes.items())
        raise ValueError(f"{given} make too large a net; allowed: about {MAX_WEIGHTS:,} weights")


def generator(seed: int | Sequence[int]) -> np.random.Generator:
    """Return the source of the initial weights that belong to a seed, the same in every version of NumPy."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def uniform_weights(exists: Masks, init_range: float, seed: int | Sequence[int]) -> Weights:
    """Weights uniform in [-init_range, init_range] where a connection exists, 0 elsewhere."""
    random = generator(seed)
    return {name: np.where(mask, random.uniform(-1.0, 1.0, mask.shape) * init_range, 0.0) for name, mask in exists.items()}


def checked_weights(weights: Mapping[str, object], exists: Masks) -> Weights:
    """Weights as float64 arrays: every group of `exists` present, shapes right, all finite, absent connections zero.

    Raises
    ------
    ValueError
        Naming the group and what is wrong with it.
    """
    if not isinstance(weights, Mapping) or set(weights) != set(exists):
        given = sorted(weights) if isinstance(weights, Mapping) else type(weights).__name__
        raise refusal("weights", given, f"a dict with the keys {sorted(exists)}")
    result = {}
    for name, mask in exists.items():
        try:
            value = floats(weights[name])
        except (TypeError, ValueError, OverflowError):
            raise refusal(f"weights[{name!r}]", weights[name], f"numbers of shape {mask.shape}") from None
        if value.shape != mask.shape:
            raise refusal(f"weights[{name!r}] shape", value.shape, str(mask.shape))
        if not np.isfinite(value).all():
            raise ValueError(f"weights[{name!r}] holds NaN or infinity; allowed: finite numbers")
        if (value[~mask] != 0).any():
            raise ValueError(f"weights[{name!r}] is not 0 where no connection exists; allowed: 0 there")
        result[name] = value
    return result
