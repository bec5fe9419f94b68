"""Running experiments: what a person calls, and what the command line is made of."""

from __future__ import annotations

import dataclasses
import re
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import xarray as xr

from lstmsim.campaign.manifest import Manifest
from lstmsim.campaign.progress import Display, View, view_of
from lstmsim.campaign.requests import requested
from lstmsim.campaign.run import Campaign
from lstmsim.campaign.scan import Scan
from lstmsim.campaign.threads import TrialsFailed
from lstmsim.checks import Flag, check, describe
from lstmsim.report.html import write_report
from lstmsim.report.pictures import write_overview
from lstmsim.report.results import RowResult, read_row
from lstmsim.simulation.config import Experiment, Stage, StoppingRule
from lstmsim.trace.open import open_run
from lstmsim.trace.summary import summarise, write_summary
from lstmsim.trace.temporary import TemporaryFolder

__all__ = ["Experiment", "Stage", "StoppingRule", "TrialsFailed", "scan", "simulate"]


def simulate(
    experiment: str | Experiment | Sequence[str | Experiment],
    *,
    trials: int = 8,
    seed: int = 0,
    reading: str | None = None,
    out: Path | str | None = None,
    record: str = "default",
    workers: int | None = None,
    scheduler: str | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    progress: bool | None = None,
    lanes: int | None = None,
    checkpoint_every: float = 60.0,
    reuse: Path | str | None = None,
    **settings: object,
) -> xr.DataTree:
    """Run trials of one experiment or several, and open what they have left.

    Called again with the same `out` it goes on where it stopped: finished trials are not run again, unfinished ones go on
    from their checkpoints.

    Parameters
    ----------
    experiment : str, Experiment, or sequence of them
        Ids of the paper's rows, such as "4-1", or experiments of one's own.
    trials : int
        Trials of each; all of them differ in their random numbers alone.
    seed : int
        Seed of the run; a trial's random numbers come from the seed and its number.
    reading : {"literal", "one"}, optional
        How rows of the paper are read: the text alone, which is the default, or the one that fits nearly all of them;
        `lstmsim.paper.row(ID).reading("one")` has its settings.
    out : Path or str, optional
        Folder for trial files, summary and report. Without one the trial files lie in a temporary folder, which lives as
        long as what is returned or anything read from it, and neither summary nor report is written.
    record : str
        Sequences that are recorded step by step: "none", "default", "all", "first:N", "last:N", "every:N", or several of
        them joined by commas.
    workers : int, optional
        Threads; as many as this process may keep busy if not given.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://host:8786", whose workers run the trials.
    device : {"cpu", "cuda"}
        Where the trials run: on cores, or on the first GPU, thousands at once, with the same bits.
    progress : bool, optional
        Whether to show how far the run has come; by default on a terminal and in a notebook.
    lanes : int, optional
        Trials that go together on one core: 1, 2, 4, 8 or 16; chosen if not given. It changes no result.
    checkpoint_every : float
        Seconds between checkpoints of unfinished trials; 0: at every chance.
    reuse : Path or str, optional
        Folder of another run whose finished trials are taken over where they are the same.
    **settings
        Settings of the task, the learner and the stopping rule that differ, such as T=200, learning_rate=0.1.

    Returns
    -------
    xarray.DataTree
        As `lstmsim.open_run` gives it.

    Raises
    ------
    ValueError
        If an argument is not allowed; or the folder holds trials of other settings, another seed or version, or is in use.
        Nothing has been written then.
    TrialsFailed
        If trials could not go on; what was finished is kept in `out`, the others as far as their last checkpoints. An error
        of a task or a learner ends its own trial alone: it is the cause, and `run` of the exception has the trials that
        have ended.
    """
    check("progress", progress, Flag | None)
    requests = requested(experiment, trials, settings, reading)
    temporary = None
    if out is None:
        temporary = TemporaryFolder()
        out = temporary.path
    campaign = Campaign(
        requests,
        out,
        seed,
        record=record,
        workers=workers,
        lanes=lanes,
        scheduler=scheduler,
        reuse=reuse,
        device=device,
        checkpoint_every=checkpoint_every,
    )

    def warn(message: str) -> None:
        warnings.warn(message, stacklevel=3)

    try:
        perform(campaign, view_of(progress), warn, write=temporary is None)
    except TrialsFailed as failure:
        if failure.broken and any(campaign.folder.path.glob("*/trial-*.nc")):
            failure.run = open_run(campaign.folder.path)
        raise
    return open_run(campaign.folder.path)


def scan(
    experiment: str | Experiment,
    over: Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]],
    *,
    trials: int = 8,
    seed: int = 0,
    reading: str | None = None,
    out: Path | str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    halving: int | None = None,
    weights: bool = False,
    progress: bool | None = None,
    checkpoint_every: float = 60.0,
    **settings: object,
) -> xr.Dataset:
    """Run trials at many points: all combinations of some values of some settings, or points given one by one.

    Trials of points whose nets have the same shape go together, so that a thousand points of one trial are as fast as a
    thousand trials of one point. Each trial has the bits that `simulate` gives it. Called again with the same `out` it goes
    on where it stopped, also for more trials or more values: no trial that has ended is run again.

    Parameters
    ----------
    experiment : str or Experiment
        Id of one of the paper's rows, such as "4-1", or an experiment of one's own.
    over : mapping of str to sequence, or sequence of mapping
        Values of each key, such as ``{"learning_rate": [0.1, 0.5], "T": [50, 100]}``; or a list of points, each with a value
        of the same keys. A million trials at most.
    trials : int
        Trials of each point; trial 3, say, has the same random numbers at all of them.
    seed, reading, workers, scheduler, device, progress, checkpoint_every
        As for `simulate`.
    out : Path or str, optional
        Folder for `scan.nc`, which holds what is returned, and for what has ended (`scan.sqlite`). Without one nothing is
        kept beside what is returned.
    halving : int, optional
        Points that have learned least are given up early: after 1/halving**3, 1/halving**2 and 1/halving of `max_sequences`
        one of so many goes on, by the fraction correct of its trials, then by their error. Their status is "stopped", and
        the attribute `halving` says the rule. It depends on results alone, not on order or time.
    weights : bool
        Whether the final weights are kept.
    **settings
        Settings that differ from the experiment's at every point.

    Returns
    -------
    xarray.Dataset
        Over the keys and `trial`, or over `point`, with the keys as coordinates, and `trial`: status ("solved", "gave_up",
        "diverged", "failed" where a task or a learner raised an error, "not_run" where a folder was never asked for it),
        sequences, steps, seconds, `sequences_to_success` and every other milestone (NaN: not reached), `training_error`,
        `training_squared_error`, `training_correct` over the latest `window` training sequences, test figures,
        ``final_...`` weights if wanted. All points that the folder was ever asked for are in it.

    Raises
    ------
    ValueError
        If an argument is not allowed; for an unknown key, no values, one that stands twice, more than a million trials, or a
        point that cannot be built, which is named; or if the folder holds a scan of other keys or settings, another seed or
        version, or is in use. Nothing has been written then.
    TrialsFailed
        If trials could not go on; what has ended is kept in `out`.
    """
    check("progress", progress, Flag | None)
    temporary = None
    if out is None:
        temporary = TemporaryFolder()
        out = temporary.path
    made = Scan(
        experiment,
        over,
        out,
        trials=trials,
        seed=seed,
        settings=settings,
        reading=reading,
        workers=workers,
        scheduler=scheduler,
        device=device,
        weights=weights,
        halving=halving,
        checkpoint_every=checkpoint_every,
    )
    return perform_scan(made, view_of(progress), lambda message: warnings.warn(message, stacklevel=4))


def perform_scan(made: Scan, view: View | None, say: Callable[[str], None]) -> xr.Dataset:
    """Run a scan to its end, and write its file.

    Parameters
    ----------
    made : Scan
        What is to be run.
    view : View, optional
        Where to show how far it has come.
    say : callable
        Takes what was found in the folder.
    """
    with made.begun():
        for message in made.messages:
            say(message)
        with Display(made, view) as display:
            for name, result in made.run(display.tick):
                display.ended(name, result)
        return made.result()


def perform(
    campaign: Campaign, view: View | None, say: Callable[[str], None], *, begun: str = "", write: bool = True
) -> list[RowResult]:
    """Run a campaign to its end, and write its summary, pictures and report.

    Parameters
    ----------
    campaign : Campaign
        What is to be run.
    view : View, optional
        Where to show how far it has come.
    say : callable
        Takes what was found in the folder: a run that was ended, files that cannot be read.
    begun : str
        What is said first, once nothing can be refused any more.
    write : bool
        Whether to write the results.

    Returns
    -------
    list of RowResult
        What the folder holds of all that was ever asked of it.

    Raises
    ------
    TrialsFailed
        If trials could not go on; where a task or a learner raised an error, after the results of the others are written.
    """
    failure: TrialsFailed | None = None
    with campaign.begun():
        for message in [*([begun] if begun else []), *campaign.messages]:
            say(message)
        with Display(campaign, view) as display:
            try:
                for name, result in campaign.run(display.tick):
                    display.ended(name, result)
            except TrialsFailed as error:
                if not error.broken:
                    raise
                failure = error
        results = _write(campaign.folder.path, campaign.manifest) if write else []
        if failure is not None:
            raise failure
        return results


def _write(out: Path, manifest: Manifest) -> list[RowResult]:
    """Write the summary, pictures and the report of a run's folder."""
    results = [read_row(out, request) for request in manifest.requests]
    write_summary(out / "summary.nc", summarise({r.request.name: r.trials for r in results if r.n}))
    for result in results:
        write_overview(out, result)
    write_report(out, results)
    return results


class Setting(NamedTuple):
    """A key that can be set: its value in an experiment, what is allowed, and what it means."""

    part: str
    key: str
    value: object
    allowed: str
    meaning: str


def settings_of(experiment: Experiment) -> list[Setting]:
    """Return every key that can be set in an experiment, in the order task, learner, stopping rule."""
    found = []
    for key, part in experiment.keys().items():
        value = experiment.parts()[part]
        hint = typing.get_type_hints(type(value), include_extras=True)[key]
        found.append(Setting(part, key, getattr(value, key), describe(hint), _meanings(type(value)).get(key, "")))
    return found


def _meanings(cls: type) -> dict[str, str]:
    """Return what a class's docstring, or a base class's, says of its fields; in the form of numpydoc."""
    found: dict[str, str] = {}
    for base in cls.__mro__:
        if not dataclasses.is_dataclass(base):
            continue
        pattern = r"^ *([\w, ]+?) : .*\n((?:(?: {%d,}\S.*)?\n)+)"
        doc = re.sub(r"^", "", (base.__doc__ or "") + "\n", flags=re.MULTILINE)
        indent = min((len(line) - len(line.lstrip()) for line in doc.split("\n")[1:] if line.strip()), default=0)
        for names, text in re.findall(pattern % (indent + 4), doc, flags=re.MULTILINE):
            for name in names.split(", "):
                found.setdefault(name.strip(), " ".join(text.split()))
    return found
