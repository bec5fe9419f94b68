"""Experiment 3, two-sequence problem, with noise and signal on the same channel: Tables 4 to 6."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lstmsim.paper.base import Published, Row, Table, configuration, register
from lstmsim.paper.readings import read
from lstmsim.simulation.config import Stage, StoppingRule
from lstmsim.tasks.two_sequence import TwoSequence

TABLE_4 = Table("Table 4: two-sequence problem")
TABLE_5 = Table("Table 5: two-sequence problem, noise on the information-carrying elements")
TABLE_6 = Table("Table 6: two-sequence problem, noise on the targets too")


@register
def two_sequence() -> list[Row]:
    """Rows 3a (clean), 3b (information carriers with noise), 3c (targets with noise too); a table's lines are (T, N)."""
    tables = [
        *_table("3a", TABLE_4, 1.0, ("ST1", "ST2"), 0, 0.01, TwoSequence, [
            (100, 3, Published(1.0, 39_850, {"ST1": 27_380}, 0.000195)),
            (100, 1, Published(1.0, 64_330, {"ST1": 58_370}, 0.000117)),
            (1000, 3, Published(1.0, 452_460, {"ST1": 446_850}, 0.000078)),
        ]),
        *_table("3b", TABLE_5, 1.0, ("ST1", "ST2"), 5, 0.04, partial(TwoSequence, information_noise=True), [
            (100, 3, Published(1.0, 43_250, {"ST1": 41_740}, 0.00828)),
            (100, 1, Published(1.0, 78_430, {"ST1": 74_950}, 0.01500)),
            (1000, 1, Published(1.0, 485_080, {"ST1": 481_060}, 0.01207)),
        ]),
        *_table("3c", TABLE_6, 0.1, ("solved",), 0, 0.015,
                partial(TwoSequence, information_noise=True, target_noise=True, targets=(0.2, 0.8)), [
            (100, 3, Published(1.0, 269_650, wrong=0.00558, difference=0.014)),
            (100, 1, Published(1.0, 565_640, wrong=0.00441, difference=0.012)),
        ]),
    ]  # fmt: skip
    return read(tables)


def _table(
    name: str,
    table: Table,
    alpha: float,
    stages: tuple[str, ...],
    wrong: int,
    error: float,
    task_of: Callable[[int, int], TwoSequence],
    lines: list[tuple[int, int, Published]],
) -> list[Row]:
    """Return the rows of one table; the error's bound belongs to the last stage."""
    rule = tuple(Stage(s, wrong=wrong, test=256, error=error if s == stages[-1] else None) for s in stages)
    training = StoppingRule(stages=rule, max_sequences=3_000_000, test_every=500, error_bound=error)
    net = {"bias": "b1", "output_gate_bias": [-2, -4, -6], "input_gate_bias": [-1, -3, -5], "init_range": 0.1}
    rows = []
    for number, (T, N, published) in enumerate(lines, start=1):
        task = task_of(T, N)
        config = configuration("lstm", task, training, n_blocks=3, block_size=1, learning_rate=alpha, **net)
        rows.append(Row(f"{name}-{number}", table, f"two-sequence problem {name}, T={T}, N={N}", 10, config, published))
    return rows
