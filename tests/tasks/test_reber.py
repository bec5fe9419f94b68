"""The Reber grammars (experiment 1), against a regular expression and an automaton written for the tests."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from tests.tasks.reading import check_fraction, read

PLAIN = "B(TS*X(XT*VP)*(S|XT*VV)|PT*V(PXT*V)*(V|PS))E"
LEGAL = {False: re.compile(PLAIN), True: re.compile(f"BT{PLAIN}TE|BP{PLAIN}PE")}
# State -> the two symbols and the states they lead to.
MOVES = {0: "T1P2", 1: "S1X3", 2: "T2V4", 3: "X2S5", 4: "P3V5"}
SYMBOLS = "BTPSXVE"
FIRST_OF_PAIR_0 = ["BTBTSXSETE", "BTBTSXSETE", "BTBPVPSETE"]

Reber = tasks.task("reber")


def texts(task):
    """Return the strings in use."""
    strings = task.strings
    rows = zip(strings.symbols, strings.lengths, strict=True)
    return ["".join(SYMBOLS[symbol] for symbol in row[:length]) for row, length in rows]


def next_symbols(text, embedded):
    """Return the possible next symbols after each symbol of a string but the last."""
    if embedded:
        return [{"T", "P"}, {"B"}, *next_symbols(text[2:-2], False), {text[1]}, {"E"}]
    state, result = 0, [{"T", "P"}]
    for symbol in text[1:-2]:
        state = int(MOVES[state][MOVES[state].index(symbol) + 1])
        result.append(set(MOVES[state][::2]) if state < 5 else {"E"})
    return [*result, {"E"}] if state < 5 else result


def seen_text(sequence):
    """Return the string a sequence shows, with the symbol predicted last."""
    last = int(np.argmax(sequence.learned[-1]))
    return "".join(SYMBOLS[symbol] for symbol in [*sequence.inputs, last])


@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("test", [False, True])
def test_strings_are_legal(embedded, test):
    for pair in range(3):
        strings = texts(Reber(set=pair, embedded=embedded, testing=test))
        assert len(strings) == 256
        assert all(LEGAL[embedded].fullmatch(text) for text in strings)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    pair=st.integers(0, 1000),
    n_train=st.integers(1, 60),
    n_test=st.integers(1, 60),
    embedded=st.booleans(),
    first_branch=st.floats(0.1, 0.9),
    test=st.booleans(),
)
def test_sequences_show_strings_and_judge_by_the_grammar(pair, n_train, n_test, embedded, first_branch, test):
    task = Reber(pair, n_train, n_test, test, embedded, first_branch)
    strings = texts(task)
    assert len(strings) == (n_test if test else n_train)
    assert (task.min_length, task.max_length) == (min(map(len, strings)) - 1, max(map(len, strings)) - 1)
    for sequence in read(task, 10):
        text = seen_text(sequence)
        assert text in strings
        assert LEGAL[embedded].fullmatch(text)
        assert np.array_equal(sequence.learned, np.eye(7)[[SYMBOLS.index(symbol) for symbol in text[1:]]])
        possible = [{SYMBOLS[k] for k in np.flatnonzero(row)} for row in sequence.judged]
        assert possible == next_symbols(text, embedded)
        assert np.allclose(sequence.judged.sum(axis=1), 1.0)


def test_pair_is_the_same_for_every_trial_and_the_pairs_differ():
    pairs = [texts(Reber(set=pair)) for pair in range(3)]
    assert pairs[0] == texts(Reber())
    assert pairs[0] == texts(Reber(n_test=10))
    assert pairs[0] != pairs[1] != pairs[2] != pairs[0]
    # The first strings of pair 0: a change here changes every result of experiment 1.
    assert pairs[0][:3] == FIRST_OF_PAIR_0


@pytest.mark.parametrize("embedded", [True, False])
def test_test_strings_are_not_in_the_training_set(embedded):
    for pair in range(3):
        training, test = (set(texts(Reber(set=pair, embedded=embedded, testing=test))) for test in (False, True))
        assert not training & test


def test_test_strings_come_in_order():
    task = Reber(set=1, n_test=30, testing=True)
    assert [seen_text(sequence) for sequence in read(task, 70)] == [texts(task)[i % 30] for i in range(70)]


def test_training_strings_are_picked_at_random():
    task = Reber(n_train=64)
    picked = Counter(seen_text(sequence) for sequence in read(task, 10_000, block=20_000))
    for text, copies in Counter(texts(task)).items():
        check_fraction(picked[text], 10_000, copies / 64)


@pytest.mark.parametrize(("embedded", "first_branch"), [(True, 0.5), (True, 0.8), (False, 0.3)])
def test_branches_have_their_probabilities(embedded, first_branch):
    taken: Counter[tuple[str, str, str]] = Counter()
    for text in texts(Reber(n_train=10_000, embedded=embedded, first_branch=first_branch)):
        half, inner = (text[1], text[2:-2]) if embedded else ("T", text)
        state = 0
        for symbol in inner[1:-1]:
            taken[half, state, symbol] += 1
            state = int(MOVES[state][MOVES[state].index(symbol) + 1])
    if embedded:
        choices = sum(taken["T", 0, symbol] for symbol in "TP")
        check_fraction(choices, 10_000, 0.5)
    for half in "TP" if embedded else "T":
        for state, moves in MOVES.items():
            first, second = taken[half, state, moves[0]], taken[half, state, moves[2]]
            check_fraction(first, first + second, first_branch if half == "T" else 1.0 - first_branch)


def test_judge_rows_are_the_probabilities():
    task = Reber(first_branch=0.7, n_train=2000)
    for sequence in read(task, 50):
        text = seen_text(sequence)
        share = 0.7 if text[1] == "T" else 0.3
        assert sorted(sequence.judged[0]) == [0.0] * 5 + [0.5] * 2
        assert sequence.judged[2, SYMBOLS.index("T")] == pytest.approx(share)
        assert sequence.judged[2, SYMBOLS.index("P")] == pytest.approx(1.0 - share)
        assert sequence.judged[-2, SYMBOLS.index(text[1])] == 1.0


def test_sizes_and_events():
    task = Reber()
    assert (task.n_inputs, task.n_outputs, task.symbols, task.ranking) == (7, 7, True, True)
    assert task.min_length == 8  # BTBTXSETE without its last symbol
    inputs, _ = task.sequence(0, 0, 4)
    assert task.events(inputs).tolist() == [1, len(inputs) - 1]
    assert np.array_equal(inputs[1], inputs[-1])
    assert task.events(inputs[:3]).tolist() == [1, 2]
    assert Reber(embedded=False).events(inputs).size == 0
