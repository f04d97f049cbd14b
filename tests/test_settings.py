"Settings: named, frozen, sorted by keyword, and the same identity as ever."

import json
from dataclasses import FrozenInstanceError, fields
from functools import partial

import numpy as np
import pytest

from ulmfit_nb import pretrain, train_classifier
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.data import TextData
from ulmfit_nb.schedules import stlr
from ulmfit_nb.settings import (
    PRESETS,
    ClassifierSettings,
    FineTuneSettings,
    PretrainSettings,
    batch_size,
    n_doc_batches,
    n_epochs,
    override,
    recipe,
    schedule_name,
)
from ulmfit_nb.training import FitSettings, RunOptions, constant, with_changes


@pytest.mark.parametrize('name', PRESETS)
def test_a_preset_has_settings_for_each_stage(name):
    assert [type(s) for s in recipe(name)] == [PretrainSettings, FineTuneSettings, ClassifierSettings]
    json.dumps([s.identity() for s in recipe(name)])


def test_settings_are_values():
    assert FineTuneSettings(lr=0.1) == FineTuneSettings(lr=0.1) != FineTuneSettings()
    with pytest.raises(FrozenInstanceError):
        PRESETS['small'].pretrain.lr = 1.0


def test_what_is_kept_of_the_stages_is_what_was_kept_before():
    "An old checkpoint is compared with these names: none may appear or go without thought for it."
    common = {'epochs', 'lr', 'bs', 'bptt', 'drop_mult', 'seed'}
    vocabulary = {'min_freq', 'max_vocab', 'max_tokens'}
    assert PretrainSettings().identity().keys() == common | vocabulary | {'emb_sz', 'n_hid', 'n_layers', 'backwards'}
    assert FineTuneSettings().identity().keys() == common | vocabulary | {'min_steps', 'factor', 'schedule'}
    assert ClassifierSettings().identity().keys() == common | {'min_steps', 'factor', 'schedule', 'plan', 'max_len'}
    assert ClassifierSettings().identity()['schedule'] == 'stlr'
    later = dict(target='number', class_weight={True: 2}, best_epoch=True, early_stopping=3)
    found = ClassifierSettings(**later).identity()
    assert found == ClassifierSettings().identity() | later | {'class_weight': {'True': 2}} and json.dumps(found)


def test_keywords_go_to_the_object_that_has_the_field():
    settings, options = with_changes({'lr': 0.5, 'every': 7}, (FineTuneSettings(), FineTuneSettings), (RunOptions(), RunOptions))
    assert settings == FineTuneSettings(lr=0.5) and options == RunOptions(every=7)
    with pytest.raises(TypeError, match="there is no setting 'leaning_rate', but epochs, lr, "):
        with_changes({'leaning_rate': 0.5}, (FineTuneSettings(), FineTuneSettings), (RunOptions(), RunOptions))


@pytest.mark.parametrize('given', [PRESETS['tiny'], 'small', PRESETS['tiny'].fine_tune, None])
def test_settings_of_another_kind_are_refused_before_any_work(given, tmp_path):
    with pytest.raises(TypeError, match='where ClassifierSettings is due'):
        train_classifier('film-small', TextData(['a', 'b'], [0, 1], ['x', 'y']), tmp_path / 'out', settings=given)
    with pytest.raises(TypeError, match='where RunOptions is due'):
        pretrain(['A text.'] * 100, tmp_path / 'out', options={'every': 7})
    assert not (tmp_path / 'out').exists()


def test_an_unknown_setting_is_refused_before_any_work(tmp_path):
    with pytest.raises(TypeError, match="no setting 'bf16'"):
        pretrain(['A text.'] * 100, tmp_path / 'out', bf16=True)
    with pytest.raises(ValueError, match="precision is 'half': give one of 'auto', 'fp32', 'bf16'"):
        pretrain(['A text.'] * 100, tmp_path / 'out', precision='half')
    assert not (tmp_path / 'out').exists()


def test_none_leaves_what_the_preset_says():
    assert override(recipe('tiny').fine_tune, lr=None, epochs=9).lr == recipe('tiny').fine_tune.lr
    with pytest.raises(ValueError, match='no preset .huge., but tiny, '):
        recipe('huge')


def test_no_default_is_typed_twice():
    "A field that two kinds of settings have comes from the one they share, or says something else on purpose."
    other = {(c.__name__, f.name) for c in (PretrainSettings, FineTuneSettings, ClassifierSettings) for f in fields(c) if f.name in c.__annotations__}
    assert other & {(c, f) for c in ('PretrainSettings', 'FineTuneSettings') for f in ('epochs', 'lr', 'bs', 'bptt', 'drop_mult', 'seed')} == set()
    assert FitSettings().schedule is not stlr, 'the loop itself has no opinion'


def test_little_data_makes_more_epochs_and_two_batches():
    assert n_epochs(2, 150, 20) == 8 and n_epochs(2, 0, 20) == 2
    assert [batch_size(n, 32) for n in (1000, 40, 5, 3)] == [32, 20, 2, 2]


@pytest.mark.parametrize('bs', [2, 3, 8, 32])
def test_batches_are_counted_as_the_loader_makes_them(bs):
    for n in range(1, 100):
        loader = DocBatches([np.arange(1)] * n, bs=batch_size(n, bs), shuffle=True)
        assert n_doc_batches(n, bs) == loader.n_batches() == loader.n_batches(1)


def test_passes_that_are_not_alike():
    assert [n_epochs(1, steps, [5, 2, 9, 1].__getitem__) for steps in (0, 5, 6, 7, 8, 16, 17)] == [1, 1, 2, 2, 3, 3, 4]
    assert n_epochs(3, 5, [5, 2, 9, 1].__getitem__) == 3


def test_another_schedule_of_the_same_name_is_another_schedule():
    mine = {}
    exec('def stlr(t, T, lr_max): return lr_max', {'__name__': 'mine'}, mine)
    assert schedule_name(stlr) == 'stlr' and schedule_name(constant) == 'constant' and schedule_name(mine['stlr']) == 'mine.stlr'
    exec('def constant(t, T, lr_max): return 0', {'__name__': 'mine'}, mine)
    assert schedule_name(mine['constant']) == 'mine.constant'
    assert schedule_name(partial(mine['stlr'], T=3)) == 'mine.stlr(T=3)'
    assert FineTuneSettings(schedule=mine['stlr']).identity() != FineTuneSettings().identity()
    with pytest.raises(ValueError, match='can not be told from others'):
        schedule_name(partial(stlr, how=mine['stlr']))


def test_advice_on_settings_is_such_as_works():
    with pytest.raises(TypeError, match='where FitSettings is due. Write FitSettings.…..$'):
        with_changes({}, ('small', FitSettings))
    with pytest.raises(TypeError, match='PRESETS'):
        with_changes({}, ('small', ClassifierSettings))
