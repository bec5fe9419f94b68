"""Nets whose sources are products against slow twins, finite differences, and the methods that they reduce to."""

import numpy as np
import pytest

from lstmsim.learners.block_rtrl import BlockRTRL, BlockRTRLSettings
from lstmsim.learners.bptt import BPTT, BPTTSettings
from lstmsim.learners.leaky import TWINN, Leaky, LeakySettings, TWINNSettings
from lstmsim.learners.rtrl import RTRL, RTRLSettings
from lstmsim.learners.second_order import SecondOrder, SecondOrderSettings
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

SIZES = {"n_inputs": 2, "n_outputs": 2, "n_hidden": 3, "learning_rate": 0.5}
LEAKY = [
    LeakySettings(**SIZES | {"learning_rate": 0.1}, tau=(0.0, 0.4, 0.9), train_tau=True, update="sequence"),
    LeakySettings(**SIZES, tau=(0.7,), block=None, topology="late", unit="logistic"),
    TWINNSettings(**SIZES, squares=True, update="sequence"),
    SecondOrderSettings(**SIZES, products="all", topology="late"),
    SecondOrderSettings(**SIZES, products="pure", bias=False, unit="tanh"),
    SecondOrderSettings(**SIZES, products="pure", topology="layered", bias=True),
    BlockRTRLSettings(**SIZES, topology="full", block=3, unit="identity", update="sequence"),
]
of_each = pytest.mark.parametrize("settings", LEAKY, ids=lambda settings: type(settings).__name__)
MAKE = {LeakySettings: Leaky, TWINNSettings: TWINN, SecondOrderSettings: SecondOrder, BlockRTRLSettings: BlockRTRL}
F = {"logistic": logistic, "tanh": np.tanh, "identity": lambda net: net}


def responses(settings, weights, inputs, start=None):
    """Outputs (step, output) and units (step, unit), written as the papers have them, source by source."""
    layered, first = settings.topology == "layered", settings.units - len(settings.seen)
    y = np.zeros(settings.units)
    y[first] = getattr(settings, "start", 0.0)
    y = y if start is None else start
    tau = np.zeros(settings.units)
    tau[settings.units - settings.n_hidden :] = weights.get("time_constant", settings.time_constants)
    w = weights["hidden"] if layered else np.concatenate([weights["output"], weights["hidden"]])
    outputs, units, last = [], [], None
    for x in inputs:
        names = {f"input {i}": x[i] for i in range(len(x))}
        names |= {f"hidden {i}": y[settings.units - settings.n_hidden + i] for i in range(settings.n_hidden)}
        names |= {} if layered else {f"output {k}": y[k] for k in range(settings.n_outputs)}
        z = [np.prod([names[part] for part in name.split(" x ")]) if name != "bias" else 1.0 for name in settings.sources]
        f = F[settings.unit](w @ z)
        y = y + (0.0 if last is None else np.linalg.norm(x - last)) * f if settings.path else tau * y + (1 - tau) * f
        last = x
        units.append(y)
        outputs.append(logistic(weights["output"] @ np.append(y, 1.0)) if layered else y[: settings.n_outputs])
    return np.array(outputs), np.array(units)


@of_each
def test_activations_are_those_of_a_twin(settings):
    weights, [(inputs, targets)] = draw(settings.exists), examples(2, 2, [9])
    trace = run(with_weights(MAKE[type(settings)](settings), weights), [(inputs, targets)], learn=False)
    outputs, units = responses(settings, weights, inputs)
    np.testing.assert_allclose(trace["output"], outputs, rtol=1e-13)
    np.testing.assert_allclose(trace["hidden"], units[:, -3:], rtol=1e-13, atol=1e-15)


@of_each
def test_changes_follow_finite_differences(settings):
    every = 3 if settings.update == "sequence" or settings.memory == (0, 0) else 20
    exists, [(inputs, targets)] = settings.exists, examples(2, 2, [8], every=every)
    weights = {name: np.abs(group) if name == "time_constant" else group for name, group in draw(exists).items()}
    slopes = descent(lambda w: half_squared_error(responses(settings, w, inputs)[0], targets), weights, exists)
    learner = with_weights(MAKE[type(settings)](settings), weights)
    run(learner, [(inputs, targets)])
    changes = change(weights, learner.weights(0))
    for name, slope in slopes.items():
        assert np.abs(slope).max() > 1e-6
        np.testing.assert_allclose(changes[name], settings.learning_rate * slope, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("topology", ["full", "late", "layered"])
def test_every_block_gives_the_gradient_of_rtrl(topology):
    net = SIZES | {"topology": topology, "bias": True}
    weights, sequences = draw(RTRLSettings(**net).exists), examples(2, 2, [9, 1, 6], every=2)
    twin = with_weights(RTRL(RTRLSettings(**net, update="sequence")), weights)
    run(twin, sequences)
    expected = twin.weights(0)
    order = {name: _columns(expected[name], net) for name in expected}
    for h in (1, 2, 3, 4, 8, 9, 50):
        settings = BlockRTRLSettings(**net, block=h, update="sequence")
        own = {name: weights[name][:, order[name]] for name in weights}
        learner = with_weights(BlockRTRL(settings), own)
        run(learner, sequences)
        assert difference(learner.weights(0), {name: expected[name][:, order[name]] for name in expected}) < 1e-14
        assert difference(learner.weights(0), own) > 0.01


def _columns(group, net):
    """Where a net's sources (inputs, seen units, bias) stand among a conventional net's (inputs, hidden, outputs, bias)."""
    i, h, k = (list(range(net[n])) for n in ("n_inputs", "n_hidden", "n_outputs"))
    if group.shape[1] == len(h) + 1:
        return [*h, len(h)]
    hidden, outputs = [len(i) + n for n in h], [len(i) + len(h) + n for n in k]
    return [*i, *(outputs if net["topology"] == "full" else []), *hidden, group.shape[1] - 1]


def test_blocks_of_one_step_are_rtrl_on_line_and_long_ones_bptt():
    net = SIZES | {"topology": "layered", "bias": True}
    weights, sequences = draw(RTRLSettings(**net).exists), examples(2, 2, [9, 1, 6])
    for h, twin in ((1, RTRL(RTRLSettings(**net))), (50, BPTT(BPTTSettings(**net)))):
        learner = with_weights(BlockRTRL(BlockRTRLSettings(**net, block=h)), weights)
        traces = run(learner, sequences), run(with_weights(twin, weights), sequences)
        assert h == 50 or difference(learner.weights(0), twin.weights(0)) < 1e-14  # BPTT changes its outputs at each step
        np.testing.assert_allclose(traces[0]["output"][:1], traces[1]["output"][:1], rtol=1e-13)


def test_storage_does_not_grow_with_the_sequence():
    learner = with_weights(BlockRTRL(BlockRTRLSettings(**SIZES, block=4)), draw(BlockRTRLSettings(**SIZES).exists))
    run(learner, examples(2, 2, [3000]))
    assert learner.nets.history.s.shape[0] == 4


def test_without_time_constants_it_is_the_ordinary_net():
    one, other = LeakySettings(**SIZES, tau=(0.0,)), BlockRTRLSettings(**SIZES, unit="tanh", block=1)
    learners = [with_weights(made, draw(one.exists)) for made in (Leaky(one), BlockRTRL(other))]
    traces = [run(learner, examples(2, 2, [9, 4])) for learner in learners]
    assert difference(*(learner.weights(0) for learner in learners)) == 0.0
    np.testing.assert_array_equal(traces[0]["hidden"], traces[1]["hidden"])


def test_leaky_units_take_pearlmutters_steps():
    """T dy/dt = -y + f(W y + x), Euler's method: halving the step halves the error, and tau = 1 - dt/T is one step."""
    settings = LeakySettings(1, 1, 2, tau=(0.75, 0.5), bias=False)
    weights = draw(settings.exists)
    times = np.array([4.0, 2.0])  # dt = 1
    y, inputs = np.zeros(2), np.sin(np.arange(12.0))[:, None]
    trace = run(with_weights(Leaky(settings), weights), [(inputs, np.full((12, 1), np.nan))], learn=False)
    for t, x in enumerate(inputs):
        y = y + 1.0 / times * (-y + np.tanh(weights["hidden"] @ np.concatenate([x, y])))
        np.testing.assert_allclose(trace["hidden"][t], y, rtol=1e-12)


def test_trained_time_constants_stay_within_0_and_1():
    settings = LeakySettings(**SIZES | {"learning_rate": 50.0}, tau=(0.5,), train_tau=True)
    learner = Leaky(settings)
    learner.start(0, (0, 0))
    learner.reset()
    run(learner, examples(2, 2, [30] * 5))
    tau = learner.weights(0)["time_constant"]
    assert ((tau >= 0) & (tau <= 1)).all()
    assert not np.allclose(tau, 0.5)


def test_a_repeated_input_leaves_the_state_of_a_twinn():
    settings = TWINNSettings(2, 3, 1, squares=True)
    assert settings.n_weights == 4 * (4 + 6)
    weights, [(inputs, _)] = draw(settings.exists), examples(2, 3, [7])
    again = np.repeat(inputs, [1, 4, 2, 1, 3, 1, 2], axis=0)
    traces = [
        run(with_weights(TWINN(settings), weights), [(x, np.full((len(x), 3), np.nan))], learn=False)
        for x in (inputs, again)
    ]
    ends = np.cumsum([1, 4, 2, 1, 3, 1, 2]) - 1
    np.testing.assert_array_equal(traces[1]["output"][ends], traces[0]["output"])
    assert np.abs(traces[0]["output"][-1]).max() > 0.1


@pytest.mark.parametrize("horizon", [1, 2, 4])
def test_a_horizon_takes_earlier_states_as_constants(horizon):
    settings = SecondOrderSettings(**SIZES, products="all", topology="late", horizon=horizon)
    weights, [(inputs, targets)] = draw(settings.exists), examples(2, 2, [7], every=20)
    low = 7 - horizon
    start = responses(settings, weights, inputs)[1][low - 1]
    slopes = descent(
        lambda w: half_squared_error(responses(settings, w, inputs[low:], start)[0], targets[low:]), weights, settings.exists
    )
    learner = with_weights(SecondOrder(settings), weights)
    run(learner, [(inputs, targets)])
    changes = change(weights, learner.weights(0))
    for name in slopes:
        np.testing.assert_allclose(changes[name], 0.5 * slopes[name], rtol=1e-6, atol=1e-10)


def test_one_hot_inputs_choose_a_matrix():
    settings = SecondOrderSettings(n_inputs=3, n_outputs=1, n_hidden=2, products="pure", bias=False)
    weights, [(symbols, targets)] = draw(settings.exists), examples(3, 1, [8], symbols=True)
    trace = run(with_weights(SecondOrder(settings, symbols=True), weights), [(symbols, targets)], learn=False)
    w, y = np.concatenate([weights["output"], weights["hidden"]]).reshape(3, 3, 3), np.array([1.0, 0.0, 0.0])
    for t, symbol in enumerate(symbols):
        y = logistic(w[:, :, symbol] @ y)
        np.testing.assert_allclose(trace["output"][t], y[:1], rtol=1e-13)
    dense = run(with_weights(SecondOrder(settings), weights), [(np.eye(3)[symbols], targets)], learn=False)
    np.testing.assert_array_equal(dense["output"], trace["output"])


def test_the_published_numbers_of_weights():
    for N in (3, 5):
        wanted = (N + 1) * (2 * N + 2)
        assert SecondOrderSettings(1, 1, N, products="all", topology="late").n_weights == wanted
    assert SecondOrderSettings(2, 1, 3, bias=False).n_weights == 4 * 4 * 2  # Giles: n**2 times the symbols


def test_momentum_repeats_a_share_of_the_last_change():
    plain, pushed = (SecondOrderSettings(**SIZES, momentum=m) for m in (0.0, 0.7))
    weights, sequences = draw(plain.exists), examples(2, 2, [5, 4])
    learner = with_weights(SecondOrder(pushed), weights)
    run(learner, sequences)
    first = with_weights(SecondOrder(plain), weights)
    run(first, sequences[:1])
    second = with_weights(SecondOrder(plain), first.weights(0))
    run(second, sequences[1:])
    expected = {name: second.weights(0)[name] + 0.7 * (first.weights(0)[name] - weights[name]) for name in weights}
    assert difference(learner.weights(0), expected) < 1e-14


@pytest.mark.parametrize(
    ("make", "changes", "named"),
    [
        (LeakySettings, {"tau": (0.5, 0.5)}, "tau is .*1 number, or 3"),
        (LeakySettings, {"tau": (1.5,)}, "tau is"),
        (LeakySettings, {"block": 0}, "block is 0"),
        (SecondOrderSettings, {"horizon": 0}, "horizon is 0"),
        (SecondOrderSettings, {"products": "some"}, "products is 'some'"),
        (BlockRTRLSettings, {"block": 0}, "block is 0"),
        (TWINNSettings, {"momentum": 1.0}, "momentum is 1.0"),
    ],
)
def test_settings_are_checked(make, changes, named):
    with pytest.raises(ValueError, match=named):
        make(**SIZES | changes)
