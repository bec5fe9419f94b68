"""The learners, one file per method, and the table of them."""

from typing import Any

from lstmsim.learners.lstm import LaneNets

__all__ = ["LEARNERS"]

LEARNERS: dict[str, Any] = {"lstm": LaneNets}
