"The range test: it leaves no trace, does what `fit` would do, and finds the steepest place."

import math

import numpy as np
import pytest
import torch
from helpers import small_classifier_task, small_lm_task
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ulmfit_nb.batching import LMBatches
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.lr_finder import lr_find, preserving, suggest_lr
from ulmfit_nb.training import FitSettings, train_only


def test_range_test_leaves_no_trace():
    task = small_classifier_task()
    train_only(task.model, ['head'])
    task.model.eval()
    rng, weights = torch.get_rng_state(), {k: v.clone() for k, v in task.model.state_dict().items()}
    rates, losses, best = lr_find(task, ['lstm 3', 'head'], steps=20, lr_max=10)
    assert all(torch.equal(v, weights[k]) for k, v in task.model.state_dict().items())
    assert [g for g, ps in task.model.layer_groups().items() if ps[0].requires_grad] == ['head']
    assert torch.equal(torch.get_rng_state(), rng) and not task.model.training and all(p.grad is None for p in task.model.parameters())
    assert len(rates) == len(losses) and best in rates
    np.testing.assert_allclose(np.diff(np.log(rates)), math.log(10 / 1e-6) / 19)


def test_whatever_happens_inside_the_gpus_random_numbers_are_put_back_too(monkeypatch):
    "Without a GPU at hand: what torch would be told if there were one."
    put_back, before = [], torch.arange(3)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_rng_state', lambda: before)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', put_back.append)
    with pytest.raises(KeyboardInterrupt), preserving(torch.nn.Linear(2, 2)):
        raise KeyboardInterrupt
    assert put_back == [before]


class Steep(LMTask):
    "Gradients a hundred times as large."

    def step(self, *args):
        step = super().step(*args)
        return step._replace(objective=100 * step.objective)


@pytest.fixture
def optimizer_log():
    "Rate and norm of the gradients at each step that an optimizer takes."
    seen = []

    def note(opt, *_):
        grads = [p.grad.flatten() for g in opt.param_groups for p in g['params']]
        seen.append(({g['lr'] for g in opt.param_groups}, torch.cat(grads).norm().item()))

    hook = register_optimizer_step_pre_hook(note)
    yield seen
    hook.remove()


@pytest.mark.parametrize('settings, norm', [({}, FitSettings().clip), ({'clip': 0.01}, 0.01)])
def test_range_test_clips_as_fit_does(optimizer_log, settings, norm):
    task = small_lm_task()
    lr_find(Steep(task.model, task.train), steps=8, lr_max=1e-3, **settings)
    np.testing.assert_allclose([n for _, n in optimizer_log], [norm] * 8, rtol=1e-4)


def test_range_test_gives_short_rows_smaller_rates_as_fit_does(optimizer_log):
    task = small_lm_task()
    train = LMBatches(task.train.ids, bs=4, bptt=8, vary_bptt=True)
    rates, _, _ = lr_find(LMTask(task.model, train), steps=5, lr_max=1e-3)
    scales = [x.shape[1] / 8 for x, _ in train.epoch(0)][:5]
    assert len(set(scales)) > 1 and [r for r, _ in optimizer_log] == [{r * s} for r, s in zip(rates, scales)]


def test_range_test_stops_when_the_loss_runs_away():
    rates, losses, _ = lr_find(small_lm_task(), lr_min=1e-3, lr_max=1e6, steps=100)
    ran_away = [not l < 4 * min(losses[: i + 1]) for i, l in enumerate(losses)]
    assert len(rates) < 100 and ran_away == [False] * (len(rates) - 1) + [True]


@pytest.mark.parametrize(
    'losses, best',
    [
        ([5], 1),
        ([5, math.nan], 1),
        ([5, 4, 1], 2),
        ([5, 4.9, 3, 2.95, 9, 9], 2),
        ([5, 5, 4.9, 3, 2, 9], 8),
    ],
)
def test_steepest(losses, best):
    assert suggest_lr([1, 2, 4, 8, 16, 32][: len(losses)], losses) == best
