"""Simulated annealing of a recurrent net's weights: moves along one weight at a time, uphill ones with falling probability.

Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent is difficult", IEEE Transactions on
Neural Networks 5(2), 1994, after Corana, Marchesi, Martini and Ridella, ACM Transactions on Mathematical Software 13,
1987.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.kernels.arrays import Array
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import log, subkey, uniform
from lstmsim.learners.base import register
from lstmsim.learners.search.equations import Strings, evaluate, search
from lstmsim.learners.search.net import SearchNets, SearchSettings


@kernel
def anneal(net, strings, key, until, cap, temperature, accepted):
    """Move one free weight after another, up to draw `until`, `cap` presentations or until all sequences are right.

    A move is uniform within the weight's `net.reach`. It stays if the cost is at most E - T N ln u with u uniform in (0, 1],
    E the cost before it, N the number of sequences: probability exp(-(E' - E) / (T N)) for a cost E' above E (Metropolis).
    Changes `net.weights`, `net.cost`, `net.counts`, and `accepted`, the moves of each weight that stayed.
    """
    weights, counts, free, size = net.weights, net.counts, net.wiring.free, strings.targets.size
    while counts[0] < until and counts[1] < cap:
        own, j = subkey(key, counts[0]), free[(counts[0] - 1) % free.size]
        counts[0] += 1
        before = weights[j]
        weights[j] += net.reach[j] * (2.0 * uniform(own, 0) - 1.0)
        bound = net.cost[0] - temperature * size * log(1.0 - uniform(own, 1))
        cost, right = evaluate(net, strings, bound, cap)
        if right == size or cost <= bound:
            net.cost[0] = cost
            accepted[j] += 1.0
        else:
            weights[j] = before
        if right == size:
            break


@settings
class AnnealingSettings(SearchSettings):
    """Settings of simulated annealing; the first ones are those of `SearchSettings`.

    Parameters
    ----------
    temperature : float
        At first; in units of the mean squared error. 0: only moves that do not raise the error stay.
    cooling : float
        Factor of the temperature after so many cycles.
    cycles : int
        Cycles, of one move of each weight, between two changes of the temperature and of the moves' ranges.
    """

    temperature: Annotated[Real, Field(ge=0)] = 0.1
    cooling: Annotated[Real, Field(gt=0, le=1)] = 0.85
    cycles: Annotated[Whole, Field(ge=1, le=1000)] = 5


@register("annealing", AnnealingSettings, label="simulated annealing")
class AnnealingNets(SearchNets[AnnealingSettings]):
    """Simulated annealing: from one draw on, moves of one weight after another, which Metropolis' rule keeps or takes back.

    After some cycles the temperature falls, and the range of each weight's moves grows where more than 60 % of them stayed
    and shrinks where fewer than 40 % did, by up to 3 (Corana's factor), to at most twice the weights' first range. Progress
    has a line each time, whether the net got better or not.
    """

    def __init__(self, settings: AnnealingSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        self.temperature, self.accepted = np.zeros(1), np.zeros(len(self.net.weights))

    @property
    def course(self) -> dict[str, Array]:
        """Arrays that the rest of a search depends on, besides its key."""
        return super().course | {"temperature": self.temperature}

    def begin(self) -> None:
        """Make ready for the first draw: weights uniform in the whole range."""
        super().begin()
        self.temperature[:] = self.settings.temperature

    def go_on(self, strings: Strings, key: np.uint64, cap: int) -> bool:
        """Draw the first net; then move its weights for some cycles, cool and adapt the ranges of the moves."""
        net, s, size = self.net, self.settings, len(strings.targets)
        if net.counts[0] == 0:
            return bool(search(net, strings, key, 1, cap, size - 1, np.inf))
        self.accepted[:] = 0.0
        until = int(net.counts[0]) + s.cycles * len(net.wiring.free)
        anneal(net, strings, key, until, cap, float(self.temperature[0]), self.accepted)
        share = self.accepted / s.cycles
        factor = (1.0 + 5.0 * np.maximum(share - 0.6, 0.0)) / (1.0 + 5.0 * np.maximum(0.4 - share, 0.0))
        net.reach[:] = np.minimum(net.reach * factor, 2.0 * s.weight_range)
        self.temperature *= s.cooling
        return True
