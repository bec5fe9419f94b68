"""Simulation of the original Long Short-Term Memory (Hochreiter and Schmidhuber, 1997) and its rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["LSTM", "Recorder", "__version__", "load_net", "open_run"]

if TYPE_CHECKING:
    from lstmsim.net import LSTM
    from lstmsim.trace.open import load_net, open_run
    from lstmsim.trace.recorder import Recorder

_WHERE = {
    "LSTM": "lstmsim.net",
    "Recorder": "lstmsim.trace.recorder",
    "load_net": "lstmsim.trace.open",
    "open_run": "lstmsim.trace.open",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import lstmsim` is quick."""
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'lstmsim' has no attribute {name!r}")
