"""The file of a checkpoint: a sealed .npz of plain arrays and one JSON text; nothing in it is ever executed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstmsim.kernels.arrays import Array
from lstmsim.learners.base import State
from lstmsim.trace.seal import intact, seal
from lstmsim.trace.store import whole_or_absent
from lstmsim.trace.summary import BrokenFile


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write a checkpoint; the file is whole or absent, and on the disk when this returns.

    Parameters
    ----------
    path : Path
        The file, which is replaced.
    content : dict
        Dicts with keys of text, lists, arrays, numbers, texts and None, in any depth.
    """
    with whole_or_absent(path) as part:
        part.write_bytes(packed(content))
        seal(part)


def packed(content: Mapping[str, object]) -> bytes:
    """Return a checkpoint's content as the bytes of an .npz file."""
    arrays: list[Array] = []
    text = json.dumps(_described(content, arrays))
    named: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(arrays)}
    file = io.BytesIO()
    np.savez(file, **named, content=np.array(text))
    return file.getvalue()


def unpacked(file: bytes | Path) -> State:
    """Return the content of which `packed` made these bytes, or those of this file."""
    with np.load(io.BytesIO(file) if isinstance(file, bytes) else file, allow_pickle=False) as arrays:
        content = json.loads(str(arrays["content"]))["dict"]
        return {key: _restored(part, arrays) for key, part in content.items()}


def read(path: Path) -> State:
    """Read what `write` was given; tuples have become lists.

    Raises
    ------
    BrokenFile
        If the file is no whole checkpoint; the message names it.
    """
    try:
        if not intact(path):
            raise ValueError("its checksum is wrong")
        return unpacked(path)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BrokenFile(f"{path} is no whole checkpoint ({error})") from None


def _described(value: object, arrays: list[Array]) -> object:
    """The value for JSON, each dict marked as one, each array by its number."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {"dict": {key: _described(part, arrays) for key, part in value.items()}}
    if isinstance(value, list | tuple):
        return [_described(part, arrays) for part in value]
    return value


def _restored(value: object, arrays: Mapping[str, Array]) -> object:
    """The inverse of `_described`."""
    if isinstance(value, list):
        return [_restored(part, arrays) for part in value]
    if isinstance(value, dict):
        if "array" in value:
            return arrays[f"array_{value['array']}"]
        return {key: _restored(part, arrays) for key, part in value["dict"].items()}
    return value
