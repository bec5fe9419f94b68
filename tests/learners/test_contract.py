"""What every learner in the table must do; one row of each, and some variants."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from lstmsim import tasks
from lstmsim.kernels.recording import HEAD
from lstmsim.learners import contract, learner, learners
from lstmsim.learners.base import LearnerSettings, TrialLearner
from lstmsim.learners.columnar import ColumnarSettings
from lstmsim.learners.contract import CHECKS, settings_can_be_pickled
from lstmsim.learners.diagonal import DiagonalSettings
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.paper import rows
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.trace.dataset import values
from lstmsim.trace.schema import step_variables
from lstmsim.trace.store import TrialFile, provenance

SEQUENCES = 12
SMALL = {"T": 20, "p": 6, "n_train": 12, "n_test": 12}  # parameters of tasks
UNBOUNDED = {"taps", "twinn", "ring"}  # learners whose outputs are no values of the logistic function
SEARCHES = {name: {"n_train": 12, "n_test": 6} for name in ("guessing", "multigrid", "annealing")}
TRIAL_LEARNERS = SEARCHES | {"cascade": {"max_hidden": 2}}


def short(config: Experiment, **settings) -> Experiment:
    """The configuration on small tasks, for few sequences and a short final test."""
    training = dataclasses.replace(config.stop, max_sequences=SEQUENCES, test_every=5, final_test=6, window=10)
    task = dataclasses.replace(config.task, **{name: size for name, size in SMALL.items() if name in vars(config.task)})
    settings = {"n_inputs": task.n_inputs, "n_outputs": task.n_outputs, **settings}
    return dataclasses.replace(config, task=task, settings=dataclasses.replace(config.settings, **settings), stop=training)


def cases() -> dict[str, Experiment]:
    """One row for each learner that learns step by step, and what no row has."""
    table, found = rows(), {}
    for row in table.values():
        if row.config.learner not in TRIAL_LEARNERS:
            growth = {"join_window": 5} if row.config.learner == "hierarchy" else {}
            found.setdefault(row.config.learner, short(row.config, **growth))
    adding = tasks.task("adding")(20)
    dense = {"n_inputs": 2, "n_outputs": 1, "n_hidden": 3}
    for name, settings in (
        ("rtrl", {"update": "sequence", "bias": True}),
        ("rtrl", {"teacher_forcing": True, "learning_rate": 2.0}),
        ("rtrl", {"topology": "late"}),
        ("bptt", {"topology": "layered", "horizon": 5, "interval": 3}),
        ("elman", {"momentum": 0.9}),
        ("elman", {"optimiser": "rmsprop", "clip": 0.5}),
        ("rtrl", {"update": "sequence", "optimiser": "adam"}),
        ("bptt", {"interval": 4, "optimiser": "momentum", "rate_decay": 0.9}),
    ):
        kind = type(found[name].settings)(**dense, **settings)
        found[f"{name} {settings}"] = short(dataclasses.replace(found[name], task=adding, settings=kind))
    found["lstm, forget gates, one-hot"] = short(table["1-5"].config, forget_gates=True, carry="all")
    found["lstm, live peepholes"] = short(
        table["3a-1"].config, forget_gates=True, peepholes="live", carry="all", learning_rate=0.02
    )
    order = tasks.task("temporal_order")()
    for name, task, settings in (
        ("rules", adding, {"rule": "snap-1", "exactness": 2}),
        ("rules rflo", adding, {"rule": "rflo", "feedback": "random", "optimiser": "adam", "clip": 1.0}),
        ("rules uoro", adding, {"rule": "uoro", "carry": "all", "connections": "ring"}),
        ("rules kernl", adding, {"rule": "kernl", "feedback": "random", "exactness": 1}),
        ("rules bptt", adding, {"rule": "bptt", "carry": "all", "interval": 3, "exactness": 1}),
        ("rules exact", order, {"rule": "exact", "carry": "all", "rate_decay": 0.9, "output": "softmax"}),
    ):
        found[name] = short(Experiment(task, RuleSettings(n_hidden=9, **settings)))
    found["diagonal"] = short(Experiment(adding, DiagonalSettings(n_hidden=9, optimiser="rmsprop", feedback="random")))
    found["columnar"] = short(Experiment(order, ColumnarSettings(n_hidden=9, carry="all", output="softmax")))
    found["lstm on-line, 2 blocks"] = short(table["6a"].config)
    found["lstm, adam, one-hot"] = short(table["1-5"].config, optimiser="adam", clip=0.5, learning_rate=0.01)
    found["lstm, momentum at ends"] = short(
        table["3a-1"].config, optimiser="momentum", update="sequence", carry="all", learning_rate=0.02
    )
    found["exact_lstm, rmsprop"] = short(table["4-1-exact"].config, optimiser="rmsprop", rate_decay=0.9, learning_rate=0.01)
    found["exact_lstm at ends"] = short(table["4-1-exact"].config, update="sequence")
    return found


def trial_cases() -> dict[str, Experiment]:
    """One row for each learner that takes one trial after another."""
    found = {}
    for row in rows().values():
        name = row.config.learner
        if name in TRIAL_LEARNERS and name not in found:
            found[name] = short(row.config, **TRIAL_LEARNERS[name])
            cap = dataclasses.replace(found[name].stop, max_sequences=3000)
            found[name] = dataclasses.replace(found[name], stop=cap)
    return found


CASES = cases()
every_case = pytest.mark.parametrize("config", CASES.values(), ids=CASES.keys())
every_learner = pytest.mark.parametrize("config", (ALL := CASES | trial_cases()).values(), ids=ALL.keys())


def build(config, lanes=1):
    return learner(config.learner).make(config.settings, lanes, symbols=config.task.symbols)


def same(one, other):
    """Whether two sets of weights agree bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def simulate(config, trials, policy="none", seed=0, lanes=1):
    simulation = simulation_for(config, seed, lanes, Policy.parse(policy))
    return {result.trial: result for result in simulation.run(iter(trials))}


def rows_of(result):
    """Recorded rows of a trial, in the order of the sequences."""
    return np.concatenate(sorted((rows for rows in result.rows if len(rows)), key=lambda rows: rows[0, 0]))


def test_every_learner_has_a_row_and_says_what_it_is():
    assert {config.learner for config in ALL.values()} == set(learners())
    for name, found in learners().items():
        assert found is learner(name)
        assert found.name == name
        assert found.label
        assert issubclass(found, TrialLearner) == (name in TRIAL_LEARNERS)


@every_learner
def test_settings_are_fitted_to_a_task_and_show_themselves(config):
    if not isinstance(config.settings, LearnerSettings):
        pytest.skip("not yet of the common kind")
    free = dataclasses.replace(config.settings, n_inputs=0, n_outputs=0)
    assert free.fitted(config.task) == config.settings == config.settings.fitted(config.task)
    wrong = dataclasses.replace(config.settings, n_inputs=0 if config.learner == "guessing" else 9, n_outputs=0)
    with pytest.raises(ValueError, match=r"n_inputs is 9; allowed: \d+, as task '\w+' has" if wrong.n_inputs else "is 0"):
        wrong.fitted(config.task) if wrong.n_inputs else learner(config.learner)(wrong, 1, symbols=config.task.symbols)
    assert config.settings.units_text([3, 2, 3])
    assert config.settings.weights_shown([2, 3])
    assert config.settings.step_width is None or config.settings.step_width > 0


@every_case
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_what_anybody_can_check(check, config):
    check(lambda: build(config))


@every_learner
def test_settings_reach_other_processes(config):
    settings_can_be_pickled(config.settings)


@every_case
def test_initial_weights_are_drawn_and_all_that_exist(config):
    learner, other = build(config), build(config)
    learner.start(0, (5, 1))
    other.start(0, (5, 2))
    assert not same(learner.weights(0), other.weights(0))
    assert sum(np.count_nonzero(group) for group in learner.weights(0).values()) == config.settings.n_weights


@every_case
def test_layout_is_what_the_rows_hold(config):
    result = simulate(config, [0], "all")[0]
    learner, recorded = build(config), rows_of(result)
    assert recorded.shape == (result.steps, learner.layout.width)
    starts = np.flatnonzero(recorded[:, 1] == 0)
    assert len(starts) == result.sequences
    variables = values(learner.layout, recorded)
    for name, columns in variables.items():
        dims = step_variables()[name].dims
        assert columns.ndim == len(dims)
        assert columns.shape[1:] == tuple(learner.layout.sizes[dim] for dim in dims[1:]), name
    task = config.task.for_trial(0)
    for index, first in enumerate(starts):
        inputs, targets = task.sequence(0, 0, index)
        place = slice(first, first + len(inputs))
        np.testing.assert_array_equal(variables["input"][place], inputs)
        np.testing.assert_array_equal(variables["target"][place], targets)
        np.testing.assert_array_equal(recorded[place, 0], index)
    silent = np.isnan(variables["target"]).any(axis=1)
    assert (variables["output_error"][silent] == 0).all()
    assert np.isfinite(recorded[:, HEAD:][:, ~np.isnan(recorded[:, HEAD:]).any(axis=0)]).all()
    if config.learner not in UNBOUNDED:
        assert ((variables["output"] > 0) & (variables["output"] < 1)).all()


@every_learner
def test_a_trial_does_not_depend_on_other_trials(config):
    alone = simulate(config, [3])[3]
    for together in (simulate(config, [0, 3]), simulate(config, range(5), lanes=4)):
        assert same(alone.final, together[3].final)
        assert same(alone.initial, together[3].initial)
        np.testing.assert_array_equal(alone.test, together[3].test)
        np.testing.assert_array_equal(alone.progress, together[3].progress)
        assert alone.milestones == together[3].milestones
    assert not same(alone.initial, alone.final), "something was learned"
    assert not same(alone.final, simulate(config, [3], seed=1)[3].final)


@every_case
def test_the_last_sequences_can_be_replayed(config):
    everything, last = (rows_of(simulate(config, [1], policy)[1]) for policy in ("every:1", "last:2"))
    np.testing.assert_array_equal(everything[everything[:, 0] >= SEQUENCES - 2], last)


@every_learner
def test_a_trial_file_takes_it(config, tmp_path):
    simulation = simulation_for(config, 0, 1, Policy.parse("default"))
    result = next(simulation.run(iter([0])))
    path = tmp_path / "trial-0000.nc"
    width = simulation.learner.layout.width
    assert all(rows.shape[1] == width for rows in [*result.rows, result.test_rows])
    with TrialFile(path, simulation.learner.layout, config.task) as file:
        file.finish("row", config, simulation.learner, result, provenance())
    with xr.open_datatree(path) as tree:
        trace = tree["trace"].to_dataset()
        assert {name for name, _ in simulation.learner.layout.columns} <= set(trace.variables)
        for name, group in result.final.items():
            np.testing.assert_array_equal(tree[f"weights/final_{name}"].values, group)


@every_case
def test_a_net_that_diverged_leaves_nothing_behind(config):
    """After a trial whose weights have become NaN, padding included, the next one on the same net is as on a new one."""
    spoilt, fresh = build(config), build(config)
    spoilt.start(0, (5, 1))
    signs = np.random.default_rng(1)
    huge = {
        name: group if name == "place" else np.where(group != 0, signs.choice([-1e308, 1e308], group.shape), 0.0)
        for name, group in spoilt.weights(0).items()
    }
    spoilt.set_weights(0, huge)
    contract._run(spoilt, 0, 6)
    for net in (spoilt, fresh):
        net.start(0, (5, 2))
    rows = [contract._run(net, 0, 3)[:, HEAD:] for net in (spoilt, fresh)]
    np.testing.assert_array_equal(*rows)
    assert same(spoilt.weights(0), fresh.weights(0))
