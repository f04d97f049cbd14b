"Both directions: two classifiers answer as one, with one label or several, or a number, and whoever computes."

import shutil

import numpy as np
import pytest
from helpers import LABELS, QUICK, TEXTS, TINY_LM

from ulmfit_nb import TextClassifier, TextRegressor, load_classifier, pretrain, save_pretrained
from ulmfit_nb.data import TextData
from ulmfit_nb.directions import BothDirections
from ulmfit_nb.onnx_engine import FILES, OnnxEncoder, export_onnx
from ulmfit_nb.prediction_files import RowPredictor
from ulmfit_nb.report import report_on
from ulmfit_nb.service import create_app
from ulmfit_nb.stages import StageError, parts_of
from ulmfit_nb.targets import MultiLabel


@pytest.fixture(scope='module')
def pair(tiny_lm, tmp_path_factory):
    return tiny_lm, pretrain(TEXTS * 2, tmp_path_factory.mktemp('back') / 'lm', backwards=True, **TINY_LM)


@pytest.fixture(scope='module')
def saved(pair, tmp_path_factory):
    "An estimator of both directions, and the directory that it was saved to."
    est = TextClassifier(pair, **QUICK | {'lr': 0.05}).fit(TEXTS, LABELS)
    return est, est.save(tmp_path_factory.mktemp('both') / 'classifier')


def test_one_directory_of_two_is_loaded_like_any_other(saved):
    est, folder = saved
    both = load_classifier(folder)
    assert isinstance(both, BothDirections) and [r.backwards for r in both.readers] == [False, True] and both.classes == ['bad', 'good']
    assert np.array_equal(both.predict_proba(TEXTS), est.predict_proba(TEXTS)) and both.predict(TEXTS) == est.predict(TEXTS).tolist()
    rows = RowPredictor(both)([{'text': t} for t in TEXTS])
    assert [row['label'] for row in rows] == both.predict(TEXTS) and create_app(both).title == 'ulmfit-nb'
    assert report_on(both, TextData(TEXTS, LABELS)).accuracy == est.score(TEXTS, LABELS)


@pytest.mark.parametrize('engine', FILES)
def test_either_engine_for_both(saved, engine, tmp_path):
    est, folder = saved
    folder = shutil.copytree(folder, tmp_path / 'both')
    with pytest.raises(StageError, match='encoder.*is not there'):
        load_classifier(folder, engine=engine)
    assert len(export_onnx(folder)) == 4
    both = load_classifier(folder, engine=engine)
    assert all(isinstance(r.model.encoder, OnnxEncoder) for r in both.readers)
    off = np.abs(both.predict_proba([*TEXTS, '']) - est.predict_proba([*TEXTS, ''])).max()
    assert off < {'onnx': 1e-5, 'onnx-int8': 0.05}[engine]
    shutil.rmtree(folder)
    assert len(load_classifier(est.save(tmp_path / 'again')).export_onnx(tmp_path / 'again')) == 4


def test_one_direction_is_not_the_other_two(saved, tmp_path):
    est, folder = saved
    forwards = shutil.copytree(folder / 'forwards', tmp_path / 'one')
    with pytest.raises(StageError, match='other weights'):
        est.export_onnx(forwards)
    with pytest.raises(StageError, match='other weights'):
        load_classifier(forwards).export_onnx(shutil.copytree(folder, tmp_path / 'both'))
    with pytest.raises(StageError, match='it holds two, forwards and backwards: name one of them'):
        save_pretrained(folder, tmp_path / 'shared')


def test_directions_of_different_classifiers(saved, pair, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / 'both')
    shutil.rmtree(folder / 'backwards')
    other = TextClassifier(pair[1], **QUICK).fit(TEXTS, ['good' if x == 'bad' else 'fine' for x in LABELS])
    other.save(folder / 'backwards')
    for load in (load_classifier, TextClassifier.load):
        with pytest.raises(StageError, match='have not the same classes'):
            load(folder)


def test_a_directory_with_something_else_is_not_two(saved, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / 'both')
    (folder / '.DS_Store').write_text('of a Mac')
    assert load_classifier(folder).classes == ['bad', 'good'] and parts_of(folder / 'forwards') == [folder / 'forwards']
    (folder / 'notes.txt').write_text('mine')
    assert parts_of(folder) == [folder]
    with pytest.raises(StageError, match='holds .*, which is no part of a model'):
        saved[0].save(folder)


def test_lines_between_labels_are_averaged(saved):
    readers = load_classifier(saved[1]).readers
    for reader, lines in zip(readers, ([0.2, 0.6], [0.4, 0.4])):
        reader.target = MultiLabel(['bad', 'good'], lines)
    both = BothDirections(readers)
    assert both.target.thresholds == pytest.approx([0.3, 0.5])
    assert both.predict(TEXTS[:3]) == [[c for c, p, t in zip(both.classes, row, (0.3, 0.5)) if p >= t] for row in both.predict_proba(TEXTS[:3])]


def test_numbers_are_averaged(pair, tmp_path):
    est = TextRegressor(pair, **QUICK).fit(TEXTS, range(40))
    both = load_classifier(est.save(tmp_path / 'both'))
    assert both.predict(TEXTS[:3]) == pytest.approx(np.mean([r.predict(TEXTS[:3]) for r in both.readers], axis=0)) and list(both.classes) == []
