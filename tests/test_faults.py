"""What a machine may do to a run: kills, full and read-only disks, damaged files, Ctrl-C; nothing finished is lost."""

import os
import pty
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from lstmsim.campaign.checkpoint import read
from lstmsim.campaign.trials import RowFolder, rows_path
from lstmsim.run import main
from lstmsim.trace.seal import intact
from tests.faults import (
    TRIALS,
    assert_all_open,
    assert_equal_runs,
    command,
    complete,
    content,
    endless,
    hidden,
    remount,
    small_disk,
    start,
    trials,
    until,
    wait_for,
)

LONG = 100_000  # sequences, for some seconds of training
slow = pytest.mark.slow  # several processes of some seconds each; of each kind of fault one test is quick


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Folder of a short run that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = complete(command(out))
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def undisturbed_long(undisturbed, tmp_path_factory):
    """Folder of a longer one, and the seconds it took; the one before it has compiled the kernels."""
    out = tmp_path_factory.mktemp("undisturbed_long")
    began = time.monotonic()
    done = complete(command(out, sequences=LONG))
    assert done.returncode == 0, done.stderr
    return out, time.monotonic() - began


# Kills.


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])])
def test_kills_at_random_moments_lose_nothing(kills, undisturbed_long, tmp_path):
    """SIGKILL, from the start of the process to its end; a campaign that got through is compared and begun anew."""
    whole, seconds = undisturbed_long
    moment, killed, campaign = random.Random(7), 0, 0
    while killed < kills:
        out = tmp_path / str(campaign)
        before = {path: path.read_bytes() for path in trials(out).values()}
        process = start(command(out, "--checkpoint-every", "0.05", sequences=LONG))
        time.sleep(moment.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL)
        assert_all_open(out)
        for path, there in before.items():
            assert path.read_bytes() == there
        if process.returncode == 0:
            assert_equal_runs(out, whole)
            campaign += 1
    done = complete(command(out, sequences=LONG))
    assert done.returncode == 0, done.stderr
    assert_equal_runs(out, whole)
    assert {path.suffix for path in (out / "4-1").iterdir()} == {".nc", ".png"}
    assert not hidden(out)


@slow
def test_a_killed_run_that_recorded_everything_goes_on(undisturbed, tmp_path):
    """The recorded rows come back from the file beside the checkpoint, cut to what the checkpoint names."""
    arguments = ("--record", "all", "--checkpoint-every", "0.05", "--workers", "1")
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert complete(command(whole, "--record", "all", sequences=20_000)).returncode == 0
    process = start(command(out, *arguments, sequences=20_000))
    wait_for(lambda: list(out.glob("4-1/*.checkpoint.npz")))
    process.kill()
    process.communicate()
    (kept,) = out.glob("4-1/*.checkpoint.npz")
    rows = rows_path(kept.with_name(kept.name.replace(".checkpoint.npz", ".nc")))
    assert 0 < read(kept)["rows"]["count"] * read(kept)["rows"]["width"] * 8 <= rows.stat().st_size
    done = complete(command(out, *arguments, sequences=20_000))
    assert done.returncode == 0, done.stderr
    assert_equal_runs(out, whole)


# Ctrl-C and SIGTERM.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=slow)])
def test_a_signal_keeps_what_is_finished_and_takes_a_last_checkpoint(number, code, tmp_path):
    """Checkpoints are an hour apart, so that what is there is the last one; then the run goes on from it."""
    out = tmp_path / "out"
    process = start(endless(out, "--checkpoint-every", "3600"))
    until(process, r"[1-9]\d* sequences")
    process.send_signal(number)
    _, error = process.communicate(timeout=200)
    assert process.returncode == code
    assert error.count("\n") == 1
    assert "what was finished is kept" in error
    kept = sorted(out.glob("4-1/*.checkpoint.npz"))
    assert len(kept) in (1, 2), "two threads take a trial each"
    assert all(read(path)["state"]["result"]["sequences"] > 0 for path in kept)
    assert not hidden(out)


@slow
@pytest.mark.parametrize("shown", [1, 20])
def test_ctrl_c_leaves_the_terminal_sane(shown, tmp_path):
    """As soon as the bar appears, and later: it is erased, the cursor is back, the modes are what they were."""
    import termios

    above, below = pty.openpty()
    modes = termios.tcgetattr(below)
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    arguments = endless(tmp_path / "out")
    how = {"stdin": below, "stdout": below, "stderr": below, "text": False}
    process = start(arguments, env=environment, start_new_session=True, **how)
    seen = b""
    while seen.count(b"M steps/s") < shown:
        seen += os.read(above, 4096)
    process.send_signal(signal.SIGINT)
    while b"what was finished is kept" not in seen:
        seen += os.read(above, 4096)
    assert process.wait(timeout=200) == 130
    text = seen.decode(errors="replace")
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") > 0, "the cursor is hidden"
    assert "\x1b[2K" in text[text.rfind("M steps/s") :], "the bar's line is not erased"
    assert "Traceback" not in text
    assert termios.tcgetattr(below) == modes
    os.close(above)
    os.close(below)


# Disks.


@pytest.mark.parametrize(
    ("size", "policy", "every"),
    [
        ("600k", "default", "60"),
        pytest.param("2m", "all", "60", marks=slow),
        pytest.param("3500k", "all", "60", marks=slow),
        pytest.param("100k", "default", "0", marks=slow),
        pytest.param("4k", "none", "60", marks=slow),
    ],
)
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(size, policy, every, undisturbed, tmp_path):
    """Full while a trace, recorded rows, a checkpoint or the first file is written."""
    with small_disk(tmp_path, size) as disk:
        out = disk / "out"
        arguments = command(out, "--record", policy, "--checkpoint-every", every)
        done = complete(arguments)
        assert done.returncode == 1, done.stderr
        assert re.search(r"No space left|disk has \d\.\d MB left", done.stderr)
        assert done.stderr.count("\n") == 1
        assert_all_open(out)
        before = {path: path.read_bytes() for path in trials(out).values()}
        remount(disk, "size=100m")
        done = complete(arguments)
        assert done.returncode == 0, done.stderr
        for path, there in before.items():
            assert path.read_bytes() == there
        for name, path in trials(out).items():
            found, expected = content(path), content(trials(undisturbed)[name])
            for key in expected:
                if key.startswith(("/progress", "/weights/final", "/test/", "@sequences")) and "snapshot" not in key:
                    np.testing.assert_array_equal(found[key], expected[key])
        assert not hidden(out)


@slow
def test_a_disk_that_fills_up_leaves_earlier_files_alone(undisturbed, tmp_path):
    """Room for two trials of the four."""
    with small_disk(tmp_path, "5m") as disk:
        out = disk / "out"
        done = complete(command(out, "--workers", "1"))
        assert done.returncode == 1
        assert_all_open(out)
        finished = trials(out)
        assert 0 < len(finished) < TRIALS
        for name, path in finished.items():
            np.testing.assert_equal(content(path), content(trials(undisturbed)[name]))
        remount(disk, "size=100m")
        assert complete(command(out)).returncode == 0
        assert_equal_runs(out, undisturbed)


def test_a_read_only_folder_is_refused(tmp_path):
    """On a file system that refuses the superuser, too."""
    with small_disk(tmp_path, "1m") as disk:
        remount(disk, "ro")
        for out in (disk, disk / "out"):
            done = complete(command(out))
            assert done.returncode == 2
            assert str(out) in done.stderr
            assert "allowed: a folder that can be written" in done.stderr
            assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_folder_without_permission_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o555)
    assert main(command(tmp_path / "out")[3:]) == 2
    assert "allowed: a folder that can be written" in capsys.readouterr().err


# Damaged files.


def test_damaged_trial_files_are_named_and_run_again(undisturbed, tmp_path):
    """One cut, one with a flipped bit; the others stay as they are."""
    out = copy(undisturbed, tmp_path / "out")
    paths = list(trials(out).values())
    damage(paths[0], cut=True)
    damage(paths[2], place=0.6)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (paths[1], paths[3])}
    done = complete(command(out))
    assert done.returncode == 0, done.stderr
    for path in (paths[0], paths[2]):
        assert f"{path} is no whole trial file" in done.stdout
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert_equal_runs(out, undisturbed)


def test_any_flipped_bit_of_a_trial_file_is_noticed(undisturbed, tmp_path):
    out = copy(undisturbed, tmp_path / "out")
    path = next(iter(trials(out).values()))
    whole, place = path.read_bytes(), random.Random(3)
    for _ in range(200):
        path.write_bytes(whole)
        damage(path, place=place.random())
        assert not intact(path)
    path.write_bytes(whole)
    assert intact(path)


@pytest.mark.parametrize("which", [pytest.param("cut", marks=slow), "flipped", pytest.param("rows", marks=slow)])
def test_damaged_checkpoints_are_named_and_their_trials_begun_anew(which, tmp_path, undisturbed_long):
    whole, _ = undisturbed_long
    out = tmp_path / "out"
    process = start(command(out, "--checkpoint-every", "0.05", sequences=LONG))
    wait_for(lambda: len(list(out.glob("4-1/*.checkpoint.npz"))) >= 2)
    process.kill()
    process.communicate()
    kept = sorted(out.glob("4-1/*.checkpoint.npz"))
    if which == "rows":
        name = rows_path(kept[0].with_name(kept[0].name.replace(".checkpoint.npz", ".nc")))
        damage(name, place=0.1)
    else:
        name = kept[0]
        damage(name, cut=which == "cut", place=0.5)
    done = complete(command(out, sequences=LONG))
    assert done.returncode == 0, done.stderr
    assert str(name) in done.stdout
    assert str(kept[1]) not in done.stdout
    assert_equal_runs(out, whole)


def copy(folder: Path, to: Path) -> Path:
    """Copy of a run's folder."""
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
    return to


def damage(path: Path, *, cut: bool = False, place: float = 0.5) -> None:
    """Cut a file in half, or flip one of its bits."""
    there = bytearray(path.read_bytes())
    at = int(place * len(there))
    there[at] ^= 16
    path.write_bytes(there[: len(there) // 2] if cut else there)


# Other faults.


def test_a_clock_set_back_does_not_hinder_checkpoints(tmp_path, monkeypatch):
    """The wall clock goes back by a day each time somebody looks; checkpoints come as often as before."""
    days = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1.7e9 - 86_400 * next(days))
    saved = []
    save = RowFolder.save
    monkeypatch.setattr(RowFolder, "save", lambda self, trial, state: (save(self, trial, state), saved.append(trial)))
    arguments = command(tmp_path / "out", "--checkpoint-every", "0.1", "--workers", "1", sequences=20_000)[3:]
    assert main(arguments) == 0
    assert saved


def test_a_diverging_trial_is_reported_and_the_others_go_on(tmp_path, capsys):
    arguments = command(tmp_path, "--set", "output=identity", "--set", "learning_rate=5.0", "--trials", "12", sequences=200)[
        3:
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    statuses = [content(path)["@status"] for path in trials(tmp_path).values()]
    assert len(statuses) == 12
    assert 0 < statuses.count("diverged") < 12
    assert printed.count("diverged at sequence") == statuses.count("diverged")


@pytest.mark.parametrize("error", [RuntimeError("a fault of the program"), MemoryError("8 TiB")], ids=["bug", "memory"])
def test_a_thread_that_raises_ends_the_run_and_keeps_what_is_finished(error, tmp_path, monkeypatch, capsys):
    finish, count = RowFolder.finish, []

    def fail(self, result, extra):
        count.append(result.trial)
        if len(count) == 3:
            raise error
        finish(self, result, extra)

    monkeypatch.setattr(RowFolder, "finish", fail)
    arguments = command(tmp_path / "out")[3:]
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert f"{type(error).__name__}: {error}" in message.splitlines()[-1]
    assert ("Traceback" in message) == isinstance(error, RuntimeError)
    assert len(trials(tmp_path / "out")) in (2, 3)
    assert not hidden(tmp_path / "out")
    monkeypatch.undo()
    assert main(arguments) == 0
    assert len(trials(tmp_path / "out")) == TRIALS


# Another configuration.


@slow
def test_a_folder_of_another_configuration_is_refused_and_force_starts_over(undisturbed, tmp_path, capsys):
    out = copy(undisturbed, tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for change, words in (
        (("--set", "learning_rate=0.7"), ("learning_rate=0.5", "0.7")),
        (("--seed", "3"), ("seed=0", "3")),
        (("--set", "T=21"), ("T=20", "21")),
    ):
        assert main(command(out, *change)[3:]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert all(word in message for word in (*words, "--force"))
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    for number in (1, 2):
        assert main(command(out, "--seed", "3", "--force", "--quiet")[3:]) == 0
        assert capsys.readouterr().out == f"{out}/again-{number}\n"
        assert len(trials(out / f"again-{number}")) == TRIALS
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "same", [("--lanes", "8", "--workers", "1", "--checkpoint-every", "1", "--record", "none", "--quiet")], ids=["all"]
)
def test_what_cannot_change_a_result_is_not_refused(same, undisturbed, tmp_path):
    out = copy(undisturbed, tmp_path / "out")
    assert main(command(out, *same)[3:]) == 0
    assert_equal_runs(out, undisturbed)
