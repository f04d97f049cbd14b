"Stage 3 from end to end: it learns, goes on after SIGKILL to the same classifier, and says what it refuses."

import json
import signal
import time
from functools import partial

import numpy as np
import pytest
import torch
from helpers import LM, REVIEWS, TEXTS, TINY_CLASSIFIER, contents, history_of, start_program
from safetensors.torch import load_file

from ulmfit_nb import classifier_training, load_classifier, pretrain, stages, train_classifier
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.schedules import stlr
from ulmfit_nb.stages import StageError

# --- it works


def test_three_stages_learn_and_predict(tiny_classifier):
    assert sorted(f.name for f in tiny_classifier.iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    entries = history_of(tiny_classifier)
    assert [(h['phase'], h['groups'][0]) for h in entries] == [(1, 'head'), (2, 'lstm 2'), (3, 'lstm 1')] + [(4, 'embedding')] * 6
    assert entries[-1]['train_loss'] < 0.4 < entries[0]['train_loss']
    loaded = load_classifier(tiny_classifier)
    assert loaded.classes == ['neg', 'pos']
    right = sum(p == REVIEWS.classes[y] for p, y in zip(loaded.predict(TEXTS), REVIEWS.labels))
    assert right > 0.8 * len(TEXTS)


def test_few_labels_are_read_until_there_are_enough_steps(tiny_tuned, tmp_path):
    out = train_classifier(
        tiny_tuned, REVIEWS, tmp_path / 'classifier', REVIEWS, **TINY_CLASSIFIER | dict(epochs=1, min_steps=3 * len(REVIEWS) // TINY_CLASSIFIER['bs'])
    )
    assert [h['phase'] for h in history_of(out)] == [1, 2, 3, 4, 4, 4]


def test_backwards_language_model_gives_a_backwards_classifier(tmp_path):
    lm = pretrain(TEXTS, tmp_path / 'lm', emb_sz=8, n_hid=8, n_layers=1, backwards=True, **LM)
    loaded = load_classifier(train_classifier(lm, REVIEWS, tmp_path / 'c', **TINY_CLASSIFIER | {'epochs': 1}))
    assert loaded.backwards and loaded.predict_proba(['a b c']).shape == (1, 2)


@pytest.mark.parametrize('n', [8, 20, 40])
def test_steps_are_counted_in_the_batches_there_are(tiny_tuned, tmp_path, n):
    "Of few documents `doc_batches` makes smaller batches, and so more of them."
    path = train_classifier(tiny_tuned, REVIEWS.select(range(n)), tmp_path / 'c', REVIEWS, **TINY_CLASSIFIER | {'epochs': 1, 'min_steps': 12, 'bs': 16})
    passes = sum(h['epoch'] > 0 and h['phase'] == 4 for h in history_of(path))
    assert passes == {8: 6, 20: 6, 40: 4}[n], 'twelve steps, in batches of 4, 10 and 16'


# --- called again


def test_second_call_returns_at_once(tiny_tuned, tiny_classifier, monkeypatch):
    before = contents(tiny_classifier)
    monkeypatch.setattr(classifier_training, 'fit', lambda *a, **k: pytest.fail('trained again'))
    assert train_classifier(tiny_tuned, REVIEWS, tiny_classifier, **TINY_CLASSIFIER) == tiny_classifier
    assert contents(tiny_classifier) == before


FEWER = REVIEWS.select(range(len(REVIEWS) - 4))
RENAMED = TextData(TEXTS, REVIEWS.labels, ['bad', 'good'])


@pytest.mark.parametrize(
    'name,change',
    [('epochs', {'epochs': 5}), ('lr', {'lr': 0.01}), ('bptt', {'bptt': 6}), ('max_len', {'max_len': None}), ('seed', {'seed': 1}),
     ('factor', {'factor': 2.0}), ('data', {'data': FEWER}), ('data', {'data': RENAMED})],
)  # fmt: skip
def test_other_settings_are_refused_by_name(tiny_tuned, tiny_classifier, name, change):
    before = contents(tiny_classifier)
    with pytest.raises(ValueError, match=rf'other settings \({name}: '):
        train_classifier(tiny_tuned, **{'data': REVIEWS, 'out': tiny_classifier} | TINY_CLASSIFIER | change)
    assert contents(tiny_classifier) == before


def test_other_validation_data_are_another_run(tiny_tuned, tmp_path):
    options = TINY_CLASSIFIER | {'epochs': 1}
    train_classifier(tiny_tuned, REVIEWS, tmp_path, valid=FEWER, **options)
    assert train_classifier(tiny_tuned, REVIEWS, tmp_path, valid=FEWER, **options) == tmp_path
    with pytest.raises(ValueError, match=r'other settings \(valid: '):
        train_classifier(tiny_tuned, REVIEWS, tmp_path, valid=REVIEWS, **options)


@pytest.mark.parametrize('saves', [4, 20])  # in the second phase, and in the last
def test_killed_run_goes_on_to_the_same_classifier(tiny_tuned, tiny_classifier, tmp_path, saves):
    out = tmp_path / 'killed'
    process = start_program('killed_classifier', tiny_tuned, out, saves)
    assert process.stdout.readline() == 'saved\n'
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (out / 'work/checkpoint.safetensors').exists()
    with pytest.raises(StageError, match='cut short'):
        load_classifier(out)
    with pytest.raises(ValueError, match='lr: 0.05 there, 0.04 now'):
        train_classifier(tiny_tuned, REVIEWS, out, **TINY_CLASSIFIER | {'lr': 0.04})
    started = time.perf_counter()
    train_classifier(tiny_tuned, REVIEWS, out, every=2, **TINY_CLASSIFIER)
    assert not (out / 'work').exists() and time.perf_counter() - started < 60
    ours, theirs = load_file(out / 'model.safetensors'), load_file(tiny_classifier / 'model.safetensors')
    assert ours.keys() == theirs.keys()
    for k in ours:
        assert ours[k].equal(theirs[k]), k
    assert history_of(out) == history_of(tiny_classifier)


def test_schedules_are_told_apart(tiny_tuned, tmp_path):
    options = TINY_CLASSIFIER | {'epochs': 1}
    quick = train_classifier(tiny_tuned, REVIEWS, tmp_path / 'c', schedule=partial(stlr, cut_frac=0.3), **options)
    assert json.loads((quick / 'config.json').read_text())['settings']['schedule'] == 'stlr(cut_frac=0.3)'
    with pytest.raises(ValueError, match=r'stlr\(cut_frac=0.3\)'):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'c', **options)
    with pytest.raises(ValueError, match='has a name in its module'):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'd', schedule=lambda t, T, lr: lr, **options)


# --- other targets, weights, the best epoch: each through `config.json` and back

QUICK = TINY_CLASSIFIER | {'epochs': 2}
LISTS = [(['good'] if l else []) + (['early'] if i < 15 else []) for i, l in enumerate(REVIEWS.labels)]


def test_several_labels(tiny_tuned, tmp_path):
    data = TextData(TEXTS, LISTS)
    out = train_classifier(tiny_tuned, data, tmp_path / 'c', target='multi-label', **TINY_CLASSIFIER | {'epochs': 15})
    loaded, config = load_classifier(out), json.loads((out / 'config.json').read_text())
    assert loaded.classes == ['early', 'good'] and config['target'] == {'kind': 'multi-label', 'thresholds': [0.5, 0.5]}, 'two of four held out are too few'
    p = loaded.predict_proba(TEXTS)
    assert p.shape == (40, 2) and not np.allclose(p.sum(1), 1)
    assert np.mean([('good' in said) == ('good' in due) for said, due in zip(loaded.predict(TEXTS), LISTS)]) > 0.8
    assert set(history_of(out)[-1]) > {'valid_loss', 'accuracy', 'macro_f1', 'recall'}


def test_thresholds_are_of_texts_that_are_not_learnt_from(tiny_tuned, tmp_path):
    data = TextData(TEXTS, LISTS)
    options = QUICK | {'epochs': 1, 'target': 'multi-label', 'lr': 0.001}
    chosen, left = (
        json.loads((train_classifier(tiny_tuned, data, tmp_path / str(i), valid=v, **options) / 'config.json').read_text())['target']['thresholds']
        for i, v in enumerate((data.select(range(39)), data))
    )
    assert left == [0.5, 0.5] != chosen


def test_numbers(tiny_tuned, tmp_path):
    data = TextData(TEXTS, [10.0 if l else -20.0 for l in REVIEWS.labels])
    out = train_classifier(tiny_tuned, data, tmp_path / 'c', target='number', best_epoch=True, **TINY_CLASSIFIER)
    said = load_classifier(out).predict(TEXTS)
    assert np.corrcoef(said, data.labels)[0, 1] > 0.7 and -30 < min(said) < max(said) < 20
    assert set(history_of(out)[-1]) > {'valid_loss', 'mae', 'r2', 'spearman'} and history_of(out)[-1]['mae'] > 1
    with pytest.raises(ValueError, match='ask predict'):
        load_classifier(out).predict_proba(TEXTS)


def test_weights_decide_what_is_learnt(tiny_tuned, tmp_path):
    "Every text twice, once with each label: what is said is what weighs more."
    both = TextData(TEXTS * 2, [0] * 40 + [1] * 40, ['no', 'yes'])
    for i, how in enumerate(({'class_weight': {'no': 1, 'yes': 20}}, {'sample_weight': [20] * 40 + [1] * 40})):
        out = train_classifier(tiny_tuned, both, tmp_path / str(i), valid=both, **QUICK | how)
        assert set(load_classifier(out).predict(TEXTS)) == {'no' if i else 'yes'}
        assert history_of(out)[-1]['recall'] == {'no': float(i), 'yes': 1.0 - i}
    with pytest.raises(ValueError, match=r'other settings \(sample_weight: '):
        train_classifier(tiny_tuned, both, tmp_path / '1', valid=both, **QUICK | {'sample_weight': [2] * 80})


def test_equal_weights_are_no_weights(tiny_tuned, tmp_path):
    plain, even = (train_classifier(tiny_tuned, REVIEWS, tmp_path / str(w), sample_weight=w, **QUICK) for w in (None, [3] * 40))
    ours, theirs = load_file(plain / 'model.safetensors'), load_file(even / 'model.safetensors')
    assert all(torch.allclose(ours[k], theirs[k], atol=1e-5) for k in ours)


def test_the_best_epoch_is_saved(tiny_tuned, tmp_path):
    hasty = QUICK | {'lr': 0.6, 'epochs': 6}
    last, best, stopped = (
        train_classifier(tiny_tuned, REVIEWS, tmp_path / n, valid=FEWER, **hasty | how)
        for n, how in (('last', {}), ('best', {'best_epoch': True}), ('stopped', {'early_stopping': 1}))
    )
    assert history_of(last) == history_of(best) and history_of(stopped) == history_of(last)[: len(history_of(stopped))]
    losses = [h['valid_loss'] for h in history_of(best)]
    p = load_classifier(best, 'cpu').predict_proba(FEWER.texts)[np.arange(len(FEWER)), FEWER.labels]
    assert -np.log(p).mean() == pytest.approx(min(losses), rel=1e-4) and losses[-1] > min(losses) and len(history_of(stopped)) < len(losses)


# --- from a classifier on


def test_more_labels_for_a_classifier(tiny_classifier, tmp_path):
    "It goes on where the head was, everything awake, and its classes stay in their order."
    turned = TextData(TEXTS, [1 - l for l in REVIEWS.labels], ['pos', 'neg'])
    out = train_classifier(tiny_classifier, turned, tmp_path / 'out', **TINY_CLASSIFIER | {'epochs': 1, 'lr': 1e-9})
    assert [h['groups'][0] for h in history_of(out)] == ['embedding']
    ours, theirs = (load_file(path / 'model.safetensors') for path in (out, tiny_classifier))
    assert all(torch.allclose(v, theirs[k], atol=1e-5) for k, v in ours.items() if 'running' not in k and 'batches' not in k)
    assert load_classifier(out).classes == ['neg', 'pos'] and history_of(out)[0]['accuracy'] > 0.5
    before = json.loads((tiny_classifier / 'config.json').read_text())
    assert json.loads((out / 'config.json').read_text())['settings']['from'] == before['sha256']['model.safetensors']


@pytest.mark.parametrize(
    'data, how, message',
    [(TextData(TEXTS, ['neg', 'mixed'] * 20), {}, "label 'mixed' was not among the classes seen in training \\(neg, pos\\)"),
     (TextData(TEXTS, list(range(40))), {'target': 'number'}, "made with target='single-label', and not 'number'")],
)  # fmt: skip
def test_a_classifier_is_not_made_into_another(tiny_classifier, tmp_path, data, how, message):
    with pytest.raises(ValueError, match=message):
        train_classifier(tiny_classifier, data, tmp_path / 'out', **TINY_CLASSIFIER | how)
    assert not (tmp_path / 'out').exists()


# --- what it refuses

BAD_DATA = {
    'no texts in it': TextData([], []),
    'no labels': TextData(TEXTS),
    "every text is labelled 'pos'": TextData(TEXTS, [1] * len(TEXTS), ['neg', 'pos']),
    "class 'mixed' has a single example": TextData([*TEXTS, 'so so'], [*REVIEWS.labels, 2], ['neg', 'pos', 'mixed']),
    '39 labels for 40 texts': TextData(TEXTS, REVIEWS.labels[:-1], ['neg', 'pos']),
    'label 2, where 2 classes': TextData(TEXTS, [2, *REVIEWS.labels[1:]], ['neg', 'pos']),
    'text 3 is missing': TextData([*TEXTS[:3], None, *TEXTS[4:]], REVIEWS.labels, ['neg', 'pos']),
    'text 1 is 7': TextData([TEXTS[0], 7, *TEXTS[2:]], REVIEWS.labels, ['neg', 'pos']),
    'a list, where a TextData is due. Read a file with load_data': TEXTS,
    'text 0 has no label': TextData(TEXTS, [None, *REVIEWS.labels[1:]], ['neg', 'pos']),
}


@pytest.mark.parametrize('message', BAD_DATA)
def test_data_that_cannot_be_learnt_from(tiny_tuned, tmp_path, message):
    with pytest.raises(DataError, match=message):
        train_classifier(tiny_tuned, BAD_DATA[message], tmp_path / 'out', **TINY_CLASSIFIER)
    assert not (tmp_path / 'out').exists()


BAD_VALID = {
    "label 'mixed' was not among the classes seen": TextData(['so so', 'fine'], [0, 1], ['mixed', 'pos']),
    'validation texts: there are no texts': TextData([], [], ['neg', 'pos']),
    'validation texts: the texts have no labels': TextData(['so so']),
}


@pytest.mark.parametrize('message', BAD_VALID)
def test_validation_data_that_cannot_be_used(tiny_tuned, tmp_path, message):
    with pytest.raises(DataError, match=message):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'out', valid=BAD_VALID[message], **TINY_CLASSIFIER)
    assert not (tmp_path / 'out').exists()


def test_batches_of_one_are_refused(tiny_tuned, tmp_path):
    with pytest.raises(ValueError, match='bs is 1: give a whole number of at least 2'):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'out', **TINY_CLASSIFIER | {'bs': 1})
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('n', [4, 5, 7])
def test_a_handful_of_examples_is_enough(tiny_tuned, tmp_path, n):
    few = TextData(TEXTS[: n - 2] + ['a dull film', 'a dull film'], [1] * (n - 2) + [0, 0], ['neg', 'pos'])
    path = train_classifier(tiny_tuned, few, tmp_path / 'out', **TINY_CLASSIFIER | {'epochs': 1, 'bs': 2})
    assert load_classifier(path).predict(['a film']) in (['neg'], ['pos'])


def test_directories_of_the_wrong_stage(tiny_tuned, tmp_path):
    with pytest.raises(StageError, match='holds a language model, where a classifier is due'):
        load_classifier(tiny_tuned)
    with pytest.raises(StageError, match='no such directory'):
        train_classifier(tmp_path / 'nowhere', REVIEWS, tmp_path / 'out', **TINY_CLASSIFIER)
    before = contents(tiny_tuned)
    with pytest.raises(ValueError, match='other settings'):
        train_classifier(tiny_tuned, REVIEWS, tiny_tuned, **TINY_CLASSIFIER)
    assert contents(tiny_tuned) == before and not (tmp_path / 'out').exists()


# --- a language model that ships, by name


def test_a_shipped_model_is_found_by_its_name(tiny_tuned, tmp_path, monkeypatch):
    shipped = tmp_path / 'pretrained'
    (shipped / 'small').parent.mkdir()
    (shipped / 'small').symlink_to(tiny_tuned, target_is_directory=True)
    monkeypatch.setattr(stages, 'PRETRAINED', shipped)
    monkeypatch.chdir(tmp_path)
    options = TINY_CLASSIFIER | {'epochs': 1}
    by_name, by_path = (train_classifier(m, REVIEWS, tmp_path / str(i), **options) for i, m in enumerate(['small', tiny_tuned]))
    assert (by_name / 'model.safetensors').read_bytes() == (by_path / 'model.safetensors').read_bytes()
    assert load_classifier(train_classifier('small', REVIEWS, by_path, **options)).classes == ['neg', 'pos'], 'one run, by either name'
    with pytest.raises(StageError, match=r'large: no such directory, and no model of that name ships \(small\)'):
        train_classifier('large', REVIEWS, tmp_path / 'none', **options)
    (shipped / 'c').symlink_to(by_path, target_is_directory=True)
    assert load_classifier('c').predict(['a fine film']) == load_classifier(by_path).predict(['a fine film'])
