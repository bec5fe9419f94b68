"""A run from its requests to its folder: what is left to do, progress, trial files, summary, tables, pictures."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

import lstmsim
from lstmsim.campaign.dask import Cluster
from lstmsim.campaign.folder import checkpoint_path, discard, trial_path, unfinished
from lstmsim.campaign.forecast import Forecast
from lstmsim.campaign.lock import locked
from lstmsim.campaign.manifest import remember
from lstmsim.campaign.preview import Preview
from lstmsim.campaign.progress import Display
from lstmsim.campaign.requests import Request
from lstmsim.campaign.threads import Ensemble, Job
from lstmsim.report import json as outcome
from lstmsim.report.results import RowResult, read_row
from lstmsim.simulation.config import Config
from lstmsim.trace.policy import Policy
from lstmsim.trace.store import whole_or_absent
from lstmsim.trace.summary import BrokenFile, read_trial, summarise, write_summary


def run_campaign(
    requests: list[Request],
    out: Path,
    seed: int,
    policy: Policy,
    workers: int,
    lanes: int | None,
    *,
    quiet: bool = False,
    force: bool = False,
    checkpoint_every: float = 60.0,
    scheduler: str | None = None,
    reuse: Path | None = None,
    as_json: bool = False,
) -> int:
    """Run what is not yet in the folder, and write summary, tables, pictures and report.

    Trials that are in the folder are not run again; unfinished ones go on from their checkpoints.

    Parameters
    ----------
    requests : list of Request
        The rows.
    out : Path
        Folder of the run.
    seed : int
        Seed of the run.
    policy : Policy
        What to record.
    workers, lanes : int
        Threads, and trials per thread advanced together (None: chosen).
    quiet : bool
        Print only the folder at the end.
    force : bool
        Start over in a new subfolder if there is anything in the folder.
    checkpoint_every : float
        Seconds between checkpoints of unfinished trials; 0: at every chance.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the trials, instead of threads here.
    reuse : Path, optional
        Folder of another run: its finished trials of the same row, settings, seed and version are copied instead of run.
    as_json : bool
        Print the outcome as one JSON document on stdout, and what is for people on stderr.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ValueError
        If a configuration cannot be run or does not fit into memory, the folder cannot be written, is in use by another
        run, or holds trials of another configuration, seed or version.
    TrialsFailed
        If trials could not go on; what was finished is kept.
    """
    console = plain_console(quiet=quiet, stderr=as_json)
    every = [Job(r.name, r.config, list(range(r.trials)), _changes(r)) for r in requests]
    Ensemble(every, out, seed, policy, workers, lanes).rehearse()
    if force and out.is_dir() and any(out.iterdir()):
        out = next(new for n in range(1, 10**6) if not (new := out / f"again-{n}").exists())
    with contextlib.ExitStack() as stack:
        try:
            left = stack.enter_context(locked(out))
        except OSError as error:
            raise ValueError(f"--out is {str(out)!r} ({error.strerror}); allowed: a folder that can be written") from None
        if left:
            console.print(f"[yellow]{left} was ended while it ran into {out}; this run takes over[/]")
        how = policy, workers, lanes, console, checkpoint_every, scheduler, reuse
        results = _run_campaign(requests, out, seed, *how)
    if as_json:
        print(outcome.text(outcome.of_run(out, seed, results)))
    elif quiet:
        print(out)
    return 0


def preview_campaign(
    requests: list[Request],
    out: Path,
    seed: int,
    workers: int,
    lanes: int | None,
    *,
    reuse: Path | None = None,
    as_json: bool = False,
) -> int:
    """Print what `run_campaign` would run into the folder, and how long it takes here; nothing is written.

    Parameters
    ----------
    requests : list of Request
        The rows.
    out : Path
        Folder of the run.
    seed : int
        Seed of the run.
    workers, lanes : int
        Threads, and trials per thread advanced together (None: chosen).
    reuse : Path, optional
        Folder of another run whose trials would be taken over.
    as_json : bool
        Print one JSON document.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ValueError
        If the folder holds trials of another configuration, seed or version.
    """
    preview = Preview(requests, _what_is_left(requests, out, seed, reuse).jobs, workers, lanes)
    if as_json:
        print(outcome.text(preview.content(out, seed)))
        return 0
    console = plain_console()
    if preview.lines:
        console.print(preview.table())
    console.print(preview.text(out), soft_wrap=True)
    return 0


def _changes(request: Request) -> str:
    return ", ".join(f"{key}={value}" for key, value in request.changes.items())


def _run_campaign(
    requests: list[Request],
    out: Path,
    seed: int,
    policy: Policy,
    workers: int,
    lanes: int | None,
    console: Console,
    checkpoint_every: float,
    scheduler: str | None,
    reuse: Path | None,
) -> list[RowResult]:
    """Run a campaign into a folder whose lock this process holds; what the folder holds then."""
    plan = _what_is_left(requests, out, seed, reuse)
    jobs, finished = plan.jobs, plan.finished
    for message in plan.broken:
        console.print(f"[yellow]{message}; the trial is run again[/]")
    for path in plan.damaged:
        discard(path)
    for source, path in plan.reused:
        with whole_or_absent(path) as part:
            shutil.copyfile(source, part)
    _tidy(out, requests, finished)
    manifest = remember(out, requests, seed)
    total = sum(request.trials for request in requests)
    left = sum(len(job.trials) for job in jobs)
    rows = ", ".join(request.name for request in requests)
    before = f"{total - left} finished before" + (f", {len(plan.reused)} of them in {reuse}" if plan.reused else "")
    console.print(f"lstmsim: rows {rows}; {total} trials, {before}; results in {out}")
    if left:
        trials: Ensemble | Cluster
        if scheduler is None:
            trials = Ensemble(jobs, out, seed, policy, workers, lanes, checkpoint_every=checkpoint_every)
        else:
            trials = Cluster(jobs, out, seed, policy, scheduler, lanes)
        display = Display(trials, console, Forecast(requests, finished), solved=_solved(finished))
        with display, contextlib.closing(trials.run(display.tick)) as ended:
            for name, result in ended:
                display.ended(name, result)
    from lstmsim.report.console import trial_table
    from lstmsim.report.html import write_report
    from lstmsim.report.pictures import write_overview

    # What was asked of the folder before belongs to its summary and report as well.
    results = [read_row(out, request) for request in manifest.requests]
    write_summary(out / "summary.nc", summarise({r.request.name: r.trials for r in results if r.n}))
    for shown in results:
        if shown.request.name in {request.name for request in requests}:
            console.print(trial_table(shown))
            if (picture := write_overview(out, shown)) is not None:
                console.print(f"picture: {escape(str(picture))}")
    console.print(f"traces: {out}/<row>/trial-0000.nc; summary: {out / 'summary.nc'}; report: {write_report(out, results)}")
    return results


def plain_console(*, quiet: bool = False, stderr: bool = False) -> Console:
    """Console that leaves lines whole where its stream is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(quiet=quiet, highlight=False, stderr=stderr, width=None if stream.isatty() else 160)


def _solved(finished: dict[str, list[dict[str, Any]]]) -> int:
    return sum(attrs["status"] == "solved" for group in finished.values() for attrs in group)


@dataclass
class _Plan:
    """What a folder holds of what is asked for, and what is left to do."""

    jobs: list[Job] = field(default_factory=list)  # trials that still have to be run
    finished: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # attributes of the others, by row
    broken: list[str] = field(default_factory=list)  # messages about files that cannot be read
    damaged: list[Path] = field(default_factory=list)  # trials whose checkpoints cannot be used
    reused: list[tuple[Path, Path]] = field(default_factory=list)  # files of another run, and their names in this one


def _what_is_left(requests: list[Request], out: Path, seed: int, reuse: Path | None = None) -> _Plan:
    """Compare the folder, and that of another run whose trials may be taken over, with what is asked for."""
    plan = _Plan()
    for request in requests:
        missing, present = [], []
        for trial in range(request.trials):
            path = trial_path(out, request.name, trial)
            if path.exists():
                try:
                    attrs = read_trial(path, verify=True)
                    _refuse_other(path, attrs, request.config, seed, trial)
                    present.append(attrs)
                    continue
                except BrokenFile as error:
                    plan.broken.append(str(error))
            elif reuse is not None:
                other = trial_path(reuse, request.name, trial)
                with contextlib.suppress(ValueError):  # broken, or of something else
                    attrs = read_trial(other, verify=True)
                    _refuse_other(other, attrs, request.config, seed, trial)
                    present.append(attrs)
                    plan.reused.append((other, path))
                    continue
            missing.append(trial)
            try:
                if (origin := unfinished(path)) is not None:
                    _refuse_other(checkpoint_path(path), origin, request.config, seed, trial)
            except BrokenFile as error:
                plan.broken.append(str(error))
                plan.damaged.append(path)
        plan.finished[request.name] = present
        if missing:
            plan.jobs.append(Job(request.name, request.config, missing))
    return plan


def _tidy(out: Path, requests: list[Request], finished: dict[str, list[dict[str, Any]]]) -> None:
    """Remove what a run that was killed has left: files begun but not complete, checkpoints of trials that had ended."""
    for folder in (out, *(out / request.name for request in requests)):
        for part in folder.glob(".*.part"):
            part.unlink()
    for name, attrs in finished.items():
        for a in attrs:
            discard(trial_path(out, name, int(a["trial"])))


def _refuse_other(path: Path, attrs: dict[str, Any], config: Config, seed: int, trial: int) -> None:
    """Raise ValueError if a trial in the folder was begun with something else than is asked for now."""
    config = replace(config, task=config.task.for_trial(trial))
    wanted, usual = json.loads(config.as_json()), config.defaults()
    pairs = [("seed", int(attrs["seed"]), seed), ("version", attrs["version"], lstmsim.__version__)]
    for part, there in json.loads(attrs["config"]).items():
        asked = wanted.get(part, {})
        there = usual.get(part, {}) | there  # a setting that did not exist then was as it is by default
        pairs += [(key, value, asked.get(key)) for key, value in there.items()]
    for key, value, asked in pairs:
        if value != asked:
            allowed = "another --out, or --force to start over in a new subfolder"
            raise ValueError(f"{path} was run with {key}={value!r}, not {asked!r}; allowed: {allowed}")
