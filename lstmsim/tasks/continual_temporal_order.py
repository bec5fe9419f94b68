"""Continual noisy temporal order: sequences of experiment 6 one after another, without a reset between them."""

from __future__ import annotations

from typing import Annotated

from lstmsim.checks import Field, Whole, settings
from lstmsim.tasks.base import register
from lstmsim.tasks.temporal_order import TemporalOrder


@register("continual_temporal_order")
@settings
class ContinualTemporalOrder(TemporalOrder):
    """Name the order of three X and Y at the end of each sequence of 6b, in a stream of such sequences.

    Gers, Schmidhuber and Cummins (2000): a stream ends with a sequence that is wrong, or after 100. In training, tests and
    stopping a sequence is a stream; a run's `test_right` is the mean number of sequences right in a test stream.

    Parameters
    ----------
    n_relevant : {2, 3}
        Number of relevant symbols: 2 (6a) or 3 (6b).
    stream_sequences : int
        Sequences after which a stream ends without an error.
    """

    n_relevant: Annotated[Whole, Field(ge=2, le=3)] = 3
    stream_sequences: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100
