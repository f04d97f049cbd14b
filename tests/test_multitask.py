"Several tasks: labels joined, the loss of each, heads side by side, training; and the next word guessed beside the labels, from settings to the directory."

import json
import math

import numpy as np
import pytest
import torch
from helpers import REVIEWS, TEXTS, TINY_CLASSIFIER
from torch.nn import functional as F

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier, PoolingHead
from ulmfit_nb.classifier_training import load_decoder, new_classifier, train_classifier
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.data_checks import Tokens
from ulmfit_nb.multitask import MultiTask, MultiTaskHead, evaluate_multitask, join_labels, train_multitask
from ulmfit_nb.settings import ClassifierSettings
from ulmfit_nb.stages import Stage, load_lm
from ulmfit_nb.targets import SingleLabel
from ulmfit_nb.training import Stop

ADVERBS = ['truly', 'really', 'honestly', 'in the end', 'all in all']
TASKS = {'praise': REVIEWS, 'adverb': TextData(TEXTS, [ADVERBS.index(t.rsplit(' , ', 1)[1]) for t in TEXTS], ADVERBS)}
TARGET = MultiTask({task: data.classes for task, data in TASKS.items()})
BOTH = join_labels(TASKS)
Y = torch.tensor([[0, 2], [1, -1], [-1, 4], [0, 0]])


# --- labels


def test_labels_are_joined_by_text():
    a = TextData(['x', 'y', 'z'], [0, 1, 0], ['no', 'yes'])
    b = TextData(['z', 'w', 'x'], [2, 0, 1], ['1', '2', '3'])
    found = join_labels({'a': a, 'b': b})
    assert dict(zip(found.texts, found.labels)) == {'x': ('no', '2'), 'y': ('yes', None), 'z': ('no', '3'), 'w': (None, '1')}
    assert found.select([1]).labels == [('yes', None)] and 'texts' in repr(found)


@pytest.mark.parametrize(
    'data, says',
    [
        (TextData(['x', 'x'], [0, 1], ['no', 'yes']), 'task: a text stands there twice'),
        (TextData([Tokens(['x']), Tokens(['y'])], [0, 1], ['no', 'yes']), 'task: texts are matched as they were written'),
        (TextData(['x', 'y']), 'task: the texts have no labels'),
        (['x', 'y'], 'task: a list, where a TextData is due'),
    ],
)
def test_what_can_not_be_joined_is_refused(data, says):
    with pytest.raises(DataError, match=says):
        join_labels({'task': data})


def test_labels_are_encoded_by_task():
    data = TextData(['x', 'y', 'z'], [('pos', 'really'), (None, 'all in all'), ('neg', float('nan'))])
    assert TARGET.encode(data).tolist() == [[1, 1], [-1, 4], [0, -1]]
    assert TARGET.classes == ['praise: neg', 'praise: pos', *(f'adverb: {a}' for a in ADVERBS)] and TARGET.n_out == 7


@pytest.mark.parametrize(
    'data, says',
    [
        (REVIEWS, 'texts: a tuple for each text is due, one label for each of praise, adverb, or None'),
        (TEXTS, 'Make them with join_labels'),
        (TextData(['x']), 'Make them with join_labels'),
        (TextData(['x'], ['pos']), "the labels of text 0 are 'pos', where a tuple is due"),
        (TextData(['x'], [('pos',)]), 'where a tuple is due'),
        (TextData(['x', 'y'], [('pos', None)]), '1 tuples of labels for 2 texts'),
        (TextData(['x', 'y'], [('pos', None), (None, None)]), 'text 1 has no label of any task'),
        (TextData(['x'], [('really', 'pos')]), "label 'really' was not among the classes"),
        (TextData([3], [('pos', None)]), 'text 0 is 3'),
    ],
)
def test_labels_of_other_tasks_are_refused(data, says):
    with pytest.raises(DataError, match=says):
        TARGET.encode(data)


@pytest.mark.parametrize(
    'tasks, says', [({}, 'tasks: name at least two'), ({'a': ['x', 'y'], 'b': ['x', 'x']}, '^b: name at least two'), ({'a': None}, '^a: name')]
)
def test_a_task_has_two_classes(tasks, says):
    with pytest.raises(DataError, match=says):
        MultiTask(tasks)


# --- loss and figures


def test_the_loss_is_the_mean_over_tasks_and_leaves_out_what_is_not_there():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses = TARGET.losses(logits, Y)
    by_hand = [F.cross_entropy(logits[[0, 1, 3], :2], Y[[0, 1, 3], 0]), F.cross_entropy(logits[[0, 2, 3], 2:], Y[[0, 2, 3], 1])]
    assert torch.allclose(losses, torch.stack(by_hand))
    losses.mean().backward()
    assert not logits.grad[1, 2:].any() and not logits.grad[2, :2].any() and logits.grad[0].all()


def test_a_task_that_a_batch_says_nothing_of_does_not_count():
    logits = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    losses = TARGET.losses(logits, torch.tensor([[1, -1], [0, -1]]))
    assert losses.shape == (1,) and torch.allclose(losses[0], F.cross_entropy(logits[:, :2], torch.tensor([1, 0])))


def test_what_is_said_and_figures_by_task():
    logits = torch.full((4, 7), -9.0)
    for row, places in enumerate([(0, 4), (0, 2), (1, 6), (0, 2)]):
        logits[row, list(places)] = 9.0
    assert TARGET.decode(logits) == [('neg', 'honestly'), ('neg', 'truly'), ('pos', 'all in all'), ('neg', 'truly')]
    assert torch.allclose(TARGET.proba(logits).sum(1), torch.tensor(2.0))
    figures = TARGET.figures(logits, Y)['tasks']
    assert {task: f['accuracy'] for task, f in figures.items()} == {'praise': 2 / 3, 'adverb': 1}
    assert figures['praise']['recall'] == {'neg': 1, 'pos': 0} and TARGET.figures(logits[1:2], Y[1:2])['tasks'].keys() == {'praise'}


# --- heads


def test_heads_stand_side_by_side_and_share_nothing():
    torch.manual_seed(0)
    head = MultiTaskHead(PoolingHead(12, 2, (5, 4), (0.4, 0.2, 0.1)), [2, 3]).eval()
    x = torch.randn(6, 12)
    assert torch.equal(head(x), torch.cat([h(x) for h in head.heads], 1)) and [h.hidden for h in head.heads] == [[5, 4]] * 2
    assert [[m.p for m in h.layers if isinstance(m, torch.nn.Dropout)] for h in head.heads] == [[0.4, 0.2, 0.1]] * 2
    head(x)[:, :2].sum().backward()
    grads = [[p.grad.any().item() for p in h.parameters() if p.grad is not None] for h in head.heads]
    assert any(grads[0]) and not any(grads[1])


def test_of_a_single_task_it_is_a_classifier_as_any_other():
    config = AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=2)
    plain, one = PoolingClassifier(config, 3, bptt=4), PoolingClassifier(config, 3, bptt=4)
    one.head = MultiTaskHead(one.head, [3])
    one.load_state_dict({k.replace('head.', 'head.heads.0.'): v for k, v in plain.state_dict().items()})
    docs, y = [np.arange(2, n) for n in (9, 14, 5)], [2, 0, 1]
    found = []
    for model, target, labels in ((plain, SingleLabel('abc'), y), (one, MultiTask({'t': list('abc')}), np.array(y)[:, None])):
        batch = next(iter(DocBatches(docs, labels, bs=3)))
        torch.manual_seed(1)
        step = ClassifierTask(model.train(), None, target=target).step(model, batch, None)
        step.objective.backward()
        found.append([step.objective.detach(), step.loss.detach(), *(p.grad for p in model.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


# --- training

LEARN = dict(epochs=8, lr=0.05, bs=8, bptt=5, drop_mult=0.1, progress_bar=False)


def test_both_tasks_are_learnt(tiny_tuned):
    trained = train_multitask(tiny_tuned, BOTH, TARGET, **LEARN | {'epochs': 16})
    found = evaluate_multitask(trained, BOTH)
    assert found['tasks']['praise']['accuracy'] > 0.8 and found['tasks']['adverb']['accuracy'] > 0.5
    assert trained.predict(TEXTS[:3]) == [tuple(c) for c in TARGET.decode(trained.logits(TEXTS[:3]))]
    assert trained.predict_proba(TEXTS[:3]).shape == (3, 7)


def test_it_learns_from_texts_that_lack_a_label(tiny_tuned):
    "Half of the texts have the one label, half the other; and the same seed gives the same weights."
    halves = TextData(TEXTS, [(a, None) if i % 2 else (None, b) for i, (a, b) in enumerate(BOTH.labels)])
    first, again = (train_multitask(tiny_tuned, halves, TARGET, **LEARN | {'epochs': 1}) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.model.state_dict().values(), again.model.state_dict().values()))
    assert math.isfinite(evaluate_multitask(first, BOTH)['valid_loss'])


@pytest.mark.parametrize(
    'changes, data, says',
    [
        ({'settings': ClassifierSettings(target='number')}, BOTH, 'of one task alone'),
        ({'class_weight': 'balanced'}, BOTH, 'of one task alone'),
        ({'early_stopping': 2}, BOTH, 'choose by texts that are not learnt from'),
        ({}, TextData(TEXTS, [(a, None) for a, _ in BOTH.labels]), 'of adverb there are not two classes'),
        ({}, REVIEWS, 'training texts: a tuple for each text'),
        ({'lm_weight': -1}, BOTH, 'lm_weight is -1: give a number of at least 0'),
    ],
)
def test_what_can_not_be_learnt_is_refused(changes, data, says, tiny_tuned):
    with pytest.raises(ValueError, match=says):
        train_multitask(tiny_tuned, data, TARGET, **changes)


# --- the next word


def next_words(lm, docs):
    "The mean loss of a language model at each next word, a document at a time."
    losses = [F.cross_entropy(lm(doc[None, :-1]).logits[0], doc[1:], reduction='sum') for doc in (torch.as_tensor(doc).long() for doc in docs) if len(doc) > 1]
    return torch.stack(losses).sum() / sum(len(d) - 1 for d in docs if len(d))


@pytest.mark.parametrize('tied', [True, False])
@pytest.mark.parametrize('layers', ['last', 'all'])
def test_the_loss_is_the_language_models_own(tied, layers):
    "Of documents of any length, in pieces, padding and the end of each left out; with the gradients of its weights."
    config = AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=2, tie_weights=tied).drop(0)
    lm = LanguageModel(config)
    torch.nn.init.normal_(lm.decoder.bias)
    model = PoolingClassifier(config, 2, bptt=4, layers=layers)
    model.encoder.load_state_dict(lm.encoder.state_dict())
    decoder = torch.nn.Linear(config.n_out, 40).requires_grad_(False)
    decoder.load_state_dict(lm.decoder.state_dict())
    if tied:
        decoder.weight = model.encoder.embedding.emb.weight
    docs = [np.random.default_rng(n).integers(2, 40, n) for n in (5, 12, 1, 8, 0, 9)]
    batch = next(iter(DocBatches(docs, bs=6)))
    found = model(batch.ids, batch.lengths, decoder).lm
    want = next_words(lm, docs)
    assert torch.allclose(found, want, atol=1e-5)
    found.backward()
    want.backward()
    theirs = dict(lm.encoder.named_parameters())
    assert all(torch.allclose(p.grad, theirs[k].grad, atol=1e-5) for k, p in model.encoder.named_parameters())
    assert decoder.bias.grad is None


def test_only_what_learns_guesses():
    config = AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=2)
    model, decoder = PoolingClassifier(config, 2, bptt=4), torch.nn.Linear(6, 40)
    batch = next(iter(DocBatches([np.arange(2, n) for n in (9, 14, 5)], bs=3)))
    assert model(batch.ids, batch.lengths).lm == 0
    with torch.no_grad():
        assert model(batch.ids, batch.lengths, decoder).lm == 0
    model.encoder.requires_grad_(False)
    assert model(batch.ids, batch.lengths, decoder).lm == 0


def test_one_word_has_no_next():
    model, decoder = PoolingClassifier(AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=2), 2), torch.nn.Linear(6, 40)
    batch = next(iter(DocBatches([np.array([3]), np.array([4])], bs=2)))
    assert model(batch.ids, batch.lengths, decoder).lm == 0


def test_beyond_the_reach_of_gradients_nothing_is_guessed():
    "Of twelve tokens in pieces of four, with a reach of four, the last four learn, and three of them have a next one."
    lm = LanguageModel(config := AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=2).drop(0))
    model = PoolingClassifier(config, 2, bptt=4, max_len=4)
    model.encoder.load_state_dict(lm.encoder.state_dict())
    model.head.eval()  # a batch of one
    ids = torch.randint(2, 40, (1, 12))
    want = F.cross_entropy(lm(ids).logits[0, 8:11], ids[0, 9:])
    assert torch.allclose(model(ids, torch.tensor([12]), lm.decoder).lm, want, atol=1e-5)


def test_the_decoder_is_the_language_models(tiny_tuned):
    stage = Stage.open(tiny_tuned)
    model = new_classifier(stage, 2)
    decoder, lm = load_decoder(model, stage), load_lm(tiny_tuned).model
    assert decoder.weight is model.encoder.embedding.emb.weight and torch.equal(decoder.bias, lm.decoder.bias)
    assert torch.equal(decoder.weight, lm.decoder.weight) and decoder.weight.requires_grad and not decoder.bias.requires_grad


# --- the setting


@pytest.mark.parametrize('wrong', [-0.1, '0.3', None, True, float('nan'), float('inf')])
def test_a_weight_is_a_number(wrong):
    with pytest.raises(ValueError, match='^lm_weight is .*: give a number of at least 0'):
        ClassifierSettings(lm_weight=wrong)


def test_without_weight_nothing_changes_and_with_it_something_does(tiny_tuned, tiny_classifier, tmp_path):
    plain, none, some = (
        Stage.open(p)
        for p in (
            tiny_classifier,
            train_classifier(tiny_tuned, REVIEWS, tmp_path / '0', lm_weight=0.0, **TINY_CLASSIFIER),
            train_classifier(tiny_tuned, REVIEWS, tmp_path / '1', lm_weight=0.5, **TINY_CLASSIFIER),
        )
    )
    assert plain.config['sha256']['model.safetensors'] == none.config['sha256']['model.safetensors']
    assert plain.config['settings'] == none.config['settings'] and 'lm_weight' not in plain.config['settings']
    assert some.config['settings'] == plain.config['settings'] | {'lm_weight': 0.5}
    assert some.tensors.keys() == plain.tensors.keys(), 'the decoder is not kept'
    assert not torch.equal(some.tensors['encoder.embedding.emb.weight'], plain.tensors['encoder.embedding.emb.weight'])


def test_cut_short_it_goes_on(tiny_tuned, tmp_path):
    "To the same weights as if nobody had cut it."
    options = TINY_CLASSIFIER | dict(lm_weight=0.5, epochs=1, every=2)

    def cut(seen, loss):
        if seen > 80:
            raise Stop('enough')

    with pytest.raises(Stop):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'cut', callback=cut, **options)
    with pytest.raises(ValueError, match='lm_weight: 0.5 there'):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'cut', **options | {'lm_weight': 0.4})
    paths = [train_classifier(tiny_tuned, REVIEWS, tmp_path / name, **options) for name in ('cut', 'whole')]
    a, b = (json.loads((p / 'config.json').read_text())['sha256']['model.safetensors'] for p in paths)
    assert a == b


def test_a_classifier_has_no_decoder(tiny_classifier, tmp_path):
    with pytest.raises(ValueError, match='lm_weight is 0.3, and .* has no decoder to guess with, for it is a classifier. Leave lm_weight out'):
        train_classifier(tiny_classifier, REVIEWS, tmp_path / 'c', lm_weight=0.3, **TINY_CLASSIFIER)
    assert not (tmp_path / 'c').exists()


def test_what_was_read_is_kept_better(tiny_tuned):
    "With the weight, the encoder goes on guessing the words of the texts; without it, it is carried off."
    found = {}
    for weight in (0.0, 1.0):
        trained = train_multitask(tiny_tuned, BOTH, TARGET, **LEARN | {'lm_weight': weight})
        lm = load_lm(tiny_tuned).model
        lm.encoder.load_state_dict(trained.model.encoder.state_dict())
        with torch.no_grad():
            found[weight] = next_words(lm.eval(), [trained.vocab.numericalize(t) for t in trained.tokenizer.map(TEXTS)]).item()
    assert found[1.0] < found[0.0] - 0.1
