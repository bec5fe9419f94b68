"""Random weight guessing: draw all weights of a recurrent net until it classifies every training sequence.

Schmidhuber and Hochreiter, "Guessing can outperform many long time lag algorithms", IDSIA-19-96, 1996: the test whether a
task needs learning at all.
"""

from __future__ import annotations

import numpy as np

from lstmsim.checks import settings
from lstmsim.learners.base import register
from lstmsim.learners.search.equations import Strings, search
from lstmsim.learners.search.net import SearchNets, SearchSettings

_NO_CAP = 2**62


@settings
class GuessingSettings(SearchSettings):
    """Net and rule of the search: those of `SearchSettings`."""


@register("guessing", GuessingSettings, label="weight guessing")
class GuessingNets(SearchNets[GuessingSettings]):
    """Random weight guessing with one net: what is counted as sequences is the number of draws.

    A draw is tried up to the first sequence that is wrong. Otherwise as `SearchNets`.
    """

    @property
    def sequences(self) -> int:
        """What the stopping rule counts: draws."""
        return int(self.net.counts[0])

    def go_on(self, strings: Strings, key: np.uint64, cap: int) -> bool:
        """Draw until one has more sequences right than all before, before its first wrong one."""
        until = min(int(self.net.counts[0]) + self.block, cap)
        return bool(search(self.net, strings, key, until, _NO_CAP, self.right[0], -1.0))
