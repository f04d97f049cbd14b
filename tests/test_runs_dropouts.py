"The ablation of the dropouts, at tiny size: every variant is what its name says, and a run that was stopped goes on."

import json
from dataclasses import replace

import dropouts
import pytest
from dropouts import ARMS, Settings, measure, run, streams

from ulmfit_nb.awd_lstm import LM_DROPOUTS

TINY = Settings(sentences=30, choosing=10, emb_sz=8, n_hid=8, bs=4, max_epochs=2, lr=0.02)


@pytest.fixture(scope='module')
def data():
    return streams(TINY)


def test_one_dropout_at_a_time():
    changed = [name for arm, changes in ARMS.items() if arm.startswith('without') for name in changes]
    assert sorted(changed) == sorted(LM_DROPOUTS) and ARMS['none'] == dict.fromkeys(LM_DROPOUTS, 0.0)
    assert all(arm == f'without {name}' for arm, changes in ARMS.items() if arm.startswith('without') for name in changes)


def test_learns_stops_and_measures(data):
    vocab, batches = data
    found = run('all five', 0.02, 0, TINY, len(vocab), batches)
    assert 1 < found['perplexity'] < len(vocab) and 1 <= found['best_epoch'] <= len(found['curve']) == 2
    assert run('none', 0.02, 0, TINY, len(vocab), batches)['perplexity'] != found['perplexity']
    assert run('all five, untied', 0.02, 0, TINY, len(vocab), batches)['weights'] > found['weights']
    long = replace(TINY, max_epochs=60, patience=1, lr=0.1)
    stopped = run('none', 0.1, 0, long, len(vocab), batches)
    assert len(stopped['curve']) == stopped['best_epoch'] + long.patience < 60


def test_saved_after_each_run_and_gone_on_from_there(tmp_path, monkeypatch):
    monkeypatch.setattr(dropouts, 'Settings', lambda: TINY)
    monkeypatch.setattr(dropouts, 'ARMS', {arm: ARMS[arm] for arm in ('all five', 'none')})
    calls, real = [], dropouts.run

    def stops(*args):
        calls.append(args[:3])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(dropouts, 'run', stops)
    with pytest.raises(KeyboardInterrupt):
        measure(seeds=[0], results=tmp_path)
    first = json.loads((tmp_path / 'dropouts.json').read_text())
    assert len(first['runs']) == 2 and first['command'] == 'python runs/dropouts.py'
    measure(seeds=[0], results=tmp_path)
    done = json.loads((tmp_path / 'dropouts.json').read_text())
    assert done['runs'][:2] == first['runs'] and len(done['runs']) == len({(r['arm'], r['lr'], r['seed']) for r in done['runs']}) == 6
    monkeypatch.setattr(dropouts, 'Settings', lambda: replace(TINY, n_hid=9))
    measure(seeds=[0], results=tmp_path)
    assert len(json.loads((tmp_path / 'dropouts.json').read_text())['runs']) == 6, 'other settings begin anew'
