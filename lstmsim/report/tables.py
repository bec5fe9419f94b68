"""The tables of a run, whatever shows them: each is made once, and console, page and Markdown are views of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lstmsim import paper
from lstmsim.kernels.scores import MILESTONES
from lstmsim.learners.base import LearnerSettings, learner
from lstmsim.paper import Published, Row
from lstmsim.report.results import Reached, RowResult
from lstmsim.report.text import DASH, percent, percent0, short, span, times, whole

CORRECT = tuple(name for name in MILESTONES if name.startswith("correct_"))
ERRORS = tuple(name for name in MILESTONES if not name.startswith("correct_"))
_CAP_TIP = "Sequences after which a trial gave up"


class Column(NamedTuple):
    """A column: its heading, the group of columns it stands in, how its cells look, and an explanation."""

    heading: str
    group: str = ""
    kind: str = "number"
    tip: str = ""

    @property
    def name(self) -> str:
        """Heading where there are no groups."""
        return self.group if self.group and self.heading == "ours" else self.heading


class Cell(NamedTuple):
    """A cell: its text, what stands small beside it, of how many trials where not of all, and what it is sorted by."""

    text: str = DASH
    small: str = ""
    share: str = ""
    sort: float | str | None = None
    code: str = ""
    link: str = ""
    tip: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table to be shown: columns, and rows of as many cells."""

    name: str
    columns: list[Column]
    rows: list[list[Cell]]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Neighbouring columns of one group, and their number; none if no column has a group."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = column.group, found[-1][1] + 1
            else:
                found.append((column.group, 1))
        return found if any(group for group, _ in found) else []


def ordered(results: Iterable[RowResult]) -> list[RowResult]:
    """Results in the order of the paper's rows, literal ones before readings; of equal requests the one with most trials."""
    order = {name: place for place, name in enumerate(paper.rows())}
    most: dict[tuple[str, str, str], RowResult] = {}
    for result in results:
        request = result.request
        key = request.row.id, request.reading, request.config.as_json()
        if key not in most or result.n > most[key].n:
            most[key] = result
    last = len(order)
    return sorted(most.values(), key=lambda r: (order.get(r.request.row.id, last), bool(r.departures or r.request.reading)))


def best(results: Iterable[RowResult]) -> list[RowResult]:
    """Of each row the result with the largest fraction of solved trials; a reading where the literal one is no better."""
    rows: dict[str, list[RowResult]] = {}
    for result in ordered(results):
        rows.setdefault(result.request.row.id, []).append(result)
    return [max(reversed(group), key=lambda r: r.n_solved / max(r.n, 1)) for group in rows.values()]


def by_table(results: Iterable[RowResult]) -> dict[paper.Table, list[RowResult]]:
    """Results by the table of the paper in which their rows stand, both in order."""
    groups: dict[paper.Table, list[RowResult]] = {}
    for result in ordered(results):
        groups.setdefault(result.request.row.table, []).append(result)
    return groups


def against_paper(results: Sequence[RowResult]) -> Sheet:
    """Every row's result beside the published figures."""
    stages = list(dict.fromkeys(name for result in results for name in result.stages))
    columns = [Column("row", kind="row"), Column("task", kind="task"), Column("reading", kind="reading")]
    columns += [Column("weights"), Column("trials"), *_beside("solved", "Wilson's 95 % interval is small")]
    columns += _beside("sequences, strict", "Mean and range over the solved trials", ratio=True)
    for name in stages:
        columns += _beside(name, "Mean and range over the trials that reached the stage", ratio=True)
    columns += [Column("95 % correct"), *_beside("test: wrong", "Wrong test sequences of the solved trials together")]
    columns += [*_beside("MSE"), *_beside("mean difference"), Column("cap", tip=_CAP_TIP)]
    rows = [_against(result, place, stages) for place, result in enumerate(results, 1)]
    return Sheet("rows against the paper", columns, rows)


def _beside(group: str, tip: str = "", *, ratio: bool = False) -> list[Column]:
    columns = [Column("ours", group, tip=tip), Column("paper", group, "number paper")]
    return [*columns, Column("ratio", group, tip="Our mean divided by the paper's")] if ratio else columns


def _against(result: RowResult, place: int, stages: Sequence[str]) -> list[Cell]:
    request, published = result.request, result.request.row.published
    cells = [_row(result, place), Cell(request.row.title), _reading(result)]
    cells += [_weights(request.config.settings, result.joined)]
    cells += [Cell(f"{result.n} of {request.trials}" if result.n < request.trials else str(result.n), sort=result.n)]
    cells += [*_solved(result, published), *_sequences(result.reached(), published.sequences)]
    for name in stages:
        reached = result.reached(name) if name in result.stages else Reached()
        cells += _sequences(reached, published.stages.get(name))
    wrong, tested = result.test
    share = wrong / tested if tested else None
    ours = Cell(f"{wrong:,}/{tested:,}", sort=share, tip=percent(share)) if tested else Cell()
    cells += [_reached(result.reached("correct_95")), ours, _figure(published.wrong, percent)]
    cells += [_figure(result.test_mean("test_squared_error")), _figure(published.squared_error)]
    cells += [_figure(result.test_mean("test_error")), _figure(published.difference)]
    return [*cells, _figure(result.cap, whole)]


def milestones(results: Sequence[RowResult]) -> Sheet:
    """When so many of the latest sequences were correct, and when the errors first fell below the row's bound."""
    columns = [Column("row", kind="row"), *(Column(f"{name.removeprefix('correct_')} %") for name in CORRECT)]
    columns += [Column(heading) for heading in ("bound", "mean |error|", "mean error²", "whole rule")]
    columns += [Column("paper", kind="number paper")]
    rows = []
    for place, result in enumerate(results, 1):
        cells = [_row(result, place)._replace(text=result.label)]
        cells += [*(_reached(result.reached(name), small=False) for name in CORRECT)]
        cells += [_figure(result.rule.error_bound)]
        cells += [_reached(result.reached(name), small=False) for name in (*ERRORS, "success")]
        rows.append([*cells, _figure(result.request.row.published.sequences, whole)])
    return Sheet("milestones", columns, rows)


def trials(result: RowResult, *, full: bool = True) -> Sheet:
    """The trials of a row; `full` with everything that is known of them."""
    stages = {name: name for name in result.stages} | {"success": "solved after" if full else "sequences"}
    levels = {name: f"{name.removeprefix('correct_')} %" for name in CORRECT} if full else {"correct_95": "95 % correct"}
    columns = [Column("trial", kind="row"), Column("status", kind="status"), *map(Column, stages.values())]
    columns += [Column("sequences")] if full else []
    columns += [*map(Column, levels.values()), Column("test: wrong"), Column("MSE")]
    columns += [Column("mean difference"), Column("steps")] if full else []
    rows = []
    for number in range(result.n):
        trial = {str(name): values.values[number] for name, values in result.trials.variables.items()}
        reached = [trial.get(f"sequences_to_{name}") for name in (*stages, *levels)]
        numbers = [_figure(value, whole) for value in reached]
        wrong, tested = trial["test_wrong"], trial["test_sequences"]
        cells = [Cell(str(trial["trial"]), sort=trial["trial"])]
        cells += [Cell(trial["status"].replace("_", " "), tip=trial["status"])]
        cells += numbers[: len(stages)] + ([_figure(trial["sequences"], whole)] if full else []) + numbers[len(stages) :]
        cells += [Cell(f"{wrong}/{tested}", sort=wrong / tested) if tested else Cell(), _figure(trial["test_squared_error"])]
        cells += [_figure(trial["test_error"]), _figure(trial["steps"], whole)] if full else []
        rows.append([*cells, Cell(f"{trial['seconds']:.1f}", sort=trial["seconds"])])
    return Sheet(f"trials of {result.label}", [*columns, Column("seconds")], rows)


class Comparison(NamedTuple):
    """A table of the paper with all its methods: its results, and the lines for them and for what was not run."""

    table: paper.Table
    results: list[RowResult]
    sheet: Sheet


def comparisons(results: Iterable[RowResult]) -> list[Comparison]:
    """Tables of the paper in which a rival was run: all their rows, run or not; outside of tables those that were run."""
    found = []
    for table, group in by_table(results).items():
        if all(result.request.config.learner == "lstm" for result in group):
            continue
        lines: list[tuple[Row, RowResult | None]] = []
        ids = [row.id for row in paper.rows().values() if row.table == table]
        for row in dict.fromkeys([*ids, *(result.request.row.id for result in group)]):
            ours = [result for result in group if result.request.row.id == row]
            lines += [(result.request.row, result) for result in ours]
            if not ours and table.complete:
                lines.append((paper.row(row), None))
        found.append(Comparison(table, [result for result in group if result.n], _compared(table, lines)))
    return found


def _compared(table: paper.Table, lines: Sequence[tuple[Row, RowResult | None]]) -> Sheet:
    columns = [Column("row", kind="row"), Column("method", kind="method")]
    columns += [Column("hidden units"), Column("weights"), Column("alpha"), Column("reading", kind="reading")]
    columns += [*_beside("solved"), *_beside("sequences, strict", ratio=True)]
    columns += [Column("95 % correct"), Column("cap", tip=_CAP_TIP)]
    rows = []
    for place, (row, result) in enumerate(lines, 1):
        config, joined = (result.request.config, result.joined) if result else (row.config, ())
        settings, method = config.settings, Cell(learner(config.learner).label, tip=row.title)
        cells = [_row(result, place) if result else Cell(row.id, sort=place), method]
        cells += [Cell(settings.units_text(joined)), _weights(settings, joined), _figure(settings.step_width)]
        cells += [_reading(result) if result else Cell("not run"), *_solved(result, row.published)]
        cells += _sequences(result.reached() if result else Reached(), row.published.sequences)
        cells += [_reached(result.reached("correct_95")), _figure(result.cap, whole)] if result else [Cell(), Cell()]
        rows.append(cells)
    return Sheet(f"methods of {table.heading}", columns, rows)


def _row(result: RowResult, place: int) -> Cell:
    return Cell(result.request.row.id, sort=place, link=f"row-{result.request.name}", tip=result.request.name)


def _reading(result: RowResult) -> Cell:
    name = result.request.reading
    return Cell(name or ("" if result.departures else "literal"), code=result.departures)


def _weights(settings: LearnerSettings, joined: Sequence[int]) -> Cell:
    numbers = settings.weights_shown(joined)
    return Cell(span(numbers), sort=max(numbers, default=None))


def _solved(result: RowResult | None, published: Published) -> list[Cell]:
    ours = Cell()
    if result is not None and result.interval is not None:
        low, high = result.interval
        small = f"{100 * low:.0f}{DASH}{percent0(high)}"
        ours = Cell(f"{result.n_solved}/{result.n}", small, sort=result.n_solved / result.n)
    return [ours, _figure(published.solved, percent0)]


def _sequences(reached: Reached, published: float | None) -> list[Cell]:
    """Our mean, the paper's, and their ratio."""
    return [_reached(reached), _figure(published, whole), _figure(reached.ratio(published), times)]


def _reached(reached: Reached, *, small: bool = True) -> Cell:
    """Mean and range, and of how many trials where not all got there."""
    between = f"{whole(reached.low)}{DASH}{whole(reached.high)}" if small and reached.n > 1 else ""
    share = f"{reached.n}/{reached.trials}" if 0 < reached.n < reached.trials else ""
    return Cell(whole(reached.mean), between, share, reached.mean)


def _figure(value: float | None, text: Callable[[float | None], str] = short) -> Cell:
    return Cell(text(value), sort=None if value is None or value != value else value)
