"""On-line rules on one net, beside other programs on the same net: processor time per step, and bytes kept."""

from __future__ import annotations

import importlib.util
import time
import typing
from functools import cache
from typing import Any

import numpy as np

from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import LEARN, new_sequences
from lstmsim.learners.rules.net import Rules
from lstmsim.learners.rules.settings import RuleSettings

HIDDEN, INPUTS, OUTPUTS, LEAK, RATE = 32, 2, 2, 0.5, 1e-4
RULES = typing.get_args(typing.get_type_hints(RuleSettings)["rule"])


def settings(rule: str) -> RuleSettings:
    """The net of the delayed addition: 32 leaky tanh units, softmax outputs, a target at every step."""
    net = {
        "n_hidden": HIDDEN,
        "leak": LEAK,
        "output": "softmax",
        "init": "orthogonal",
        "learning_rate": RATE,
        "carry": "all",
    }
    return RuleSettings(INPUTS, OUTPUTS, rule=rule, **net)


@cache
def stream(steps: int = 2000) -> tuple[Any, Any]:
    """Inputs (step, input) and targets (step, output)."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(2, size=steps).astype(float), rng.uniform(0.25, 1.0, steps)
    return np.stack([x, 1.0 - x], axis=1), np.stack([y, 1.0 - y], axis=1)


@cache
def ready(rule: str) -> tuple[Any, Any, Any, Any]:
    """A net with its sequence."""
    inputs, targets = stream()
    net = Rules(settings(rule))
    net.start(0, (0, 0))
    net.reset()
    sequences = new_sequences(1, len(inputs), INPUTS, np.zeros((len(inputs), 8)), 0)
    sequences.inputs[:, :, 0], sequences.targets[:, :OUTPUTS] = inputs, targets
    sequences.event[:, 0], sequences.learn[:, 0] = LEARN, np.arange(len(inputs))
    return net, sequences, new_scores(1), new_record(1, 1, net.layout.width, 0)


def ours(rule: str) -> float:
    """Nanoseconds per step of a rule."""
    net, sequences, scores, record = ready(rule)
    rounds, steps = 1 if rule in ("exact", "snap-n") else 10, sequences.event.shape[0]
    start = time.process_time()
    for _ in range(rounds):
        net.advance(sequences, scores, record, 0, steps, learn=True, track=True)
    return (time.process_time() - start) / (rounds * steps) * 1e9


def kept(rule: str) -> int:
    """Bytes that a rule keeps from step to step, its room to work in included."""
    net = Rules(settings(rule))
    return sum(array.nbytes for array in net.kept if isinstance(array, np.ndarray))


def numpy_step(rule: str) -> float:
    """The same net and rule in NumPy: matrix products per step, as a research script has them; SnAp-1 keeps one row."""
    inputs, targets = stream()
    weights = settings(rule).initial_weights((0, 0))
    w, w_output = weights["hidden"], weights["output"]
    a, m = np.zeros(HIDDEN), w.shape[1]
    influence = np.zeros((HIDDEN, HIDDEN * m)) if rule == "exact" else np.zeros((HIDDEN, m))
    places = np.arange(HIDDEN)
    steps = 200 if rule == "exact" else 2000
    start = time.process_time()
    for x, d in zip(inputs[:steps], targets[:steps], strict=True):
        z = np.concatenate([x, a, [1.0]])
        phi = np.tanh(w @ z)
        slope = LEAK * (1.0 - phi**2)
        a = (1.0 - LEAK) * a + LEAK * phi
        net = w_output @ np.append(a, 1.0)
        y = np.exp(net - net.max())
        e = d - y / y.sum()
        q = w_output[:, :-1].T @ e
        recurrent = w[:, INPUTS:-1]
        if rule == "exact":
            jacobian = slope[:, None] * recurrent
            jacobian[places, places] += 1.0 - LEAK
            influence = jacobian @ influence
            influence.reshape(HIDDEN, HIDDEN, m)[places, places] += slope[:, None] * z
            gradient = (q @ influence).reshape(HIDDEN, m)
        else:
            own = 1.0 - LEAK + (slope * recurrent[places, places] if rule == "snap-1" else 0.0)
            influence = np.reshape(own, (-1, 1)) * influence + slope[:, None] * z
            gradient = q[:, None] * influence
        w = w + RATE * gradient
        w_output = w_output + RATE * np.outer(e, np.append(a, 1.0))
    assert np.isfinite(w).all()
    return (time.process_time() - start) / steps * 1e9


@cache
def _jax_steps(rule: str) -> Any:
    """A compiled scan over the stream, the weights changing at every step."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    weights = settings(rule).initial_weights((0, 0))

    def step(carry: Any, given: Any) -> Any:
        w, w_output, a, influence = carry
        x, d = given
        z = jnp.concatenate([x, a, jnp.ones(1)])
        phi = jnp.tanh(w @ z)
        slope = LEAK * (1.0 - phi**2)
        after = (1.0 - LEAK) * a + LEAK * phi
        e = d - jax.nn.softmax(w_output @ jnp.append(after, 1.0))
        q, recurrent = w_output[:, :-1].T @ e, w[:, INPUTS:-1]
        if rule == "exact":
            jacobian = slope[:, None] * recurrent + (1.0 - LEAK) * jnp.eye(HIDDEN)
            influence = (jacobian @ influence.reshape(HIDDEN, -1)).reshape(influence.shape)
            influence = influence + jnp.eye(HIDDEN)[:, :, None] * (slope[:, None] * z)
            gradient = jnp.tensordot(q, influence, 1)
        else:
            influence = (1.0 - LEAK) * influence + slope[:, None] * z
            gradient = q[:, None] * influence
        changed = w + RATE * gradient, w_output + RATE * jnp.outer(e, jnp.append(after, 1.0))
        return (*changed, after, influence), None

    shape = (HIDDEN, HIDDEN, HIDDEN + INPUTS + 1) if rule == "exact" else (HIDDEN, HIDDEN + INPUTS + 1)
    begin = jnp.asarray(weights["hidden"]), jnp.asarray(weights["output"]), jnp.zeros(HIDDEN), jnp.zeros(shape)
    inputs, targets = (jnp.asarray(array) for array in stream())
    return jax.jit(lambda carry: jax.lax.scan(step, carry, (inputs, targets))[0]), begin


def jax_step(rule: str) -> float | None:
    """The same net and rule in JAX, scanned and compiled, in double precision."""
    if importlib.util.find_spec("jax") is None:
        return None
    import jax

    run, begin = _jax_steps(rule)
    start = time.process_time()
    jax.block_until_ready(run(begin))
    return (time.process_time() - start) / len(stream()[0]) * 1e9


@cache
def _braintrace_run() -> Any:
    """Gradients of braintrace's D-RTRL summed over the stream; weights do not change."""
    import brainstate
    import braintrace
    import jax
    import jax.numpy as jnp

    class Net(brainstate.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = braintrace.nn.ValinaRNNCell(INPUTS, HIDDEN, activation="tanh")
            self.out = braintrace.nn.Linear(HIDDEN, OUTPUTS)

        def update(self, x: Any) -> Any:
            return self.out(self.cell(x))

    inputs, targets = (jnp.asarray(array) for array in stream())
    learner = braintrace.compile(Net(), braintrace.D_RTRL, inputs[0])

    def loss(x: Any, d: Any) -> Any:
        return -(d * jax.nn.log_softmax(learner.update(x))).sum()

    run = brainstate.transform.jit(lambda: learner.etrace_grad(inputs, targets, step_fn=loss, return_value=True))
    run()
    return run


def braintrace_step() -> float | None:
    """The same net without a leak in braintrace, D-RTRL: one entry per weight, as RFLO and SnAp-1 have."""
    if importlib.util.find_spec("braintrace") is None:
        return None
    import jax

    run = _braintrace_run()
    start = time.process_time()
    jax.block_until_ready(run())
    return (time.process_time() - start) / len(stream()[0]) * 1e9
