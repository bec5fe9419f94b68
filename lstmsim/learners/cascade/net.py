"""A cascade net with its training strings: phases that train the outputs or candidates, and units that join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.recording import HEAD
from lstmsim.learners.base import LearnerSettings, State, grown_text
from lstmsim.learners.cascade import equations
from lstmsim.learners.cascade.equations import Pool, Quickprop, candidate_pass, centre, output_pass, quickprop, unit_values
from lstmsim.learners.weights import Weights
from lstmsim.tasks.base import Task


@settings
class CascadeSettings(LearnerSettings):
    """Sizes and rates; the defaults are those of the published simulators where they agree.

    Parameters
    ----------
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
    """

    max_hidden: Annotated[Whole, Field(ge=1, le=1000)] = 15
    pool: Annotated[Whole, Field(ge=1, le=1000)] = 8
    init_range: Annotated[Real, Field(gt=0)] = 1.0
    output_epsilon: Annotated[Real, Field(gt=0)] = 1.0
    candidate_epsilon: Annotated[Real, Field(gt=0)] = 100.0
    growth: Annotated[Real, Field(gt=0)] = 2.0
    decay: Annotated[Real, Field(ge=0)] = 0.0
    offset: Annotated[Real, Field(ge=0)] = 0.1
    patience: Annotated[Whole, Field(ge=1)] = 12
    output_change: Annotated[Real, Field(ge=0)] = 0.01
    candidate_change: Annotated[Real, Field(ge=0)] = 0.03
    phase_epochs: Annotated[Whole, Field(ge=1)] = 200

    @property
    def n_weights(self) -> int:
        """Weights of the largest net."""
        return self.weights_with(self.max_hidden)

    def weights_with(self, hidden: int) -> int:
        """Weights of a net with so many hidden units: 189, 212, 236 with 7, 8, 9 on the Reber grammar.

        Each hidden unit has weights from inputs, bias, earlier units and itself, each output from all.
        """
        width = self.n_inputs + 1
        return sum(width + 1 + k for k in range(hidden)) + self.n_outputs * (width + hidden)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the smallest and the largest number of units that joined."""
        return grown_text(joined)

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the weights of the nets with the fewest and the most units that joined."""
        return tuple(self.weights_with(n) for n in dict.fromkeys((min(joined), max(joined)))) if joined else ()


class Strings:
    """A fixed set of a task's sequences, one after another along `step`, as the kernels take them.

    Parameters
    ----------
    task : Task
        Its first `count` sequences are taken; it gives a fixed set in order.
    count : int
        Number of sequences.
    room : int
        Hidden units for which `values` has columns.
    """

    def __init__(self, task: Task, count: int, room: int) -> None:
        examples = task.examples(0, count)
        self.begins, self.lengths, n = examples.begins[:-1], np.diff(examples.begins), int(examples.begins[-1])
        self.values = np.concatenate([examples.inputs, np.ones((n, 1)), np.zeros((n, room))], axis=1)
        self.targets, self.judged = examples.learned, examples.judged
        self.first = np.zeros(n, np.bool_)
        self.first[self.begins] = True
        self.arrays = equations.Strings(self.values, self.first, self.targets, self.judged)

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
        return float(output_pass(strings.arrays, self.active, self.output, self.settings.offset, errors, slopes, results))

    def train_outputs(self, epoch: Callable[[], bool]) -> None:
        """Train the outputs until the squared error stagnates, or until `epoch`, called after each look, says stop."""
        s, rate = self.settings, self.settings.output_epsilon / len(self.strings.first)
        slopes, before, steps = (np.zeros_like(self.output) for _ in range(3))
        rule = Quickprop(self.output, slopes, before, steps, rate, s.growth, s.decay)
        mark, quit_at = 0.0, s.patience
        for number in range(s.phase_epochs):
            error = self.look(self.strings, self.errors, slopes, self.results)
            if epoch():
                return
            if number == 0 or abs(error - mark) > s.output_change * mark:
                mark, quit_at = error, number + s.patience
            elif number >= quit_at:
                return
            quickprop(rule, s.n_outputs, self.active)

    def train_candidates(self, epoch: Callable[[], bool]) -> None:
        """Train a pool of candidates until the best score stagnates and let the best join; errors are those last seen."""
        s, strings, active = self.settings, self.strings, self.active
        count = -(-s.pool // 8) * 8
        weights, slopes, before, steps = (np.zeros((active + 1, count)) for _ in range(4))
        weights[:, : s.pool] = self._draw(active + 1, s.pool)
        signs, scores = (np.zeros((s.n_outputs, count)) for _ in range(2))
        pool = Pool(weights, np.zeros((active + 2, count)), signs, scores, slopes)
        errors = self.errors.copy()
        squares = float(centre(errors))
        rate = s.candidate_epsilon / (len(strings.first) * (active + 1))
        rule = Quickprop(weights, slopes, before, steps, rate, s.growth, 0.0)
        mark, quit_at = 0.0, s.patience
        for number in range(s.phase_epochs + 1):
            signs[:] = np.sign(scores)  # of the epoch before; the first epoch only measures
            candidate_pass(strings.arrays, active, errors, squares, pool)
            best = float(np.abs(scores).sum(axis=0)[: s.pool].max())
            if epoch():
                return
            if number == 0 or abs(best - mark) > s.candidate_change * mark:
                mark, quit_at = best, number + s.patience
            elif number >= quit_at:
                break
            if 0 < number < s.phase_epochs:
                quickprop(rule, active + 1, s.pool)
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
        row = self.hidden[unit]
        unit_values(strings.arrays, row, float(row[-1]), self.settings.n_inputs + 1 + unit)

    def state(self) -> State:
        """What the net consists of between two phases."""
        arrays = {"output": self.output, "hidden": self.hidden, "score": self.score}
        return {"active": self.active, "random": self.random.bit_generator.state, **arrays}

    def restore(self, state: State) -> None:
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

    def weights(self) -> Weights:
        """Named weights; columns: inputs, hidden units, bias. What does not exist yet is 0."""
        inputs, width = self.settings.n_inputs, self.output.shape[1]
        order = [*range(inputs), *range(inputs + 1, width), inputs]
        hidden = self.hidden[:, order].copy()
        units = np.arange(len(hidden))
        hidden[units, inputs + units] = self.hidden[:, -1]
        return {"hidden": hidden, "output": self.output[:, order].copy(), "score": self.score.copy()}

    def rows(self, number: int, string: int, strings: Strings) -> Floats:
        """Recorded steps of one string, in the columns of the learner's `layout`; units that have not joined are NaN."""
        place = slice(int(strings.begins[string]), int(strings.begins[string] + strings.lengths[string]))
        values, inputs = strings.values[place], self.settings.n_inputs
        y = 1.0 / (1.0 + np.exp(-values[:, : self.active] @ self.output[:, : self.active].T))
        d = strings.targets[place]
        hidden = np.where(np.arange(self.settings.max_hidden) < self.n_hidden, values[:, inputs + 1 :], np.nan)
        head = np.zeros((len(y), HEAD))
        head[:, 0], head[:, 1] = number, np.arange(len(y))
        symbol = values[:, :inputs].argmax(axis=1)[:, None]
        return np.concatenate([head, symbol, d, y, y * (1.0 - y) * (d - y), hidden], axis=1)
