"""The paper's tasks, one file each, and the table of them."""

from lstmsim.tasks.adding import Adding
from lstmsim.tasks.base import Task, trial_keys
from lstmsim.tasks.distractors import Distractors
from lstmsim.tasks.lag_sequences import LocalRegularities, NoiseFree
from lstmsim.tasks.multiplication import Multiplication
from lstmsim.tasks.reber import Reber
from lstmsim.tasks.temporal_order import TemporalOrder
from lstmsim.tasks.two_sequence import TwoSequence

__all__ = ["TASKS", "Task", "trial_keys"]

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Reber,
        NoiseFree,
        LocalRegularities,
        Distractors,
        TwoSequence,
        Adding,
        Multiplication,
        TemporalOrder,
    )
}
