"""The trials in a row's folder: where each comes from, files of finished ones, checkpoints and rows of those under way."""

from __future__ import annotations

import errno
import json
import threading
from abc import abstractmethod
from pathlib import Path

import lstmsim
from lstmsim.campaign import checkpoint
from lstmsim.campaign.requests import OtherOrigin
from lstmsim.checks import Json, shown
from lstmsim.learners.base import AnyLearner, State
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.trial import Checkpoints, Result
from lstmsim.trace.rows import Floats, Rows, rows_intact
from lstmsim.trace.store import TrialFile
from lstmsim.trace.summary import BrokenFile


def trial_path(out: Path, name: str, trial: int) -> Path:
    """File of a finished trial."""
    return out / name / f"trial-{trial:04d}.nc"


def checkpoint_path(path: Path) -> Path:
    """File of the checkpoint, beside the trial's file."""
    return path.with_suffix(".checkpoint.npz")


def rows_path(path: Path) -> Path:
    """File of the rows recorded so far, beside the trial's file."""
    return path.with_suffix(".rows")


def origin(config: Experiment, seed: int, trial: int) -> Json:
    """Return what decides every bit of a trial; it stands in the trial's file and in its checkpoint."""
    return {"config": config.as_json(), "seed": seed, "trial": trial, "version": lstmsim.__version__}


def refuse_other(path: Path, there: Json, wanted: Json) -> None:
    """Compare where a trial comes from with what is wanted.

    Raises
    ------
    OtherOrigin
        Naming the file and all settings that differ.
    """
    found, asked = _flat(there), _flat(wanted)
    keys = [key for key in (found | asked) if found.get(key) != asked.get(key)]
    if keys:
        was, now = (", ".join(f"{key}={shown(part.get(key))}" for key in keys) for part in (found, asked))
        raise OtherOrigin(f"{path} was run with {was}, not {now}; allowed: the same, or another folder")


def _flat(origin: Json) -> Json:
    """Return an origin's settings by their keys alone."""
    whole: Json = {"seed": int(origin["seed"]), "trial": int(origin["trial"]), "version": origin["version"]}
    for part, settings in json.loads(origin["config"]).items():
        whole |= {part if key == "name" else key: value for key, value in settings.items()}
    return whole


def discard(path: Path) -> None:
    """Remove what is kept of an unfinished trial."""
    for file in (checkpoint_path(path), rows_path(path)):
        file.unlink(missing_ok=True)


def unfinished(path: Path) -> Json | None:
    """What the checkpoint of a trial says of where it comes from: config (JSON), seed, trial, version; None without one.

    Raises
    ------
    BrokenFile
        If the checkpoint, or the rows that belong to it, are damaged.
    """
    place = checkpoint_path(path)
    if not place.exists():
        return None
    content = checkpoint.read(place)
    if not rows_intact(rows_path(path), **content["rows"]):
        raise BrokenFile(f"{rows_path(path)} does not hold the {content['rows']['count']:,} rows of its checkpoint")
    return content["origin"]


class KeptTrials(Checkpoints):
    """Keeps the trials that one thread runs."""

    @abstractmethod
    def append(self, trial: int, rows: Floats) -> None:
        """Keep recorded rows, shape (row, value), of a trial under way."""

    @abstractmethod
    def finish(self, result: Result, extra: dict[str, str]) -> None:
        """Keep what an ended trial amounts to; `extra` says what made it. What was kept of it under way is removed."""

    @abstractmethod
    def close(self) -> None:
        """Have everything on the disk."""


class RowFolder(KeptTrials):
    """Keeps the trials of one configuration in its row's folder; nothing else writes there.

    Parameters
    ----------
    out : Path
        Folder of the run.
    name : str
        Name of the row's folder.
    config : Experiment
        Configuration of the trials.
    seed : int
        Seed of the run.
    learner : AnyLearner
        For the layout of recorded rows and the names of weights.
    every, stop
        As for `Checkpoints`.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        config: Experiment,
        seed: int,
        learner: AnyLearner,
        *,
        every: float,
        stop: threading.Event,
    ) -> None:
        self.out, self.name, self.config, self.seed, self.learner = out, name, config, seed, learner
        super().__init__(every, stop)
        self._rows: dict[int, Rows] = {}

    def append(self, trial: int, rows: Floats) -> None:
        """Keep recorded rows, shape (row, value), of a trial under way."""
        if len(rows):
            self._file(trial).append(rows)

    def _file(self, trial: int, **kept: int) -> Rows:
        if trial not in self._rows:
            path = rows_path(trial_path(self.out, self.name, trial))
            self._rows[trial] = Rows(path, **({"width": self.learner.layout.width} | kept))
        return self._rows[trial]

    def _refuse_finished(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is finished already; allowed: a trial that is not", str(path))

    def load(self, trial: int) -> State | None:
        """Return the state that a trial's checkpoint holds; rows recorded after it are cut off.

        Raises
        ------
        BrokenFile
            If the checkpoint is damaged.
        OtherOrigin
            If it is one of other settings, another seed or version.
        FileExistsError
            If the trial has ended.
        """
        self._refuse_finished(trial_path(self.out, self.name, trial))
        path = checkpoint_path(trial_path(self.out, self.name, trial))
        if not path.exists():
            return None
        content = checkpoint.read(path)
        refuse_other(path, content["origin"], origin(self.config, self.seed, trial))
        if content["rows"]["count"]:
            self._file(trial, **content["rows"])
        return content["state"]

    def save(self, trial: int, state: State) -> None:
        """Write a trial's checkpoint, after the rows recorded so far."""
        rows = {"width": self.learner.layout.width, "count": 0, "crc": 0}
        if trial in self._rows:
            file = self._rows[trial]
            file.sync()
            rows |= {"count": file.count, "crc": file.crc}
        path = checkpoint_path(trial_path(self.out, self.name, trial))
        came = origin(self.config, self.seed, trial)
        checkpoint.write(path, {"origin": came, "rows": rows, "state": state})

    def leave(self, trial: int) -> None:
        """Close what is open of a trial that has been saved, for another thread to go on with it."""
        if trial in self._rows:
            self._rows.pop(trial).close()

    def finish(self, result: Result, extra: dict[str, str]) -> None:
        """Write the file of an ended trial; `extra` becomes attributes. What was kept of it under way is removed.

        Raises
        ------
        FileExistsError
            If the trial has a file already.
        """
        path = trial_path(self.out, self.name, result.trial)
        self._refuse_finished(path)
        with TrialFile(path, self.learner.layout, self.config.task) as file:
            if result.trial in self._rows:
                for rows in self._rows[result.trial].ordered():
                    file.append(rows)
            file.finish(self.name, self.config, self.learner, result, extra)
        self.leave(result.trial)
        discard(path)

    def close(self) -> None:
        """Close all files; they stay."""
        for rows in self._rows.values():
            rows.close()
        self._rows.clear()
