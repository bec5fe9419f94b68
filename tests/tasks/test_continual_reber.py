"""The continual embedded Reber grammar: strings, targets, streams."""

import numpy as np

from lstmsim.tasks.continual_reber import ContinualReber
from lstmsim.tasks.reber import SYMBOLS, automaton
from tests.tasks.reading import check_fraction, read

# The grammar as a person reads it off the published diagram: what may follow in each state of the inner one.
INNER = {"0": "TP", "1": "SX", "2": "TV", "3": "XS", "4": "PV", "5": "E"}
MOVES = {"0T": "1", "0P": "2", "1S": "1", "1X": "3", "2T": "2", "2V": "4", "3X": "2", "3S": "5", "4P": "3", "4V": "5"}


def successors(string):
    """What may follow each symbol of a string, by the diagram; the string must be a legal one."""
    kept = string[1]
    after = ["TP", "B"]
    state = "0"
    for symbol in string[2:-2]:
        if symbol == "B":
            after.append(INNER[state])
        elif symbol == "E":
            after.append(kept)
        else:
            assert symbol in INNER[state]
            state = MOVES[state + symbol]
            after.append(INNER[state])
    assert string[0] + string[2] + string[-2:] == "BB" + kept + "E"
    assert string.count("E") == 2
    return [*after, "E", "B"]


def strings(count=2000, **parameters):
    """Strings and targets as words."""
    made = read(ContinualReber(**parameters), count)
    return ["".join(SYMBOLS[s] for s in one.inputs) for one in made], made


def test_strings_are_legal_and_targets_are_all_that_may_follow():
    written, made = strings()
    for string, one in zip(written, made, strict=True):
        expected = [[float(symbol in follow) for symbol in SYMBOLS] for follow in successors(string)]
        np.testing.assert_array_equal(one.learned, expected)
        np.testing.assert_array_equal(one.judged, expected)


def test_branches_are_equally_likely():
    written, _ = strings()
    check_fraction(sum(string[1] == "T" for string in written), len(written), 0.5)
    check_fraction(sum(string[3] == "T" for string in written), len(written), 0.5)
    lengths = np.array([len(string) for string in written])
    check_fraction((lengths == 9).sum(), len(lengths), 0.25)  # T X S and P V V: two branches inside after the first


def test_hardly_a_string_is_cut():
    arcs = automaton()
    chain = np.zeros((len(arcs), len(arcs)))
    for state, branches in enumerate(arcs):
        for _, probability, following in branches:
            chain[state, following] = probability
    assert np.linalg.matrix_power(chain, 150)[0].sum() < 1e-18
    assert max(one.length for one in read(ContinualReber(), 5000)) < 100


def test_events_are_the_symbol_to_remember_and_its_end():
    written, made = strings(50)
    stream = np.concatenate([np.eye(7)[one.inputs] for one in made])
    ends = np.cumsum([len(string) for string in written])
    expected = sorted([*(ends - 2), *(np.append(0, ends[:-1]) + 1)])
    assert ContinualReber().events(stream).tolist() == expected
    assert ContinualReber().events(stream[:1]).tolist() == []


def test_test_streams_have_their_own_length():
    (tested,) = ContinualReber(stream_steps=70, test_steps=30).test_sets()
    assert (tested.stream_steps, tested.tolerance) == (30, 0.49)
    (alone,) = ContinualReber(stream_steps=0).test_sets()
    assert alone.stream_steps == 0
