"""The loop over time of one big net, whose units stand along the vector."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.recording import finish_sequence
from lstmsim.kernels.scores import judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.streams import join
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load, load_one, splat, store
from lstmsim.learners.lstm.outputs import output_errors
from lstmsim.learners.lstm.recording import write_step
from lstmsim.learners.lstm.steps import learning_rate
from lstmsim.learners.lstm.wide.equations import activate, hidden_errors, net_inputs
from lstmsim.learners.lstm.wide.learning import catch_up, learn
from lstmsim.learners.lstm.wide.structs import CHAIN, RING


@inlined
def _output_part(nets, now, then, part):
    """First and last of the outputs' sources that are inputs, cells or hidden units, and from there to their activations."""
    shape = nets.shape
    cells = shape.output_inputs + 1
    hidden = cells + shape.cells
    units = then + shape.inputs + 1 + shape.gate_rows
    if part == 0:
        return 0, shape.output_inputs, now
    if part == 1:
        return cells, hidden, units + shape.hidden - cells
    return hidden, hidden + shape.hidden, units - hidden


@inlined
def output_activations(nets, now, then):
    """y_k = f(net_k), from the inputs, the bias, the cells and the hidden units of this step."""
    shape, rule, weights, state = nets.shape, nets.rule, nets.weights, nets.state
    wide = shape.output_stride // 8
    for k in range(wide):
        total, total_ = load(UNITS, weights.w_output, shape.output_inputs * wide + k), splat(UNITS, 0.0)
        for part in range(3):
            first, last, z = _output_part(nets, now, then, part)
            for m in range(first, last):
                weight = load(UNITS, weights.w_output, m * wide + k)
                total, total_ = total_, fma(weight, load_one(UNITS, state.z, z + m), total)
        total = total + total_
        if rule.logistic_output:
            total = logistic(total)
        store(state.y_k, k, total)


@inlined
def learn_outputs(nets, now, then):
    """(22) for the output units: dw_km = alpha e_k y_m."""
    shape, weights, state = nets.shape, nets.weights, nets.state
    wide, squares = shape.output_stride // 8, splat(UNITS, 0.0)
    for k in range(wide):
        e_k, y2 = weights.alpha[0] * load(UNITS, state.e_k, k), splat(UNITS, 0.0)
        if shape.output_bias:
            at, y2 = shape.output_inputs * wide + k, splat(UNITS, 1.0)
            store(weights.u_output, at, load(UNITS, weights.u_output, at) + e_k)
        for part in range(3):
            first, last, z = _output_part(nets, now, then, part)
            for m in range(first, last):
                at, y_m = m * wide + k, load_one(UNITS, state.z, z + m)
                store(weights.u_output, at, fma(e_k, y_m, load(UNITS, weights.u_output, at)))
                y2 = fma(y_m, y_m, y2)
        squares = fma(e_k * e_k, y2, squares)
    state.norm[0] = lane_sum(squares)


@inlined
def unit_by_unit(nets):
    """What is recorded, from the rows of eight to the arrays that stand unit by unit; (36) and (37), which are not kept."""
    shape, tiles, state = nets.shape, nets.tiles, nets.state
    place, first_cell = state.ring[0], shape.blocks
    for j in range(shape.blocks):
        state.e_in[j, 0] = 0.0
    for c in range(shape.cells):
        lane, block = state.cell_lane[c], c // shape.size
        state.e_cell[c, 0] = state.factor[place, 0, lane] * state.row_e_s[place, lane]
        state.e_in[block, 0] += state.factor[place, 1, lane] * state.row_e_s[place, lane]
        state.s[c, 0], state.e_s[c, 0] = state.row_s[lane], state.row_e_s[place, lane]
        state.net[first_cell + c, 0], state.y[first_cell + c, 0] = state.row_net[lane], state.row_y[lane]
    for j in range(shape.blocks):
        lane = state.block_lane[j]
        state.y[j, 0], state.e_out[j, 0] = state.row_y[8 * tiles.cell_rows + lane], state.row_e_out[place, lane]
        if shape.output_gates:
            state.y[first_cell + shape.cells + j, 0] = state.row_y[8 * tiles.first_out + lane]
    first_hidden = shape.units - shape.hidden
    for i in range(shape.hidden):
        state.y[first_hidden + i, 0] = state.row_y[8 * tiles.first_hidden + i]
        state.e_hidden[i, 0] = state.row_e_hidden[place, i]


@inlined
def apply_wide_changes(nets):
    """Let the changes gathered over a sequence take effect."""
    weights = nets.weights
    for at in range(weights.w.size // 8):
        store(weights.w, at, load(UNITS, weights.u, at))
    for at in range(weights.w_output.size // 8):
        store(weights.w_output, at, load(UNITS, weights.u_output, at))


@inlined
def reset_wide(nets):
    """Cell states, partials and what the running step sees of the units to zero, as before every sequence."""
    shape, tiles, state = nets.shape, nets.tiles, nets.state
    now = state.ring[0] * shape.rows
    for row in range(now + shape.inputs + 1, now + shape.rows):
        state.z[row, 0] = 0.0
    for c in range(tiles.cell_rows):
        store(state.row_s, c, splat(UNITS, 0.0))
    for at in range(state.p.size // 8):
        store(state.p, at, splat(UNITS, 0.0))
    state.ring[1] = 0


@kernel
def advance_wide(nets, sequences, scores, record, clock, until, learning, tracking):
    """Step the net from `clock` until `until`, or until it needs attention; returns the clock reached.

    Arguments are those of `lstmsim.learners.lstm.steps.advance`, but for `nets`, a `WideNet`. No weight change is left
    waiting on return.
    """
    shape, tiles, rule, weights, state = nets.shape, nets.tiles, nets.rule, nets.weights, nets.state
    to_tick = record.tick[0] - clock
    for j in range(shape.blocks):
        for q in range(tiles.group):
            state.row_present[state.block_lane[j] + q] = weights.present[j, 0]
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
            learn(nets, waiting, write)
            if noted:
                record.rows[0, record.used[0] - 1, record.rows.shape[2] - 1] = state.norm[0] ** 0.5
            waiting = 0 if write else waiting
        elif (running and state.ring[1] == RING - 1) or not tracking:  # after the last step `learn_last_wide` may come
            catch_up(nets, 0)
        if ended:
            stop = _close(nets, scores, record, to_tick + clock, learning)
            ended = False
        if stop or not running:
            break
        if not known:
            net_inputs(nets, now)
        place = (state.ring[0] + 1) % RING
        then, event = place * shape.rows, sequences.event[clock, 0]
        activate(nets, state.ring[0], then)
        noted = record.on[0]
        if event & (LEARN | JUDGE) or noted:
            output_activations(nets, now, then)
        if event & JUDGE:
            judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
            join(scores, record, sequences, 0, clock, to_tick + clock)
        ended = (sequences.event[clock, 0] & END) != 0
        if event & LEARN:
            output_errors(nets, 0, sequences.targets, sequences.learn[clock, 0])
            hidden_errors(nets)
            if learning:
                learn_outputs(nets, now, then)
                waiting += 1
        if noted:
            unit_by_unit(nets)
            record.tick[0] = to_tick + clock
            write_step(nets, sequences, scores, record, 0, clock, then, learning)
        state.ring[0] = place
        if tracking:
            state.ring[1] += 1
        clock += 1
    record.tick[0] = to_tick + clock
    return clock


@inlined
def _close(nets, scores, record, tick, learning):
    """End the running sequence; whether the net needs attention."""
    rule = nets.rule
    if learning and rule.update_at_end:
        apply_wide_changes(nets)
    reset_wide(nets)
    attention = finish_sequence(scores, record, 0, tick)
    nets.weights.alpha[0] = learning_rate(nets.weights, 0, scores.index[0])
    return attention


@kernel
def learn_last_wide(nets, sequences, scores, record):
    """(19)-(23), (22), (25)-(28) for the step just made, as `advance_wide` does where a target comes with the step.

    The first row of the sequences' targets holds the targets; the step's row in the record is written again.
    """
    state, then = nets.state, nets.state.ring[0] * nets.shape.rows
    place = (state.ring[0] - 1 + RING) % RING
    now, after = place * nets.shape.rows, state.ring[0]
    state.ring[0] = place
    output_errors(nets, 0, sequences.targets, 0)
    hidden_errors(nets)
    learn_outputs(nets, now, then)
    unit_by_unit(nets)
    record.used[0] -= 1
    record.tick[0] -= 1
    write_step(nets, sequences, scores, record, 0, 0, then, True)
    record.tick[0] += 1
    state.ring[0] = after
    learn(nets, 1, True)
    record.rows[0, record.used[0] - 1, record.rows.shape[2] - 1] = state.norm[0] ** 0.5
