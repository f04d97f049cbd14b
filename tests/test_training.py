"""Training: resume equals no interruption, runs repeat, NaN stops, files are whole or absent, bad directories are named."""

import ast
import errno
import inspect
import json
import math
import os
import platform
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from ulmfit_nb import awd_lstm, stages, training
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches, LMBatches
from ulmfit_nb.checkpoint import load_weights, model_tensors, read_checkpoint
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier
from ulmfit_nb.files import BusyError, atomic_write, checkpoint_lock, write_json, write_tensors
from ulmfit_nb.language_model import LMTask, evaluate_lm, loss_and_hits
from ulmfit_nb.memory import peak_memory_mb
from ulmfit_nb.schedules import one_cycle, one_cycle_momentum
from ulmfit_nb.stages import Stage, StageError, is_finished, resolve_model, save_stage
from ulmfit_nb.tokenization import Vocab
from ulmfit_nb.training import Phase, Stop, fit

CONFIG = AWDLSTMConfig(40, emb_sz=8, n_hid=12, n_layers=2)
ALL = ['lstm 1', 'lstm 2', 'embedding']
PLAN = [Phase(['embedding'], [0.02], 2), Phase(ALL, [0.005, 0.01, 0.02], 2)]


class Cut(LMBatches):
    "Batches that come to a sudden end at (epoch, batch)."

    cut, how = None, staticmethod(lambda: (_ for _ in ()).throw(KeyboardInterrupt))

    def epoch(self, epoch=0, start=0):
        for i, batch in enumerate(super().epoch(epoch, start), start):
            if (epoch, i) == self.cut:
                self.how()
            yield batch


def data(cls=LMBatches, n=300, **kw):
    ids, offsets = np.random.default_rng(0).integers(2, 40, n), np.arange(0, n + 1, 20)
    return cls(ids, offsets, bs=4, bptt=9, **kw)


def lm(tie=True, seed=0):
    torch.manual_seed(seed)
    return LanguageModel(AWDLSTMConfig(40, emb_sz=8, n_hid=12, n_layers=2, tie_weights=tie))


def train(cut=None, checkpoint=None, plan=PLAN, every=3, model=None, how=None, **kw):
    "Weights and history of a run (None if it was cut), each run with a new model and new data, as in a new process."
    batches, model = data(Cut, shuffle=True, vary_bptt=True), model or lm()
    batches.cut = cut
    if how:
        batches.how = how
    task = LMTask(model, batches, data())
    try:
        history = fit(task, plan, schedule=one_cycle, momentum=one_cycle_momentum, checkpoint=checkpoint, every=every, progress_bar=False, **kw)
    except KeyboardInterrupt:
        return None
    return {k: v.detach().clone() for k, v in model_tensors(model).items()}, timeless(history)


def timeless(history):
    return [{k: v for k, v in h.items() if k not in ('minutes', 'peak_mb')} for h in history]


def same(a, b):
    return a[1] == b[1] and a[0].keys() == b[0].keys() and all(torch.equal(v, b[0][k]) for k, v in a[0].items())


@pytest.fixture(scope='module')
def undisturbed():
    return train()


# --- resume


def test_the_plan_has_several_batches_an_epoch():
    assert min(data(vary_bptt=True).n_batches(e) for e in range(4)) > 5


@pytest.mark.parametrize('cut', [(0, 1), (0, 5), (1, 0), (1, 4), (2, 0), (3, 5)], ids=lambda c: f'epoch {c[0]} batch {c[1]}')
def test_resume_equals_no_interruption(cut, undisturbed, tmp_path):
    assert train(cut, tmp_path / 'c') is None
    assert same(train(None, tmp_path / 'c'), undisturbed)


def test_cut_again_and_again(undisturbed, tmp_path):
    for cut in [(0, 4), (0, 5), (1, 4), (2, 3), (2, 5), (3, 1)]:
        assert train(cut, tmp_path / 'c', every=1) is None
    assert same(train(None, tmp_path / 'c', every=1), undisturbed)


def test_a_finished_run_is_not_trained_again(undisturbed, tmp_path):
    train(None, tmp_path / 'c')
    assert same(train((0, 0), tmp_path / 'c'), undisturbed)


def test_resume_in_bf16(tmp_path):
    whole = train(precision='bf16')
    assert train((3, 5), tmp_path / 'c', precision='bf16') is None
    assert same(train(None, tmp_path / 'c', precision='bf16'), whole)


def test_resume_after_sigkill(undisturbed, tmp_path):
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import torch; torch.set_num_threads({torch.get_num_threads()})
        from test_training import train
        train((3, 4), {str(tmp_path / 'c')!r}, how=lambda: os.kill(os.getpid(), signal.SIGKILL))
    """
    killed = subprocess.run([sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_checkpoint(tmp_path / 'c', {})[0].epochs_done == 3
    assert same(train(None, tmp_path / 'c'), undisturbed)


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
    assert same(run(None, tmp_path / 'c'), run(None, None))


# --- two runs at once


def test_a_second_run_is_told_of_the_first_and_a_killed_one_holds_nothing(undisturbed, tmp_path):
    code = f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import torch; torch.set_num_threads({torch.get_num_threads()})
        from test_training import train
        train((2, 3), {str(tmp_path / 'c')!r}, how=lambda: (print("half-way", flush=True), time.sleep(600)))
    """
    with subprocess.Popen([sys.executable, '-c', textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout.readline() == 'half-way\n'
            before = (tmp_path / 'c').read_bytes()
            with pytest.raises(BusyError, match=rf'c: another run is under way here, process {first.pid} on .*Wait until.*choose another directory'):
                train(None, tmp_path / 'c')
            assert (tmp_path / 'c').read_bytes() == before
            assert same(train(None, tmp_path / 'other'), undisturbed)
        finally:
            first.kill()
    assert files(tmp_path) == ['.c.lock', '.c.owner', '.other.lock', 'c', 'other']
    assert same(train(None, tmp_path / 'c'), undisturbed)
    assert files(tmp_path) == ['.c.lock', '.other.lock', 'c', 'other']


@pytest.mark.parametrize('end', [None, KeyboardInterrupt, FloatingPointError])
def test_a_run_gives_its_checkpoint_back_however_it_ends(end, tmp_path):
    for _ in range(2):
        try:
            with checkpoint_lock(tmp_path / 'work' / 'c'):
                if end:
                    raise end
        except (KeyboardInterrupt, FloatingPointError):
            pass


def test_several_processes_of_one_run_are_one_run(tmp_path, monkeypatch):
    import accelerate

    with checkpoint_lock(tmp_path / 'c'):
        monkeypatch.setattr(accelerate, 'PartialState', lambda: SimpleNamespace(is_main_process=False))
        with checkpoint_lock(tmp_path / 'c'):
            pass


def test_without_a_checkpoint_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with checkpoint_lock(None), checkpoint_lock(None):
        assert files(tmp_path) == []


# --- watch


def test_watch_sees_every_step_and_changes_none(undisturbed):
    seen = []
    assert same(train(callback=lambda *both: seen.append(both)), undisturbed)
    batches = data(vary_bptt=True)
    assert len(seen) == sum(batches.n_batches(e) for e in range(4))
    assert [n for n, _ in seen] == sorted({n for n, _ in seen}) and seen[-1][0] == undisturbed[1][-1]['seen']
    first = seen[: batches.n_batches(0)]
    tokens = np.diff([0] + [n for n, _ in first])
    assert np.average([loss for _, loss in first], weights=tokens) == pytest.approx(undisturbed[1][0]['train_loss'], rel=1e-6)


def test_a_run_that_goes_on_is_watched_from_there(tmp_path):
    whole, rest = [], []
    train(callback=lambda *both: whole.append(both))
    train((1, 4), tmp_path / 'c', every=1)
    train(None, tmp_path / 'c', callback=lambda *both: rest.append(both))
    assert rest == whole[-len(rest) :] and 0 < len(rest) < len(whole)


@pytest.mark.parametrize('at', ['first', 'last of an epoch', 'last of all'])
def test_a_watch_may_stop_the_run_and_nothing_is_lost(undisturbed, tmp_path, at):
    batches = data(vary_bptt=True)
    steps = np.cumsum([batches.n_batches(e) for e in range(4)])
    n, seen = {'first': 1, 'last of an epoch': steps[0], 'last of all': steps[-1]}[at], []

    def stop(*both):
        seen.append(both)
        if len(seen) == n:
            raise Stop

    with pytest.raises(Stop):
        train(None, tmp_path / 'c', callback=stop)
    rest = []
    assert same(train(None, tmp_path / 'c', callback=lambda *both: rest.append(both)), undisturbed)
    assert len(rest) == steps[-1] - n, 'it goes on with the step after the last'


# --- repeatable, in both precisions


def test_same_seed_same_weights(undisturbed, tmp_path):
    assert same(train(None, tmp_path / 'c', every=2), undisturbed), 'checkpoints must not disturb a run'
    assert not same(train(seed=1), undisturbed)


def test_bf16_is_close_to_fp32(undisturbed):
    half = train(precision='bf16')
    assert [h['train_loss'] for h in half[1]] == pytest.approx([h['train_loss'] for h in undisturbed[1]], rel=0.01)
    assert [h['train_loss'] for h in half[1]] != [h['train_loss'] for h in undisturbed[1]]
    assert all(v.dtype == torch.float32 for v in half[0].values())


def test_it_learns_something():
    assert (losses := [h['train_loss'] for h in train(plan=[Phase(ALL, [0.02] * 3, 3)])[1]])[-1] < losses[0]


def test_frozen_groups_stay_and_all_learn_afterwards():
    model, start = lm(), model_tensors(lm())
    after, _ = train(plan=[Phase(['lstm 2'], [0.02])], model=model)
    assert {k for k, v in after.items() if not torch.equal(v, start[k])} == {k for k in start if '.lstms.1.' in k}
    assert all(p.requires_grad for p in model.parameters())


def test_unknown_group():
    with pytest.raises(KeyError, match='head.*lstm 1, lstm 2, embedding'):
        train(plan=[Phase(['head'], [0.1])])


def test_a_phase_of_no_epochs_is_left_out():
    plan = [Phase(['embedding'], [0.1], 0), Phase(['lstm 1'], [0.1]), Phase(ALL, [0.1] * 3, 0)]
    assert [h['groups'] for h in train(plan=plan)[1]] == [['lstm 1']]


def test_perplexity_counts_every_token_the_same():
    model, batches = lm().eval(), data()
    state, losses = None, []
    with torch.no_grad():
        for x, y in batches:
            o = model(x, state)
            state = o.state
            losses += [-o.logits[i, t].log_softmax(0)[y[i, t]].item() for i in range(len(x)) for t in range(x.shape[1])]
    found = evaluate_lm(model, batches)
    assert found['valid_loss'] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found['perplexity'] == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)


class Made(TorchDispatchMode):
    "Notes the operations that are carried out, and the size in bytes of the largest tensor they make."

    def __init__(self):
        super().__init__()
        self.largest, self.names = 0, []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        made = op(*args, **(kwargs or {}))
        self.names.append(op.name())
        if isinstance(made, torch.Tensor):
            self.largest = max(self.largest, made.numel() * made.element_size())
        return made


def test_validation_never_holds_all_logits():
    torch.manual_seed(0)
    model, ids = LanguageModel(AWDLSTMConfig(2000, 8, 12, 1)), np.random.default_rng(0).integers(2, 2000, 4001)
    batches = LMBatches(ids, bs=50, bptt=80)
    with Made() as made:
        found = evaluate_lm(model, batches)
    assert made.largest <= 256 * 2000 * 4 < 50 * 79 * 2000 * 4 / 10
    with torch.no_grad():
        logits, y = [(model(x).logits.flatten(0, 1), y.flatten()) for x, y in batches][0]
    assert len(batches) == 1
    assert found['valid_loss'] == pytest.approx(F.cross_entropy(logits.double(), y).item(), rel=1e-7)
    assert found['accuracy'] == (logits.argmax(1) == y).double().mean().item()


@pytest.mark.parametrize('chunk', [1, 7, 40, 1000])
@pytest.mark.parametrize('bf16', [False, True])
def test_losses_are_summed_in_double_precision(chunk, bf16):
    torch.manual_seed(0)
    decoder, out, y = torch.nn.Linear(8, 30), torch.randn(4, 50, 8), torch.randint(30, (4, 50))
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=bf16):
        logits, sums = decoder(out.flatten(0, 1)), loss_and_hits(decoder, out, y, chunk)
    assert logits.dtype == (torch.bfloat16 if bf16 else torch.float32) and sums.dtype == torch.float64
    each = F.cross_entropy(logits.float(), y.flatten(), reduction='none').double()
    assert sums.tolist() == pytest.approx([each.sum().item(), (logits.argmax(1) == y.flatten()).sum().item()], rel=1e-12 if bf16 else 1e-7)


def test_validation_in_bf16_is_that_of_its_logits():
    model, batches, each = lm().eval(), data(), []
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        found, state = evaluate_lm(model, batches), None
        for x, y in batches:
            out, state = model.encoder(x, state)
            each.append(F.cross_entropy(model.decoder(out.flatten(0, 1)).double(), y.flatten(), reduction='none'))
    assert found['valid_loss'] == pytest.approx(torch.cat(each).mean().item(), rel=1e-7)


# --- tied weights


def is_tied(model):
    return model.decoder.weight is model.encoder.embedding.emb.weight


def test_tied_weights_stay_tied(tmp_path):
    model, vocab = lm(), Vocab([str(i) for i in range(40)])
    weights, _ = train(model=model)
    save_stage(tmp_path, 'language model', model, vocab, {}, [])
    tensors = Stage.open(tmp_path, 'language model').tensors
    assert 'decoder.weight' not in tensors
    other = lm(seed=1)
    load_weights(other, tensors, tmp_path)
    assert is_tied(model) and is_tied(other) and is_tied(other.to(torch.float64).to(torch.float32))
    assert torch.equal(other.decoder.weight, weights['encoder.embedding.emb.weight'])
    train(model=other)
    assert is_tied(other) and not is_tied(lm(tie=False))


@pytest.mark.parametrize("wrong,message", [
    (model_tensors(lm(tie=False)), "decoder.weight, which this model has not got.*another model"),
    (model_tensors(LanguageModel(AWDLSTMConfig(41, 8, 12, 2))), r"\(41,\) and should be \(40,\).*another model"),
    ({k: v for k, v in model_tensors(lm()).items() if "lstms.1" not in k}, "no weights for encoder.lstms.1.*another model"),
], ids=["untied", "another size", "fewer layers"])  # fmt: skip
def test_weights_of_another_model(wrong, message):
    model = lm()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_weights(model, wrong, 'file')
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# --- when the loss is no number


def blow_up(step):
    return lambda t, T, lr_max: math.inf if t == step else lr_max


@pytest.mark.parametrize('step,why', [(3, 'the loss is nan'), (5, 'weights that are not numbers')])
def test_nan_stops_and_keeps_the_last_good_checkpoint(step, why, tmp_path):
    task = LMTask(lm(), data())
    with pytest.raises(FloatingPointError, match=f'{why}.*lower the learning rate'):
        fit(task, [Phase(ALL, [0.01] * 3)], schedule=blow_up(step), checkpoint=tmp_path / 'c', every=3, progress_bar=False)
    at, tensors = read_checkpoint(tmp_path / 'c', {})
    assert at.step == 3 and all(v.isfinite().all() for k, v in tensors.items() if k.startswith('model.'))


def test_nan_in_the_last_step_is_noticed():
    last = len(data()) - 1
    with pytest.raises(FloatingPointError, match='weights'):
        fit(LMTask(lm(), data()), [Phase(ALL, [0.01] * 3)], schedule=blow_up(last), progress_bar=False)


# --- checkpoints that can't be used


def test_other_settings(tmp_path):
    train((1, 1), tmp_path / 'c', identity={'lr': 0.01, 'hidden': (50,)})
    with pytest.raises(ValueError, match=r'other settings \(lr: 0.01 there, 0.02 now\)'):
        train(None, tmp_path / 'c', identity={'lr': 0.02, 'hidden': (50,)})
    assert train(None, tmp_path / 'c', identity={'lr': 0.01, 'hidden': [50]})


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:5], lambda b: b[:200], lambda b: b[:-10], lambda b: b"\0" * len(b)],
                         ids=["empty", "5 bytes", "200 bytes", "end missing", "zeros"])  # fmt: skip
def test_damaged_checkpoint(spoil, tmp_path):
    path = tmp_path / 'c'
    train((0, 5), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match='c is damaged.*Delete it'):
        train(None, path)


def test_not_a_checkpoint(tmp_path):
    write_tensors(tmp_path / 'c', model_tensors(lm()))
    with pytest.raises(ValueError, match='not written by a run'):
        train(None, tmp_path / 'c')


def test_checkpoint_of_another_model(tmp_path):
    train((0, 5), tmp_path / 'c')
    larger = LanguageModel(AWDLSTMConfig(40, 8, 16, 2))
    with pytest.raises(ValueError, match='belongs to another model'):
        train(None, tmp_path / 'c', model=larger)


def test_checkpoint_of_another_plan(tmp_path):
    train((0, 5), tmp_path / 'c', plan=[Phase(ALL, [0.01] * 3)])
    with pytest.raises(ValueError, match='other layer groups'):
        train(None, tmp_path / 'c', plan=[Phase(['embedding'], [0.01])])


# --- files


def test_tensors_are_written_without_being_copied(tmp_path):
    tensors = model_tensors(lm())
    with Made() as made:
        write_tensors(tmp_path / 't', tensors)
    assert 'aten::clone' not in made.names


def test_tensors_that_share_memory_are_written_whole(tmp_path):
    t = torch.arange(12.0).view(3, 4)
    tensors = {'a': t, 'b': t, 'row': t[1], 'column': t[:, 1], 'transposed': t.t(), 'wide': torch.ones(1).expand(5), 'none': torch.zeros(0, 3)}
    write_tensors(tmp_path / 't', tensors)
    found = load_file(tmp_path / 't')
    assert found.keys() == tensors.keys() and all(torch.equal(v, found[k]) for k, v in tensors.items())


# --- atomic writes


def files(folder):
    return sorted(f.name for f in Path(folder).iterdir())


FAILURES = [(errno.ENOSPC, 'no space left.*Free some'), (errno.EDQUOT, 'no space left'), (errno.EIO, 'output')]


@pytest.mark.parametrize('code,message', FAILURES)
def test_a_write_that_fails_leaves_the_old_file(code, message, tmp_path, monkeypatch):
    write_tensors(tmp_path / 't', {'a': torch.ones(1000)})
    old = (tmp_path / 't').read_bytes()

    def half(self, content):
        with open(self, 'wb') as f:
            f.write(content[: len(content) // 2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, 'write_bytes', half)
    with pytest.raises(OSError, match=message) as e:
        write_tensors(tmp_path / 't', {'a': torch.zeros(1000)})
    assert e.value.errno == code and (tmp_path / 't').read_bytes() == old and files(tmp_path) == ['t']


@pytest.mark.parametrize('name', ['fsync', 'replace'])
def test_a_failing_system_call_leaves_the_old_file(name, tmp_path, monkeypatch):
    write_json(tmp_path / 'j', 1)

    def full(*args):
        raise OSError(errno.ENOSPC, 'full')

    monkeypatch.setattr(os, name, full)
    with pytest.raises(OSError, match='no space left'):
        write_json(tmp_path / 'j', 2)
    assert json.loads((tmp_path / 'j').read_text()) == 1 and files(tmp_path) == ['j']


def test_a_full_disk_stops_a_run_that_then_goes_on(undisturbed, tmp_path, monkeypatch):
    calls, write = [], Path.write_bytes

    def fills_up(self, content):
        calls.append(self)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, 'full')
        return write(self, content)

    with monkeypatch.context() as m:
        m.setattr(Path, 'write_bytes', fills_up)
        with pytest.raises(OSError, match='goes on from its last checkpoint'):
            train(None, tmp_path / 'c')
    assert files(tmp_path) == ['.c.lock', 'c']
    assert same(train(None, tmp_path / 'c'), undisturbed)


def test_a_real_limit(tmp_path):
    pytest.importorskip('resource')
    write_tensors(tmp_path / 't', {'a': torch.ones(10)})
    old = (tmp_path / 't').read_bytes()
    code = f"""
        import resource, torch
        from ulmfit_nb.files import write_tensors
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try: write_tensors({str(tmp_path / 't')!r}, {{"a": torch.zeros(100_000)}})
        except OSError as e: print("OSError", e.errno)
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout.split() == ['OSError', str(errno.EFBIG)], done.stderr
    assert (tmp_path / 't').read_bytes() == old and files(tmp_path) == ['t']


def test_leftovers_of_a_killed_write_are_swept_up(tmp_path):
    for name in ('.[x].1.part', '.other.1.part'):
        (tmp_path / name).write_text('half')
    with atomic_write(tmp_path / '[x]') as temp:
        temp.write_text('whole')
    assert files(tmp_path) == ['.other.1.part', '[x]']


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / 'new' / 'x') as temp:
        temp.write_text('half')
        raise ZeroDivisionError
    assert files(tmp_path / 'new') == []


# --- stage directories


@pytest.fixture
def stage(tmp_path):
    save_stage(tmp_path / 'lm', 'language model', lm(), Vocab([f'wörd{i}' for i in range(40)]), {'settings': {'lr': 0.01}}, [])
    save_stage(tmp_path / 'other', 'language model', lm(seed=1), Vocab([f'mot{i}' for i in range(40)]), {'settings': {}}, [])
    return tmp_path / 'lm'


def test_a_stage_comes_back(stage):
    opened = Stage.open(stage, 'language model')
    config, vocab, tensors = opened.config, opened.vocab, opened.tensors
    assert config['settings'] == {'lr': 0.01} and vocab.words[3] == 'wörd3'
    assert files(stage) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    assert all(torch.equal(v, tensors[k]) for k, v in model_tensors(lm()).items())


def cut_short(name):
    return lambda d: (d / name).write_bytes((d / name).read_bytes()[:-30])


def remove(name):
    return lambda d: (d / name).unlink()


def remap_ids(name):
    return lambda d: (d / name).write_bytes((d.parent / 'other' / name).read_bytes())


def write(name, content):
    return lambda d: (d / name).write_bytes(content)


def rename(d):
    d.rename(d.parent / 'elsewhere')


def unfinished(d):
    remove('config.json')(d)
    (d / 'work').mkdir()


BAD = {
    "no directory": (rename, "no such directory"),
    "a file": (lambda d: (rename(d), d.write_text("x")), "no such directory"),
    "no config": (remove("config.json"), "not a directory that a stage has written"),
    "unfinished": (unfinished, "cut short. Run the same command again"),
    "config cut short": (cut_short("config.json"), "config.json is damaged.*Copy"),
    "config empty": (write("config.json", b""), "config.json is damaged"),
    "config not text": (write("config.json", b"\xff\xfe\x00"), "config.json is damaged"),
    "config not ours": (write("config.json", b'{"model_type": "bert"}'), "not written by this library"),
    "config a list": (write("config.json", b"[]"), "not written by this library"),
    "config without hashes": (write("config.json", b'{"stage": "language model", "sha256": {}}'), "model.safetensors is damaged"),
    "no weights": (remove("model.safetensors"), "model.safetensors is missing.*pretrain or fine_tune"),
    "no vocabulary": (remove("vocab.json"), "vocab.json is missing"),
    "weights cut short": (cut_short("model.safetensors"), "model.safetensors is damaged or comes from another model"),
    "vocabulary cut short": (cut_short("vocab.json"), "vocab.json is damaged or comes from another model"),
    "weights empty": (write("model.safetensors", b""), "model.safetensors is damaged"),
    "weights of another model": (remap_ids("model.safetensors"), "model.safetensors.*comes from another model"),
    "vocabulary of another model": (remap_ids("vocab.json"), "vocab.json.*comes from another model"),
    "config of another model": (remap_ids("config.json"), "comes from another model"),
}  # fmt: skip


@pytest.mark.parametrize('what', BAD)
def test_bad_directory(what, stage):
    spoil, message = BAD[what]
    spoil(stage)
    with pytest.raises(StageError, match=message) as e:
        Stage.open(stage, 'language model')
    assert str(stage) in str(e.value)


def test_models_that_ship_go_by_name_and_yours_come_first(stage, tmp_path, monkeypatch):
    (tmp_path / 'pretrained').mkdir()
    stage.rename(tmp_path / 'pretrained' / 'small')
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'pretrained')
    monkeypatch.chdir(tmp_path)
    assert resolve_model('small') == tmp_path / 'pretrained' / 'small'
    assert Stage.open('small', 'language model').vocab.words[3] == 'wörd3'
    with pytest.raises(StageError, match=r'large: no such directory, and no model of that name ships \(small\)'):
        Stage.open('large', 'language model')
    with pytest.raises(StageError, match=r'\.\./small: no such'):
        resolve_model('../small')
    (tmp_path / 'other').rename(tmp_path / 'small')
    assert resolve_model('small') == Path('small') and Stage.open('small', 'language model').vocab.words[3] == 'mot3'


def test_wrong_stage(stage):
    message = 'holds a language model, where a classifier is due.*train_classifier'
    with pytest.raises(StageError, match=message):
        Stage.open(stage, 'classifier')


def test_finished_or_not(stage, tmp_path):
    assert is_finished(stage, {'lr': 0.01}) and not is_finished(tmp_path / 'new', {'lr': 0.01})
    with pytest.raises(ValueError, match=r'other settings \(lr: 0.01 there, 0.1 now\)'):
        is_finished(stage, {'lr': 0.1})
    remove('config.json')(stage)
    assert not is_finished(stage, {'lr': 0.01})


@pytest.mark.parametrize('survivors', range(4))
def test_killed_while_saving_a_stage(survivors, tmp_path, monkeypatch):
    "However many of the four files were written: not finished, and named as such; saving again mends it."
    done, replace = [], os.replace

    def dies(a, b):
        if len(done) == survivors:
            raise KeyboardInterrupt
        done.append(b)
        replace(a, b)

    save = lambda: save_stage(tmp_path, 'language model', lm(), Vocab(['a']), {'settings': {}}, [])  # noqa: E731
    with monkeypatch.context() as m:
        m.setattr(os, 'replace', dies)
        with pytest.raises(KeyboardInterrupt):
            save()
    assert not is_finished(tmp_path, {})
    with pytest.raises(StageError, match='no config.json'):
        Stage.open(tmp_path, 'language model')
    save()
    assert Stage.open(tmp_path, 'language model').vocab.words == ['a']


@pytest.mark.parametrize('name', ['model.safetensors', 'vocab.json'])
@pytest.mark.parametrize('harm', ['gone', 'cut'])
def test_a_damaged_directory_is_not_finished(stage, name, harm):
    """The mend that `Stage.open` names, to run the stage again, must not be answered with 'there is nothing to do'."""
    path = stage / name
    path.write_bytes(path.read_bytes()[:-5])
    if harm == 'gone':
        path.unlink()
    assert not is_finished(stage, {'lr': 0.01})


# --- memory


def test_peak_memory_is_a_number_on_windows_too(monkeypatch):
    psutil = pytest.importorskip('psutil')
    assert peak_memory_mb() > 100
    monkeypatch.setitem(sys.modules, 'resource', None)  # importing it fails
    info = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=300 * 2**20))
    monkeypatch.setattr(psutil, 'Process', lambda: info)
    assert peak_memory_mb() == 300
    history = fit(LMTask(lm(), data()), [Phase(ALL, [0.01] * 3)], progress_bar=False)
    assert max(h['peak_mb'] for h in history) == 300


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
        task = LMTask(lm().to('meta'), data())
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


# --- what is documented


def undocumented(module) -> list[str]:
    "Public functions and methods without a comment on the line of each parameter, or public functions and classes without a docstring."
    source = inspect.getsource(module)
    lines, found = source.splitlines(), []
    tops = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith('_')]
    for top in tops:
        functions = [n for n in getattr(top, 'body', []) if isinstance(n, ast.FunctionDef)] if isinstance(top, ast.ClassDef) else [top]
        if not ast.get_docstring(top) and not (len(lines[top.lineno - 1 : top.end_lineno]) == 1):
            found.append(f'{top.name}: no docstring')
        for f in functions:
            a = f.args
            for arg in [x for x in [*a.args, *a.kwonlyargs, a.vararg, a.kwarg] if x and x.arg not in ('self', 'ctx')]:
                if '#' not in lines[arg.lineno - 1]:
                    found.append(f'{top.name}.{f.name}: {arg.arg}')
    return found


@pytest.mark.parametrize('module', [awd_lstm, training], ids=lambda m: m.__name__)
def test_every_parameter_is_documented(module):
    assert undocumented(module) == []


FAULTS = """
import resource, sys
import numpy as np, torch
from ulmfit_nb import training
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.schedules import all_at_once
if sys.argv[1] == 'given back': training.keep_memory = lambda: None
torch.manual_seed(0)
model = LanguageModel(AWDLSTMConfig(20_000, emb_sz=16, n_hid=16, n_layers=1))
task, seen = LMTask(model, LMBatches(np.random.randint(9, 20_000, 6000), bs=8, bptt=70)), []
def watch(*_): seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
training.fit(task, all_at_once(list(model.layer_groups())), progress_bar=False, callback=watch)
print(sorted(np.diff(seen))[len(seen) // 2])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_steps_use_the_memory_of_the_steps_before():
    "A page that the system hands out anew is a page fault: hardly any in an ordinary step, thousands if the memory were given back."

    def faults(how):
        env = {k: v for k, v in os.environ.items() if not k.startswith('MALLOC_')}
        return int(subprocess.run([sys.executable, '-c', FAULTS, how], capture_output=True, text=True, check=True, env=env).stdout)

    assert faults('kept') < 500 < 2000 < faults('given back')
