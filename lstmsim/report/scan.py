"""A scan for people: what it would run, a table of its points, and one page with its pictures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from lstmsim import plots
from lstmsim.campaign.forecast import duration
from lstmsim.campaign.scan import Scan, seconds_at_most
from lstmsim.report.html import environment
from lstmsim.report.pictures import Picture, picture_of
from lstmsim.report.text import percent0, whole
from lstmsim.trace.scan import FILE, open_scan
from lstmsim.trace.store import whole_or_absent
from lstmsim.trace.summary import NOT_RUN, PROVENANCE, wilson

_MOST = 30  # points that are shown one by one
_PICTURES = 8  # pictures of a page


def begun_text(scan: Scan) -> str:
    """What a scan is about to do, in a sentence."""
    each = f"{len(scan.points):,} points x {scan.trials_each:,} trials"
    return f"lstmsim: row {scan.request.name} over {', '.join(scan.points[0])}; {each}; results in {scan.folder.path}"


def preview_text(scan: Scan) -> str:
    """What a scan would do and how long it takes here, in a sentence or two."""
    left, points = len(scan.missing()), f"{len(scan.points):,} points x {scan.trials_each:,} trials"
    if not left:
        return f"{points}: nothing is left to run; results are in {scan.file}"
    text = f"would run {points} ({left:,} trials left) on {scan.workers} thread{'s' * (scan.workers > 1)} into {scan.file}: "
    seconds = seconds_at_most(scan)
    if seconds is None:
        return f"{text}the time is unknown: kernels must be compiled first (once, about half a minute for a method)"
    less = "; points that are given up early take less" if scan.halving else ""
    return f"{text}at most {duration(seconds)}, every trial up to its cap, as measured here with compiled kernels{less}"


def point_rows(scan: xr.Dataset) -> tuple[str, list[str], list[list[str]]]:
    """Return a heading, column headings and rows: each point's trials and result; of many points the best."""
    found = scan[["status", "sequences_to_success"]]
    dims = [dim for dim in found["status"].dims if dim != "trial"]
    flat = found.stack(at=dims, create_index=False).transpose("at", "trial")
    keys = [str(name) for name, v in scan.coords.items() if v.dims and set(v.dims) <= set(dims)]
    lines: list[tuple[float, float, int, list[str]]] = []
    for n in range(flat.sizes["at"]):
        point = flat.isel(at=n)
        status, needed = point["status"].values.astype(str), point["sequences_to_success"].values
        ran, solved = int((status != NOT_RUN).sum()), needed[np.isfinite(needed)]
        low, high = wilson(solved.size, ran) if ran else (0.0, 1.0)
        others = [name for name in np.unique(status) if name not in ("solved", NOT_RUN)]
        median = float(np.median(solved)) if solved.size else np.inf
        at = [f"{flat[key].values[n]:.6g}" if flat[key].dtype.kind == "f" else str(flat[key].values[n]) for key in keys]
        cells = [
            *at,
            str(ran),
            str(solved.size),
            f"{100 * low:.0f}-{percent0(high)}",
            whole(median if solved.size else None),
        ]
        ended = ", ".join(f"{int((status == name).sum())} {name.replace('_', ' ')}" for name in others)
        lines.append((-solved.size / max(ran, 1), median, n, [*cells, ended]))
    best = len(lines) > _MOST
    shown = sorted(lines)[:_MOST] if best else lines
    heading = f"The best {_MOST} of {len(lines):,} points" if best else "Points"
    return heading, [*keys, "trials", "solved", "95 %", "median sequences", "others"], [line[-1] for line in shown]


def scan_table(scan: xr.Dataset) -> Table:
    """Return a table of a scan's points."""
    heading, headings, rows = point_rows(scan)
    table = Table(title=heading, box=None, pad_edge=False, title_justify="left")
    for name in headings:
        table.add_column(escape(name), justify="left" if name == "others" else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def write_scan_page(folder: Path) -> Path:
    """Write the page `report.html` of a scan's folder: pictures over its keys, a table of points, provenance.

    Raises
    ------
    ValueError
        If the folder's `scan.nc` is none.
    """
    scan = open_scan(folder / FILE)
    heading, headings, rows = point_rows(scan)
    statuses = scan["status"].values.ravel().tolist()
    counts = {name: statuses.count(name) for name in dict.fromkeys(sorted(statuses))}
    told = ("seed", "config", "halving", "history", "git_commit", *PROVENANCE)
    content = {
        "title": scan.attrs["title"].removeprefix("lstmsim: "),
        "headline": ", ".join(f"{n:,} trials {name.replace('_', ' ')}" for name, n in counts.items()),
        "pictures": list(_pictures(scan)),
        "failures": scan.attrs["failures"].splitlines(),
        "heading": heading,
        "headings": headings,
        "rows": rows,
        "provenance": {key: scan.attrs[key] for key in dict.fromkeys(told) if scan.attrs.get(key, "") != ""},
    }
    page = folder / "report.html"
    with whole_or_absent(page) as part:
        part.write_text(environment().get_template("scan.html.j2").render(content), encoding="utf-8")
    return page


def _pictures(scan: xr.Dataset) -> Iterator[Picture]:
    """A curve over one key, a heat map over the first two; one for each of the others' first values."""
    x, *more = (str(dim) for dim in scan["status"].dims if dim != "trial")
    if x == "point":
        return
    rest = more[1:]
    for places in itertools.islice(itertools.product(*(range(scan.sizes[key]) for key in rest)), _PICTURES):
        part = scan.isel(dict(zip(rest, places, strict=True)))
        at = "".join(f", {key}={part[key].item()}" for key in rest)
        with plots.style():
            figure = Figure(figsize=(10.4, 4.0), dpi=110)
            left, right = figure.subplots(1, 2, sharey=bool(more))
            if more:
                plots.phase_diagram(part, x=x, y=more[0], axes=(left, right))
            else:
                plots.scan_curve(part, x=x, ax=left)
                plots.scan_curve(part, x=x, value="sequences", ax=right)
            over = " and ".join([x, *more[:1]])
            words = f"Fraction of trials solved and median sequences until solved over {over}{at}"
            yield picture_of(figure, f"{words}; the figures stand in the table.", f"{words}, with 95 % intervals.")
