"""Opening what runs have written."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lstmsim.trace.store import library
from lstmsim.trace.summary import BrokenFile, read_trial

_GROUPS = ("trace", "test_trace", "progress", "weights", "test")
_ALONG = {"trace": "step", "test_trace": "step", "progress": "window"}  # dimensions whose lengths differ between trials


def open_run(path: str | Path) -> xr.DataTree:
    """Open a run's folder or one trial file.

    Parameters
    ----------
    path : str or Path
        A trial file; or the folder of a row, or of a run, with its trial files. A run with several rows gives one child
        per row.

    Returns
    -------
    xarray.DataTree
        The groups `trace`, `test_trace`, `progress`, `weights` and `test`, each with a dimension `trial`. Steps and
        windows are padded with NaN (or -1) to the longest trial. Lazy: values are read when used, through dask where it
        is installed.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`, or no trial file in the folder.
    ValueError
        If a file is no whole trial file; the message names it.
    """
    path = Path(path)
    if path.is_file():
        return _open_files([path])
    if not path.is_dir():
        raise FileNotFoundError(f"path is {str(path)!r}, where nothing is; allowed: a run's folder or a trial file")
    direct = sorted(path.glob("trial-*.nc"))
    if direct:
        return _open_files(direct)
    rows = {folder.name: sorted(folder.glob("trial-*.nc")) for folder in sorted(path.iterdir()) if folder.is_dir()}
    rows = {name: files for name, files in rows.items() if files}
    if not rows:
        raise FileNotFoundError(f"path is {str(path)!r}, which holds no trial files; allowed: a run's folder")
    if len(rows) == 1:
        return _open_files(next(iter(rows.values())))
    return xr.DataTree(children={name: _open_files(files) for name, files in rows.items()})


def _open_files(files: list[Path]) -> xr.DataTree:
    """Trial files of one row as one tree."""
    gc.collect()  # close what was forgotten now, not in the middle of a later call: see `library`
    with library():
        return _tree(files)


def _tree(files: list[Path]) -> xr.DataTree:
    attrs = [read_trial(file) for file in files]
    trials = [int(a["trial"]) for a in attrs]
    groups = {}
    for name in _GROUPS:
        parts = [part for part in _parts(files, name)]
        if any(part is not None for part in parts):
            present = [(t, p) for t, p in zip(trials, parts, strict=True) if p is not None]
            groups[name] = _joined(name, [p for _, p in present], [t for t, _ in present])
    columns = {
        key: ("trial", np.array([a.get(key, -1) for a in attrs]))
        for key in sorted({k for a in attrs for k in a if _is_count(k)})
    }
    root = xr.Dataset({**columns, "status": ("trial", [a["status"] for a in attrs])}, {"trial": trials})
    root.attrs = {key: attrs[0][key] for key in ("row", "seed", "config", "version")}
    return xr.DataTree(root, children={name: xr.DataTree(group) for name, group in groups.items()})


def _is_count(key: str) -> bool:
    return key.startswith("sequences") or key in ("steps", "seconds", "test_wrong", "test_sequences", "test_error")


def _parts(files: list[Path], group: str) -> Iterator[xr.Dataset | None]:
    chunks: dict[str, Any] = {"chunks": {}} if importlib.util.find_spec("dask") else {}
    for file in files:
        try:
            yield xr.open_dataset(file, group=group, engine="netcdf4", **chunks)
        except (OSError, KeyError):
            yield None
        except (RuntimeError, ValueError) as error:
            raise BrokenFile(f"{file} is no whole trial file ({error})") from None


def _joined(name: str, parts: list[xr.Dataset], trials: list[int]) -> xr.Dataset:
    """Datasets of several trials along `trial`."""
    along = _ALONG.get(name)
    if along is not None:
        parts = [part.drop_vars(along, errors="ignore") for part in parts]
    if name == "weights":
        longest = max(part.sizes.get("snapshot", 0) for part in parts)
        parts = [part.pad(snapshot=(0, longest - part.sizes.get("snapshot", 0))) if longest else part for part in parts]
    elif along is not None:
        longest = max(part.sizes[along] for part in parts)
        parts = [part.pad({along: (0, longest - part.sizes[along])}) for part in parts]
    apart = [str(c) for c in parts[0].coords if along in parts[0][c].dims]
    joined = xr.concat(
        parts, xr.Variable("trial", trials), data_vars="all", coords=apart, compat="override", join="override"
    )
    return joined
