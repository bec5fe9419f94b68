"""The loop over time of nets with forget gates, peepholes or an optimiser: partials move at every step, no term waits."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.scores import judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.streams import join
from lstmsim.kernels.thread import on_thread
from lstmsim.kernels.vector import lane_bits, load, lowest
from lstmsim.kernels.warp import together
from lstmsim.learners.lstm.descent import after_error, at_end
from lstmsim.learners.lstm.equations import earlier, errors_at_net_inputs, first_rows, hidden_errors, later, moved_on
from lstmsim.learners.lstm.gated.equations import (
    errors_at_forget_gates,
    forward,
    partials,
    state_errors,
    terms,
    update_hidden,
)
from lstmsim.learners.lstm.one_hot import set_inputs
from lstmsim.learners.lstm.outputs import output_errors, outputs, update_outputs
from lstmsim.learners.lstm.recording import write_forget_gates, write_step
from lstmsim.learners.lstm.steps import end_lane, recorded_lanes


@kernel
def advance_gated(nets, sequences, scores, record, clock, until, learning, tracking):
    """Step all lanes from `clock` until `until`, or until a lane needs attention; returns the clock reached.

    Arguments are those of `lstmsim.learners.lstm.steps.advance`.
    """
    width, shape, state = nets.width, nets.shape, nets.state
    recording = recorded_lanes(record)
    to_tick, now = record.tick[0] - clock, first_rows(nets)
    stop = False
    while clock < until and not stop:
        if on_thread(sequences):
            while clock + 1 < until and not lane_bits(load(width, sequences.event, clock) != 0) | recording:
                _step(nets, sequences, clock, now, later(shape, now), tracking)
                now = moved_on(nets, later(shape, now))
                clock += 1
            clock = together(clock)
        then = later(shape, now)
        _step(nets, sequences, clock, now, then, tracking)
        if lane_bits(load(width, sequences.event, clock) != 0) | recording:
            stop = _events(nets, sequences, scores, record, clock, to_tick + clock, now, then, learning, recording)
            recording = recorded_lanes(record)
        now = moved_on(nets, then)
        clock += 1
    state.ring[0] = now
    record.tick[0] = to_tick + clock
    return clock


@inlined
def _step(nets, sequences, clock, now, then, tracking):
    """Inputs, activations and partials of one step."""
    set_inputs(nets, sequences, clock, now)
    forward(nets, now, then)
    if tracking:
        terms(nets)
        partials(nets, now)


@kernel
def learn_last_gated(nets, sequences, scores, record):
    """(19)-(28) for the step just made, as `advance_gated` does where targets come with it.

    The sequences' first clock says which lanes learn, and what; the step's rows in the record are written again.
    """
    then = nets.state.ring[0]
    now, learn = earlier(nets.shape, then), (load(nets.width, sequences.event, 0) & LEARN) != 0
    learns = waiting = lane_bits(learn)
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        record.used[lane] -= 1
        output_errors(nets, lane, sequences.targets, sequences.learn[0, lane])
        update_outputs(nets, lane, True)
    _learn_hidden(nets, learn, now, True, True)
    record.tick[0] -= 1
    _write(nets, sequences, scores, record, learns, 0, then, True)
    record.tick[0] += 1


@inlined
def _learn_hidden(nets, mask, now, learning, measure):
    """(20)-(23), then (22), (26), (28) where weights learn; with `measure` what is recorded of them too."""
    hidden_errors(nets)
    state_errors(nets)
    if learning:
        update_hidden(nets, mask, now, measure)
        after_error(nets, mask)
    if measure:
        errors_at_net_inputs(nets)
        errors_at_forget_gates(nets)


@inlined
def _write(nets, sequences, scores, record, lanes, clock, then, learning):
    """Append the step of some lanes to the record."""
    while lanes:
        lane = lowest(lanes)
        lanes &= lanes - 1
        write_step(nets, sequences, scores, record, lane, clock, then, learning)
        write_forget_gates(nets, sequences, record, lane, clock)


@inlined
def _events(nets, sequences, scores, record, clock, tick, now, then, learning, recording):
    """Outputs, errors, learning, recording and sequence ends at one step; whether a lane needs attention.

    Sets of lanes are the bits of whole numbers.
    """
    event = load(nets.width, sequences.event, clock)
    learn = (event & LEARN) != 0
    learns, judged = lane_bits(learn), lane_bits((event & JUDGE) != 0)
    waiting = learns | judged | recording
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        outputs(nets, lane, now, then)
        if judged >> lane & 1:
            judge_step(nets.shape, scores, nets.state, sequences.targets, lane, sequences.judge[clock, lane])
            join(scores, record, sequences, lane, clock, tick)
        if learns >> lane & 1:
            output_errors(nets, lane, sequences.targets, sequences.learn[clock, lane])
            if learning:
                update_outputs(nets, lane, recording >> lane & 1)
    if learns:
        _learn_hidden(nets, learn, now, learning, recording != 0)
    record.tick[0] = tick
    _write(nets, sequences, scores, record, recording, clock, then, learning)
    end = (load(nets.width, sequences.event, clock) & END) != 0
    stop, ended = False, lane_bits(end)
    if learning and ended:
        at_end(nets, end)
    while ended:
        lane = lowest(ended)
        ended &= ended - 1
        stop |= end_lane(nets, scores, record, lane, tick + 1, learning)
    return stop
