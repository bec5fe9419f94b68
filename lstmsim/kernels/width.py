"""Numba's types of one SIMD vector and of its width, and arrays that such vectors are loaded from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core.base import BaseContext
from numba.core.datamodel import DataModelManager
from numba.core.imputils import lower_constant
from numba.core.pythonapi import _UnboxContext
from numba.core.typing import Signature
from numba.extending import NativeValue, models, register_model, typeof_impl, unbox

from lstmsim.kernels.arrays import Array

# What an intrinsic returns of types that it knows: its signature, and what writes its instructions.
Intrinsic = tuple[Signature, Callable[[BaseContext, IRBuilder, Signature, list[Value]], Value]] | None

_SCALARS = {"float": ir.DoubleType(), "int": ir.IntType(64), "mask": ir.IntType(1)}


class Width:
    """Number of lanes, as an argument of a kernel; its type is made once, for Numba asks at every call."""

    def __init__(self, lanes: int) -> None:
        self.type = WidthType(lanes)


class WidthType(types.Type):
    """Numba's type of a `Width`."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"width{lanes}")


class Lanes(types.Type):
    """Numba's type of a vector of `lanes` values of one kind: float, int (both 64 bits) or mask."""

    def __init__(self, lanes: int, kind: str = "float") -> None:
        self.lanes, self.kind = lanes, kind
        super().__init__(name=f"lanes{lanes}_{kind}")

    @property
    def llvm(self) -> ir.VectorType:
        """The LLVM type of the value."""
        return ir.VectorType(_SCALARS[self.kind], self.lanes)


@register_model(WidthType)
class _WidthModel(models.OpaqueModel):
    pass


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: DataModelManager, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)


@typeof_impl.register(Width)
def _typeof_width(value: Width, _context: BaseContext) -> WidthType:
    return value.type


@lower_constant(WidthType)
def _constant_width(context: BaseContext, _builder: IRBuilder, _type: WidthType, _value: Width) -> Value:
    return context.get_dummy_value()


@unbox(WidthType)
def _unbox_width(_type: WidthType, _value: Value, context: _UnboxContext) -> NativeValue:
    return NativeValue(context.context.get_dummy_value())


UNITS = Width(8)  # units of one trial along the vector, whatever the number of lanes


def aligned(*shape: int, dtype: npt.DTypeLike = np.float64) -> Array:
    """Zeros of `shape` on a 64-byte boundary, so that no full-width load crosses a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)
