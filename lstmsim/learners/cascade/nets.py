"""Recurrent cascade-correlation (Fahlman, 1991): hidden units join one by one, trained to follow the remaining error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.recording import HEAD, Layout, Variable
from lstmsim.kernels.sequences import END, new_sequences
from lstmsim.learners.base import HIDDEN, INPUT, OUTPUT, OUTPUT_ERROR, TARGET, Learner, register
from lstmsim.learners.cascade import equations as kernels
from lstmsim.learners.settings import generator, one_hot, positive_fields, whole_fields
from lstmsim.simulation.driver import Driver, milestones
from lstmsim.simulation.trial import Result

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CascadeSettings:
    """Sizes and rates; the defaults are those of the published simulators where they agree.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Input and output units.
    max_hidden : int
        Most hidden units; the trial gives up when they do not suffice. The paper's nets had 7 to 9.
    pool : int
        Candidates from which the best joins.
    init_range : float
        Weights of outputs and candidates begin uniform in [-init_range, init_range].
    output_epsilon, candidate_epsilon : float
        Quickprop's gradient rate, divided by the number of steps, for candidates also by their fan-in.
    growth : float
        Quickprop's largest ratio of a step to the one before (mu).
    decay : float
        Weight decay of the outputs.
    offset : float
        Added to the outputs' derivative, so that saturated outputs go on learning.
    patience : int
        A phase ends when nothing has changed for so many epochs.
    output_change, candidate_change : float
        Smallest relative change of squared error or score that counts.
    phase_epochs : int
        Most epochs of a phase.

    Raises
    ------
    ValueError
        Naming the argument, the value given and what is allowed.
    """

    n_inputs: int
    n_outputs: int
    max_hidden: int = 15
    pool: int = 8
    init_range: float = 1.0
    output_epsilon: float = 1.0
    candidate_epsilon: float = 100.0
    growth: float = 2.0
    decay: float = 0.0
    offset: float = 0.1
    patience: int = 12
    output_change: float = 0.01
    candidate_change: float = 0.03
    phase_epochs: int = 200

    def __post_init__(self) -> None:
        """Check all values."""
        whole_fields(self, "n_inputs", "n_outputs", "patience", "phase_epochs")
        whole_fields(self, "max_hidden", "pool", high=1000)
        positive_fields(self, "init_range", "output_epsilon", "candidate_epsilon", "growth")
        positive_fields(self, "decay", "offset", "output_change", "candidate_change", zero=True)

    @property
    def n_weights(self) -> int:
        """Weights of the largest net: inputs, bias, earlier units and itself for each hidden unit, all for each output."""
        return self.weights_with(self.max_hidden)

    def weights_with(self, hidden: int) -> int:
        """Weights of a net with so many hidden units: 189, 212, 236 with 7, 8, 9 on the Reber grammar."""
        width = self.n_inputs + 1
        return sum(width + 1 + k for k in range(hidden)) + self.n_outputs * (width + hidden)


class Strings:
    """A fixed set of a task's sequences, one after another along `step`, as the kernels take them.

    Parameters
    ----------
    task : Task
        Its first `count` sequences of stream `key` are taken.
    count : int
        Number of sequences.
    room : int
        Hidden units for which `values` has columns.
    key : int
        Key of the sequences; without effect where the task gives a fixed set in order.
    """

    def __init__(self, task: Any, count: int, room: int, key: int = 0) -> None:
        clocks = (count + 1) * task.max_length
        fixed = task.fixed_rows()
        sequences = new_sequences(1, clocks, 0 if task.symbols else task.n_inputs, fixed, count + 1)
        sequences.key[0], sequences.active[0] = key, True
        while sequences.index[0] < count:
            task.fill(sequences, int(sequences.write[0]) + 1)
        ends = np.flatnonzero(sequences.event[:, 0] & END)[:count] + 1
        self.begins = np.concatenate([[0], ends[:-1]])
        self.lengths = np.diff(ends, prepend=0)
        n = int(ends[-1])
        inputs = np.eye(task.n_inputs)[sequences.symbol[:n, 0]] if task.symbols else sequences.inputs[:n, :, 0]
        self.values = np.concatenate([inputs, np.ones((n, 1)), np.zeros((n, room))], axis=1)
        self.targets = sequences.targets[sequences.learn[:n, 0]].copy()
        self.judged = sequences.targets[sequences.judge[:n, 0]].copy()
        self.first = np.zeros(n, np.bool_)
        self.first[self.begins] = True

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.begins)


class Cascade:
    """A cascade net with its training strings, one epoch at a time.

    Parameters
    ----------
    settings : CascadeSettings
        Sizes and rates.
    strings : Strings
        Training strings, with columns for `settings.max_hidden` units.
    random : numpy.random.Generator
        Source of the initial weights.
    """

    def __init__(self, settings: CascadeSettings, strings: Strings, random: np.random.Generator) -> None:
        self.settings, self.strings, self.random = settings, strings, random
        self.active = settings.n_inputs + 1
        width = self.active + settings.max_hidden
        self.output = np.zeros((settings.n_outputs, width))
        self.output[:, : self.active] = self._draw(settings.n_outputs, self.active)
        self.hidden = np.zeros((settings.max_hidden, width + 1))  # own weight in the last column
        self.score = np.zeros(settings.max_hidden)
        self.errors = np.zeros_like(strings.targets)
        self.results = np.zeros((len(strings), 4))

    def _draw(self, *shape: int) -> Floats:
        return self.random.uniform(-self.settings.init_range, self.settings.init_range, shape)

    @property
    def n_hidden(self) -> int:
        """Hidden units that have joined."""
        return self.active - self.settings.n_inputs - 1

    def look(self, strings: Strings, errors: Floats, slopes: Floats, results: Floats) -> float:
        """Errors, slopes and verdicts of a set of strings; the sum of squared errors."""
        arrays = strings.values, self.active, self.output, strings.targets, strings.judged, strings.first
        return float(kernels.output_pass(*arrays, self.settings.offset, errors, slopes, results))

    def train_outputs(self, epoch: Callable[[], bool]) -> None:
        """Train the outputs until the squared error stagnates, or until `epoch`, called after each look, says stop."""
        s, slopes = self.settings, np.zeros_like(self.output)
        before, steps = np.zeros_like(slopes), np.zeros_like(slopes)
        mark, quit_at = 0.0, s.patience
        for number in range(s.phase_epochs):
            error = self.look(self.strings, self.errors, slopes, self.results)
            if epoch():
                return
            if number == 0 or abs(error - mark) > s.output_change * mark:
                mark, quit_at = error, number + s.patience
            elif number >= quit_at:
                return
            rate = s.output_epsilon / len(self.strings.first)
            shape = s.n_outputs, self.active
            kernels.quickprop(self.output, slopes, before, steps, *shape, rate, s.growth, s.decay)

    def train_candidates(self, epoch: Callable[[], bool]) -> None:
        """Train a pool of candidates until the best score stagnates and let the best join; errors are those last seen."""
        s, strings, active = self.settings, self.strings, self.active
        pool = -(-s.pool // 8) * 8
        weights = np.zeros((active + 1, pool))
        weights[:, : s.pool] = self._draw(active + 1, s.pool)
        slopes, before, steps = (np.zeros_like(weights) for _ in range(3))
        scores, state = np.zeros((s.n_outputs, pool)), np.zeros((active + 2, pool))
        errors = self.errors.copy()
        squares = float(kernels.centre(errors))
        rate = s.candidate_epsilon / (len(strings.first) * (active + 1))
        mark, quit_at = 0.0, s.patience
        for number in range(s.phase_epochs + 1):
            signs = np.sign(scores)  # of the epoch before; the first epoch only measures
            arrays = strings.values, active, strings.first, errors, squares, weights, state
            kernels.candidate_pass(*arrays, signs, scores, slopes)
            best = float(np.abs(scores).sum(axis=0)[: s.pool].max())
            if epoch():
                return
            if number == 0 or abs(best - mark) > s.candidate_change * mark:
                mark, quit_at = best, number + s.patience
            elif number >= quit_at:
                break
            if 0 < number < s.phase_epochs:
                kernels.quickprop(weights, slopes, before, steps, active + 1, s.pool, rate, s.growth, 0.0)
        winner = int(np.argmax(np.abs(scores).sum(axis=0)[: s.pool]))
        self.join(weights[:active, winner], float(weights[active, winner]), scores[:, winner])

    def join(self, weights: Floats, self_weight: float, scores: Floats) -> None:
        """Freeze a candidate as the next hidden unit; the outputs begin to use it with the opposite of its covariance."""
        unit = self.n_hidden
        self.hidden[unit, : self.active], self.hidden[unit, -1] = weights, self_weight
        self.score[unit] = np.abs(scores).sum()
        self.output[:, self.active] = -scores
        self.fill(self.strings, unit)
        self.active += 1

    def fill(self, strings: Strings, unit: int) -> None:
        """Compute a hidden unit's values for a set of strings."""
        active = self.settings.n_inputs + 1 + unit
        row = self.hidden[unit]
        kernels.unit_values(strings.values, strings.first, row, float(row[-1]), active, active)

    def state(self) -> dict[str, Any]:
        """What the net consists of between two phases."""
        arrays = {"output": self.output, "hidden": self.hidden, "score": self.score}
        return {"active": self.active, "random": self.random.bit_generator.state, **arrays}

    def restore(self, state: dict[str, Any]) -> None:
        """Enter what `state` gave into a new net."""
        self.active, self.random.bit_generator.state = state["active"], state["random"]
        for name in ("output", "hidden", "score"):
            getattr(self, name)[...] = state[name]
        for unit in range(self.n_hidden):
            self.fill(self.strings, unit)

    def test(self, strings: Strings) -> Floats:
        """Verdicts on other strings, shape (string, 4): largest |e|, mean |e|, mean e**2, correct."""
        for unit in range(self.n_hidden):
            self.fill(strings, unit)
        results = np.zeros((len(strings), 4))
        self.look(strings, np.zeros_like(strings.targets), np.zeros_like(self.output), results)
        return results

    def weights(self) -> dict[str, Floats]:
        """Named weights; columns: inputs, hidden units, bias. What does not exist yet is 0."""
        inputs, width = self.settings.n_inputs, self.output.shape[1]
        order = [*range(inputs), *range(inputs + 1, width), inputs]
        hidden = self.hidden[:, order].copy()
        units = np.arange(len(hidden))
        hidden[units, inputs + units] = self.hidden[:, -1]
        return {"hidden": hidden, "output": self.output[:, order].copy(), "score": self.score.copy()}

    def rows(self, number: int, string: int, strings: Strings) -> Floats:
        """Recorded steps of one string, in the columns of `CascadeNets.layout`; units that have not joined are NaN."""
        place = slice(int(strings.begins[string]), int(strings.begins[string] + strings.lengths[string]))
        values, inputs = strings.values[place], self.settings.n_inputs
        y = 1.0 / (1.0 + np.exp(-values[:, : self.active] @ self.output[:, : self.active].T))
        d = strings.targets[place]
        hidden = np.where(np.arange(self.settings.max_hidden) < self.n_hidden, values[:, inputs + 1 :], np.nan)
        head = np.zeros((len(y), HEAD))
        head[:, 0], head[:, 1] = number, np.arange(len(y))
        symbol = values[:, :inputs].argmax(axis=1)[:, None]
        return np.concatenate([head, symbol, d, y, y * (1.0 - y) * (d - y), hidden], axis=1)


class CascadeTrials(Driver):
    """Trials of recurrent cascade-correlation: presentations are strings seen, in training outputs and candidates alike.

    A trial ends when all training strings are right (stage "training"); it is solved if all test strings are then right
    too. `joined` of the result names the presentations at which each hidden unit joined; snapshots of the weights are taken
    then, too.
    """

    @property
    def memory(self) -> int:
        """Bytes of the training strings."""
        task = self.config.task.test_sets()[0]
        width = task.n_inputs + self.config.settings.max_hidden + 4 * task.n_outputs + 8
        return 8 * width * (task.n_train + 1) * int(task.max_length)

    def run_trial(self, trial: int, on_progress: Callable[[Any], None], state: dict[str, Any] | None = None) -> Result:
        """Run one trial."""
        begun = time.perf_counter()
        settings, training, policy = self.config.settings, self.config.training, self.policy
        test_sets = self.config.task.test_sets()
        strings = Strings(test_sets[0], test_sets[0].n_train, settings.max_hidden)
        n, steps = len(strings), len(strings.first)
        net = Cascade(settings, strings, generator((self.seed, trial)))
        result = Result(trial, self.seed, initial=net.weights())
        plan = set(policy.plan(training.max_sequences).tolist()) | set(range(policy.first))
        progress: list[list[float]] = []
        if state is not None:
            result.restore(state["result"])
            begun -= state["seconds"]
            progress = state["progress"].tolist()
            net.restore(state["net"])

        def recorded(index: int) -> bool:
            return index in plan or (policy.every > 0 and index % policy.every == 0)

        def epoch() -> bool:
            first = result.sequences
            result.rows += [net.rows(first + i, i, strings) for i in range(n) if recorded(first + i)]
            if policy.spread and any(first + i in plan for i in range(n)) and first not in dict(result.snapshots):
                result.snapshots.append((first, net.weights()))
            result.sequences += n
            result.steps += steps
            self.tell(result.sequences, result.steps, net.results[:, 1:].mean(axis=0), on_progress)
            return result.sequences + n > training.max_sequences

        def output_epoch() -> bool:
            full = epoch()
            progress.append([result.sequences, *net.results[:, 1:].mean(axis=0)])
            return full or bool(net.results[:, 3].all())

        while result.status == "running":
            self.pause(result, begun, lambda: {"progress": np.array(progress), "net": net.state()})
            net.train_outputs(output_epoch)
            if not np.isfinite(net.output).all():
                result.status = "diverged"
            elif net.results[:, 3].all():
                result.stages["training"] = result.sequences
                right = all(
                    net.test(Strings(test_set, test_set.n_test, settings.max_hidden))[:, 3].all()
                    for test_set in test_sets[1:]
                )
                result.status = "solved" if right else "gave_up"
            elif net.n_hidden == settings.max_hidden or result.sequences + n > training.max_sequences:
                result.status = "gave_up"
            else:
                units = net.n_hidden
                net.train_candidates(epoch)
                if net.n_hidden == units:
                    result.status = "gave_up"
                    break
                result.joined.append(result.sequences)
                if policy.spread:
                    result.snapshots.append((result.sequences, net.weights()))
        self._finish(net, result, np.array(progress), test_sets, recorded)
        result.seconds = time.perf_counter() - begun
        return result

    def _finish(
        self, net: Cascade, result: Result, progress: Floats, test_sets: list[Any], recorded: Callable[[int], bool]
    ) -> None:
        """Final weights and tests; the last epoch's last strings are recorded."""
        training, policy, n = self.config.training, self.policy, len(net.strings)
        result.final, result.progress = net.weights(), progress
        result.milestones = milestones(progress, training.error_bound)
        if result.status == "solved":
            result.stages["solved"] = result.sequences
        first = result.sequences - n
        result.rows += [
            net.rows(first + i, i, net.strings) for i in range(max(0, n - policy.last), n) if not recorded(first + i)
        ]
        if not training.final_test:
            return
        tests, share = [], max(1, training.final_test // len(test_sets))
        for test_set in test_sets:
            strings = Strings(test_set, min(share, test_set.n_test), net.settings.max_hidden)
            tests.append(net.test(strings))
        result.test = np.concatenate(tests)
        if policy.tests:
            result.test_rows = np.concatenate([net.rows(i, i, strings) for i in range(min(policy.tests, len(strings)))])


@register("cascade", CascadeSettings, label="RCC")
class CascadeNets(Learner):
    """What a trial file needs to know of the learner; the trials are run by `driver`."""

    driver = CascadeTrials
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "hidden": ("hidden", "source"),
        "output": ("output_unit", "output_source"),
        "score": ("hidden",),
    }

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by."""
        return {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR, "hidden": HIDDEN}

    def __init__(self, settings: CascadeSettings, lanes: int, *, symbols: bool = False) -> None:
        one_hot(symbols, "recurrent cascade-correlation")
        self.settings = settings

    @cached_property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        s = self.settings
        sizes = {"input_unit": s.n_inputs, "output_unit": s.n_outputs, "hidden": s.max_hidden}
        return Layout(self.variables(), sizes, True)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        units = [f"hidden {i}" for i in range(self.settings.max_hidden)]
        names = [*(f"input {i}" for i in range(self.settings.n_inputs)), *units, "bias"]
        return {"source": names, "output_source": names}
