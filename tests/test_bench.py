"Our side of the benchmark runs: a step of the language model and of the classifier, and what `bench/bench.py` reads of them."

import importlib
import sys

import numpy as np
import pytest
import torch
from notebooks import ROOT

SIZE = dict(emb_sz=8, n_hid=10, n_layers=2)


@pytest.fixture(scope='module')
def ours():
    threads = torch.get_num_threads()
    sys.path.insert(0, str(ROOT / 'bench'))
    yield importlib.import_module('impl_ours')
    sys.path.remove(str(ROOT / 'bench'))
    torch.set_num_threads(threads)


def test_a_language_model_learns(ours):
    ids = np.random.default_rng(0).integers(2, 6, (20, 4, 11))
    ids[:, :, 1::2] = ids[:, :, ::2][:, :, :5]  # every second token repeats the one before
    trainer = ours.lm_trainer(50, SIZE, lr=0.02)
    first, *_, last = [np.mean(trainer.run([(x[:, :-1], x[:, 1:]) for x in ids])[1]) for _ in range(4)]
    assert last < first - 0.5
    assert all(w.isfinite().all() for w in trainer.weights())


def test_a_classifier_learns(ours):
    labels = [i % 2 for i in range(16)]
    docs = [np.full(5 + i, 3 + y) for i, y in enumerate(labels)]
    trainer = ours.clas_trainer(50, SIZE, bptt=4, max_len=8, lr=0.02)
    first, *_, (seconds, last) = [trainer.run_epoch(docs, labels, 8) for _ in range(8)]
    assert last < first[1] and seconds > 0


def test_a_classifier_predicts(ours):
    probs = ours.clas_predictor(50, SIZE, bptt=4, max_len=8).predict([np.arange(2, 9), np.arange(2, 5)], 2)
    assert probs.shape == (2, 2) and np.allclose(probs.sum(1), 1, atol=1e-5)


def test_bytes_predict_with_the_weights_given_last(ours, monkeypatch):
    pytest.importorskip('onnxruntime')
    docs = [np.arange(2, 9), np.arange(2, 5), np.arange(9, 30)]
    floats, int8 = (ours.clas_predictor(50, SIZE) for _ in range(2))
    with torch.no_grad():
        for a, b in zip(floats.weights(), int8.weights(), strict=True):
            b.copy_(a.mul_(1.5))  # both began alike
    monkeypatch.setattr(ours, 'INT8', True)
    found = int8.predict(docs, 2)
    monkeypatch.setattr(ours, 'INT8', False)
    off = np.abs(found - floats.predict(docs, 2)).max()
    assert 0 < off < 0.05 and not list(int8.trainer.model.encoder.parameters())


def test_an_encoder_of_distilberts_size_reads_512_tokens(ours):
    pytest.importorskip('transformers')
    rival = importlib.import_module('impl_distilbert')
    [(batch, mask)] = rival.batches([np.arange(600), np.arange(3)], [0, 1], 2)
    assert batch.ids.shape == mask.shape == (2, 512) and mask.sum(1).tolist() == [512, 3]
