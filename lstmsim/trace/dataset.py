"""Recorded rows as labelled datasets."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.recording import HEAD, Layout
from lstmsim.trace.schema import COORDINATES


def values(layout: Layout, rows: Floats) -> dict[str, Floats]:
    """Variables of recorded rows, shape (step, column), each with the step first, one-hot inputs spelt out as int8."""
    result, at = {}, HEAD
    for name, width in layout.columns:
        columns = rows[:, at : at + width]
        at += width
        if name == "input" and layout.one_hot:
            symbols, columns = columns[:, 0].astype(np.intp), np.zeros((len(rows), layout.sizes["input_unit"]), np.int8)
            columns[np.arange(len(rows)), symbols] = 1
        result[name] = columns[:, 0] if layout.variables[name].dims == ("step",) else columns
    return result


def steps(layout: Layout, rows: Floats) -> xr.Dataset:
    """Recorded rows, shape (step, column) or (trial, step, column), as a dataset of the trace variables (float64)."""
    first = rows.shape[:-1]
    trials = ("trial",) * (len(first) - 1)
    variables: dict[str, object] = {
        name: (
            (*trials, *layout.variables[name].dims),
            columns.astype(np.float64).reshape(*first, *columns.shape[1:]),
            layout.variables[name].attrs,
        )
        for name, columns in values(layout, rows.reshape(-1, rows.shape[-1])).items()
    }
    coords: dict[str, object] = {"trial": np.arange(first[0])} if trials else {}
    for name, size in {"step": first[-1], **layout.sizes}.items():
        if name in COORDINATES:
            coords[name] = ((name,), np.arange(size), COORDINATES[name].attrs)
    if "cell" in layout.sizes:
        attrs = COORDINATES["cell_block"].attrs
        coords["cell_block"] = (("cell",), np.arange(layout.sizes["cell"]) // layout.block_size, attrs)
    return xr.Dataset(coords=coords).assign(variables)


def recorded(trace: xr.Dataset) -> xr.Dataset:
    """One trial's trace without the steps that `lstmsim.open_run` adds where another trial is longer."""
    if "sequence" not in trace or trace["sequence"].dims != ("step",):
        return trace
    there = trace["sequence"].notnull().values
    return trace if there.all() else trace.isel(step=np.flatnonzero(there))
