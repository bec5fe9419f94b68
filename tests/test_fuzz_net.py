"""A net in hand under any order of calls does what the literal twin does, and its copies share nothing with it."""

import copy
import math
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

import lstmsim
from tests.literal import LiteralLSTM

seeds = st.integers(0, 2**32)
unit = st.floats(-1, 1, allow_subnormal=False)
sizes = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
ways = st.fixed_dictionaries(
    {
        "n_hidden": st.integers(0, 1),
        "topology": st.sampled_from("FB"),
        "shortcuts": st.booleans(),
        "bias": st.sampled_from(("all", "b1", "ga", "none")),
        "output_gates": st.booleans(),
        "output": st.sampled_from(("logistic", "identity")),
        "update": st.sampled_from(("step", "sequence")),
        "gate_bias_partial": st.sampled_from(("sum", "last")),
        "learning_rate": st.sampled_from((0.02, 0.3)),
    }
)


def everything(net):
    return [array.tobytes() for array in net._hand.arrays()]


class Hand(RuleBasedStateMachine):
    """A net and its twin, copies that must stay as they were, and what a recording of the steps must hold."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.copies, self.outputs, self.before = [], None, None

    def teardown(self):
        """Compare the copies with what they were when they were made."""
        for net, kept in self.copies:
            assert everything(net) == kept
        self.folder.cleanup()

    @initialize(sizes=sizes, how=ways, seed=seeds)
    def build(self, sizes, how, seed):
        self.net, self.twin = lstmsim.LSTM(*sizes, **how), LiteralLSTM(*sizes, **how)
        self.y = np.zeros(self.net.n_outputs)
        self.twin.previous[self.net.n_cells + self.net.n_blocks : self.net.n_cells + 2 * self.net.n_blocks] = [
            0.0 if self.net.output_gates else 1.0
        ] * self.net.n_blocks
        self.set_weights(seed)

    def random(self, seed, *shape, low=-1.0):
        return np.random.default_rng(seed).uniform(low, 1.0, shape)

    def took(self, y):
        """A step of both has been made."""
        if self.outputs is not None:
            self.outputs.append(y)
        self.y = y

    @rule(seed=seeds, learns=st.booleans())
    def step(self, seed, learns):
        x = self.random(seed, self.net.n_inputs)
        d = self.random(seed + 1, self.net.n_outputs, low=0.0) if learns else None
        self.before = None if learns else copy.deepcopy(self.twin), x
        expected = self.twin.step(x, d)
        if learns:
            self.twin.end_sequence()
            self.before = None
        y = self.net.step(x, d)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)
        self.took(y)

    @rule(seed=seeds)
    def predict(self, seed):
        x = self.random(seed, self.net.n_inputs)
        self.before = copy.deepcopy(self.twin), x
        np.testing.assert_allclose(self.net.predict(x), self.twin.step(x), rtol=1e-9, atol=1e-9)
        self.took(self.net.state["output"])

    @rule(seed=seeds)
    def learn(self, seed):
        d = self.random(seed, self.net.n_outputs, low=0.0)
        if self.before is None:
            with pytest.raises(ValueError, match="learn has no prediction"):
                self.net.learn(d)
            return
        self.twin, x = self.before
        self.before = None
        self.twin.step(x, d)
        self.twin.end_sequence()
        self.net.learn(d)

    @rule(
        seed=seeds, steps=st.integers(0, 6), share=st.sampled_from((0.0, 0.5, 1.0)), learn=st.booleans(), reset=st.booleans()
    )
    def run(self, seed, steps, share, learn, reset):
        x, d = self.random(seed, steps, self.net.n_inputs), self.random(seed + 1, steps, self.net.n_outputs, low=0.0)
        d[self.random(seed + 2, steps, low=0.0) >= share] = np.nan
        if reset:
            self.reset()
        self.before = None
        found, expected = self.net.run(x, d, learn=learn, reset=reset), self.twin.run(x, d, learn=learn, reset=False)
        for name in ("output", "cell_state", "state_error", "update_norm"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-8, atol=1e-9, err_msg=name)
        if steps:
            self.y = found["output"].values[-1]

    @rule()
    def reset(self):
        self.net.reset()
        self.twin.reset()
        gates = self.net.n_cells + self.net.n_blocks
        if not self.net.output_gates:
            self.twin.previous[gates : gates + self.net.n_blocks] = [1.0] * self.net.n_blocks
        self.y, self.before = np.zeros(self.net.n_outputs), None

    @rule(seed=seeds)
    def set_weights(self, seed):
        rng = np.random.default_rng(seed)
        weights = {name: rng.uniform(-0.7, 0.7, mask.shape) * mask for name, mask in self.net.settings.exists.items()}
        self.net.set_weights(weights)
        self.twin.set_weights(weights)
        self.before = None

    @rule(rate=st.floats(0.001, 0.5))
    def set_learning_rate(self, rate):
        self.net.learning_rate = self.twin.learning_rate = rate
        self.before = None

    @rule(seed=seeds)
    def set_state(self, seed):
        rng = np.random.default_rng(seed)
        state = {name: rng.uniform(0.0, 1.0, values.shape) for name, values in self.net.state.items()}
        if not self.net.output_gates:
            state["output_gate"][:] = 1.0
        self.net.set_state(state)
        self.twin.cell_state = state["cell_state"].tolist()
        self.twin.previous = [
            *state["cell_output"], *state["input_gate"], *state["output_gate"], *state["hidden"]
        ]  # fmt: skip
        self.y, self.before = state["output"], None

    @rule(how=st.sampled_from(["copy", "deepcopy", "pickle", "save"]), swapped=st.booleans())
    def twin_of(self, how, swapped):
        """Go on with the copy, or with the original; the other one stays as it is."""
        if how == "save":
            path = Path(self.folder.name) / "net"
            self.net.save(path)
            other = lstmsim.LSTM.load(path)
            assert [each.name for each in path.parent.iterdir()] == ["net"]
        else:
            makes = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda net: pickle.loads(pickle.dumps(net))}
            other = makes[how](self.net)
        assert everything(other) == everything(self.net)
        assert other.settings == self.net.settings
        if swapped:
            self.net, other, self.outputs = other, self.net, None  # a copy records nothing
        self.copies.append((other, everything(other)))

    @rule()
    def record(self):
        self.net.record()
        self.outputs = []

    @rule()
    def recorded(self):
        if self.outputs is None:
            with pytest.raises(ValueError, match="recorded has no steps"):
                self.net.recorded()
        else:
            assert self.net.recorded()["output"].values.tolist() == [y.tolist() for y in self.outputs]

    @rule(call=st.sampled_from(["step", "predict", "learn", "run", "set_state", "set_weights", "learning_rate", "n_blocks"]))
    def refused(self, call):
        """Nothing has changed then, the prediction that may be learned from neither."""
        net, before = self.net, everything(self.net)
        with pytest.raises((ValueError, AttributeError), match="allowed"):
            {
                "step": lambda: net.step(np.zeros(net.n_inputs), [math.nan] * net.n_outputs),
                "predict": lambda: net.predict([math.inf] * net.n_inputs),
                "learn": lambda: net.learn(np.zeros(net.n_outputs + 1)),
                "run": lambda: net.run(np.full((3, net.n_inputs), np.nan)),
                "set_state": lambda: net.set_state(net.state | {"cell_state": [0.0]* (net.n_cells + 1)}),
                "set_weights": lambda: net.set_weights(net.weights | {"cell": 1.0}),
                "learning_rate": lambda: setattr(net, "learning_rate", -1),
                "n_blocks": lambda: setattr(net, "n_blocks", 7),
            }[call]()  # fmt: skip
        assert everything(net) == before

    @precondition(lambda self: self.net.output == "identity" and self.net.update == "step")
    @rule(by_hand=st.booleans())
    def diverge(self, by_hand):
        """A target that no float64 survives: the net is as it was before that step."""
        net, before = self.net, self.net.weights
        x, d = np.ones((1, net.n_inputs)), np.full((1, net.n_outputs), 1.7e308)
        with pytest.raises(lstmsim.DivergedError):
            _ = net.step(x[0], d[0]) if by_hand else net.run(x, d, reset=False)
        self.before = None
        for name, values in before.items():
            np.testing.assert_array_equal(net.weights[name], values)

    @invariant()
    def same(self):
        if not hasattr(self, "net"):
            return
        for name, values in self.twin.weights.items():
            np.testing.assert_allclose(self.net.weights[name], values, rtol=1e-8, atol=1e-9, err_msg=name)
        c, b = self.net.n_cells, self.net.n_blocks
        ends = np.cumsum([0, c, b, b, self.net.n_hidden])
        state, parts = self.net.state, ("cell_output", "input_gate", "output_gate", "hidden")
        for name, first, end in zip(parts, ends, ends[1:], strict=False):
            np.testing.assert_allclose(state[name], self.twin.previous[first:end], rtol=1e-8, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(state["cell_state"], self.twin.cell_state, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(state["output"], self.y, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("cases", [50, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_any_order_of_calls(cases):
    how = {"derandomize": True, "database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
    run_state_machine_as_test(Hand, settings=settings(max_examples=cases, stateful_step_count=20, **how))
