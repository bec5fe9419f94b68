"""Training by the extended Kalman filter, global or decoupled (Puskorius and Feldkamp 1994, [33] of the 1997 paper)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Array, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.learners.base import register
from lstmsim.learners.over_time import over_time, zeros
from lstmsim.learners.products.equations import History, Net, Shape, State, pass_back, predict, reset
from lstmsim.learners.products.equations import write as write_net
from lstmsim.learners.products.net import NetSettings, ProductNet

_MAX_COVARIANCES = 50_000_000


class Filter(Struct):
    """The filter's state and its room to work in."""

    at: Ints  # (weight,) int: where the weights that are trained stand in w, then w_output
    begins: Ints  # (group + 1,) int: first weight of each group
    places: Ints  # (group + 1,) int: where the covariances of each group begin in P
    P: Floats  # (covariance,): a square matrix for each group
    H: Floats  # (output, weight): dy_k/dw, then A P H
    PH: Floats  # (output, weight)
    A: Floats  # (output, output): R + sum_g H_g' P_g H_g, then its inverse
    updates: Ints  # (1,) int
    variance: Floats  # (1,): mean of P's diagonal
    r: Floats  # (2,): measurement noise at first, and after `anneal` updates
    q: Floats  # (2,): process noise
    anneal: int


class Nets(Struct):
    """A net and its filter."""

    shape: Shape
    net: Net
    state: State
    history: History
    filter: Filter
    discount: float  # share of the earlier steps' part in dy/dw


@inlined
def jacobian(nets):
    """H = dy_k/dw: of a net that is not layered its p, else y_k (1 - y_k) times sum_i w_ki p_i and the output's sources."""
    shape, net, state, kalman = nets.shape, nets.net, nets.state, nets.filter
    inner = state.p.shape[1]
    for k in range(shape.outputs):
        slope = state.y_k[0, k] * (1.0 - state.y_k[0, k])
        for n in range(kalman.at.size):
            at, total = kalman.at[n], 0.0
            if not shape.layered:
                total = state.p[k, at]
            elif at < inner:
                for i in range(shape.units):
                    total += net.w_output[i, k] * state.p[i, at]
                total *= slope
            elif (at - inner) % shape.outputs == k:
                m = (at - inner) // shape.outputs
                total = slope * (state.y[m] if m < shape.units else 1.0)
            kalman.H[k, n] = total


@inlined
def invert(A):
    """A symmetric positive matrix becomes its inverse, by Gauss and Jordan without a choice of pivots."""
    n = A.shape[0]
    for i in range(n):
        pivot = 1.0 / A[i, i]
        A[i, i] = 1.0
        for j in range(n):
            A[i, j] *= pivot
        for k in range(n):
            if k != i:
                factor = A[k, i]
                A[k, i] = 0.0
                for j in range(n):
                    A[k, j] -= factor * A[i, j]


@inlined
def annealed(bounds, updates, anneal):
    """From the first bound to the second, geometrically over so many updates; a bound of 0 jumps at their end."""
    if updates >= anneal:
        return bounds[1]
    if bounds[0] == 0.0 or bounds[1] == 0.0:
        return bounds[0]
    return bounds[0] * (bounds[1] / bounds[0]) ** (updates / anneal)


@inlined
def filter_update(nets, targets, row):
    """A = (R + sum_g H_g' P_g H_g)**-1, K_g = P_g H_g A, w_g += K_g e, P_g += Q - K_g H_g' P_g."""
    shape, state, kalman = nets.shape, nets.state, nets.filter
    P, H, PH, A, outputs = kalman.P, kalman.H, kalman.PH, kalman.A, nets.shape.outputs
    r = annealed(kalman.r, kalman.updates[0], kalman.anneal)
    q = annealed(kalman.q, kalman.updates[0], kalman.anneal)
    kalman.updates[0] += 1
    jacobian(nets)
    for g in range(kalman.begins.size - 1):
        first, last, place = kalman.begins[g], kalman.begins[g + 1], kalman.places[g]
        for k in range(outputs):
            for n in range(first, last):
                total, base = 0.0, place + (n - first) * (last - first) - first
                for m in range(first, last):
                    total += P[base + m] * H[k, m]
                PH[k, n] = total
    for k in range(outputs):
        for j in range(outputs):
            total = r if k == j else 0.0
            for n in range(kalman.at.size):
                total += H[k, n] * PH[j, n]
            A[k, j] = total
    invert(A)
    squares, trace, inner = 0.0, 0.0, state.p.shape[1]
    for n in range(kalman.at.size):
        change = 0.0
        for k in range(outputs):
            H[k, n] = 0.0
            for j in range(outputs):
                H[k, n] += A[k, j] * PH[j, n]
            change += H[k, n] * (targets[row, k] - state.y_k[0, k])
        squares += change * change
        at = kalman.at[n]
        if at < inner:
            nets.net.w[at // shape.units, at % shape.units] += change
        else:
            nets.net.w_output[(at - inner) // outputs, (at - inner) % outputs] += change
    for g in range(kalman.begins.size - 1):
        first, last, place = kalman.begins[g], kalman.begins[g + 1], kalman.places[g]
        for n in range(first, last):
            for m in range(first, n + 1):
                total = q if m == n else 0.0
                for k in range(outputs):
                    total -= H[k, n] * PH[k, m]
                P[place + (n - first) * (last - first) + m - first] += total
                P[place + (m - first) * (last - first) + n - first] = P[place + (n - first) * (last - first) + m - first]
            trace += P[place + (n - first) * (last - first) + n - first]
    state.norm[0] = squares
    kalman.variance[0] = trace / kalman.at.size


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations, sensitivities, and the filter where there is a target; see `lstmsim.learners.over_time`."""
    event = predict(nets, sequences, scores, record, clock, 0)
    if not track:
        return
    for k in range(nets.shape.units):
        nets.history.back[0, k] = 0.0  # the filter takes d_k - y_k itself
    pass_back(nets, 1, 0, True, nets.discount)
    if learn and event & LEARN:
        filter_update(nets, sequences.targets, sequences.learn[clock, 0])


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: activations of the hidden units, norm of the change, mean variance."""
    write_net(nets, row, at, event, learn)
    row[at + nets.shape.hidden + 1] = nets.filter.variance[0]


@settings
class KalmanSettings(NetSettings):
    """Settings of the filter; the first ones are those of `NetSettings`.

    Parameters
    ----------
    groups : {"global", "units"}
        All weights have one matrix of covariances, or the weights of each unit one of their own (decoupled).
    variance : float
        Variance of every weight at first, on the diagonal of P.
    measurement_noise : tuple of float
        Its variance R, at first and in the end; the inverse of a step width.
    process_noise : tuple of float
        Its variance Q, at first and in the end.
    anneal : int
        Updates from the first R and Q to the last, geometrically.
    discount : float
        Share of the earlier steps' part in the sensitivities: 1 is real-time recurrent learning's, 0 Elman's.
    """

    groups: Literal["global", "units"] = "units"
    variance: Annotated[Real, Field(gt=0)] = 100.0
    measurement_noise: tuple[Annotated[Real, Field(gt=0)], Annotated[Real, Field(gt=0)]] = (100.0, 3.0)
    process_noise: tuple[Annotated[Real, Field(ge=0)], Annotated[Real, Field(ge=0)]] = (1e-2, 1e-6)
    anneal: Annotated[Whole, Field(ge=0)] = 10_000
    discount: Annotated[Real, Field(ge=0, le=1)] = 1.0

    @property
    def memory(self) -> tuple[int, int]:
        """Blocks of one step: real-time recurrent learning."""
        return 1, 0


@register("kalman", KalmanSettings, label="extended Kalman filter")
class Kalman(ProductNet):
    """A net of first order whose weights are the state of an extended Kalman filter; the outputs are its measurements.

    The outputs' derivatives by the weights come from the sensitivities of real-time recurrent learning.

    Raises
    ------
    ValueError
        If the net has too many sensitivities or covariances.
    """

    loop = staticmethod(over_time(step, write, reset))
    own: ClassVar[dict[str, Variable]] = ProductNet.own | {
        "weight_variance": Variable(("step",), "mean variance of the weights, as the filter has it", "tr P / W")
    }

    def _nets(self, history: History) -> Struct:
        """What the method's step takes: a filter too."""
        rule, shape, net = self.settings, self.shape, self.net
        trained = np.concatenate([net.trained.ravel(), net.trained_output.ravel()])
        units = np.indices(net.trained.shape)[1], shape.units + np.indices(net.trained_output.shape)[1]
        unit = np.concatenate(units, axis=None)
        at = np.flatnonzero(trained)
        group = unit[at] if rule.groups == "units" else np.zeros(len(at), np.int64)
        at = at[np.argsort(group, kind="stable")]
        sizes = np.unique(group, return_counts=True)[1]
        places = np.concatenate([[0], np.cumsum(sizes**2)])
        if places[-1] > _MAX_COVARIANCES:
            raise refusal("covariances of the weights", int(places[-1]), f'at most {_MAX_COVARIANCES:,}; groups="units"')
        outputs = shape.outputs
        self.filter = Filter(
            at=at,
            begins=np.concatenate([[0], np.cumsum(sizes)]),
            places=places,
            updates=np.zeros(1, np.int64),
            **zeros({"P": int(places[-1]), "H PH": (outputs, len(at)), "A": (outputs, outputs), "variance": 1}),
            r=np.array(rule.measurement_noise),
            q=np.array(rule.process_noise),
            anneal=rule.anneal,
        )
        return Nets(shape, net, self.state, history, self.filter, rule.discount)

    def forget(self) -> None:
        """Begin the filter anew."""
        kalman, variance = self.filter, self.settings.variance
        kalman.P[:] = np.concatenate([np.eye(size).ravel() for size in np.diff(kalman.begins)]) * variance
        kalman.updates[0], kalman.variance[0] = 0, variance

    @property
    def lasting(self) -> list[Array]:
        """The filter's state."""
        return [self.filter.updates, self.filter.variance, self.filter.P]
