"Several tasks: labels joined, the loss of each, a directory as any other; and the next word guessed beside the labels, from settings to the directory."

import csv
import json
import math
import shutil

import numpy as np
import pytest
import torch
from helpers import REVIEWS, TEXTS, TINY_CLASSIFIER
from torch.nn import functional as F
from typer.testing import CliRunner

from ulmfit_nb import TextClassifier, load_classifier, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import PoolingClassifier
from ulmfit_nb.classifier_training import load_decoder, new_classifier
from ulmfit_nb.cli import app
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.data_checks import Tokens
from ulmfit_nb.multitask import join_labels
from ulmfit_nb.report import report_on
from ulmfit_nb.settings import ClassifierSettings
from ulmfit_nb.stages import Stage, StageError, load_lm
from ulmfit_nb.targets import MultiTask, SingleLabel, set_aside
from ulmfit_nb.training import Stop

ADVERBS = ['truly', 'really', 'honestly', 'in the end', 'all in all']
TASKS = {'praise': REVIEWS, 'adverb': TextData(TEXTS, [ADVERBS.index(t.rsplit(' , ', 1)[1]) for t in TEXTS], ADVERBS)}
BOTH = join_labels(TASKS)
TARGET = MultiTask(sorted({name for labels in BOTH.labels for name in labels}))
Y = torch.tensor([[2, 0], [-1, 1], [4, -1], [0, 0]])  # adverb, praise


# --- labels


def test_labels_are_joined_by_text():
    a = TextData(['x', 'y', 'z'], [0, 1, 0], ['no', 'yes'])
    b = TextData(['z', 'w', 'x'], [2, 0, 1], ['1', '2', '3'])
    found = join_labels({'a': a, 'b': b})
    assert dict(zip(found.texts, found.labels)) == {'x': ['a: no', 'b: 2'], 'y': ['a: yes'], 'z': ['a: no', 'b: 3'], 'w': ['b: 1']}
    assert found.select([1]).labels == [['a: yes']] and '2 a: no' in repr(found)


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


@pytest.mark.parametrize('name', ['a: b', 3])
def test_a_task_has_a_name(name):
    with pytest.raises(DataError, match='is no name of a task'):
        join_labels({name: REVIEWS})


def test_labels_are_encoded_by_task():
    data = TARGET.check(TextData(['x', 'y', 'z'], [['praise: pos', 'adverb: really'], {'adverb: all in all'}, ('praise: neg',)]), 'texts')
    assert TARGET.encode(data).tolist() == [[3, 1], [0, -1], [-1, 0]]
    assert TARGET.classes == [*(f'adverb: {a}' for a in sorted(ADVERBS)), 'praise: neg', 'praise: pos'] and TARGET.n_out == 7


def test_the_classes_of_a_task_may_stand_anywhere():
    mixed = MultiTask(['a: x', 'b: 1', 'a: y', 'b: 2'])
    assert mixed.columns == {'a': [0, 2], 'b': [1, 3]}
    logits = torch.tensor([[0.0, 3.0, 1.0, 0.0]])
    assert mixed.said(logits) == [['a: y', 'b: 1']] and mixed.encode(TextData(['t'], [['b: 2', 'a: y']])).tolist() == [[1, 1]]
    assert torch.allclose(mixed.proba(logits)[:, [0, 2]], torch.tensor([[0.0, 1.0]]).softmax(1))


@pytest.mark.parametrize(
    'labels, says',
    [
        (['praise: pos', ['praise: neg']], "the labels of text 0 are 'praise: pos', where a list of names is due"),
        ([['praise: pos'], []], 'texts: text 1 has no label of any task'),
        ([['praise: pos'], ['praise: pos', 'praise: neg']], 'texts: text 1 has two labels of one task, praise: neg, praise: pos'),
        ([['praise: pos']], '1 lists of labels for 2 texts'),
        (None, 'several labels a text are given as'),
    ],
)
def test_labels_of_other_tasks_are_refused(labels, says):
    with pytest.raises(DataError, match=says):
        TARGET.check(TextData(['x', 'y'], labels), 'texts')


def test_a_class_that_was_not_learnt_is_named():
    with pytest.raises(DataError, match="label 'praise: so so' was not among the classes"):
        TARGET.encode(TextData(['x'], [['praise: so so']]))


@pytest.mark.parametrize(
    'classes, says', [(['a: x', 'b'], "label 'b' has no task in front"), (['a: x', 'a: y', 'b: x'], "'b: x' is the only class of its task")]
)
def test_a_task_has_two_classes(classes, says):
    with pytest.raises(DataError, match=says):
        MultiTask(classes)


# --- loss and figures


def test_the_loss_is_the_mean_over_tasks_and_leaves_out_what_is_not_there():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses = TARGET.losses(logits, Y)
    by_hand = [F.cross_entropy(logits[[0, 2, 3], :5], Y[[0, 2, 3], 0]), F.cross_entropy(logits[[0, 1, 3], 5:], Y[[0, 1, 3], 1])]
    assert losses.shape == (4, 2) and torch.allclose(losses.mean(), sum(by_hand) / 2)
    losses.mean().backward()
    assert not logits.grad[1, :5].any() and not logits.grad[2, 5:].any() and logits.grad[0].all()


def test_a_task_that_a_batch_says_nothing_of_does_not_count():
    logits = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    losses = TARGET.losses(logits, torch.tensor([[-1, 1], [-1, 0]]))
    assert torch.allclose(losses.mean(), F.cross_entropy(logits[:, 5:], torch.tensor([1, 0])))


def test_of_a_single_task_it_is_a_classifier_as_any_other():
    logits, y = torch.randn(5, 3, requires_grad=True), torch.tensor([2, 0, 1, 1, 0])
    losses = SingleLabel('abc').losses(logits, y), MultiTask(['t: a', 't: b', 't: c']).losses(logits, y[:, None])[:, 0]
    assert torch.equal(*losses) and torch.equal(*(torch.autograd.grad(x.mean(), logits)[0] for x in losses))


def test_what_is_said_and_figures_by_task():
    logits = torch.full((4, 7), -9.0)
    for row, places in enumerate([(2, 5), (4, 5), (4, 6), (0, 6)]):
        logits[row, list(places)] = 9.0
    assert TARGET.decode(logits)[:2] == [['adverb: in the end', 'praise: neg'], ['adverb: truly', 'praise: neg']]
    assert torch.allclose(TARGET.proba(logits).sum(1), torch.tensor(2.0)) and TARGET.said(TARGET.proba(logits).numpy()) == TARGET.decode(logits)
    figures = TARGET.figures(logits, Y)
    assert {task: f['accuracy'] for task, f in figures['tasks'].items()} == {'adverb': 1, 'praise': pytest.approx(1 / 3)}
    assert figures['accuracy'] == pytest.approx(2 / 3) and figures['tasks']['praise']['recall'] == {'praise: neg': 0.5, 'praise: pos': 0}
    assert TARGET.figures(logits[1:2], Y[1:2])['tasks'].keys() == {'praise'}


def test_of_what_is_set_aside_the_rarest_label_has_its_share():
    y = np.array([[i // 2 % 2, 0 if i % 10 == 0 else 1 + i % 3] for i in range(40)])
    for seed in range(10):
        learn, ask = set_aside(y, seed, 0.25)
        assert len(ask) == 10 and (y[ask, 1] == 0).sum() == 1 and (y[learn, 1] == 0).sum() == 3


# --- training

LEARN = TINY_CLASSIFIER | dict(target='multi-task', hold_out=False)


@pytest.fixture(scope='module')
def trained(tiny_tuned, tmp_path_factory):
    return train_classifier(tiny_tuned, BOTH, tmp_path_factory.mktemp('tasks') / 'both', **LEARN | {'epochs': 30})


def test_both_tasks_are_learnt_and_the_directory_says_them(trained):
    classifier = load_classifier(trained)
    said = classifier.predict(TEXTS)
    right = [np.mean([name in labels for name, labels in zip(names, BOTH.labels)]) for names in zip(*said)]
    assert right[0] > 0.5 and right[1] > 0.8 and isinstance(classifier.target, MultiTask)
    assert classifier.predict_proba(TEXTS[:3]).shape == (3, 7) and classifier.predict(TEXTS[:3]) == said[:3]
    last = Stage.open(trained).history[-1]
    assert last['tasks'].keys() == {'adverb', 'praise'} and last['accuracy'] == pytest.approx(np.mean(right), abs=1e-6)


def test_training_goes_on_from_it(trained, tmp_path):
    again = load_classifier(train_classifier(trained, BOTH, tmp_path / 'more', **LEARN | {'epochs': 1}))
    assert again.target.classes == TARGET.classes
    with pytest.raises(ValueError, match="made with target='multi-task', and not 'single-label'"):
        train_classifier(trained, REVIEWS, tmp_path / 'other', **TINY_CLASSIFIER)


def test_it_learns_from_texts_that_lack_a_label(tiny_tuned, tmp_path):
    "Half of the texts have the one label, half the other; some are set aside; and the same seed gives the same weights."
    halves = TextData(TEXTS, [labels[i % 2 : i % 2 + 1] for i, labels in enumerate(BOTH.labels)])
    how = LEARN | {'epochs': 1, 'hold_out': True}
    paths = [train_classifier(tiny_tuned, halves, tmp_path / name, sample_weight=[1.0] * len(halves), **how) for name in 'ab']
    marks = [json.loads((p / 'config.json').read_text())['sha256']['model.safetensors'] for p in paths]
    assert marks[0] == marks[1] and math.isfinite(Stage.open(paths[0]).history[-1]['valid_loss'])


@pytest.mark.parametrize(
    'changes, data, says',
    [
        ({'class_weight': 'balanced'}, BOTH, 'class_weight is of the classes of one task'),
        ({'early_stopping': 2}, BOTH, 'choose by texts that are not learnt from'),
        ({}, TextData(TEXTS, [labels[:1] + ['adverb: truly'] for labels in BOTH.labels]), "every text has 'adverb: truly'"),
        ({}, TextData(TEXTS, [labels[:1] + ['adverb: truly'] * (i % 2) for i, labels in enumerate(BOTH.labels)]), 'only class of its task: leave adverb out'),
        ({}, REVIEWS, 'training texts: several labels a text are given as'),
        ({'lm_weight': -1}, BOTH, 'lm_weight is -1: give a number of at least 0'),
    ],
)
def test_what_can_not_be_learnt_is_refused(changes, data, says, tiny_tuned, tmp_path):
    with pytest.raises(ValueError, match=says):
        train_classifier(tiny_tuned, data, tmp_path / 'c', **LEARN | changes)
    assert not (tmp_path / 'c').exists()


def test_a_directory_whose_classes_have_no_task_is_refused(trained, tmp_path):
    shutil.copytree(trained, tmp_path / 'c')
    config = json.loads((tmp_path / 'c/config.json').read_text())
    config['classes'][0] = 'truly'
    del config['digest']
    (tmp_path / 'c/config.json').write_text(json.dumps(config))
    with pytest.raises(StageError, match="'truly' has no task in front"):
        load_classifier(tmp_path / 'c')


def test_others_say_what_to_do_with_it(trained):
    with pytest.raises(StageError, match='has several tasks: load it with load_classifier'):
        TextClassifier.load(trained)
    with pytest.raises(DataError, match='several labels. Compare predict with yours'):
        report_on(load_classifier(trained), BOTH)


def test_on_the_command_line(trained, tiny_tuned, tmp_path):
    table = tmp_path / 'both.csv'
    with table.open('w', newline='') as f:
        csv.writer(f).writerows([['text', 'label'], *([text, json.dumps(labels)] for text, labels in zip(BOTH.texts, BOTH.labels))])
    how = ['--data', str(table), '--target', 'multi-task', '--epochs', '1', '--bs', '8']
    done = CliRunner().invoke(app, ['classify', '--lm', str(tiny_tuned), '--out', str(tmp_path / 'c'), *how])
    assert done.exit_code == 0 and load_classifier(tmp_path / 'c').target.classes == TARGET.classes, done.output
    done = CliRunner().invoke(app, ['predict', '--model', str(trained), '--data', str(table), '--out', str(tmp_path / 'said.jsonl')])
    said = [json.loads(line)['predicted_label'] for line in (tmp_path / 'said.jsonl').read_text().splitlines()]
    assert done.exit_code == 0 and said == load_classifier(trained).predict(BOTH.texts), done.output


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


def test_what_was_read_is_kept_better(tiny_tuned, tmp_path):
    "With the weight, the encoder goes on guessing the words of the texts; without it, it is carried off. Of several tasks, too."
    found = {}
    for weight in (0.0, 1.0):
        trained = load_classifier(train_classifier(tiny_tuned, BOTH, tmp_path / str(weight), **LEARN | {'epochs': 8, 'lm_weight': weight}))
        lm = load_lm(tiny_tuned).model
        lm.encoder.load_state_dict(trained.model.encoder.state_dict())
        with torch.no_grad():
            found[weight] = next_words(lm.eval(), [trained.vocab.numericalize(t) for t in trained.tokenizer.map(TEXTS)]).item()
    assert found[1.0] < found[0.0] - 0.1
