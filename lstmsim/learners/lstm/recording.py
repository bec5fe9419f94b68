"""What the LSTM is recorded by."""

from __future__ import annotations

from typing import Any

from lstmsim.kernels.recording import Layout, Variable
from lstmsim.learners.base import INPUT, OUTPUT, OUTPUT_ERROR, TARGET, UPDATE_NORM

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
    "update_norm": UPDATE_NORM,
}


def layout(shape: Any) -> Layout:
    """Layout of an LSTM's rows, in the order of `lstmsim.kernels.recording.write_step`."""
    sizes = {
        "block": shape.blocks,
        "cell": shape.cells,
        "input_unit": shape.symbols or shape.inputs,
        "output_unit": shape.outputs,
    }
    return Layout(VARIABLES, sizes, bool(shape.symbols), shape.size)
