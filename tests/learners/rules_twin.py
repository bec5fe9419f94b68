"""A dense, literal twin of every deterministic rule of `lstmsim.learners.rules`, and short ways to run both."""

from typing import Any

import numpy as np

from lstmsim.learners.rules.net import Rules
from lstmsim.learners.rules.settings import RuleSettings
from tests.learners.driving import Array, Example, Weights, draw, examples, run, with_weights


def influence(before: Array, jacobian: Array, own: Array, mask: Array, operator: Array) -> Array:
    """M <- mask (operator M) + I, (unit k, unit i, source j); `operator` is J or what a rule has in its place."""
    return mask * np.einsum("km,mij->kij", operator, before) + own


def kept_entries(rule: str, settings: RuleSettings) -> Array:
    """Which entries (k, i) a rule keeps, for every source j alike."""
    n = settings.n_hidden
    recurrent = settings.exists["hidden"][:, settings.n_inputs : -1]
    reached = np.eye(n)
    for _ in range(settings.n - 1 if rule == "snap-n" else 0):
        reached = reached + ((1.0 - settings.leak) * np.eye(n) + recurrent) @ reached
    masks = {"exact": np.ones((n, n)), "snap-n": reached > 0, "bptt-1": np.zeros((n, n))}
    return np.asarray(masks.get(rule, np.eye(n)), float)


class Twin:
    """A net of leaky units and its rule, in equations; one call is one step."""

    def __init__(self, settings: RuleSettings, weights: Weights, feedback: Array | None = None) -> None:
        self.settings, self.feedback = settings, feedback
        self.w, self.w_output = weights["hidden"].copy(), weights["output"].copy()
        self.mask = kept_entries(settings.rule, settings)[:, :, None]
        self.reset()

    def reset(self) -> None:
        """Activations and influence to zero."""
        n, m = self.w.shape
        self.a, self.influence = np.zeros(n), np.zeros((n, n, m))

    def step(self, x: Array, d: Array, learn: bool = True) -> dict[str, Any]:
        """One step; what it shows of itself."""
        s, n = self.settings, self.settings.n_hidden
        z = np.concatenate([x, self.a, [float(s.bias)]])
        h = self.w @ z
        phi = np.tanh(h) if s.activation == "tanh" else 1.0 / (1.0 + np.exp(-h))
        slope = s.leak * (1.0 - phi**2 if s.activation == "tanh" else phi * (1.0 - phi))
        self.a = (1.0 - s.leak) * self.a + s.leak * phi
        jacobian = (1.0 - s.leak) * np.eye(n) + slope[:, None] * self.w[:, s.n_inputs : -1]
        own = np.zeros((n, n, len(z)))
        own[np.arange(n), np.arange(n)] = slope[:, None] * z
        operator = (1.0 - s.leak) * np.eye(n) if s.rule in ("rflo", "e-prop") else jacobian
        self.influence = influence(self.influence, jacobian, own, self.mask, operator)
        sources = np.append(self.a, float(s.bias))
        net = self.w_output @ sources
        if s.output == "softmax":
            y = np.exp(net) / np.exp(net).sum()
        else:
            y = net if s.output == "identity" else 1.0 / (1.0 + np.exp(-net))
        seen = {"hidden": self.a.copy(), "output": y, "gradient": np.zeros_like(self.w)}
        if np.isnan(d).any():
            return seen
        e = (d - y) * (y * (1.0 - y) if s.output == "logistic" else 1.0)
        q = (self.w_output[:, :-1] if self.feedback is None else self.feedback).T @ e
        seen["gradient"] = np.einsum("k,kij->ij", q, self.influence) * s.exists["hidden"]
        if learn:
            self.w = self.w + s.learning_rate * seen["gradient"]
            self.w_output = self.w_output + s.learning_rate * np.outer(e, sources) * s.exists["output"]
        return seen


def settings(rule: str = "exact", **changes: Any) -> RuleSettings:
    """Small settings."""
    return RuleSettings(**{"n_inputs": 3, "n_outputs": 2, "n_hidden": 5, "rule": rule, "learning_rate": 0.3, **changes})


def made(given: RuleSettings, *, symbols: bool = False, weights: Weights | None = None) -> Any:
    """A net of these settings with drawn weights, and feedback that differs from them."""
    net = Rules(given, symbols=symbols)
    net.start(0, (5, 1))
    return with_weights(net, draw(given.exists) if weights is None else weights)


def learned(given: RuleSettings, sequences: list[Example] | None = None) -> Weights:
    """Return the weights after some sequences."""
    net = made(given)
    run(net, sequences or examples(given.n_inputs, given.n_outputs, [7, 1, 9], every=2))
    weights: Weights = net.weights(0)
    return weights


def feedback_of(net: Any) -> Array:
    """Random feedback weights, (output, hidden)."""
    return net.net.feedback[:, : net.shape.hidden].copy()


def gradients(net: Any, inputs: Array, targets: Array) -> Array:
    """The hidden weights' gradients at every step, (step, unit, source), with the weights frozen by a rate of 0."""
    net.optimiser.now[0] = 0.0
    found = []
    for t in range(len(inputs)):
        run(net, [(inputs[t : t + 1], targets[t : t + 1])], ends=False)
        found.append(net.gradient if not np.isnan(targets[t]).any() else np.zeros_like(net.gradient))
    return np.array(found)
