"The study of heads that begin well, at a size that takes seconds: choices on validation texts, a record that goes on."

import json
from dataclasses import replace

import linear_probe
import numpy as np
import pytest

from ulmfit_nb.training import Stop


@pytest.fixture
def args(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(linear_probe, 'CLASSIFY', replace(linear_probe.CLASSIFY, epochs=1, min_steps=0, bs=8))
    monkeypatch.setattr(linear_probe, 'FINE_TUNE', replace(linear_probe.FINE_TUNE, epochs=1, bs=4, bptt=20, max_tokens=2000, min_freq=1))
    monkeypatch.setattr(linear_probe, 'FIRST', {way: first[:2] for way, first in linear_probe.FIRST.items()})
    sizes = dict(data=('subjectivity',), labels=(16,), seeds=(0,), test=20, valid=20)
    return linear_probe.Options(lm=str(tiny_lm), out=tmp_path / 'out', results=tmp_path, **sizes)


def record_of(args):
    return json.loads((args.results / 'linear_probe.json').read_text())


def quiet(line):
    pass


def test_every_way_is_measured_and_the_record_goes_on(args):
    linear_probe.study(args, quiet)
    first = record_of(args)
    assert [p['way'] for p in first['points']] == list(linear_probe.WAYS)
    assert all(round(p['accuracy'] * 20, 6) == round(p['accuracy'] * 20) for p in first['points'])
    for p in first['points'][1:]:
        tried = first['chosen'][f'subjectivity, 16 labels, {p["way"]}']
        assert tried[f'{p["strength"]:.6g}' if f'{p["strength"]:.6g}' in tried else str(p['strength'])] == max(tried.values()) and len(tried) >= 2
    assert [f.name for f in args.out.iterdir()] == ['tuned-subjectivity']
    said = []
    linear_probe.study(args, said.append)
    assert not said and record_of(args)['points'] == first['points']


def test_test_texts_choose_nothing(args, monkeypatch):
    seen = []
    monkeypatch.setattr(
        linear_probe.Study, 'accuracy', lambda self, name, way, n, strength, *, seed, which: seen.append((way, seed, which)) or float(way != 'tf-idf') / 2
    )
    linear_probe.study(args, quiet)
    assert {which for _, seed, which in seen if seed == linear_probe.CHOOSING} == {'validation'}
    assert [(way, seed) for way, seed, which in seen if which == 'test'] == [(way, 0) for way in linear_probe.WAYS]


def test_the_ways_differ_in_what_they_are_named_after(args):
    work = linear_probe.Study(args)
    thaw, at_once, first = (work.settings('subjectivity', way, 16, 0.002, 3) for way in ('thaw', 'at once', 'probe first'))
    assert thaw == replace(linear_probe.CLASSIFY, lr=0.002, seed=3)
    assert len(at_once.plan) == 1 and replace(at_once, plan=None) == thaw
    assert set(at_once.plan[0].lrs) == {0.002} and at_once.plan[0].epochs == len(at_once.plan[0].groups)
    assert replace(first, head='hidden-layer', factor=thaw.factor) == thaw and (first.head, first.factor) == ('linear-probe', 1)


def test_a_probe_is_what_a_classifier_begins_as(args):
    "What the study makes of features is what `train_classifier` would start from; and it is logistic regression."
    from sklearn.linear_model import LogisticRegression

    work = linear_probe.Study(args)
    found = work.probed('subjectivity', 16, 1000.0, 0, 'test')
    x, u = work.pooled('subjectivity', 'few', 16, 0), work.pooled('subjectivity', 'test')
    mean, std = x.mean(0), x.std(0) + 1e-5
    rival = LogisticRegression(C=2 / 1000, max_iter=1000).fit((x - mean) / std, work.few('subjectivity', 16, 0).labels)
    assert (found == rival.predict((u - mean) / std)).all() and 0 < found.mean() < 1


def test_long_texts_are_cut_and_nobody_is_asked_who_was_learnt_from(args, monkeypatch):
    work = linear_probe.Study(args)
    splits = work.splits('subjectivity')
    assert not set(splits['train'].texts) & {*splits['validation'].texts, *splits['test'].texts}
    assert max(len(t.split()) for t in splits['test'].texts) > 5
    assert linear_probe.Study(replace(args, words=5)).splits('subjectivity')['test'].texts == splits['test'].texts, 'short ones are not'
    monkeypatch.setattr(linear_probe, 'LONG', ('subjectivity',))
    cut = linear_probe.Study(replace(args, words=5)).splits('subjectivity')
    assert [t.split()[:5] for t in splits['test'].texts] == [t.split() for t in cut['test'].texts] and cut['test'].labels == splits['test'].labels


def test_what_was_read_is_not_read_again(args, monkeypatch):
    monkeypatch.setattr(linear_probe, 'READ', ('subjectivity',))
    assert linear_probe.Study(args).lm('subjectivity').path.name == args.lm.split('/')[-1]


def test_cut_short_it_says_how_to_go_on_and_other_settings_are_refused(args):
    with pytest.raises(Stop, match='The same call goes on'):
        linear_probe.study(replace(args, minutes=0), quiet)
    (args.results / 'linear_probe.json').write_text(json.dumps(linear_probe.about(args)))
    with pytest.raises(ValueError, match='test_texts: 20 there, 21 now'):
        linear_probe.study(replace(args, test=21), quiet)


def test_a_strength_is_chosen_for_each_way(args, monkeypatch):
    best = {'thaw': 0.005, 'at once': 0.002, 'probe': 1000.0, 'probe first': 0.001}
    monkeypatch.setattr(linear_probe, 'FIRST', {way: (s / 2, s, s * 2) for way, s in best.items()})
    monkeypatch.setattr(linear_probe.Study, 'accuracy', lambda self, name, way, n, s, *, seed, which: 0.9 if np.isclose(best.get(way) or 0, s or 0) else 0.5)
    linear_probe.study(args, quiet)
    assert {p['way']: p['strength'] for p in record_of(args)['points'] if p['strength']} == pytest.approx(best)
