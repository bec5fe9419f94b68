"""What the LSTM is recorded by, and how a step is written down: arrays are copied, nothing is computed."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.recording import Layout, Variable, begin_row
from lstmsim.kernels.sequences import LEARN
from lstmsim.learners.base import HIDDEN, HIDDEN_ERROR, INPUT, OUTPUT, OUTPUT_ERROR, TARGET, UPDATE_NORM
from lstmsim.learners.lstm.structs import Shape

VARIABLES = {
    "input": INPUT,
    "target": TARGET,
    "output": OUTPUT,
    "output_error": OUTPUT_ERROR,
    "cell_net": Variable(("step", "cell"), "net input of the memory cell", "net_c(t) (9)"),
    "cell_state": Variable(("step", "cell"), "internal state of the memory cell (CEC)", "s_c(t) (9)", disk="f8"),
    "cell_output": Variable(("step", "cell"), "output of the memory cell", "y_c(t) (9)"),
    "state_error": Variable(("step", "cell"), "error entering the CEC", "e_s(t) (23)"),
    "cell_error": Variable(("step", "cell"), "error leaving the CEC at the cell input, lag 0", "(36), q = 0"),
    "input_gate": Variable(("step", "block"), "activation of the input gate", "y_in(t) (7)"),
    "output_gate": Variable(("step", "block"), "activation of the output gate", "y_out(t) (8)"),
    "input_gate_error": Variable(("step", "block"), "error leaving the CEC at the input gate, lag 0", "(37), q = 0"),
    "output_gate_error": Variable(("step", "block"), "error signal of the output gate", "e_out(t) (21)"),
    "hidden": HIDDEN,
    "hidden_error": HIDDEN_ERROR,
    "update_norm": UPDATE_NORM,
    "forget_gate": Variable(("step", "block"), "activation of the forget gate", "y_f(t), Gers and others (2000)"),
    "forget_gate_error": Variable(("step", "block"), "error leaving the CEC at the forget gate, lag 0", "s(t-1) f' e_s"),
}


def layout(shape: Shape) -> Layout:
    """Layout of an LSTM's rows, in the order of `write_step`; hidden units and forget gates where the net has any."""
    sizes = {
        "block": shape.blocks,
        "cell": shape.cells,
        "input_unit": shape.symbols or shape.inputs,
        "output_unit": shape.outputs,
    } | ({"hidden_unit": shape.hidden} if shape.hidden else {})
    there = {name: variable for name, variable in VARIABLES.items() if set(variable.dims) <= {"step", *sizes}}
    if not shape.forget_gates:
        there = {name: variable for name, variable in there.items() if not name.startswith("forget_gate")}
    return Layout(there, sizes, bool(shape.symbols), shape.size)


@inlined
def _copy(row, at, given, first, count, lane, there):
    """Copy `count` rows of one lane from `given`, shape (row, lane), or zeros where they are not there; the next column."""
    for i in range(count):
        row[at + i] = given[first + i, lane] if there else 0.0
    return at + count


@inlined
def write_step(nets, sequences, scores, record, lane, clock, then, learning):
    """Append one lane's step to the record: activations (7)-(9), errors (19)-(23), (36), (37), or 0 where none arise.

    The activations of the step are in rows `then` of the state's `z`; `tick` of the record is that of the step.
    """
    shape, state = nets.shape, nets.state
    blocks, cells = shape.blocks, shape.cells
    learns = (sequences.event[clock, lane] & LEARN) != 0
    row, at = begin_row(shape, state, sequences, scores, record, lane, clock)
    at = _copy(row, at, state.net, blocks, cells, lane, True)
    at = _copy(row, at, state.s, 0, cells, lane, True)
    at = _copy(row, at, state.z, then + shape.rows - cells, cells, lane, True)
    at = _copy(row, at, state.e_s, 0, cells, lane, learns)
    at = _copy(row, at, state.e_cell, 0, cells, lane, learns)
    at = _copy(row, at, state.y, 0, blocks, lane, True)
    if shape.output_gates:
        at = _copy(row, at, state.y, blocks + cells, blocks, lane, True)
    else:
        for j in range(blocks):
            row[at + j] = 1.0
        at += blocks
    at = _copy(row, at, state.e_in, 0, blocks, lane, learns)
    at = _copy(row, at, state.e_out, 0, blocks, lane, learns)
    at = _copy(row, at, state.y, shape.units - shape.forget_gates - shape.hidden, shape.hidden, lane, True)
    at = _copy(row, at, state.e_hidden, 0, shape.hidden, lane, learns)
    row[at] = state.norm[lane] ** 0.5 if learns and learning else 0.0


@inlined
def write_forget_gates(nets, sequences, record, lane, clock):
    """Activations and errors of one lane's forget gates, to the last columns of the row that `write_step` has written."""
    blocks, state, row = nets.shape.forget_gates, nets.state, record.rows[lane, record.used[lane] - 1]
    learns, at = (sequences.event[clock, lane] & LEARN) != 0, row.size - 2 * blocks
    at = _copy(row, at, state.y, nets.shape.units - blocks, blocks, lane, True)
    _copy(row, at, state.e_forget, 0, blocks, lane, learns)
