"""A net of states whose transitions depend on the input, trained by expectation maximisation ([29] of the 1997 paper).

Bengio and Frasconi (1994): the net is in one of n states; the input decides how likely each state follows each other one,

    a_i(t) = sum_j phi_ij(x(t)) a_j(t-1),  phi_ij(x) = exp(w_ij x~) / sum_l exp(w_lj x~),  x~ = [x, 1],

and a sequence says in which state it should have ended. Back from there b_j(t-1) = sum_i phi_ij b_i(t) gives the
probability a_j(t-1) phi_ij b_i(t) that the net went from j to i at t, given the target. Of what these weigh,
Q = sum_t sum_ij xi_ij(t) log phi_ij(x(t)), no closed form has the maximum; but Q lies above a quadratic function with
the same value and slope (Boehning 1992), whose maximum is a step

    dw_ijm = 2 G_ijm / D_jm,  G = sum_t (xi_ij - phi_ij sum_l xi_lj) x~_m,  D = sum_t sum_i xi_ij |x~_m| sum_m' |x~_m'|.

Twice that step leaves Q where it was, and a shorter one raises it, so the likelihood of the sequences does not fall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Array, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import exponential
from lstmsim.kernels.random import log
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.base import UPDATE_NORM, register
from lstmsim.learners.over_time import HistoryLearner, OneLaneSettings, Places, input_at, judged, over_time, padded, zeros
from lstmsim.learners.weights import Masks, Weights, not_too_large, uniform_weights


class Shape(Struct):
    """Sizes of a net."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    outputs: int
    states: int
    wide: int  # padded number of states


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    w: Floats  # (source, from, to), padded
    a: Floats  # (to,), padded
    mask: Floats  # (to,): 1.0 for states, 0.0 for padding
    b: Floats  # (to,): what arrives from the targets
    before: Floats  # (to,): the same, one step earlier
    y_k: Floats  # (1, output), padded
    e_k: Floats  # (1, output), padded
    norm: Floats  # (1,): squared norm of the last weight change
    log_likelihood: Floats  # (1,)
    waiting: Ints  # (1,) int: targets of the running sequence
    seen: Ints  # (1,) int: sequences with a target since the last change
    G: Floats  # (source, from, to): slope of the log likelihood
    D: Floats  # (source, from): half the curvature of its bound


class History(Struct):
    """The running sequence so far."""

    x: Floats  # (step, source)
    a: Floats  # (step, from): a(t-1)
    phi: Floats  # (step, from, to)
    e: Floats  # (step, to): slope of the target's log likelihood by a(t)


class Nets(Struct):
    """A net, the running sequence and the rule."""

    shape: Shape
    state: State
    history: History
    share: float
    batch: int


@inlined
def forward(nets, sequences, clock, t):
    """a_i(t) = sum_j phi_ij(x(t)) a_j(t-1), phi the softmax of w x~; both are kept in row t of the history."""
    shape, state, history, n, wide = nets.shape, nets.state, nets.history, nets.shape.states, nets.shape.wide
    for m in range(shape.inputs):
        history.x[t, m] = input_at(shape, sequences, clock, m)
    history.x[t, shape.inputs] = 1.0
    for i in range(0, wide, 8):
        store_at(state.b, i, splat(UNITS, 0.0))
        store_at(history.e, t * wide + i, splat(UNITS, 0.0))
    for j in range(n):
        row = (t * n + j) * wide
        history.a[t, j] = state.a[j]
        for i in range(0, wide, 8):
            store_at(history.phi, row + i, splat(UNITS, 0.0))
        for m in range(shape.inputs + 1):
            x = history.x[t, m]
            if x != 0.0:
                for i in range(0, wide, 8):
                    value = fma(x, load_at(UNITS, state.w, (m * n + j) * wide + i), load_at(UNITS, history.phi, row + i))
                    store_at(history.phi, row + i, value)
        largest, total = history.phi[t, j, 0], splat(UNITS, 0.0)
        for i in range(1, n):
            largest = max(largest, history.phi[t, j, i])
        for i in range(0, wide, 8):
            value = load_at(UNITS, state.mask, i) * exponential(load_at(UNITS, history.phi, row + i) - largest)
            store_at(history.phi, row + i, value)
            total = total + value
        whole = 1.0 / lane_sum(total)
        for i in range(0, wide, 8):
            value = whole * load_at(UNITS, history.phi, row + i)
            store_at(history.phi, row + i, value)
            store_at(state.b, i, fma(state.a[j], value, load_at(UNITS, state.b, i)))
    for i in range(wide):
        state.a[i] = state.b[i]
    for k in range(shape.outputs):
        state.y_k[0, k] = state.a[k] if shape.outputs > 1 else 0.5 + 0.5 * (state.a[0] - state.a[1])


@inlined
def aim(nets, targets, row, t):
    """L = sum_i e_i a_i(t), e_i = d_i for the outputs' states, or d and 1 - d; d log L / da(t) goes to the history."""
    shape, state, history, likelihood = nets.shape, nets.state, nets.history, 0.0
    for k in range(shape.outputs):
        d = targets[row, k]
        state.e_k[0, k] = d - state.y_k[0, k]
        d = min(max(d, 0.0), 1.0)
        history.e[t, k] = d
        likelihood += d * state.a[k]
        if shape.outputs == 1:
            history.e[t, 1] = 1.0 - d
            likelihood += (1.0 - d) * state.a[1]
    likelihood = max(likelihood, 1e-300)
    state.log_likelihood[0] = log(likelihood)
    for i in range(max(shape.outputs, 2)):
        history.e[t, i] /= likelihood
    state.waiting[0] += 1


@inlined
def expect(nets, last):
    """b_j(t-1) = sum_i phi_ij b_i(t) from step `last` down; adds to G and D, where xi_ij = a_j(t-1) phi_ij b_i(t)."""
    shape, state, history, n, wide = nets.shape, nets.state, nets.history, nets.shape.states, nets.shape.wide
    for i in range(wide):
        state.b[i] = 0.0
    for t in range(last, -1, -1):
        length = 0.0
        for m in range(shape.inputs + 1):
            length += abs(history.x[t, m])
        for i in range(0, wide, 8):
            store_at(state.b, i, load_at(UNITS, state.b, i) + load_at(UNITS, history.e, t * wide + i))
        for j in range(n):
            row, total, a = (t * n + j) * wide, splat(UNITS, 0.0), history.a[t, j]
            for i in range(0, wide, 8):
                total = fma(load_at(UNITS, history.phi, row + i), load_at(UNITS, state.b, i), total)
            b = lane_sum(total)
            state.before[j] = b
            for m in range(shape.inputs + 1):
                x = history.x[t, m]
                if x != 0.0 and a != 0.0:
                    state.D[m, j] += a * b * abs(x) * length
                    for i in range(0, wide, 8):
                        slope = load_at(UNITS, history.phi, row + i) * (load_at(UNITS, state.b, i) - b)
                        at = (m * n + j) * wide + i
                        store_at(state.G, at, fma(a * x, slope, load_at(UNITS, state.G, at)))
        for j in range(n):
            state.b[j] = state.before[j]
    state.waiting[0] = 0
    state.seen[0] += 1


@inlined
def maximise(nets):
    """dw_ijm = share 2 G_ijm / D_jm; sums begin anew."""
    shape, state, squares = nets.shape, nets.state, 0.0
    for m in range(shape.inputs + 1):
        for j in range(shape.states):
            scale = 2.0 * nets.share / state.D[m, j] if state.D[m, j] > 0.0 else 0.0
            for i in range(shape.states):
                change = scale * state.G[m, j, i]
                state.w[m, j, i] += change
                squares += change * change
                state.G[m, j, i] = 0.0
            state.D[m, j] = 0.0
    state.norm[0], state.seen[0] = squares, 0


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step, and at a sequence's end the posteriors and a change where one is due; see `lstmsim.learners.over_time`."""
    state, t = nets.state, record.tick[0] - record.begun[0]
    forward(nets, sequences, clock, t)
    state.norm[0] = state.log_likelihood[0] = 0.0
    event = judged(nets.shape, state, sequences, scores, record, clock)
    if event & LEARN:
        aim(nets, sequences.targets, sequences.learn[clock, 0], t)
    if learn and event & END and state.waiting[0]:
        expect(nets, t)
        if state.seen[0] == nets.batch:
            maximise(nets)


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: probabilities of the states, log likelihood, norm of the change."""
    n = nets.shape.states
    for i in range(n):
        row[at + i] = nets.state.a[i]
    row[at + n] = nets.state.log_likelihood[0]
    row[at + n + 1] = nets.state.norm[0] ** 0.5 if learn else 0.0


@inlined
def reset(nets):
    """The net is in its last state, as before every sequence."""
    nets.state.a[:] = 0.0
    nets.state.a[nets.shape.states - 1] = 1.0
    nets.state.waiting[0] = 0


@settings
class EMSettings(OneLaneSettings):
    """Settings of a net of states.

    The first states are those that the outputs stand for: output k is the probability of state k; a single output is
    0.5 + (a_0 - a_1) / 2. Targets are probabilities, one outside [0, 1] is the nearer end.
    A sequence begins in the last state.

    Parameters
    ----------
    n_states : int
        States, at least as many as there are outputs, and 2.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    stay : float
        Added to the initial weights from the bias to a state that follows itself: the input alone would forget it.
    learning_rate : float
        Share of the step to the maximum of the bound, up to 2.
    batch : int
        Sequences from one change of the weights to the next.
    """

    n_states: Annotated[Whole, Field(ge=2)] = 7
    init_range: Annotated[Real, Field(ge=0)] = 0.5
    stay: Annotated[Real, Field(ge=0)] = 6.0
    learning_rate: Annotated[Real, Field(gt=0, le=2)] = 1.9
    batch: Annotated[Whole, Field(ge=1)] = 10

    def __post_init__(self) -> None:
        """Check the number of states."""
        not_too_large((self.n_inputs + 1) * self.n_states**2, n_inputs=self.n_inputs, n_states=self.n_states)
        if self.n_states < self.n_outputs:
            raise refusal("n_states", self.n_states, f"at least the number of outputs, {self.n_outputs}")

    @property
    def sources(self) -> list[str]:
        """Names of the sources of the transitions."""
        return [*self.input_names, "bias"]

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: all."""
        return {"transition": np.ones((self.n_states, self.n_states, self.n_inputs + 1), bool)}

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], and `stay` for a state that follows itself."""
        drawn = uniform_weights(self.exists, self.init_range, seed)
        drawn["transition"][..., -1] += self.stay * np.eye(self.n_states)
        return drawn

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of states."""
        return str(self.n_states)

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        return Shape(self.n_inputs, bool(symbols), self.n_outputs, self.n_states, padded(self.n_states))


@register("em", EMSettings, label="EM state net")
class EM(HistoryLearner[EMSettings]):
    """A net of states, trained by generalised expectation maximisation (Bengio and Frasconi 1994).

    Where a sequence has several targets, each has posteriors of its own and they are added up.
    """

    loop, begin = staticmethod(over_time(step, write, reset)), staticmethod(reset.py_func)
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {"transition": ("hidden_unit", "next_state", "source")}
    own: ClassVar[dict[str, Variable]] = {
        "state_probability": Variable(("step", "hidden_unit"), "probability of the state", "a_i(t)"),
        "log_likelihood": Variable(("step",), "logarithm of the target's likelihood, 0 without a target", "log L(t)"),
        "update_norm": UPDATE_NORM,
    }

    def __init__(self, settings: EMSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        n, wide, sources = settings.n_states, self.shape.wide, settings.n_inputs + 1
        self.state = State(
            **zeros({"w G": (sources, n, wide), "D": (sources, n), "a mask b before": wide, "norm log_likelihood": 1}),
            **zeros({"y_k e_k": (1, padded(settings.n_outputs))}),
            **zeros({"waiting seen": 1}, np.int64),
        )
        self.state.mask[:n] = 1.0
        self.nets = Nets(self.shape, self.state, self.room(0), settings.learning_rate, settings.batch)

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        n, wide = self.shape.states, self.shape.wide
        sizes = (self.shape.inputs + 1,), (n,), (n, wide), (wide,)
        return History(*(aligned(steps, *size) for size in sizes))

    @property
    def places(self) -> Places:
        """The weights (from, to, source)."""
        return {"transition": (np.moveaxis(self.state.w, 0, -1), np.s_[:, : self.shape.states])}

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, and begin the sums over sequences anew."""
        super().set_weights(lane, weights)
        for array in self.lasting:
            array[:] = 0

    @property
    def lasting(self) -> list[Array]:
        """The sums since the last change."""
        return [self.state.seen, self.state.D, self.state.G]

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`."""
        return {"hidden_unit": self.shape.states}
