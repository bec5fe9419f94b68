"""Experiment 4, adding: Table 7, and the LSTM with its full gradient (132 us a sequence of 4-1 on a busy 2.5 GHz core)."""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register, with_exact_gradient
from lstmsim.paper.readings import read
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.adding import Adding

TABLE = Table("Table 7: adding")


@register
def adding() -> list[Row]:
    """Rows 4-1 to 4-3, and 4-1 with the exact gradient."""
    training = StoppingRule(error=0.01, max_sequences=5_000_000)
    net = {"n_blocks": 2, "block_size": 2, "input_gate_bias": [-3, -6], "learning_rate": 0.5}
    rows = []
    for number, (T, mean, wrong) in enumerate(((100, 74_000, 1), (500, 209_000, 0), (1000, 853_000, 1)), start=1):
        published = Published(1.0, mean, wrong=wrong / 2560)
        rows.append(
            Row(f"4-{number}", TABLE, f"adding, T={T}", 10, configuration("lstm", Adding(T), training, **net), published)
        )
    return read([*rows, with_exact_gradient(rows[0], 1_000_000)])
