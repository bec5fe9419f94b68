"""The one decorator for compiled code, and its on-disk cache.

Numba does not notice when a kernel that another one calls has changed. The cache folder of a kernel is therefore named by a
digest of its own source file and of all that it imports from this package: a change compiles anew what may depend on it, and
nothing stale is ever loaded. Where that folder cannot be written, kernels are compiled for the run and kept nowhere.
"""

from __future__ import annotations

import ast
import ctypes
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite.binding import ModuleRef
from numba import config
from numba.core import event
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompilerBase, DefaultPassBuilder, StateDict
from numba.core.compiler_machinery import AnalysisPass, PassManager, register_pass
from numba.core.dispatcher import Dispatcher
from numba.core.event import Event
from numba.core.untyped_passes import IRProcessing

_ROOT = Path(__file__).resolve().parent.parent.parent
Machine = Callable[..., Any]  # a kernel's machine code for arguments of certain types
COMPILER = "lstmsim-compiler"  # name of the threads that compile: they can be neither stopped nor waited for


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names that a source file imports, with the module each comes from: "a.b" and "a.b.c" for "from a.b import c"."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.startswith("lstmsim."))


def sources(module: str, root: Path = _ROOT) -> set[Path]:
    """Source files of a module of this package and of all that it imports from the package, directly or not."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = root.joinpath(*waiting.pop().split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_file() and path not in found:
            found.add(path)
            waiting += _imports(path)
    return found


@cache
def source_digest(module: str, root: Path = _ROOT) -> str:
    """Digest of the sources that a module's kernels are compiled from, and of the compiler's version.

    A module that is not of this package, such as a user's task, may call any kernel of it: all of them count.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    packed = [root] if root.is_file() else []  # an archive on the path
    for path in sorted(sources(module, root) or packed or (root / "lstmsim").rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder(module: str) -> Path:
    """Folder of a module's compiled kernels: below NUMBA_CACHE_DIR where set, else below the user's cache folder.

    Raises
    ------
    OSError
        If nobody knows where the user's home is.
    """
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(base) if base else Path.home() / ".cache"
    except RuntimeError as error:
        raise OSError(str(error)) from None
    return home / "lstmsim" / source_digest(module)


@cache
def _usable_folder(module: str) -> Path | None:
    """A module's cache folder if files can be written there; where they cannot, Numba would look for another place."""
    global _no_cache
    try:
        folder = cache_folder(module).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        _no_cache = str(error)
        return None


_no_cache = ""  # why compiled kernels cannot be kept


def _compile(function: Callable[..., object], *, cached: bool = False, **options: object) -> Dispatcher:
    """Compile with the flags that every kernel has; the cache folder is ours alone, other users of Numba keep theirs.

    An index out of bounds is an IndexError in kernels outside this package, or a task of one's own could end the process.
    """
    options["boundscheck"] = None if function.__module__.split(".")[0] == "lstmsim" else True  # None: NUMBA_BOUNDSCHECK
    if config.DISABLE_JIT:
        raise ValueError("NUMBA_DISABLE_JIT is set; allowed: not to set it, the kernels of lstmsim exist compiled only")
    folder = _usable_folder(function.__module__) if cached else None
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        options["cache"] = folder is not None
        return numba.njit(_nrt=False, nogil=True, error_model="numpy", fastmath=False, **options)(function)
    finally:
        config.CACHE_DIR = before


def kernel(function: Callable[..., object]) -> Dispatcher:
    """Compile a kernel that Python calls: cached on disk, releases the GIL, IEEE arithmetic as written."""
    return _compile(function, cached=True, pipeline_class=_Compiler)


def inlined(function: Callable[..., object]) -> Dispatcher:
    """Compile a piece of a kernel: inlined into every caller, with the same flags; Python cannot call it."""
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _compile(function, forceinline=True, pipeline_class=_Compiler, **wrappers)


def shared(function: Callable[..., object]) -> Dispatcher:
    """Compile a piece of a kernel that tasks in plain Python call too."""
    return _compile(function, forceinline=True)


_NOT_FROM_PYTHON = ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value  # raises TypeError


class _WithoutMachineCode:
    """Numba's code generator for a library in which there is no place to set."""

    def __init__(self, codegen: JITCPUCodegen) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> object:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: object) -> None:
        pass


class _PieceLibrary(JITCodeLibrary):
    """Code of a piece as it was lowered: it is optimised and made machine code where it stands, in the kernels.

    Numba would do both for each piece too, and again for every piece that calls it: a third of the time.
    """

    @property
    def codegen(self) -> _WithoutMachineCode:
        return _WithoutMachineCode(self._codegen)

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return _NOT_FROM_PYTHON or 0


class _KernelLibrary(JITCodeLibrary):
    """Code of a kernel, whose stack begins where a cache line does.

    Vectors that find no register are put there; LLVM keeps no more than 16 bytes of order by itself, and loads and stores
    across two lines took a fifteenth of the time of row 4-1's net with 8 lanes.
    """

    def add_ir_module(self, module: ModuleRef) -> None:
        for function in module.functions:
            if function.blocks:
                function.attributes.alignstack = 64
                function.attributes.add("norecurse")  # llvmlite writes an alignment only beside an attribute with a name
        super().add_ir_module(module)


@register_pass(mutates_CFG=False, analysis_only=True)
class _TakeLibrary(AnalysisPass):
    _name = "take_library"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: StateDict) -> bool:
        library = _PieceLibrary if state.flags.forceinline else _KernelLibrary
        state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return False


class _Compiler(CompilerBase):
    """Numba's own passes, with a library of our own."""

    def define_pipelines(self) -> list[PassManager]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_TakeLibrary, IRProcessing)
        passes.finalize()
        return [passes]


class _Watch(event.Listener):
    """Notes which kernels are being compiled, and says once that they cannot be kept."""

    def __init__(self) -> None:
        self.running: dict[int, tuple[int, str]] = {}  # thread: how deep in kernels that call others, name of the outermost
        self.told = False

    def on_start(self, event: Event) -> None:
        function = event.data["dispatcher"].py_func
        depth, name = self.running.get(threading.get_ident(), (0, function.__qualname__))
        self.running[threading.get_ident()] = depth + 1, name
        if _no_cache and not self.told and function.__module__.startswith("lstmsim."):
            self.told = True
            print(f"lstmsim: compiled kernels cannot be kept ({_no_cache}); they are compiled for this run", file=sys.stderr)

    def on_end(self, event: Event) -> None:
        depth, name = self.running.pop(threading.get_ident())
        if depth > 1:
            self.running[threading.get_ident()] = depth - 1, name


_watch = _Watch()
event.register("numba:compile", _watch)


def compiling() -> list[str]:
    """Names of the kernels that are being compiled at this moment, in any thread; to be asked from another one."""
    return sorted(name for _, name in list(_watch.running.values()))


def bound(function: Dispatcher, *arguments: object) -> Machine:
    """A kernel compiled for arguments of these types, to be called with such only: no time is spent on looking at them.

    It is compiled in a thread, so that Ctrl-C is answered at once.
    """
    found: list[Machine | BaseException] = []

    def compile_it() -> None:
        try:
            found.append(function.compile(tuple(map(numba.typeof, arguments))))
        except BaseException as error:  # it is raised below, where somebody waits for it
            found.append(error)

    thread = threading.Thread(target=compile_it, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


_PLAIN = {int, float, bool, np.ndarray}
_compiled: dict[object, Machine] = {}  # kernels by function and types of the arguments, see `called`


def called(function: Dispatcher, *arguments: object) -> Any:
    """Call a kernel with structs, tuples of them, and numbers: their types are at hand, where Numba would look for each."""
    kinds = function, *[type(value) if type(value) in _PLAIN else _kind(value) for value in arguments]
    if kinds not in _compiled:
        _compiled[kinds] = bound(function, *arguments)
    return _compiled[kinds](*arguments)


def _kind(value: object) -> object:
    """What decides a value's type."""
    return tuple(map(_kind, value)) if isinstance(value, tuple) else getattr(value, "type", None) or type(value)
