"""The paper's rows: id -> task, learner, stopping rule, number of trials, and the paper's own figures."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lstmsim.simulation.config import Config, Stage, Training


@dataclass(frozen=True)
class Paper:
    """What the paper reports for a row; None where it gives no figure.

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
class Row:
    """One line of the paper's tables."""

    id: str
    table: str
    title: str
    trials: int
    config: Config
    paper: Paper


def _lstm(task: Any, blocks: int, size: int, training: Training, **settings: Any) -> Config:
    from lstmsim.learners.lstm.settings import Architecture

    net = Architecture(task.n_inputs, task.n_outputs, blocks, size, **settings)
    return Config(task, "lstm", net, training)


def _reber() -> list[Row]:
    from lstmsim.tasks.reber import Reber

    training = Training((Stage("solved", 1, test=512),), max_sequences=200_000, test_every=100, final_test=256)
    rows = []
    for number, (blocks, size, alpha, solved, mean) in enumerate(
        (
            (4, 1, 0.1, 1.0, 39740),
            (3, 2, 0.1, 1.0, 21730),
            (3, 2, 0.2, 0.97, 14060),
            (4, 1, 0.5, 0.97, 9500),
            (3, 2, 0.5, 1.0, 8440),
        ),
        start=1,
    ):
        biases = [-1.0 * (j + 1) for j in range(blocks)]
        config = _lstm(
            Reber(), blocks, size, training, bias="ga", output_gate_bias=biases, init_range=0.2, learning_rate=alpha
        )
        title = f"embedded Reber grammar, {blocks} blocks of {size}, alpha {alpha}"
        rows.append(Row(f"1-{number}", "1", title, 30, config, Paper(solved, mean)))
    return rows


def _long_lags() -> list[Row]:
    from lstmsim.tasks.lag_sequences import LocalRegularities, NoiseFree

    training = Training((Stage("solved", 1, test=10_000),), max_sequences=150_000, test_every=100, error_bound=0.25)
    net = {
        "topology": "B",
        "bias": "none",
        "output_gates": False,
        "cell_input": "f",
        "cell_output": "identity",
        "init_range": 0.2,
        "learning_rate": 1.0,
        "sequential": True,
    }
    return [
        Row(
            "2a",
            "2",
            "noise-free sequences with long lags, p=100",
            18,
            _lstm(NoiseFree(), 1, 1, training, **net),
            Paper(1.0, 5040),
        ),
        Row(
            "2b",
            "2",
            "no local regularities, p=100",
            18,
            _lstm(LocalRegularities(), 1, 1, training, **net),
            Paper(1.0, 5680),
        ),
    ]


def _distractors() -> list[Row]:
    from lstmsim.tasks.distractors import Distractors

    sizes = [
        (50, 50),
        (100, 100),
        (200, 200),
        (500, 500),
        (1000, 1000),
        (1000, 500),
        (1000, 200),
        (1000, 100),
        (1000, 50),
    ]
    means = [30_000, 31_000, 33_000, 38_000, 49_000, 49_000, 75_000, 135_000, 203_000]
    rows = []
    for number, ((q, p), mean) in enumerate(zip(sizes, means, strict=True), start=1):
        training = Training((Stage("solved", 1, test=10_000),), max_sequences=300_000, test_every=500, error_bound=0.2)
        config = _lstm(Distractors(q=q, p=p), 2, 1, training, bias="none", init_range=0.2, learning_rate=0.01)
        rows.append(Row(f"2c-{number}", "3", f"very long lags, q={q} of {p} distractors", 20, config, Paper(1.0, mean)))
    return rows


def _two_sequence() -> list[Row]:
    from lstmsim.tasks.two_sequence import TwoSequence

    net = {"bias": "b1", "output_gate_bias": [-2, -4, -6], "input_gate_bias": [-1, -3, -5], "init_range": 0.1}
    rows = []

    def add(name: str, table: str, task: TwoSequence, alpha: float, stages: Any, paper: Paper) -> None:
        training = Training(stages, max_sequences=3_000_000, test_every=500, error_bound=stages[-1].error)
        title = f"two-sequence problem {name[:2]}, T={task.T}, N={task.N}"
        rows.append(Row(name, table, title, 10, _lstm(task, 3, 1, training, learning_rate=alpha, **net), paper))

    clean = (Stage("ST1", 1, test=256), Stage("ST2", 1, test=256, error=0.01))
    noisy = (Stage("ST1", 6, test=256), Stage("ST2", 6, test=256, error=0.04))
    for number, (T, N, first, last, wrong) in enumerate(
        ((100, 3, 27380, 39850, 0.000195), (100, 1, 58370, 64330, 0.000117), (1000, 3, 446850, 452460, 0.000078)), 1
    ):
        add(f"3a-{number}", "4", TwoSequence(T, N), 1.0, clean, Paper(1.0, last, {"ST1": first}, wrong))
    for number, (T, N, first, last, wrong) in enumerate(
        ((100, 3, 41740, 43250, 0.00828), (100, 1, 74950, 78430, 0.01500), (1000, 1, 481060, 485080, 0.01207)), 1
    ):
        task = TwoSequence(T, N, information_noise=True)
        add(f"3b-{number}", "5", task, 1.0, noisy, Paper(1.0, last, {"ST1": first}, wrong))
    for number, (N, last, wrong, difference) in enumerate(((3, 269650, 0.00558, 0.014), (1, 565640, 0.00441, 0.012)), 1):
        task = TwoSequence(100, N, information_noise=True, target_noise=True, targets=(0.2, 0.8))
        paper = Paper(1.0, last, wrong=wrong, difference=difference)
        add(f"3c-{number}", "6", task, 0.1, (Stage("solved", 1, test=256, error=0.015),), paper)
    return rows


def _adding() -> list[Row]:
    from lstmsim.tasks.adding import Adding

    rows = []
    for number, (T, mean, wrong) in enumerate(((100, 74_000, 1), (500, 209_000, 0), (1000, 853_000, 1)), start=1):
        training = Training((Stage("solved", 1, error=0.01),), max_sequences=5_000_000)
        config = _lstm(Adding(T), 2, 2, training, input_gate_bias=[-3, -6], learning_rate=0.5)
        rows.append(Row(f"4-{number}", "7", f"adding, T={T}", 10, config, Paper(1.0, mean, wrong=wrong / 2560)))
    return rows


def _multiplication() -> list[Row]:
    from lstmsim.tasks.multiplication import Multiplication

    stages = (Stage("n_seq 140", 140), Stage("n_seq 13", 13))
    config = _lstm(Multiplication(100), 2, 2, Training(stages, max_sequences=5_000_000), learning_rate=0.1)
    paper = Paper(1.0, 1_273_000, {"n_seq 140": 482_000}, 14 / 2560, 0.0139)
    return [Row("5", "8", "multiplication, T=100", 10, config, paper)]


def _temporal_order() -> list[Row]:
    from lstmsim.tasks.temporal_order import TemporalOrder

    training = Training((Stage("solved", 1, error=0.1),), max_sequences=3_000_000, error_bound=0.1)
    two = _lstm(TemporalOrder(2), 2, 2, training, input_gate_bias=[-2, -4], learning_rate=0.5)
    three = _lstm(TemporalOrder(3), 3, 2, training, input_gate_bias=[-2, -4, -6], learning_rate=0.1)
    return [
        Row("6a", "9", "temporal order, two relevant symbols", 20, two, Paper(1.0, 31_390, wrong=1 / 2560)),
        Row("6b", "9", "temporal order, three relevant symbols", 10, three, Paper(1.0, 571_100, wrong=2 / 2560)),
    ]


_GROUPS = (_reber, _long_lags, _distractors, _two_sequence, _adding, _multiplication, _temporal_order)


@cache
def rows() -> dict[str, Row]:
    """All rows by id, in the order of the paper's tables, then the rivals."""
    from lstmsim.paper.rivals import rival_rows

    table = {row.id: row for group in _GROUPS for row in group()}
    return table | {row.id: row for row in rival_rows(table)}


def row(name: str) -> Row:
    """One row.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    table = rows()
    if name not in table:
        close = difflib.get_close_matches(name, table, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown row {name!r}{hint}; allowed: {', '.join(table)}")
    return table[name]
