"""One lane's share of structs that thousands of lanes have in common, as a kernel for one lane sees it.

On a GPU every trial is one thread. What the threads work on stands in one piece of memory with the thread last: word n of
thread t is number n * threads + t, so that neighbours read neighbouring words. `Layout` says where each array of some
structs begins. Kernels get a thread's share of a struct, which has its fields, and are compiled from the same Python
functions as for the lanes of a CPU. Numbers are constants in them. Small arrays are copied to memory of the thread's own
while a kernel runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.datamodel import DataModelManager
from numba.core.imputils import lower_constant
from numba.core.typing import Context, Signature
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, lower_getattr_generic, models, register_model, typeof_impl
from numba.np.arrayobj import populate_array

from lstmsim.kernels.arrays import Array, Words
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.warp import here
from lstmsim.kernels.width import Intrinsic

Part = Struct | Array | tuple[object, ...]
Field = tuple[types.Type, Any]  # type in kernels, and what is needed to read it: for each type something else

FIRST = 4  # slots before those of copies: the thread's number, the distance and the first of its words, the table
OWN = 512  # words of an array that is copied to memory of the thread's own
_I8, _I64 = ir.IntType(8), ir.IntType(64)
_GLOBAL = 1  # LLVM's number of the memory that all threads have
_NUMBERS = {bool: types.boolean, int: types.int64, float: types.float64}


class Place:
    """Where an array stands: its first word in a thread's share, its number among all, whether it is copied or near."""

    def __init__(self, array: Array, first: int, slot: int, *, own: bool = False, near: bool = False) -> None:
        self.array, self.first, self.slot, self.own, self.near = array, first, slot, own, near

    @property
    def words(self) -> int:
        """Words that it takes, one for each element."""
        return self.array.size

    def __repr__(self) -> str:
        """What kernels are compiled for."""
        return f"{self.array.dtype}{self.array.shape}@{self.first}{'own' if self.own else 'near' if self.near else ''}"


class Layout:
    """Where the arrays of structs for one lane stand in the memory of many threads.

    Parameters
    ----------
    parts : mapping
        Structs, tuples of them, or arrays, by the names that kernels have for them. Small arrays of tuples are copied.
    table : ndarray
        One of the arrays, which all threads have in common.
    row : tuple of (Struct, str, int), optional
        A whole number of a struct that differs between threads, and by how much from one thread to the next.
    bulk : sequence of ndarray, optional
        Arrays that only kernels work on: they come last, and `read` and `write` leave them out.
    near : sequence of ndarray, optional
        Arrays (1, row, column) of float64 of which a step needs one column, which differs between threads. They stand thread
        by thread, a column's words one after another: a GPU reads 32 bytes at least.

    Attributes
    ----------
    words : int
        Words of a thread.
    kept : int
        Words of them that `read` and `write` copy.
    near : tuple of int
        The first word that stands near, and how many do.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        table: Array,
        row: tuple[Struct | None, str, int] = (None, "", 0),
        bulk: Sequence[Array] = (),
        near: Sequence[Array] = (),
    ) -> None:
        self.parts, self.table, self.row = dict(parts), table, row
        self.places: dict[int, Place] = {}
        self.words = 0
        last = {id(array) for array in (*bulk, *near)}
        for part in self.parts.values():
            self._enter(part, last, own=isinstance(part, tuple))
        first = self.words
        for array in near:
            if id(array) not in self.places:
                self.places[id(array)] = Place(array, self.words, FIRST + len(self.places), near=True)
                self.words += -(-array.size // 4) * 4
        self.kept, self.near = self.words, (first, self.words - first)
        for array in bulk:
            self._enter(array, set(), own=False)
        self.slots = FIRST + len(self.places)
        self.type = ShareType("world", tuple((name, self._field(part)) for name, part in self.parts.items()))

    def _enter(self, part: object, without: Collection[int], *, own: bool) -> None:
        if isinstance(part, np.ndarray):
            if part is self.table or id(part) in self.places or id(part) in without:
                return
            own = own and part.dtype.itemsize == 8 and 0 < part.size <= OWN
            self.places[id(part)] = Place(part, self.words, FIRST + len(self.places), own=own)
            self.words += part.size
        elif isinstance(part, Struct | tuple):
            for value in part:
                self._enter(value, without, own=own)

    def row_of(self, array: Array) -> int:
        """Number of an array's first word in a thread's share."""
        return self.places[id(array)].first

    def _kept(self) -> Iterator[Place]:
        return (place for place in self.places.values() if place.first + place.words <= self.kept)

    def _field(self, value: object, name: str = "", of: Struct | None = None) -> Field:
        """A field's type in kernels, and what is needed to read it."""
        if isinstance(value, np.ndarray):
            of_table = value is self.table
            kind = types.Array(types.boolean if value.dtype == bool else getattr(types, str(value.dtype)), value.ndim, "A")
            place = None if of_table else self.places[id(value)]
            if of_table or (place and place.own):
                kind = kind.copy(layout="C")
            if place and place.near:
                return kind.copy(layout="F"), (value.shape, place, *self.near)
            return kind, (value.shape, place)
        if isinstance(value, Struct):
            fields = tuple((field, self._field(v, field, value)) for field, v in zip(value.fields, value, strict=True))
            return ShareType(type(value).__name__, fields), None
        if isinstance(value, tuple):
            fields = tuple(self._field(v) for v in value)
            return types.NamedTuple([kind for kind, _ in fields], type(value)), fields
        if of is not None and of is self.row[0] and name == self.row[1]:
            return types.int64, (value, self.row[2])
        if type(value) in _NUMBERS:
            return _NUMBERS[type(value)], value
        return getattr(value, "type", None), None

    def read(self, column: Words) -> None:
        """Copy one thread's words into the structs' arrays."""
        for place in self._kept():
            words = column[place.first : place.first + place.words]
            values = words.view(place.array.dtype) if place.array.dtype != bool else words != 0
            place.array[...] = values.reshape(place.array.shape, order="F" if place.near else "C")

    def write(self, column: Words) -> None:
        """Copy the structs' arrays into one thread's words."""
        for place in self._kept():
            values = place.array.reshape(-1, order="F" if place.near else "C")
            words = values.view(np.uint64) if values.dtype != bool else values.astype(np.uint64)
            column[place.first : place.first + place.words] = words


class ShareType(types.Type):
    """Numba's type of one thread's share of a struct."""

    def __init__(self, name: str, fields: tuple[tuple[str, Field], ...]) -> None:
        self.fields = dict(fields)
        digest = hashlib.sha256(repr(fields).encode()).hexdigest()[:12]
        super().__init__(name=f"{name}@{digest}")


@register_model(ShareType)
class _ShareModel(models.PrimitiveModel):
    def __init__(self, dmm: DataModelManager, fe_type: ShareType) -> None:
        super().__init__(dmm, fe_type, _I8.as_pointer())


@typeof_impl.register(Layout)
def _typeof(value: Layout, _context: BaseContext) -> types.Type:
    return LayoutType(value)


class LayoutType(types.Type):
    """Numba's type of a `Layout`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        super().__init__(name=f"layout of {layout.type.name}")


@register_model(LayoutType)
class _LayoutModel(models.OpaqueModel):
    pass


@lower_constant(LayoutType)
def _constant(context: BaseContext, _builder: IRBuilder, _type: LayoutType, _value: Layout) -> Value:
    return context.get_dummy_value()


@infer_getattr
class _ShareAttributes(AttributeTemplate):
    key = ShareType

    def generic_resolve(self, share: ShareType, attribute: str) -> types.Type | None:
        found = share.fields.get(attribute)
        return None if found is None else found[0]


@lower_getattr_generic(ShareType)
def _getattr(context: BaseContext, builder: IRBuilder, share: ShareType, block: Value, attribute: str) -> Value:
    return _field(context, builder, block, share.fields[attribute])


def _slot(builder: IRBuilder, block: Value, slot: int, kind: ir.Type) -> Value:
    """Address of a slot of the block in which the addresses stand."""
    return builder.bitcast(builder.gep(block, [ir.Constant(_I64, 8 * slot)], source_etype=_I8), kind.as_pointer())


def _field(context: BaseContext, builder: IRBuilder, block: Value, field: Field) -> Value:
    """The value of a field."""
    kind, how = field
    if isinstance(kind, types.NamedTuple):
        return context.make_tuple(builder, kind, [_field(context, builder, block, field) for field in how])
    if isinstance(kind, types.Array):
        return _array(context, builder, block, kind, *how)
    if isinstance(kind, ShareType):
        return block
    if isinstance(how, tuple):
        thread = builder.load(_slot(builder, block, 0, _I64), typ=_I64)
        return builder.add(ir.Constant(_I64, how[0]), builder.mul(thread, ir.Constant(_I64, how[1])))
    return context.get_dummy_value() if how is None else context.get_constant(kind, how)


def _array(
    context: BaseContext,
    builder: IRBuilder,
    block: Value,
    kind: types.Array,
    shape: tuple[int, ...],
    place: Place | None,
    near: int = 0,
    words: int = 0,
) -> Value:
    array = context.make_array(kind)(context, builder)
    itemsize = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    order = 1 if kind.layout == "F" else -1  # of dimensions, from the one whose elements are neighbours on
    if place is None or place.own:
        slot, unit = 3 if place is None else place.slot, ir.Constant(_I64, itemsize)
        data = builder.load(_slot(builder, block, slot, array.data.type), typ=array.data.type)
    else:
        unit = here(builder, builder.load(_slot(builder, block, 1, _I64), typ=_I64))
        first = builder.load(_slot(builder, block, 2, _I64), typ=_I64)
        address = builder.add(first, builder.mul(unit, ir.Constant(_I64, near if place.near else place.first)))
        if place.near:
            thread, unit = builder.load(_slot(builder, block, 0, _I64), typ=_I64), ir.Constant(_I64, itemsize)
            address = builder.add(address, builder.mul(thread, ir.Constant(_I64, 8 * (words - 1))))
            address = builder.add(address, ir.Constant(_I64, 8 * (place.first - near)))
        data = _pointer(builder, address, array.data.type)
    sizes = [1 << 40 if place is None and not axis else size for axis, size in enumerate(shape)]
    strides: list[Value] = []
    elements = 1
    for size in sizes[::order]:
        strides.append(builder.mul(unit, ir.Constant(_I64, elements)))
        elements *= size
    strides = strides[::order]
    populate_array(array, data, [ir.Constant(_I64, n) for n in sizes], strides, ir.Constant(_I64, itemsize), None)
    return array._getvalue()


def _pointer(builder: IRBuilder, address: Value, kind: ir.Type) -> Value:
    """An address in the memory that all threads have, as any pointer."""
    there = builder.inttoptr(address, _I8.as_pointer(_GLOBAL))
    return builder.bitcast(builder.addrspacecast(there, _I8.as_pointer()), kind)


def _own(layout: Layout) -> Iterable[Place]:
    return (place for place in layout.places.values() if place.own)


def _words(builder: IRBuilder, block: Value, place: Place) -> Iterable[tuple[Value, Value]]:
    """For each word of a copied array where the copy stands and where the original, as addresses."""
    distance = builder.load(_slot(builder, block, 1, _I64), typ=_I64)
    first = builder.inttoptr(builder.load(_slot(builder, block, 2, _I64), typ=_I64), _I8.as_pointer(_GLOBAL))
    copy = builder.load(_slot(builder, block, place.slot, _I8.as_pointer()), typ=_I8.as_pointer())
    for n in range(place.words):
        offset = builder.mul(distance, ir.Constant(_I64, place.first + n))
        original = builder.gep(first, [offset], source_etype=_I8)
        yield _slot(builder, copy, n, _I64), builder.bitcast(original, _I64.as_pointer(_GLOBAL))


@intrinsic
def enter(
    _typing: Context, layout: types.Type, memory: types.Type, table: types.Type, thread: types.Type, threads: types.Type
) -> Intrinsic:
    """One thread's share of what stands at `memory`, with copies of the small arrays; `leave` writes them back."""
    plan = layout.layout

    def codegen(context: BaseContext, builder: IRBuilder, _sig: Signature, args: list[Value]) -> Value:
        memory, table, thread, threads = args[1:]
        block = cgutils.alloca_once(builder, ir.ArrayType(_I64, plan.slots))
        block = builder.bitcast(block, _I8.as_pointer())
        distance = builder.mul(threads, ir.Constant(_I64, 8))
        first = builder.add(memory, builder.mul(thread, ir.Constant(_I64, 8)))
        for slot, value in enumerate((thread, distance, first)):
            builder.store(value, _slot(builder, block, slot, _I64))
        builder.store(_pointer(builder, table, _I8.as_pointer()), _slot(builder, block, 3, _I8.as_pointer()))
        for place in _own(plan):
            copy = builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(_I64, place.words)), _I8.as_pointer())
            builder.store(copy, _slot(builder, block, place.slot, _I8.as_pointer()))
            for word, original in _words(builder, block, place):
                builder.store(builder.load(original, typ=_I64), word)
        return block

    return plan.type(layout, types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def leave(_typing: Context, layout: types.Type, world: types.Type) -> Intrinsic:
    """Write the copies back."""
    plan = layout.layout

    def codegen(context: BaseContext, builder: IRBuilder, _sig: Signature, args: list[Value]) -> Value:
        for place in _own(plan):
            for copy, original in _words(builder, args[1], place):
                builder.store(builder.load(copy, typ=_I64), original)
        return context.get_dummy_value()

    return types.void(layout, world), codegen


@intrinsic
def on_thread(_typing: Context, struct: types.Type) -> Intrinsic:
    """Whether this is one thread's share of a struct: known when a kernel is compiled."""
    known = ir.Constant(ir.IntType(1), int(isinstance(struct, ShareType)))
    return types.boolean(struct), lambda _context, _builder, _sig, _args: known
