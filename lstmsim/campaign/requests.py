"""What somebody asks for: rows and experiments with changes, from Python, the command line or a run file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from lstmsim.checks import Field, Json, Whole, check, refusal
from lstmsim.paper import Published, Row, Table, row
from lstmsim.simulation.config import Experiment

Trials = Annotated[Whole, Field(ge=1, le=10_000)]
_KEYS = {"row", "trials", "set", "reading", "name"}


class OtherOrigin(ValueError):
    """A trial was begun with other settings, another seed or another version."""


@dataclass(frozen=True)
class Request:
    """Trials of one experiment.

    Attributes
    ----------
    name : str
        Folder of the trials within the run.
    row : Row
        The row of the paper, or one made for an experiment that is in none.
    config : Experiment
        The experiment with the changes asked for.
    trials : int
        Number of trials.
    changes : dict
        What was changed.
    reading : str
        The reading's name, "" for the literal one.
    own : bool
        The experiment stands in no table.
    """

    name: str
    row: Row
    config: Experiment
    trials: int
    changes: dict[str, object]
    reading: str = ""
    own: bool = False


def requested(
    experiments: str | Experiment | Sequence[str | Experiment],
    trials: int | None,
    changes: Mapping[str, object],
    reading: str | None = None,
) -> list[Request]:
    """Return requests for rows by their ids and for experiments, all with the same changes.

    Parameters
    ----------
    experiments : str, Experiment, or sequence of them
        What to run.
    trials : int, optional
        Number of trials; each row's own if not given.
    changes : mapping
        Settings that differ.
    reading : str, optional
        Name of the reading of each row; the literal one if not given.

    Raises
    ------
    ValueError
        For an unknown row, reading or key, a value that is not allowed, or one name for two experiments; what is asked for
        twice is run once.
    """
    several = [experiments] if isinstance(experiments, str | Experiment) else experiments
    if not isinstance(several, Sequence) or not several:
        raise refusal("experiment", several, "a row's id, an Experiment, or several of them")
    requests: dict[str, Request] = {}
    for one in several:
        if not isinstance(one, str | Experiment):
            raise refusal("experiment", one, "a row's id or an Experiment")
        found = row(one) if isinstance(one, str) else own_row(one)
        count = found.trials if trials is None else check("trials", trials, Trials)
        if found.id in requests and requests[found.id].row != found:
            raise refusal("name", found.id, "a name of its own for each experiment")
        read = found.reading("literal" if reading is None else reading)
        both, words = {**read.settings, **changes}, read.words if read.settings else ""
        own = not isinstance(one, str)
        requests[found.id] = Request(found.id, found, found.config.with_settings(both), count, both, words, own)
    return list(requests.values())


def own_row(experiment: Experiment) -> Row:
    """Return an experiment as a row of no table, beside which no figures were published."""
    title = f"{experiment.task.name}, {experiment.learner}"
    return Row(str(experiment.name), Table("Experiments of one's own"), title, 8, experiment, Published())


def from_file(path: Path, trials: int | None, changes: Mapping[str, object]) -> tuple[str, list[Request]]:
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
    try:
        repr(content)
    except (ValueError, RecursionError):  # Python does not print numbers of more than 4300 digits
        raise ValueError(f"run file {str(path)!r} holds a number of thousands of digits; allowed: up to 64 bits") from None
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


def _request(path: Path, entry: Json, trials: int | None, changes: Mapping[str, object]) -> Request:
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
