"""Streams: a task's sequences joined without a reset until a step is wrong, which then count as one sequence.

A task writes its sequences ahead and ends each, but it is the net that decides how long a stream lasts. So the ends are
moved after the fact: a sequence that was right to its last step gets no end, and a step that is wrong gets one. What follows
of the sequence that was cut short has nothing to be learned or judged; its end makes the lane ready for the next stream.
"""

from __future__ import annotations

import math

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import END


@inlined
def join(scores, record, sequences, lane, clock, tick):
    """Move the end of the lane's stream after the step at `clock`, number `tick` of the common clock, has been judged.

    Changes `sequences.event` of the lane, its `scores` and, where a stream is longer than what is recorded, its `record`.
    Learners look at the step's event again afterwards.
    """
    if not scores.streams:
        return
    steps, last = tick + 1 - record.begun[lane], (sequences.event[clock, lane] & END) != 0
    right = scores.ranked[lane] if scores.ranking else scores.current[lane, 3] < scores.tolerance
    right &= math.isfinite(scores.current[lane, 0])
    scores.right[lane] += right and last
    over = not right or steps >= scores.stream_steps or scores.right[lane] >= scores.stream_sequences
    scores.taken[lane] += last or over
    if last and not over:
        sequences.event[clock, lane] &= ~END
        record.on[lane] &= steps < record.longest
    elif over and not last:
        scores.idle[lane] = 1
        sequences.event[clock, lane] |= END
        clock += 1
        while not sequences.event[clock, lane] & END:
            sequences.event[clock, lane] = 0
            clock += 1
        sequences.event[clock, lane] = END
