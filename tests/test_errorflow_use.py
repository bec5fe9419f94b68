"""Drift and use of memory cells in hand-made traces and in a run; requests of all of error flow that are wrong."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.errorflow import drift, scaling_bound
from tests.test_errorflow import N_INPUTS, N_OUTPUTS, backflow, build, credit, gradient_bias, scaling, task, usage


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


def test_cells_are_of_the_blocks_that_their_labels_name() -> None:
    trace = lstmsim.LSTM(N_INPUTS, N_OUTPUTS, 2, 2).run(task(30)[0])
    used = usage(trace)
    second = usage(trace.isel(block=[1]))
    np.testing.assert_allclose(second.block_contribution, used.block_contribution[[1]])
    some = usage(trace.isel(cell=[0, 2, 3]))
    np.testing.assert_allclose(some.block_contribution, [some.contribution[0], some.contribution[1:].sum()])
    assert usage(trace.isel(block=[])).block_contribution.size == 0
    assert drift(trace.isel(cell=[0, 2, 3])).state_growth.sizes == {"cell": 3}
    bare = trace.drop_vars("cell_block")
    np.testing.assert_allclose(usage(bare).block_contribution, used.block_contribution)
    for selection, message in (({"cell": [0, 2, 3]}, "3 cells; .* each of 2 blocks"), ({"block": []}, "4 cells; .* of 0")):
        with pytest.raises(ValueError, match=f"trace has {message}"):
            usage(bare.isel(selection))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_measures_of_a_trial_that_diverged_say_so(value: float) -> None:
    trace = hand_made_trace()
    trace["cell_state"][3, 0] = trace["cell_output"][3, 0] = value
    assert float(drift(trace).peak_state[0]) == abs(value)
    np.testing.assert_array_equal(drift(trace).peak_state[1:], drift(hand_made_trace()).peak_state[1:])
    used = usage(trace)
    assert not np.isfinite(used.output_variance[0])
    np.testing.assert_array_equal(used.output_variance[1:], usage(hand_made_trace()).output_variance[1:])


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
