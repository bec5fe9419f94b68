"""A net on disk in mid-stream: settings, weights, activations and partial derivatives, as NumPy arrays."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

import lstmsim
from lstmsim.learners.base import State
from lstmsim.learners.lstm.settings import LSTMSettings

_FORMAT = "lstmsim net 1"


def write_net(path: Path, state: State) -> None:
    """Write what `lstmsim.LSTM.__getstate__` gave; a file that exists is replaced when the new one is whole."""
    head = {"format": _FORMAT, "version": lstmsim.__version__, "settings": asdict(state["settings"])}
    head |= {name: state[name] for name in ("trials", "steps", "predicted")}
    arrays = {f"array_{n}": array for n, array in enumerate(state["arrays"])}
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_net(path: Path) -> State:
    """Read what `write_net` has written.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If the file is no saved net.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path is {str(path)!r}, where no file is; allowed: a file that LSTM.save has written")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            head = json.loads(str(file["head"]))
            if head["format"] != _FORMAT:
                raise ValueError(f"its format is {head['format']!r}")
            arrays = [file[f"array_{n}"] for n in range(len(file.files) - 1)]
        settings = LSTMSettings(**head["settings"])
        found = {name: head[name] for name in ("trials", "steps", "predicted")}
        return {"settings": settings, "arrays": arrays, **found}
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"path is {str(path)!r}, which is no saved net ({error}); allowed: what LSTM.save wrote") from None
