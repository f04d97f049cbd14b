"The scripts that measure language models, at a size that takes seconds."

import json
import math
import sys
from importlib import import_module

import matplotlib
import matplotlib.pyplot as plt
import pytest
from notebooks import ROOT, read

from ulmfit_nb import pretrain
from ulmfit_nb.pretraining import evaluate_texts
from ulmfit_nb.sources import TextSource, load_data
from ulmfit_nb.stages import load_lm

SCALING = 'wikipedia --tokens 4000 8000 --shapes 8/12/1 12/16/2 --max-vocab 500 --bs 4'.split()


def script(name, *args) -> str:
    "Run a script in this process; what it ends with, nothing if all went well."
    with pytest.MonkeyPatch.context() as m:
        m.syspath_prepend(ROOT / 'runs')
        m.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
        try:
            import_module(name).main()
        except (SystemExit, ValueError) as e:
            return str(e.args[0] or '') if e.args else ''
    return ''


@pytest.fixture(scope='module')
def scaled(tmp_path_factory):
    out = tmp_path_factory.mktemp('scaling')
    assert script('scaling', *SCALING, '--out', out, '--results', out) == ''
    return out


def test_scaling_records_every_run(scaled):
    record = json.loads((scaled / 'scaling.json').read_text())
    assert [(r['shape'], r['settings']['max_tokens']) for r in record['runs']] == [(s, n) for n in (4000, 8000) for s in ('8/12/1', '12/16/2')]
    assert all(0.7 < r['tokens'] / r['settings']['max_tokens'] < 1.3 for r in record['runs']), 'tokens are not those that were read'
    words = {len(load_lm(d.parent)[1]) for d in scaled.glob('*/config.json')}
    assert words == {record['vocab']}, 'the vocabulary is not the same for all'
    assert all(1 < r['perplexity'] < record['vocab'] and r['fair_perplexity'] > r['perplexity'] for r in record['runs'])
    model, vocab, _ = load_lm(scaled / '12-16-2-8000')
    assert record['runs'][-1]['perplexity'] == pytest.approx(evaluate_texts(model, vocab, load_data('wikipedia', 'validation').texts)['perplexity'])


def test_scaling_goes_on_with_what_is_missing(scaled):
    before = json.loads((scaled / 'scaling.json').read_text())['runs']
    stamp = (scaled / '8-12-1-4000/model.safetensors').stat().st_mtime_ns
    for file in (scaled / '12-16-2-4000').iterdir():
        file.unlink()
    assert script('scaling', *SCALING, '--out', scaled, '--results', scaled) == ''
    after = json.loads((scaled / 'scaling.json').read_text())['runs']
    assert [r['perplexity'] for r in after] == [r['perplexity'] for r in before]
    assert (scaled / '8-12-1-4000/model.safetensors').stat().st_mtime_ns == stamp, 'a finished run was made again'
    assert 'other settings' in script('scaling', *SCALING, '--lr', '0.1', '--out', scaled, '--results', scaled)


def test_the_chapter_draws_the_record(scaled, capsys):
    matplotlib.use('agg')
    cell = next(c.source for c in read(ROOT / 'nbs/09_pretraining.ipynb').cells if 'def plot_scaling' in c.source)
    space = {'math': math, 'plt': plt}
    exec(cell, space)
    space['plot_scaling'](json.loads((scaled / 'scaling.json').read_text()))
    lines = plt.gca().get_lines()
    assert [len(line.get_xdata()) for line in lines] == [2, 2] and capsys.readouterr().out.count('twice the text') == 2


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    sizes = dict(emb_sz=16, n_hid=24, n_layers=2, min_freq=2, max_vocab=500, max_tokens=8000, bs=4, bptt=20, progress_bar=False)
    return pretrain(TextSource('wikipedia'), tmp_path_factory.mktemp('lm') / 'a-model', **sizes)


def test_a_perplexity_is_recorded_and_reproduced(lm, tmp_path):
    def evaluate(*more):
        return script('evaluate', lm, 'wikipedia', '--results', tmp_path, *more)

    file = tmp_path / 'a_model.json'
    assert 'run without --check first' in evaluate('--check')
    assert evaluate() == ''
    record = json.loads(file.read_text())
    model, vocab, _ = load_lm(lm)
    found = evaluate_texts(model, vocab, load_data('wikipedia', 'validation').texts)
    assert {k: record['validation'][k] for k in found} == pytest.approx(found, rel=1e-6)
    assert record['data'] == 'wikipedia' and record['vocab'] == len(vocab) and 'test' not in record
    assert evaluate('--check') == ''
    for off, says in ((1.009, ''), (1.011, 'is recorded'), (0.989, 'is recorded'), (float('nan'), 'is recorded')):
        file.write_text(json.dumps(record | {'validation': record['validation'] | {'perplexity': found['perplexity'] / off}}))
        assert says in evaluate('--check') and (says or not evaluate('--check'))


def test_the_other_split_stays_if_it_is_of_the_same_weights(lm, tmp_path):
    file, measure = tmp_path / 'a_model.json', lambda: script('evaluate', lm, 'wikipedia', '--results', tmp_path)
    assert measure() == ''
    record = json.loads(file.read_text())
    for change, stays in (({}, True), ({'sha256': 'of other weights'}, False), ({'data': 'other texts'}, False)):
        file.write_text(json.dumps(record | {'test': {'perplexity': 5.0}} | change))
        assert measure() == '' and ('test' in json.loads(file.read_text())) == stays


def test_the_script_of_the_models_that_ship():
    "It names scripts that exist, and evaluates before it packages: the card wants the figures."
    text = (ROOT / 'runs/small_models.sh').read_text()
    assert text.index('small_models.py number') < text.index('small_models.py train') < text.index('runs/evaluate.py')
    assert text.index('runs/evaluate.py') < text.index('runs/package.py') < text.index('--check')
    assert all((ROOT / f'runs/{name}.py').exists() for name in ('small_models', 'evaluate', 'package'))
