"""Which training sequences of a trial are recorded in full."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Flag, Whole, refusal, settings

_ALLOWED = "none, default, all, first:N, last:N, every:N, or several of them joined by commas (N at least 1)"
Count = Annotated[Whole, Field(ge=0, lt=10**9)]


@settings
class Policy:
    """What to record of each trial.

    Parameters
    ----------
    spread : bool
        About eight sequences per decade of training, with a snapshot of the weights before each.
    first, last : int
        The first and the last so many sequences.
    every : int
        Every so many sequences; 1 is all of them, 0 none.
    tests : int
        Sequences of the final test.
    """

    spread: Flag = True
    first: Count = 0
    last: Count = 5
    every: Count = 0
    tests: Count = 3

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Return the policy that a text such as "default" or "first:5,every:1000" names.

        Raises
        ------
        ValueError
            For anything but the policies above.
        """
        spread, counts = False, {"first": 0, "last": 0, "every": 0, "tests": 0}
        for part in text.split(",") if isinstance(text, str) else [""]:
            name, colon, number = part.strip().partition(":")
            if not colon and name == "none":
                continue
            counts["tests"] = cls.tests
            if not colon and name == "default":
                spread, counts["last"] = True, max(counts["last"], cls.last)
            elif not colon and name == "all":
                counts["every"] = 1
            elif name in ("first", "last", "every") and number.isascii() and number.isdigit() and 0 < int(number) < 10**9:
                counts[name] = int(number)
            else:
                raise refusal("record", text, _ALLOWED)
        return cls(spread=spread, **counts)

    def plan(self, max_sequences: int) -> npt.NDArray[np.int64]:
        """Numbers of the sequences spread over training, ascending: 0, 1, 2, 3, 4, 6, 7, 10, 13, 18, 24, ..."""
        if not self.spread:
            return np.zeros(0, np.int64)
        steps = np.arange(int(8 * np.log10(max(max_sequences, 2))) + 1)
        return np.unique(np.concatenate([[0], np.round(10 ** (steps / 8)).astype(np.int64)]))
