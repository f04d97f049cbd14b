"TextClassifier: scikit-learn's promises, the stages behind it, and what it keeps."

import json
import pickle
import random
import shutil
import threading
import warnings
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from helpers import BAD, GOOD, LABELS, PROSE, QUICK, TEXTS, TINY_LM, names_in, same_answers
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import ulmfit_nb.estimator as estimator
from ulmfit_nb import TextClassifier, classifier_training, fine_tune, load_classifier, pretrain, save_pretrained, stages, train_classifier
from ulmfit_nb.data import DataError, TextData, Tokens, label_codes
from ulmfit_nb.estimator import ENOUGH, folder_for, n_words, rows_for, stage_2_texts
from ulmfit_nb.settings import PRESETS, override
from ulmfit_nb.stages import StageError, load_lm

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
        precision='fp32',
        verbose=True,
    )
    assert TextClassifier(**given).get_params() == given
    assert all(TextClassifier(**given).get_params()[k] is v for k, v in given.items())
    assert vars(clone(TextClassifier(**given))) == given
    with pytest.raises(ValueError, match='colour'):
        TextClassifier().set_params(colour='red')


@pytest.mark.filterwarnings('ignore:bf16')
@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
def test_it_computes_in_the_precision_it_is_told(tiny_lm, precision):
    model = TextClassifier(tiny_lm, precision=precision, **QUICK).fit(TEXTS, LABELS)
    assert {h['precision'] for h in model.history_} == {precision}


def test_an_unknown_precision(tiny_lm):
    with pytest.raises(ValueError, match='precision is .fp16.'):
        TextClassifier(tiny_lm, precision='fp16', **QUICK).fit(TEXTS, LABELS)


def test_what_is_odd_of_the_labels_is_said_once(tiny_lm):
    with pytest.warns(UserWarning) as said:
        TextClassifier(tiny_lm, preset='tiny', epochs=0, hold_out=True).fit([f'a film {i}' for i in range(8)], list('aabbccdd'))
    assert sum('4 of 8 labelled texts are set aside' in str(w.message) for w in said) == 1


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
    assert same_answers(other.fit(TEXTS, LABELS), model) and same_answers(clone(other).fit(TEXTS, LABELS), model)
    assert not same_answers(TextClassifier(tiny_lm, **QUICK, seed=1).fit(TEXTS, LABELS), model)


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
    'strings of pandas': pd.Series(['x', 'y'], dtype='string'),
    'long numbers': [2**63 + 1, 2**63 + 3],
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('box', [list, np.asarray, pd.Series])
def test_labels_come_back_as_they_went_in(kind, box):
    classes = list(KINDS[kind])
    labels = box([classes[i % 2] for i in (0, 1, 1, 0, 1)])
    found, codes = label_codes(labels, 5)
    assert found.tolist() == classes and codes == [0, 1, 1, 0, 1] and type(found.tolist()[0]) is type(np.asarray(classes).tolist()[0])


def test_labels_of_pyarrow_and_labels_as_they_come():
    for labels in (pa.array(['a', 'b', 'a', 'b']), pa.chunked_array([['a', 'b']] * 2), (l for l in 'abab'), ('a', 'b', 'a', 'b')):
        assert label_codes(labels, 4)[1] == [0, 1, 0, 1]
    with pytest.raises(DataError, match='text 1 has no label'):
        label_codes(pa.array([1, None, 2, 2]), 4)


@pytest.mark.parametrize('work', ['', 'a\0b', 'x' * 5000, 'a file'])
def test_where_no_work_can_lie(work, tiny_lm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a file').write_text('')
    with pytest.raises((ValueError, OSError), match='no name of a directory|is a file|too long for this file system'):
        TextClassifier(tiny_lm, work_dir=work, **QUICK).fit(TEXTS, LABELS)
    assert names_in(tmp_path) == ['a file']


def test_the_thaw_may_be_all_there_is_and_batch_norm_needs_two(tiny_lm):
    assert len(TextClassifier(tiny_lm, **QUICK | {'epochs': 0}).fit(TEXTS, LABELS).history_) == 3
    with pytest.raises(ValueError, match='bs is 1: give a whole number of at least 2'):
        TextClassifier(tiny_lm, **QUICK | {'bs': 1}).fit(TEXTS, LABELS)


def test_labels_that_look_alike_are_said():
    with pytest.warns(UserWarning, match="labels: 'good' and 'Good' are two labels"):
        assert label_codes(['good', 'Good', 'bad'] * 2, 6)[0].tolist() == ['Good', 'bad', 'good']


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
    'two columns of labels': (TEXTS, [[a, a] for a in LABELS], 'several labels.*multi_label=True'),
    'lists of labels': (TEXTS, [[a] * (i % 2) for i, a in enumerate(LABELS)], 'several labels.*multi_label=True'),
    'two columns of an array': (TEXTS, np.array([[a, a] for a in LABELS]), '1d'),
    'a set of labels': (TEXTS, set(map(str, range(40))), 'labels: a set, .*no order'),
    'labels by name': (TEXTS, dict(enumerate(LABELS)), 'labels: a dict'),
    'one label for all': (TEXTS, 'good', 'labels: one string'),
    'no labels': (TEXTS, None, 'labels: a NoneType, where a list of labels'),
    'numbers beyond 64 bits': (TEXTS, [10**30, 10**31] * 20, 'too large'),
    'numbers that floats would merge': (TEXTS, [2**63 + 1, -1] * 20, 'too large'),
    'dates': (TEXTS, np.array(['2020-01-01', '2021-01-01'] * 20, 'M8[D]'), 'Give strings'),
    'bytes': (TEXTS, [b'good', b'bad'] * 20, 'Give strings'),
    'a mask': (TEXTS, np.ma.masked_array(LABELS, mask=[True] + [False] * 39), 'text 0'),
    'a set of texts': (set(TEXTS), LABELS, 'no order'),
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
    "It ships under the name film-small. A checkout that has lost it says so."
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path)
    with pytest.raises(StageError, match=r'film-small: no such directory, and no model of that name ships \(none does\)'):
        TextClassifier(**QUICK).fit(TEXTS, LABELS)
    save_pretrained(tiny_lm, tmp_path / 'film-small')
    assert same_answers(TextClassifier(**QUICK).fit(TEXTS, LABELS), TextClassifier(tmp_path / 'film-small', **QUICK).fit(TEXTS, LABELS))


def test_wrong_settings(tiny_lm, tmp_path):
    for preset in ('huge', None, ['tiny']):
        with pytest.raises(ValueError, match='no preset .*tiny, '):
            TextClassifier(tiny_lm, preset=preset).fit(TEXTS, LABELS)
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
    assert (folder / 'config.json').exists() and same_answers(TextClassifier.load(folder), model)


@pytest.mark.parametrize('n, bs, rows', [(0, 64, 1), (99, 64, 1), (250, 64, 2), (100_000, 64, 64)])
def test_rows(n, bs, rows):
    assert rows_for(['word'] * n, bs) == rows


# --- keeping it -------------------------------------------------------------------------------------------------------------------


def test_save_and_load(fitted, tmp_path):
    assert fitted.save(tmp_path / 'm') == tmp_path / 'm'
    again = TextClassifier.load(tmp_path / 'm')
    assert same_answers(again, fitted) and again.history_ == fitted.history_ and again.score(TEXTS, LABELS) == fitted.score(TEXTS, LABELS)
    left_out = {'lm', 'work_dir', 'unlabelled'}
    assert {k: v for k, v in again.get_params().items() if k not in left_out} == {k: v for k, v in fitted.get_params().items() if k not in left_out}
    assert sorted(f.name for f in (tmp_path / 'm').iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    assert same_answers(TextClassifier.load(again.save(tmp_path / 'twice')), fitted)


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
    assert same_answers(TextClassifier.load(fitted.save(tmp_path / 'm')), fitted)


def test_pickled_for_other_processes(fitted):
    assert same_answers(pickle.loads(pickle.dumps(fitted)), fitted)


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
    assert same_answers(TextClassifier.load(tmp_path / 'm'), fitted) and [f.name for f in tmp_path.iterdir()] == ['m']


def test_a_language_model_that_has_gone_is_no_part_of_what_is_kept(fitted, tmp_path):
    moved = pickle.loads(pickle.dumps(fitted)).set_params(lm=tmp_path / 'gone', epochs=np.int64(25))
    again = TextClassifier.load(moved.save(tmp_path / 'm'))
    assert again.lm == 'film-small' and again.epochs == 25 and same_answers(again, fitted)


@pytest.mark.parametrize('labels', [['p', 'n', np.nan, np.nan], ['p', None, 'n', 'p'], pd.Series(['p', 'n', None, 'p'])])
def test_a_missing_label_is_no_class(labels):
    with pytest.raises(DataError, match='has no label'):
        label_codes(labels, 4)


@pytest.mark.parametrize(
    ('unlabelled', 'mend'), [('reviews', 'no such file or folder'), (pd.DataFrame({'text': TEXTS}), 'Give a column'), ((t for t in TEXTS), 'only once')]
)
def test_unlabelled_texts_that_can_not_be_used(tiny_lm, unlabelled, mend):
    with pytest.raises(DataError, match=mend):
        TextClassifier(tiny_lm, unlabelled=unlabelled, **QUICK).fit(TEXTS, LABELS)


def test_a_search_over_numbers_of_numpy(tiny_lm, tmp_path):
    search = GridSearchCV(TextClassifier(tiny_lm, work_dir=tmp_path, **QUICK), {'lr': np.array([0.01, 0.02]), 'seed': np.arange(1)}, cv=2)
    assert len(search.fit(TEXTS, LABELS).cv_results_['mean_test_score']) == 2


# --- labels as they come out of tables ----------------------------------------------------------------------------------------------

GAPS = {
    'objects': (pd.Series([True, False] * 20 + [None]), [False, True], 'b'),
    'Int64': (pd.Series([7, -2] * 20 + [None], dtype='Int64'), [-2, 7], 'i'),
    'boolean': (pd.Series([True, False] * 20 + [None], dtype='boolean'), [False, True], 'b'),
    'string': (pd.Series(['no', 'yes'] * 20 + [None], dtype='string'), ['no', 'yes'], 'U'),
    'categories of strings': (pd.Series(['no', 'yes'] * 20 + [None], dtype='category'), ['no', 'yes'], 'U'),
    'categories of truth values': (pd.Series([True, False] * 20 + [None], dtype=object).astype('category'), [False, True], 'b'),
    'floats': (pd.Series([1.0, 2.0] * 20 + [None]), [1.0, 2.0], 'f'),
}


@pytest.mark.parametrize('kind', GAPS)
def test_a_column_with_a_gap_and_without(kind, tiny_lm, tmp_path):
    labels, classes, dtype = GAPS[kind]
    with pytest.raises(DataError, match='text 40 has no label. Drop such rows'):
        TextClassifier(tiny_lm, **QUICK).fit([*TEXTS, 'one more'], labels)
    model = TextClassifier(tiny_lm, **QUICK).fit(pd.Series([*TEXTS, 'one more'])[labels.notna()], labels.dropna())
    assert model.classes_.tolist() == classes and model.classes_.dtype.kind == model.predict(TEXTS).dtype.kind == dtype
    again = TextClassifier.load(model.save(tmp_path / 'm'))
    assert again.classes_.tolist() == classes and again.predict(TEXTS).dtype.kind == dtype


@pytest.mark.parametrize('box', [np.array, torch.tensor, pd.Categorical, pd.Index, tuple])
def test_boxes_of_labels(box):
    assert label_codes(box([1, 0, 0, 1]), 4)[1] == [1, 0, 0, 1] and label_codes(box([1, 0, 0, 1]), 4)[0].tolist() == [0, 1]


def test_small_numbers_keep_their_size():
    assert label_codes(np.array([3, 1, 1, 3], np.uint8), 4)[0].dtype == np.uint8
    assert label_codes([np.int64(3), 1, np.int32(1), 3], 4)[0].tolist() == [1, 3] and label_codes([1, 2.0, 1, 2], 4)[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize('labels, said', [
    ([1, 'a', 1, 'a'], "text 0 is labelled 1, of type int, and text 1 'a', of type str"), (pd.Series(['a', 'a', 2.5, 2.5]), 'text 2 2.5, of type float'),
    ([True, 1, True, 1], 'text 0 is labelled True, of type bool, and text 1 1, of type int'), ([np.True_, 0, 0, 0], 'Give all labels the same type'),
    (pd.Series(['2020', '2021'] * 2).astype('datetime64[ns]'), 'labels: of type datetime64'), ([Decimal(1), Decimal(2)] * 2, 'labels: of type Decimal'),
    (pd.Series(['2020', '2021', '2020', None]).astype('datetime64[ns]'), 'text 3 has no label'), ([0, 1, 1, pd.NA], 'text 3 has no label'),
])  # fmt: skip
def test_labels_that_would_become_something_else(labels, said):
    with pytest.raises(DataError, match=said):
        label_codes(labels, 4)


def test_a_text_that_is_missing_in_pandas_way(tiny_lm):
    for missing in (pd.NA, float('nan'), pd.NaT):
        with pytest.raises(DataError, match='text 1 is missing'):
            TextClassifier(tiny_lm, **QUICK).fit([TEXTS[0], missing, *TEXTS[2:]], LABELS)


# --- settings are looked at before any work -----------------------------------------------------------------------------------------


@pytest.mark.parametrize('name, value', [
    ('lr', -1), ('lr', 100), ('lr', '0.01'), ('lr', 0), ('lm_lr', -0.1), ('lm_lr', True), ('epochs', -1), ('epochs', 1.5), ('lm_epochs', 0), ('lm_epochs', '2'),
    ('bs', 1), ('bs', 8.0), ('drop_mult', 5), ('hold_out', 1.5), ('hold_out', 0), ('hold_out', 1), ('hold_out', 'yes'), ('hold_out', None), ('hold_out', -0.1),
    ('seed', None), ('seed', -1), ('verbose', 'no'), ('lm', None), ('lm', 3), ('lm', ()), ('lm', ('a', 'b', 'c')), ('work_dir', 7), ('preset', 'huge'),
])  # fmt: skip
def test_what_no_fit_could_use(name, value, tiny_lm, tmp_path):
    given = {'lm': tiny_lm, 'unlabelled': [], 'work_dir': tmp_path / 'w', 'preset': 'tiny'} | {name: value}
    with pytest.raises(ValueError, match=f'{name} is |no preset'):
        TextClassifier(**given).fit(TEXTS, LABELS)
    assert not (tmp_path / 'w').exists(), 'refused before stage 2'


def test_numbers_of_numpy_are_settings(tiny_lm):
    given = dict(preset='tiny', epochs=np.int64(1), bs=np.int32(8), lr=np.float64(0.05), hold_out=np.bool_(True), seed=np.int64(1))
    plain = dict(preset='tiny', epochs=1, bs=8, lr=0.05, seed=1)
    assert same_answers(TextClassifier(tiny_lm, **given).fit(TEXTS, LABELS), TextClassifier(tiny_lm, **plain).fit(TEXTS, LABELS))


def test_a_share_is_a_share(tiny_lm, monkeypatch):
    seen = []
    real = classifier_training.prepare_data
    monkeypatch.setattr(classifier_training, 'prepare_data', lambda *a: seen.append(real(*a)) or seen[-1])
    for share in (True, 0.1, 0.3, False):
        TextClassifier(tiny_lm, hold_out=share, **QUICK).fit(TEXTS, LABELS)
    assert [(len(ready.train), len(ready.valid)) for ready in seen] == [(36, 4), (36, 4), (28, 12), (40, 40)]
    assert seen[0].valid.texts == seen[1].valid.texts and not set(seen[2].train.texts) & set(seen[2].valid.texts)


def test_the_callers_random_numbers(tiny_lm, tmp_path):
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    before = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()
    model = TextClassifier(tiny_lm, unlabelled=[], lm_epochs=1, **QUICK).fit(TEXTS, LABELS)
    model.predict(TEXTS)
    TextClassifier.load(model.save(tmp_path / 'm'))
    assert (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()) == before


# --- stage 2, by the rule ----------------------------------------------------------------------------------------------------------


def test_the_rule_for_stage_2():
    enough, few = ['ten words that say nothing at all , one more'] * 10_000, ['few words'] * 10
    assert n_words(enough) == ENOUGH
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert stage_2_texts(enough, None) == enough and stage_2_texts(enough[1:], None) is None
        assert stage_2_texts(enough, False) is None and stage_2_texts(enough[1:], enough[:1]) == enough
        assert stage_2_texts([Tokens(t.split()) for t in enough], None) is not None
    for asked in ([], few):
        with pytest.warns(UserWarning, match=r'stage 2 is given \d+ words.*unlabelled=False'):
            assert stage_2_texts(few, asked) == few + asked


def test_enough_texts_are_read_without_being_asked(tiny_lm, tmp_path, monkeypatch):
    for enough, kind, stages_ in ((300, None, 1), (300, False, 0), (10_000, None, 0)):
        monkeypatch.setattr(estimator, 'ENOUGH', enough)
        work = tmp_path / f'{enough}-{kind}'
        TextClassifier(tiny_lm, unlabelled=kind, lm_epochs=1, work_dir=work, **QUICK).fit(TEXTS, LABELS)
        assert len(list(work.glob('lm-*'))) == stages_


@pytest.mark.parametrize('kind', [str, Path])
def test_a_file_of_unlabelled_texts(kind, tiny_lm, tmp_path):
    file = tmp_path / 'reviews.csv'
    pd.DataFrame({'text': BAD * 4}).to_csv(file, index=False)
    given, listed = (TextClassifier(tiny_lm, unlabelled=u, lm_epochs=1, **QUICK) for u in (kind(file), BAD * 4))
    with pytest.warns(UserWarning, match='stage 2 is given'):
        assert same_answers(given.fit(TEXTS, LABELS), listed.fit(TEXTS, LABELS))


@pytest.mark.parametrize('labels', [['x', 'y'], ['bad'], [['bad'], 'good'], ['bad', 'good', 'good']])
def test_labels_that_are_not_the_classes(fitted, tmp_path, labels):
    "In a config.json that somebody has changed, and taken the digest out of."
    path = fitted.save(tmp_path / 'm') / 'config.json'
    config = json.loads(path.read_text())
    del config['digest']
    path.write_text(json.dumps(config | {'labels': labels}))
    with pytest.raises(StageError, match='its labels are not its classes'):
        TextClassifier.load(tmp_path / 'm')
    with pytest.raises(StageError, match='its labels are not its classes'):
        load_classifier(tmp_path / 'm')


def test_the_home_folder(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    shutil.copytree(tiny_lm, tmp_path / 'lm')
    model = TextClassifier('~/lm', work_dir='~/work', **QUICK).fit(TEXTS, LABELS)
    assert model.save('~/m') == tmp_path / 'm' and names_in(tmp_path) == ['lm', 'm', 'work']
    assert same_answers(TextClassifier.load('~/m'), model) and load_classifier('~/m').classes == ['bad', 'good']


# --- both directions ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def backwards(tmp_path_factory):
    return pretrain(PROSE + TEXTS, tmp_path_factory.mktemp('backwards') / 'lm', backwards=True, **TINY_LM)


@pytest.fixture(scope='module')
def both(tiny_lm, backwards):
    return TextClassifier((tiny_lm, backwards), **QUICK).fit(TEXTS, LABELS)


def test_the_mean_of_both_directions(both, tiny_lm, backwards):
    alone = [TextClassifier(lm, **QUICK).fit(TEXTS, LABELS) for lm in (tiny_lm, backwards)]
    probabilities = [m.predict_proba(TEXTS) for m in alone]
    assert not np.allclose(*probabilities) and np.allclose(both.predict_proba(TEXTS), np.mean(probabilities, axis=0))
    assert both.predict(TEXTS).tolist() == both.classes_[both.predict_proba(TEXTS).argmax(1)].tolist() == both.classifier_.predict(TEXTS)
    assert [h['reads'] for h in both.history_] == ['forwards'] * len(alone[0].history_) + ['backwards'] * len(alone[1].history_)
    turned = TextClassifier([backwards, tiny_lm], **QUICK).fit(TEXTS, LABELS)
    assert same_answers(turned, both) and [r.backwards for r in turned.classifier_.readers] == [False, True], 'in either order'


def test_both_are_saved_and_loaded_as_one(both, fitted, tmp_path):
    assert names_in(both.save(tmp_path / 'm')) == ['backwards', 'forwards']
    again = TextClassifier.load(tmp_path / 'm')
    assert same_answers(again, both) and again.history_ == both.history_ and again.get_params()['preset'] == 'tiny'
    assert same_answers(TextClassifier.load(str(again.save(tmp_path / 'm'))), both), 'over itself'
    assert load_classifier(tmp_path / 'm/backwards').backwards and not load_classifier(tmp_path / 'm/forwards').backwards
    assert same_answers(TextClassifier.load(fitted.save(tmp_path / 'm')), fitted), 'one takes the place of two'
    assert same_answers(TextClassifier.load(both.save(tmp_path / 'm')), both), 'and two that of one'
    (tmp_path / 'm/thesis.tex').write_text('years of work')
    with pytest.raises(StageError, match='no part of a model'):
        both.save(tmp_path / 'm')


def test_both_are_fine_tuned(tiny_lm, backwards, tmp_path):
    with pytest.warns(UserWarning, match='stage 2 is given'):
        TextClassifier((tiny_lm, backwards), unlabelled=[], lm_epochs=1, work_dir=tmp_path, **QUICK).fit(TEXTS, LABELS)
    assert sorted(stages.read_config(p)['backwards'] for p in tmp_path.glob('lm-*')) == [False, True] and len(list(tmp_path.glob('classifier-*'))) == 2


def test_two_of_one_kind(tiny_lm, tmp_path):
    with pytest.raises(ValueError, match='both language models read forwards'):
        TextClassifier((tiny_lm, tiny_lm), work_dir=tmp_path / 'w', **QUICK).fit(TEXTS, LABELS)
    assert not (tmp_path / 'w').exists()


def test_names_of_a_pair_are_kept(tiny_lm, backwards, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'ship')
    save_pretrained(tiny_lm, tmp_path / 'ship/one')
    save_pretrained(backwards, tmp_path / 'ship/two')
    model = TextClassifier(('one', 'two'), **QUICK).fit(TEXTS, LABELS)
    assert TextClassifier.load(model.save(tmp_path / 'm')).lm == ('one', 'two')


def test_a_pair_goes_on_from_a_pair_that_knows_the_same(both, tiny_lm, tmp_path):
    saved = both.save(tmp_path / 'm')
    more = TextClassifier((saved / 'forwards', saved / 'backwards'), **QUICK | dict(lr=1e-6)).fit(TEXTS, LABELS)
    assert np.allclose(more.predict_proba(TEXTS), both.predict_proba(TEXTS), atol=0.1)
    with pytest.raises(ValueError, match='the pair has not the same target'):
        TextClassifier((tiny_lm, saved / 'backwards'), work_dir=tmp_path / 'w', **QUICK).fit(TEXTS, LABELS)
    assert not (tmp_path / 'w').exists()


def test_both_are_written_for_onnx(both, tmp_path):
    pytest.importorskip('onnxruntime')
    files = both.export_onnx(tmp_path / 'm')
    assert sorted({f.parent.name for f in files}) == ['backwards', 'forwards'] and len(files) == 4
    p = [load_classifier(tmp_path / 'm' / d, engine='onnx').predict_proba(TEXTS) for d in ('forwards', 'backwards')]
    assert np.allclose(np.mean(p, axis=0), both.predict_proba(TEXTS), atol=1e-4)


def test_classes_that_the_labels_lack_are_told_before_any_training(tiny_lm, tmp_path, monkeypatch):
    first = TextClassifier(tiny_lm, **QUICK).fit(TEXTS, [0, 1, 2, 1] * 10).save(tmp_path / 'first')
    monkeypatch.setattr(estimator, 'trained_classifier', lambda *a, **k: pytest.fail('trained'))
    with pytest.raises(DataError, match='knows the class 2, and these labels do not'):
        TextClassifier(first, **QUICK).fit(TEXTS, [0, 1] * 20)


def test_a_classifier_to_go_on_from_has_no_stage_2(tiny_classifier, monkeypatch):
    monkeypatch.setattr(estimator, 'ENOUGH', 10)
    assert TextClassifier(tiny_classifier, **QUICK).fit(TEXTS, ['pos' if label == 'good' else 'neg' for label in LABELS]).score(TEXTS, LABELS) >= 0


def test_what_is_hidden_beside_a_pair_is_kept(both, tmp_path):
    (both.save(tmp_path / 'm') / '.git').mkdir()
    with pytest.raises(StageError, match='holds .git beside a model'):
        both.save(tmp_path / 'm')
    assert (tmp_path / 'm/.git').is_dir()
