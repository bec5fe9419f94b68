"""Recorded steps of a trial under way: an append-only file, because a netCDF file does not survive a kill."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lstmsim.kernels.arrays import Floats
from lstmsim.trace.seal import checksum

_PIECE = 16384  # rows read together


class Rows:
    """Rows of float64 values, one recorded step each, as the kernels write them.

    Parameters
    ----------
    path : Path
        The file; it is made anew if nothing is to be kept of it.
    width : int
        Values in a row.
    count, crc : int
        Rows to keep, and their checksum; what stands after them is cut off.
    """

    def __init__(self, path: Path, width: int, count: int = 0, crc: int = 0) -> None:
        self.path, self.width, self.count, self.crc = path, width, count, crc
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if count else "w+b", buffering=0)
        self._file.truncate(count * width * 8)
        self._last = self._read(count - 1, 1)[0, 0] if count else -1.0  # number of the sequence that came last
        self._turn: int | None = None  # rows before the first sequence that was recorded out of order

    def append(self, rows: Floats) -> None:
        """Append rows, shape (row, value)."""
        if not len(rows):
            return
        back = rows[0, 0] < self._last or (rows[0, 0] == self._last and rows[0, 1] == 0.0)
        if back and self._turn is None:
            self._turn = self.count
        self._last = rows[-1, 0]
        content = np.ascontiguousarray(rows).data.cast("B")
        self._file.seek(self.count * self.width * 8)
        written = 0
        while written < len(content):
            written += self._file.write(content[written:])
        self.crc, self.count = zlib.crc32(content, self.crc), self.count + len(rows)

    def sync(self) -> None:
        """Have all rows on the disk."""
        os.fsync(self._file.fileno())

    def ordered(self) -> Iterator[Floats]:
        """All rows in pieces, in the order of their sequences, each sequence once.

        Training records in order; the replay of the last sequences comes after it and fills gaps among them.
        """
        if self._turn is None:
            yield from self._pieces(0, self.count)
            return
        first = self._read(self._turn, 1)[0, 0]
        before = self._turn  # rows of sequences before the replayed ones
        for piece in self._pieces(0, self._turn):
            late = np.flatnonzero(piece[:, 0] >= first)
            if len(late):
                before = min(before, self._place + int(late[0]))
                break
        yield from self._pieces(0, before)
        heads = np.concatenate([piece[:, :2] for piece in self._pieces(before, self.count)])
        starts = np.flatnonzero(heads[:, 1] == 0.0)
        lengths = np.diff(starts, append=len(heads))
        _, once = np.unique(heads[starts, 0], return_index=True)
        for run in once:
            start = before + int(starts[run])
            yield from self._pieces(start, start + int(lengths[run]))

    def _pieces(self, start: int, stop: int) -> Iterator[Floats]:
        """Rows from `start` to before `stop`, about `_PIECE` of them together, no sequence in two pieces."""
        most = _PIECE
        while start < stop:
            rows = self._read(start, min(most, stop - start))
            if start + len(rows) < stop:
                begins = np.flatnonzero(rows[:, 1] == 0.0)
                if begins[-1] == 0:  # a sequence longer than this
                    most *= 2
                    continue
                rows = rows[: begins[-1]]
            self._place, most = start, _PIECE
            yield rows
            start += len(rows)

    def _read(self, start: int, count: int) -> Floats:
        self._file.seek(start * self.width * 8)
        return np.fromfile(self._file, np.float64, count * self.width).reshape(count, self.width)

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()


def rows_intact(path: Path, width: int, count: int, crc: int) -> bool:
    """Whether a file still begins with so many rows of this checksum."""
    if not path.is_file():
        return count == 0
    with path.open("rb") as file:
        return path.stat().st_size >= count * width * 8 and checksum(file, count * width * 8) == crc
