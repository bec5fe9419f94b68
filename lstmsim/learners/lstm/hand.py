"""Nets stepped by hand: quick single steps, learning after a prediction, and the way back from a step that diverged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import numpy as np

from lstmsim.kernels.arrays import Array, Flags
from lstmsim.kernels.compile import Machine, bound
from lstmsim.kernels.recording import HEAD, new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import LEARN, new_sequences
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.weights import Floats

V = TypeVar("V", Floats, Floats | None)
KEPT = 64  # steps between two copies of the nets, from which the state before a step is found again


class DivergedError(ArithmeticError):
    """An activation, state or weight is no longer finite.

    The net is left as it was before the step that made it so. Of several nets the others have made all their steps.

    Attributes
    ----------
    step : int
        Number of that step: in `LSTM.run` among its inputs, by hand since the last reset, from 0.
    trial : int or None
        Which of several nets it was, the first in time; None where there is one net.
    steps : dict
        For several nets, by trial: the step at which each one diverged that did.
    """

    def __init__(self, step: int, steps: Mapping[int, int] | None = None) -> None:
        self.step, self.steps = step, dict(steps or {})
        self.trial = min(self.steps, key=lambda trial: (self.steps[trial], trial)) if steps else None
        who = "the net" if self.trial is None else f"the net of trial {self.trial}"
        super().__init__(f"{who} diverged at step {step}; that net is as it was before that step")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles keep the steps."""
        return DivergedError, (self.step, self.steps)


class Held(Protocol):
    """One net, or several side by side: what `LSTM` needs of them; with several, arrays begin with the trial."""

    predicted: bool  # the last thing done was a step without a target

    @property
    def steps(self) -> int:
        """Steps since the last reset."""

    @property
    def row(self) -> Floats:
        """The last step as it is recorded."""

    def do(self, x: Floats | None, target: Floats | None) -> Floats:
        """Make a step with inputs, or without them learn at the step just made; the outputs, before weights change."""

    def run(self, inputs: Floats, targets: Floats | None, *, learn: bool) -> Floats:
        """Steps over inputs (step, input) and targets (step, output); the recorded rows, (step, column)."""

    def arrays(self, *, copied: bool = False) -> list[Array]:
        """Every array once, or copies of them."""

    def go_back(self, arrays: list[Array], steps: int) -> None:
        """Take the arrays, and the number of steps, as they were once."""

    def forget(self) -> None:
        """Begin the log anew: something else has changed the nets."""

    def reset(self) -> None:
        """Activations, cell states and partials to zero."""


class Hand:
    """The nets of one holder, the step that is handed to their kernel, and the log of the latest steps.

    Parameters
    ----------
    nets : LaneNets
        Holder of the nets.
    trials : int, optional
        How many of its lanes hold one; arrays then begin with them. None: one net, and no such dimension.

    Attributes
    ----------
    nets, trials
        As given.
    steps : int
        Steps since the last reset.
    predicted : bool
        Whether the last thing done was a step without a target.
    """

    def __init__(self, nets: LaneNets, trials: int | None = None) -> None:
        self.nets, shape, state, lanes = nets, nets.nets.shape, nets.nets.state, nets.lanes
        self.trials, self.steps, self.predicted = trials, 0, False
        self.used: int | slice = 0 if trials is None else slice(trials)
        self.sequences = new_sequences(lanes, 1, shape.inputs, np.zeros((lanes, shape.output_stride)), 0)
        self.sequences.learn[0] = np.arange(lanes)
        self.scores, self.record = new_scores(lanes), new_record(lanes, 1, nets.layout.width, 0)
        self.record.on[self.used] = True
        self._event, self._x = self.sequences.event[0], self.sequences.inputs[0].T[self.used]
        self._target, self._y = self.sequences.targets[self.used, : shape.outputs], state.y_k[self.used, : shape.outputs]
        self._row = self.record.rows[self.used, 0]
        self._computed = self._row[..., HEAD + shape.inputs + shape.outputs :]  # all but inputs and targets
        self._at_end = bool(nets.nets.rule.update_at_end)
        self._kernel: Machine | None = None
        self._learn: Machine | None = None
        self._copy: list[Array] | None = None  # arrays as they were when the log was begun
        self._copied_at = 0
        self._log: list[tuple[Floats | None, Floats | None]] = []

    @property
    def row(self) -> Floats:
        """The last step as it is recorded."""
        return self._row

    def do(self, x: Floats | None, target: Floats | None) -> Floats:
        """Make a step with inputs, or without them learn at the step just made; the outputs, before weights change.

        Raises
        ------
        DivergedError
            If anything that is recorded of the step, the norm of the weights' change among it, is not finite.
        """
        if self._copy is None or len(self._log) >= KEPT:
            self._copy, self._log, self._copied_at = self.arrays(copied=True), [], self.steps
        self._log.append((x, target))
        self._call(x, target)
        self.predicted = target is None
        if not np.isfinite(self._computed).all():
            self._undo(self._copy)
        return self._y.copy()

    def _undo(self, copy: list[Array]) -> None:
        """Bring the nets that diverged back to before the step, let the others make it, and raise."""
        bad, last = ~np.isfinite(self._computed).all(axis=-1), [self._log.pop()]
        while last[0][0] is None and self._log:
            last.insert(0, self._log.pop())
        begun = self._log
        self.go_back(copy, self._copied_at)
        for step in begun:
            self._call(*step)
        steps = self.steps
        if bad.ndim and not bad.all():
            kept = {lane: self.nets.kept(lane) for lane in np.flatnonzero(bad).tolist()}
            for step in last:
                self._call(*step)
            for lane, parts in kept.items():
                self.nets.put_back(lane, parts)
        self._row[bad] = np.nan
        self.forget()
        raise DivergedError(steps, dict.fromkeys(np.flatnonzero(bad).tolist(), steps) if bad.ndim else None)

    def _call(self, x: Floats | None, target: Floats | None) -> None:
        self._event[self.used] = 0 if target is None else LEARN
        if target is not None:
            self._target[...] = target
        if x is None:
            nets = self.nets.nets, self.sequences, self.scores, self.record
            if self._learn is None:
                self._learn = bound(self.nets.learn_last, *nets)
            self._learn(*nets)
        else:
            self._x[...], self.record.used[:] = x, 0
            arguments = self.nets.nets, self.sequences, self.scores, self.record, 0, 1, True, True
            if self._kernel is None:
                self.nets.set_rates(self.scores.index)
                self._kernel = bound(self.nets.kernel, *arguments)
            self._kernel(*arguments)
            self.steps += 1
        if self._at_end and target is not None:
            self.nets.apply_changes(slice(None))

    def arrays(self, *, copied: bool = False) -> list[Array]:
        """Every array of the nets once, or copies of them."""
        arrays = {id(part): part for struct in self.nets.structs for part in struct if isinstance(part, np.ndarray)}
        return [array.copy() for array in arrays.values()] if copied else list(arrays.values())

    def go_back(self, arrays: list[Array], steps: int) -> None:
        """Take the nets' arrays, and their number of steps, as they were once."""
        for array, before in zip(self.arrays(), arrays, strict=True):
            array[...] = before
        self.steps, self.predicted = steps, False

    def forget(self) -> None:
        """Begin the log anew: something else has changed the nets."""
        self._copy, self.predicted = None, False

    def reset(self) -> None:
        """Activations, cell states and partials to zero."""
        self.nets.reset(slice(None))
        self.steps = 0
        self.forget()

    def run(self, inputs: Floats, targets: Floats | None, *, learn: bool) -> Floats:
        """Steps of the kernel over inputs (step, input) and targets (step, output); the recorded rows, (step, column).

        Raises
        ------
        DivergedError
            With the number of the first step of which something recorded is not finite.
        """
        begun, before = self.steps, self.arrays(copied=True)
        advance = self._ready(inputs, targets, learn=learn)
        count = inputs.shape[-2]
        rows = advance(0, count)
        fine = np.all(np.isfinite(rows[..., HEAD + inputs.shape[-1] + self.nets.nets.shape.outputs :]), axis=-1)
        if not fine.all():
            self.go_back(before, begun)
            self._run_on(advance, fine)
        self.nets.apply_changes(slice(None))
        self.forget()
        return rows

    def _run_on(self, advance: Callable[[int, int], Floats], fine: Flags) -> None:
        """Make the steps again, those of a net that diverges up to there, and raise."""
        stop = np.where(fine.all(axis=-1), fine.shape[-1], np.argmin(fine, axis=-1))
        diverged = {lane: int(n) for lane, n in enumerate(np.atleast_1d(stop)) if n < fine.shape[-1]}
        last = fine.shape[-1] if len(diverged) < stop.size else max(diverged.values())
        kept, at = {}, 0
        for step in sorted({*diverged.values()}):
            advance(at, step)
            for lane in (lane for lane, n in diverged.items() if n == step):
                self.nets.apply_changes(lane)
                if step < last:
                    kept[lane] = self.nets.kept(lane)
            at = step
        advance(at, last)
        self.nets.apply_changes(slice(None))
        for lane, parts in kept.items():
            self.nets.put_back(lane, parts)
        self.forget()
        raise DivergedError(min(diverged.values()), diverged if fine.ndim > 1 else None)

    def _ready(self, inputs: Floats, targets: Floats | None, *, learn: bool) -> Callable[[int, int], Floats]:
        """Lay a run's sequences ready; a function that makes the steps from one to before another and gives their rows."""
        shape, lanes, count = self.nets.nets.shape, self.nets.lanes, inputs.shape[-2]
        table = np.zeros((0 if targets is None else targets.size // targets.shape[-1], shape.output_stride))
        sequences = new_sequences(lanes, count, shape.inputs, table, 0)
        sequences.inputs.transpose(2, 0, 1)[self.used] = inputs
        if targets is not None:
            sequences.targets[:, : shape.outputs] = targets.reshape(-1, shape.outputs)
            sequences.event.T[self.used] = np.where(np.isnan(targets[..., 0]), 0, LEARN)
            sequences.learn.T[self.used] = np.arange(len(table)).reshape(targets.shape[:-1])
        record = new_record(lanes, count, self.nets.layout.width, 0)
        record.on[self.used] = True

        def advance(start: int, stop: int) -> Floats:
            if start == 0:
                record.used[:] = record.tick[:] = 0
            self.nets.advance(sequences, self.scores, record, start, stop, learn=learn, track=True)
            self.steps += stop - start
            rows: Floats = record.rows[self.used]
            return rows

        return advance


class SideBySide:
    """Several nets, on the lanes of one holder or more; every array begins with the trial.

    Parameters
    ----------
    hands : list of Hand
        Each with its trials, in their order.
    """

    def __init__(self, hands: list[Hand]) -> None:
        self._hands = hands
        ends = np.cumsum([hand.trials or 1 for hand in hands]).tolist()
        self._parts = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    @property
    def steps(self) -> int:
        """Steps since the last reset."""
        return self._hands[0].steps

    @property
    def predicted(self) -> bool:
        """Whether the last thing done was a step without a target."""
        return all(hand.predicted for hand in self._hands)

    @predicted.setter
    def predicted(self, value: bool) -> None:
        for hand in self._hands:
            hand.predicted = value

    @property
    def row(self) -> Floats:
        """The last step of each net as it is recorded."""
        return np.concatenate([hand.row for hand in self._hands])

    def do(self, x: Floats | None, target: Floats | None) -> Floats:
        """As `Hand.do`; inputs and targets are shared, or begin with the trial."""
        return self._each(lambda hand, part: hand.do(_own(x, part, 2), _own(target, part, 2)))

    def run(self, inputs: Floats, targets: Floats | None, *, learn: bool) -> Floats:
        """As `Hand.run`; inputs and targets are shared, or begin with the trial."""
        return self._each(lambda hand, part: hand.run(_own(inputs, part, 3), _own(targets, part, 3), learn=learn))

    def _each(self, do: Callable[[Hand, slice], Floats]) -> Floats:
        found: list[Floats] = []
        diverged: dict[int, int] = {}
        for hand, part in zip(self._hands, self._parts, strict=True):
            try:
                found.append(do(hand, part))
            except DivergedError as error:
                diverged |= {part.start + lane: step for lane, step in error.steps.items()}
        if diverged:
            self.predicted = False
            raise DivergedError(min(diverged.values()), diverged)
        return np.concatenate(found)

    def arrays(self, *, copied: bool = False) -> list[Array]:
        """Every array of the nets once, or copies of them."""
        return [array for hand in self._hands for array in hand.arrays(copied=copied)]

    def go_back(self, arrays: list[Array], steps: int) -> None:
        """Take the nets' arrays, and their number of steps, as they were once."""
        for hand in self._hands:
            count = len(hand.arrays())
            hand.go_back(arrays[:count], steps)
            arrays = arrays[count:]

    def forget(self) -> None:
        """Begin the logs anew: something else has changed the nets."""
        for hand in self._hands:
            hand.forget()

    def reset(self) -> None:
        """Activations, cell states and partials to zero."""
        for hand in self._hands:
            hand.reset()


def _own(values: V, part: slice, ndim: int) -> V:
    """What belongs to some of the trials, of values that may begin with the trial."""
    return values[part] if values is not None and values.ndim == ndim else values


class Recording:
    """Steps made by hand, recorded while they are made.

    Parameters
    ----------
    shape : tuple of int
        Of what is recorded of a step: its values, for several nets after the trial.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._rows, self.count = np.zeros((1024, *shape)), 0

    def take(self, row: Floats, *, again: bool) -> None:
        """Keep one step's row, in place of the last one where the net has learned from that step since."""
        if again:
            if not self.count:
                return  # that step was made before the recording began
            self.count -= 1
        if self.count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self.count] = row
        self.count += 1

    @property
    def rows(self) -> Floats:
        """A copy of the rows so far, shape (step, column) or (trial, step, column)."""
        return np.moveaxis(self._rows[: self.count], 0, -2).copy()
