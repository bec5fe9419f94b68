"""What was asked of a run's folder: `run.json`, from which the requests can be had again."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lstmsim
from lstmsim.campaign.requests import Request
from lstmsim.paper import row
from lstmsim.trace.store import commit, whole_or_absent


@dataclass(frozen=True)
class Manifest:
    """What a run's folder was asked for.

    Attributes
    ----------
    requests : list of Request
        The rows, in the order in which they were first asked for.
    history : list of dict
        Every run into the folder: date, command, version, commit ("" where there is none).
    """

    requests: list[Request]
    history: list[dict[str, str]]


def remember(out: Path, requests: Sequence[Request], seed: int) -> Manifest:
    """Write what is asked of a folder, after what was asked of it before, into its `run.json`; return all of it.

    Parameters
    ----------
    out : Path
        Folder of the run.
    requests : sequence of Request
        What is asked now; of a row asked for before, the larger number of trials counts.
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
            "row": request.row.id,
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
    manifest = _manifest(out, content)
    with whole_or_absent(out / "run.json") as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return manifest


def recall(out: Path) -> Manifest:
    """What was asked of a run's folder.

    Raises
    ------
    ValueError
        If the folder has no `run.json`, or one that cannot be used.
    """
    return _manifest(out, _read(out))


def _read(out: Path) -> dict[str, Any]:
    path = out / "run.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for entry in content["requests"]:
            if not {"name", "row", "trials", "set", "reading", "seed"} <= set(entry):
                raise ValueError("a request lacks a key")
        for entry in content["history"]:
            if not {"date", "command", "version", "commit"} <= set(entry):
                raise ValueError("an entry of its history lacks a key")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} cannot be used ({reason}); allowed: the run.json of a run's folder") from None
    return dict(content)


def _manifest(out: Path, content: dict[str, Any]) -> Manifest:
    requests = []
    for entry in content["requests"]:
        try:
            found = row(entry["row"])
            config = found.config.with_settings(entry["set"])
        except ValueError as error:
            raise ValueError(f"{out / 'run.json'}, {entry['name']}: {error}") from None
        requests.append(Request(entry["name"], found, config, entry["trials"], entry["set"], entry["reading"]))
    return Manifest(requests, content["history"])
