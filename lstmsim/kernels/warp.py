"""What kernels say of the threads of a GPU beside each other; on a CPU most of it is nothing."""

from __future__ import annotations

from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext
from numba.core.typing import Context, Signature
from numba.extending import intrinsic

from lstmsim.kernels.width import Intrinsic

_I64 = ir.IntType(64)
_GLOBAL = 1  # LLVM's number of the memory that all threads have
# Functions that do nothing on a CPU; those of ptx.py take their place on a GPU.
HERE = "lstmsim_here"  # returns its argument, and nobody can know beforehand what it returns
TOGETHER = "lstmsim_together"  # returns its argument, to all threads of a warp at once


def here(builder: IRBuilder, value: Value) -> Value:
    """The value, which nothing is to be made of before it is needed.

    What is made of the distance, hundreds of addresses, would be made before the loop over time, and take all registers.
    """
    return _replaced(builder, HERE, value)


def _replaced(builder: IRBuilder, name: str, value: Value) -> Value:
    """Call a function of one word that on a CPU returns it."""
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_I64, [_I64]), name)
    if function.is_declaration:
        function.linkage = "linkonce_odr"
        ir.IRBuilder(function.append_basic_block()).ret(function.args[0])
    return builder.call(function, [value])


@intrinsic
def together(_typing: Context, value: types.Type) -> Intrinsic:
    """The value, a whole number or bool; the threads of a GPU's warp that come here wait for each other."""

    def codegen(context: BaseContext, builder: IRBuilder, sig: Signature, args: list[Value]) -> Value:
        wide = context.cast(builder, args[0], sig.args[0], types.int64)
        return context.cast(builder, _replaced(builder, TOGETHER, wide), types.int64, sig.return_type)

    return value(value), codegen


@intrinsic
def word(_typing: Context, address: types.Type) -> Intrinsic:
    """The word at an address."""

    def codegen(_context: BaseContext, builder: IRBuilder, _sig: Signature, args: list[Value]) -> Value:
        return builder.load(builder.inttoptr(args[0], _I64.as_pointer(_GLOBAL)), typ=_I64)

    return types.int64(types.int64), codegen


@intrinsic
def set_word(_typing: Context, address: types.Type, value: types.Type) -> Intrinsic:
    """Write the word at an address."""

    def codegen(context: BaseContext, builder: IRBuilder, _sig: Signature, args: list[Value]) -> Value:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer(_GLOBAL)))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


# Words before the lanes' numbers: how many there are, the threads of the memory, `Layout.near`, whether to write.
HEAD = 5


def columns(memory, buffer, thread, threads):
    """Copy words of some lanes from or to a buffer (word, lane), which stands after their numbers; one word per thread."""
    count, lanes, near, words = word(buffer), word(buffer + 8), word(buffer + 16), word(buffer + 24)
    numbers = buffer + 8 * HEAD
    number, lane = thread // count, word(numbers + 8 * (thread % count))
    there = memory + 8 * (number * lanes + lane)
    if number >= near:
        there = memory + 8 * (near * lanes + lane * words + number - near)
    here = numbers + 8 * (count + thread)
    if word(buffer + 32):
        set_word(there, word(here))
    else:
        set_word(here, word(there))
