"""The continual embedded Reber grammar of Gers, Schmidhuber and Cummins (2000): forget gates, and the net of 1997.

The net has 424 weights: four blocks of two cells; gates and cells see inputs and cells, outputs inputs and cells; gates and
outputs have biases. Without forget gates it has 360. Ours: frozen weights are tested every 100 streams, not after each; a
falling learning rate is multiplied by 0.99 every 100 streams, for by stream it would end after a few hundred; strings with
resets between them are counted singly, ten times as many, and tested on as many symbols as ten streams have.
"""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.continual_reber import ContinualReber

TABLE = Table(
    "Gers, Schmidhuber and Cummins (2000): continual embedded Reber grammar",
    "Sequences are streams of strings, which end with the first error or after 1,000,000 symbols; solved: ten test streams "
    "of 100,000 symbols without an error. With resets sequences are single strings.",
    complete=False,
)


@register
def continual_reber() -> list[Row]:
    """Rows with forget gates, then without."""
    closed = [-0.5, -1.0, -1.5, -2.0]
    net: dict[str, object] = {
        **{"n_blocks": 4, "block_size": 2, "recurrence": "cells", "shortcuts": True, "bias": "ga", "output_bias": True},
        **{"input_gate_bias": closed, "output_gate_bias": closed, "init_range": 0.2, "learning_rate": 0.5},
    }
    forget: dict[str, object] = net | {"forget_gates": True, "forget_gate_bias": [-bias for bias in closed]}
    streams = StoppingRule(test=10, test_every=100, max_sequences=30_000, window=100, final_test=10)
    strings = StoppingRule(test=87_000, test_every=1000, max_sequences=300_000, window=1000, final_test=87_000)
    rows = []
    for name, title, task, stop, settings, solved in (
        ("cerg", "forget gates", ContinualReber(), streams, forget, 0.18),
        (
            "cerg-decay",
            "forget gates, alpha falls",
            ContinualReber(),
            streams,
            forget | {"learning_rate_factor": 0.99},
            0.62,
        ),
        ("cerg-1997", "no forget gates", ContinualReber(), streams, net, 0.0),
        ("cerg-1997-resets", "no forget gates, reset at ends of strings", ContinualReber(0), strings, net, 0.74),
    ):
        config = configuration("lstm", task, stop, **settings)
        rows.append(Row(name, TABLE, f"continual embedded Reber grammar, {title}", 100, config, Published(solved)))
    return rows
