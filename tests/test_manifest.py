"""What a run's folder remembers of what was asked of it."""

import json

import pytest

from lstmsim.campaign.manifest import recall, remember
from lstmsim.campaign.requests import requested


def test_what_was_asked_before_is_kept(tmp_path):
    first = requested(["4-1", "6a"], 4, {"learning_rate": 0.7})
    second = requested(["6b", "4-1"], 2, {"learning_rate": 0.7})
    remember(tmp_path, first, 3)
    manifest = remember(tmp_path, second, 3)
    assert [(r.name, r.trials, r.config.settings.learning_rate) for r in manifest.requests] == [
        ("4-1", 4, 0.7),
        ("6a", 4, 0.7),
        ("6b", 2, 0.7),
    ]
    assert recall(tmp_path) == manifest
    assert [set(run) for run in manifest.history] == [{"date", "command", "version", "commit"}] * 2
    assert [entry["seed"] for entry in json.loads((tmp_path / "run.json").read_text())["requests"]] == [3, 3, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"requests": []}', '{"requests": [{"name": "x"}], "history": []}', '{"requests": [1], "history": []}'],
)
def test_an_unusable_manifest_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json cannot be used"):
        recall(tmp_path)


def test_a_manifest_of_an_unknown_row_names_it(tmp_path):
    remember(tmp_path, requested(["4-1"], 1, {}), 0)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"row": "4-1"', '"row": "4-9"'))
    with pytest.raises(ValueError, match=r"run\.json, 4-1: unknown row '4-9'"):
        recall(tmp_path)
