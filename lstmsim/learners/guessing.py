"""Random weight guessing (Schmidhuber and Hochreiter, 1996), the test whether a task needs learning at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.recording import HEAD, Layout, Variable
from lstmsim.kernels.sequences import END, new_sequences
from lstmsim.learners import guessing_kernel as kernels
from lstmsim.learners.base import HIDDEN, INPUT, OUTPUT, OUTPUT_ERROR, TARGET, Learner, register
from lstmsim.learners.settings import one_of, positive_fields, whole_fields
from lstmsim.simulation.driver import Driver, milestones
from lstmsim.simulation.trial import Result
from lstmsim.tasks.base import trial_keys

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BLOCK = 500  # draws between two looks at the clock


@dataclass(frozen=True)
class GuessingSettings:
    """Net and rule of the search.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Input units, and one output.
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

    n_inputs: int
    n_outputs: int
    net: str = "A1"
    n_hidden: int = 1
    weight_range: float = 100.0
    n_train: int = 100
    n_test: int = 100
    accept: float = 0.1

    def __post_init__(self) -> None:
        """Check all values."""
        whole_fields(self, "n_inputs")
        whole_fields(self, "n_hidden", high=1000)
        whole_fields(self, "n_train", "n_test", high=1_000_000)
        positive_fields(self, "weight_range", "accept")
        one_of("net", self.net, "A1", "A2", "A2 without self", "latch 1", "latch 2")
        if self.n_outputs != 1:
            raise ValueError(f"n_outputs is {self.n_outputs!r}; allowed: 1")
        if self.net == "latch 1" and self.n_inputs != 3:
            raise ValueError(
                f"n_inputs is {self.n_inputs}; allowed with net 'latch 1': 3 (noise, and a first input per class)"
            )

    @property
    def hidden(self) -> int:
        """Hidden units the net has."""
        return 0 if self.net.startswith("latch") else self.n_hidden

    @property
    def exists(self) -> Bools:
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
    def n_weights(self) -> int:
        """Weights that are guessed."""
        return int(np.isnan(self.wiring().fixed).sum())

    def wiring(self) -> kernels.Wiring:
        """Connections for the kernels."""
        mask = self.exists
        begins = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        source = np.nonzero(mask)[1].astype(np.int64)
        fixed = np.full(len(source), np.nan)
        if self.net == "latch 1":
            fixed[0] = 1.0
        return kernels.Wiring(self.n_inputs, len(mask), self.net.startswith("latch"), begins, source, fixed)


def draw_examples(task: Any, count: int, key: int) -> kernels.Examples:
    """The first sequences of a stream, each with its target at the end."""
    sequences = new_sequences(
        1, (count + 1) * task.max_length, 0 if task.symbols else task.n_inputs, task.fixed_rows(), count + 1
    )
    sequences.key[0], sequences.active[0] = key, True
    while sequences.index[0] < count:
        task.fill(sequences, int(sequences.write[0]) + 1)
    ends = np.flatnonzero(sequences.event[:, 0] & END)[:count]
    n = int(ends[-1]) + 1
    inputs = np.eye(task.n_inputs)[sequences.symbol[:n, 0]] if task.symbols else sequences.inputs[:n, :, 0].copy()
    begins = np.concatenate([[0], ends + 1]).astype(np.int64)
    return kernels.Examples(inputs, begins, sequences.targets[sequences.judge[ends, 0], 0].copy())


class Guess:
    """One net with drawn weights.

    Parameters
    ----------
    settings : GuessingSettings
        Net and rule of the search.
    """

    def __init__(self, settings: GuessingSettings) -> None:
        self.settings, self.wiring = settings, settings.wiring()
        self.packed = np.zeros(len(self.wiring.source))
        self.z = np.zeros(settings.n_inputs + self.wiring.units + 1)
        self.before = np.zeros(self.wiring.units)
        self.steps = np.zeros(1, np.int64)

    def search(self, data: kernels.Examples, key: int, draw: int, until: int, best: int) -> int:
        """Draw until more than `best` sequences in a row are right; the number of that draw, or `until`."""
        s, work = self.settings, (self.packed, self.z, self.before, self.steps)
        place = np.uint64(key), s.weight_range, s.accept, draw, until, best
        return int(kernels.search(self.wiring, data, *place, *work))

    def activations(self, data: kernels.Examples, n: int) -> Floats:
        """Activations of all units along one sequence, shape (step, unit), the output last."""
        result = np.zeros((int(data.begins[n + 1] - data.begins[n]), self.wiring.units))
        kernels.follow(self.wiring, self.packed, data, n, self.z, self.before, result)
        return result

    def judge(self, data: kernels.Examples) -> Floats:
        """Verdict on each sequence, shape (sequence, 4): largest |e|, mean |e|, mean e**2 (one target each), correct."""
        errors = np.array([abs(d - self.activations(data, n)[-1, -1]) for n, d in enumerate(data.targets)])
        return np.stack([errors, errors, errors**2, errors < self.settings.accept], axis=1)

    def weights(self) -> dict[str, Floats]:
        """Named weights; columns: inputs, hidden units, output, bias."""
        dense = np.zeros(self.settings.exists.shape)
        dense[self.settings.exists] = self.packed
        groups = {"hidden": dense[:-1], "output": dense[-1:]}
        return groups if self.settings.hidden else {"output": groups["output"]}

    def rows(self, data: kernels.Examples, n: int, number: int) -> Floats:
        """Recorded steps of one sequence, in the columns of `GuessingNets.layout`."""
        y = self.activations(data, n)
        head, ends = np.zeros((len(y), HEAD)), np.full((len(y), 2), [np.nan, 0.0])
        head[:, 0], head[:, 1] = number, np.arange(len(y))
        ends[-1] = data.targets[n], data.targets[n] - y[-1, -1]
        inputs = data.inputs[data.begins[n] : data.begins[n + 1]]
        return np.concatenate([head, inputs, ends[:, :1], y[:, -1:], ends[:, 1:], y[:, :-1]], axis=1)


class GuessingTrials(Driver):
    """Trials of random weight guessing: what is counted as sequences is the number of draws.

    A trial is solved when a draw has all training sequences right; the test set is then judged once. Progress has a line for
    each draw that got further than all before; the trace shows the last net on the last training sequences.
    """

    @property
    def memory(self) -> int:
        """Bytes of the larger of the two sets of sequences."""
        settings, task = self.config.settings, self.config.task
        return 8 * (2 * task.n_inputs + 6) * (max(settings.n_train, settings.n_test) + 1) * int(task.max_length)

    def run_trial(self, trial: int, on_progress: Callable[[Any], None], state: dict[str, Any] | None = None) -> Result:
        """Run one trial."""
        begun = time.perf_counter()
        settings, cap, task = self.config.settings, self.config.training.max_sequences, self.config.task
        keys = [int(key) for key in trial_keys(self.seed, trial)]
        data = draw_examples(task, settings.n_train, keys[0])
        net, result = Guess(settings), Result(trial, self.seed, status="gave_up", initial=Guess(settings).weights())
        best, draw, progress, packed = -1, 0, np.zeros((0, 4)), net.packed.copy()
        if state is not None:
            result.restore(state["result"])
            begun -= state["seconds"]
            best, draw, progress, packed = (state[name] for name in ("best", "draw", "progress", "packed"))
            net.steps[:] = state["steps"]
        while draw < cap and best < settings.n_train:
            until = min(draw + _BLOCK, cap)
            found = net.search(data, keys[2], draw, until, best)
            draw = min(found + 1, until)
            if found < until:
                packed = net.packed.copy()
                verdict = net.judge(data)
                wrong = np.flatnonzero(verdict[:, 3] == 0)
                best = int(wrong[0]) if len(wrong) else settings.n_train
                progress = np.vstack([progress, [draw, *verdict[:, 1:].mean(axis=0)]])
                if self.policy.spread:
                    result.snapshots.append((draw, net.weights()))
            self.tell(draw, int(net.steps[0]), progress[-1, 1:], on_progress)
            kept = {"best": best, "draw": draw, "progress": progress, "packed": packed, "steps": net.steps}
            self.pause(result, begun, kept.copy)
        if best == settings.n_train:
            result.status = "solved"
            result.stages["solved"] = draw
        net.packed[:] = packed
        result.sequences, result.steps, result.progress, result.final = draw, int(net.steps[0]), progress, net.weights()
        result.milestones = milestones(progress, self.config.training.error_bound)
        last = range(max(0, settings.n_train - self.policy.last), settings.n_train)
        result.rows = [net.rows(data, n, n) for n in last]
        fresh = draw_examples(task, settings.n_test, keys[1])
        result.test = net.judge(fresh)
        if self.policy.tests:
            count = min(self.policy.tests, settings.n_test)
            result.test_rows = np.concatenate([net.rows(fresh, n, n) for n in range(count)])
        result.seconds = time.perf_counter() - begun
        return result


@register("guessing", GuessingSettings, label="weight guessing")
class GuessingNets(Learner):
    """What a trial file needs to know of the learner; the trials are run by `driver`."""

    driver = GuessingTrials

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by."""
        return {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR, "hidden": HIDDEN}

    def __init__(self, settings: GuessingSettings, lanes: int, *, symbols: bool = False) -> None:
        self.settings, self.symbols = settings, symbols

    @property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        s = self.settings
        variables = {name: variable for name, variable in self.variables().items() if s.hidden or name != "hidden"}
        sizes = {"input_unit": s.n_inputs, "output_unit": 1} | ({"hidden": s.hidden} if s.hidden else {})
        return Layout(variables, sizes, False)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        s = self.settings
        units = [f"hidden {u}" for u in range(s.hidden)]
        names = [*(f"input {i}" for i in range(s.n_inputs)), *units, "output 0", "bias"]
        return {"source": names, "output_source": names} if s.hidden else {"output_source": names}
