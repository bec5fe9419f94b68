"""The trial loop: the same bits whatever the lanes, recording and order; stopping rules, tests, replay, divergence."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lstmsim
from lstmsim import tasks
from lstmsim.kernels.recording import HEAD
from lstmsim.kernels.scores import MILESTONES
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import row
from lstmsim.simulation.config import Experiment, Stage, StoppingRule
from lstmsim.simulation.frozen import SecondLanes
from lstmsim.simulation.loop import Result, Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.trace.dataset import steps

Array = NDArray[Any]

NONE = Policy.parse("none")
TRIALS = range(6)
# 2, 4 and 16 lanes take a compilation of their own; what they would show beyond 1 and 8 is shown for each operation in
# tests/kernels/test_lanes.py.
SLOW_WIDTHS = [pytest.param(lanes, marks=pytest.mark.slow) for lanes in (2, 4, 16)]
WIDTHS = [1, 8, *SLOW_WIDTHS]


def adding(*stages: Stage, **training: Any) -> Experiment:
    """Very short adding; its sequences are right by chance about one time in five."""
    net = LSTMSettings(2, 1, n_blocks=2, block_size=2, input_gate_bias=[-3, -6], learning_rate=0.5)
    training = {"max_sequences": 400, "window": 50, "final_test": 40} | training
    return Experiment(
        tasks.task("adding")(20),
        net,
        StoppingRule(stages=stages or (Stage("some", wrong=42), Stage("more", wrong=38)), **training),
    )


def two_sequence() -> Experiment:
    """Two classes told apart over a few steps, judged by tests with frozen weights."""
    biases = {"output_gate_bias": [-2, -4, -6], "input_gate_bias": [-1, -3, -5]}
    net = LSTMSettings(1, 1, n_blocks=3, block_size=1, bias="b1", learning_rate=3.0, **biases)
    stages = (Stage("ST1", test=64), Stage("ST2", test=64, error=0.03))
    training = StoppingRule(stages=stages, max_sequences=3000, window=50, test_every=100, final_test=20)
    return Experiment(tasks.task("two_sequence")(6, 3), net, training)


def noise_free(p: int = 3) -> Experiment:
    """One-hot inputs and outputs, topology B, and a memory cell that joins when the error has stopped falling."""
    net = LSTMSettings(
        p + 1, p + 1, topology="B", bias="none", output_gates=False, cell_input="f", cell_output="identity",
        init_range=0.2, learning_rate=1.0, sequential=True, join_window=70,
    )  # fmt: skip
    training = StoppingRule(test=100, max_sequences=3000, window=200, test_every=100, final_test=20)
    return Experiment(tasks.task("noise_free")(p), net, training)


def temporal_order() -> Experiment:
    """One-hot inputs, topology F with hidden units and shortcuts, and a learning rate that falls."""
    rate = {"learning_rate": 0.5, "learning_rate_decay": 0.02}
    net = LSTMSettings(8, 4, n_blocks=2, block_size=2, n_hidden=1, shortcuts=True, output_gate_bias=-1, **rate)
    return Experiment(tasks.task("temporal_order")(2), net, StoppingRule(max_sequences=120, final_test=9))


def never_reset() -> Experiment:
    """Activations, states and partials go over from one sequence to the next."""
    config = adding(Stage("never", error=0.0), max_sequences=120)
    return dataclasses.replace(config, settings=dataclasses.replace(config.settings, carry="all"))


CONFIGS = {
    "adding": adding(),
    "two_sequence": two_sequence(),
    "noise_free": noise_free(),
    "temporal": temporal_order(),
    "never_reset": never_reset(),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def simulate(
    config: Experiment, trials: Iterable[int] = TRIALS, *, lanes: int = 8, policy: Policy = NONE, **how: Any
) -> dict[int, Result]:
    """Run trials; the results by number."""
    results = list(Simulation(config, 0, lanes, policy).run(iter(trials), **how))
    assert sorted(result.trial for result in results) == sorted(trials)
    return {result.trial: result for result in results}


def rows_of(result: Result) -> Array:
    """Return all recorded rows of a trial in the order of their sequences."""
    rows = np.concatenate([*result.rows, np.zeros((0, result.rows[0].shape[1]))])
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def assert_same(one: Result, other: Result, *, recorded: bool = True) -> None:
    """Compare two results of a trial to the bit; recorded rows and snapshots only if asked for."""
    skipped = {"seconds", "rows"} | (set() if recorded else {"snapshots", "test_rows"})
    for field in dataclasses.fields(Result):
        if field.name not in skipped:
            left, right = getattr(one, field.name), getattr(other, field.name)
            np.testing.assert_equal(left, right, err_msg=f"{field.name} of trial {one.trial}")
    if recorded:
        np.testing.assert_array_equal(rows_of(one), rows_of(other))


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[int, Result]]:
    """Each trial of each configuration on a lane of its own, everything recorded."""
    policy = Policy(every=1)
    return {name: simulate(config, lanes=1, policy=policy) for name, config in CONFIGS.items()}


# The same bits.


@pytest.mark.parametrize("lanes", WIDTHS)
@pytest.mark.parametrize("name", CONFIGS)
def test_same_bits_for_any_number_of_lanes(name, lanes, alone):
    found = simulate(CONFIGS[name], lanes=lanes, policy=Policy(every=1))
    for trial, result in found.items():
        assert_same(result, alone[name][trial])


@pytest.mark.parametrize("text", ["none", "default", "all", "first:7", "last:9", "every:13", "first:2,last:3,every:50"])
@pytest.mark.parametrize("name", CONFIGS)
def test_same_bits_whatever_is_recorded(name, text, alone):
    policy = Policy.parse(text)
    for trial, result in simulate(CONFIGS[name], policy=policy).items():
        expected = alone[name][trial]
        assert_same(result, expected, recorded=False)
        rows, end = rows_of(expected), result.sequences
        number = rows[:, 0]
        kept = (number < policy.first) | (number >= end - policy.last) | np.isin(number, policy.plan(3000))
        kept |= (number % policy.every == 0) if policy.every else False
        np.testing.assert_array_equal(rows_of(result), rows[kept])
        assert bool(result.snapshots) == policy.spread


@pytest.mark.parametrize("trials", [[5, 3, 1, 0, 2, 4], [4], [2, 5], range(4, 6)], ids=str)
@every_config
def test_same_bits_in_any_order_and_company(config, trials, alone, request):
    name = request.node.callspec.id.split("-")[0]
    for trial, result in simulate(config, trials, policy=Policy(every=1)).items():
        assert_same(result, alone[name][trial])


def test_trials_differ_and_seeds_differ(alone):
    first, second = alone["adding"][0], alone["adding"][1]
    assert not np.array_equal(first.initial["cell"], second.initial["cell"])
    assert not np.array_equal(rows_of(first)[:20, HEAD], rows_of(second)[:20, HEAD])
    (other,) = Simulation(CONFIGS["adding"], 1, 8, NONE).run(iter([0]))
    assert other.seed == 1
    assert not np.array_equal(other.initial["cell"], first.initial["cell"])


def test_trials_of_one_iterator_are_shared_out(alone):
    """Two simulations that draw from one iterator, as two threads do, each take what the other has not."""
    trials = iter(TRIALS)
    running = [Simulation(CONFIGS["adding"], 0, 1, Policy(every=1)).run(trials) for _ in range(2)]
    found = []
    while running:
        for simulation in list(running):
            result = next(simulation, None)
            if result is None:
                running.remove(simulation)
            else:
                found.append(result)
    assert sorted(result.trial for result in found) == list(TRIALS)
    for result in found:
        assert_same(result, alone["adding"][result.trial])


def test_rows_go_to_the_callback_instead(alone):
    taken: dict[int, list[Array]] = {trial: [] for trial in TRIALS}
    calls = []
    found = simulate(
        CONFIGS["adding"],
        policy=Policy(every=1),
        on_rows=lambda trial, rows: taken[trial].append(rows),
        on_progress=calls.append,
    )
    assert calls
    for trial, result in found.items():
        assert result.rows == []
        np.testing.assert_array_equal(np.concatenate(taken[trial]), rows_of(alone["adding"][trial]))


# Against a net stepped by hand.


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_are_those_of_a_net_stepped_by_hand(name, alone):
    config = CONFIGS[name]
    if config.settings.sequential:
        config = dataclasses.replace(config, settings=dataclasses.replace(config.settings, sequential=False))
    capped = dataclasses.replace(config.stop, stages=(), wrong=0, error=0.0, test=0, max_sequences=200)
    config = dataclasses.replace(config, stop=capped)
    for trial, result in simulate(config, range(2), policy=Policy.parse("all")).items():
        net = lstmsim.LSTM.from_weights(config.settings, config.settings.initial_weights((0, trial)))
        assert net.weights.keys() == result.initial.keys()
        traces = []
        for index in range(200):
            if config.settings.learning_rate_decay:
                alpha = config.settings.learning_rate / (1.0 + config.settings.learning_rate_decay * index)
                settings = dataclasses.replace(config.settings, learning_rate=alpha, learning_rate_decay=0.0)
                net = lstmsim.LSTM.from_weights(settings, net.weights)
            reset = config.settings.carry == "none"
            traces.append(net.run(*config.task.sequence(0, trial, index), reset=reset))
        # Changes of the weights from one-hot inputs are added in another order.
        near = 1e-12 if config.task.symbols else 0.0
        for group, values in net.weights.items():
            np.testing.assert_allclose(result.final[group], values, rtol=0.0, atol=near)
        simulation = Simulation(config, 0, 8, NONE)
        recorded = steps(simulation.learner.layout, rows_of(result))
        assert result.steps == sum(trace.sizes["step"] for trace in traces) == recorded.sizes["step"]
        for variable in traces[0].variables:
            by_hand = np.concatenate([trace[variable].values for trace in traces])
            if variable == "update_norm":  # its sum runs in another order for one-hot inputs
                np.testing.assert_allclose(recorded[variable], by_hand, rtol=1e-12)
            elif variable in recorded.data_vars or variable in ("input", "output"):
                np.testing.assert_allclose(recorded[variable], by_hand, rtol=0.0, atol=near, err_msg=str(variable))


@pytest.mark.parametrize("carry", ["none", "states", "partials", "all"])
@pytest.mark.parametrize("name", ["adding", "temporal"])
def test_what_is_carried_over(name, carry):
    """At the end of a sequence what is not carried over is 0; the rest can be taken and put back."""
    config = CONFIGS[name]
    training = dataclasses.replace(config.stop, stages=(), wrong=0, error=0.0, test=0, max_sequences=3, final_test=0)
    config = dataclasses.replace(config, settings=dataclasses.replace(config.settings, carry=carry), stop=training)
    simulation = Simulation(config, 0, 1, NONE)
    list(simulation.run(iter([0])))
    state, blocks = simulation.learner.nets.state, config.settings.n_blocks
    assert state.s.any() == state.h.any() == (carry in ("states", "all"))
    partials = (state.p_symbol,) if config.task.symbols else (state.p_cell, state.p_gate)
    assert all(part.any() == (carry in ("partials", "all")) for part in partials)
    carried = simulation.learner.carried(0)
    assert (carried.size > blocks) == (carry != "none")
    simulation.learner.reset(0)
    assert not simulation.learner.carried(0)[blocks + config.settings.n_inputs + 1 :].any()
    simulation.learner.set_carried(0, carried)
    np.testing.assert_array_equal(simulation.learner.carried(0), carried)


def test_updates_at_sequence_ends_are_those_of_a_net_run_by_hand():
    config = adding(Stage("never", error=0.0), max_sequences=60)
    config = dataclasses.replace(config, settings=dataclasses.replace(config.settings, update="sequence"))
    (result,) = simulate(config, [3]).values()
    net = lstmsim.LSTM.from_weights(config.settings, result.initial)
    for index in range(60):
        net.run(*config.task.sequence(0, 3, index))
    for group, values in net.weights.items():
        np.testing.assert_array_equal(result.final[group], values)


def test_the_net_of_a_trial_can_be_made_by_its_seed(alone):
    net = lstmsim.LSTM(2, 1, 2, 2, input_gate_bias=[-3, -6], learning_rate=0.5, seed=(0, 4))
    np.testing.assert_equal(net.weights, alone["adding"][4].initial)


# Stopping rules.


def by_hand(config: Experiment, result: Result) -> Array:
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
