"""Streams: where they end, what is counted, and the same bits whatever lanes, checkpoints and recording are."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

import lstmsim
from lstmsim import tasks
from lstmsim.checks import settings
from lstmsim.kernels.random import below, trial_keys
from lstmsim.learners import Learner, LearnerSettings, LSTMSettings, learner, register
from lstmsim.learners.base import _TABLE, StepLearner
from lstmsim.learners.over_time import HistoryLearner
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks import Task
from lstmsim.tasks.continual_reber import ContinualReber
from tests.learners.test_contract import CASES
from tests.test_checkpoint import Kept, run
from tests.test_simulate import assert_same, rows_of

STREAMS, LIMIT = 150, 60


@settings
class Lenient(ContinualReber):
    """Streams that are longer than one string before anything is learned."""

    stream_steps: int = LIMIT
    test_steps: int = 40
    tolerance: ClassVar[float] = 0.8


NET = LSTMSettings(n_blocks=2, block_size=2, learning_rate=0.2, init_range=0.2)
STOP = StoppingRule(wrong=0, test=5, test_every=40, window=50, max_sequences=STREAMS, final_test=7)
CONFIG = Experiment(Lenient(), NET, STOP)
ALL = Policy.parse("all")


def simulate(config, trials=range(3), *, lanes=8, policy=ALL):
    return {result.trial: result for result in Simulation(config, 0, lanes, policy).run(iter(trials))}


@pytest.fixture(scope="module")
def alone():
    return simulate(CONFIG, lanes=1)


def walk(task, trial, streams, step, reset):
    """Steps of each stream as its definition has it, for a net that `step(x, target)` steps and that learns."""
    lengths, number = [], 0
    for _ in range(streams):
        reset()
        steps = 0
        while steps < task.stream_steps:
            for x, target in zip(*task.sequence(0, trial, number), strict=True):
                steps += 1
                wrong = np.abs(step(x, target) - target).max() >= task.tolerance
                if wrong or steps == task.stream_steps:
                    break
            number += 1
            if wrong:
                break
        lengths.append(steps)
    return lengths


def test_streams_of_a_net_stepped_by_hand(alone):
    for trial, result in alone.items():
        net = lstmsim.LSTM.from_weights(CONFIG.settings, CONFIG.settings.initial_weights((0, trial)))
        lengths = walk(CONFIG.task, trial, result.sequences, net.step, net.reset)
        rows = rows_of(result)
        assert np.bincount(rows[:, 0].astype(int)).tolist() == lengths
        assert result.steps == sum(lengths)
        assert min(lengths) < 9 <= max(lengths)  # the shortest string: some streams end within one, some do not
        for name, values in net.weights.items():
            np.testing.assert_allclose(result.final[name], values, rtol=1e-9, atol=1e-12)  # symbols have their own sums


@pytest.mark.parametrize("lanes", [2, 8, pytest.param(16, marks=pytest.mark.slow)])
def test_same_bits_for_any_number_of_lanes(lanes, alone):
    for trial, result in simulate(CONFIG, lanes=lanes).items():
        assert_same(result, alone[trial])


@pytest.mark.parametrize("tested", [10, 20])
def test_every_lane_of_a_test_has_the_weights(tested):
    """Whatever streams and lanes: ten streams on eight lanes, when lanes had equal shares, left three lanes empty."""
    config = dataclasses.replace(CONFIG, stop=dataclasses.replace(STOP, test=tested, final_test=tested, max_sequences=40))
    (alone,) = simulate(config, [0], lanes=1, policy=Policy.parse("none")).values()
    (found,) = simulate(config, [0], lanes=8, policy=Policy.parse("none")).values()
    assert_same(found, alone, recorded=False)


@pytest.mark.parametrize("text", ["none", "default", "first:7,last:5", "every:13"])
def test_same_bits_whatever_is_recorded(text, alone):
    policy = Policy.parse(text)
    for trial, result in simulate(CONFIG, policy=policy).items():
        assert_same(result, alone[trial], recorded=False)
        if text == "none":
            continue
        rows = rows_of(alone[trial])
        number = rows[:, 0]
        kept = (number < policy.first) | (number >= result.sequences - policy.last) | np.isin(number, policy.plan(STREAMS))
        kept |= (number % policy.every == 0) if policy.every else False
        np.testing.assert_array_equal(rows_of(result), rows[kept])


def test_test_streams_are_counted(alone):
    """As a net with the trial's last weights goes through them, frozen."""
    (task,) = CONFIG.task.test_sets()
    for trial, result in alone.items():
        assert result.test.shape == (7, 6)
        largest, _, _, correct, steps, right = result.test.T
        np.testing.assert_array_equal(correct, largest < task.tolerance)
        assert (steps[correct == 1] == 40).all()
        assert (steps <= 40).all()
        net = lstmsim.LSTM.from_weights(CONFIG.settings, result.final)
        tests = STREAMS // STOP.test_every
        key = int(np.random.SeedSequence((int(trial_keys(0, trial)[1]), tests)).generate_state(1, np.uint64)[0])
        for number in range(7):
            own = int(np.random.SeedSequence((key, number)).generate_state(1, np.uint64)[0])
            given = task.examples(own, 20)
            y = net.run(given.inputs[:40], learn=False).output.values
            wrong = np.abs(y - given.judged[:40]).max(axis=1) >= task.tolerance
            length = int(np.argmax(wrong)) + 1 if wrong.any() else 40
            assert (length, bool(wrong.any())) == (steps[number], not correct[number])
            passed = (given.begins[1:] <= length - wrong.any()).sum()
            assert passed == right[number]


class Walk(Learner):
    """Draws at every step, and keeps from one step to the next what no target has taught."""

    def start(self):
        self.w = np.zeros((7, 7))

    def reset(self):
        """Nothing: what is carried goes on."""

    def step(self, x, target=None):
        if self.learning:
            self.w += 0.1 * self.rng.normal(size=(7, 1)) * x
        return 0.5 + 0.5 * np.tanh(self.w @ x)


@pytest.mark.parametrize("name", ["rules uoro", "walk"])
def test_what_is_passed_over_leaves_nothing_behind(name, tmp_path, monkeypatch):
    """Neither activations that are carried nor counts, draws and changes without a target: a checkpoint is taken before."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(_TABLE, "_classes", _TABLE.all())
    register("walk", LearnerSettings, label="walk")(Walk)
    given = LearnerSettings() if name == "walk" else dataclasses.replace(CASES[name].settings, n_inputs=0, n_outputs=0)
    stop = StoppingRule(max_sequences=40, window=50, error=0.0, test=1, test_every=1, final_test=3)
    config = Experiment(Lenient(), (name.split()[0], given), stop)
    whole, ended, turns = run(config, [0], policy="none")[0], {}, 0
    while not ended:
        turns += 1
        ended = run(config, [0], tmp_path, policy="none", stop_after=turns)
    assert turns > 2
    assert_same(ended[0], whole, recorded=False)


@pytest.mark.parametrize("changes", [{"carry": "states"}, {"carry": "all", "forget_gates": True}])
def test_a_carried_lstm_is_refused(changes):
    with pytest.raises(ValueError, match=f"carry is {changes['carry']!r}; allowed: 'none' where the task has streams"):
        Experiment(Lenient(), dataclasses.replace(NET, **changes))
    with pytest.raises(ValueError, match="carry is"):
        CONFIG.with_settings(changes)


STEP_LEARNERS = {name: c for name, c in CASES.items() if issubclass(learner(c.learner), StepLearner)}


def in_streams(name, **lengths):
    """A learner's case on streams."""
    given, sizes = STEP_LEARNERS[name], {"n_inputs": 0, "n_outputs": 0}
    if given.learner in ("lstm", "exact_lstm"):
        sizes["carry"] = "none"
    own = dataclasses.replace(given.settings, **sizes)
    return Experiment(
        Lenient(**lengths), (given.learner, own), StoppingRule(max_sequences=40, window=50, final_test=3), "stream"
    )


@pytest.mark.parametrize("name", STEP_LEARNERS)
def test_every_learner_goes_on_from_checkpoints_between_streams(name, tmp_path, monkeypatch):
    """Left at every chance first, then less often, and taken up on another number of lanes."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    config, trials, ended = in_streams(name), range(2), {}
    whole = run(config, trials, policy="default,last:2")
    for turn in range(100):
        if not (waiting := [trial for trial in trials if trial not in ended]):
            break
        ended |= run(config, waiting, tmp_path, lanes=(8, 1)[turn % 2], policy="default,last:2", stop_after=1 + 5 * turn)
    assert turn > 1
    for trial in trials:
        assert_same(ended[trial], whole[trial])


STORING = [name for name, c in STEP_LEARNERS.items() if issubclass(learner(c.learner), HistoryLearner)]


@pytest.mark.parametrize("name", STORING)
def test_a_stream_too_long_to_be_stored_is_refused_before_anything_runs(name, tmp_path):
    """Unless no more of it is stored than a block, or what a pass goes back."""
    config = in_streams(name, stream_steps=10**9)
    if name in ("twinn", "block_rtrl", "kalman") or "'horizon': 5" in name:
        assert learner(config.learner).make(config.settings, 1, symbols=True).memory(10**9) == 0
        return
    stored = r"a sequence of up to 1,000,000,000 steps is stored in [\d,.]+ GiB\); allowed: smaller sizes"
    with pytest.raises(ValueError, match=stored):
        lstmsim.simulate(config, trials=1, progress=False, out=tmp_path / "out")
    with pytest.raises(ValueError, match=stored):
        lstmsim.scan(config, {"test_steps": [30, 40]}, trials=1, progress=False)
    assert not (tmp_path / "out").exists()


class Endless(Lenient):
    """No error ends a stream."""

    tolerance: ClassVar[float] = 9.0


def test_a_run_that_is_stopped_does_not_wait_for_the_end_of_a_long_stream(tmp_path, monkeypatch):
    """The trial stays at its last checkpoint, from which it goes on with the same bits."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("lstmsim.simulation.loop._PATIENCE", 0.0)
    stop = StoppingRule(error=0.0, max_sequences=3, window=1, final_test=2)
    config = Experiment(Endless(stream_steps=30_000), NET, stop)
    simulation = Simulation(config, 0, 1, Policy.parse("none"))
    simulation.lanes.block = simulation.lanes.ahead = 1000
    kept, looks = Kept(tmp_path, config, simulation, 10**9, 0.0), iter(range(45))

    def due():
        if next(looks, None) is None:
            kept.stop.set()
        return True

    monkeypatch.setattr(kept, "due", due)
    assert list(simulation.run(iter([0]), checkpoints=kept)) == []
    assert kept.load(0)["result"]["sequences"] == 1
    monkeypatch.undo()
    assert_same(run(config, [0], tmp_path)[0], run(config, [0])[0], recorded=False)


@pytest.mark.parametrize("name", STEP_LEARNERS)
def test_every_learner_walks_through_streams(name):
    """What it saw is the trial's strings, cut where an output was wrong and nowhere else."""
    config = in_streams(name)
    task = config.task
    result = simulate(config, range(1), lanes=1)[0]
    rows, number, cut = rows_of(result), 0, 0
    layout = learner(config.learner).make(config.settings, 1, symbols=True).layout
    begins = dict(zip([n for n, _ in layout.columns], np.cumsum([2, *(w for _, w in layout.columns)]), strict=False))
    y = rows[:, begins["output"] : begins["output"] + 7]
    for stream in range(40):
        own_rows = rows[:, 0] == stream
        steps = int(own_rows.sum())
        given_inputs, judged = [], []
        while sum(map(len, given_inputs)) < steps:
            inputs, targets = task.sequence(0, 0, number)
            given_inputs.append(inputs.argmax(axis=1))
            judged.append(targets)
            number += 1
        cut += steps < sum(map(len, given_inputs))
        np.testing.assert_array_equal(rows[own_rows, begins["input"]], np.concatenate(given_inputs)[:steps])
        wrong = np.abs(y[own_rows] - np.concatenate(judged)[:steps]).max(axis=1) >= task.tolerance
        assert not wrong[:-1].any()
        assert wrong[-1] or steps == LIMIT
    assert cut
    assert result.steps == len(rows)


def test_a_stream_is_recorded_up_to_the_end_of_a_string_after_1000_steps():
    task = dataclasses.replace(Lenient(), stream_steps=3000)
    object.__setattr__(task, "tolerance", 9.0)
    stop = StoppingRule(max_sequences=2, window=1, final_test=0, error=0.0)
    result = simulate(Experiment(task, NET, stop), range(1))[0]
    assert result.steps == 6000
    rows, ends, number = rows_of(result), [], 0
    while sum(ends) < 1000:
        ends.append(len(task.sequence(0, 0, number)[0]))
        number += 1
    assert np.bincount(rows[:, 0].astype(int))[0] == sum(ends)


def test_what_test_streams_amount_to():
    run = lstmsim.simulate(CONFIG, trials=1, progress=False, max_sequences=20)["continual_reber-lstm"]
    assert run.test_steps.item() == float(run["test"].steps.mean()) > 1
    assert run.test_right.item() == float(run["test"].right.mean())


def test_learners_that_go_their_own_way_are_refused():
    with pytest.raises(ValueError, match="learner is 'guessing'; allowed: one that steps through sequences"):
        Experiment(ContinualReber(), ("guessing", learner("guessing").Settings()))


@tasks.generator(n_inputs=1, n_outputs=1, max_length=3, tolerance=0.3)
def early(seq, key):
    """Learn before the end alone."""
    seq.learn(1, 0, below(key, 0, 2))
    return 3


def test_the_last_step_must_be_judged(monkeypatch):
    tasks.check(early())
    monkeypatch.setattr(early, "stream_sequences", 4)
    with pytest.raises(AssertionError, match="the last step of sequence 0 is not judged"):
        tasks.check(early())


def test_streams_of_a_number_of_sequences():
    class Three(Lenient):
        stream_sequences = 3
        tolerance = 9.0

    task = Three(stream_steps=0)
    assert isinstance(task, Task)
    stop = StoppingRule(max_sequences=10, window=1, final_test=2, wrong=0, error=0.0)
    result = simulate(Experiment(task, NET, stop), range(1))[0]
    lengths = [len(task.sequence(0, 0, n)[0]) for n in range(30)]
    assert np.bincount(rows_of(result)[:, 0].astype(int)).tolist() == np.add.reduceat(lengths, range(0, 30, 3)).tolist()
    assert (result.test[:, 5] == 3).all()
