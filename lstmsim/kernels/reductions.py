"""Combining the lanes of a vector, in an order that the number of lanes alone decides; what LLVM does to each."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from lstmsim.kernels.width import Intrinsic, Lanes

_I32 = ir.IntType(32)


def _neighbours(builder: IRBuilder, value: Value, distance: int) -> Value:
    """In each lane the value of the lane whose number differs in one bit."""
    lanes = value.type.count
    order = ir.Constant(ir.VectorType(_I32, lanes), [lane ^ distance for lane in range(lanes)])
    return builder.shuffle_vector(value, value, order)


def _tree(combine: Callable[[IRBuilder, Value, Value], Value], builder: IRBuilder, value: Value) -> Value:
    """Combine all lanes as a balanced tree: neighbours first, then pairs, and so on."""
    distance = 1
    while distance < value.type.count:
        value = combine(builder, value, _neighbours(builder, value, distance))
        distance *= 2
    return builder.extract_element(value, ir.Constant(_I32, 0))


@intrinsic
def lane_sum(_typing: Context, x: types.Type) -> Intrinsic:
    """Sum over the lanes, as a balanced tree: the order is fixed by the number of lanes, so use it over `UNITS` only."""

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        return _tree(lambda builder, a, b: builder.fadd(a, b), builder, args[0])

    return types.float64(x), codegen


@intrinsic
def lane_max(_typing: Context, x: types.Type) -> Intrinsic:
    """Largest value of the lanes; without meaning if one is NaN."""

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        def larger(builder: IRBuilder, a: Value, b: Value) -> Value:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        return _tree(larger, builder, args[0])

    return types.float64(x), codegen


@intrinsic
def group_sum(_typing: Context, x: types.Type, group: types.Type) -> Intrinsic:
    """In each lane the sum over its `group` neighbours, 1, 2, 4 or 8; the order of the additions is fixed."""

    def codegen(_context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        distance, total = 1, args[0]
        result = total
        while distance < total.type.count:
            total = builder.fadd(total, _neighbours(builder, total, distance))
            distance *= 2
            result = builder.select(builder.icmp_signed(">=", args[1], ir.Constant(args[1].type, distance)), total, result)
        return result

    return x(x, types.int64), codegen


@intrinsic
def lane_bits(_typing: Context, mask: types.Type) -> Intrinsic:
    """A mask as a whole number: bit n is set where the mask holds in lane n."""

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        return builder.zext(builder.bitcast(args[0], ir.IntType(sig.args[0].lanes)), ir.IntType(64))

    return types.int64(mask), codegen


@intrinsic
def lowest(_typing: Context, bits: types.Type) -> Intrinsic:
    """Number of the lowest bit that is set in a whole number other than 0."""

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


def _of_each(x: types.Type, instruction: str) -> Intrinsic:
    """An instruction on every lane of a vector of floats."""
    if not (isinstance(x, Lanes) and x.kind == "float"):
        return None

    def codegen(_context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        kind = ir.FunctionType(sig.args[0].llvm, [sig.args[0].llvm])
        name = f"llvm.{instruction}.v{sig.args[0].lanes}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return x(x), codegen


@intrinsic
def magnitude(_typing: Context, x: types.Type) -> Intrinsic:
    """|x|."""
    return _of_each(x, "fabs")


@intrinsic
def square_root(_typing: Context, x: types.Type) -> Intrinsic:
    """The square root, correctly rounded."""
    return _of_each(x, "sqrt")
