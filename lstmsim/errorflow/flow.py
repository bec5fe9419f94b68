"""What a net or a trace tells about its errors: their flow back in time, whom they credit, what truncation cuts off.

Equation numbers are those of Hochreiter and Schmidhuber (1997), Neural Computation 9(8), 1735-1780. Errors have the
sign of (19), so that a weight's change is learning rate times error times source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from lstmsim.checks import Field, Whole, check
from lstmsim.errorflow.trajectory import (
    Array,
    Frozen,
    Trajectory,
    checked_inputs,
    checked_targets,
    descent,
    follow,
    freeze,
    learn,
    output_errors,
    step_back,
    through_peepholes,
)

if TYPE_CHECKING:
    from lstmsim import LSTM


UNIT_DIM = {
    **dict.fromkeys(("input_gate", "output_gate", "forget_gate"), "block"),
    **{"cell": "cell", "hidden": "hidden_unit", "output": "output_unit", "peephole": "gate"},
}


def backflow(net: LSTM, inputs: ArrayLike, step: int, mode: str = "truncated") -> xr.DataArray:
    """Error flow between cell states, d s_from(step) / d s_cell(step - lag), with the weights frozen.

    Truncated, errors that leave a cell do not come back: what remains is the CEC, whose factor (34), (35) is exactly 1
    for a cell's own state and 0 for others at every lag; with forget gates their product, and live peepholes, which belong
    to that rule, count too. In full, every recurrent path counts: through the cell's output already at ``step - lag``, the
    gates, the other cells and the hidden units, and peepholes, live or cut.

    Parameters
    ----------
    net : LSTM
        Its weights and settings are read; its state is neither used nor changed.
    inputs : array_like, shape (step, input)
        Sequence that the net takes from a reset.
    step : int
        Step at which the error is injected, 0 .. len(inputs) - 1.
    mode : {"truncated", "full"}
        Which paths count.

    Returns
    -------
    DataArray, dims (lag, cell, cell_from)
        Lags 0 .. step; dimensionless. `cell` is where the error arrives, `cell_from` where it starts.

    Raises
    ------
    ValueError
        For an unknown mode, a step outside the sequence, inputs of a wrong shape or not finite.
    """
    frozen = freeze(net)
    x = checked_inputs(frozen, inputs)
    step = _step(step, len(x))
    check("mode", mode, Literal["truncated", "full"])
    n_cells, recurrent = frozen.settings.n_cells, frozen.recurrent
    full, flow = mode == "full", np.empty((step + 1, n_cells, n_cells))
    if not full and not frozen.settings.gated:
        flow[:] = np.eye(n_cells)
    else:
        path = follow(frozen, x[: step + 1])
        to_state = np.eye(n_cells)
        to_units = np.zeros((n_cells, frozen.n_units))
        for lag in range(step + 1):
            state, delta, to_state = step_back(frozen, path, step - lag, to_state, to_units, full)
            flow[lag] = state.T
            if full:
                to_units = delta @ recurrent
    attrs = {
        "long_name": f"error flow between cell states ({mode})",
        "units": "1",
        "symbol": "ds_from(t)/ds(t-q)",
        "step": step,
        "mode": mode,
    }
    coords = {"lag": np.arange(step + 1), "cell_from": np.arange(n_cells), **frozen.cell_coords}
    return xr.DataArray(flow, dims=("lag", "cell", "cell_from"), coords=coords, name="backflow", attrs=attrs)


def credit(net: LSTM, inputs: ArrayLike, targets: ArrayLike) -> xr.Dataset:
    """Contribution of every earlier step to every weight's update, with the weights frozen.

    An error e_s(t) of (23) reaches step t - q unscaled inside the CEC (35) and leaves it by g'(net_c) y_in into the
    weights of the cell or by g(net_c) f'(net_in) into those of the input gate, all of them at t - q: (36), (37), (41).
    Forget gates scale it on its way, and it leaves by s(t-q-1) f'(net_f) into their weights; peepholes' sources are states.
    Times the sources at t - q and the learning rate this is what (26) and (28) sum up. Weights of outputs (19), output
    gates (21) and hidden units (20) change by present errors and sources only (22): their lags above 0 hold zeros.

    Parameters
    ----------
    net : LSTM
        Its weights and settings are read; its state is neither used nor changed.
    inputs : array_like, shape (step, input)
        Sequence that the net takes from a reset.
    targets : array_like, shape (step, output)
        A row of NaN where there is no target.

    Returns
    -------
    Dataset
        The names of ``net.weights``, dims (step, lag, block or cell or output or hidden, source); `output` has
        `output_source`, `peephole` (gate, cell) with input, forget and output gate. `step` holds the steps with a target,
        `lag` runs to the last of them, and lags from before the sequence are 0. The sum over step and lag is the update of a
        net that learns at the end of the sequence.

    Raises
    ------
    ValueError
        For inputs or targets of a wrong shape or not finite, and where there is no target at all.

    Notes
    -----
    Memory is 8 bytes times (steps with a target) x (last such step + 1) x (input gates + cells) x sources. Steps do not
    depend on each other here: for long streams pass NaN for the targets that are not of interest. Dims `cell`, `output`
    and `hidden` have no labels, since variables have their names; xarray reads these from a file as coordinates.
    """
    frozen = freeze(net)
    x = checked_inputs(frozen, inputs)
    d = checked_targets(frozen, targets, len(x))
    steps = np.flatnonzero(~np.isnan(d[:, 0]))
    path = follow(frozen, x)
    e_k, back = output_errors(frozen, path, d)
    rows, exists, alpha, n_lags = frozen.rows, frozen.exists, frozen.settings.learning_rate, int(steps[-1]) + 1
    # Lag before step, so that the pages of untouched lags are never committed to memory.
    hidden = np.zeros((n_lags, len(steps), frozen.n_units, frozen.hidden.shape[1]))
    output = np.zeros((n_lags, len(steps), *frozen.output.shape))
    peephole = np.zeros((n_lags, len(steps), *frozen.peephole.shape))
    for i, t in enumerate(map(int, steps)):
        deltas = _sent_back(frozen, path, t, back[t])
        hidden[0, i] = alpha * np.outer(deltas[0], path.sources[t]) * exists
        output[0, i] = alpha * np.outer(e_k[t], path.output_sources[t]) * frozen.output_exists
        for kind in (rows["cell"], rows["input_gate"], rows["forget_gate"]):
            hidden[1 : t + 1, i, kind] = alpha * deltas[1:, kind, None] * path.sources[:t][::-1, None] * exists[kind]
        if frozen.settings.peepholes != "none":
            peephole[: t + 1, i] = alpha * through_peepholes(frozen, path, deltas[::-1])[::-1]
    parts = frozen.split(*(np.moveaxis(part, 0, 1) for part in (hidden, output, peephole)))
    attrs = {"units": "1", "symbol": "alpha e z"}
    variables = {
        name: (("step", "lag", *_weight_dims(name)), values, attrs | {"long_name": f"contribution to {name} weights"})
        for name, values in parts.items()
    }
    # xarray takes a variable named as one of its dims for a coordinate, and such a dim can have no labels of its own.
    coords = {name: values for name, values in _weight_coords(frozen).items() if name not in parts}
    result = xr.Dataset(variables, coords={"step": steps, "lag": np.arange(n_lags), **coords})
    return result.reset_coords([name for name in parts if name in result.coords])


def gradient_bias(net: LSTM, inputs: ArrayLike, targets: ArrayLike) -> xr.Dataset:
    """Compare truncated and exact gradient, and partials kept while weights change with recomputed ones.

    The objective is half the squared error, E = 1/2 sum (d - y)^2 over all outputs and all steps with a target, the one
    whose steepest descent has the factor of (19); with ``error_derivative=False`` it is the one whose derivative lacks
    f'(net_k) (for logistic outputs the cross entropy), and `error_factor` multiplies either. The truncated gradient is
    what (22), (25)-(28) sum up with the weights frozen; the exact one follows every path through gates, outputs of
    cells, hidden units and peepholes, cut ones too. It is computed backwards in time, which gives the same numbers as
    real-time recurrent learning up to rounding.

    Parameters
    ----------
    net : LSTM
        Its weights and settings are read; its state is neither used nor changed.
    inputs : array_like, shape (step, input)
        Sequence that the net takes from a reset.
    targets : array_like, shape (step, output)
        A row of NaN where there is no target.

    Returns
    -------
    Dataset
        Per weight group (dim `group`, the names of ``net.weights``): `truncated_norm`, `exact_norm` (Euclidean),
        `cosine` of the two gradients, `norm_ratio` (truncated by exact), `stale_error`; the gradients dE/dw themselves
        as `truncated_NAME` and `exact_NAME`; `stale_error_total` over all weights. Cosine and ratio are NaN where they
        are undefined. A stale error compares the total updates of two nets that learn at every target of the sequence,
        one with the partials carried along from under older weights (as ``net.run`` does), one with partials recomputed
        from the reset at each target with the weights of that moment: norm of the difference by norm of the latter. It
        is 0 for a single target and for nets that update at the ends of sequences, and NaN for other nets with forget gates,
        peepholes or an optimiser.

    Raises
    ------
    ValueError
        For inputs or targets of a wrong shape or not finite, and where there is no target at all.

    Notes
    -----
    Time grows as steps x steps with a target, because of the recomputed partials.
    """
    frozen = freeze(net)
    x = checked_inputs(frozen, inputs)
    d = checked_targets(frozen, targets, len(x))
    path = follow(frozen, x)
    truncated, exact = (frozen.split(*(-part for part in descent(frozen, path, d, full))) for full in (False, True))
    stale, fresh = (frozen.split(*learn(frozen, x, d, recompute)) for recompute in (False, True))
    names = list(truncated)
    norms = {"truncated": [_norm(truncated[name]) for name in names], "exact": [_norm(exact[name]) for name in names]}
    dot = [float(np.sum(truncated[name] * exact[name])) for name in names]
    both = np.array(norms["truncated"]) * np.array(norms["exact"])
    lost = [_norm(stale[name] - fresh[name]) for name in names]
    whole = [_norm(fresh[name]) for name in names]
    per_group = {
        "truncated_norm": (norms["truncated"], "norm of the truncated gradient"),
        "exact_norm": (norms["exact"], "norm of the exact gradient"),
        "cosine": (_ratio(dot, both), "cosine of truncated and exact gradient"),
        "norm_ratio": (_ratio(norms["truncated"], norms["exact"]), "norm of truncated by exact gradient"),
        "stale_error": (_error(lost, whole), "relative error of the update from stale partials"),
    }
    variables: dict[str, object] = {
        name: ("group", np.asarray(values), {"long_name": text, "units": "1"}) for name, (values, text) in per_group.items()
    }
    text = "relative error of the whole update from stale partials"
    total = _error([float(np.linalg.norm(lost))], [float(np.linalg.norm(whole))])[0]
    variables["stale_error_total"] = ((), total, {"long_name": text, "units": "1"})
    for kind, parts in (("truncated", truncated), ("exact", exact)):
        for name, values in parts.items():
            attrs = {"long_name": f"{kind} gradient of the {name} weights", "units": "1", "symbol": "dE/dw"}
            variables[f"{kind}_{name}"] = (_weight_dims(name), values, attrs)
    return xr.Dataset(variables, coords={"group": names, **_weight_coords(frozen)})


def _sent_back(net: Frozen, path: Trajectory, t: int, back: Array) -> Array:
    """Errors of all net inputs (lag, unit), lags 0 .. t, that the errors `back` of step t give by the truncated rule."""
    nowhere, deltas, rows = np.zeros(net.n_units), np.zeros((t + 1, net.n_units)), net.rows
    state, deltas[0], to_state = step_back(net, path, t, np.zeros(net.settings.n_cells), back, False)
    if net.settings.gated:
        for lag in range(1, t + 1):
            _, deltas[lag], to_state = step_back(net, path, t - lag, to_state, nowhere, False)
    elif t:
        deltas[1:, rows["cell"]] = state * path.exit_cell[t - 1 :: -1]
        deltas[1:, rows["input_gate"]] = net.blocks(state * path.exit_gate[t - 1 :: -1])
    return deltas


def _step(step: int, n_steps: int) -> int:
    value: int = check("step", step, Annotated[Whole, Field(ge=0, le=n_steps - 1)])
    return value


def _norm(values: Array) -> float:
    return float(np.sqrt(np.sum(values**2)))


def _ratio(a: ArrayLike, b: ArrayLike) -> Array:
    """Return a / b, NaN where b is 0."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return np.divide(a, b, out=np.full(b.shape, np.nan), where=b > 0.0)


def _error(difference: ArrayLike, reference: ArrayLike) -> Array:
    """Relative error: 0 where there is no difference, whatever the reference."""
    return np.where(np.asarray(difference) == 0.0, 0.0, _ratio(difference, reference))


def _weight_dims(name: str) -> tuple[str, str]:
    return UNIT_DIM[name], {"output": "output_source", "peephole": "cell"}.get(name, "source")


def _weight_coords(net: Frozen) -> dict[str, object]:
    a = net.settings
    sizes = {"block": a.n_blocks, "output_unit": a.n_outputs} | ({"hidden_unit": a.n_hidden} if a.n_hidden else {})
    numbers = {name: np.arange(n) for name, n in sizes.items()}
    return {"source": a.sources, "output_source": a.output_sources, **numbers, **net.cell_coords}
