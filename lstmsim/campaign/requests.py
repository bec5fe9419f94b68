"""What somebody asks for: rows with changes, from the command line or a run file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmsim.paper import Row, row
from lstmsim.simulation.config import Config, speakable

_KEYS = {"row", "trials", "set", "reading", "name"}


@dataclass(frozen=True)
class Request:
    """One row to run.

    Attributes
    ----------
    name : str
        Folder of the row's trials within the run.
    row : Row
        The row.
    config : Config
        Its configuration with the changes asked for.
    trials : int
        Number of trials.
    changes : dict
        What was changed.
    reading : str
        The reading's name, "" for the literal one.
    """

    name: str
    row: Row
    config: Config
    trials: int
    changes: dict[str, Any]
    reading: str = ""


def from_rows(names: Sequence[str], trials: int | None, changes: Mapping[str, Any]) -> tuple[str, list[Request]]:
    """Rows named on the command line, all with the same changes; also a name for the run.

    Raises
    ------
    ValueError
        For an unknown row or key, or a value that is not allowed.
    """
    requests = {}
    for name in names:
        found = row(name)
        requests[name] = Request(name, found, found.config.with_settings(changes), trials or found.trials, dict(changes))
    return "+".join(requests), list(requests.values())


def from_file(path: Path, trials: int | None, changes: Mapping[str, Any]) -> tuple[str, list[Request]]:
    """Rows of a run file; `trials` and `changes` of the command line overrule the file's.

    A run file is TOML: a list `rows` of tables with the keys row (an id) and, if wanted, trials, set (a table of
    settings), reading (a name for them) and name (of the folder, where a row stands twice).

    Raises
    ------
    ValueError
        If the file cannot be read, or for a key or value that is not allowed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"run file {str(path)!r} cannot be read ({error.strerror or error}); allowed: a TOML file"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"run file {str(path)!r} is no TOML ({error}); allowed: a TOML file") from None
    if not speakable(content):
        raise ValueError(f"run file {str(path)!r} holds a number of thousands of digits; allowed: up to 64 bits")
    if unknown := sorted(set(content) - {"rows", "title"}):
        raise ValueError(f"run file {str(path)!r}: unknown key {unknown[0]!r}; allowed: rows, title")
    entries = content.get("rows")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"run file {str(path)!r}: rows is {entries!r:.60}; allowed: a list of tables with a key row")
    requests: dict[str, Request] = {}
    for entry in entries:
        request = _request(path, entry, trials, changes)
        if request.name in requests:
            raise ValueError(f"run file {str(path)!r}: {request.name!r} stands twice; allowed: once, or another name")
        requests[request.name] = request
    return path.stem, list(requests.values())


def _request(path: Path, entry: dict[str, Any], trials: int | None, changes: Mapping[str, Any]) -> Request:
    where = f"run file {str(path)!r}"
    if unknown := sorted(set(entry) - _KEYS):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(_KEYS))}")
    if not isinstance(entry.get("row"), str):
        raise ValueError(f"{where}: row is {entry.get('row')!r}; allowed: a row id")
    found = row(entry["row"])
    settings = entry.get("set", {})
    if not isinstance(settings, dict):
        raise ValueError(f"{where}: set of row {found.id} is {settings!r}; allowed: a table of settings")
    count = trials or entry.get("trials", found.trials)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 10_000:
        raise ValueError(f"{where}: trials of row {found.id} is {count!r}; allowed: a whole number from 1 to 10000")
    name, reading = entry.get("name", found.id), entry.get("reading", "")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,80}", name):
        raise ValueError(f"{where}: name is {name!r}; allowed: letters, digits and . _ @ -")
    if not isinstance(reading, str):
        raise ValueError(f"{where}: reading of row {found.id} is {reading!r}; allowed: a text")
    both = {**settings, **changes}
    return Request(name, found, found.config.with_settings(both), count, both, reading)
