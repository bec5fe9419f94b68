"""Where a scan keeps what has ended and what is under way: one SQLite file, which a killed process leaves whole."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lstmsim.campaign import checkpoint
from lstmsim.campaign.halving import Score
from lstmsim.campaign.trials import refuse_other
from lstmsim.checks import Json
from lstmsim.learners.base import State
from lstmsim.simulation.trial import Result
from lstmsim.simulation.variants import STRIDE
from lstmsim.trace.failures import raise_cause
from lstmsim.trace.scan import FAILED, STOPPED, Outcome, figures
from lstmsim.trace.summary import BrokenFile

FILE = "scan.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS origin (content TEXT);
CREATE TABLE IF NOT EXISTS points (point INTEGER PRIMARY KEY, keys TEXT UNIQUE, trials INTEGER);
CREATE TABLE IF NOT EXISTS results (number INTEGER PRIMARY KEY, figures TEXT, weights BLOB);
CREATE TABLE IF NOT EXISTS scores (
    number INTEGER, sequences INTEGER, correct REAL, error REAL, PRIMARY KEY (number, sequences)
);
CREATE TABLE IF NOT EXISTS states (number INTEGER PRIMARY KEY, state BLOB);
"""
_COMMIT = 1.0  # seconds between commits: what ended since the last one is run again after a kill


Entry = tuple[Any, ...]  # a row of a table, as SQLite has it


class Rows(NamedTuple):
    """Rows of the tables of trials."""

    results: list[Entry]
    scores: list[Entry]
    states: list[Entry]


class ScanStore:
    """The points of a scan, the outcomes of trials that have ended, and the states of those under way.

    Parameters
    ----------
    folder : Path
        The scan's folder; the file is made by `begin`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._committed = 0.0

    def check(self, origin: Json) -> None:
        """Compare where the trials of the folder come from with what is wanted; nothing is changed.

        Raises
        ------
        OtherOrigin
            If it holds a scan of other keys, other settings, another seed or another version.
        BrokenFile
            If the file is damaged.
        """
        if self.path.exists():
            there = (
                self._all("SELECT content FROM origin")
                if self._all("SELECT 1 FROM sqlite_master WHERE name = 'origin'")
                else []
            )
            if there:
                refuse_other(self.path, json.loads(there[0][0]), origin)
            self.close()

    def begin(self, origin: Json, points: Sequence[str], trials: int) -> list[int]:
        """Make the file ready for some points, given as JSON; returns their numbers. The folder's lock must be held."""
        for statement in _TABLES.split(";"):
            self._do(statement)
        self.check(origin)
        if not self._all("SELECT 1 FROM origin"):
            self._do("INSERT INTO origin VALUES (?)", (json.dumps(origin),))
        numbers = {keys: number for number, keys in self._all("SELECT point, keys FROM points")}
        for keys in points:
            numbers.setdefault(keys, len(numbers))
        asked = [(numbers[keys], keys, trials) for keys in points]
        more = "ON CONFLICT (point) DO UPDATE SET trials = max(trials, excluded.trials)"
        with self._lock, _told(self.path):
            self._open().executemany(f"INSERT INTO points VALUES (?, ?, ?) {more}", asked)
        self.commit()
        return [numbers[keys] for keys in points]

    def points(self) -> tuple[list[Json], int]:
        """Return the keys and values of all points that the folder was ever asked for, and the most trials of one."""
        rows = self._all("SELECT keys, trials FROM points ORDER BY point")
        return [point_of(keys) for keys, _ in rows], max(trials for _, trials in rows)

    def ended(self, *others: str) -> dict[int, Json]:
        """Return the figures of the trials that have ended by their numbers; of failed or stopped ones if named."""
        rows = self._all("SELECT number, figures FROM results")
        found = ((number, json.loads(text)) for number, text in rows)
        return {number: content for number, content in found if content["status"] not in {FAILED, STOPPED} - set(others)}

    def outcomes(self) -> Iterator[Outcome]:
        """Return what is kept of every trial that has ended or failed."""
        for number, text, weights in self._all("SELECT number, figures, weights FROM results ORDER BY number"):
            point, trial = divmod(number, STRIDE)
            yield Outcome(point, trial, json.loads(text), checkpoint.unpacked(weights) if weights is not None else {})

    def finish(self, result: Result, *, weights: bool) -> None:
        """Keep what an ended trial amounts to, and drop its state; with `weights` the final ones too."""
        blob = checkpoint.packed(result.final) if weights else None
        self._enter(result.trial, figures(result), blob)

    def fail(self, number: int, error: Exception) -> None:
        """Keep that a trial has failed, and why."""
        told = " ".join(f"{type(error).__name__}: {error}".split())
        self._enter(number, {"status": FAILED, "error": told[:500]}, None)

    def _enter(self, number: int, content: Json, blob: bytes | None) -> None:
        with self._lock:
            self._do("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (number, json.dumps(content), blob))
            self._do("DELETE FROM states WHERE number = ?", (number,))
            if time.monotonic() - self._committed >= _COMMIT:
                self.commit()

    def load(self, number: int) -> State | None:
        """Return the state of a trial under way, if one is kept."""
        rows = self._all("SELECT state FROM states WHERE number = ?", (number,))
        return checkpoint.unpacked(rows[0][0]) if rows else None

    def save(self, number: int, state: State) -> None:
        """Keep the state of a trial under way."""
        self._do("INSERT OR REPLACE INTO states VALUES (?, ?)", (number, checkpoint.packed(state)))

    def save_at(self, number: int, state: State, window: int) -> None:
        """Keep the state of a trial that has come to its limit, and its score over the latest `window` sequences."""
        seen, sums = state["result"]["sequences"], state["scores"]["sums"]
        mean = (float(sums[q]) / min(seen, window) for q in (2, 0))
        with self._lock:
            self.save(number, state)
            self._do("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", (number, seen, *mean))

    def scores(self) -> dict[tuple[int, int], Score]:
        """Return the scores of trials at their limits, by the trial's number and the sequences."""
        rows = self._all("SELECT number, sequences, correct, error FROM scores")
        return {(n, seen): Score(correct, math.nan if error is None else error) for n, seen, correct, error in rows}

    def stop(self, numbers: Mapping[int, int]) -> None:
        """Keep that trials were given up after so many sequences each, and drop their states."""
        for number, sequences in numbers.items():
            self._enter(number, {"status": STOPPED, "sequences": sequences}, None)

    def states(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Return the states of trials under way as the file has them, by their numbers."""
        found = ((n, self._all("SELECT state FROM states WHERE number = ?", (n,))) for n in numbers)
        return {n: rows[0][0] for n, rows in found if rows}

    def rows(self) -> Rows:
        """Return all that the file has of trials, for another one."""
        return Rows(*(self._all(f"SELECT * FROM {table}") for table in Rows._fields))

    def enter(self, rows: Rows) -> None:
        """Keep what another file had of trials; those that have ended have no states any more."""
        with self._lock, _told(self.path):
            for table, entries in zip(Rows._fields, rows, strict=True):
                if entries:
                    self._open().executemany(f"INSERT OR REPLACE INTO {table} VALUES ({_marks(entries[0])})", entries)
            self._open().executemany("DELETE FROM states WHERE number = ?", [(row[0],) for row in rows.results])
            if time.monotonic() - self._committed >= _COMMIT:
                self.commit()

    def commit(self) -> None:
        """Have everything on the disk."""
        with self._lock:
            self._open().commit()
            self._committed = time.monotonic()

    def close(self) -> None:
        """Close the file, with everything on the disk."""
        with self._lock:
            if self._connection is not None:
                self._connection.commit()
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level="IMMEDIATE")
        return self._connection

    def _do(self, statement: str, values: Sequence[object] = ()) -> None:
        with self._lock, _told(self.path):
            self._open().execute(statement, values)

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Entry]:
        with self._lock, _told(self.path):
            return self._open().execute(query, values).fetchall()


def _marks(row: Entry) -> str:
    return ", ".join("?" * len(row))


def text_of(point: Mapping[str, object]) -> str:
    """A point as the file has it."""
    return json.dumps(dict(point))


def point_of(text: str) -> Json:
    """The inverse of `text_of`; lists are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Have SQLite's errors say what is the matter."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise_cause(path, OSError(str(error)))
    except sqlite3.DatabaseError as error:
        raise BrokenFile(f"{path} is no whole file of a scan ({error}); allowed: another folder") from None
