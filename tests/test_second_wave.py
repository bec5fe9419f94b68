"""Published figures of the other systems that come out, and the table of NARX nets on the latch problem."""

import numpy as np
import pytest

from lstmsim import simulate

# Solved of 50 runs, percent, at T = 40, 60, 80, 100 and 150, by a program that shares no code with this one.
NARX = {
    1: (58, 0, 0, 0, 0),
    2: (100, 54, 2, 0, 0),
    3: (100, 96, 44, 6, 0),
    4: (100, 98, 90, 50, 0),
    6: (100, 100, 100, 98, 24),
}


def solved(row, trials, **settings):
    """Trials of a row that were solved."""
    return int((simulate(row, trials=trials, record="none", progress=False, **settings)[row].status == "solved").sum())


@pytest.mark.slow
@pytest.mark.parametrize("lags", NARX)
def test_narx_nets_latch_as_long_as_another_program_found(lags):
    """Two samples of 50 differ by less than 3.3 standard errors; one trial more or less where both have all or none."""
    for T, percent in zip((40, 60, 80, 100, 150), NARX[lags], strict=True):
        ours, theirs = solved(f"narx-{lags}", 50, T=T) / 50, percent / 100
        pooled = (50 * ours + 50 * theirs + 1) / 102
        assert abs(ours - theirs) < 3.3 * np.sqrt(pooled * (1 - pooled) * 2 / 50), (T, ours, theirs)


@pytest.mark.slow
def test_time_constants_bridge_the_gap_that_ordinary_units_do_not():
    """Mozer (1992), gap 10: no run of the standard net succeeds, every run with time constants does."""
    assert solved("gap-10", 25) <= 5
    assert solved("gap-10-tau", 25) == 25
