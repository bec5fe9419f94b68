"""Experiment 6, temporal order: Table 9, and the LSTM with its full gradient (186 us a sequence of 6a)."""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register, with_exact_gradient
from lstmsim.simulation.config import Stage, Training
from lstmsim.tasks.temporal_order import TemporalOrder

TABLE = Table("Table 9: temporal order")


@register
def temporal_order() -> list[Row]:
    """Rows 6a and 6b, and 6a with the exact gradient."""
    training = Training((Stage("solved", 1, error=0.1),), max_sequences=3_000_000, error_bound=0.1)
    rows = []
    for name, n, word, trials, alpha, published in (
        ("6a", 2, "two", 20, 0.5, Published(1.0, 31_390, wrong=1 / 2560)),
        ("6b", 3, "three", 10, 0.1, Published(1.0, 571_100, wrong=2 / 2560)),
    ):
        net = {"n_blocks": n, "block_size": 2, "input_gate_bias": [-2, -4, -6][:n], "learning_rate": alpha}
        config = configuration("lstm", TemporalOrder(n), training, **net)
        rows.append(Row(name, TABLE, f"temporal order, {word} relevant symbols", trials, config, published))
    return [*rows, with_exact_gradient(rows[0], 200_000)]
