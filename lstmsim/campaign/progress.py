"""What a person sees while trials run: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lstmsim.campaign.dask import Cluster
from lstmsim.campaign.forecast import Forecast, duration
from lstmsim.campaign.threads import Ensemble, Standing

_LINE_EVERY = 5.0  # seconds between lines at first; a twentieth of the time passed later, at most the next
_LINE_AT_MOST = 60.0


class Display:
    """How far a run has come: each row that is under way, the rate, and about how long it will still take.

    Parameters
    ----------
    trials : Ensemble or Cluster
        What runs.
    console : Console
        Where to show it.
    forecast : Forecast
        Trials asked for and ended before.
    solved : int
        How many of those that ended before were solved.
    """

    def __init__(self, trials: Ensemble | Cluster, console: Console, forecast: Forecast, solved: int) -> None:
        self.trials, self.console, self.forecast, self.solved = trials, console, forecast, solved
        self.total = sum(request.trials for request in forecast.requests.values())
        self.started = self.line_at = time.perf_counter()
        self.bars: Progress | None = None
        self.rows: dict[str, TaskID] = {}
        if console.is_terminal and not console.quiet:
            columns = (SpinnerColumn(), BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn())
            self.bars = Progress(*columns, console=console, transient=True)
            self.whole = self.bars.add_task(self._whole(0.0, None), total=self.total)

    def __enter__(self) -> Display:
        """Begin to show."""
        if self.bars is not None:
            try:
                self.bars.start()
            except BaseException:  # half begun, it has hidden the cursor already
                self.bars.stop()
                raise
        else:
            self.console.print(self._whole(0.0, None), soft_wrap=True)
        return self

    def __exit__(self, *exception: Any) -> None:
        """Take the bars away."""
        if self.bars is not None:
            self.bars.stop()

    @property
    def done(self) -> int:
        """Trials that have ended, before and now."""
        return sum(map(len, self.forecast.ended.values()))

    def tick(self) -> None:
        """Show how things stand."""
        now, standings = time.perf_counter(), self.trials.standings()
        rate = self.forecast.rate(now, standings)
        names = list(dict.fromkeys(standing.name for standing in standings))
        if self.bars is None:
            if now - self.line_at >= min(_LINE_AT_MOST, max(_LINE_EVERY, (now - self.started) / 20)):
                self.line_at = now
                rows = " | ".join(self._row(name, standings) for name in names) or "starting"
                self.console.print(f"{rows}; {self._whole(rate, self.forecast.left(rate, standings))}", soft_wrap=True)
            return
        for name in self.rows.keys() - set(names):
            self.bars.remove_task(self.rows.pop(name))
        for name in names:
            if name not in self.rows:
                self.rows[name] = self.bars.add_task("", total=self.forecast.requests[name].trials)
            ended = len(self.forecast.ended[name])
            self.bars.update(self.rows[name], description=self._row(name, standings), completed=ended)
        left = self.forecast.left(rate, standings)
        self.bars.update(self.whole, description=self._whole(rate, left), completed=self.done)

    def ended(self, name: str, result: Any) -> None:
        """Count a trial that has ended."""
        self.forecast.end(name, result.sequences, result.steps)
        self.solved += result.status == "solved"
        if result.status == "diverged":
            self.console.print(f"[yellow]row {name}, trial {result.trial}: diverged at sequence {result.sequences:,}[/]")

    def _whole(self, rate: float, left: float | None) -> str:
        """The run in figures."""
        text = f"{self.done}/{self.total} ended, {self.solved} solved, {rate / 1e6:.1f} M steps/s"
        return text if left is None else f"{text}, about {duration(left)} left"

    def _row(self, name: str, standings: list[Standing]) -> str:
        """The trials of a row that are under way, in figures."""
        ours = [standing for standing in standings if standing.name == name]
        sequences = max((n for standing in ours for n in standing.sequences), default=0)
        errors = [error for standing in ours for error in standing.errors]
        correct = [fraction for standing in ours for fraction in standing.correct]
        means = f"error {np.mean(errors):.4f}, {np.mean(correct):.1%} correct" if errors else "error -, - correct"
        return f"{name}: {sequences:,} sequences, {means}"
