"""What a net is given to see and to learn: arrays, pandas and xarray, with the labels along time that these carry."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field

import numpy as np

from lstmsim.checks import array, is_pandas, is_xarray, numbers, refusal, shown
from lstmsim.kernels.arrays import Array
from lstmsim.learners.weights import Floats

_TIMES = ("step", "time")
_GAPS = "fill it (ffill), interpolate it, or put 0 and give the net one more input that is 1 where a value is missing"


@dataclass(frozen=True)
class Given:
    """Values over time, and their labels.

    Attributes
    ----------
    values : ndarray, shape (step, unit) or (trial, step, unit)
        Float64.
    index : ndarray or None
        A label for each step, by which inputs and targets are compared; None where there are none.
    coords : dict
        What a trace keeps along its steps, by name.
    """

    values: Floats
    index: Array | None = None
    coords: dict[str, Array] = field(default_factory=dict)


def over_time(name: str, value: object, units: int, dim: str, trials: int | None = None, like: Given | None = None) -> Given:
    """Inputs or targets of a run as a user gives them, `targets` with rows of NaN where there is none.

    Parameters
    ----------
    name : str
        The argument.
    value
        Array-like, masked array, pandas Series or DataFrame, or xarray DataArray with the dimensions step or time, `dim`,
        and trial. A single unit's needs no dimension of its own.
    units : int
        Number of units.
    dim : str
        Their dimension: "input_unit" or "output_unit".
    trials : int, optional
        Number of nets, which the first of three dimensions may be.
    like : Given, optional
        What they must be as long as, and have the same labels where both have some: a run's inputs.

    Raises
    ------
    ValueError
        Naming the argument, what is wrong with it and what is allowed.
    """
    bare, index, coords = _labelled(name, value, dim, trials)
    if like is not None:
        _same_labels(like.index, index)
    steps = None if like is None else like.values.shape[-2]
    values = numbers(name, bare, (steps, units))
    if values.ndim == 1 and units == 1:
        values = values[:, None]
    shape = (trials, steps, units) if trials is not None and values.ndim == 3 else (steps, units)
    if name == "inputs" and np.isnan(values).any() and values.ndim == len(shape):
        where = tuple(int(i) for i in np.argwhere(np.isnan(values))[0])
        label = "" if index is None else f" ({index[where[-2]]})"
        raise ValueError(f"{name} holds nan at {where}{label}; allowed: finite numbers; where a value is missing {_GAPS}")
    return Given(array(name, values, shape, nan_rows=name == "targets"), index, coords)


def _same_labels(one: Array | None, other: Array | None) -> None:
    """Refuse labels of inputs and of targets that differ."""
    if one is None or other is None:
        return
    both = min(len(one), len(other))
    unlike = np.flatnonzero([a != b for a, b in zip(one[:both].tolist(), other[:both].tolist(), strict=True)])
    if unlike.size or len(one) != len(other):
        step = int(unlike[0]) if unlike.size else both
        labels = [str(index[step]) if step < len(index) else "nothing" for index in (one, other)]
        raise ValueError(
            f"inputs has the label {labels[0]} at step {step}, targets {labels[1]}; allowed: the same labels (reindex one)"
        )


def row(name: str, value: object, units: int, trials: int | None = None) -> Floats:
    """One step's values as a new float64 array of the shape (units,), or (trials, units) where they come so.

    Raises
    ------
    ValueError
        Naming the argument, what is wrong with it and what is allowed.
    """
    if type(value) in (np.ndarray, list, tuple):  # quick where it is right
        try:
            found = np.array(value)
            if found.dtype.kind in "biuf" and found.shape == (units,):
                found = found.astype(np.float64, copy=False)
                if math.isfinite(sum(found.tolist())):
                    return found
        except (TypeError, ValueError, OverflowError):
            pass
    values = numbers(name, _plain(name, value), (units,))
    if values.ndim == 0 and units == 1:
        values = values[None]
    return array(name, values, (units,) if trials is None or values.ndim < 2 else (trials, units))


def _labelled(name: str, value: object, dim: str, trials: int | None) -> tuple[object, Array | None, dict[str, Array]]:
    """Take labels off: the values, a label for each step, and what a trace keeps along its steps."""
    if is_pandas(value):
        index = value.index
        if index.nlevels > 1:
            raise ValueError(f"{name} has an index of {index.nlevels} levels; allowed: one")
        labels = index.tz_convert("UTC").tz_localize(None).to_numpy() if getattr(index, "tz", None) else index.to_numpy()
        counted = getattr(index, "start", None) == 0 and index.step == 1
        coords = {} if counted else {index.name if isinstance(index.name, str) else "time": labels}
        return _plain(name, value), labels, coords
    if is_xarray(value):
        times = [d for d in value.dims if d in _TIMES]
        others = [d for d in value.dims if d not in _TIMES and d != dim and not (d == "trial" and trials is not None)]
        if len(times) != 1 or others:
            allowed = f"step or time, {dim}" + ("" if trials is None else ", trial")
            raise refusal(f"dims of {name}", value.dims, allowed)
        value = value.transpose("trial", times[0], dim, missing_dims="ignore")
        coords = {str(n): c.values for n, c in value.coords.items() if c.dims == (times[0],)}
        return _plain(name, value), coords.get(times[0]), coords
    return _plain(name, value), None, {}


def _plain(name: str, value: object) -> object:
    """The value without labels and mask: NaN where masked or missing."""
    if isinstance(value, np.ma.MaskedArray):
        return np.ma.filled(value.astype(np.float64), np.nan) if value.dtype.kind in "biuf" else value.data
    if is_pandas(value):
        columns = {value.name: value.dtype} if value.ndim == 1 else value.dtypes.to_dict()
        for column, kind in columns.items():
            if kind.kind not in "biuf":
                raise ValueError(f"{name} has {kind} in the column {shown(column)}; allowed: numbers")
        return value.to_numpy(np.float64, na_value=np.nan)
    if is_xarray(value):
        return value.values
    xarray = sys.modules.get("xarray")
    if xarray is not None and isinstance(value, xarray.Dataset):
        raise refusal(name, type(value).__name__, "a DataArray, as dataset.to_dataarray() makes one")
    return value
