"""The lock of a run's folder: held by the operating system for one process, so that no kill leaves it behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

NAME = ".lock"


class Locked(ValueError):
    """Another process is running into the folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[str]:
    """Hold the lock of a folder, which is made if it is missing.

    The file says who holds it; whether somebody does is known to the kernel alone, which lets go of it when the process
    ends in whatever way. A process number that another process has by now can therefore not deceive.

    Yields
    ------
    str
        Who left the lock behind, "" if nobody did.

    Raises
    ------
    Locked
        If another process holds it.
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file)
            os.close(file)
            raise Locked(f"{folder} is in use by {holder}; allowed: another --out, or wait until it has ended") from None
        except BaseException:
            os.close(file)
            raise
        if _is_at(file, path):
            break
        os.close(file)  # whoever held it removed the file after we had opened it
    try:
        left = _holder(file) if os.fstat(file).st_size else ""
        os.ftruncate(file, 0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        os.pwrite(file, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}).encode(), 0)
        yield left
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _holder(file: int) -> str:
    """What the lock's file says of the process that wrote it."""
    try:
        content = json.loads(os.pread(file, 4096, 0))
        return f"process {content['pid']} on {content['host']} (since {content['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _is_at(file: int, path: Path) -> bool:
    """Whether the open file is the one that the path names."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
