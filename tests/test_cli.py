"The command line: what a user types, what is printed, and what is said when something is wrong."

import json
import os
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ulmfit_nb.cli import app

SMALL = ['--preset', 'tiny', '--epochs', '1', '--max-tokens', '8000']


def run(*args, ok=True, text=None):
    result = CliRunner().invoke(app, [str(a) for a in args], input=text)
    assert (result.exit_code == 0) == ok, result.output
    return result.output


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "The three stages, once, by their commands, on a file of one's own."
    folder = tmp_path_factory.mktemp('cli')
    rows = [(f'a {w} film, {w} from the first minute to number {i}', c) for i in range(12) for w, c in (('dull', 'thumbs down'), ('lovely', 'thumbs up'))]
    (folder / 'mine.csv').write_text('review,verdict\n' + ''.join(f'"{t}",{c}\n' for t, c in rows))
    own = ['--data', folder / 'mine.csv', '--text', 'review']
    run('pretrain', '--data', 'prose', '--out', folder / 'lm', *SMALL)
    run('fine-tune', '--lm', folder / 'lm', *['--data', 'reviews'], '--out', folder / 'tuned', *SMALL)
    out = run('classify', '--lm', folder / 'tuned', *own, '--label', 'verdict', '--out', folder / 'clas', '--preset', 'tiny', '--epochs', '1')
    return folder, out


def test_help_is_quick_and_names_the_commands():
    out = run('--help')
    assert all(c in out for c in ('demo', 'pretrain', 'fine-tune', 'classify', 'predict', 'lab'))
    code = 'import sys, ulmfit_nb.cli; sys.exit("spacy" in sys.modules or "accelerate" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_stages(made):
    folder, out = made
    assert 'written' in out and 'accuracy' in out
    for name, stage in (('lm', 'language model'), ('tuned', 'language model'), ('clas', 'classifier')):
        assert json.loads((folder / name / 'config.json').read_text())['stage'] == stage
        assert {p.name for p in (folder / name).iterdir()} == {'config.json', 'vocab.json', 'model.safetensors', 'history.json'}
    assert json.loads((folder / 'clas/config.json').read_text())['classes'] == ['thumbs down', 'thumbs up']


def test_predict_from_arguments_stdin_and_file(made):
    folder, _ = made
    lines = run('predict', '--model', folder / 'clas', 'a lovely film', 'a dull film').splitlines()
    assert len(lines) == 2 and all(line.split('\t')[0] in ('thumbs up', 'thumbs down') for line in lines)
    assert run('predict', '--model', folder / 'clas', text='a lovely film\na dull film\n').splitlines() == lines
    assert len(run('predict', '--model', folder / 'clas', '--data', folder / 'mine.csv', '--text', 'review').splitlines()) == 24


def test_a_finished_stage_is_not_run_again(made):
    folder, _ = made
    before = (folder / 'lm/model.safetensors').stat().st_mtime_ns
    run('pretrain', '--data', 'prose', '--out', folder / 'lm', *SMALL)
    assert (folder / 'lm/model.safetensors').stat().st_mtime_ns == before


WRONG = {
    'no such file': (lambda f: ['pretrain', '--data', f / 'nothing.csv', '--out', f / 'x'], 'no such file'),
    'unknown column': (lambda f: ['classify', '--lm', f / 'lm', '--data', f / 'mine.csv', '--out', f / 'x'], "no column 'text'"),
    'no labels': (lambda f: ['classify', '--lm', f / 'lm', '--data', 'prose', '--out', f / 'x', '--preset', 'tiny'], 'no labels'),
    'wrong stage': (lambda f: ['fine-tune', '--lm', f / 'clas', '--out', f / 'x'], 'language model'),
    'a model that is no directory': (lambda f: ['predict', '--model', f / 'nowhere', 'text'], 'no such directory'),
    'other settings': (lambda f: ['pretrain', '--data', 'prose', '--out', f / 'lm', *SMALL, '--lr', '0.5'], 'lr'),
    'no chapters': (lambda f: ['lab', '--folder', f], 'no chapters'),
}


@pytest.mark.parametrize('case', WRONG)
def test_errors_are_one_sentence(case, made):
    folder, _ = made
    args, word = WRONG[case]
    before = sorted(folder.rglob('*'))
    out = run(*args(folder), ok=False)
    assert 'error:' in out and word in out and 'Traceback' not in out
    assert [p for p in sorted(folder.rglob('*')) if p not in before] in ([], [folder / 'x']), 'something half-written was left'
    shutil.rmtree(folder / 'x', ignore_errors=True)


@pytest.mark.skipif(sys.platform == 'win32', reason='no signals')
def test_the_demo(tmp_path):
    "What `make demo` runs: the table by stage, the test accuracy, three typed reviews, a picture, a classifier."
    env = {**os.environ, 'HF_HUB_OFFLINE': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(
        [sys.executable, '-c', 'from ulmfit_nb.cli import app; app()', 'demo', '--out', tmp_path / 'demo'], capture_output=True, text=True, env=env, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert all(w in done.stdout for w in ('perplexity', 'accuracy', 'minutes', 'test reviews', 'predict --model'))
    assert (tmp_path / 'demo/demo.png').read_bytes()[:4] == b'\x89PNG'
    assert (tmp_path / 'demo/classifier/config.json').exists()
    perplexity = {f: [h['perplexity'] for h in json.loads((tmp_path / 'demo' / f / 'history.json').read_text())] for f in ('lm', 'reviews-lm')}
    assert all(p[-1] < p[0] for p in perplexity.values()), 'the language model learnt nothing'
