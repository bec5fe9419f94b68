"""Stopping rules, tests of frozen weights, snapshots, replay, growth and divergence in the trial loop."""

import dataclasses

import numpy as np
import pytest

import lstmsim
from lstmsim import tasks
from lstmsim.kernels.recording import HEAD
from lstmsim.kernels.scores import MILESTONES
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import row
from lstmsim.simulation.config import Experiment, Stage, StoppingRule
from lstmsim.simulation.frozen import SecondLanes
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.adding import Adding
from lstmsim.trace.dataset import steps
from tests.test_simulate import (
    CONFIGS,
    NONE,
    WIDTHS,
    adding,
    alone,
    assert_same,
    rows_of,
    simulate,
    two_sequence,
)  # fmt: skip

__all__ = ["alone"]


def by_hand(config, result):
    """Judge every training sequence of a recorded trial: largest |e|, mean |e|, mean e**2."""
    rows = rows_of(result)
    outputs = config.task.n_outputs
    first = HEAD + (1 if config.task.symbols else config.task.n_inputs)
    target, output = rows[:, first : first + outputs], rows[:, first + outputs : first + 2 * outputs]
    error = np.abs(target - output)
    table = []
    for number in range(result.sequences):
        own = error[rows[:, 0] == number]
        own = own[~np.isnan(own)]
        table.append((own.max(), own.mean(), (own**2).mean()))
    return np.array(table)


def test_stages_judged_in_training_are_met_when_the_window_says_so(alone):
    config, window = CONFIGS["adding"], 50
    statuses = set()
    for result in alone["adding"].values():
        judged = by_hand(config, result)
        wrong = judged[:, 0] >= config.task.tolerance
        met, after = {}, 0
        for stage in config.stop.conditions:
            for seen in range(max(window, after + 1), result.sequences + 1):
                if wrong[seen - window : seen].sum() <= stage.wrong:
                    met[stage.name] = after = seen
                    break
            else:
                break
        assert result.stages == met
        assert (result.status == "solved") == (len(met) == 2)
        assert result.sequences == (met["more"] if len(met) == 2 else config.stop.max_sequences)
        statuses.add(result.status)
    assert statuses == {"solved", "gave_up"}


def test_progress_and_milestones_are_those_of_the_window():
    config = adding(Stage("never"), max_sequences=1330, window=60, error_bound=0.12)
    (result,) = simulate(config, [2], policy=Policy(every=1)).values()
    judged = by_hand(config, result)
    correct = (judged[:, 0] < config.task.tolerance).astype(float)
    assert result.progress[:, 0].tolist() == [*range(100, 1301, 100), 1330]
    for seen, absolute, squared, fraction in result.progress:
        latest = slice(int(seen) - 60, int(seen))
        np.testing.assert_allclose(absolute, judged[latest, 1].mean(), rtol=1e-12)
        np.testing.assert_allclose(squared, judged[latest, 2].mean(), rtol=1e-12)
        np.testing.assert_allclose(fraction, correct[latest].mean(), rtol=1e-12)
    assert tuple(result.milestones) == MILESTONES
    for name, column in (("absolute_error", 1), ("squared_error", 2)):
        means = [judged[seen - 60 : seen, column].mean() for seen in range(60, 1331)]
        below = np.flatnonzero(np.array(means) < 0.12)
        assert result.milestones[name] == (below[0] + 60 if below.size else None)
    assert result.milestones["squared_error"] == 60
    assert result.milestones["correct_100"] is None


def test_error_bound_of_a_stage_counts_too():
    """The same rule with a bound that the mean error never meets is not reached."""
    reached = simulate(adding(Stage("some", wrong=50)), [0])[0]
    refused = simulate(adding(Stage("some", wrong=50, error=1e-6)), [0])[0]
    squared = simulate(adding(Stage("some", wrong=50, error=0.1), squared_error=True), [0])[0]
    assert (reached.status, reached.sequences) == ("solved", 50)
    assert (refused.status, refused.sequences) == ("gave_up", 400)
    assert squared.status == "solved"


@pytest.mark.parametrize("cap", [1, 7, 50, 120])
def test_trials_give_up_at_their_cap(cap):
    for result in simulate(adding(Stage("never", error=0.0), max_sequences=cap), range(3), policy=Policy()).values():
        assert (result.status, result.sequences, result.stages) == ("gave_up", cap, {})
        lengths = [len(CONFIGS["adding"].task.sequence(0, result.trial, index)[0]) for index in range(cap)]
        assert result.steps == sum(lengths)


def test_cap_holds_when_a_stage_is_reached_at_it():
    result = simulate(adding(Stage("at once", wrong=50), Stage("never", error=0.0), max_sequences=50), [0], policy=Policy())[
        0
    ]
    assert (result.status, result.sequences, result.stages) == ("gave_up", 50, {"at once": 50})


def test_snapshots_are_the_weights_before_the_planned_sequences():
    """A stage that is reached where a snapshot is due does not displace it."""
    config = adding(Stage("at once", wrong=50), Stage("never", error=0.0), window=56, max_sequences=100)
    result = simulate(config, [0], policy=Policy())[0]
    plan = Policy().plan(100)
    assert 56 in plan
    assert [number for number, _ in result.snapshots] == plan.tolist()
    net = lstmsim.LSTM.from_weights(config.settings, result.initial)
    snapshots = dict(result.snapshots)
    for index in range(100):
        if index in snapshots:
            np.testing.assert_equal(snapshots[index], net.weights)
        net.run(*config.task.sequence(0, 0, index))


def test_stages_judged_by_tests(alone):
    config = CONFIGS["two_sequence"]
    for result in alone["two_sequence"].values():
        first, last = result.stages["ST1"], result.stages["ST2"]
        assert 0 < first < last == result.sequences
        assert first % 100 == last % 100 == 0
        assert result.status == "solved"
        net = lstmsim.LSTM.from_weights(config.settings, result.final)
        errors = []
        for index in range(100):
            inputs, targets = config.task.sequence(0, result.trial, index, testing=True)
            errors.append(abs(targets[-1, 0] - net.run(inputs, learn=False)["output"].values[-1, 0]))
        assert max(errors) < 0.2
        assert np.mean(errors) < 0.03


def test_tests_are_fresh_and_leave_training_alone(monkeypatch):
    """More tests, or none, change nothing about how the weights go; neither do their sequences repeat."""
    inputs, test = [], SecondLanes.test

    def look(self, trial, *arguments, **how):
        found = test(self, trial, *arguments, **(how | {"recorded": 3}))
        rows = trial.result.test_rows
        inputs.extend(rows[rows[:, 0] == number, HEAD].tobytes() for number in range(3))
        return found

    monkeypatch.setattr(SecondLanes, "test", look)
    config = two_sequence()
    often = dataclasses.replace(config.stop, stages=(), wrong=8, error=0.0, test=8, max_sequences=300, test_every=10)
    never = dataclasses.replace(often, wrong=0, test=0, final_test=0)
    tested, plain = (
        simulate(dataclasses.replace(config, stop=training), [1], policy=Policy(tests=3))[1] for training in (often, never)
    )
    np.testing.assert_equal(tested.final, plain.final)
    np.testing.assert_array_equal(tested.progress, plain.progress)
    assert plain.test.shape == (0, 4)
    assert tested.test.shape == (20, 4)
    inputs.extend(config.task.sequence(0, 1, index)[0][:, 0].tobytes() for index in range(300))
    assert len(set(inputs)) == len(inputs) == 300 + 3 * (30 + 1)


# Tests and recording.


@pytest.mark.parametrize("lanes", WIDTHS)
@pytest.mark.parametrize("final_test", [0, 1, 3, 11, 20])
def test_test_results_do_not_depend_on_the_lanes(final_test, lanes):
    config = adding(Stage("never", error=0.0), max_sequences=30, final_test=final_test)
    one, other = (simulate(config, [0], lanes=n, policy=Policy(tests=3))[0] for n in (1, lanes))
    assert one.test.shape == (final_test, 4)
    np.testing.assert_array_equal(one.test, other.test)
    np.testing.assert_equal(one.test_rows, other.test_rows)
    if final_test:
        assert np.unique(one.test_rows[:, 0]).tolist() == list(range(min(3, final_test)))


@pytest.mark.parametrize("name", ["adding", "a target at every step"])
def test_test_results_are_those_of_the_frozen_net(name, alone):
    """Of one target at the end, and of one at every step, where the largest error is not always the last."""
    config, results, last = CONFIGS["adding"], alone["adding"], []
    if name != "adding":
        task = tasks.ArrayTask(*np.random.default_rng(0).uniform(size=(2, 5, 6, 2)), tolerance=0.4)
        config = Experiment(task, LSTMSettings(2, 2), StoppingRule(error=1e-9, window=9, max_sequences=9, final_test=5))
        results = simulate(config, policy=Policy(tests=3))
    for result in results.values():
        rows = result.test_rows
        trace = steps(Simulation(config, 0, 8, NONE).learner.layout, rows)
        net = lstmsim.LSTM.from_weights(config.settings, result.final)
        for number in range(3):
            own = trace.isel(step=rows[:, 0] == number)
            np.testing.assert_array_equal(own["output"], net.run(own["input"].values, learn=False)["output"])
            error = abs(own["target"] - own["output"]).dropna("step").values
            expected = [error.max(), error.mean(), (error**2).mean(), error.max() < config.task.tolerance]
            np.testing.assert_allclose(result.test[number], expected, rtol=1e-12)
            last.append(error.max() == error[-1].max())
        assert not trace["update_norm"].any()
    assert all(last) == (name == "adding")


def test_recorded_rows_are_whole_sequences(alone):
    rows = rows_of(alone["temporal"][0])
    begins = np.flatnonzero(rows[:, 1] == 0)
    assert rows[begins, 0].tolist() == list(range(120))
    lengths = np.diff([*begins, len(rows)])
    assert ((lengths >= 100) & (lengths <= 110)).all()
    np.testing.assert_array_equal(rows[:, 1], np.concatenate([np.arange(length) for length in lengths]))


@pytest.mark.parametrize("last", [1, 5, 30, 399, 400, 10**6])
def test_the_last_sequences_are_recorded_whatever_ends_the_trial(last, alone):
    """Solved in training, solved by a test, or given up: each ends at a pause or between two."""
    for name in ("adding", "two_sequence", "noise_free"):
        for trial, result in simulate(CONFIGS[name], policy=Policy.parse(f"last:{last}")).items():
            rows = rows_of(alone[name][trial])
            np.testing.assert_array_equal(rows_of(result), rows[rows[:, 0] >= result.sequences - last])


# Divergence and growth.


def test_a_trial_that_diverges_ends_alone():
    net = LSTMSettings(2, 1, n_blocks=2, block_size=2, output="identity", learning_rate=4.0)
    config = dataclasses.replace(adding(Stage("never", error=0.0), max_sequences=300), settings=net)
    together = simulate(config, range(12), policy=Policy())
    statuses = [together[trial].status for trial in range(12)]
    assert statuses.count("diverged") > 2
    assert "gave_up" in statuses
    for trial, result in together.items():
        assert_same(result, simulate(config, [trial], lanes=1, policy=Policy())[trial])
        if result.status == "diverged":
            assert result.sequences < 300
            assert result.test.shape == (0, 4)
        else:
            assert result.test.shape == (40, 4)


def test_blocks_join_when_the_error_has_settled(alone):
    config = CONFIGS["noise_free"]
    n, ratio = config.settings.join_window, config.settings.join_ratio
    for result in alone["noise_free"].values():
        mean = by_hand(config, result)[:, 1]
        settled = [
            seen
            for seen in range(2 * n, result.sequences + 1, n)
            if not mean[seen - n : seen].mean() < ratio * mean[seen - 2 * n : seen - n].mean()
        ]
        assert result.joined == settled[:1]
        joined = result.joined[0]
        rows = rows_of(result)
        outputs = config.task.n_outputs
        cell_output = rows[:, HEAD + 1 + 3 * outputs + 2]
        assert not cell_output[rows[:, 0] < joined].any()
        assert cell_output[rows[:, 0] >= joined].all()


@pytest.mark.parametrize("final_test", [0, 1, 3])
def test_a_final_test_of_fewer_sequences_than_sets(final_test):
    """The Reber grammar is tested on the training and on the test set, each at least once."""
    config = row("1-5").config.with_settings({"max_sequences": 200, "final_test": final_test})
    (result,) = Simulation(config, 0, 1, NONE).run(iter([0]))
    assert result.test.shape == (2 * min(final_test, 1), 4)


def test_lanes_whose_task_has_raised_once_go_on_as_if_it_had_not(monkeypatch):
    """Nothing that was known of what lies ahead is taken for true after a failure to write."""
    config = row("4-1").config.with_settings({"T": 20, "max_sequences": 10_000})
    whole, torn = (Simulation(config, 0, 1, Policy.parse("none")) for _ in range(2))
    for simulation in (whole, torn):
        simulation.learner.start(0, (0, 0))
        simulation.lanes.begin(0, 5)
        simulation.lanes.scores.pause_at[0] = 10_000
    write, calls = Adding.write, []

    def fails_once(task, sequences, horizon):
        calls.append(horizon)
        if len(calls) == 2:
            raise RuntimeError("mine")
        write(task, sequences, horizon)

    with monkeypatch.context() as patch:
        patch.setattr(Adding, "write", fails_once)
        torn.lanes.advance(learn=True)
        with pytest.raises(RuntimeError, match="mine"):
            torn.lanes.advance(learn=True)
        torn.lanes.advance(learn=True)
    for _ in range(2):
        whole.lanes.advance(learn=True)
    assert torn.lanes.scores.index[0] == whole.lanes.scores.index[0]
    assert all((torn.learner.weights(0)[name] == group).all() for name, group in whole.learner.weights(0).items())
