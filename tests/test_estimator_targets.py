"Several labels, numbers, weights, texts to choose by: what the estimator takes, gives back and refuses."

import numpy as np
import pandas as pd
import pytest
from helpers import LABELS, LEARNT, QUICK, TEXTS, same_answers
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from ulmfit_nb import TextClassifier, TextRegressor, save_pretrained
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.estimator_targets import label_lists
from ulmfit_nb.stages import StageError

LISTS = [(['good'] if l == 'good' else []) + (['early'] if i % 3 else []) for i, l in enumerate(LABELS)]
MATRIX = pd.DataFrame({'good': [x == 'good' for x in LABELS], 'early': [i % 3 > 0 for i in range(40)]})


@pytest.mark.parametrize(
    'labels',
    [LISTS, MATRIX, MATRIX.to_numpy().astype(int), MATRIX.astype(object), [set(l) for l in LISTS]],
    ids=['lists', 'table', 'matrix', 'objects', 'sets'],
)
def test_several_labels_of_any_form(labels):
    lists, classes = label_lists(labels, len(TEXTS))
    names = dict(zip(map(str, classes), ('early', 'good') if classes[0] == 'early' else ('good', 'early')))
    assert [{names[x] for x in l} for l in lists] == [set(l) for l in LISTS]


def test_several_labels_learnt_in_the_order_of_the_columns(tiny_lm, tmp_path):
    model = TextClassifier(tiny_lm, multi_label=True, **LEARNT).fit(TEXTS, MATRIX)
    p, said = model.predict_proba(TEXTS), model.predict(TEXTS)
    assert model.classes_.tolist() == ['good', 'early'] and model.classifier_.classes == ['early', 'good']
    assert p.shape == said.shape == (40, 2) and not np.allclose(p.sum(1), 1) and ((p > 0.5) == said).all()
    assert (said[:, 0] == MATRIX['good']).mean() > 0.8 and 0 <= model.score(TEXTS, MATRIX) <= 1
    again = TextClassifier.load(model.save(tmp_path / 'm'))
    assert same_answers(again, model) and again.multi_label and again.classes_.tolist() == ['good', 'early']
    raw = TextClassifier.load(save_pretrained(model.save(tmp_path / 'n'), tmp_path / 'raw'))
    assert raw.multi_label and raw.predict(TEXTS).shape == (40, 2)


def test_cross_validation_of_several_labels_and_numbers(tiny_lm):
    both = cross_val_score(TextClassifier(tiny_lm, multi_label=True, **QUICK), TEXTS, MATRIX.to_numpy(), cv=2, scoring='f1_macro', error_score='raise')
    stars = cross_val_score(TextRegressor(tiny_lm, **QUICK), TEXTS, np.arange(40.0), cv=2, error_score='raise')
    assert np.isfinite([*both, *stars]).all() and (stars < 1).all()


def test_numbers(tiny_lm, tmp_path):
    y = [70.0 if x == 'good' else -30.0 for x in LABELS]
    model = TextRegressor(tiny_lm, **LEARNT).fit(pd.Series(TEXTS), pd.Series(y))
    assert is_regressor(model) and not hasattr(model, 'classes_') and model.score(TEXTS, y) > 0.5 and model.predict(TEXTS).shape == (40,)
    assert np.array_equal(TextRegressor.load(model.save(tmp_path / 'm')).predict(TEXTS), model.predict(TEXTS))
    assert vars(clone(model)) == TextRegressor(tiny_lm, **LEARNT).get_params()
    with pytest.raises(StageError, match='says number: load it with TextRegressor'):
        TextClassifier.load(tmp_path / 'm')
    with pytest.raises(NotFittedError):
        TextRegressor().predict(TEXTS)


def test_a_classifier_is_no_regressor(fitted, tmp_path):
    with pytest.raises(StageError, match='says single-label: load it with TextClassifier'):
        TextRegressor.load(fitted.save(tmp_path / 'm'))


def test_texts_to_choose_the_epoch_by(tiny_lm, tmp_path):
    "The pair and the `TextData` are one; the best epoch is kept; the training texts are all learnt from."
    wrong, options = (
        ['bad' if x == 'good' else 'good' for x in LABELS[30:]],
        QUICK | dict(lr=0.05, epochs=3, work_dir=tmp_path),
    )  # the more is learnt, the worse
    pair = TextClassifier(tiny_lm, **options).fit(TEXTS[:30], LABELS[:30], eval_set=(pd.Series(TEXTS[30:]), np.array(wrong)))
    data = TextClassifier(tiny_lm, **options).fit(TEXTS[:30], LABELS[:30], eval_set=TextData(TEXTS[30:], [x == 'bad' for x in wrong], ['good', 'bad']))
    losses = [h['valid_loss'] for h in pair.history_]
    p = pair.predict_proba(TEXTS[30:])[np.arange(10), [int(x == 'good') for x in wrong]]
    assert -np.log(p).mean() == pytest.approx(min(losses), rel=1e-3) and losses[-1] > min(losses)
    assert same_answers(pair, data) and pair.fitted_[0].config['settings']['best_epoch'] and pair.history_[0]['seen'] == 30
    stopped = TextClassifier(tiny_lm, early_stopping=1, **options).fit(TEXTS[:30], LABELS[:30], eval_set=(TEXTS[30:], wrong))
    assert 3 < len(stopped.history_) < len(pair.history_)


def test_weights(tiny_lm, tmp_path):
    both, y = TEXTS * 2, ['no'] * 40 + ['yes'] * 40
    options = QUICK | dict(lr=0.05, hold_out=False, work_dir=tmp_path)
    by_class = TextClassifier(tiny_lm, class_weight={'no': 1, 'yes': 20}, **options).fit(both, y)
    by_text = TextClassifier(tiny_lm, **options).fit(both, y, sample_weight=[20] * 40 + [1] * 40)
    assert set(by_class.predict(TEXTS)) == {'yes'} and set(by_text.predict(TEXTS)) == {'no'}
    again = TextClassifier.load(by_class.save(tmp_path / 'm'))
    assert again.class_weight == {'no': 1, 'yes': 20}


def test_going_on_from_a_saved_classifier(fitted, tmp_path):
    more = TextClassifier(fitted.save(tmp_path / 'm'), **QUICK | dict(lr=1e-6)).fit(TEXTS[:20], LABELS[:20])
    assert more.classes_.tolist() == ['bad', 'good'] and more.score(TEXTS, LABELS) > 0.8 and len(more.history_) == 1
    with pytest.raises(DataError, match="label 'mixed' was not among the classes"):
        TextClassifier(tmp_path / 'm', **QUICK).fit(TEXTS, ['mixed', 'good'] * 20)


ODD = {
    'a column that nobody has': (dict(multi_label=True), MATRIX.assign(rare=0), {}, "no text has 'rare'"),
    'twos': (dict(multi_label=True), MATRIX.to_numpy() * 2, {}, 'row 0 has 2 in column 0'),
    'too few rows': (dict(multi_label=True), MATRIX[:5], {}, '5 rows for 40 texts'),
    'one label, no list': (dict(multi_label=True), LABELS, {}, "labels of text 0 are 'good'"),
    'a missing label in a list': (dict(multi_label=True), [['a', None]] + [[]] * 39, {}, 'labels of text 0'),
    'a class without a weight': (dict(class_weight={'good': 2}), LABELS, {}, "'bad' has no weight"),
    'weights too few': ({}, LABELS, dict(sample_weight=[1] * 39), 'weights for 40 texts'),
    'texts alone': ({}, LABELS, dict(eval_set=TEXTS), r'give \(texts, labels\)'),
    'a label that is new': ({}, LABELS, dict(eval_set=(['so so'], ['mixed'])), "'mixed' was not among"),
    'a label that is missing': ({}, LABELS, dict(eval_set=(['so so'], [None])), 'eval_set: text 0 has no label'),
    'names of two types': (dict(multi_label=True), [[1], ['1']] * 20, {}, r'names of several types \(int, str\)'),
    'weights in quotation marks': ({}, LABELS, dict(sample_weight=['1'] * 40), 'and no strings'),
    'a set of lists': (dict(multi_label=True), {('good',), ('early',)}, {}, 'labels: a set'),
    'no lists': (dict(multi_label=True), None, {}, 'labels: a NoneType'),
    'no labels to choose by': ({}, LABELS, dict(eval_set=(['so so'], None)), 'eval_set: a NoneType'),
    'labels to choose by in a set': ({}, LABELS, dict(eval_set=(['so', 'no'], {'good', 'bad'})), 'eval_set: a set'),
    'nothing to choose by': (dict(early_stopping=2, hold_out=False), LABELS, {}, 'not learnt from'),
}


@pytest.mark.parametrize('case', ODD)
def test_what_can_not_be_fitted(case, tiny_lm, tmp_path):
    "Before stage 2, which may take an hour."
    how, labels, more, message = ODD[case]
    with pytest.raises(ValueError, match=message):
        TextClassifier(tiny_lm, unlabelled=[], work_dir=tmp_path / 'w', **QUICK | how).fit(TEXTS, labels, **more)
    assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize(
    'how, y, message',
    [({}, [np.nan] + [1.0] * 39, 'text 0 has nan'), ({}, [1.0] * 40, 'nothing to learn'), ({}, [1.0] * 39, '39 numbers for 40'),
     ({}, LABELS, "text 0 has 'good'"), ({}, None, 'labels: a NoneType'), ({}, set(range(40)), 'labels: a set'),
     ({}, ['1,5'] + ['2'] * 39, "text 0 has '1,5'"), ({}, ['1_000'] + ['2'] * 39, "text 0 has '1_000'"), ({}, np.ones((40, 2)), 'text 0 has'),
     ({'class_weight': 'balanced'}, range(40), 'sample_weight'),
     ({'multi_label': True}, range(40), 'multi_label is about classes')],
)  # fmt: skip
def test_numbers_that_can_not_be_fitted(how, y, message, tiny_lm, tmp_path):
    with pytest.raises(ValueError, match=message):
        TextRegressor(tiny_lm, work_dir=tmp_path / 'w', **QUICK | how).fit(TEXTS, y)
    assert not (tmp_path / 'w').exists()


def test_a_label_that_no_text_to_validate_on_has_is_none_of_its_faults(tiny_lm):
    "Dropped, the columns after it would stand for other labels."
    learn = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]] * 10)
    model = TextClassifier(tiny_lm, multi_label=True, **QUICK).fit(TEXTS, learn, eval_set=(TEXTS[:2], np.array([[1, 0, 0], [0, 0, 1]])))
    assert model.classes_.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="no text has '1'"):
        label_lists(np.array([[1, 0, 0], [0, 0, 1]]), 2)


@pytest.mark.parametrize('cells', [['yes', 'no'], pd.array([True, None], 'boolean')])
def test_a_table_of_other_than_nought_and_one(cells):
    with pytest.raises(DataError, match='holds 0 or 1, and not every cell does .* Write 1 where a text has the label'):
        label_lists(pd.DataFrame({'late': cells}), 2)


def test_a_table_to_validate_on_may_have_lost_rows(tiny_lm):
    "A column of whole numbers with a gap is one of floats, and stays one when the gap is dropped."
    labels, floats = [1, 2] * 20, pd.Series([1, None, 2]).dropna()
    model = TextClassifier(tiny_lm, **QUICK).fit(TEXTS, labels, eval_set=(TEXTS[:2], floats))
    assert model.classes_.tolist() == [1, 2]
    TextClassifier(tiny_lm, **QUICK).fit(TEXTS, pd.Series(labels, dtype=float), eval_set=(TEXTS[:2], [1, 2]))
