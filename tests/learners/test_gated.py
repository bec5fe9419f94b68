"""Forget gates and peepholes: kernels against the literal twin, finite differences, and the net of 1997 where f is 1."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lstmsim
from lstmsim.learners.lstm.choice import nets_of
from lstmsim.learners.lstm.exact import ExactLSTM
from lstmsim.learners.lstm.gated.net import GatedNets
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import row
from tests.learners.driving import (
    change,
    descent,
    difference,
    draw,
    examples,
    half_squared_error,
    logistic,
    run,
    with_weights,
)
from tests.literal import LiteralLSTM

Array = NDArray[np.float64]
Weights = dict[str, Array]

VARIANTS: dict[str, dict[str, Any]] = {
    "forget gates": {"forget_gates": True},
    "cut": {"forget_gates": True, "peepholes": "cut", "n_hidden": 1, "shortcuts": True},
    "live": {"forget_gates": True, "peepholes": "live", "n_hidden": 2},
    "live, one cell": {"forget_gates": True, "peepholes": "live", "n_blocks": 3, "block_size": 1, "bias": "ga"},
    "live, three cells": {"forget_gates": True, "peepholes": "live", "block_size": 3, "cell_output": "identity"},
    "cut, no forget gates": {"peepholes": "cut"},
    "live, no forget gates": {"peepholes": "live", "bias": "none"},
    "no output gates": {"forget_gates": True, "peepholes": "live", "output_gates": False, "output": "identity"},
    "B": {"forget_gates": True, "peepholes": "cut", "topology": "B", "cell_input": "f", "n_hidden": 1},
}
every_variant = pytest.mark.parametrize("how", VARIANTS.values(), ids=VARIANTS.keys())


def settings(**how: Any) -> LSTMSettings:
    """Settings of a net of three inputs and two outputs."""
    return LSTMSettings(3, 2, **{"n_blocks": 2, "block_size": 2, "learning_rate": 0.6} | how)


@every_variant
@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("update", ["step", "sequence"])
def test_kernel_is_the_literal_twin(how, symbols, update):
    a = settings(**how, update=update)
    weights, given = draw(a.exists), examples(3, 2, [9, 5, 1, 7], symbols=symbols, every=2)
    learner = with_weights(nets_of(a, 1, symbols=symbols), weights)
    assert type(learner) is GatedNets
    trace = run(learner, given)
    twin = LiteralLSTM(3, 2, **{"n_blocks": 2, "block_size": 2, "learning_rate": 0.6} | how, update=update)
    twin.set_weights(weights)
    expected = [twin.run(np.eye(3)[x] if symbols else x, d) for x, d in given]
    assert set(expected[0]) == set(trace)
    for name in trace:
        whole = np.concatenate([each[name] for each in expected])
        np.testing.assert_allclose(trace[name], whole, rtol=1e-11, atol=1e-12, err_msg=name)
    assert difference(learner.weights(0), twin.weights) < 1e-12
    assert difference(learner.weights(0), weights) > 1e-2


def outputs(a: LSTMSettings, w: Weights, inputs: Array, cut: dict[str, Array] | None = None) -> dict[str, Array]:
    """Sources, cell states and outputs, (step, unit), of a net in plain NumPy; `cut` replaces what its gates and cells see.

    That is: sources z and, for the peepholes alone, cell states s (with that before the first step), both as they once were.
    """
    sizes = a.n_cells, a.n_blocks, a.n_blocks, a.n_blocks if a.forget_gates else 0, a.n_hidden
    unit, s = np.zeros(sum(sizes)), np.zeros(a.n_cells)
    found: dict[str, list[Array]] = {"z": [], "s": [s], "y": []}
    (scale, shift), h_range = a.squashing

    def peep(gate: int, states: Array) -> Array:
        weights = w["peephole"][gate] if "peephole" in w else np.zeros(a.n_cells)
        through: Array = (weights * states).reshape(a.n_blocks, -1).sum(axis=1)
        return through

    for t, x in enumerate(inputs):
        z = np.concatenate([x, unit, [1.0]])
        seen_before, seen_now = s, None
        if cut is not None:
            z = cut["z"][t]
            if a.peepholes == "cut":
                seen_before, seen_now = cut["s"][t], cut["s"][t + 1]
        y_in = logistic(w["input_gate"] @ z + peep(0, seen_before))
        y_f = logistic(w["forget_gate"] @ z + peep(1, seen_before)) if a.forget_gates else np.ones(a.n_blocks)
        g = scale * logistic(w["cell"] @ z) - shift
        s = np.repeat(y_f, a.block_size) * s + np.repeat(y_in, a.block_size) * g
        y_out = np.ones(a.n_blocks)
        if a.output_gates:
            y_out = logistic(w["output_gate"] @ z + peep(2, s if seen_now is None else seen_now))
        h = s if h_range is None else h_range[0] * logistic(s) - h_range[1]
        y_c, y_i = np.repeat(y_out, a.block_size) * h, logistic(w["hidden"] @ z) if a.n_hidden else np.zeros(0)
        unit = np.concatenate([y_c, y_in, y_out, y_f if a.forget_gates else [], y_i])
        net_k = w["output"] @ np.concatenate([x if a.sees_inputs else [], y_c, y_i, [1.0]])
        for name, values in (("z", z), ("s", s), ("y", net_k if a.output == "identity" else logistic(net_k))):
            found[name].append(values)
    return {name: np.array(values) for name, values in found.items()}


@every_variant
def test_changes_are_the_gradient_with_sources_held_fixed(how):
    """Of a net in plain NumPy whose gates and cells see what they once saw; through live peepholes its own states."""
    a = settings(**how, update="sequence")
    weights, [(x, d)] = draw(a.exists), examples(3, 2, [8], every=3)
    learner = with_weights(nets_of(a), weights)
    trace, once = run(learner, [(x, d)]), outputs(a, weights, x)
    np.testing.assert_allclose(trace["output"], once["y"], atol=1e-13)
    np.testing.assert_allclose(trace["cell_state"], once["s"][1:], atol=1e-13)
    slopes = descent(lambda w: half_squared_error(outputs(a, w, x, once)["y"], d), weights, a.exists)
    changes = change(weights, learner.weights(0))
    for name in slopes:
        np.testing.assert_allclose(changes[name] / 0.6, slopes[name], atol=2e-9, err_msg=name)
    assert np.abs(slopes["cell"]).max() > 1e-3


def test_cut_peepholes_make_a_difference():
    """To the gradient with live ones; what the net computes is the same."""
    learners = []
    for peepholes in ("cut", "live"):
        a = settings(forget_gates=True, peepholes=peepholes, update="sequence")
        weights, given = draw(a.exists), examples(3, 2, [8], every=3)
        learners.append(with_weights(nets_of(a), weights))
        run(learners[-1], given)
    assert 1e-3 < difference(*(learner.weights(0) for learner in learners)) < 1.0


@pytest.mark.parametrize("symbols", [False, True])
def test_with_open_forget_gates_it_is_the_net_of_1997(symbols):
    """A bias of 40 on otherwise zero weights: f is 1, and so the rule is that of 1997."""
    how = {"recurrence": "cells", "learning_rate": 0.6}
    new, old = settings(forget_gates=True, **how), settings(**how)
    weights, given = draw(new.exists), examples(3, 2, [9, 5, 7], symbols=symbols, every=2)
    weights["forget_gate"][:] = 0.0
    weights["forget_gate"][:, -1] = 40.0
    forget = new.sources.index("forget gate 0")
    there = np.delete(np.arange(len(new.sources)), [forget, forget + 1])
    before = {name: weights[name][:, there] if name != "output" else weights[name] for name in old.exists}
    learners = nets_of(new, 1, symbols=symbols), LaneNets(old, 1, symbols=symbols)
    for learner, given_weights in zip(learners, (weights, before), strict=True):
        with_weights(learner, given_weights)
    traces = [run(learner, given) for learner in learners]
    for name in traces[1]:
        np.testing.assert_allclose(traces[0][name], traces[1][name], rtol=1e-12, atol=1e-14, err_msg=name)
    after = learners[0].weights(0)
    kept = {name: after[name][:, there] if name != "output" else after[name] for name in old.exists}
    assert difference(kept, learners[1].weights(0)) < 1e-13
    assert difference(before, kept) > 1e-2


def test_without_recurrence_the_truncated_rule_is_exact():
    a = settings(forget_gates=True, peepholes="live", recurrence="none", n_hidden=1, update="sequence")
    weights, [(x, d)] = draw(a.exists), examples(3, 2, [8], every=3)
    learner = with_weights(nets_of(a), weights)
    run(learner, [(x, d)])
    slopes = descent(lambda w: half_squared_error(outputs(a, w, x)["y"], d), weights, a.exists)
    changes = change(weights, learner.weights(0))
    for name in slopes:
        np.testing.assert_allclose(changes[name] / 0.6, slopes[name], atol=2e-9, err_msg=name)


def test_weights_of_the_published_net():
    """Gers, Schmidhuber and Cummins (2000): 424 weights with four blocks of two cells on seven symbols."""
    net = row("cerg").config.settings
    assert net.n_weights == 424
    assert row("cerg-1997").config.settings.n_weights == 360
    assert net.initial_weights(0)["forget_gate"][:, -1].tolist() == [0.5, 1.0, 1.5, 2.0]


def test_what_cannot_be_is_refused():
    for name in ("cell_bias_partial", "gate_source_partial"):
        with pytest.raises(ValueError, match=f"{name} is 'last'; allowed: 'sum' with forget gates, peepholes or an opt"):
            settings(forget_gates=True, **{name: "last"})
    for how in ({"forget_gates": True}, {"peepholes": "cut"}):
        with pytest.raises(ValueError, match=f"{next(iter(how))} is .* with the exact gradient"):
            ExactLSTM(settings(**how))
    with pytest.raises(ValueError, match="forget_gate_bias"):
        settings(forget_gates=True, forget_gate_bias=[1.0, 2.0, 3.0])


def test_forget_gates_are_part_of_state_and_page():
    net = lstmsim.LSTM(3, 2, 2, 2, forget_gates=True, peepholes="live", init_range=0.5)
    plain = lstmsim.LSTM(3, 2, 2, 2)
    assert set(net.state) - set(plain.state) == {"forget_gate"}
    assert set(net.weights) - set(plain.weights) == {"forget_gate", "peephole"}
    assert net.weights["peephole"].shape == (3, 4)
    x = np.random.default_rng(0).uniform(size=(7, 3))
    trace = net.run(x[:6], x[:6, :2])
    np.testing.assert_array_equal(trace.forget_gate[-1], net.state["forget_gate"])
    other = lstmsim.LSTM.from_weights(net.settings, net.weights)
    other.set_state(net.state)
    np.testing.assert_array_equal(other.predict(x[6]), net.predict(x[6]))
    assert "forget gates" in net._repr_html_()
    assert "peepholes" in net._repr_html_()
    assert "forget" not in plain._repr_html_()
