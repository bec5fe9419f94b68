"""A line of a published table as data, and the table of all of them.

The rows of an experiment are one file beside this one. They register themselves in one line::

    @register
    def adding() -> list[Row]: ...

The command line, the comparison of methods, the report and the contract tests take them from `rows`.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lstmsim.checks import refusal, shown, unknown
from lstmsim.learners.base import LearnerSettings, learner
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.tasks.base import Task


@dataclass(frozen=True)
class Published:
    """What was published for a row; None where no figure is given.

    Attributes
    ----------
    solved : float or None
        Fraction of successful trials.
    sequences : float or None
        Mean number of training sequences until success (last stage).
    stages : dict
        The same for earlier stages, by stage name.
    wrong : float or None
        Fraction of test sequences misclassified.
    squared_error : float or None
        Mean squared test error.
    difference : float or None
        Mean absolute difference between output and clean target.
    """

    solved: float | None = None
    sequences: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    wrong: float | None = None
    squared_error: float | None = None
    difference: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes
    ----------
    heading : str
        Its number and what it is about.
    note : str
        What must be known to read it.
    complete : bool
        Where methods are compared, rows that were not run are listed too.
    """

    heading: str
    note: str = ""
    complete: bool = True


Settings = Mapping[str, object]  # of a learner or an experiment, by name


@dataclass(frozen=True)
class Reading:
    """A way to read the text where a row leaves room, and what our trials took with it.

    Attributes
    ----------
    name : str
        Name, as the command line takes it: "literal" or "one".
    words : str
        What departs from the text.
    settings : dict
        The departures, as settings of the experiment.
    sequences : float or None
        Mean number of sequences of our trials; inf where most gave up at their cap, None where it was not measured.
    """

    name: str
    words: str
    settings: Settings
    sequences: float | None = None


OWN = Table("Experiments of one's own", complete=False)


@dataclass(frozen=True)
class Row:
    """One line of a published table.

    Attributes
    ----------
    id : str
        Name, as the command line takes it.
    table : Table
        Where it stands.
    title : str
        The task in words.
    trials : int
        Number of trials.
    config : Experiment
        Task, learner and stopping rule.
    published : Published
        The figures beside which ours are shown.
    readings : tuple of Reading
        Ways to read the text; the first is the literal one.
    """

    id: str
    table: Table
    title: str
    trials: int
    config: Experiment
    published: Published
    readings: tuple[Reading, ...] = (Reading("literal", "the text alone", {}),)

    def reading(self, name: str) -> Reading:
        """Return one reading.

        Raises
        ------
        ValueError
            If the row has none of that name.
        """
        for found in self.readings:
            if found.name == name:
                return found
        raise refusal("reading", name, f"{' or '.join(repr(r.name) for r in self.readings)} for row {self.id}")


def configuration(name: str, task: Task, stop: StoppingRule, **settings: object) -> Experiment:
    """Return a learner's configuration for a task, which decides the numbers of input and output units."""
    sizes = {"n_inputs": task.n_inputs, "n_outputs": task.n_outputs}
    make: Callable[..., LearnerSettings] = learner(name).Settings
    return Experiment(task, (name, make(**sizes, **settings)), stop)


def with_exact_gradient(row: Row, max_sequences: int) -> Row:
    """Return a row of the LSTM with its full gradient, which the paper says makes no significant difference; 10 trials."""
    stop = replace(row.config.stop, max_sequences=max_sequences)
    config = replace(row.config, learner="exact_lstm", stop=stop)
    return replace(row, id=f"{row.id}-exact", title=f"{row.title}, exact gradient", trials=10, config=config)


_SOURCES: dict[tuple[str, str], Callable[[], list[Row]]] = {}


def register(make: Callable[[], list[Row]]) -> Callable[[], list[Row]]:
    """Enter the rows that a function makes into the table of all rows; the function is called when they are asked for."""
    _SOURCES[make.__module__, make.__qualname__] = made = functools.cache(make)
    return made


def rows() -> dict[str, Row]:
    """All rows by id, in the order of the paper's experiments, then those of others.

    Raises
    ------
    ValueError
        If two rows have the same id.
    """
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(module.name)
    table: dict[str, Row] = {}
    for source in sorted(_SOURCES, key=lambda key: (not key[0].startswith(package), key)):
        for found in _SOURCES[source]():
            if found.id in table:
                raise refusal("id", found.id, "one that no other row has")
            table[found.id] = found
    return table


def row(name: str) -> Row:
    """One row.

    Raises
    ------
    ValueError
        If there is none of that name; where the name is a task's, its rows are suggested.
    """
    table = rows()
    if name in table:
        return table[name]
    ids: dict[str, list[Row]] = {}
    for found in table.values():
        ids.setdefault(found.config.task.name, []).append(found)
    task = difflib.get_close_matches(str(name).lower().replace("-", "_").replace(" ", "_"), ids, 1)
    if not task or str(name)[:1].isdigit():
        raise unknown("row", name, table)
    first = ids[task[0]][0].config.learner
    hint = ", ".join(repr(found.id) for found in ids[task[0]] if found.config.learner == first)
    raise ValueError(f"unknown row {shown(name)}; did you mean {hint}?; allowed: {', '.join(table)}")
