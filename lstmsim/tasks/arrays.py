"""A task of recordings: sequences that stand in arrays, lists, xarray or pandas."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence as Items
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from lstmsim.checks import Field, Flag, Real, floats, is_pandas, is_xarray, refusal, settings
from lstmsim.kernels.arrays import Array, Floats, Ints
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Task

if TYPE_CHECKING:
    import xarray as xr

_DATA = {"data": True}  # no setting of an experiment
_WAYS_OUT = "leave these steps out, fill them in, or add an input that says what is missing"
_FORMS = "an array (sequence, step, {0}), a list of arrays (step, {0}), or xarray with the dimensions sequence, step, {0}"


@kernel
def fill(sequences, horizon, inputs, begins, rows, in_order):
    """Write recorded sequences drawn at random or in order; `rows` names the target of each step, -1 where there is none."""
    count, n_inputs = begins.size - 1, inputs.shape[1]
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            number = sequences.index[lane] % count
            key, start, _row = begin_sequence(sequences, lane)
            if not in_order:
                number = below(key, 0, count)
            first = begins[number]
            length = begins[number + 1] - first
            for t in range(length):
                for i in range(n_inputs):
                    sequences.inputs[start + t, i, lane] = inputs[first + t, i]
                if rows[first + t] >= 0:
                    set_target(sequences, lane, start + t, rows[first + t], rows[first + t])
            end_sequence(sequences, lane, length)


@dataclass(frozen=True, eq=False)
class Recording:
    """Sequences one after another.

    Attributes
    ----------
    values : ndarray, shape (step, unit)
    begins : ndarray of int64, shape (sequence + 1,)
        First step of each sequence, and the end of the last.
    """

    values: Floats
    begins: Ints

    @cached_property
    def digest(self) -> str:
        """Digest of both arrays."""
        return hashlib.sha256(
            self.values.tobytes() + self.begins.tobytes() + bytes(str(self.values.shape), "ascii")
        ).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recording) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<{len(self.begins) - 1} sequences of {self.values.shape[1]} units, {self.digest[:8]}>"

    @property
    def lengths(self) -> Ints:
        """Steps of each sequence."""
        return np.diff(self.begins)


@settings
class ArrayTask(CompiledTask):
    """Recorded sequences, drawn at random anew for each trial and sequence, or taken in order.

    Parameters
    ----------
    inputs : array, list of arrays, or xarray.DataArray
        Shape (sequence, step, input); or a list of arrays (step, input) of any lengths, pandas.DataFrame and one-dimensional
        ones of a single input too; or a DataArray with the dimensions sequence, step and input, in any order, of which
        sequence may be missing. No number may be missing.
    targets : the same, optional
        With `output` for `input`. NaN, in all outputs of a step: no target there; they may stand at any steps, at least at
        one of each sequence. Where both have labels along time, they must be the same. None: the inputs of the next step.
    test : tuple of two, optional
        (inputs, targets) that trials are tested on, in order. Without it the training data serve as test data too, in order:
        such a test says nothing about sequences that were not seen.
    tolerance : float, optional
        Largest |error| of a correct sequence, exclusive; without it no sequence counts as correct, and the stopping rule has
        the mean error alone to go by.
    in_order : bool
        Sequence number n of a trial is n modulo the number of sequences, instead of one drawn at random.

    Raises
    ------
    ValueError
        Naming the argument, what is wrong with it, and what is allowed.
    """

    inputs: Any = field(metadata=_DATA)
    targets: Any = field(default=None, metadata=_DATA)
    _: KW_ONLY
    test: Any = field(default=None, metadata=_DATA)
    tolerance: Annotated[Real, Field(ge=0)] | None = None  # type: ignore[assignment]
    in_order: Flag = False

    name = "arrays"

    def __post_init__(self) -> None:
        """Bring what was given into one form."""
        inputs, targets = _pair("inputs", self.inputs, "targets", self.targets)
        test = self.test
        if test is not None:
            if not isinstance(test, tuple | list) or len(test) != 2:
                raise refusal("test", type(test).__name__, "two: (inputs, targets)")
            test = _pair("test[0]", test[0], "test[1]", test[1])
            for name, given, own in (("test[0]", test[0], inputs), ("test[1]", test[1], targets)):
                if given.values.shape[1] != own.values.shape[1]:
                    raise refusal(f"units of {name}", given.values.shape[1], f"{own.values.shape[1]}, as in training")
        for name, value in (("inputs", inputs), ("targets", targets), ("test", test), ("tolerance", self.tolerance or 0.0)):
            object.__setattr__(self, name, value)

    n_inputs = property(lambda self: self.inputs.values.shape[1], doc="Input units.")
    n_outputs = property(lambda self: self.targets.values.shape[1], doc="Output units.")
    max_length = property(lambda self: int(self.inputs.lengths.max()), doc="Longest sequence in steps.")
    min_length = property(lambda self: int(self.inputs.lengths.min()), doc="Shortest sequence in steps.")

    @cached_property
    def rows(self) -> Ints:
        """Number of each step's target among those that there are; -1 where there is none."""
        there = np.isfinite(self.targets.values[:, 0])
        return np.where(there, np.cumsum(there) - 1, -1)

    def fixed_rows(self) -> Floats:
        """One row for each step that has a target."""
        return self.targets.values[self.rows >= 0]

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.inputs.values, self.inputs.begins, self.rows, self.in_order)

    def test_sets(self) -> list[Task]:
        """Return the test data in order, or the training data where there are none."""
        if self.test is None:
            return [replace(self, in_order=True)]
        return [ArrayTask(*self.test, tolerance=self.tolerance, in_order=True)]


def _pair(first: str, inputs: object, second: str, targets: object) -> tuple[Recording, Recording]:
    """Inputs and targets as they belong together."""
    if targets is None and not isinstance(inputs, Recording):
        shown, labels = _recorded(first, inputs, "input")
        if shown.lengths.min() < 2:
            raise refusal(f"the length of a sequence of {first}", 1, "at least 2 where the next step is the target")
        keep = np.ones(len(shown.values), bool)
        keep[shown.begins[1:] - 1] = False
        later = np.ones(len(shown.values), bool)
        later[shown.begins[:-1]] = False
        begins = shown.begins - np.arange(len(shown.begins))
        return _complete(first, Recording(shown.values[keep], begins)), Recording(shown.values[later], begins)
    shown, labels = _recorded(first, inputs, "input")
    wanted, others = _recorded(second, targets, "output")
    if len(shown.begins) != len(wanted.begins):
        raise refusal(f"sequences of {second}", len(wanted.begins) - 1, f"{len(shown.begins) - 1}, as {first} has")
    if (shown.begins != wanted.begins).any():
        number = int(np.argmax(shown.lengths != wanted.lengths))
        own = f"{shown.lengths[number]}, as {first} has"
        raise refusal(f"steps of sequence {number} of {second}", int(wanted.lengths[number]), own)
    for number, (label, other) in enumerate(zip(labels, others, strict=True) if labels and others else ()):
        if label is not None and other is not None and not np.array_equal(label, other):
            place = int(np.argmax(np.asarray(label) != np.asarray(other)))
            own = f"{label[place]}, as {first} has"
            raise ValueError(f"the label of step {place} of sequence {number} of {second} is {other[place]}; allowed: {own}")
    there = np.isfinite(wanted.values)
    if np.isinf(wanted.values).any():
        raise refusal(second, "infinite somewhere", "finite numbers, or NaN where there is no target")
    if (there.any(axis=1) != there.all(axis=1)).any():
        step = _place(wanted, int(np.argmax(there.any(axis=1) != there.all(axis=1))))
        raise ValueError(f"{second} is NaN in some outputs of {step}; allowed: in all outputs of a step, or in none")
    targeted = np.add.reduceat(there[:, 0], wanted.begins[:-1])
    if not targeted.all():
        raise ValueError(f"{second} has no target in sequence {int(np.argmin(targeted > 0))}; allowed: at least one in each")
    return _complete(first, shown), wanted


def _place(recording: Recording, step: int) -> str:
    """Name a step."""
    number = int(np.searchsorted(recording.begins, step, side="right")) - 1
    return f"step {step - recording.begins[number]} of sequence {number}"


def _complete(name: str, recording: Recording) -> Recording:
    """Refuse inputs that are missing."""
    missing = ~np.isfinite(recording.values).all(axis=1)
    if missing.any():
        raise ValueError(
            f"{name} is not finite at {_place(recording, int(np.argmax(missing)))}, and {int(missing.sum())} steps in all; "
            f"allowed: finite numbers: {_WAYS_OUT}"
        )
    return recording


def _recorded(name: str, given: object, unit: str) -> tuple[Recording, list[Array | None]]:
    """Bring data into one form, with the labels along time of each sequence, or None; none at all where there are none."""
    if isinstance(given, Recording):
        return given, []
    forms = _FORMS.format(unit)
    if is_xarray(given):
        pieces = _of_xarray(name, given, unit)
    elif is_pandas(given):
        pieces = [given]
    elif isinstance(given, np.ndarray) and not isinstance(given, np.ma.MaskedArray):
        if given.ndim != 3:
            raise refusal(f"the shape of {name}", given.shape, f"{forms}; one sequence is [{name}]")
        pieces = list(given)
    elif isinstance(given, Items) and not isinstance(given, str | bytes):
        pieces = []
        for item in given:
            pieces += _of_xarray(name, item, unit) if is_xarray(item) else [item]
    else:
        raise refusal(name, type(given).__name__, forms)
    if not pieces:
        raise refusal(f"the number of sequences of {name}", 0, "at least 1")
    values: list[Floats] = []
    labels = []
    for number, piece in enumerate(pieces):
        labels.append(_labels(piece))
        try:
            value = floats(piece)
        except (TypeError, ValueError, OverflowError):
            raise refusal(f"sequence {number} of {name}", type(piece).__name__, f"numbers (step, {unit})") from None
        value = value[:, None] if value.ndim == 1 else value
        if value.ndim != 2 or 0 in value.shape:
            raise refusal(f"the shape of sequence {number} of {name}", value.shape, f"(step, {unit}), at least 1 of each")
        if values and value.shape[1] != values[0].shape[1]:
            own = f"{values[0].shape[1]}, as in sequence 0"
            raise refusal(f"units of sequence {number} of {name}", value.shape[1], own)
        values.append(value)
    begins = np.cumsum([0, *map(len, values)])
    return Recording(np.ascontiguousarray(np.concatenate(values)), begins), labels


def _of_xarray(name: str, given: xr.DataArray, unit: str) -> list[xr.DataArray]:
    """Sequences of a DataArray; `sequence` and the unit may be missing where there is one of them."""
    known = ("sequence", "step", unit)
    if "step" not in given.dims or not set(given.dims) <= set(known):
        raise refusal(f"the dimensions of {name}", given.dims, f"step, and sequence and {unit} where there are several")
    given = given.transpose(*(dim for dim in known if dim in given.dims))
    return [given] if "sequence" not in given.dims else [given[n] for n in range(given.sizes["sequence"])]


def _labels(piece: object) -> Array | None:
    """Labels along time of one sequence, if it has some."""
    if is_xarray(piece):
        return piece.indexes["step"].to_numpy() if "step" in piece.indexes else None
    return piece.index.to_numpy() if is_pandas(piece) else None
