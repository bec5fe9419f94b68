"""Experiment 1, the embedded Reber grammar; also the plain one, and biased branches for weaker learners."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Flag, Real, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, Task, register

SYMBOLS = "BTPSXVE"
_N_SYMBOLS = len(SYMBOLS)
# Symbol and next state of the two branches of states 0 to 4; state 5 emits E.
_BRANCHES = (
    (("T", 1), ("P", 2)),
    (("S", 1), ("X", 3)),
    (("T", 2), ("V", 4)),
    (("X", 2), ("S", 5)),
    (("P", 3), ("V", 5)),
)
_STREAM = 1997  # keeps the draws of the strings apart from those of the trials

Arcs = list[tuple[str, float, int]]
Ints = npt.NDArray[np.int64]


class Strings(NamedTuple):
    """Strings of the grammar, one per row, padded with 0."""

    symbols: Ints  # (string, position)
    states: Ints  # (string, position): state of the automaton after the symbol
    lengths: Ints  # (string,): symbols of each


@kernel
def fill(sequences, horizon, symbols, states, lengths, in_order):
    """Write strings drawn at random or in order; learn the next symbol, judge the ranking of the possible ones."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            index = sequences.index[lane]
            key, start, _row = begin_sequence(sequences, lane)
            string = index % lengths.size if in_order else below(key, 0, lengths.size)
            steps = lengths[string] - 1
            for t in range(steps):
                sequences.symbol[start + t, lane] = symbols[string, t]
                judged = _N_SYMBOLS + states[string, t]
                set_target(sequences, lane, start + t, symbols[string, t + 1], judged)
            end_sequence(sequences, lane, steps)


def _grammar(first: int, last: int, share: float) -> list[Arcs]:
    """Arcs of the Reber grammar from state `first` to state `last`; first branches have probability `share`."""
    arcs: list[Arcs] = [[("B", 1.0, first + 1)]]
    for (symbol_1, next_1), (symbol_2, next_2) in _BRANCHES:
        arcs.append([(symbol_1, share, first + 1 + next_1), (symbol_2, 1.0 - share, first + 1 + next_2)])
    return [*arcs, [("E", 1.0, last)]]


def automaton(embedded: bool = True, first_branch: float = 0.5) -> list[Arcs]:
    """Arcs (symbol, probability, next state) of every state; strings go from state 0 to the last, which has none."""
    if not embedded:
        return [*_grammar(0, 7, first_branch), []]
    return [
        [("B", 1.0, 1)],
        [("T", 0.5, 2), ("P", 0.5, 9)],
        *_grammar(2, 16, first_branch),
        *_grammar(9, 17, 1.0 - first_branch),
        [("T", 1.0, 18)],
        [("P", 1.0, 18)],
        [("E", 1.0, 19)],
        [],
    ]


def _draw(arcs: list[Arcs], random: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """One string: its symbol numbers, each with the state it leads to."""
    state, string = 0, []
    while branches := arcs[state]:
        symbol, _, state = branches[int(random.random() >= branches[0][1])]
        string.append((SYMBOLS.index(symbol), state))
    return tuple(string)


@cache
def _strings(pair: int, n_train: int, n_test: int, embedded: bool, first_branch: float) -> Strings:
    """Test strings of a pair, or its training strings where `n_test` is 0."""
    arcs = automaton(embedded, first_branch)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((_STREAM, pair))))
    drawn = [_draw(arcs, random) for _ in range(n_train)]
    if n_test:
        training = frozenset(drawn)
        drawn = []
        while len(drawn) < n_test:
            string = _draw(arcs, random)
            if string not in training:
                drawn.append(string)
    lengths = np.array([len(string) for string in drawn])
    table = np.zeros((2, len(drawn), lengths.max()), np.int64)
    for number, string in enumerate(drawn):
        table[:, number, : len(string)] = np.transpose(string)
    return Strings(table[0], table[1], lengths)


@register("reber")
@settings
class Reber(CompiledTask):
    """Predict the next symbol of strings of the (embedded) Reber grammar.

    At every step the outputs of all possible next symbols must be more active than the others. Errors are those against
    the probabilities of the next symbols. The net sees all symbols of a string but the last, which has no next one.

    "256 training strings drawn at random" is taken literally: short strings are likely, and repeat. Test strings are
    drawn in the same way, those of the training set left out, so they are longer on the average.

    Parameters
    ----------
    set : int
        Number of the pair of training and test sets; the pair depends on nothing but this and the other parameters.
    n_train, n_test : int
        Strings in each set.
    testing : bool
        Sequence i is test string i modulo n_test; otherwise a training string drawn at random.
    in_order : bool
        Sequence i is training string i modulo n_train instead.
    embedded : bool
        B, T or P, a string of the plain grammar, the same T or P, E; otherwise the plain grammar.
    first_branch : float
        Probability of the first branch wherever the grammar has two: T, S, T, X, P of states 0 to 4. In the embedded
        grammar it holds after T, and 1 - first_branch after P: with other values than 0.5 the two halves differ, and
        the symbol to be remembered can be told from what is in between.
    """

    set: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    n_train: Annotated[Whole, Field(ge=1, le=10_000)] = 256
    n_test: Annotated[Whole, Field(ge=1, le=1_000)] = 256
    testing: Flag = False
    embedded: Flag = True
    first_branch: Annotated[Real, Field(ge=0.1, le=0.9)] = 0.5
    in_order: Flag = False

    n_inputs: ClassVar[int] = _N_SYMBOLS
    n_outputs: ClassVar[int] = _N_SYMBOLS
    symbols: ClassVar[bool] = True
    ranking: ClassVar[bool] = True

    @property
    def strings(self) -> Strings:
        """The set of strings in use: training or test."""
        return _strings(self.set, self.n_train, self.n_test if self.testing else 0, self.embedded, self.first_branch)

    @property
    def max_length(self) -> int:
        """Longest sequence in steps: that of the set's longest string."""
        return int(self.strings.lengths.max()) - 1

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps: that of the set's shortest string."""
        return int(self.strings.lengths.min()) - 1

    def fixed_rows(self) -> Floats:
        """One row per symbol, then one per state of the automaton with the probabilities of the next symbols."""
        arcs = automaton(self.embedded, self.first_branch)
        rows = np.zeros((len(arcs), _N_SYMBOLS))
        for row, branches in zip(rows, arcs, strict=True):
            for symbol, probability, _ in branches:
                row[SYMBOLS.index(symbol)] = probability
        return np.concatenate([np.eye(_N_SYMBOLS), rows])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (*self.strings, self.testing or self.in_order)

    def for_trial(self, trial: int) -> Reber:
        """Return the task with the trial's pair of sets: three pairs, taken in turn."""
        return replace(self, set=self.set + trial % 3)

    def test_sets(self) -> list[Task]:
        """Return the training set and the test set, each string in turn."""
        return [replace(self, testing=False, in_order=True), replace(self, testing=True)]

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which the embedded grammar's T or P is seen, first and again; none in the plain one."""
        return np.array([1, len(inputs) - 1]) if self.embedded else super().events(inputs)
