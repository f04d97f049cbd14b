"TextClassifier: scikit-learn's promises, the stages behind it, and what it keeps."

import json
import pickle
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import BAD, GOOD, TEXTS
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import ulmfit_nb.estimator as estimator
from ulmfit_nb import TextClassifier, TextRegressor, fine_tune, load_classifier, save_pretrained, stages, train_classifier
from ulmfit_nb.data import DataError, TextData, label_codes
from ulmfit_nb.estimator import folder_for, rows_for
from ulmfit_nb.settings import PRESETS, override
from ulmfit_nb.stages import StageError, load_lm

LABELS = ['good' if t.rsplit(' , ', 1)[0] in GOOD else 'bad' for t in TEXTS]
QUICK = dict(preset='tiny', epochs=1, bs=8)


@pytest.fixture(scope='module')
def fitted(tiny_lm):
    return TextClassifier(tiny_lm, preset='tiny', epochs=25, lr=0.05, bs=8, drop_mult=0.1, hold_out=False).fit(TEXTS, LABELS)


def same(a, b):
    return np.array_equal(a.predict_proba(TEXTS), b.predict_proba(TEXTS)) and np.array_equal(a.predict(TEXTS), b.predict(TEXTS))


# --- scikit-learn's promises ------------------------------------------------------------------------------------------------------


def test_init_only_stores(tiny_lm):
    given = dict(
        lm=tiny_lm,
        unlabelled=TEXTS,
        preset='laptop',
        lm_epochs=1,
        lm_lr=0.1,
        epochs=2,
        lr=0.2,
        bs=3,
        drop_mult=0.4,
        hold_out=False,
        work_dir='x',
        early_stopping=2,
        class_weight='balanced',
        multi_label=True,
        seed=5,
        verbose=True,
    )
    assert TextClassifier(**given).get_params() == given
    assert all(TextClassifier(**given).get_params()[k] is v for k, v in given.items())
    assert vars(clone(TextClassifier(**given))) == given
    with pytest.raises(ValueError, match='colour'):
        TextClassifier().set_params(colour='red')


def test_it_is_a_classifier():
    assert is_classifier(TextClassifier())
    if hasattr(TextClassifier(), '__sklearn_tags__'):
        tags = TextClassifier().__sklearn_tags__().input_tags
        assert tags.string and not tags.two_d_array


@pytest.mark.parametrize('method', ['predict', 'predict_proba', 'save'])
def test_unfitted(method, tmp_path):
    with pytest.raises(NotFittedError, match='not fitted yet'):
        getattr(TextClassifier(), method)(tmp_path / 'x' if method == 'save' else ['a text'])
    assert not (tmp_path / 'x').exists()
    with pytest.raises(NotFittedError):
        TextClassifier().score(TEXTS, LABELS)


def test_it_learns_and_scores(fitted):
    assert fitted.score(TEXTS, LABELS) > 0.8 and fitted.classes_.tolist() == ['bad', 'good']
    p = fitted.predict_proba(TEXTS)
    assert p.shape == (len(TEXTS), 2) and np.allclose(p.sum(1), 1)
    assert fitted.predict(TEXTS).tolist() == fitted.classes_[p.argmax(1)].tolist()
    assert fitted.history_[-1]['accuracy'] > 0.8


def test_fitted_again_as_if_for_the_first_time(tiny_lm):
    model = TextClassifier(tiny_lm, **QUICK).fit(TEXTS, LABELS)
    other = TextClassifier(tiny_lm, **QUICK).fit(TEXTS[:20], [x == 'good' for x in LABELS[:20]])
    assert same(other.fit(TEXTS, LABELS), model) and same(clone(other).fit(TEXTS, LABELS), model)
    assert not same(TextClassifier(tiny_lm, **QUICK, seed=1).fit(TEXTS, LABELS), model)


def test_search_and_validation(tiny_lm, tmp_path):
    search = GridSearchCV(TextClassifier(tiny_lm, unlabelled=[], lm_epochs=1, work_dir=tmp_path, **QUICK), {'lr': [0.001, 0.05]}, cv=2)
    search.fit(TEXTS, LABELS)
    assert search.best_params_['lr'] in (0.001, 0.05) and np.isfinite(search.cv_results_['mean_test_score']).all()
    assert search.predict(TEXTS[:3]).shape == (3,) and search.best_estimator_.classes_.tolist() == ['bad', 'good']
    assert len(list(tmp_path.glob('lm-*'))) == 3 and len(list(tmp_path.glob('classifier-*'))) == 5, 'the language model is fine-tuned once a fold'


def test_in_a_pipeline_and_in_columns(tiny_lm):
    lower = FunctionTransformer(lambda texts: [t.lower() for t in texts])
    piped = make_pipeline(lower, TextClassifier(tiny_lm, **QUICK))
    table = pd.DataFrame({'text': TEXTS, 'label': LABELS})
    scores = cross_val_score(piped, table['text'], table['label'], cv=2, error_score='raise')
    assert scores.shape == (2,) and np.isfinite(scores).all()


# --- labels and texts -------------------------------------------------------------------------------------------------------------

KINDS = {
    'strings': ['no', 'yes'],
    'numbers': [3, 10],
    'negative': [-1, 1],
    'booleans': [False, True],
    'whole floats': [1.0, 2.0],
    'numpy': np.array([4, 5]),
    'strings in an array': np.array(['a', 'bb']),
    'objects': np.array(['a', 'b'], dtype=object),
    'a column': pd.Series(['x', 'y']),
    'a column of categories': pd.Series(['x', 'y'], dtype='category'),
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('box', [list, np.asarray, pd.Series])
def test_labels_come_back_as_they_went_in(kind, box):
    classes = list(KINDS[kind])
    labels = box([classes[i % 2] for i in (0, 1, 1, 0, 1)])
    found, codes = label_codes(labels, 5)
    assert found.tolist() == classes and codes == [0, 1, 1, 0, 1] and type(found.tolist()[0]) is type(np.asarray(classes).tolist()[0])


def test_kinds_of_labels_from_end_to_end(tiny_lm, tmp_path):
    model = TextClassifier(tiny_lm, **QUICK).fit(pd.Series(TEXTS), pd.Series([10 * (x == 'good') - 1 for x in LABELS]))
    assert set(model.predict(np.array(TEXTS)).tolist()) <= {-1, 9} and model.predict(TEXTS).dtype.kind == 'i'
    again = TextClassifier.load(model.save(tmp_path / 'm'))
    assert again.classes_.tolist() == [-1, 9] and again.classes_.dtype.kind == 'i' and 0 <= again.score(TEXTS, [9] * len(TEXTS)) <= 1
    assert load_classifier(tmp_path / 'm').classes == ['-1', '9']


WRONG = {
    'labels are numbers on a scale': (TEXTS, np.linspace(0, 1, 40), 'continuous'),
    'too few labels': (TEXTS, LABELS[:-1], '39 labels for 40 texts'),
    'a missing label': (TEXTS, [None, *LABELS[1:]], 'text 0 has no label'),
    'a nan among labels': (TEXTS, [np.nan, *[1.0] * 39], 'text 0 has no label'),
    'one class': (TEXTS, ['good'] * 40, 'two classes'),
    'a class of one': (TEXTS, ['rare', *LABELS[1:]], 'single example'),
    'no texts': ([], [], 'no texts'),
    'a text is missing': ([None, *TEXTS[1:]], LABELS, 'text 0 is missing'),
    'numbers for texts': (list(range(40)), LABELS, 'not text'),
    'one string': ('a text', ['good'], 'one string'),
    'a table': (pd.DataFrame({'text': TEXTS}), LABELS, 'column'),
    'two columns of labels': (TEXTS, [[a, a] for a in LABELS], '1d'),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_cannot_be_learnt_from(case, tiny_lm, tmp_path):
    texts, labels, word = WRONG[case]
    with pytest.raises(ValueError, match=word):
        TextClassifier(tiny_lm, work_dir=tmp_path / 'w', **QUICK).fit(texts, labels)
    assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize('texts', ['one text', [1], [], pd.DataFrame({'text': TEXTS})])
def test_what_cannot_be_predicted(texts, fitted):
    with pytest.raises(DataError):
        fitted.predict(texts)


# --- the stages behind it ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('hold_out', [True, False])
def test_equal_to_the_stages_by_hand(hold_out, tiny_lm, tmp_path):
    options = dict(preset='tiny', epochs=2, lr=0.02, bs=8, drop_mult=0.2, seed=3)
    model = TextClassifier(tiny_lm, unlabelled=BAD * 4, lm_epochs=2, lm_lr=0.01, hold_out=hold_out, **options).fit(TEXTS, LABELS)
    texts = TEXTS + BAD * 4
    lm_settings = replace(PRESETS['tiny'].fine_tune, epochs=2, lr=0.01, seed=3, bs=rows_for(texts, PRESETS['tiny'].fine_tune.bs))
    tuned = fine_tune(tiny_lm, texts, tmp_path / 'tuned', lm_settings, progress_bar=False)
    data = TextData(TEXTS, [int(x == 'good') for x in LABELS], ['bad', 'good'])
    by_hand = replace(PRESETS['tiny'].train_classifier, epochs=2, lr=0.02, bs=8, drop_mult=0.2, seed=3)
    out = train_classifier(tuned, data, tmp_path / 'c', None if hold_out else data, by_hand, progress_bar=False)
    assert np.array_equal(load_classifier(out).predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_unlabelled(tiny_lm, tmp_path):
    "None: no stage 2. A list, even an empty one: stage 2 on it and the training texts."
    for given, found in ((None, 0), ([], 1), (GOOD * 3, 1)):
        work = tmp_path / str(found) / str(given)[:5]
        TextClassifier(tiny_lm, unlabelled=given, lm_epochs=1, work_dir=work, **QUICK).fit(TEXTS, LABELS)
        assert len(list(work.glob('lm-*'))) == found
    _, vocab, _ = load_lm(next((tmp_path / '1').glob('*/lm-*')))
    assert 'lazy' in vocab


def test_the_default_language_model(tiny_lm, tmp_path, monkeypatch):
    "It ships under the name wiki-small. A checkout that has lost it says so."
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path)
    with pytest.raises(StageError, match=r'wiki-small: no such directory, and no model of that name ships \(none does\)'):
        TextClassifier(**QUICK).fit(TEXTS, LABELS)
    save_pretrained(tiny_lm, tmp_path / 'wiki-small')
    assert same(TextClassifier(**QUICK).fit(TEXTS, LABELS), TextClassifier(tmp_path / 'wiki-small', **QUICK).fit(TEXTS, LABELS))


def test_wrong_settings(tiny_lm, tmp_path):
    with pytest.raises(ValueError, match='no preset .*tiny, '):
        TextClassifier(tiny_lm, preset='huge').fit(TEXTS, LABELS)
    with pytest.raises(StageError, match='no such directory'):
        TextClassifier(tmp_path / 'nowhere').fit(TEXTS, LABELS)
    assert override(PRESETS['tiny'].fine_tune, lr=None, epochs=9) == replace(PRESETS['tiny'].fine_tune, epochs=9)


def test_without_a_work_dir_nothing_is_left(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(estimator.tempfile, 'tempdir', str(tmp_path))
    TextClassifier(tiny_lm, unlabelled=[], lm_epochs=1, **QUICK).fit(TEXTS, LABELS)
    assert not list(tmp_path.iterdir())


def test_work_is_found_again_and_other_work_lies_beside_it(tiny_lm, tmp_path, monkeypatch):
    trained = []
    real = estimator.train_classifier
    monkeypatch.setattr(
        estimator, 'train_classifier', lambda lm, data, out, *a, **k: trained.append((out / 'config.json').exists()) or real(lm, data, out, *a, **k)
    )
    for options, labels in (({}, LABELS), ({}, LABELS), ({'lr': 0.5}, LABELS), ({'seed': 1}, LABELS), ({'hold_out': False}, LABELS), ({}, LABELS[::-1])):
        TextClassifier(tiny_lm, work_dir=tmp_path, **QUICK | options).fit(TEXTS, labels)
    assert trained == [False, True, False, False, False, False]
    assert folder_for(tmp_path, 'a', 1) != folder_for(tmp_path, 'a', '1')


def test_who_wants_a_folder_that_is_in_use_waits(tiny_lm, tmp_path):
    model = TextClassifier(tiny_lm, work_dir=tmp_path / 'a', **QUICK).fit(TEXTS, LABELS)
    folder = tmp_path / 'b' / next((tmp_path / 'a').glob('classifier-*')).name
    waiting = threading.Thread(target=TextClassifier(tiny_lm, work_dir=tmp_path / 'b', **QUICK).fit, args=(TEXTS, LABELS))
    with estimator.alone_in(folder):
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive() and not folder.exists()
    waiting.join(60)
    assert (folder / 'config.json').exists() and same(TextClassifier.load(folder), model)


@pytest.mark.parametrize('n, bs, rows', [(0, 64, 1), (99, 64, 1), (250, 64, 2), (100_000, 64, 64)])
def test_rows(n, bs, rows):
    assert rows_for(['word'] * n, bs) == rows


# --- keeping it -------------------------------------------------------------------------------------------------------------------


def test_save_and_load(fitted, tmp_path):
    assert fitted.save(tmp_path / 'm') == tmp_path / 'm'
    again = TextClassifier.load(tmp_path / 'm')
    assert same(again, fitted) and again.history_ == fitted.history_ and again.score(TEXTS, LABELS) == fitted.score(TEXTS, LABELS)
    left_out = {'lm', 'work_dir', 'unlabelled'}
    assert {k: v for k, v in again.get_params().items() if k not in left_out} == {k: v for k, v in fitted.get_params().items() if k not in left_out}
    assert sorted(f.name for f in (tmp_path / 'm').iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    assert same(TextClassifier.load(again.save(tmp_path / 'twice')), fitted)


def test_nothing_of_this_machine_is_saved(tiny_lm, tmp_path):
    model = TextClassifier(tiny_lm, unlabelled=['my letters'], lm_epochs=1, work_dir=tmp_path / 'secret', **QUICK).fit(TEXTS, LABELS)
    text = (model.save(tmp_path / 'm') / 'config.json').read_text()
    assert 'secret' not in text and 'letters' not in text and str(tiny_lm) not in text
    assert json.loads(text)['estimator']['preset'] == 'tiny'


def test_saved_for_others_at_half_the_size(fitted, tmp_path):
    shared = save_pretrained(fitted.save(tmp_path / 'm'), tmp_path / 'shared')
    np.testing.assert_allclose(TextClassifier.load(shared).predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=0.02)


def test_any_classifiers_directory_will_do(tiny_lm, tmp_path):
    data = TextData(TEXTS, [int(x == 'good') for x in LABELS], ['bad', 'good'])
    out = train_classifier(tiny_lm, data, tmp_path / 'c', epochs=1, bs=8, progress_bar=False)
    assert TextClassifier.load(out).predict(TEXTS).tolist() == load_classifier(out).predict(TEXTS)


def test_what_cannot_be_loaded_or_overwritten(fitted, tiny_lm, tmp_path):
    with pytest.raises(StageError, match='where a classifier is due'):
        TextClassifier.load(tiny_lm)
    with pytest.raises(StageError, match='no such directory'):
        TextClassifier.load(tmp_path / 'nowhere')
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(StageError, match='thesis.tex'):
        fitted.save(tmp_path)
    fitted.save(tmp_path / 'm')
    assert same(TextClassifier.load(fitted.save(tmp_path / 'm')), fitted)


def test_pickled_for_other_processes(fitted):
    assert same(pickle.loads(pickle.dumps(fitted)), fitted)


def test_asked_for_by_name_only():
    import ulmfit_nb

    assert 'TextClassifier' in ulmfit_nb.__all__ and ulmfit_nb.TextClassifier is TextClassifier
    with pytest.raises(AttributeError, match='no attribute'):
        ulmfit_nb.nothing  # noqa: B018


def test_a_save_that_fails_leaves_the_one_before(fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path / 'm')
    broken = pickle.loads(pickle.dumps(fitted)).set_params(seed=object())
    with pytest.raises(TypeError, match='which a setting can not be'):
        broken.save(tmp_path / 'm')
    assert same(TextClassifier.load(tmp_path / 'm'), fitted) and [f.name for f in tmp_path.iterdir()] == ['m']


def test_a_language_model_that_has_gone_is_no_part_of_what_is_kept(fitted, tmp_path):
    moved = pickle.loads(pickle.dumps(fitted)).set_params(lm=tmp_path / 'gone', epochs=np.int64(25))
    again = TextClassifier.load(moved.save(tmp_path / 'm'))
    assert again.lm == 'wiki-small' and again.epochs == 25 and same(again, fitted)


@pytest.mark.parametrize('labels', [['p', 'n', np.nan, np.nan], ['p', None, 'n', 'p'], pd.Series(['p', 'n', None, 'p'])])
def test_a_missing_label_is_no_class(labels):
    with pytest.raises(DataError, match='has no label'):
        label_codes(labels, 4)


@pytest.mark.parametrize(
    ('unlabelled', 'mend'), [('reviews', 'one string'), (pd.DataFrame({'text': TEXTS}), 'Give a column'), ((t for t in TEXTS), 'only once')]
)
def test_unlabelled_texts_that_can_not_be_used(tiny_lm, unlabelled, mend):
    with pytest.raises(DataError, match=mend):
        TextClassifier(tiny_lm, unlabelled=unlabelled, **QUICK).fit(TEXTS, LABELS)


def test_a_search_over_numbers_of_numpy(tiny_lm, tmp_path):
    search = GridSearchCV(TextClassifier(tiny_lm, work_dir=tmp_path, **QUICK), {'lr': np.array([0.01, 0.02]), 'seed': np.arange(1)}, cv=2)
    assert len(search.fit(TEXTS, LABELS).cv_results_['mean_test_score']) == 2


# --- several labels, numbers, weights, texts to choose by -------------------------------------------------------------------------

LISTS = [(['good'] if l == 'good' else []) + (['early'] if i % 3 else []) for i, l in enumerate(LABELS)]
MATRIX = pd.DataFrame({'good': [x == 'good' for x in LABELS], 'early': [i % 3 > 0 for i in range(40)]})
LEARNT = dict(preset='tiny', epochs=25, lr=0.05, bs=8, drop_mult=0.1, hold_out=False)


@pytest.mark.parametrize(
    'labels',
    [LISTS, MATRIX, MATRIX.to_numpy().astype(int), MATRIX.astype(object), [set(l) for l in LISTS]],
    ids=['lists', 'table', 'matrix', 'objects', 'sets'],
)
def test_several_labels_of_any_form(labels):
    lists, classes = estimator.label_lists(labels, len(TEXTS))
    names = dict(zip(map(str, classes), ('early', 'good') if classes[0] == 'early' else ('good', 'early')))
    assert [{names[x] for x in l} for l in lists] == [set(l) for l in LISTS]


def test_several_labels_learnt_in_the_order_of_the_columns(tiny_lm, tmp_path):
    model = TextClassifier(tiny_lm, multi_label=True, **LEARNT).fit(TEXTS, MATRIX)
    p, said = model.predict_proba(TEXTS), model.predict(TEXTS)
    assert model.classes_.tolist() == ['good', 'early'] and model.classifier_.classes == ['early', 'good']
    assert p.shape == said.shape == (40, 2) and not np.allclose(p.sum(1), 1) and ((p > 0.5) == said).all()
    assert (said[:, 0] == MATRIX['good']).mean() > 0.8 and 0 <= model.score(TEXTS, MATRIX) <= 1
    again = TextClassifier.load(model.save(tmp_path / 'm'))
    assert same(again, model) and again.multi_label and again.classes_.tolist() == ['good', 'early']
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
    assert same(pair, data) and pair.config_['settings']['best_epoch'] and pair.history_[0]['seen'] == 30
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
     ({}, LABELS, "text 0 has 'good'"), ({'class_weight': 'balanced'}, range(40), 'sample_weight'),
     ({'multi_label': True}, range(40), 'multi_label is about classes')],
)  # fmt: skip
def test_numbers_that_can_not_be_fitted(how, y, message, tiny_lm, tmp_path):
    with pytest.raises(ValueError, match=message):
        TextRegressor(tiny_lm, work_dir=tmp_path / 'w', **QUICK | how).fit(TEXTS, y)
    assert not (tmp_path / 'w').exists()
