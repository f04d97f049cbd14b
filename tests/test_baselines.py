"Rivals: the same labels for all, counted words, a network that has read nothing."

from collections import Counter

import pytest

from ulmfit_nb.baselines import count_words, draw_labels, from_scratch, standard_error
from ulmfit_nb.data import TextData
from ulmfit_nb.settings import ClassifierSettings

UNEVEN = TextData([f'text {i}' for i in range(300)], [0] * 210 + [1] * 60 + [2] * 30, ['a', 'b', 'c'])


def test_a_draw_has_as_many_of_each_class_as_there_are():
    for n in (10, 40, 100, 300):
        counts = Counter(UNEVEN.labels[i] for i in draw_labels(UNEVEN, n))
        assert all(abs(counts[c] - n * share) <= 1 for c, share in ((0, 0.7), (1, 0.2), (2, 0.1)))


def test_draws_are_nested_and_depend_on_the_seed():
    assert draw_labels(UNEVEN, 100)[:30] == draw_labels(UNEVEN, 30) != draw_labels(UNEVEN, 30, seed=1)
    assert sorted(draw_labels(UNEVEN, 300)) == list(range(300))


@pytest.mark.parametrize('n', [0, -1, 301])
def test_more_than_there_are_is_refused(n):
    with pytest.raises(ValueError, match=f'{n} labels of 300: give a number from 1 to 300'):
        draw_labels(UNEVEN, n)


def test_words_are_counted():
    data = TextData(['a fine film', 'a dull film'] * 10, [1, 0] * 10, ['neg', 'pos'])
    assert count_words(data).predict(['fine', 'dull', 'not fine']).tolist() == [1, 0, 1]


def test_the_standard_error_is_that_of_a_share():
    assert standard_error(0.5, 100) == 0.05 and standard_error(1.0, 100) == 0


def test_a_network_that_has_read_nothing_learns_for_as_long_as_the_others():
    names = ['embedding', 'lstm 1', 'head']
    for n, passes in ((100, 3), (95, 3), (101, 3), (102, 3), (91, 4)):
        (phase,) = from_scratch(names, ClassifierSettings(epochs=2, min_steps=30, bs=10), n)
        assert phase.groups == names and phase.lrs == [0.001] * 3 and phase.epochs == 2 + passes, n
