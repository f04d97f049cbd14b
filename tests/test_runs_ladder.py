"The ladder on few sentences, with networks that learn for a second: every rung is there, it goes on where it was cut, and the record says what its points say."

import json

import ladder
import pytest
from helpers import run_program


def run(lm, folder, *more):
    quick = '--rates 0.01 0.03 --epochs 1 --n 8 --lm-epochs 1 --shape 12 16 2'.split()
    return run_program('quick_ladder', '--lm', lm, '--out', folder / 'out', '--results', folder, *quick, *more)


def record_of(folder):
    return json.loads((folder / 'ladder.json').read_text())


@pytest.fixture(scope='module')
def done(tiny_lm, tmp_path_factory):
    folder = tmp_path_factory.mktemp('ladder')
    ended = run(tiny_lm, folder, '--seeds', '0,1')
    assert ended.returncode == 0, ended.stderr
    return folder


def test_every_rung_with_every_seed(done):
    record = record_of(done)
    several = (*ladder.NETWORKS, *ladder.LAST)
    assert {(p['rung'], p['seed']) for p in record['points']} == {(r, 0) for r in ladder.RUNGS} | {(r, 1) for r in several}
    assert [r['rung'] for r in record['rungs']] == list(ladder.RUNGS) and all(r['seeds'] == 1 + (r['rung'] in several) for r in record['rungs'])
    assert all(p['perplexity'] > 1 and 0 <= p['next_word'] < 1 and len(p['writes'].split()) >= 4 for p in record['points'])
    assert all(p['writes'].startswith('the film is a') for p in record['points'] if p['rung'] != 'wiki'), 'its vocabulary is its own'
    assert all(len(p['guesses']) == 5 and 'xxunk' not in p['guesses'] for p in record['points'] if p['rung'] != 'uniform')


def test_all_are_charged_for_what_they_do_not_know(done):
    record = record_of(done)
    own = {p['rung']: (p['vocab_sz'], p['charge']) for p in record['points']}
    assert own.pop('wiki')[0] != record['vocab_sz'] and set(own.values()) == {(record['vocab_sz'], record['charge'])}
    uniform = next(p['perplexity'] for p in record['points'] if p['rung'] == 'uniform')
    assert uniform == pytest.approx(record['vocab_sz'] * record['charge'])


def test_rates_are_tried_once_and_the_best_is_kept(done):
    record = record_of(done)
    assert set(record['rates_tried']) == set(ladder.NETWORKS)
    for p in record['points']:
        if tried := record['rates_tried'].get(p['rung']):
            assert p['lr'] == float(min(tried, key=tried.get)) and (p['seed'] or p['stopped_at'] == min(tried.values()))


def test_it_goes_on_where_it_was_cut(done, tiny_lm, tmp_path):
    record = record_of(done)
    kept = [p | {'perplexity': 7.0} for p in record['points'] if p['rung'] == 'rnn' and p['seed'] == 0]
    (tmp_path / 'ladder.json').write_text(json.dumps(record | {'points': kept}))
    assert run(tiny_lm, tmp_path, '--seeds', '0,1', '--only', 'bigrams,rnn').returncode == 0
    points = {(p['rung'], p['seed']): p for p in record_of(tmp_path)['points']}
    assert set(points) == {('bigrams', 0), ('rnn', 0), ('rnn', 1)} and points['rnn', 0] == kept[0]
    before = {(p['rung'], p['seed']): p for p in record['points']}
    assert points['rnn', 1]['perplexity'] == before['rnn', 1]['perplexity']


def test_a_record_with_other_settings_is_left_alone(done, tiny_lm):
    ended = run(tiny_lm, done, '--dropout', '0.1')
    assert ended.returncode != 0 and 'dropout' in ended.stderr


def test_a_summary_has_means_and_standard_errors():
    points = [{'rung': 'rnn', 'perplexity': v, 'next_word': 0.1, 'charge': 1, 'vocab_sz': 9, 'guesses': [str(v)], 'writes': ''} for v in (10.0, 14.0)]
    (row,) = ladder.summary(points)
    assert (row['perplexity'], row['perplexity_error'], row['seeds'], row['guesses']) == (12.0, pytest.approx(2.0), 2, ['10.0'])


def test_triples_are_counted_as_by_hand():
    "A dict of counters finds the same; a pair that was never seen leaves the guess to pairs."
    import numpy as np

    ids = np.random.default_rng(0).integers(0, 6, 200)
    ours = ladder.Trigrams(ids, 8)
    for v, w in [(0, 1), (3, 3), (5, 2)]:
        follow = [c for a, b, c in zip(ids, ids[1:], ids[2:]) if (a, b) == (v, w)]
        words, n = np.unique(follow, return_counts=True)
        expected = ours.lower(np.array([w])) * ours.discount * len(words) / n.sum()
        expected[words] += (n - ours.discount) / n.sum()
        assert ours(np.array([4, v, w])) == pytest.approx(expected) and ours(np.array([v, w])).sum() == pytest.approx(1)
    for before in ([7, 1], [1]):
        assert ours(np.array(before)).tolist() == ours.lower(np.array(before)).tolist()
