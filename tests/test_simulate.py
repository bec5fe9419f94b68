"""The trial loop: the same bits whatever the lanes, recording and order; what is carried over, what a net by hand does."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lstmsim
from lstmsim import tasks
from lstmsim.kernels.recording import HEAD
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.simulation.config import Experiment, Stage, StoppingRule
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
