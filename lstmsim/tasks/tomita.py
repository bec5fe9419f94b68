"""The seven languages of Tomita (1982) over 0 and 1: tell at the end of a string whether it is one of the language."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Flag, Real, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, Task, register

_STREAM = 1982  # keeps the draws of the training strings apart from those of the trials
_END = 2  # symbol after the string
_NOT_3 = re.compile("(.*0)?1(11)*(0.*1)?0(00)*(1.*)?")  # a run of 1s and a later one of 0s, both of odd length


def belongs(language: int, string: str) -> bool:
    """Whether a string of 0 and 1 is one of a language's, number 1 to 7."""
    ones, zeros = string.count("1"), string.count("0")
    return (
        zeros == 0,
        string == "10" * (len(string) // 2),
        _NOT_3.fullmatch(string) is None,
        "000" not in string,
        zeros % 2 == ones % 2 == 0,
        (zeros - ones) % 3 == 0,
        re.fullmatch("0*1*0*1*", string) is not None,
    )[language - 1]


@cache
def _strings(language: int, longest: int, share: float, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Strings trained on, those outside the language first, and how many they are.

    String n, from 1, is the binary notation of n without its leading 1.
    """
    accepted = np.array([False, *(belongs(language, f"{n:b}"[1:]) for n in range(1, 2 ** (longest + 1)))])
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((_STREAM, number, language, longest))))
    kinds = [np.flatnonzero(accepted == kind)[0 if kind else 1 :] for kind in (False, True)]  # 0 is no string
    if share < 1:
        kinds = [np.sort(random.choice(kind, max(1, round(share * len(kind))), replace=False)) for kind in kinds]
    return np.concatenate(kinds), np.array([len(kind) for kind in kinds])


@kernel
def fill(sequences, horizon, strings, counts, balanced, in_order):
    """Write strings and the end symbol, at which the class is learned; drawn in equal shares of both classes, or of all."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            place = sequences.index[lane] % strings.size
            key, start, _row = begin_sequence(sequences, lane)
            if not in_order and balanced:
                inside = below(key, 0, 2)
                place = inside * counts[0] + below(key, 1, counts[inside])
            elif not in_order:
                place = below(key, 1, strings.size)
            string, length = strings[place], 0
            while string >> (length + 1):
                length += 1
            for t in range(length):
                sequences.symbol[start + t, lane] = string >> (length - 1 - t) & 1
            sequences.symbol[start + length, lane] = _END
            inside = 1 if place >= counts[0] else 0
            set_target(sequences, lane, start + length, inside, inside)
            end_sequence(sequences, lane, length + 1)


@register("tomita")
@settings
class Tomita(CompiledTask):
    """Say at the end symbol after a string of 0 and 1 whether it is one of a language's: 1, or 0; correct within 0.5.

    1: 1*. 2: (10)*. 3: no run of 0s of odd length after a run of 1s of odd length. 4: no 000. 5: 0s and 1s in even numbers.
    6: the number of 0s minus that of 1s is a multiple of 3. 7: 0*1*0*1*. Tests go through all strings up to `longest`,
    in order: 2047 with the default, so that ``final_test=2047`` takes each once.

    Parameters
    ----------
    language : int
        Its number.
    longest : int
        Longest string, from 2 on: all languages then have strings of both classes.
    share : float
        Share of the strings of each class that are trained on, at least one; which ones depends on `set` alone.
    set : int
        Number of the set of training strings.
    balanced : bool
        Strings of the language and others come equally often; otherwise all that are trained on do.
    in_order : bool
        Sequence i is string i modulo their number instead.
    """

    language: Annotated[Whole, Field(ge=1, le=7)] = 1
    longest: Annotated[Whole, Field(ge=2, le=16)] = 10
    share: Annotated[Real, Field(gt=0, le=1)] = 0.1
    set: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    balanced: Flag = True
    in_order: Flag = False

    n_inputs: ClassVar[int] = 3
    n_outputs: ClassVar[int] = 1
    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.5
    min_length: ClassVar[int] = 1

    @property
    def max_length(self) -> int:
        """Longest sequence in steps: the longest string and the end symbol."""
        return self.longest + 1

    def fixed_rows(self) -> Floats:
        """Targets of strings that are not in the language, and of those that are."""
        return np.array([[0.0], [1.0]])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        strings, counts = _strings(self.language, self.longest, self.share, self.set)
        return fill, (strings, counts, self.balanced, self.in_order)

    def test_sets(self) -> list[Task]:
        """Return all strings, each in turn."""
        return [replace(self, share=1.0, in_order=True)]

    def events(self, inputs: Floats) -> Steps:
        """Find the step at which the end symbol is seen: the last."""
        return np.array([len(inputs) - 1])
