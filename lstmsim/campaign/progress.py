"""What a person sees while trials run: bars on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

import html
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lstmsim.campaign.forecast import Forecast, duration
from lstmsim.campaign.run import Campaign
from lstmsim.campaign.scan import Scan
from lstmsim.campaign.threads import RowProgress
from lstmsim.simulation.trial import Result

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

_LINE_EVERY = 5.0  # seconds between lines at first; a twentieth of the time passed later, at most the next
_LINE_AT_MOST = 60.0


class View(Protocol):
    """Where progress is shown."""

    def open(self, whole: str, total: int) -> None:
        """Begin."""

    def update(self, whole: str, done: int, rows: dict[str, tuple[str, int, int]]) -> None:
        """Show the run, and for each row under way its text, trials ended and trials."""

    def note(self, text: str) -> None:
        """Say something that is to stay."""

    def close(self) -> None:
        """Take away what is not to stay."""


class Display:
    """How far a run has come: each row that is under way, the rate, and about how long it will still take.

    Parameters
    ----------
    campaign : Campaign or Scan
        What runs.
    view : View, optional
        Where to show it; nowhere if not given.
    """

    def __init__(self, campaign: Campaign | Scan, view: View | None) -> None:
        self.campaign, self.view = campaign, view
        self.forecast = Forecast(campaign.requests, campaign.left.finished)
        self.total = sum(request.trials for request in campaign.requests)
        finished = campaign.left.finished
        self.outcomes = {r.name: Counter(a["status"] for a in finished.get(r.name, [])) for r in campaign.requests}
        self.told = False  # that kernels are being compiled

    def __enter__(self) -> Display:
        """Begin to show."""
        if self.view is not None:
            try:
                self.view.open(self._whole(0.0, None), self.total)
            except BaseException:  # half begun, it has hidden the cursor already
                self.view.close()
                raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Take away what is not to stay."""
        if self.view is not None:
            self.view.close()

    @property
    def done(self) -> int:
        """Trials that have ended, before and now, those that failed among them."""
        return sum(map(Counter.total, self.outcomes.values()))

    def tick(self) -> None:
        """Show how things stand."""
        trials, now = self.campaign.trials, time.perf_counter()
        if self.view is None or trials is None:
            return
        if trials.compiling:
            text = f"compiling kernels for {trials.compiling} (once, about half a minute for a method)"
            if not self.told:
                self.told = True
                self.view.note(text)
            self.view.update(text, self.done, {})
            return
        failed = sum(outcomes["failed"] for outcomes in self.outcomes.values())
        for one in trials.broken[failed:]:
            self.forecast.fail(one.name)
            self.outcomes[one.name]["failed"] += 1
            self.view.note(f"row {one.name}, trial {one.trial}: failed ({type(one.error).__name__}: {one.error})")
        parts = trials.progress()
        rate = self.forecast.rate(now, parts)
        names = dict.fromkeys(part.name for part in parts)
        rows = {
            name: (
                _row(name, parts) + _wrong(self.outcomes[name]),
                self.outcomes[name].total(),
                self.forecast.requests[name].trials,
            )
            for name in names
        }
        self.view.update(self._whole(rate, self.forecast.left(rate, parts)), self.done, rows)

    def ended(self, name: str, result: Result) -> None:
        """Count a trial that has ended."""
        self.forecast.end(name, result.sequences, result.steps)
        self.outcomes[name][str(result.status)] += 1
        if result.status == "diverged" and self.view is not None:
            self.view.note(f"row {name}, trial {result.trial}: diverged at sequence {result.sequences:,}")

    def _whole(self, rate: float, left: float | None) -> str:
        """The run in figures."""
        outcomes = sum(self.outcomes.values(), Counter())
        text = f"{self.done}/{self.total} ended, {outcomes['solved']} solved{_wrong(outcomes)}, {rate / 1e6:.1f} M steps/s"
        return text if left is None else f"{text}, about {duration(left)} left"


def _wrong(outcomes: Mapping[str, int]) -> str:
    """Trials that did not go as they should, in figures; none where there are none."""
    return "".join(f", {outcomes[what]} {what}" for what in ("diverged", "failed") if outcomes[what])


def _row(name: str, parts: list[RowProgress]) -> str:
    """The trials of a row that are under way, in figures."""
    ours = [part for part in parts if part.name == name]
    sequences = max((n for part in ours for n in part.sequences), default=0)
    errors = [error for part in ours for error in part.errors]
    correct = [fraction for part in ours for fraction in part.correct]
    means = f"error {np.mean(errors):.4f}, {np.mean(correct):.1%} correct" if errors else "error -, - correct"
    return f"{name}: {sequences:,} sequences, {means}"


class Bars:
    """Bars on a terminal, which vanish at the end."""

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(), BarColumn(20), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self.console, self.bars = console, Progress(*columns, console=console, transient=True)
        self.rows: dict[str, TaskID] = {}

    def open(self, whole: str, total: int) -> None:
        """Begin."""
        self.whole = self.bars.add_task(whole, total=total)
        self.bars.start()

    def update(self, whole: str, done: int, rows: dict[str, tuple[str, int, int]]) -> None:
        """Show a bar for the run and one for each row."""
        for name in self.rows.keys() - rows.keys():
            self.bars.remove_task(self.rows.pop(name))
        for name, (text, ended, trials) in rows.items():
            if name not in self.rows:
                self.rows[name] = self.bars.add_task("", total=trials)
            self.bars.update(self.rows[name], description=text, completed=ended)
        self.bars.update(self.whole, description=whole, completed=done)

    def note(self, text: str) -> None:
        """Say something above the bars."""
        self.console.print(text, style="yellow", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bars away."""
        self.bars.stop()


class Lines:
    """Lines, where there is no terminal: often at first, then less often."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = self.latest = time.perf_counter()
        self.said = self.last = ""
        self.ended = self.done = 0  # trials ended by the last line, and by now

    def open(self, whole: str, total: int) -> None:
        """Write the first line."""
        self.note(whole)

    def update(self, whole: str, done: int, rows: dict[str, tuple[str, int, int]]) -> None:
        """Write a line, if it is time to."""
        now, self.last, self.done = time.perf_counter(), whole, done
        if whole != self.said and now - self.latest >= min(_LINE_AT_MOST, max(_LINE_EVERY, (now - self.began) / 20)):
            self.latest, self.ended = now, done
            self.note("; ".join(filter(None, (" | ".join(text for text, _, _ in rows.values()), whole))))

    def note(self, text: str) -> None:
        """Write a line."""
        self.said = text
        self.console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Write how many trials have ended, if the last line does not."""
        if self.done != self.ended:
            self.note(self.last)


class Notebook:
    """A bar below a notebook's cell."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.handle: DisplayHandle | None = None
        self.latest = 0.0

    def open(self, whole: str, total: int) -> None:
        """Make the bar."""
        from IPython.display import display

        self.total = total
        self.handle = display(self._content(whole, 0), raw=True, display_id=True)

    def update(self, whole: str, done: int, rows: dict[str, tuple[str, int, int]]) -> None:
        """Move the bar, at most twice a second."""
        if self.handle is not None and time.perf_counter() - self.latest > 0.5:
            self.latest = time.perf_counter()
            self.handle.update(self._content("\n".join([whole, *(text for text, _, _ in rows.values())]), done), raw=True)
        self.last = whole, done

    def note(self, text: str) -> None:
        """Keep a line below the bar."""
        self.notes.append(text)

    def close(self) -> None:
        """Leave the notes alone."""
        if self.handle is not None:
            notes = "\n".join(self.notes)
            self.handle.update(
                {"text/plain": notes, "text/html": f"<pre>{html.escape(notes)}</pre>" if notes else ""}, raw=True
            )

    def _content(self, text: str, done: int) -> dict[str, str]:
        text = "\n".join([text, *self.notes])
        bar = f'<progress value="{done}" max="{self.total}"></progress>'
        return {"text/plain": text, "text/html": f"{bar}<pre>{html.escape(text)}</pre>"}


def view_of(progress: bool | None) -> View | None:
    """Return what suits the place: a bar in a notebook or on a terminal; elsewhere lines if wanted, else nothing."""
    if progress is False:
        return None
    console = Console(stderr=True, highlight=False)
    if console.is_jupyter:
        return Notebook()
    if console.is_terminal:
        return Bars(console)
    return Lines(console) if progress else None
