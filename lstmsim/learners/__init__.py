"""The learners, one file or folder per method; each registers itself."""

from lstmsim.learners.base import LearnerSettings, learner, learners
from lstmsim.learners.contract import check
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.plain import Learner, register

__all__ = ["LSTMSettings", "Learner", "LearnerSettings", "check", "learner", "learners", "register"]
