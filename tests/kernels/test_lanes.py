"""The lane type against NumPy: every operator and the logistic functions, and the same bits at every width."""

import operator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmsim.kernels.compile import kernel
from lstmsim.kernels.logistic import logistic, logistic2, logistic4, logistic_slope
from lstmsim.kernels.vector import (
    UNITS,
    Width,
    aligned,
    fma,
    gather,
    group_sum,
    lane_bits,
    lane_max,
    lane_sum,
    load,
    load_at,
    load_one,
    lowest,
    magnitude,
    scatter,
    select,
    splat,
    store,
    store_at,
    store_where,
)

Array = NDArray[Any]
Real = np.longdouble

WIDTHS = (1, 2, 4, 8, 16)
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1e308, -1e308, 1e-300, np.inf, -np.inf, np.nan])
FLOATS = (
    "add", "sub", "mul", "truediv", "scalar_sub", "scalar_rsub", "scalar_truediv", "int_mul", "fma", "fma_scalar",
    "lt", "gt", "ge", "ne", "logistic", "logistic2_a", "logistic2_b",
    "logistic4_a", "logistic4_b", "logistic4_c", "logistic4_d", "where", "splat", "reversed", "neg", "abs", "slope",
)  # fmt: skip
LOGISTICS = tuple(name for name in FLOATS if name.startswith("logistic"))
COMPARISONS = ("lt", "gt", "ge", "ne")
INTS = ("add", "sub", "mul", "and", "scalar_add", "lt", "gt", "ge", "ne")


@kernel
def on_floats(width, lanes, x, y, z, out, order):
    """Apply everything that takes floats to the flat arrays x, y, z; result q in row q of out."""
    n = x.size
    for row in range(n // lanes):
        a, b, c, at = load(width, x, row), load(width, y, row), load(width, z, row), row * lanes
        store_at(out, at, a + b)
        store_at(out, n + at, a - b)
        store_at(out, 2 * n + at, a * b)
        store_at(out, 3 * n + at, a / b)
        store_at(out, 4 * n + at, a - 0.1)
        store_at(out, 5 * n + at, 0.1 - a)
        store_at(out, 6 * n + at, 1.0 / a)
        store_at(out, 7 * n + at, a * 3)
        store_at(out, 8 * n + at, fma(a, b, c))
        store_at(out, 9 * n + at, fma(a, 0.1, c))
        store_at(out, 10 * n + at, select(a < b, 1.0, splat(width, 0.0)))
        store_at(out, 11 * n + at, select(a > b, 1.0, splat(width, 0.0)))
        store_at(out, 12 * n + at, select(a >= b, 1.0, splat(width, 0.0)))
        store_at(out, 13 * n + at, select(a != b, 1.0, splat(width, 0.0)))
        store_at(out, 14 * n + at, logistic(a))
        p, q = logistic2(a, b)
        store_at(out, 15 * n + at, p)
        store_at(out, 16 * n + at, q)
        p, q, r, s = logistic4(a, b, c, a)
        store_at(out, 17 * n + at, p)
        store_at(out, 18 * n + at, q)
        store_at(out, 19 * n + at, r)
        store_at(out, 20 * n + at, s)
        store_at(out, 21 * n + at, b)
        store_where(a > 0.0, out, 21 * (n // lanes) + row, a)
        store(out, 22 * (n // lanes) + row, splat(width, 1.5))
        scatter(out, load(width, order, row) + 23 * n, gather(x, load(width, order, row)))
        store_at(out, 24 * n + at, -a)
        store_at(out, 25 * n + at, magnitude(a))
        store_at(out, 26 * n + at, logistic_slope(a))


@kernel
def on_ints(width, lanes, x, y, out):
    """Apply everything that takes ints to the flat arrays x, y; result q in row q of out."""
    n = x.size
    for row in range(n // lanes):
        a, b, at = load(width, x, row), load(width, y, row), row * lanes
        store_at(out, at, a + b)
        store_at(out, n + at, a - b)
        store_at(out, 2 * n + at, a * b)
        store_at(out, 3 * n + at, a & b)
        store_at(out, 4 * n + at, a + 7)
        store_at(out, 5 * n + at, select(a < b, 1 + (a - a), a - a))
        store_at(out, 6 * n + at, select(a > b, 1 + (a - a), a - a))
        store_at(out, 7 * n + at, select(a >= b, 1 + (a - a), a - a))
        store_at(out, 8 * n + at, select(a != b, 1 + (a - a), a - a))


@kernel
def reductions(width, lanes, x, positive, sums, largest, groups, copies):
    """Which of each `lanes` values are positive; sums of each eight, the largest, sums of groups, copies of the first."""
    for row in range(x.size // lanes):
        bits = lane_bits(load(width, x, row) > 0.0)
        while bits:
            positive[row * lanes + lowest(bits)] = True
            bits &= bits - 1
    for row in range(x.size // 8):
        eight = load_at(UNITS, x, 8 * row)
        sums[row], largest[row] = lane_sum(eight), lane_max(eight)
        for n in range(4):
            store_at(groups, n * x.size + 8 * row, group_sum(eight, 1 << n))
        store_at(copies, 8 * row, load_one(UNITS, x, 8 * row))


def vector(values: Any, dtype: Any = np.float64) -> Array:
    """Copy values to an aligned array, filled up with ones to a multiple of 16."""
    values = np.asarray(values, dtype)
    result = aligned(-(-len(values) // 16) * 16, dtype=dtype)
    result[:] = 1
    result[: len(values)] = values
    return result


def evaluate(x: Any, y: Any, z: Any, lanes: int = 8) -> dict[str, Array]:
    """Return the results of everything that takes floats, by name."""
    x, y, z = vector(x), vector(y), vector(z)
    order = vector(np.arange(len(x))[::-1], np.int64)
    out = aligned(len(FLOATS), len(x))
    on_floats(Width(lanes), lanes, x, y, z, out, order)
    return dict(zip(FLOATS, out, strict=True))


def bits(values: Any) -> Array:
    """Return the bit patterns, with one pattern for all NaN."""
    values = np.array(values, np.float64)
    values[np.isnan(values)] = np.nan
    return values.view(np.int64)


@pytest.fixture(scope="module")
def operands() -> tuple[Array, Array, Array]:
    """Every pair of special values, then numbers of very different sizes."""
    rng = np.random.default_rng(0)
    pairs = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    plain = rng.normal(size=(3, 2000)) * 10.0 ** rng.integers(-12, 13, (3, 2000))
    plain[1, :100] = plain[0, :100]
    x, y = (vector(np.concatenate([special, numbers])) for special, numbers in zip(pairs, plain[:2], strict=True))
    return x, y, vector(np.concatenate([pairs[0][::-1], plain[2]]))


@pytest.fixture(scope="module")
def results(operands: tuple[Array, Array, Array]) -> dict[str, Array]:
    return evaluate(*operands)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", *COMPARISONS])
def test_operator_is_that_of_numpy(operands, results, name):
    x, y, _ = operands
    expected = getattr(operator, name)(x, y).astype(np.float64)
    np.testing.assert_array_equal(bits(results[name]), bits(expected))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scalar_operands_stand_in_every_lane(operands, results):
    x, _, _ = operands
    for name, expected in (
        ("scalar_sub", x - 0.1), ("scalar_rsub", 0.1 - x), ("scalar_truediv", 1.0 / x), ("int_mul", x * 3),
        ("splat", np.full(len(x), 1.5)),
    ):  # fmt: skip
        np.testing.assert_array_equal(bits(results[name]), bits(expected), err_msg=name)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["neg", "abs"])
def test_sign(operands, results, name):
    x, _, _ = operands
    np.testing.assert_array_equal(bits(results[name]), bits(getattr(operator, name)(x)))


def test_slope_of_the_logistic_is_rounded_once(operands, results):
    x = operands[0]
    ordinary = np.abs(x) < 1e100
    for y, found in zip(x[ordinary], results["slope"][ordinary], strict=True):
        assert found == float(Fraction(float(y)) * (1 - Fraction(float(y)))), y


def test_masked_store_gather_and_scatter(operands, results):
    x, y, _ = operands
    np.testing.assert_array_equal(bits(results["where"]), bits(np.where(x > 0.0, x, y)))
    np.testing.assert_array_equal(bits(results["reversed"]), bits(x))


@pytest.mark.parametrize("lanes", WIDTHS)
def test_ints(lanes):
    rng = np.random.default_rng(1)
    x, y = (vector(rng.integers(-(2**62), 2**62, 64) >> rng.integers(0, 62, 64), np.int64) for _ in range(2))
    x[:8] = y[:8]
    out = aligned(len(INTS), len(x), dtype=np.int64)
    on_ints(Width(lanes), lanes, x, y, out)
    found = dict(zip(INTS, out, strict=True))
    for name in ("add", "sub", "mul", "lt", "gt", "ge", "ne"):
        np.testing.assert_array_equal(found[name], getattr(operator, name)(x, y), err_msg=name)
    np.testing.assert_array_equal(found["and"], x & y)
    np.testing.assert_array_equal(found["scalar_add"], x + 7)


@pytest.mark.parametrize("lanes", WIDTHS)
def test_reductions(lanes):
    rng = np.random.default_rng(2)
    x = vector(rng.normal(size=64) - 1.5)
    found, sums, largest, groups, copies = np.zeros(64, bool), np.zeros(8), np.zeros(8), np.zeros((4, 64)), np.zeros(64)
    reductions(Width(lanes), lanes, x, found, sums, largest, groups, copies)
    np.testing.assert_array_equal(found, x > 0)
    a, b, c, d, e, f, g, h = x.reshape(-1, 8).T
    np.testing.assert_array_equal(sums, ((a + b) + (c + d)) + ((e + f) + (g + h)))
    np.testing.assert_array_equal(largest, x.reshape(-1, 8).max(axis=1))
    np.testing.assert_array_equal(copies, np.repeat(a, 8))
    np.testing.assert_array_equal(groups[0], x)
    np.testing.assert_array_equal(groups[1], np.repeat(x.reshape(-1, 2).sum(axis=1), 2))
    pairs = x.reshape(-1, 2).sum(axis=1)
    np.testing.assert_array_equal(groups[2], np.repeat(pairs[::2] + pairs[1::2], 4))
    np.testing.assert_array_equal(groups[3], np.repeat(sums, 8))


def test_fma_has_one_rounding(operands, results):
    x, y, z = operands
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    finite &= (np.abs(x) < 1e100) & (np.abs(y) < 1e100) & (np.abs(z) < 1e100)
    two_roundings = 0
    for a, b, c, found, scalar in zip(
        x[finite], y[finite], z[finite], results["fma"][finite], results["fma_scalar"][finite], strict=True
    ):
        exact = float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))
        assert found == exact, (a, b, c)
        assert scalar == float(Fraction(float(a)) * Fraction(0.1) + Fraction(float(c))), (a, c)
        two_roundings += a * b + c != exact
    assert two_roundings > 50


@pytest.mark.parametrize("name", LOGISTICS)
def test_logistic_is_exact_to_3e_minus_15(name):
    grid = np.concatenate([np.linspace(-170.0, 170.0, 100_001), np.linspace(-3.0, 3.0, 50_001), [0.0, 37.0, 750.0]])
    rng = np.random.default_rng(3)
    a, b, c = grid, rng.permutation(grid), rng.permutation(grid)
    argument = b if name.endswith("_b") else c if name.endswith("_c") else a
    reference = 1 / (1 + np.exp(-argument.astype(Real)))
    found = evaluate(a, b, c)[name][: len(grid)]
    assert float(np.max(np.abs(found.astype(Real) / reference - 1))) < 3e-15
    assert found.max() <= 1.0 + 4e-16  # the shared division may end an ulp above 1


@pytest.mark.parametrize("name", LOGISTICS)
def test_logistic_limits(name):
    """The limits stand beside each other too: a product of very different numbers must not spoil either."""
    large = np.array([40.0, 1e3, 1e308, np.inf])
    for others in (large, -large):
        arguments = {"a": others, "b": others, "c": others}
        own = name[-1] if name.endswith(("_b", "_c")) else "a"
        ones = evaluate(*(arguments | {own: large}).values())[name][:4]
        np.testing.assert_allclose(ones, 1.0, rtol=1e-15)
        zeros = evaluate(*(arguments | {own: -large}).values())[name][:4]
        np.testing.assert_allclose(zeros[0], np.exp(-40.0), rtol=2e-15)
        assert ((zeros[1:] > 0.0) & (zeros[1:] < 2e-74)).all()
    assert np.isnan(evaluate([np.nan], [np.nan], [np.nan])[name][0])


def test_logistic_halves():
    zero = evaluate([0.0], [0.0], [0.0])
    assert [zero[name][0] for name in LOGISTICS] == [0.5] * 7


def test_a_lane_that_is_nan_leaves_the_others_alone():
    x = np.linspace(-5.0, 5.0, 16)
    spoilt = x.copy()
    spoilt[[1, 6, 11]] = np.nan
    clean = ~np.isnan(spoilt)
    whole, partly = evaluate(x, x + 1.0, x + 2.0), evaluate(spoilt, x + 1.0, x + 2.0)
    for name in FLOATS[: FLOATS.index("reversed")]:
        np.testing.assert_array_equal(whole[name][clean], partly[name][clean], err_msg=name)


@pytest.mark.parametrize("lanes", WIDTHS)
def test_same_bits_at_every_width(operands, results, lanes):
    for name, found in evaluate(*operands, lanes=lanes).items():
        np.testing.assert_array_equal(bits(found), bits(results[name]), err_msg=name)


def test_aligned_arrays_begin_at_a_cache_line():
    for shape in ((3,), (5, 7), (1, 4), (2, 3, 1)):
        array = aligned(*shape)
        assert array.ctypes.data % 64 == 0
        assert array.shape == shape
        assert not array.any()
        assert array.flags.c_contiguous
    assert aligned(3, dtype=np.int64).dtype == np.int64
