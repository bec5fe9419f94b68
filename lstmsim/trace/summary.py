"""What a run's folder holds in short: status and milestones by row and trial, from the attributes of the trial files."""

from __future__ import annotations

import json
from numbers import Integral
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from lstmsim.trace.seal import intact
from lstmsim.trace.store import library, whole_or_absent

STATUSES = ("solved", "gave_up", "diverged")
# What reading a file that is not one of ours, or is damaged, may raise.
UNREADABLE = (
    OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, MemoryError,
)  # fmt: skip
_ATTRIBUTES: dict[str, Any] = {
    "row": str, "trial": Integral, "seed": Integral, "status": str, "config": str, "version": str,
}  # fmt: skip
_MOST_TESTS = 1_000_000
_SMALL = 1 << 26  # bytes up to which a file is verified whenever it is opened


class BrokenFile(ValueError):
    """A file that is no whole trial file."""


def read_trial(path: Path, *, verify: bool = False) -> dict[str, Any]:
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
            for key, kind in _ATTRIBUTES.items():
                if not isinstance(attrs[key], kind):
                    raise ValueError(f"its attribute {key} is {attrs[key]!r:.60}")
            if attrs["status"] not in STATUSES or not isinstance(json.loads(attrs["config"]), dict):
                raise ValueError("its status or config is none")
            test = file["test"]
            if (size := len(test.dimensions["test_sequence"])) > _MOST_TESTS:
                raise ValueError(f"it says to hold {size:,} test sequences; the most there can be are {_MOST_TESTS:,}")
            errors, squares = np.asarray(test["error"][:]), np.asarray(test["squared_error"][:])
            attrs["test_sequences"] = len(errors)
            attrs["test_wrong"] = int((np.asarray(test["correct"][:]) == 0).sum())
            attrs["test_error"] = float(errors.mean()) if len(errors) else np.nan
            attrs["test_squared_error"] = float(squares.mean()) if len(errors) else np.nan
            len(file["progress"].dimensions["window"])
    except UNREADABLE as error:
        raise BrokenFile(f"{path} is no whole trial file ({type(error).__name__}: {error})") from None
    return attrs


def summarise(rows: dict[str, list[dict[str, Any]]]) -> xr.Dataset:
    """Status, milestones and test results by (row, trial); -1 or NaN where a trial has none.

    Parameters
    ----------
    rows : dict
        For each row the attributes of its trial files, as `read_trial` gives them.
    """
    trials = sorted({int(attrs["trial"]) for group in rows.values() for attrs in group})
    place = {trial: i for i, trial in enumerate(trials)}
    counts = sorted({k for group in rows.values() for attrs in group for k in attrs if k.startswith("sequences_to_")})
    whole = ["sequences", "steps", "test_sequences", "test_wrong", *counts]
    numbers = ["seconds", "test_error", "test_squared_error"]
    shape = (len(rows), len(trials))
    data: dict[str, np.ndarray] = {name: np.full(shape, -1, np.int64) for name in whole}
    data |= {name: np.full(shape, np.nan) for name in numbers}
    status = np.full(shape, "", dtype=object)
    for i, group in enumerate(rows.values()):
        for attrs in group:
            at = i, place[int(attrs["trial"])]
            status[at] = attrs["status"]
            for name in (*whole, *numbers):
                if name in attrs:
                    data[name][at] = attrs[name]
    variables: dict[str, Any] = {"status": (("row", "trial"), status.astype(str))}
    for name, values in data.items():
        units = "sequences" if name.startswith("sequences") or name == "test_sequences" else "1"
        attrs = {"long_name": name.replace("_", " "), "units": "s" if name == "seconds" else units}
        variables[name] = (("row", "trial"), values, attrs)
    return xr.Dataset(variables, {"row": list(rows), "trial": trials}, {"title": "lstmsim: summary of a run"})


def write_summary(path: Path, summary: xr.Dataset) -> None:
    """Write a summary as netCDF; the file is whole or absent."""
    with whole_or_absent(path) as part, library():
        summary.to_netcdf(part, engine="netcdf4")
