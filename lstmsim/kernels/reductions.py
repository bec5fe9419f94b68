"""Combining the lanes of a vector, in an order that the number of lanes alone decides."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I32 = ir.IntType(32)


def _neighbours(builder: Any, value: Any, distance: int) -> Any:
    """In each lane the value of the lane whose number differs in one bit."""
    lanes = value.type.count
    order = ir.Constant(ir.VectorType(_I32, lanes), [lane ^ distance for lane in range(lanes)])
    return builder.shuffle_vector(value, value, order)


def _tree(combine: Any, builder: Any, value: Any) -> Any:
    """Combine all lanes as a balanced tree: neighbours first, then pairs, and so on."""
    distance = 1
    while distance < value.type.count:
        value = combine(builder, value, _neighbours(builder, value, distance))
        distance *= 2
    return builder.extract_element(value, ir.Constant(_I32, 0))


@intrinsic
def lane_sum(_typing: Any, x: Any) -> Any:
    """Sum over the lanes, as a balanced tree: the order is fixed by the number of lanes, so use it over `UNITS` only."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _tree(lambda builder, a, b: builder.fadd(a, b), builder, args[0])

    return types.float64(x), codegen


@intrinsic
def lane_max(_typing: Any, x: Any) -> Any:
    """Largest value of the lanes; without meaning if one is NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def larger(builder: Any, a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        return _tree(larger, builder, args[0])

    return types.float64(x), codegen


@intrinsic
def group_sum(_typing: Any, x: Any, group: Any) -> Any:
    """In each lane the sum over its `group` neighbours, 1, 2, 4 or 8; the order of the additions is fixed."""

    def codegen(_context: Any, builder: Any, sig: Any, args: Any) -> Any:
        distance, total = 1, args[0]
        result = total
        while distance < total.type.count:
            total = builder.fadd(total, _neighbours(builder, total, distance))
            distance *= 2
            result = builder.select(builder.icmp_signed(">=", args[1], ir.Constant(args[1].type, distance)), total, result)
        return result

    return x(x, types.int64), codegen
