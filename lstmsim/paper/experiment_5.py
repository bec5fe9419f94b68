"""Experiment 5, multiplication: Table 8."""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register
from lstmsim.paper.readings import read
from lstmsim.simulation.config import Stage, StoppingRule
from lstmsim.tasks.multiplication import Multiplication

TABLE = Table("Table 8: multiplication")


@register
def multiplication() -> list[Row]:
    """Row 5, which is reached in two stages."""
    training = StoppingRule(stages=(Stage("n_seq 140", wrong=139), Stage("n_seq 13", wrong=12)), max_sequences=5_000_000)
    config = configuration("lstm", Multiplication(100), training, n_blocks=2, block_size=2, learning_rate=0.1)
    published = Published(1.0, 1_273_000, {"n_seq 140": 482_000}, 14 / 2560, 0.0139)
    return read([Row("5", TABLE, "multiplication, T=100", 10, config, published)])
