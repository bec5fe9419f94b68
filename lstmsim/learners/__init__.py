"""The learners, one file per method, and the table of them."""

from importlib import import_module
from typing import Any

__all__ = ["LEARNERS"]


class _Table(dict[str, Any]):
    """Classes by name; one that stands there as "module.Class" is imported when it is asked for: kernels take their time."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            module, _, kind = found.rpartition(".")
            found = self[name] = getattr(import_module(module), kind)
        return found


LEARNERS: dict[str, Any] = _Table(
    lstm="lstmsim.learners.lstm.nets.LaneNets",
    exact_lstm="lstmsim.learners.lstm.exact.ExactLSTM",
    rtrl="lstmsim.learners.rtrl.RTRL",
    bptt="lstmsim.learners.bptt.BPTT",
    elman="lstmsim.learners.elman.Elman",
    cascade="lstmsim.learners.cascade.nets.CascadeNets",
    chunker="lstmsim.learners.chunker.nets.ChunkerNets",
    guessing="lstmsim.learners.guessing.GuessingNets",
)
