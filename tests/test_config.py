"""Settings of a run: how they are given, what is refused, and that a trial file's JSON says everything."""

import dataclasses
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import rows
from lstmsim.simulation.config import Config, Stage, Training, parse_assignment, parse_value

CONFIG = Config(
    tasks.task("two_sequence")(50, 3),
    "lstm",
    LSTMSettings(1, 1, n_blocks=3, bias="b1"),
    Training((Stage("ST1", 1, test=256),), window=100),
)
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
    assert changed.training == dataclasses.replace(CONFIG.training, window=50)
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
    assert config.settings.input_gate_bias == (-2.0,)


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
    ("key", "value", "allowed"),
    [
        ("n_blocks", "many", "a whole number"),
        ("n_blocks", 1.5, "a whole number"),
        ("n_blocks", 0, "a whole number of at least 1"),
        ("learning_rate", "fast", "a number"),
        ("learning_rate", -1.0, "a finite number above 0"),
        ("learning_rate", float("nan"), "a finite number above 0"),
        ("learning_rate", None, "a number"),
        ("shortcuts", "perhaps", "true or false"),
        ("bias", "some", "'all', 'b1', 'ga', 'none'"),
        ("bias", 3, "a word"),
        ("input_gate_bias", [-1.0, -2.0], "None, a finite number, or 3 of them"),
        ("input_gate_bias", "low", "a number or Sequence[float] or none"),
        ("T", 0, "whole numbers from 1"),
        ("N", 51, "whole numbers from 1 to 50"),
        ("max_sequences", 0, "1 to 1,000,000,000,000"),
        ("window", 0, "1 to 1,000,000"),
        ("test_every", -5, "1 to 1,000,000,000"),
        ("final_test", -1, "0 to 1,000,000"),
        ("error_bound", 0.0, "above 0"),
        ("error_bound", float("nan"), "above 0"),
    ],
)
def test_wrong_values_are_named(key, value, allowed):
    with pytest.raises(ValueError, match=rf"^{key} is ") as caught:
        CONFIG.with_settings({key: value})
    assert str(value) in str(caught.value)
    assert allowed in str(caught.value)


@every_row
def test_json_says_everything(config):
    parts = json.loads(config.as_json())
    assert "\n" not in config.as_json()
    task, learner, training = parts["task"], parts["learner"], parts["training"]
    assert learner.pop("name") == config.learner
    stages = tuple(Stage(**stage) for stage in training.pop("stages"))
    again = Config(
        tasks.task(task.pop("name"))(**task), config.learner, LSTMSettings(**learner), Training(stages=stages, **training)
    )
    assert again == config
    assert again.as_json() == config.as_json()


@every_row
def test_every_key_can_be_set_to_what_it_is(config):
    same = {key: getattr(config.parts()[part], key) for key, part in config.keys().items()}
    assert config.with_settings(same) == config


@every_row
def test_keys_name_one_thing_each(config):
    names = [field.name for part in config.parts().values() for field in dataclasses.fields(part)]
    assert len(names) == len(set(names))
