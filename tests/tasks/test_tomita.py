"""Tomita's languages: membership by automata, strings, shares."""

import itertools

import pytest

from lstmsim.tasks.tomita import Tomita, belongs
from tests.tasks.reading import check_fraction, read

# Automata: (state on 0, state on 1) of each state, from state 0; states that accept.
AUTOMATA = {
    1: ([(1, 0), (1, 1)], {0}),
    2: ([(2, 1), (0, 2), (2, 2)], {0}),
    3: ([(0, 1), (2, 0), (3, 4), (2, 3), (4, 4)], {0, 1, 3}),  # before an odd run of 1s, in one; after it 0s odd, even; no
    4: ([(1, 0), (2, 0), (3, 0), (3, 3)], {0, 1, 2}),
    5: ([(1, 2), (0, 3), (3, 0), (2, 1)], {0}),
    6: ([(1, 2), (2, 0), (0, 1)], {0}),
    7: ([(0, 1), (2, 1), (2, 3), (4, 3), (4, 4)], {0, 1, 2, 3}),
}
WORDS = ["".join(bits) for n in range(11) for bits in itertools.product("01", repeat=n)]


def accepted(language, word):
    state, (moves, accepting) = 0, AUTOMATA[language]
    for bit in word:
        state = moves[state][int(bit)]
    return state in accepting


@pytest.mark.parametrize("language", AUTOMATA)
def test_membership_is_that_of_the_automaton(language):
    assert [belongs(language, word) for word in WORDS] == [accepted(language, word) for word in WORDS]


def words(made):
    assert all(one.inputs[-1] == 2 for one in made)
    return ["".join(map(str, one.inputs[:-1])) for one in made]


@pytest.mark.parametrize("language", AUTOMATA)
def test_tests_go_through_all_strings(language):
    (task,) = Tomita(language).test_sets()
    made = read(task, 2047)
    assert sorted(words(made)) == sorted(WORDS)
    assert [one.learned[-1, 0] for one in made] == [accepted(language, word) for word in words(made)]


def test_training_has_a_share_of_both_classes_equally_often():
    made = read(Tomita(4, share=0.1), 2000)
    check_fraction(sum(one.learned[-1, 0] for one in made), 2000, 0.5)
    seen = set(words(made))
    inside = sum(accepted(4, word) for word in WORDS)
    assert len(seen) == round(0.1 * inside) + round(0.1 * (2047 - inside))
    assert seen != set(words(read(Tomita(4, share=0.1, set=1), 2000)))
    assert seen == set(words(read(Tomita(4, share=0.1), 2000, trial=1)))


def test_without_balance_all_strings_are_equally_likely():
    made = read(Tomita(1, share=1.0, balanced=False), 3000)
    check_fraction(sum(len(word) == 10 for word in words(made)), 3000, 1024 / 2047)
