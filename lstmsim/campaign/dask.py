"""Trials spread over a Dask cluster: blocks of trials go to its workers, their files come back and are written here."""

from __future__ import annotations

import contextlib
import logging
import pickle
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import lstmsim
from lstmsim.campaign.threads import LANES, Broken, Ensemble, Job, RowProgress, TrialsFailed, same_task
from lstmsim.campaign.trials import trial_path
from lstmsim.checks import Json
from lstmsim.learners.base import Status
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result
from lstmsim.trace.store import whole_or_absent

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

_PATIENCE = "10s"  # for a scheduler that does not answer
_NEWS_EVERY = 2.0  # seconds between a worker's reports


@dataclass(frozen=True)
class Block:
    """Trials that one worker advances together.

    Attributes
    ----------
    number : int
        Place among the blocks of the run.
    name : str
        Name of the row's folder.
    config : Experiment
        Task, learner and stopping rule.
    trials : tuple of int
        Numbers of the trials; they share one task.
    """

    number: int
    name: str
    config: Experiment
    trials: tuple[int, ...]


@dataclass(frozen=True)
class Ended:
    """An ended trial as it comes back: how it ended, and the content of its file."""

    trial: int
    status: Status
    sequences: int
    steps: int
    content: bytes


def run_block(
    block: Block, seed: int, policy: Policy, lanes: int | None, version: str, topic: str
) -> tuple[list[Ended], list[Broken]]:
    """Run a block's trials, and return those that ended and those that failed; this is what a worker does.

    Its news go by the name of a topic.

    Raises
    ------
    ValueError
        If the worker has another version of the package than the one who asks.
    """
    if lstmsim.__version__ != version:
        raise ValueError(f"a worker has lstmsim {lstmsim.__version__}; allowed: {version}, as the run itself")
    with tempfile.TemporaryDirectory(prefix="lstmsim-") as folder:
        out, job = Path(folder), Job(block.name, block.config, list(block.trials))
        ensemble = Ensemble([job], out, seed, policy, 1, lanes)
        news = News(block.number, ensemble, topic)
        results, broken = [], []
        try:
            for _, result in ensemble.run(news.tick):
                results.append(result)
        except TrialsFailed as failure:
            if not failure.broken:
                raise
            broken = [replace(one, error=told(one.error)) for one in failure.broken]
        news.tick(last=True)
        files = [trial_path(out, block.name, r.trial).read_bytes() for r in results]
        return [Ended(r.trial, r.status, r.sequences, r.steps, file) for r, file in zip(results, files, strict=True)], broken


def told(error: Exception) -> Exception:
    """Return an error that can be sent, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        told: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        told = RuntimeError(f"{type(error).__name__}: {error}")
    told.add_note(text)
    return told


class News:
    """What a worker lets the client know of a block under way."""

    def __init__(self, block: int, ensemble: Ensemble, topic: str) -> None:
        from distributed import get_worker

        self.block, self.ensemble, self.topic = block, ensemble, topic
        try:
            self.worker: Worker | None = get_worker()
        except ValueError:  # called without a cluster
            self.worker = None
        self.at = 0.0

    def tick(self, *, last: bool = False) -> None:
        """Tell how far the block is, if it is time to; `last`: that it is over."""
        now = time.monotonic()
        if self.worker is not None and (last or now - self.at >= _NEWS_EVERY):
            parts = [] if last else [asdict(part) for part in self.ensemble.progress()]
            self.worker.log_event(self.topic, {"block": self.block, "progress": parts})
            self.at = now


class Cluster:
    """Runs jobs on a Dask cluster, like `lstmsim.campaign.threads.Ensemble` on threads; no file system need be shared.

    Parameters
    ----------
    jobs : list of Job
        What to run.
    out : Path
        Folder of the run, on this machine.
    seed : int
        Seed of the run.
    policy : Policy
        What to record.
    scheduler : str
        Address of the scheduler, such as tcp://host:8786.
    lanes : int, optional
        Trials of a block, advanced together; chosen from the number of trials and of the cluster's threads if not given.

    Raises
    ------
    ValueError
        If Dask is not installed.
    """

    def __init__(
        self, jobs: list[Job], out: Path, seed: int, policy: Policy, scheduler: str, lanes: int | None = None
    ) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError:
            given = f"scheduler is {scheduler!r}, but Dask is not installed"
            raise ValueError(f"{given}; allowed: after pip install 'lstmsim[cluster]'") from None
        self.jobs, self.out, self.seed, self.policy = jobs, out, seed, policy
        self.scheduler, self.lanes = scheduler, lanes
        self.compiling = ""  # each worker compiles for itself
        self.broken: list[Broken] = []  # so far
        self._progress: dict[int, list[RowProgress]] = {}
        self.topic = f"lstmsim-{uuid4()}"  # other runs may use the same scheduler

    def blocks(self, threads: int) -> list[Any]:
        """Split the jobs into blocks, so that `threads` threads have something to do where there are trials enough."""
        groups = same_task(self.jobs)
        total = sum(len(trials) for _, _, trials in groups)
        size = self.lanes or max(1, min(LANES, -(-total // max(1, threads))))
        blocks: list[Block] = []
        for job, config, trials in groups:
            for start in range(0, len(trials), size):
                blocks.append(Block(len(blocks), job.name, config, tuple(trials[start : start + size])))
        return blocks

    def progress(self) -> list[RowProgress]:
        """How far the blocks under way are, as far as the workers have said."""
        return [part for parts in list(self._progress.values()) for part in parts]

    def run(self, on_tick: Callable[[], None], tick: float = 0.2) -> Generator[tuple[str, Result]]:
        """Run all jobs; yields (job's name, result) as trials end and their files are written here.

        A worker that dies loses its blocks' trials; Dask gives them to another one.

        Raises
        ------
        ValueError
            If there is no scheduler at the address.
        TrialsFailed
            If the scheduler is gone, or a worker could not go on; files that were written are kept. If a task or a learner
            raised an error, and the other trials have ended by then.
        """
        with self._client() as client:
            threads = sum(client.nthreads().values())
            client.subscribe_topic(self.topic, self._hear)
            waiting = {self.submit(client, block): block for block in self.blocks(threads)}
            while waiting:
                done = [future for future in waiting if future.done()]
                for future in done:
                    yield from self._take(future, waiting.pop(future))
                if client.status not in ("running", "connecting"):
                    raise TrialsFailed(f"the scheduler {self.scheduler} is gone")
                on_tick()
                if not done:
                    time.sleep(tick)
        if self.broken:
            raise TrialsFailed.of(self.broken)

    def submit(self, client: Client, block: Any) -> Future:
        """Give a block to the cluster; returns what will be its result."""
        said = self.seed, self.policy, self.lanes, lstmsim.__version__, self.topic
        return client.submit(run_block, block, *said, pure=False)

    def enter(self, block: Any, content: Any) -> Iterator[tuple[str, Result]]:
        """Write the files of a block that has ended; trials that failed are added to `broken`."""
        trials, failed = content
        self.broken += failed
        for ended in trials:
            with whole_or_absent(trial_path(self.out, block.name, ended.trial)) as part:
                part.write_bytes(ended.content)
            yield block.name, Result(ended.trial, self.seed, ended.status, ended.sequences, ended.steps)

    def greet(self) -> None:
        """Ask the scheduler for a sign of life.

        Raises
        ------
        ValueError
            If there is none at the address.
        """
        with self._client():
            pass

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        """Yield a client of the scheduler; blocks under way are cancelled when it is closed."""
        import dask
        from distributed import Client
        from distributed.comm.addressing import parse_address, parse_host_port
        from distributed.comm.registry import get_backend

        with dask.config.set({"distributed.comm.timeouts.connect": _PATIENCE}):
            try:
                scheme, place = parse_address(self.scheduler, strict=True)
                get_backend(scheme)
                if scheme in ("tcp", "tls"):
                    parse_host_port(place)
                client = Client(self.scheduler, timeout=_PATIENCE, set_as_default=False)
            except Exception as error:  # whatever an address that is none makes of it
                reason = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise ValueError(
                    f"scheduler is {self.scheduler!r} ({reason}); allowed: the address of a scheduler that answers, "
                    "such as tcp://host:8786"
                ) from None
            log = logging.getLogger("distributed.client")  # a lost scheduler is told of in one line, not in a traceback
            level = log.level
            log.setLevel(logging.CRITICAL)
            try:
                with client:
                    yield client
            finally:
                log.setLevel(level)

    def _hear(self, event: tuple[float, Json]) -> None:
        """Take note of a worker's report."""
        news = event[1]
        self._progress[news["block"]] = [RowProgress(**part) for part in news["progress"]]

    def _take(self, future: Future, block: Block) -> Iterator[tuple[str, Result]]:
        """Keep what a block that has ended amounts to."""
        from distributed import CancelledError
        from distributed.comm import CommClosedError

        self._progress.pop(block.number, None)
        try:
            error = future.exception()
            content = future.result() if error is None else None
        except (CommClosedError, CancelledError):
            raise TrialsFailed(f"row {block.name}: the scheduler {self.scheduler} is gone") from None
        if error is not None:
            raise TrialsFailed(f"row {block.name}: {type(error).__name__}: {error}") from error
        yield from self.enter(block, content)
