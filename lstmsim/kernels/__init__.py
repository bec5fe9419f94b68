"""The one decorator for compiled code, and its on-disk cache.

Numba does not notice when a kernel that another one calls has changed. The cache folder is therefore named by a digest of
every source file that holds kernels: a change anywhere compiles everything anew, and nothing stale is ever loaded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import config

_PACKAGE = Path(__file__).resolve().parent.parent


def source_digest() -> str:
    """Digest of all sources that may hold kernels, and of the compiler's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in ("kernels", "learners", "tasks"):
        for path in sorted((_PACKAGE / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of the compiled kernels: below NUMBA_CACHE_DIR where set, else the user's cache folder."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lstmsim" / source_digest()


_CACHE = str(cache_folder())


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    """Compile with the flags that every kernel has; the cache folder is ours alone, other users of Numba keep theirs."""
    before, config.CACHE_DIR = config.CACHE_DIR, _CACHE
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
