"""The loop over time: all lanes step together, each learns, ends and restarts its own sequences."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.recording import wanted, write_step
from lstmsim.kernels.scores import RUNNING, close_sequence, judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.vector import lane_bits, load, lowest, store
from lstmsim.learners.lstm.equations import (
    WAIT,
    earlier,
    forward,
    hidden_errors,
    later,
    partials,
    reset_lane,
    terms,
    update_hidden,
)
from lstmsim.learners.lstm.one_hot import fall_due, owe, owes, pay, update_symbols
from lstmsim.learners.lstm.outputs import output_errors, outputs, update_outputs


@kernel
def advance(width, shape, rule, net, state, sequences, scores, record, clock, until, learning, tracking):  # type: ignore[no-untyped-def]
    """Step all lanes from `clock` until `until`, or until a lane needs attention; returns the clock reached.

    With `tracking` the partials are kept, with `learning` weights change too.

    A lane needs attention when its scores's flag leaves RUNNING, or when its progress or record rows run out.
    """
    recording = recorded_lanes(record)
    to_tick = record.tick[0] - clock
    now, waiting, owing = state.ring[0], 0, owes(width, shape, state)
    while clock < until:
        then = later(shape, now)
        for i in range(shape.inputs):
            store(state.z, now + i, load(width, sequences.inputs, clock * shape.inputs + i))
        if shape.symbols:
            store(state.symbol, 0, load(width, sequences.symbol, clock))
        if owing and not rule.update_at_end:
            fall_due(width, shape, state)
        forward(width, shape, rule, net, state, now, then)
        if tracking:
            terms(width, shape, rule, net, state, waiting, owing)
            waiting += 1
        stop = False
        eventful = lane_bits(load(width, sequences.event, clock) != 0) | recording
        if eventful or waiting == WAIT:
            partials(width, shape, state, now, waiting)
            waiting = 0
        if eventful:
            tick = to_tick + clock
            stop = _events(
                width, shape, rule, net, state, sequences, scores, record, clock, tick, now, then, learning, recording
            )
            recording, owing = recorded_lanes(record), owes(width, shape, state)
        now = then
        clock += 1
        if stop:
            break
    partials(width, shape, state, earlier(shape, now), waiting)
    state.ring[0] = now
    record.tick[0] = to_tick + clock
    return clock


@inlined
def recorded_lanes(record):  # type: ignore[no-untyped-def]
    """Lanes whose running sequence is recorded, one bit each."""
    bits = 0
    for lane in range(record.on.size):
        bits |= int(record.on[lane]) << lane
    return bits


@inlined
def _events(width, shape, rule, net, state, sequences, scores, record, clock, tick, now, then, learning, recording):  # type: ignore[no-untyped-def]
    """Outputs, errors, learning, recording and sequence ends at one step; whether a lane needs attention.

    Sets of lanes are the bits of whole numbers: most steps concern one lane of many.
    """
    event, stop = load(width, sequences.event, clock), False
    learn, judge = (event & LEARN) != 0, (event & JUDGE) != 0
    learns, judged, ended = lane_bits(learn), lane_bits(judge), lane_bits((event & END) != 0)
    waiting = learns | judged | recording
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        outputs(shape, rule, net, state, lane, now, then)
        if judged >> lane & 1:
            judge_step(shape, scores, state, sequences.targets, lane, sequences.judge[clock, lane])
        if learns >> lane & 1:
            output_errors(shape, rule, net, state, lane, sequences.targets, sequences.learn[clock, lane])
            if learning:
                update_outputs(shape, net, state, lane, recording >> lane & 1)
    if learns:
        hidden_errors(width, shape, rule, net, state)
        if learning:
            if shape.symbols:
                owe(width, shape, net, state, learn)
                waiting = learns if shape.output_gates or shape.hidden else learns & recording
                while waiting:
                    lane = lowest(waiting)
                    waiting &= waiting - 1
                    update_symbols(shape, net, state, lane, recording >> lane & 1)
            update_hidden(width, shape, net, state, learn, now, recording != 0)
    waiting = recording
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        write_step(shape, rule, state, record, sequences, lane, scores.index[lane], clock, tick, now, then, learning)
    owing = owes(width, shape, state) if ended else 0
    while ended:
        lane = lowest(ended)
        ended &= ended - 1
        if owing >> lane & 1:
            pay(shape, net, state, lane)
        if learning and rule.update_at_end:
            apply_changes(shape, net, lane)
        scores.steps[lane] += tick + 1 - record.begun[lane]
        close_sequence(scores, lane)
        net.alpha[lane] = learning_rate(rule, scores.index[lane])
        reset_lane(shape, state, lane, not (learning and rule.keep_states), not (learning and rule.keep_partials))
        record.begun[lane] = tick + 1
        record.on[lane] = wanted(record, lane, scores.index[lane])
        full = record.used[lane] + record.room > record.rows.shape[1]
        full |= scores.progress_rows[lane] == scores.progress.shape[1]
        stop |= full or scores.flag[lane] != RUNNING
    return stop


@inlined
def learning_rate(rule, index):  # type: ignore[no-untyped-def]
    """Return alpha in sequence number `index`; the paper's is constant."""
    return rule.learning_rate / (1.0 + rule.learning_rate_decay * index)


@inlined
def apply_changes(shape, net, lane):  # type: ignore[no-untyped-def]
    """Let the changes gathered over a sequence take effect in one lane."""
    for row in range(net.w.shape[0]):
        net.w[row, lane] = net.u[row, lane]
    for u in range(net.w_symbol.shape[1]):
        for i in range(net.w_symbol.shape[2]):
            net.w_symbol[lane, u, i] = net.u_symbol[lane, u, i]
    for m in range(net.w_output.shape[1]):
        for k in range(net.w_output.shape[2]):
            net.w_output[lane, m, k] = net.u_output[lane, m, k]
    for m in range(net.w_output_symbol.shape[1]):
        for k in range(net.w_output_symbol.shape[2]):
            net.w_output_symbol[lane, m, k] = net.u_output_symbol[lane, m, k]
