"""The trial loop's side of a learner in plain Python: one net of a user's class, stepped through sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lstmsim.checks import refusal, shown
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.recording import HEAD, Layout, Record, Variable, finish_sequence
from lstmsim.kernels.scores import Scores, judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences
from lstmsim.kernels.streams import join
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import ENDS, LearnerSettings, StepLearner
from lstmsim.learners.weights import Weights


class Net(Protocol):
    """What is used of a `lstmsim.learners.Learner`."""

    traced: ClassVar[Mapping[str, tuple[str, ...]]]
    weight_dims: ClassVar[Mapping[str, tuple[str, ...]]]
    kept: tuple[str, ...]
    learning: bool
    rng: np.random.Generator

    def __init__(self, settings: LearnerSettings, seed: int | Sequence[int] = 0) -> None: ...

    def reset(self) -> None:
        """Set the state before the first step of a sequence."""

    def step(self, x: Floats, target: Floats | None = None) -> npt.ArrayLike:
        """Make one time step."""


class _Sizes(NamedTuple):
    outputs: int


class _Outputs(NamedTuple):
    y_k: Floats  # (1, output), padded to a multiple of 8


@kernel
def judge_and_close(sizes, state, scores, sequences, record, clock):
    """Judge the outputs of a step of the one lane, and enter its sequence if it has ended there; changes scores, record.

    Returns whether the lane needs attention: its flag says so, or rows or progress have filled the room.
    """
    event = sequences.event[clock, 0]
    if event & JUDGE:
        judge_step(sizes, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        join(scores, record, sequences, 0, clock, record.tick[0] - 1)
    if not sequences.event[clock, 0] & END:
        return False
    return finish_sequence(scores, record, 0, record.tick[0])


class PlainLearner(StepLearner[LearnerSettings]):
    """What the trial loop needs of a `Learner`: it steps one net through the sequences.

    Parameters
    ----------
    settings : LearnerSettings
        Settings with the task's sizes.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Attributes
    ----------
    rule : type
        The subclass of `Learner`.
    """

    rule: ClassVar[type[Net]]

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Inputs, targets, outputs, errors d_k - y_k, and what the rule names."""
        own = {name: Variable(("step", *dims), f"{name} of {cls.label}") for name, dims in cls.rule.traced.items()}
        return ENDS | own

    def __init__(self, settings: LearnerSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        self.settings, self.symbols = settings, symbols
        self.net = self.rule(settings)
        self._fresh = True  # reset comes with the first step of a sequence: it may draw, or look at the weights
        self._sizes, self._state = _Sizes(settings.n_outputs), _Outputs(aligned(1, -(-settings.n_outputs // 8) * 8))
        self._units = np.eye(settings.n_inputs) if symbols else np.zeros((0, 0))
        self._shapes = {name: np.shape(getattr(self.net, name)) for name in self.net.kept}
        dims = {name: tuple(f"{name}_{axis}" for axis in range(len(shape))) for name, shape in self._shapes.items()}
        vars(self)["weight_dims"] = dims | dict(self.rule.weight_dims)
        self._check_dims()

    def _check_dims(self) -> None:
        """Refuse what the rule says of its arrays where they are not so."""
        where = f"of learner {self.name!r}"
        sizes = {"input_unit": self.settings.n_inputs, "output_unit": self.settings.n_outputs}
        for name, dims in self.rule.weight_dims.items():
            if name not in self._shapes:
                raise refusal(f"weight_dims {where}", name, f"names that start sets: {', '.join(self._shapes) or 'none'}")
            if len(dims) != len(self._shapes[name]):
                raise refusal(f"weight_dims[{name!r}] {where}", dims, f"one name for each dimension of {self._shapes[name]}")
            for dim, size in zip(dims, self._shapes[name], strict=True):
                if sizes.setdefault(dim, size) != size:
                    raise refusal(f"weight_dims[{name!r}] {where}", dims, f"{dim} of size {sizes[dim]} everywhere")
        sizes = dict(self.layout.sizes)
        for name, dims in self.rule.traced.items():
            for dim, size in zip(dims, self._traced(name).shape, strict=True):
                if sizes[dim] != size:
                    raise refusal(f"traced[{name!r}] {where}", dims, f"{dim} of size {sizes[dim]} everywhere")

    def _traced(self, name: str) -> Floats:
        """Value of a traced attribute."""
        try:
            value = np.asarray(getattr(self.net, name), np.float64)
        except AttributeError:
            raise refusal(f"traced of learner {self.name!r}", name, "names that start or reset sets") from None
        except (TypeError, ValueError):
            value = np.zeros((0, 0))
        if value.ndim != len(self.rule.traced[name]):
            what = f"{len(self.rule.traced[name])}-dimensional numbers, as traced says"
            raise refusal(f"{name} of learner {self.name!r}", getattr(self.net, name), what)
        return value

    @property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        sizes = {"input_unit": self.settings.n_inputs, "output_unit": self.settings.n_outputs}
        for name, dims in self.rule.traced.items():
            sizes |= {dim: sizes.get(dim, size) for dim, size in zip(dims, self._traced(name).shape, strict=True)}
        return Layout(self.variables(), sizes, self.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """None: names of dimensions are all that a rule gives."""
        return {}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Make the net anew, with the initial weights that belong to a seed."""
        self.net, self._fresh = self.rule(self.settings, seed), True

    def reset(self, lane: int | slice) -> None:
        """Begin a sequence with the next step."""
        self._fresh = True

    def weights(self, lane: int) -> Weights:
        """Copies of what `start` has set, as float64 arrays."""
        found = {name: np.array(getattr(self.net, name), np.float64) for name in self.net.kept}
        for name, shape in self._shapes.items():
            if found[name].shape != shape:
                raise refusal(
                    f"{name} of learner {self.name!r}", f"of shape {found[name].shape}", f"{shape}, as start left it"
                )
        return found

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Take weights as `weights` gives them; arrays are changed in place, for others may be views of them."""
        for name in self.net.kept:
            there, value = getattr(self.net, name), weights[name]
            if isinstance(there, np.ndarray) and there.shape == value.shape and there.flags.writeable:
                there[...] = value
            else:
                as_before = value.astype(there.dtype) if isinstance(there, np.ndarray) else type(there)(value[()])
                setattr(self.net, name, as_before)

    def carried(self, lane: int) -> Floats:
        """Where the net's random numbers are."""
        state = self.net.rng.bit_generator.state
        words = [state["state"][key] >> 32 * n & 0xFFFFFFFF for key in ("state", "inc") for n in range(4)]
        return np.array([*words, state["has_uint32"], state["uinteger"]], np.float64)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Put the net's random numbers there."""
        words = [int(word) for word in carried]
        state, inc = (sum(word << 32 * n for n, word in enumerate(words[at : at + 4])) for at in (0, 4))
        inner = {"state": state, "inc": inc}
        known = {"bit_generator": "PCG64", "state": inner, "has_uint32": words[8], "uinteger": words[9]}
        self.net.rng.bit_generator.state = known

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached.

        Raises
        ------
        ValueError
            If the outputs are not of their shape, or weights change that are frozen.
        """
        frozen = None if learn else self.weights(0)
        self.net.learning, attention = learn, False
        while clock < until and not attention:
            if scores.idle[0]:  # what the end of a stream has cut off: it might draw, or change weights without a target
                record.tick[0] += 1
                judge_and_close(self._sizes, self._state, scores, sequences, record, clock)
                clock += 1
                continue
            if self._fresh:
                self.net.reset()
                self._fresh = False
            event, row = int(sequences.event[clock, 0]), sequences.learn[clock, 0]
            x = self._units[sequences.symbol[clock, 0]] if self.symbols else sequences.inputs[clock, :, 0]
            target = sequences.targets[row, : self._sizes.outputs] if event & LEARN else None
            y = self._outputs(self.net.step(x.copy(), target.copy() if target is not None and learn else None))
            if not np.isfinite(y).all():
                scores.current[0, 0] = np.nan  # the trial has diverged, whether this step is judged or not
            if record.on[0]:
                self._record(sequences, scores, record, clock, y, target)
            record.tick[0] += 1
            if event & (JUDGE | END):
                self._state.y_k[0, : self._sizes.outputs] = y
                attention = judge_and_close(self._sizes, self._state, scores, sequences, record, clock)
            self._fresh = bool(sequences.event[clock, 0] & END)
            clock += 1
        if frozen is not None:
            for name, now in self.weights(0).items():
                if not np.array_equal(now, frozen[name], equal_nan=True):
                    allowed = "no change of what start has set while self.learning is False"
                    raise refusal(f"{name} of learner {self.name!r}", "changed by a step without a target", allowed)
        return clock

    def _outputs(self, outputs: npt.ArrayLike | None) -> Floats:
        """What `step` has returned, shape (output,)."""
        n = self._sizes.outputs
        try:
            y = np.asarray("" if outputs is None else outputs, np.float64)  # None would be NaN
        except (TypeError, ValueError):
            raise refusal(f"what step of learner {self.name!r} returns", outputs, f"{n} numbers") from None
        if y.shape != (n,) and not (n == 1 and y.shape == ()):
            what = f"of shape {y.shape}" if y.ndim else shown(outputs)
            raise refusal(f"what step of learner {self.name!r} returns", what, f"an array of shape ({n},)")
        return y.reshape(n)

    def _record(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, y: Floats, target: Floats | None
    ) -> None:
        """Append the step as `layout` has it."""
        d = np.full(y.shape, np.nan) if target is None else target
        parts = [
            sequences.symbol[clock, :1] if self.symbols else sequences.inputs[clock, :, 0],
            d,
            y,
            np.where(np.isnan(d), 0.0, d - y),
            *(self._traced(name).reshape(-1) for name in self.rule.traced),
        ]
        row = record.rows[0, record.used[0]]
        row[:HEAD] = scores.index[0], record.tick[0] - record.begun[0]
        row[HEAD:] = np.concatenate(parts)
        record.used[0] += 1
