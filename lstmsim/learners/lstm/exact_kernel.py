"""The untruncated gradient of the LSTM, forward in time: real-time recurrent learning through gates, cells and outputs.

Shape, rule, net, state and forward pass are those of the truncated rule; in place of (25) and (27) the sensitivities of
all recurrent activations and cell states to all weights of the hidden layer are kept.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.recording import finish_sequence, write_step
from lstmsim.kernels.scores import judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.vector import UNITS, fma, load_at, splat, store_at
from lstmsim.learners.lstm.equations import forward, hidden_errors, later, reset_lane
from lstmsim.learners.lstm.outputs import output_errors, outputs, update_outputs
from lstmsim.learners.lstm.steps import apply_changes, learning_rate


@kernel
def advance(  # type: ignore[no-untyped-def]
    width, shape, rule, net, state, p, x, column, sequences, scores, record, clock, until, learning, tracking
):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached."""
    while clock < until:
        now = state.ring[0]
        then = state.ring[0] = later(shape, now)
        for i in range(shape.inputs):
            state.z[now + i, 0] = sequences.inputs[clock, i, 0]
        if shape.symbols:
            x[state.symbol[0]] = 0.0
            state.symbol[0] = sequences.symbol[clock, 0]
            x[state.symbol[0]] = 1.0
        forward(width, shape, rule, net, state, now, then)
        if tracking:
            for m in range(shape.sources):
                x[shape.symbol_stride + m] = state.z[now + m, 0]
            sensitivities(shape, rule, net, state, p, x, column)
        event, tick = sequences.event[clock, 0], record.tick[0]
        if event & (LEARN | JUDGE) or record.on[0]:
            outputs(shape, rule, net, state, 0, now, then)
        if event & JUDGE:
            judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        if event & LEARN:
            output_errors(shape, rule, net, state, 0, sequences.targets, sequences.learn[clock, 0])
            hidden_errors(width, shape, rule, net, state)
            if learning:
                update_outputs(shape, net, state, 0, record.on[0])
                update_hidden(shape, net, state, p, x, column, record.on[0])
        if record.on[0]:
            write_step(shape, rule, state, record, sequences, 0, scores.index[0], clock, tick, now, then, learning)
        if event & END:
            if learning and rule.update_at_end:
                apply_changes(shape, net, 0)
            reset_lane(shape, state, 0, True, False)
            for at in range(p.size):
                p[at] = 0.0
        clock += 1
        record.tick[0] += 1
        attention = event & END and finish_sequence(scores, record, 0, record.tick[0])
        net.alpha[0] = learning_rate(rule, scores.index[0])
        if attention:
            break
    return clock


@inlined
def sensitivities(shape, rule, net, state, p, x, column):  # type: ignore[no-untyped-def]
    """Derivatives of (7)-(9) by the weight w_um, written d below, for every unit u and eight sources m at a time.

    dnet_v(t) = sum_r w_vr dy_r(t-1) + delta_uv z_m(t); dy_in = f' dnet_in, and so for output gates and hidden units;
    ds_c(t) = ds_c(t-1) + g dy_in + y_in g' dnet_c; dy_c = h dy_out + y_out h' ds_c.
    For one u and eight m the values stand together: dy of gates, hidden units and cells, the order of the weights' rows,
    then the ds.
    """
    units, blocks, size, cells = shape.units, shape.blocks, shape.size, shape.cells
    gates_end = blocks + shape.output_gates
    first_source, first_gate = shape.inputs + 1, blocks + cells
    no_sources = 8 * (gates_end - shape.gate_rows)  # the gates' dy, where gates are no sources
    for u in range(units):
        for m in range(0, x.size, 8):
            block = (u * x.size + m) * (units + cells)
            source = block + no_sources
            v = 0
            while v + 4 <= units:  # four at a time, so that one load of dy_r serves four
                a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
                for r in range(shape.sources - first_source):
                    p_r, row = load_at(UNITS, p, source + 8 * r), (first_source + r) * units + v
                    a = fma(net.w[row, 0], p_r, a)
                    b = fma(net.w[row + 1, 0], p_r, b)
                    c = fma(net.w[row + 2, 0], p_r, c)
                    d = fma(net.w[row + 3, 0], p_r, d)
                store_at(column, 8 * v, a)
                store_at(column, 8 * v + 8, b)
                store_at(column, 8 * v + 16, c)
                store_at(column, 8 * v + 24, d)
                v += 4
            while v < units:
                a = splat(UNITS, 0.0)
                for r in range(shape.sources - first_source):
                    a = fma(net.w[(first_source + r) * units + v, 0], load_at(UNITS, p, source + 8 * r), a)
                store_at(column, 8 * v, a)
                v += 1
            store_at(column, 8 * u, load_at(UNITS, column, 8 * u) + load_at(UNITS, x, m))
            for j in range(blocks):
                y_in, y_out = state.y[j, 0], 1.0
                to_in, to_out = y_in * (1.0 - y_in) * load_at(UNITS, column, 8 * j), splat(UNITS, 0.0)
                store_at(p, block + 8 * j, to_in)
                if shape.output_gates:
                    y_out = state.y[first_gate + j, 0]
                    to_out = y_out * (1.0 - y_out) * load_at(UNITS, column, 8 * (first_gate + j))
                    store_at(p, block + 8 * (blocks + j), to_out)
                for i in range(j * size, (j + 1) * size):
                    f, h, slope = state.y[blocks + i, 0], state.h[i, 0], 1.0
                    if not rule.h_identity:
                        slope = (h + rule.h_shift) * ((rule.h_scale - rule.h_shift) - h) / rule.h_scale
                    at = block + 8 * (units + i)
                    to_state = fma(rule.g_scale * f - rule.g_shift, to_in, load_at(UNITS, p, at))
                    to_state = fma(y_in * rule.g_scale * f * (1.0 - f), load_at(UNITS, column, 8 * (blocks + i)), to_state)
                    store_at(p, at, to_state)
                    at = block + 8 * (gates_end + shape.hidden + i)
                    store_at(p, at, fma(h, to_out, y_out * slope * to_state))
            for i in range(shape.hidden):
                y = state.y[first_gate + shape.output_gates + i, 0]
                to_net = load_at(UNITS, column, 8 * (first_gate + shape.output_gates + i))
                store_at(p, block + 8 * (gates_end + i), y * (1.0 - y) * to_net)


@inlined
def update_hidden(shape, net, state, p, x, column, measure):  # type: ignore[no-untyped-def]
    """dw_um = alpha sum_v (sum_k w_kv e_k) dy_v/dw_um over the cells and hidden units v that the outputs see."""
    units, cells, stride = shape.units, shape.cells, shape.symbol_stride
    first_hidden = shape.blocks + shape.output_gates
    first_cell = first_hidden + shape.hidden
    for u in range(units):
        gate = u < shape.blocks or shape.blocks + cells <= u < shape.blocks + cells + shape.output_gates
        for m in range(0, x.size, 8):
            block = (u * x.size + m) * (units + cells)
            change = splat(UNITS, 0.0)
            for c in range(cells):
                change = fma(state.back[c, 0], load_at(UNITS, p, block + 8 * (first_cell + c)), change)
            for i in range(shape.hidden):
                change = fma(state.back[cells + i, 0], load_at(UNITS, p, block + 8 * (first_hidden + i)), change)
            store_at(column, 0, net.alpha[0] * change)
            for n in range(8):
                source = m + n - stride
                if source >= shape.sources or (source == shape.inputs and not gate and not shape.cell_bias):
                    continue
                if source < 0:
                    net.u_symbol[0, u, m + n] += column[n]
                else:
                    net.u[source * units + u, 0] += column[n]
                if measure:
                    state.norm[0] += column[n] * column[n]
