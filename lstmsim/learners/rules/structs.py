"""What every rule's kernels work on: sizes, weights, activations, changes. All arrays are float64 unless said otherwise.

Units lie along the vector: weights have the shape (source, unit), so that a step of one net is made of whole vectors
whatever the number of sources. Sources stand in the order hidden units, inputs, bias; those of the outputs in the order
hidden units, bias. Padding has activation, slope and weight 0.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats, Ints, Words
from lstmsim.kernels.struct import Struct
from lstmsim.learners.optimiser import Optimiser

LOGISTIC, SOFTMAX, IDENTITY = range(3)
OUTPUTS = ("logistic", "softmax", "identity")


class Shape(Struct):
    """Sizes of a net, and what its units are."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    hidden: int
    outputs: int
    wide: int  # hidden units, padded to whole vectors
    sources: int
    output_wide: int  # hidden units and the bias, padded
    leak: float  # alpha of the units
    tanh: bool
    bias: bool
    output: int  # LOGISTIC, SOFTMAX or IDENTITY
    sparse: bool  # some weights do not exist
    random_feedback: bool
    keeps: bool  # nothing is reset between sequences


class Net(Struct):
    """Weights, and the gradients that wait for the optimiser."""

    w: Floats  # (source, wide)
    w_output: Floats  # (output, output_wide)
    g: Floats  # (source, wide)
    g_output: Floats  # (output, output_wide)
    mask: Floats  # (source, wide): 1.0 where a weight exists
    feedback: Floats  # (output, output_wide): fixed weights that carry errors back, with random feedback


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    z: Floats  # (source, padded): a(t-1), x(t), 1
    a: Floats  # (output_wide,): a(t) and the outputs' bias, 1
    slope: Floats  # (wide,): d = alpha phi'(h)
    y_k: Floats  # (1, output)
    e_k: Floats  # (1, output)
    back: Floats  # (output_wide,): -dL/da by the outputs' weights
    q: Floats  # (wide,): the same, or what random feedback gives
    signal: Floats  # (wide,): what a unit's kept entries are multiplied by
    own: Floats  # (wide,): J_ii, or what a rule has in its place
    jacobian: Floats  # (hidden m, wide k): J_km = da_k(t) / da_m(t-1)
    columns: Floats  # (hidden, 8): room to work in
    norm: Floats  # (1,): squared norm of the last change of the weights
    symbol: Ints  # (1,) int
    shown: Ints  # (hidden unit,) int: where the units stand that are recorded
    unit_mask: Floats  # (wide,)
    output_mask: Floats  # (output,)
    key: Words  # (1,) uint64: of the trial's random signs
    count: Ints  # (1,) int: steps since the first


class Shadow(Struct):
    """The exact influence along the same trajectory; it never touches a weight."""

    every: int  # compare every so many steps; 0: never
    p: Floats  # (source, wide / 8, hidden k, 8): da_k / dw_ij, eight units i together
    total: Floats  # (source, wide): the exact gradient since the last change
    ends: Ints  # (4,) int: sources where the groups recurrent, input, bias begin and end
    found: Floats  # (9,): alignment of all, recurrent, input and bias weights, their norm ratios, alignment of q


class Core(Struct):
    """What all rules share, and the kernels they call."""

    shape: Shape
    net: Net
    state: State
    optimiser: Optimiser
    shadow: Shadow


class Nets(Struct):
    """One net and what its rule keeps."""

    shape: Shape
    state: State
    core: Core
    kept: Struct
