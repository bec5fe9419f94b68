"""One net stepped by hand: quick single steps, learning after a prediction, and the way back from a step that diverged."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmsim.kernels.compile import bound
from lstmsim.kernels.recording import HEAD, new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import LEARN, new_sequences
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.weights import Floats

KEPT = 64  # steps between two copies of the net, from which the state before a step is found again


class DivergedError(ArithmeticError):
    """An activation, state or weight is no longer finite.

    The net is left as it was before the step that made it so.

    Attributes
    ----------
    step : int
        Number of that step: in `LSTM.run` among its inputs, by hand since the last reset, from 0.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"the net diverged at step {step}; the net is as it was before that step")
        self.step = step

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles keep the step."""
        return DivergedError, (self.step,)


class Hand:
    """A net, the step that is handed to its kernel, and the log of the latest steps.

    Parameters
    ----------
    nets : LaneNets
        Holder of the net, on its first lane.

    Attributes
    ----------
    steps : int
        Steps since the last reset.
    predicted : bool
        Whether the last thing done was a step without a target.
    record : Record
        Its first row holds the last step.
    """

    def __init__(self, nets: LaneNets) -> None:
        self.nets, shape, state = nets, nets.nets.shape, nets.nets.state
        self.steps, self.predicted = 0, False
        self.sequences = new_sequences(1, 1, shape.inputs, np.zeros((1, shape.output_stride)), 0)
        self.scores, self.record = new_scores(1), new_record(1, 1, nets.layout.width, 0)
        self.record.on[0], self.record.used[0] = True, 1
        self._event, self._x = self.sequences.event, self.sequences.inputs.reshape(-1)
        self._target, self._y = self.sequences.targets[0, : shape.outputs], state.y_k[0, : shape.outputs]
        self._computed = self.record.rows[0, 0, HEAD + shape.inputs + shape.outputs :]  # all but inputs and targets
        self._at_end = bool(nets.nets.rule.update_at_end)
        self._kernel: Any = None
        self._learn: Any = None
        self._copy: list[Any] | None = None  # arrays as they were when the log was begun
        self._copied_at = 0
        self._log: list[tuple[Floats | None, Floats | None]] = []

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
            while self._log.pop()[0] is None and self._log:
                pass
            self.go_back(self._copy, self._copied_at)
            for earlier in self._log:
                self._call(*earlier)
            raise DivergedError(self.steps)
        return self._y.copy()

    def _call(self, x: Floats | None, target: Floats | None) -> None:
        self._event[0, 0] = 0 if target is None else LEARN
        if target is not None:
            self._target[:] = target
        if x is None:
            nets = self.nets.nets, self.sequences, self.scores, self.record
            if self._learn is None:
                self._learn = bound(self.nets.learn_last, *nets)
            self._learn(*nets)
        else:
            self._x[:], self.record.used[0] = x, 0
            arguments = self.nets.nets, self.sequences, self.scores, self.record, 0, 1, True, True
            if self._kernel is None:
                self.nets.set_rates(self.scores.index)
                self._kernel = bound(self.nets.kernel, *arguments)
            self._kernel(*arguments)
            self.steps += 1
        if self._at_end and target is not None:
            self.nets.apply_changes(0)

    def arrays(self, *, copied: bool = False) -> list[Any]:
        """Every array of the net once, or copies of them."""
        arrays = {id(array): array for part in (self.nets.nets.weights, self.nets.nets.state) for array in part}
        return [array.copy() for array in arrays.values()] if copied else list(arrays.values())

    def go_back(self, arrays: list[Any], steps: int) -> None:
        """Take the net's arrays, and its number of steps, as they were once."""
        for array, before in zip(self.arrays(), arrays, strict=True):
            array[...] = before
        self.steps, self.predicted = steps, False

    def forget(self) -> None:
        """Begin the log anew: something else has changed the net."""
        self._copy, self.predicted = None, False

    def reset(self) -> None:
        """Activations, cell states and partials to zero."""
        self.nets.reset(0)
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
        rows = self._run(inputs, targets, learn=learn)
        fine = np.isfinite(rows[:, HEAD + inputs.shape[1] + self.nets.nets.shape.outputs :]).all(axis=1)
        if not fine.all():
            step = int(np.argmin(fine))
            self.go_back(before, begun)
            self._run(inputs[:step], None if targets is None else targets[:step], learn=learn)
            raise DivergedError(step)
        return rows

    def _run(self, inputs: Floats, targets: Floats | None, *, learn: bool) -> Floats:
        shape, count = self.nets.nets.shape, len(inputs)
        table = np.zeros((count if targets is not None else 0, shape.output_stride))
        sequences = new_sequences(1, count, shape.inputs, table, 0)
        sequences.inputs[:, :, 0] = inputs
        if targets is not None:
            sequences.targets[:, : shape.outputs] = targets
            sequences.event[:, 0] = np.where(np.isnan(targets[:, 0]), 0, LEARN)
            sequences.learn[:, 0] = np.arange(count)
        record = new_record(1, count, self.nets.layout.width, 0)
        record.on[0] = True
        self.nets.advance(sequences, self.scores, record, 0, count, learn=learn, track=True)
        self.nets.apply_changes(0)
        self.steps += count
        self.forget()
        rows: Floats = record.rows[0]
        return rows


class Recording:
    """Steps of a net made by hand, recorded while they are made.

    Parameters
    ----------
    width : int
        Values of a recorded step.
    """

    def __init__(self, width: int) -> None:
        self._rows, self.count = np.zeros((1024, width)), 0

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
        """A copy of the rows so far, shape (step, column)."""
        return self._rows[: self.count].copy()
