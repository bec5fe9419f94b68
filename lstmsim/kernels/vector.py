"""A Numba type whose value is one SIMD vector: one trial, or one unit, per lane.

Kernels written with it read like the scalar equations and compile to full-width vector code without fastmath and without
the auto-vectorizer. Every operation is element-wise, so the bits in a lane do not depend on how many lanes there are.
The width is known at compile time through a `Width` argument, which carries no data.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.imputils import lower_builtin
from numba.core.typing import Context, Signature
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic

from lstmsim.kernels.reductions import group_sum, lane_bits, lane_max, lane_sum, lowest, magnitude, square_root
from lstmsim.kernels.width import UNITS, Intrinsic, Lanes, Width, WidthType, aligned

__all__ = [
    "UNITS",
    "Lanes",
    "Width",
    "WidthType",
    "aligned",
    "fma",
    "gather",
    "group_sum",
    "lane_bits",
    "lane_max",
    "lane_sum",
    "load",
    "load_at",
    "load_one",
    "lowest",
    "magnitude",
    "marked_bytes",
    "scatter",
    "select",
    "splat",
    "square_root",
    "store",
    "store_at",
    "store_where",
]

Instruction = Callable[[IRBuilder, Value, Value], Value]

_DTYPES = (types.float64, types.int64, types.uint8)  # vectors of bytes are whole numbers
_I8, _I32, _I64, _F64 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()


def _splat(builder: IRBuilder, scalar: Value, vector: ir.VectorType) -> Value:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, vector.count), [ir.Constant(_I32, 0)] * vector.count)
    return builder.shuffle_vector(first, undefined, zeros)


def _as_vector(context: BaseContext, builder: IRBuilder, value: Value, given: types.Type, wanted: Lanes) -> Value:
    """The value itself if it is a vector, else the scalar in every lane."""
    if isinstance(given, Lanes):
        return value
    scalar = types.float64 if wanted.kind == "float" else types.int64
    return _splat(builder, context.cast(builder, value, given, scalar), wanted.llvm)


def _vector_of(*given: types.Type) -> Lanes | None:
    """The vector type among the arguments, if they can be combined."""
    vectors = [g for g in given if isinstance(g, Lanes)]
    if not vectors or any(v != vectors[0] for v in vectors):
        return None
    if any(not isinstance(g, Lanes | types.Number) for g in given):
        return None
    return vectors[0]


def _operator(function: Callable[..., object], opcodes: dict[str, Instruction], result: str | None = None) -> None:
    """Teach Numba one binary operator on vectors: `opcodes` maps the kind to the instruction."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Signature | None:
            if len(args) != 2 or kws:
                return None
            vector = _vector_of(*args)
            if vector is None or vector.kind not in opcodes:
                return None
            return signature(Lanes(vector.lanes, result) if result else vector, *args)

    def lower(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        vector = _vector_of(*sig.args)
        assert vector is not None
        left, right = (_as_vector(context, builder, a, t, vector) for a, t in zip(args, sig.args, strict=True))
        return opcodes[vector.kind](builder, left, right)

    for pair in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(function, *pair)(lower)


def _instruction(name: str) -> Instruction:
    return lambda builder, left, right: getattr(builder, name)(left, right)


def _compare(sign: str) -> dict[str, Instruction]:
    compare = "fcmp_unordered" if sign == "!=" else "fcmp_ordered"  # NaN != NaN, every other comparison is false
    return {
        "float": lambda builder, left, right: getattr(builder, compare)(sign, left, right),
        "int": lambda builder, left, right: builder.icmp_signed(sign, left, right),
    }


for _function, _float, _int in (
    (operator.add, "fadd", "add"),
    (operator.sub, "fsub", "sub"),
    (operator.mul, "fmul", "mul"),
):
    _operator(_function, {"float": _instruction(_float), "int": _instruction(_int)})
_operator(operator.and_, {"int": _instruction("and_")})
_operator(operator.truediv, {"float": _instruction("fdiv")})


@infer_global(operator.neg)
class _Negative(AbstractTemplate):
    def generic(self, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Signature | None:
        known = len(args) == 1 and isinstance(args[0], Lanes) and args[0].kind == "float"
        return signature(args[0], *args) if known and not kws else None


@lower_builtin(operator.neg, Lanes)
def _negate(_context: BaseContext, builder: IRBuilder, _sig: Signature, args: list[Value]) -> Value:
    return builder.fneg(args[0])


for _function, _sign in ((operator.lt, "<"), (operator.gt, ">"), (operator.ge, ">="), (operator.ne, "!=")):
    _operator(_function, _compare(_sign), result="mask")


def _pointer(context: BaseContext, builder: IRBuilder, array_type: types.Array, array: Value, element: Value) -> Value:
    """Address of an element by its flat position; in an array with gaps the last stride leads from one to the next.

    An array in Fortran's order is one lane's (1, row, column), and the position counts along its rows all the same.
    """
    made = context.make_array(array_type)(context, builder, array)
    if array_type.layout == "C":
        return builder.gep(made.data, [element])
    if array_type.layout == "F":
        sizes = (builder.extract_value(made.shape, dim) for dim in (1, 2))
        rows, columns, number = (builder.trunc(value, _I32) for value in (*sizes, element))  # a GPU divides them sooner
        first = builder.mul(builder.urem(number, columns), rows)
        return builder.gep(made.data, [builder.zext(builder.add(first, builder.udiv(number, columns)), _I64)])
    offset = builder.mul(element, builder.extract_value(made.strides, array_type.ndim - 1))
    first = builder.bitcast(made.data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(first, [offset], source_etype=ir.IntType(8)), made.data.type)


def _is_array(array: types.Type) -> bool:
    """Whether kernels know the array: contiguous, or one thread's share of what many have (`lstmsim.kernels.thread`)."""
    return isinstance(array, types.Array) and array.layout in "CAF" and array.dtype in _DTYPES


def _gathered(
    context: BaseContext,
    builder: IRBuilder,
    array_type: types.Array,
    array: Value,
    elements: list[Value],
    vector: ir.Type,
) -> Value:
    """The vector of what stands at so many flat positions."""
    value = ir.Constant(vector, ir.Undefined)
    for lane, element in enumerate(elements):
        pointer = _pointer(context, builder, array_type, array, element)
        loaded = builder.load(pointer)
        loaded = builder.zext(loaded, vector.element) if array_type.dtype == types.uint8 else loaded
        value = builder.insert_element(value, loaded, ir.Constant(_I32, lane))
    return value


def _scatter(
    context: BaseContext,
    builder: IRBuilder,
    array_type: types.Array,
    array: Value,
    elements: list[Value],
    value: Value,
) -> None:
    """Write the vector to so many flat positions."""
    for lane, element in enumerate(elements):
        one = builder.extract_element(value, ir.Constant(_I32, lane))
        one = builder.trunc(one, _I8) if array_type.dtype == types.uint8 else one
        builder.store(one, _pointer(context, builder, array_type, array, element))


def _from(builder: IRBuilder, element: Value, count: int) -> list[Value]:
    """The flat positions from `element` on."""
    return [builder.add(element, ir.Constant(_I64, n)) for n in range(count)]


def _each(builder: IRBuilder, elements: Value) -> list[Value]:
    """The lanes' values of a vector of ints."""
    return [builder.extract_element(elements, ir.Constant(_I32, lane)) for lane in range(elements.type.count)]


def _lanes_of(width: WidthType, array: types.Array) -> Lanes:
    return Lanes(width.lanes, "float" if array.dtype == types.float64 else "int")


def _loading(width: WidthType, array: types.Array, rows_of: int) -> Intrinsic:
    """Signature and code of a load that begins at a multiple of `rows_of` elements."""
    vector = _lanes_of(width, array)

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        element = builder.mul(args[2], ir.Constant(_I64, rows_of))
        if sig.args[1].layout != "C":
            elements = _from(builder, element, vector.lanes)
            return _gathered(context, builder, sig.args[1], args[1], elements, vector.llvm)
        pointer = _pointer(context, builder, sig.args[1], args[1], element)
        if sig.args[1].dtype == types.uint8:
            few = ir.VectorType(_I8, vector.lanes)
            return builder.zext(builder.load(builder.bitcast(pointer, few.as_pointer()), align=1, typ=few), vector.llvm)
        return builder.load(builder.bitcast(pointer, vector.llvm.as_pointer()), align=8, typ=vector.llvm)

    return vector(width, array, types.intp), codegen


def _storing(array: types.Array, value: Lanes, rows_of: int) -> Intrinsic:
    """The same for a store."""

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        element = builder.mul(args[1], ir.Constant(_I64, rows_of))
        if sig.args[0].layout != "C":
            _scatter(context, builder, sig.args[0], args[0], _from(builder, element, sig.args[2].lanes), args[2])
            return context.get_dummy_value()
        pointer, value, align = _pointer(context, builder, sig.args[0], args[0], element), args[2], 8
        if sig.args[0].dtype == types.uint8:
            value, align = builder.trunc(value, ir.VectorType(_I8, sig.args[2].lanes)), 1
        builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def load(_typing: Context, width: types.Type, array: types.Type, row: types.Type) -> Intrinsic:
    """Row `row` of a contiguous array whose rows are one vector long."""
    return _loading(width, array, width.lanes) if isinstance(width, WidthType) and _is_array(array) else None


@intrinsic
def load_at(_typing: Context, width: types.Type, array: types.Type, element: types.Type) -> Intrinsic:
    """The `width` values of a contiguous array from flat position `element` on."""
    return _loading(width, array, 1) if isinstance(width, WidthType) and _is_array(array) else None


@intrinsic
def marked_bytes(_typing: Context, array: types.Type, element: types.Type) -> Intrinsic:
    """Which of the 32 values of a contiguous array of uint8 from flat position `element` on are not 0, as bits."""
    if not (isinstance(array, types.Array) and array.layout == "C" and array.dtype == types.uint8):
        return None

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        kind = ir.VectorType(_I8, 32)
        pointer = builder.bitcast(_pointer(context, builder, sig.args[0], args[0], args[1]), kind.as_pointer())
        marked = builder.icmp_unsigned("!=", builder.load(pointer, align=1, typ=kind), ir.Constant(kind, None))
        return builder.zext(builder.bitcast(marked, _I32), _I64)

    return types.int64(array, types.intp), codegen


@intrinsic
def load_one(_typing: Context, width: types.Type, array: types.Type, element: types.Type) -> Intrinsic:
    """One value of a contiguous float64 array, in every lane."""
    if not (isinstance(width, WidthType) and _is_array(array)):
        return None
    vector = Lanes(width.lanes)

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        return _splat(builder, builder.load(_pointer(context, builder, sig.args[1], args[1], args[2])), vector.llvm)

    return vector(width, array, types.intp), codegen


@intrinsic
def store(_typing: Context, array: types.Type, row: types.Type, value: types.Type) -> Intrinsic:
    """Write row `row` of a contiguous array whose rows are one vector long."""
    return _storing(array, value, value.lanes) if _is_array(array) and isinstance(value, Lanes) else None


@intrinsic
def store_at(_typing: Context, array: types.Type, element: types.Type, value: types.Type) -> Intrinsic:
    """Write a vector to a contiguous array from flat position `element` on."""
    return _storing(array, value, 1) if _is_array(array) and isinstance(value, Lanes) else None


@intrinsic
def store_where(_typing: Context, mask: types.Type, array: types.Type, row: types.Type, value: types.Type) -> Intrinsic:
    """Write row `row`, only the lanes where the mask holds."""
    if not (isinstance(mask, Lanes) and _is_array(array) and isinstance(value, Lanes)):
        return None

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        vector = sig.args[3].llvm
        element = builder.mul(args[2], ir.Constant(_I64, vector.count))
        if sig.args[1].layout != "C":
            elements = _from(builder, element, vector.count)
            before = _gathered(context, builder, sig.args[1], args[1], elements, vector)
            _scatter(context, builder, sig.args[1], args[1], elements, builder.select(args[0], args[3], before))
            return context.get_dummy_value()
        pointer = builder.bitcast(_pointer(context, builder, sig.args[1], args[1], element), vector.as_pointer())
        name = f"llvm.masked.store.v{vector.count}f64.p0"
        kind = ir.FunctionType(ir.VoidType(), [vector, vector.as_pointer(), _I32, sig.args[0].llvm])
        builder.call(
            cgutils.get_or_insert_function(builder.module, kind, name),
            [args[3], pointer, ir.Constant(_I32, 8), args[0]],
        )
        return context.get_dummy_value()

    return types.void(mask, array, types.intp, value), codegen


@intrinsic
def gather(_typing: Context, array: types.Type, elements: types.Type) -> Intrinsic:
    """One value per lane, from the flat positions `elements` (a vector of ints) of a contiguous float64 array."""
    if not (_is_array(array) and isinstance(elements, Lanes) and elements.kind == "int"):
        return None
    vector = Lanes(elements.lanes)

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        return _gathered(context, builder, sig.args[0], args[0], _each(builder, args[1]), vector.llvm)

    return vector(array, elements), codegen


@intrinsic
def scatter(_typing: Context, array: types.Type, elements: types.Type, value: types.Type) -> Intrinsic:
    """Write one value per lane to the flat positions `elements` of a contiguous float64 array."""
    if not (_is_array(array) and isinstance(elements, Lanes) and elements.kind == "int"):
        return None

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        _scatter(context, builder, sig.args[0], args[0], _each(builder, args[1]), args[2])
        return context.get_dummy_value()

    return types.void(array, elements, value), codegen


@intrinsic
def fma(_typing: Context, x: types.Type, y: types.Type, z: types.Type) -> Intrinsic:
    """X * y + z with one rounding; any of the three may be a scalar."""
    vector = _vector_of(x, y, z)
    if vector is None or vector.kind != "float":
        return None

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        values = [_as_vector(context, builder, a, t, vector) for a, t in zip(args, sig.args, strict=True)]
        kind = ir.FunctionType(vector.llvm, [vector.llvm] * 3)
        name = f"llvm.fma.v{vector.lanes}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return vector(x, y, z), codegen


@intrinsic
def splat(_typing: Context, width: types.Type, value: types.Type) -> Intrinsic:
    """The same float in every lane."""
    if not isinstance(width, WidthType):
        return None
    vector = Lanes(width.lanes)

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        return _as_vector(context, builder, args[1], sig.args[1], vector)

    return vector(width, value), codegen


@intrinsic
def select(_typing: Context, mask: types.Type, x: types.Type, y: types.Type) -> Intrinsic:
    """Per lane: x where the mask holds, else y; either may be a scalar."""
    vector = _vector_of(x, y)
    if vector is None:
        return None

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        left, right = (_as_vector(context, builder, a, t, vector) for a, t in zip(args[1:], sig.args[1:], strict=True))
        return builder.select(args[0], left, right)

    return vector(mask, x, y), codegen
