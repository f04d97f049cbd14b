"The study of texts without labels, at a size that takes seconds: every case and way, choices on validation texts, and it goes on."

import json
from dataclasses import replace

import numpy as np
import pseudo_labels
import pytest

from ulmfit_nb import stages
from ulmfit_nb.training import Stop

pytestmark = pytest.mark.filterwarnings('ignore:.* of the words in these texts are unknown')
SIZES = dict(data=('subjectivity',), labels=20, unlabelled=14, words=6, seeds=(0,), rates=(0.01, 0.02), weights=(0.5, 1.0), test=20, valid=20)


@pytest.fixture
def args(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(pseudo_labels, 'CLASSIFY', replace(pseudo_labels.CLASSIFY, epochs=1, min_steps=0, bs=8))
    monkeypatch.setattr(pseudo_labels, 'READ', ('subjectivity',))
    return pseudo_labels.Options(lm=str(tiny_lm), out=tmp_path / 'out', results=tmp_path, **SIZES)


def record_of(args):
    return json.loads((args.results / 'pseudo_labels.json').read_text())


def quiet(line):
    pass


def test_every_way_of_every_case_and_the_record_goes_on(args):
    with pytest.raises(Stop, match='The same call goes on'):
        pseudo_labels.study(replace(args, minutes=0), quiet)
    usual = replace(args, cases=('usual',))
    pseudo_labels.study(usual, quiet)
    first = record_of(args)
    assert [p['way'] for p in first['points']] == list(pseudo_labels.CASES['usual'])
    assert {k: len(tried) for k, tried in first['chosen'].items() if 'rate' not in k} == {f'subjectivity, {way}': 2 for way in pseudo_labels.WAYS}
    assert len(first['chosen']['subjectivity, rate']) > 2, 'of two rates the best is at an edge, so there is one beyond'
    for p in first['points']:
        assert first['chosen']['subjectivity, rate'][str(p['lr'])] == max(first['chosen']['subjectivity, rate'].values())
        tried = first['chosen'].get(f'subjectivity, {p["way"]}', {'0': 0})
        assert tried[str(p['weight'])] == max(tried.values()) and round(p['accuracy'] * 20, 6) == round(p['accuracy'] * 20)
    told = first['points'][0]['of unlabelled']
    assert sum(told['shares']) == pytest.approx(1) and 0 <= told['accuracy'] <= 1 and sum('of unlabelled' in p for p in first['points']) == 1
    pseudo_labels.study(args, quiet)
    second = record_of(args)
    assert [(p['case'], p['way']) for p in second['points']] == [(case, way) for case, ways in pseudo_labels.CASES.items() for way in ways]
    assert second['points'][:6] == first['points'] and second['chosen'] == first['chosen'], 'nothing is measured twice'
    said = []
    pseudo_labels.study(args, said.append)
    assert not said and list(args.out.iterdir()) == []
    with pytest.raises(ValueError, match='unlabelled: 14 there, 15 now'):
        pseudo_labels.study(replace(args, unlabelled=15), quiet)


def test_what_is_drawn(args):
    work = pseudo_labels.Study(args)
    train = work.splits('subjectivity')['train']
    assert all(len(t.split()) <= 6 for t in train.texts)
    for case in pseudo_labels.CASES:
        few, more = work.drawn('subjectivity', case, 1)
        assert len(few) == (4 if case == 'few' else 20) and len(more) == 14 and not set(few.texts) & set(more.texts)
        assert np.bincount(few.labels).tolist() == {'few': [2, 2], 'lopsided': [2, 18]}.get(case, [10, 10])
        assert (set(more.texts) <= set(train.texts)) == (case != 'other texts')
    draw = [work.drawn('subjectivity', 'usual', seed) for seed in (0, 1)]
    assert draw[0][0].texts != draw[1][0].texts and draw[0][1].texts != draw[1][1].texts
    assert np.bincount(work.drawn('subjectivity', 'lopsided', 0)[0].labels).tolist() == [18, 2], 'the next seed has more of the other'


def test_validation_texts_of_a_set_that_has_none_are_not_drawn(args, monkeypatch):
    whole = pseudo_labels.load_data('subjectivity', 'test')
    monkeypatch.setattr(pseudo_labels, 'load_data', lambda name, which='train': whole.select(range(60) if which == 'train' else range(60, 90)))
    work = pseudo_labels.Study(replace(args, words=1000))
    parts = {k: set(v.texts) for k, v in work.splits('imdb').items()}
    assert [len(parts[k]) for k in ('train', 'validation', 'test')] == [40, 20, 20]
    assert not any(parts[a] & parts[b] for a, b in (('train', 'validation'), ('train', 'test'), ('validation', 'test')))


def test_who_learns_what(args, monkeypatch):
    "The labels alone have no teacher; a student has that of its own case; consistency none; longer is longer."
    work, calls = pseudo_labels.Study(args), []
    monkeypatch.setattr(
        pseudo_labels, 'train_classifier', lambda lm, few, out, valid, settings, **how: calls.append((out, few, settings, how['unlabelled'])) or out
    )
    for case, way in (('usual', 'labels only'), ('usual', 'longer'), ('few', 'sure'), ('other texts', 'soft'), ('usual', 'consistency')):
        work.train('subjectivity', case, way, 0.02, 3.0 if way in pseudo_labels.WAYS else 0, 1)
    (_, few, settings, none), (_, _, longer, nothing), own, taught, usual, other, (_, _, _, same) = calls
    assert none is None and nothing is None and (longer.epochs, longer.min_steps) == (2 * settings.epochs, 2 * settings.min_steps)
    assert settings.lr == 0.02 and settings.seed == 1 and len(few) == 20
    assert taught[3].teacher == own[0] and len(own[1]) == len(taught[1]) == 4 and own[3] is None
    assert (taught[3].weight, taught[3].temperature, taught[3].threshold) == (3, 0, 0.9)
    assert other[3].teacher == usual[0] == calls[0][0] and usual[3] is None and other[3].temperature == 1
    assert same.teacher is None and same.texts == work.drawn('subjectivity', 'usual', 1)[1].texts


def test_test_texts_choose_nothing(args, monkeypatch):
    seen = []
    monkeypatch.setattr(pseudo_labels.Study, 'measure', lambda self, *given: seen.append(given) or {'accuracy': 0.5})
    pseudo_labels.study(args, quiet)
    assert {given[-1] for given in seen if given[-2] == pseudo_labels.CHOOSING} == {'validation'}
    assert {given[-2] for given in seen if given[-1] == 'test'} == {0} and len(seen) == 3 + 4 * 2 + 14


def test_stage_2_reads_what_is_not_asked_about(args, monkeypatch):
    monkeypatch.setattr(pseudo_labels, 'READ', ())
    read = []
    monkeypatch.setattr(pseudo_labels, 'fine_tune', lambda lm, texts, out, *rest, **how: read.extend(texts) or out)
    work = pseudo_labels.Study(args)
    assert work.lm('subjectivity') == args.out / 'tuned-subjectivity'
    parts = work.splits('subjectivity')
    assert set(read) == set(parts['train'].texts) and not set(read) & set(parts['test'].texts)


@pytest.mark.parametrize('how, message', [({'cases': ('odd',)}, "no case 'odd', but usual, few"), ({'data': ('nothing',)}, 'nothing')])
def test_what_it_refuses(args, how, message):
    with pytest.raises((SystemExit, ValueError), match=message):
        pseudo_labels.study(replace(args, **how), quiet)
    assert not (args.results / 'pseudo_labels.json').exists() and stages.resolve_model(args.lm).exists()
