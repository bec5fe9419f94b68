"""Variables of several trial files as one array each, read when they are used."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from lstmsim.checks import Json
from lstmsim.kernels.arrays import Array
from lstmsim.trace.schema import COORDINATES
from lstmsim.trace.store import library, texts
from lstmsim.trace.temporary import holder

GROUPS = ("trace", "test_trace", "progress", "weights", "test")
_CHUNK = 1 << 18  # steps read together
_MOST_TEXTS = 100_000_000  # texts or letters of one variable, which are read at once


@dataclass(frozen=True)
class Part:
    """A variable in the file of one trial."""

    path: Path
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: Json
    texts: Array | None = None  # its content, if that is text


def contents(path: Path) -> dict[str, dict[str, Part]]:
    """What stands in a trial's file, by group and variable; nothing but texts is read.

    Raises
    ------
    ValueError
        If the file says to hold more texts than there can be.
    """
    result: dict[str, dict[str, Part]] = {}
    with library(), netCDF4.Dataset(path) as file:
        file.set_auto_chartostring(False)
        file.set_auto_mask(False)
        for group in (name for name in GROUPS if name in file.groups):
            result[group] = {}
            for name, variable in file[group].variables.items():
                attrs = {key: variable.getncattr(key) for key in variable.ncattrs()}
                dims, shape, content = variable.dimensions, variable.shape, None
                coded = attrs.pop("_Encoding", None) is not None and len(dims) > 0
                if variable.dtype is str or coded:
                    if variable.size > _MOST_TEXTS:
                        raise ValueError(f"{group}/{name} says to hold {variable.size:,} texts")
                    content = texts(variable[...]) if coded else np.array(variable[...], dtype=object)
                    dims, shape = dims[: content.ndim], content.shape
                dtype = np.dtype(object if content is not None else variable.dtype)
                result[group][name] = Part(path, dims, shape, dtype, attrs, content)
    return result


def group_of(group: str, parts: Sequence[dict[str, Part]], trial: xr.Variable) -> xr.Dataset:
    """One group of all trials along `trial`; NaN (in texts "") where a trial has less than another.

    Parameters
    ----------
    group : str
        Name of the group.
    parts : sequence of dict
        Variables of each trial by name; empty where a trial lacks the group.
    trial : Variable
        Numbers of the trials.

    Raises
    ------
    ValueError
        If a variable has other dimensions in one trial than in another.
    """
    sizes: dict[str, int] = {}
    for part in (part for trial_parts in parts for part in trial_parts.values()):
        for dim, size in zip(part.dims, part.shape, strict=True):
            sizes[dim] = max(sizes.get(dim, 0), size)
    if group in ("trace", "test_trace") and "step" not in sizes:
        raise ValueError(f"{group} has the dimensions {sorted(sizes)}, no step")
    labels: dict[str, xr.Variable] = {"trial": trial}
    data, coords = {}, set(COORDINATES)
    for name in dict.fromkeys(name for trial_parts in parts for name in trial_parts):
        found = [trial_parts.get(name) for trial_parts in parts]
        largest = max((part for part in found if part is not None), key=lambda part: part.shape)
        if any(part is not None and part.dims != largest.dims for part in found):
            raise ValueError(f"{group}/{name} has other dimensions in one trial than in another")
        coords.update(str(largest.attrs.get("coordinates", "")).split())
        attrs = {key: value for key, value in largest.attrs.items() if key != "coordinates"}
        if "step" in largest.dims or not (largest.dims == (name,) or name in COORDINATES):
            if largest.dims == ("step",) and name == "step":
                continue  # no more than a count
            stacked = _Stacked(group, name, found, tuple(sizes[dim] for dim in largest.dims))
            values = stacked.texts() if largest.texts is not None else indexing.LazilyIndexedArray(stacked)
            data[name] = xr.Variable(("trial", *largest.dims), values, attrs, _encoding(largest))
        elif largest.shape == tuple(sizes[dim] for dim in largest.dims):
            # What trials share, such as names of sources, is that of the largest.
            values = largest.texts if largest.texts is not None else _read(largest.path, group, name, (slice(None),))
            labels[name] = xr.Variable(largest.dims, values, attrs, _encoding(largest))
    # Labels first, see `lstmsim.trace.store.create_group`: the dataset may be written to a file.
    dataset = xr.Dataset(coords=labels).assign(data)
    dataset = dataset.set_coords([name for name in data if name in coords])
    if any(" since " in str(variable.attrs.get("units", "")) for variable in dataset.variables.values()):
        dataset = xr.decode_cf(dataset, mask_and_scale=False, decode_coords=False)
    if importlib.util.find_spec("dask") is not None and all(sizes.values()):
        # Coordinates stay as they are, so that conditions on them are known at once.
        chunks = {dim: _CHUNK if dim == "step" else -1 for dim in sizes} | {"trial": 1}
        for key in map(str, dataset.data_vars):
            if dataset[key].dtype != object:
                dataset[key] = dataset[key].variable.chunk({dim: chunks[str(dim)] for dim in dataset[key].dims})
    return dataset


def _encoding(part: Part) -> dict[str, str]:
    """How xarray is to write a variable: texts as `lstmsim.trace.store.letters` says."""
    return {"dtype": "S1"} if part.texts is not None else {}


class _Stacked(BackendArray):
    """A variable of several files, trials first; a file is open only while it is read, whatever is forgotten."""

    def __init__(self, group: str, name: str, parts: Sequence[Part | None], sizes: tuple[int, ...]) -> None:
        self.group, self.name, self.parts = group, name, list(parts)
        self.folders = [holder(part.path) for part in parts if part]  # temporary ones must not go before their last reader
        self.shape = (len(self.parts), *sizes)
        dtypes = [part.dtype for part in self.parts if part is not None]
        dtype = np.result_type(*dtypes) if object not in dtypes else np.dtype(object)
        gaps = any(part is None or part.shape != sizes for part in self.parts)
        if gaps and dtype.kind in "iub":
            dtype = np.result_type(dtype, np.float32)  # float64 for what float32 cannot hold
        self.dtype = dtype

    def texts(self) -> Array:
        """All texts, "" where a trial has none."""
        result = np.full(self.shape, "", object)
        for place, part in enumerate(self.parts):
            if part is not None:
                where: tuple[int | slice, ...] = (place, *map(slice, part.shape))
                result[where] = part.texts
        return result

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Array:
        """Values at a key of xarray's kind."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> Array:
        trials, *rest = key
        if not isinstance(trials, slice):
            return self._one(self.parts[trials], rest)
        shape = [len(range(n)[k]) for n, k in zip(self.shape, key, strict=True) if isinstance(k, slice)]
        result = np.empty(shape, self.dtype)
        for place, part in enumerate(self.parts[trials]):
            result[place] = self._one(part, rest)
        return result

    def _one(self, part: Part | None, key: Sequence[int | slice]) -> Array:
        """Values of one trial, NaN beyond what its file holds."""
        whole = [range(size)[k] for size, k in zip(self.shape[1:], key, strict=True)]
        if part is None:
            return np.full([len(k) for k in whole if isinstance(k, range)], np.nan, self.dtype)
        own: list[int | slice] = []
        for size, k in zip(part.shape, whole, strict=True):
            if isinstance(k, range):
                own.append(slice(k.start, max(k.start, min(k.stop, size)), k.step))
            elif k < size:
                own.append(k)
            else:
                return np.full([len(r) for r in whole if isinstance(r, range)], np.nan, self.dtype)
        values = _read(part.path, self.group, self.name, tuple(own))
        shape = tuple(len(k) for k in whole if isinstance(k, range))
        if values.shape == shape:
            return values.astype(self.dtype, copy=False)
        result = np.full(shape, np.nan, self.dtype)
        result[tuple(slice(size) for size in values.shape)] = values
        return result


def _read(path: Path, group: str, name: str, key: tuple[int | slice, ...]) -> Array:
    with library(), netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return np.asarray(file[group][name][key])
