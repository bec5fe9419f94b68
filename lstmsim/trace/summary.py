"""What trials amount to: a dataset over the trials of a row, and one over rows and trials, from the files' attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from statistics import NormalDist

import netCDF4
import numpy as np
import xarray as xr

from lstmsim.checks import Json
from lstmsim.kernels.arrays import Array
from lstmsim.learners.base import Status
from lstmsim.trace.seal import intact
from lstmsim.trace.store import library, whole_or_absent

STATUSES = tuple(str(status) for status in Status if status != Status.RUNNING)
RECORDED = "recorded"  # status of what a `Recorder` writes, which is no trial: no seed need be known, nothing is tested
NOT_RUN = "not_run"  # status of a trial that one row lacks and another has
PROVENANCE = ("version", "git_commit", "numba", "numpy", "xarray", "netCDF4", "cpu")
# What reading a file that is not one of ours, or is damaged, may raise.
UNREADABLE = (
    OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, MemoryError,
)  # fmt: skip
_ATTRIBUTES: dict[str, type] = {
    "row": str, "trial": Integral, "seed": Integral, "status": str, "config": str, "version": str,
}  # fmt: skip
_COUNTS = ("seed", "sequences", "steps", "joined", "test_sequences", "test_wrong")
_MEANS = {"seconds": "s", "test_error": "1", "test_squared_error": "1"}
_STREAMS = {"steps": "steps", "right": "sequences"}  # of test streams, where a task has such
_MOST_TESTS = 1_000_000
_SMALL = 1 << 26  # bytes up to which a file is verified whenever it is opened


class BrokenFile(ValueError):
    """A file that is no whole trial file."""


def read_trial(path: Path, *, verify: bool = False) -> Json:
    """Attributes of a trial file, with the results of its test.

    Parameters
    ----------
    path : Path
        The file.
    verify : bool
        Compare the file with its checksum even if it is large.

    Raises
    ------
    BrokenFile
        If the file cannot be read as a trial file; the message names it.
    """
    try:
        if (verify or path.stat().st_size <= _SMALL) and intact(path) is False:
            raise ValueError("its checksum is wrong")
        with library(), netCDF4.Dataset(path) as file:
            attrs = {name: file.getncattr(name) for name in file.ncattrs()}
            recorded = attrs["status"] == RECORDED
            for key, kind in _ATTRIBUTES.items():
                if not isinstance(attrs[key], kind) if key in attrs or not recorded else key != "seed":
                    raise ValueError(f"its attribute {key} is {attrs.get(key)!r:.60}")
            if attrs["status"] not in (*STATUSES, RECORDED) or not isinstance(json.loads(attrs["config"]), dict):
                raise ValueError("its status or config is none")
            if recorded:
                return attrs | {"test_sequences": 0, "test_wrong": 0, "test_error": np.nan, "test_squared_error": np.nan}
            test = file["test"]
            if (size := len(test.dimensions["test_sequence"])) > _MOST_TESTS:
                raise ValueError(f"it says to hold {size:,} test sequences; the most there can be are {_MOST_TESTS:,}")
            errors, squares = np.asarray(test["error"][:]), np.asarray(test["squared_error"][:])
            attrs["test_sequences"] = len(errors)
            attrs["test_wrong"] = int((np.asarray(test["correct"][:]) == 0).sum())
            attrs["test_error"] = float(errors.mean()) if len(errors) else np.nan
            attrs["test_squared_error"] = float(squares.mean()) if len(errors) else np.nan
            attrs |= {f"test_{name}": float(np.mean(test[name][:])) for name in _STREAMS if name in test.variables}
            len(file["progress"].dimensions["window"])
    except UNREADABLE as error:
        raise BrokenFile(f"{path} is no whole trial file ({type(error).__name__}: {error})") from None
    return attrs


def trial_at(path: Path) -> Json:
    """`read_trial` of the one file that somebody has named as `path`.

    Raises
    ------
    BrokenFile
        If the file cannot be read as a trial file.
    """
    try:
        return read_trial(path)
    except BrokenFile as error:
        raise BrokenFile(f"path: {error}; allowed: a file that a run or a Recorder has written") from None


def of_trials(attrs: Sequence[Json]) -> xr.Dataset:
    """What the trials of one row amount to.

    Parameters
    ----------
    attrs : sequence of mapping
        Attributes of trial files, as `read_trial` gives them.

    Returns
    -------
    xarray.Dataset
        Over `trial`: status, seed, sequences, steps, seconds, joined (how many units had joined), `sequences_to_success`
        and every other milestone (NaN where it was not reached), test results (NaN without a test; of streams also their
        mean length `test_steps`, and `test_right`, the task's sequences in them that were right), and what made the files.
    """

    def column(name: str, values: Array, units: str = "1") -> tuple[str, Array, dict[str, str]]:
        return "trial", values, {"long_name": name.replace("_", " "), "units": units}

    milestones = sorted({key for a in attrs for key in a if key.startswith("sequences_to_")} | {"sequences_to_success"})
    # As objects: the longest text must not be cut where datasets are joined.
    columns = {key: column(key, np.array([str(a.get(key, "")) for a in attrs], object)) for key in ("status", *PROVENANCE)}
    for key in _COUNTS:
        counts = [np.size(a.get(key, ())) if key == "joined" else a.get(key, np.nan) for a in attrs]
        columns[key] = column(key, np.array(counts), "sequences" if key.endswith("sequences") else "1")
    streams = {f"test_{name}": units for name, units in _STREAMS.items() if any(f"test_{name}" in a for a in attrs)}
    for key, units in (_MEANS | streams).items():
        columns[key] = column(key, np.array([a.get(key, np.nan) for a in attrs], float), units)
    for key in milestones:
        reached = np.array([a.get(key, np.nan) for a in attrs], float)
        columns[key] = column(key, np.where(reached >= 0, reached, np.nan), "sequences")
    return xr.Dataset(columns, {"trial": np.array([a["trial"] for a in attrs], np.int64)})


def summarise(rows: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return what the trials of several rows amount to, over (row, trial).

    Parameters
    ----------
    rows : mapping of str to xarray.Dataset
        For each row what `of_trials` gives. What a row lacks is NaN; its status then is "not_run", other texts are "".
    """
    trials = sorted({int(trial) for part in rows.values() for trial in part["trial"].values})
    variables: dict[str, object] = {}
    for name, like in {str(name): v for part in rows.values() for name, v in part.data_vars.items()}.items():
        shape = len(rows), len(trials)
        grid = np.full(shape, np.nan)
        if like.dtype == object:
            grid = np.full(shape, NOT_RUN if name == "status" else "", object)
        for place, part in enumerate(rows.values()):
            if name in part:
                grid[place, np.searchsorted(trials, part["trial"].values)] = part[name].values
        variables[name] = ("row", "trial"), grid, like.attrs
    return xr.Dataset(variables, {"row": list(rows), "trial": trials}, {"title": "lstmsim: summary of a run"})


def write_summary(path: Path, summary: xr.Dataset) -> None:
    """Write a summary as netCDF; the file is whole or absent."""
    # Texts as `lstmsim.trace.store.letters` says.
    encoding = {name: {"dtype": "S1"} for name, variable in summary.variables.items() if variable.dtype.kind in "OU"}
    with whole_or_absent(path) as part, library(by_xarray=True):
        summary.to_netcdf(part, engine="netcdf4", encoding=encoding)


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a fraction (Wilson 1927).

    Parameters
    ----------
    successes, trials : int
        How many of how many; at least one trial.
    level : float
        Coverage of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end, within [0, 1].

    Raises
    ------
    ValueError
        If there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"successes is {successes} of {trials} trials; allowed: 0 to the number of trials, at least 1")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p, share = successes / trials, z * z / trials
    centre = (p + share / 2) / (1 + share)
    half = z * np.sqrt(p * (1 - p) / trials + share / (4 * trials)) / (1 + share)
    # At the ends the two terms are equal; rounding must not leave an end outside of [0, 1].
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == trials else centre + half)
