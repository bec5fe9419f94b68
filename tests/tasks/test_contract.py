"""What every task in the table must do."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from lstmsim.kernels.random import trial_keys
from lstmsim.tasks import Task
from tests.tasks.reading import read, read_lanes, same, steps_with

EXTREMES = {
    "adding": [{"T": 20}],
    "reber": [{"set": 2, "testing": True}, {"embedded": False, "first_branch": 0.7}],
    "noise_free": [{"p": 2}],
    "local_regularities": [{"p": 7, "targets": "end"}],
    "distractors": [{"q": 1, "p": 1}],
    "two_sequence": [{"T": 9, "N": 9, "information_noise": True, "target_noise": True, "targets": (0.2, 0.8)}],
    "temporal_order": [{"n_relevant": 3}],
    "latch": [{"T": 2}, {"T": 9, "variant": 1}],
    "parity": [{"T": 2, "noise": 0.5}],
    "stream": [{"q": 1, "strings": 1}],
    "continual_reber": [{"stream_steps": 0}],
    "delayed_add": [{"t1": 0, "t2": 12, "steps": 7}],
    "continual_temporal_order": [{"n_relevant": 2, "stream_sequences": 1}],
    "tomita": [{"language": n, "longest": 2 + n, "share": 1.0} for n in range(1, 8)],
    "gap": [{"gap": 0}, {"gap": 11}],
    "uniform_latch": [{"T": 2, "strings": 0}, {"T": 9, "cues": 8, "strings": 3}],
    "curves": [{"T": 2, "longest": 2, "curves": 0}, {"T": 5, "longest": 9, "curves": 4}],
    "copying": [{"alphabet": 2, "length": 1, "delay": 0}],
    "counting": [{"letters": 3}, {"longest": 2}],
    "trace_patterning": [{"set": 3}],
    "spikes": [{"F": 2}],
    "mackey_glass": [{"delay": 1, "exponent": 1, "skipped": 2, "steps": 3}],
}
EVERYWHERE = {"curves", "parity", "delayed_add", "mackey_glass"}  # every step counts
VARIANTS = [made(**given) for name, made in tasks.tasks().items() for given in [{}, *EXTREMES.get(name, [])]]
every_task = pytest.mark.parametrize("task", VARIANTS, ids=str)


def test_the_table_gives_names_and_refuses_others():
    assert set(EXTREMES) < set(tasks.tasks())
    assert all(found is tasks.task(name) and found.name == name for name, found in tasks.tasks().items())
    with pytest.raises(ValueError, match="unknown task 'addin'; did you mean 'adding'"):
        tasks.task("addin")
    with pytest.raises(ValueError, match="name is 'adding'; allowed: a name that no other task has"):
        tasks.register("adding")(type("Other", (Task,), {}))


@every_task
def test_it_keeps_the_contract(task):
    tasks.check(task)


@settings(derandomize=True, max_examples=20, deadline=None)
@given(block=st.integers(1, 700), lanes=st.integers(1, 5))
@pytest.mark.parametrize("name", ["adding", "distractors", "two_sequence"])
def test_same_sequences_for_any_cut(name, block, lanes):
    task = tasks.task(name)(**({"target_noise": True} if name == "two_sequence" else {}))
    whole = read(task, 4, block=5000)
    assert same(whole, read_lanes(task, 4, lanes=lanes, block=block)[0])


@every_task
def test_trials_seeds_and_tests_differ(task):
    streams = [read(task, 40, **how) for how in ({}, {"trial": 1}, {"seed": 1}, {"testing": True})]
    in_order = getattr(task, "testing", False)
    for one in range(4):
        for other in range(one):
            assert same(streams[one], streams[other]) == in_order


def test_testing_sequences_come_from_key_1():
    task = tasks.task("adding")()
    inputs, _ = task.sequence(4, 2, 9, testing=True)
    assert np.array_equal(inputs, read(task, 10, seed=4, trial=2, testing=True)[9].inputs)


@every_task
def test_the_last_step_is_learned_and_judged(task):
    for sequence in read(task, 60):
        assert sequence.length - 1 in steps_with(sequence.learned)
        assert sequence.length - 1 in steps_with(sequence.judged)
        assert set(steps_with(sequence.judged)) <= set(steps_with(sequence.learned))


@every_task
def test_judged_as_learned_unless_said_otherwise(task):
    for sequence in read(task, 20):
        judged = steps_with(sequence.judged)
        clean = np.array_equal(sequence.judged[judged], sequence.learned[judged])
        assert clean or task.ranking or task.name == "stream" or getattr(task, "target_noise", False)


@every_task
def test_events_are_marked(task):
    inputs, _ = task.sequence(0, 0, 0)
    assert len(task.events(inputs)) > 0 or not getattr(task, "embedded", True) or task.name in EVERYWHERE


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("adding", {"T": 19}, "T is 19; allowed: a whole number from 20"),
        ("adding", {"T": 100.0}, "T is 100.0; allowed: a whole number"),
        ("adding", {"T": "100"}, "T is '100'; allowed: "),
        ("adding", {"T": True}, "T is True; allowed: "),
        ("multiplication", {"T": -1}, "T is -1; allowed: "),
        ("noise_free", {"p": 1}, "p is 1; allowed: a whole number from 2"),
        ("local_regularities", {"p": 0}, "p is 0; allowed: "),
        ("local_regularities", {"targets": "all"}, "targets is 'all'; allowed: 'every', 'end'"),
        ("distractors", {"q": 0}, "q is 0; allowed: "),
        ("distractors", {"p": 0}, "p is 0; allowed: "),
        ("two_sequence", {"T": 0}, "T is 0; allowed: "),
        ("two_sequence", {"N": 101}, "N is 101; allowed: a whole number from 1 to T, which is 100"),
        ("two_sequence", {"target_noise": 1}, "target_noise is 1; allowed: True, False"),
        ("two_sequence", {"information_noise": "no"}, "information_noise is 'no'; allowed: "),
        ("two_sequence", {"targets": (0.5, 0.5)}, "targets is (0.5, 0.5); allowed: two different"),
        ("two_sequence", {"targets": (0.0, np.nan)}, "targets is (0.0, nan)"),
        ("two_sequence", {"targets": (0.0, np.inf)}, "targets is (0.0, inf)"),
        ("two_sequence", {"targets": (1, 2, 3)}, "targets is (1, 2, 3)"),
        ("two_sequence", {"targets": 0.2}, "targets is 0.2"),
        (
            "temporal_order",
            {"n_relevant": 4},
            "n_relevant is 4; allowed: a whole number from 2 to 3",
        ),
        ("reber", {"set": -1}, "set is -1; allowed: "),
        ("reber", {"n_train": 0}, "n_train is 0; allowed: "),
        ("reber", {"n_test": 10**6}, "n_test is 1000000; allowed: "),
        ("reber", {"testing": 1}, "testing is 1; allowed: "),
        ("reber", {"embedded": None}, "embedded is None; allowed: "),
        ("reber", {"first_branch": 0.0}, "first_branch is 0.0; allowed: a finite number from 0.1 to 0.9"),
        ("reber", {"first_branch": np.nan}, "first_branch is nan; allowed: "),
    ],
)
def test_illegal_parameters_are_named(name, parameters, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        tasks.task(name)(**parameters)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((-1, 0, 0), "seed is -1"), ((0, 0.5, 0), "trial is 0.5"), ((0, 0, -3), "index is -3")],
)
def test_illegal_numbers_of_a_sequence_are_named(arguments, told):
    with pytest.raises(ValueError, match=told):
        tasks.task("adding")().sequence(*arguments)


def test_trial_keys_are_those_of_a_seed_sequence():
    keys = trial_keys(7, 3)
    assert np.array_equal(keys, np.random.SeedSequence((7, 3)).generate_state(4, np.uint64))
    assert len({*keys, *trial_keys(3, 7), *trial_keys(7, 4)}) == 12


def test_a_task_needs_a_fill():
    class Nothing(Task):
        name = "nothing"

    with pytest.raises(TypeError, match="fill"):
        Nothing()
