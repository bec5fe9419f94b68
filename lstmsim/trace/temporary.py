"""A folder that lives as long as anything that is read from it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class TemporaryFolder:
    """A folder that is removed when nobody holds this object any more, at the latest when the process ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="lstmsim-"))
        _FOLDERS[self.path] = self
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __deepcopy__(self, memo: dict[int, object]) -> TemporaryFolder:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return type(None), ()  # another process does not own it


_FOLDERS: weakref.WeakValueDictionary[Path, TemporaryFolder] = weakref.WeakValueDictionary()


def holder(path: Path) -> TemporaryFolder | None:
    """Return the temporary folder that a file is in, for whoever reads it later to hold."""
    return next((folder for parent in path.parents if (folder := _FOLDERS.get(parent)) is not None), None)
