"""On-line rules step by step against a dense literal twin, against each other in their limits, and finite differences."""

import dataclasses
import typing
from pathlib import Path

import numpy as np
import pytest

from lstmsim.learners import rules
from lstmsim.learners.bptt import BPTT, BPTTSettings
from lstmsim.learners.elman import Elman, ElmanSettings
from lstmsim.learners.rtrl import RTRL, RTRLSettings
from lstmsim.learners.rules.settings import RuleSettings
from tests.learners.driving import change, descent, difference, draw, examples, run, with_weights
from tests.learners.rules_twin import Twin, feedback_of, gradients, learned, made, settings

DETERMINISTIC = ("exact", "snap-1", "snap-n", "rflo", "e-prop", "bptt-1")
RULES = typing.get_args(typing.get_type_hints(RuleSettings)["rule"])
NETS = {
    "tanh, leaky, softmax": {"leak": 0.4, "output": "softmax", "n_outputs": 3},
    "logistic": {"activation": "logistic", "n_hidden": 9},
    "one unit, identity": {"n_hidden": 1, "output": "identity", "learning_rate": 0.05},
    "ring, random feedback": {"connections": "ring", "feedback": "random", "leak": 0.7, "n_hidden": 8},
    "sparse, no bias": {"connections": "random", "density": 0.3, "bias": False},
}
every_rule = pytest.mark.parametrize("rule", RULES)


def test_every_rule_is_a_file_of_its_own():
    found = {path.stem for path in Path(rules.__file__).parent.glob("*.py")}
    assert {rule.replace("-", "_") for rule in RULES} < found
    assert len({settings(rule).differs.label for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", DETERMINISTIC)
@pytest.mark.parametrize("changes", NETS.values(), ids=NETS)
def test_every_step_is_that_of_the_literal_twin(rule, changes):
    given = settings(rule, exactness=1, **changes)
    net, sequences = made(given), examples(given.n_inputs, given.n_outputs, [6, 1, 9], every=2)
    twin = Twin(given, net.weights(0), feedback_of(net) if given.feedback == "random" else None)
    for inputs, targets in sequences:
        twin.reset()
        net.reset()
        for x, d in zip(inputs, targets, strict=True):
            trace, expected = run(net, [(x[None], d[None])], ends=False), twin.step(x, d)
            np.testing.assert_allclose(trace["hidden"][0], expected["hidden"], rtol=1e-11, atol=1e-14)
            np.testing.assert_allclose(trace["output"][0], expected["output"], rtol=1e-11)
            if not np.isnan(d).any():
                np.testing.assert_allclose(net.gradient, expected["gradient"], rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(net.weights(0)["hidden"], twin.w, rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(net.weights(0)["output"], twin.w_output, rtol=1e-11, atol=1e-13)


LIMITS = {
    "no recurrent weights: RFLO is exact": ("rflo", "exact", {"connections": "none", "leak": 0.3}),
    "no recurrent weights: SnAp-1 is exact": ("snap-1", "exact", {"connections": "none", "leak": 0.3}),
    "diagonal recurrent weights: SnAp-1 is exact": ("snap-1", "exact", {"connections": "diagonal", "leak": 0.6}),
    "no unit feeds itself: RFLO is SnAp-1": ("rflo", "snap-1", {"connections": "ring", "leak": 0.6}),
    "no leak: RFLO is BPTT(1)": ("rflo", "bptt-1", {"leak": 1.0}),
    "no leak, no recurrent weights: BPTT(1) is exact": ("bptt-1", "exact", {"connections": "none"}),
    "dense: SnAp-2 is exact": ("snap-n", "exact", {"n": 2, "leak": 0.6}),
    "ring of N: SnAp-N is exact": ("snap-n", "exact", {"n": 5, "leak": 0.6, "connections": "ring"}),
    "SnAp-1 is SnAp-n with n = 1": ("snap-n", "snap-1", {"n": 1, "leak": 0.6}),
    "sparse: SnAp-n is exact for large n": (
        "snap-n",
        "exact",
        {"n": 9, "connections": "random", "n_hidden": 9, "leak": 0.6},
    ),
    "kernels that do not learn: KeRNL is RFLO": ("kernl", "rflo", {"kernel_rate": 0.0, "kernel_decay": 0.3, "leak": 0.3}),
    "BPTT(1; 1) is BPTT(1)": ("bptt", "bptt-1", {"horizon": 1, "leak": 0.3}),
    "e-prop on leaky units is RFLO": ("e-prop", "rflo", {"leak": 0.3, "feedback": "random"}),
}


@pytest.mark.parametrize(("one", "other", "changes"), LIMITS.values(), ids=LIMITS)
def test_limits(one, other, changes):
    assert difference(learned(settings(one, **changes)), learned(settings(other, **changes))) < 1e-14


@every_rule
def test_all_rules_are_exact_in_sequences_of_one_step(rule):
    if rule == "uoro":
        pytest.skip("of rank one even then")
    sequences = examples(3, 2, [1, 1, 1, 1])
    weights = learned(settings(rule, leak=0.4), sequences)
    assert difference(weights, learned(settings("exact", leak=0.4), sequences)) < (1e-7 if rule == "kf-rtrl" else 1e-15)


@every_rule
def test_rules_differ_where_no_limit_holds(rule):
    """Else a setting that is not read would pass every test of a limit."""
    changes = {"leak": 0.4, "connections": "ring", "n_hidden": 6, "horizon": 3}
    found = {other: learned(settings(other, **changes)) for other in RULES}
    same = [other for other in RULES if difference(found[rule], found[other]) < 1e-6]
    own = ["snap-1", "rflo", "e-prop"]  # no unit feeds itself
    assert same == (own if rule in own else [rule])


@pytest.mark.parametrize(
    ("rule", "other", "kind"),
    [("exact", RTRL, RTRLSettings), ("bptt-1", Elman, ElmanSettings), ("bptt-1", BPTT, BPTTSettings)],
    ids=["RTRL", "Elman", "BPTT(1)"],
)
def test_other_learners_of_conventional_nets_agree(rule, other, kind):
    how = {"horizon": 1, "interval": 1} if kind is BPTTSettings else {}
    theirs = kind(3, 2, 5, topology="layered", bias=True, learning_rate=0.3, **how)
    sequences = examples(3, 2, [7, 1, 9])
    net = with_weights(other(theirs), draw(theirs.exists))
    run(net, sequences)
    assert difference(net.weights(0), learned(settings(rule, activation="logistic"), sequences)) < 1e-14


@pytest.mark.parametrize("changes", NETS.values(), ids=NETS)
def test_the_exact_rule_is_the_gradient(changes):
    given = settings("exact", exactness=1, **changes | {"feedback": "exact"})
    weights, [(inputs, targets)] = draw(given.exists), examples(given.n_inputs, given.n_outputs, [7], every=3)

    def loss(changed):
        twin = Twin(given, changed)
        outputs = np.array([twin.step(x, np.full(given.n_outputs, np.nan))["output"] for x in inputs])
        if given.output == "softmax":
            return -float(np.nansum(targets * np.log(outputs)))
        return 0.5 * float(np.nansum((targets - outputs) ** 2))

    if given.output == "softmax":
        targets /= targets.sum(axis=1, keepdims=True)
    slopes = descent(loss, weights, given.exists)
    found = gradients(made(given, weights=weights), inputs, targets).sum(axis=0)
    np.testing.assert_allclose(found, slopes["hidden"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("changes", [{"rule": "exact"}, {"rule": "snap-n", "n": 3}, {"rule": "bptt-1", "exactness": 1}])
def test_what_has_decayed_counts_as_nothing(changes):
    """Saturated units let an influence shrink for ever; numbers below 1e-308 made a step fifty times as long."""
    given = settings(leak=0.1, **changes)
    net = made(given)
    for steps, size in ((3, 1.0), (9000, 1e4)):
        run(net, [(np.full((steps, 3), size), np.full((steps, 2), np.nan))], ends=False)
        kept = np.abs(net.shadow.p if given.exactness else net.kept.entries)
        assert (kept.max() > 0) == (size == 1.0)


def test_symbols_are_one_hot_inputs():
    given = settings("snap-1", n_inputs=4, leak=0.5)
    sequences = examples(4, 2, [6, 3], symbols=True)
    one, other = made(given, symbols=True), made(given)
    run(one, sequences)
    run(other, [(np.eye(4)[symbols], targets) for symbols, targets in sequences])
    assert difference(one.weights(0), other.weights(0)) == 0.0


@pytest.mark.parametrize(("horizon", "interval"), [(1, 1), (4, 1), (6, 3), (20, 20)])
def test_truncated_back_propagation_is_that_of_the_learner_bptt(horizon, interval):
    theirs = BPTTSettings(
        3, 2, 5, topology="layered", bias=True, learning_rate=0.3, horizon=horizon, interval=interval
    )  # its changes of the outputs' weights wait as well
    sequences = examples(3, 2, [7, 1, 9], every=2)
    net = with_weights(BPTT(theirs), draw(theirs.exists))
    run(net, sequences)
    given = settings("bptt", activation="logistic", horizon=horizon, interval=interval)
    assert difference(net.weights(0), learned(given, sequences)) < 1e-14


def test_a_horizon_over_the_whole_sequence_is_exact_at_frozen_weights():
    given = settings("bptt", leak=0.4, horizon=9, exactness=1)
    [(inputs, targets)] = examples(3, 2, [9])
    exact = gradients(made(settings("exact", leak=0.4, exactness=1)), inputs, targets)
    np.testing.assert_allclose(gradients(made(given), inputs, targets), exact, rtol=1e-11, atol=1e-14)
    shorter = gradients(made(dataclasses.replace(given, horizon=4)), inputs, targets)
    np.testing.assert_allclose(shorter[:4], exact[:4], rtol=1e-11, atol=1e-14)
    assert np.abs(shorter[-1] - exact[-1]).max() > 1e-6


@every_rule
def test_the_comparison_touches_no_weight(rule):
    given = settings(rule, leak=0.4)
    assert difference(learned(given), learned(dataclasses.replace(given, exactness=3))) == 0.0


def test_the_comparison_is_with_the_exact_gradient():
    given = settings("rflo", leak=0.4, feedback="random", exactness=1)
    [(inputs, targets)] = examples(3, 2, [9], every=2)
    net = made(given)
    weights, trace = net.weights(0), run(net, [(inputs, targets)])
    own, exact = Twin(given, weights, feedback_of(net)), Twin(dataclasses.replace(given, rule="exact"), weights)
    groups = (slice(None), slice(3, 8), slice(0, 3), slice(8, 9))
    for t, (x, d) in enumerate(zip(inputs, targets, strict=True)):
        exact.w, exact.w_output = own.w, own.w_output
        one, other = own.step(x, d)["gradient"], exact.step(x, d, learn=False)["gradient"]
        if np.isnan(d).any():
            assert np.isnan(trace["alignment"][t]).all()
            assert np.isnan(trace["norm_ratio"][t]).all()
            assert np.isnan(trace["signal_alignment"][t])
            continue
        norms = [(np.linalg.norm(one[:, g]), np.linalg.norm(other[:, g])) for g in groups]
        with np.errstate(invalid="ignore"):  # no recurrent source is active at the first step
            cosines = [(one[:, g] * other[:, g]).sum() / (a * b) for g, (a, b) in zip(groups, norms, strict=True)]
            ratios = [a / b for a, b in norms]
        np.testing.assert_allclose(trace["alignment"][t], cosines, rtol=1e-9)
        np.testing.assert_allclose(trace["norm_ratio"][t], ratios, rtol=1e-9)
    signal = trace["signal_alignment"][~np.isnan(targets[:, 0])]
    assert (np.abs(signal) < 0.999).all()
    exact_feedback = run(made(dataclasses.replace(given, feedback="exact")), [(inputs, targets)])["signal_alignment"]
    np.testing.assert_allclose(exact_feedback[::2], 1.0, rtol=1e-12)


def test_every_so_many_steps_are_compared():
    trace = run(made(settings("rflo", exactness=3)), examples(3, 2, [7]))
    assert np.flatnonzero(np.isfinite(trace["signal_alignment"])).tolist() == [2, 5]


def test_update_norm_is_that_of_the_change():
    net = made(settings("rflo"))
    before = net.weights(0)
    trace = run(net, examples(3, 2, [1]))
    squares = sum(float((values**2).sum()) for values in change(before, net.weights(0)).values())
    np.testing.assert_allclose(trace["update_norm"], [squares**0.5], rtol=1e-9)


def test_a_stream_goes_on_as_if_it_had_no_ends():
    given = settings("snap-1", leak=0.3, carry="all", exactness=1)
    sequences = examples(3, 2, [4, 5, 6])
    joined = [(np.concatenate([x for x, _ in sequences]), np.concatenate([d for _, d in sequences]))]
    one, other = made(given), made(dataclasses.replace(given, carry="none"))
    traces = run(one, sequences), run(other, joined)
    assert difference(one.weights(0), other.weights(0)) == 0.0
    np.testing.assert_array_equal(traces[0]["alignment"], traces[1]["alignment"])
    assert difference(one.weights(0), learned(dataclasses.replace(given, carry="none"), sequences)) > 1e-6


def test_orthogonal_weights_are_orthogonal():
    given = settings(init="orthogonal", n_hidden=32)
    w = given.initial_weights((1, 2))["hidden"][:, 3:-1]
    np.testing.assert_allclose(w @ w.T, np.eye(32), atol=1e-14)
    assert np.abs(w - np.eye(32)).max() > 0.5


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rule": "snap"}, "rule is 'snap'.*'snap-1'"),
        ({"leak": 0.0}, "leak is 0.0"),
        ({"leak": 1.5}, "leak is 1.5"),
        ({"activation": "relu"}, "activation is 'relu'"),
        ({"topology": "full"}, "topology is 'full'"),
        ({"init": "orthogonal", "connections": "ring"}, "init is 'orthogonal'.*'uniform' with connections 'ring'"),
        ({"n_hidden": 1000, "rule": "exact"}, r"entries of the influence is .*50,000,000"),
        ({"n_hidden": 1000, "rule": "rflo", "exactness": 5}, "entries of the influence"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"clip": 0.0}, "clip is 0.0"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        settings(**{"rule": "rflo", **changes})
