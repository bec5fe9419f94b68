"""Every variable of a trace, once: dimensions, meaning, the paper's symbol, type on disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One variable of a dataset.

    Attributes
    ----------
    dims : tuple of str
        Dimensions in order.
    long_name : str
        What it is.
    symbol : str
        The paper's symbol and equation, or "".
    units : str
        Unit; "1" for pure numbers.
    disk : str
        NumPy type in files.
    """

    dims: tuple[str, ...]
    long_name: str
    symbol: str = ""
    units: str = "1"
    disk: str = "f4"

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes of the variable in a dataset."""
        return {"long_name": self.long_name, "units": self.units, "symbol": self.symbol}


STEP = {
    "input": Variable(("step", "input"), "input activation", "x(t)"),
    "target": Variable(("step", "output"), "target, NaN where there is none", "d_k(t)"),
    "output": Variable(("step", "output"), "output activation", "y_k(t)"),
    "output_error": Variable(("step", "output"), "error signal of the output, 0 without a target", "e_k(t) (19)"),
    "cell_net": Variable(("step", "cell"), "net input of the memory cell", "net_c(t) (9)"),
    "cell_state": Variable(("step", "cell"), "internal state of the memory cell (CEC)", "s_c(t) (9)", disk="f8"),
    "cell_output": Variable(("step", "cell"), "output of the memory cell", "y_c(t) (9)"),
    "state_error": Variable(("step", "cell"), "error entering the CEC", "e_s(t) (23)"),
    "cell_error": Variable(("step", "cell"), "error leaving the CEC at the cell input, lag 0", "(36), q = 0"),
    "input_gate": Variable(("step", "block"), "activation of the input gate", "y_in(t) (7)"),
    "output_gate": Variable(("step", "block"), "activation of the output gate", "y_out(t) (8)"),
    "input_gate_error": Variable(("step", "block"), "error leaving the CEC at the input gate, lag 0", "(37), q = 0"),
    "output_gate_error": Variable(("step", "block"), "error signal of the output gate", "e_out(t) (21)"),
    "update_norm": Variable(("step",), "Euclidean norm of the weight change of this step", "|dw(t)|"),
}

COORDINATES = {
    "step": Variable(("step",), "recorded step", units="steps", disk="i8"),
    "sequence": Variable(("step",), "number of the sequence, counted from 0", disk="i8"),
    "t": Variable(("step",), "time step within the sequence", "t", units="steps", disk="i4"),
    "event": Variable(("step",), "1 where the task shows something relevant", disk="i1"),
    "block": Variable(("block",), "memory cell block", disk="i4"),
    "cell": Variable(("cell",), "memory cell", disk="i4"),
    "cell_block": Variable(("cell",), "block of the memory cell", disk="i4"),
}

PROGRESS = {
    "sequences": Variable(("window",), "training sequences seen", units="sequences", disk="i8"),
    "mean_absolute_error": Variable(("window",), "mean |d - y| over the latest sequences", disk="f8"),
    "mean_squared_error": Variable(("window",), "mean (d - y)**2 over the latest sequences", disk="f8"),
    "fraction_correct": Variable(("window",), "correct sequences among the latest", disk="f8"),
}

TEST = {
    "largest_error": Variable(("test_sequence",), "largest |d - y| of the test sequence", disk="f8"),
    "error": Variable(("test_sequence",), "mean |d - y| of the test sequence", disk="f8"),
    "squared_error": Variable(("test_sequence",), "mean (d - y)**2 of the test sequence", disk="f8"),
    "correct": Variable(("test_sequence",), "1 where the test sequence is correct", disk="i1"),
}

WEIGHT_DIMS = {
    "input_gate": ("block", "source"),
    "output_gate": ("block", "source"),
    "cell": ("cell", "source"),
    "hidden": ("hidden", "source"),
    "output": ("output", "output_source"),
}
