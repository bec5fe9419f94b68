"""LSTM with the untruncated gradient, forward in time: what the truncation of (19)-(28) leaves out, on every row.

Activations, errors and outputs are those of the truncated rule, by the same functions. In place of (25) and (27) the
sensitivities of all recurrent activations and cell states to all weights of the hidden layer are kept: real-time recurrent
learning through gates, cells and outputs.
"""

from __future__ import annotations

from lstmsim.checks import refusal
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.logistic import logistic_slope
from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores, judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences
from lstmsim.kernels.streams import join
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, load_at, load_one, splat, store, store_at
from lstmsim.learners.base import register
from lstmsim.learners.lstm.descent import after_error, at_end
from lstmsim.learners.lstm.equations import (
    errors_at_net_inputs,
    factors,
    forward,
    gate_factors,
    hidden_errors,
    later,
    state_slope,
)
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.one_hot import set_inputs
from lstmsim.learners.lstm.outputs import output_errors, outputs, update_outputs
from lstmsim.learners.lstm.recording import write_step
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.lstm.steps import end_lane

_MAX_SENSITIVITIES = 50_000_000


class Sensitivities(Struct):
    """What the exact gradient keeps besides the state of the net."""

    p: Floats  # (unit u, source / 8, dy of unit then ds of cell, 8): derivatives by w_u of eight sources at a time
    x: Floats  # (source,): sources of the running step, one-hot inputs spelt out
    column: Floats  # (8 * (unit + 1),): dnet of all units for one u and eight sources


@register("exact_lstm", LSTMSettings, label="LSTM, exact gradient")
class ExactLSTM(LaneNets):
    """One net, learning by real-time recurrent learning of the whole LSTM.

    Units, weights, trace variables and the errors at lag 0 are those of the truncated rule. Without weights from
    recurrent units, and in topology B, both rules are the same. Time per step and storage grow as H**2 W and H W with H
    units in the hidden layer.

    Parameters
    ----------
    settings : LSTMSettings
        Units, connections and rule; no sequential construction, nothing carried over, partials that accumulate.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Raises
    ------
    ValueError
        If the settings ask for what the exact gradient cannot do, or for too many sensitivities.
    """

    many_lanes, sound = False, None

    def __init__(self, settings: LSTMSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        if settings.sequential:
            raise refusal("sequential", True, "False with the exact gradient")
        if settings.carry != "none":
            raise refusal("carry", settings.carry, "'none' with the exact gradient")
        for name, usual in (("forget_gates", False), ("peepholes", "none")):
            if getattr(settings, name) != usual:
                raise refusal(name, getattr(settings, name), f"{usual!r} with the exact gradient")
        for name in ("cell_bias_partial", "gate_bias_partial", "gate_source_partial", "cell_source_partial"):
            if getattr(settings, name) != "sum":
                raise refusal(name, getattr(settings, name), "'sum' with the exact gradient")
        super().__init__(settings, 1, symbols=symbols)
        shape = self.nets.shape
        columns = -(-(shape.symbol_stride + shape.sources) // 8) * 8
        size = shape.units * columns * (shape.units + shape.cells)
        if size > _MAX_SENSITIVITIES:
            raise refusal("sensitivities of the exact gradient", size, f"at most {_MAX_SENSITIVITIES:,}; fewer units")
        self._sensitivities = Sensitivities(aligned(size), aligned(columns), aligned(8 * (shape.units + 1)))

    @classmethod
    def make(cls, settings: LSTMSettings, lanes: int, *, symbols: bool = False) -> ExactLSTM:
        """One net on one lane."""
        return cls(settings, lanes, symbols=symbols)

    def reset(self, lane: int | slice) -> None:
        """Activations, cell states and sensitivities to zero; the weights stay."""
        super().reset(lane)
        self._sensitivities.p[:] = 0.0

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        self.set_rates(scores.index)
        reached: int = advance(self.nets, self._sensitivities, sequences, scores, record, clock, until, learn, track)
        return reached


@kernel
def advance(nets, kept, sequences, scores, record, clock, until, learning, tracking):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached.

    Arguments are those of `lstmsim.learners.lstm.steps.advance`, on one lane, and `kept`, the `Sensitivities`, which
    change in place.
    """
    shape, state = nets.shape, nets.state
    while clock < until:
        now = state.ring[0]
        then = state.ring[0] = later(shape, now)
        set_inputs(nets, sequences, clock, now)
        if shape.symbol_stride:
            kept.x[state.symbol[0]] = 0.0
            state.symbol[0] = sequences.symbol[clock, 0]
            kept.x[state.symbol[0]] = 1.0
        forward(nets, now, then)
        if tracking:
            for m in range(shape.sources):
                kept.x[shape.symbol_stride + m] = state.z[now + m, 0]
            _sensitivities(nets, kept)
        event, tick, noted = sequences.event[clock, 0], record.tick[0], record.on[0]
        if event & (LEARN | JUDGE) or noted:
            outputs(nets, 0, now, then)
        if event & JUDGE:
            judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
            join(scores, record, sequences, 0, clock, tick)
            event = sequences.event[clock, 0]
        if event & LEARN:
            output_errors(nets, 0, sequences.targets, sequences.learn[clock, 0])
            hidden_errors(nets)
            if learning:
                update_outputs(nets, 0, noted)
                _update_hidden(nets, kept, noted)
                after_error(nets, splat(nets.width, 1.0) != 0.0)
        if noted:
            errors_at_net_inputs(nets)
            write_step(nets, sequences, scores, record, 0, clock, then, learning)
        clock += 1
        record.tick[0] += 1
        if event & END:
            for at in range(kept.p.size):
                kept.p[at] = 0.0
            if learning:
                at_end(nets, splat(nets.width, 1.0) != 0.0)
            if end_lane(nets, scores, record, 0, tick + 1, learning):
                break
    return clock


@inlined
def _sensitivities(nets, kept):
    """Derivatives of (7)-(9) by the weight w_um, written d below, for every unit u and eight sources m at a time.

    dnet_v(t) = sum_r w_vr dy_r(t-1) + delta_uv z_m(t); dy_in = f' dnet_in, and so for output gates and hidden units;
    ds_c(t) = ds_c(t-1) + g f'(net_in) dnet_in + y_in g' dnet_c, the factors of (25) and (27);
    dy_c = h dy_out + y_out h' ds_c. Changes `p`; for one u and eight m the values stand together: dy of gates, hidden units
    and cells, the order of the weights' rows, then the ds.
    """
    shape, state, p, column = nets.shape, nets.state, kept.p, kept.column
    units, blocks, cells = shape.units, shape.blocks, shape.cells
    for j in range(blocks):
        scale_in, slope_in = gate_factors(nets, j)
        for c in range(j * shape.size, (j + 1) * shape.size):
            to_cell, to_gate = factors(nets, c, scale_in, slope_in)
            store(state.factor, c, to_cell)
            store(state.factor, cells + c, to_gate)
    for u in range(units):
        for m in range(0, kept.x.size, 8):
            block = (u * kept.x.size + m) * (units + cells)
            _net_derivatives(nets, kept, block)
            store_at(column, 8 * u, load_at(UNITS, column, 8 * u) + load_at(UNITS, kept.x, m))
            for j in range(blocks):
                _block_derivatives(nets, kept, block, j)
            first = blocks + cells + shape.output_gates
            for i in range(shape.hidden):
                slope = logistic_slope(load_one(UNITS, state.y, first + i))
                to_net = load_at(UNITS, column, 8 * (first + i))
                store_at(p, block + 8 * (blocks + shape.output_gates + i), slope * to_net)


@inlined
def _net_derivatives(nets, kept, block):
    """dnet_v = sum_r w_vr dy_r for all units v, to `column`; four at a time, so that one load of dy_r serves four."""
    shape, w, p, column = nets.shape, nets.weights.w, kept.p, kept.column
    units, first = shape.units, shape.inputs + 1
    source = block + 8 * (shape.blocks + shape.output_gates - shape.gate_rows)  # past the gates where they are no sources
    v = 0
    while v + 4 <= units:
        a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
        for r in range(shape.sources - first):
            p_r, row = load_at(UNITS, p, source + 8 * r), (first + r) * units + v
            a = fma(w[row, 0], p_r, a)
            b = fma(w[row + 1, 0], p_r, b)
            c = fma(w[row + 2, 0], p_r, c)
            d = fma(w[row + 3, 0], p_r, d)
        store_at(column, 8 * v, a)
        store_at(column, 8 * v + 8, b)
        store_at(column, 8 * v + 16, c)
        store_at(column, 8 * v + 24, d)
        v += 4
    while v < units:
        a = splat(UNITS, 0.0)
        for r in range(shape.sources - first):
            a = fma(w[(first + r) * units + v, 0], load_at(UNITS, p, source + 8 * r), a)
        store_at(column, 8 * v, a)
        v += 1


@inlined
def _block_derivatives(nets, kept, block, j):
    """The dy of gates and cells of one block, and the ds of its cells, from the dnet in `column`."""
    shape, rule, state, p, column = nets.shape, nets.rule, nets.state, kept.p, kept.column
    units, blocks, cells = shape.units, shape.blocks, shape.cells
    first_gate, gates_end = blocks + cells, blocks + shape.output_gates
    net_in = load_at(UNITS, column, 8 * j)
    y_out, to_out = splat(UNITS, 1.0), splat(UNITS, 0.0)
    store_at(p, block + 8 * j, logistic_slope(load_one(UNITS, state.y, j)) * net_in)
    if shape.output_gates:
        y_out = load_one(UNITS, state.y, first_gate + j)
        to_out = logistic_slope(y_out) * load_at(UNITS, column, 8 * (first_gate + j))
        store_at(p, block + 8 * (blocks + j), to_out)
    for c in range(j * shape.size, (j + 1) * shape.size):
        h, at = load_one(UNITS, state.h, c), block + 8 * (units + c)
        to_state = fma(load_one(UNITS, state.factor, cells + c), net_in, load_at(UNITS, p, at))
        to_state = fma(load_one(UNITS, state.factor, c), load_at(UNITS, column, 8 * (blocks + c)), to_state)
        store_at(p, at, to_state)
        if not rule.h_identity:
            to_state = state_slope(rule, h) * to_state
        store_at(p, block + 8 * (gates_end + shape.hidden + c), fma(h, to_out, y_out * to_state))


@inlined
def _update_hidden(nets, kept, measure):
    """dw_um = alpha sum_v (sum_k w_kv e_k) dy_v/dw_um over the cells and hidden units v that the outputs see."""
    shape, weights, state, p, column = nets.shape, nets.weights, nets.state, kept.p, kept.column
    units, cells, stride = shape.units, shape.cells, shape.symbol_stride
    first_hidden = shape.blocks + shape.output_gates
    first_cell = first_hidden + shape.hidden
    for u in range(units):
        cell = shape.blocks <= u and u < shape.blocks + cells
        hidden = units - shape.hidden <= u
        biased = shape.cell_bias if cell else shape.hidden_bias if hidden else shape.gate_bias
        for m in range(0, kept.x.size, 8):
            block = (u * kept.x.size + m) * (units + cells)
            change = splat(UNITS, 0.0)
            for c in range(cells):
                change = fma(load_one(UNITS, state.back, c), load_at(UNITS, p, block + 8 * (first_cell + c)), change)
            for i in range(shape.hidden):
                back = load_one(UNITS, state.back, cells + i)
                change = fma(back, load_at(UNITS, p, block + 8 * (first_hidden + i)), change)
            store_at(column, 0, weights.alpha[0] * change)
            for n in range(8):
                source = m + n - stride
                if source >= shape.sources or (source == shape.inputs and not biased):
                    continue
                if source < 0:
                    weights.u_symbol[0, u, m + n] += column[n]
                else:
                    weights.u[source * units + u, 0] += column[n]
                if measure:
                    state.norm[0] += column[n] * column[n]
