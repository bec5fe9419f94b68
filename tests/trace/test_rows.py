"""Recorded rows of a trial under way: read back whole, in order, and never with a sequence in two pieces."""

import numpy as np
import pytest

from lstmsim.trace import rows as module
from lstmsim.trace.rows import Rows


def sequence(number, length):
    """Rows (sequence, t, event, value) of one sequence."""
    steps = np.arange(length, dtype=np.float64)
    return np.stack([np.full(length, float(number)), steps, np.zeros(length), 1000.0 * number + steps], axis=1)


@pytest.mark.parametrize("lengths", [[3] * 20, [1, 9, 2, 40, 1, 1, 8, 7], [100], [7, 100, 7], [8, 8, 8], [9]])
def test_pieces_are_whole_sequences(lengths, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 8)
    rows = Rows(tmp_path / "rows", 4)
    whole = [sequence(number, length) for number, length in enumerate(lengths)]
    for one in whole:
        rows.append(one)
    pieces = list(rows.ordered())
    rows.close()
    assert all(piece[0, 1] == 0.0 for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), np.concatenate(whole))
    assert len(pieces) <= len(lengths)


def test_replayed_sequences_fill_the_gaps(tmp_path, monkeypatch):
    """Sequences 0, 2 and 6 were recorded while training, 4 to 8 by the replay of the last ones."""
    monkeypatch.setattr(module, "_PIECE", 8)
    rows = Rows(tmp_path / "rows", 4)
    for number in (0, 2, 6, 4, 5, 6, 7, 8):
        rows.append(sequence(number, 5 + number))
    pieces = list(rows.ordered())
    rows.close()
    assert all(piece[0, 1] == 0.0 for piece in pieces)
    expected = [sequence(number, 5 + number) for number in (0, 2, 4, 5, 6, 7, 8)]
    np.testing.assert_array_equal(np.concatenate(pieces), np.concatenate(expected))


def test_a_replay_may_begin_with_the_sequence_recorded_last(tmp_path):
    rows = Rows(tmp_path / "rows", 4)
    for number in (0, 3, 3, 4):
        rows.append(sequence(number, 5))
    taken = np.concatenate(list(rows.ordered()))
    rows.close()
    np.testing.assert_array_equal(taken, np.concatenate([sequence(number, 5) for number in (0, 3, 4)]))
