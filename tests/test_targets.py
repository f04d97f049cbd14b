"What a text is labelled with: losses and figures equal to those of others, weights, splits, and what is refused."

import json

import numpy as np
import pytest
import torch
from helpers import REVIEWS, TEXTS, refuse
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, r2_score, recall_score
from sklearn.utils.class_weight import compute_class_weight

from ulmfit_nb.data import DataError, TextData, split_data
from ulmfit_nb.settings import ClassifierSettings
from ulmfit_nb.targets import NUMBERED, MultiLabel, Number, SingleLabel, balanced, best_threshold, class_weights, prepare_data, read_target, set_aside

LISTS = [['good'] if l else [] for l in REVIEWS.labels]
LISTS[:6] = [['good', 'early'], ['early'], ['early', 'good'], [], ['early'], ['good']]
SEVERAL = TextData(TEXTS, LISTS)
STARS = TextData(TEXTS, [float(1 + i % 5) for i in range(len(TEXTS))])


def settings(**how):
    return ClassifierSettings(**how)


# --- figures


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_figures_of_one_class_are_those_of_scikit_learn(pairs):
    y, said = map(np.array, zip(*pairs))
    found = SingleLabel(['a', 'b', 'c']).figures(torch.eye(3)[said], torch.as_tensor(y))
    assert found['accuracy'] == pytest.approx((y == said).mean())
    assert found['macro_f1'] == pytest.approx(f1_score(y, said, labels=np.unique(y), average='macro', zero_division=0))
    assert list(found['recall'].values()) == pytest.approx(recall_score(y, said, labels=np.unique(y), average=None))
    assert list(found['recall']) == ['abc'[i] for i in np.unique(y)]


def test_figures_of_several_labels_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.random((30, 3)) < 0.4, rng.random((30, 3))
    found = MultiLabel(['a', 'b', 'c']).figures(torch.as_tensor(p - 0.5), torch.as_tensor(y, dtype=torch.float32))
    assert found['macro_f1'] == pytest.approx(f1_score(y, p > 0.5, average='macro'))
    assert list(found['recall'].values()) == pytest.approx(recall_score(y, p > 0.5, average=None))
    assert found['accuracy'] == (y == (p > 0.5)).all(1).mean()
    nothing = MultiLabel(['a']).figures(torch.zeros(2, 1), torch.zeros(2, 1))
    assert nothing['macro_f1'] is None and json.dumps(nothing)


def test_figures_of_numbers_are_those_of_others():
    rng = np.random.default_rng(0)
    y, logits = rng.integers(0, 4, 40).astype(float), torch.as_tensor(rng.normal(size=(40, 1)).round(1))
    target = Number(2.0, 3.0)
    p, found = target.decode(logits), target.figures(logits, torch.as_tensor((y - 2) / 3))
    assert found['mae'] == pytest.approx(np.abs(p - y).mean()) and found['r2'] == pytest.approx(r2_score(y, p))
    assert found['spearman'] == pytest.approx(spearmanr(p, y).statistic)
    alike = target.figures(torch.zeros(3, 1), torch.zeros(3))
    assert alike['spearman'] is None and alike['r2'] is None


# --- losses and answers


def test_losses_before_the_mean():
    logits, y = torch.tensor([[2.0, -1.0], [0.5, 0.0]]), torch.tensor([0, 1])
    assert torch.allclose(NUMBERED.losses(logits, y), -logits.log_softmax(1)[[0, 1], y])
    yes = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    p = logits.sigmoid()
    assert torch.allclose(MultiLabel(['a', 'b']).losses(logits, yes), -(yes * p.log() + (1 - yes) * (1 - p).log()), atol=1e-6)
    assert Number(0, 1).losses(logits, torch.tensor([1.0, 1.5])).tolist() == [1, 1]


def test_answers():
    logits = torch.tensor([[2.0, -1.0], [-3.0, 0.5]])
    assert SingleLabel(['a', 'b']).decode(logits) == ['a', 'b']
    assert MultiLabel(['a', 'b'], [0.5, 0.2]).decode(logits) == [['a', 'b'], ['b']] and MultiLabel(['a', 'b']).decode(logits) == [['a'], ['b']]
    assert Number(10.0, 2.0).decode(logits[:, :1]) == [14, 4]
    with pytest.raises(ValueError, match='ask predict'):
        Number(0, 1).proba(logits)


@pytest.mark.parametrize('target', [SingleLabel(['a', 'b']), MultiLabel(['a', 'b'], [0.5, 0.25]), Number(3.5, 1.2)], ids=lambda t: t.kind)
def test_made_again_from_json(target):
    again = read_target(json.loads(json.dumps(target.asdict())))
    assert type(again) is type(target) and again.asdict() == target.asdict() and again.n_out == target.n_out
    assert SingleLabel(['a', 'b']).asdict() == {'classes': ['a', 'b']}, 'as directories had it before there were targets'


# --- thresholds


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=25), st.integers(0, 6))
def test_no_threshold_is_better(pairs, k):
    p, there = np.array([a for a, _ in pairs]) / 6, np.array([b for _, b in pairs])

    def f1(t):
        return 2 * (there & (p >= t)).sum() / max(1, there.sum() + (p >= t).sum())

    t = best_threshold(p, there)
    assert f1(t) >= f1(k / 6) if there.sum() >= 5 else t == 0.5


def test_no_threshold_falls_between_equals():
    "All of one probability are said, or none: counting only the first of them would promise too much."
    p, there = np.array([0.9] * 4 + [0.5] * 6), np.array([True] * 5 + [False] * 5)
    assert best_threshold(p, there) == pytest.approx(0.7)


# --- weights


def test_balanced_is_that_of_scikit_learn():
    y = np.array([0] * 8 + [1] * 2)
    assert balanced(y, 2) == pytest.approx(compute_class_weight('balanced', classes=np.unique(y), y=y))
    assert balanced(np.array([[1, 1], [0, 1], [0, 0], [0, 1]]), 2).tolist() == [3, 1 / 3]


def test_weights_are_multiplied_and_scaled():
    rare = TextData(TEXTS, ['rare'] * 4 + ['common'] * 36)
    counts = np.arange(40) % 3
    ready = prepare_data(rare, rare, settings(class_weight={'rare': 9, 'common': 1}), counts)
    w, v = ready.weights
    expected = counts * np.where(np.arange(40) < 4, 9, 1)
    assert w == pytest.approx(expected / expected.mean()) and w.mean() == pytest.approx(1)
    assert v[0] / v[-1] == 9 and not ready.held_out
    even = prepare_data(rare, None, settings(class_weight='balanced')).weights[0]
    y = prepare_data(rare, None).train.labels
    assert even[y == 0].sum() == pytest.approx(even[y == 1].sum()) and prepare_data(rare, None).weights == (None, None)


def test_weights_go_with_their_texts():
    counts = np.arange(1, 41)
    ready = prepare_data(REVIEWS, None, settings(seed=3), counts)
    for part, w in zip((ready.train, ready.valid), ready.weights):
        mine = np.array([counts[TEXTS.index(t)] for t in part.texts])
        assert w == pytest.approx(mine / mine.mean())


def test_weights_of_several_labels_are_of_the_yes():
    ready = prepare_data(SEVERAL, SEVERAL, settings(target='multi-label', class_weight={'good': 4, 'early': 2}), [2] * 20 + [0] * 20)
    w, y = ready.weights[0], ready.train.labels
    assert ready.target.classes == ['early', 'good'] and w[:20].max() / w[:20].min() == 4 and not w[20:].any()
    assert (w[:20][y[:20] > 0] > w[:20].min()).all()


# --- the split


def test_one_class_is_split_as_ever():
    ready = prepare_data(REVIEWS, None, settings(seed=5))
    train, valid = split_data(REVIEWS, 0.1, 5)
    assert (ready.train.texts, ready.valid.texts) == (train.texts, valid.texts)
    assert ready.train.labels.tolist() == train.labels and ready.valid.labels.tolist() == valid.labels and ready.held_out


@pytest.mark.parametrize('data, target', [(SEVERAL, 'multi-label'), (STARS, 'number')])
def test_a_tenth_of_each_kind_is_set_aside(data, target):
    ready = prepare_data(data, None, settings(target=target))
    assert sorted(ready.train.texts + ready.valid.texts) == sorted(TEXTS) and 3 <= len(ready.valid) <= 6
    for part in (ready.train, ready.valid):
        assert (part.labels == ready.target.encode(TextData(part.texts, [data.labels[TEXTS.index(t)] for t in part.texts]))).all()
    assert len(np.unique(ready.valid.labels, axis=0)) > 1


def test_data_are_known_by_what_is_in_them():
    sets = TextData(TEXTS, [set(l) for l in LISTS])
    turned = TextData(TEXTS, [l[::-1] for l in LISTS])
    other = TextData(TEXTS, [['early'], *LISTS[1:]])
    marks = [prepare_data(d, None, settings(target='multi-label')).marks['data'] for d in (SEVERAL, sets, turned, other)]
    assert marks[0] == marks[1] == marks[2] != marks[3]
    assert prepare_data(REVIEWS, None, settings(), [1] * 40).marks != prepare_data(REVIEWS, None, settings(), [2] * 40).marks
    assert prepare_data(REVIEWS, None).marks == {'data': REVIEWS.fingerprint, 'valid': None}


def test_a_class_without_training_examples_is_unseen():
    three = TextData(TEXTS, REVIEWS.labels, ['neg', 'pos', 'mixed'])
    with refuse("label 'mixed' was not among the classes seen"):
        prepare_data(three, TextData(['so so'], [2], three.classes))


def test_labels_are_matched_by_name():
    names = TextData(TEXTS, [REVIEWS.classes[l] for l in REVIEWS.labels])
    turned = TextData(['lovely', 'awful'], [0, 1], ['pos', 'neg'])
    ready = prepare_data(names, turned)
    assert ready.target.classes == ['neg', 'pos'] and ready.valid.labels.tolist() == [1, 0]


def test_stars_that_are_names_of_classes_are_numbers():
    named = TextData(TEXTS, [i % 5 for i in range(40)], ['1', '2', '3', '4', '5'])
    ready = prepare_data(named, named, settings(target='number'))
    assert ready.target.mean == 3 and ready.train.labels == pytest.approx(prepare_data(STARS, STARS, settings(target='number')).train.labels)


def test_many_that_are_set_aside_are_said(recwarn):
    def aside(n, k, share=True):
        return len(set_aside(np.arange(n) % k, 0, share)[1])

    assert aside(40, 2) == 4 and aside(40, 8, 0.2) == 8 and not recwarn.list
    with pytest.warns(UserWarning, match='20 of 40 labelled texts are set aside .* hold_out=False'):
        assert aside(40, 20) == 20


def test_empty_texts_are_said(recwarn):
    prepare_data(REVIEWS, None, settings())
    assert not recwarn.list
    with pytest.warns(UserWarning, match=f'training texts: 2 of {len(TEXTS) + 2} are empty'):
        prepare_data(TextData([*TEXTS, '', ' \n'], [*REVIEWS.labels, 0, 1], REVIEWS.classes), None, settings())


# --- going on


def test_known_classes_stay_in_their_order():
    known = SingleLabel(['pos', 'mixed', 'neg'])
    ready = prepare_data(REVIEWS, None, settings(), known=known)
    assert ready.target is known and set(ready.train.labels) == {0, 2}
    with refuse("label 'pos' was not among the classes", 'train again, from a language model'):
        prepare_data(REVIEWS, None, settings(), known=SingleLabel(['neg', 'mixed']))
    with pytest.raises(ValueError, match="made with target='number', and not 'single-label'"):
        prepare_data(REVIEWS, None, settings(), known=Number(0, 1))
    assert prepare_data(STARS, None, settings(target='number'), known=Number(7, 2)).target.mean == 7


# --- what is refused

MANY = {
    'no text has a label': [[]] * 40,
    "every text has 'a'": [['a', 'b']] + [['a']] * 39,
    "labels of text 1 are 'late', where a list": [['a'], 'late'] + [[]] * 38,
    'labels of text 0 are None': [None, ['a']] + [[]] * 38,
    'labels of text 2 are .*nan': [['a'], [], ['a', float('nan')]] + [[]] * 37,
    '39 lists of labels for 40 texts': [['a']] * 39,
}
NUMBERS = {
    'text 1 has nan': [1, float('nan'), *range(38)],
    'text 0 has None': [None, *range(39)],
    'text 0 has None, where a number is due, the first of 2 without one. Drop such': [None, 'four', *range(38)],
    "text 0 has 'four'": ['four', *range(39)],
    'text 2 has inf': [1, 2, float('inf'), *range(37)],
    'each is 3.0, so there is nothing to learn': [3] * 40,
    '39 numbers for 40 texts': list(range(39)),
}


@pytest.mark.parametrize('message', MANY)
def test_lists_of_labels_that_can_not_be_used(message):
    with pytest.raises(DataError, match=message):
        prepare_data(TextData(TEXTS, MANY[message]), None, settings(target='multi-label'))


@pytest.mark.parametrize('message', NUMBERS)
def test_numbers_that_can_not_be_used(message):
    with pytest.raises(DataError, match=message):
        prepare_data(TextData(TEXTS, NUMBERS[message]), None, settings(target='number'))


@pytest.mark.parametrize(
    'weights, message',
    [([1] * 39, '39 weights for 40 texts'), ([-1] + [1] * 39, 'text 0 is -1'), ([1, np.nan] + [1] * 38, 'text 1 is nan'), ([0] * 40, 'all texts are 0'),
     (['much'] * 40, 'one number to each'), ([[1]] * 40, '40 × 1 weights')],
)  # fmt: skip
def test_weights_of_texts_that_can_not_be_used(weights, message):
    with pytest.raises(DataError, match=message):
        prepare_data(REVIEWS, None, settings(), weights)


@pytest.mark.parametrize(
    'weights, message',
    [({'neg': 1}, "class 'pos' has no weight"), ({'neg': 1, 'pos': 2, 'mixed': 1}, "no class 'mixed', but neg, pos"), ({'neg': 1, 'pos': -2}, "'pos' is -2"),
     ('even', "give 'balanced'"), ([1, 2], "give 'balanced'"), ({'neg': 1, 'pos': float('nan')}, "'pos' is nan"), ({'neg': 1, 'pos': '2'}, "'pos' is '2'")],
)  # fmt: skip
def test_weights_of_classes_that_can_not_be_used(weights, message):
    with pytest.raises(ValueError, match=message):
        prepare_data(REVIEWS, None, settings(class_weight=weights))


def test_weights_and_choices_that_make_no_sense():
    with pytest.raises(ValueError, match='give numbers a sample_weight'):
        class_weights(Number(0, 1), 'balanced', np.zeros(3))
    with pytest.raises(ValueError, match='target is .stars.: give one of single-label, multi-label, multi-task, number'):
        prepare_data(REVIEWS, None, settings(target='stars'))
    for how in ({'best_epoch': True}, {'early_stopping': 2}):
        with pytest.raises(ValueError, match='not learnt from'):
            prepare_data(REVIEWS, REVIEWS, settings(**how))
        assert prepare_data(REVIEWS, None, settings(**how)).held_out


@pytest.mark.parametrize('target', ['single-label', 'multi-label'])
def test_a_name_that_no_file_can_hold_is_refused_before_any_work(target):
    names = ['\ud800', 'good 😀']
    labels = [[i % 2] if target == 'multi-label' else i % 2 for i in range(16)]
    data = TextData(TEXTS[:16], [[names[0]] if l == [0] else [] for l in labels]) if target == 'multi-label' else TextData(TEXTS[:16], labels, names)
    with pytest.raises(DataError, match='holds half of a character'):
        prepare_data(data, None, ClassifierSettings(target=target))


@pytest.mark.parametrize('value', [3.0, 0.1, 4.35])
def test_equal_numbers_teach_nothing_whatever_rounding_makes_of_them(value):
    with refuse('so there is nothing to learn'):
        Number.of(TextData(TEXTS[:7], [value] * 7))


@pytest.mark.parametrize('values', [[0.0, 1e-170], [-1e308, 1e308]])
def test_numbers_that_can_not_be_computed_with(values):
    with refuse('too little, or too much'):
        Number.of(TextData(TEXTS[:2], values))
