"""The learners, one file or folder per method; each registers itself."""

from lstmsim.learners.base import learner, learners, register

__all__ = ["learner", "learners", "register"]
