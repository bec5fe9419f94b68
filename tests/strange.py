"""Values that anybody may pass for an argument by mistake, and what a call may answer to them."""

import os
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

CASES = [100, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]

numbers = st.one_of(
    st.integers(-3, 12),
    st.floats(),
    st.floats(0, 1),
    st.sampled_from([2**31, 2**63, 2**64, 10**400, -(10**400), 1e308, -0.0, float("nan"), 1j, True, False]),
)
shapes = of_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
arrays = st.one_of(
    of_numpy.arrays(np.float64, shapes, elements=st.floats(-2, 2) | st.just(np.nan)),
    of_numpy.arrays(st.sampled_from([np.int8, np.uint64, np.float16, bool, complex, "U3", "M8[s]", "m8[s]"]), shapes),
    of_numpy.arrays(object, st.just((2,)), elements=st.none() | numbers | st.text(max_size=2)),
    st.just(np.ma.masked_array([0.5, 0.5], [True, False])),
)
labelled = st.one_of(
    st.builds(pd.Series, st.lists(st.floats(-1, 1), max_size=4)),
    st.builds(pd.DataFrame, st.lists(st.lists(st.floats(-1, 1), min_size=2, max_size=2), max_size=4)),
    st.builds(xr.DataArray, arrays),
    st.builds(xr.Dataset),
)
plain = st.one_of(
    numbers,
    numbers.map(lambda x: np.asarray(x)[()]),
    st.none(),
    st.text(max_size=6),
    st.binary(max_size=3),
    st.sampled_from(["F", "B", "all", "none", "step", "sequence", "g", "h", "identity", "[/]", "\ud800", "a\0b", "\n"]),
    st.sampled_from([object(), len, int, ..., np.datetime64("NaT"), pd.NA]),
)
anything = st.one_of(
    plain,
    plain,
    arrays,
    labelled,
    st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=4),
    st.dictionaries(st.text(max_size=3), numbers, max_size=2),
    st.sets(st.integers(0, 3), max_size=2),
)


def fuzz(strategy, cases, check):
    """Try `cases` examples, always the same; the number of them that were accepted."""
    accepted = []

    how = {"phases": [Phase.generate]} if "NO_SHRINK" in os.environ else {}

    @settings(
        max_examples=cases, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), **how
    )
    @given(strategy)
    def each(example):
        accepted.append(check(example))

    each()
    return sum(found is not None and found is not False for found in accepted)


def answer(call, *names, errors=(ValueError,), says="allowed"):
    """What a call returns, or None where it refuses in one line that names one of these arguments and what is allowed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return call()
    except errors as error:
        text = str(error)
        assert any(name in text for name in names), text
        assert re.search(says, text), text
        assert "\n" not in text, text
        assert len(text) < 2000, text[:300]
        return None
