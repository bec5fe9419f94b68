"""A net in the user's hands, or several side by side."""

from lstmsim.net.load import load_net
from lstmsim.net.lstm import LSTM

__all__ = ["LSTM", "load_net"]
