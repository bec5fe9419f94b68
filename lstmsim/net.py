"""`LSTM`: one net in the user's hands, stepped by hand or run over given inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmsim.checks import Flag, absolute, array, check, floats, refusal, unknown
from lstmsim.learners.lstm.choice import nets_of
from lstmsim.learners.lstm.hand import Hand, Recording
from lstmsim.learners.lstm.saved import read_net, write_net
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.weights import Floats

if TYPE_CHECKING:
    import xarray as xr

_SETTINGS = tuple(field.name for field in fields(LSTMSettings))
_OF_TRIALS = ("learning_rate_decay", "carry", "sequential", "join_window", "join_ratio")


class LSTM:
    """The Long Short-Term Memory of Hochreiter and Schmidhuber (1997), learning on-line and forward in time.

    Memory cell blocks, each with an input gate, an output gate and `block_size` memory cells around constant error
    carousels. One step sets the inputs, computes gates and cells from them and from the previous step's activations
    (7)-(9), and then the outputs. A target makes the net learn at once, by the truncated gradient (19)-(28).

    Parameters
    ----------
    n_inputs, n_outputs, n_blocks, block_size : int
        Numbers of input units, output units, memory cell blocks, and memory cells in each block.
    seed : int or sequence of int
        Seed of the initial weights.
    **settings
        By name, with their defaults, as in `lstmsim.learners.LSTMSettings`:

        n_hidden=0: conventional hidden units, which feed gates, cells and outputs. topology="F": "F", gates, cells and
        hidden units see all inputs, cells, gates and hidden units, or "B", the inputs only, and the outputs see the inputs
        too. shortcuts=False: direct weights from the inputs to the outputs. bias="all": which units have one; "all", "b1"
        (gates, cells, hidden units), "ga" (gates) or "none". output_gates=True: without them y_out is 1.
        input_gate_bias=None, output_gate_bias=None: initial biases of the gates, one for all or one per block.
        cell_input="g": g in [-2, 2] (5), or "f" in [0, 1] (3). cell_output="h": h in [-1, 1] (4), or "identity".
        output="logistic": or "identity". init_range=0.1: initial weights are uniform in [-init_range, init_range].
        learning_rate=0.1: alpha of (22), (26), (28); it can be set later too.

        Readings of the paper, see docs/decisions.md: gate_bias, cell_bias, hidden_bias, output_bias, recurrence,
        recurrent_init_range, outgoing_init_range, input_gate_start, g_range, h_range, error_derivative, error_factor,
        update, cell_bias_partial, gate_bias_partial, gate_source_partial, cell_source_partial.

    Attributes
    ----------
    settings : LSTMSettings
        All of the above; each is an attribute of the net, as are `n_cells`, `n_weights`. Only `learning_rate` can be set.

    Raises
    ------
    ValueError
        For any argument out of its range, naming it, what was given and what is allowed.

    Equation numbers are those of Hochreiter and Schmidhuber (1997), Neural Computation 9(8):1735-1780.
    """

    settings: LSTMSettings

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        n_blocks: int = 1,
        block_size: int = 1,
        *,
        seed: int | Sequence[int] = 0,
        **settings: Any,
    ) -> None:
        allowed = [name for name in _SETTINGS if name not in _OF_TRIALS]
        for name in settings:
            if name not in allowed:
                raise unknown("argument", name, allowed)
        made = LSTMSettings(n_inputs, n_outputs, n_blocks=n_blocks, block_size=block_size, **settings)
        made.check_sizes()
        try:
            if seed is None:
                raise TypeError("NumPy would draw a seed from the system")
            weights = made.initial_weights(seed)
        except (TypeError, ValueError):
            raise refusal("seed", seed, "a whole number of at least 0, or a sequence of them") from None
        self._start(made, weights)

    @classmethod
    def from_weights(cls, settings: LSTMSettings, weights: Mapping[str, Any]) -> LSTM:
        """Net of given settings with given weights, such as those of a trial file, in the state of a reset."""
        if not isinstance(settings, LSTMSettings):
            raise refusal("settings", settings, "LSTMSettings")
        net = cls.__new__(cls)
        net._start(settings, settings.checked_weights(weights))
        return net

    def _start(self, settings: LSTMSettings, weights: Mapping[str, Floats] | None = None) -> None:
        nets = nets_of(settings)
        if weights is not None:
            nets.set_weights(0, weights)
        vars(self).update(settings=settings, _nets=nets, _hand=Hand(nets), _recording=None)

    def __getattr__(self, name: str) -> Any:
        if name in (*_SETTINGS, "n_cells", "n_weights") and "settings" in vars(self):
            return getattr(self.settings, name)
        raise AttributeError(f"LSTM has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "learning_rate":
            rate = float(replace(self.settings, learning_rate=value).learning_rate)
            vars(self)["settings"] = replace(self.settings, learning_rate=rate)
            self._nets.nets.weights.rate[0] = self._nets.nets.weights.alpha[0] = rate
            self._hand.forget()
        else:
            fixed = "fixed when the net is made" if name in (*_SETTINGS, "settings") else "no attribute of LSTM"
            raise AttributeError(f"{name} is {fixed}; allowed: to set learning_rate, or to make another net")

    def __repr__(self) -> str:
        a = self.settings
        return f"<LSTM {a.n_inputs}-{a.n_blocks}x{a.block_size}-{a.n_outputs}, topology {a.topology}, {a.n_weights} weights>"

    @property
    def weights(self) -> dict[str, Floats]:
        """Copies of the weights.

        "input_gate" (block, source), "output_gate" (block, source), "cell" (cell, source), "output" (output_unit,
        output_source) and, with hidden units, "hidden" (hidden_unit, source). Sources: inputs, cells, input gates, output
        gates, hidden units, bias; output sources: inputs where the outputs see them, cells, hidden units, bias.
        Connections that do not exist are 0.
        """
        return self._nets.weights(0)

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take weights as `weights` gives them.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        self._nets.set_weights(0, self.settings.checked_weights(weights))
        self._hand.forget()

    @property
    def state(self) -> dict[str, Floats]:
        """Copies of what the last step left; all 0 after a reset, an output gate that does not exist 1.

        "cell_state" (cell,), "cell_output" (cell,), "input_gate" (block,), "output_gate" (block,), "hidden" (hidden_unit,),
        "output" (output_unit,).
        """
        return self._nets.activations()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a state as `state` gives it, for the next step; weights and partial derivatives stay as they are.

        Raises
        ------
        ValueError
            If an entry is missing or unknown, has the wrong shape or is not finite.
        """
        there = self._nets.activations()
        if not isinstance(state, Mapping) or set(state) != set(there):
            raise refusal("state", sorted(state) if isinstance(state, Mapping) else state, f"a dict of {', '.join(there)}")
        self._nets.set_activations({name: array(f"state[{name!r}]", state[name], old.shape) for name, old in there.items()})
        self._hand.forget()

    def reset(self) -> None:
        """Activations, cell states and partials to zero, as before every sequence; the weights stay."""
        self._hand.reset()

    def predict(self, x: Any) -> Floats:
        """One time step without learning; a call of `learn` may follow.

        Parameters
        ----------
        x : array_like, shape (n_inputs,)
            Input activations.

        Returns
        -------
        ndarray, shape (n_outputs,)
            Output activations.

        Raises
        ------
        ValueError
            If the shape is wrong or a value is not finite.
        DivergedError
            If an activation or state is no longer finite.
        """
        return self._do(_row("x", x, self.settings.n_inputs), None)

    def learn(self, target: Any) -> None:
        """Learn from the error of the step just predicted, once.

        Parameters
        ----------
        target : array_like, shape (n_outputs,)
            Target activations.

        Raises
        ------
        ValueError
            If the shape is wrong, a value is not finite, or no prediction came before.
        DivergedError
            If a weight is no longer finite; the net is then as it was before the step.
        """
        target = _row("target", target, self.settings.n_outputs)
        if not self._hand.predicted:
            raise ValueError("learn has no prediction to learn from; allowed: one call after each predict")
        self._do(None, target)

    def step(self, x: Any, target: Any = None) -> Floats:
        """One time step: predict, then learn if there is a target.

        With update="sequence" the weights change at once too, since the call is a sequence.

        Parameters
        ----------
        x : array_like, shape (n_inputs,)
            Input activations.
        target : array_like, shape (n_outputs,), optional
            Target activations.

        Returns
        -------
        ndarray, shape (n_outputs,)
            Output activations, predicted before the weights changed.

        Raises
        ------
        ValueError
            If a shape is wrong or a value is not finite.
        DivergedError
            If an activation, state or weight is no longer finite.
        """
        x = _row("x", x, self.settings.n_inputs)
        return self._do(x, None if target is None else _row("target", target, self.settings.n_outputs))

    def _do(self, x: Floats | None, target: Floats | None) -> Floats:
        y = self._hand.do(x, target)
        if self._recording is not None:
            self._recording.take(self._hand.record.rows[0, 0], again=x is None)
        return y

    def record(self) -> None:
        """Record every step made by hand from now on, for `recorded`."""
        vars(self)["_recording"] = Recording(self._nets.layout.width)

    def recorded(self) -> xr.Dataset:
        """Trace of the steps made by hand since `record`, as `run` gives it.

        Raises
        ------
        ValueError
            If `record` has not been called.
        """
        from lstmsim.trace.dataset import steps

        if self._recording is None:
            raise ValueError("recorded has no steps to give; allowed: to call record before the first step")
        return steps(self._nets.layout, self._recording.rows)

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
        DivergedError
            If an activation, state or weight is no longer finite.
        """
        from lstmsim.trace.dataset import steps

        learn, reset = check("learn", learn, Flag), check("reset", reset, Flag)
        inputs = array("inputs", inputs, (None, self.settings.n_inputs))
        if targets is not None:
            targets = array("targets", targets, (len(inputs), self.settings.n_outputs), nan_rows=True)
        if reset:
            self.reset()
        rows = self._hand.run(inputs, targets, learn=learn)
        return steps(self._nets.layout, rows)

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles consist of; they share nothing with the net."""
        return {
            "settings": self.settings,
            "steps": self._hand.steps,
            "predicted": self._hand.predicted,
            "arrays": self._hand.arrays(copied=True),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The inverse of `__getstate__`."""
        self._start(state["settings"])
        arrays = self._hand.arrays()
        if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in state["arrays"]]:
            raise ValueError("the arrays are not those of a net with these settings")
        self._hand.go_back(state["arrays"], state["steps"])
        self._hand.predicted = state["predicted"]

    def save(self, path: str | Path) -> None:
        """Write the whole net to a file, in mid-stream too: settings, weights, activations, partial derivatives.

        Parameters
        ----------
        path : str or Path
            The file; one that exists is replaced when the new one is whole.
        """
        write_net(absolute("path", path), self.__getstate__())

    @classmethod
    def load(cls, path: str | Path) -> LSTM:
        """Net that `save` has written: it goes on with the same bits.

        Raises
        ------
        FileNotFoundError
            If there is no file at `path`.
        ValueError
            If the file is no saved net.
        """
        net = cls.__new__(cls)
        net.__setstate__(read_net(absolute("path", path)))
        return net


def load_net(path: str | Path, which: str | int = "final") -> LSTM:
    """Make the net of a trial file, in the state of a reset.

    Parameters
    ----------
    path : str or Path
        A trial file of the learner `lstm`.
    which : {"initial", "final"} or int
        The weights: before training, after it, or those of the snapshot of this number, from 0.

    Returns
    -------
    LSTM

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If the file is no whole trial file, its learner is another, it lacks the weights asked for, or a block had not
        joined the net by then (sequential construction).
    """
    from lstmsim.trace.open import saved_weights
    from lstmsim.trace.summary import read_trial

    path = absolute("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"path is {str(path)!r}, where no file is; allowed: a trial file")
    attrs = read_trial(path)
    stored: dict[str, Any] = json.loads(attrs["config"])["learner"]
    if (learner := stored.pop("name")) != "lstm":
        raise ValueError(f"path is {str(path)!r}, a trial of the learner {learner!r}; allowed: a trial of 'lstm'")
    settings = LSTMSettings(**stored)
    sequences, weights = saved_weights(path, which, settings.exists)
    joined, n_blocks = np.sum(np.atleast_1d(attrs["joined"]) <= sequences), settings.n_blocks
    if settings.sequential and joined < n_blocks:
        raise ValueError(f"which is {which!r}, when {joined} of {n_blocks} blocks had joined; allowed: after all have")
    alpha = float(settings.learning_rate_at(int(sequences)))
    return LSTM.from_weights(replace(settings, learning_rate=alpha, learning_rate_decay=0.0), weights)


def _row(name: str, value: Any, size: int) -> Floats:
    """The value as finite float64 numbers of shape (size,); quick where it is right."""
    try:
        row = floats(value)
        if row.shape == (size,) and math.isfinite(sum(row.tolist())):
            return row
    except (TypeError, ValueError, OverflowError):
        pass
    return array(name, value, (size,))
