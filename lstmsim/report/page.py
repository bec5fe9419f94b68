"""A run's folder as one page, and finished campaigns as tables: python -m lstmsim.report.page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from lstmsim.campaign.manifest import Manifest, recall
from lstmsim.kernels.scores import MILESTONES
from lstmsim.report.comparison import comparisons
from lstmsim.report.results import RowResult, read_row, value_text
from lstmsim.report.text import percent, percent0, short, times, whole
from lstmsim.trace.store import whole_or_absent

_TEMPLATES = Path(__file__).parent / "templates"
_CORRECT = [name for name in MILESTONES if name.startswith("correct_")]
_ERRORS = [name for name in MILESTONES if not name.startswith("correct_")]


def write_report(out: Path, results: Sequence[RowResult] | None = None) -> Path:
    """Write the page `<out>/report.html`: tables beside the paper's figures, pictures, settings, provenance.

    Parameters
    ----------
    out : Path
        Folder of a run, with its `run.json`.
    results : sequence of RowResult, optional
        What the folder holds, where the caller has read it; read from the folder by default.

    Returns
    -------
    Path
        The page; it needs no other file and no network.

    Raises
    ------
    ValueError
        If the folder has no `run.json` that can be used, or no finished trial.
    """
    from lstmsim.report import pictures

    manifest, results = _content(out, results)
    sections = [
        {
            "result": result,
            "headline": _headline(result),
            "pictures": pictures.row_pictures(out, result),
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
        "results": results,
        "has_stages": any(result.stages for result in results),
        "levels": [name.removeprefix("correct_") for name in _CORRECT],
        "correct": _CORRECT,
        "errors": _ERRORS,
        "overview": pictures.overview_picture(results),
        "scaling": pictures.scaling_picture(results),
        "comparisons": [(group, pictures.comparison_picture(group)) for group in comparisons(results)],
        "sections": sections,
        "provenance": _provenance(results),
        "history": manifest.history,
    }
    page = out / "report.html"
    with whole_or_absent(page) as part:
        part.write_text(_environment().get_template("report.html.j2").render(content), encoding="utf-8")
    return page


def comparison_tables(*folders: Path) -> str:
    """All methods of the paper's tables in which a rival was run, our figures beside the paper's, as Markdown.

    Parameters
    ----------
    *folders : Path
        Folders of runs, with their `run.json`; every figure is read from the trial files.

    Raises
    ------
    ValueError
        If a folder has no `run.json` that can be used, or no finished trial.
    """
    from lstmsim.report.markdown import compared

    results = [result for folder in folders for result in _content(folder, None)[1]]
    return "\n\n".join(compared(comparison) for comparison in comparisons(results))


def _content(out: Path, results: Sequence[RowResult] | None) -> tuple[Manifest, list[RowResult]]:
    manifest = recall(out)
    found = [read_row(out, request) for request in manifest.requests] if results is None else list(results)
    if not any(result.attrs for result in found):
        raise ValueError(f"{out} holds no finished trial; allowed: a run's folder with at least one")
    return manifest, found


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"whole": whole, "short": short, "percent": percent, "percent0": percent0, "times": times}
    return environment


def _headline(result: RowResult) -> str:
    """A row's result in a sentence."""
    if not result.attrs:
        return "No trial has been run yet."
    text = f"{len(result.solved)} of {len(result.attrs)} trials solved"
    if result.sequences.mean is not None:
        text += f", after {whole(result.sequences.mean)} sequences on average"
    paper = result.request.row.published
    figures = [] if paper.solved is None else [f"{percent0(paper.solved)} solved"]
    figures += [] if paper.sequences is None else [f"{whole(paper.sequences)} sequences"]
    return f"{text}. The paper: {', '.join(figures)}." if figures else f"{text}."


def _summary(results: Sequence[RowResult]) -> str:
    """The run's result in a sentence or two."""
    if len(results) == 1:
        row = results[0].request.row
        return f"Row {results[0].label}, {row.title}. {_headline(results[0])}"
    counts = {status: sum(r.statuses[status] for r in results) for status in results[0].statuses}
    trials = sum(counts.values())
    parts = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in counts.items() if n)
    every = sum(bool(r.attrs) and len(r.solved) == len(r.attrs) for r in results)
    none = sum(not r.solved for r in results)
    text = f"{trials:,} trials of {len(results)} rows: {parts}. {every} rows were solved in every trial, {none} in none."
    ratios = sorted(q for r in results if (q := r.sequences.ratio(r.request.row.published.sequences)) is not None)
    if len(ratios) > 1:
        text += f" Mean sequences are {times(ratios[0])} to {times(ratios[-1])} the paper's."
    return text


def _every(results: Iterable[RowResult], key: str) -> list[str]:
    """Values of an attribute over all trials, each once."""
    return list(dict.fromkeys(str(a[key]) for r in results for a in r.attrs if key in a))


def _provenance(results: Sequence[RowResult]) -> dict[str, list[str]]:
    attrs = [a for r in results for a in r.attrs]
    keys = ("version", "git_commit", "numba", "numpy", "xarray", "netCDF4", "cpu", "seed")
    names = {"version": "lstmsim", "git_commit": "commit", "cpu": "processor"}
    found = {names.get(key, key): values for key in keys if (values := _every(results, key))}
    found["trials"] = [whole(len(attrs))]
    found["training sequences"] = [whole(sum(int(a["sequences"]) for a in attrs))]
    found["time steps"] = [whole(sum(int(a["steps"]) for a in attrs))]
    found["seconds, summed over trials"] = [whole(sum(float(a["seconds"]) for a in attrs))]
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


def _stage(stage: dict[str, Any]) -> str:
    where = f"{stage['test']:,} test sequences" if stage["test"] else "the latest training sequences"
    error = f", mean error below {stage['error']:g}" if stage["error"] is not None else ""
    return f"fewer than {stage['fewer_wrong']} wrong of {where}{error}"


def _write_markdown(folders: Sequence[Path], path: Path) -> None:
    """Write the tables of finished campaigns, with the notes that lie beside them, and the picture of Table 3's scaling."""
    from lstmsim.report import pictures
    from lstmsim.report.markdown import best, replication

    results = [result for folder in folders for result in _content(folder, None)[1]]
    notes = path.with_name(f"{path.stem}-notes.md")
    command = f"python -m lstmsim.report.page {' '.join(f.as_posix() for f in folders)} --markdown {path.as_posix()}"
    scaling = None
    if (picture := pictures.scaling_picture(best(results))) is not None:
        file = path.with_name(f"{path.stem}-scaling.png")
        with whole_or_absent(file) as part:
            part.write_bytes(picture.content)
        scaling = file.name, picture.alt
    text = replication(results, notes.read_text(encoding="utf-8") if notes.exists() else "", command, scaling)
    with whole_or_absent(path) as part:
        part.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parse = argparse.ArgumentParser(
        prog="python -m lstmsim.report.page",
        description="Write report.html into the folders of runs, or the tables of finished campaigns as Markdown.",
    )
    parse.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="folder of a run")
    parse.add_argument("--markdown", metavar="FILE", type=Path, help="write one Markdown file instead of the pages")
    options = parse.parse_args(arguments)
    try:
        if options.markdown is None:
            for folder in options.folders:
                print(write_report(folder))
        else:
            _write_markdown(options.folders, options.markdown)
            print(options.markdown)
    except (ValueError, OSError) as error:
        print(f"lstmsim: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
