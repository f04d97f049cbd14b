"All layers: what is handed on, what each of them holds, probes; and a classifier that looks at all of them, from settings to its directory."

import json
import shutil

import numpy as np
import pytest
import torch
from helpers import REVIEWS, TEXTS, TINY_CLASSIFIER, contents
from sklearn.linear_model import RidgeClassifier

from ulmfit_nb.awd_lstm import AWDLSTM, ENCODERS, AllLayers, AWDLSTMConfig, layer_widths, n_features
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import PoolingClassifier, concat_pool, load_classifier
from ulmfit_nb.classifier_training import train_classifier
from ulmfit_nb.layers import Probe, balanced_rows, capital_labels, pooled_features, probe, split_layers, token_features, word_labels
from ulmfit_nb.onnx_engine import export_onnx
from ulmfit_nb.settings import ClassifierSettings
from ulmfit_nb.stages import Stage, StageError

CONFIG = AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=3)
DOCS = [np.random.default_rng(n).integers(2, 40, n) for n in (5, 12, 3, 7, 12, 1)]


def classifier(layers='all', **how):
    torch.manual_seed(0)
    return PoolingClassifier(CONFIG, 2, bptt=4, layers=layers, **how)


@pytest.mark.parametrize('tied', [True, False])
def test_widths(tied):
    config = AWDLSTMConfig(40, emb_sz=6, n_hid=9, n_layers=3, tie_weights=tied)
    widths = layer_widths(config)
    assert widths == {'embedding': 6, 'lstm 1': 9, 'lstm 2': 9, 'lstm 3': 6 if tied else 9}
    assert list(widths) == list(AWDLSTM(config).layer_groups())
    for layers, encoder in ENCODERS.items():
        out, _ = encoder(config)(torch.ones(2, 3, dtype=torch.long))
        assert out.shape == (2, 3, n_features(config, layers))


@pytest.mark.parametrize('training', [True, False])
def test_the_last_features_and_the_state_are_those_of_the_plain_encoder(training):
    "With the same random numbers, so that in training each draws the same masks."
    plain, every = AWDLSTM(CONFIG), AllLayers(CONFIG)
    every.load_state_dict(plain.state_dict())
    ids = torch.randint(2, 40, (3, 8))
    found = []
    for encoder in (plain, every):
        torch.manual_seed(1)
        found.append(encoder.train(training)(ids))
    assert torch.equal(found[0][0], found[1][0][..., -6:])
    assert all(torch.equal(a, b) for x, y in zip(found[0][1], found[1][1]) for a, b in zip(x, y))


def test_each_layer_reads_the_one_below():
    every = AllLayers(CONFIG).eval()
    ids = torch.randint(2, 40, (3, 8))
    layers, _ = every.read(ids)
    assert torch.equal(layers[0], every.embedding.emb(ids))
    for below, lstm, layer in zip(layers, every.lstms, layers[1:]):
        assert torch.allclose(lstm.lstm(below)[0], layer, atol=1e-6)


def test_what_the_head_sees_by_layer():
    "Of documents of any length, in pieces, in the order of the data: as pooled whole, one by one."
    model = classifier().eval()
    found = split_layers(pooled_features(model.train(), DocBatches(DOCS, bs=4)), CONFIG)
    assert not model.training and {k: x.shape for k, x in found.items()} == {k: (6, 3 * n) for k, n in layer_widths(CONFIG).items()}
    for i, doc in enumerate(DOCS):
        layers, _ = model.encoder.read(torch.from_numpy(doc)[None])
        for x, layer in zip(found.values(), layers):
            assert np.allclose(x[i], concat_pool(layer.detach(), torch.tensor([len(doc)]))[0], atol=1e-5)


def test_of_the_last_layer_the_head_sees_what_it_always_saw():
    every, last = classifier().eval(), classifier('last').eval()
    last.encoder.load_state_dict(every.encoder.state_dict())
    found = split_layers(pooled_features(every, DocBatches(DOCS, bs=4)), CONFIG)['lstm 3']
    assert np.allclose(found, pooled_features(last, DocBatches(DOCS, bs=4)), atol=1e-6)


def test_features_of_tokens_stand_in_the_order_of_the_data():
    encoder = AWDLSTM(CONFIG)
    found = token_features(encoder, DocBatches(DOCS, bs=4))
    assert {len(x) for x in found.values()} == {sum(map(len, DOCS))} and not encoder.training
    begins = np.cumsum([0, *map(len, DOCS)])
    for doc, a, b in zip(DOCS, begins, begins[1:]):
        layers, _ = encoder.read(torch.from_numpy(doc)[None])
        for x, layer in zip(found.values(), layers):
            assert np.allclose(x[a:b], layer[0].detach(), atol=1e-5)


def test_ar_and_tar_are_of_the_last_layer():
    every, last = classifier().train(), classifier('last').train()
    last.encoder.load_state_dict(every.encoder.state_dict())
    batch = next(iter(DocBatches(DOCS, bs=6)))
    found = []
    for model in (every, last):
        torch.manual_seed(2)
        found.append(model(batch.ids, batch.lengths))
    assert all(torch.allclose(getattr(found[0], k), getattr(found[1], k), rtol=1e-4) for k in ('ar', 'tar')) and found[0].ar > 0


# --- probes


@pytest.mark.parametrize('classes', [2, 4])
@pytest.mark.parametrize('n, penalty', [(30, 0.01), (200, 1.0)])
def test_a_probe_is_a_ridge_classifier(classes, n, penalty):
    rng = np.random.default_rng(classes)
    x, y = 3 + 5 * rng.normal(size=(n + 50, 40)), rng.integers(0, classes, n + 50)
    x[:, 0] += y
    ours = Probe(x[:n], y[:n], penalty)
    theirs = RidgeClassifier(alpha=penalty).fit(ours.scale(x[:n]), y[:n])
    assert np.array_equal(ours(x[n:]), theirs.predict(ours.scale(x[n:])))


def test_a_feature_that_never_changed_is_left_out():
    x, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    x[:, 0] += 2 * y
    x[:, 2] = 7
    asked = x.copy()
    asked[:, 2] = 1e9
    answers = Probe(x, y, 0.1)(asked)
    assert np.array_equal(Probe(x, y, 0.1)(x), answers) and (answers == y).mean() > 0.7


def test_scale_and_place_make_no_difference():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 10)), rng.integers(0, 3, 60)
    other = x * np.geomspace(1e-3, 1e3, 10) + 5
    assert np.array_equal(Probe(x, y, 0.1)(x), Probe(other, y, 0.1)(other))


def test_a_probe_finds_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 800)
    noise = rng.normal(size=(800, 60))
    told = noise.copy()
    told[:, 3] += 2 * y
    assert probe(told, y) > 0.75 > 0.6 > probe(noise, y) > 0.4


def test_the_penalty_is_not_chosen_by_those_who_are_asked():
    "Who are asked have the labels the wrong way round: the penalty that they would choose is the one that learns nothing."
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 640)
    x = np.stack([y + 0.1 * rng.normal(size=640), rng.normal(size=640)], 1)
    y[400:] = 1 - y[400:]
    assert probe(x, y, penalties=(1e9, 0.01)) < 0.1


def test_rows_are_balanced_and_in_random_order():
    y = np.array([0] * 50 + [1] * 10 + [-1] * 30 + [2] * 3)
    assert np.bincount(y[balanced_rows(y, 8)]).tolist() == [3, 3, 3], 'as many as the rarest class has'
    y = y[:-3]
    rows = balanced_rows(y, 8, seed=1)
    assert np.bincount(y[rows]).tolist() == [8, 8] and len(set(rows)) == len(rows)
    assert np.array_equal(rows, balanced_rows(y, 8, seed=1)) and not np.array_equal(rows, balanced_rows(y, 8, seed=2))
    assert np.any(np.diff(y[rows]) < 0), 'the classes are mixed'


def test_questions_about_tokens():
    tokens = ['xxbos', 'xxmaj', 'the', 'film', 'and', 'the', 'xxup', 'uk', ',', 'xxmaj', '7', 'the', 'and']
    assert capital_labels(tokens).tolist() == [-1, -1, 1, 0, 0, 0, -1, 1, -1, -1, -1, 0, 0]
    assert word_labels(tokens, 2).tolist() == [-1, -1, 0, -1, 1, 0, -1, -1, -1, -1, -1, 0, 1]


# --- the setting


@pytest.fixture(scope='module')
def of_all(tiny_tuned, tmp_path_factory):
    "The directory of a classifier that looks at all layers."
    return train_classifier(tiny_tuned, REVIEWS, tmp_path_factory.mktemp('all') / 'classifier', layers='all', **TINY_CLASSIFIER)


@pytest.mark.parametrize('wrong', ['first', 'ALL', '', 2, None, ['all'], True])
def test_layers_are_the_last_or_all(wrong):
    with pytest.raises(ValueError, match="^layers is .*: give 'last' or 'all'.$"):
        ClassifierSettings(layers=wrong)


def test_it_is_kept_and_told_only_where_it_is_used(of_all, tiny_classifier):
    config, plain = (json.loads((path / 'config.json').read_text()) for path in (of_all, tiny_classifier))
    assert config['layers'] == config['settings']['layers'] == 'all'
    assert 'layers' not in plain and 'layers' not in plain['settings']


def test_it_learns_and_is_loaded_as_it_was(of_all):
    loaded = load_classifier(of_all)
    assert isinstance(loaded.model.encoder, AllLayers)
    assert np.mean(np.array(loaded.predict(TEXTS)) == np.array(REVIEWS.classes)[REVIEWS.labels]) > 0.8
    weights = loaded.model.head.layers[2].weight
    assert weights.shape[1] == 3 * n_features(loaded.model.encoder.config, 'all')


@pytest.mark.parametrize('said', ['last', 'some', 3, None])
def test_a_directory_that_says_otherwise_is_refused(said, of_all, tmp_path):
    path = shutil.copytree(of_all, tmp_path / 'c')
    config = json.loads((path / 'config.json').read_text())
    del config['digest']  # as a person does who edits it
    (path / 'config.json').write_text(json.dumps(config | {'layers': said}))
    with pytest.raises(StageError):
        load_classifier(path)


def test_it_goes_on_with_the_layers_it_has(of_all, tiny_classifier, tmp_path):
    more = train_classifier(of_all, REVIEWS, tmp_path / 'more', **TINY_CLASSIFIER | {'epochs': 1})
    assert Stage.open(more).config['layers'] == 'all'
    with pytest.raises(ValueError, match="layers is 'all', and .* has a head that has learnt from the last layer alone"):
        train_classifier(tiny_classifier, REVIEWS, tmp_path / 'other', layers='all', **TINY_CLASSIFIER)
    assert not (tmp_path / 'other').exists()


@pytest.mark.parametrize('engine', ['onnx', 'onnx-int8'])
def test_another_engine_hands_on_all_layers_too(of_all, engine, tmp_path):
    path = shutil.copytree(of_all, tmp_path / 'c')
    before = contents(path)
    export_onnx(path)
    assert before.items() <= contents(path).items()
    found, expected = (load_classifier(path, engine=e).predict_proba([*TEXTS, '', 'one ' * 90]) for e in (engine, 'torch'))
    assert np.abs(found - expected).max() < {'onnx': 1e-5, 'onnx-int8': 0.05}[engine]
