"""A checksum at the end of a finished file, so that damage is noticed; readers of netCDF and zip files pass over it."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"\nlstmsim crc32 "
_LENGTH = len(_MAGIC) + 9
_PIECE = 1 << 20


def checksum(file: BinaryIO, length: int) -> int:
    """CRC-32 of the next `length` bytes of an open file, or of fewer if it ends before."""
    crc = 0
    while length > 0 and (piece := file.read(min(length, _PIECE))):
        crc, length = zlib.crc32(piece, crc), length - len(piece)
    return crc


def _line(crc: int) -> bytes:
    return _MAGIC + b"%08x\n" % crc


def seal(path: Path) -> None:
    """Append the checksum of a file to it."""
    with path.open("r+b") as file:
        line = _line(checksum(file, path.stat().st_size))
        file.seek(0, os.SEEK_END)
        file.write(line)


def unseal(path: Path) -> None:
    """Remove the checksum from the end of a file that has one."""
    if intact(path) is not None:
        os.truncate(path, path.stat().st_size - _LENGTH)


def intact(path: Path) -> bool | None:
    """Whether a file is as it was sealed; None if it has no seal.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    length = path.stat().st_size - _LENGTH
    with path.open("rb") as file:
        file.seek(max(length, 0))
        line = file.read()
        if not line.startswith(_MAGIC):
            return None
        file.seek(0)
        return line == _line(checksum(file, length))
