"""Optimisers against their equations written out."""

import numpy as np
import pytest

from lstmsim.learners import learner, learners
from lstmsim.learners.optimiser import OptimiserSettings
from lstmsim.learners.recurrent.net import RecurrentSettings
from tests.learners.driving import difference, draw, examples, run, with_weights
from tests.learners.rules_twin import Twin, made, settings

SEQUENCES = examples(3, 2, [5, 4])
OPTIMISERS = {
    "momentum": {"optimiser": "momentum", "momentum": 0.8},
    "rmsprop": {"optimiser": "rmsprop", "second_moment": 0.9, "epsilon": 1e-3},
    "adam": {"optimiser": "adam", "second_moment": 0.9, "learning_rate": 0.02},
    "decay": {"rate_decay": 0.5, "rate_interval": 2},
    "clipped": {"clip": 0.05, "optimiser": "momentum"},
}


class Literal:
    """An optimiser in equations: its settings and what it remembers of each group of weights."""

    def __init__(self, given):
        self.given, self.rate, self.n, self.first, self.second = given, given.learning_rate, 0, {}, {}

    def changes(self, g):
        """The changes of the weights by their gradients, by group."""
        given, result = self.given, {}
        norm = np.sqrt(sum((values**2).sum() for values in g.values()))
        if given.clip is not None and norm > given.clip:
            g = {name: values * given.clip / norm for name, values in g.items()}
        self.n += 1
        for name, values in g.items():
            if given.optimiser == "sgd":
                step = self.rate * values
            elif given.optimiser == "momentum":
                self.first[name] = step = self.rate * values + given.momentum * self.first.get(name, 0.0)
            else:
                own = 1 - given.second_moment
                self.second[name] = v = given.second_moment * self.second.get(name, 0.0) + own * values**2
                mean = values
                if given.optimiser == "adam":
                    self.first[name] = given.momentum * self.first.get(name, 0.0) + (1 - given.momentum) * values
                    mean, v = self.first[name] / (1 - given.momentum**self.n), v / (1 - given.second_moment**self.n)
                step = self.rate * mean / (np.sqrt(v) + given.epsilon)
            result[name] = step
        if self.n % given.rate_interval == 0:
            self.rate *= given.rate_decay
        return result


def literal(given):
    """The weights after the sequences, by the equations of the optimiser."""
    net = made(given)
    twin, optimiser = Twin(given, net.weights(0)), Literal(given)
    for inputs, targets in SEQUENCES:
        twin.reset()
        for x, d in zip(inputs, targets, strict=True):
            before = {"w": twin.w, "w_output": twin.w_output}
            twin.step(x, d)
            g = {name: (vars(twin)[name] - w) / given.learning_rate for name, w in before.items()}
            for name, change in optimiser.changes(g).items():
                vars(twin)[name] = before[name] + change
    return {"hidden": twin.w, "output": twin.w_output}


@pytest.mark.parametrize("changes", OPTIMISERS.values(), ids=OPTIMISERS)
def test_an_optimiser_follows_its_equations(changes):
    given = settings("exact", **changes)
    net = made(given)
    run(net, SEQUENCES)
    assert difference(net.weights(0), literal(given)) < 1e-9
    plain = made(settings("exact", learning_rate=given.learning_rate))
    run(plain, SEQUENCES)
    assert difference(net.weights(0), plain.weights(0)) > 1e-4


def test_descent_by_the_optimiser_is_plain_descent():
    """A clip that nothing reaches sends the gradient through the optimiser, which then has nothing to do."""
    one, other = made(settings("exact")), made(settings("exact", clip=1e9))
    run(one, SEQUENCES)
    run(other, SEQUENCES)
    assert difference(one.weights(0), other.weights(0)) < 1e-15


VARIANTS = {
    "rtrl": [{}, {"update": "sequence", "topology": "late"}, {"topology": "direct", "bias": True}],
    "bptt": [{}, {"topology": "layered", "horizon": 4, "interval": 4}],
    "elman": [{}],
    "taps": [{"order": 2, "feedback": 2}],
    "leaky": [{}],
    "second_order": [{}],
    "block_rtrl": [{"block": 9}],
    "twinn": [{}],
}
CASES = [(name, net) for name, nets in VARIANTS.items() for net in nets]


# What else has a learning rate changes its weights in a way of its own; what is new need not be named here.
OWN_CHANGES = {"chunker", "em"}


def test_who_takes_them():
    taking = {name for name, found in learners().items() if issubclass(found.Settings, OptimiserSettings)}
    assert taking >= {"lstm", "exact_lstm", "rules", "diagonal", "columnar", *VARIANTS}
    assert not taking & OWN_CHANGES
    for name, found in learners().items():
        if issubclass(found.Settings, RecurrentSettings):
            assert name in taking & {"rules", *VARIANTS}, f"{name} has a test of its own below"


@pytest.mark.parametrize("changes", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize(("name", "net"), CASES, ids=str)
def test_conventional_nets_follow_them(name, net, changes):
    """Sequences with one change each: its gradient is what plain descent changes, from the same weights."""
    kind = learner(name)
    rate = {"learning_rate": 0.3, "optimiser": "sgd"}
    given, plain = (kind.Settings(3, 2, 5, **rate | net | how) for how in (changes, {}))
    weights, optimiser = draw(given.exists), Literal(given)
    found = with_weights(kind(given), weights)
    for sequence in examples(3, 2, [4, 3, 4, 2], every=9):
        run(found, [sequence])
        one = with_weights(kind(plain), weights)
        run(one, [sequence])
        g = {group: (one.weights(0)[group] - before) / 0.3 for group, before in weights.items()}
        weights = {group: weights[group] + change for group, change in optimiser.changes(g).items()}
        assert difference(found.weights(0), weights) < 1e-12


def test_shares_of_gamma_memories_follow_too():
    """Adam's first change is the learning rate, whatever the gradient; a share stays within 0 and 1."""
    kind = learner("taps")
    for rate in (0.01, 10.0):
        net = kind(
            kind.Settings(
                3, 2, 5, order=3, memory="gamma", train_mu=True, optimiser="adam", epsilon=1e-12, learning_rate=rate
            )
        )
        net.start(0, (0, 0))
        run(net, examples(3, 2, [6], every=9))
        changed = np.abs(net.weights(0)["mu"] - 0.5)
        np.testing.assert_allclose(changed, min(rate, 0.5), rtol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_an_optimiser_remembers_outlives_a_sequence(name):
    kind = learner(name)
    given = kind.Settings(3, 2, 5, optimiser="adam", rate_decay=0.9, rate_interval=1)
    whole, first, then = (with_weights(kind(given), draw(given.exists)) for _ in range(3))
    run(whole, SEQUENCES)
    run(first, SEQUENCES[:1])
    then.set_weights(0, first.weights(0))
    then.set_carried(0, first.carried(0))
    run(then, SEQUENCES[1:])
    assert difference(then.weights(0), whole.weights(0)) == 0
