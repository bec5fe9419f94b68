"""The one decorator for compiled code, and its on-disk cache.

Numba does not notice when a kernel that another one calls has changed. The cache folder of a kernel is therefore named by a
digest of its own source file and of all that it imports from this package: a change compiles anew what may depend on it, and
nothing stale is ever loaded.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import config

_ROOT = Path(__file__).resolve().parent.parent.parent


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
    for path in sorted(sources(module, root) or (root / "lstmsim").rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder(module: str) -> Path:
    """Folder of a module's compiled kernels: below NUMBA_CACHE_DIR where set, else below the user's cache folder."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lstmsim" / source_digest(module)


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    """Compile with the flags that every kernel has; the cache folder is ours alone, other users of Numba keep theirs."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(cache_folder(function.__module__))
    try:
        return numba.njit(_nrt=False, nogil=True, error_model="numpy", fastmath=False, **options)(function)
    finally:
        config.CACHE_DIR = before


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls: cached on disk, releases the GIL, IEEE arithmetic as written."""
    return _compile(function, cache=True)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a piece of a kernel: inlined into every caller, with the same flags."""
    return _compile(function, forceinline=True)
