"""Random weight guessing: draw all weights of a recurrent net until it classifies every training sequence.

Schmidhuber and Hochreiter, "Guessing can outperform many long time lag algorithms", IDSIA-19-96, 1996: the test whether a
task needs learning at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.random import subkey, uniform
from lstmsim.kernels.recording import HEAD, Layout, Variable
from lstmsim.kernels.struct import Struct
from lstmsim.learners.base import (
    HIDDEN,
    INPUT,
    OUTPUT,
    OUTPUT_ERROR,
    TARGET,
    LearnerSettings,
    Status,
    TrialLearner,
    TrialUnderWay,
    register,
)
from lstmsim.learners.weights import Floats, Masks, Weights

Array = Any

_BLOCK = 500  # draws between two looks at the clock


class Wiring(Struct):
    """Connections of a net, unit by unit; sources are inputs, units and the bias, in this order. The output unit is last."""

    inputs: int
    units: int
    tanh: bool  # instead of the logistic function
    begins: Array  # (unit + 1,) int: first connection of each unit
    source: Array  # (connection,) int
    fixed: Array  # (connection,) weight that is not drawn, NaN for those that are


class Net(Struct):
    """A net with drawn weights."""

    wiring: Wiring
    weights: Array  # (connection,)
    z: Array  # (inputs + units + 1,): activations of all sources
    before: Array  # (unit,): new activations while those of the step before are still needed
    steps: Array  # (1,) int: time steps done
    scale: float  # weights are uniform in [-scale, scale]
    accept: float  # a sequence is right when its final |error| is below this


class Strings(Struct):
    """Sequences one after another, with one target each, at the end."""

    inputs: Array  # (step, input)
    begins: Array  # (sequence + 1,) int
    targets: Array  # (sequence,)


@inlined
def step(net, inputs, t):
    """One step: hidden units from x(t) and all activations of t-1, then the output from those of t (its own of t-1).

    Changes `net.z` and `net.before`.
    """
    wiring, z, before = net.wiring, net.z, net.before
    first, last = wiring.inputs, wiring.units - 1
    for i in range(wiring.inputs):
        z[i] = inputs[t, i]
    for u in range(wiring.units):
        total = 0.0
        for j in range(wiring.begins[u], wiring.begins[u + 1]):
            total += net.weights[j] * z[wiring.source[j]]
        y = math.tanh(total) if wiring.tanh else 1.0 / (1.0 + math.exp(-total))
        if u < last:
            before[u] = y
        else:
            z[first + u] = y
        if u == last - 1:
            for v in range(last):
                z[first + v] = before[v]


@inlined
def clear(net):
    """Activations to zero, the bias to one."""
    for u in range(net.wiring.units):
        net.z[net.wiring.inputs + u] = 0.0
    net.z[net.wiring.inputs + net.wiring.units] = 1.0


@kernel
def search(net, strings, key, draw, until, best):
    """Try draws number `draw` to `until - 1` and return the first that has more than `best` sequences right, or `until`.

    Sequences are tried in order up to the first that is wrong; `net.weights` then holds the draw, `net.steps` has grown by
    the steps taken. Weight number j of a draw comes from draw j of the draw's own key.
    """
    wiring, weights = net.wiring, net.weights
    while draw < until:
        own = subkey(key, draw)
        for j in range(weights.size):
            drawn = math.isnan(wiring.fixed[j])
            weights[j] = net.scale * (2.0 * uniform(own, j) - 1.0) if drawn else wiring.fixed[j]
        right = 0
        for n in range(strings.targets.size):
            clear(net)
            for t in range(strings.begins[n], strings.begins[n + 1]):
                step(net, strings.inputs, t)
            net.steps[0] += strings.begins[n + 1] - strings.begins[n]
            if not abs(strings.targets[n] - net.z[wiring.inputs + wiring.units - 1]) < net.accept:
                break
            right += 1
        if right > best:
            return draw
        draw += 1
    return until


@kernel
def follow(net, strings, n, activations):
    """Write the activations of all units at each step of sequence n to `activations` (step, unit)."""
    clear(net)
    start = strings.begins[n]
    for t in range(start, strings.begins[n + 1]):
        step(net, strings.inputs, t)
        for u in range(net.wiring.units):
            activations[t - start, u] = net.z[net.wiring.inputs + u]


@settings
class GuessingSettings(LearnerSettings):
    """Net and rule of the search.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Input units, and one output; 0: the task's.
    net : {"A1", "A2", "A2 without self", "latch 1", "latch 2"}
        A1: fully recurrent, biased hidden units. A2: hidden units see the inputs, the output and themselves, the output sees
        the inputs and the hidden units, all have a bias; also without the hidden units' self-connections. Latch: one tanh
        unit with a self-connection; 1: its first inputs, one for each class, are guessed too; 2: an input weight and a bias
        are. Hidden units see the activations of the step before, the output the hidden units of the same step.
    n_hidden : int
        Hidden units of A1 and A2.
    weight_range : float
        Weights are uniform in [-weight_range, weight_range].
    n_train, n_test : int
        Sequences of the two fixed sets.
    accept : float
        A sequence is right when its final |error| is below this.

    Raises
    ------
    ValueError
        Naming the argument, the value given and what is allowed.
    """

    net: Literal["A1", "A2", "A2 without self", "latch 1", "latch 2"] = "A1"
    n_hidden: Annotated[Whole, Field(ge=1, le=1000)] = 1
    weight_range: Annotated[Real, Field(gt=0)] = 100.0
    n_train: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100
    n_test: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100
    accept: Annotated[Real, Field(gt=0)] = 0.1

    def __post_init__(self) -> None:
        """Check the net's numbers of inputs and outputs."""
        if self.n_outputs > 1:
            raise refusal("n_outputs", self.n_outputs, "1, or 0 for the task's")
        if self.net == "latch 1" and self.n_inputs not in (0, 3):
            raise refusal("n_inputs", self.n_inputs, "3 with net 'latch 1' (noise, and a first input per class)")

    @property
    def hidden(self) -> int:
        """Hidden units the net has."""
        return 0 if self.net.startswith("latch") else self.n_hidden

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Which connections there are, shape (unit, source): hidden units, output; inputs, hidden units, output, bias."""
        inputs, hidden = self.n_inputs, self.hidden
        mask = np.ones((hidden + 1, inputs + hidden + 2), np.bool_)
        if self.net == "A1":
            mask[-1, -1] = False
        elif self.net == "latch 1":
            mask[:, -1] = False
        elif self.net.startswith("A2"):
            mask[:-1, inputs : inputs + hidden] = np.eye(hidden, dtype=np.bool_) & (self.net == "A2")
            mask[-1, -2] = False
        return mask

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        groups = {"hidden": self.mask[:-1], "output": self.mask[-1:]}
        return groups if self.hidden else {"output": groups["output"]}

    @property
    def n_weights(self) -> int:
        """Weights that are guessed."""
        return int(np.isnan(self.wiring().fixed).sum())

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units."""
        return str(self.hidden)

    def wiring(self) -> Wiring:
        """Connections for the kernels."""
        mask = self.mask
        begins = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        source = np.nonzero(mask)[1].astype(np.int64)
        fixed = np.full(len(source), np.nan)
        if self.net == "latch 1":
            fixed[0] = 1.0
        return Wiring(self.n_inputs, len(mask), self.net.startswith("latch"), begins, source, fixed)


def draw_strings(task: Any, count: int, key: int) -> Strings:
    """The first sequences of a stream of a task, each with its target at the end."""
    examples = task.examples(key, count)
    return Strings(examples.inputs, examples.begins, examples.judged[examples.begins[1:] - 1, 0].copy())


@register("guessing", GuessingSettings, label="weight guessing")
class GuessingNets(TrialLearner):
    """Random weight guessing with one net: what is counted as sequences is the number of draws.

    A trial is solved when a draw has all training sequences right; the test set is then judged once. Progress has a line for
    each draw that got further than all before; the trace shows the last net on the last training sequences.

    Parameters
    ----------
    settings : GuessingSettings
        Net and rule of the search.
    lanes : int
        Without effect: trials are run one by one.
    symbols : bool
        The task's inputs are one-hot; they are read as dense ones.
    """

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by."""
        return {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR, "hidden": HIDDEN}

    def __init__(self, settings: GuessingSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings, wiring = settings, settings.wiring()
        self.net = Net(
            wiring=wiring,
            weights=np.zeros(len(wiring.source)),
            z=np.zeros(settings.n_inputs + wiring.units + 1),
            before=np.zeros(wiring.units),
            steps=np.zeros(1, np.int64),
            scale=settings.weight_range,
            accept=settings.accept,
        )

    def memory(self, task: Any) -> int:
        """Bytes, about, of the larger of the two sets of sequences."""
        count = max(self.settings.n_train, self.settings.n_test) + 1
        return 8 * (2 * int(task.n_inputs) + 6) * count * int(task.max_length)

    def run_trial(self, trial: TrialUnderWay, state: dict[str, Any] | None) -> Status:
        """Draw until all training sequences are right, or as often as the stopping rule allows; then test."""
        settings, result, cap = self.settings, trial.result, trial.stop.max_sequences
        strings = draw_strings(trial.task, settings.n_train, trial.keys[0])
        self.net.weights[:], self.net.steps[:] = 0.0, 0
        result.initial = self.weights()
        best, draw, progress, packed = -1, 0, np.zeros((0, 4)), self.net.weights.copy()
        if state is not None:
            best, draw, progress, packed = (state[name] for name in ("best", "draw", "progress", "packed"))
            self.net.steps[:] = state["steps"]
        while draw < cap and best < settings.n_train:
            until = min(draw + _BLOCK, cap)
            found = int(search(self.net, strings, np.uint64(trial.keys[2]), draw, until, best))
            draw = min(found + 1, until)
            if found < until:
                packed = self.net.weights.copy()
                verdict = self.judge(strings)
                wrong = np.flatnonzero(verdict[:, 3] == 0)
                best = int(wrong[0]) if len(wrong) else settings.n_train
                progress = np.vstack([progress, [draw, *verdict[:, 1:].mean(axis=0)]])
                if trial.policy.spread:
                    result.snapshots.append((draw, self.weights()))
            trial.tell(draw, int(self.net.steps[0]), progress[-1, 1:])
            kept = {"best": best, "draw": draw, "progress": progress, "packed": packed, "steps": self.net.steps}
            trial.pause(kept.copy)
        self.net.weights[:] = packed
        result.sequences, result.steps, result.progress, result.final = (
            draw,
            int(self.net.steps[0]),
            progress,
            self.weights(),
        )
        last = range(max(0, settings.n_train - trial.policy.last), settings.n_train)
        result.rows = [self.rows(strings, n) for n in last]
        fresh = draw_strings(trial.task, settings.n_test, trial.keys[1])
        result.test = self.judge(fresh)
        if trial.policy.tests:
            count = min(trial.policy.tests, settings.n_test)
            result.test_rows = np.concatenate([self.rows(fresh, n) for n in range(count)])
        return Status.SOLVED if best == settings.n_train else Status.GAVE_UP

    def activations(self, strings: Strings, n: int) -> Floats:
        """Activations of all units along one sequence, shape (step, unit), the output last."""
        result = np.zeros((int(strings.begins[n + 1] - strings.begins[n]), self.net.wiring.units))
        follow(self.net, strings, n, result)
        return result

    def judge(self, strings: Strings) -> Floats:
        """Verdict on each sequence, shape (sequence, 4): largest |e|, mean |e|, mean e**2 (one target each), correct."""
        errors = np.array([abs(d - self.activations(strings, n)[-1, -1]) for n, d in enumerate(strings.targets)])
        return np.stack([errors, errors, errors**2, errors < self.settings.accept], axis=1)

    def weights(self) -> Weights:
        """Named weights; columns: inputs, hidden units, output, bias."""
        dense = np.zeros(self.settings.mask.shape)
        dense[self.settings.mask] = self.net.weights
        return {name: dense[:-1] if name == "hidden" else dense[-1:] for name in self.settings.exists}

    def rows(self, strings: Strings, n: int) -> Floats:
        """Recorded steps of one sequence, in the columns of `layout`."""
        y = self.activations(strings, n)
        head, ends = np.zeros((len(y), HEAD)), np.full((len(y), 2), [np.nan, 0.0])
        head[:, 0], head[:, 1] = n, np.arange(len(y))
        ends[-1] = strings.targets[n], strings.targets[n] - y[-1, -1]
        inputs = strings.inputs[strings.begins[n] : strings.begins[n + 1]]
        return np.concatenate([head, inputs, ends[:, :1], y[:, -1:], ends[:, 1:], y[:, :-1]], axis=1)

    @property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        s = self.settings
        variables = {name: variable for name, variable in self.variables().items() if s.hidden or name != "hidden"}
        sizes = {"input_unit": s.n_inputs, "output_unit": 1} | ({"hidden_unit": s.hidden} if s.hidden else {})
        return Layout(variables, sizes, False)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        s = self.settings
        units = [f"hidden {u}" for u in range(s.hidden)]
        names = [*(f"input {i}" for i in range(s.n_inputs)), *units, "output 0", "bias"]
        return {"source": names, "output_source": names} if s.hidden else {"output_source": names}
