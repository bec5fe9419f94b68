"""Running experiments from Python: what comes back, what is left in the folder, what is refused before anything runs."""

import gc
import json
import os
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lstmsim
from lstmsim.campaign.folder import RunFolder
from lstmsim.campaign.requests import OtherOrigin, requested
from lstmsim.campaign.threads import Ensemble, Job, TrialsFailed
from lstmsim.campaign.trials import RowFolder
from lstmsim.experiment import settings_of
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import row, rows
from lstmsim.run import main
from lstmsim.simulation.policy import Policy
from lstmsim.tasks import task
from tests.faults import content, trials

SHORT = {"T": 20, "max_sequences": 60, "final_test": 10}
STOP = lstmsim.StoppingRule(error=0.01, max_sequences=60, final_test=10)
OWN = lstmsim.Experiment(task("adding")(20), LSTMSettings(n_blocks=2, block_size=2), STOP, "mine")


def of(tree, name):
    """The node of a row, also where it is the only one."""
    return tree[name] if name in tree.children else tree


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_row_in_one_call_and_nothing_printed(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = of(lstmsim.simulate("4-1", trials=2, seed=3, lanes=1, **SHORT), "4-1")
    assert tree["status"].values.tolist() == ["gave_up", "gave_up"]
    assert json.loads(of(tree, "4-1").attrs["config"])["stop"]["max_sequences"] == 60
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_lives_as_long_as_anything_read_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tree = of(lstmsim.simulate("4-1", trials=1, lanes=1, **SHORT), "4-1")
    states = tree["trace"].to_dataset()["cell_state"]
    del tree
    gc.collect()
    assert np.isfinite(states.values).all()
    del states
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_own_experiments_and_rows_together(tmp_path):
    """The folder is whole: trial files, summary, report, and what was asked of it."""
    tree = lstmsim.simulate(["4-1", OWN], trials=1, out=tmp_path, lanes=1, T=21, max_sequences=50, final_test=5)
    assert {"4-1", "mine"} <= set(tree.children)
    assert {path.name for path in tmp_path.iterdir()} >= {"summary.nc", "report.html", "run.json", "4-1", "mine"}
    asked = RunFolder(tmp_path, 0).asked()
    assert [request.name for request in asked.requests] == ["4-1", "mine"]
    assert asked.requests[1].config == replace(
        OWN.with_settings({"T": 21, "max_sequences": 50, "final_test": 5}), name="mine"
    )
    assert "mine" in (tmp_path / "report.html").read_text()


def test_it_is_what_the_command_line_does(tmp_path):
    """The same bits, and each goes on where the other stopped."""
    lstmsim.simulate("4-1", trials=2, out=tmp_path / "python", lanes=1, **SHORT)
    command = ["4-1", "--set", "T=20", "--set", "final_test=10", "--max-sequences", "60", "--lanes", "1", "--quiet"]
    assert main([*command, "--trials", "2", "--out", str(tmp_path / "command")]) == 0
    for name, path in trials(tmp_path / "python").items():
        np.testing.assert_equal(content(path), content(trials(tmp_path / "command")[name]))
    before = files(tmp_path / "python" / "4-1")
    assert main([*command, "--trials", "3", "--out", str(tmp_path / "python")]) == 0
    after = files(tmp_path / "python" / "4-1")
    assert all(after[path] == there for path, there in before.items() if path.endswith(".nc"))
    assert len(trials(tmp_path / "python")) == 3


@pytest.mark.parametrize("unfinished", [False, True])
def test_other_settings_seed_and_version_are_refused_by_name(unfinished, tmp_path, monkeypatch):
    """A folder begun with one seed and alpha is not continued with another, whichever way one comes."""
    alpha = {"learning_rate": 0.001, **SHORT}
    if unfinished:
        monkeypatch.setattr("os.fsync", lambda _: None)

        def stop(self, result, extra):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(RowFolder, "finish", stop)
            with pytest.raises(TrialsFailed):
                lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, checkpoint_every=0, **alpha)
        assert list(tmp_path.rglob("*.npz"))
    else:
        lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **alpha)
    before = files(tmp_path)
    words = (
        r"trial-0000\S* was run with seed=0, (.*)learning_rate=0.001, not seed=7, (.*)learning_rate=0.9; allowed: the same"
    )
    with pytest.raises(ValueError, match=words):
        lstmsim.simulate("4-1", trials=1, seed=7, out=tmp_path, lanes=1, **(alpha | {"learning_rate": 0.9}))
    with monkeypatch.context() as patch:
        patch.setattr("lstmsim.__version__", "9.9.9")
        with pytest.raises(ValueError, match=r"was run with version='0.1.0', not version='9.9.9'"):
            lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **alpha)
    assert files(tmp_path) == before
    if unfinished:  # below every interface the file itself is asked
        ensemble = Ensemble([Job("4-1", row("4-1").config.with_settings(SHORT), [0])], tmp_path, 7, Policy(), 1, 1)
        with pytest.raises(TrialsFailed) as caught:
            list(ensemble.run(lambda: None))
        assert isinstance(caught.value.__cause__, OtherOrigin)


def test_a_finished_trial_is_never_overwritten(tmp_path):
    lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **SHORT)
    before = files(tmp_path)
    ensemble = Ensemble([Job("4-1", row("4-1").config.with_settings(SHORT), [0])], tmp_path, 7, Policy(), 1, 1)
    with pytest.raises(TrialsFailed, match="is finished already"):
        list(ensemble.run(lambda: None))
    assert files(tmp_path) == before


def test_what_was_found_in_the_folder_is_warned_of(tmp_path):
    lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **SHORT)
    (path,) = trials(tmp_path).values()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"trial-0000.nc is no whole trial file .* the trial is run again"):
        lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **SHORT)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"experiment": "4-9"}, "unknown row '4-9'"),
        ({"experiment": []}, "experiment is []; allowed: a row's id, an Experiment"),
        ({"experiment": 3}, "experiment is 3; allowed: a row's id, an Experiment"),
        ({"experiment": [OWN, replace(OWN, stop=lstmsim.StoppingRule())]}, "name is 'mine'; allowed: a name of its own"),
        ({"trials": 0}, "trials is 0; allowed: a whole number from 1 to 10,000"),
        ({"trials": 2.5}, "trials is 2.5; allowed"),
        ({"seed": -1}, "seed is -1; allowed"),
        ({"record": "some"}, "record is 'some'; allowed: none, default, all"),
        ({"workers": 0}, "workers is 0; allowed"),
        ({"lanes": 3}, "lanes is 3; allowed: 1, 2, 4, 8 or 16"),
        ({"checkpoint_every": -1}, "checkpoint_every is -1; allowed"),
        ({"device": "tpu"}, "device is 'tpu'; allowed: 'cpu', 'cuda'"),
        ({"progress": "yes"}, "progress is 'yes'; allowed"),
        ({"scheduler": "nonsense"}, "scheduler is 'nonsense'"),
        ({"scheduler": "http://127.0.0.1:1"}, "scheduler is 'http://127.0.0.1:1'"),
        ({"scheduler": "tcp://127.0.0.1"}, "scheduler is 'tcp://127.0.0.1'"),
        ({"reuse": "nowhere"}, "reuse is 'nowhere'; allowed: the folder of a run"),
        ({"out": "/proc/nothing"}, "out is '/proc/nothing'"),
        ({"error_bound": float("inf")}, "error_bound is inf; allowed: a finite number above 0"),
        ({"learning_rat": 0.1}, "unknown key 'learning_rat'; did you mean 'learning_rate'?"),
        ({"n_blocks": 10**7}, "with n_blocks=10000000: input_gate_bias is (-3.0, -6.0)"),
    ],
)
def test_refusals_come_first_and_speak_of_arguments(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = arguments.get("experiment", "4-1")
    settings = {key: value for key, value in arguments.items() if key != "experiment"}
    with pytest.raises(ValueError, match=f"^{re.escape(words)}") as caught:
        lstmsim.simulate(experiment, **({"out": "run"} | settings))
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_thread_that_raises_is_an_error_with_its_cause(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(RowFolder, "finish", fail)
    with pytest.raises(lstmsim.TrialsFailed, match="trials 0 failed; RuntimeError: a fault of the program") as caught:
        lstmsim.simulate("4-1", trials=1, out=tmp_path, lanes=1, **SHORT)
    assert str(caught.value.__cause__) == "a fault of the program"


def test_the_folder_is_the_users_home_and_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tree = lstmsim.simulate("4-1", trials=1, out="~/x", lanes=1, **SHORT)
    monkeypatch.chdir("/")
    assert np.isfinite(of(tree, "4-1")["trace"].to_dataset()["cell_state"].values).all()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    (tmp_path / "relative").mkdir()
    monkeypatch.chdir(tmp_path)
    folder = RunFolder("relative", 0)
    monkeypatch.chdir("/")
    assert folder.path == tmp_path / "relative"


def test_the_seconds_of_a_trial_are_its_own(tmp_path):
    """Trials that share a core share its time, and none of them counts what was compiled before."""
    clock = os.times()
    tree = of(lstmsim.simulate("4-1", trials=8, workers=1, out=tmp_path, **SHORT), "4-1")
    used = os.times()
    assert 0 < float(tree["seconds"].sum()) <= used.user - clock.user + used.system - clock.system


@pytest.mark.parametrize("name", list(rows()))
def test_every_setting_of_every_row_is_listed(name):
    config = row(name).config
    found = settings_of(config)
    assert [setting.key for setting in found] == list(config.keys())
    assert all(setting.allowed for setting in found)
    described = {setting.key for setting in found if setting.meaning}
    assert described >= {setting.key for setting in found if setting.part != "learner"}


def test_rows_with_changes_are_requests():
    (request,) = requested("4-1", None, {"T": 20})
    assert (request.name, request.trials, request.changes, request.own) == ("4-1", 10, {"T": 20}, False)
    assert requested(OWN, 3, {})[0].own
