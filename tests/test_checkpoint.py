"Checkpoints: those that can't be used are refused by name, and tied weights stay tied."

import json
import random

import numpy as np
import pytest
import torch
from helpers import ALL, LM, PROSE, PROSE_LM, REVIEWS, TEXTS, TINY_CLASSIFIER, made_of, new_lm, random_batches, same_run, short_run, some_words
from safetensors import safe_open
from safetensors.torch import load_file

from ulmfit_nb import fine_tune, pretrain, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.checkpoint import load_weights, model_tensors, seeded
from ulmfit_nb.cost import step_seconds
from ulmfit_nb.files import write_tensors
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.lr_finder import lr_find
from ulmfit_nb.stages import Stage, load_lm, save_stage, untrained
from ulmfit_nb.training import Phase

# --- checkpoints that can't be used


def test_other_settings(tmp_path):
    short_run((1, 1), tmp_path / 'c', identity={'lr': 0.01, 'hidden': (50,)})
    with pytest.raises(ValueError, match=r'other settings \(lr: 0.01 there, 0.02 now\)'):
        short_run(None, tmp_path / 'c', identity={'lr': 0.02, 'hidden': (50,)})
    assert short_run(None, tmp_path / 'c', identity={'lr': 0.01, 'hidden': [50]})


@pytest.mark.parametrize('spoil', [lambda b: b'', lambda b: b[:5], lambda b: b[:200], lambda b: b[:-10], lambda b: b'\0' * len(b)],
                         ids=['empty', '5 bytes', '200 bytes', 'end missing', 'zeros'])  # fmt: skip
def test_damaged_checkpoint(spoil, tmp_path):
    path = tmp_path / 'c'
    short_run((0, 5), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match='c is damaged.*Delete it'):
        short_run(None, path)


def test_every_bit_of_a_checkpoint_counts(undisturbed, tmp_path):
    path, rng = tmp_path / 'c', random.Random(0)
    short_run((1, 1), path)
    whole = path.read_bytes()
    for at in [*range(9), *(rng.randrange(len(whole)) for _ in range(60))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(ValueError, match='c is damaged.*Delete it'):
            short_run(None, path)
    path.write_bytes(whole)
    assert same_run(short_run(None, path), undisturbed)


def test_a_checkpoint_of_an_earlier_version_has_no_hash(undisturbed, tmp_path):
    short_run((1, 1), tmp_path / 'c')
    with safe_open(tmp_path / 'c', 'pt') as f:
        meta = {k: v for k, v in f.metadata().items() if k != 'digest'}
    write_tensors(tmp_path / 'c', load_file(tmp_path / 'c'), meta)
    assert same_run(short_run(None, tmp_path / 'c'), undisturbed)


PROGRESS = {'phase': -1, 'epoch': 1.5, 'batch': '3', 'step': None, 'seen': 2**70 + 0.5, 'seconds': -1, 'precision': 16, 'history': [1]}


@pytest.mark.parametrize('name', [*PROGRESS, 'another', 'deep', 'gone'])
def test_progress_that_is_none(name, tmp_path):
    short_run((0, 5), tmp_path / 'c')
    with safe_open(tmp_path / 'c', 'pt') as f:
        meta = f.metadata()
    at = json.loads(meta['progress']) | {name: PROGRESS.get(name, 1)}
    text = {'deep': '[' * 200_000, 'gone': '{}'}.get(name) or json.dumps(at)
    write_tensors(tmp_path / 'c', load_file(tmp_path / 'c'), {'settings': meta['settings'], 'progress': text})
    with pytest.raises(ValueError, match='c is damaged.*Delete it'):
        short_run(None, tmp_path / 'c')


@pytest.mark.parametrize('name', ['rng.cpu', 'loss', 'opt.0.exp_avg', 'state.0.h', 'model.decoder.bias'])
@pytest.mark.parametrize('how', ['gone', 'no numbers', 'another size'])
def test_tensors_that_are_none(name, how, tmp_path):
    short_run((1, 1), tmp_path / 'c')
    tensors = load_file(tmp_path / 'c')
    with safe_open(tmp_path / 'c', 'pt') as f:
        meta = {k: v for k, v in f.metadata().items() if k != 'digest'}
    made = {'gone': None, 'no numbers': tensors[name].float() * float('nan'), 'another size': torch.zeros(3)}[how]
    write_tensors(tmp_path / 'c', {k: v for k, v in tensors.items() if k != name} | ({} if made is None else {name: made}), meta)
    with pytest.raises(ValueError, match=f'{tmp_path / "c"}|other layer groups|a hidden state has three sizes'):
        short_run(None, tmp_path / 'c')


def test_not_a_checkpoint(tmp_path):
    write_tensors(tmp_path / 'c', model_tensors(new_lm()))
    with pytest.raises(ValueError, match='not written by a run'):
        short_run(None, tmp_path / 'c')


def test_checkpoint_of_another_model(tmp_path):
    short_run((0, 5), tmp_path / 'c')
    larger = LanguageModel(AWDLSTMConfig(40, 8, 16, 2))
    with pytest.raises(ValueError, match='belongs to another model'):
        short_run(None, tmp_path / 'c', model=larger)


def test_checkpoint_of_another_plan(tmp_path):
    short_run((0, 5), tmp_path / 'c', plan=[Phase(ALL, [0.01] * 3)])
    with pytest.raises(ValueError, match='other layer groups'):
        short_run(None, tmp_path / 'c', plan=[Phase(['embedding'], [0.01])])


# --- weights


def is_tied(model):
    return model.decoder.weight is model.encoder.embedding.emb.weight


def test_tied_weights_stay_tied(tmp_path):
    model, vocab = new_lm(), some_words(40)
    weights, _ = short_run(model=model)
    save_stage(tmp_path, 'language model', model, vocab, made_of(model), [])
    tensors = Stage.open(tmp_path, 'language model').tensors
    assert 'decoder.weight' not in tensors
    other = new_lm(seed=1)
    load_weights(other, tensors, tmp_path)
    assert is_tied(model) and is_tied(other) and is_tied(other.to(torch.float64).to(torch.float32))
    assert torch.equal(other.decoder.weight, weights['encoder.embedding.emb.weight'])
    short_run(model=other)
    assert is_tied(other) and not is_tied(new_lm(tie=False))


@pytest.mark.parametrize('wrong,message', [
    (model_tensors(new_lm(tie=False)), 'decoder.weight, which this model has not got.*another model'),
    (model_tensors(LanguageModel(AWDLSTMConfig(41, 8, 12, 2))), r'\(41,\) and should be \(40,\).*another model'),
    ({k: v for k, v in model_tensors(new_lm()).items() if 'lstms.1' not in k}, 'no weights for encoder.lstms.1.*another model'),
], ids=['untied', 'another size', 'fewer layers'])  # fmt: skip
def test_weights_of_another_model(wrong, message):
    model = new_lm()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_weights(model, wrong, 'file')
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# --- random numbers


def generators():
    "What the callers' three generators would give next."
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


USES_OF_RANDOM_NUMBERS = {
    'pretrain': lambda lm, out: pretrain(PROSE, out, **PROSE_LM),
    'fine_tune': lambda lm, out: fine_tune(lm, TEXTS, out, **LM),
    'train_classifier': lambda lm, out: train_classifier(lm, REVIEWS, out, **TINY_CLASSIFIER | {'epochs': 1}),
    'fit': lambda lm, out: short_run(model=fresh()),
    'a run that goes on': lambda lm, out: short_run((0, 5), out, model=fresh()) or short_run(None, out, model=fresh()),
    'a run that fails': lambda lm, out: pytest.raises(FloatingPointError, short_run, model=fresh(), callback=too_much),
    'load_lm': lambda lm, out: load_lm(lm),
    'untrained': lambda lm, out: untrained(lm, out),
    'lr_find': lambda lm, out: lr_find(LMTask(fresh(), random_batches()), steps=3),
    'step_seconds': lambda lm, out: step_seconds(AWDLSTMConfig(40, 8, 12, 2), 4, 9, steps=1),
}


def fresh():
    with seeded(0):
        return new_lm()


def too_much(seen, loss):
    raise FloatingPointError


@pytest.mark.parametrize('use', USES_OF_RANDOM_NUMBERS)
def test_the_callers_generators_are_left_alone(use, tiny_lm, tmp_path):
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = generators()
    USES_OF_RANDOM_NUMBERS[use](tiny_lm, tmp_path / 'out')
    assert generators() == before


@pytest.mark.parametrize('use', ['pretrain', 'fine_tune', 'train_classifier'])
def test_what_the_caller_drew_before_changes_nothing(use, tiny_lm, tmp_path):
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        USES_OF_RANDOM_NUMBERS[use](tiny_lm, tmp_path / str(seed))
    assert (tmp_path / '1/model.safetensors').read_bytes() == (tmp_path / '2/model.safetensors').read_bytes()


def test_seeded_goes_back_after_an_error_and_within_itself():
    torch.manual_seed(7)
    due = torch.rand(2)
    torch.manual_seed(7)
    with pytest.raises(KeyError), seeded(1):
        first = torch.rand(2)
        with seeded(2):
            torch.rand(5)
        second = torch.rand(2)
        raise KeyError
    assert torch.equal(torch.rand(2), due)
    with seeded(1):
        assert torch.equal(torch.rand(2), first) and torch.equal(torch.rand(2), second)


@pytest.mark.parametrize('error', [torch.cuda.OutOfMemoryError('CUDA out of memory'), RuntimeError('MPS backend out of memory'), RuntimeError('CUDA error: x')])
def test_too_little_memory_is_not_a_damaged_checkpoint(error, tmp_path, monkeypatch):
    "Its advice would be to delete what is whole."
    short_run((1, 4), tmp_path / 'run')

    def full(*args):
        raise error

    monkeypatch.setattr(torch.optim.AdamW, 'load_state_dict', full)
    with pytest.raises(type(error), match=f'^{error}$'):
        short_run(checkpoint=tmp_path / 'run')
