"""The tasks, one file each; each registers itself. Tasks of one's own: of recordings, and of a function."""

from lstmsim.tasks.arrays import ArrayTask
from lstmsim.tasks.base import Task, register, task, tasks
from lstmsim.tasks.contract import check
from lstmsim.tasks.generators import generator
from lstmsim.tasks.series import series

__all__ = ["ArrayTask", "Task", "check", "generator", "register", "series", "task", "tasks"]
