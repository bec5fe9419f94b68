"""Compiled kernels as PTX, the assembly language of NVIDIA's GPUs: llvmlite's own LLVM writes it, no GPU is needed.

What Numba makes of a kernel before it is optimised knows next to nothing of the processor. It is optimised and written for a
GPU here. Nothing allows a multiplication and an addition to become one operation with one rounding where the source has two,
so that a GPU gives the same bits as a CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable

import llvmlite.binding as llvm
import numba
from numba import types
from numba.core.compiler_lock import global_compiler_lock

from lstmsim.kernels.compile import cache_folder, inlined

_TRIPLE = "nvptx64-nvidia-cuda"
_OLDEST = (20, 0, 0)  # version of LLVM; those before write pointers in another way
_NEWEST = (9, 0)  # capability that every LLVM since knows; drivers compile what is written for it for all later ones
# Sizes of loops, as LLVM reckons them, that are written out: an array becomes registers only where no loop over it is left.
_UNROLLED, _USUAL = 1200, 300
# The thread's number, and the call of the compiled function, whose status is above 0 where it raised an error.
_ENTRY = """
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @"{function}"(ptr, ptr, i64, i64, i64, i64)

define i64 @lstmsim_here(i64 %value) alwaysinline {{
  %same = call i64 asm sideeffect "mov.u64 $0, $1;", "=l,l"(i64 %value)
  ret i64 %same
}}

define i64 @lstmsim_together(i64 %value) alwaysinline convergent {{
  %same = call i64 asm sideeffect "mov.u64 $0, $1;", "=l,l"(i64 %value) convergent
  ret i64 %same
}}

define ptx_kernel void @{name}(i64 %memory, i64 %other, i64 %failed, i64 %threads) {{
  %x = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %size = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %before = mul i32 %block, %size
  %number = add i32 %before, %x
  %thread = zext i32 %number to i64
  %there = icmp slt i64 %thread, %threads
  br i1 %there, label %work, label %done
work:
  %result = alloca ptr
  %error = alloca ptr
  %status = call i32 @"{function}"(ptr %result, ptr %error, i64 %memory, i64 %other, i64 %thread, i64 %threads)
  %raised = icmp sgt i32 %status, 0
  br i1 %raised, label %mark, label %done
mark:
  %place = inttoptr i64 %failed to ptr addrspace(1)
  store i64 1, ptr addrspace(1) %place
  br label %done
done:
  ret void
}}
!nvvm.annotations = !{{!0}}
!0 = !{{ptr @{name}, !"kernel", i32 1}}
"""


def ptx_of(name: str, function: Callable[..., object], capability: tuple[int, int] = (9, 0)) -> str:
    """PTX of a function of (memory, other, thread, threads), all int64, as a kernel of (memory, other, failed, threads).

    Every thread with a number below `threads` calls the function; the word at `failed` becomes 1 where it raised an error.

    Parameters
    ----------
    name : str
        Name of the kernel.
    function : callable
        What Numba can compile; not yet compiled.
    capability : tuple of two int
        Compute capability of the GPU.
    """
    machine, module = optimised(name, function, capability)
    with global_compiler_lock:
        text: str = machine.emit_assembly(module)
        return text


def kept_ptx(name: str, function: Callable[..., object], capability: tuple[int, int], key: str) -> str:
    """`ptx_of`, kept on disk with compiled kernels; `key` says all that the function depends on beside the sources."""
    digest = hashlib.sha256(repr((name, capability, key)).encode()).hexdigest()[:24]
    try:
        path = cache_folder("all of the package") / f"{digest}.ptx"
        return path.read_text(encoding="utf-8")
    except OSError:
        text = ptx_of(name, function, capability)
    with contextlib.suppress(OSError):  # then it is compiled for each run
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    return text


def optimised(
    name: str, function: Callable[..., object], capability: tuple[int, int]
) -> tuple[llvm.TargetMachine, llvm.ModuleRef]:
    """LLVM's machine and module from which `ptx_of` writes."""
    if llvm.llvm_version_info < _OLDEST:
        raise ValueError(f"numba is {numba.__version__}; allowed: 0.62 or later with device='cuda'")
    piece = inlined(function)
    piece.compile((types.int64,) * 4)
    (compiled,) = piece.overloads.values()
    with global_compiler_lock:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        machine = llvm.Target.from_triple(_TRIPLE).create_target_machine(
            cpu="sm_{}{}".format(*min(capability, _NEWEST)), opt=3
        )
        module = llvm.parse_assembly(compiled.library.get_llvm_str())
        entry = llvm.parse_assembly(_ENTRY.format(name=name, function=compiled.fndesc.llvm_func_name))
        for part in (module, entry):
            part.triple, part.data_layout = _TRIPLE, str(machine.target_data)
        module.link_in(entry)
        for defined in (*module.functions, *module.global_variables):
            if not defined.is_declaration and defined.name != name:
                defined.linkage = llvm.Linkage.internal
        tuning = llvm.create_pipeline_tuning_options(speed_level=3)
        tuning.loop_vectorization = tuning.slp_vectorization = False
        passes = llvm.create_pass_builder(machine, tuning)
        try:
            llvm.set_option("", f"-unroll-threshold={_UNROLLED}")
            passes.getModulePassManager().run(module, passes)
        finally:
            llvm.set_option("", f"-unroll-threshold={_USUAL}")
        return machine, module
