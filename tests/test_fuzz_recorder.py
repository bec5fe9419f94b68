"""A recorder under any order of pieces, kills and reopenings: the file is whole, and holds whole pieces in their order."""

import shutil
import tempfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import lstmsim
from lstmsim.trace import recorder as module
from lstmsim.trace.seal import intact

NET = lstmsim.LSTM(2, 1, 1, 2, seed=1)
PIECES = [NET.run(np.random.default_rng(n).normal(size=(n, 2))) for n in (0, 1, 3, 8)]
STAGES = ("copyfile", "seal", "put")  # what a version of the file goes through before it takes its place


class Stream(RuleBasedStateMachine):
    """A recorder, and the cell states that its file must hold, now (`safe` pieces) or once it is closed (all)."""

    def __init__(self):
        super().__init__()
        self.root = tempfile.TemporaryDirectory()
        self.number, self.pieces, self.safe, self.recorder = 0, [], 0, None
        self.sequences, self.every = [], module._EVERY

    @initialize(net=st.booleans(), every=st.sampled_from([0.0, 1e9]))
    def begin(self, net, every):
        module._EVERY = every  # whether a new version is made with every piece
        self.net = NET if net else None
        self.enter(Path(self.root.name) / "0")
        self.recorder = lstmsim.Recorder(self.path, net=self.net)

    def teardown(self):
        """Close the file: all is there."""
        module._EVERY = self.every
        if self.recorder is not None:
            self.recorder.close()
            self.look(len(self.pieces))
        self.root.cleanup()

    def enter(self, folder):
        folder.mkdir(exist_ok=True)
        self.path = folder / "stream.nc"

    def look(self, at_least):
        """The file's pieces, at least so many, are the first ones appended; how many they are."""
        if not any(piece.sizes["step"] for piece, _ in self.pieces[:at_least]) and not self.path.exists():
            return 0
        assert intact(self.path)
        with netCDF4.Dataset(self.path) as file:
            trace = file["trace"]
            state, steps = trace["cell_state"][:].data, len(trace.dimensions["step"])
            sequence, t = trace["sequence"][:].data, trace["t"][:].data
            assert file.steps == steps
            assert ("weights" in file.groups) == (self.net is not None)
        ends = np.cumsum([0, *(piece.sizes["step"] for piece, _ in self.pieces)])
        assert steps in ends
        count = int(np.flatnonzero(ends == steps)[-1])
        assert count >= at_least
        if steps:
            expected = np.concatenate([piece["cell_state"].values for piece, _ in self.pieces])[:steps]
            np.testing.assert_array_equal(state, expected)
            numbers = np.concatenate([np.full(piece.sizes["step"], number) for piece, number in self.pieces])[:steps]
            np.testing.assert_array_equal(sequence, numbers)
            begins = np.flatnonzero(np.diff(numbers, prepend=-1))
            np.testing.assert_array_equal(t, np.arange(steps) - np.repeat(begins, np.diff([*begins, steps])))
        return count

    @precondition(lambda self: self.recorder is not None)
    @rule(piece=st.sampled_from(PIECES), new=st.booleans(), turned=st.booleans())
    def append(self, piece, new, turned):
        last = self.pieces[-1][1] if self.pieces else 0
        self.pieces.append((piece, last + new))
        self.recorder.append(piece.transpose() if turned else piece, last + new)
        if module._EVERY == 0.0 or len(self.pieces) == 1:
            self.safe = self.look(1)

    @precondition(lambda self: self.recorder is not None)
    @rule()
    def flush(self):
        self.recorder.flush()
        self.safe = self.look(len(self.pieces))

    @precondition(lambda self: self.recorder is not None)
    @rule()
    def wrong_piece(self):
        for wrong in (PIECES[2].drop_vars("cell_state"), PIECES[2].isel(cell=[0]), "trace"):
            if self.pieces or isinstance(wrong, str):
                with pytest.raises(ValueError, match="allowed"):
                    self.recorder.append(wrong)

    @precondition(lambda self: self.recorder is not None)
    @rule()
    def another(self):
        with pytest.raises(ValueError, match="path is"):
            lstmsim.Recorder(self.path, "a", net=self.net)

    @precondition(lambda self: self.recorder is not None)
    @rule()
    def close(self):
        self.recorder.close()
        self.recorder = None
        self.safe = self.look(len(self.pieces))
        assert [path.name for path in self.path.parent.iterdir()] in (["stream.nc"], [])

    @precondition(lambda self: self.recorder is None)
    @rule()
    def reopen(self):
        there = self.path.exists()
        self.recorder = lstmsim.Recorder(self.path, "a", net=self.net)
        assert self.recorder.steps == sum(piece.sizes["step"] for piece, _ in self.pieces)
        if there:
            with pytest.raises(ValueError, match="path is"):
                lstmsim.Recorder(self.path)

    @precondition(lambda self: self.recorder is not None and self.pieces)
    @rule(stage=st.sampled_from([None, *STAGES]))
    def kill(self, stage):
        """Go on from what lies on the disk, now or at some moment while a version is written, as after kill -9."""
        self.number += 1
        folder = Path(self.root.name) / str(self.number)
        if stage is None:
            shutil.copytree(self.path.parent, folder)
            self.recorder.close()
        else:
            place = module.shutil if stage == "copyfile" else module
            original, copied = getattr(place, stage), []

            def first(*arguments):
                if not copied:
                    copied.append(shutil.copytree(self.path.parent, folder))
                return original(*arguments)

            with pytest.MonkeyPatch.context() as patch:
                if stage == "copyfile":
                    patch.setattr(module, "shutil", type("", (), {"copyfile": staticmethod(first)}))
                else:
                    patch.setattr(module, stage, first)
                self.recorder.flush()
            self.recorder.close()
        self.enter(folder)
        self.pieces = self.pieces[: self.look(self.safe)]
        self.safe = len(self.pieces)
        self.recorder = lstmsim.Recorder(self.path, "a", net=self.net)
        assert self.recorder.steps == sum(piece.sizes["step"] for piece, _ in self.pieces)


@pytest.mark.parametrize("cases", [20, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_any_order_of_pieces_kills_and_reopenings(cases):
    how = {"derandomize": True, "database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
    run_state_machine_as_test(Stream, settings=settings(max_examples=cases, stateful_step_count=12, **how))
