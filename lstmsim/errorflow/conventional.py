"""How errors are scaled on their way back through a conventional recurrent net, and an LSTM's factors beside it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lstmsim.checks import Field, Real, Whole, check, refusal
from lstmsim.errorflow.trajectory import Array, Trajectory, checked_inputs, conventional_slopes, finite, follow, freeze
from lstmsim.net import LSTM

MAX_LAG = 1_000_000
MAX_SLOPE = 0.25  # largest f' of the logistic function (3)


def scaling(
    weights: LSTM | ArrayLike,
    lags: ArrayLike,
    *,
    derivatives: ArrayLike | None = None,
    activations: ArrayLike | None = None,
    inputs: ArrayLike | None = None,
) -> xr.Dataset:
    """Hochreiter's error-flow factor of a conventional, fully recurrent net (1), (2), and an LSTM's beside it.

    An error of unit u at step t arrives at unit v, q steps earlier, scaled by the sum over all paths
    l_0 = u, l_1, ..., l_q = v of prod_{m=1..q} f'(net_{l_m}(t - m)) w_{l_{m-1} l_m} (2), where w_ij is the weight from
    j to i. Summing the inner indices one after another, as (1) does, turns this into the matrix product
    W D(t-1) W D(t-2) ... W D(t-q) with D = diag(f'), which is how it is computed; at lag 0 it is the identity.

    Parameters
    ----------
    weights : LSTM or array_like, shape (unit, unit)
        Recurrent weights, rows are the units that receive. Of an LSTM, those among cells, gates and hidden units, taken
        as the weights of a conventional net of logistic units.
    lags : array_like of int
        Lags q >= 0.
    derivatives : array_like, optional
        f'(net): one number, one per unit, or a trajectory (step, unit) whose last step is t. Default: 1/4, the maximum
        of the logistic function. Not with `activations` or an LSTM.
    activations : array_like, shape (step, unit), optional
        Activations of logistic units along a trajectory whose last step is t; f' = y (1 - y). Not with an LSTM.
    inputs : array_like, shape (step, input), optional
        With an LSTM: the sequence along which the LSTM and the conventional net of the same weights both run from a
        reset; t is its last step.

    Returns
    -------
    Dataset
        `factor` (lag, unit, unit_from), the conventional net's, from `unit_from` at t to `unit` at t - lag. With
        `inputs` also the three parts of the LSTM's truncated error flow (35)-(37): `entry` (cell) = y_out(t) h'(s(t)),
        once; `cec` (lag, cell) = 1, whatever the lag; and once, at t - lag, `exit_cell` = g'(net_c) y_in into the
        cell's weights or `exit_input_gate` = g(net_c) f'(net_in) into the input gate's, both (lag, cell).

    Raises
    ------
    ValueError
        For weights that are not square or not finite, lags that are no whole numbers, negative or longer than the
        trajectory, and arguments that exclude each other.
    """
    q = _lags(lags)
    frozen, x = None, None
    if isinstance(weights, LSTM):
        for name, value in (("derivatives", derivatives), ("activations", activations)):
            if value is not None:
                raise ValueError(f"{name} was given with an LSTM; allowed: None")
        if weights.settings.gated:
            raise refusal("weights", weights, "an LSTM without forget gates and peepholes, or a matrix")
        frozen = freeze(weights)
        x = None if inputs is None else checked_inputs(frozen, inputs)
        slopes = np.full(frozen.n_units, MAX_SLOPE) if x is None else conventional_slopes(frozen, x)
        w = frozen.recurrent
        units: list[str] | list[int] = frozen.settings.sources[frozen.settings.n_inputs : -1]
    else:
        if inputs is not None:
            raise ValueError("inputs was given with a weight matrix; allowed: None")
        w = finite("weights", weights)
        if w.ndim != 2 or w.shape[0] != w.shape[1] or not w.size:
            raise ValueError(f"weights has shape {w.shape}; allowed: (unit, unit), at least one unit")
        slopes, units = _slopes(len(w), derivatives, activations), list(range(len(w)))
    if slopes.ndim == 2 and q.max() >= len(slopes):
        raise ValueError(f"lags go up to {q.max()}; allowed: at most {len(slopes) - 1}, the steps before the last")

    products = np.empty((q.max() + 1, *w.shape))
    products[0] = np.eye(len(w))
    for lag in range(1, len(products)):
        products[lag] = products[lag - 1] @ w * (slopes if slopes.ndim == 1 else slopes[-1 - lag])
    attrs = {"long_name": "error-flow factor of a conventional recurrent net", "units": "1"}
    values = products[q].transpose(0, 2, 1)
    coords: dict[str, object] = {"lag": q, "unit": units, "unit_from": units}
    result = xr.Dataset({"factor": (("lag", "unit", "unit_from"), values, attrs)}, coords=coords)
    if frozen is None or x is None:
        return result
    return result.assign_coords(frozen.cell_coords).assign(_lstm_factors(follow(frozen, x), q))


def scaling_bound(n: int, w_max: float, lags: ArrayLike) -> xr.DataArray:
    """Bound n tau^q, tau = n w_max / 4, of the conventional factor of `scaling` (paper, section 3.1).

    Derivation: (2) sums n^(q-1) paths (the q - 1 inner units are free) of q factors f' w each. With logistic units,
    f' <= 1/4, and |w| <= w_max, each path is at most (w_max / 4)^q, so that for q >= 1

        |factor| <= n^(q-1) (w_max / 4)^q = tau^q / n,

    which equal weights at f' = 1/4 attain. The paper passes through norms, n (f'_max ||W||)^q with ||W|| <= n w_max,
    and so arrives at n tau^q: looser by the constant n^2, and true for q = 0 as well, where the factor is at most 1.
    This is the bound returned. It decays for w_max < 4 / n.

    Parameters
    ----------
    n : int
        Number of units, at least 1.
    w_max : float
        Largest absolute weight, finite and not negative.
    lags : array_like of int
        Lags q >= 0.

    Returns
    -------
    DataArray, dims (lag,)
        Dimensionless; inf where it exceeds the range of numbers.

    Raises
    ------
    ValueError
        For arguments outside these ranges.
    """
    n = check("n", n, Annotated[Whole, Field(ge=1, le=10**12)])
    w_max = check("w_max", w_max, Annotated[Real, Field(ge=0)])
    q = _lags(lags)
    with np.errstate(over="ignore"):
        bound = n * np.power(n * float(w_max) * MAX_SLOPE, q)
    attrs = {"long_name": "bound of the conventional error-flow factor", "units": "1", "symbol": "n tau^q"}
    return xr.DataArray(bound, dims="lag", coords={"lag": q}, name="scaling_bound", attrs=attrs)


def _lags(lags: ArrayLike) -> NDArray[np.int64]:
    try:
        q = np.atleast_1d(np.asarray(lags))
    except (TypeError, ValueError):  # ragged lists
        q = np.zeros(0)
    if q.ndim != 1 or not q.size or q.dtype.kind not in "iu" or q.min() < 0 or q.max() > MAX_LAG:
        raise refusal("lags", lags, f"one or more whole numbers from 0 to {MAX_LAG:,}")
    return q.astype(np.int64)


def _slopes(n: int, derivatives: ArrayLike | None, activations: ArrayLike | None) -> Array:
    """Slopes f' of n conventional units: (unit,) where it is constant, else (step, unit)."""
    if derivatives is not None and activations is not None:
        raise ValueError("derivatives and activations were both given; allowed: one of them")
    if activations is not None:
        y = finite("activations", activations)
        if y.ndim != 2 or y.shape[1] != n or not len(y):
            raise ValueError(f"activations has shape {y.shape}; allowed: (step, {n}), at least one step")
        if y.min() < 0.0 or y.max() > 1.0:
            raise ValueError(f"activations range from {y.min()} to {y.max()}; allowed: 0 to 1, logistic units")
        return y * (1.0 - y)
    slopes = finite("derivatives", MAX_SLOPE if derivatives is None else derivatives)
    if slopes.ndim == 0:
        slopes = np.full(n, float(slopes))
    if slopes.ndim > 2 or slopes.shape[-1] != n or not len(slopes):
        raise ValueError(f"derivatives has shape {slopes.shape}; allowed: (), ({n},) or (step, {n})")
    return slopes


def _lstm_factors(path: Trajectory, lags: NDArray[np.int64]) -> dict[str, object]:
    """Parts of the LSTM's factor for an error at the last step of a path, (35)-(37)."""
    at = len(path.state) - 1 - lags
    parts = {
        "entry": (("cell",), path.entry[-1], "entry into the CEC, y_out h'"),
        "cec": (("lag", "cell"), np.ones((len(lags), path.state.shape[1])), "factor inside the CEC"),
        "exit_cell": (("lag", "cell"), path.exit_cell[at], "exit into the cell's weights, g' y_in"),
        "exit_input_gate": (("lag", "cell"), path.exit_gate[at], "exit into the input gate's weights, g f'"),
    }
    return {name: (dims, values, {"long_name": text, "units": "1"}) for name, (dims, values, text) in parts.items()}
