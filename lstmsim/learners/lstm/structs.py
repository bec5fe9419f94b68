"""What the LSTM's kernels work on: sizes, rule, weights and state of nets that stand one per lane.

Layout: arrays of shape (rows, lanes) hold one vector per row. Units stand in the order input gates, cells, output gates,
hidden units, forget gates; sources in the order inputs, bias, input gates, output gates, forget gates, hidden units, cells
(the cells last: they are the last to be known). Weights from one-hot inputs stand per lane, with the symbols innermost, so
that a step touches one column and an update runs along the symbols; the output layer stands per lane with the outputs
innermost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import Width, aligned
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.optimiser import Method, method_of, remembers

WAIT = 4  # steps whose terms of the partials may wait on a CPU


class Shape(Struct):
    """Sizes of a net; `sources` counts dense inputs, the bias and, in topology F, the recurrent units.

    Nets with forget gates, peepholes or an optimiser have one-hot inputs as dense ones: `inputs` counts them too,
    `symbol_stride` is 0. `reach` counts the cells of a block whose states the weights of one of them change.
    """

    inputs: int
    symbols: int
    symbol_stride: int
    blocks: int
    size: int
    cells: int
    output_gates: int
    hidden: int
    forget_gates: int
    peepholes: bool
    reach: int
    wait: int  # steps whose terms of the partials may wait, 1 or WAIT
    units: int
    gate_rows: int
    rows: int
    sources: int
    gate_bias: bool
    cell_bias: bool
    hidden_bias: bool
    outputs: int
    output_stride: int
    output_inputs: int
    output_symbols: bool
    output_bias: bool
    output_sources: int


class Rule(Struct):
    """Squashing functions and the readings of the rule that can be switched."""

    g_scale: float
    g_shift: float
    h_scale: float
    h_shift: float
    h_identity: bool
    logistic_output: bool
    error_derivative: bool
    update_at_end: bool
    keep_states: bool
    keep_partials: bool
    last_partials: bool
    last_cell_bias: bool
    last_gate_bias: bool
    last_gates: bool
    last_cells: bool
    live_peepholes: bool


class Weights(Struct):
    """Weights, and where their changes go: the same arrays when learning per step, others when updating at sequence ends.

    Where an optimiser makes something of the gradient, the gradient since the last change stands where changes go.
    """

    w: Floats  # (source * unit, lane)
    w_symbol: Floats  # (lane, unit, symbol)
    w_output: Floats  # (lane, output source, output)
    w_output_symbol: Floats  # (lane, symbol, output)
    u: Floats
    u_symbol: Floats
    u_output: Floats
    u_output_symbol: Floats
    peephole: Floats  # (3 * cell, lane): from cell states to input gates, to forget gates, to output gates
    u_peephole: Floats
    rate: Floats  # (4, lane) learning rate, and how it falls: see `lstmsim.learners.lstm.settings.rate_at`
    alpha: Floats  # (lane,) learning rate in the running sequence
    present: Floats  # (block, lane) 1.0, or 0.0 while a block has not joined the net
    error_factor: Floats  # (output,) factor of e_k, 0.0 for padding


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    ring: Ints  # (1,) first row of z of the next step
    z: Floats  # ((wait + 1) * row, lane): sources of the latest steps and the next one
    s: Floats  # (cell, lane)
    before: Floats  # (cell, lane): s_c(t-1), where it is needed
    h: Floats  # (cell, lane)
    net: Floats  # (unit, lane)
    y: Floats  # (unit, lane)
    factor: (
        Floats  # (2 * wait * cell, lane), 3 * cell at least: factors of z_m in (27), then in (25), of each step that waits
    )
    p_cell: Floats  # (reach * cell * source, lane): ds_c/dw_cm; with a reach, see `gated`
    p_gate: Floats  # (cell * source, lane): ds_c/dw_in,m
    p_forget: Floats  # (cell * source, lane): ds_c/dw_forget,m
    p_peephole: Floats  # (2 * cell * size, lane): ds_c/dp from the block's cells to the input gate, then to the forget gate
    p_symbol: Floats  # (lane, 2 * cell, symbol): both, for one-hot inputs
    deferred: Floats  # (cell, lane): E = sum alpha e_s since deferred updates were last made, see `one_hot`
    pending: Floats  # (unit, lane): deferred updates of the weights from the lanes' symbols
    source: Floats  # (lane, output source): activations that the outputs see
    y_k: Floats  # (lane, output)
    e_k: Floats  # (lane, output)
    back: Floats  # (cell + hidden, lane): sum_k w_k. e_k
    e_s: Floats  # (cell, lane)
    e_out: Floats  # (block, lane)
    e_hidden: Floats  # (hidden, lane)
    e_cell: Floats  # (cell, lane): (36), q = 0, where the step is recorded
    e_in: Floats  # (block, lane): (37), q = 0, where the step is recorded
    e_forget: Floats  # (block, lane): the same for forget gates
    norm: Floats  # (lane,) squared norm of the last weight change
    symbol: Ints  # (lane,)
    first_weight: Ints  # (lane,) where a lane's rows of w_symbol begin
    first_partial: Ints  # (lane,) where a lane's rows of p_symbol begin


class Memory(Struct):
    """The optimiser of the nets and what it remembers, where changes are gradients that it takes."""

    method: Method
    plain: bool  # w + alpha g is all there is to it: no change waits here, nothing is remembered
    now: Floats  # (5, lane): see `lstmsim.learners.optimiser.begin_change`
    waits: Floats  # (lane,): 1.0 where a gradient waits for the end of the sequence
    first: Floats  # (source * unit + 3 * cell, lane): last change, or running mean of g; of `w`, then of `peephole`
    second: Floats  # (source * unit + 3 * cell, lane): running mean of g**2
    first_output: Floats  # (lane, output source, output)
    second_output: Floats  # (lane, output source, output)


OF_ALL_LANES = {"rate", "error_factor", "ring", "first_weight", "first_partial"}  # in common, or changed by no step
LANE_FIRST = {
    *("w_symbol", "w_output", "w_output_symbol", "u_symbol", "u_output", "u_output_symbol"),
    *("p_symbol", "source", "y_k", "e_k", "first_output", "second_output"),
}  # arrays whose first dimension is the lane; that of the others is the last


class Nets(NamedTuple):
    """Nets of one shape and rule, one per lane; a tuple, so that kernels have the six at hand."""

    width: Width
    shape: Shape
    rule: Rule
    weights: Weights
    state: State
    optimiser: Memory


def shape_of(a: LSTMSettings, *, symbols: bool = False, wait: int = WAIT) -> Shape:
    """Sizes for the kernels; with `symbols` the inputs are one-hot and come as symbol numbers."""
    gates, forget_gates = (a.n_blocks if there else 0 for there in (a.output_gates, a.forget_gates))
    one_hot = symbols and not a.moving  # otherwise symbols are spelt out
    inputs = 0 if one_hot else a.n_inputs
    seen = inputs if a.sees_inputs else 0
    gate_rows = a.n_blocks + gates + forget_gates if a.recurrence == "all" else 0
    biased = a.biased
    return Shape(
        inputs=inputs,
        symbols=a.n_inputs if symbols else 0,
        symbol_stride=-(-a.n_inputs // 8) * 8 if one_hot else 0,
        blocks=a.n_blocks,
        size=a.block_size,
        cells=a.n_cells,
        output_gates=gates,
        hidden=a.n_hidden,
        forget_gates=forget_gates,
        peepholes=a.peepholes != "none",
        reach=a.block_size if a.peepholes == "live" else 1,
        wait=wait,
        units=a.n_blocks + gates + a.n_cells + a.n_hidden + forget_gates,
        gate_rows=gate_rows,
        rows=inputs + 1 + gate_rows + a.n_hidden + a.n_cells,
        sources=inputs + 1 + (gate_rows + a.n_hidden + a.n_cells if a.recurrent else 0),
        gate_bias=biased["gate"],
        cell_bias=biased["cell"],
        hidden_bias=biased["hidden"],
        outputs=a.n_outputs,
        output_stride=-(-a.n_outputs // 8) * 8,
        output_inputs=seen,
        output_symbols=one_hot and a.sees_inputs,
        output_bias=biased["output"],
        output_sources=seen + 1 + a.n_cells + a.n_hidden,
    )


def rule_of(a: LSTMSettings) -> Rule:
    """Squashing functions and readings for the kernels."""
    (g_scale, g_shift), h = a.squashing
    return Rule(
        g_scale=g_scale,
        g_shift=g_shift,
        h_scale=h[0] if h else 1.0,
        h_shift=h[1] if h else 0.0,
        h_identity=h is None,
        logistic_output=a.output == "logistic",
        error_derivative=a.error_derivative,
        update_at_end=a.update == "sequence",
        keep_states=a.carry in ("states", "all"),
        keep_partials=a.carry in ("partials", "all"),
        last_partials=a.last_partials,
        last_cell_bias=a.cell_bias_partial == "last",
        last_gate_bias=a.gate_bias_partial == "last",
        last_gates=a.gate_source_partial == "last",
        last_cells=a.cell_source_partial == "last",
        live_peepholes=a.peepholes == "live",
    )


def rate_of(a: LSTMSettings) -> Floats:
    """What `lstmsim.learners.lstm.settings.rate_at` takes; what an optimiser takes are changes with alpha 1."""
    return a.rate if a.plain else np.array([1.0, 0.0, 1.0, 1.0])


def _new_memory(a: LSTMSettings, shape: Shape, lanes: int) -> Memory:
    """Room for what an optimiser remembers, or for nothing."""
    method = method_of(a)
    first, second = (there and not a.plain for there in remembers(method))
    rows = shape.sources * shape.units + 3 * shape.cells * shape.peepholes
    output = lanes, shape.output_sources, shape.output_stride
    return Memory(
        method=method,
        plain=a.plain,
        now=aligned(0 if a.plain else 5, lanes),
        waits=aligned(lanes),
        first=aligned(rows * first, lanes),
        second=aligned(rows * second, lanes),
        first_output=aligned(*output[:-1], output[-1] * first),
        second_output=aligned(*output[:-1], output[-1] * second),
    )


def new_nets(a: LSTMSettings, lanes: int, *, symbols: bool = False, wait: int = WAIT) -> Nets:
    """Nets of which all blocks are present, all weights 0."""
    shape, rule = shape_of(a, symbols=symbols, wait=wait), rule_of(a)
    stride, wide, cells, units = shape.symbol_stride, shape.output_stride, shape.cells, shape.units
    groups = (
        (shape.sources * units, lanes),
        (lanes, units, stride),
        (lanes, shape.output_sources, wide),
        (lanes, shape.symbols if shape.output_symbols else 0, wide),
        (3 * cells if shape.peepholes else 0, lanes),
    )
    w = [aligned(*group) for group in groups]
    u = [aligned(*group) for group in groups] if rule.update_at_end or not a.plain else w
    weights = Weights(
        w=w[0],
        w_symbol=w[1],
        w_output=w[2],
        w_output_symbol=w[3],
        u=u[0],
        u_symbol=u[1],
        u_output=u[2],
        u_output_symbol=u[3],
        peephole=w[4],
        u_peephole=u[4],
        rate=np.tile(rate_of(a)[:, None], lanes),
        alpha=aligned(lanes),
        present=aligned(shape.blocks, lanes),
        error_factor=aligned(wide),
    )
    weights.alpha[:], weights.present[:], weights.error_factor[: shape.outputs] = rate_of(a)[0], 1.0, a.error_factor
    state = State(
        ring=aligned(1, dtype=np.int64),
        z=aligned((wait + 1) * shape.rows, lanes),
        s=aligned(cells, lanes),
        before=aligned(cells if a.moving else 0, lanes),
        h=aligned(cells, lanes),
        net=aligned(units, lanes),
        y=aligned(units, lanes),
        factor=aligned(max(2 * wait, 3) * cells, lanes),
        p_cell=aligned(shape.reach * cells * shape.sources, lanes),
        p_gate=aligned(cells * shape.sources, lanes),
        p_forget=aligned(cells * shape.sources if a.forget_gates else 0, lanes),
        p_peephole=aligned(2 * cells * shape.size if shape.peepholes else 0, lanes),
        p_symbol=aligned(lanes, 2 * cells, stride),
        deferred=aligned(cells, lanes),
        pending=aligned(units, lanes),
        source=aligned(lanes, shape.output_sources),
        y_k=aligned(lanes, wide),
        e_k=aligned(lanes, wide),
        back=aligned(cells + shape.hidden, lanes),
        e_s=aligned(cells, lanes),
        e_out=aligned(shape.blocks, lanes),
        e_hidden=aligned(shape.hidden, lanes),
        e_cell=aligned(cells, lanes),
        e_in=aligned(shape.blocks, lanes),
        e_forget=aligned(shape.forget_gates, lanes),
        norm=aligned(lanes),
        symbol=aligned(lanes, dtype=np.int64),
        first_weight=aligned(lanes, dtype=np.int64),
        first_partial=aligned(lanes, dtype=np.int64),
    )
    state.first_weight[:] = np.arange(lanes) * units * stride
    state.first_partial[:] = np.arange(lanes) * 2 * cells * stride
    state.z[shape.inputs :: shape.rows] = shape.gate_bias or shape.cell_bias or shape.hidden_bias
    return Nets(Width(lanes), shape, rule, weights, state, _new_memory(a, shape, lanes))
