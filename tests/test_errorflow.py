"""Error flow against finite differences, the literal twin, explicit sums over paths and hand-made traces."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import lstmsim
from lstmsim import errorflow
from lstmsim.errorflow import scaling_bound
from lstmsim.learners.lstm.settings import LSTMSettings
from tests.literal import LiteralLSTM

Array = NDArray[np.float64]

N_INPUTS, N_OUTPUTS, N_STEPS = 2, 2, 7
MODES: dict[str, dict[str, Any]] = {
    "F": {},
    "hidden units, shortcuts": {"n_hidden": 2, "shortcuts": True, "bias": "b1"},
    "no output gates": {"n_hidden": 1, "output_gates": False, "bias": "ga"},
    "identity, f": {"cell_input": "f", "cell_output": "identity", "output": "identity", "bias": "none"},
    "other ranges": {"g_range": (2.0, 1.0), "h_range": (4.0, 2.0)},
    "readings": {"error_derivative": False, "factor": 2.0},
    "B": {"topology": "B", "n_hidden": 1},
    "forget gates": {"forget_gates": True, "n_hidden": 1},
    "cut peepholes": {"forget_gates": True, "peepholes": "cut", "bias": "ga"},
    "live peepholes": {"forget_gates": True, "peepholes": "live", "n_hidden": 1, "shortcuts": True},
    "live peepholes alone": {"peepholes": "live", "n_blocks": 1, "block_size": 4, "cell_output": "identity"},
    "no output gates, live": {"forget_gates": True, "peepholes": "live", "output_gates": False},
}


def of_twins(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand over literal twins as the net of the same settings and weights."""

    def with_nets(*arguments: Any, **named: Any) -> Any:
        nets = (lstmsim.LSTM.from_weights(a.settings, a.weights) if isinstance(a, LiteralLSTM) else a for a in arguments)
        return function(*nets, **named)

    return with_nets


backflow, credit, gradient_bias, scaling, usage = map(
    of_twins, (errorflow.backflow, errorflow.credit, errorflow.gradient_bias, errorflow.scaling, errorflow.usage)
)


def build(seed: int = 0, size: float = 0.9, **settings: Any) -> LiteralLSTM:
    """Make a small literal twin whose existing weights are all drawn from [-size, size]."""
    settings = {"n_blocks": 2, "block_size": 2, "learning_rate": 0.3} | settings
    net = LiteralLSTM(N_INPUTS, N_OUTPUTS, **settings)
    named = {"error_factor" if name == "factor" else name: value for name, value in settings.items()}
    net.settings = LSTMSettings(N_INPUTS, N_OUTPUTS, **named)
    rng = np.random.default_rng(seed)
    net.set_weights({name: rng.uniform(-size, size, mask.shape) * mask for name, mask in net.exists.items()})
    return net


def task(n_steps: int = N_STEPS, every: int | None = None, seed: int = 5) -> tuple[Array, Array]:
    """Draw inputs, and targets at every so many steps or at the last one only."""
    rng = np.random.default_rng(seed)
    targets = np.full((n_steps, N_OUTPUTS), np.nan)
    steps = slice(None, None, -every) if every else slice(-1, None)
    targets[steps] = rng.uniform(0.1, 0.9, targets[steps].shape)
    return rng.normal(size=(n_steps, N_INPUTS)), targets


def error(net: LiteralLSTM, inputs: Array, targets: Array) -> float:
    """Half the squared error over all targets; the cross entropy for logistic outputs without f' in (19)."""
    y = net.run(inputs, targets, learn=False)["output"]
    if net.error_derivative:
        return 0.5 * net.factor * float(np.nansum((targets - y) ** 2))
    return -net.factor * float(np.nansum(targets * np.log(y) + (1.0 - targets) * np.log(1.0 - y)))


@pytest.fixture(params=list(MODES.values()), ids=list(MODES))
def net(request: pytest.FixtureRequest) -> LiteralLSTM:
    return build(**request.param)


# Flow between cell states


def test_truncated_flow_is_one_over_2000_lags() -> None:
    flow = backflow(build(), task(2001)[0], 2000)
    assert flow.dims == ("lag", "cell", "cell_from")
    assert flow.sizes["lag"] == 2001
    assert np.array_equal(flow.values, np.broadcast_to(np.eye(4), flow.shape))


class Nudged(list[float]):
    """Cell states of a literal twin, one of which comes out larger by so much at each step."""

    def __init__(self, states: list[float], cell: int, by: float) -> None:
        super().__init__(states)
        self.cell, self.by = cell, by

    def __setitem__(self, c: Any, value: Any) -> None:
        super().__setitem__(c, value + self.by * (c == self.cell))


def test_full_flow_equals_finite_differences(net: LiteralLSTM) -> None:
    inputs, step, eps = task(N_STEPS + 3)[0], N_STEPS - 1, 1e-5
    flow = backflow(net, inputs, step, mode="full")

    def state(perturbed_step: int, cell: int, by: float) -> Array:
        net.reset()
        for t in range(step + 1):
            if t == perturbed_step:
                net.cell_state = Nudged(net.cell_state, cell, by)
            net.step(inputs[t])
            net.cell_state = list(net.cell_state)
        return np.array(net.cell_state)

    for lag, cell in itertools.product(range(step + 1), range(4)):
        numeric = (state(step - lag, cell, eps) - state(step - lag, cell, -eps)) / (2 * eps)
        np.testing.assert_allclose(flow.sel(lag=lag, cell=cell), numeric, rtol=1e-6, atol=1e-8)


def test_truncated_flow_is_the_product_of_forget_gates() -> None:
    net, inputs = build(forget_gates=True, peepholes="cut"), task()[0]
    flow, gates = backflow(net, inputs, 5), np.repeat(net.run(inputs, learn=False)["forget_gate"], 2, axis=1)
    for lag in range(6):
        np.testing.assert_allclose(flow.sel(lag=lag), np.diag(gates[6 - lag : 6].prod(axis=0)), atol=1e-15)
    live = backflow(build(forget_gates=True, peepholes="live"), inputs, 5)
    assert np.abs(live.sel(lag=3) - flow.sel(lag=3)).max() > 1e-3
    assert np.abs(live.sel(lag=3)[:2, 2:]).max() == 0.0, "no path from one block to another"


def test_full_flow_differs_from_truncated_only_where_there_is_recurrence() -> None:
    inputs = task()[0]
    with_recurrence, without = (backflow(build(topology=kind), inputs, 5, mode="full") for kind in "FB")
    assert np.abs(with_recurrence.sel(lag=0) - np.eye(4)).max() == 0.0
    assert np.abs(with_recurrence.sel(lag=1) - np.eye(4)).max() > 1e-3
    assert np.array_equal(without.values, np.broadcast_to(np.eye(4), without.shape))


# Credit


def test_credit_sums_to_the_update(net: LiteralLSTM) -> None:
    inputs, targets = task(40)
    shares = credit(net, inputs, targets)
    before = net.weights
    net.run(inputs, targets)
    assert set(shares.data_vars) == set(before)
    assert list(shares.step) == [39]
    for name, values in net.weights.items():
        np.testing.assert_allclose(shares[name].sum(("step", "lag")), values - before[name], rtol=0, atol=1e-12)
    assert max(float(np.abs(values - before[name]).max()) for name, values in net.weights.items()) > 1e-3


def test_credit_sums_to_the_update_of_the_compiled_net(net: LiteralLSTM) -> None:
    compiled, (inputs, targets) = lstmsim.LSTM.from_weights(net.settings, net.weights), task(40)
    shares, before = credit(compiled, inputs, targets), compiled.weights
    compiled.run(inputs, targets)
    for name, values in compiled.weights.items():
        np.testing.assert_allclose(shares[name].sum(("step", "lag")), values - before[name], rtol=0, atol=1e-12)
    assert list(shares.source.values) == net.settings.sources


def test_credit_of_several_targets_with_frozen_weights(net: LiteralLSTM) -> None:
    inputs, targets = task(9, every=3)
    shares = credit(net, inputs, targets)
    assert list(shares.step) == [2, 5, 8]
    for t in shares.step.values:
        alone = np.full_like(targets, np.nan)
        alone[t] = targets[t]
        single = copy.deepcopy(net)
        single.run(inputs, alone)
        for name, values in single.weights.items():
            change = values - net.weights[name]
            np.testing.assert_allclose(shares[name].sel(step=t).sum("lag"), change, rtol=0, atol=1e-14)
            assert np.all(shares[name].sel(step=t, lag=slice(t + 1, None)) == 0.0)
            if name in ("output", "output_gate", "hidden"):
                assert np.all(shares[name].sel(lag=slice(1, None)) == 0.0)


def test_credit_sums_to_the_update_at_the_end_of_a_sequence() -> None:
    net, (inputs, targets) = build(update="sequence"), task(9, every=2)
    total, bias, before = (
        credit(net, inputs, targets).sum(("step", "lag")),
        gradient_bias(net, inputs, targets),
        net.weights,
    )
    net.run(inputs, targets)
    for name, values in net.weights.items():
        np.testing.assert_allclose(total[name], values - before[name], rtol=0, atol=1e-14)
    assert float(bias.stale_error_total) == 0.0


def test_credit_is_error_times_source_at_the_lag() -> None:
    net, (inputs, targets) = build(n_hidden=1, shortcuts=True), task()
    shares, factors = credit(net, inputs, targets), scaling(net, range(N_STEPS), inputs=inputs)
    trace = net.run(inputs, targets, learn=False)
    for lag in range(N_STEPS - 1):
        sources = {
            "input 1": "input",
            "cell 3": "cell_output",
            "input gate 0": "input_gate",
            "output gate 1": "output_gate",
        }
        for label, name in sources.items():
            t = N_STEPS - 1 - lag - (name != "input")
            z = trace[name][t, int(label[-1])]
            expected = 0.3 * trace["state_error"][-1] * factors.exit_cell.sel(lag=lag) * z
            np.testing.assert_allclose(shares["cell"].sel(lag=lag, source=label)[0], expected, rtol=1e-10)
    assert list(shares.source.values[-2:]) == ["hidden 0", "bias"]
    assert list(shares.output_source.values) == [
        "input 0",
        "input 1",
        *(f"cell {i}" for i in range(4)),
        "hidden 0",
        "bias",
    ]
    assert list(shares.cell_block.values) == [0, 0, 1, 1]


# Truncated, exact and stale gradients


def test_exact_gradient_equals_finite_differences(net: LiteralLSTM) -> None:
    inputs, targets = task(every=3)
    bias = gradient_bias(net, inputs, targets)
    weights, eps = net.weights, 1e-5
    for name, mask in net.exists.items():
        numeric = np.zeros(mask.shape)
        for where in map(tuple, np.argwhere(mask)):
            for sign in (1.0, -1.0):
                moved = net.weights
                moved[name][where] += sign * eps
                net.set_weights(moved)
                numeric[where] += sign * error(net, inputs, targets) / (2 * eps)
                net.set_weights(weights)
        np.testing.assert_allclose(bias[f"exact_{name}"], numeric, rtol=1e-6, atol=1e-9)


def test_truncated_gradient_is_the_frozen_update(net: LiteralLSTM) -> None:
    inputs, targets = task(every=3)
    bias, total = gradient_bias(net, inputs, targets), credit(net, inputs, targets).sum(("step", "lag"))
    for name in net.weights:
        np.testing.assert_allclose(-0.3 * bias[f"truncated_{name}"], total[name], rtol=0, atol=1e-14)


def test_truncated_is_exact_without_recurrence() -> None:
    inputs, targets = task(every=2)
    net = build(n_hidden=2)
    weights = net.weights
    for name in ("cell", "input_gate", "output_gate", "hidden"):
        weights[name][:, N_INPUTS:-1] = 0.0
    net.set_weights(weights)
    for flat in (net, build(topology="B", n_hidden=2)):
        bias = gradient_bias(flat, inputs, targets)
        for name in weights:
            np.testing.assert_allclose(bias[f"truncated_{name}"], bias[f"exact_{name}"], rtol=0, atol=1e-15)
        np.testing.assert_allclose(bias.cosine, 1.0)
        np.testing.assert_allclose(bias.norm_ratio, 1.0)


def test_bias_measures_with_recurrence() -> None:
    bias = gradient_bias(build(), *task(every=2))
    assert list(bias.group.values) == ["input_gate", "output_gate", "cell", "output"]
    for name in bias.group.values:
        one = bias.sel(group=name)
        truncated, exact = bias[f"truncated_{name}"].values.ravel(), bias[f"exact_{name}"].values.ravel()
        norms = np.linalg.norm(truncated), np.linalg.norm(exact)
        assert float(one.truncated_norm) == pytest.approx(norms[0])
        assert float(one.exact_norm) == pytest.approx(norms[1])
        assert float(one.cosine) == pytest.approx(truncated @ exact / (norms[0] * norms[1]))
        assert float(one.norm_ratio) == pytest.approx(norms[0] / norms[1])
    assert np.all(bias.cosine.sel(group=["cell", "input_gate", "output_gate"]) < 1.0 - 1e-4)
    assert float(bias.cosine.sel(group="output")) == pytest.approx(1.0)
    without = gradient_bias(build(output_gates=False), *task())
    assert np.isnan(without.cosine.sel(group="output_gate"))
    assert np.isnan(without.norm_ratio.sel(group="output_gate"))
    assert float(without.stale_error.sel(group="output_gate")) == 0.0


def test_stale_error_against_literal_twins(net: LiteralLSTM) -> None:
    inputs, targets = task(every=2)
    bias, start = gradient_bias(net, inputs, targets), net.weights
    if net.settings.gated:
        assert np.isnan(bias.stale_error).all()
        assert np.isnan(bias.stale_error_total)
        return
    stale, fresh = copy.deepcopy(net), copy.deepcopy(net)
    stale.run(inputs, targets)
    fresh.reset()
    for t, (x, d) in enumerate(zip(inputs, targets, strict=True)):
        if not np.isnan(d).any():
            anew, probe = copy.deepcopy(fresh), copy.deepcopy(fresh)
            anew.run(inputs[: t + 1], learn=False)
            probe.step(x)
            # The step itself adds to the partials: what it will add is taken off beforehand.
            fresh.partial_cell = anew.partial_cell - (probe.partial_cell - fresh.partial_cell)
            fresh.partial_input_gate = anew.partial_input_gate - (probe.partial_input_gate - fresh.partial_input_gate)
        fresh.step(x, d)
    difference = {name: np.linalg.norm(stale.weights[name] - fresh.weights[name]) for name in start}
    whole = {name: np.linalg.norm(fresh.weights[name] - start[name]) for name in start}
    for name in ("cell", "input_gate"):
        assert float(bias.stale_error.sel(group=name)) == pytest.approx(difference[name] / whole[name], rel=1e-8)
        assert float(bias.stale_error.sel(group=name)) > 1e-4
    total = np.linalg.norm(list(difference.values())) / np.linalg.norm(list(whole.values()))
    assert float(bias.stale_error_total) == pytest.approx(total, rel=1e-8)


def test_one_target_leaves_no_stale_partials() -> None:
    bias = gradient_bias(build(), *task())
    assert np.all(bias.stale_error == 0.0)
    assert float(bias.stale_error_total) == 0.0


# Scaling factor of conventional nets


def sum_over_paths(w: Array, slopes: Array, lag: int, unit_from: int, unit: int) -> float:
    """Equation (2), literally; slopes[-1 - m] belongs to step t - m."""
    total = 0.0
    for inner in itertools.product(range(len(w)), repeat=lag - 1):
        path = (unit_from, *inner, unit)
        total += float(np.prod([slopes[-1 - m, path[m]] * w[path[m - 1], path[m]] for m in range(1, lag + 1)]))
    return total


def test_factor_is_the_sum_over_all_paths() -> None:
    rng = np.random.default_rng(3)
    w, y = rng.normal(size=(3, 3)), rng.uniform(size=(6, 3))
    along, given_slopes = scaling(w, range(5), activations=y), scaling(w, range(5), derivatives=y * (1.0 - y))
    maximal, per_unit = scaling(w, [4, 2]), scaling(w, 4, derivatives=y[0])
    assert np.array_equal(along.factor.sel(lag=0), np.eye(3))
    xr.testing.assert_identical(along, given_slopes)
    for u, v in itertools.product(range(3), repeat=2):
        at = {"unit": v, "unit_from": u}
        for lag in range(1, 5):
            expected = sum_over_paths(w, y * (1.0 - y), lag, u, v)
            assert float(along.factor.sel(lag=lag, **at)) == pytest.approx(expected, rel=1e-12)
        assert float(maximal.factor.sel(lag=2, **at)) == pytest.approx(sum_over_paths(w, np.full((3, 3), 0.25), 2, u, v))
        assert float(per_unit.factor.sel(lag=4, **at)) == pytest.approx(sum_over_paths(w, np.tile(y[0], (5, 1)), 4, u, v))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 6), st.floats(0.0, 8.0), st.integers(0, 2**32 - 1), st.booleans())
def test_factor_stays_within_the_bound(n: int, w_max: float, seed: int, along: bool) -> None:
    rng = np.random.default_rng(seed)
    w = rng.uniform(-w_max, w_max, (n, n))
    lags = [0, 1, 2, 5, 20, 60]
    largest = np.abs(scaling(w, lags, activations=rng.uniform(size=(61, n)) if along else None).factor)
    bound = scaling_bound(n, w_max, lags)
    assert np.all(largest.max(("unit", "unit_from")) <= bound * (1.0 + 1e-12))


def test_bound_is_sharp_up_to_its_constant() -> None:
    lags = np.arange(1, 30)
    factor = scaling(np.full((5, 5), -0.7), lags).factor
    np.testing.assert_allclose(np.abs(factor).max(("unit", "unit_from")) * 25.0, scaling_bound(5, 0.7, lags))
    decaying = scaling_bound(5, 0.7, lags)
    assert np.all(np.diff(decaying) < 0.0)
    assert float(scaling_bound(3, 1e9, 10**6)[0]) == np.inf


def test_nets_with_forget_gates_are_not_set_beside_a_conventional_one() -> None:
    with pytest.raises(ValueError, match=r"weights is .*; allowed: an LSTM without forget gates and peepholes, or a matrix"):
        scaling(build(forget_gates=True), [1])


def test_lstm_beside_a_conventional_net() -> None:
    net, (inputs, targets) = build(n_hidden=1, size=0.3), task(60)
    beside = scaling(net, [0, 1, 50], inputs=inputs)
    trace = net.run(inputs, targets, learn=False)
    assert np.all(beside.cec == 1.0)
    np.testing.assert_allclose(trace["cell_error"][-1], trace["state_error"][-1] * beside.exit_cell.sel(lag=0))
    gate_error = (trace["state_error"][-1] * beside.exit_input_gate.sel(lag=0)).groupby("cell_block").sum()
    np.testing.assert_allclose(trace["input_gate_error"][-1], gate_error)
    first = N_INPUTS * net.direct
    to_cells = net.weights["output"][:, first : first + 4].T @ trace["output_error"][-1]
    np.testing.assert_allclose(trace["state_error"][-1], to_cells * beside.entry)
    assert np.abs(beside.factor.sel(lag=50)).max() < 1e-20
    assert list(beside.unit.values[[0, 4, 6, 8]]) == ["cell 0", "input gate 0", "output gate 0", "hidden 0"]
    # The conventional net: logistic units all through.
    y, w = np.zeros(9), np.concatenate([net.weights[n] for n in ("cell", "input_gate", "output_gate", "hidden")])
    activations = []
    for x in inputs:
        y = 1.0 / (1.0 + np.exp(-w @ np.concatenate([x, y, [1.0]])))
        activations.append(y)
    recurrent = w[:, N_INPUTS:-1]
    conventional = scaling(recurrent, [0, 1, 50], activations=activations)
    np.testing.assert_allclose(beside.factor, conventional.factor, rtol=1e-9, atol=1e-300)
    xr.testing.assert_equal(
        scaling(net, 3).factor.drop_vars(["unit", "unit_from"]),
        scaling(recurrent, 3).factor.drop_vars(["unit", "unit_from"]),
    )
