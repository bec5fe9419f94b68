"""The trials of a scan on a Dask cluster: blocks of them go to its workers, what they amount to comes back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import lstmsim
from lstmsim.campaign.dask import Cluster, News, told
from lstmsim.campaign.scan_store import Rows, ScanStore
from lstmsim.campaign.scan_trials import ScanEnsemble
from lstmsim.campaign.threads import Broken, Job, TrialsFailed
from lstmsim.learners.base import Status
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result
from lstmsim.simulation.variants import STRIDE, Variants

if TYPE_CHECKING:
    from distributed import Client, Future

Ran = tuple[Rows, list[tuple[int, Status, int, int]], list[Broken]]  # of a block
_SIZES = 16, 256  # trials of a block: it keeps sixteen lanes full, and not too many are lost with a worker


@dataclass(frozen=True)
class ScanBlock:
    """Trials that one worker advances together: number and name as of `lstmsim.campaign.dask.Block`, a job, kept states."""

    number: int
    name: str
    job: Job
    states: Mapping[int, bytes]


def run_scan_block(block: ScanBlock, seed: int, weights: bool, version: str, topic: str) -> Ran:
    """Run a block's trials; the rows for the scan's file, what ended (number, status, sequences, steps), what failed.

    Raises
    ------
    ValueError
        If the worker has another version of the package than the one who asks.
    """
    if lstmsim.__version__ != version:
        raise ValueError(f"a worker has lstmsim {lstmsim.__version__}; allowed: {version}, as the scan itself")
    with tempfile.TemporaryDirectory(prefix="lstmsim-") as folder:
        store = ScanStore(Path(folder))
        store.begin({}, [], 0)
        store.enter(Rows([], [], list(block.states.items())))
        ensemble = ScanEnsemble([block.job], store, seed, 1, weights=weights)
        news = News(block.number, ensemble, topic)
        ended, broken = [], []
        try:
            for _, result in ensemble.run(news.tick):
                ended.append((result.trial, result.status, result.sequences, result.steps))
        except TrialsFailed as failure:
            if not failure.broken:
                raise
            broken = [replace(one, error=told(one.error)) for one in failure.broken]
        finally:
            rows = store.rows()
            store.close()
        news.tick(last=True)
        return rows, ended, broken


class ScanCluster(Cluster):
    """Runs the trials of a scan on a Dask cluster; no file system need be shared.

    Parameters
    ----------
    jobs : list of Job
        What to run, as `lstmsim.campaign.scan.Scan` makes them.
    store : ScanStore
        The scan's file.
    seed : int
        Seed of the scan.
    policy : Policy
        What to record: nothing.
    scheduler : str
        Address of the scheduler.
    weights : bool
        Whether final weights are kept.
    """

    def __init__(
        self, jobs: list[Job], store: ScanStore, seed: int, policy: Policy, scheduler: str, *, weights: bool
    ) -> None:
        super().__init__(jobs, store.path.parent, seed, policy, scheduler)
        self.store, self.weights = store, weights

    def blocks(self, threads: int) -> list[ScanBlock]:
        """Split the jobs into blocks, several for each of `threads` threads where there are trials enough."""
        total = sum(len(job.trials) for job in self.jobs)
        size = max(_SIZES[0], min(_SIZES[1], -(-total // (8 * max(1, threads)))))
        found: list[ScanBlock] = []
        for job in self.jobs:
            for first in range(0, len(job.trials), size):
                trials, variants = job.trials[first : first + size], job.variants
                assert variants is not None
                own = {number // STRIDE: variants.experiments[number // STRIDE] for number in trials}
                part = Variants(own, trials, {point: n for point, n in variants.limits.items() if point in own})
                config, _ = part.of(trials[0])
                states = self.store.states(trials)
                found.append(ScanBlock(len(found), job.name, Job(job.name, config, trials, job.changed, part), states))
        return found

    def submit(self, client: Client, block: ScanBlock) -> Future:
        """Give a block to the cluster; returns what will be its result."""
        return client.submit(run_scan_block, block, self.seed, self.weights, lstmsim.__version__, self.topic, pure=False)

    def enter(self, block: ScanBlock, content: Ran) -> Iterator[tuple[str, Result]]:
        """Keep what a block that has ended amounts to; trials that failed are added to `broken`."""
        rows, ended, failed = content
        self.broken += failed
        self.store.enter(rows)
        for number, status, sequences, steps in ended:
            yield block.name, Result(number, self.seed, status, sequences, steps)
