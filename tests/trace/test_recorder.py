"""Recording a stream, and the page that describes the schema."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.trace import schema


def make_net():
    return lstmsim.LSTM(2, 1, 2, 2, seed=1)


def test_pieces_of_a_stream_equal_one_run(tmp_path):
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(60, 2)), np.full((60, 1), np.nan)
    targets[::7] = 0.3
    whole = make_net().run(inputs, targets)
    net = make_net()
    with lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        for first in range(0, 60, 13):
            piece = slice(first, first + 13)
            recorder.append(net.run(inputs[piece], targets[piece], reset=False))
        assert recorder.steps == 60
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as trace:
        assert trace["t"].values.tolist() == list(range(60))
        np.testing.assert_array_equal(trace["cell_state"], whole["cell_state"])
        np.testing.assert_allclose(trace["output"], whole["output"], rtol=1e-6)
        np.testing.assert_array_equal(trace["cell_block"], [0, 0, 1, 1])


def test_sequences_count_their_own_steps(tmp_path):
    net = make_net()
    with lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        for sequence, length in enumerate((4, 3)):
            recorder.append(net.run(np.zeros((length, 2))), sequence)
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as trace:
        assert trace["t"].values.tolist() == [0, 1, 2, 3, 0, 1, 2]
        assert trace["sequence"].values.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_an_error_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), lstmsim.Recorder(tmp_path / "stream.nc") as recorder:  # noqa: PT012
        recorder.append(make_net().run(np.zeros((4, 2))))
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_other_sizes_and_closed_recorders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not open"):
        lstmsim.Recorder(tmp_path / "a.nc").append(make_net().run(np.zeros((4, 2))))
    with lstmsim.Recorder(tmp_path / "b.nc") as recorder:
        recorder.append(make_net().run(np.zeros((4, 2))))
        with pytest.raises(ValueError, match="sizes"):
            recorder.append(lstmsim.LSTM(3, 1, 1).run(np.zeros((4, 3))))
        with pytest.raises(ValueError, match="allowed: a trace"):
            recorder.append(xr.Dataset())


def test_the_schema_page_is_in_step():
    page = Path(__file__).parents[2] / "docs" / "schema.md"
    assert page.read_text() == schema.describe() + "\n", "run: python -m lstmsim.trace.schema > docs/schema.md"
