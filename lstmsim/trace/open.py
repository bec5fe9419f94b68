"""Opening what runs have written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from lstmsim.checks import Json, absolute
from lstmsim.learners.weights import Weights
from lstmsim.trace.failures import readable
from lstmsim.trace.lazy import Part, contents, group_of
from lstmsim.trace.scan import FILE as SCAN
from lstmsim.trace.scan import open_scan
from lstmsim.trace.store import library
from lstmsim.trace.summary import UNREADABLE, BrokenFile, of_trials, read_trial, trial_at


def open_run(path: str | Path) -> xr.DataTree:
    """Open a run's folder, a row's folder in it, or one file of a trial or a `Recorder`.

    Parameters
    ----------
    path : str or Path
        The folder or file; "~" is the user's home. The tree keeps its absolute name. Of a scan, its folder or `scan.nc`.

    Returns
    -------
    xarray.DataTree
        One child per row. A row's node holds over `trial`: status, seed, sequences, steps, seconds, `sequences_to_success`
        and every other milestone (NaN where it was not reached) and test results (NaN without a test). Its children are the
        groups `trace`, `test_trace`, `progress`, `weights` and `test`, as far as one of the trials has them. Where a trial
        is shorter or smaller than another, or lacks something, there is NaN; ``.dropna("step", subset=["sequence"])``
        leaves the steps of one trial. Lazy: values are read when used, through dask where it is installed.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`, or no trial file in the folder.
    PermissionError
        If a file may not be read.
    ValueError
        If a file is no whole trial file, or the trials of a row are of different learners; the message names the file.
    """
    path = absolute("path", path)
    if (scan := path / SCAN if path.is_dir() else path).name == SCAN and scan.is_file():
        found = open_scan(scan)
        return xr.DataTree(children={str(found.attrs["row"]): xr.DataTree(found)})
    if path.is_file():
        readable(path)
        name = str(trial_at(path)["row"]).replace("/", " ").strip() or "row"
        return xr.DataTree(children={name: _open_row([path])})
    if not path.is_dir():
        raise FileNotFoundError(f"path is {str(path)!r}, where nothing is; allowed: a run's folder or a trial file")
    folders = [path] if _trial_files(path) else sorted(folder for folder in path.iterdir() if folder.is_dir())
    rows = {folder.name: files for folder in folders if (files := _trial_files(folder))}
    if not rows:
        raise FileNotFoundError(f"path is {str(path)!r}, which holds no trial files; allowed: a run's folder")
    return xr.DataTree(children={name: _open_row(files) for name, files in rows.items()})


def _trial_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("trial-*.nc") if path.is_file())


def saved_weights(path: Path, which: str | int, names: Iterable[str]) -> tuple[float, Weights]:
    """Sequences seen and the weights by name that `which` asks for."""
    with library(), netCDF4.Dataset(path) as file:
        group = file["weights"]
        count = len(group.dimensions["snapshot"]) if "snapshot" in group.dimensions else 0
        if which in ("initial", "final"):
            seen = 0 if which == "initial" else file.sequences
            return float(seen), {name: np.asarray(group[f"{which}_{name}"][:]) for name in names}
        if isinstance(which, bool) or not isinstance(which, int | np.integer) or not 0 <= which < count:
            allowed = "'initial', 'final'" + (f", 0 to {count - 1}" if count else "")
            raise ValueError(f"which is {which!r}; allowed: {allowed}")
        seen = group["snapshot_sequence"][which]
        return float(seen), {name: np.asarray(group[f"snapshot_{name}"][which]) for name in names}


def _open_row(files: list[Path]) -> xr.DataTree:
    """Trials of one row as one tree.

    Raises
    ------
    BrokenFile
        If a file is no whole trial file, or the files do not belong to one row.
    """
    for file in files:
        readable(file)
    attrs = {file: read_trial(file) for file in files}
    files = sorted(files, key=lambda file: int(attrs[file]["trial"]))
    try:
        return _tree(files, [attrs[file] for file in files])
    except UNREADABLE as error:
        names = str(files[0]) if len(files) == 1 else f"{files[0].parent} with {len(files)} trial files"
        raise BrokenFile(f"{names} cannot be opened as trials of one row ({type(error).__name__}: {error})") from None


def _tree(files: list[Path], attrs: list[Json]) -> xr.DataTree:
    learners = [json.loads(a["config"]).get("learner") for a in attrs]
    for path, found in zip(files, learners, strict=True):
        if found != learners[0]:
            raise ValueError(f"{path.name} is of the learner {found}, {files[0].name} of {learners[0]}")
    node = of_trials(attrs)
    for variable in (variable for variable in node.variables.values() if variable.dtype == object):
        variable.encoding["dtype"] = "S1"  # where the tree is written, see `lstmsim.trace.store.letters`
    node = node.assign_attrs({key: attrs[0][key] for key in ("row", "config", "version")})
    found = [contents(file) for file in files]
    groups: dict[str, list[dict[str, Part]]] = {
        name: [content.get(name, {}) for content in found] for name in dict.fromkeys(n for content in found for n in content)
    }
    children = {name: xr.DataTree(group_of(name, parts, node["trial"].variable)) for name, parts in groups.items()}
    return xr.DataTree(node, children=children)
