"""The other programs: C and C++ yardsticks, PyTorch and JAX where they are installed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = {
    ".c": ["gcc", "-O3", "-march=native", "-ffast-math"],
    ".cpp": ["g++", "-O3", "-march=native", "-mprefer-vector-width=512", "-w"],
}


@cache
def build(source: str, *extra: str) -> Path | None:
    """Compile a yardstick; None without a compiler."""
    path = HERE / source
    command = FLAGS[path.suffix]
    if shutil.which(command[0]) is None:
        return None
    program = Path(tempfile.mkdtemp(prefix="lstmsim-bench-")) / path.stem
    subprocess.run([*command, *extra, str(path), "-o", str(program), "-lm"], check=True)
    return program


def c_nanoseconds(source: str, *arguments: int, extra: tuple[str, ...] = ()) -> float | None:
    """Nanoseconds per step that a yardstick prints."""
    program = build(source, *extra)
    if program is None:
        return None
    out = subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout
    found = re.search(r"([\d.]+) ns/step", out)
    assert found is not None, out
    return float(found.group(1))


def processes(count: int, steps: int = 5_000_000) -> float | None:
    """Wall time per step and trial of processes of lanes.cpp at once: what the machine gives where nothing is shared."""
    program = build("lanes.cpp")
    if program is None:
        return None
    start = time.perf_counter()
    running = [subprocess.Popen([program, str(steps)], stdout=subprocess.DEVNULL) for _ in range(count)]
    for process in running:
        process.wait()
    return (time.perf_counter() - start) / (8 * steps * count) * 1e9


def torch_nanoseconds(batch: int, steps: int = 105, repeats: int = 4) -> float | None:
    """PyTorch's LSTM with 4 cells on adding-like sequences: forward and backward through time, one update per batch."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    net, out = torch.nn.LSTM(2, 4), torch.nn.Linear(4, 1)
    optimiser = torch.optim.SGD([*net.parameters(), *out.parameters()], lr=0.1)
    x, target = torch.rand(steps, batch, 2), torch.rand(batch, 1)
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(5):
            optimiser.zero_grad()
            loss = ((out(net(x)[0][-1]) - target) ** 2).mean()
            loss.backward()
            optimiser.step()
        best = min(best, (time.process_time() - start) / (5 * steps * batch) * 1e9)
    return best


def jax_nanoseconds(batch: int, steps: int = 105, repeats: int = 4) -> float | None:
    """A JAX LSTM with 4 cells, scanned over the steps and compiled: forward and backward, one update per batch."""
    if importlib.util.find_spec("jax") is None:
        return None
    import jax
    import jax.numpy as jnp

    key = jax.random.PRNGKey(0)
    weights = {"w": jax.random.normal(key, (16, 7)) * 0.1, "o": jnp.zeros((1, 4))}
    x, target = jax.random.uniform(key, (steps, batch, 2)), jnp.full((batch, 1), 0.5)

    def loss(weights, x, target):
        def step(carry, x_t):
            h, s = carry
            net = jnp.concatenate([x_t, h, jnp.ones((batch, 1))], 1) @ weights["w"].T
            i, o, g, f = jnp.split(net, 4, 1)
            s = jax.nn.sigmoid(f) * s + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(s), s), None

        zeros = jnp.zeros((batch, 4))
        (h, _), _ = jax.lax.scan(step, (zeros, zeros), x)
        return ((h @ weights["o"].T - target) ** 2).mean()

    @jax.jit
    def update(weights, x, target):
        return jax.tree.map(lambda w, d: w - 0.1 * d, weights, jax.grad(loss)(weights, x, target))

    weights = jax.block_until_ready(update(weights, x, target))
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(5):
            weights = update(weights, x, target)
        jax.block_until_ready(weights)
        best = min(best, (time.process_time() - start) / (5 * steps * batch) * 1e9)
    return best
