"""The LSTM with forget gates and peepholes on lanes."""

from __future__ import annotations

from typing import ClassVar

from numba.core.dispatcher import Dispatcher

from lstmsim.learners.lstm.gated.steps import advance_gated, learn_last_gated
from lstmsim.learners.lstm.nets import LaneNets


class GatedNets(LaneNets):
    """Nets of one shape and rule with forget gates, peepholes or both, one per lane; arguments are those of `LaneNets`."""

    learn_last: ClassVar[Dispatcher] = staticmethod(learn_last_gated)
    kernel: ClassVar[Dispatcher] = staticmethod(advance_gated)
