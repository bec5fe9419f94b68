"""Diagonal complex units with exact traces: the linear recurrent unit of Orvieto and others (2023), learned forward in time.

u_i(t) = lambda_i u_i(t-1) + gamma_i sum_j b_ij z_j, z = [x(t), 1], lambda = exp(-exp(nu) + i theta), gamma =
sqrt(1 - |lambda|^2); outputs see the real and imaginary parts. A unit feeds itself alone, so that all there is of the
influence has the size of the weights, and the gradient is exact at every step (recurrent trace units, Elelimy and others
2024):

    e_b <- lambda e_b + gamma z                                        (for the imaginary part of b times i)
    e_theta <- lambda e_theta + i lambda u(t-1)
    e_nu <- lambda e_nu - exp(nu) lambda u(t-1) + (dgamma/dnu) b z,    dgamma/dnu = exp(nu) |lambda|^2 / gamma
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Real, refusal, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import cosine_sine, exponential
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, square_root, store_at
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import zero
from lstmsim.learners.over_time import padded
from lstmsim.learners.rules.net import Rules
from lstmsim.learners.rules.settings import OnlineSettings
from lstmsim.learners.rules.step import Rule, cells_alone
from lstmsim.learners.rules.structs import Shape
from lstmsim.learners.weights import Weights, generator

NU, THETA, B = range(3)  # rows of the weights: nu, theta, then the real parts of b, then the imaginary ones


class Kept(Struct):
    """The traces of all weights, real and imaginary parts; those of the imaginary parts of b are i times the others."""

    real: Floats  # (2 + source, wide)
    imaginary: Floats  # (2 + source, wide)


@inlined
def turn(nets, track):
    """Move all units, eight at a time."""
    for i in range(0, nets.shape.wide // 2, 8):
        turn_eight(nets, i, track)


@inlined
def turn_eight(nets, i, track):
    """Move eight units from i on, and their traces: every product with lambda is one of complex numbers."""
    shape, state, w, wide = nets.shape, nets.state, nets.core.net.w, nets.shape.wide
    real, imaginary, half, inputs = nets.kept.real, nets.kept.imaginary, wide // 2, shape.inputs + 1
    rate = exponential(load_at(UNITS, w, NU * wide + i))
    size = exponential(-rate)
    cosine, sine = cosine_sine(load_at(UNITS, w, THETA * wide + i))
    mask = load_at(UNITS, state.unit_mask, i)
    x, y, gamma = size * cosine, size * sine, mask * square_root(1.0 - size * size)
    b_real, b_imaginary = splat(UNITS, 0.0), splat(UNITS, 0.0)
    for j in range(inputs):
        b_real = fma(state.z[j], load_at(UNITS, w, (B + j) * wide + i), b_real)
        b_imaginary = fma(state.z[j], load_at(UNITS, w, (B + inputs + j) * wide + i), b_imaginary)
    u, v = load_at(UNITS, state.a, i), load_at(UNITS, state.a, half + i)
    lu, lv = fma(x, u, -(y * v)), fma(x, v, y * u)  # lambda u(t-1)
    store_at(state.a, i, fma(gamma, b_real, lu))
    store_at(state.a, half + i, fma(gamma, b_imaginary, lv))
    store_at(state.slope, i, mask)
    store_at(state.slope, half + i, mask)
    if not track:
        return
    slope = mask * rate * size * size / square_root(1.0 - size * size)  # dgamma / dnu
    for row in range(B + inputs):
        at = row * wide + i
        p, q = load_at(UNITS, real, at), load_at(UNITS, imaginary, at)
        new_p, new_q = fma(x, p, -(y * q)), fma(x, q, y * p)
        if row == NU:
            new_p = new_p + fma(slope, b_real, -(rate * lu))
            new_q = new_q + fma(slope, b_imaginary, -(rate * lv))
        elif row == THETA:
            new_p, new_q = new_p - lv, new_q + lu
        else:
            new_p = fma(gamma, splat(UNITS, state.z[row - B]), new_p)
        store_at(real, at, new_p)
        store_at(imaginary, at, new_q)


@inlined
def gradient(nets):
    """The gradient q_re Re(e) + q_im Im(e) of every weight, and dw = alpha g where nothing waits for it."""
    shape, state, net, optimiser = nets.shape, nets.state, nets.core.net, nets.core.optimiser
    wide, inputs, alpha = shape.wide, shape.inputs + 1, optimiser.now[0, 0]
    half, squares = wide // 2, 0.0
    for i in range(0, half, 8):
        q, r = load_at(UNITS, state.q, i), load_at(UNITS, state.q, half + i)
        for row in range(shape.sources):
            turned = row >= B + inputs
            at = (row - inputs if turned else row) * wide + i
            real, imaginary = load_at(UNITS, nets.kept.real, at), load_at(UNITS, nets.kept.imaginary, at)
            g = fma(r, real, -(q * imaginary)) if turned else fma(q, real, r * imaginary)
            at = row * wide + i
            if optimiser.plain:
                change = alpha * g
                store_at(net.w, at, load_at(UNITS, net.w, at) + change)
                squares += lane_sum(change * change)
            else:
                store_at(net.g, at, g)
    state.norm[0] += squares


@inlined
def reset(nets):
    """Units and traces to zero, unless nothing is reset between sequences."""
    if not nets.shape.keeps:
        zero(nets.state.a)
        zero(nets.kept.real)
        zero(nets.kept.imaginary)


def room(_settings: object, shape: Shape) -> Kept:
    """Zeros for all traces."""
    rows = B + shape.inputs + 1
    return Kept(aligned(rows, shape.wide), aligned(rows, shape.wide))


RULE = Rule("exact traces", cells_alone(turn, gradient=gradient, reset=reset), room)


@settings
class DiagonalSettings(OnlineSettings):
    """Settings of diagonal complex units; those of the outputs and of the optimiser are as for the learner "rules".

    Parameters
    ----------
    n_hidden : int
        Complex units.
    bias : bool
        Units and outputs have biases.
    smallest, largest : float
        Initial |lambda| fill the ring between them evenly.
    phase : float
        Initial theta is uniform from 0 to this.
    init_range : float
        Initial b and weights of the outputs are uniform in [-init_range, init_range].
    """

    smallest: Annotated[Real, Field(gt=0, lt=1)] = 0.5
    largest: Annotated[Real, Field(gt=0, lt=1)] = 0.99
    phase: Annotated[Real, Field(gt=0, le=6.283185307179586)] = 6.283185307179586

    def __post_init__(self) -> None:
        """Check the ring."""
        if self.smallest >= self.largest:
            raise refusal("smallest", self.smallest, f"less than the largest, {self.largest}")

    group: ClassVar[str] = "complex"

    @property
    def sources(self) -> list[str]:
        """Names of the columns of the complex units' weights."""
        inputs = [*self.input_names, "bias"]
        return ["nu", "theta", *(f"real {name}" for name in inputs), *(f"imaginary {name}" for name in inputs)]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs."""
        return [f"{part} {i}" for part in ("real", "imaginary") for i in range(self.n_hidden)] + ["bias"]

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Moduli and phases in the ring, b and weights of the outputs uniform."""
        random = generator(seed)
        weights = {
            name: np.where(mask, random.uniform(-self.init_range, self.init_range, mask.shape), 0.0)
            for name, mask in self.exists.items()
        }
        squares = random.uniform(self.smallest**2, self.largest**2, self.n_hidden)
        weights["complex"][:, 0] = np.log(-0.5 * np.log(squares))
        weights["complex"][:, 1] = self.phase * (1.0 - random.uniform(0.0, 1.0, self.n_hidden))
        return weights

    @property
    def differs(self) -> Rule:
        """The step of these units."""
        return RULE

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels: real parts, then imaginary parts, each padded."""
        wide = 2 * padded(self.n_hidden)
        return self.shape_with(
            symbols,
            hidden=wide,
            wide=wide,
            sources=2 + 2 * (self.n_inputs + 1),
            output_wide=wide + 8,
            leak=1.0,
            tanh=False,
            sparse=not self.bias,
        )


@register("diagonal", DiagonalSettings, label="diagonal units, exact traces")
class Diagonal(Rules):
    """Diagonal complex units that learn at every step with a target, by exact traces."""

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "complex": ("complex_unit", "source"),
        "output": ("output_unit", "output_source"),
    }

    def _place(self) -> None:
        """Where named weights stand."""
        units, half = np.arange(self.settings.n_hidden), self.shape.wide // 2
        self._rows, self._units = np.arange(self.shape.sources), self.settings.n_hidden
        self._seen = np.concatenate([units, half + units, [self.shape.wide]])
