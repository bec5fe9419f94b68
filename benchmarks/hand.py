"""One net stepped by hand: microseconds of processor time per step, beside PyTorch's LSTMCell updated at every step."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import numpy as np

import lstmsim


def net(trials: int | None = None) -> lstmsim.LSTM:
    """Row 4-1's net, or several."""
    return lstmsim.LSTM(2, 1, 2, 2, input_gate_bias=[-3, -6], learning_rate=0.5, output="identity", trials=trials)


def microseconds(step: Callable[[], object], steps: int = 10_000) -> float:
    """Processor time per call."""
    step()
    start = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - start) / steps * 1e6


def step(*, target: bool = False, record: bool = False, apart: bool = False, trials: int | None = None) -> float:
    """Steps with or without a target or recording; `apart` with predict and learn as two calls; of so many nets at once."""
    one, x, d = net(trials), np.array([0.3, 0.4]), np.array([0.5])
    if record:
        one.record()
    if apart:
        return microseconds(lambda: (one.predict(x), one.learn(d)))
    return microseconds(lambda: one.step(x, d if target else None))


def torch_step(steps: int = 300) -> float | None:
    """PyTorch: a cell of 4 units, one step, gradient of that step, update."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    cell, out = torch.nn.LSTMCell(2, 4), torch.nn.Linear(4, 1)
    optimiser = torch.optim.SGD([*cell.parameters(), *out.parameters()], lr=0.1)
    x, target = torch.rand(1, 2), torch.rand(1, 1)
    state = [torch.zeros(1, 4), torch.zeros(1, 4)]

    def once() -> None:
        optimiser.zero_grad()
        h, c = cell(x, tuple(state))
        ((out(h) - target) ** 2).mean().backward()
        optimiser.step()
        state[:] = h.detach(), c.detach()

    return microseconds(once, steps)
