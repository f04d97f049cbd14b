"""The language model equals fastai's, as recorded in tests/golden: logits, gradients, optimiser steps, parameter groups."""

import json

import pytest
import torch
import torch.nn.functional as F
from helpers import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from ulmfit_nb.awd_lstm import AWDLSTM, AWDLSTMConfig, LanguageModel, fit_state, linear_cross_entropy
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.checkpoint import load_weights
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.training import Phase, activation_reg, make_optimizer, set_schedule, temporal_activation_reg

TINY = AWDLSTMConfig(30, emb_sz=10, n_hid=14, n_layers=2)


def our_name(theirs: str) -> str:
    "Our name for one of fastai's parameters."
    for a, b in [
        ('0.encoder.weight', 'encoder.embedding.emb.weight'),
        ('1.decoder.', 'decoder.'),
        ('.weight_hh_l0_raw', '.lstm.weight_hh_l0'),
        ('.module.', '.lstm.'),
        ('0.rnns.', 'encoder.lstms.'),
    ]:
        theirs = theirs.replace(a, b)
    return theirs


def section(tensors: dict, prefix: str) -> dict:
    "The tensors below a prefix, under our names; fastai writes its tied matrix three times, we once."
    names = [k for k in tensors if k.startswith(prefix) and 'encoder_dp' not in k and not k.endswith('1.decoder.weight')]
    return {our_name(k.removeprefix(prefix)): tensors[k] for k in names}


def peer(tensors: dict, config=TINY) -> LanguageModel:
    model = LanguageModel(config)
    load_weights(model, section(tensors, 'sd.'), 'golden')
    return model


def close(a, b, tol=1e-6):
    torch.testing.assert_close(a.detach(), b, atol=tol, rtol=tol)


@pytest.fixture(scope='module')
def evaluated():
    return load_file(GOLDEN / 'lm_eval.safetensors')


@pytest.fixture(scope='module')
def trained():
    return load_file(GOLDEN / 'lm_train_nodrop.safetensors'), json.loads((GOLDEN / 'lm_train_nodrop.json').read_text())


def test_logits_and_state_while_rows_shrink_and_grow(evaluated):
    model, state, rows = peer(evaluated).eval(), None, []
    for i in range(5):
        o = model(evaluated[f'x{i}'], state)
        state = o.state
        rows.append(len(o.raw))
        close(o.logits, evaluated[f'logits{i}'])
        close(o.raw, evaluated[f'raw{i}'])
        for layer, (h, c) in enumerate(state):
            close(h, evaluated[f'h{i}.{layer}'])
            close(c, evaluated[f'c{i}.{layer}'])
    assert rows == [4, 4, 4, 3, 5]


def test_without_a_state_it_begins_afresh(evaluated):
    close(peer(evaluated).eval()(evaluated['x0']).logits, evaluated['logits_after_reset'])


def test_loss_and_regularisation_of_the_first_step(trained):
    tensors, said = trained
    o = peer(tensors, TINY.drop(0))(tensors['x0'], None, tensors['y0'])
    ours = {'ce': o.loss, 'ar': activation_reg(o.out, 2.0), 'tar': temporal_activation_reg(o.raw, 1.0)}
    assert {k: v.item() for k, v in ours.items()} == pytest.approx(said['step0'], rel=1e-5)


def test_five_optimiser_steps(trained):
    tensors, said = trained
    model, state = peer(tensors, TINY.drop(0)), None
    task = LMTask(model, LMBatches(range(100), bs=4, bptt=9))
    opt = make_optimizer(model, Phase(list(model.layer_groups()), [said['opt']['lr_max']] * 3), wd=said['opt']['defaults']['wd'])
    bias = opt.param_groups[-1]['params'].pop()  # fastai does not decay the decoder's bias, we do: the one difference
    opt.add_param_group({'params': [bias], 'max_lr': said['opt']['lr_max'], 'weight_decay': 0.0})
    for i, groups in enumerate(said['hypers']):
        step = task.step(model, (tensors[f'x{i}'], tensors[f'y{i}']), state)
        assert (step.loss.item(), step.objective.item()) == pytest.approx((said['losses'][i], said['loss_grads'][i]), rel=1e-5)
        step.objective.backward()
        if i == 0:
            for name, grad in section(tensors, 'grad0.').items():
                close(model.get_parameter(name).grad, grad)
        nn.utils.clip_grad_norm_(model.parameters(), said['opt']['clip'])
        norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
        assert norm == pytest.approx(said['grad_norm_after_clip'][i], rel=1e-5)
        set_schedule(opt, i, 5, lambda t, T, lr_max, g=groups: g[0]['lr'], lambda t, T, g=groups: g[0]['mom'])
        opt.step()
        opt.zero_grad()
        state = step.state
    after = section(tensors, 'after5.')
    assert len(after) == len(list(model.parameters()))
    for name, weight in after.items():
        close(model.get_parameter(name), weight, 2e-6)


def test_parameter_groups():
    said = json.loads((GOLDEN / 'groups.json').read_text())
    sizes = said['lm_config']
    with torch.device('meta'):
        model = LanguageModel(AWDLSTMConfig(said['lm_shapes']['0.encoder.weight'][0], sizes['emb_sz'], sizes['n_hid'], sizes['n_layers']))
    names = {id(p): name for name, p in model.named_parameters()}
    ours = [{names[id(p)] for p in params} for params in model.layer_groups().values()]
    assert ours == [{our_name(param[0]) for param in group} for group in said['lm']]
    assert len(ours) == 4 and list(model.layer_groups()) == ['lstm 1', 'lstm 2', 'lstm 3', 'embedding']
    assert {n: list(p.shape) for n, p in model.named_parameters()} == {our_name(n): shape for n, shape in said['lm_shapes'].items()}


@pytest.mark.parametrize('tied,features', [(True, 1200), (False, 3450)])
def test_pooled_features(tied, features):
    config = AWDLSTMConfig(8, 400, 1150, tie_weights=tied)
    with torch.device('meta'):
        model = LanguageModel(config)
    assert 3 * model.encoder(torch.zeros(1, 2, dtype=torch.long, device='meta'))[0].shape[2] == 3 * config.n_out == features


@given(bs=st.lists(st.integers(1, 5), min_size=2, max_size=4))
@settings(deadline=None, max_examples=20)
def test_a_row_does_not_depend_on_how_many_others_there_are(bs):
    torch.manual_seed(0)
    model, state, alone = AWDLSTM(TINY).eval(), None, None
    for n in bs:
        ids = torch.randint(2, 30, (n, 3))
        out, state = model(ids, state)
        first, alone = model(ids[:1], alone)
        torch.testing.assert_close(out[:1], first)


def test_new_rows_begin_at_zero():
    h = torch.ones(1, 2, 3)
    assert fit_state([(h, h)], [3], 4, h)[0][0].sum(2).tolist() == [[3, 3, 0, 0]]


@given(seed=st.integers(0, 1000), cut=st.integers(1, 11))
@settings(deadline=None, max_examples=25)
def test_no_token_sees_later_ones(seed, cut):
    torch.manual_seed(seed)
    model, ids, other = LanguageModel(TINY).eval(), *torch.randint(0, 30, (2, 3, 12))
    mixed = torch.cat([ids[:, :cut], other[:, cut:]], 1)
    torch.testing.assert_close(model(ids).logits[:, :cut], model(mixed).logits[:, :cut])


@pytest.mark.parametrize('chunk', [1, 7, 40, 256])
@pytest.mark.parametrize('frozen', [(), ('weight',), ('x', 'bias')])
def test_linear_cross_entropy(chunk, frozen):
    torch.manual_seed(0)
    tensors = {'x': torch.randn(4, 10, 6), 'weight': torch.randn(9, 6), 'bias': torch.randn(9)}
    y = torch.randint(9, (4, 10))
    for name, t in tensors.items():
        t.requires_grad_(name not in frozen)
    learning = [t for t in tensors.values() if t.requires_grad]
    ours, usual = linear_cross_entropy(*tensors.values(), y, chunk), F.cross_entropy(F.linear(*tensors.values()).flatten(0, 1), y.flatten())
    torch.testing.assert_close(ours, usual)
    for a, b in zip(torch.autograd.grad(3 * ours, learning), torch.autograd.grad(3 * usual, learning)):
        torch.testing.assert_close(a, b)


def test_linear_cross_entropy_without_gradients():
    x, w, b, y = torch.randn(5, 3), torch.randn(4, 3, requires_grad=True), torch.zeros(4), torch.tensor([0, 1, 2, 3, 0])
    with torch.no_grad():
        loss = linear_cross_entropy(x, w, b, y)
    assert not loss.requires_grad and loss.item() == pytest.approx(F.cross_entropy(F.linear(x, w, b), y).item(), rel=1e-6)


def test_linear_cross_entropy_in_bfloat16_stays_near():
    torch.manual_seed(0)
    x, w, b = torch.randn(50, 32), torch.randn(40, 32, requires_grad=True), torch.zeros(40, requires_grad=True)
    y = torch.randint(40, (50,))
    usual = torch.autograd.grad(F.cross_entropy(F.linear(x, w, b), y), w)[0]
    with torch.autocast('cpu', torch.bfloat16):
        loss = linear_cross_entropy(x, w, b, y)
    ours = torch.autograd.grad(loss, w)[0]
    assert loss.dtype == ours.dtype == torch.float32
    assert (ours - usual).norm() < 0.02 * usual.norm()


def test_gradients_of_the_loss_go_when_they_have_been_used():
    x, w, b = (torch.ones(shape, requires_grad=True) for shape in ((3, 4), (5, 4), (5,)))
    loss = linear_cross_entropy(x, w, b, torch.tensor([0, 1, 2]))
    loss.backward()
    with pytest.raises(RuntimeError, match='second time'):
        loss.backward()
