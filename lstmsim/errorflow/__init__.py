"""What a net or a trace tells about its errors: their flow back in time, whom they credit, what truncation cuts off.

Equation numbers are those of Hochreiter and Schmidhuber (1997), Neural Computation 9(8), 1735-1780. Errors have the
sign of (19), so that a weight's change is learning rate times error times source.
"""

from lstmsim.errorflow.compare import compare_rules, kept_entries
from lstmsim.errorflow.conventional import scaling, scaling_bound
from lstmsim.errorflow.flow import backflow, credit, gradient_bias
from lstmsim.errorflow.use import drift, usage

__all__ = [
    "backflow",
    "compare_rules",
    "credit",
    "drift",
    "gradient_bias",
    "kept_entries",
    "scaling",
    "scaling_bound",
    "usage",
]
