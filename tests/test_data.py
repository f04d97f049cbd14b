"Texts and labels: what is refused, splits, what data are known by."

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers import refuse
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit_nb.data import DataError, TextData, Tokens, check_labels, check_texts, encode_labels, fingerprint, split_data, splits_of
from ulmfit_nb.sources import NAMED, TextSource, load_data

# --- splits


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.floats(0.05, 0.9), st.integers(0, 5))
def test_split_keeps_every_text_and_the_mixture(labels, frac, seed):
    data = TextData([f't{i}' for i in range(len(labels))], labels, list('abcd'))
    counts = Counter(labels)
    if all(n == 1 for n in counts.values()):
        return
    first, second = split_data(data, frac, seed)
    assert sorted(first.texts + second.texts) == sorted(data.texts)
    for part in (first, second):
        assert [data.labels[int(t[1:])] for t in part.texts] == part.labels
        assert [int(t[1:]) for t in part.texts] == sorted(int(t[1:]) for t in part.texts)
    for c, n in counts.items():
        taken = second.labels.count(c)
        assert taken < n and (taken == round(n * frac) or taken in (1, n - 1) or n == 1)
    assert split_data(data, frac, seed) == (first, second)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from('abcdefgh'), min_size=2, max_size=60), st.floats(0.05, 0.9), st.integers(0, 5))
def test_groups_stay_together(groups, frac, seed):
    data = TextData([f'{g}{i}' for i, g in enumerate(groups)])
    if len(set(groups)) == 1:
        with pytest.raises(DataError, match='too few groups'):
            split_data(data, frac, seed, groups)
        return
    first, second = split_data(data, frac, seed, groups)
    assert not {t[0] for t in first.texts} & {t[0] for t in second.texts}
    assert len(first) + len(second) == len(data) and len(first) and len(second)
    assert split_data(data, frac, seed, groups) == (first, second)


def test_another_seed_is_another_split():
    data = load_data('subjectivity', 'validation')
    assert split_data(data, 0.2, 0) != split_data(data, 0.2, 1)


@pytest.mark.parametrize('frac', [0, 1, -0.1, 2.5])
def test_shares_that_are_none(frac):
    with refuse(f'frac is {frac}', 'between 0 and 1'):
        split_data(TextData(['a', 'b']), frac)


def test_splits_of_too_little():
    with refuse('too few texts', 'Give more'):
        split_data(TextData(['a']))
    with refuse('too few texts', 'Give more'):
        split_data(TextData(['a', 'b'], [0, 1], ['x', 'y']))
    with refuse('3 groups for 2 texts', 'Give one group'):
        split_data(TextData(['a', 'b']), groups=[1, 2, 3])


# --- refusals: the message names the cause and the mend


@pytest.mark.parametrize(
    'texts, cause, mend',
    [
        ([], 'no texts', 'Check'),
        ('one string', 'one string', 'Write [text]'),
        (['fine', None], 'text 1 is missing', 'Drop such rows'),
        (['fine', float('nan')], 'text 1 is missing', 'Drop such rows'),
        (['fine', None, 'dull', None, 3], 'text 1 is missing, the first of 3 that are no strings.', 'Drop such rows'),
        (['fine', 'fine', 3], 'text 2 is 3, of type int', 'turn what is there into strings'),
        (np.array([1.5, 2.5]), 'text 0 is', 'turn what is there into strings'),
        (pd.Series(['fine', None]), 'text 1 is missing', 'Drop such rows'),
        ({'text': ['fine']}, 'a dict, where a list of strings is due', "texts['text'] or list(texts.values())"),
        (pd.DataFrame({'text': ['fine']}), 'a DataFrame, where a list of strings is due', "such as table['text']"),
        (TextData(['fine']), 'a TextData, where a list', 'Give its .texts'),
        (None, 'a NoneType, where a list', 'Give a list of strings'),
        ({'fine', 'bad'}, 'a set, where a list', 'A set has no order'),
        (frozenset(['fine']), 'a frozenset, where a list', 'A set has no order'),
        (b'fine', 'text 0 is 102, of type int', 'turn what is there into strings'),
        (Path('mine.csv'), 'Path, where a list', 'Give a list of strings'),
        (pa.array(['fine', None]), 'text 1 is missing', 'Drop such rows'),
    ],
)
def test_texts_that_are_none(texts, cause, mend):
    with refuse('my texts', cause, mend):
        check_texts(texts, 'my texts')


@pytest.mark.parametrize(
    'labels, n, cause, mend',
    [
        ([], 0, 'there are none', 'Give one label'),
        (['a'], 2, '1 labels for 2 texts', 'Give one label'),
        (['a', None], 2, 'text 1 has no label', 'Drop such rows, or label them'),
        (['a', None, 'b', '', None], 5, 'text 1 has no label, the first of 3 without one.', 'Drop such rows, or label them'),
        ([1.0, float('nan')], 2, 'text 1 has no label.', 'Drop such rows, or label them'),
        (['a', ''], 2, 'text 1 has no label', 'Drop such rows, or label them'),
        (['a', 'a', 'a'], 3, "every text is labelled 'a'", 'at least two classes'),
        (['a', 'a', 'b'], 3, "class 'b' has a single example", 'at least one more'),
    ],
)
def test_labels_that_nothing_can_be_learnt_from(labels, n, cause, mend):
    with refuse('my labels', cause, mend):
        check_labels(labels, n, 'my labels')


def test_a_label_that_training_has_not_seen():
    with refuse("label 'meh'", '(neg, pos)', 'train again'):
        encode_labels(['pos', 'meh'], ['neg', 'pos'])


def test_texts_in_anything_that_has_an_order():
    boxes = [('a', 'b'), (t for t in 'ab'), {'a': 1, 'b': 2}.keys(), pd.Series(['a', 'b'], index=[3, 3]), np.array(['a', 'b']), pa.array(['a', 'b']),
             pa.chunked_array([['a'], ['b']])]  # fmt: skip
    assert all(check_texts(box) == ['a', 'b'] for box in boxes)


def test_numbers_of_any_length_are_names():
    huge = '9' * 5000  # Python refuses to make a number of it
    assert encode_labels([huge, '10', '9', '-1'])[1] == ['-1', '9', '10', huge]
    with refuse("label 'meh'", '19 and 980 more', 'Correct the label') as e:
        encode_labels(['meh'], [str(i) for i in range(1000)])
    assert len(str(e.value)) < 300


def test_whole_floats_are_whole_numbers(tmp_path):
    "An integer column that has had gaps is one of floats."
    assert encode_labels([10.0, 2.0, 1.0, 2]) == ([2, 1, 0, 1], ['1', '2', '10'])
    assert encode_labels(np.array([0.5, 1.0])) == ([0, 1], ['0.5', '1'])


def test_labels_without_classes_are_shown():
    assert repr(TextData(['a', 'b', 'c'], ['x', 'y', 'x'])) == 'TextData(3 texts: 2 x, 1 y)'


# --- what data are known by


@pytest.mark.parametrize('source', ['clothing', 'imdb', 'C:\\texts\\x.csv', 'a:b:c.csv'])
@pytest.mark.parametrize('end', ['', '@0123456789abcdef'])
def test_a_fingerprint_names_its_splits(source, end):
    assert splits_of(f'{source}:train+unsup:text{end}') == ['train', 'unsup']
    assert splits_of(fingerprint(['a', 'b'])) == []


def test_a_list_of_lists_is_still_refused():
    with pytest.raises(DataError, match='of type list'):
        fingerprint([['a', 'b']])
    assert fingerprint([Tokens(['a', 'b'])]) != fingerprint([Tokens(['a b'])])


def test_older_scripts_find_the_reader_where_it_was():
    from ulmfit_nb import data

    assert data.load_data is load_data and data.TextSource is TextSource and data.NAMED is NAMED
    for name in ('load_dada', '_check_source', '__path__'):
        with pytest.raises(AttributeError, match=name):
            getattr(data, name)
