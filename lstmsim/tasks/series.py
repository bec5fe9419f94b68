"""A stream of one's own: a series of values in an array, each of which predicts the next."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Whole, check, floats, refusal
from lstmsim.kernels.arrays import Floats
from lstmsim.tasks.arrays import ArrayTask


def series(values: npt.ArrayLike, *, steps: int = 100, skipped: int = 100) -> ArrayTask:
    """Make a task of a series: predict the next value at every step, by what came before alone.

    Each step's input and target are standardised by the mean and the deviation of all values up to its input, of each
    variable by itself, never by later ones: so a mean squared error is one over the variance. The stream comes in sequences
    of `steps` steps, in order, over which errors are averaged: a learner that is not to be reset between them has
    ``carry="all"``. After the last whole sequence comes the first again.

    Parameters
    ----------
    values : array_like, shape (step,) or (step, variable)
        The series.
    steps : int
        Steps of a sequence.
    skipped : int
        Values before the first input, at least 2: from them come the first mean and deviation.

    Returns
    -------
    ArrayTask

    Raises
    ------
    ValueError
        Naming the argument, its value and what is allowed: a series shorter than `skipped` and one sequence, values that are
        not finite, or values that do not change before the first input.
    """
    check("steps", steps, Annotated[Whole, Field(ge=1, le=1_000_000)])
    check("skipped", skipped, Annotated[Whole, Field(ge=2)])
    try:
        x = floats(values)
    except (TypeError, ValueError, OverflowError):
        raise refusal("values", type(values).__name__, "numbers (step,) or (step, variable)") from None
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) <= skipped + steps or not x.shape[1]:
        raise refusal("the shape of values", x.shape, f"more than {skipped + steps} steps, skipped and one sequence")
    if not np.isfinite(x).all():
        raise refusal("values", "not finite somewhere", "finite numbers")
    mean, deviation = _moments(x)
    if not (deviation[skipped:] > 0).all():
        raise refusal("values", "the same in all steps that are skipped", "a series that changes there, or a larger skipped")
    places = np.arange(skipped, len(x) - 1)[: (len(x) - 1 - skipped) // steps * steps]
    parts = [((x[at] - mean[places]) / deviation[places]).reshape(-1, steps, x.shape[1]) for at in (places, places + 1)]
    return ArrayTask(*parts, in_order=True)


def _moments(x: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of all values up to each step, shape (step, variable), by Welford's recursion."""
    mean, deviation = np.zeros_like(x), np.zeros_like(x)
    now, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for t, value in enumerate(x):
        before = value - now
        now = now + before / (t + 1)
        squares = squares + before * (value - now)
        mean[t], deviation[t] = now, np.sqrt(squares / (t + 1))
    return mean, deviation
