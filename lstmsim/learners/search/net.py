"""What all searches of weights without a gradient have in common: nets, sets of sequences, and the way through a trial."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.recording import HEAD, Layout, Variable
from lstmsim.learners.base import ENDS, HIDDEN, LearnerSettings, State, Status, TrialLearner, TrialUnderWay
from lstmsim.learners.over_time import zeros
from lstmsim.learners.search.equations import Net, Strings, Wiring, follow
from lstmsim.learners.weights import Masks, Weights
from lstmsim.tasks.base import Task


@settings
class SearchSettings(LearnerSettings):
    """Net that is searched for, and what it is judged on.

    Parameters
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
        """Weights that are searched."""
        return len(self.wiring().free)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units."""
        return str(self.hidden)

    def wiring(self) -> Wiring:
        """Connections for the kernels."""
        mask = self.mask
        begins = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        source = np.nonzero(mask)[1].astype(np.int64)
        free = np.arange(int(self.net == "latch 1"), len(source))
        return Wiring(self.n_inputs, len(mask), self.net.startswith("latch"), begins, source, free)


def draw_strings(task: Task, count: int, key: int) -> Strings:
    """The first sequences of a stream of a task, each with its target at the end."""
    examples = task.examples(key, count)
    return Strings(examples.inputs, examples.begins, examples.judged[examples.begins[1:] - 1, 0].copy())


Q = TypeVar("Q", bound=SearchSettings)


class SearchNets(TrialLearner[Q]):
    """A search of the weights of one net.

    A trial is solved when one net has all training sequences right; the test set is then judged once. Progress has a line
    for each net that was found better than the one before; the trace shows the last of them on the last training sequences.
    Initial weights are told as 0. What is counted as sequences are presentations: a net that is tried is shown training
    sequences up to where it is seen to be worse.

    Parameters
    ----------
    settings : SearchSettings
        Net and rule of the search.
    lanes : int
        Without effect: trials are run one by one.
    symbols : bool
        The task's inputs are one-hot; they are read as dense ones.

    Attributes
    ----------
    block : int
        Draws between two looks at the clock.
    """

    block: ClassVar[int] = 500

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by."""
        return ENDS | {"hidden": HIDDEN}

    def __init__(self, settings: Q, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings, wiring = settings, settings.wiring()
        n = len(wiring.source)
        self.net = Net(
            wiring=wiring,
            **zeros(
                {"weights center reach": n, "z": settings.n_inputs + wiring.units + 1, "before": wiring.units, "cost": 1}
            ),
            counts=np.zeros(3, np.int64),
            accept=settings.accept,
        )
        self.found, self.right = np.zeros(n), np.zeros(1, np.int64)

    @abstractmethod
    def go_on(self, strings: Strings, key: np.uint64, cap: int) -> bool:
        """Search a while within `cap` sequences; whether `net.weights` now are those to go on from."""

    @property
    def sequences(self) -> int:
        """What the stopping rule counts: presentations."""
        return int(self.net.counts[1])

    @property
    def course(self) -> dict[str, Array]:
        """Arrays that the rest of a search depends on, besides its key."""
        net = self.net
        arrays = {"weights": net.weights, "center": net.center, "reach": net.reach, "counts": net.counts, "cost": net.cost}
        return arrays | {"found": self.found, "right": self.right}

    def state(self, progress: Floats) -> State:
        """What a search is taken up from."""
        return {"progress": progress} | {name: array.copy() for name, array in self.course.items()}

    def begin(self) -> None:
        """Make ready for the first draw: weights uniform in the whole range."""
        for array in self.course.values():
            array[:] = 0
        net, fixed = self.net, np.setdiff1d(np.arange(len(self.net.weights)), self.net.wiring.free)
        net.center[fixed], net.reach[net.wiring.free], net.cost[:] = 1.0, self.settings.weight_range, np.inf
        self.right[:] = -1

    def memory(self, task: Task) -> int:
        """Bytes, about, of the larger of the two sets of sequences."""
        count = max(self.settings.n_train, self.settings.n_test) + 1
        return 8 * (2 * int(task.n_inputs) + 6) * count * int(task.max_length)

    def run_trial(self, trial: TrialUnderWay, state: State | None) -> Status:
        """Search until all training sequences are right, or as long as the stopping rule allows; then test."""
        settings, result, cap, net = self.settings, trial.result, trial.stop.max_sequences, self.net
        strings, progress = draw_strings(trial.task, settings.n_train, trial.keys[0]), np.zeros((0, 4))
        self.begin()
        result.initial = self.weights()
        if state is not None:
            progress = state["progress"]
            for name, array in self.course.items():
                array[:] = state[name]
        while self.sequences < cap and self.right[0] < settings.n_train:
            better = self.go_on(strings, np.uint64(trial.keys[2]), cap)
            if better or not len(progress):
                self.found[:] = net.weights
                verdict = self.judge(strings)
                wrong = np.flatnonzero(verdict[:, 3] == 0)
                self.right[0] = (int(wrong[0]) if len(wrong) else settings.n_train) if better else -1
                progress = np.vstack([progress, [self.sequences, *verdict[:, 1:].mean(axis=0)]])
                if trial.policy.spread:
                    result.snapshots.append((self.sequences, self.weights()))
            trial.tell(self.sequences, int(net.counts[2]), progress[-1, 1:])
            trial.pause(partial(self.state, progress))
        net.weights[:] = self.found
        result.sequences, result.steps = self.sequences, int(net.counts[2])
        result.progress, result.final = progress, self.weights()
        last = range(max(0, settings.n_train - trial.policy.last), settings.n_train)
        result.rows = [self.rows(strings, n) for n in last]
        fresh = draw_strings(trial.task, settings.n_test, trial.keys[1])
        result.test = self.judge(fresh)
        if trial.policy.tests:
            count = min(trial.policy.tests, settings.n_test)
            result.test_rows = np.concatenate([self.rows(fresh, n) for n in range(count)])
        return Status.SOLVED if self.right[0] == settings.n_train else Status.GAVE_UP

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
