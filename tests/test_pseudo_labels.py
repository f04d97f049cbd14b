"Texts without labels: what is believed of them, batches of both kinds, the loss, and classifiers from settings to their directory."

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import LABELS, REVIEWS, TEXTS, TINY_CLASSIFIER, contents, history_of
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.classifier_training import classifier_task, train_classifier
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.distributed import shard
from ulmfit_nb.pseudo_labels import MixedBatches, Unlabelled, draws, soft_labels, teach, with_unlabelled
from ulmfit_nb.settings import ClassifierSettings
from ulmfit_nb.stages import Stage, StageError
from ulmfit_nb.targets import prepare_data
from ulmfit_nb.training import Phase, Run, Stop

FEW, OTHERS = REVIEWS.select(range(16)), TEXTS[16:]
QUICK = TINY_CLASSIFIER | {'epochs': 2}
SETTINGS = ClassifierSettings(bs=8, bptt=5, max_len=8)


# --- what is believed


def test_probabilities_are_sharpened_and_the_unsure_count_nothing():
    p = torch.tensor([[0.9, 0.1, 0.0], [0.3, 0.3, 0.4], [0.5, 0.5, 0.0]])
    assert torch.allclose(soft_labels(p), p)
    assert torch.allclose(soft_labels(p, 0.5), p**2 / (p**2).sum(1, keepdim=True))
    assert soft_labels(p, 0).tolist() == [[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0]], 'what is equally likely stays so'
    assert torch.allclose(soft_labels(p, 1e-4), soft_labels(p, 0)) and soft_labels(p * 1e-30 + 1e-38, 1e-4).isfinite().all()
    assert soft_labels(p, 0, 0.5).sum(1).tolist() == [1, 0, 1], 'by the probability before it is sharpened'


# --- batches


@pytest.mark.parametrize('m, n', [(10, 4), (10, 10), (3, 8), (1, 5)])
def test_each_text_is_drawn_once_before_any_is_drawn_twice(m, n):
    found = np.concatenate([draws(m, n, 7, epoch) for epoch in range(6)])
    for start in range(0, len(found) - m + 1, m):
        assert sorted(found[start : start + m]) == list(range(m))
    assert np.array_equal(found[:n], draws(m, n, 7, 0))
    assert m == 1 or not np.array_equal(found, np.concatenate([draws(m, n, 8, epoch) for epoch in range(6)]))


@pytest.fixture
def mixed():
    docs = [np.full(n, i) for i, n in enumerate((5, 3, 8, 2, 6, 4, 7), 2)]
    labels = np.arange(40, dtype=np.float32).reshape(20, 2)
    few = DocBatches(docs, [0, 1, 0, 1, 0, 1, 0], bs=3, shuffle=True, seed=3)
    return MixedBatches(few, [np.full(1 + i % 4, 30 + i) for i in range(13)], labels, ratio=2)


def test_a_batch_holds_the_labelled_ones_and_for_each_two_others(mixed):
    assert [mixed.n_batches(epoch) for epoch in range(3)] == [mixed.labelled.n_batches(epoch) for epoch in range(3)]
    for epoch in range(3):
        for own, both, batch in zip(mixed.labelled.epoch(epoch), mixed.batches(epoch), mixed.epoch(epoch)):
            known = batch.index < 7
            assert sorted(batch.index[known]) == sorted(own.index) and (~known).sum() == 2 * known.sum() and sorted(both) == sorted(batch.index)
            assert (batch.labels[:, 0] == torch.from_numpy(2.0 * batch.index)).all(), 'labels are those of the documents'
            assert all(mixed.docs[i][0] == row[0] for i, row in zip(batch.index, batch.ids))


def test_a_pass_goes_on_where_it_was_and_is_dealt_out(mixed):
    whole, rest = list(mixed.epoch(2)), list(mixed.epoch(2, start=1))
    assert len(whole) == len(rest) + 1 and all(np.array_equal(a.index, b.index) for a, b in zip(whole[1:], rest))
    shares = [shard(whole[0], rank, 2) for rank in range(2)]
    assert sorted(i for s in shares for i in s.index) == sorted(whole[0].index) and all(len(s.labels) == len(s.index) for s in shares)


# --- the loss


def task_of(lm, unlabelled, weight=None, settings=SETTINGS):
    stage = Stage.open(lm)
    ready = with_unlabelled(prepare_data(FEW, FEW, settings, weight), unlabelled)
    return teach(classifier_task(stage, ready, settings), unlabelled, stage)


def said(model, texts):
    "What a model says of the texts of a batch, as it is."
    return model(texts.ids, texts.lengths).logits.log_softmax(1)


def expected(batch, log_p, q, weight, factor=1.0):
    "The loss, by its formula: q has what is believed of the others, a row each, by their places."
    known = torch.from_numpy(batch.index < 16)
    y = torch.tensor([FEW.labels[i] for i in batch.index[batch.index < 16]])
    believed = q[torch.from_numpy(batch.index[batch.index >= 16] - 16)]
    return (factor * cross_entropy(log_p[known], y, reduction='none')).mean() + weight * -(believed * log_p[~known]).sum(1).mean()


@pytest.mark.parametrize('how', [{}, {'weight': 0.3, 'ratio': 3}, {'temperature': 0, 'threshold': 0.8}])
def test_the_loss_is_that_of_the_formula(tiny_tuned, tiny_classifier, how):
    task = task_of(tiny_tuned, Unlabelled(OTHERS, teacher=tiny_classifier, **how))
    p = torch.from_numpy(load_classifier(tiny_classifier).predict_proba(OTHERS))
    q = soft_labels(p, how.get('temperature', 1), how.get('threshold', 0))
    assert how.get('threshold') is None or 0 < q.sum() < len(q)
    task.model.eval()
    for batch in task.train:
        found = task.step(task.model, batch, None)
        log_p = said(task.model, batch)
        assert torch.allclose(found.loss, expected(batch, log_p, q, how.get('weight', 1)), rtol=1e-5)
        assert found.objective > found.loss and found.n == 8 * (1 + how.get('ratio', 1))


def test_labelled_texts_keep_their_weights(tiny_tuned, tiny_classifier):
    weight = np.linspace(0, 3, 16)
    task = task_of(tiny_tuned, Unlabelled(OTHERS, teacher=tiny_classifier, weight=0.5), weight)
    q = torch.from_numpy(load_classifier(tiny_classifier).predict_proba(OTHERS))
    task.model.eval()
    batch = next(iter(task.train))
    factor = torch.from_numpy((weight / weight.mean()).astype(np.float32)[batch.index[batch.index < 16]])
    found = task.step(task.model, batch, None).loss
    assert torch.allclose(found, expected(batch, said(task.model, batch), q, 0.5, factor), rtol=1e-5)


def test_the_teacher_may_have_its_classes_in_another_order(tiny_tuned, tmp_path):
    turned = TextData(TEXTS, [1 - l for l in REVIEWS.labels], ['pos', 'neg'])
    teacher = train_classifier(tiny_tuned, turned, tmp_path / 'teacher', **QUICK)
    assert load_classifier(teacher).classes == ['pos', 'neg']
    task = task_of(tiny_tuned, Unlabelled(OTHERS, teacher=teacher))
    believed, p = task.train.labels[16:] / 2, load_classifier(teacher).predict_proba(OTHERS)
    assert np.allclose(believed, p[:, ::-1], atol=1e-6) and not np.allclose(p, p[:, ::-1], atol=0.01)


def gradients(task, batch):
    task.model.zero_grad()
    torch.manual_seed(0)
    task.step(task.model, batch, None).objective.backward()
    return [None if p.grad is None else p.grad.clone() for p in task.model.parameters()]


def test_without_dropout_there_is_nothing_to_agree_on(tiny_tuned):
    "What is said twice is the same, and since no gradient passes into the target, the weight moves nothing."
    weak, strong = (task_of(tiny_tuned, Unlabelled(OTHERS, weight=w)) for w in (0.1, 10))
    batch = next(iter(weak.train))
    for task in (weak, strong):
        task.model.eval()
    for a, b in zip(gradients(weak, batch), gradients(strong, batch)):
        assert (a is None) == (b is None) and (a is None or torch.allclose(a, b, atol=1e-6))
    for task in (weak, strong):
        task.model.train()
    assert any(not torch.allclose(a, b, atol=1e-3) for a, b in zip(gradients(weak, batch), gradients(strong, batch)) if a is not None)


def test_consistency_learns_what_the_other_masks_said(tiny_tuned):
    task = task_of(tiny_tuned, Unlabelled(OTHERS, weight=2, temperature=0.5))
    task.model.train()
    batch = next(iter(task.train))
    torch.manual_seed(1)
    with torch.no_grad():
        first = said(task.model, batch)
    second = said(task.model, batch)
    q = torch.zeros(len(OTHERS), 2)
    q[torch.from_numpy(batch.index[batch.index >= 16] - 16)] = soft_labels(first.exp()[torch.from_numpy(batch.index >= 16)], 0.5)
    torch.manual_seed(1)
    found = task.step(task.model, batch, None).loss
    assert not torch.allclose(first, second) and torch.allclose(found, expected(batch, second, q, 2), rtol=1e-4)


def test_weights_that_are_cast_to_bf16_get_gradients(tiny_tuned):
    task = task_of(tiny_tuned, Unlabelled(OTHERS))
    run = Run(task)
    run.at.precision = 'bf16'
    run.start(Phase(list(task.model.layer_groups()), [0.01] * 4))
    before = {k: v.clone() for k, v in task.model.state_dict().items()}
    run.step(next(iter(task.train)), None, lambda step: None)
    still = [k for k, v in task.model.named_parameters() if torch.equal(v, before[k])]
    assert not still, 'every weight moves'


# --- classifiers


@pytest.fixture(scope='module')
def student(tiny_tuned, tiny_classifier, tmp_path_factory):
    "The directory of a classifier that has learnt from a teacher."
    out = tmp_path_factory.mktemp('student') / 'classifier'
    return train_classifier(tiny_tuned, FEW, out, FEW, unlabelled=Unlabelled(OTHERS, teacher=tiny_classifier), **QUICK | {'epochs': 6})


def right(path, data):
    return np.mean(np.array(load_classifier(path).predict(data.texts)) == np.array(data.names))


def test_a_student_learns_what_only_the_teacher_knows(tiny_tuned, tiny_classifier, tmp_path):
    "Two labelled texts of each class that say nothing; the teacher has learnt the reviews."
    blank = TextData(['a film', 'a story', 'a cast', 'a script'], [0, 1, 0, 1], ['neg', 'pos'])
    how, lesson = TINY_CLASSIFIER | {'min_steps': 80, 'bs': 4}, Unlabelled(TEXTS, teacher=tiny_classifier, weight=5, ratio=4)
    alone = train_classifier(tiny_tuned, blank, tmp_path / 'alone', blank, **how)
    taught = train_classifier(tiny_tuned, blank, tmp_path / 'taught', blank, unlabelled=lesson, **how)
    assert right(alone, REVIEWS) < 0.7 < 0.8 < right(taught, REVIEWS)


def test_its_directory_says_what_it_learnt_from(student, tiny_classifier):
    config, teacher = (json.loads((path / 'config.json').read_text()) for path in (student, tiny_classifier))
    about = config['settings']['unlabelled']
    assert about.pop('texts') and about == {
        'teacher': [teacher['sha256']['model.safetensors']],
        'weight': 1.0,
        'temperature': 1.0,
        'threshold': 0.0,
        'ratio': 1,
    }
    assert 'unlabelled' not in teacher['settings'] and load_classifier(student).classes == ['neg', 'pos']
    assert len(history_of(student)) == 9 and history_of(student)[0]['seen'] == 32, 'a pass is over the labelled texts'


@pytest.mark.parametrize(
    'change', [{'weight': 0.5}, {'temperature': 0}, {'threshold': 0.9}, {'ratio': 2}, {'teacher': None}, {'texts': OTHERS[1:]}], ids=lambda c: next(iter(c))
)
def test_another_lesson_is_another_run(tiny_tuned, tiny_classifier, student, change):
    before, lesson, how = contents(student), Unlabelled(OTHERS, teacher=tiny_classifier), QUICK | {'epochs': 6}
    assert train_classifier(tiny_tuned, FEW, student, FEW, unlabelled=lesson, **how) == student
    with pytest.raises(ValueError, match=r'other settings \(unlabelled: '):
        train_classifier(tiny_tuned, FEW, student, FEW, unlabelled=replace(lesson, **change), **how)
    assert contents(student) == before


@pytest.mark.parametrize('with_teacher', [True, False])
def test_a_run_that_is_cut_ends_as_one_that_is_not(tiny_tuned, tiny_classifier, tmp_path, with_teacher):
    lesson = Unlabelled(OTHERS, teacher=tiny_classifier if with_teacher else None)

    def cut(seen, loss):
        if seen == 32 * 3 + 16:  # in the middle of the last phase's first pass
            raise Stop('cut')

    with pytest.raises(Stop):
        train_classifier(tiny_tuned, FEW, tmp_path / 'cut', FEW, callback=cut, unlabelled=lesson, **QUICK)
    with pytest.raises(ValueError, match=r'other settings \(unlabelled: '):
        train_classifier(tiny_tuned, FEW, tmp_path / 'cut', FEW, unlabelled=replace(lesson, weight=2), **QUICK)
    ours, theirs = (
        load_file(train_classifier(tiny_tuned, FEW, tmp_path / name, FEW, unlabelled=lesson, **QUICK) / 'model.safetensors') for name in ('cut', 'whole')
    )
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


def test_consistency_needs_no_teacher(tiny_tuned, tmp_path):
    out = train_classifier(tiny_tuned, FEW, tmp_path / 'c', FEW, unlabelled=Unlabelled(OTHERS), **TINY_CLASSIFIER | {'min_steps': 40})
    assert json.loads((out / 'config.json').read_text())['settings']['unlabelled']['teacher'] is None and right(out, REVIEWS) > 0.8


@pytest.mark.parametrize('with_teacher', [True, False])
def test_the_next_word_is_guessed_beside_it(tiny_tuned, tiny_classifier, tmp_path, with_teacher):
    "Of unlabelled texts too; and what is left is a classifier's directory like any other."
    lesson = Unlabelled(OTHERS, teacher=tiny_classifier if with_teacher else None)

    def made(name, **how):
        path = train_classifier(tiny_tuned, FEW, tmp_path / name, FEW, **QUICK | how)
        return load_file(path / 'model.safetensors'), json.loads((path / 'config.json').read_text())

    (plain, _), (alone, config) = made('plain'), made('alone', unlabelled=lesson)
    both, about = made('both', unlabelled=lesson, lm_weight=0.3)
    assert {k: v.shape for k, v in both.items()} == {k: v.shape for k, v in plain.items()} and about.keys() == config.keys()
    assert about['settings'] == config['settings'] | {'lm_weight': 0.3} and all(v.isfinite().all() for v in both.values())
    assert not any(torch.equal(both[k], other[k]) for other in (plain, alone) for k in both if k.startswith('encoder.') and both[k].is_floating_point())
    assert len(load_classifier(tmp_path / 'both').predict(OTHERS)) == len(OTHERS)


# --- what it refuses


@pytest.mark.parametrize(
    'given, how, message',
    [([], {}, 'unlabelled texts: there are no texts in it'),
     ('a text', {}, 'unlabelled texts: one string, where a list of strings is due'),
     (REVIEWS, {}, 'unlabelled texts: a TextData, where a list of strings is due. Give its .texts.'),
     ([*TEXTS, None], {}, 'unlabelled texts: text 40 is missing'),
     (TEXTS, {'weight': 0}, 'weight is 0: give a number above 0'),
     (TEXTS, {'weight': float('nan')}, 'weight is nan'),
     (TEXTS, {'temperature': -1}, 'temperature is -1: give a number of at least 0'),
     (TEXTS, {'threshold': 80}, 'threshold is 80: give a number of at least 0 and of at most 1'),
     (TEXTS, {'ratio': 1.5}, 'ratio is 1.5: give a whole number of at least 1'),
     (TEXTS, {'teacher': ['a']}, 'teacher is a list: give the directory of a trained classifier')],
)  # fmt: skip
def test_a_lesson_that_cannot_be_learnt(given, how, message):
    with pytest.raises(ValueError, match=message):
        Unlabelled(given, **how)


def test_what_does_not_go_together(tiny_tuned, tiny_classifier, tmp_path):
    def refused(error, message, data=FEW, **how):
        with pytest.raises(error, match=message):
            train_classifier(tiny_tuned, data, tmp_path / 'out', **TINY_CLASSIFIER | how)
        assert not (tmp_path / 'out').exists()

    refused(DataError, 'unlabelled: a list, where an Unlabelled is due', unlabelled=OTHERS)
    refused(StageError, 'holds a language model, where a classifier is due', unlabelled=Unlabelled(OTHERS, teacher=tiny_tuned))
    refused(StageError, 'no such directory', unlabelled=Unlabelled(OTHERS, teacher=tmp_path / 'nobody'))
    refused(StageError, "'' is no directory", unlabelled=Unlabelled(OTHERS, teacher=''))
    other = TextData(TEXTS, LABELS)
    refused(ValueError, 'says neg, pos; the labels are one of bad, good', other, unlabelled=Unlabelled(OTHERS, teacher=tiny_classifier))
    lists = TextData(TEXTS, [[name, 'seen'][: 1 + i % 2] for i, name in enumerate(LABELS)])
    refused(ValueError, "each text has one class, and target is 'multi-label'", lists, target='multi-label', unlabelled=Unlabelled(OTHERS))
