"""What the trials of a row amount to: fraction solved, sequences needed, test results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from lstmsim.campaign.manifest import recall
from lstmsim.campaign.requests import Request
from lstmsim.campaign.trials import trial_path
from lstmsim.kernels.arrays import Floats
from lstmsim.report.text import value_text
from lstmsim.simulation.config import StoppingRule
from lstmsim.trace.summary import STATUSES, BrokenFile, of_trials, read_trial, wilson


class Reached(NamedTuple):
    """Training sequences until something happened: over `n` of the `trials`, in the others it never did."""

    n: int = 0
    trials: int = 0
    mean: float | None = None
    low: int | None = None
    high: int | None = None

    def ratio(self, published: float | None) -> float | None:
        """Return the mean divided by a published one."""
        return None if self.mean is None or not published else self.mean / published


@dataclass(frozen=True)
class RowResult:
    """A row that was asked for, and the trials of it that the folder holds.

    Attributes
    ----------
    request : Request
        What was asked for.
    trials : xarray.Dataset
        As `lstmsim.trace.summary.of_trials` gives it.
    broken : list of str
        Messages about files that cannot be read.
    """

    request: Request
    trials: xr.Dataset
    broken: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Trials that have ended."""
        return self.trials.sizes["trial"]

    @cached_property
    def solved(self) -> xr.Dataset:
        """Trials that were solved."""
        return self.trials.isel(trial=np.flatnonzero(self.trials["status"].values == "solved"))

    @property
    def n_solved(self) -> int:
        """Trials that were solved."""
        return self.solved.sizes["trial"]

    @cached_property
    def statuses(self) -> dict[str, int]:
        """Number of trials by status."""
        return {status: int((self.trials["status"].values == status).sum()) for status in STATUSES}

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the fraction solved."""
        return wilson(self.n_solved, self.n) if self.n else None

    def counts(self, milestone: str = "success") -> Floats:
        """Sequences until a milestone, of the trials that reached it."""
        values = self.trials.get(f"sequences_to_{milestone}")
        return np.zeros(0) if values is None else values.values[np.isfinite(values.values)]

    def reached(self, milestone: str = "success") -> Reached:
        """Return when a milestone was reached: "success", a stage, or one of `lstmsim.kernels.scores.MILESTONES`."""
        counts = self.counts(milestone)
        if not counts.size:
            return Reached(0, self.n)
        return Reached(counts.size, self.n, float(counts.mean()), int(counts.min()), int(counts.max()))

    @property
    def rule(self) -> StoppingRule:
        """The stopping rule."""
        return self.request.config.stop

    @property
    def stages(self) -> list[str]:
        """Names of the stages of the stopping rule but the last."""
        return [stage.name for stage in self.rule.conditions[:-1]]

    @property
    def cap(self) -> int:
        """Sequences after which a trial gives up."""
        return self.rule.max_sequences

    @property
    def per_success(self) -> float | None:
        """Sequences of all trials, those without success too, per trial solved."""
        return int(self.trials["sequences"].sum()) / self.n_solved if self.n_solved else None

    @property
    def test(self) -> tuple[int, int]:
        """Test sequences of the solved trials together that were wrong, and all of them."""
        return int(self.solved["test_wrong"].sum()), int(self.solved["test_sequences"].sum())

    def test_mean(self, name: str) -> float | None:
        """Return the mean over the solved trials of "test_error" or "test_squared_error"; None without a test."""
        values = self.solved[name].values
        return float(np.nanmean(values)) if np.isfinite(values).any() else None

    @property
    def joined(self) -> tuple[int, ...]:
        """Units that had joined by the end of each trial, of the successful ones if there are any."""
        return tuple(map(int, (self.solved if self.n_solved else self.trials)["joined"].values))

    @property
    def label(self) -> str:
        """The row, with the folder's name or the reading where there is one."""
        request = self.request
        more = request.reading or (request.name if request.name != request.row.id else "")
        return f"{request.row.id} ({more})" if more else request.row.id

    @property
    def setting(self) -> str:
        """What was changed, as KEY=VALUE text that --set takes."""
        return _assignments(self.request.changes)

    @property
    def departures(self) -> str:
        """The same without the cap, which tables give apart and which is no reading of the paper."""
        return _assignments({key: value for key, value in self.request.changes.items() if key != "max_sequences"})


def _assignments(changes: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value_text(value)}" for key, value in changes.items())


def read_row(out: Path, request: Request) -> RowResult:
    """Read a row's trial files, each once."""
    attrs, broken = [], []
    for trial in range(request.trials):
        path = trial_path(out, request.name, trial)
        if path.exists():
            try:
                attrs.append(read_trial(path))
            except BrokenFile as error:
                broken.append(str(error))
    return RowResult(request, of_trials(attrs), broken)


def read_run(out: Path) -> list[RowResult]:
    """Read all that a run's folder was asked for.

    Raises
    ------
    ValueError
        If the folder has no `run.json` that can be used, or no finished trial.
    """
    results = [read_row(out, request) for request in recall(out).requests]
    if not any(result.n for result in results):
        raise ValueError(f"{out} holds no finished trial; allowed: a run's folder with at least one")
    return results
