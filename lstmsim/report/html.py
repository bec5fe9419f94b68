"""A run's folder as one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np

from lstmsim.campaign.manifest import Manifest, recall
from lstmsim.checks import Json
from lstmsim.report import pictures, tables
from lstmsim.report.results import RowResult, read_run
from lstmsim.report.text import percent, percent0, times, value_text, whole
from lstmsim.trace.store import whole_or_absent


def write_report(out: Path, results: Sequence[RowResult] | None = None, *, interactive: bool = False) -> Path:
    """Write the page `<out>/report.html`: tables beside the paper's figures, pictures, settings, provenance.

    Parameters
    ----------
    out : Path
        Folder of a run, with its `run.json`.
    results : sequence of RowResult, optional
        What the folder holds, where the caller has read it; read from the folder by default.
    interactive : bool
        Write a page for each row too, beside its trials, with a test sequence to zoom into, where plotly is installed.

    Returns
    -------
    Path
        The page; it needs no other file and no network.

    Raises
    ------
    ValueError
        If the folder has no `run.json` that can be used, or no finished trial.
    """
    manifest, results = recall(out), read_run(out) if results is None else list(results)
    sections = [
        {
            "result": result,
            "headline": _headline(result),
            "facts": _facts(result),
            "trials": tables.trials(result),
            "pictures": pictures.row_pictures(out, result),
            "interactive": _relative(pictures.write_interactive(out, result), out) if interactive else None,
            "settings": _settings(result),
        }
        for result in results
    ]
    name = out.resolve().name
    content = {
        "name": name,
        "folder": out.as_posix(),
        "title": f"{name}: lstmsim report",
        "headline": _summary(results),
        "provenance_line": _provenance_line(results, manifest),
        "against_paper": tables.against_paper(results),
        "milestones": tables.milestones(results),
        "overview": pictures.overview_picture(results),
        "scaling": pictures.scaling_picture(results),
        "comparisons": [(group, pictures.comparison_picture(group)) for group in tables.comparisons(results)],
        "sections": sections,
        "provenance": _provenance(results),
        "history": manifest.history,
    }
    page = out / "report.html"
    with whole_or_absent(page) as part:
        part.write_text(environment().get_template("report.html.j2").render(content), encoding="utf-8")
    return page


def _relative(page: Path | None, out: Path) -> str | None:
    return None if page is None else page.relative_to(out).as_posix()


def environment() -> jinja2.Environment:
    """Return what renders the pages."""
    # Not from the file system: the package may be imported from an archive.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("lstmsim.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _headline(result: RowResult) -> str:
    """A row's result in a sentence."""
    if not result.n:
        return "No trial has been run yet."
    text, mean = f"{result.n_solved} of {result.n} trials solved", result.reached().mean
    if mean is not None:
        text += f", after {whole(mean)} sequences on average"
    published = result.request.row.published
    figures = [] if published.solved is None else [f"{percent0(published.solved)} solved"]
    figures += [] if published.sequences is None else [f"{whole(published.sequences)} sequences"]
    return f"{text}. The paper: {', '.join(figures)}." if figures else f"{text}."


def _summary(results: Sequence[RowResult]) -> str:
    """The run's result in a sentence or two."""
    if len(results) == 1:
        return f"Row {results[0].label}, {results[0].request.row.title}. {_headline(results[0])}"
    counts = {status: sum(r.statuses[status] for r in results) for status in results[0].statuses}
    parts = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in counts.items() if n)
    every = sum(bool(r.n) and r.n_solved == r.n for r in results)
    none = sum(not r.n_solved for r in results)
    text = f"{sum(counts.values()):,} trials of {len(results)} rows: {parts}. "
    text += f"{every} rows were solved in every trial, {none} in none."
    ratios = sorted(q for r in results if (q := r.reached().ratio(r.request.row.published.sequences)) is not None)
    if len(ratios) > 1:
        text += f" Mean sequences are {times(ratios[0])} to {times(ratios[-1])} the paper's."
    return text


def _facts(result: RowResult) -> list[str]:
    """What else is to be said of a row's trials."""
    published = result.request.row.published
    ended = [f"{count} {status.replace('_', ' ')}" for status, count in result.statuses.items() if count]
    missing = result.request.trials - result.n
    facts = [", ".join([*ended, *([f"{missing} not run"] if missing > 0 else [])])]
    if result.per_success is not None and result.n_solved < result.n:
        facts.append(f"{whole(result.per_success)} sequences per success, all trials counted")
    for name in result.stages:
        reached, theirs = result.reached(name), published.stages.get(name)
        mean = f", mean {whole(reached.mean)}" if reached.n else ""
        paper = f" (paper {whole(theirs)})" if theirs else ""
        facts.append(f"{name}: {reached.n}/{reached.trials} trials{mean}{paper}")
    wrong, tested = result.test
    if tested:
        paper = "" if published.wrong is None else f", paper {percent(published.wrong)}"
        facts.append(f"test: {wrong:,} of {tested:,} wrong ({percent(wrong / tested)}{paper})")
    return facts


def _every(results: Sequence[RowResult], key: str) -> list[str]:
    """Values of a variable over all trials, each once."""
    values = (str(value) for result in results if key in result.trials for value in result.trials[key].values)
    return [value for value in dict.fromkeys(values) if value]


def _provenance(results: Sequence[RowResult]) -> dict[str, list[str]]:
    names = {"version": "lstmsim", "git_commit": "commit", "cpu": "processor"}
    keys = ("version", "git_commit", "numba", "numpy", "xarray", "netCDF4", "cpu", "seed")
    found = {names.get(key, key): values for key in keys if (values := _every(results, key))}
    found["trials"] = [whole(sum(result.n for result in results))]
    sums = {"sequences": "training sequences", "steps": "time steps", "seconds": "seconds, summed over trials"}
    for key, name in sums.items():
        found[name] = [whole(sum(float(np.sum(result.trials[key].values)) for result in results))]
    return found


def _provenance_line(results: Sequence[RowResult], manifest: Manifest) -> str:
    last = manifest.history[-1] if manifest.history else {"date": "", "commit": ""}
    seeds = _every(results, "seed")
    parts = [f"lstmsim {', '.join(_every(results, 'version'))}"]
    parts += [f"commit {last['commit'][:12]}"] if last["commit"] else []
    parts += [f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"]
    parts += [last["date"].replace("T", " ").replace("+00:00", " UTC")]
    return " · ".join([*parts, ", ".join(_every(results, "cpu"))])


def _settings(result: RowResult) -> dict[str, list[tuple[str, str, str | None]]]:
    """Name, value and, where it was changed, the row's own value of every setting, by part of the configuration."""
    ours, literal = result.request.config.as_dict(), result.request.row.config.as_dict()
    parts: dict[str, list[tuple[str, str, str | None]]] = {}
    for part, settings in ours.items():
        lines = parts.setdefault(part, [])
        for name, value in settings.items():
            if name == "stages":
                lines += [(f"stage {stage['name']}", _stage(stage), None) for stage in value]
                continue
            there = literal[part].get(name)
            lines.append((name, value_text(value), value_text(there) if there != value else None))
    return parts


def _stage(stage: Json) -> str:
    where = f"{stage['test']:,} test sequences" if stage["test"] else "the latest training sequences"
    error = f", mean error below {stage['error']:g}" if stage["error"] is not None else ""
    return f"at most {stage['wrong']} wrong of {where}{error}"
