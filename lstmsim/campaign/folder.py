"""A run's folder: who writes into it, what was asked of it, where each trial comes from, and what is left to do."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from lstmsim.campaign.manifest import Manifest, recall, remember
from lstmsim.campaign.requests import Request
from lstmsim.campaign.trials import (
    checkpoint_path,
    discard,
    origin,
    refuse_other,
    trial_path,
    unfinished,
)
from lstmsim.checks import Json, absolute
from lstmsim.trace.store import whole_or_absent
from lstmsim.trace.summary import BrokenFile, read_trial

LOCK = ".lock"


class FolderInUse(ValueError):
    """Another process is running into the folder."""


@dataclass
class Left:
    """What a folder holds of what is asked for, and what is left to do.

    Attributes
    ----------
    trials : dict
        For each request's name the numbers of the trials that still have to be run.
    finished : dict
        For each request's name the attributes of the others.
    broken : list of str
        Messages about files that cannot be read; their trials are run again.
    damaged : list of Path
        Trials whose checkpoints cannot be used.
    reused : list of tuple of Path
        Files of another run, and their names in this one.
    """

    trials: dict[str, list[int]] = field(default_factory=dict)
    finished: dict[str, list[Json]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)
    reused: list[tuple[Path, Path]] = field(default_factory=list)


class RunFolder:
    """The folder of a run; whoever runs into one, from whatever side, goes through this.

    Parameters
    ----------
    path : Path or str
        The folder, made when it is first locked; "~" is the user's home.
    seed : int
        Seed of the run.
    reuse : Path or str, optional
        Folder of another run: its finished trials of the same experiment, seed and version are copied instead of run.

    Raises
    ------
    ValueError
        If there is no folder at `reuse`.
    """

    def __init__(self, path: Path | str, seed: int, reuse: Path | str | None = None) -> None:
        self.path, self.seed = absolute("out", path), seed
        self.reuse = None if reuse is None else absolute("reuse", reuse)
        self._verified: dict[tuple[Path, int, int], Json] = {}
        if self.reuse is not None and not self.reuse.is_dir():
            raise ValueError(f"reuse is {str(reuse)!r}; allowed: the folder of a run")

    @contextlib.contextmanager
    def locked(self) -> Iterator[str]:
        """Hold the folder's lock.

        Its file says who holds it; whether somebody does is known to the operating system alone, which lets go of it when
        the process ends in whatever way. A process number that another process has by now can therefore not deceive.

        Yields
        ------
        str
            Who left the lock behind, "" if nobody did.

        Raises
        ------
        FolderInUse
            If another process, or another run of this one, holds it.
        ValueError
            If the folder cannot be written.
        """
        place = self.path / LOCK
        lock = FileLock(place, thread_local=False)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout:
            holder = _holder(place) or "another process"
            allowed = "another folder, or wait until it has ended"
            raise FolderInUse(f"out is {str(self.path)!r}, in use by {holder}; allowed: {allowed}") from None
        except OSError as error:
            reason = f"out is {str(self.path)!r} ({error.strerror}); allowed: a folder that can be written"
            raise ValueError(reason) from None
        try:
            left = _holder(place)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            place.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
            yield left
        finally:
            with contextlib.suppress(OSError):
                place.write_text("")
            lock.release()

    def left(self, requests: Sequence[Request]) -> Left:
        """Compare what the folder holds, and what can be reused, with what is asked for; nothing is changed.

        Raises
        ------
        OtherOrigin
            If it holds a trial, finished or not, of another experiment, seed or version.
        """
        found = Left()
        for request in requests:
            missing, finished = [], []
            for trial in range(request.trials):
                attrs = self._finished(request, trial, found)
                if attrs is None:
                    missing.append(trial)
                    self._begun(request, trial, found)
                else:
                    finished.append(attrs)
            found.trials[request.name], found.finished[request.name] = missing, finished
        return found

    def _finished(self, request: Request, trial: int, found: Left) -> Json | None:
        """Attributes of a trial's file, here or in the folder to be reused."""
        path, wanted = trial_path(self.path, request.name, trial), self._origin(request, trial)
        if path.exists():
            try:
                attrs = self._attrs(path)
            except BrokenFile as error:
                found.broken.append(str(error))
                return None
            refuse_other(path, attrs, wanted)
            return attrs
        if self.reuse is not None:
            other = trial_path(self.reuse, request.name, trial)
            with contextlib.suppress(ValueError):  # broken, or of something else
                attrs = self._attrs(other)
                refuse_other(other, attrs, wanted)
                found.reused.append((other, path))
                return attrs
        return None

    def _attrs(self, path: Path) -> Json:
        """Attributes of a trial's file; the whole file is read once."""
        now = path.stat() if path.exists() else None
        key = (path, now.st_mtime_ns, now.st_size) if now is not None else (path, 0, 0)
        if key not in self._verified:
            self._verified[key] = read_trial(path, verify=True)
        return self._verified[key]

    def _begun(self, request: Request, trial: int, found: Left) -> None:
        """Look at what there is of an unfinished trial."""
        path = trial_path(self.path, request.name, trial)
        try:
            begun = unfinished(path)
        except BrokenFile as error:
            found.broken.append(str(error))
            found.damaged.append(path)
            return
        if begun is not None:
            refuse_other(checkpoint_path(path), begun, self._origin(request, trial))

    def _origin(self, request: Request, trial: int) -> Json:
        config = replace(request.config, task=request.config.task.for_trial(trial))
        return origin(config, self.seed, trial)

    def begin(self, requests: Sequence[Request], left: Left) -> Manifest:
        """Make the folder ready for what is left to do: the lock must be held.

        What a killed run has left behind goes, reused trials come, and what is asked for is written into `run.json`.

        Returns
        -------
        Manifest
            All that the folder was ever asked for.
        """
        for path in left.damaged:
            discard(path)
        for source, path in left.reused:
            with whole_or_absent(path) as part:
                shutil.copyfile(source, part)
        for folder in (self.path, *(self.path / request.name for request in requests)):
            for file in folder.glob(".*.part"):
                file.unlink()
        for request in requests:
            for attrs in left.finished[request.name]:
                discard(trial_path(self.path, request.name, int(attrs["trial"])))
            for trial in left.trials[request.name]:  # broken, and told of
                trial_path(self.path, request.name, trial).unlink(missing_ok=True)
        return remember(self.path, requests, self.seed)

    def asked(self) -> Manifest:
        """Return all that the folder was ever asked for.

        Raises
        ------
        ValueError
            If it has no `run.json`, or one that cannot be used.
        """
        return recall(self.path)


def _holder(lock: Path) -> str:
    """Return what a lock's file says of the process that holds it, or was ended while it did; "" if nothing."""
    try:
        content = json.loads(lock.read_text() or "{}")
        return f"process {content['pid']} on {content['host']} (since {content['since']})" if content else ""
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
