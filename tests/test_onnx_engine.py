"The encoder in ONNX Runtime: the same features and verdicts, in pieces as well, and no file of other weights."

import logging
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers import REVIEWS, contents

from ulmfit_nb.awd_lstm import AWDLSTM, AWDLSTMConfig
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.estimator import TextClassifier
from ulmfit_nb.onnx_engine import FILES, OnnxEncoder, export_encoder, export_onnx, in_threads
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import StageError, resolve_model

CLOSE = {'onnx': 1e-5, 'onnx-int8': 0.01}
engines = pytest.mark.parametrize('engine', FILES)


@pytest.fixture(scope='module')
def encoder():
    torch.manual_seed(0)
    return AWDLSTM(AWDLSTMConfig(200, 24, 48, 3)).eval()


@engines
def test_the_same_features_in_any_batch_and_pieces(encoder, engine, tmp_path):
    other = OnnxEncoder(export_encoder(encoder, tmp_path, 'mine', engine), encoder.config, 'mine')
    ids = torch.randint(0, 200, (5, 40))
    with torch.no_grad():
        expected, ends = encoder(ids)
    out, state = other(ids[:, :1])
    rest, state = other(ids[:, 1:], state)
    assert torch.allclose(torch.cat([out, rest], 1), expected, atol=CLOSE[engine])
    assert all(torch.allclose(a, b, atol=CLOSE[engine]) for x, y in zip(state, ends) for a, b in zip(x, y))
    assert torch.allclose(other(ids[:1])[0], expected[:1], atol=CLOSE[engine])


@engines
def test_the_same_verdicts(tiny_classifier, engine, tmp_path):
    "In the encoder's place: documents of all lengths, an empty one among them, in pieces."
    classifier = load_classifier(tiny_classifier)
    classifier.model.bptt = 7
    texts = [*REVIEWS.texts, '', 'one ' * 200]
    expected = classifier.predict_proba(texts)
    config = classifier.model.encoder.config
    classifier.model.encoder = OnnxEncoder(export_encoder(classifier.model.encoder, tmp_path, 'mine', engine), config, 'mine')
    found = classifier.predict_proba(texts)
    assert np.abs(found - expected).max() < {'onnx': 1e-5, 'onnx-int8': 0.05}[engine], 'rounding weighs more in a network of 16 features'
    sure = np.abs(expected[:, 0] - 0.5) > 0.05
    assert np.array_equal(found.argmax(1)[sure], expected.argmax(1)[sure])


def test_bytes_take_a_quarter(encoder, tmp_path):
    sizes = [export_encoder(encoder, tmp_path, 'mine', engine).stat().st_size for engine in FILES]
    assert sizes[1] < 0.4 * sizes[0]


def test_a_graph_of_other_weights_is_refused(encoder, tmp_path):
    path = export_encoder(encoder, tmp_path, 'mine')
    with pytest.raises(StageError, match='encoder.onnx: made of other weights.*Export it again'):
        OnnxEncoder(path, encoder.config, 'yours')


def test_a_damaged_graph_is_refused(encoder, tmp_path):
    path = export_encoder(encoder, tmp_path, 'mine')
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(StageError, match='encoder.onnx: not a graph'):
        OnnxEncoder(path, encoder.config, 'mine')


def test_an_export_leaves_nothing_else(encoder, tmp_path):
    before = torch.get_rng_state()
    export_encoder(encoder, tmp_path, 'mine')
    assert [p.name for p in tmp_path.iterdir()] == ['encoder.onnx']
    assert torch.equal(before, torch.get_rng_state())


def test_without_the_extra_it_says_what_to_install(encoder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ImportError, match=r"onnxruntime is not installed: pip install 'ulmfit-nb\[onnx\]'"):
        export_encoder(encoder, tmp_path, 'mine')


def test_a_directory_gets_both_and_loads_either(tiny_classifier, tmp_path):
    folder = shutil.copytree(tiny_classifier, tmp_path / 'clas')
    classifier = load_classifier(folder, 'cpu')
    with pytest.raises(StageError, match='encoder.onnx is not there. Write it with export_onnx'):
        load_classifier(folder, engine='onnx')
    assert [p.name for p in classifier.export_onnx(folder)] == list(FILES.values())
    expected = classifier.predict_proba([*REVIEWS.texts, ''])
    for engine in FILES:
        other = load_classifier(folder, engine=engine)
        assert isinstance(other.model.encoder, OnnxEncoder) and other.classes == classifier.classes
        assert np.abs(other.predict_proba([*REVIEWS.texts, '']) - expected).max() < {'onnx': 1e-5, 'onnx-int8': 0.05}[engine]
    with pytest.raises(ValueError, match="engine is 'tensorrt': give torch, onnx or onnx-int8"):
        load_classifier(folder, engine='tensorrt')
    assert contents(folder) == contents(folder) | contents(tiny_classifier), 'what was there is as it was'


def test_another_directorys_weights_are_not_exported_as_ones_own(tiny_classifier, tmp_path):
    folder = shutil.copytree(tiny_classifier, tmp_path / 'clas')
    classifier = load_classifier(folder, 'cpu')
    classifier.model.encoder.embedding.emb.weight.data[5] += 1
    with pytest.raises(StageError, match='has other weights'):
        classifier.export_onnx(folder)
    assert not (folder / 'encoder.onnx').exists()
    with pytest.raises(StageError, match="computed by ONNX Runtime already. Load it with engine='torch'"):
        export_onnx(folder)
        load_classifier(folder, engine='onnx').export_onnx(folder)


def test_an_estimator_saves_itself_first(tiny_classifier, tmp_path):
    est = TextClassifier.load(tiny_classifier)
    est.export_onnx(tmp_path / 'new')
    assert np.allclose(load_classifier(tmp_path / 'new', engine='onnx').predict_proba(REVIEWS.texts), est.predict_proba(REVIEWS.texts), atol=1e-5)
    est.export_onnx(tmp_path / 'new')


def test_probabilities_in_bytes_are_those_in_floats(tmp_path):
    "The classifier that ships, on 250 sentences of the test set; `bench/bench.py engines` counts on all of them."
    folder = shutil.copytree(resolve_model('film-subjectivity'), tmp_path / 'clas')
    texts = load_data('subjectivity', 'test').texts[::10]
    export_onnx(folder)
    expected, found = (load_classifier(folder, 'cpu', engine).predict_proba(texts) for engine in ('torch', 'onnx-int8'))
    off = np.abs(found - expected).max(1)
    assert off.mean() < 0.005 and np.quantile(off, 0.9) < 0.01
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.99


# --- several batches at once


@pytest.fixture
def two_threads():
    "For PyTorch, where the tests give it one: what sets the number can be seen."
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_threads_answer_in_order_and_take_no_more_than_they_need(two_threads):
    taken = []

    def work(n):
        time.sleep(0.01 * (n % 2))
        return n, torch.get_num_threads()

    for n, (item, (done, threads)) in enumerate(in_threads(work, (taken.append(i) or i for i in range(9)), 3)):
        assert n == item == done and threads == 1 and len(taken) <= n + 4
    with ThreadPoolExecutor(1) as pool:  # a thread that is yet to come
        assert torch.get_num_threads() == 2 == pool.submit(torch.get_num_threads).result()


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 / n, [1, 0, 1, 1, 1], 2))


def test_predictions_do_not_depend_on_the_number_of_threads(tiny_classifier, tmp_path):
    folder = shutil.copytree(tiny_classifier, tmp_path / 'clas')
    export_onnx(folder)
    found = []
    for threads in (1, 3):
        classifier = load_classifier(folder, engine='onnx-int8')
        classifier.model.encoder.threads = threads
        found.append(classifier.predict_proba([*REVIEWS.texts, ''], bs=4))
    assert np.array_equal(*found) and torch.is_grad_enabled()


def test_an_export_leaves_the_callers_logging_alone(encoder, tmp_path):
    logging.disable(logging.CRITICAL)
    try:
        export_encoder(encoder, tmp_path, 'mark', 'onnx-int8')
        assert logging.root.manager.disable == logging.CRITICAL
    finally:
        logging.disable(logging.NOTSET)
