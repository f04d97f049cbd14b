"The study of languages, at a size that takes seconds: it goes on where it was cut, and its record says what its points say."

import json
import shutil
from dataclasses import replace

import languages
import pandas as pd
import pytest
import torch

from ulmfit_nb.data import TextData
from ulmfit_nb.settings import ClassifierSettings, FineTuneSettings, PretrainSettings
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage
from ulmfit_nb.training import Stop

SMALL = dict(bs=4, bptt=20, lr=0.01)
PLAN = languages.Plan(
    'xx',
    'law',
    'tweets',
    200,
    PretrainSettings(**SMALL, emb_sz=16, n_hid=24, n_layers=2, min_freq=1, max_vocab=500),
    FineTuneSettings(**SMALL, min_freq=1, max_vocab=500),
    ClassifierSettings(bs=4, epochs=1),
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    home = tmp_path_factory.mktemp('data')
    for folder, split, rows in (('law', 'train', range(60)), ('tweets', 'train', range(60, 140)), ('tweets', 'test', range(140, 180))):
        part = load_data('subjectivity').select(rows)
        (home / folder).mkdir(exist_ok=True)
        columns = {'text': part.texts} | ({'label': part.labels} if folder == 'tweets' else {'title': part.texts})
        pd.DataFrame(columns).to_parquet(home / folder / f'{split}.parquet')
    return home


@pytest.fixture(autouse=True)
def plans(monkeypatch):
    monkeypatch.setattr(languages, 'PLANS', {'english': PLAN, 'tweets alone': replace(PLAN, general=None)})
    monkeypatch.setattr(languages, 'CHOOSING', (100,))


def study(data, out, language='english', **more):
    options = dict(language=language, data=data, out=out / 'models', results=out, sizes=(10, 20), seeds=(0,), test=20, valid=20, commit='abc1234')
    languages.study(languages.Study(**options | more), lambda line: None)
    return json.loads((out / 'languages.json').read_text())['languages'][language]


@pytest.fixture(scope='module')
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp('study')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, 'PLANS', {'english': PLAN})
        patch.setattr(languages, 'CHOOSING', (100,))
        return study(data, out), out


def test_every_start_at_every_size(done):
    found, out = done
    assert {(p['start'], p['labels']) for p in found['points']} == {(row, n) for row in languages.ROWS for n in (10, 20)}
    assert all(round(p['accuracy'] * 20, 6) == round(p['accuracy'] * 20) and 0 < p['macro_f1'] <= 1 for p in found['points'])
    assert len(found['shares']) == len(found['labels']) == 2 and sum(found['shares']) == 1
    words, pieces = (found['language_models'][row] for row in languages.NETWORKS)
    assert pieces['unknown'] < words['unknown'] and pieces['tokens_a_word'] > words['tokens_a_word'] and pieces['vocabulary'] != words['vocabulary']
    tuned = json.loads((out / 'models/english/subwords/tuned/config.json').read_text())
    assert tuned['tokenizer']['pieces'] and tuned['settings']['before']['subwords'] == 200


def test_each_way_has_the_best_of_its_rates(done):
    found, _ = done
    for p in found['points']:
        tried = found['chosen'][f'{p["labels"]} labels, {p["start"]}']
        assert len(tried) >= 3 and tried[str(p['strength'])] == max(tried.values())


def test_validation_texts_choose_by_macro_f1(data, tmp_path, monkeypatch):
    "And what they choose is what is measured, with the seeds that are measured."
    monkeypatch.setattr(languages, 'CHOOSING', (100, 101))
    monkeypatch.setattr(languages.Models, 'facts', lambda self, row: {})
    seen = []

    def figures(self, row, n, strength, seed, which):
        seen.append((row, strength, seed, which))
        return {'accuracy': strength, 'macro_f1': 1 / (1 + abs(strength - 12) + seed)}  # accuracy would have the highest

    monkeypatch.setattr(languages.Models, 'figures', figures)
    found = study(data, tmp_path, sizes=(10,), seeds=(0, 1))
    assert {(seed, which) for _, _, seed, which in seen} == {(100, 'validation'), (101, 'validation'), (0, 'test'), (1, 'test')}
    tried = found['chosen']['10 labels, tf-idf']
    assert tried['10.0'] == pytest.approx((1 / 103 + 1 / 104) / 2) and max(tried, key=tried.get) == '10.0'
    assert {strength for row, strength, _, which in seen if row == 'tf-idf' and which == 'test'} == {10.0}


def test_networks_weigh_classes_alike():
    assert languages.CLASSIFY.class_weight == languages.UNREAD.class_weight == 'balanced'


def test_too_few_texts_to_hold_any_back(data, tmp_path):
    with pytest.raises(SystemExit, match='80 labelled texts: 80 for validation leave none'):
        study(data, tmp_path, valid=80)


def test_what_chooses_is_neither_drawn_from_nor_asked_about(data):
    args = languages.Study(language='english', data=data, out=data, valid=20, test=20)
    texts = languages.parts(args)
    assert len(texts['validation']) == len(texts['test']) == 20 and len(texts['read']) == 80 and len(texts['train']) == 60
    assert not set(texts['validation'].texts) & {*texts['train'].texts, *texts['test'].texts}


def test_a_validation_split_chooses_where_there_is_one(data, tmp_path):
    home = tmp_path / 'data'
    shutil.copytree(data, home)
    part = load_data('subjectivity').select(range(200, 230))
    pd.DataFrame({'text': part.texts, 'label': part.labels}).to_parquet(home / 'tweets/validation.parquet')
    texts = languages.parts(languages.Study(language='english', data=home, out=tmp_path, valid=20))
    assert set(texts['validation'].texts) < set(part.texts) and len(texts['validation']) == 20 and texts['train'].texts == texts['read'].texts


def test_classes_are_weighed_alike_by_what_is_counted(data):
    models = languages.Models(languages.Study(language='english', data=data, out=data), {})
    few = TextData(['a cow'] * 9 + ['a cow', 'an owl'], [0] * 9 + [1] * 2, ['no', 'yes'])
    assert list(models.counted('tf-idf', few, 0.1, 0, ['a cow', 'an owl'])) == [0, 1]


def test_from_scratch_has_the_words_and_has_read_nothing(done):
    _, out = done
    words, nothing = (Stage.open(out / f'models/english/{name}') for name in ('words/tuned', 'scratch'))
    assert nothing.vocab.words == words.vocab.words and nothing.history == [] and words.history
    assert not torch.equal(nothing.tensors['encoder.embedding.emb.weight'], words.tensors['encoder.embedding.emb.weight'])


def test_the_record_is_all_that_is_needed_to_go_on(data, done, monkeypatch):
    found, out = done
    monkeypatch.setattr(languages.Models, 'figures', None)
    monkeypatch.setattr(languages.Models, 'facts', None)
    assert study(data, out) == found
    with pytest.raises(TypeError):
        study(data, out, seeds=(0, 1))


def test_a_record_of_other_settings_is_refused(data, done):
    with pytest.raises(ValueError, match='stage_1_tokens: None there, 24 now'):
        study(data, done[1], tokens=24)
    with pytest.raises(ValueError, match='test_texts: 20 there, 24 now'):
        study(data, done[1], test=24)


def test_it_stops_in_time(data, tmp_path):
    with pytest.raises(Stop, match='The same call goes on from here'):
        study(data, tmp_path, 'tweets alone', minutes=0)


def test_without_general_texts_there_is_no_stage_2(data, tmp_path):
    args = languages.Study(language='tweets alone', data=data, out=tmp_path)
    models = languages.Models(args, languages.parts(languages.Study(language='tweets alone', data=data, out=tmp_path, valid=20)))
    assert models.language_model('words') == tmp_path / 'tweets alone/words/pretrained' and not (tmp_path / 'tweets alone/words/tuned').exists()


def test_a_language_without_a_plan_is_refused(data, tmp_path):
    with pytest.raises(SystemExit, match="no plan for 'klingon', but english"):
        study(data, tmp_path, 'klingon')
