"Training: resume equals no interruption, runs repeat, watching changes nothing, NaN stops."

import math
import signal
from typing import NamedTuple

import numpy as np
import pytest
import torch
import tqdm.auto
from helpers import ALL, PLAN, new_lm, random_batches, run_program, same_run, same_tensors, short_run, timeless

from ulmfit_nb import training
from ulmfit_nb.awd_lstm import AWDLSTMConfig
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.checkpoint import load_weights, model_tensors, read_checkpoint
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.training import Phase, Stop, fit

CONFIG = AWDLSTMConfig(40, emb_sz=8, n_hid=12, n_layers=2)


# --- resume


def test_the_plan_has_several_batches_an_epoch():
    assert min(random_batches(vary_bptt=True).n_batches(e) for e in range(4)) > 5


@pytest.mark.parametrize('cut', [(0, 1), (0, 5), (1, 0), (1, 4), (2, 0), (3, 5)], ids=lambda c: f'epoch {c[0]} batch {c[1]}')
def test_resume_equals_no_interruption(cut, undisturbed, tmp_path):
    assert short_run(cut, tmp_path / 'c') is None
    assert same_run(short_run(None, tmp_path / 'c'), undisturbed)


def test_cut_again_and_again(undisturbed, tmp_path):
    for cut in [(0, 4), (0, 5), (1, 4), (2, 3), (2, 5), (3, 1)]:
        assert short_run(cut, tmp_path / 'c', every=1) is None
    assert same_run(short_run(None, tmp_path / 'c', every=1), undisturbed)


def test_a_finished_run_is_not_trained_again(undisturbed, tmp_path):
    short_run(None, tmp_path / 'c')
    assert same_run(short_run((0, 0), tmp_path / 'c'), undisturbed)


def test_resume_in_bf16(tmp_path):
    whole = short_run(precision='bf16')
    assert short_run((3, 5), tmp_path / 'c', precision='bf16') is None
    assert same_run(short_run(None, tmp_path / 'c', precision='bf16'), whole)


def test_resume_after_sigkill(undisturbed, tmp_path):
    killed = run_program('killed_training', 'killed', tmp_path / 'c', 3, 4)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_checkpoint(tmp_path / 'c', {})[0].epochs_done == 3
    assert same_run(short_run(None, tmp_path / 'c'), undisturbed)


@pytest.mark.parametrize('cut', [(0, 3), (1, 2)])
def test_resume_a_classifier(cut, tmp_path):
    class CutDocs(DocBatches):
        def epoch(self, epoch=0, start=0):
            for i, batch in enumerate(super().epoch(epoch, start), start):
                if (epoch, i) == self.cut:
                    raise KeyboardInterrupt
                yield batch

    def run(cut, checkpoint):
        rng = np.random.default_rng(0)
        docs = CutDocs([rng.integers(2, 40, n) for n in rng.integers(1, 20, 24)], [0, 1] * 12, bs=6, shuffle=True)
        torch.manual_seed(0)
        docs.cut, model = cut, PoolingClassifier(CONFIG, 2, bptt=5, max_len=10)
        plan = [Phase(['head'], [0.01]), Phase(['lstm 2', 'head'], [0.005, 0.01])]
        try:
            history = fit(ClassifierTask(model, docs, docs), plan, checkpoint=checkpoint, every=2, progress_bar=False)
        except KeyboardInterrupt:
            return None
        return model_tensors(model), timeless(history)

    assert run(cut, tmp_path / 'c') is None
    assert same_run(run(None, tmp_path / 'c'), run(None, None))


# --- the best epoch

TOO_FAST = [Phase(ALL, [0.2] * 3, 2), Phase(ALL, [2.0] * 3, 5)]


def test_the_best_epoch_is_what_a_run_ends_with():
    "The same history, and the weights as they were when the validation loss was lowest."
    last, best = (short_run(plan=TOO_FAST, best_epoch=b) for b in (False, True))
    losses = [h['valid_loss'] for h in best[1]]
    n = losses.index(min(losses))
    assert best[1] == last[1] and 0 < n < len(losses) - 1, 'the plan is to overdo it'
    model = new_lm()
    load_weights(model, best[0], 'here')
    found = LMTask(model, random_batches(), random_batches()).validate(model)['valid_loss']
    assert found == pytest.approx(losses[n], abs=1e-6) and not same_tensors(best[0], last[0])


def test_early_stopping_counts_in_the_last_phase():
    whole, stopped = short_run(plan=TOO_FAST, best_epoch=True), short_run(plan=TOO_FAST, early_stopping=2)
    losses = [h['valid_loss'] for h in whole[1]]
    n = losses.index(min(losses))
    assert n == 1 and stopped[1] == whole[1][:4] and same_tensors(stopped[0], whole[0])
    thaw = [Phase(ALL, [0.2] * 3, 2), Phase(ALL, [2.0] * 3, 3), Phase(['embedding'], [1e-9], 2)]
    assert [h['phase'] for h in short_run(plan=thaw, early_stopping=1)[1]] == [1, 1, 2, 2, 2, 3], 'no gain from epoch 3 on, and no end before the last phase'


@pytest.mark.parametrize('cut', [(1, 4), (2, 3), (3, 5)])
@pytest.mark.parametrize('how', [{'best_epoch': True}, {'early_stopping': 2}], ids=str)
def test_the_best_epoch_is_kept_through_a_cut(cut, how, tmp_path):
    assert short_run(cut, tmp_path / 'c', plan=TOO_FAST, **how) is None
    assert same_run(short_run(None, tmp_path / 'c', plan=TOO_FAST, **how), short_run(plan=TOO_FAST, **how))
    again = short_run((0, 0), tmp_path / 'c', plan=TOO_FAST, **how)
    assert same_run(again, short_run(plan=TOO_FAST, **how)), 'a run that was stopped early is finished'


def test_the_best_epoch_needs_texts_to_validate_on():
    with pytest.raises(ValueError, match='give texts to validate on'):
        fit(LMTask(new_lm(), random_batches()), TOO_FAST, best_epoch=True, progress_bar=False)


# --- watch


def test_watch_sees_every_step_and_changes_none(undisturbed):
    seen = []
    assert same_run(short_run(callback=lambda *both: seen.append(both)), undisturbed)
    batches = random_batches(vary_bptt=True)
    assert len(seen) == sum(batches.n_batches(e) for e in range(4))
    assert [n for n, _ in seen] == sorted({n for n, _ in seen}) and seen[-1][0] == undisturbed[1][-1]['seen']
    first = seen[: batches.n_batches(0)]
    tokens = np.diff([0] + [n for n, _ in first])
    assert np.average([loss for _, loss in first], weights=tokens) == pytest.approx(undisturbed[1][0]['train_loss'], rel=1e-6)


def test_a_run_that_goes_on_is_watched_from_there(tmp_path):
    whole, rest = [], []
    short_run(callback=lambda *both: whole.append(both))
    short_run((1, 4), tmp_path / 'c', every=1)
    short_run(None, tmp_path / 'c', callback=lambda *both: rest.append(both))
    assert rest == whole[-len(rest) :] and 0 < len(rest) < len(whole)


@pytest.mark.parametrize('at', ['first', 'last of an epoch', 'last of all'])
def test_a_watch_may_stop_the_run_and_nothing_is_lost(undisturbed, tmp_path, at):
    batches = random_batches(vary_bptt=True)
    steps = np.cumsum([batches.n_batches(e) for e in range(4)])
    n, seen = {'first': 1, 'last of an epoch': steps[0], 'last of all': steps[-1]}[at], []

    def stop(*both):
        seen.append(both)
        if len(seen) == n:
            raise Stop

    with pytest.raises(Stop):
        short_run(None, tmp_path / 'c', callback=stop)
    rest = []
    assert same_run(short_run(None, tmp_path / 'c', callback=lambda *both: rest.append(both)), undisturbed)
    assert len(rest) == steps[-1] - n, 'it goes on with the step after the last'


# --- repeatable, in both precisions


def test_same_seed_same_weights(undisturbed, tmp_path):
    assert same_run(short_run(None, tmp_path / 'c', every=2), undisturbed), 'checkpoints must not disturb a run'
    assert not same_run(short_run(seed=1), undisturbed)


def test_bf16_is_close_to_fp32(undisturbed):
    half = short_run(precision='bf16')
    assert [h['train_loss'] for h in half[1]] == pytest.approx([h['train_loss'] for h in undisturbed[1]], rel=0.01)
    assert [h['train_loss'] for h in half[1]] != [h['train_loss'] for h in undisturbed[1]]
    assert all(v.dtype == torch.float32 for v in half[0].values())


def test_it_learns_something():
    assert (losses := [h['train_loss'] for h in short_run(plan=[Phase(ALL, [0.02] * 3, 3)])[1]])[-1] < losses[0]


def test_frozen_groups_stay_and_all_learn_afterwards():
    model, start = new_lm(), model_tensors(new_lm())
    after, _ = short_run(plan=[Phase(['lstm 2'], [0.02])], model=model)
    assert {k for k, v in after.items() if not torch.equal(v, start[k])} == {k for k in start if '.lstms.1.' in k}
    assert all(p.requires_grad for p in model.parameters())


def test_unknown_group():
    with pytest.raises(KeyError, match='head.*lstm 1, lstm 2, embedding'):
        short_run(plan=[Phase(['head'], [0.1])])


def test_a_phase_of_no_epochs_is_left_out():
    plan = [Phase(['embedding'], [0.1], 0), Phase(['lstm 1'], [0.1]), Phase(ALL, [0.1] * 3, 0)]
    assert [h['groups'] for h in short_run(plan=plan)[1]] == [['lstm 1']]


# --- when the loss is no number


def blow_up(step):
    return lambda t, T, lr_max: math.inf if t == step else lr_max


@pytest.mark.parametrize('step,why', [(3, 'the loss is nan'), (5, 'weights that are not numbers')])
def test_nan_stops_and_keeps_the_last_good_checkpoint(step, why, tmp_path):
    task = LMTask(new_lm(), random_batches())
    with pytest.raises(FloatingPointError, match=f'{why}.*lower the learning rate'):
        fit(task, [Phase(ALL, [0.01] * 3)], schedule=blow_up(step), checkpoint=tmp_path / 'c', every=3, progress_bar=False)
    at, tensors = read_checkpoint(tmp_path / 'c', {})
    assert at.step == 3 and all(v.isfinite().all() for k, v in tensors.items() if k.startswith('model.'))


def test_nan_in_the_last_step_is_noticed():
    last = len(random_batches()) - 1
    with pytest.raises(FloatingPointError, match='weights'):
        fit(LMTask(new_lm(), random_batches()), [Phase(ALL, [0.01] * 3)], schedule=blow_up(last), progress_bar=False)


# --- on a GPU


class OnTheDevice(NamedTuple):
    "A batch of documents that goes to the device whole."

    ids: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor


@pytest.mark.parametrize('kind', ['language model', 'classifier'])
def test_a_step_reads_nothing_from_the_device(kind, monkeypatch):
    "The meta device has shapes and no numbers. Whoever asks it for one, which a GPU would be waited for, gets an error."
    monkeypatch.setattr(torch, 'is_autocast_enabled', lambda *_: False)  # it doesn't know this device
    if kind == 'language model':
        task = LMTask(new_lm().to('meta'), random_batches())
    else:
        docs = [np.arange(2, 2 + n) for n in (30, 20, 11, 0)]
        task = ClassifierTask(PoolingClassifier(CONFIG, 2, bptt=4, max_len=9).to('meta').train(), DocBatches(docs, [0, 1, 0, 1], bs=4))
    state = None
    for batch in task.train:
        step = task.step(task.model, training.move(batch, torch.device('meta')), state)
        step.objective.backward()
        torch.nn.utils.clip_grad_norm_(task.model.parameters(), 0.25)
        state = step.state
    if kind == 'classifier':
        with pytest.raises((RuntimeError, NotImplementedError), match='meta'):
            task.step(task.model, training.move(OnTheDevice(*batch[:3]), torch.device('meta')), None)


def test_the_bar_names_phase_epoch_loss_and_accuracy(monkeypatch):
    "And the loss that it shows is the epoch's mean so far."
    bars = []

    class Bar(tqdm.auto.tqdm):
        def __init__(self, batches, desc, **options):
            super().__init__(batches, desc, **options)
            bars.append((desc, said := []))
            self.set_postfix_str = lambda text, refresh: said.append(text)

    monkeypatch.setattr(tqdm.auto, 'tqdm', Bar)
    monkeypatch.setattr(training, 'SHOWN', 1)
    task = LMTask(new_lm(), random_batches())
    task.validate = lambda model: {'accuracy': 0.8714}
    history = fit(task, PLAN, progress_bar=True)
    names = [(p, e) for p in (1, 2) for e in (1, 2)]
    assert [desc for desc, _ in bars] == [f'phase {p} epoch {e}' + ', accuracy 0.871' * ((p, e) > (1, 1)) for p, e in names]
    assert [said[-1] for _, said in bars] == [f'loss {h["train_loss"]:.3f}' for h in history]
