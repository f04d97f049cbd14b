"What a setting may be: one table, asked by the objects, by keywords of a stage and by the estimator."

from dataclasses import fields, replace

import numpy as np
import pytest
from helpers import PROSE, REVIEWS, TEXTS, names_in

from ulmfit_nb import fine_tune, pretrain, train_classifier
from ulmfit_nb.setting_checks import ALLOWED, OF_A_CLASSIFIER, check_settings
from ulmfit_nb.settings import PRESETS, ClassifierSettings, FineTuneSettings, PretrainSettings, override, recipe
from ulmfit_nb.training import FitSettings, RunOptions

OBJECTS = (PretrainSettings, FineTuneSettings, ClassifierSettings, FitSettings, RunOptions)
OTHERS = {'schedule', 'momentum', 'plan', 'callback', 'precision', 'target', 'class_weight'}  # functions, phases, and what has a check of its own


def test_the_table_has_every_number_and_switch():
    assert {f.name for kind in OBJECTS for f in fields(kind)} - OTHERS <= ALLOWED.keys()
    for kind in OBJECTS:
        kind()  # what is the default is allowed


@pytest.mark.parametrize('name, value', [
    ('lr', -1), ('lr', 0), ('lr', 100), ('lr', '0.01'), ('lr', float('nan')), ('lr', float('inf')), ('lr', True), ('lr', None), ('lr', [0.01]), ('lr', 1j),
    ('epochs', -1), ('epochs', 1.5), ('epochs', 2.0), ('epochs', '3'), ('epochs', True), ('epochs', None), ('bs', 0), ('bs', 32.0), ('bptt', 0),
    ('drop_mult', -0.1), ('drop_mult', 2), ('seed', -1), ('seed', 2**32), ('seed', 'a'), ('factor', 0), ('max_tokens', 0), ('min_freq', 0), ('max_vocab', -5),
    ('min_steps', -1), ('min_steps', 0.5),
])  # fmt: skip
def test_what_no_run_could_use(name, value):
    with pytest.raises(ValueError, match=f'^{name} is .*: give a '):
        FineTuneSettings(**{name: value})
    with pytest.raises(ValueError, match=f'^{name} is '):
        replace(FineTuneSettings(), **{name: value})


@pytest.mark.parametrize('name, value', [('lr', 1), ('lr', 1e-8), ('lr', np.float32(0.1)), ('lr', np.float64(0.1)), ('epochs', np.int64(3)), ('drop_mult', 0),
                                         ('drop_mult', 1.9), ('seed', 2**32 - 1), ('max_tokens', None), ('min_steps', 0), ('factor', 1)])  # fmt: skip
def test_what_some_run_can_use(name, value):
    assert getattr(FineTuneSettings(**{name: value}), name) is value


@pytest.mark.parametrize('name, value, words', [('every', -1, 'a whole number of at least 0'), ('workers', 1.0, 'a whole number'),
                                                ('progress_bar', 1, 'True or False'), ('progress_bar', 'no', 'True or False'),
                                                ('precision', 16, "one of 'auto'"), ('precision', 'FP16', "one of 'auto'")])  # fmt: skip
def test_options(name, value, words):
    with pytest.raises(ValueError, match=f'^{name} is {value!r}: give {words}'):
        RunOptions(**{name: value})


def test_a_classifier_needs_two_documents_and_may_have_the_thaw_alone():
    assert ClassifierSettings(epochs=0, max_len=None).epochs == 0 and OF_A_CLASSIFIER.keys() <= ALLOWED.keys()
    with pytest.raises(ValueError, match='^bs is 1: give a whole number of at least 2.$'):
        ClassifierSettings(bs=1)
    with pytest.raises(ValueError, match='^max_len is 0: give a whole number of at least 1, or None.$'):
        ClassifierSettings(max_len=0)
    with pytest.raises(ValueError, match='^clip is -1: give a number above 0.$'):
        FitSettings(clip=-1)


def test_names_of_others_are_left_to_them():
    check_settings({'colour': 'red', 'lr': 0.1})


STAGES = {
    'pretrain': lambda out, lm, **s: pretrain(PROSE, out, **s),
    'fine_tune': lambda out, lm, **s: fine_tune(lm, TEXTS, out, **s),
    'train_classifier': lambda out, lm, **s: train_classifier(lm, REVIEWS, out, **s),
}


@pytest.mark.parametrize('stage', STAGES)
@pytest.mark.parametrize('wrong', [{'lr': -1}, {'epochs': 1.5}, {'workers': -2}, {'bs': '8'}], ids=str)
def test_a_stage_refuses_before_any_work(stage, wrong, tiny_lm, tmp_path):
    with pytest.raises(ValueError, match=f'^{next(iter(wrong))} is '):
        STAGES[stage](tmp_path / 'out', tiny_lm, **wrong)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize('name', PRESETS)
def test_what_overrides_a_preset_is_looked_at_too(name):
    with pytest.raises(ValueError, match='^lr is 100: give a number above 0 and of at most 1.$'):
        override(recipe(name).train_classifier, lr=100)
