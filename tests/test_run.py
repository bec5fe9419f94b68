"""The command line: what it prints, what it leaves, what it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.campaign.requests import from_file
from lstmsim.campaign.run import _refuse_other
from lstmsim.paper import row, rows
from lstmsim.run import main

SMALL = ("4-1", "--trials", "2", "--max-sequences", "120", "--set", "T=20", "--set", "final_test=30", "--lanes", "1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder and output of a small run."""
    out = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "lstmsim.run", *SMALL, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_a_run_leaves_whole_files(run):
    out, _ = run
    assert sorted(path.name for path in (out / "4-1").iterdir()) == ["overview.png", "trial-0000.nc", "trial-0001.nc"]
    assert not list(out.rglob("*.part"))
    with xr.open_dataset(out / "summary.nc") as summary:
        assert summary["status"].values.tolist() == [["gave_up", "gave_up"]]
        assert summary["sequences"].values.tolist() == [[120, 120]]
        assert np.isnan(summary["sequences_to_success"]).all()
        assert (summary["test_sequences"] == 30).all()


def test_a_run_prints_progress_table_and_paths(run):
    out, printed = run
    assert "0/2 ended" in printed
    assert "74,000" in printed
    assert "0/2 solved" in printed
    assert str(out / "summary.nc") in printed
    assert "overview.png" in printed
    assert "\x1b" not in printed


def test_open_run_has_the_trials_along_a_dimension(run):
    tree = lstmsim.open_run(run[0])
    assert tree["4-1"]["trial"].values.tolist() == [0, 1]
    assert tree["4-1/trace"]["cell_state"].dims == ("trial", "step", "cell")
    assert tree["4-1/trace"]["input"].dims == ("trial", "step", "input_unit")
    assert tree["4-1/test"]["error"].sizes == {"trial": 2, "test_sequence": 30}
    one = lstmsim.open_run(run[0] / "4-1" / "trial-0001.nc")
    state = one["4-1/trace"]["cell_state"].isel(trial=0)
    both = tree["4-1/trace"]["cell_state"].sel(trial=1).isel(step=slice(0, state.sizes["step"]))
    np.testing.assert_array_equal(state, both)


def test_finished_trials_are_not_run_again(run, capsys):
    out, _ = run
    before = {path: path.stat().st_mtime_ns for path in (out / "4-1").glob("*.nc")}
    assert main([*SMALL, "--out", str(out)]) == 0
    assert "2 finished before" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (out / "4-1").glob("*.nc")} == before


def test_another_configuration_is_refused(run, capsys):
    assert main([*SMALL, "--set", "learning_rate=0.7", "--out", str(run[0])]) == 2
    error = capsys.readouterr().err
    assert "learning_rate=0.5" in error
    assert "0.7" in error
    assert error.count("\n") == 1


def test_trials_of_another_run_are_taken_over(run, tmp_path, capsys):
    """Those that are the same, byte for byte; trials of other settings and broken ones are run."""
    folder, _ = run
    source = tmp_path / "source"
    shutil.copytree(folder, source)
    (source / "4-1" / "trial-0001.nc").write_bytes(b"no trial")
    command = [*SMALL, "--reuse", str(source), "--trials", "3"]
    assert main([*command, "--out", str(tmp_path / "preview"), "--dry-run"]) == 0
    assert "2 of 3" in capsys.readouterr().out
    assert main([*command, "--out", str(tmp_path / "same")]) == 0
    assert f"3 trials, 1 finished before, 1 of them in {source}" in capsys.readouterr().out
    copied, made = ((path / "4-1" / "trial-0000.nc").read_bytes() for path in (tmp_path / "same", folder))
    assert copied == made
    assert len(list((tmp_path / "same" / "4-1").glob("trial-*.nc"))) == 3
    assert main([*command, "--out", str(tmp_path / "other"), "--max-sequences", "60"]) == 0
    assert "3 trials, 0 finished before; results" in capsys.readouterr().out
    assert main([*command, "--out", str(tmp_path / "seed"), "--seed", "1"]) == 0
    assert "3 trials, 0 finished before; results" in capsys.readouterr().out


def test_broken_files_are_named_and_run_again(tmp_path, capsys):
    arguments = [*SMALL, "--set", "max_sequences=20", "--out", str(tmp_path), "--record", "none"]
    assert main(arguments) == 0
    path = tmp_path / "4-1" / "trial-0001.nc"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()
    assert main(arguments) == 0
    assert "trial-0001.nc is no whole trial file" in capsys.readouterr().out.replace("\n", "")
    assert len(path.read_bytes()) > len(whole) // 2


def test_list_names_all_rows(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    for name, entry in rows().items():
        assert name in printed
        assert f"{entry.config.settings.n_weights:,}" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["4-9"], ["4-9", "4-1", "allowed"]),
        (["4-1", "--trials", "0"], ["--trials", "'0'", "1 to"]),
        (["4-1", "--trials", "x"], ["--trials", "'x'"]),
        (["4-1", "--seed", "-1"], ["--seed", "'-1'"]),
        (["4-1", "--set", "learning_rat=1"], ["learning_rat", "learning_rate"]),
        (["4-1", "--set", "learning_rate=-1"], ["learning_rate", "-1", "above 0"]),
        (["4-1", "--set", "learning_rate"], ["--set", "KEY=VALUE"]),
        (["4-1", "--set", "T=5"], ["T", "5", "20"]),
        (["4-1", "--record", "some"], ["--record", "some", "first:N"]),
        (["4-1", "--lanes", "3"], ["--lanes", "3", "1, 2, 4, 8 or 16"]),
        (["4-1", "--reuse", "nowhere"], ["--reuse", "'nowhere'", "folder of a run"]),
        (["4-1", "--max-sequences", "0"], ["--max-sequences", "'0'"]),
        (["missing.toml"], ["missing.toml", "cannot be read"]),
        (["4-1", "other.toml"], ["one run file alone"]),
    ],
)
def test_wrong_requests_exit_2_with_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rows = 3", ["rows", "list of tables"]),
        ("[[rows]]\nrow = '4-9'", ["4-9"]),
        ("[[rows]]\nrow = '4-1'\ntrial = 3", ["'trial'", "trials"]),
        ("[[rows]]\nrow = '4-1'\nname = '../x'", ["name", "../x"]),
        ("[[rows]]\nrow = '4-1'\nset = {T = 5}", ["T", "20"]),
        ("[[rows]]\nrow = '4-1'\n[[rows]]\nrow = '4-1'", ["twice"]),
        ("[[rows]\n", ["no TOML"]),
        ("seed = 1\nrows = []", ["seed"]),
    ],
)
def test_wrong_run_files_exit_2_with_one_line(text, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("wrong.toml").write_text(text)
    assert main(["wrong.toml"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.toml"]


def test_a_run_file_sets_rows_and_readings(tmp_path, capsys):
    path = tmp_path / "small.toml"
    settings = "set = {T = 20, output = 'identity', max_sequences = 20, final_test = 10}"
    path.write_text(f"[[rows]]\nrow = '4-1'\nname = '4-1@linear'\ntrials = 1\nreading = 'linear output'\n{settings}\n")
    assert main([str(path), "--out", str(tmp_path / "out"), "--lanes", "1"]) == 0
    assert "linear output" in capsys.readouterr().out
    tree = lstmsim.open_run(tmp_path / "out" / "4-1@linear")
    assert '"output": "identity"' in tree["4-1@linear"].attrs["config"]


def test_importing_the_package_is_light():
    code = "import sys, lstmsim; print(sorted({'matplotlib', 'dask', 'xarray', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_rows_have_the_papers_weights():
    counts = {"1-1": 264, "1-2": 276, "2a": 10504, "2c-1": 364, "2c-5": 6064, "3a-1": 102, "4-1": 93, "6a": 156, "6b": 308}
    for name, weights in counts.items():
        assert row(name).config.settings.n_weights == weights


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "runs").glob("*.toml")), ids=lambda path: path.name)
def test_the_run_files_are_legal(path):
    name, requests = from_file(path, None, {})
    assert name == path.stem
    assert len(requests) >= 3


def test_a_setting_that_a_folder_does_not_know_counts_as_its_default():
    config = row("4-1").config
    stored = json.loads(config.as_json())
    (part,) = (part for part, keys in stored.items() if isinstance(keys, dict) and "learning_rate_decay" in keys)
    del stored[part]["learning_rate_decay"]
    attrs = {"seed": 0, "version": lstmsim.__version__, "config": json.dumps(stored)}
    _refuse_other(Path("trial.nc"), attrs, config, 0, 0)
    with pytest.raises(ValueError, match=r"learning_rate_decay=0\.0, not 0\.1; allowed: another --out"):
        _refuse_other(Path("trial.nc"), attrs, config.with_settings({"learning_rate_decay": 0.1}), 0, 0)
