"""The learners, one file per method, and the table of them."""

from typing import Any

from lstmsim.learners.bptt import BPTT
from lstmsim.learners.cascade import CascadeNets
from lstmsim.learners.chunker import ChunkerNets
from lstmsim.learners.elman import Elman
from lstmsim.learners.exact_lstm import ExactLSTM
from lstmsim.learners.guessing import GuessingNets
from lstmsim.learners.lstm import LaneNets
from lstmsim.learners.rtrl import RTRL

__all__ = ["LEARNERS"]

LEARNERS: dict[str, Any] = {
    "lstm": LaneNets,
    "exact_lstm": ExactLSTM,
    "rtrl": RTRL,
    "bptt": BPTT,
    "elman": Elman,
    "cascade": CascadeNets,
    "chunker": ChunkerNets,
    "guessing": GuessingNets,
}
