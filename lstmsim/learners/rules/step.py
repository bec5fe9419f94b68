"""The step of every rule that goes forward in time, around what a rule's own file has.

A rule is three things: which entries of the influence M_kij = da_k/dw_ij are kept, the operator that moves them in place of
M <- J M + I (I the influence of this step alone, delta_ki d_i z_j), and the signal by which they become a gradient, q M in
full. A file brings them as four inlined functions:

    move(nets)                          what must be moved before the weights change and as a whole
    signal(nets)                        fills `state.signal` from `state.q`
    operator(nets, i)                   what eight units from i on multiply their kept entries by
    kept(nets, at, j, own, d, learns)   the kept entries of weights (j, i..i+7) after this step, `at` = j wide + i

The change is alpha signal_i kept_ij.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from numba.core.dispatcher import Dispatcher

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.optimiser import descend
from lstmsim.learners.over_time import input_at, over_time, standing_with
from lstmsim.learners.rules.equations import carry, learn_outputs, predict, reset_activations, respond, write_row, zero
from lstmsim.learners.rules.shadow import compare, follow
from lstmsim.learners.rules.structs import Shape

move = cast(Dispatcher, None)  # These stand for the rule's own; `forward_in_time` puts them in their place.
signal = operator = kept = forget = sweep = turn = gradient = move
moves_all = True


class Rule(NamedTuple):
    """What a rule's file offers.

    Attributes
    ----------
    label : str
        As people read it.
    advance : compiled function
        The loop over time.
    room : callable
        ``room(settings, shape)``: a struct of what is kept; its arrays are zero after a reset.
    lasting : tuple of str
        Arrays of that struct that learning itself changes, which outlive a sequence.
    start : callable, optional
        ``start(kept, settings)``: sets those as before all learning.
    waits : bool
        Weights do not change at every step with a target.
    """

    label: str
    advance: Dispatcher
    room: Callable[[Any, Shape], Struct]
    lasting: tuple[str, ...] = ()
    start: Callable[[Any, Any], None] | None = None
    waits: bool = False


def _step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, what is kept, changes of the weights; see `lstmsim.learners.over_time`."""
    core, state = nets.core, nets.state
    event = predict(core, sequences, scores, record, clock)
    learns = learn and (event & LEARN) != 0
    if track:
        state.count[0] += 1
        if core.shadow.every:
            follow(core, event & LEARN)
        move(nets)
    if learns:
        signal(nets)
        learn_outputs(core)
    if learns or (track and moves_all):
        sweep(nets, learns, record.on[0])
    if learns:
        finish(core)
    carry(nets.shape, state)


def _sweep_all(nets, learns, measure):
    """Move what is kept of each weight, and w_ij += alpha signal_i kept_ij where the step learns."""
    shape, state, net, optimiser = nets.shape, nets.state, nets.core.net, nets.core.optimiser
    wide, alpha, stored = shape.wide, optimiser.now[0, 0], not optimiser.plain or nets.core.shadow.every > 0
    squares = splat(UNITS, 0.0)
    for i in range(0, wide, 8):
        own, d, s = operator(nets, i), load_at(UNITS, state.slope, i), load_at(UNITS, state.signal, i)
        step = alpha * s
        for j in range(shape.sources):
            at = j * wide + i
            entry = kept(nets, at, j, own, d, learns)
            if learns:
                if shape.sparse:
                    entry = entry * load_at(UNITS, net.mask, at)
                if stored:
                    store_at(net.g, at, s * entry)
                if optimiser.plain:
                    store_at(net.w, at, fma(step, entry, load_at(UNITS, net.w, at)))
                    if measure:
                        change = step * entry
                        squares = fma(change, change, squares)
    if learns:
        state.norm[0] += lane_sum(squares)


@inlined
def finish(core):
    """Compare the gradient with the exact one, and let the optimiser change the weights by it, where either is asked for."""
    net, optimiser = core.net, core.optimiser
    if core.shadow.every:
        compare(core)
    if not optimiser.plain:
        core.state.norm[0] = descend(optimiser, net.w, net.g, net.w_output, net.g_output)
        zero(net.g_output)


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on."""
    write_row(nets.core, row, at, event, learn)


def _reset(nets):
    """Activations and what is kept to zero, unless nothing is reset between sequences."""
    if not nets.shape.keeps:
        reset_activations(nets.core)
        forget(nets.kept)


def _forget_all(kept):
    """Set the entries that are kept to zero."""
    zero(kept.entries)


forget_all = inlined(_forget_all)


def forward_in_time(
    kept: Dispatcher,
    *,
    operator: Dispatcher,
    move: Dispatcher | None = None,
    signal: Dispatcher | None = None,
    forget: Dispatcher = forget_all,
    moves_all: bool = True,
) -> Dispatcher:
    """Compile the loop over time around a rule's functions, as a function of the file that `kept` stands in.

    Parameters
    ----------
    kept, operator, move, signal
        As above; by default nothing is moved as a whole, and the signal is q.
    forget : compiled function
        ``forget(kept)``: what a sequence begins with.
    moves_all : bool
        `kept` moves entries, so that it is called at every step, not only where weights change.
    """
    its = kept.py_func
    own = {"kept": kept, "operator": operator, "move": move or nothing, "signal": signal or error_itself}
    sweep = inlined(standing_with(its, "sweep", _sweep_all, **own))
    step = inlined(standing_with(its, "step", _step, **own, sweep=sweep, moves_all=moves_all))
    return over_time(step, write, inlined(standing_with(its, "reset", _reset, forget=forget)))


def _step_of_cells(nets, sequences, scores, record, clock, learn, track):
    """One step: cells and partials, errors, changes of the weights; see `lstmsim.learners.over_time`."""
    core, shape, state = nets.core, nets.shape, nets.state
    for j in range(shape.inputs):
        state.z[j] = input_at(shape, sequences, clock, j)
    state.z[shape.inputs] = 1.0 if shape.bias else 0.0
    turn(nets, track)
    state.a[shape.hidden] = state.z[shape.inputs]
    event = respond(core, sequences, scores, record, clock)
    if track:
        state.count[0] += 1
    if learn and event & LEARN:
        learn_outputs(core)
        gradient(nets)
        finish(core)


def cells_alone(turn: Dispatcher, *, gradient: Dispatcher, reset: Dispatcher) -> Dispatcher:
    """Compile the loop over time of cells that feed themselves alone, as a function of the file that `turn` stands in.

    Parameters
    ----------
    turn : compiled function
        ``turn(nets, track)``: moves the cells by the inputs in `state.z`, and their partials.
    gradient : compiled function
        ``gradient(nets)``: the gradient of every weight, and the change where nothing waits for it.
    reset : compiled function
        ``reset(nets)``: what a sequence begins with.
    """
    step = inlined(standing_with(turn.py_func, "step", _step_of_cells, turn=turn, gradient=gradient))
    return over_time(step, write, reset)


@inlined
def nothing(nets):
    """No entry is moved with others."""


@inlined
def error_itself(nets):
    """Multiply what is kept of unit i by q_i = -dL/da_i."""
    for i in range(0, nets.shape.wide, 8):
        store_at(nets.state.signal, i, load_at(UNITS, nets.state.q, i))
