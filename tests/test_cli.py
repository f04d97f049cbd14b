"The command line: what a user types, what is printed, and what is said when something is wrong."

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import click
import notebooks
import pytest
import torch
import typer
from helpers import ROOT, TINY_LM
from typer.testing import CliRunner

import ulmfit_nb
import ulmfit_nb.cli as cli
from ulmfit_nb import TextClassifier, demo, prediction_files, pretrain, service, stages
from ulmfit_nb.cli import app
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.sources import NAMED, load_data

SMALL = ['--preset', 'tiny', '--epochs', '1', '--max-tokens', '8000']


def run(*args, ok=True, text=None):
    result = CliRunner().invoke(app, [str(a) for a in args], input=text)
    assert (result.exit_code == 0) == ok, result.output
    return result.output


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "The three stages, once, by their commands, on a file of one's own."
    folder = tmp_path_factory.mktemp('cli')
    rows = [(f'a {w} film, {w} from the first minute to number {i}', c) for i in range(13) for w, c in (('dull', 'thumbs down'), ('lovely', 'thumbs up'))]
    (folder / 'mine.csv').write_text('review,verdict\n' + ''.join(f'"{t}",{c}\n' for t, c in rows))
    own = ['--data', folder / 'mine.csv', '--text', 'review']
    run('pretrain', '--data', 'wikipedia', '--split', 'validation', '--out', folder / 'lm', *SMALL)
    run('fine-tune', '--lm', folder / 'lm', '--data', 'subjectivity', '--out', folder / 'tuned', *SMALL)
    out = run('classify', '--lm', folder / 'tuned', *own, '--label', 'verdict', '--out', folder / 'clas', '--preset', 'tiny', '--epochs', '1')
    return folder, out


def test_help_is_quick_and_names_the_commands():
    out = run('--help')
    assert all(c in out for c in ('demo', 'check', 'pretrain', 'fine-tune', 'classify', 'evaluate', 'predict', 'label-next', 'export', 'serve', 'lab'))
    code = 'import sys, ulmfit_nb.cli; sys.exit("spacy" in sys.modules or "accelerate" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_it_says_which_version_it_is():
    line = (ROOT / 'settings.ini').read_text().split('\nversion = ')[1].splitlines()[0]
    assert run('--version') == f'{line}\n'


def test_every_option_is_explained():
    "What --help says: a line for each command, a text for each option."
    for name, command in typer.main.get_command(app).commands.items():
        assert command.help and all(p.help for p in command.params if p.name != 'help'), name


def test_the_chapter_shows_what_help_says():
    "The documentation of the commands is their own help, as the chapter printed it last."
    cells = notebooks.read(ROOT / 'nbs/18_command_line.ipynb').cells
    shown = '\n'.join(o.get('text', '') for c in cells if c.cell_type == 'code' for o in c.outputs)
    for name, command in typer.main.get_command(app).commands.items():
        page = shown.split(f'Usage: ulmfit-nb {name} ', 1)[1].split('Usage:')[0]
        for option in [p for p in command.params if p.name != 'help']:
            assert isinstance(option, click.Argument) or option.opts[0] in page, f'{name} {option.opts[0]}: run chapter 18 again'


def test_stages(made):
    folder, out = made
    assert 'written' in out and 'accuracy' in out and 'macro_f1' in out
    for name, stage in (('lm', 'language model'), ('tuned', 'language model'), ('clas', 'classifier')):
        assert json.loads((folder / name / 'config.json').read_text())['stage'] == stage
        assert {p.name for p in (folder / name).iterdir()} == {'config.json', 'vocab.json', 'model.safetensors', 'history.json'}
    assert json.loads((folder / 'clas/config.json').read_text())['classes'] == ['thumbs down', 'thumbs up']


@pytest.mark.parametrize('target, labels', [('multi-label', [['dull', 'long'], [], ['long']]), ('number', [1, 2.5, 4])])
def test_what_labels_are(made, tmp_path, target, labels):
    "Lists and numbers, from a look at the table to a prediction; of what is no class there is no report."
    folder, _ = made
    rows = [{'text': f'a film of {i} parts', 'label': labels[i % 3]} for i in range(30)]
    (tmp_path / 'in.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    read, kind = ('--data', tmp_path / 'in.jsonl'), ('--target', target)
    said = {'multi-label': 'long 20', 'number': 'numbers from 1 to 4, half of them 2.5 or less'}[target]
    assert said in run('check', *read, *kind, '--lm', folder / 'lm', '--no-minutes')
    run('classify', *read, *kind, '--lm', folder / 'lm', '--preset', 'tiny', '--epochs', 1, '--bs', 8, '--out', tmp_path / 'out')
    assert json.loads((tmp_path / 'out/config.json').read_text())['target']['kind'] == target
    assert len(run('predict', '--model', tmp_path / 'out', 'a film of 3 parts').splitlines()) == 2
    assert 'a report is of classes, one a text' in run('evaluate', '--model', tmp_path / 'out', *read, ok=False)
    if target == 'multi-label':
        for command in (('check', '--lm', folder / 'lm'), ('classify', '--out', tmp_path / 'no')):
            assert 'has several labels' in run(*command, *read, ok=False)


def test_predict_from_arguments_stdin_and_file(made):
    folder, _ = made
    told = run('predict', '--model', folder / 'clas', 'a lovely film', 'a dull film')
    header, *lines = [line.split('\t') for line in told.splitlines()]
    assert header == ['text', 'label', 'p_thumbs down', 'p_thumbs up']
    assert [line[0] for line in lines] == ['a lovely film', 'a dull film']
    assert all(line[1] == max(zip(line[2:], header[2:]))[1].removeprefix('p_') for line in lines)
    assert run('predict', '--model', folder / 'clas', text='a lovely film\na dull film\n') == told
    told = run('predict', '--model', folder / 'clas', '--data', folder / 'mine.csv', '--text', 'review')
    assert told.startswith('review\tverdict\tlabel\tp_') and len(told.splitlines()) == 27


def test_predict_from_stdin_to_json(made):
    folder, _ = made
    rows = [{'id': 1, 'review': 'a lovely film \x1b[31m'}, {'id': 2, 'review': None}]
    piped = ''.join(json.dumps(row) + '\n' for row in rows)
    result = CliRunner().invoke(app, ['predict', '--model', str(folder / 'clas'), '--stdin', 'jsonl', '--text', 'review', '--format', 'jsonl'], input=piped)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [{k: row[k] for k in ('id', 'review')} for row in found] == rows and found[1]['label'] == ''
    assert '\x1b' not in result.stdout and result.stderr == '2 rows; 1 without a text, and so without a label\n'


def test_predict_writes_a_file_with_every_row(made, tmp_path):
    folder, _ = made
    (tmp_path / 'in.csv').write_text('key,review\n007,a lovely film\n008,\n')
    out = run('predict', '--model', folder / 'clas', '--data', tmp_path / 'in.csv', '--text', 'review', '--out', tmp_path / 'out.csv', '--threshold', '1')
    assert '2 rows; 1 without a text, and so without a label; 1 below the threshold; written:' in out
    assert [line.split(',')[:3] for line in (tmp_path / 'out.csv').read_text().splitlines()] == [
        ['key', 'review', 'label'],
        ['007', 'a lovely film', ''],
        ['008', '', ''],
    ]


def test_a_table_with_gaps_is_looked_at(made, tmp_path):
    "All rows that training would refuse are counted; what it would make of the rest is said."
    folder, _ = made
    rows = ['title,body,verdict', *(f'a film,dull {i},no' for i in range(12)), 'another,,no', 'fine,lovely,yes', ',nothing,yes', 'one,more,']
    (tmp_path / 'in.csv').write_text('\n'.join(rows))
    words = ['--data', tmp_path / 'in.csv', '--text', 'title', '--text', 'body', '--label', 'verdict', '--lm', folder / 'lm', '--preset', 'tiny']
    out = run('check', *words)
    assert out.startswith('13 texts of') and "hardly any texts of 'yes' 1" in out and 'go straight to classify' in out
    assert 'rows without a text: 2, the first is row 13 below' in out and 'rows without a label: 1, the first is row 16 below' in out
    assert 'is missing' in run('classify', *words, '--out', tmp_path / 'no', ok=False)
    (tmp_path / 'in.csv').write_text('title,body,verdict\na film,dull,\nanother,fine,\n')
    assert 'none of its rows has both a text and a label; 2 no label' in run('check', *words, ok=False)


def test_rare_classes_weigh_more_if_asked(made, tmp_path):
    folder, _ = made
    own = ['--data', folder / 'mine.csv', '--text', 'review', '--label', 'verdict', '--preset', 'tiny', '--epochs', '1']
    run('classify', '--lm', folder / 'lm', *own, '--class-weight', 'balanced', '--hold-out', '0.3', '--out', tmp_path / 'out')
    settings = json.loads((tmp_path / 'out/config.json').read_text())['settings']
    assert (settings['class_weight'], settings['hold_out']) == ('balanced', 0.3)


def test_a_file_from_another_system(made, tmp_path):
    "What the error advises is an option."
    folder, _ = made
    (tmp_path / 'in.csv').write_bytes('review;n\nschön;1\n'.encode('cp1252'))
    words = ['predict', '--model', folder / 'clas', '--data', tmp_path / 'in.csv', '--text', 'review', '--sep', ';']
    assert 'give --encoding "cp1252"' in run(*words, ok=False)
    assert 'note: ' in run(*words[:-2], '--encoding', 'cp1252') and 'which is taken to separate' in run(*words[:-2], '--encoding', 'cp1252')
    assert run(*words, '--encoding', 'cp1252').splitlines()[1].startswith('schön\t1\t')


def test_check_a_table(made):
    folder, _ = made
    out = run('check', '--data', folder / 'mine.csv', '--text', 'review', '--label', 'verdict', '--lm', folder / 'lm', '--preset', 'tiny')
    assert out.startswith('26 texts of') and 'thumbs down 13 (50 %)' in out and 'of the running words' in out and 'train classifier 0.' in out
    assert 'expected' not in run('check', '--data', folder / 'mine.csv', '--text', 'review', '--label', 'verdict', '--lm', folder / 'lm', '--no-minutes')


def test_evaluate(made, tmp_path):
    folder, _ = made
    own = ['--text', 'review', '--label', 'verdict']
    out = run('evaluate', '--model', folder / 'clas', '--data', folder / 'mine.csv', *own, '--train', folder / 'mine.csv', '--out', tmp_path / 'report')
    found = json.loads((tmp_path / 'report/report.json').read_text())
    assert found['n'] == 26 and found['counted'] == {'accuracy': 1.0, 'macro_f1': 1.0} and 'counting words: 100.0 % right' in out
    assert (tmp_path / 'report/report.png').read_bytes()[:4] == b'\x89PNG'
    assert 'counting words' not in run('evaluate', '--model', folder / 'clas', '--data', folder / 'mine.csv', *own)


def test_what_to_label_next_is_written(made, tmp_path):
    folder, _ = made
    words = ['label-next', '--model', folder / 'clas', '--data', folder / 'mine.csv', '--text', 'review', '-n', '3']
    run(*words, '--out', tmp_path / 'next.csv')
    rows = [line.rsplit(',', 2)[1:] for line in (tmp_path / 'next.csv').read_text().splitlines()]
    margins = [abs(float(a) - float(b)) for a, b in rows[1:]]
    assert len(margins) == 3 and margins == sorted(margins) and len(run(*words).splitlines()) == 4


def test_export_and_the_other_engine(made, tmp_path):
    folder, _ = made
    shutil.copytree(folder / 'clas', tmp_path / 'clas')
    words = ['predict', '--model', tmp_path / 'clas', 'a lovely film', '--engine', 'onnx']
    assert 'ulmfit-nb export --model' in run(*words, ok=False)
    assert run('export', '--model', tmp_path / 'clas').count('written') == 2
    assert run(*words).split('\t')[:-2] == run(*words[:-2]).split('\t')[:-2]


def test_both_directions_by_every_command(made, tmp_path):
    "From two directories in one: predict, evaluate, label-next, export, either engine, and where labels are written."
    folder, _ = made
    lm = pretrain(load_data(folder / 'mine.csv', text='review').texts * 3, tmp_path / 'back', backwards=True, **TINY_LM)
    mine = load_data(folder / 'mine.csv', text='review', label='verdict')
    names = [mine.classes[y] for y in mine.labels]
    est = TextClassifier((folder / 'tuned', lm), preset='tiny', epochs=0, bs=8).fit(mine.texts, names)
    both, read = ('--model', est.save(tmp_path / 'both')), ('--data', folder / 'mine.csv', '--text', 'review')
    p = {name: f'{x:.6f}'.rstrip('0') for name, x in zip(est.classes_, est.predict_proba(['a lovely film'])[0])}
    told = run('predict', *both, 'a lovely film')
    assert [float(x) for x in told.splitlines()[1].split('\t')[2:]] == pytest.approx([float(x) for x in p.values()], abs=1e-6)
    assert f'{100 * est.score(mine.texts, names):.1f} % right' in run('evaluate', *both, *read, '--label', 'verdict')
    assert len(run('label-next', *both, *read, '-n', '3').splitlines()) == 4
    assert 'encoder.onnx is not there' in run('predict', *both, 'a lovely film', '--engine', 'onnx', ok=False)
    assert run('export', *both).count('written') == 4
    for engine in ('onnx', 'onnx-int8'):
        found = [float(x) for x in run('predict', *both, 'a lovely film', '--engine', engine).splitlines()[1].split('\t')[2:]]
        assert found == pytest.approx([float(x) for x in p.values()], abs={'onnx': 1e-5, 'onnx-int8': 0.05}[engine])


def test_serve_hands_its_options_on(made, monkeypatch):
    folder, _ = made
    given = []
    monkeypatch.setattr(service, 'run_service', lambda *a: given.append(a[1:]))
    run('serve', '--model', folder / 'clas', '--port', '9999', '--threshold', '0.8')
    assert given == [('127.0.0.1', 9999, 0.8, 1.0)]


def piped(folder, script, **env):
    "What a shell makes of a line in which `predict` stands for the command."
    command = f'{sys.executable} -c "from ulmfit_nb.cli import app; app()" predict --model {folder / "clas"}'
    plain = {k: v for k, v in os.environ.items() if k not in ('PYTHONUTF8', 'LC_ALL', 'LANG')}
    return subprocess.run(['bash', '-c', script.replace('predict', command)], capture_output=True, env=plain | env)


CLOSED = {
    'predict <&-': (1, 'standard input or output is closed. Give --data'),
    'predict "a film" >&-': (1, 'standard input or output is closed. Give --out'),
    'predict "a film" 2>&-': (0, ''),
    'predict "a film" >/dev/full': (1, 'No space left'),
    'predict </dev/null': (1, 'there are no texts'),
    'predict "a film" --data in.csv': (1, 'and not both'),
    'predict --data ""': (1, 'the path of nothing'),
}


@pytest.mark.skipif(sys.platform == 'win32', reason='no bash')
@pytest.mark.parametrize('script', CLOSED)
def test_streams_that_are_not_there(made, script):
    code, said = CLOSED[script]
    found = piped(made[0], script)
    assert (found.returncode, 'Traceback' in found.stderr.decode()) == (code, False) and said in found.stderr.decode()
    assert found.stderr.decode().count('\n') <= 1


def test_what_is_written_to(made, tmp_path, monkeypatch):
    "The file that is read stays; a folder for a report is looked at before any work; ~ is the home folder."
    folder, _ = made
    shutil.copy(folder / 'mine.csv', tmp_path / 'in.csv')
    read = ('--model', folder / 'clas', '--data', tmp_path / 'in.csv', '--text', 'review')
    for command in ('predict', 'label-next'):
        assert 'the very file that is read' in run(command, *read, '--out', tmp_path / 'in.csv', ok=False)
    assert (tmp_path / 'in.csv').read_bytes() == (folder / 'mine.csv').read_bytes()
    assert 'is a file, where a directory is due' in run('evaluate', *read, '--label', 'verdict', '--out', tmp_path / 'in.csv', ok=False)
    for wrong in (('label-next', *read, '-n', '0'), ('evaluate', *read, '--errors', '-1'), ('serve', *read[:2], '--port', '99999')):
        assert 'Invalid value' in run(*wrong, ok=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    shutil.copytree(folder / 'lm', tmp_path / 'lm')
    more = ('--text', 'review', '--label', 'verdict', '--preset', 'tiny', '--epochs', '0', '--bs', '8')
    assert f'written: {tmp_path / "out"}' in run('classify', '--lm', '~/lm', '--data', '~/in.csv', '--out', '~/out', *more).replace('\n', '')
    assert len(run('predict', '--model', '~/out', 'a film').splitlines()) == 2


@pytest.mark.skipif(sys.platform == 'win32', reason='no bash')
def test_utf8_whatever_the_system_says_and_silence_when_nobody_reads(made):
    folder, _ = made
    script = 'printf "ein schöner Film ☃\\n%.0s" $(seq 3000) | predict --stdin txt | head -2'
    found = piped(folder, script, PYTHONIOENCODING='cp1252')
    assert found.stdout.decode().splitlines()[1].startswith('ein schöner Film ☃\tthumbs ') and found.stderr == b''
    assert 'schön☃.csv: no such file' in piped(folder, 'predict --data schön☃.csv', PYTHONIOENCODING='cp1252').stderr.decode()


def test_a_finished_stage_is_not_run_again(made):
    folder, _ = made
    before = (folder / 'lm/model.safetensors').stat().st_mtime_ns
    run('pretrain', '--data', 'wikipedia', '--split', 'validation', '--out', folder / 'lm', *SMALL)
    assert (folder / 'lm/model.safetensors').stat().st_mtime_ns == before


def test_workers_tokenise_to_the_same_ids(made, tmp_path):
    folder, _ = made
    run('pretrain', '--data', 'wikipedia', '--split', 'validation', '--out', tmp_path / 'lm', *SMALL, '--workers', '2')
    assert (tmp_path / 'lm/model.safetensors').read_bytes() == (folder / 'lm/model.safetensors').read_bytes()


def test_workers_are_handed_on(monkeypatch, tmp_path):
    told = {}
    for stage in ('pretrain', 'fine_tune'):
        monkeypatch.setattr(ulmfit_nb, stage, lambda *a, stage=stage, **k: told.update({stage: k['workers']}))
    monkeypatch.setattr(ulmfit_nb, 'download_model', Path)
    monkeypatch.setattr(cli, 'report', lambda out: None)
    run('pretrain', '--out', tmp_path / 'x', '--workers', '3')
    run('fine-tune', '--out', tmp_path / 'x', '--workers', '2')
    assert told == {'pretrain': 3, 'fine_tune': 2}


def test_by_default_real_texts_are_read(monkeypatch, tmp_path):
    "Articles for stage 1, sentences about films for the others; and --data names every set that ships."
    told = {}
    for stage in ('pretrain', 'fine_tune', 'train_classifier'):
        monkeypatch.setattr(ulmfit_nb, stage, lambda *a, stage=stage, **k: told.update({stage: a[1] if stage != 'pretrain' else a[0]}))
    monkeypatch.setattr(cli, 'report', lambda out: None)
    for command in ('pretrain', 'fine-tune', 'classify'):
        run(command, '--out', tmp_path / 'x')
    assert (told['pretrain'].source, told['fine_tune'].source, told['train_classifier'].classes) == ('wikipedia', 'subjectivity', ['plot', 'opinion'])
    for command, given in typer.main.get_command(app).commands.items():
        for option in (p for p in given.params if p.name == 'data' and command not in ('predict', 'label-next')):
            assert all(name in option.help for name in NAMED), command


@pytest.mark.parametrize('precision', [None, 'fp32', 'bf16'])
def test_stages_compute_in_what_was_asked_for(monkeypatch, tmp_path, precision):
    told = []
    for stage in ('pretrain', 'fine_tune', 'train_classifier'):
        monkeypatch.setattr(ulmfit_nb, stage, lambda *a, **k: told.append(k['precision']))
    monkeypatch.setattr(cli, 'report', lambda out: None)
    for command in ('pretrain', 'fine-tune', 'classify'):
        run(command, '--out', tmp_path / 'x', *(['--precision', precision] if precision else []))
    assert told == [precision or 'auto'] * 3


def test_predictions_are_in_fp32_unless_asked_otherwise(made, monkeypatch):
    folder, _ = made
    seen, lstm = [], torch.lstm
    monkeypatch.setattr(torch, 'lstm', lambda x, *a: seen.append(x.dtype) or lstm(x, *a))
    words = ['predict', '--model', folder / 'clas', 'a lovely film']
    line = run(*words)
    assert set(seen) == {torch.float32} and run(*words, '--precision', 'fp32') == line
    seen.clear()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that it is slower here
        other = run(*words, '--precision', 'bf16')
    assert torch.bfloat16 in seen and other.split('\t')[:-2] == line.split('\t')[:-2]


@pytest.mark.parametrize('command', ['pretrain', 'fine-tune', 'classify', 'demo'])
def test_a_precision_that_there_is_not_is_refused(command, tmp_path):
    assert "'fp16' is not one of" in run(command, '--out', tmp_path / 'x', '--precision', 'fp16', ok=False)


def test_models_go_by_name(made, tmp_path, monkeypatch):
    "--lm takes the name of a model that ships, and is film-small when nothing is said; --model takes one too."
    folder, _ = made
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'ships')
    save_pretrained(folder / 'lm', tmp_path / 'ships/film-small')
    save_pretrained(folder / 'lm', tmp_path / 'ships/other')
    save_pretrained(folder / 'clas', tmp_path / 'ships/verdicts')
    for name, lm in (('a', []), ('b', ['--lm', 'film-small']), ('c', ['--lm', 'other'])):
        run('fine-tune', *lm, '--data', 'subjectivity', '--out', tmp_path / name, *SMALL)
    a, b, c = (json.loads((tmp_path / n / 'config.json').read_text()) for n in 'abc')
    assert (
        a['settings'] == b['settings'] == c['settings']
        and a['settings']['from'] != json.loads((folder / 'lm/config.json').read_text())['sha256']['model.safetensors']
    )
    out = run(
        'classify',
        '--lm',
        'other',
        '--data',
        folder / 'mine.csv',
        '--text',
        'review',
        '--label',
        'verdict',
        '--preset',
        'tiny',
        '--epochs',
        '1',
        '--out',
        tmp_path / 'd',
    )
    assert 'written' in out and '\tthumbs ' in run('predict', '--model', 'verdicts', 'a dull film')


@pytest.mark.parametrize('terminal', [True, False])
def test_texts_are_counted_on_the_terminal_only(made, monkeypatch, terminal):
    folder, _ = made
    seen = []
    monkeypatch.setattr(prediction_files, 'predict_rows', lambda *a, progress_bar: seen.append(progress_bar) or Counter(rows=1))
    monkeypatch.setattr(cli.sys, 'stderr', type('Stream', (), {'isatty': lambda self: terminal, 'write': len, 'flush': id})())
    with pytest.raises(SystemExit):
        app(['predict', '--model', str(folder / 'clas'), 'text'])
    assert seen == [terminal]


def test_lab_hands_its_options_on(tmp_path, monkeypatch):
    (tmp_path / 'index.ipynb').write_text('{}')
    given = []
    monkeypatch.setattr(cli, 'run_until_stopped', lambda command, env: given.append(command) or 0)
    run('lab', '--folder', tmp_path, '--port', '9999', '--no-browser')
    assert given[0][1:3] == ['-m', 'jupyterlab'] and {'--port=9999', '--no-browser', f'--ServerApp.root_dir={tmp_path}'} <= set(given[0])
    monkeypatch.setattr(cli, 'run_until_stopped', lambda command, env: -9)
    assert CliRunner().invoke(app, ['lab', '--folder', str(tmp_path)]).exit_code == 137


WRONG = {
    'no such file': (lambda f: ['pretrain', '--data', f / 'nothing.csv', '--out', f / 'x'], 'no such file'),
    'unknown column': (lambda f: ['classify', '--lm', f / 'lm', '--data', f / 'mine.csv', '--out', f / 'x'], "no column 'text'"),
    'no labels': (lambda f: ['classify', '--lm', f / 'lm', '--data', 'wikipedia', '--out', f / 'x', '--preset', 'tiny'], 'no labels'),
    'wrong stage': (lambda f: ['fine-tune', '--lm', f / 'clas', '--out', f / 'x'], 'language model'),
    'a model that is no directory': (lambda f: ['predict', '--model', f / 'nowhere', 'text'], 'no such directory'),
    'other settings': (lambda f: ['pretrain', '--data', 'wikipedia', '--split', 'validation', '--out', f / 'lm', *SMALL, '--lr', '0.5'], 'lr'),
    'no such model on this machine': (
        lambda f: ['classify', '--data', f / 'mine.csv', '--lm', 'wiki-enormous', '--out', f / 'x'],
        'no model of that name ships',
    ),
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
def test_the_demo(tmp_path, monkeypatch):
    "What `make demo` runs is told in tests/test_demo.py; here, that the command calls it and says how to go on."
    found = dict.fromkeys(demo.SHOWN, 0.8) | {'n_test': 2500, 'minutes': 1.0, 'language_model': dict.fromkeys(('before', 'after'), {'perplexity': 99.0})}
    monkeypatch.setattr(demo, 'run_demo', lambda out, seed, say, precision: say(f'seed {seed} in {precision}') or out.mkdir() or found)
    out = run('demo', '--out', tmp_path / 'demo', '--seed', '3', '--precision', 'bf16')
    assert 'seed 3 in bf16' in out and f'predict --model {tmp_path / "demo/classifier"}' in out.replace('\n', '')
    assert (tmp_path / 'demo/demo.png').read_bytes()[:4] == b'\x89PNG'
