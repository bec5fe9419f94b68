"""What the settings of all learners share: checks that name the argument, its value and what is allowed; initial draws."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from lstmsim.learners.weights import MAX_WEIGHTS, checked_weights, generator, not_too_large

__all__ = ["MAX_WEIGHTS", "checked_weights", "generator", "not_too_large"]


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


def one_hot(symbols: bool, method: str) -> None:
    """Check that the inputs are one-hot, where a method takes no others."""
    if not symbols:
        raise ValueError(f"symbols is {symbols}; allowed: True, {method} takes one-hot inputs")


def one_of(name: str, value: Any, *allowed: str) -> None:
    """Check a word."""
    if value not in allowed:
        raise refuse(name, value, ", ".join(map(repr, allowed)))


def flag(name: str, value: Any) -> None:
    """Check a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise refuse(name, value, "True, False")
