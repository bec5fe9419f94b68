"""The continual embedded Reber grammar: strings one after another, without a reset at their ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, Task, register
from lstmsim.tasks.reber import SYMBOLS, automaton

_B, _E = SYMBOLS.index("B"), SYMBOLS.index("E")
_CUT = 150  # steps after which a string leaves the inner grammar by the shortest way: fewer than one in 10**18 get there
_REST = 8  # and no more than so many steps later it is over
_SHORTEST = 9


@kernel
def fill(sequences, horizon, symbols, states):
    """Write strings; the possible next symbols are learned and judged at every step.

    `symbols` and `states` hold what the two branches of each state emit and where they lead, shape (state, 2), the second
    branch being the way out. Draw t of the key is the branch at step t. Row s of the targets is that of state s.
    """
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            state, t = 0, 0
            while state < states.shape[0]:
                branch = 1 if t >= _CUT else below(key, t, 2)
                sequences.symbol[start + t, lane] = symbols[state, branch]
                state = states[state, branch]
                set_target(sequences, lane, start + t, state, state)
                t += 1
            end_sequence(sequences, lane, t)


@register("continual_reber")
@settings
class ContinualReber(CompiledTask):
    """Say at every step which symbols may come next, in a stream of strings of the embedded Reber grammar.

    Gers, Schmidhuber and Cummins (2000): the strings of experiment 1, one after another, with nothing that tells where one
    begins; after E comes B. The target of every symbol that may come next is 1, of the others 0. A step is wrong when an
    error reaches 0.49, and a stream ends there. In training, tests and stopping a sequence is a stream: 10 streams without
    an error are ``StoppingRule(wrong=0, test=10, test_every=1, max_sequences=30_000, window=100, final_test=10)``.

    Parameters
    ----------
    stream_steps : int
        Steps after which a training stream ends without an error. 0: no streams, each string is a sequence of its own, at
        whose end the net is reset.
    test_steps : int
        The same of a test stream.
    """

    stream_steps: Annotated[Whole, Field(ge=0, le=10**9)] = 1_000_000
    test_steps: Annotated[Whole, Field(ge=1, le=10**9)] = 100_000

    n_inputs: ClassVar[int] = len(SYMBOLS)
    n_outputs: ClassVar[int] = len(SYMBOLS)
    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.49
    max_length: ClassVar[int] = _CUT + _REST
    min_length: ClassVar[int] = _SHORTEST

    def fixed_rows(self) -> Floats:
        """One row for each state of the automaton: 1 for the symbols that may come; B at the end, where it begins anew."""
        arcs = automaton()
        rows = np.zeros((len(arcs), len(SYMBOLS)))
        for row, branches in zip(rows, [*arcs[:-1], arcs[0]], strict=True):
            row[[SYMBOLS.index(symbol) for symbol, _, _ in branches]] = 1.0
        return rows

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        both = [[branches[0], branches[-1]] for branches in automaton()[:-1]]
        symbols = np.array([[SYMBOLS.index(symbol) for symbol, _, _ in branches] for branches in both])
        return fill, (symbols, np.array([[state for _, _, state in branches] for branches in both]))

    def test_sets(self) -> list[Task]:
        """Return the same with the length of a test stream."""
        return [replace(self, stream_steps=self.test_steps if self.stream_steps else 0)]

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which T or P is seen that each string ends with again, first and again."""
        seen = np.argmax(inputs, axis=1)
        after_end = np.append(True, seen[:-1] == _E)  # of a string, or of its inner part, which T or P follows
        begins = np.append(False, (after_end & (seen == _B))[:-1])
        found: Steps = np.flatnonzero(begins | (after_end & (seen != _B)))
        return found
