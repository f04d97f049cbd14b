"A service: what it answers, what it refuses, several clients at once; and the example as a process, started, asked and stopped."

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from helpers import REVIEWS, ROOT, TINY_CLASSIFIER, refuse

from ulmfit_nb import service, train_classifier
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.service import create_app, run_service
from ulmfit_nb.targets import MultiLabel, Number

QUESTIONS = [[text, f'{text} , again'] for text in REVIEWS.texts[:12]]


@pytest.fixture(scope='module')
def classifier(tiny_classifier):
    return load_classifier(tiny_classifier, 'cpu')


@pytest.fixture(scope='module')
def client(classifier):
    return TestClient(create_app(classifier))


def test_answers_are_those_of_the_classifier(client, classifier):
    answers = client.post('/predict', json={'texts': REVIEWS.texts}).json()['predictions']
    assert [a['label'] for a in answers] == classifier.predict(REVIEWS.texts)
    found = [list(a['probabilities'].values()) for a in answers]
    assert list(answers[0]['probabilities']) == classifier.classes and np.allclose(found, classifier.predict_proba(REVIEWS.texts), atol=1e-6)


def test_no_text_and_no_certainty(classifier):
    client = TestClient(create_app(classifier, threshold=1))
    empty, unsure = client.post('/predict', json={'texts': [' ', 'a film']}).json()['predictions']
    assert empty == {'label': None, 'probabilities': None} and unsure['label'] is None and unsure['probabilities']
    assert client.get('/').json() == {'classes': classifier.classes, 'threshold': 1, 'temperature': 1, 'most': 256}


def test_several_labels_and_numbers():
    class Tags:
        classes, target = ['a', 'b'], MultiLabel(['a', 'b'])

        def predict_proba(self, texts):
            return np.array([[0.9 * (c in t) for c in self.classes] for t in texts])

    class Lengths:
        classes, target = [], Number(0, 1)

        def predict(self, texts):
            return [float(len(t)) for t in texts]

    def answers(model):
        return TestClient(create_app(model)).post('/predict', json={'texts': ['a b', 'c', '']}).json()['predictions']

    assert [a['label'] for a in answers(Tags())] == [['a', 'b'], [], None]
    assert answers(Lengths()) == [{'prediction': 3.0}, {'prediction': 1.0}, {'prediction': None}]


@pytest.mark.parametrize('wrong', [{}, {'texts': 'one'}, {'texts': []}, {'texts': [None]}, {'texts': ['a'] * 257}, {'texts': ['a' * 100_001]}, [], 'text'])
def test_what_is_no_question_is_refused(client, wrong):
    assert client.post('/predict', json=wrong).status_code == 422


@pytest.mark.parametrize(
    'body, code', [(rb'{"texts": ["a \ud83d"]}', 422), (b'{"texts": ' + b'[' * 100_000, 400), (b'{"texts": ["\xff"]}', 400), (b'', 422), (b'9' * 5000, 400)]
)
def test_a_body_that_is_no_question_is_refused_in_a_sentence(client, body, code):
    "Half of a character, brackets without end, no UTF-8, nothing, a number of 5,000 digits; what was sent is not sent back."
    answer = client.post('/predict', content=body, headers={'content-type': 'application/json'})
    assert answer.status_code == code and len(answer.content) < 500 and answer.json()['detail']


def test_one_computes_at_a_time():
    "Requests come in threads; the classifier is never entered twice."

    class Slow:
        classes, inside, most = ['a', 'b'], 0, 0

        def predict_proba(self, texts):
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.02)
            self.inside -= 1
            return np.full((len(texts), 2), 0.5)

    slow = Slow()
    client, gate = TestClient(create_app(slow)), threading.Barrier(6)

    def ask(_):
        gate.wait()
        return client.post('/predict', json={'texts': ['a']}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [200] * 6
    assert slow.most == 1


def test_settings_are_refused_before_anybody_asks(classifier):
    with refuse('threshold is 60'):
        create_app(classifier, threshold=60)


def test_without_the_extra_it_says_what_to_install(classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, 'uvicorn', None)
    with pytest.raises(ImportError, match=r"uvicorn is not installed: pip install 'ulmfit-nb\[serve\]'"):
        create_app(classifier)


@pytest.fixture
def served(monkeypatch):
    "What a server would have been given; nobody serves."
    import uvicorn

    given = {}

    class Server:
        def __init__(self, config):
            given['app'] = config.app

        def run(self, sockets):
            given['address'] = sockets[0].getsockname()
            sockets[0].close()
            raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn, 'Server', Server)
    return given


def test_options_reach_the_server(classifier, served, capsys):
    run_service(classifier, '127.0.0.1', 0, 0.75)
    host, port = served['address']
    assert host == '127.0.0.1' and port > 0 and f'http://127.0.0.1:{port};' in capsys.readouterr().out
    assert TestClient(served['app']).get('/').json()['threshold'] == 0.75
    assert service.LONGEST == 100_000


def test_where_somebody_else_listens_nothing_is_promised(classifier, served, capsys):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        with pytest.raises(OSError, match='Give another port'):
            run_service(classifier, port=other.getsockname()[1])
    assert 'serving' not in capsys.readouterr().out and not served


def test_nothing_is_promised_before_settings_are_looked_at(classifier, capsys):
    with refuse('threshold is 60'):
        run_service(classifier, threshold=60)
    assert capsys.readouterr().out == ''


def test_the_example_is_for_one_label_a_text(tiny_lm, tmp_path):
    tags = TextData(REVIEWS.texts, [['good'] * label for label in REVIEWS.labels])
    out = train_classifier(tiny_lm, tags, tmp_path / 'tags', tags, **TINY_CLASSIFIER | {'epochs': 0, 'target': 'multi-label'})
    env = os.environ | {'MODEL': str(out), 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    found = subprocess.run([sys.executable, ROOT / 'examples/service.py'], env=env, capture_output=True, text=True, timeout=120)
    assert found.returncode == 1 and found.stderr == 'this service is for classifiers that give each text one label: see ulmfit-nb serve\n'


@pytest.mark.skipif(sys.platform == 'win32', reason='no signals')
def test_the_example_is_started_asked_by_several_at_once_and_stopped(tiny_classifier, classifier):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    env = os.environ | {'MODEL': str(tiny_classifier), 'PORT': str(port), 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen([sys.executable, ROOT / 'examples/service.py'], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = f'http://127.0.0.1:{port}'
    try:
        for _ in range(600):
            try:
                httpx.get(address, timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.1)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda texts: httpx.post(f'{address}/predict', json={'texts': texts}, timeout=60).json(), QUESTIONS))
        assert [[a['label'] for a in answer['predictions']] for answer in answers] == [classifier.predict(texts) for texts in QUESTIONS]
        p = np.sort(classifier.predict_proba(sum(QUESTIONS, [])), 1)
        kept = httpx.get(f'{address}/to-label').json()
        assert set(kept) == {text for text, row in zip(sum(QUESTIONS, []), p) if row[-1] - row[-2] < 0.5}
    finally:
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=20)[0]
    assert process.returncode in (0, -signal.SIGTERM) and 'Traceback' not in told
