"""The logistic function on vectors, and what is made like it: IEEE operations only, the same bits at every width."""

from __future__ import annotations

from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import Lanes, fma, select
from lstmsim.kernels.width import Intrinsic


@intrinsic
def _power_of_two(_typing: Context, shifted: types.Type) -> Intrinsic:
    """2**n, where n + 1023 stands in the low bits of `shifted`: they become the exponent bits."""
    ints = Lanes(shifted.lanes, "int").llvm

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        bits = builder.shl(builder.bitcast(args[0], ints), ir.Constant(ints, [52] * ints.count))
        return builder.bitcast(bits, sig.args[0].llvm)

    return shifted(shifted), codegen


_LOG2_E = 1.4426950408889634
_MAGIC = 6755399441055744.0 + 1023.0  # 1.5 * 2**52 + 1023: adding it rounds to whole numbers and biases the exponent


@inlined
def _halves(u):
    """Two values whose ratio is 2**u for -0.5 <= u <= 0.5: even + odd and even - odd polynomial, by Chebyshev nodes."""
    u2 = u * u
    even = fma(u2, fma(u2, 0.0002289335713655609, 0.05338222142534791), 1.0)
    odd = fma(u2, fma(u2, 5.2870823838967156e-06, 0.004624840970298245), 0.34657359027997264)
    return fma(u, odd, even), fma(-u, odd, even)


@inlined
def _logistic_parts(x):
    """Numerator and denominator of f(x); x is cut to -170..700, so that the product of four denominators stays finite.

    With -x / ln 2 = n + u, n whole, exp(-x) is 2**n times the ratio of `_halves`, and f one ratio: no second division.
    """
    x = select(x < -170.0, -170.0, x)
    x = select(x > 700.0, 700.0, x)
    shifted = fma(x, -_LOG2_E, _MAGIC)
    up, down = _halves(fma(x, -_LOG2_E, _MAGIC - shifted))
    return down, fma(up, _power_of_two(shifted), down)


@inlined
def logistic(x):
    """F of (3): 1 / (1 + exp(-x)); at least 1.5e-74, NaN stays NaN."""
    over, under = _logistic_parts(x)
    return over / under


@inlined
def logistic2(a, b):
    """F of (3) for two vectors with one division."""
    over_a, a = _logistic_parts(a)
    over_b, b = _logistic_parts(b)
    both = 1.0 / (a * b)
    return over_a * b * both, over_b * a * both


@inlined
def logistic4(a, b, c, d):
    """F of (3) for four vectors with one division."""
    over_a, a = _logistic_parts(a)
    over_b, b = _logistic_parts(b)
    over_c, c = _logistic_parts(c)
    over_d, d = _logistic_parts(d)
    ab, cd = a * b, c * d
    all_four = 1.0 / (ab * cd)
    ab, cd = ab * all_four, cd * all_four
    return over_a * b * cd, over_b * a * cd, over_c * d * ab, over_d * c * ab


@inlined
def logistic_slope(y):
    """f'(net) = f (1 - f), from y = f(net)."""
    return fma(-y, y, y)


@inlined
def exponential(x):
    """Exp(x) for x up to 700, cut to -700..700; NaN stays NaN."""
    x = select(x < -700.0, -700.0, x)
    x = select(x > 700.0, 700.0, x)
    shifted = fma(x, _LOG2_E, _MAGIC)
    up, down = _halves(fma(x, _LOG2_E, _MAGIC - shifted))
    return up * _power_of_two(shifted) / down


_PI_PARTS = 1.5707963267948966, 6.123233995736766e-17  # pi / 2, and what that leaves
_QUARTERS = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to whole numbers


@inlined
def cosine_sine(x):
    """Cosine and sine of |x| up to some thousands: Taylor's series around quarter turns."""
    n = fma(x, 1.0 / _PI_PARTS[0], _QUARTERS) - _QUARTERS
    r = fma(-n, _PI_PARTS[1], fma(-n, _PI_PARTS[0], x))
    r2 = r * r
    even = fma(r2, fma(r2, 1.0 / 20922789888000.0, -1.0 / 87178291200.0), 1.0 / 479001600.0)
    even = fma(r2, even, -1.0 / 3628800.0)
    even = fma(r2, fma(r2, fma(r2, even, 1.0 / 40320.0), -1.0 / 720.0), 1.0 / 24.0)
    even = fma(r2, fma(r2, even, -0.5), 1.0)
    odd = fma(r2, fma(r2, -1.0 / 1307674368000.0, 1.0 / 6227020800.0), -1.0 / 39916800.0)
    odd = fma(r2, fma(r2, fma(r2, odd, 1.0 / 362880.0), -1.0 / 5040.0), 1.0 / 120.0)
    odd = r * fma(r2, fma(r2, odd, -1.0 / 6.0), 1.0)
    quarter = n - 4.0 * (fma(n, 0.25, _QUARTERS) - _QUARTERS)  # -2, -1, 0, 1 or 2
    turned = quarter * quarter
    cosine = select(turned > 0.5, select(turned > 2.0, -even, -quarter * odd), even)
    sine = select(turned > 0.5, select(turned > 2.0, -odd, quarter * even), odd)
    return cosine, sine
