"""The tasks, one file each; each registers itself."""

from lstmsim.tasks.base import Task, register, task, tasks

__all__ = ["Task", "register", "task", "tasks"]
