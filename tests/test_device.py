"""Trials on a GPU: the same code on one thread after another of this processor gives the bits of the lanes."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.simulation.device import DeviceSimulation
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks import task
from tests.emulator import Emulator


def assert_same(one, other):
    """Every bit of two results but for the seconds."""
    for field in dataclasses.fields(one):
        if field.name in ("seconds", "rows"):
            continue
        a, b = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_equal(a, b, err_msg=f"{field.name} of trial {one.trial}")
    if one.rows or other.rows:
        a, b = (np.concatenate(result.rows) for result in (one, other))
        order = [np.lexsort((rows[:, 1], rows[:, 0])) for rows in (a, b)]
        np.testing.assert_array_equal(a[order[0]], b[order[1]])


CASES = {
    "adding": Experiment(
        task("adding")(T=20),
        LSTMSettings(n_blocks=2, block_size=2),
        StoppingRule(window=50, max_sequences=7000, final_test=20),
    ),
}


def run(simulation: Simulation, trials: Iterator[int]):
    return {result.trial: result for result in simulation.run(trials)}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("record", ["none", "first:2,every:500,last:3"])
def test_the_device_gives_the_bits_of_the_lanes(name, record):
    config, policy = CASES[name], Policy.parse(record)
    wanted = run(Simulation(config, 3, 8, policy), iter(range(9)))
    device = Emulator()
    found = run(DeviceSimulation(config, 3, 5, policy, device), iter(range(9)))
    assert found.keys() == wanted.keys()
    for number in wanted:
        assert_same(found[number], wanted[number])
