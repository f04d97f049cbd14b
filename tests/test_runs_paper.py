"The runs of the paper, from packing to the mean of both directions, at a size of seconds."

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import paper
import pytest
from helpers import ROOT, run_program

from ulmfit_nb.course.records import ablation_table
from ulmfit_nb.packs import load_packed
from ulmfit_nb.sources import load_data


def table(texts, labels=None, **columns):
    return pd.DataFrame({'text': texts} | ({} if labels is None else {'label': labels}) | columns)


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Data sets in the layout of the real ones, from the texts that ship; and their packs."
    home = tmp_path_factory.mktemp('paper')
    sentences, articles = load_data('subjectivity').select(range(72)), [t[:1500] for t in load_data('wikipedia').texts[:12]]
    films = [f'tt{i // 5}' for i in range(len(sentences))]
    for name in ('imdb', 'enwiki2015', 'trec', 'ag_news'):
        (home / 'data' / name).mkdir(parents=True)
    for split, part in (('train', articles[:8]), ('validation', articles[8:10]), ('test', articles[10:])):
        table(part).to_parquet(home / f'data/enwiki2015/{split}.parquet')
    short = [t[:400] for t in sentences.texts]
    for split in ('train', 'test'):
        table(short, sentences.labels).to_parquet(home / f'data/imdb/{split}.parquet')
        table([t[:80] for t in short], coarse_label=sentences.labels).to_parquet(home / f'data/trec/{split}.parquet')
        table(short, sentences.labels).to_parquet(home / f'data/ag_news/{split}.parquet')
    table(short[:20], [-1] * 20).to_parquet(home / 'data/imdb/unsup.parquet')
    pd.DataFrame({'movie': films}).to_parquet(home / 'data/imdb/meta_train.parquet')
    env = os.environ | {'ULMFIT_NB_DATA': str(home / 'data')}
    done = subprocess.run([sys.executable, ROOT / 'runs/pack.py', home / 'packs'], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return home


def run(home, group, *args):
    "What runs/paper.py ends with: None, or a sentence. In this process, which has everything imported already."
    where = ['--preset', 'tiny', '--packs', home / 'packs', '--out', home / 'out', '--results', home]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [str(a) for a in ('paper.py', group, *where, *args)])
        try:
            return paper.main()
        except SystemExit as e:
            return e.code


def records(home):
    return {json.loads(f.read_text())['run']: json.loads(f.read_text()) for f in home.glob('paper_*.json')}


def test_validation_shares_no_film_with_training(home):
    train, valid = (load_packed(home / f'packs/imdb-{part}') for part in ('train', 'valid'))
    films = {tuple(t): f for t, f in zip(load_packed(home / 'packs/imdb-test').texts, pd.read_parquet(home / 'data/imdb/meta_train.parquet')['movie'])}
    of = [{films[tuple(t)] for t in part.texts} for part in (train, valid)]
    assert of[0] and of[1] and not of[0] & of[1], 'the test reviews of this home are those of training, so each film is known'


IMDB = ['wiki', 'imdb-lm', 'imdb-0', 'wiki-backwards', 'imdb-lm-backwards', 'imdb-backwards-0', 'imdb-both-0']


@pytest.fixture(scope='module')
def done(home):
    first = run(home, 'imdb', '--minutes', '0.03', '--only', *IMDB)
    assert 'goes on from here' in first
    assert set(records(home)) < set(IMDB)
    assert run(home, 'imdb', '--commit', 'abc1234', '--only', *IMDB) is None
    return home


def test_all_runs_are_recorded(done):
    found = records(done)
    assert set(found) == set(IMDB) and found['imdb-both-0']['commit'] == 'abc1234'
    assert found['wiki']['test']['perplexity'] > 1 and found['wiki-backwards']['settings']['backwards'] is True
    assert 0 < found['imdb-0']['share'] < 1 and 0 < found['imdb-lm']['share'] < 1
    stages = [h['groups'] for h in found['imdb-0']['history']]
    assert stages[0] == ['head'] and len(stages[-1]) > len(stages[1]) == 2


def test_the_average_is_that_of_the_probabilities(done):
    probs = np.mean([np.load(done / f'out/{n}/test.npy').astype(np.float32) for n in ('imdb-0', 'imdb-backwards-0')], 0)
    labels = load_packed(done / 'packs/imdb-test').labels
    assert records(done)['imdb-both-0']['test_accuracy'] == pytest.approx((probs.argmax(1) == labels).mean())


def test_what_is_recorded_is_not_done_again(done):
    before = {f: f.stat().st_mtime_ns for f in done.glob('paper_*.json')}
    assert run(done, 'imdb', '--only', *IMDB) is None
    assert before == {f: f.stat().st_mtime_ns for f in done.glob('paper_*.json')}


def test_ablations(done):
    wanted = ['trec-lm', 'trec-random', 'trec: from scratch', 'trec: chain-thaw', 'trec: freez + cosine']
    assert run(done, 'ablations', '--only', *wanted) is None
    found = records(done)
    assert {'validation_accuracy'} <= set(found['trec: chain-thaw']) and 'test_accuracy' not in found['trec: chain-thaw']
    assert [h['groups'] for h in found['trec: chain-thaw']['history']][:2] == [['head'], ['embedding']]
    assert found['trec: freez + cosine']['settings']['schedule'] == 'cosine_annealing'
    assert found['trec: from scratch']['settings']['schedule'] == 'constant'


def test_a_run_that_fails_keeps_no_other_from_being_done(done, monkeypatch, capsys):
    "Here one that lacks its model, one whose loss is no number, and one of which nobody expected anything."
    make = paper.train_classifier

    def sometimes(lm, train, folder, *more, **options):
        if folder.name == 'trec-full-discr':
            raise FloatingPointError('the loss is nan by step 3')
        if folder.name == 'trec-freez':
            raise RuntimeError('out of memory')
        return make(lm, train, folder, *more, **options)

    monkeypatch.setattr(paper, 'train_classifier', sometimes)
    wanted = ['trec: LM full', 'trec: full + discr', 'trec: freez', 'trec: last layer only']
    out = run(done, 'ablations', '--only', *wanted)
    assert out.startswith('Not done:') and 'out of memory' in out and 'trec-full-lm: no such model' in out and 'delete its record' in out
    found = records(done)
    assert 'validation_accuracy' in found['trec: last layer only'] and found['trec: full + discr']['diverged'] == 'the loss is nan by step 3'
    assert not {'trec: LM full', 'trec: freez'} & set(found)
    rows = {r['row']: r for r in ablation_table({k: v for k, v in found.items() if k.startswith('trec')})}
    assert rows['full + discr']['TREC-6, ours'] == 'diverged' and float(rows['last layer only']['TREC-6, ours']) >= 0


def test_it_needs_neither_an_installation_nor_the_packages_of_the_course(home, tmp_path):
    where = ['--preset', 'tiny', '--packs', home / 'packs', '--out', tmp_path, '--results', tmp_path, '--only', 'trec-unread-lm', 'trec: no pretraining']
    ended = run_program('bare_paper', 'ablations', *where, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert 'validation_accuracy' in json.loads((tmp_path / 'paper_trec-no_pretraining.json').read_text())


def test_rehearsal(home):
    assert run(home, 'rehearse') is None
    steps = json.loads((home / 'paper_rehearsal.json').read_text())['steps']
    (home / 'paper_rehearsal.json').unlink()
    assert [(s['bs'], s['precision']) for s in steps] == [(4, 'fp32'), (4, 'auto'), (8, 'auto')] and all(s['tokens_per_second'] > 0 for s in steps)


def test_unknown_runs_are_named(home):
    assert "no run 'nothing' in imdb, but wiki" in run(home, 'imdb', '--only', 'nothing')


def test_every_run_starts_from_one_that_comes_before_it():
    known = set()
    for run in (r for group in paper.GROUPS.values() for r in group()):
        assert not run.lm or run.lm in known, f'{run.name} starts from {run.lm}'
        assert set(run.of) <= known and run.name not in known
        known.add(run.name)
    assert len({paper.file_name(r) for r in known}) == len(known)


def test_a_record_of_another_preset_is_not_taken_for_this_run(home, tmp_path):
    (tmp_path / 'paper_wiki.json').write_text(json.dumps({'run': 'wiki', 'preset': 'paper'}))
    assert "preset: 'paper' there, 'tiny' now" in run(home, 'imdb', '--results', tmp_path, '--only', 'wiki')
