"""Settings of a run: how they are given, what is refused, and that a trial file's JSON says everything."""

import dataclasses
import json
import re
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim.learners import learners
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import rows
from lstmsim.simulation.config import Experiment, Stage, StoppingRule, assignments, parse_assignment, parse_value
from lstmsim.tasks import task as named
from lstmsim.tasks import tasks

RULE = StoppingRule(stages=(Stage("ST1", test=256),), window=100)
CONFIG = Experiment(named("two_sequence")(50, 3), LSTMSettings(1, 1, n_blocks=3, bias="b1"), RULE)
LSTM_ROWS = {name: row.config for name, row in rows().items() if row.config.learner == "lstm"}
every_row = pytest.mark.parametrize("config", LSTM_ROWS.values(), ids=LSTM_ROWS.keys())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate=0.5", ("learning_rate", 0.5)),
        (" n_blocks = 3 ", ("n_blocks", 3)),
        ("shortcuts=true", ("shortcuts", True)),
        ("bias=ga", ("bias", "ga")),
        ('bias="ga"', ("bias", "ga")),
        ("input_gate_bias=[-1, -2.5]", ("input_gate_bias", [-1, -2.5])),
        ("input_gate_bias=none", ("input_gate_bias", None)),
        ("input_gate_bias=None", ("input_gate_bias", None)),
        ("max_sequences=10_000", ("max_sequences", 10_000)),
        ("bias=", ("bias", "")),
        ("bias=a=b", ("bias", "a=b")),
        ("bias=1\nother=2", ("bias", "1\nother=2")),
        ("bias='unclosed", ("bias", "'unclosed")),
    ],
)
def test_assignments(text, expected):
    key, value = parse_assignment(text)
    assert (key, value) == expected
    assert type(value) is type(expected[1])


@pytest.mark.parametrize("text", ["", "learning_rate", "=0.5", "  = 0.5", "learning_rate:0.5"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(f"--set {text!r}; allowed: KEY=VALUE")):
        parse_assignment(text)


def test_a_key_that_is_given_twice_is_refused():
    assert assignments(["T=20", "bias=ga"]) == {"T": 20, "bias": "ga"}
    with pytest.raises(ValueError, match="--set 'T=30' is the second for T; allowed: each key once"):
        assignments(["T=20", "bias=ga", "T=30"])


@pytest.mark.parametrize("key", ["recurrence", "bias"])
def test_none_is_a_word_where_a_key_takes_words(key):
    changed = CONFIG.with_settings(dict([parse_assignment(f"{key}=none")]))
    assert getattr(changed.settings, key) == "none"
    assert changed.with_settings({"input_gate_bias": None}).settings.input_gate_bias is None


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_any_text_is_a_value(text):
    parse_value(text)
    key, value = parse_assignment(f"key={text}")
    assert key == "key"
    assert value == parse_value(text.strip()) or value != value


def test_settings_go_to_their_part():
    changed = CONFIG.with_settings({"N": 2, "learning_rate": 1, "window": 50, "information_noise": True})
    assert changed.task == dataclasses.replace(CONFIG.task, N=2, information_noise=True)
    assert changed.settings == dataclasses.replace(CONFIG.settings, learning_rate=1.0)
    assert isinstance(changed.settings.learning_rate, float)
    assert changed.stop == dataclasses.replace(CONFIG.stop, window=50)
    assert CONFIG.with_settings({}) == CONFIG


def test_the_original_stays():
    before = CONFIG.as_json()
    CONFIG.with_settings({"T": 99, "n_blocks": 5})
    assert CONFIG.as_json() == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONFIG.learner = "other"


def test_the_net_fits_a_changed_task():
    config = rows()["2c-1"].config.with_settings({"p": 7})
    assert config.settings.n_inputs == config.task.n_inputs == 11
    config = rows()["6a"].config.with_settings({"n_relevant": 3, "n_blocks": 1, "input_gate_bias": -2})
    assert config.settings.n_outputs == config.task.n_outputs == 8
    assert config.settings.input_gate_bias == -2.0


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [("learning_rat", "learning_rate"), ("max_sequence", "max_sequences"), ("block", None), ("n_block", "n_blocks")],
)
def test_unknown_keys_are_refused_with_a_suggestion(key, suggestion):
    with pytest.raises(ValueError, match=f"^unknown key '{key}'") as caught:
        CONFIG.with_settings({"learning_rate": 0.3, key: 1})
    message = str(caught.value)
    if suggestion:
        assert f"did you mean {suggestion!r}?" in message
    assert "allowed: " in message
    for known in ("T", "learning_rate", "max_sequences"):
        assert f"{known}," in message


@pytest.mark.parametrize("key", ["n_inputs", "n_outputs", "stages", "name", "learner"])
def test_what_the_task_decides_cannot_be_set(key):
    with pytest.raises(ValueError, match=f"unknown key '{key}'"):
        CONFIG.with_settings({key: 3})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_blocks", "many"),
        ("n_blocks", 1.5),
        ("n_blocks", 0),
        ("learning_rate", "fast"),
        ("learning_rate", -1.0),
        ("learning_rate", float("nan")),
        ("learning_rate", None),
        ("shortcuts", "perhaps"),
        ("bias", "some"),
        ("bias", 3),
        ("input_gate_bias", [-1.0, -2.0]),
        ("input_gate_bias", "low"),
        ("T", 0),
        ("N", 51),
        ("wrong", 1),  # beside stages, which have their own
        ("wrong", -1),
        ("error", -0.1),
        ("max_sequences", 0),
        ("max_sequences", True),
        ("window", 0),
        ("window", 10**7),
        ("test_every", -5),
        ("final_test", -1),
        ("final_test", 10**400),
        ("error_bound", 0.0),
        ("error_bound", float("inf")),
        ("squared_error", 1),
    ],
)
def test_wrong_values_are_named(key, value):
    with pytest.raises(ValueError, match=rf"^{key} is .*allow") as caught:
        CONFIG.with_settings({key: value})
    assert "\n" not in str(caught.value)


def test_one_condition_is_a_stage_called_solved():
    rule = StoppingRule(3, 0.1, test=7)
    assert rule.conditions == (Stage("solved", wrong=3, error=0.1, test=7),)
    assert RULE.conditions == RULE.stages
    with pytest.raises(ValueError, match=r"^Stage is given 1 without a name; allowed: wrong, error, test by name$"):
        Stage("solved", 1)  # fewer or at most? The word must stand beside the number


# An experiment.

NET = LSTMSettings(2, 1, n_blocks=2)


@pytest.mark.parametrize("given", [NET, ("lstm", NET), ("exact_lstm", NET)])
def test_the_learner_is_found_by_its_settings(given):
    made = Experiment(named("adding")(20), given)
    expected = given[0] if isinstance(given, tuple) else "lstm"
    assert (made.learner, made.settings, made.name) == (expected, NET, f"adding-{expected}")


def test_sizes_come_from_the_task():
    made = Experiment(named("adding")(20), ("lstm", NET))
    for net, words in (
        (LSTMSettings(3, 1, n_blocks=2), "n_inputs is 3; allowed: 2, as task 'adding' has, or 0 for the task's"),
        (LSTMSettings(2, 2, n_blocks=2), "n_outputs is 2; allowed: 1, as task 'adding' has, or 0 for the task's"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            dataclasses.replace(made, settings=net)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "adding"}, "task is 'adding'; allowed: a task"),
        ({"learner": "lsmt"}, "unknown learner 'lsmt'; did you mean 'lstm'?"),
        ({"learner": ("lsmt", None)}, "unknown learner 'lsmt'; did you mean 'lstm'?"),
        ({"learner": ("rtrl", NET)}, "settings is LSTMSettings"),
        ({"learner": 3}, "learner is 3; allowed: settings of a learner"),
        ({"stop": 3}, "stop is 3; allowed: a StoppingRule"),
        ({"name": "../x"}, "name is '../x'; allowed"),
    ],
)
def test_what_is_no_experiment_is_refused(arguments, words):
    right = {"task": named("adding")(20), "learner": NET}
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        Experiment(**(right | arguments))


@every_row
def test_json_says_everything(config):
    parts = json.loads(config.as_json())
    assert "\n" not in config.as_json()
    task, learner = parts["task"], parts["learner"]
    again = Experiment(
        named(task.pop("name"))(**task), (learner.pop("name"), LSTMSettings(**learner)), StoppingRule(**parts["stop"])
    )
    assert again == dataclasses.replace(config, name=None)
    assert again.as_json() == config.as_json()


@every_row
def test_every_key_can_be_set_to_what_it_is(config):
    same = {key: getattr(config.parts()[part], key) for key, part in config.keys().items()}
    assert config.with_settings(same) == config


def test_keys_name_one_thing_each():
    @dataclasses.dataclass(frozen=True)
    class Windowed(named("adding")):
        window: int = 3

    with pytest.raises(ValueError, match="task 'adding' has a parameter 'window'; allowed: names that no other setting has"):
        Experiment(Windowed(20), NET)


def test_the_name_of_a_learner_is_a_text():
    with pytest.raises(ValueError, match=r"unknown learner .*; allowed: annealing, block_rtrl, bptt"):
        Experiment(named("adding")(20), (["lstm"], LSTMSettings(2, 1)))


SETTINGS = {cls.__name__: cls for cls in (*tasks().values(), StoppingRule, Stage)}
SETTINGS |= {name: found.Settings for name, found in learners().items()}


@pytest.mark.parametrize("value", [True, False, np.True_, np.array(False)], ids=repr)
@pytest.mark.parametrize("cls", SETTINGS.values(), ids=SETTINGS)
def test_truth_values_are_no_numbers(cls, value):
    """Nor words, nor one of several numbers: every setting of every task, learner and rule that is no truth value."""
    hints, needed = typing.get_type_hints(cls, include_extras=True), {"inputs": np.zeros((1, 2, 1)), "name": "a"}
    fields = [f.name for f in dataclasses.fields(cls) if f.init and not f.metadata.get("data")]
    given = {f.name: needed[f.name] for f in dataclasses.fields(cls) if f.name in needed}
    for name in (name for name in fields if "bool" not in str(hints[name])):
        with pytest.raises(ValueError, match=rf"^{name} is .*(True|False).*; allowed: "):
            cls(**given | {name: value})


SIZES = {
    "n_hidden",
    "chunker_hidden",
    "max_hidden",
    "n_states",
    "n_blocks",
    "block_size",
    "levels",
    "order",
    "feedback",
    "pool",
}


@pytest.mark.parametrize("name", learners())
def test_nets_too_large_are_refused_before_anything_is_made_of_their_size(name):
    cls, made = SETTINGS[name], {"n_inputs": 3, "n_outputs": 1}
    sizes = [f.name for f in dataclasses.fields(cls) if f.name in SIZES and type(f.default) is int]
    assert sizes
    for size in sizes:
        with pytest.raises(ValueError, match=rf"{size}(=| is )1000000000.*; allowed: "):
            cls(**made, **{size: 10**9})


@pytest.mark.parametrize("value", [2**63, 2**64, -(2**63) - 1])
@pytest.mark.parametrize("cls", SETTINGS.values(), ids=SETTINGS)
def test_whole_numbers_are_those_that_kernels_can_hold(cls, value):
    """One that was larger made floats of the addresses in a kernel's struct."""
    hints, needed = typing.get_type_hints(cls, include_extras=True), {"inputs": np.zeros((1, 2, 1)), "name": "a"}
    given = {f.name: needed[f.name] for f in dataclasses.fields(cls) if f.name in needed}
    whole = [f.name for f in dataclasses.fields(cls) if f.init and re.search(r"\bint\b", str(hints[f.name]))]
    for name in whole:
        with pytest.raises(ValueError, match=rf"^{name} is {value}; allowed: .* whole number.*, in 64 bits$"):
            cls(**given | {name: value})


def test_every_learner_can_take_every_task():
    """No setting of a task has the name of one of a learner or the stopping rule: the key would not say whose it is.

    But for `reber`, whose sets of strings have the names of those that a search draws from any task.
    """
    taken = {(task, "stop"): names(made) & names(StoppingRule) for task, made in tasks().items()}
    taken |= {
        (task, learner): names(made) & names(found.Settings)
        for task, made in tasks().items()
        for learner, found in learners().items()
    }
    assert {pair for pair, found in taken.items() if found - {"n_train", "n_test"}} == set()


def names(cls):
    return {f.name for f in dataclasses.fields(cls) if f.init} if dataclasses.is_dataclass(cls) else set()


def test_modules_are_searched_for_learners_and_tasks_once(monkeypatch):
    """Each recorded piece of a stream asks for all learners' variables."""
    found = learners(), tasks()
    monkeypatch.setattr("pkgutil.walk_packages", None)
    assert (learners(), tasks()) == found
