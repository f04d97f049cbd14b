"From LSTM to today, at a size that takes seconds: curves of both kinds, rates chosen apart from what is reported, few labels, a record that goes on."

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformer

from ulmfit_nb.training import Stop


@pytest.fixture
def args(tmp_path, monkeypatch):
    monkeypatch.setattr(transformer, 'CLASSIFY', replace(transformer.CLASSIFY, epochs=1, min_steps=0, bs=8))
    loaded = transformer.load_data

    def little(name, split='train'):
        data = loaded(name, split)
        return data.select(range(min(len(data), 60)))

    monkeypatch.setattr(transformer, 'load_data', little)
    sizes = dict(tokens=2500, epochs=1, n=8, max_vocab=300, seeds=(0, 1), label_seeds=(0,), labels=(12,), test=20, held=300, marks=2)
    return transformer.Options(
        general='wikipedia', lstm_rates=(0.001, 0.01), transformer_rates=(0.001, 0.01), rates=(0.001, 0.01), out=tmp_path / 'out', results=tmp_path, **sizes
    )


def record_of(args):
    return json.loads((args.results / 'transformer.json').read_text())


def quiet(line):
    pass


def test_all_of_it_and_the_record_goes_on(args):
    transformer.study(replace(args, seeds=(0,)), quiet)
    first = record_of(args)
    assert {(r['kind'], r['reading']) for r in first['runs']} == {(k, r) for k in transformer.KINDS for r in transformer.READINGS}
    for name, tried in first['tried'].items():
        assert 2 <= len(tried) <= 4, name
    for r in first['runs']:
        assert len(r['curve']) == 2 and r['curve'][0]['tokens'] < r['curve'][1]['tokens'] and r['curve'][1]['seconds'] > 0
        assert first['tried'][f'{r["kind"]}, {r["reading"]}'][str(r['rate'])] == r['chosen_by']
    assert {(p['kind'], p['start']) for p in first['points']} == {(k, s) for k in transformer.KINDS for s in ('nothing', 'sentences', 'both')}
    assert len(first['counting words']['12']) == 1
    transformer.study(args, quiet)
    second = record_of(args)
    assert second['runs'][: len(first['runs'])] == first['runs'] and second['points'] == first['points'] and second['tried'] == first['tried']
    assert len(second['runs']) == len(first['runs']) + 6, 'another seed has the rates of the first'
    said = []
    transformer.study(args, said.append)
    assert not said and record_of(args)['runs'] == second['runs']


def test_it_stops_in_time_and_other_settings_are_refused(args):
    with pytest.raises(Stop):
        transformer.study(replace(args, minutes=0), quiet)
    work = transformer.Study(args)
    transformer.record(args.results / 'transformer.json', 'by hand', transformer.about(args, work))
    with pytest.raises(ValueError, match='held: 300 there, 200 now'):
        transformer.study(replace(args, held=200), quiet)


def test_both_kinds_are_of_one_size(args):
    "In the matrices of their layers, to the last weight."
    work = transformer.Study(args)
    assert 100 < len(work.vocab) <= args.max_vocab
    lstm, other = (work.language_model(kind, 0).encoder for kind in transformer.KINDS)
    assert sum(p.numel() for p in lstm.lstms.parameters() if p.ndim > 1) == sum(p.numel() for p in other.layers.parameters() if p.ndim > 1)


def test_what_chooses_is_not_what_is_reported(args, monkeypatch):
    work, seen = transformer.Study(args), []
    monkeypatch.setattr(transformer, 'evaluate_lm', lambda model, batches: seen.append(batches.ids) or {'perplexity': 1.0})
    for which in ('test', 'choose'):
        work.judge(None, 'sentences', which)
    ids = work.streams['sentences', 'validation'].ids
    assert np.array_equal(np.concatenate(seen), ids[:600]) and len(seen[0]) == 300


def test_no_place_is_judged_that_was_not_learnt(args, monkeypatch):
    "A Transformer's vectors of places that training never reached would stay as they were drawn."
    work, judged = transformer.Study(replace(args, held=1200)), []
    model = work.language_model('transformer', 0)
    taught = model.encoder.place.weight
    model(torch.ones(1, transformer.ROW, dtype=torch.int64), None, torch.ones(1, transformer.ROW, dtype=torch.int64)).loss.backward()
    assert (taught.grad.abs().sum(1) > 0).all() and len(taught) == transformer.ROW
    monkeypatch.setattr(transformer, 'evaluate_lm', lambda model, batches: judged.append(batches) or {'perplexity': 1.0})
    work.judge(model, 'sentences', 'test')
    rows = [x.shape[1] for x, _ in judged[0]]
    assert len(rows) > 2 and 2 * rows[0] == transformer.ROW, 'behind the first, half a row is seen before each half'


def test_both_kinds_make_as_many_passes(args, monkeypatch):
    work, plans = transformer.Study(args), {}
    args.out.mkdir()
    monkeypatch.setattr(transformer, 'fit', lambda task, plan, **how: plans.setdefault(kind, []).append(sum(phase.epochs for phase in plan)))
    for kind in transformer.KINDS:
        weights = args.out / f'{kind}.pt'
        torch.save(work.language_model(kind, 0).state_dict(), weights)
        for before in (weights, None):
            work.classify(kind, before, 12, 0.01, 0, 'validation')
    assert plans['lstm'] == plans['transformer'] and len(set(plans['lstm'])) == 1


@pytest.mark.parametrize('kind', transformer.KINDS)
def test_a_classifier_begins_with_what_was_read(kind, args, monkeypatch):
    work, begun = transformer.Study(args), []
    weights = args.out / 'lm.pt'
    args.out.mkdir()
    model = work.language_model(kind, 7)
    torch.save(model.state_dict(), weights)
    monkeypatch.setattr(transformer, 'fit', lambda task, *given, **how: begun.append(task.model))
    for before in (weights, None):
        work.classify(kind, before, 12, 0.01, 0, 'validation')
    names = [k for k in model.encoder.state_dict() if 'weight' in k and model.encoder.state_dict()[k].ndim > 1]
    same = [all(torch.equal(m.encoder.state_dict()[k], model.encoder.state_dict()[k]) for k in names) for m in begun]
    assert same == [True, False]
