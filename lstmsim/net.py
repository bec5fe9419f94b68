"""`LSTM`: one net in the user's hands, stepped by hand or run over given inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import LEARN, new_sequences
from lstmsim.learners.lstm.settings import READINGS, Architecture
from lstmsim.learners.lstm.wide.net import one_net

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]


class LSTM:
    """The Long Short-Term Memory of Hochreiter and Schmidhuber (1997), learning on-line and forward in time.

    Memory cell blocks, each with an input gate, an output gate and `block_size` memory cells around constant error
    carousels. One step sets the inputs, computes gates and cells from them and from the previous step's activations
    (7)-(9), and then the outputs. A target makes the net learn at once, by the truncated gradient (19)-(28).

    Parameters
    ----------
    n_inputs, n_outputs, n_blocks : int
        Numbers of input units, output units and memory cell blocks.
    block_size : int
        Memory cells in each block.
    n_hidden : int
        Conventional hidden units; they feed gates, cells and outputs.
    topology : {"F", "B"}
        F: gates, cells and hidden units see all inputs, cells, gates and hidden units. B: they see the inputs only, and
        the outputs see the inputs too.
    shortcuts : bool
        Direct weights from the inputs to the outputs (topology F; B has them anyway).
    bias : {"all", "b1", "ga", "none"}
        Units with a bias: all; gates, cells and hidden units; gates only; none.
    output_gates : bool
        Without them y_out is 1.
    input_gate_bias, output_gate_bias : float or sequence of float, optional
        Initial biases of the gates, one for all or one per block; drawn like the other weights if None.
    cell_input : {"g", "f"}
        Squashing of the cell's net input: g in [-2, 2] (5) or the logistic f in [0, 1] (3).
    cell_output : {"h", "identity"}
        Squashing of the cell state: h in [-1, 1] (4) or none.
    output : {"logistic", "identity"}
        Activation function of the outputs.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    learning_rate : float
        alpha of (22), (26), (28).
    seed : int or sequence of int
        Seed of the initial weights.
    readings
        Departures from the paper's text, by name: `output_bias`, `recurrent_init_range`, `outgoing_init_range`,
        `input_gate_start`, `g_range`, `h_range`, `error_derivative`, `error_factor`, `recurrence`, `update`; see
        `docs/decisions.md`.

    Raises
    ------
    ValueError
        For any argument out of its range, naming it, what was given and what is allowed.

    Notes
    -----
    Hochreiter and Schmidhuber (1997), Neural Computation 9(8):1735-1780; equation numbers are that paper's.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        n_blocks: int,
        block_size: int = 1,
        *,
        n_hidden: int = 0,
        topology: str = "F",
        shortcuts: bool = False,
        bias: str = "all",
        output_gates: bool = True,
        input_gate_bias: float | Sequence[float] | None = None,
        output_gate_bias: float | Sequence[float] | None = None,
        cell_input: str = "g",
        cell_output: str = "h",
        output: str = "logistic",
        init_range: float = 0.1,
        learning_rate: float = 0.1,
        seed: int | Sequence[int] = 0,
        **readings: Any,
    ) -> None:
        known = READINGS
        if unknown := sorted(set(readings) - known):
            raise ValueError(f"{unknown[0]} is not an argument of LSTM; allowed readings: {', '.join(sorted(known))}")
        architecture = Architecture(
            n_inputs,
            n_outputs,
            n_blocks,
            block_size,
            n_hidden=n_hidden,
            topology=topology,
            shortcuts=shortcuts,
            bias=bias,
            output_gates=output_gates,
            input_gate_bias=input_gate_bias,
            output_gate_bias=output_gate_bias,
            cell_input=cell_input,
            cell_output=cell_output,
            output=output,
            init_range=init_range,
            learning_rate=learning_rate,
            **readings,
        )
        try:
            if seed is None:
                raise TypeError("NumPy would draw a seed from the system")
            weights = architecture.initial_weights(seed)
        except (TypeError, ValueError):
            raise ValueError(f"seed is {seed!r}; allowed: a whole number of at least 0, or a sequence of them") from None
        self._start(architecture, weights)

    @classmethod
    def from_weights(cls, architecture: Architecture, weights: Mapping[str, Any]) -> LSTM:
        """Net of an architecture with given weights, such as those of a trial file."""
        net = cls.__new__(cls)
        net._start(architecture, architecture.checked(weights))
        return net

    def _start(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.architecture = architecture
        self._lanes = one_net(architecture)
        self._lanes.set_weights(0, weights)
        self._scores = new_scores(1)

    def __getattr__(self, name: str) -> Any:
        if name in Architecture.__dataclass_fields__:
            return getattr(self.architecture, name)
        raise AttributeError(f"LSTM has no attribute {name!r}")

    def __repr__(self) -> str:
        a = self.architecture
        return f"<LSTM {a.n_inputs}-{a.n_blocks}x{a.block_size}-{a.n_outputs}, topology {a.topology}, {a.n_weights} weights>"

    @property
    def n_weights(self) -> int:
        """Trainable weights; the CEC is not counted."""
        return self.architecture.n_weights

    @property
    def g_range(self) -> tuple[float, float]:
        """(scale, shift) of the cell input's squashing, scale * logistic(net) - shift. (3), (5)."""
        return self.architecture.squashing[0]

    @property
    def h_range(self) -> tuple[float, float] | None:
        """(scale, shift) of the cell output's squashing (4); None for the identity."""
        return self.architecture.squashing[1]

    @property
    def weights(self) -> dict[str, Floats]:
        """Copies of the weights.

        "input_gate" (block, source), "output_gate" (block, source), "cell" (cell, source), "output" (output,
        output_source) and, with hidden units, "hidden" (hidden, source). Sources: inputs, cells, input gates, output
        gates, hidden units, bias; output sources: inputs where the outputs see them, cells, hidden units, bias.
        Connections that do not exist are 0.
        """
        return self._lanes.weights(0)

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take weights as `weights` gives them.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        self._lanes.set_weights(0, self.architecture.checked(weights))

    def reset(self) -> None:
        """Activations, cell states and partials to zero, as before every sequence; the weights stay."""
        self._lanes.reset(0)

    def step(self, x: Any, target: Any = None) -> Floats:
        """One time step; with a target the weights learn at once, with update="sequence" too, since the call is a sequence.

        Parameters
        ----------
        x : array_like, shape (n_inputs,)
            Input activations.
        target : array_like, shape (n_outputs,), optional
            Target activations.

        Returns
        -------
        ndarray, shape (n_outputs,)
            Output activations.

        Raises
        ------
        ValueError
            If a shape is wrong or a value is not finite.
        """
        x = _array("x", x, (self.architecture.n_inputs,))
        if target is not None:
            target = _array("target", target, (self.architecture.n_outputs,))[None]
        self._advance(x[None], target, learn=True)
        return self._lanes.state.y_k[0, : self.architecture.n_outputs].copy()

    def run(self, inputs: Any, targets: Any = None, learn: bool = True, reset: bool = True) -> xr.Dataset:
        """Run over given inputs and return the trace of every step.

        Parameters
        ----------
        inputs : array_like, shape (step, n_inputs)
            Input activations.
        targets : array_like, shape (step, n_outputs), optional
            Target activations; a row of NaN where there is none.
        learn : bool
            Whether targets change the weights.
        reset : bool
            Whether to reset before the first step. Two halves with reset=False equal one run, bit for bit, but with
            update="sequence": a call is then a sequence, at whose end the weights change.

        Returns
        -------
        xarray.Dataset
            The per-step trace variables, float64; see `docs/schema.md`.

        Raises
        ------
        ValueError
            If a shape is wrong, an input is not finite, or a target row is partly NaN.
        """
        from lstmsim.trace.dataset import steps

        _check_flag("learn", learn)
        _check_flag("reset", reset)
        inputs = _array("inputs", inputs, (None, self.architecture.n_inputs))
        if targets is not None:
            targets = _array("targets", targets, (len(inputs), self.architecture.n_outputs), nan_rows=True)
        if reset:
            self.reset()
        rows = self._advance(inputs, targets, learn=bool(learn))
        return steps(self._lanes.layout, rows)

    def _advance(self, inputs: Floats, targets: Floats | None, *, learn: bool) -> Floats:
        """Steps of the kernel over checked inputs; the recorded rows, shape (step, column)."""
        shape, count = self._lanes.shape, len(inputs)
        table = np.zeros((count if targets is not None else 0, shape.output_stride))
        sequences = new_sequences(1, count, shape.inputs, table, 0)
        sequences.inputs[:, :, 0] = inputs
        if targets is not None:
            sequences.targets[:, : shape.outputs] = targets
            sequences.event[:, 0] = np.where(np.isnan(targets[:, 0]), 0, LEARN)
            sequences.learn[:, 0] = np.arange(count)
        record = new_record(1, count, self._lanes.layout.width, 0)
        record.on[0] = True
        self._lanes.advance(sequences, self._scores, record, 0, count, learn=learn, track=True)
        self._lanes.apply_changes(0)
        return record.rows[0]


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {value!r}; allowed: True, False")


def _array(name: str, value: Any, shape: tuple[int | None, ...], *, nan_rows: bool = False) -> Floats:
    """The value as a float64 array of the given shape (None: any length), finite but for whole rows of NaN if allowed."""
    wanted = "(" + ", ".join("step" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {value!r:.60}; allowed: an array of numbers of shape {wanted}") from None
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} has shape {array.shape}; allowed: {wanted}")
    bad = ~np.isfinite(array)
    if nan_rows:
        bad &= ~np.isnan(array).all(axis=-1, keepdims=True)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        allowed = "finite numbers, or whole rows of NaN" if nan_rows else "finite numbers"
        raise ValueError(f"{name} holds {array[where]} at {where}; allowed: {allowed}")
    return array
