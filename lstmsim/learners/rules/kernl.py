"""Kernel RNN learning (Roth, Kanitscheider and Fiete 2019, ICLR): M_kij ~ K_ki B_ij, kernels learned from a perturbed copy.

B_ij <- r_i B_ij + d_i z_j, r_i = max(0, 1 - beta_i), beta_i >= 0, g_ij = sum_k q_k K_ki B_ij. A copy of the net takes the
same inputs with noise sigma xi_i, xi = +-1, added to its activations at every step. With Omega_i <- r_i Omega_i + xi_i, K
and beta descend on the squared error of sum_i K_ki Omega_i as a prediction of (copy_k - a_k) / sigma. K begins as the
identity. Equals RFLO where kernels are not learned and r = 1 - alpha. Time and memory H m + H^2.
"""

from __future__ import annotations

import numpy as np

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, select, splat, store_at
from lstmsim.learners.over_time import padded
from lstmsim.learners.rules.equations import activation, net_inputs, zero
from lstmsim.learners.rules.own_row import own_row
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.learners.rules.signs import unit_signs
from lstmsim.learners.rules.step import Rule, forward_in_time
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """Filtered influences, kernels, and the perturbed copy."""

    entries: Floats  # (source j, wide i): B_ij
    kernel: Floats  # (hidden k, wide i): K_ki
    beta: Floats  # (wide,)
    omega: Floats  # (wide,): noise, filtered as B is
    gamma: Floats  # (wide,): dOmega / dbeta
    copy: Floats  # (wide,): activations of the copy
    sources: Floats  # (source padded,): its z
    xi: Floats  # (wide,)
    wrong: Floats  # (wide,): error of the prediction
    rate: float
    noise: float


@inlined
def move(nets):
    """Let the copy take its step, and K and beta learn from it; leaves r in `state.own`."""
    shape, kept = nets.shape, nets.kept
    unit_signs(shape, nets.state, kept.xi)
    perturb(nets)
    for i in range(0, shape.wide, 8):
        beta, omega = load_at(UNITS, kept.beta, i), load_at(UNITS, kept.omega, i)
        r = select(beta < 1.0, 1.0 - beta, 0.0)
        store_at(kept.gamma, i, fma(r, load_at(UNITS, kept.gamma, i), select(beta < 1.0, -omega, 0.0)))
        store_at(kept.omega, i, fma(r, omega, load_at(UNITS, kept.xi, i)))
    learn_kernels(nets)
    for i in range(0, shape.wide, 8):
        beta = load_at(UNITS, kept.beta, i)
        store_at(nets.state.own, i, select(beta < 1.0, 1.0 - beta, 0.0))


@inlined
def perturb(nets):
    """Copy_k <- (1 - alpha) copy_k + alpha phi(h_k of the copy) + sigma xi_k."""
    shape, state, kept = nets.shape, nets.state, nets.kept
    for j in range(shape.hidden, shape.sources):
        kept.sources[j] = state.z[j]
    for i in range(0, shape.wide, 8):
        phi, _slope = activation(shape, net_inputs(shape, state, nets.core.net.w, kept.sources, i))
        before, mask = load_at(UNITS, kept.copy, i), load_at(UNITS, state.unit_mask, i)
        after = fma(shape.leak, phi, (1.0 - shape.leak) * before)
        store_at(kept.copy, i, fma(kept.noise, load_at(UNITS, kept.xi, i), mask * after))
    for k in range(shape.hidden):
        kept.sources[k] = kept.copy[k]


@inlined
def learn_kernels(nets):
    """dK_ki = rate wrong_k Omega_i, dbeta_i = rate sum_k wrong_k K_ki Gamma_i; wrong_k: what was observed less predicted."""
    shape, state, kept, wide = nets.shape, nets.state, nets.kept, nets.shape.wide
    for k in range(shape.hidden):
        total = splat(UNITS, 0.0)
        for i in range(0, wide, 8):
            total = fma(load_at(UNITS, kept.kernel, k * wide + i), load_at(UNITS, kept.omega, i), total)
        kept.wrong[k] = (kept.copy[k] - state.a[k]) / kept.noise - lane_sum(total)
    for i in range(0, wide, 8):
        slope, omega = splat(UNITS, 0.0), load_at(UNITS, kept.omega, i)
        for k in range(shape.hidden):
            entry = load_at(UNITS, kept.kernel, k * wide + i)
            slope = fma(kept.wrong[k], entry, slope)
            store_at(kept.kernel, k * wide + i, fma(kept.rate * kept.wrong[k], omega, entry))
        change = kept.rate * slope * load_at(UNITS, kept.gamma, i)
        beta = load_at(UNITS, kept.beta, i) + change
        store_at(kept.beta, i, select(beta > 0.0, beta, 0.0))  # r of no more than 1, or B and Omega grow without bound


@inlined
def operator(nets, i):
    """r_i = max(0, 1 - beta_i)."""
    return load_at(UNITS, nets.state.own, i)


@inlined
def kept(nets, at, j, own, d, learns):
    """B_ij <- r_i B_ij + d_i z_j."""
    return own_row(nets, at, j, own, d, learns)


@inlined
def signal(nets):
    """Errors that arrive at the units, through the kernels: sum_k q_k K_ki."""
    wide = nets.shape.wide
    for i in range(0, wide, 8):
        total = splat(UNITS, 0.0)
        for k in range(nets.shape.hidden):
            total = fma(nets.state.q[k], load_at(UNITS, nets.kept.kernel, k * wide + i), total)
        store_at(nets.state.signal, i, total)


@inlined
def forget(kept):
    """Set what is filtered, and the copy, to zero; the kernels stay."""
    zero(kept.entries)
    zero(kept.omega)
    zero(kept.gamma)
    zero(kept.copy)
    zero(kept.sources)


def room(settings: RuleSettings, shape: Shape) -> Kept:
    """Zeros."""
    wide = shape.wide
    return Kept(
        entries=aligned(shape.sources, wide),
        kernel=aligned(shape.hidden, wide),
        sources=aligned(padded(shape.sources)),
        **{name: aligned(wide) for name in ("beta", "omega", "gamma", "copy", "xi", "wrong")},
        rate=settings.kernel_rate,
        noise=settings.kernel_noise,
    )


def start(kept: Kept, settings: RuleSettings) -> None:
    """Kernels as the identity, all betas alike."""
    kept.kernel[:] = np.eye(*kept.kernel.shape)
    kept.beta[:] = settings.kernel_decay


RULE = Rule(
    "KeRNL",
    forward_in_time(kept, operator=operator, move=move, signal=signal, forget=forget),
    room,
    lasting=("kernel", "beta"),
    start=start,
)
