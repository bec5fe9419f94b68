import contextlib
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim import Experiment, StoppingRule
from lstmsim.campaign.halving import LOST, SOLVED, Score, survivors
from lstmsim.campaign.scan import Scan
from lstmsim.campaign.scan_points import over_of
from lstmsim.campaign.scan_store import ScanStore
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.run import main
from lstmsim.simulation.variants import shared
from lstmsim.tasks.adding import Adding

SMALL = {"max_sequences": 600, "window": 100, "final_test": 32}
LATEST = {
    "training_error": "mean_absolute_error",
    "training_squared_error": "mean_squared_error",
    "training_correct": "fraction_correct",
}
OVER = {"learning_rate": [0.1, 0.5, 2.0], "T": [20, 40]}


def same(a, b):
    """Whether two datasets agree to the bit, but for the time that trials took."""
    a, b = (d.drop_vars("seconds") for d in (a, b))
    return a.drop_attrs().identical(b.drop_attrs())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("scan")
    return out, lstmsim.scan("4-1", OVER, trials=2, out=out, weights=True, workers=1, **SMALL)


def test_a_scan_has_the_keys_and_trials_as_dimensions(whole):
    _, scan = whole
    assert dict(scan["status"].sizes) == {"learning_rate": 3, "T": 2, "trial": 2}
    assert set(np.unique(scan["status"])) <= {"solved", "gave_up", "diverged"}
    assert (scan["sequences"] <= 600).all()
    assert (scan["sequences"] > 0).all()
    assert scan["learning_rate"].values.tolist() == OVER["learning_rate"]
    assert scan["T"].values.tolist() == OVER["T"]


def test_points_on_shared_lanes_have_the_bits_of_simulate(whole):
    _, scan = whole
    for T, rate in ((20, 0.5), (40, 2.0)):
        run = lstmsim.simulate("4-1", trials=2, T=T, learning_rate=rate, record="none", lanes=8, **SMALL)["4-1"]
        point = scan.sel(T=T, learning_rate=rate)
        assert point["status"].values.tolist() == run["status"].values.tolist()
        for name in set(point.data_vars) & set(run.data_vars) - {"status", "seconds"}:
            np.testing.assert_array_equal(point[name], run[name].astype(float), name)
        progress = run["progress"].to_dataset()
        for trial in (0, 1):
            ended = progress.isel(trial=trial).dropna("window").isel(window=-1)
            for name, there in LATEST.items():
                assert point[name].sel(trial=trial) == ended[there]
        for name in ("input_gate", "output_gate", "cell", "output"):
            np.testing.assert_array_equal(point[f"final_{name}"], run["weights"][f"final_{name}"], name)


def test_the_file_is_what_was_returned(whole):
    out, scan = whole
    for there in (lstmsim.open_run(out)["4-1"].to_dataset(), lstmsim.open_run(out / "scan.nc")["4-1"].to_dataset()):
        assert same(there, scan)
    with xr.open_dataset(out / "scan.nc") as there:
        assert (there["status"].astype(str) == scan["status"]).all()
    assert sorted(path.name for path in out.iterdir()) == [".lock", "scan.nc", "scan.sqlite"]


def test_more_values_and_trials_join_what_has_ended(whole, tmp_path):
    _, before = whole
    lstmsim.scan("4-1", {"learning_rate": [0.1, 2.0], "T": [20]}, trials=2, out=tmp_path, weights=True, **SMALL)
    first = Scan("4-1", {"learning_rate": [0.1, 2.0, 0.5], "T": [20]}, tmp_path, trials=2, settings=SMALL, weights=True)
    with first.begun():
        assert len(first.missing()) == 2
    lstmsim.scan("4-1", {"learning_rate": [0.1, 2.0], "T": [20]}, trials=3, out=tmp_path, weights=True, **SMALL)
    scan = lstmsim.scan("4-1", OVER, trials=2, out=tmp_path, weights=True, **SMALL)
    assert same(scan.sel(trial=[0, 1], learning_rate=OVER["learning_rate"]), before)
    assert (scan["status"].sel(trial=2, T=40) == "not_run").all()
    assert scan["sequences"].sel(trial=2, T=40).isnull().all()


def test_a_scan_of_given_points(tmp_path):
    points = [{"T": 20, "learning_rate": 0.5}, {"learning_rate": 2.0, "T": 40}]
    scan = lstmsim.scan("4-1", points, trials=2, **SMALL)
    assert dict(scan["status"].sizes) == {"point": 2, "trial": 2}
    assert scan["T"].values.tolist() == [20, 40]
    assert scan["learning_rate"].dims == ("point",)


def test_the_learner_says_what_may_share_lanes():
    a = Experiment(Adding(20), LSTMSettings(n_blocks=2))
    for key, value in (
        ("learning_rate", 0.7),
        ("init_range", 0.3),
        ("T", 50),
        ("max_sequences", 7),
        ("input_gate_bias", -1.0),
    ):
        assert shared(a.with_settings({key: value})) == shared(a), key
    for key, value in (("n_blocks", 3), ("bias", "none"), ("window", 7), ("error_factor", 2.0)):
        assert shared(a.with_settings({key: value})) != shared(a), key


@pytest.mark.parametrize(
    ("over", "trials", "message"),
    [
        ({"lerning_rate": [1.0]}, 2, r"unknown key 'lerning_rate'; did you mean 'learning_rate'\?"),
        ({"T": []}, 2, r"over\['T'\] is \[\]; allowed: at least one value"),
        ({"T": 40}, 2, r"over\['T'\] is 40; allowed: a list of values"),
        ({"T": "40"}, 2, r"over\['T'\] is '40'; allowed: a list of values"),
        ({"T": range(10**12)}, 2, r"over\['T'\] is range\(0, 10{12}\); allowed: at most 1,000,000 values"),
        (
            {"learning_rate": [1, 0.5, 1.0]},
            2,
            "over is 'learning_rate=1.0'; allowed: values and points that stand there once",
        ),
        ([{"T": 40}, {"T": 40}], 2, "over is 'T=40'; allowed: values and points that stand there once"),
        ([{"T": 40}, {"p": 40}], 2, "over is {'p': 40}; allowed: points with the same keys, T"),
        ({"T": range(20, 200_000)}, 10, "trials is '199,980 points of 10 trials'; allowed: at most 1,000,000 trials in all"),
        ({"T": [40, 5]}, 2, "point T=5: T is 5; allowed: a whole number from 20"),
        ({"carry": ["none", "x"]}, 2, "point carry=x: carry is 'x'; allowed: 'none', 'states', 'partials', 'all'"),
        ({}, 2, "over is {}; allowed: at least one key with values"),
        ("T", 2, "over is 'T'; allowed: values by key"),
        ({"T": [20]}, 0, "trials is 0; allowed: a whole number from 1"),
    ],
)
def test_what_cannot_be_scanned_is_refused_before_anything_is_written(over, trials, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        lstmsim.scan("4-1", over, trials=trials, out=tmp_path / "scan", **SMALL)
    assert not (tmp_path / "scan").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"over": {"T": [20]}}, "was run with over=.'T', 'learning_rate'., learning_rate=None, not over=.'T'."),
        ({"window": 50}, "was run with window=100, not window=50"),
        ({"seed": 1}, "was run with seed=0, not seed=1"),
        ({"weights": False}, "was run with weights=True, not weights=False"),
    ],
)
def test_a_folder_takes_no_other_scan(whole, changed, message):
    out, _ = whole
    given = {"over": OVER, "trials": 2, "weights": True} | SMALL | changed
    with pytest.raises(ValueError, match=message):
        lstmsim.scan("4-1", out=out, **given)


def test_a_trial_that_fails_is_a_value_and_is_run_again(tmp_path):
    @lstmsim.tasks.generator(n_inputs=1, n_outputs=1, max_length=5, tolerance=0.3)
    def scan_breaks(seq, key, worst: float = 0.0):
        seq.learn(4, 0, 1.0 / worst if worst < 0.5 else 0.5)
        return 5

    rule = StoppingRule(window=50, max_sequences=100, final_test=0)
    mine = Experiment(scan_breaks(worst=1.0), LSTMSettings(), rule)
    for _ in range(2):
        scan = lstmsim.scan(mine, {"worst": [1.0, 0.0, 2.0]}, trials=2, out=tmp_path)
        assert scan["status"].sel(worst=0.0).values.tolist() == ["failed", "failed"]
        assert (scan["status"].sel(worst=[1.0, 2.0]) != "failed").all()
        assert "worst=0.0, trial 0: ValueError: task 'scan_breaks'" in scan.attrs["failures"]


def test_a_learner_that_takes_one_trial_after_another():
    scan = lstmsim.scan("guess-latch-2", {"max_sequences": [20, 40]}, trials=2)
    run = lstmsim.simulate("guess-latch-2", trials=2, record="none", max_sequences=40)["guess-latch-2"]
    for name in ("sequences", "steps", "sequences_to_success"):
        np.testing.assert_array_equal(scan[name].sel(max_sequences=40), run[name].astype(float))


KILLED = """
import os, signal, sys
import lstmsim
from lstmsim.campaign import scan_store

finish, left = scan_store.ScanStore.finish, int(sys.argv[3])
def last(self, *args, **how):
    global left
    finish(self, *args, **how)
    self.commit()
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
scan_store.ScanStore.finish = last
over = {"learning_rate": [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0], "T": [20, 30, 40]}
settings = {"max_sequences": 300, "window": 100, "final_test": 16}
lstmsim.scan("4-1", over, trials=int(sys.argv[2]), out=sys.argv[1], checkpoint_every=0.1, **settings)
"""


@pytest.mark.parametrize("trials", [3, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_a_scan_killed_twice_is_the_undisturbed_one(trials, tmp_path):
    for finished in (8 * trials, 9 * trials):
        child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a"), str(trials), str(finished)])
        assert child.returncode == -signal.SIGKILL
    assert 0 < ended(tmp_path / "a") < 24 * trials
    settings = {"max_sequences": 300, "window": 100, "final_test": 16}
    over = {"learning_rate": [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0], "T": [20, 30, 40]}
    with pytest.warns(UserWarning, match="was ended while it ran into"):
        resumed = lstmsim.scan("4-1", over, trials=trials, out=tmp_path / "a", **settings)
    whole = lstmsim.scan("4-1", over, trials=trials, workers=1, **settings)
    assert same(resumed, whole)
    for rate, T in [(0.5, 30)] if trials < 64 else [(rate, T) for rate in over["learning_rate"] for T in over["T"]]:
        run = lstmsim.simulate("4-1", trials=trials, T=T, learning_rate=rate, record="none", lanes=8, **settings)["4-1"]
        for name in ("sequences", "steps", "test_error", "sequences_to_correct_50"):
            np.testing.assert_array_equal(whole[name].sel(learning_rate=rate, T=T), run[name].astype(float))


def ended(folder):
    """Trials that have ended in a scan's folder."""
    if not (folder / "scan.sqlite").exists():
        return 0
    with contextlib.closing(sqlite3.connect(folder / "scan.sqlite")) as file:
        try:
            return file.execute("SELECT count(*) FROM results").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


HALVED = {"over": {"learning_rate": [0.01, 0.1, 0.5, 1.0, 2.0]}, "trials": 2, "T": 20, **SMALL}


def test_points_that_learn_least_are_given_up_whatever_the_order(tmp_path):
    scan = lstmsim.scan("4-1", halving=2, out=tmp_path, workers=1, **HALVED)
    stopped = scan["status"] == "stopped"
    assert stopped.any("learning_rate").all()
    assert not stopped.all()
    assert set(np.unique(scan["sequences"].where(stopped))[:-1]) <= {75.0, 150.0, 300.0}
    assert "the best 1/2 of the points go on" in scan.attrs["halving"]
    again = lstmsim.scan("4-1", halving=2, **HALVED | {"over": {"learning_rate": HALVED["over"]["learning_rate"][::-1]}})
    assert same(again.sortby("learning_rate"), scan)
    assert same(lstmsim.scan("4-1", halving=2, out=tmp_path, **HALVED), scan)
    whole = lstmsim.scan("4-1", **HALVED)
    np.testing.assert_array_equal(whole["steps"].where(~stopped), scan["steps"].where(~stopped))
    assert not (whole["status"] == "stopped").any()


def test_halving_goes_on_after_an_interruption(tmp_path):
    how = {"trials": 2, "settings": {"T": 20} | SMALL, "halving": 2, "workers": 1}
    scan = Scan("4-1", HALVED["over"], tmp_path, **how)
    with scan.begun(), contextlib.closing(scan.run(lambda: None)) as run:
        next(run)
    assert same(lstmsim.scan("4-1", halving=2, out=tmp_path, **HALVED), lstmsim.scan("4-1", halving=2, **HALVED))


@pytest.mark.parametrize(
    ("scores", "left"),
    [
        ({1: [(0.5, 1.0)], 2: [(0.4, 0.1)], 3: [(0.5, 0.9)], 4: [(0.0, 0.2)]}, {1, 3}),
        ({1: [(0.5, 1.0)], 2: [(0.5, 1.0)], 3: [(0.5, 1.0)]}, {1, 2, 3}),
        ({1: [LOST, LOST], 2: [SOLVED, SOLVED], 3: [SOLVED, LOST], 4: [(0.4, 0.1), LOST]}, {2, 3}),
    ],
)
def test_survivors(scores, left):
    assert survivors(scores, 2) == left


def test_a_score_that_is_no_number_is_kept_as_none(tmp_path):
    """SQLite has no NaN: it would come back as None, and no mean could be made of it."""
    store = ScanStore(tmp_path)
    store.begin({"of": "this test"}, ["{}"], 1)
    with contextlib.closing(store):
        store.save_at(7, {"result": {"sequences": 5}, "scores": {"sums": np.array([np.nan, 0.0, 3.0])}}, 10)
        assert repr(store.scores()) == repr({(7, 5): Score(0.6, np.nan)})


def test_the_command_line_scans(tmp_path, capsys):
    out = tmp_path / "scan"
    line = ["4-1", "--over", "T=20,40", "--over", "learning_rate=0.1:1:2:log", "--trials", "2", "--max-sequences", "300"]
    line += ["--set", "window=100", "--set", "final_test=16", "--out", str(out), "--workers", "1"]
    assert main([*line, "--dry-run"]) == 0
    assert "would run 4 points x 2 trials (8 trials left)" in capsys.readouterr().out
    assert not out.exists()
    assert main(line) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == str(out / "scan.nc")
    assert "median sequences" in said
    assert lstmsim.open_run(out)["4-1"]["learning_rate"].values.tolist() == [0.1, 1.0]
    assert main([*line, "--quiet"]) == 0
    assert capsys.readouterr().out == f"{out / 'scan.nc'}\n"


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("T=50,100", [50, 100]),
        ("T=50:200:4", [50, 100, 150, 200]),
        ("T=50:400:4:log", [50, 100, 200, 400]),
        ("T=0.1:10:3:log", [0.1, 1.0, 10.0]),
        ("T=[-1,-2],none,true", [[-1, -2], None, True]),
    ],
)
def test_values_of_over(given, values):
    assert over_of([given]) == {"T": values}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--over", "T"], "--over is 'T'; allowed: KEY=a,b,c or KEY=low:high:count"),
        (["--over", "T=1:2"], "T"),
        (["--over", "T=1:2:3:lin"], "allowed: KEY=low:high:count"),
        (["--over", "T=0:2:3:log"], "allowed: numbers above 0 for a logarithmic scale"),
        (["--over", "T=20", "--over", "T=30"], "each key once"),
        (["--over", "T=20", "--lanes", "4"], "--lanes is '4'; allowed: not with --over"),
        (["4-2", "--over", "T=20"], "rows are 4-1 4-2; allowed: one row id with --over"),
        (["--halving", "2"], "over is {}"),
        (["--over", "T=20", "--halving", "1"], "halving is 1; allowed: None or a whole number from 2"),
    ],
)
def test_the_command_line_refuses_in_one_line(given, message, capsys):
    assert main(["4-1", *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
