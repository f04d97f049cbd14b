"The few-label study, at a size that takes seconds: it goes on where it was cut, and its record says what its points say."

import json

import few_labels
import numpy as np
import pandas as pd
import pytest
from helpers import run_program

from ulmfit_nb import pretrain
from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.packs import pack
from ulmfit_nb.sources import TextSource, load_data
from ulmfit_nb.tokenization import Tokenizer


@pytest.fixture(scope='module', autouse=True)
def imdb(tmp_path_factory):
    "Sentences in the layout of IMDb: labelled ones, and some whose labels nobody gives."
    home, sentences = tmp_path_factory.mktemp('data'), load_data('subjectivity')
    (home / 'imdb').mkdir()
    for split, rows in (('train', range(360)), ('test', range(360, 560)), ('unsup', range(560, 730))):
        part = sentences.select(rows)
        labels = part.labels if split != 'unsup' else [-1] * len(part)
        pd.DataFrame({'text': part.texts, 'label': labels}).to_parquet(home / f'imdb/{split}.parquet')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ULMFIT_NB_DATA', str(home))
        yield


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    "A language model, and beside it the one that reads backwards."
    out = tmp_path_factory.mktemp('few') / 'lm'
    sizes = dict(emb_sz=16, n_hid=24, n_layers=2, min_freq=2, max_vocab=500, max_tokens=8000, bs=4, bptt=20, progress_bar=False)
    pretrain(TextSource('wikipedia'), f'{out}-backwards', backwards=True, **sizes)
    return pretrain(TextSource('wikipedia'), out, **sizes)


def run(lm, out, *more):
    sizes = '--sizes 20,40 --seeds 0 --unlabelled unsup --test 30 --valid 20'.split()
    return run_program('quick_few_labels', 'imdb', '--lm', lm, '--start', lm, '--out', out / 'study', '--results', out, *sizes, *more)


def points_of(folder):
    return {(p['start'], p['labels'], p['seed']): p for p in json.loads((folder / 'few_labels_imdb.json').read_text())['points']}


@pytest.fixture(scope='module')
def done(lm):
    out = lm.parent
    ended = run(lm, out)
    assert ended.returncode == 0, ended.stderr
    return out


def test_every_start_at_every_size(done):
    record, points = json.loads((done / 'few_labels_imdb.json').read_text()), points_of(done)
    assert set(points) == {(row, n, 0) for row in few_labels.ROWS for n in (20, 40)}
    assert all(round(p['accuracy'] * 30, 6) == round(p['accuracy'] * 30) for p in points.values()), 'shares of 30 test texts'
    assert record['lm_saw_test_texts'] is False and record['test_texts'] == 30
    assert [points[row, 40, 0]['epochs'] for row in few_labels.NETWORKS] == [3 + 1, 1, 1, 1], 'as many passes from scratch as a thaw would have'
    assert record['settings']['train_classifier']['head'] == 'linear-probe' and 'head' not in record['settings']['from scratch']
    way = record['start']
    assert way['']['sha256'] != way['-backwards']['sha256'] and record['stage 2'] == 'unsup'


def test_the_record_is_all_that_is_needed_to_go_on(done, lm, tmp_path):
    "On another machine too, where the language models have to be made again."
    record = json.loads((done / 'few_labels_imdb.json').read_text())
    kept = [p | {'accuracy': 0.5} for p in record['points'] if p['start'] == 'pretrained' and p['labels'] == 20]
    (tmp_path / 'few_labels_imdb.json').write_text(json.dumps(record | {'points': kept}))
    assert run(lm, tmp_path).returncode == 0
    points = points_of(tmp_path)
    assert set(points) == set(points_of(done)) and points['pretrained', 20, 0] == kept[0]
    assert points['pretrained', 40, 0]['accuracy'] == points_of(done)['pretrained', 40, 0]['accuracy']


@pytest.mark.parametrize(('option', 'value'), [('--head', 'hidden-layer'), ('--test', 24), ('--valid', 24), ('--unlabelled', 'train'), ('--as-it-is', None)])
def test_a_record_of_other_settings_is_refused(option, value, done, lm, tmp_path):
    (tmp_path / 'few_labels_imdb.json').write_bytes((done / 'few_labels_imdb.json').read_bytes())
    ended = run(lm, tmp_path, option, *([value] if value else []))
    assert ended.returncode != 0 and 'other settings' in ended.stderr
    assert not (tmp_path / 'study/tuned').exists(), 'refused before anything is trained'


def test_it_stops_in_time_and_goes_on(done, lm, tmp_path):
    ended = run(lm, tmp_path, '--minutes', '0.01')
    assert ended.returncode == 1 and 'The same call goes on from here' in ended.stderr and 'Traceback' not in ended.stderr
    assert run(lm, tmp_path, '--commit', 'abc1234').returncode == 0
    points = points_of(tmp_path)
    assert {k: p['accuracy'] for k, p in points.items()} == {k: p['accuracy'] for k, p in points_of(done).items()}
    assert {p['commit'] for p in points.values()} == {'abc1234'}


def test_choosing_reads_no_test_text_and_records_elsewhere(done, lm):
    before = (done / 'few_labels_imdb.json').read_bytes()
    assert run(lm, done, '--choose', '--sizes', '20').returncode == 0
    assert (done / 'few_labels_imdb.json').read_bytes() == before
    chosen = json.loads((done / 'study/chosen_by.json').read_text())
    assert chosen['test_texts'] == 20 and chosen['texts']['asked about'] != json.loads(before)['texts']['asked about']


@pytest.mark.parametrize('n', [20, 50, 101])
def test_a_draw_is_stratified_and_larger_ones_hold_the_smaller(n):
    data = load_data('subjectivity')
    small, large = (draw_labels(data, k, 3) for k in (n, n + 60))
    counts = np.bincount([data.labels[i] for i in small])
    assert len(set(small)) == n and set(small) <= set(large) and abs(counts[0] - counts[1]) <= 2


def test_packs_give_the_same_points(done, lm, tmp_path):
    "All but those of TF-IDF, which counts words in texts."
    for split in ('train', 'test', 'unsup'):
        data = load_data('imdb', split)
        pack(data.texts if split == 'unsup' else data, tmp_path / f'packs/imdb-{split}', size=3000)
    sizes = '--sizes 20 --seeds 0 --unlabelled unsup --test 30 --valid 20'.split()
    where = ['--lm', lm, '--start', lm, '--out', tmp_path / 'study', '--results', tmp_path]
    ended = run_program('quick_few_labels', tmp_path / 'packs/imdb', *where, *sizes)
    assert ended.returncode == 0, ended.stderr
    found, expected = points_of(tmp_path), points_of(done)
    assert {k: p['accuracy'] for k, p in found.items()} == {
        k: p['accuracy'] for k, p in expected.items() if k[1] == 20 and k[0] not in (few_labels.COUNTED, few_labels.VECTORS)
    }
    perplexity = [json.loads((folder / 'study/tuned/history.json').read_text())[-1]['perplexity'] for folder in (done, tmp_path)]
    assert perplexity[0] == perplexity[1], 'accuracies on thirty texts may agree by chance'
    for split in ('train', 'test'):
        packed, texts = few_labels.Study(data=str(tmp_path / 'packs/imdb'), out=tmp_path).read(split), load_data('imdb', split)
        assert packed.labels == texts.labels and list(packed.texts) == list(Tokenizer().map(texts.texts))
