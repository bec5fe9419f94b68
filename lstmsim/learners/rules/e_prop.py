"""E-prop (Bellec and others 2020, Nature Communications 11:3625): own entries, moved by the unit's inner dynamics alone.

The eligibility vector follows the derivative of a unit's state with respect to its own last state, all paths through weights
left out. A leaky unit has no other inner dynamics than its leak, 1 - alpha: e-prop is RFLO here, step by step. It becomes a
rule of its own in cells that have more, such as the LSTM, where it is the truncated gradient of 1997.
"""

from lstmsim.learners.rules.rflo import RULE as RFLO

RULE = RFLO._replace(label="e-prop")
