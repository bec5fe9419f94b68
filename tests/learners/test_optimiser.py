"""Optimisers against their equations written out."""

import numpy as np
import pytest

from tests.learners.driving import difference, examples, run
from tests.learners.rules_twin import Twin, made, settings

SEQUENCES = examples(3, 2, [5, 4])
OPTIMISERS = {
    "momentum": {"optimiser": "momentum", "momentum": 0.8},
    "rmsprop": {"optimiser": "rmsprop", "second_moment": 0.9, "epsilon": 1e-3},
    "adam": {"optimiser": "adam", "second_moment": 0.9, "learning_rate": 0.02},
    "decay": {"rate_decay": 0.5, "rate_interval": 2},
    "clipped": {"clip": 0.05, "optimiser": "momentum"},
}


def literal(given):
    """The weights after the sequences, by the equations of the optimiser."""
    net = made(given)
    twin, rate, n = Twin(given, net.weights(0)), given.learning_rate, 0
    first, second = {}, {}
    for inputs, targets in SEQUENCES:
        twin.reset()
        for x, d in zip(inputs, targets, strict=True):
            before = {"w": twin.w, "w_output": twin.w_output}
            twin.step(x, d)
            g = {name: (vars(twin)[name] - w) / given.learning_rate for name, w in before.items()}
            norm = np.sqrt(sum((values**2).sum() for values in g.values()))
            if given.clip is not None and norm > given.clip:
                g = {name: values * given.clip / norm for name, values in g.items()}
            n += 1
            for name, values in g.items():
                if given.optimiser == "sgd":
                    step = rate * values
                elif given.optimiser == "momentum":
                    first[name] = step = rate * values + given.momentum * first.get(name, 0.0)
                else:
                    second[name] = v = given.second_moment * second.get(name, 0.0) + (1 - given.second_moment) * values**2
                    mean = values
                    if given.optimiser == "adam":
                        first[name] = given.momentum * first.get(name, 0.0) + (1 - given.momentum) * values
                        mean, v = first[name] / (1 - given.momentum**n), v / (1 - given.second_moment**n)
                    step = rate * mean / (np.sqrt(v) + given.epsilon)
                vars(twin)[name] = before[name] + step
            if n % given.rate_interval == 0:
                rate *= given.rate_decay
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
