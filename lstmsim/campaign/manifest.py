"""What was asked of a run's folder: `run.json`, from which the requests can be had again."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import lstmsim
from lstmsim.campaign.requests import Request, own_row
from lstmsim.checks import Json
from lstmsim.learners import learner
from lstmsim.paper import row
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.tasks import task
from lstmsim.trace.store import commit, whole_or_absent


@dataclass(frozen=True)
class Manifest:
    """What a run's folder was asked for.

    Attributes
    ----------
    requests : list of Request
        The experiments, in the order in which they were first asked for.
    history : list of dict
        Every run into the folder: date, command, version, commit ("" where there is none).
    unknown : list of str
        Experiments whose task or learner this process does not know.
    """

    requests: list[Request]
    history: list[dict[str, str]]
    unknown: list[str] = field(default_factory=list)


def remember(out: Path, requests: Sequence[Request], seed: int) -> Manifest:
    """Write what is asked of a folder, after what was asked of it before, into its `run.json`; return all of it.

    Parameters
    ----------
    out : Path
        Folder of the run.
    requests : sequence of Request
        What is asked now; of an experiment asked for before, the larger number of trials counts.
    seed : int
        Seed of the run.

    Raises
    ------
    ValueError
        If the folder has a `run.json` that cannot be used.
    """
    content = _read(out) if (out / "run.json").exists() else {"requests": [], "history": []}
    entries = {entry["name"]: entry for entry in content["requests"]}
    for request in requests:
        before = entries.get(request.name, {}).get("trials", 0)
        entries[request.name] = {
            "name": request.name,
            "row": None if request.own else request.row.id,
            "config": request.config.as_dict(),
            "trials": max(request.trials, before),
            "set": request.changes,
            "reading": request.reading,
            "seed": seed,
        }
    command = shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]])
    now = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "version": lstmsim.__version__,
        "commit": commit(),
    }
    content = {"requests": list(entries.values()), "history": [*content["history"], now]}
    manifest = _manifest(out, content, requests)
    with whole_or_absent(out / "run.json") as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return manifest


def recall(out: Path) -> Manifest:
    """Return what was asked of a run's folder.

    Raises
    ------
    ValueError
        If the folder has no `run.json`, or one that cannot be used.
    """
    return _manifest(out, _read(out), ())


def _read(out: Path) -> Json:
    path = out / "run.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for entry in content["requests"]:
            if not {"name", "row", "config", "trials", "set", "reading", "seed"} <= set(entry):
                raise ValueError("a request lacks a key")
        for entry in content["history"]:
            if not {"date", "command", "version", "commit"} <= set(entry):
                raise ValueError("an entry of its history lacks a key")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} cannot be used ({reason}); allowed: the run.json of a run's folder") from None
    return dict(content)


def _manifest(out: Path, content: Json, known: Iterable[Request]) -> Manifest:
    now, requests, unknown = {request.name: request for request in known}, [], []
    for entry in content["requests"]:
        name, same = entry["name"], (entry["trials"], entry["set"], entry["reading"])
        if entry["row"] is None:
            config = now[name].config if name in now else _experiment(name, entry["config"])
            if config is None:
                unknown.append(name)
            else:
                requests.append(Request(name, own_row(config), config, *same, own=True))
            continue
        try:
            found = row(entry["row"])
            config = found.config.with_settings(entry["set"])
        except ValueError as error:
            raise ValueError(f"{out / 'run.json'}, {name}: {error}") from None
        requests.append(Request(name, found, config, *same))
    return Manifest(requests, content["history"], unknown)


def _experiment(name: str, content: dict[str, Json]) -> Experiment | None:
    """Return an experiment from its settings; None where its task or learner is somebody's own and not known here."""
    of_task, settings = dict(content["task"]), dict(content["learner"])
    with contextlib.suppress(ValueError, TypeError):
        made, kind = task(of_task.pop("name"))(**of_task), settings.pop("name")
        settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
        return Experiment(made, (kind, learner(kind).Settings(**settings)), StoppingRule(**content["stop"]), name)
    return None
