"""The command line: what it prints, what it leaves, what it refuses."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.campaign.requests import from_file
from lstmsim.paper import row, rows
from lstmsim.run import main
from tests.faults import start, until

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
    arguments = [*SMALL, "--out", str(tmp_path), "--record", "none"]
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
        assert entry.table.heading in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_list_finds_rows_by_words(capsys):
    assert main(["--list", "adding", "LSTM"]) == 0
    printed = capsys.readouterr().out
    assert "4-1" in printed
    assert "guess-adding-a1" not in printed
    assert main(["--list", "--json", "adding", "4-1"]) == 0
    assert [found["row"] for found in json.loads(capsys.readouterr().out)["rows"]] == ["4-1", "4-1-exact"]


def test_a_row_says_how_it_could_be_read_otherwise(tmp_path, capsys):
    small = ["--trials", "1", "--max-sequences", "20", "--record", "none", "--lanes", "1"]
    assert main(["4-1", *small, "--reading", "one", "--out", str(tmp_path / "one")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "reading: no f' in e_k, biases of gates only" in printed
    assert "the text alone: 702,731 sequences (--reading literal)" in printed
    assert main(["4-1", *small[:4], "--dry-run", "--out", str(tmp_path / "literal")]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["4-9"], ["4-9", "4-1", "allowed"]),
        (["--list", "nothing like it"], ["--list 'nothing like it'", "allowed"]),
        (["4-1", "--reading", "two"], ["--reading is 'two'", "'literal' or 'one'"]),
        (["4-1", "--trials", "0"], ["--trials is 0", "1 to"]),
        (["4-1", "--trials", "x"], ["--trials", "'x'"]),
        (["4-1", "--seed", "-1"], ["--seed is -1", "at least 0"]),
        (["4-1", "--set", "learning_rat=1"], ["learning_rat", "learning_rate"]),
        (["4-1", "--set", "learning_rate=-1"], ["learning_rate", "-1", "above 0"]),
        (["4-1", "--set", "learning_rate"], ["--set", "KEY=VALUE"]),
        (["4-1", "--set", "T=5"], ["T is 5", "20"]),
        (["4-1", "--record", "some"], ["--record is 'some'", "first:N"]),
        (["4-1", "--lanes", "3"], ["--lanes is 3", "1, 2, 4, 8 or 16"]),
        (["4-1", "--reuse", "nowhere"], ["--reuse is 'nowhere'", "folder of a run"]),
        (["4-1", "--max-sequences", "0"], ["--max-sequences is 0", "from 1 to"]),
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


# What stands around a process: closed streams, processors it may not use, texts that look like something else.

QUICK = [
    "4-1",
    "--trials",
    "1",
    "--max-sequences",
    "20",
    "--set",
    "T=20",
    "--set",
    "final_test=0",
    "--record",
    "none",
    "--lanes",
    "1",
    "--workers",
    "1",
]


def shell(line: str, *arguments, **how):
    """Run a shell line in which "$@" stands for the command with its arguments."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "lstmsim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, **how)


@pytest.mark.parametrize("arguments", [(), ("--quiet",), ("--json",), ("--list",), ("--settings", "4-1")], ids=str)
def test_a_closed_output_is_no_error(arguments, tmp_path):
    out = tmp_path / "out"
    done = shell('exec "$@" >&-', *([] if "--list" in arguments or "--settings" in arguments else QUICK), *arguments,
                 *([] if "--list" in arguments or "--settings" in arguments else ["--out", out]))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "--quiet" in arguments:
        assert sorted(path.name for path in (out / "4-1").iterdir()) == ["trial-0000.nc"]


def test_nobody_reads_the_output():
    done = shell('"$@" 2>&1 | exit 0; exit 0', "--list")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("text", ["gate [/] x", "bias [a] x", "[/]x", "results[final]", ":smile: [red]x[/red]"])
def test_a_users_text_is_printed_as_it_is(text, tmp_path, capsys):
    """Names of readings, of folders, and both of a broken file."""
    path, out = tmp_path / "own.toml", tmp_path / text.replace("/", "")
    path.write_text(f"[[rows]]\nrow = '4-1'\ntrials = 1\nreading = {json.dumps(text)}\n")
    options = [*QUICK[3:], "--out", str(out)]
    assert main([str(path), *options]) == 0
    printed = capsys.readouterr().out
    assert f"reading: {text}" in printed
    assert f"results in {out}\n" in printed
    assert f"report: {out}/report.html" in printed
    (out / "4-1" / "trial-0000.nc").write_bytes(b"no trial")
    assert main([str(path), *options]) == 0
    assert f"{out}/4-1/trial-0000.nc is no whole trial file" in capsys.readouterr().out


def test_an_out_in_the_home_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main([*QUICK, "--out", "~/x", "--quiet"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/x\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("more", [["--json"], ["--quiet"], ["--dry-run"], []], ids=str)
@pytest.mark.parametrize(
    "wrong",
    [
        ["--set", "error_bound=inf"],
        ["--set", "T=21"],  # the second for T
        ["--set", "max_sequences=7"],
        ["--scheduler", "nonsense"],
        ["--scheduler", "http://127.0.0.1:1"],
        ["--reuse", "nowhere"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_refused_before_anything_runs(more, wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*QUICK, "--out", "out", *wrong, *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert wrong[1].partition("=")[0] in captured.err
    assert list(tmp_path.iterdir()) == []


def test_settings_of_a_row_are_listed(capsys):
    assert main(["--settings", "4-1", "--json"]) == 0
    listed = {setting["key"]: setting for setting in json.loads(capsys.readouterr().out)["settings"]}
    assert listed["T"]["value"] == 100
    assert listed["window"]["allowed"] == "a whole number from 1 to 1,000,000"
    assert "frozen weights" in listed["wrong"]["meaning"]
    assert main(["--settings", "4-1"]) == 0
    assert all(key in capsys.readouterr().out for key in ("learning_rate",))
    assert main(["--settings", "4-9"]) == 2
    assert main(["--settings", "4-1", "--reading", "one", "--set", "T=50", "--json"]) == 0
    listed = {setting["key"]: setting["value"] for setting in json.loads(capsys.readouterr().out)["settings"]}
    assert (listed["T"], listed["cell_bias"], listed["output_bias"]) == (50, False, False)


@pytest.mark.parametrize("mode", [["--list", "adding"], ["--settings", "4-1"]], ids=str)
@pytest.mark.parametrize(
    "given",
    [["--trials", "3"], ["--over", "T=50"], ["--out", "x"], ["--force"], ["--dry-run"], ["--max-sequences", "9"]],
    ids=str,
)
def test_what_means_nothing_beside_a_list_is_refused(mode, given, capsys):
    assert main([*mode, *given]) == 2
    assert re.fullmatch(rf"lstmsim: {given[0]} is .*; allowed: not with {mode[0]}\n", capsys.readouterr().err)


def test_version_and_module(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"lstmsim {lstmsim.__version__}\n"
    assert shell('exec "$@"', "--version").stdout == f"lstmsim {lstmsim.__version__}\n"


# Compilation.


@pytest.mark.timeout(250)
def test_ctrl_c_while_kernels_are_compiled_ends_at_once(tmp_path):
    """They are told of while it happens; it would take many times as long, and leaves one line."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    process = start([sys.executable, "-m", "lstmsim", *QUICK, "--out", str(tmp_path / "out")], env=environment)
    until(process, "compiling kernels for 4-1 .once, about")
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=10)
    assert process.returncode == 130
    assert out == ""
    assert error.count("\n") == 1
    assert "what was finished is kept" in error
    assert not list((tmp_path / "out").glob("*/*"))


@pytest.mark.timeout(250)
def test_a_dry_run_does_not_wait_for_the_compiler(tmp_path):
    done = shell(
        'exec "$@"', "4-1", "--dry-run", "--out", tmp_path / "out", env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert "the time is unknown: 4-1 must be compiled first" in done.stdout
    assert not (tmp_path / "out").exists()
