"""Rows of the other systems in the 1997 paper's list of references, on the problems that they were shown on."""

from __future__ import annotations

from typing import Any

from lstmsim.paper.base import Published, Row, Table, configuration, register
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.two_sequence import TwoSequence

ONE_BENCH = Table(
    "Other systems on the two-sequence problem",
    "Nobody has published these: each system with settings of its kind, within 30,000 sequences.",
    complete=False,
)


@register
def second_wave() -> list[Row]:
    """All rows of the other systems."""
    return _two_sequence()


def _two_sequence() -> list[Row]:
    stop = StoppingRule(wrong=0, error=0.04, window=256, max_sequences=30_000, test=256, test_every=500)
    task = TwoSequence(20, 3)
    lines: list[tuple[str, str, dict[str, Any]]] = [
        ("tdnn", "taps", {"order": 20}),
        ("gamma", "taps", {"order": 4, "memory": "gamma", "mu": 0.2, "train_mu": True}),
        ("narx", "taps", {"order": 2, "feedback": 6}),
        ("tau", "leaky", {"tau": (0.0, 0.0, 0.9, 0.95, 0.98), "block": None}),
        ("twinn", "twinn", {"learning_rate": 0.01}),
        ("order-2", "second_order", {"products": "all"}),
        ("blocks", "block_rtrl", {"block": 5}),
        ("kalman", "kalman", {}),
    ]
    return [
        Row(f"two-{name}", ONE_BENCH, "two-sequence problem, T=20, N=3", 10, configuration(learner, task, stop, **settings),
            Published())
        for name, learner, settings in lines
    ]  # fmt: skip
