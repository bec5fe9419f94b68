"""How long what is asked for takes: from a short measurement before a run, from the trials so far during one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lstmsim.campaign.requests import Request
from lstmsim.campaign.threads import RowProgress
from lstmsim.checks import Json
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import UnderWay

_RECENT = 30.0  # seconds over which a rate is taken


def expected_sequences(request: Request) -> float:
    """Sequences that a trial is expected to take: as ours did with this reading, else as in the paper, else the cap."""
    row, cap = request.row, request.config.stop.max_sequences
    for reading in row.readings:
        if reading.sequences and row.config.with_settings({**reading.settings, "max_sequences": cap}) == request.config:
            return min(reading.sequences, cap)
    return min(row.published.sequences or cap, cap)


def duration(seconds: float) -> str:
    """A time as people say it, in the two largest units that are not zero."""
    if not seconds >= 0.95:
        return "under a second"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours / 24:.1f} days"


@dataclass(frozen=True)
class Cost:
    """What a row costs here.

    Attributes
    ----------
    step : float
        Seconds of one thread per time step and trial, all lanes busy.
    length : float
        Mean time steps of a sequence.
    """

    step: float
    length: float


class _Enough(Exception):
    """The measurement has taken long enough."""


def measure(config: Experiment, lanes: int, seconds: float) -> Cost:
    """Run trials of a configuration for a moment, once everything is compiled; nothing is recorded or written.

    Parameters
    ----------
    config : Experiment
        Task, learner and stopping rule.
    lanes : int
        Trials advanced together.
    seconds : float
        How long to measure.
    """
    simulation = simulation_for(config, 0, lanes, Policy.parse("none"))
    marks: list[tuple[float, int, int]] = []
    ended = [0, 0]

    def look(running: UnderWay) -> None:
        steps, sequences = _done(running)
        marks.append((time.perf_counter(), ended[0] + steps, ended[1] + sequences))
        del marks[1:-1]
        if marks[-1][0] - marks[0][0] > seconds:
            raise _Enough

    begun = time.perf_counter()
    with suppress(_Enough):
        for result in simulation.run(iter(range(simulation.learner.lanes)), on_progress=look):
            ended[0] += result.steps
            ended[1] += result.sequences
        marks.append((time.perf_counter(), ended[0], ended[1]))
    # Trials that end before they are looked at twice are timed as a whole.
    first, last = marks[0], marks[-1]
    if last[1] == first[1]:
        first = (begun, 0, 0)
    took, steps, sequences = (after - before for before, after in zip(first, last, strict=True))
    return Cost(took / max(steps, 1), steps / max(sequences, 1))


def _done(simulation: UnderWay) -> tuple[int, int]:
    """Time steps and sequences of the trials that a simulation has under way."""
    trials = simulation.progress()
    return sum(trial.steps for trial in trials), sum(trial.sequences for trial in trials)


class Forecast:
    """Rate and time left of a run under way.

    Parameters
    ----------
    requests : sequence of Request
        What was asked for.
    ended : dict
        For each row the attributes of its trials that had ended before.
    """

    def __init__(self, requests: Sequence[Request], ended: dict[str, list[Json]]) -> None:
        self.requests = {request.name: request for request in requests}
        self.expected = {request.name: expected_sequences(request) for request in requests}
        self.ended = {name: [(int(a["sequences"]), int(a["steps"])) for a in ended.get(name, [])] for name in self.requests}
        self.failed = dict.fromkeys(self.requests, 0)  # trials in which a task or a learner raised an error
        self.steps = 0  # of the trials that have ended in this run
        self._marks: list[tuple[float, int]] = []

    def end(self, name: str, sequences: int, steps: int) -> None:
        """Count a trial that has ended."""
        self.ended[name].append((sequences, steps))
        self.steps += steps

    def fail(self, name: str) -> None:
        """Count a trial that goes no further."""
        self.failed[name] += 1

    def rate(self, now: float, parts: Sequence[RowProgress]) -> float:
        """Time steps per second of all trials together, over the latest half minute."""
        if not self._marks and not any(part.sequences for part in parts):
            return 0.0  # a trial that goes on from a checkpoint comes with its steps
        done = self.steps + sum(part.steps for part in parts)
        if self._marks:
            done = max(done, self._marks[-1][1])  # a trial has ended and is not counted yet
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > _RECENT:
            del self._marks[0]
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def left(self, rate: float, parts: Iterable[RowProgress]) -> float | None:
        """Seconds left, about; None as long as there is no rate.

        A trial is expected to take as many sequences as those of its row that have ended did on average, and before one has
        as many as in the paper; one that has taken more, a quarter more than it has.
        """
        if not rate > 0:
            return None
        steps, under_way = 0.0, dict.fromkeys(self.requests, 0)
        for part in parts:
            name, seen = part.name, sum(part.sequences)
            cap = self.requests[name].config.stop.max_sequences
            length = part.steps / seen if seen else self._length(name)
            for n in part.sequences:
                steps += (min(cap, max(self._sequences(name), 1.25 * n)) - n) * length
            under_way[name] += len(part.sequences)
        for name, request in self.requests.items():
            waiting = request.trials - len(self.ended[name]) - self.failed[name] - under_way[name]
            steps += max(waiting, 0) * self._sequences(name) * self._length(name)
        return steps / rate

    def _sequences(self, name: str) -> float:
        ended = self.ended[name]
        return float(np.mean([n for n, _ in ended])) if ended else self.expected[name]

    def _length(self, name: str) -> float:
        if any(n for n, _ in self.ended[name]):
            return sum(steps for _, steps in self.ended[name]) / sum(n for n, _ in self.ended[name])
        task = self.requests[name].config.task
        return float((task.min_length + task.max_length) / 2)
