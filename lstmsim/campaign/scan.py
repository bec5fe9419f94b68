"""A scan from its keys to its dataset: all refusals first, then trials of many points on shared lanes, kept in one file."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, cast

import xarray as xr

import lstmsim
from lstmsim.campaign import halving, machine
from lstmsim.campaign.folder import Left, RunFolder
from lstmsim.campaign.forecast import measure
from lstmsim.campaign.requests import Request, requested
from lstmsim.campaign.scan_dask import ScanCluster
from lstmsim.campaign.scan_points import MOST, Over, points_of
from lstmsim.campaign.scan_store import ScanStore, text_of
from lstmsim.campaign.scan_trials import ScanEnsemble
from lstmsim.campaign.threads import Job, TrialsFailed
from lstmsim.checks import Field, Flag, Json, Real, Whole, check, refusal
from lstmsim.kernels.compile import COMPILER
from lstmsim.learners import learner
from lstmsim.learners.base import StepLearner
from lstmsim.simulation.config import Experiment, plain
from lstmsim.simulation.one_by_one import warm_up
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result
from lstmsim.simulation.variants import STRIDE, Variants, shared
from lstmsim.trace.scan import FAILED, FILE, dataset, write_scan
from lstmsim.trace.scan import text_of as words
from lstmsim.trace.store import provenance


class Scan:
    """Trials of many points of one experiment, in one folder; what cannot be run is refused when it is made.

    Parameters
    ----------
    experiment : str or Experiment
        What the keys belong to: a row's id, or an experiment of one's own.
    over : mapping of str to sequence, or sequence of mapping
        As `points_of` takes it.
    out : Path or str
        Folder of the scan.
    trials : int
        Trials of each point.
    seed : int
        Seed; a trial's random numbers come from the seed and its number, whatever its point.
    settings : mapping
        Settings that differ from the experiment's at every point.
    reading : str, optional
        Reading of a row of the paper.
    workers : int, optional
        Threads; as many as this process may keep busy if not given.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the trials, instead of threads here.
    device : {"cpu", "cuda"}
        Where the trials run; on a GPU those of one task together.
    weights : bool
        Whether final weights are kept.
    halving : int, optional
        Points that have learned least are given up early, and one of so many goes on (`lstmsim.campaign.halving`).
    checkpoint_every : float
        Seconds between checkpoints of unfinished trials; 0: at every chance.

    Raises
    ------
    ValueError
        If an argument is not allowed, a point cannot be built, or the folder holds a scan of other keys or settings,
        another seed or version.
    """

    def __init__(
        self,
        experiment: str | Experiment,
        over: Over,
        out: Path | str,
        *,
        trials: int = 8,
        seed: int = 0,
        settings: Mapping[str, object] | None = None,
        reading: str | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
        weights: bool = False,
        halving: int | None = None,
        checkpoint_every: float = 60.0,
    ) -> None:
        if not isinstance(experiment, str | Experiment):
            raise refusal("experiment", experiment, "a row's id or an Experiment")
        [self.request] = requested(experiment, None, settings or {}, reading)
        self.trials_each: int = check("trials", trials, Annotated[Whole, Field(ge=1, le=MOST)])
        self.seed: int = check("seed", seed, Annotated[Whole, Field(ge=0, lt=2**63)])
        self.weights: bool = check("weights", weights, Flag)
        self.halving: int | None = check("halving", halving, Annotated[Whole, Field(ge=2, le=100)] | None)
        if halving is not None and not issubclass(learner(self.request.config.learner), StepLearner):
            raise refusal(
                "halving", halving, f"None with {self.request.config.learner}, which cannot pause at a given sequence"
            )
        self.checkpoint_every: float = check("checkpoint_every", checkpoint_every, Annotated[Real, Field(ge=0)])
        cores = machine.processors() if workers is None else workers
        self.workers: int = check("workers", cores, Annotated[Whole, Field(ge=1, le=1024)])
        self.scheduler, self.device = scheduler, check("device", device, Literal["cpu", "cuda"])
        if device == "cuda" and scheduler is not None:
            raise refusal("scheduler", scheduler, "none with device='cuda'")
        self.product = isinstance(over, Mapping)
        made = points_of(self.request.config, over, self.trials_each)
        self.points = [point for point, _ in made]
        self.folder, self.policy = RunFolder(out, self.seed), Policy.parse("none")
        if (self.folder.path / "run.json").exists():
            raise ValueError(
                f"out is {str(self.folder.path)!r}, which holds a run; allowed: the folder of a scan, or a new one"
            )
        self.store = ScanStore(self.folder.path)
        self.experiments: Mapping[int, Experiment] = {number: config for number, (_, config) in enumerate(made)}
        self.store.check(self.origin())
        self.messages: list[str] = []
        self.ended: dict[int, Json] = {}
        self.trials: ScanEnsemble | ScanCluster | None = None
        self.ensemble(self.missing()).rehearse()
        if scheduler is not None:
            self.cluster([]).greet()

    def origin(self) -> Json:
        """Return what decides every bit of the scan's trials, but for the values of the keys."""
        keys, first = set(self.points[0]), self.experiments[next(iter(self.experiments))]
        parts: dict[str, Json] = {}
        for part, there in self.request.row.config.as_dict().items():
            parts[part] = {key: value for key, value in there.items() if key not in keys | {"n_inputs", "n_outputs"}}
        for key in set(self.request.changes) - keys:
            part = first.keys()[key]
            parts[part][key] = plain(getattr(first.parts()[part], key))
        how = {
            "over": sorted(keys),
            "form": "product" if self.product else "points",
            "weights": self.weights,
            "halving": self.halving,
        }
        content = {**parts, "scan": how}
        return {"config": json.dumps(content), "seed": self.seed, "trial": 0, "version": lstmsim.__version__}

    def config_of(self, number: int) -> Experiment:
        """Return the experiment of a trial."""
        return self.experiments[number // STRIDE]

    def missing(self) -> list[int]:
        """Return the numbers of the trials that have not ended."""
        every = (STRIDE * number + trial for number in self.experiments for trial in range(self.trials_each))
        return [number for number in every if number not in self.ended]

    def jobs(self, missing: Sequence[int], limits: Mapping[int, int] | None = None) -> list[Job]:
        """Return trials as jobs, those together that may share lanes, the longest first; for `limits` see `Variants`."""
        groups: dict[Hashable, list[int]] = {}
        keys: dict[int, Hashable] = {}
        for number in missing:
            point = number // STRIDE
            if point not in keys:
                keys[point] = _shared(self.experiments[point], point)
            task = self.experiments[point].task.for_trial(number % STRIDE) if self.device == "cuda" else None
            groups.setdefault((keys[point], task), []).append(number)

        def order(number: int) -> tuple[int, str]:
            config = self.config_of(number)
            return -config.stop.max_sequences * config.task.max_length, repr(config.task)

        jobs = []
        for numbers in groups.values():
            variants = Variants(self.experiments, numbers, limits)
            first, _ = variants.of(numbers[0])
            text = words(self.points[0]) if len(self.experiments) == 1 else f"over {', '.join(self.points[0])}"
            jobs.append(Job(self.request.name, first, sorted(numbers, key=order), text, variants))
        return jobs

    def ensemble(self, missing: Sequence[int], limits: Mapping[int, int] | None = None) -> ScanEnsemble:
        """Return what runs trials on threads."""
        return ScanEnsemble(
            self.jobs(missing, limits),
            self.store,
            self.seed,
            self.workers,
            weights=self.weights,
            checkpoint_every=self.checkpoint_every,
            device=self.device,
        )

    def cluster(self, missing: Sequence[int], limits: Mapping[int, int] | None = None) -> ScanCluster:
        """Return what runs trials on the scheduler's workers."""
        what = self.jobs(missing, limits), self.store, self.seed, self.policy, str(self.scheduler)
        return ScanCluster(*what, weights=self.weights)

    @property
    def requests(self) -> list[Request]:
        """The scan as a request, for what shows how far it is."""
        r, total = self.request, len(self.experiments) * self.trials_each
        return [Request(r.name, r.row, r.config, total, r.changes, r.reading, r.own)]

    @property
    def file(self) -> Path:
        """The file of what the trials amount to."""
        return self.folder.path / FILE

    @property
    def finished(self) -> list[Json]:
        """Figures of the trials that had ended before."""
        points = set(self.experiments)
        return [f for n, f in self.ended.items() if n // STRIDE in points and n % STRIDE < self.trials_each]

    @property
    def left(self) -> Left:
        """The same by the request's name."""
        return Left(finished={self.request.name: self.finished})

    @contextlib.contextmanager
    def begun(self) -> Iterator[Scan]:
        """Hold the folder's lock, with the file made ready; `messages` then says what was found in it.

        Raises
        ------
        FolderInUse
            If another process holds it.
        """
        with self.folder.locked() as owner:
            if owner:
                self.messages.append(f"{owner} was ended while it ran into {self.folder.path}; this scan goes on")
            try:
                numbers = self.store.begin(self.origin(), [text_of(point) for point in self.points], self.trials_each)
                self.experiments = dict(zip(numbers, self.experiments.values(), strict=True))
                self.ended = self.store.ended()
                yield self
            finally:
                self.store.close()

    def run(self, on_tick: Callable[[], None]) -> Iterator[tuple[str, Result]]:
        """Run what is left; yields (name, result) as trials end and are kept.

        Raises
        ------
        TrialsFailed
            If trials could not go on, as with a full disk; what has ended is kept.
        """
        for limits, missing in self._phases():
            self.trials = (self.ensemble if self.scheduler is None else self.cluster)(missing, limits)
            try:
                with contextlib.closing(self.trials.run(on_tick)) as ended:
                    yield from ended
            except TrialsFailed as failure:
                if not failure.broken:
                    raise
                for one in failure.broken:
                    self.store.fail(one.trial, one.error)

    def _phases(self) -> Iterator[tuple[dict[int, int], list[int]]]:
        """Return how far trials are to go, and which: up to one cap after another those of the points that are left."""
        left, share = set(self.experiments), self.halving
        steps = {n: halving.caps(c.stop.max_sequences, share) for n, c in self.experiments.items()} if share else {}
        for rung in range(halving.RUNGS if share else 0):
            limits = {point: steps[point][rung] for point in left}
            scores = self.store.scores()
            if missing := [n for n in self.missing() if n // STRIDE in left and (n, limits[n // STRIDE]) not in scores]:
                yield limits, missing
                scores, self.ended = self.store.scores(), self.store.ended()
            each = {
                point: [self._score(STRIDE * point + trial, limit, scores) for trial in range(self.trials_each)]
                for point, limit in limits.items()
            }
            on = halving.survivors(each, cast(int, share))
            known = self.store.ended(FAILED)
            lost = (n for n in self.missing() if n // STRIDE in left - on and n not in known)
            self.store.stop({number: limits[number // STRIDE] for number in lost})
            left = on
        if missing := [number for number in self.missing() if number // STRIDE in left]:
            yield {}, missing

    def _score(self, number: int, limit: int, scores: Mapping[tuple[int, int], halving.Score]) -> halving.Score:
        """Return what a trial had reached at a limit; one that ended before has been solved or is lost."""
        if (number, limit) in scores:
            return scores[number, limit]
        return halving.SOLVED if self.ended.get(number, {}).get("status") == "solved" else halving.LOST

    def result(self) -> xr.Dataset:
        """Write all that the folder was ever asked for into its `scan.nc`, and return it."""
        points, trials = self.store.points()
        about = {
            "title": f"lstmsim: scan of row {self.request.name} over {', '.join(points[0])}",
            "row": self.request.name,
            "over": ", ".join(points[0]),
            "seed": self.seed,
            "config": self.request.config.as_json(),
            **({"halving": halving.rule(self.halving)} if self.halving else {}),
            **provenance(),
        }
        dims = learner(self.request.config.learner).weight_dims
        found = dataset(points, self.store.outcomes(), trials, product=self.product, weight_dims=dims, attrs=about)
        write_scan(self.file, found)
        return found


def _shared(config: Experiment, point: int) -> Hashable:
    key = shared(config)
    try:
        hash(key)
    except TypeError:  # somebody's own settings
        return point
    return key


def seconds_at_most(scan: Scan, patience: float = 8.0) -> float | None:
    """Seconds that a scan takes here if every trial goes up to its cap; None where kernels must be compiled first.

    Parameters
    ----------
    scan : Scan
        Nothing of it is run or written.
    patience : float
        Seconds after which the measurement is given up.
    """
    trials = scan.ensemble(scan.missing())
    costs: dict[int, float] = {}

    def look() -> None:
        for n, group in enumerate(trials.groups):
            width = trials.width(group, trials.share)
            with contextlib.suppress(Exception):  # a scan reports it
                warm_up(group.config, width)
                costs[n] = measure(group.config, width, min(0.3, patience / 2 / len(trials.groups))).step

    looking = threading.Thread(target=look, name=COMPILER, daemon=True)
    looking.start()
    looking.join(patience)
    if len(costs) < len(trials.groups):
        return None
    steps = [
        sum(c.stop.max_sequences * (c.task.min_length + c.task.max_length) / 2 for c in map(scan.config_of, group.trials))
        for group in trials.groups
    ]
    return sum(n * costs[place] for place, n in enumerate(steps)) / trials.workers
