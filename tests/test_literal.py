"""The literal twin against finite differences, the constant error carrousel and the paper's weight counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.literal import LiteralLSTM

Array = NDArray[np.float64]
Weights = dict[str, Array]

N_INPUTS, N_OUTPUTS, N_STEPS = 3, 2, 6
DELTA = 1e-5


def build(seed: int = 0, **settings: Any) -> LiteralLSTM:
    """Make a small net whose existing weights are all drawn from [-0.9, 0.9]."""
    settings = {"n_blocks": 2, "block_size": 2, "n_hidden": 2, "learning_rate": 1.0} | settings
    net = LiteralLSTM(N_INPUTS, N_OUTPUTS, **settings)
    rng = np.random.default_rng(seed)
    net.set_weights({name: rng.uniform(-0.9, 0.9, mask.shape) * mask for name, mask in net.exists.items()})
    return net


def without_recurrence(net: LiteralLSTM) -> LiteralLSTM:
    """Set the columns of the cells, gates and hidden units to zero."""
    weights = net.weights
    for name in set(weights) - {"output"}:
        weights[name][:, net.n_inputs : -1] = 0.0
    net.set_weights(weights)
    return net


def sequence(target_steps: tuple[int, ...] = (N_STEPS - 1,), seed: int = 1) -> tuple[Array, Array]:
    """Random inputs, and random targets at some steps."""
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1.5, 1.5, (N_STEPS, N_INPUTS))
    targets = np.full((N_STEPS, N_OUTPUTS), np.nan)
    for t in target_steps:
        targets[t] = rng.uniform(0.0, 1.0, N_OUTPUTS)
    return inputs, targets


def squared_error(outputs: Array, targets: Array) -> float:
    """Return half the squared error, summed over the steps with a target."""
    return 0.5 * float(np.nansum((targets - outputs) ** 2))


def cross_entropy(outputs: Array, targets: Array) -> float:
    """Return the error whose derivative by net_k is y_k - d_k for logistic outputs."""
    return -float(np.nansum(targets * np.log(outputs) + (1.0 - targets) * np.log(1.0 - outputs)))


def outputs_of(net: LiteralLSTM, inputs: Array, frozen: list[list[float]] | None = None) -> Array:
    """Run without learning; `frozen` replaces what the hidden layer sees of each previous step."""
    net.reset()
    outputs = []
    for t, x in enumerate(inputs):
        if frozen is not None:
            net.previous = list(frozen[t])
        outputs.append(net.step(x))
    return np.array(outputs)


def descent(error: Callable[[], float], net: LiteralLSTM) -> Weights:
    """Return central differences -dE/dw for every existing weight; the net keeps its weights."""
    start = net.weights
    slopes = {name: np.zeros(values.shape) for name, values in start.items()}
    for name, mask in net.exists.items():
        for index in zip(*np.nonzero(mask), strict=True):
            errors = []
            for sign in (1.0, -1.0):
                weights = {key: values.copy() for key, values in start.items()}
                weights[name][index] += sign * DELTA
                net.set_weights(weights)
                errors.append(error())
            slopes[name][index] = -(errors[0] - errors[1]) / (2.0 * DELTA)
    net.set_weights(start)
    return slopes


def learned(net: LiteralLSTM, inputs: Array, targets: Array) -> Weights:
    """Return the weight changes of one sequence; the net keeps its weights."""
    start = net.weights
    net.run(inputs, targets)
    changes = {name: values - start[name] for name, values in net.weights.items()}
    net.set_weights(start)
    return changes


def assert_close(actual: Weights, expected: Weights, factor: float = 1.0) -> None:
    """Compare all weights of two nets."""
    assert actual.keys() == expected.keys()
    for name in actual:
        np.testing.assert_allclose(actual[name], factor * expected[name], rtol=1e-6, atol=1e-9, err_msg=name)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"block_size": 1, "n_hidden": 0},
    {"bias": "none", "n_hidden": 0},
    {"bias": "ga", "n_hidden": 0},
    {"bias": "b1"},
    {"output_gates": False, "n_hidden": 1},
    {"cell_input": "f", "cell_output": "identity", "n_hidden": 0},
    {"output": "identity", "n_hidden": 1, "block_size": 1},
    {"g_range": (2.0, 1.0), "h_range": (4.0, 2.0), "n_hidden": 0},
]


@pytest.mark.parametrize("topology", ["B", "F"])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_changes_are_the_exact_gradient_without_recurrent_weights(variant: dict[str, Any], topology: str) -> None:
    """Recurrent columns included: at zero recurrent weights they too have the full gradient."""
    net = without_recurrence(build(topology=topology, shortcuts=topology == "F", **variant))
    inputs, targets = sequence()
    expected = descent(lambda: squared_error(outputs_of(net, inputs), targets), net)
    if topology == "F":
        assert np.abs(expected["cell"][:, N_INPUTS:-1]).max() > 1e-4
    assert_close(learned(net, inputs, targets), expected)


@pytest.mark.parametrize("variant", [{}, {"output_gates": False}, {"shortcuts": True}], ids=str)
def test_truncated_gradient_takes_the_previous_step_as_constant(variant: dict[str, Any]) -> None:
    """Freezing what the hidden layer sees of the previous step makes the truncated gradient exact."""
    net = build(**variant)
    inputs, targets = sequence()
    frozen = []
    net.reset()
    for x in inputs:
        frozen.append(list(net.previous))
        net.step(x)
    truncated = descent(lambda: squared_error(outputs_of(net, inputs, frozen), targets), net)
    changes = learned(net, inputs, targets)
    assert_close(changes, truncated)
    full = descent(lambda: squared_error(outputs_of(net, inputs), targets), net)
    assert np.abs(changes["cell"] - full["cell"]).max() > 1e-4


def test_targets_at_several_steps_sum_to_the_gradient_of_the_sequence() -> None:
    """With updates at the sequence end, several targets add up exactly."""
    net = build(topology="B", update="sequence")
    inputs, targets = sequence((1, 2, 5))
    expected = descent(lambda: squared_error(outputs_of(net, inputs), targets), net)
    assert_close(learned(net, inputs, targets), expected)


def test_second_update_of_a_sequence_is_exact_along_the_weights_that_were_used() -> None:
    """A perturbation added to the weights before and after the first update gives the gradient of the second."""
    net = build(topology="B")
    inputs, targets = sequence((1, 3))
    start = net.weights
    net.run(inputs[:2], targets[:2])
    between = net.weights
    net.run(inputs[2:4], targets[2:4], reset=False)
    second = {name: values - between[name] for name, values in net.weights.items()}

    def error() -> float:
        perturbed = net.weights
        net.reset()
        for x in inputs[:2]:
            net.step(x)
        net.set_weights({name: between[name] + perturbed[name] - start[name] for name in start})
        outputs = np.array([net.step(x) for x in inputs[2:4]])
        return squared_error(outputs, targets[2:4])

    net.set_weights(start)
    assert_close(second, descent(error, net))


@pytest.mark.parametrize("topology", ["B", "F"])
def test_error_without_derivative_is_that_of_the_cross_entropy(topology: str) -> None:
    """Leaving f' out of (19) for logistic outputs descends another error."""
    net = without_recurrence(build(topology=topology, error_derivative=False))
    inputs, targets = sequence()
    assert_close(learned(net, inputs, targets), descent(lambda: cross_entropy(outputs_of(net, inputs), targets), net))


def test_learning_rate_and_factor_scale_the_changes() -> None:
    """All changes are linear in alpha and in e_k."""
    inputs, targets = sequence()
    base = learned(build(), inputs, targets)
    assert_close(learned(build(learning_rate=0.25), inputs, targets), base, 0.25)
    assert_close(learned(build(factor=3.0), inputs, targets), base, 3.0)


def test_updates_at_sequence_ends_wait() -> None:
    """Changes are applied once, by end_sequence, and differ from those of updates at each step."""
    net = build(update="sequence")
    start = net.weights
    inputs, targets = sequence((1, 2, 5))
    for x, d in zip(inputs, targets, strict=True):
        net.step(x, None if np.isnan(d).any() else d)
    for name, values in net.weights.items():
        np.testing.assert_array_equal(values, start[name])
    net.end_sequence()
    once = net.weights
    net.end_sequence()
    for name, values in net.weights.items():
        np.testing.assert_array_equal(values, once[name])
    changes = {name: once[name] - start[name] for name in start}
    assert_close(changes, learned(build(update="sequence"), inputs, targets))
    at_each_step = learned(build(), inputs, targets)
    assert np.abs(changes["output"] - at_each_step["output"]).max() > 1e-6


def test_cell_state_passes_a_disturbance_on_unchanged() -> None:
    """ds(t)/ds(t-1) = 1 where the cell output is not fed back."""
    net = without_recurrence(build())
    inputs, _ = sequence()
    states = []
    for disturbance in (0.0, 0.25):
        net.reset()
        net.step(inputs[0])
        net.cell_state[1] += disturbance
        for x in inputs[1:]:
            net.step(x)
        states.append(list(net.cell_state))
    np.testing.assert_allclose(np.subtract(states[1], states[0]), [0.0, 0.25, 0.0, 0.0], rtol=0.0, atol=1e-15)


def test_error_reaches_the_first_input_undiminished_at_any_lag() -> None:
    """(35), (41): with silent steps between, the changes by the first input are the same bits at every lag."""
    changes = []
    for lag in (1, 10, 200):
        net = build(topology="B", bias="none", n_hidden=0, block_size=1)
        inputs = np.zeros((lag + 1, N_INPUTS))
        inputs[0] = [1.0, -0.5, 2.0]
        targets = np.full((lag + 1, N_OUTPUTS), np.nan)
        targets[-1] = [1.0, 0.0]
        changes.append(learned(net, inputs, targets))
    assert np.abs(changes[0]["cell"]).max() > 1e-3
    assert np.abs(changes[0]["input_gate"]).max() > 1e-3
    for later in changes[1:]:
        for name in ("cell", "input_gate"):
            np.testing.assert_array_equal(later[name], changes[0][name])


def test_traced_errors_are_the_changes_of_the_biases_in_one_step() -> None:
    """In a sequence of one step the bias weights see (36) and (37) at q = 0, e_out and e_k themselves."""
    net = build()
    start = net.weights
    trace = net.run([[0.3, -1.0, 0.8]], [[0.9, 0.2]])
    changes = {name: values - start[name] for name, values in net.weights.items()}
    for name, variable in (
        ("cell", "cell_error"),
        ("input_gate", "input_gate_error"),
        ("output_gate", "output_gate_error"),
        ("output", "output_error"),
    ):
        assert np.all(trace[variable] != 0.0)
        np.testing.assert_allclose(trace[variable][0], changes[name][:, -1], rtol=1e-12, err_msg=variable)
    norm = np.sqrt(sum(np.sum(values**2) for values in changes.values()))
    np.testing.assert_allclose(trace["update_norm"], [norm], rtol=1e-12)


def test_state_error_is_the_slope_of_the_error_in_the_state() -> None:
    """(23) against finite differences in the cell state of the previous step."""
    net = build()
    inputs, targets = sequence()
    start = net.weights
    state_error = net.run(inputs, targets)["state_error"][-1]
    net.set_weights(start)
    for cell in range(net.n_cells):
        errors = []
        for sign in (1.0, -1.0):
            net.run(inputs[:-1])
            net.cell_state[cell] += sign * DELTA
            errors.append(squared_error(net.step(inputs[-1]), targets[-1]))
        np.testing.assert_allclose(state_error[cell], -(errors[0] - errors[1]) / (2.0 * DELTA), rtol=1e-6)


def test_steps_without_target_trace_no_error_and_change_nothing() -> None:
    """Errors and changes are 0.0 where there is no target; without learning there are no changes."""
    inputs, targets = sequence((1, 3, 4))
    net = build()
    trace = net.run(inputs, targets)
    silent = np.isnan(targets).all(axis=1)
    for name in ("output_error", "state_error", "cell_error", "input_gate_error", "output_gate_error", "update_norm"):
        assert np.all(trace[name][silent] == 0.0)
        assert np.all(trace[name][~silent] != 0.0)
    np.testing.assert_array_equal(trace["target"], targets)
    start = net.weights
    net.run(inputs)
    assert np.all(net.run(inputs, targets, learn=False)["update_norm"] == 0.0)
    for name, values in net.weights.items():
        np.testing.assert_array_equal(values, start[name])
