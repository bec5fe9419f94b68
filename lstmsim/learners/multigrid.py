"""Multigrid random search: guessing within a box that shrinks around each better point.

Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent is difficult", IEEE Transactions on
Neural Networks 5(2), 1994.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lstmsim.checks import Field, Real, settings
from lstmsim.learners.base import register
from lstmsim.learners.search.equations import Strings, search
from lstmsim.learners.search.net import SearchNets, SearchSettings


@settings
class MultigridSettings(SearchSettings):
    """Settings of multigrid random search; the first ones are those of `SearchSettings`.

    Parameters
    ----------
    shrink : float
        Factor of the box's sides at each better point; 1 is weight guessing.
    """

    shrink: Annotated[Real, Field(gt=0, le=1)] = 0.5


@register("multigrid", MultigridSettings, label="multigrid search")
class MultigridNets(SearchNets[MultigridSettings]):
    """Multigrid random search: weights are drawn uniformly from a box; at each net of lower cost the box shrinks around it.

    The cost is the sum of the squared errors at the ends of the training sequences. The smaller box lies within the one
    before: where it would stick out it is moved, so that a box that never shrinks is that of weight guessing.
    """

    def go_on(self, strings: Strings, key: np.uint64, cap: int) -> bool:
        """Draw until the cost is lower than ever, or all is right; then shrink the box."""
        net, all_but_one = self.net, len(strings.targets) - 1
        if not search(net, strings, key, int(net.counts[0]) + self.block, cap, all_but_one, float(net.cost[0])):
            return False
        rest = (1.0 - self.settings.shrink) * net.reach
        net.center[:] = np.clip(net.weights, net.center - rest, net.center + rest)
        net.reach[:] *= self.settings.shrink
        return True
