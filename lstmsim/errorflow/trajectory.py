"""The path a net takes over a sequence with its weights frozen, and errors sent back along it (numpy, no kernels).

The equations (7)-(9), (19)-(28) stand here once more: the kernels go forward in time and keep what learning needs, while
here all steps are at hand at once, and errors go back through them, which the kernels never do. tests/test_errorflow.py
compares activations, errors and changes with those of the kernels and of the literal twin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmsim.checks import floats, refusal
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.net import LSTM

Array = NDArray[np.float64]

UNITS = ("cell", "input_gate", "output_gate", "forget_gate", "hidden")
IN, FORGET, OUT = range(3)  # rows of the peepholes


def logistic(x: Array) -> Array:
    """Logistic function (3); the overflow of exp(-x) gives the right limit, 0."""
    with np.errstate(over="ignore"):
        result: Array = 1.0 / (1.0 + np.exp(-x))
    return result


@dataclass(frozen=True)
class Frozen:
    """A net's weights at one moment, its hidden-layer units stacked in the order in which they are sources.

    Attributes
    ----------
    settings : LSTMSettings
        The net's units, connections and rule.
    hidden : ndarray, shape (unit, source)
        Rows: cells, input gates, output gates, forget gates, hidden units. Columns: inputs, the same units, bias.
    output : ndarray, shape (output, output_source)
        Columns: inputs where they are connected to the outputs, cells, hidden units, bias.
    peephole : ndarray, shape (3, cell)
        Weights from cell states to the input, forget and output gate of their block; 0 without peepholes.
    exists, output_exists : ndarray of bool
        Which of these weights the net has.
    """

    settings: LSTMSettings
    hidden: Array
    output: Array
    peephole: Array
    exists: NDArray[np.bool_]
    output_exists: NDArray[np.bool_]

    @property
    def n_units(self) -> int:
        """Number of recurrent units: cells, gates of both kinds, hidden units."""
        return len(self.hidden)

    @property
    def recurrent(self) -> Array:
        """Weights between hidden-layer units, shape (unit, unit)."""
        return self.hidden[:, self.settings.n_inputs : -1]

    @property
    def rows(self) -> dict[str, slice]:
        """Where each kind of unit stands among the stacked units."""
        a = self.settings
        ends = np.cumsum([0, a.n_cells, a.n_blocks, a.n_blocks, a.n_blocks * a.forget_gates, a.n_hidden])
        return {name: slice(int(i), int(j)) for name, i, j in zip(UNITS, ends[:-1], ends[1:], strict=True)}

    @property
    def heard(self) -> tuple[slice, slice]:
        """Columns of the cells and of the hidden units among the weights of the outputs."""
        a = self.settings
        first = a.n_inputs if a.sees_inputs else 0
        return slice(first, first + a.n_cells), slice(first + a.n_cells, first + a.n_cells + a.n_hidden)

    def split(self, hidden: Array, output: Array, peephole: Array) -> dict[str, Array]:
        """Name the parts of arrays (..., unit, source), (..., output, source), (..., 3, cell) as ``net.weights`` does."""
        rows, whole = self.rows, {"output": output, "peephole": peephole}
        return {name: whole[name] if name in whole else hidden[..., rows[name], :] for name in self.settings.exists}

    def cells(self, per_block: Array) -> Array:
        """Repeat a value per block (last axis) for each of its cells."""
        return np.repeat(per_block, self.settings.block_size, axis=-1)

    def blocks(self, per_cell: Array) -> Array:
        """Sum a value per cell (last axis) over each block."""
        a = self.settings
        result: Array = per_cell.reshape(*per_cell.shape[:-1], a.n_blocks, a.block_size).sum(axis=-1)
        return result

    @property
    def cell_coords(self) -> dict[str, object]:
        """Coordinates of cells in a dataset."""
        a = self.settings
        return {"cell": np.arange(a.n_cells), "cell_block": ("cell", np.repeat(np.arange(a.n_blocks), a.block_size))}


def freeze(net: LSTM) -> Frozen:
    """Copy what a net computes with; ValueError if `net` is not a net."""
    if not isinstance(net, LSTM):
        raise refusal("net", net, "an lstmsim.LSTM")
    if net.trials is not None:
        raise refusal("net", net, "one net; LSTM.from_weights(net.settings, ...) makes one of a trial's weights")
    settings = net.settings
    if settings.last_partials:
        raise refusal("net", net, "a net all of whose partials (25), (27) are sums")
    weights = net.weights
    names = [name for name in UNITS if name in weights]
    return Frozen(
        settings=settings,
        hidden=np.concatenate([weights[name] for name in names]),
        output=weights["output"],
        peephole=weights.get("peephole", np.zeros((3, settings.n_cells))),
        exists=np.concatenate([settings.exists[name] for name in names]),
        output_exists=settings.exists["output"],
    )


@dataclass(frozen=True)
class Trajectory:
    """All activations and derivatives along a sequence; the first axis of each is the step.

    Attributes
    ----------
    sources, output_sources : ndarray
        z of the hidden layer (previous activations) and of the outputs (present ones).
    units, derivative : ndarray, shape (step, unit)
        y of the stacked units, and f' of gates and hidden units (0 for the cells and for gates that do not exist).
    state, squashed : ndarray, shape (step, cell)
        s of (9), and h(s).
    entry : ndarray, shape (step, cell)
        y_out h'(s): an error of y_c becomes one of s by this factor.
    exit_cell, exit_gate, exit_forget : ndarray, shape (step, cell)
        g'(net_c) y_in, g(net_c) f'(net_in) and s(t-1) f'(net_f): by them an error of s becomes one of net_c, net_in, net_f.
    before, forget : ndarray, shape (step, cell)
        s(t-1), and what it is multiplied by: the forget gate of its block, or 1.
    y, error_slope : ndarray, shape (step, output)
        Outputs, and what (19) multiplies d - y with: f'(net_k), or 1, times the net's `error_factor`.
    """

    sources: Array
    output_sources: Array
    units: Array
    derivative: Array
    state: Array
    squashed: Array
    entry: Array
    exit_cell: Array
    exit_gate: Array
    exit_forget: Array
    before: Array
    forget: Array
    y: Array
    error_slope: Array


def follow(net: Frozen, inputs: Array, state: Array | None = None, units: Array | None = None) -> Trajectory:
    """Run the net with its weights frozen: (7), (8), (9), from a reset or from a given cell state and activations."""
    a, rows, n_steps = net.settings, net.rows, len(inputs)
    n_cells = a.n_cells
    (scale, shift), h_range = a.squashing
    recurrent = np.ascontiguousarray(net.recurrent)
    external = inputs @ net.hidden[:, : a.n_inputs].T + net.hidden[:, -1]
    s = np.zeros((a.n_blocks, a.block_size))
    peepholes = net.peephole.reshape(3, *s.shape) if a.peepholes != "none" else None
    forgets = rows["forget_gate"] if a.forget_gates else None
    if state is not None:
        s[:] = state.reshape(s.shape)
    y = np.zeros(net.n_units) if units is None else units.copy()
    before = np.empty((n_steps + 1, net.n_units))
    before[0] = y
    squashes = np.empty((n_steps, net.n_units))
    states = np.empty((n_steps, n_cells))
    earlier = np.empty((n_steps, n_cells))
    with np.errstate(over="ignore"):
        for t in range(n_steps):
            into = external[t] + recurrent @ y
            if peepholes is not None:
                into[rows["input_gate"]] += (peepholes[IN] * s).sum(axis=1)
                if forgets is not None:
                    into[forgets] += (peepholes[FORGET] * s).sum(axis=1)
            act = 1.0 / (1.0 + np.exp(-into))
            earlier[t] = s.ravel()
            if forgets is not None:
                s *= act[forgets, None]
            s += act[rows["input_gate"], None] * (scale * act[:n_cells].reshape(s.shape) - shift)
            if peepholes is not None:
                out = into[rows["output_gate"]] + (peepholes[OUT] * s).sum(axis=1)
                act[rows["output_gate"]] = 1.0 / (1.0 + np.exp(-out))
            if not a.output_gates:
                act[rows["output_gate"]] = 1.0
            squashes[t] = act
            h = s if h_range is None else h_range[0] / (1.0 + np.exp(-s)) - h_range[1]
            y = before[t + 1]
            y[:] = act
            y[:n_cells] = (act[rows["output_gate"], None] * h).ravel()
            states[t] = s.ravel()

    derivative = squashes * (1.0 - squashes)
    slope = scale * derivative[:, :n_cells]
    derivative[:, :n_cells] = 0.0
    if h_range is None:
        squashed, h_slope = states, np.ones_like(states)
    else:
        f = logistic(states)
        squashed, h_slope = h_range[0] * f - h_range[1], h_range[0] * f * (1.0 - f)
    here, ones = before[1:], np.ones((n_steps, 1))
    direct = [inputs] if a.sees_inputs else []
    output_sources = np.concatenate([*direct, here[:, :n_cells], here[:, rows["hidden"]], ones], axis=1)
    net_k = output_sources @ net.output.T
    y_k = logistic(net_k) if a.output == "logistic" else net_k
    slope_k = y_k * (1.0 - y_k) if a.output == "logistic" and a.error_derivative else np.ones_like(y_k)
    return Trajectory(
        sources=np.concatenate([inputs, before[:-1], ones], axis=1),
        output_sources=output_sources,
        units=here,
        derivative=derivative,
        state=states,
        squashed=squashed,
        entry=net.cells(squashes[:, rows["output_gate"]]) * h_slope,
        exit_cell=slope * net.cells(squashes[:, rows["input_gate"]]),
        exit_gate=(scale * squashes[:, :n_cells] - shift) * net.cells(derivative[:, rows["input_gate"]]),
        exit_forget=earlier * net.cells(derivative[:, forgets]) if forgets is not None else np.zeros_like(states),
        before=earlier,
        forget=net.cells(squashes[:, forgets]) if forgets is not None else np.ones_like(states),
        y=y_k,
        error_slope=a.error_factor * slope_k,
    )


def output_errors(net: Frozen, path: Trajectory, targets: Array) -> tuple[Array, Array]:
    """e_k of (19) and, per unit, the sum over outputs of w_k e_k; both 0 at steps without a target."""
    e_k = np.where(np.isnan(targets), 0.0, path.error_slope * (targets - path.y))
    cells, hidden = net.heard
    back = np.zeros((len(targets), net.n_units))
    back[:, net.rows["cell"]] = e_k @ net.output[:, cells]
    back[:, net.rows["hidden"]] = e_k @ net.output[:, hidden]
    return e_k, back


def step_back(
    net: Frozen, path: Trajectory, t: int, to_state: Array, to_units: Array, full: bool
) -> tuple[Array, Array, Array]:
    """Send errors that reach s(t) (from s(t + 1)) and y(t) of all units back through the units of step t.

    Shapes (..., cell) and (..., unit). Returns the whole error of s(t), the errors of all net inputs of step t, and the
    error of s(t - 1): what the CEC hands on, unchanged (factor 1, (34)) or times the forget gate. Through peepholes errors
    go to the states where all paths count, or where the rule has them live.
    """
    rows = net.rows
    to_cells = to_units[..., rows["cell"]]
    delta = to_units * path.derivative[t]
    delta[..., rows["output_gate"]] += path.derivative[t, rows["output_gate"]] * net.blocks(to_cells * path.squashed[t])
    peepholes = net.peephole if full or net.settings.peepholes == "live" else np.zeros_like(net.peephole)
    state = to_state + to_cells * path.entry[t] + peepholes[OUT] * net.cells(delta[..., rows["output_gate"]])
    delta[..., rows["cell"]] = state * path.exit_cell[t]
    delta[..., rows["input_gate"]] += net.blocks(state * path.exit_gate[t])
    earlier = path.forget[t] * state + peepholes[IN] * net.cells(delta[..., rows["input_gate"]])
    if net.settings.forget_gates:
        delta[..., rows["forget_gate"]] += net.blocks(state * path.exit_forget[t])
        earlier = earlier + peepholes[FORGET] * net.cells(delta[..., rows["forget_gate"]])
    return state, delta, earlier


def through_peepholes(net: Frozen, path: Trajectory, deltas: Array) -> Array:
    """Errors of the gates' net inputs (step, unit) times the states that their peepholes see, (step, 3, cell)."""
    if net.settings.peepholes == "none":
        return np.zeros((len(deltas), *net.peephole.shape))
    rows = net.rows
    forget = deltas[:, rows["forget_gate"]] if net.settings.forget_gates else np.zeros((len(deltas), net.settings.n_blocks))
    gates = deltas[:, rows["input_gate"]], forget, deltas[:, rows["output_gate"]]
    seen = path.before, path.before, path.state
    return np.stack([net.cells(delta) * s[: len(delta)] for delta, s in zip(gates, seen, strict=True)], axis=1)


def descent(net: Frozen, path: Trajectory, targets: Array, full: bool) -> tuple[Array, Array, Array]:
    """Minus the gradient of half the squared error summed over all targets, shaped as `hidden`, `output` and `peephole`.

    Truncated: (22), (26), (28) with the weights frozen, errors leave the hidden layer for good at a net input. Full:
    they go on from there through the recurrent weights to all units of the step before, which gives the exact gradient.
    """
    e_k, to_units = output_errors(net, path, targets)
    to_state = np.zeros(net.settings.n_cells)
    deltas = np.empty_like(to_units)
    recurrent = net.recurrent
    for t in range(len(targets) - 1, -1, -1):
        _, deltas[t], to_state = step_back(net, path, t, to_state, to_units[t], full)
        if full and t:
            to_units[t - 1] += deltas[t] @ recurrent
    peephole = through_peepholes(net, path, deltas).sum(axis=0)
    return deltas.T @ path.sources * net.exists, e_k.T @ path.output_sources * net.output_exists, peephole


def learn(net: Frozen, inputs: Array, targets: Array, fresh: bool) -> tuple[Array, Array, Array]:
    """Total weight change of a net that learns at every target of a sequence, from a reset.

    With `fresh` False the partials (25), (27) are carried along as they were accumulated, under weights that have
    changed since; else they are computed anew at each target, on a path run from the reset with the weights of that
    moment. Activations and cell states are carried along in both cases. Nets with forget gates, peepholes or an optimiser,
    whose changes are not followed here, give NaN.
    """
    a, rows, begin, done = net.settings, net.rows, net, 0
    if a.update == "sequence":
        change, output_change, peephole = descent(net, follow(net, inputs), targets, full=False)
        return a.learning_rate * change, a.learning_rate * output_change, a.learning_rate * peephole
    if a.moving:
        return np.full_like(net.hidden, np.nan), np.full_like(net.output, np.nan), np.full_like(net.peephole, np.nan)
    state, units = np.zeros(a.n_cells), np.zeros(net.n_units)
    partial_cell = np.zeros((a.n_cells, net.hidden.shape[1]))
    partial_gate = np.zeros_like(partial_cell)
    for t in map(int, np.flatnonzero(~np.isnan(targets).any(axis=1))):
        path = follow(net, inputs[done : t + 1], state, units)
        state, units = path.state[-1], path.units[-1]
        if fresh and done:
            anew = follow(net, inputs[: t + 1])
            partial_cell, partial_gate = anew.exit_cell.T @ anew.sources, anew.exit_gate.T @ anew.sources
        else:
            partial_cell = partial_cell + path.exit_cell.T @ path.sources
            partial_gate = partial_gate + path.exit_gate.T @ path.sources
        last, done = t - done, t + 1
        e_k, back = output_errors(net, path, np.where(np.arange(last + 1)[:, None] == last, targets[t], np.nan))
        e_s, delta, _ = step_back(net, path, last, np.zeros(a.n_cells), back[-1], False)
        change = np.outer(delta, path.sources[-1])
        change[rows["cell"]] = e_s[:, None] * partial_cell
        change[rows["input_gate"]] = net.blocks((e_s[:, None] * partial_gate).T).T
        output_change = np.outer(e_k[-1], path.output_sources[-1])
        net = replace(
            net,
            hidden=net.hidden + a.learning_rate * change * net.exists,
            output=net.output + a.learning_rate * output_change * net.output_exists,
        )
    return net.hidden - begin.hidden, net.output - begin.output, net.peephole - begin.peephole


def conventional_slopes(net: Frozen, inputs: Array) -> Array:
    """f'(net) of the conventional net that has the LSTM's hidden-layer weights, (step, unit), run from a reset."""
    external = inputs @ net.hidden[:, : net.settings.n_inputs].T + net.hidden[:, -1]
    y = np.zeros((len(inputs) + 1, net.n_units))
    for t, from_outside in enumerate(external):
        y[t + 1] = logistic(from_outside + net.recurrent @ y[t])
    return y[1:] * (1.0 - y[1:])


def finite(name: str, values: ArrayLike) -> Array:
    """Return a float64 array, or raise for what is not numbers or not finite."""
    try:
        array = floats(values)
    except (TypeError, ValueError, OverflowError):
        raise refusal(name, values, "an array of numbers") from None
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} is {array[where]} at {where}; allowed: finite numbers")
    return array


def checked_inputs(net: Frozen, inputs: ArrayLike) -> Array:
    """Return inputs (step, input) as float64, or raise ValueError."""
    x = finite("inputs", inputs)
    if x.ndim != 2 or x.shape[1] != net.settings.n_inputs or not len(x):
        raise ValueError(f"inputs has shape {x.shape}; allowed: (step, {net.settings.n_inputs}), at least one step")
    return x


def checked_targets(net: Frozen, targets: ArrayLike, n_steps: int) -> Array:
    """Return targets (step, output), NaN rows where there is none, as float64, or raise ValueError."""
    try:
        d = floats(targets)
    except (TypeError, ValueError, OverflowError):
        raise refusal("targets", targets, "an array of numbers") from None
    if d.shape != (n_steps, len(net.output)):
        raise ValueError(f"targets has shape {d.shape}; allowed: {(n_steps, len(net.output))}")
    without = np.isnan(d).all(axis=1)
    if without.all():
        raise ValueError("targets is NaN at every step; allowed: a target at one step at least")
    bad = np.flatnonzero(~np.isfinite(d).all(axis=1) & ~without)
    if len(bad):
        raise ValueError(f"targets is {d[bad[0]]} at step {bad[0]}; allowed: rows of finite numbers or of NaN")
    return d
