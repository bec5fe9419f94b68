"""`LSTM`: one net in the user's hands, or several, stepped by hand or run over given inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from lstmsim.checks import Field, Flag, Whole, array, check, refusal, unknown
from lstmsim.learners.lstm.choice import hands_of, nets_of
from lstmsim.learners.lstm.hand import DivergedError, Hand, Held, Recording, SideBySide
from lstmsim.learners.lstm.saved import read_net, write_net
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.weights import Floats
from lstmsim.net.given import over_time, row
from lstmsim.net.page import page

if TYPE_CHECKING:
    import xarray as xr

_SETTINGS = tuple(field.name for field in fields(LSTMSettings))
_Trials = Annotated[Whole, Field(ge=1, le=10_000)] | None
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
    trials : int, optional
        So many nets instead of one, side by side on the lanes of the processor: much quicker than one after another, and the
        same bits. Net k has the initial weights of the seed (seed, k), as trial k of a run has. Outputs, weights and state
        then begin with a dimension of the trials, traces have the dimension `trial`; inputs and targets may begin with one,
        or all nets share them. A net that diverges leaves the others as they are.
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
        All settings above; each is an attribute of the net, as are `n_cells`, `n_weights`. Only `learning_rate` can be set.
    trials : int or None
        Number of nets; None where there is one and no such dimension.

    Raises
    ------
    ValueError
        For any argument out of its range, naming it, what was given and what is allowed.

    Examples
    --------
    >>> net = lstmsim.LSTM(1, 1, 2, 2, output="identity", learning_rate=0.2)
    >>> y = net.step([0.5], [0.1])  # predicts, then learns
    >>> y = net.predict([0.1]); net.learn([0.7])  # the same in two calls
    >>> trace = net.run(x, d)  # a whole sequence: outputs, states, gates, errors of every step as an xarray.Dataset

    Equation numbers are those of Hochreiter and Schmidhuber (1997), Neural Computation 9(8):1735-1780.
    """

    settings: LSTMSettings
    trials: int | None

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        n_blocks: int = 1,
        block_size: int = 1,
        *,
        seed: int | Sequence[int] = 0,
        trials: int | None = None,
        **settings: Any,
    ) -> None:
        allowed = [name for name in _SETTINGS if name not in _OF_TRIALS]
        for name in settings:
            if name not in allowed:
                raise unknown("argument", name, allowed)
        made = LSTMSettings(n_inputs, n_outputs, n_blocks=n_blocks, block_size=block_size, **settings)
        made.check_sizes()
        trials = check("trials", trials, _Trials)
        try:
            if seed is None:
                raise TypeError("NumPy would draw a seed from the system")
            first = [seed] if np.ndim(seed) == 0 else list(seed)  # type: ignore[arg-type]
            seeds = [seed] if trials is None else [[*first, k] for k in range(trials)]
            weights = [made.initial_weights(each) for each in seeds]
        except (TypeError, ValueError):
            raise refusal("seed", seed, "a whole number of at least 0, or a sequence of them") from None
        self._start(made, trials, weights)

    @classmethod
    def from_weights(cls, settings: LSTMSettings, weights: Mapping[str, Any]) -> LSTM:
        """Net of given settings with given weights, such as those of a trial file, in the state of a reset.

        Parameters
        ----------
        settings : LSTMSettings
            Units, connections and rule, such as another net's `settings`.
        weights : dict of array_like
            As `weights` gives them.

        Raises
        ------
        ValueError
            For weights that `set_weights` would refuse.
        """
        net = cls.__new__(cls)
        net._start(settings, None, [settings.checked_weights(weights)])
        return net

    def _start(self, settings: LSTMSettings, trials: int | None, weights: Sequence[Mapping[str, Floats]] = ()) -> None:
        hands = [Hand(nets_of(settings))] if trials is None else hands_of(settings, trials)
        lanes = [(hand.nets, lane) for hand in hands for lane in range(hand.trials or 1)]
        for (nets, lane), given in zip(lanes, weights, strict=bool(weights)):
            nets.set_weights(lane, given)
        hand: Held = hands[0] if trials is None else SideBySide(hands)
        vars(self).update(settings=settings, trials=trials, _lanes=lanes, _hand=hand, _recording=None)

    def _stacked(self, each: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
        """What the nets have by name, with the trial as first dimension where there are several."""
        if self.trials is None:
            return each[0]
        return {name: np.stack([values[name] for values in each]) for name in each[0]}

    def __getattr__(self, name: str) -> Any:
        if name in (*_SETTINGS, "n_cells", "n_weights") and "settings" in vars(self):
            return getattr(self.settings, name)
        raise AttributeError(f"LSTM has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "learning_rate":
            rate = float(replace(self.settings, learning_rate=value).learning_rate)
            vars(self)["settings"] = replace(self.settings, learning_rate=rate)
            for nets, _ in self._lanes:
                nets.nets.weights.rate[0] = nets.nets.weights.alpha[:] = rate
            self._hand.forget()
        else:
            fixed = "fixed when the net is made" if name in (*_SETTINGS, "settings", "trials") else "no attribute of LSTM"
            raise AttributeError(f"{name} is {fixed}; allowed: to set learning_rate, or to make another net")

    def __repr__(self) -> str:
        a = self.settings
        several = "" if self.trials is None else f", {self.trials} trials"
        sizes = f"{a.n_inputs}-{a.n_blocks}x{a.block_size}-{a.n_outputs}"
        return f"<LSTM {sizes}, topology {a.topology}, {a.n_weights} weights{several}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: units, connections, weights by group, rule."""
        return page(repr(self).strip("<>"), self.settings, self.weights, self.trials)

    @property
    def weights(self) -> dict[str, Floats]:
        """Copies of the weights.

        "input_gate" (block, source), "output_gate" (block, source), "cell" (cell, source), "output" (output_unit,
        output_source) and, with hidden units, "hidden" (hidden_unit, source). Sources: inputs, cells, input gates, output
        gates, hidden units, bias; output sources: inputs where the outputs see them, cells, hidden units, bias.
        Connections that do not exist are 0. Of several nets each array begins with the trial.
        """
        return self._stacked([nets.weights(lane) for nets, lane in self._lanes])

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take weights as `weights` gives them; activations, states and partial derivatives stay.

        Parameters
        ----------
        weights : dict of array_like
            Every group there is, by name.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        for (nets, lane), given in zip(self._lanes, self._checked(weights), strict=True):
            nets.set_weights(lane, given)
        self._hand.forget()

    def _checked(self, weights: Mapping[str, Any]) -> list[dict[str, Floats]]:
        """Each net's weights."""
        exists, trials = self.settings.exists, self.trials
        if trials is None or not isinstance(weights, Mapping) or set(weights) != set(exists):
            return [self.settings.checked_weights(weights)]
        groups = {name: array(f"weights[{name!r}]", weights[name], (trials, *mask.shape)) for name, mask in exists.items()}
        return [self.settings.checked_weights({name: group[k] for name, group in groups.items()}) for k in range(trials)]

    @property
    def state(self) -> dict[str, Floats]:
        """Copies of what the last step left; all 0 after a reset, an output gate that does not exist 1.

        "cell_state" (cell,), "cell_output" (cell,), "input_gate" (block,), "output_gate" (block,), "hidden" (hidden_unit,),
        "output" (output_unit,). Of several nets each array begins with the trial.
        """
        return self._stacked([nets.activations(lane) for nets, lane in self._lanes])

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a state as `state` gives it, for the next step; weights and partial derivatives stay as they are.

        Parameters
        ----------
        state : dict of array_like
            Every entry there is, by name.

        Raises
        ------
        ValueError
            If an entry is missing or unknown, has the wrong shape or is not finite.
        """
        there = self.state
        if not isinstance(state, Mapping) or set(state) != set(there):
            raise refusal("state", sorted(state) if isinstance(state, Mapping) else state, f"a dict of {', '.join(there)}")
        new = {name: array(f"state[{name!r}]", state[name], old.shape) for name, old in there.items()}
        for k, (nets, lane) in enumerate(self._lanes):
            nets.set_activations(new if self.trials is None else {name: values[k] for name, values in new.items()}, lane)
        self._hand.forget()

    def reset(self) -> None:
        """Activations, cell states and partials to zero, as before every sequence; the weights stay.

        The paper's tasks reset before each of their sequences; `run` does so unless told not to. A stream goes on without.
        """
        self._hand.reset()

    def predict(self, x: Any) -> Floats:
        """One time step without learning; a call of `learn` may follow.

        Parameters
        ----------
        x : array_like, shape (n_inputs,)
            Input activations; of several nets also (trials, n_inputs), one row for each.

        Returns
        -------
        ndarray, shape (n_outputs,) or (trials, n_outputs)
            Output activations.

        Raises
        ------
        ValueError
            If the shape is wrong or a value is not finite.
        DivergedError
            If an activation or state is no longer finite; the net is then as it was before the step.
        """
        return self._do(row("x", x, self.settings.n_inputs, self.trials), None)

    def learn(self, target: Any) -> None:
        """Learn from the error of the step just predicted, once.

        Parameters
        ----------
        target : array_like, shape (n_outputs,)
            Target activations; of several nets also (trials, n_outputs), one row for each.

        Raises
        ------
        ValueError
            If the shape is wrong, a value is not finite, or no prediction came before.
        DivergedError
            If a weight is no longer finite; the net is then as it was before the step.
        """
        target = row("target", target, self.settings.n_outputs, self.trials)
        if not self._hand.predicted:
            raise ValueError("learn has no prediction to learn from; allowed: one call after each predict")
        self._do(None, target)

    def step(self, x: Any, target: Any = None) -> Floats:
        """One time step: predict, then learn if there is a target.

        With update="sequence" the weights change at once too, since the call is a sequence.

        Parameters
        ----------
        x : array_like, shape (n_inputs,)
            Input activations; of several nets also (trials, n_inputs), one row for each.
        target : array_like, shape (n_outputs,), optional
            Target activations; of several nets also (trials, n_outputs), one row for each. None: nothing is learned.

        Returns
        -------
        ndarray, shape (n_outputs,) or (trials, n_outputs)
            Output activations, predicted before the weights changed.

        Raises
        ------
        ValueError
            If a shape is wrong or a value is not finite.
        DivergedError
            If an activation, state or weight is no longer finite; the net is then as it was before the step.
        """
        x = row("x", x, self.settings.n_inputs, self.trials)
        return self._do(x, None if target is None else row("target", target, self.settings.n_outputs, self.trials))

    def _do(self, x: Floats | None, target: Floats | None) -> Floats:
        try:
            y = self._hand.do(x, target)
        except DivergedError:
            if self._recording is not None and self.trials is not None:  # the other nets have made the step
                self._recording.take(self._hand.row, again=x is None)
            raise
        if self._recording is not None:
            self._recording.take(self._hand.row, again=x is None)
        return y

    def record(self) -> None:
        """Record every step made by hand from now on, for `recorded`; what was recorded before is forgotten.

        For streams longer than memory has room for see `lstmsim.Recorder`, which writes to a file.
        """
        vars(self)["_recording"] = Recording(self._hand.row.shape)

    def recorded(self) -> xr.Dataset:
        """Trace of the steps made by hand since `record`, as `run` gives it; recording goes on.

        Returns
        -------
        xarray.Dataset
            Of several nets, one that diverged has NaN at the steps that it did not make.

        Raises
        ------
        ValueError
            If `record` has not been called.
        """
        from lstmsim.trace.dataset import steps

        if self._recording is None:
            raise ValueError("recorded has no steps to give; allowed: to call record before the first step")
        return steps(self._lanes[0][0].layout, self._recording.rows)

    def run(self, inputs: Any, targets: Any = None, learn: bool = True, reset: bool = True) -> xr.Dataset:
        """Run over given inputs and return the trace of every step.

        Parameters
        ----------
        inputs : array_like, DataFrame, Series or DataArray, shape (step, n_inputs)
            Input activations; of several nets also (trials, step, n_inputs). One input's need no dimension of their own.
            A DataArray has the dimensions step or time, and input_unit. Labels along time (the index of pandas, coordinates
            of xarray) become coordinates of the trace.
        targets : array_like, DataFrame, Series or DataArray, shape (step, n_outputs), optional
            Target activations, given alike, with output_unit; a row of NaN (or masked) where there is none. Labels along
            time must be those of the inputs, where both have some.
        learn : bool
            Whether targets change the weights.
        reset : bool
            Whether to reset before the first step. Two halves with reset=False equal one run, bit for bit, but with
            update="sequence": a call is then a sequence, at whose end the weights change.

        Returns
        -------
        xarray.Dataset
            Of every step `input`, `target`, `output` (before the step's weight change), `output_error`, net inputs, states,
            outputs and errors of cells, activations and errors of gates, and `update_norm`, float64; each variable says
            what it is in its attributes. Of several nets each has the dimension `trial` first.

        Raises
        ------
        ValueError
            If a shape is wrong, an input is missing or not finite, a target row is partly NaN, or labels differ.
        DivergedError
            If an activation, state or weight is no longer finite; the net is then as it was before that step.
        """
        from lstmsim.trace.dataset import steps

        learn, reset = check("learn", learn, Flag), check("reset", reset, Flag)
        given = over_time("inputs", inputs, self.settings.n_inputs, "input_unit", self.trials)
        wanted = None
        if targets is not None:
            wanted = over_time("targets", targets, self.settings.n_outputs, "output_unit", self.trials, given)
        if reset:
            self.reset()
        rows = self._hand.run(given.values, None if wanted is None else wanted.values, learn=learn)
        trace = steps(self._lanes[0][0].layout, rows)
        coords = given.coords or (wanted.coords if wanted is not None else {})
        return trace.assign_coords(
            {name if name == "step" or name not in trace else "time": ("step", along) for name, along in coords.items()}
        )

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles consist of; they share nothing with the net."""
        return {
            "settings": self.settings,
            "trials": self.trials,
            "steps": self._hand.steps,
            "predicted": self._hand.predicted,
            "arrays": self._hand.arrays(copied=True),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The inverse of `__getstate__`."""
        self._start(state["settings"], state["trials"])
        arrays = self._hand.arrays()
        if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in state["arrays"]]:
            raise ValueError("the arrays are not those of a net with these settings")
        self._hand.go_back(state["arrays"], state["steps"])
        self._hand.predicted = state["predicted"]

    def save(self, path: str | Path) -> None:
        """Write the whole net, or all of several, to a file, in mid-stream too: whatever goes on goes on with the same bits.

        Parameters
        ----------
        path : str or Path
            The file; one that exists is replaced when the new one is whole.
        """
        write_net(Path(path), self.__getstate__())

    @classmethod
    def load(cls, path: str | Path) -> LSTM:
        """Net that `save` has written: it goes on with the same bits.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        FileNotFoundError
            If there is no file at `path`.
        ValueError
            If the file is no saved net.
        """
        net = cls.__new__(cls)
        net.__setstate__(read_net(Path(path)))
        return net
