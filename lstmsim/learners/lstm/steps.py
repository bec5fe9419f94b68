"""The loop over time: all lanes step together, each learns, ends and restarts its own sequences."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.recording import finish_sequence
from lstmsim.kernels.scores import judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.streams import join
from lstmsim.kernels.thread import on_thread
from lstmsim.kernels.vector import lane_bits, load, lowest, splat, store
from lstmsim.kernels.warp import together
from lstmsim.learners.lstm.equations import (
    earlier,
    errors_at_net_inputs,
    first_rows,
    forward,
    hidden_errors,
    later,
    moved_on,
    partials,
    reset_lane,
    terms,
    update_hidden,
)
from lstmsim.learners.lstm.one_hot import defer_updates, deferring_lanes, make_updates, pending_updates, update_symbols
from lstmsim.learners.lstm.outputs import output_errors, outputs, update_outputs
from lstmsim.learners.lstm.recording import write_step


@kernel
def advance(nets, sequences, scores, record, clock, until, learning, tracking):
    """Step all lanes from `clock` until `until`, or until a lane needs attention: equations (7)-(9), (19)-(28).

    A lane needs attention when its flag in the scores leaves RUNNING, or when its rows of progress or record run out.

    Parameters
    ----------
    nets : Nets
        Weights and state change in place.
    sequences : Sequences
        What the lanes see and are to learn; only read.
    scores, record : Scores, Record
        Changed in place: judged outputs, finished sequences, recorded steps.
    clock, until : int
        First step, and the one to stop before.
    learning, tracking : bool
        Whether weights change, and whether partials are kept.

    Returns
    -------
    int
        The clock reached.
    """
    width, shape, state = nets.width, nets.shape, nets.state
    recording = recorded_lanes(record)
    to_tick = record.tick[0] - clock
    now, waiting, deferring = first_rows(nets), 0, deferring_lanes(nets)
    stop = False
    while clock < until and not stop:
        if on_thread(sequences):
            while clock + 1 < until and not lane_bits(load(width, sequences.event, clock) != 0) | recording:
                _step(nets, sequences, clock, now, later(shape, now), 0, tracking, deferring)
                partials(nets, now, int(tracking))
                now = moved_on(nets, later(shape, now))
                clock += 1
            clock = together(clock)
        then = later(shape, now)
        _step(nets, sequences, clock, now, then, waiting, tracking, deferring)
        waiting += int(tracking)
        eventful = lane_bits(load(width, sequences.event, clock) != 0) | recording
        if eventful or waiting == shape.wait:
            partials(nets, now, waiting)
            waiting = 0
        if eventful:
            stop = _events(nets, sequences, scores, record, clock, to_tick + clock, now, then, learning, recording)
            recording, deferring = recorded_lanes(record), deferring_lanes(nets)
        now = moved_on(nets, then)
        clock += 1
    partials(nets, earlier(shape, now), waiting)
    state.ring[0] = now
    record.tick[0] = to_tick + clock
    return clock


@inlined
def _step(nets, sequences, clock, now, then, waiting, tracking, deferring):
    """Inputs, activations and factors of the partials of one step, behind those of `waiting` earlier ones."""
    width, shape, state = nets.width, nets.shape, nets.state
    for i in range(shape.inputs):
        store(state.z, now + i, load(width, sequences.inputs, clock * shape.inputs + i))
    if shape.symbols:
        store(state.symbol, 0, load(width, sequences.symbol, clock))
    if deferring and not nets.rule.update_at_end:
        pending_updates(nets)
    forward(nets, now, then)
    if tracking:
        terms(nets, waiting, deferring)


@kernel
def learn_last(nets, sequences, scores, record):
    """(19)-(23), (22), (26), (28) for the step just made, as `advance` does where targets come with it.

    The sequences' first clock says which lanes learn, and what; the step's rows in the record are written again.
    """
    then, learn = nets.state.ring[0], (load(nets.width, sequences.event, 0) & LEARN) != 0
    now, learns = earlier(nets.shape, then), lane_bits(learn)
    waiting = learns
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        output_errors(nets, lane, sequences.targets, sequences.learn[0, lane])
        update_outputs(nets, lane, True)
    hidden_errors(nets)
    update_hidden(nets, learn, now, True)
    errors_at_net_inputs(nets)
    record.tick[0] -= 1
    while learns:
        lane = lowest(learns)
        learns &= learns - 1
        record.used[lane] -= 1
        write_step(nets, sequences, scores, record, lane, 0, then, True)
    record.tick[0] += 1


@inlined
def recorded_lanes(record):
    """Lanes whose running sequence is recorded, one bit each."""
    bits = 0
    for lane in range(record.on.size if record.rows.shape[1] else 0):
        bits |= int(record.on[lane]) << lane
    return bits


@inlined
def _events(nets, sequences, scores, record, clock, tick, now, then, learning, recording):
    """Outputs, errors, learning, recording and sequence ends at one step; whether a lane needs attention.

    Sets of lanes are the bits of whole numbers: most steps concern one lane of many.
    """
    width, shape = nets.width, nets.shape
    event = load(width, sequences.event, clock)
    learn = (event & LEARN) != 0
    learns, judged = lane_bits(learn), lane_bits((event & JUDGE) != 0)
    waiting = learns | judged | recording
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        outputs(nets, lane, now, then)
        if judged >> lane & 1:
            judge_step(shape, scores, nets.state, sequences.targets, lane, sequences.judge[clock, lane])
            join(scores, record, sequences, lane, clock, tick)
        if learns >> lane & 1:
            output_errors(nets, lane, sequences.targets, sequences.learn[clock, lane])
            if learning:
                update_outputs(nets, lane, recording >> lane & 1)
    if learns:
        hidden_errors(nets)
        if learning:
            if shape.symbols:
                defer_updates(nets, learn)
                waiting = learns if shape.output_gates or shape.hidden else learns & recording
                while waiting:
                    lane = lowest(waiting)
                    waiting &= waiting - 1
                    update_symbols(nets, lane, recording >> lane & 1)
            update_hidden(nets, learn, now, recording != 0)
    if recording:
        record.tick[0] = tick
        errors_at_net_inputs(nets)
    while recording:
        lane = lowest(recording)
        recording &= recording - 1
        write_step(nets, sequences, scores, record, lane, clock, then, learning)
    ended = lane_bits((load(width, sequences.event, clock) & END) != 0)
    stop, deferring = False, deferring_lanes(nets) if ended else 0
    while ended:
        lane = lowest(ended)
        ended &= ended - 1
        if deferring >> lane & 1:
            make_updates(nets, lane)
        if learning and nets.rule.update_at_end:
            apply_changes(nets.shape, nets.weights, lane)
        stop |= end_lane(nets, scores, record, lane, tick + 1, learning)
    return stop


@inlined
def end_lane(nets, scores, record, lane, tick, learning):
    """End one lane's sequence and make it ready for the next, which begins at `tick`; whether it needs attention.

    Changes that wait for the end have taken effect.
    """
    rule = nets.rule
    reset_lane(nets, lane, not (learning and rule.keep_states), not (learning and rule.keep_partials))
    attention = finish_sequence(scores, record, lane, tick)
    nets.weights.alpha[lane] = learning_rate(nets.weights, lane, scores.index[lane])
    return attention


@inlined
def weights_are_numbers(nets):
    """Whether no weight of one lane is infinite or NaN, on one lane and with the padding."""
    width, weights = nets.width, nets.weights
    total = _zeros(width, weights.w) + _zeros(width, weights.w_symbol)
    total = total + (_zeros(width, weights.w_output) + _zeros(width, weights.w_output_symbol))
    total = total + _zeros(width, weights.peephole)
    return not lane_bits(total != 0.0)


@inlined
def _zeros(width, array):
    """Sum of x - x over one lane's array: 0 unless something in it is infinite or NaN."""
    total = splat(width, 0.0)
    for row in range(array.size):
        x = load(width, array, row)
        total = total + (x - x)
    return total


@inlined
def learning_rate(weights, lane, index):
    """Return a lane's alpha in sequence number `index`; the paper's is constant."""
    rate, square, n = weights.rate, weights.rate[2, lane], index // int(weights.rate[3, lane])
    alpha = rate[0, lane] / (1.0 + rate[1, lane] * index)
    while square != 1.0 and n > 0:
        if n % 2:
            alpha *= square
        square, n = square * square, n // 2
    return alpha


@inlined
def apply_changes(shape, weights, lane):
    """Let the changes gathered over a sequence take effect in one lane."""
    for row in range(weights.w.shape[0]):
        weights.w[row, lane] = weights.u[row, lane]
    for u in range(weights.w_symbol.shape[1]):
        for i in range(weights.w_symbol.shape[2]):
            weights.w_symbol[lane, u, i] = weights.u_symbol[lane, u, i]
    for m in range(weights.w_output.shape[1]):
        for k in range(weights.w_output.shape[2]):
            weights.w_output[lane, m, k] = weights.u_output[lane, m, k]
    for m in range(weights.w_output_symbol.shape[1]):
        for k in range(weights.w_output_symbol.shape[2]):
            weights.w_output_symbol[lane, m, k] = weights.u_output_symbol[lane, m, k]
    for row in range(weights.peephole.shape[0]):
        weights.peephole[row, lane] = weights.u_peephole[row, lane]
