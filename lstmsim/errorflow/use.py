"""What a trace says about the drift of internal states and the use of memory cells; public through `errorflow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lstmsim.checks import Field, Real, check, refusal
from lstmsim.errorflow.trajectory import Array, freeze, logistic
from lstmsim.trace.dataset import recorded

if TYPE_CHECKING:
    from lstmsim import LSTM


_DIVERGED = np.errstate(invalid="ignore", over="ignore")  # what is infinite has measures that are none


@_DIVERGED
def drift(trace: xr.Dataset | xr.DataTree, *, saturated_below: float = 0.1, cell_output: str = "h") -> xr.Dataset:
    """How far internal states drift, which closes the way of errors into the cells (paper, section 4, state drift).

    Parameters
    ----------
    trace : Dataset or DataTree
        As ``net.run`` returns it, or a trial file's ``/trace`` group. With coordinates `sequence` and `t`, each
        sequence is taken for itself.
    saturated_below : float
        A cell counts as saturated where h'(s) is below this share of its maximum, in (0, 1].
    cell_output : {"h", "identity"}
        The net's setting; with the identity h' is 1 throughout and nothing saturates.

    Returns
    -------
    Dataset
        Per cell: `state_growth`, least-squares slope of |s| against the step within sequences (per step; NaN where no
        sequence has two steps); `final_state`, mean |s| at the ends of sequences; `peak_state`, largest |s|;
        `saturation`, share of steps with h' saturated (4). Per block: `input_gate_open`, share of steps with
        y_in > 0.5. Infinite or NaN where the trace is, as that of a trial that diverged.

    Raises
    ------
    ValueError
        For a trace without the variables needed, without steps or with several trials, and arguments out of range.
    """
    saturated_below = check("saturated_below", saturated_below, Annotated[Real, Field(gt=0, le=1)])
    check("cell_output", cell_output, Literal["h", "identity"])
    data = _trace(trace, ("cell_state", "input_gate"))
    state, gate = _values(data, "cell_state", "cell"), _values(data, "input_gate", "block")
    size = np.abs(state)
    sequence, t = _sequences(data)
    ends = np.append(sequence[1:] != sequence[:-1], True)
    steps_in = np.bincount(sequence)
    t_centred = t - (np.bincount(sequence, t) / steps_in)[sequence]
    spread = float(np.sum(t_centred**2))
    f = logistic(state)
    share = 4.0 * f * (1.0 - f) if cell_output == "h" else np.ones_like(f)
    growth = t_centred @ size / spread if spread > 0.0 else np.full(size.shape[1], np.nan)
    per_cell = {
        "state_growth": (growth, "growth of |s| per step"),
        "final_state": (size[ends].mean(axis=0), "mean |s| at the ends of sequences"),
        "peak_state": (size.max(axis=0), "largest |s|"),
        "saturation": ((share < saturated_below).mean(axis=0), "share of steps with h' saturated"),
    }
    per_block = {"input_gate_open": ((gate > 0.5).mean(axis=0), "share of steps with the input gate open")}
    return _measures(data, per_cell, per_block)


@_DIVERGED
def usage(trace: xr.Dataset | xr.DataTree, net: LSTM | None = None) -> xr.Dataset:
    """Which memory cells and blocks a net really uses.

    A cell whose output does not vary is a bias unit at best (paper, section 4, abuse problem); one that varies but has
    small weights to the outputs is not heard. The contribution joins both.

    Parameters
    ----------
    trace : Dataset or DataTree
        As ``net.run`` returns it, or a trial file's ``/trace`` group.
    net : LSTM, optional
        The net whose present weights from cells to outputs weigh the contributions. Without it all count alike.

    Returns
    -------
    Dataset
        Per cell: `output_variance`, variance of y_c over all steps; `state_range`, largest minus smallest s;
        `contribution`, standard deviation of y_c times the Euclidean norm of the cell's weights to the outputs, as a
        share of the sum over all cells (0 for all where nothing varies). Per block: `block_contribution`, the sum over
        its cells; `input_gate_mean` and `output_gate_mean`, mean openness of the gates. Infinite or NaN as with `drift`.

    Raises
    ------
    ValueError
        For a trace without the variables needed, without steps or with several trials, and a net of another shape.
    """
    data = _trace(trace, ("cell_output", "cell_state", "input_gate", "output_gate"))
    y, s = _values(data, "cell_output", "cell"), _values(data, "cell_state", "cell")
    n_cells, n_blocks = y.shape[1], data.sizes["block"]
    loudness = np.ones(n_cells)
    if net is not None:
        frozen = freeze(net)
        own = frozen.settings.n_blocks, frozen.settings.n_cells
        if own != (n_blocks, n_cells):
            raise ValueError(f"net has {own[0]} blocks and {own[1]} cells; allowed: {n_blocks} and {n_cells}")
        loudness = np.linalg.norm(frozen.output[:, frozen.heard[0]], axis=0)
    effect = y.std(axis=0) * loudness
    contribution = effect / effect.sum() if effect.sum() > 0.0 else effect
    per_cell = {
        "output_variance": (y.var(axis=0), "variance of the cell output"),
        "state_range": (np.ptp(s, axis=0), "range of the cell state"),
        "contribution": (contribution, "share of the cell in what the outputs hear"),
    }
    per_block = {
        "block_contribution": (
            np.where(_cells_of_blocks(data), contribution, 0.0).sum(axis=1),
            "share of the block in the same",
        ),
        "input_gate_mean": (_values(data, "input_gate", "block").mean(axis=0), "mean openness of the input gate"),
        "output_gate_mean": (_values(data, "output_gate", "block").mean(axis=0), "mean openness of the output gate"),
    }
    return _measures(data, per_cell, per_block)


def _trace(trace: xr.Dataset | xr.DataTree, needed: tuple[str, ...]) -> xr.Dataset:
    """Return one trial's trace, checked for the variables needed."""
    if isinstance(trace, xr.DataTree):
        trace = trace.to_dataset()
    if not isinstance(trace, xr.Dataset):
        raise refusal("trace", trace, "a Dataset as net.run returns it, or a /trace group")
    if trace.sizes.get("trial", 1) != 1:
        raise ValueError(f"trace holds {trace.sizes['trial']} trials; allowed: one, chosen by trace.isel(trial=...)")
    trace = recorded(trace.squeeze("trial") if "trial" in trace.dims else trace)
    missing = [name for name in needed if name not in trace]
    if missing:
        raise ValueError(f"trace lacks {missing}; allowed: a trace that recorded {list(needed)}")
    if not trace.sizes.get("step"):
        raise ValueError("trace has no steps; allowed: one step at least")
    for name in (*needed, *(name for name in ("sequence", "t") if name in trace)):
        unit = {"cell_state": "cell", "cell_output": "cell", "input_gate": "block", "output_gate": "block"}.get(name)
        dims = ("step", unit) if unit else ("step",)
        if set(trace[name].dims) != set(dims) or trace[name].dtype.kind not in "fiub":
            found = f"{trace[name].dtype} with the dimensions {dict(trace[name].sizes)}"
            raise ValueError(f"{name} of trace is {found}; allowed: numbers along {' and '.join(dims)}")
    return trace


def _cells_of_blocks(trace: xr.Dataset) -> NDArray[np.bool_]:
    """Which cells (block, cell) are of which block: by their labels or, without, in equal shares."""
    cells, blocks = trace.sizes["cell"], trace.sizes["block"]
    if all(name in trace and trace[name].dims == (dim,) for name, dim in (("block", "block"), ("cell_block", "cell"))):
        return trace["block"].values[:, None] == trace["cell_block"].values
    share = cells // max(1, blocks)
    if cells != share * blocks:
        raise ValueError(f"trace has {cells} cells; allowed: as many for each of {blocks} blocks")
    return np.arange(blocks)[:, None] == np.arange(cells) // max(1, share)


def _values(trace: xr.Dataset, name: str, dim: str) -> Array:
    return trace[name].transpose("step", dim).values.astype(np.float64)


def _sequences(trace: xr.Dataset) -> tuple[NDArray[np.int64], Array]:
    """Per step, the running number of its sequence in the trace and its time within it."""
    n = trace.sizes["step"]
    ids = trace["sequence"].values if "sequence" in trace else np.zeros(n)
    sequence = np.concatenate([[0], np.cumsum(ids[1:] != ids[:-1])])
    return sequence, trace["t"].values.astype(np.float64) if "t" in trace else np.arange(n, dtype=np.float64)


def _measures(
    trace: xr.Dataset, per_cell: Mapping[str, tuple[Array, str]], per_block: Mapping[str, tuple[Array, str]]
) -> xr.Dataset:
    """Label measures, with the coordinates that the trace has for cells and blocks."""
    variables = {
        name: (dim, values, {"long_name": text, "units": "1"})
        for dim, measures in (("cell", per_cell), ("block", per_block))
        for name, (values, text) in measures.items()
    }
    coords = {name: trace[name].variable for name in ("cell", "block", "cell_block") if name in trace.coords}
    return xr.Dataset(variables, coords=coords)
