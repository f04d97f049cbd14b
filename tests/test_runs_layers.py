"The study of layers, at a size that takes seconds: every question to every layer, the last layer against all, choices on validation texts."

import json
from dataclasses import replace

import layers
import numpy as np
import pytest
import torch

from ulmfit_nb.training import Stop


@pytest.fixture
def args(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(layers, 'CLASSIFY', replace(layers.CLASSIFY, epochs=1, min_steps=0, bs=8))
    sizes = dict(data=('subjectivity',), labels=(12,), seeds=(0, 1), rates=(0.01, 0.02), test=20, valid=20, texts=40, rows=60)
    return layers.Options(lm=str(tiny_lm), out=tmp_path / 'out', results=tmp_path, **sizes)


def record_of(args):
    return json.loads((args.results / 'layers.json').read_text())


def quiet(line):
    pass


def test_every_question_and_both_ways_and_the_record_goes_on(args):
    layers.study(replace(args, seeds=(0,)), quiet)
    first = record_of(args)
    assert {(p['question'], p['network'], p['layer']) for p in first['probes']} == {
        (q, n, layer) for q in layers.QUESTIONS for n in ('learnt', 'random') for layer in ('embedding', 'lstm 1', 'lstm 2')
    }
    assert [(p['way'], p['layers']) for p in first['points']] == [('frozen', 'last'), ('frozen', 'all'), ('trained', 'last'), ('trained', 'all')]
    assert first['majority'].keys() == layers.QUESTIONS.keys() and first['majority']['opinion'] == 0.5
    assert [len(tried) for tried in first['chosen'].values()] == [4, 4, 2, 2]
    for p in first['points']:
        tried = first['chosen'][f'subjectivity, 12 labels, {p["way"]}, {p["layers"]}']
        assert tried[str(p['chosen'])] == max(tried.values()) and round(p['accuracy'] * 20, 6) == round(p['accuracy'] * 20)
    layers.study(args, quiet)
    second = record_of(args)
    assert second['chosen'] == first['chosen'] and len(second['points']) == 8 and len(second['probes']) == 60
    assert [p for p in second['points'] if p['seed'] == 0] == first['points'], 'nothing is measured twice'
    said = []
    layers.study(args, said.append)
    assert not said and record_of(args)['points'] == second['points'] and list(args.out.iterdir()) == []


def test_a_record_of_other_settings_is_refused(args):
    with pytest.raises(Stop, match='The same call goes on'):
        layers.study(replace(args, minutes=0), quiet)
    layers.study(replace(args, labels=(), seeds=(0,)), quiet)
    with pytest.raises(ValueError, match='probe_texts: 40 there, 41 now'):
        layers.study(replace(args, texts=41), quiet)


def test_a_random_network_has_the_shape_and_none_of_the_weights(args):
    work = layers.Study(args)
    learnt, one, same, other = (work.network(seed).encoder.state_dict() for seed in (None, 0, 0, 1))
    assert all(torch.equal(one[k], same[k]) and one[k].shape == learnt[k].shape for k in learnt)
    matrices = [k for k in learnt if learnt[k].ndim > 1]
    assert matrices and not any(torch.equal(a[k], b[k]) for a, b in ((one, other), (one, learnt)) for k in matrices)


def test_labels_fit_what_is_read(args):
    work = layers.Study(args)
    for question, (name, of) in layers.QUESTIONS.items():
        y, x = work.labels(question), work.features(work.network(None), name, of)
        assert {len(layer) for layer in x.values()} == {len(y)} and y.max() >= 1
        assert set(work.rows(y, 0)) != set(work.rows(y, 1)) or len(y) <= 60
    texts = work.asked('subjectivity', 'texts').texts
    sizes = np.array([len(list(work.tokenizer(t))) for t in texts])
    y = work.labels('length')
    assert all(sizes[y == a].max() <= sizes[y == a + 1].min() for a in range(3)), 'longer texts, higher classes'


def test_test_texts_choose_nothing(args, monkeypatch):
    "What is tried is asked about validation texts, with a seed that is not among those measured."
    work, seen = layers.Study(args), []
    monkeypatch.setattr(work, 'frozen', lambda *given: seen.append(('frozen', *given)) or 0.5)
    monkeypatch.setattr(work, 'trained', lambda *given: seen.append(('trained', *given)) or 0.5)
    layers.points(work, {'chosen': {}, 'points': []}, lambda: None, quiet)
    assert {given[-1] for given in seen if given[-2] == layers.CHOOSING} == {'validation'}
    assert {given[-2:] for given in seen if given[-1] == 'test'} == {(0, 'test'), (1, 'test')}
