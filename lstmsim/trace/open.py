"""Opening what runs have written."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from lstmsim.trace.schema import COORDINATES
from lstmsim.trace.store import library
from lstmsim.trace.summary import UNREADABLE, BrokenFile, read_trial
from lstmsim.trace.temporary import holder

_CHUNK = 1 << 18  # steps read together
_MOST_NAMES = 10_000_000  # texts of one variable, which are read at once
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
    direct = _trial_files(path)
    if direct:
        return _open_files(direct)
    rows = {folder.name: _trial_files(folder) for folder in sorted(path.iterdir()) if folder.is_dir()}
    rows = {name: files for name, files in rows.items() if files}
    if not rows:
        raise FileNotFoundError(f"path is {str(path)!r}, which holds no trial files; allowed: a run's folder")
    if len(rows) == 1:
        return _open_files(next(iter(rows.values())))
    return xr.DataTree(children={name: _open_files(files) for name, files in rows.items()})


def _trial_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("trial-*.nc") if path.is_file())


def saved_weights(path: Path, which: str | int, names: Iterable[str]) -> tuple[float, dict[str, Any]]:
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


def _open_files(files: list[Path]) -> xr.DataTree:
    """Trial files of one row as one tree.

    Raises
    ------
    BrokenFile
        If a file is no whole trial file, or the files do not belong to one row.
    """
    attrs = [read_trial(file) for file in files]
    try:
        return _tree(files, attrs)
    except UNREADABLE as error:
        names = str(files[0]) if len(files) == 1 else f"{files[0].parent} with {len(files)} trial files"
        raise BrokenFile(f"{names} cannot be opened as trials of one row ({type(error).__name__}: {error})") from None


def _tree(files: list[Path], attrs: list[dict[str, Any]]) -> xr.DataTree:
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


class _OnDisk(BackendArray):
    """A variable in a file that is opened for each reading only: no handle outlives a call, whatever is forgotten."""

    def __init__(self, path: Path, group: str, name: str, variable: Any) -> None:
        self.path, self.group, self.name = path, group, name
        self.folder = holder(path)  # a temporary one must not go before its last reader
        self.shape, self.dtype = variable.shape, np.dtype(variable.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Values at a key of xarray's kind."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> Any:
        with library(), netCDF4.Dataset(self.path) as file:
            file.set_auto_mask(False)
            return np.asarray(file[self.group][self.name][key])


def _parts(files: list[Path], group: str) -> Iterator[xr.Dataset | None]:
    """The group of each file as a dataset that reads what is used when it is used; None where a file has none."""
    chunked = importlib.util.find_spec("dask") is not None
    for path in files:
        with library(), netCDF4.Dataset(path) as file:
            if group not in file.groups:
                yield None
                continue
            variables = {}
            for name, there in file[group].variables.items():
                attrs = {key: there.getncattr(key) for key in there.ncattrs() if key != "coordinates"}
                if there.dtype is str:
                    if there.size > _MOST_NAMES:
                        raise ValueError(f"{group}/{name} says to hold {there.size:,} texts")
                    variables[name] = xr.Variable(there.dimensions, np.array(there[:], dtype=str), attrs)
                else:
                    data = indexing.LazilyIndexedArray(_OnDisk(path, group, name, there))
                    variables[name] = xr.Variable(there.dimensions, data, attrs)
            dataset = xr.Dataset(variables).set_coords([c for c in COORDINATES if c in variables])
        # A slice of a long trace must not read all of it.
        chunks = {dim: _CHUNK for dim in dataset.dims if dim == _ALONG.get(group)}
        yield dataset.chunk(chunks) if chunked and all(dataset.sizes.values()) else dataset


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
        gaps = [longest - part.sizes[along] for part in parts]
        parts = [part.pad({along: (0, gap)}) if gap else part for part, gap in zip(parts, gaps, strict=True)]
    apart = [str(c) for c in parts[0].coords if along in parts[0][c].dims]
    joined = xr.concat(
        parts, xr.Variable("trial", trials), data_vars="all", coords=apart, compat="override", join="override"
    )
    return joined
