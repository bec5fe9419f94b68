"""Trials left at a checkpoint and taken up again end with the same bits; damaged checkpoints are noticed."""

import threading
from pathlib import Path

import numpy as np
import pytest

from lstmsim import tasks
from lstmsim.campaign import checkpoint
from lstmsim.campaign.trials import RowFolder, checkpoint_path, rows_path, trial_path, unfinished
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import rows
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result, TrialQueue
from lstmsim.trace.rows import Rows
from lstmsim.trace.seal import intact, seal
from lstmsim.trace.summary import BrokenFile
from tests.learners.test_contract import CASES
from tests.test_simulate import CONFIGS, assert_same, rows_of


def driven(name: str) -> Experiment:
    """A short trial of a learner that goes through its trials in its own way."""
    config = next(row.config for row in rows().values() if row.config.learner == name)
    cascade, search = {"max_sequences": 60_000, "patience": 4}, {"max_sequences": 4000, "accept": 0.01}
    changes = cascade if name == "cascade" else search
    return config.with_settings({"final_test": 20, **changes})


EVERY = {name: config for name, config in CASES.items() if "on-line" not in name} | CONFIGS
DRIVEN = ("cascade", "guessing", "multigrid", "annealing")
EVERY |= {name: driven(name) for name in DRIVEN}


class Kept(RowFolder):
    """A row's folder that stops its trials after some checkpoints."""

    def __init__(self, out: Path, config: Experiment, simulation: Simulation, stop_after: int, every: float) -> None:
        super().__init__(out, "row", config, 0, simulation.learner, every=every, stop=threading.Event())
        self.left = stop_after

    def save(self, trial, state):
        super().save(trial, state)
        self.left -= 1
        if self.left <= 0:
            self.stop.set()


def run(
    config: Experiment,
    trials,
    folder: Path | None = None,
    *,
    lanes: int = 8,
    policy: str = "all",
    stop_after: int = 10**9,
    every: float = 0.0,
):
    """Run trials with checkpoints until all have ended or the folder stops them; results with all their rows."""
    simulation = simulation_for(config, 0, lanes, Policy.parse(policy))
    if folder is None:
        return {result.trial: result for result in simulation.run(iter(trials))}
    kept, results = Kept(folder, config, simulation, stop_after, every), {}
    for result in simulation.run(iter(trials), on_rows=kept.append, checkpoints=kept):
        if result.trial in kept._rows:
            result.rows = list(kept._rows[result.trial].ordered())
        results[result.trial] = result
    kept.close()
    return results


@pytest.mark.parametrize("name", EVERY)
def test_an_interrupted_trial_ends_with_the_same_bits(name, tmp_path, monkeypatch):
    """Left again and again, taken up on another number of lanes; every file goes through the disk."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    config = EVERY[name]
    trials = range(1) if name in DRIVEN else range(3)
    whole = run(config, trials, policy="all,last:2")
    ended: dict[int, Result] = {}
    for turn in range(1000):
        waiting = [trial for trial in trials if trial not in ended]
        if not waiting:
            break
        ended |= run(config, waiting, tmp_path, lanes=(8, 1)[turn % 2], policy="all,last:2", stop_after=1 + 7 * turn)
    assert turn > 1, "the run was never interrupted"
    for trial in trials:
        assert_same(ended[trial], whole[trial])


@pytest.mark.parametrize("policy", ["default", "all,last:2"])
@pytest.mark.parametrize("name", ["adding", "two_sequence", "noise_free"])
def test_trials_that_take_turns_end_with_the_same_bits(name, policy, tmp_path, monkeypatch):
    """Seven trials on four lanes: the last ones rest and go on, on whichever lane is free."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("lstmsim.simulation.loop._TURN", (1, 200))
    whole = run(CONFIGS[name], range(7), policy=policy)
    waiting, rests = TrialQueue(range(7)), []
    rest = waiting.put_back
    monkeypatch.setattr(
        waiting, "put_back", lambda trial, progress: rests.append((trial, progress)) or rest(trial, progress)
    )
    ended = run(CONFIGS[name], waiting, tmp_path, lanes=4, policy=policy, every=1e9)
    assert len({trial for trial, _ in rests}) > 4, "hardly a trial ever rested"
    assert all(steps >= 200 and sequences > 0 for _, (steps, sequences, *_) in rests)
    assert not len(waiting)
    assert not waiting.paused()
    for trial in range(7):
        assert_same(ended[trial], whole[trial])


def test_trials_do_not_rest_while_those_that_wait_fill_the_lanes(tmp_path, monkeypatch):
    """The first results come early: turns are taken only at the end."""
    monkeypatch.setattr("lstmsim.simulation.loop._TURN", (1, 200))
    begun: list[int] = []
    waiting = TrialQueue(range(5))
    monkeypatch.setattr(waiting, "put_back", lambda *_: pytest.fail("a trial rested"))
    monkeypatch.setattr("lstmsim.campaign.trials.RowFolder.load", lambda _, trial: begun.append(trial))
    assert list(run(CONFIGS["adding"], waiting, tmp_path, lanes=1, policy="none", every=1e9)) == begun == list(range(5))


def test_rows_of_a_trial_that_goes_from_thread_to_thread(tmp_path):
    """Each thread has its own folder object; one that has left a trial must not write where it once was."""
    simulation = Simulation(CONFIGS["adding"], 0, 1, Policy.parse("all"))
    first, second, third = (Kept(tmp_path, CONFIGS["adding"], simulation, 10**9, 1e9) for _ in range(3))
    for turn, folder in enumerate((first, second, first, second)):
        folder.load(0)
        folder.append(0, np.full((2, simulation.learner.layout.width), float(turn)))
        folder.save(0, {"turn": turn})
        folder.leave(0)
    assert third.load(0) == {"turn": 3}
    rows = np.concatenate(list(third._rows[0].ordered()))
    third.close()
    assert rows[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_stop_leaves_resting_trials_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("lstmsim.simulation.loop._TURN", (1, 200))
    config, trials = CONFIGS["adding"], TrialQueue(range(6))
    whole = run(config, range(6))
    ended = run(config, trials, tmp_path, lanes=4, stop_after=3, every=1e9)
    assert trials.paused()
    left = [trial for trial in range(6) if trial not in ended]
    assert all(checkpoint_path(trial_path(tmp_path, "row", trial)).exists() for trial in left)
    ended |= run(config, left, tmp_path)
    for trial in range(6):
        assert_same(ended[trial], whole[trial])


@pytest.mark.parametrize("policy", ["none", "default", "all", "first:7", "last:30", "every:13", "first:2,last:3,every:50"])
@pytest.mark.parametrize("name", ["adding", "two_sequence", "noise_free"])
def test_interruption_records_the_same_rows(name, policy, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    config, trials = CONFIGS[name], [0, 1]
    whole = run(config, trials, policy=policy)
    ended = run(config, trials, tmp_path, policy=policy, stop_after=40)
    waiting = [trial for trial in trials if trial not in ended]
    assert waiting
    ended |= run(config, waiting, tmp_path, policy=policy, every=0.05)
    for trial in trials:
        assert_same(ended[trial], whole[trial], recorded=False)
        assert len(whole[trial].snapshots) == len(ended[trial].snapshots)
        if policy != "none":
            np.testing.assert_array_equal(np.concatenate(ended[trial].rows), rows_of(whole[trial]))


@pytest.mark.parametrize(
    ("before", "after"), [("none", "all"), ("all", "default"), ("default", "last:50"), ("last:50", "none")]
)
def test_another_recording_policy_goes_on_from_the_checkpoint(before, after, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    config = CONFIGS["adding"]
    (whole,) = run(config, [0], policy="all").values()
    assert not run(config, [0], tmp_path, policy=before, stop_after=60)
    (ended,) = run(config, [0], tmp_path, policy=after).values()
    assert_same(ended, whole, recorded=False)
    if ended.rows:
        taken = np.concatenate(ended.rows)
        everything = rows_of(whole)
        np.testing.assert_array_equal(taken, everything[np.isin(everything[:, 0], taken[:, 0])])
        if "last" in after or after == "default":
            assert taken[-1, 0] == whole.sequences - 1


def test_a_policy_may_ask_for_more_last_sequences_than_the_checkpoint_was_made_for(tmp_path, monkeypatch):
    """Both boundaries that the checkpoint holds lie within the sequences that are asked for now."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("lstmsim.simulation.loop._BOUNDARY", 1)
    config = CONFIGS["adding"]
    (whole,) = run(config, [0], policy="all").values()
    last = whole.sequences - 1
    assert not run(config, [0], tmp_path, policy="last:5", stop_after=whole.sequences // 2)
    (ended,) = run(config, [0], tmp_path, policy=f"last:{last}").values()
    assert_same(ended, whole, recorded=False)
    everything = rows_of(whole)
    np.testing.assert_array_equal(np.concatenate(ended.rows), everything[everything[:, 0] >= 1])


def test_checkpoints_decide_nothing_where_trials_diverge(tmp_path, monkeypatch):
    """A trial diverges where it would without checkpoints and recording."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    net = LSTMSettings(2, 1, n_blocks=2, block_size=2, output="identity", learning_rate=4.0)
    training = StoppingRule(error=0.0, max_sequences=300, window=50, final_test=10)
    config = Experiment(tasks.task("adding")(20), net, training)
    whole = run(config, range(8), policy="none")
    assert {result.status for result in whole.values()} == {"diverged", "gave_up"}
    for policy in ("none", "default"):
        ended = run(config, range(8), tmp_path / policy, policy=policy, every=0.01)
        for trial, result in ended.items():
            assert_same(result, whole[trial], recorded=False)


def test_a_state_makes_a_round_trip(tmp_path):
    values = {"a": np.arange(3), "deep": [{"b": np.eye(2)}, [1, 2.5, "text", None, True, 2**100]], "empty": {}}
    path = tmp_path / "state.npz"
    checkpoint.write(path, values)
    np.testing.assert_equal(checkpoint.read(path), values)
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == {"content", "array_0", "array_1"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.npz"]


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path):
    path = tmp_path / "trial-0000.checkpoint.npz"
    checkpoint.write(path, {"weights": np.arange(5.0)})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(BrokenFile, match="trial-0000"):
            checkpoint.read(path)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(BrokenFile, match="trial-0000"):
            checkpoint.read(path)


def test_a_pickle_in_the_place_of_a_checkpoint_is_refused(tmp_path):
    path = tmp_path / "trial-0000.checkpoint.npz"
    np.savez(path, content=np.array([{"a": 1}], dtype=object))
    seal(path)
    assert intact(path)
    with pytest.raises(BrokenFile, match="allow_pickle"):
        checkpoint.read(path)


def test_damaged_rows_are_noticed_with_their_checkpoint(tmp_path):
    config, path = CONFIGS["adding"], trial_path(tmp_path, "row", 0)
    assert unfinished(path) is None
    run(config, [0], tmp_path, stop_after=30)
    origin = unfinished(path)
    assert origin is not None
    assert (origin["trial"], origin["seed"], origin["config"]) == (0, 0, config.as_json())
    rows = rows_path(path)
    whole = rows.read_bytes()
    for wrong in (whole[:-1], whole[:100] + bytes([whole[100] ^ 4]) + whole[101:], b""):
        rows.write_bytes(wrong)
        with pytest.raises(BrokenFile, match=r"trial-0000\.rows"):
            unfinished(path)
    rows.write_bytes(whole + b"recorded after the checkpoint")
    assert unfinished(path) is not None
    assert checkpoint_path(path).exists()


def test_rows_are_ordered_and_stand_once(tmp_path):
    """Numbers of sequences as training, then a replay, record them; pieces are shorter than sequences."""
    path = tmp_path / "rows"
    rows = Rows(path, 2)
    numbers = [0, 1, 5, 7, 9, *[4, 5, 6, 8, 9]]
    lengths = [3, 2, 5000, 4, 1, *[2, 5000, 3, 6, 1]]
    for number, length in zip(numbers, lengths, strict=True):
        rows.append(np.stack([np.full(length, float(number)), np.arange(float(length))], axis=1))
    found = np.concatenate(list(rows.ordered()))
    order = [0, 1, 4, 5, 6, 7, 8, 9]
    count = dict(zip(numbers, lengths, strict=True))
    assert found[:, 0].tolist() == [number for number in order for _ in range(count[number])]
    assert found[:, 1].tolist() == [float(t) for number in order for t in range(count[number])]
    rows.close()
    again = Rows(path, 2, rows.count, rows.crc)
    again.append(np.array([[3.0, 0.0]]))
    np.testing.assert_array_equal(np.concatenate(list(again.ordered()))[5:6], [[3.0, 0.0]])
    again.close()
