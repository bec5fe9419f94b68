"""A scan: what the trials of many points amount to, one dataset over the keys and `trial`, in one netCDF-4 file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from lstmsim.checks import Json, refusal
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.learners.weights import Weights
from lstmsim.simulation.trial import Result
from lstmsim.trace.failures import readable
from lstmsim.trace.store import library, whole_or_absent
from lstmsim.trace.summary import NOT_RUN, UNREADABLE, BrokenFile

FILE = "scan.nc"
FAILED = "failed"  # status of a trial in which a task or a learner raised an error
STOPPED = "stopped"  # status of a trial of a point that was given up before its trials had ended
COUNTS = {"sequences": "sequences", "steps": "steps", "seconds": "s", "joined": "units"}
LATEST = ("training_error", "training_squared_error", "training_correct")  # means over the latest training sequences
TESTS = {"test_sequences": "sequences", "test_wrong": "sequences", "test_error": "1", "test_squared_error": "1"}


class Outcome(NamedTuple):
    """What is kept of a trial of a scan: its point's number, its own, figures by name, final weights by name if wanted."""

    point: int
    trial: int
    figures: Json
    weights: Weights


def figures(result: Result) -> Json:
    """Return the figures of an ended trial by the names that they have in the dataset; those that are None have no value."""
    reached = {"success": result.sequences if result.status == "solved" else None} | result.stages | result.milestones
    test = result.test
    latest = result.progress[-1, 1:] if len(result.progress) else np.full(len(LATEST), np.nan)
    found = {
        "status": str(result.status),
        "sequences": result.sequences,
        "steps": result.steps,
        "seconds": result.seconds,
        "joined": len(result.joined),
        **{name: float(value) for name, value in zip(LATEST, latest, strict=True)},
        "test_sequences": len(test),
        "test_wrong": int((test[:, 3] == 0).sum()),
        **({"test_error": float(test[:, 1].mean()), "test_squared_error": float(test[:, 2].mean())} if len(test) else {}),
        **{f"sequences_to_{name}": None if number is None else int(number) for name, number in reached.items()},
    }
    return {name: value for name, value in found.items() if value == value}  # a diverged net's errors are no numbers


def dataset(
    points: Sequence[Mapping[str, object]],
    outcomes: Iterable[Outcome],
    trials: int,
    *,
    product: bool,
    weight_dims: Mapping[str, tuple[str, ...]],
    attrs: Mapping[str, object],
) -> xr.Dataset:
    """Put the outcomes of a scan's trials together.

    Parameters
    ----------
    points : sequence of mapping
        Value of each key, of every point; all have the same keys.
    outcomes : iterable of Outcome
        Of the trials that have ended, in any order.
    trials : int
        Trials along `trial`.
    product : bool
        Whether each key is a dimension; otherwise there is one dimension `point`, and the keys are its coordinates.
    weight_dims : mapping of str to tuple of str
        Dimensions of the weights by their names.
    attrs : mapping
        Attributes of the dataset.

    Returns
    -------
    xarray.Dataset
        Over the keys (or `point`) and `trial`: status, sequences, steps, seconds, joined, `sequences_to_success` and every
        other milestone, means over the latest training sequences, test figures; NaN where there is none, with the status
        "not_run" where the trial was not run.
    """
    keys = list(points[0])
    values = {key: list(dict.fromkeys(point[key] for point in points)) for key in keys}
    if product:
        dims, shape = tuple(keys), tuple(len(values[key]) for key in keys)
        at = {key: {value: n for n, value in enumerate(values[key])} for key in keys}
        places = [int(np.ravel_multi_index([at[key][point[key]] for key in keys], shape)) for point in points]
        coords: dict[str, object] = {key: (key, _coordinate(values[key])) for key in keys}
    else:
        dims, shape, places = ("point",), (len(points),), list(range(len(points)))
        coords = {key: ("point", _coordinate([point[key] for point in points])) for key in keys}
    cells = int(np.prod(shape)), trials
    status = np.full(cells, NOT_RUN, "U8")
    columns = {name: np.full(cells, np.nan) for name in (*COUNTS, *LATEST, *TESTS, "sequences_to_success")}
    finals: Weights = {}
    failures: list[str] = []
    for point, trial, numbers, weights in outcomes:
        place = places[point], trial
        for name, value in numbers.items():
            if name == "status":
                status[place] = value
            elif name == "error":
                failures.append(f"{text_of(points[point])}, trial {trial}: {value}")
            elif value is not None:
                if name not in columns:
                    columns[name] = np.full(cells, np.nan)
                columns[name][place] = value
            elif name not in columns:
                columns[name] = np.full(cells, np.nan)
        for name, array in weights.items():
            _enter(finals, name, array, place, cells)
    variables: dict[str, object] = {"status": ((*dims, "trial"), status.reshape(*shape, trials), {"long_name": "status"})}
    for name, column in columns.items():
        units = (COUNTS | dict.fromkeys(LATEST, "1") | TESTS).get(name, "sequences")
        about = {"long_name": name.replace("_", " "), "units": units}
        variables[name] = ((*dims, "trial"), column.reshape(*shape, trials), about)
    for name, stack in finals.items():
        about = {"long_name": f"final weights: {name}", "units": "1"}
        variables[f"final_{name}"] = ((*dims, "trial", *weight_dims[name]), stack.reshape(*shape, *stack.shape[1:]), about)
    if taken := sorted({*variables, "trial", "point"} & set(keys)):
        raise refusal("over", taken[0], f"keys of other names than the results have: {', '.join(variables)}")
    told = {"failures": "\n".join([*sorted(failures)[:20], *([f"{len(failures)} in all"] if len(failures) > 20 else [])])}
    return xr.Dataset(variables, {**coords, "trial": np.arange(trials)}, {**attrs, **told})


def _enter(finals: Weights, name: str, array: Floats, place: tuple[int, int], cells: tuple[int, int]) -> None:
    """Enter one trial's weights; where nets differ in size there is NaN."""
    stack = finals.setdefault(name, np.full((*cells, *array.shape), np.nan))
    if any(n > m for n, m in zip(array.shape, stack.shape[2:], strict=True)):
        more = [(0, 0), (0, 0), *((0, max(0, n - m)) for n, m in zip(array.shape, stack.shape[2:], strict=True))]
        stack = finals[name] = np.pad(stack, more, constant_values=np.nan)
    stack[place + tuple(map(slice, array.shape))] = array


def _coordinate(values: Sequence[object]) -> Array:
    """Values of a key as a coordinate: numbers, or what --set takes as texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    return np.array([value_text(value) for value in values])


def value_text(value: object) -> str:
    """A value as --set takes it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def text_of(point: Mapping[str, object]) -> str:
    """A point in words: T=100, learning_rate=0.1."""
    return ", ".join(f"{key}={value_text(value)}" for key, value in point.items())


def write_scan(path: Path, scan: xr.Dataset) -> None:
    """Write a scan as netCDF-4; the file is whole or absent."""
    # Texts as `lstmsim.trace.store.letters` says.
    encoding: dict[str, dict[str, object]] = {
        str(name): {"dtype": "S1"}
        if variable.dtype.kind in "OU"
        else {"zlib": True, "complevel": 1}
        if variable.ndim
        else {}
        for name, variable in scan.variables.items()
    }
    with whole_or_absent(path) as part, library(by_xarray=True):
        scan.to_netcdf(part, engine="netcdf4", encoding=encoding)


def open_scan(path: Path) -> xr.Dataset:
    """Read the file of a scan.

    Raises
    ------
    OSError
        If the file cannot be read.
    BrokenFile
        If it is no whole file of a scan.
    """
    readable(path)
    try:
        with library(by_xarray=True):
            found = xr.load_dataset(path, engine="netcdf4")
        if "status" not in found or "row" not in found.attrs:
            raise ValueError("it lacks the status of trials or the row")
    except UNREADABLE as error:
        raise BrokenFile(f"{path} is no whole file of a scan ({type(error).__name__}: {error})") from None
    for name, variable in found.variables.items():
        if variable.dtype.kind in "SO":
            found[name] = found[name].astype(str)
    return found
