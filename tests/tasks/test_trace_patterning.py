"""Trace patterning: cues, rewards, targets, rates."""

import numpy as np

from lstmsim.tasks.trace_patterning import TracePatterning
from tests.tasks.reading import check_fraction, check_whole, read


def test_the_target_is_the_discount_by_the_steps_to_the_reward():
    for one in read(TracePatterning(gamma=0.8), 200):
        reward = np.flatnonzero(one.inputs[:, 6])
        targets = np.zeros(one.length)
        if reward.size:
            (at,) = reward
            targets[:at] = 0.8 ** (at - 1.0 - np.arange(at))
        np.testing.assert_allclose(one.learned[:, 0], targets, rtol=1e-14)
        assert one.inputs[0, :6].sum() == 3
        assert not one.inputs[1:, :6].any()


def test_ten_of_twenty_patterns_are_valid_whatever_the_trial():
    found = [{}, {}]
    for trial, kinds in enumerate(found):
        for one in read(TracePatterning(), 400, trial=trial):
            kinds.setdefault(tuple(one.inputs[0, :6]), set()).add(bool(one.inputs[:, 6].any()))
    assert found[0] == found[1]
    assert sorted(map(sorted, found[0].values())) == [[False]] * 10 + [[True]] * 10


def test_intervals_pauses_and_noise():
    made = read(TracePatterning(), 2000)
    rewarded = [one for one in made if one.inputs[:, 6].any()]
    at = np.array([int(one.inputs[:, 6].argmax()) for one in rewarded])
    check_whole(at, 24, 36)
    check_whole(np.array([one.length for one in rewarded]) - at, 80, 120)
    noise = np.concatenate([one.inputs[:, 7:] for one in made])
    for line in range(5):
        check_fraction(noise[:, line].sum(), len(noise), 1 / (10 * (line + 1)))
