"The few-label study, at a size that takes seconds: it goes on where it was cut, and its record says what its points say."

import json
import subprocess
import sys

import numpy as np
import pytest
from notebooks import ROOT

from ulmfit_nb import pretrain
from ulmfit_nb.data import TextSource, load_data

sys.path.insert(0, str(ROOT / 'runs'))
import few_labels


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    out = tmp_path_factory.mktemp('few') / 'lm'
    sizes = dict(emb_sz=16, n_hid=24, n_layers=2, min_freq=2, max_vocab=500, max_tokens=8000, bs=4, bptt=20)
    return pretrain(TextSource('prose'), out, **sizes, progress_bar=False)


def run(lm, out, *more):
    sizes = '--sizes 20,40 --seeds 0 --unlabelled 20 --test 30 --valid 20'.split()
    command = [sys.executable, ROOT / 'runs/few_labels.py', 'reviews', '--lm', lm, '--out', out / 'study', '--results', out, *sizes, *more]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope='module')
def done(lm):
    out = lm.parent
    ended = run(lm, out)
    assert ended.returncode == 0, ended.stderr
    return out


def test_every_start_at_every_size(done):
    record = json.loads((done / 'few_labels_reviews.json').read_text())
    points = {(p['start'], p['labels']): p for p in record['points']}
    assert set(points) == {(s, n) for s in (*few_labels.STARTS, 'tf-idf') for n in (20, 40)}
    assert all(round(p['accuracy'] * 30, 6) == round(p['accuracy'] * 30) for p in points.values()), 'shares of 30 test texts'
    assert record['lm_saw_test_texts'] is False and record['test_texts'] == 30


def test_a_point_is_kept_and_not_made_again(done, lm):
    kept = done / 'study/points/test-pretrained-20-0.json'
    figures = json.loads(kept.read_text())
    kept.write_text(json.dumps(figures | {'accuracy': 0.5}))
    (done / 'study/points/test-tf-idf-40-0.json').unlink()
    assert run(lm, done).returncode == 0
    points = {(p['start'], p['labels']): p['accuracy'] for p in json.loads((done / 'few_labels_reviews.json').read_text())['points']}
    assert points['pretrained', 20] == 0.5 and ('tf-idf', 40) in points
    kept.write_text(json.dumps(figures))


def test_points_of_another_setting_are_refused(done, lm):
    ended = run(lm, done, '--test', '24')
    assert ended.returncode != 0 and 'other settings' in ended.stderr


@pytest.mark.parametrize('n', [20, 50, 101])
def test_a_draw_is_stratified_and_larger_ones_hold_the_smaller(n):
    data = load_data('reviews')
    small, large = (few_labels.draw(data, k, np.random.default_rng(3)) for k in (n, n + 60))
    counts = np.bincount([data.labels[i] for i in small])
    assert len(set(small)) == n and set(small) <= set(large) and abs(counts[0] - counts[1]) <= 2
