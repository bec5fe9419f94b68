"""Run notebooks and keep them with their outputs, pictures small: python analysis/execute.py [NOTEBOOK ...], all by default.

Each runs in a folder of its own, so that no run and no file is left beside it.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
COLOURS = 48  # of a picture


def small(png: str) -> str:
    """Return a picture, in base64, with few colours."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def execute(path: Path) -> Any:
    """Return a notebook after a run in a temporary folder, its outputs without what differs from run to run."""
    notebook = nbformat.read(path, as_version=4)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        (place := Path(folder) / "analysis").mkdir()
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(place)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({"tags": cell.metadata.get("tags", [])})
        for output in cell.get("outputs", []):
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            if "image/png" in output.get("data", {}):
                output.data = nbformat.from_dict({"image/png": small(output.data["image/png"])})
            output.get("data", {}).pop("text/html", None)
        if not cell.metadata.tags:
            cell.metadata = nbformat.from_dict({})
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })  # fmt: skip
    return notebook


def main(arguments: list[str]) -> None:
    """Run the notebooks named, or all."""
    for path in map(Path, arguments or sorted(map(str, HERE.glob("*.ipynb")))):
        nbformat.write(execute(path), path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
