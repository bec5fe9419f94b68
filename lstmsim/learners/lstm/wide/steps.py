"""The loop over time of one big net, whose units stand along the vector: `advance` for the rule of `wide_rule`."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.recording import wanted, write_step
from lstmsim.kernels.scores import RUNNING, close_sequence, judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load, load_one, splat, store
from lstmsim.learners.lstm.outputs import output_errors
from lstmsim.learners.lstm.wide.equations import (
    CHAIN,
    RING,
    activate,
    catch_up,
    hidden_errors,
    learn,
    net_inputs,
)


@inlined
def _output_part(shape, now, then, part):  # type: ignore[no-untyped-def]
    """First and last of the outputs' sources that are inputs, cells or hidden units, and from there to their activations."""
    cells = shape.output_inputs + 1
    hidden = cells + shape.cells
    units = then + shape.inputs + 1 + shape.gate_rows
    if part == 0:
        return 0, shape.output_inputs, now
    if part == 1:
        return cells, hidden, units + shape.hidden - cells
    return hidden, hidden + shape.hidden, units - hidden


@inlined
def output_activations(shape, rule, net, state, now, then):  # type: ignore[no-untyped-def]
    """y_k = f(net_k), from the inputs, the bias, the cells and the hidden units of this step."""
    wide = shape.output_stride // 8
    for k in range(wide):
        total, total_ = load(UNITS, net.w_output, shape.output_inputs * wide + k), splat(UNITS, 0.0)
        for part in range(3):
            first, last, z = _output_part(shape, now, then, part)
            for m in range(first, last):
                weight = load(UNITS, net.w_output, m * wide + k)
                total, total_ = total_, fma(weight, load_one(UNITS, state.z, z + m), total)
        total = total + total_
        if rule.logistic_output:
            total = logistic(total)
        store(state.y_k, k, total)


@inlined
def learn_outputs(shape, net, state, now, then):  # type: ignore[no-untyped-def]
    """(22) for the output units: dw_km = alpha e_k y_m."""
    wide, squares = shape.output_stride // 8, splat(UNITS, 0.0)
    for k in range(wide):
        e_k, y2 = net.alpha[0] * load(UNITS, state.e_k, k), splat(UNITS, 0.0)
        if shape.output_bias:
            at, y2 = shape.output_inputs * wide + k, splat(UNITS, 1.0)
            store(net.u_output, at, load(UNITS, net.u_output, at) + e_k)
        for part in range(3):
            first, last, z = _output_part(shape, now, then, part)
            for m in range(first, last):
                at, y_m = m * wide + k, load_one(UNITS, state.z, z + m)
                store(net.u_output, at, fma(e_k, y_m, load(UNITS, net.u_output, at)))
                y2 = fma(y_m, y_m, y2)
        squares = fma(e_k * e_k, y2, squares)
    state.norm[0] = lane_sum(squares)


@inlined
def unit_by_unit(shape, tiles, state):  # type: ignore[no-untyped-def]
    """Copy what is recorded from the rows of eight to the arrays that stand unit by unit."""
    place, first_cell = state.ring[0], shape.blocks
    for c in range(shape.cells):
        lane = state.cell_lane[c]
        state.s[c, 0], state.e_s[c, 0] = state.row_s[lane], state.row_e_s[place, lane]
        state.net[first_cell + c, 0], state.y[first_cell + c, 0] = state.row_net[lane], state.row_y[lane]
    for j in range(shape.blocks):
        lane = state.block_lane[j]
        state.y[j, 0], state.e_out[j, 0] = state.row_y[8 * tiles.cell_rows + lane], state.row_e_out[place, lane]
        if shape.output_gates:
            state.y[first_cell + shape.cells + j, 0] = state.row_y[8 * tiles.first_out + lane]


@inlined
def apply_wide_changes(net):  # type: ignore[no-untyped-def]
    """Let the changes gathered over a sequence take effect."""
    for at in range(net.w.size // 8):
        store(net.w, at, load(UNITS, net.u, at))
    for at in range(net.w_output.size // 8):
        store(net.w_output, at, load(UNITS, net.u_output, at))


@inlined
def reset_wide(shape, tiles, state):  # type: ignore[no-untyped-def]
    """Cell states, partials and what the running step sees of the units to zero, as before every sequence."""
    now = state.ring[0] * shape.rows
    for row in range(now + shape.inputs + 1, now + shape.rows):
        state.z[row, 0] = 0.0
    for c in range(tiles.cell_rows):
        store(state.row_s, c, splat(UNITS, 0.0))
    for at in range(state.p.size // 8):
        store(state.p, at, splat(UNITS, 0.0))
    state.ring[1] = 0


@kernel
def advance_wide(shape, tiles, rule, net, state, sequences, scores, record, clock, until, learning, tracking):  # type: ignore[no-untyped-def]
    """Step the net from `clock` until `until`, or until it needs attention; returns the clock reached.

    With `tracking` the partials are kept, with `learning` weights change too. No weight change is left waiting on return.
    The net needs attention when its scores's flag leaves RUNNING, or when its progress or record rows run out.
    """
    to_tick = record.tick[0] - clock
    for j in range(shape.blocks):
        for q in range(tiles.group):
            state.row_present[state.block_lane[j] + q] = net.present[j, 0]
    waiting, noted, ended, stop = 0, False, False, False
    while True:
        now, running = state.ring[0] * shape.rows, clock < until
        if running:
            for i in range(shape.inputs):
                state.z[now + i, 0] = sequences.inputs[clock, i, 0]
        known = waiting > 0 and not ended and not rule.update_at_end
        if waiting > 0:
            goes_on = running and not ended and (sequences.event[clock, 0] & LEARN) != 0
            write = waiting == CHAIN or not goes_on
            learn(shape, tiles, net, state, waiting, write)
            if noted:
                record.rows[0, record.used[0] - 1, record.rows.shape[2] - 1] = state.norm[0] ** 0.5
            waiting = 0 if write else waiting
        elif state.ring[1] == RING - 1 or not tracking:
            catch_up(shape, tiles, state, 0)
        if ended:
            stop = _close(shape, tiles, rule, net, state, scores, record, to_tick + clock, learning)
            ended = False
        if stop or not running:
            break
        if not known:
            net_inputs(shape, tiles, net, state, now)
        place = (state.ring[0] + 1) % RING
        then, event = place * shape.rows, sequences.event[clock, 0]
        activate(shape, tiles, rule, net, state, state.ring[0], then)
        noted, ended = record.on[0], (event & END) != 0
        if event & (LEARN | JUDGE) or noted:
            output_activations(shape, rule, net, state, now, then)
        if event & JUDGE:
            judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        if event & LEARN:
            output_errors(shape, rule, net, state, 0, sequences.targets, sequences.learn[clock, 0])
            hidden_errors(shape, tiles, rule, state)
            if learning:
                learn_outputs(shape, net, state, now, then)
                waiting += 1
        if noted:
            unit_by_unit(shape, tiles, state)
            write_step(
                shape, rule, state, record, sequences, 0, scores.index[0], clock, to_tick + clock, now, then, learning
            )
        state.ring[0] = place
        if tracking:
            state.ring[1] += 1
        clock += 1
    record.tick[0] = to_tick + clock
    return clock


@inlined
def _close(shape, tiles, rule, net, state, scores, record, tick, learning):  # type: ignore[no-untyped-def]
    """End the running sequence; whether the net needs attention."""
    if learning and rule.update_at_end:
        apply_wide_changes(net)
    scores.steps[0] += tick - record.begun[0]
    close_sequence(scores, 0)
    reset_wide(shape, tiles, state)
    record.begun[0] = tick
    record.on[0] = wanted(record, 0, scores.index[0])
    full = record.used[0] + record.room > record.rows.shape[1]
    full |= scores.progress_rows[0] == scores.progress.shape[1]
    return full or scores.flag[0] != RUNNING
