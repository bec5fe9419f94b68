"""A slow, literal twin of the LSTM of Hochreiter and Schmidhuber (1997): plain loops, one expression per equation.

With forget gates as Gers, Schmidhuber and Cummins (2000) have them, and peepholes of Gers and Schmidhuber (2000).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

PER_OUTPUT = ("target", "output", "output_error")
PER_CELL = ("cell_net", "cell_state", "cell_output", "state_error", "cell_error")
PER_BLOCK = ("input_gate", "output_gate", "input_gate_error", "output_gate_error")
PER_HIDDEN = ("hidden", "hidden_error")
PER_FORGET_GATE = ("forget_gate", "forget_gate_error")
IN, FORGET, OUT = range(3)  # rows of the peepholes' weights


def f(x: float) -> float:
    """Logistic function, eq. (3); below -700, where exp(-x) would overflow, its limit exp(x)."""
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else math.exp(x)


def df(x: float) -> float:
    """Differentiate the logistic function (3)."""
    return f(x) * (1.0 - f(x))


def net_input(weights: Array, sources: Sequence[float]) -> float:
    """Sum up the weighted sources of one unit."""
    return sum(float(w) * z for w, z in zip(weights, sources, strict=True))


class LiteralLSTM:
    """The twin of ``lstmsim.LSTM``; its weights are zero until `set_weights` is called.

    Parameters are those of ``lstmsim.LSTM``; the four that only concern initial weights (`input_gate_bias`,
    `output_gate_bias`, `init_range`, `seed`) are accepted and have no effect. The readings are:

    Parameters
    ----------
    error_derivative : bool
        False leaves f'(net_k) out of (19).
    update : {"step", "sequence"}
        "sequence" sums the weight changes until `end_sequence` applies them; `update_norm` is then the norm of what
        a step adds to the sum.
    g_range, h_range : tuple of float
        (scale, shift) of scale * f(x) - shift for g (5) and h (4); no effect where f or the identity replaces them.
    factor : float
        Multiplies every e_k of (19).
    gate_bias, cell_bias, hidden_bias, output_bias : bool or None
        Whether units of a kind have biases; None: as `bias` says.
    cell_bias_partial, gate_bias_partial, gate_source_partial, cell_source_partial : {"sum", "last"}
        Whether the partials (27) of a cell's bias, (25) of an input gate's, and both with respect to the weights from gates
        and from cells are the sum over the sequence or the term of the last step alone.
    forget_gates : bool
        s(t) = y_f s(t-1) + y_in g(net_c), and so with all partials; the gate's own weights have partials too.
    peepholes : {"none", "cut", "live"}
        Weights (gate, cell) from s(t-1) to the input and forget gate, from s(t) to the output gate of the block; in "cut"
        these s are constants for whatever is differentiated, in "live" every partial follows them.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, n_blocks: int, block_size: int = 1, *, n_hidden: int = 0,
        topology: str = "F", shortcuts: bool = False, bias: str = "all", output_gates: bool = True,
        input_gate_bias: object = None, output_gate_bias: object = None, cell_input: str = "g", cell_output: str = "h",
        output: str = "logistic", init_range: float = 0.1, learning_rate: float = 0.1, seed: int = 0,
        error_derivative: bool = True, update: str = "step", g_range: tuple[float, float] = (4.0, 2.0),
        h_range: tuple[float, float] = (2.0, 1.0), factor: float = 1.0, gate_bias: bool | None = None,
        cell_bias: bool | None = None, hidden_bias: bool | None = None, output_bias: bool | None = None,
        cell_bias_partial: str = "sum",
        gate_bias_partial: str = "sum", gate_source_partial: str = "sum", cell_source_partial: str = "sum",
        forget_gates: bool = False, forget_gate_bias: object = None, peepholes: str = "none",
    ) -> None:  # fmt: skip
        for name, value, allowed in (
            ("topology", topology, ("F", "B")), ("bias", bias, ("all", "b1", "ga", "none")),
            ("cell_input", cell_input, ("g", "f")), ("cell_output", cell_output, ("h", "identity")),
            ("output", output, ("logistic", "identity")), ("update", update, ("step", "sequence")),
        ):  # fmt: skip
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}; allowed: {allowed}")
        self.n_inputs, self.n_outputs, self.n_blocks, self.block_size = n_inputs, n_outputs, n_blocks, block_size
        self.n_cells, self.n_hidden = n_blocks * block_size, n_hidden
        self.forget_gates, self.peepholes = forget_gates, peepholes
        self.n_gates = (3 if forget_gates else 2) * n_blocks
        self.topology, self.bias, self.output_gates = topology, bias, output_gates
        self.direct = topology == "B" or shortcuts
        self.cell_output, self.output = cell_output, output
        self.g_range, self.h_range = g_range if cell_input == "g" else (1.0, 0.0), h_range
        self.learning_rate, self.error_derivative = learning_rate, error_derivative
        self.update, self.factor = update, factor
        b1 = bias in ("all", "b1")
        self.gate_bias = bias != "none" if gate_bias is None else gate_bias
        self.cell_bias, self.hidden_bias = (b1 if given is None else given for given in (cell_bias, hidden_bias))
        self.output_bias = bias == "all" if output_bias is None else output_bias
        first_gate, first_hidden = n_inputs + self.n_cells, n_inputs + self.n_cells + self.n_gates
        kept = np.ones(first_hidden + n_hidden + 1)  # what the partials of a source keep from step to step
        kept[n_inputs:first_gate] = cell_source_partial == "sum"
        kept[first_gate:first_hidden] = gate_source_partial == "sum"
        self.kept_cell, self.kept_gate = kept.copy(), kept.copy()
        self.kept_cell[-1], self.kept_gate[-1] = cell_bias_partial == "sum", gate_bias_partial == "sum"
        self.exists = self._connections()
        self._weights = {name: np.zeros(mask.shape) for name, mask in self.exists.items()}
        self._pending = {name: np.zeros(mask.shape) for name, mask in self.exists.items()}
        self.reset()

    def _connections(self) -> dict[str, NDArray[np.bool_]]:
        """Which of the weights exist, in the shapes of `weights`."""
        first_output_gate = self.n_inputs + self.n_cells + self.n_blocks
        first_forget_gate = first_output_gate + self.n_blocks
        first_hidden = self.n_inputs + self.n_cells + self.n_gates
        bias_unit = first_hidden + self.n_hidden
        rows = {"input_gate": self.n_blocks, "output_gate": self.n_blocks, "cell": self.n_cells}
        if self.n_hidden > 0:
            rows["hidden"] = self.n_hidden
        if self.forget_gates:
            rows["forget_gate"] = self.n_blocks
        exists: dict[str, NDArray[np.bool_]] = {}
        for name, n_units in rows.items():
            biased = {"cell": self.cell_bias, "hidden": self.hidden_bias}.get(name, self.gate_bias)
            exists[name] = np.zeros((n_units, bias_unit + 1), dtype=bool)
            for unit in range(n_units):
                for source in range(bias_unit + 1):
                    if name == "output_gate" and not self.output_gates:
                        there = False
                    elif source < self.n_inputs:
                        there = True
                    elif source == bias_unit:
                        there = biased
                    elif first_output_gate <= source < first_forget_gate:
                        there = self.topology == "F" and self.output_gates
                    else:
                        there = self.topology == "F"
                    exists[name][unit, source] = there
        n_sources = (self.n_inputs if self.direct else 0) + self.n_cells + self.n_hidden
        exists["output"] = np.ones((self.n_outputs, n_sources + 1), dtype=bool)
        exists["output"][:, n_sources] = self.output_bias
        if self.peepholes != "none":
            exists["peephole"] = np.ones((3, self.n_cells), dtype=bool)
            exists["peephole"][FORGET], exists["peephole"][OUT] = self.forget_gates, self.output_gates
        return exists

    @property
    def n_weights(self) -> int:
        """Number of trainable weights; the self-connection of the CEC is none."""
        return sum(int(mask.sum()) for mask in self.exists.values())

    @property
    def weights(self) -> dict[str, Array]:
        """Copies of all weights, (unit, source)."""
        return {name: values.copy() for name, values in self._weights.items()}

    def set_weights(self, weights: Mapping[str, ArrayLike]) -> None:
        """Replace all weights; ValueError for wrong names, shapes, values, or a weight where there is no connection."""
        if set(weights) != set(self.exists):
            raise ValueError(f"weights has {sorted(weights)}; needed: {sorted(self.exists)}")
        new = {name: np.array(weights[name], dtype=float) for name in self.exists}
        for name, values in new.items():
            if values.shape != self.exists[name].shape:
                raise ValueError(f"weights[{name!r}] has shape {values.shape}; needed: {self.exists[name].shape}")
            if not np.all(np.isfinite(values)) or np.any(values[~self.exists[name]] != 0.0):
                raise ValueError(f"weights[{name!r}] must be finite, and 0 where no connection exists: {values}")
        self._weights = new

    def reset(self) -> None:
        """Set activations, cell states and partials to zero; weights and changes not yet applied stay."""
        n_sources = self.n_inputs + self.n_cells + self.n_gates + self.n_hidden + 1
        self.cell_state = [0.0] * self.n_cells
        self.previous = [0.0] * (self.n_cells + self.n_gates + self.n_hidden)
        self.partial_cell = np.zeros((self.n_cells, n_sources))
        self.partial_input_gate = np.zeros((self.n_cells, n_sources))
        self.ds = {  # ds_c / dw of nets with forget gates or peepholes: (c, unit, source), and (c, gate, v) for peepholes
            "cell": np.zeros((self.n_cells, self.n_cells, n_sources)),
            "input_gate": np.zeros((self.n_cells, self.n_blocks, n_sources)),
            "forget_gate": np.zeros((self.n_cells, self.n_blocks, n_sources)),
            "peephole": np.zeros((self.n_cells, 2, self.n_cells)),
        }

    def end_sequence(self) -> None:
        """Apply the weight changes that update="sequence" has summed."""
        for name, change in self._pending.items():
            self._weights[name] += change
            change[:] = 0.0

    def step(self, x: ArrayLike, target: ArrayLike | None = None) -> Array:
        """One time step, with learning where there is a target; returns y, shape (n_outputs,)."""
        xs, ds = self._checked(np.asarray(x)[None], None if target is None else np.asarray(target)[None])
        return self._advance(xs[0], ds[0], learn=True)["output"]

    def run(
        self, inputs: ArrayLike, targets: ArrayLike | None = None, learn: bool = True, reset: bool = True
    ) -> dict[str, Array]:
        """Run inputs (step, input) with targets (step, output), NaN rows where there are none; returns the trace."""
        xs, ds = self._checked(inputs, targets)
        if reset:
            self.reset()
        rows = [self._advance(x, d, learn) for x, d in zip(xs, ds, strict=True)]
        if learn:
            self.end_sequence()
        width = dict.fromkeys(PER_OUTPUT, self.n_outputs) | dict.fromkeys(PER_CELL, self.n_cells)
        width |= dict.fromkeys(PER_BLOCK, self.n_blocks) | {"input": self.n_inputs}
        width |= dict.fromkeys(PER_HIDDEN, self.n_hidden) if self.n_hidden else {}
        width |= dict.fromkeys(PER_FORGET_GATE, self.n_blocks) if self.forget_gates else {}
        trace = {name: np.array([row[name] for row in rows]).reshape(len(rows), n) for name, n in width.items()}
        return trace | {"update_norm": np.array([float(row["update_norm"]) for row in rows])}

    def _checked(self, inputs: ArrayLike, targets: ArrayLike | None) -> tuple[Array, Array]:
        xs = np.array(inputs, dtype=float)
        if xs.ndim != 2 or xs.shape[1] != self.n_inputs or not np.all(np.isfinite(xs)):
            raise ValueError(f"inputs of shape {xs.shape} must be finite, {self.n_inputs} per step")
        ds = np.full((len(xs), self.n_outputs), np.nan) if targets is None else np.array(targets, dtype=float)
        if ds.shape != (len(xs), self.n_outputs):
            raise ValueError(f"targets has shape {ds.shape}; needed: {(len(xs), self.n_outputs)}")
        if not np.all(np.isfinite(ds[~np.all(np.isnan(ds), axis=1)])):
            raise ValueError("targets must be finite in a step, or NaN in all of it")
        return xs, ds

    def _g(self, x: float) -> float:
        return self.g_range[0] * f(x) - self.g_range[1]  # (5)

    def _dg(self, x: float) -> float:
        return self.g_range[0] * df(x)

    def _h(self, x: float) -> float:
        return x if self.cell_output == "identity" else self.h_range[0] * f(x) - self.h_range[1]  # (4)

    def _dh(self, x: float) -> float:
        return 1.0 if self.cell_output == "identity" else self.h_range[0] * df(x)

    def _advance(self, x: Array, target: Array, learn: bool) -> dict[str, Array]:
        """One time step: sections 1 and 2 of the method in their order; returns one row of the trace."""
        w = self._weights
        blocks, cells, hidden, outputs = map(range, (self.n_blocks, self.n_cells, self.n_hidden, self.n_outputs))
        block_of = [c // self.block_size for c in cells]
        s, alpha = self.cell_state, self.learning_rate
        s_before, own_cells = list(s), [[c for c in cells if block_of[c] == j] for j in blocks]
        peephole = w.get("peephole", np.zeros((3, self.n_cells)))
        z = [*x.tolist(), *self.previous, 1.0]

        net_in = [net_input(w["input_gate"][j], z) + sum(peephole[IN, v] * s[v] for v in own_cells[j]) for j in blocks]
        y_in = [f(net_in[j]) for j in blocks]  # (7)
        y_f, slope_f = [1.0 for j in blocks], [0.0 for j in blocks]
        if self.forget_gates:
            for j in blocks:
                net_f = net_input(w["forget_gate"][j], z) + sum(peephole[FORGET, v] * s[v] for v in own_cells[j])
                y_f[j], slope_f[j] = f(net_f), df(net_f)
        net_c = [net_input(w["cell"][c], z) for c in cells]
        y_c = [0.0 for c in cells]
        for c in cells:
            s[c] = y_f[block_of[c]] * s[c] + y_in[block_of[c]] * self._g(net_c[c])  # (9) where y_f is 1
        net_out = [net_input(w["output_gate"][j], z) + sum(peephole[OUT, v] * s[v] for v in own_cells[j]) for j in blocks]
        y_out = [f(net_out[j]) if self.output_gates else 1.0 for j in blocks]  # (8)
        for c in cells:
            y_c[c] = y_out[block_of[c]] * self._h(s[c])
        net_i = [net_input(w["hidden"][i], z) for i in hidden]
        y_i = [f(net_i[i]) for i in hidden]
        z_k = [*(x.tolist() if self.direct else []), *y_c, *y_i, 1.0]
        net_k = [net_input(w["output"][k], z_k) for k in outputs]
        y_k = [net_k[k] if self.output == "identity" else f(net_k[k]) for k in outputs]

        for c in cells:
            j = block_of[c]
            for m in range(len(z)):
                self.partial_cell[c, m] *= self.kept_cell[m]
                self.partial_cell[c, m] += self._dg(net_c[c]) * y_in[j] * z[m]  # (27)
                self.partial_input_gate[c, m] *= self.kept_gate[m]
                self.partial_input_gate[c, m] += self._g(net_c[c]) * df(net_in[j]) * z[m]  # (25)

        if self.forget_gates or self.peepholes != "none":
            self._move_partials(z, s_before, y_in, [df(net) for net in net_in], net_c, y_f, slope_f)
        e_k, e_i = [0.0 for k in outputs], [0.0 for i in hidden]
        e_out, e_in, e_f = [0.0 for j in blocks], [0.0 for j in blocks], [0.0 for j in blocks]
        e_s, e_c = [0.0 for c in cells], [0.0 for c in cells]
        change = {name: np.zeros(values.shape) for name, values in w.items()}
        if not np.isnan(target).any():
            first_cell = self.n_inputs if self.direct else 0
            first_hidden = first_cell + self.n_cells
            for k in outputs:
                slope = df(net_k[k]) if self.output == "logistic" and self.error_derivative else 1.0
                e_k[k] = self.factor * slope * (float(target[k]) - y_k[k])  # (19)
            for i in hidden:
                e_i[i] = df(net_i[i]) * sum(w["output"][k, first_hidden + i] * e_k[k] for k in outputs)  # (20)
            back = [sum(w["output"][k, first_cell + c] * e_k[k] for k in outputs) for c in cells]
            for c in cells:
                e_s[c] = y_out[block_of[c]] * self._dh(s[c]) * back[c]  # (23)
                if self.output_gates and self.peepholes == "live":
                    at_out = df(net_out[block_of[c]]) * sum(self._h(s[v]) * back[v] for v in own_cells[block_of[c]])
                    e_s[c] += peephole[OUT, c] * at_out
                e_c[c] = self._dg(net_c[c]) * y_in[block_of[c]] * e_s[c]  # (36), q = 0
            for j in blocks:
                own = own_cells[j]
                e_f[j] = slope_f[j] * sum(s_before[c] * e_s[c] for c in own)
                if self.output_gates:
                    e_out[j] = df(net_out[j]) * sum(self._h(s[c]) * back[c] for c in own)  # (21)
                e_in[j] = df(net_in[j]) * sum(self._g(net_c[c]) * e_s[c] for c in own)  # (37), q = 0
                for m in range(len(z)):
                    change["output_gate"][j, m] = alpha * e_out[j] * z[m]  # (22)
                    e_ds = sum(e_s[c] * self.partial_input_gate[c, m] for c in own)
                    change["input_gate"][j, m] = alpha * e_ds  # (26)
            for m in range(len(z)):
                for c in cells:
                    change["cell"][c, m] = alpha * e_s[c] * self.partial_cell[c, m]  # (28)
                for i in hidden:
                    change["hidden"][i, m] = alpha * e_i[i] * z[m]  # (22)
            if self.forget_gates or self.peepholes != "none":
                for name, ds in self.ds.items():
                    if name in w:
                        rows = slice(0, 2) if name == "peephole" else slice(None)
                        change[name][rows] = alpha * sum(e_s[c] * ds[c] for c in cells)
            if self.peepholes != "none":
                for c in cells:
                    change["peephole"][OUT, c] = alpha * e_out[block_of[c]] * s[c]
            for k in outputs:
                for m in range(len(z_k)):
                    change["output"][k, m] = alpha * e_k[k] * z_k[m]  # (22)

        squares = 0.0
        if learn:
            for name, values in change.items():
                values[~self.exists[name]] = 0.0
                squares += float(np.sum(values**2))
                (w if self.update == "step" else self._pending)[name] += values
        self.previous = y_c + y_in + y_out + (y_f if self.forget_gates else []) + y_i
        row = {
            "input": x, "target": target, "output": y_k, "output_error": e_k, "cell_net": net_c, "cell_state": s,
            "cell_output": y_c, "state_error": e_s, "cell_error": e_c, "input_gate": y_in, "output_gate": y_out,
            "input_gate_error": e_in, "output_gate_error": e_out, "update_norm": math.sqrt(squares),
            "hidden": y_i, "hidden_error": e_i, "forget_gate": y_f, "forget_gate_error": e_f,
        }  # fmt: skip
        return {name: np.array(value, dtype=float) for name, value in row.items()}

    def _move_partials(
        self, z: list[float], s: list[float], y_in: list[float], slope_in: list[float], net_c: list[float],
        y_f: list[float], slope_f: list[float],
    ) -> None:  # fmt: skip
        """d/dw of s(t) = y_f s(t-1) + y_in g(net_c), by the product rule; s are the states before the step."""
        cells, peephole = range(self.n_cells), self._weights.get("peephole", np.zeros((3, self.n_cells)))
        for name, ds in self.ds.items():
            old = ds.copy()
            for c in cells:
                j = c // self.block_size
                own = [v for v in cells if v // self.block_size == j]
                d_net_in, d_net_f, d_net_c = (np.zeros(ds.shape[1:]) for _ in range(3))
                if name == "input_gate":
                    d_net_in[j] += z
                elif name == "forget_gate":
                    d_net_f[j] += z
                elif name == "cell":
                    d_net_c[c] += z
                else:
                    for v in own:
                        d_net_in[IN, v] += s[v]
                        d_net_f[FORGET, v] += s[v]
                if self.peepholes == "live":
                    d_net_in += sum(peephole[IN, v] * old[v] for v in own)
                    d_net_f += sum(peephole[FORGET, v] * old[v] for v in own)
                kept = y_f[j] * old[c] + s[c] * slope_f[j] * d_net_f
                ds[c] = kept + slope_in[j] * d_net_in * self._g(net_c[c]) + y_in[j] * self._dg(net_c[c]) * d_net_c
