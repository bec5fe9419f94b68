"""`LSTM`: one net in the user's hands, or several, stepped by hand or run over given inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Flag, Whole, check, refusal, unknown
from lstmsim.learners.lstm.hand import DivergedError, Recording
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.weights import Floats
from lstmsim.net.given import over_time, row
from lstmsim.net.held import SETTINGS, HeldNets

if TYPE_CHECKING:
    import xarray as xr

_Trials = Annotated[Whole, Field(ge=1, le=10_000)] | None
_OF_TRIALS = (
    *("learning_rate_decay", "learning_rate_factor", "learning_rate_interval"),
    *("carry", "sequential", "join_window", "join_ratio"),
)


class LSTM(HeldNets):
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
        forget_gates=False: gates by which cell states are multiplied at every step (Gers and others 2000). peepholes="none":
        weights from a block's cell states to its gates (Gers and others 2002); "cut": no error flows through them, "live".
        input_gate_bias=None, output_gate_bias=None, forget_gate_bias=None: initial biases, one for all or one per block.
        cell_input="g": g in [-2, 2] (5), or "f" in [0, 1] (3). cell_output="h": h in [-1, 1] (4), or "identity".
        output="logistic": or "identity". init_range=0.1: initial weights are uniform in [-init_range, init_range].
        learning_rate=0.1: alpha of (22), (26), (28); it can be set later too. optimiser="sgd": or "momentum", "rmsprop",
        "adam", with momentum=0.9, second_moment=0.999, epsilon=1e-8. rate_decay=1.0: factor of the learning rate after
        every rate_interval=100 changes. clip=None: longest gradient. What they remember is forgotten with `set_weights`.

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

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        n_blocks: int = 1,
        block_size: int = 1,
        *,
        seed: int | Sequence[int] = 0,
        trials: int | None = None,
        **settings: object,
    ) -> None:
        allowed = [name for name in SETTINGS if name not in _OF_TRIALS]
        for name in settings:
            if name not in allowed:
                raise unknown("argument", name, allowed)
        make: Callable[..., LSTMSettings] = LSTMSettings
        made = make(n_inputs, n_outputs, n_blocks=n_blocks, block_size=block_size, **settings)
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

    def reset(self) -> None:
        """Activations, cell states and partials to zero, as before every sequence; the weights stay.

        The paper's tasks reset before each of their sequences; `run` does so unless told not to. A stream goes on without.
        """
        self._hand.reset()

    def predict(self, x: npt.ArrayLike) -> Floats:
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

    def learn(self, target: npt.ArrayLike) -> None:
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

    def step(self, x: npt.ArrayLike, target: npt.ArrayLike | None = None) -> Floats:
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

    def run(
        self, inputs: npt.ArrayLike, targets: npt.ArrayLike | None = None, learn: bool = True, reset: bool = True
    ) -> xr.Dataset:
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
