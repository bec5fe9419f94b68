"""Kernels for a GPU, as far as they show without one: they compile, call nothing that is not there, and round as written."""

import re
from typing import NamedTuple

import numpy as np

from lstmsim.kernels import random
from lstmsim.kernels.logistic import logistic4
from lstmsim.kernels.ptx import optimised, ptx_of
from lstmsim.kernels.thread import Layout, enter, leave
from lstmsim.kernels.vector import Width, lane_sum, load_at, magnitude, select, store_at
from lstmsim.kernels.warp import columns, set_word, word

WIDTH = Width(8)


class Own(NamedTuple):
    """A tuple of arrays, which threads copy."""

    row: np.ndarray


def operations(text):
    """Floating-point operations in PTX, by kind."""
    found = re.findall(r"\n\t(?:@!?%p\d+ )?((?:fma|mul|add|sub|div|rcp|sqrt)\.[\w.]*f64)", text)
    return {kind: found.count(kind) for kind in set(found)}


def fused(module):
    """Multiplications and additions in one that the source asks for, counted lane by lane."""
    calls = re.findall(r"call .*@llvm\.fma\.(?:v(\d+))?f64", str(module))
    return sum(int(lanes or 1) for lanes in calls)


def check(name, function):
    """Compile; nothing is called from outside, and nothing is fused that the source has apart."""
    machine, module = optimised(name, function, (9, 0))
    wanted, text = fused(module), machine.emit_assembly(module)
    assert f".entry {name}(" in text
    assert ".target sm_90" in text
    assert not re.search(r"\.extern|\bcall\b", text)
    found = operations(text)
    assert found.get("fma.rn.f64", 0) <= wanted  # less where lanes turn out to be the same
    assert all(".rn" in kind for kind in found)  # which no later step of compilation may fuse
    return found


def test_operations_stay_apart_unless_the_source_has_them_in_one():
    def apart(memory, other, thread, threads):
        x, y = np.float64(word(memory)), np.float64(word(other))
        set_word(memory, np.int64(x * y + np.float64(thread)))

    assert operations(ptx_of("apart", apart)) == {"mul.rn.f64": 1, "add.rn.f64": 1}
    assert check("apart", apart) == {"mul.rn.f64": 1, "add.rn.f64": 1}


def test_vectors_of_eight_units_and_the_logistic_function_compile():
    own, common = Own(np.zeros(32)), np.zeros((2, 1000))
    layout = Layout({"own": own, "common": common}, table=np.zeros((1, 8)))

    def vectors(memory, other, thread, threads):
        world = enter(layout, memory, other, thread, threads)
        row = world.own.row
        a, b = load_at(WIDTH, row, 0), load_at(WIDTH, world.common, 8)
        a, b, c, d = logistic4(a, b, load_at(WIDTH, world.common, 24), magnitude(a))
        store_at(row, 0, select(a > b, a, b))
        store_at(world.common, 16, c)
        world.common[1, 7] = lane_sum(d) + row[3]
        leave(layout, world)

    found = check("vectors", vectors)
    assert found["fma.rn.f64"] == 8 * 4 * (2 + 4 + 2 + 1)  # those of `logistic`


def test_the_random_generators_compile():
    def draws(memory, other, thread, threads):
        key = np.uint64(word(other))
        value = random.normal(key, thread) + random.uniform(key, thread + 1) + random.below(key, 2, 10)
        set_word(memory + 8 * thread, np.int64(value * 1e6))

    found = check("draws", draws)
    assert "fma.rn.f64" not in found


def test_the_copy_between_lanes_and_buffer_compiles():
    assert check("columns", columns) == {}
