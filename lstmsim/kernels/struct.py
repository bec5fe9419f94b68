"""Arrays and numbers that kernels share, handed over as one address.

Numba passes a tuple of arrays as several hundred arguments, and unpacks and packs them at every call: half of a kernel's
compile time, and most of the time of a call that makes a single step. A `Struct` has its field addresses and numbers in one
block of memory; a kernel gets the address of that block and reads a field where it uses it. The block never changes, only
what the arrays hold does, and the compiler is told so: reads of fields leave the loops.
"""

from __future__ import annotations

import typing
import zlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core.base import BaseContext
from numba.core.datamodel import DataModelManager
from numba.core.pythonapi import _UnboxContext
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import NativeValue, lower_getattr_generic, models, register_model, typeof_impl, unbox

from lstmsim.kernels.arrays import Ints

_I64 = ir.IntType(64)
_SCALARS = {bool: types.boolean, int: types.int64, float: types.float64}
_DTYPES = {np.dtype(t): t for t in (np.float64, np.int64, np.uint64, np.uint8, np.bool_)}


@typing.dataclass_transform(frozen_default=True)
class Struct:
    """Base of structs: the annotations of a subclass name its fields, in the order of its arguments.

    A field holds a C-contiguous array of float64, int64, uint64, uint8 or bool, a number, a truth value, another struct, or
    an object that is only a type to kernels, such as a `Width`. Fields cannot be replaced; what arrays hold can.

    Attributes
    ----------
    type : StructType
        Numba's type.
    address : int
        Where the block of memory begins that kernels read.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    type: ClassVar[StructType]
    address: ClassVar[int]

    def __init_subclass__(cls) -> None:
        cls.fields = tuple(cls.__annotations__)
        if taken := {"fields", "type", "address", "memory"} & set(cls.fields):
            raise TypeError(f"{cls.__name__} has fields {sorted(taken)}; allowed: names that structs do not have themselves")

    def __init__(self, *values: object, **named: object) -> None:
        given = dict(zip(self.fields, values, strict=False)) | named
        if len(values) + len(named) != len(given) or set(given) != set(self.fields):
            raise TypeError(f"{type(self).__name__} takes each of {self.fields} once, not {len(values)} and {sorted(named)}")
        vars(self).update({name: given[name] for name in self.fields})
        kinds, slots = [], np.zeros(0, np.int64)
        for name in self.fields:
            kind, words = _packed(name, given[name])
            kinds.append((name, kind))
            slots = np.concatenate([slots, words])
        vars(self).update(type=StructType(type(self).__name__, tuple(kinds)), memory=slots, address=slots.ctypes.data)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of {type(self).__name__} cannot be replaced; what an array holds can")

    def __iter__(self) -> Iterator[Any]:
        """Values of the fields in their order."""
        return (vars(self)[name] for name in self.fields)

    def __reduce__(self) -> tuple[object, ...]:
        """Copies have memory of their own; arrays that are one array stay one."""
        return type(self), tuple(self)


def _packed(name: str, value: object) -> tuple[types.Type, Ints]:
    """Numba's type of a field and the words it takes in the block: an array's address and shape, a number, an address."""
    if isinstance(value, np.ndarray):
        if value.dtype not in _DTYPES or not value.flags.c_contiguous:
            raise TypeError(f"{name} is {value.dtype}; allowed: a C-contiguous array of {[str(d) for d in _DTYPES]}")
        kind = types.Array(types.boolean if value.dtype == bool else getattr(types, str(value.dtype)), value.ndim, "C")
        return kind, np.array([value.ctypes.data, *value.shape], np.int64)
    if isinstance(value, Struct):
        return value.type, np.array([value.address], np.int64)
    if isinstance(value, bool | int | float) and type(value) in _SCALARS:
        word = np.array([value], np.float64).view(np.int64) if isinstance(value, float) else np.array([int(value)], np.int64)
        return _SCALARS[type(value)], word
    if isinstance(own := getattr(value, "type", None), types.Type):
        return own, np.zeros(0, np.int64)
    raise TypeError(f"{name} is {value!r}; allowed: an array, a number, a truth value or a struct")


def _words(kind: types.Type) -> int:
    """Words that a field takes in the block."""
    return (
        1 + kind.ndim if isinstance(kind, types.Array) else int(isinstance(kind, StructType | types.Number | types.Boolean))
    )


def _code(kind: types.Type) -> str:
    """A field's type in few letters: Numba compares types by their names, often."""
    if isinstance(kind, types.Array):
        return f"{np.dtype(str(kind.dtype)).str[1:]}x{kind.ndim}"
    return kind.name if isinstance(kind, StructType) else str(kind)


class StructType(types.Type):
    """Numba's type of a struct with given fields."""

    def __init__(self, name: str, kinds: tuple[tuple[str, types.Type], ...]) -> None:
        self.kinds = dict(kinds)
        self.places, place = {}, 0
        for field, kind in kinds:
            self.places[field] = place
            place += _words(kind)
        fields = zlib.crc32(",".join(self.kinds).encode())  # structs of one name and other fields are other types
        super().__init__(name=f"{name}{fields:x}({','.join(_code(kind) for _, kind in kinds)})")


@register_model(StructType)
class _StructModel(models.PrimitiveModel):
    def __init__(self, dmm: DataModelManager, fe_type: StructType) -> None:
        super().__init__(dmm, fe_type, _I64.as_pointer())


@typeof_impl.register(Struct)
def _typeof(value: Struct, _context: BaseContext) -> StructType:
    return value.type


@unbox(StructType)
def _unbox(_type: StructType, value: Value, c: _UnboxContext) -> NativeValue:
    number = c.pyapi.object_getattr_string(value, "address")
    address = c.builder.bitcast(c.pyapi.long_as_voidptr(number), _I64.as_pointer())
    c.pyapi.decref(number)
    return NativeValue(address)


@infer_getattr
class _StructAttributes(AttributeTemplate):
    key = StructType

    def generic_resolve(self, struct: StructType, attribute: str) -> types.Type | None:
        return struct.kinds.get(attribute)


@lower_getattr_generic(StructType)
def _getattr(context: BaseContext, builder: IRBuilder, struct: StructType, value: Value, attribute: str) -> Value:
    """Read one field; an array is put together as Numba has it, and what is not used of it costs nothing."""
    kind, place = struct.kinds[attribute], struct.places[attribute]

    def word(n: int, of: ir.Type = _I64) -> Value:
        slot = builder.bitcast(builder.gep(value, [ir.Constant(_I64, place + n)]), of.as_pointer())
        loaded = builder.load(slot, typ=of)
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    if not _words(kind):
        return context.get_dummy_value()
    if isinstance(kind, types.Array):
        return _array(context, builder, kind, word)
    if isinstance(kind, StructType):
        return word(0, _I64.as_pointer())
    if kind == types.float64:
        return word(0, ir.DoubleType())
    return builder.trunc(word(0), ir.IntType(1)) if kind == types.boolean else word(0)


def _array(context: BaseContext, builder: IRBuilder, kind: types.Array, word: Callable[..., Value]) -> Value:
    """The value of an array from its address, word 0, and its shape, the words after it."""
    value_type, itemsize = context.get_value_type(kind), np.dtype(str(kind.dtype)).itemsize
    fields = dict(zip(("meminfo", "parent", "nitems", "itemsize", "data", "shape", "strides"), range(7), strict=True))
    result, count = ir.Constant(value_type, None), ir.Constant(_I64, 1)
    for axis in reversed(range(kind.ndim)):
        size = word(1 + axis)
        result = builder.insert_value(
            result, builder.mul(count, ir.Constant(_I64, itemsize), flags=["nsw"]), [fields["strides"], axis]
        )
        result = builder.insert_value(result, size, [fields["shape"], axis])
        count = builder.mul(count, size, flags=["nsw"])
    data = word(0, value_type.elements[fields["data"]])
    for name, value in (("nitems", count), ("itemsize", ir.Constant(_I64, itemsize)), ("data", data)):
        result = builder.insert_value(result, value, [fields[name]])
    return result
