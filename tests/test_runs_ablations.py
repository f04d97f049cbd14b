"What each part is worth, at a size that takes seconds: one thing changed a row, rates chosen on validation, seed against seed."

import json
from dataclasses import replace

import ablations
import numpy as np
import pytest
import torch

from ulmfit_nb.classifier import concat_pool
from ulmfit_nb.layers import split_layers
from ulmfit_nb.stages import Stage
from ulmfit_nb.training import Stop


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(ablations, 'CLASSIFY', replace(ablations.CLASSIFY, epochs=1, min_steps=0, bs=8))
    monkeypatch.setattr(ablations, 'READ', replace(ablations.READ, epochs=1, min_steps=0, min_freq=1))
    monkeypatch.setattr(ablations, 'CHOOSING', (100,))


@pytest.fixture
def args(tiny_lm, tmp_path, quick):
    sizes = dict(labels=12, seeds=(0, 1), test=20, valid=20, unlabelled=40)
    return ablations.Options(data='subjectivity', lm=str(tiny_lm), out=tmp_path / 'out', results=tmp_path, **sizes)


def record_of(args):
    return json.loads((args.results / 'ablations_subjectivity.json').read_text())


def test_a_row_is_measured_on_its_seeds_and_the_record_goes_on(args, capsys):
    ablations.study(replace(args, only=['full', 'last layer only'], seeds=(0,)))
    first = record_of(args)
    assert [(r['name'], len(r['seeds'])) for r in first['rows']] == [('last layer only', 1), ('full', 1)], 'in the order of ROWS'
    assert all(round(s / 5, 6) == round(s / 5) for r in first['rows'] for s in r['seeds']), 'per cent of 20 texts'
    ablations.study(replace(args, only=['full']))
    second = record_of(args)
    assert second['runs'][:2] == first['runs'] and len(second['runs']) == 3
    assert [r['lr'] for r in second['runs'] if r['row'] == 'full'] == [first['rows'][1]['lr']] * 2, 'the rate is chosen once'
    capsys.readouterr()
    ablations.study(replace(args, only=['full']))
    assert record_of(args)['runs'] == second['runs'] and not capsys.readouterr().out


def test_a_record_of_other_settings_is_refused(args):
    ablations.study(replace(args, only=['last layer only'], seeds=(0,)))
    with pytest.raises(ValueError, match='labels: 12 there, 14 now'):
        ablations.study(replace(args, labels=14))


def test_a_row_that_is_not_there_is_named(args):
    with pytest.raises(SystemExit, match="no row 'fulll', but all of it, no stage 1, no stage 2"):
        ablations.study(replace(args, only=['fulll']))


def test_it_stops_in_time(args):
    with pytest.raises(Stop):
        ablations.study(replace(args, only=['full'], minutes=0))


def test_the_same_seed_has_the_same_labels_in_every_row(args):
    work = ablations.Study(args)
    assert work.few(0).texts == work.few(0).texts != work.few(1).texts
    assert not set(work.few(0).texts) & set(work.valid.texts + work.test.texts)
    assert set(work.texts()) <= set(work.train.texts) and len(work.texts()) == 40


def test_every_language_model_can_be_made(args):
    work = ablations.Study(args)
    names = {row.lm for row in ablations.ROWS}
    made = {name: Stage.open(work.lm(name), 'language model') for name in names}
    assert names == {'tuned', 'start', 'random', 'unread', 'no dropout', 'full', 'full + discr'}
    weights = {name: stage.tensors['encoder.lstms.0.lstm.weight_hh_l0'] for name, stage in made.items()}
    assert all(not torch.equal(weights[a], weights[b]) for a in names for b in names if a < b), 'each is another'
    assert made['unread'].vocab == made['tuned'].vocab == made['random'].vocab != made['start'].vocab
    assert made['no dropout'].config['settings']['drop_mult'] == 0 and made['full'].config['settings']['factor'] == 1
    assert made['full + discr'].config['settings']['schedule'] == 'constant'


def test_the_head_sees_some_of_the_pools_only(args):
    "Last, maximum or mean: what the others hold makes no difference."
    work = ablations.Study(args)
    model = work.classifier(replace(ablations.FULL, pools=('max',), lm='start'), 0.01, 0).eval()
    n = model.encoder.config.n_out
    pooled = torch.randn(4, 3 * n)
    others = pooled.clone()
    others[:, :n] += 1
    others[:, 2 * n :] -= 1
    assert torch.equal(model.head(pooled), model.head(others))
    others[:, n : 2 * n] += 1
    assert not torch.equal(model.head(pooled), model.head(others))


def test_features_of_a_frozen_network(args):
    "Those of the last layer are what the classifier pools, and are among those of all layers."
    work = ablations.Study(args)
    last, every = (work.pooled('start', layers, 'valid', None) for layers in ('last', 'all'))
    model = ablations.new_classifier(work.lm('start'), 2, ablations.CLASSIFY).eval()
    by_layer = split_layers(every, model.encoder.config)
    batch = next(iter(work.batches('start', 'valid')))
    out, _ = model.encoder(batch.ids)
    expected = concat_pool(out.detach(), batch.lengths).numpy()
    assert np.allclose(last[batch.index], expected, atol=1e-5) and np.allclose(by_layer['lstm 2'], last, atol=1e-6)
    assert every.shape[1] == sum(x.shape[1] for x in by_layer.values()) > last.shape[1]


def test_a_linear_model_learns_from_them(args):
    ablations.study(replace(args, only=['linear model on all layers'], seeds=(0,)))
    (row,) = record_of(args)['rows']
    assert row['group'] == 'frozen' and row['lr'] in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1e-4, 1e-5, 1e-6) and 0 < row['seeds'][0] <= 100


def test_rows_differ_from_the_full_recipe_in_what_they_say():
    names = [row.name for row in ablations.ROWS + ablations.LONG]
    assert len(set(names)) == len(names)
    plain = dict(name='', group='', lr=0.0)
    others = [replace(row, **plain) for row in ablations.ROWS[1:] + ablations.LONG]
    assert replace(ablations.FULL, **plain) not in others
    assert {row.plan for row in ablations.ROWS} == set(ablations.ways(['embedding', 'lstm 1', 'head'], 0.01, 1, 2.6))
