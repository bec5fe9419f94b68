"""Experiment 6, temporal order: Table 9, and the LSTM with its full gradient (186 us a sequence of 6a)."""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register, with_exact_gradient
from lstmsim.paper.readings import read
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.temporal_order import TemporalOrder

TABLE = Table("Table 9: temporal order")


@register
def temporal_order() -> list[Row]:
    """Rows 6a and 6b, and 6a with the exact gradient."""
    training = StoppingRule(error=0.1, max_sequences=3_000_000, error_bound=0.1)
    two = {"n_blocks": 2, "block_size": 2, "input_gate_bias": [-2, -4], "learning_rate": 0.5}
    three = {"n_blocks": 3, "block_size": 2, "input_gate_bias": [-2, -4, -6], "learning_rate": 0.1}
    a = Row(
        "6a",
        TABLE,
        "temporal order, two relevant symbols",
        20,
        configuration("lstm", TemporalOrder(2), training, **two),
        Published(1.0, 31_390, wrong=1 / 2560),
    )
    b = Row(
        "6b",
        TABLE,
        "temporal order, three relevant symbols",
        10,
        configuration("lstm", TemporalOrder(3), training, **three),
        Published(1.0, 571_100, wrong=2 / 2560),
    )
    return read([a, b, with_exact_gradient(a, 200_000)])
