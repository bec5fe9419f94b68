"""What the settings of all learners share: checks that name the argument, its value and what is allowed; initial draws."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MAX_WEIGHTS = 20_000_000


def refuse(name: str, value: Any, allowed: str) -> ValueError:
    """Return the error for a value that is not allowed."""
    return ValueError(f"{name} is {value!r}; allowed: {allowed}")


def whole(name: str, value: Any, low: int, high: float = math.inf) -> int:
    """Return a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        limits = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
        raise refuse(name, value, f"a whole number {limits}")
    return int(value)


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
    return number and -sys.float_info.max <= value <= sys.float_info.max


def finite(name: str, value: Any) -> float:
    """Return a finite number."""
    if not _is_finite(value):
        raise refuse(name, value, "a finite number")
    return float(value)


def positive(name: str, value: Any, *, zero: bool = False) -> float:
    """Return a finite number above 0, or of at least 0 where `zero` is allowed."""
    if not _is_finite(value) or value < 0 or (value == 0 and not zero):
        raise refuse(name, value, f"a finite number {'of at least' if zero else 'above'} 0")
    return float(value)


def whole_fields(settings: Any, *names: str, low: int = 1, high: float = math.inf) -> None:
    """Check fields of frozen settings, and make them plain whole numbers from `low` to `high`."""
    for name in names:
        object.__setattr__(settings, name, whole(name, getattr(settings, name), low, high))


def positive_fields(settings: Any, *names: str, zero: bool = False) -> None:
    """Check fields of frozen settings, and make them plain numbers above 0, or of at least 0 where `zero` is allowed."""
    for name in names:
        object.__setattr__(settings, name, positive(name, getattr(settings, name), zero=zero))


def not_too_large(size: int, **sizes: int) -> None:
    """Check a net's number of weights, about, that follows from the sizes given."""
    if size > MAX_WEIGHTS:
        given = ", ".join(f"{name}={value}" for name, value in sizes.items())
        raise ValueError(f"{given} make too large a net; allowed: about {MAX_WEIGHTS:,} weights")


def one_hot(symbols: bool, method: str) -> None:
    """Check that the inputs are one-hot, where a method takes no others."""
    if not symbols:
        raise ValueError(f"symbols is {symbols}; allowed: True, {method} takes one-hot inputs")


def generator(seed: int | Sequence[int]) -> np.random.Generator:
    """Return the source of the initial weights that belong to a seed, the same in every version of NumPy."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def one_of(name: str, value: Any, *allowed: str) -> None:
    """Check a word."""
    if value not in allowed:
        raise refuse(name, value, ", ".join(map(repr, allowed)))


def flag(name: str, value: Any) -> None:
    """Check a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise refuse(name, value, "True, False")


def checked_weights(weights: Mapping[str, Any], exists: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, Floats]:
    """Weights as float64 arrays: every group of `exists` present, shapes right, all finite, absent connections zero.

    Raises
    ------
    ValueError
        Naming the group and what is wrong with it.
    """
    if not isinstance(weights, Mapping) or set(weights) != set(exists):
        given = sorted(weights) if isinstance(weights, Mapping) else type(weights).__name__
        raise refuse("weights", given, f"a dict with the keys {sorted(exists)}")
    result = {}
    for name, mask in exists.items():
        try:
            value = np.array(weights[name], dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise refuse(f"weights[{name!r}]", weights[name], f"numbers of shape {mask.shape}") from None
        if value.shape != mask.shape:
            raise refuse(f"weights[{name!r}] shape", value.shape, str(mask.shape))
        if not np.isfinite(value).all():
            raise ValueError(f"weights[{name!r}] holds NaN or infinity; allowed: finite numbers")
        if (value[~mask] != 0).any():
            raise ValueError(f"weights[{name!r}] is not 0 where no connection exists; allowed: 0 there")
        result[name] = value
    return result
