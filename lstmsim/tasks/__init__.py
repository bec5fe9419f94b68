"""The tasks, one file each; each registers itself."""

from lstmsim.tasks.base import Task, register, task, tasks
from lstmsim.tasks.generators import generator

__all__ = ["Task", "generator", "register", "task", "tasks"]
