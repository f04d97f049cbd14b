"One's own data: the report's figures, errors as sentences, and a training that runs in a thread and can be stopped."

import datetime
import json
import threading
from dataclasses import replace

import pytest
import torch
from javascript import page, run_js

import ulmfit_nb.course.widgets.own_data as module
from ulmfit_nb import load_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.own_data import DataReport, Training, own_data
from ulmfit_nb.data import TextData
from ulmfit_nb.data_report import data_report
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import save_stage
from ulmfit_nb.tokenization import Tokenizer, Vocab
from ulmfit_nb.training import Stop

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LABELLED = [f'A {word} story, number {i}, <b>with</b> an end.' for i in range(20) for word in ('fine', 'dull')]


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    "A language model that has learnt nothing, in a directory like any other."
    folder = tmp_path_factory.mktemp('lm')
    vocab = Vocab.build(Tokenizer().map(LABELLED), min_freq=2)
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(len(vocab), emb_sz=8, n_hid=10, n_layers=2))
    made = {'architecture': vars(model.config), 'tokenizer': {'lang': 'en'}, 'backwards': False, 'settings': {}}
    save_stage(folder / 'lm', 'language model', model, vocab, made, [])
    return folder / 'lm'


def table(path, texts=LABELLED, labels=('up', 'down')):
    rows = ''.join(f'{json.dumps({"text": t, "label": labels[i % len(labels)]})}\n' for i, t in enumerate(texts))
    path.write_text(rows)
    return path


@pytest.fixture
def own(lm, tmp_path):
    return own_data(lm, table(tmp_path / 'mine.jsonl'), out=tmp_path / 'out')


def test_measuring_leaves_the_random_generator_alone(own):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    own.look()
    assert torch.equal(state, torch.get_rng_state()) and own.report['measured'] > 0 and len(own.report['minutes']) == 2


def test_a_good_table_can_be_trained_on(own):
    assert own.view.status == 'Ready to train.' and not own.view.failed and not own.buttons['Train'].disabled
    assert own.report['labels'] == [['up', 20], ['down', 20]] or own.report['labels'] == [['down', 20], ['up', 20]]
    assert own.report['known'] > 0.8


@pytest.mark.parametrize(
    'field, value, says',
    [
        ('source', 'nowhere.csv', 'no such file'),
        ('text', 'review', "no column 'review'"),
        ('label', 'stars', "no column 'stars'"),
        ('lm', 'nowhere', 'no such directory'),
    ],
)
def test_errors_are_a_sentence(own, field, value, says):
    getattr(own, field).value = value
    own.look()
    assert own.view.failed and says in own.view.status and '\n' not in own.view.status
    assert own.data is None and own.buttons['Train'].disabled


def test_labels_that_cannot_be_learnt_still_get_a_report(lm, tmp_path):
    own = own_data(lm, table(tmp_path / 'one.jsonl', labels=['all']))
    assert "every text is labelled 'all'" in own.view.status and own.report['n'] == 40 and own.buttons['Train'].disabled


def test_without_a_language_model_there_is_still_a_report(tmp_path):
    own = own_data('', table(tmp_path / 'mine.jsonl'))
    own.lm.value = ''
    own.look()
    assert own.report['known'] is None and 'language model' in own.view.status and own.buttons['Train'].disabled


@pytest.mark.parametrize('name', ['mine.jsonl', '../../x.JSONL'])
def test_an_uploaded_file_is_read_and_its_name_trusted_for_nothing(own, name, tmp_path):
    content = table(tmp_path / 'x.jsonl', LABELLED[:30]).read_bytes()
    own.upload.set_trait('value', ({'name': name, 'type': '', 'size': len(content), 'content': memoryview(content), 'last_modified': NOW},))
    assert own.report['n'] == 30 and own.source.value.startswith(own.folder.name) and own.view.status == 'Ready to train.'


def test_an_uploaded_files_error_does_not_name_a_hidden_folder(own):
    own.upload.set_trait('value', ({'name': 'a.csv', 'type': '', 'size': 3, 'content': memoryview(b'a,b'), 'last_modified': NOW},))
    assert own.view.failed and own.view.status.startswith('uploaded.csv')


def test_training_in_a_thread(own, tmp_path):
    "The button comes back at once; curves, progress and a classifier come in time."
    own.buttons['Train'].click()
    assert own.training.thread is not threading.main_thread() and own.buttons['Train'].disabled
    own.training.thread.join(120)
    assert own.view.status.startswith('Done: ') and not own.view.failed, own.view.status
    assert [bar.value for bar in own.training.bars.values()] == [1, 1]
    for curve in own.training.curves.values():
        (line,) = curve.curves
        assert len(line['seen']) > 1 and line['seen'] == sorted(line['seen'])
    assert load_classifier(own.training.path).predict(['A fine story.'])[0] in ('up', 'down')
    assert not own.buttons['Look'].disabled and own.buttons['Stop'].disabled


def test_a_second_training_with_other_settings_is_refused_in_a_sentence(own):
    own.buttons['Train'].click()
    own.training.thread.join(120)
    own.data = TextData([*own.data.texts[:-2], 'Other one.', 'Other two.'], own.data.labels, own.data.classes)
    own.buttons['Train'].click()
    own.training.thread.join(120)
    assert own.view.failed and 'other settings' in own.view.status


def test_looking_during_a_training_leaves_it_its_stop_button(own, monkeypatch):
    monkeypatch.setattr(own.training, 'running', lambda: True)
    own.allow('Stop')
    own.look()
    assert own.view.failed and 'Stop it first' in own.view.status and own.data is not None
    own.uploaded({'new': [{'name': 'other.csv', 'content': b'text,label'}]})
    assert not own.buttons['Stop'].disabled and own.source.value.endswith('mine.jsonl')


def test_stop(own):
    own.training.watch('fine_tune', 100)(1, 2.0)
    own.buttons['Stop'].disabled = False
    own.buttons['Stop'].click()
    with pytest.raises(Stop):
        own.training.watch('fine_tune', 100)(2, 2.0)


def test_stopping_is_no_error(monkeypatch):
    def stages(*_):
        raise Stop

    monkeypatch.setattr(module, 'run_stages', stages)
    said, ended = [], []
    Training(lambda *a: said.append(a)).run('x', None, 'y', 'tiny', {}, lambda: ended.append(True))
    assert said == [('Stopped. Train goes on from here.', False)] and ended


@pytest.mark.parametrize('minutes, text', [(0.001, '1 s'), (0.5, '30 s'), (1.2, '1 min'), (45, '45 min'), (150, '2.5 hours')])
def test_durations(minutes, text):
    assert run_js(f'{es_module("words.js", "svg.js", "own_data.js")}\nconsole.log(JSON.stringify(duration({minutes})))') == text


def test_the_picture_draws_the_report():
    data = load_data('subjectivity').select(range(360))
    data = replace(data, classes=['<b>bad</b>', 'good'])
    view = DataReport(report=data_report(data, Vocab.build([['the']], min_freq=1), 'nothing', 'sentences'), status='Ready.')
    shown = page(
        DataReport._esm,
        view,
        ('report', 'status', 'failed'),
        """console.log(JSON.stringify([host.all('rect').length, host.all('svg').map(s => s.at['aria-label']), host.all('p').map(p => p.textContent)]))""",
    )
    bars, labels, lines = shown
    assert bars == 2 + len(view.report['lengths']) and f'<b>bad</b> {data.labels.count(0)}' in labels[0] and f'median {view.report["median"]}' in labels[1]
    assert lines[0].startswith('sentences: 360 texts') and lines[-1] == 'Ready.' and any('known to nothing' in line for line in lines)
