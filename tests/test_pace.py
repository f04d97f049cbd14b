"Minutes foreseen: from a trial run, in proportion to the data."

import pytest

from ulmfit_nb import pace
from ulmfit_nb.pace import expected_minutes, training_epochs, tuning_epochs
from ulmfit_nb.settings import PRESETS, ClassifierSettings, FineTuneSettings


def test_expected_minutes_grow_with_the_data(monkeypatch):
    monkeypatch.setattr(pace, 'lm_pace', lambda *_: 0.5)
    monkeypatch.setattr(pace, 'classifier_pace', lambda *_: 0.25)
    report = {'tokens': 28_000, 'n': 400, 'distinct': 900, 'labels': [['a', 400]]}
    tune, train = expected_minutes(report, {'n_layers': 2}, 'tiny')['minutes']
    assert tune == ['fine_tune', pytest.approx(28_000 * 4 / (8 * 35) * 0.5 / 60)]
    assert train == ['train_classifier', pytest.approx(360 / 16 * (3 + 6) * 0.25 / 60)]
    assert [s for s, _ in expected_minutes(report | {'labels': []}, {'n_layers': 2}, 'tiny')['minutes']] == ['fine_tune']


def test_passes():
    assert training_epochs({'n_layers': 3}, ClassifierSettings(), 100) == 4 + 3
    assert training_epochs({'n_layers': 2}, ClassifierSettings(epochs=6), 100) == 3 + 6
    assert training_epochs({'n_layers': 3}, ClassifierSettings(epochs=2, min_steps=30, bs=10), 100) == 4 + 3
    assert [training_epochs({'n_layers': 3}, ClassifierSettings(epochs=2, min_steps=30, bs=10), n) for n in (95, 91)] == [4 + 3, 4 + 4], 'in whole batches'
    assert tuning_epochs(FineTuneSettings(epochs=2, min_steps=30, bs=10, bptt=10), 1000) == 3 and tuning_epochs(FineTuneSettings(), 10) == 1


def test_a_head_that_has_learnt_needs_no_thaw():
    shape = {'n_layers': 3}
    small, probe = (training_epochs(shape, PRESETS[name].train_classifier, 1000) for name in ('small', 'probe'))
    assert small == probe + 4


def test_numbers_are_learnt_too_and_a_gpu_is_waited_for(monkeypatch):
    asked = []

    class Loss:
        def item(self):
            asked.append(self)

    monkeypatch.setattr(pace, 'fit', lambda task, plan, callback, **options: [callback(1, Loss()) for _ in range(3)])
    report = {'n': 100, 'tokens': 10_000, 'distinct': 500, 'labels': [], 'numbers': [1, 2, 3]}
    shape = {'emb_sz': 8, 'n_hid': 8, 'n_layers': 1, 'tie_weights': True}
    assert [stage for stage, _ in expected_minutes(report, shape, 'tiny')['minutes']] == ['fine_tune', 'train_classifier'] and len(asked) == 6
