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
from lstmsim.errorflow import drift, scaling_bound
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


def test_full_flow_equals_finite_differences(net: LiteralLSTM) -> None:
    inputs, step, eps = task(N_STEPS + 3)[0], N_STEPS - 1, 1e-5
    flow = backflow(net, inputs, step, mode="full")

    def state(perturbed_step: int, cell: int, by: float) -> Array:
        net.reset()
        for t in range(step + 1):
            if t == perturbed_step:
                # Net inputs do not see s(t - 1), so this adds to s(t) before y_c(t).
                net.cell_state[cell] += by
            net.step(inputs[t])
        return np.array(net.cell_state)

    for lag, cell in itertools.product(range(step + 1), range(4)):
        numeric = (state(step - lag, cell, eps) - state(step - lag, cell, -eps)) / (2 * eps)
        np.testing.assert_allclose(flow.sel(lag=lag, cell=cell), numeric, rtol=1e-6, atol=1e-8)


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
            if name not in ("cell", "input_gate"):
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


# Traces


def hand_made_trace() -> xr.Dataset:
    """Two sequences of 4 and 6 steps: cell 0 grows by 2 per step, 1 stays at -1, 2 is saturated, 3 alternates."""
    t = np.concatenate([np.arange(4.0), np.arange(6.0)])
    offset = np.repeat([0.5, 10.0], [4, 6])
    state = np.stack([-(2.0 * t + offset), np.full(10, -1.0), np.full(10, 9.0), (-1.0) ** t], axis=1)
    output = np.stack([t, np.full(10, 0.3), np.zeros(10), 3.0 * t], axis=1)
    gate = np.stack([np.repeat([0.9, 0.1], [7, 3]), np.full(10, 0.5)], axis=1)
    variables = {
        "cell_state": (("step", "cell"), state),
        "cell_output": (("step", "cell"), output),
        "input_gate": (("step", "block"), gate),
        "output_gate": (("step", "block"), 1.0 - gate),
    }
    coords = {"sequence": ("step", np.repeat([7, 9], [4, 6])), "t": ("step", t), "cell_block": ("cell", [0, 0, 1, 1])}
    return xr.Dataset(variables, coords=coords)


def test_drift_of_a_hand_made_trace() -> None:
    measured = drift(hand_made_trace())
    np.testing.assert_allclose(measured.state_growth, [2.0, 0.0, 0.0, 0.0], atol=1e-14)
    np.testing.assert_allclose(measured.final_state, [(6.5 + 20.0) / 2, 1.0, 9.0, 1.0])
    np.testing.assert_allclose(measured.peak_state, [20.0, 1.0, 9.0, 1.0])
    # h' is below a tenth of its maximum from |s| = 3.64 on: cell 0 at t = 2, 3 and in the whole second sequence.
    np.testing.assert_allclose(measured.saturation, [0.8, 0.0, 1.0, 0.0])
    # h'(2.5) is 0.28 of the maximum.
    np.testing.assert_allclose(drift(hand_made_trace(), saturated_below=0.27).saturation[0], 0.8)
    np.testing.assert_allclose(drift(hand_made_trace(), saturated_below=0.29).saturation[0], 0.9)
    np.testing.assert_allclose(measured.input_gate_open, [0.7, 0.0])
    assert list(measured.cell_block.values) == [0, 0, 1, 1]
    assert np.all(drift(hand_made_trace(), cell_output="identity").saturation == 0.0)
    assert np.all(drift(hand_made_trace(), saturated_below=1e-9).saturation == 0.0)
    joined = drift(hand_made_trace().drop_vars(["sequence", "t"]))
    assert float(joined.state_growth[0]) == pytest.approx(np.polyfit(range(10), -hand_made_trace().cell_state[:, 0], 1)[0])
    assert np.all(np.isnan(drift(hand_made_trace().isel(step=[3])).state_growth))


def test_usage_of_a_hand_made_trace() -> None:
    trace = hand_made_trace()
    used = usage(trace)
    np.testing.assert_allclose(used.output_variance, trace.cell_output.var("step"))
    np.testing.assert_allclose(used.contribution, [0.25, 0.0, 0.0, 0.75], atol=1e-14)
    np.testing.assert_allclose(used.block_contribution, [0.25, 0.75])
    np.testing.assert_allclose(used.state_range, [19.5, 0.0, 0.0, 2.0])
    np.testing.assert_allclose(used.input_gate_mean, [0.66, 0.5])
    np.testing.assert_allclose(used.output_gate_mean, [0.34, 0.5])
    net = build(shortcuts=True)
    weights = net.weights
    weights["output"][:, N_INPUTS : N_INPUTS + 4] = [[3.0, 9.0, 9.0, 0.0], [4.0, 9.0, 9.0, 0.0]]
    net.set_weights(weights)
    np.testing.assert_allclose(usage(trace, net).contribution, [1.0, 0.0, 0.0, 0.0], atol=1e-14)
    silent = usage(trace.assign(cell_output=0.0 * trace.cell_output))
    assert np.all(silent.contribution == 0.0)


def test_measures_of_a_run_have_its_labels() -> None:
    net = lstmsim.LSTM(N_INPUTS, N_OUTPUTS, 2, 2)
    trace = net.run(task(30)[0])
    measured, used = drift(trace), usage(trace, net)
    assert measured.state_growth.dims == used.contribution.dims == ("cell",)
    assert measured.input_gate_open.dims == used.block_contribution.dims == ("block",)
    np.testing.assert_array_equal(used.cell_block, trace.cell_block)
    np.testing.assert_allclose(used.block_contribution, used.contribution.groupby("cell_block").sum())
    assert float(used.block_contribution.sum()) == pytest.approx(1.0)
    assert {"long_name", "units"} <= set(used.contribution.attrs)


def test_traces_may_come_as_tree_nodes_or_with_one_trial() -> None:
    trace = hand_made_trace()
    tree = xr.DataTree.from_dict({"/trace": trace.expand_dims("trial")})
    xr.testing.assert_equal(drift(tree["trace"]), drift(trace))
    xr.testing.assert_equal(usage(tree["trace"]), usage(trace))


# Wrong requests

INPUTS, TARGETS = task(5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: backflow(build(), INPUTS, 2, mode="half"), "mode is 'half'"),
        (lambda: backflow(build(), INPUTS, 5), "step is 5; allowed: a whole number from 0 to 4"),
        (lambda: backflow(build(), INPUTS, -1), "step is -1"),
        (lambda: backflow(build(), INPUTS, 1.0), "step is 1.0"),
        (lambda: backflow(build(), INPUTS[:, :1], 1), r"inputs has shape \(5, 1\); allowed: \(step, 2\)"),
        (lambda: backflow(build(), INPUTS[:0], 0), "at least one step"),
        (lambda: backflow(build(), "abc", 0), "inputs is 'abc'"),
        (lambda: backflow(build(), np.where(INPUTS > 1e9, 0.0, np.inf), 1), r"inputs is inf at \(0, 0\)"),
        (lambda: backflow({}, INPUTS, 1), "net is {}"),
        (lambda: backflow(lstmsim.LSTM(2, 2, trials=2), INPUTS, 1), "net is <LSTM .* 2 trials>; allowed: one net"),
        (lambda: drift(lstmsim.LSTM(2, 2, trials=2).run(INPUTS)), "trace holds 2 trials; allowed: one"),
        (lambda: credit(build(), INPUTS, TARGETS[:4]), r"targets has shape \(4, 2\)"),
        (lambda: credit(build(), INPUTS, np.full((5, 2), np.nan)), "targets is NaN at every step"),
        (lambda: credit(build(), INPUTS, np.where([True, False], 0.5, np.full((5, 2), np.nan))), "at step 0; allowed"),
        (lambda: gradient_bias(build(), INPUTS, np.full((5, 2), np.inf)), "at step 0; allowed"),
        (lambda: scaling(np.ones((2, 3)), 1), r"weights has shape \(2, 3\)"),
        (lambda: scaling(np.full((2, 2), np.nan), 1), "weights is nan"),
        (lambda: scaling(np.ones((2, 2)), [1, -1]), r"lags is \[1, -1\]"),
        (lambda: scaling(np.ones((2, 2)), [0.5]), "lags is"),
        (lambda: scaling(np.ones((2, 2)), []), "lags is"),
        (lambda: scaling(np.ones((2, 2)), 5, activations=np.full((5, 2), 0.5)), "lags go up to 5; allowed: at most 4"),
        (lambda: scaling(np.ones((2, 2)), 1, activations=np.full((5, 3), 0.5)), "activations has shape"),
        (lambda: scaling(np.ones((2, 2)), 1, activations=np.full((5, 2), 1.5)), "activations range from 1.5"),
        (lambda: scaling(np.ones((2, 2)), 1, derivatives=np.ones(3)), "derivatives has shape"),
        (lambda: scaling(np.ones((2, 2)), 1, derivatives=1.0, activations=np.ones((5, 2))), "both given"),
        (lambda: scaling(np.ones((2, 2)), 1, inputs=INPUTS), "inputs was given with a weight matrix"),
        (lambda: scaling(build(), 1, derivatives=1.0), "derivatives was given with an LSTM"),
        (lambda: scaling(build(), 5, inputs=INPUTS), "lags go up to 5"),
        (lambda: scaling_bound(0, 1.0, 1), "n is 0"),
        (lambda: scaling_bound(2, -1.0, 1), "w_max is -1.0"),
        (lambda: scaling_bound(2, np.inf, 1), "w_max is inf"),
        (lambda: scaling_bound(2, "1", 1), "w_max is '1'"),
        (lambda: drift(hand_made_trace(), saturated_below=0.0), "saturated_below is 0.0"),
        (lambda: drift(hand_made_trace(), cell_output="g"), "cell_output is 'g'"),
        (lambda: drift(hand_made_trace().drop_vars("cell_state")), r"trace lacks \['cell_state'\]"),
        (lambda: drift(hand_made_trace().isel(step=slice(0))), "trace has no steps"),
        (lambda: usage(hand_made_trace().expand_dims(trial=3)), "trace holds 3 trials"),
        (lambda: usage(np.ones(3)), "trace is"),
        (lambda: usage(hand_made_trace(), build(n_blocks=1)), "net has 1 blocks and 2 cells; allowed: 2 and 4"),
    ],
)
def test_wrong_requests_name_argument_value_and_what_is_allowed(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_nets_stay_as_they_are() -> None:
    net = build()
    net.run(*task(3))
    before = copy.deepcopy(net.__dict__)
    backflow(net, INPUTS, 4, mode="full")
    credit(net, INPUTS, TARGETS)
    gradient_bias(net, *task(5, every=2))
    scaling(net, 2, inputs=INPUTS)
    np.testing.assert_equal(net.__dict__, before)


def test_a_number_of_units_beyond_all_nets_is_refused():
    with pytest.raises(ValueError, match=r"n is 1000+\.\.\.; allowed: a whole number from 1 to"):
        scaling_bound(10**400, 1.0, [1, 2])
