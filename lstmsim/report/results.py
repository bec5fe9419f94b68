"""What the trials of a row amount to, for tables: fraction solved, sequences needed, test results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from lstmsim.campaign.folder import trial_path
from lstmsim.campaign.requests import Request
from lstmsim.simulation.config import parse_value
from lstmsim.trace.summary import STATUSES, BrokenFile, read_trial

Attrs = dict[str, Any]


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a fraction (Wilson 1927).

    Parameters
    ----------
    successes, trials : int
        How many of how many; at least one trial.
    level : float
        Coverage of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end, within [0, 1].

    Raises
    ------
    ValueError
        If there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"successes is {successes} of {trials} trials; allowed: 0 to the number of trials, at least 1")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p, share = successes / trials, z * z / trials
    centre = (p + share / 2) / (1 + share)
    half = z * np.sqrt(p * (1 - p) / trials + share / (4 * trials)) / (1 + share)
    # At the ends the two terms are equal; rounding must not leave an end outside of [0, 1].
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == trials else centre + half)


@dataclass(frozen=True)
class Reached:
    """Training sequences until something happened, over the trials in which it did.

    Attributes
    ----------
    counts : tuple of int
        Sequences, one number per trial that got there.
    trials : int
        All trials.
    """

    counts: tuple[int, ...]
    trials: int

    @classmethod
    def of(cls, attrs: Iterable[Attrs], name: str) -> Reached:
        """From the attribute `sequences_to_NAME` of trials, -1 where it never happened."""
        every = [int(a.get(f"sequences_to_{name}", -1)) for a in attrs]
        return cls(tuple(n for n in every if n >= 0), len(every))

    @property
    def n(self) -> int:
        """Trials that got there."""
        return len(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean over the trials that got there."""
        return float(np.mean(self.counts)) if self.counts else None

    @property
    def range(self) -> tuple[int, int] | None:
        """Smallest and largest number."""
        return (min(self.counts), max(self.counts)) if self.counts else None

    def ratio(self, paper: float | None) -> float | None:
        """The mean divided by the paper's."""
        return None if self.mean is None or not paper else self.mean / paper


@dataclass(frozen=True)
class RowResult:
    """A row that was asked for, and the trials of it that the folder holds.

    Attributes
    ----------
    request : Request
        What was asked for.
    attrs : list of dict
        Attributes of the finished trials, as `lstmsim.trace.summary.read_trial` gives them.
    broken : list of str
        Messages about files that cannot be read.
    """

    request: Request
    attrs: list[Attrs]
    broken: list[str] = field(default_factory=list)

    @cached_property
    def solved(self) -> list[Attrs]:
        """Trials that were solved."""
        return [a for a in self.attrs if a["status"] == "solved"]

    @cached_property
    def statuses(self) -> dict[str, int]:
        """Number of trials by status."""
        return {status: sum(a["status"] == status for a in self.attrs) for status in STATUSES}

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the fraction solved."""
        return wilson(len(self.solved), len(self.attrs)) if self.attrs else None

    @cached_property
    def sequences(self) -> Reached:
        """Sequences until the whole stopping rule was met."""
        return Reached.of(self.attrs, "success")

    @cached_property
    def stages(self) -> dict[str, Reached]:
        """Sequences until each stage of the stopping rule but the last."""
        return {stage.name: Reached.of(self.attrs, stage.name) for stage in self.request.config.training.stages[:-1]}

    def milestone(self, name: str) -> Reached:
        """Sequences until a milestone, named as in `lstmsim.kernels.scores.MILESTONES`."""
        return Reached.of(self.attrs, name)

    @cached_property
    def per_success(self) -> float | None:
        """Sequences of all trials, those without success too, per trial solved."""
        return sum(int(a["sequences"]) for a in self.attrs) / len(self.solved) if self.solved else None

    @cached_property
    def test_sequences(self) -> int:
        """Test sequences of the solved trials together."""
        return sum(int(a["test_sequences"]) for a in self.solved)

    @cached_property
    def test_wrong(self) -> int:
        """Those of them that were not correct."""
        return sum(int(a["test_wrong"]) for a in self.solved)

    @cached_property
    def wrong(self) -> float | None:
        """Fraction of wrong test sequences, over the solved trials."""
        return self.test_wrong / self.test_sequences if self.test_sequences else None

    @cached_property
    def squared_error(self) -> float | None:
        """Mean squared test error, over the solved trials."""
        return self._mean("test_squared_error")

    @cached_property
    def difference(self) -> float | None:
        """Mean absolute test error, over the solved trials."""
        return self._mean("test_error")

    def _mean(self, name: str) -> float | None:
        return float(np.mean([a[name] for a in self.solved])) if self.test_sequences else None

    @property
    def weights(self) -> int | None:
        """Trainable weights; None where the net's size is not fixed."""
        found: int | None = getattr(self.request.config.settings, "n_weights", None)
        return found

    @property
    def label(self) -> str:
        """The row, with the folder's name or the reading where there is one."""
        request = self.request
        more = request.reading or (request.name if request.name != request.row.id else "")
        return f"{request.row.id} ({more})" if more else request.row.id

    @property
    def setting(self) -> str:
        """What was changed, as KEY=VALUE text that --set takes."""
        return " ".join(f"{key}={value_text(value)}" for key, value in self.request.changes.items())

    @property
    def departures(self) -> str:
        """The same without the cap, which tables give apart and which is no reading of the paper."""
        changes = self.request.changes.items()
        return " ".join(f"{key}={value_text(value)}" for key, value in changes if key != "max_sequences")


def read_row(out: Path, request: Request) -> RowResult:
    """Read the attributes of a row's trial files, each once."""
    attrs, broken = [], []
    for trial in range(request.trials):
        path = trial_path(out, request.name, trial)
        if path.exists():
            try:
                attrs.append(read_trial(path))
            except BrokenFile as error:
                broken.append(str(error))
    return RowResult(request, attrs, broken)


def value_text(value: Any) -> str:
    """A value in the notation of --set, which `lstmsim.simulation.config.parse_value` reads."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(json.dumps(part) if isinstance(part, str) else value_text(part) for part in value)}]"
    if isinstance(value, str) and (parse_value(value) != value or " " in value):
        return json.dumps(value)
    return str(value)
