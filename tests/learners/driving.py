"""Drive a learner over given examples on one lane, and slow twins of conventional recurrent nets."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import END, LEARN, new_sequences
from lstmsim.trace.dataset import values

Array = NDArray[np.float64]
Weights = dict[str, Array]
Example = tuple[Array, Array]  # inputs (step, input), or (step,) symbols; targets (step, output), rows of NaN where none

# Topologies of conventional recurrent nets, with and without biases.
NETS = [
    ("full", 4, False),
    ("late", 3, True),
    ("full", 1, True),
    ("layered", 5, True),
    ("direct", 1, False),
    ("direct", 9, True),
]
every_net = pytest.mark.parametrize(("topology", "n_hidden", "bias"), NETS)


def examples(
    n_inputs: int, n_outputs: int, lengths: Sequence[int], *, symbols: bool = False, every: int = 1
) -> list[Example]:
    """Draw random examples with a target at the last step and at every so many before it."""
    rng = np.random.default_rng(7)
    result = []
    for length in lengths:
        inputs = rng.integers(n_inputs, size=length) if symbols else rng.uniform(-1.5, 1.5, (length, n_inputs))
        targets = rng.uniform(0.0, 1.0, (length, n_outputs))
        targets[(np.arange(length) - length + 1) % every != 0] = np.nan
        result.append((inputs, targets))
    return result


def run(learner: Any, examples: list[Example], *, learn: bool = True, ends: bool = True, cut: int = 0) -> dict[str, Array]:
    """Let a learner with one lane step through the examples; the recorded variables, one row per step.

    Without `ends` the sequence is left open; `cut` divides the steps between two calls.
    """
    inputs = np.concatenate([x for x, _ in examples])
    targets = np.concatenate([d for _, d in examples])
    steps, symbols = len(inputs), inputs.ndim == 1
    sequences = new_sequences(
        1, steps, 0 if symbols else inputs.shape[1], np.zeros((steps, -(-targets.shape[1] // 8) * 8)), 0
    )
    if symbols:
        sequences.symbol[:, 0] = inputs
    else:
        sequences.inputs[:, :, 0] = inputs
    sequences.targets[:, : targets.shape[1]] = targets
    sequences.event[:, 0] = np.where(np.isnan(targets[:, 0]), 0, LEARN)
    sequences.learn[:, 0] = np.arange(steps)
    if ends:
        sequences.event[np.cumsum([len(x) for x, _ in examples]) - 1, 0] |= END
    record = new_record(1, steps, learner.layout.width, 0, first=len(examples))
    record.on[0] = True
    scores = new_scores(1)
    clock = 0
    for until in ([cut] if cut else []) + [steps]:
        while clock < until:
            clock = learner.advance(sequences, scores, record, clock, until, learn=learn, track=True)
    assert record.used[0] == steps
    return values(learner.layout, record.rows[0])


def draw(exists: dict[str, NDArray[np.bool_]], size: float = 0.8, seed: int = 3) -> Weights:
    """Random weights for the connections that exist."""
    rng = np.random.default_rng(seed)
    return {name: np.where(mask, rng.uniform(-size, size, mask.shape), 0.0) for name, mask in exists.items()}


def with_weights(learner: Any, weights: Weights) -> Any:
    """Give a learner weights, ready for the first step."""
    learner.set_weights(0, weights)
    learner.reset(0)
    return learner


def logistic(net: Array) -> Array:
    """(3)."""
    return 1.0 / (1.0 + np.exp(-net))


def responses(
    topology: str,
    weights: Weights,
    inputs: Array,
    start: tuple[Array, Array] | None = None,
    forced: Array | None = None,
) -> tuple[Array, Array]:
    """Outputs (step, output) and hidden activations (step, hidden) of a conventional net with dense inputs.

    `start` holds the activations of hidden and output units before the first step; `forced` outputs (NaN: none) stand in
    for the net's own as sources of the next step.
    """
    hidden, output = start or (np.zeros(len(weights["hidden"])), np.zeros(len(weights["output"])))
    outputs, activations = [], []
    for t, x in enumerate(inputs):
        if topology in ("full", "late"):
            z = np.concatenate([x, hidden, output, [1.0]])
            hidden, output = logistic(weights["hidden"] @ z), logistic(weights["output"] @ z)
        else:
            hidden = logistic(weights["hidden"] @ np.concatenate([x, hidden, [1.0]]))
            direct = x if topology == "direct" else []
            output = logistic(weights["output"] @ np.concatenate([direct, hidden, [1.0]]))
        outputs.append(output)
        activations.append(hidden)
        if forced is not None:
            output = np.where(np.isnan(forced[t]), output, forced[t])
    return np.array(outputs), np.array(activations)


def half_squared_error(outputs: Array, targets: Array) -> float:
    """E = 1/2 sum (d - y)**2 over the steps with a target."""
    return 0.5 * float(np.nansum((targets - outputs) ** 2))


def descent(error: Callable[[Weights], float], weights: Weights, exists: dict[str, NDArray[np.bool_]]) -> Weights:
    """Return -dE/dw by central differences, 0 where no connection exists."""
    slopes = {name: np.zeros(values.shape) for name, values in weights.items()}
    for name, mask in exists.items():
        for index in zip(*np.nonzero(mask), strict=True):
            changed = {key: values.copy() for key, values in weights.items()}
            errors = []
            for sign in (1.0, -1.0):
                changed[name][index] = weights[name][index] + sign * 1e-5
                errors.append(error(changed))
            slopes[name][index] = (errors[1] - errors[0]) / 2e-5
    return slopes


def difference(one: Weights, other: Weights) -> float:
    """Return the largest difference between two sets of weights."""
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def change(before: Weights, after: Weights) -> Weights:
    """Return what was added to the weights."""
    return {name: after[name] - before[name] for name in before}
