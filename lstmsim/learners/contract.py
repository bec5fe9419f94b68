"""What every learner must do, as functions that anybody can run on a learner of one's own."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping

import numpy as np

from lstmsim.checks import refusal
from lstmsim.kernels.recording import HEAD, Layout, new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences, new_sequences
from lstmsim.learners.base import LearnerSettings, StepLearner
from lstmsim.learners.base import learner as learner_of
from lstmsim.learners.weights import Floats, Weights

_LENGTHS = (7, 1, 5, 9, 4, 6)  # steps of the sequences that learners are checked on
Make = Callable[[], StepLearner]


def check(learner: str | type, settings: LearnerSettings | None = None, *, symbols: bool | None = None) -> None:
    """Check that a learner does what a trial relies on: see the functions of `CHECKS`, and that its settings can be pickled.

    Parameters
    ----------
    learner : str or type
        A class that is registered, or its name.
    settings : LearnerSettings, optional
        Settings to check it with; by default its own defaults, for three inputs and two outputs.
    symbols : bool, optional
        Whether the inputs are one-hot; both are tried by default.

    Raises
    ------
    ValueError
        If the learner is not registered, or fails: with a line for each check that it fails.
    Exception
        What the learner itself raises.
    """
    made = _registered(learner)
    if settings is None:
        settings = made.Settings(n_inputs=3, n_outputs=2)
    failures: list[str] = []
    cause: Exception | None = None
    try:
        settings_can_be_pickled(settings)
    except Failed as failure:
        failures.append(f"settings_can_be_pickled: {failure}")
    for one_hot in (False, True) if symbols is None else (symbols,):

        def make(one_hot: bool = one_hot) -> StepLearner:
            return made.make(settings, 1, symbols=one_hot)

        for name, function in CHECKS.items():
            try:
                function(make)
            except (Failed, ValueError) as failure:
                failures.append(f"{name}{' with one-hot inputs' if one_hot else ''}: {failure}")
                cause = failure
    if failures:
        raise ValueError("\n  ".join([f"learner {made.name!r} fails {len(failures)} checks:", *failures])) from cause


class Failed(AssertionError):
    """A learner does not do what a trial relies on."""


def _registered(learner: object) -> type[StepLearner]:
    """The class in the table of learners that a class or a name stands for."""
    name = learner if isinstance(learner, str) else vars(learner).get("name") if isinstance(learner, type) else None
    if name is None:
        raise refusal("learner", learner, "the name of a learner, or a class with @lstmsim.learners.register(...) before it")
    found = learner_of(name)
    if not issubclass(found, StepLearner):
        raise refusal("learner", name, "a learner that goes step by step through sequences")
    return found


def weights_belong_to_the_seed(make: Make) -> None:
    """The same seed gives the same weights, in a net that has learned before as in a new one."""
    one, other = make(), make()
    one.start(0, (5, 1))
    other.start(0, (5, 2))
    _run(other, 0, 3)
    other.start(0, (5, 1))
    _same(one.weights(0), other.weights(0), "the same seed gave other initial weights")


def weights_make_a_round_trip(make: Make) -> None:
    """`weights` gives copies, finite and of the dimensions named, and `set_weights` takes them."""
    one, other = make(), make()
    one.start(0, (1, 0))
    other.start(0, (2, 0))
    weights = one.weights(0)
    other.set_weights(0, weights)
    _same(weights, other.weights(0), "set_weights did not take what weights gave")
    sizes = one.layout.sizes | {dim: len(labels) for dim, labels in one.weight_labels.items()}
    for name, group in weights.items():
        _require(np.isfinite(group).all(), f"initial weights {name} are not finite")
        dims = one.weight_dims.get(name, ())
        _require(group.ndim == len(dims), f"weights {name} have shape {group.shape}, but the dimensions {dims}")
        for dim, size in zip(dims, group.shape, strict=True):
            _require(
                sizes.get(dim, size) == size, f"dimension {dim} of weights {name} is {size}, elsewhere {sizes.get(dim)}"
            )
    before = one.weights(0)
    for group in weights.values():
        group[...] = 7.0
    _same(before, one.weights(0), "changing what weights gave changed the net")


def rows_hold_what_the_layout_says(make: Make) -> None:
    """Recorded steps have the layout's columns: inputs and targets as given, numbers for the outputs, the time."""
    one = make()
    one.start(0, (1, 0))
    rows = _run(one, 0, len(_LENGTHS))
    layout, given = one.layout, _examples(one)
    _require(rows.shape == (sum(_LENGTHS), layout.width), f"{rows.shape} rows and columns for {sum(_LENGTHS)} steps")
    numbers = np.repeat(np.arange(len(_LENGTHS)), _LENGTHS)
    times = np.concatenate([np.arange(length) for length in _LENGTHS])
    _require(np.array_equal(rows[:, :HEAD].T, [numbers, times]), "the number of the sequence or the time is wrong")
    columns = _columns(layout, rows)
    learned = (given.event[:, 0] & LEARN) != 0
    targets = np.where(learned[:, None], given.targets[given.learn[:, 0], : layout.sizes["output_unit"]], np.nan)
    inputs = given.symbol if layout.one_hot else given.inputs[:, :, 0]
    _require(np.array_equal(columns["input"], inputs), "recorded inputs are not those given")
    _require(np.array_equal(columns["target"], targets, equal_nan=True), "recorded targets are not those given")
    _require(np.isfinite(columns["output"]).all(), "outputs are not finite")
    _require((columns["output_error"][~learned] == 0).all(), "output errors without a target are not 0")


def reset_forgets_the_sequence(make: Make) -> None:
    """With frozen weights a sequence gives the same steps whatever came before, also one that was left in the middle."""
    one = make()
    one.start(0, (0, 0))
    carried = one.carried(0)
    first = _run(one, 0, 1, learn=False)
    _run(one, 3, 4, learn=False, stop=4)
    one.reset(0)
    one.set_carried(0, carried)  # a net that draws random numbers draws the same again
    again = _run(one, 0, 1, learn=False)
    _require(_equal(first[:, HEAD:], again[:, HEAD:]), "after reset the same sequence gave other steps")


def frozen_weights_stay(make: Make) -> None:
    """Without learning no weight changes."""
    one = make()
    one.start(0, (0, 0))
    _run(one, 0, 3)
    before = one.weights(0)
    _run(one, 3, 6, learn=False)
    _same(before, one.weights(0), "weights changed without learning")


def trials_do_not_meet(make: Make) -> None:
    """A net learns the same alone as beside another one: nothing is shared, and no random numbers but its own are used."""
    alone, one, other = make(), make(), make()
    alone.start(0, (0, 3))
    expected = _run(alone, 0, 6)
    one.start(0, (0, 3))
    other.start(0, (0, 4))
    found = []
    for n in range(6):
        found.append(_run(one, n, n + 1, begun=n == 0))
        _run(other, n, n + 1, begun=n == 0)
    _require(_equal(expected[:, HEAD:], np.concatenate(found)[:, HEAD:]), "the same trial gave other steps")
    _same(alone.weights(0), one.weights(0), "the same trial ended with other weights")


def a_trial_can_be_resumed(make: Make) -> None:
    """A net made of another's weights, and what it carries over, goes on as that one does."""
    one, other = make(), make()
    one.start(0, (0, 1))
    _run(one, 0, 3)
    weights, carried = one.weights(0), one.carried(0)
    other.start(0, (9, 9))
    _run(other, 0, 2)
    other.reset(0)
    other.set_weights(0, weights)
    other.set_carried(0, carried)
    expected, found = _run(one, 3, 6, begun=False), _run(other, 3, 6, begun=False)
    text = "a resumed trial went on otherwise: something that learning needs is neither in the weights nor made by reset"
    _require(_equal(expected[:, HEAD:], found[:, HEAD:]), text)
    _same(one.weights(0), other.weights(0), text)


def a_stretch_can_be_cut(make: Make) -> None:
    """Steps may come in several calls, cut anywhere, also within a sequence."""
    finals = []
    for cut in (3, 10_000):
        one = make()
        one.start(0, (0, 0))
        _run(one, 0, 6, cut=cut)
        finals.append(one.weights(0))
    _same(finals[0], finals[1], "the weights depend on where a stretch of steps is cut")


def settings_can_be_pickled(settings: LearnerSettings) -> None:
    """Settings reach the workers of a cluster."""
    try:
        copied = pickle.loads(pickle.dumps(settings))
    except Exception as error:
        raise Failed(f"settings cannot be pickled ({error}): their class must stand at the top of a module") from error
    _require(copied == settings, "settings that were pickled are not the same")


CHECKS: Mapping[str, Callable[[Make], None]] = {
    function.__name__: function
    for function in (
        weights_belong_to_the_seed,
        weights_make_a_round_trip,
        rows_hold_what_the_layout_says,
        reset_forgets_the_sequence,
        frozen_weights_stay,
        trials_do_not_meet,
        a_trial_can_be_resumed,
        a_stretch_can_be_cut,
    )
}


def _require(held: object, text: str) -> None:
    if not held:
        raise Failed(text)


def _equal(one: Floats, other: Floats) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _same(one: Weights, other: Weights, text: str) -> None:
    differ = [name for name in one if name not in other or not _equal(one[name], other[name])]
    _require(one.keys() == other.keys() and not differ, f"{text} ({', '.join(differ)})")


def _columns(layout: Layout, rows: Floats) -> dict[str, Floats]:
    ends = np.cumsum([HEAD, *(width for _, width in layout.columns)])
    return {name: rows[:, begin:end] for (name, _), begin, end in zip(layout.columns, ends[:-1], ends[1:], strict=True)}


def _examples(learner: StepLearner) -> Sequences:
    """Random sequences for one lane, a target at every other step and at the last."""
    rng, layout = np.random.default_rng(7), learner.layout
    steps, n_inputs, n_outputs = sum(_LENGTHS), layout.sizes["input_unit"], layout.sizes["output_unit"]
    table = np.zeros((steps, -(-n_outputs // 8) * 8))
    table[:, :n_outputs] = rng.uniform(0.0, 1.0, (steps, n_outputs))
    given = new_sequences(1, steps, 0 if layout.one_hot else n_inputs, table, 0)
    given.inputs[:] = rng.uniform(-1.5, 1.5, given.inputs.shape)
    given.symbol[:, 0] = rng.integers(n_inputs, size=steps)
    ends = np.cumsum(_LENGTHS) - 1
    given.event[::2, 0] = given.event[ends, 0] = LEARN | JUDGE
    given.event[ends, 0] |= END
    given.learn[:, 0] = given.judge[:, 0] = np.arange(steps)
    given.active[0], given.write[0] = True, steps
    return given


def _run(
    learner: StepLearner, first: int, end: int, *, learn: bool = True, cut: int = 10_000, stop: int = 0, begun: bool = True
) -> Floats:
    """Let a learner go through the sequences `first` to `end` - 1, with `stop` that many steps of them; its recorded rows.

    With `begun` a reset comes first; `cut` divides the steps between calls.
    """
    begins = np.cumsum([0, *_LENGTHS])
    clock, last = int(begins[first]), int(begins[end])
    last = clock + stop if stop else last
    given, scores = _examples(learner), new_scores(1, window=4)
    record = new_record(1, last - clock, learner.layout.width, 0, first=len(_LENGTHS))
    record.on[0] = True
    scores.index[0] = first
    if begun:
        learner.reset(0)
    while clock < last:
        clock = learner.advance(given, scores, record, clock, min(clock + cut, last), learn=learn, track=learn)
    return record.rows[0, : record.used[0]].copy()
