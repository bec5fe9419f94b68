"""One-hot inputs as symbol numbers against the same inputs spelt out, where symbols recur and errors come at every step."""

import dataclasses

import numpy as np
import pytest

import lstmsim
from lstmsim.paper import row
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy

SEQUENCES = 60
CHANGES = {
    "the text": {},
    "at sequence ends": {"update": "sequence"},
    "nothing reset": {"carry": "all"},
    "nothing reset, at sequence ends": {"carry": "all", "update": "sequence"},
    "direct weights, decay": {"shortcuts": True, "learning_rate_decay": 0.01},
    "exponential decay": {"learning_rate_factor": 0.9, "learning_rate_interval": 3},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("name", ["1-1", "1-3"])
def test_symbols_and_dense_inputs_learn_the_same(name, changes):
    config = row(name).config.with_settings({"max_sequences": SEQUENCES, "final_test": 0, "learning_rate": 0.5, **changes})
    config = dataclasses.replace(config, stop=dataclasses.replace(config.stop, stages=(), wrong=0, error=0.0, test=0))
    assert config.task.symbols
    task, settings = config.task.for_trial(0), config.settings
    found = {r.trial: r for r in Simulation(config, 0, 8, Policy.parse("none")).run(iter(range(3)))}
    net = lstmsim.LSTM.from_weights(settings, settings.initial_weights((0, 0)))
    seen = set()
    for index in range(SEQUENCES):
        inputs, targets = task.sequence(0, 0, index)
        seen.add(bool((inputs.sum(axis=0) > 1).any()))
        alpha = settings.learning_rate_at(index)
        if alpha != settings.learning_rate:
            constant = {"learning_rate": float(alpha), "learning_rate_decay": 0.0, "learning_rate_factor": 1.0}
            net = lstmsim.LSTM.from_weights(dataclasses.replace(settings, **constant), net.weights)
        net.run(inputs, targets, reset=settings.carry == "none")
    assert True in seen, "a symbol comes twice in a sequence"
    for group, values in net.weights.items():
        np.testing.assert_allclose(found[0].final[group], values, rtol=0.0, atol=1e-11, err_msg=group)
