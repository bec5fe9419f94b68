"""Which units and connections a 1997 LSTM has, and how its named weights lie in the kernels' arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmsim.learners.lstm.equations import Rule, Shape
from lstmsim.learners.settings import (
    checked_weights,
    finite,
    flag,
    generator,
    not_too_large,
    one_of,
    positive,
    positive_fields,
    refuse,
    whole,
    whole_fields,
)

Floats = npt.NDArray[np.float64]

READINGS = frozenset(
    (
        "output_bias",
        "recurrent_init_range",
        "outgoing_init_range",
        "input_gate_start",
        "g_range",
        "h_range",
        "error_derivative",
        "error_factor",
        "recurrence",
        "update",
    )
)


def _check_range(name: str, value: Any) -> None:
    if value is None:
        return
    try:
        scale, shift = value
        right = math.isfinite(scale) and math.isfinite(shift) and scale != 0
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        raise refuse(name, value, "None or two finite numbers (scale, shift), scale not 0")


def _biases(name: str, value: Any, n_blocks: int) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        given = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        raise refuse(name, value, f"None, a finite number, or {n_blocks} of them") from None
    if given.ndim != 1 or given.size not in (1, n_blocks) or not np.isfinite(given).all():
        raise refuse(name, value, f"None, a finite number, or {n_blocks} of them (one per memory cell block)")
    return tuple(float(b) for b in np.broadcast_to(given, (n_blocks,)))


@dataclass(frozen=True)
class Architecture:
    """A net's units, connections and rule; the arguments are those of `lstmsim.LSTM`, where they are explained.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    n_inputs: int
    n_outputs: int
    n_blocks: int
    block_size: int = 1
    n_hidden: int = 0
    topology: str = "F"
    shortcuts: bool = False
    bias: str = "all"
    output_bias: bool | None = None
    output_gates: bool = True
    input_gate_bias: float | Sequence[float] | None = None
    output_gate_bias: float | Sequence[float] | None = None
    cell_input: str = "g"
    cell_output: str = "h"
    output: str = "logistic"
    init_range: float = 0.1
    recurrent_init_range: float | None = None
    outgoing_init_range: float | None = None
    input_gate_start: float = 0.0
    learning_rate: float = 0.1
    learning_rate_decay: float = 0.0
    g_range: tuple[float, float] | None = None
    h_range: tuple[float, float] | None = None
    error_derivative: bool = True
    error_factor: float = 1.0
    update: str = "step"
    carry: str = "none"
    recurrence: str = "all"
    sequential: bool = False
    join_window: int = 100
    join_ratio: float = 0.99

    def __post_init__(self) -> None:
        whole_fields(self, "n_inputs", "n_outputs", "n_blocks", "block_size")
        whole_fields(self, "n_hidden", low=0)
        one_of("topology", self.topology, "F", "B")
        one_of("bias", self.bias, "all", "b1", "ga", "none")
        one_of("cell_input", self.cell_input, "g", "f")
        one_of("cell_output", self.cell_output, "h", "identity")
        one_of("output", self.output, "logistic", "identity")
        one_of("update", self.update, "step", "sequence")
        one_of("carry", self.carry, "none", "states", "partials", "all")
        one_of("recurrence", self.recurrence, "all", "cells", "none")
        for name in ("shortcuts", "output_gates", "error_derivative", "sequential"):
            flag(name, getattr(self, name))
        if self.output_bias is not None:
            flag("output_bias", self.output_bias)
        positive_fields(self, "init_range", "learning_rate_decay", zero=True)
        for name in ("recurrent_init_range", "outgoing_init_range"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name), zero=True)
        finite("input_gate_start", self.input_gate_start)
        positive_fields(self, "learning_rate")
        positive("error_factor", self.error_factor)
        whole("join_window", self.join_window, 1)
        positive("join_ratio", self.join_ratio)
        for name in ("g_range", "h_range"):
            _check_range(name, getattr(self, name))
        cells = self.n_blocks * self.block_size
        wide = self.n_inputs + 3 * cells + self.n_hidden + 1
        sizes = ("n_inputs", "n_outputs", "n_blocks", "block_size", "n_hidden")
        weights = wide * (3 * cells + self.n_hidden + self.n_outputs) // 4
        not_too_large(weights, **{name: getattr(self, name) for name in sizes})
        for name in ("input_gate_bias", "output_gate_bias"):  # after the sizes: there is one number for each block
            object.__setattr__(self, name, _biases(name, getattr(self, name), self.n_blocks))

    @property
    def n_cells(self) -> int:
        """Memory cells in all blocks."""
        return self.n_blocks * self.block_size

    @property
    def sees_inputs(self) -> bool:
        """Whether the outputs see the inputs directly."""
        return self.shortcuts or self.topology == "B"

    @property
    def recurrent(self) -> bool:
        """Whether gates, cells and hidden units see anything of the previous step."""
        return self.topology == "F" and self.recurrence != "none"

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources of gates, cells and hidden units, in the order of the weights' columns."""
        gates = [f"{kind} gate {j}" for kind in ("input", "output") for j in range(self.n_blocks)]
        cells = [f"cell {c}" for c in range(self.n_cells)]
        return [*self._inputs, *cells, *gates, *self._hidden, "bias"]

    @cached_property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        cells = [f"cell {c}" for c in range(self.n_cells)]
        return [*(self._inputs if self.sees_inputs else []), *cells, *self._hidden, "bias"]

    @property
    def _inputs(self) -> list[str]:
        return [f"input {i}" for i in range(self.n_inputs)]

    @property
    def _hidden(self) -> list[str]:
        return [f"hidden {i}" for i in range(self.n_hidden)]

    @cached_property
    def exists(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which connections there are: for each group of weights a mask of its shape."""
        gated, biased = self.output_gates, self.bias
        row = np.zeros(len(self.sources), bool)
        row[: self.n_inputs] = True
        gates = self.n_inputs + self.n_cells
        if self.recurrent:
            row[self.n_inputs : -1] = True
            row[gates : gates + 2 * self.n_blocks] = self.recurrence == "all"
            if not gated:
                row[gates + self.n_blocks : gates + 2 * self.n_blocks] = False
        gate, other = row.copy(), row.copy()
        gate[-1], other[-1] = biased != "none", biased in ("all", "b1")
        out = np.ones(len(self.output_sources), bool)
        out[-1] = biased == "all" if self.output_bias is None else self.output_bias
        masks = {
            "input_gate": np.tile(gate, (self.n_blocks, 1)),
            "output_gate": np.tile(gate & gated, (self.n_blocks, 1)),
            "cell": np.tile(other, (self.n_cells, 1)),
            "output": np.tile(out, (self.n_outputs, 1)),
        }
        if self.n_hidden:
            masks["hidden"] = np.tile(other, (self.n_hidden, 1))
        return masks

    @property
    def n_weights(self) -> int:
        """Trainable weights; the CEC's fixed self-connections are not counted."""
        return sum(int(mask.sum()) for mask in self.exists.values())

    def initial_weights(self, seed: int | Sequence[int]) -> dict[str, Floats]:
        """Weights uniform in [-init_range, init_range], gate biases where given.

        Where not None, `recurrent_init_range` replaces the range for weights from recurrent units and `outgoing_init_range`
        that for weights from cells to outputs. `input_gate_start` is added to the input gates' weights from the inputs.
        """
        rng = generator(seed)
        weights = {}
        for name, mask in self.exists.items():
            draws = rng.uniform(-1.0, 1.0, mask.shape)
            scale = np.full(mask.shape[1], self.init_range)
            if self.recurrent_init_range is not None and name != "output":
                scale[self.n_inputs : -1] = self.recurrent_init_range
            if self.outgoing_init_range is not None and name == "output":
                first = self.n_inputs if self.sees_inputs else 0
                scale[first : first + self.n_cells] = self.outgoing_init_range
            weights[name] = np.where(mask, draws * scale, 0.0)
        weights["input_gate"][:, : self.n_inputs] += self.input_gate_start
        for name in ("input_gate", "output_gate"):
            biases = getattr(self, name + "_bias")
            if biases is not None:
                weights[name][:, -1] = np.where(self.exists[name][:, -1], biases, 0.0)
        return weights

    def learning_rate_at(self, index: int | npt.NDArray[np.int64]) -> Any:
        """Learning rate alpha in sequence number `index`, or in several: learning_rate / (1 + learning_rate_decay index)."""
        return self.learning_rate / (1.0 + self.learning_rate_decay * index)

    def checked(self, weights: Mapping[str, Any]) -> dict[str, Floats]:
        """Weights as float64 arrays, every group present, shapes right, all finite, absent connections zero.

        Raises
        ------
        ValueError
            Naming the group and what is wrong with it.
        """
        return checked_weights(weights, self.exists)

    def shape(self, *, symbols: bool = False) -> Shape:
        """Sizes for the kernels; with `symbols` the inputs are one-hot and come as symbol numbers."""
        blocks, size, cells, hidden = self.n_blocks, self.block_size, self.n_cells, self.n_hidden
        gates = blocks if self.output_gates else 0
        inputs = 0 if symbols else self.n_inputs
        units = blocks + gates + cells + hidden
        seen = inputs if self.sees_inputs else 0
        gate_rows = blocks + gates if self.recurrence == "all" else 0
        return Shape(
            inputs=inputs,
            symbols=self.n_inputs if symbols else 0,
            symbol_stride=-(-self.n_inputs // 8) * 8 if symbols else 0,
            blocks=blocks,
            size=size,
            cells=cells,
            output_gates=gates,
            hidden=hidden,
            units=units,
            gate_rows=gate_rows,
            rows=inputs + 1 + gate_rows + hidden + cells,
            sources=inputs + 1 + (gate_rows + hidden + cells if self.recurrent else 0),
            cell_bias=self.bias in ("all", "b1"),
            outputs=self.n_outputs,
            output_stride=-(-self.n_outputs // 8) * 8,
            output_inputs=seen,
            output_symbols=symbols and self.sees_inputs,
            output_bias=bool(self.exists["output"][0, -1]),
            output_sources=seen + 1 + cells + hidden,
        )

    @property
    def step_width(self) -> float:
        """Learning rate alpha, as tables show it."""
        return self.learning_rate

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Size of the net in words."""
        hidden = f" and {self.n_hidden} hidden unit{'s' * (self.n_hidden > 1)}" if self.n_hidden else ""
        return f"{self.n_blocks} block{'s' * (self.n_blocks > 1)} of {self.block_size}{hidden}"

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Number of weights, as tables show it."""
        return (self.n_weights,)

    @property
    def squashing(self) -> tuple[tuple[float, float], tuple[float, float] | None]:
        """(scale, shift) of g and of h as scale * logistic(net) - shift; None for h = identity. (3)-(5)."""
        g = (1.0, 0.0) if self.cell_input == "f" else (self.g_range or (4.0, 2.0))
        h = None if self.cell_output == "identity" else (self.h_range or (2.0, 1.0))
        return g, h

    def rule(self) -> Rule:
        """Squashing functions and readings for the kernels."""
        (g_scale, g_shift), h = self.squashing
        return Rule(
            g_scale=float(g_scale),
            g_shift=float(g_shift),
            h_scale=float(h[0]) if h else 1.0,
            h_shift=float(h[1]) if h else 0.0,
            h_identity=h is None,
            logistic_output=self.output == "logistic",
            error_derivative=bool(self.error_derivative),
            update_at_end=self.update == "sequence",
            keep_states=self.carry in ("states", "all"),
            keep_partials=self.carry in ("partials", "all"),
            learning_rate=float(self.learning_rate),
            learning_rate_decay=float(self.learning_rate_decay),
        )
