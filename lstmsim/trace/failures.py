"""What really keeps a file from being written or read: asked of the system, because libraries guess."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import NoReturn

_PROBE = bytes(1 << 16)  # written to see whether anything can be
# The netCDF library calls whatever goes wrong below it a missing permission or a missing file.
_GUESSES = (errno.EACCES, errno.EPERM, errno.ENOENT)


def raise_cause(path: Path, error: OSError | RuntimeError) -> NoReturn:
    """Raise what kept a file from being written.

    Parameters
    ----------
    path : Path
        The file; what has been written of it must still be there, or a full disk would not be full any more.
    error : OSError or RuntimeError
        What was raised while it was written.

    Raises
    ------
    OSError
        Where `error` may be a library's guess: what the system says when a little is written beside the file; if that goes
        well, how much room there is.
    OSError or RuntimeError
        Else `error` itself.
    """
    told, code = str(error), getattr(error, "errno", None)
    if isinstance(error, OSError):
        guess = code is None or code < 0 or code in _GUESSES or "HDF" in told
    else:
        guess = "NetCDF" in told or "HDF" in told
    if not guess:
        raise error
    if (found := obstacle(path.parent)) is not None:
        raise OSError(found.errno, found.strerror, str(path)) from error
    why = "for a reason that the netCDF library does not tell" if code in _GUESSES else told
    free = shutil.disk_usage(path.parent).free
    raise OSError(errno.EIO, f"cannot be written ({why}); its disk has {free / 1e6:.1f} MB left", str(path)) from error


def obstacle(folder: Path) -> OSError | None:
    """Return what the system says when a little is written into a folder (no space, read-only, ...); None if all is well."""
    probe = folder / f".probe-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with probe.open("xb", buffering=0) as file:
            for _ in range(16):
                if file.write(_PROBE) != len(_PROBE):
                    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
    except OSError as error:
        return error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


def readable(path: Path) -> None:
    """Read the first bytes of a file, so that what hinders is told by the system.

    Raises
    ------
    OSError
        If the file cannot be read: FileNotFoundError, PermissionError, ...
    """
    with path.open("rb") as file:
        file.read(64)
