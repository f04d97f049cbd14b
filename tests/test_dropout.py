"The five dropouts: what their masks are like, and what weight drop must not lose when torch changes under it."

import copy
import io
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ulmfit_nb.dropout import EmbeddingDropout, RNNDropout, WeightDropout, check_p, dropout_mask

N_IN, N_OUT, BS = 8, 16, 4


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def layer(p=0.5):
    return WeightDropout(nn.LSTM(N_IN, N_OUT, batch_first=True), p)


def inputs(dtype=torch.float32, seq_len=10):
    return torch.randn(BS, seq_len, N_IN, dtype=dtype), (torch.zeros(1, BS, N_OUT, dtype=dtype),) * 2


# Masks


@pytest.mark.parametrize('p', [0.02, 0.1, 0.25, 0.5, 0.75, 0.99])
def test_rate_scale_and_mean_of_a_mask(p):
    n = 1_000_000
    mask = dropout_mask(torch.zeros(()), (n,), p)
    dropped, spread = (mask == 0).double().mean().item(), (p * (1 - p) / n) ** 0.5
    assert abs(dropped - p) < 5 * spread + 1 / 65536  # 1 / 65536: what rounding p may cost
    assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=2e-3)
    assert mask.double().mean().item() == pytest.approx(1, abs=5 * spread / (1 - p))


@given(p=st.floats(0, 1, exclude_max=True), n=st.integers(0, 50))
def test_any_probability_gives_a_finite_mask(p, n):
    mask = dropout_mask(torch.zeros(()), (n, 3), p)
    assert mask.shape == (n, 3) and mask.isfinite().all() and ((mask == 0) | (mask >= 1)).all()
    assert p or (mask == 1).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_a_mask_has_the_type_of_its_model(dtype):
    mask = dropout_mask(torch.zeros(1, dtype=dtype), (1000,), 0.5)
    assert mask.dtype == dtype and set(mask.tolist()) == {0, 2}


def test_neighbours_in_a_mask_are_independent():
    dropped = (dropout_mask(torch.zeros(()), (1000, 1000), 0.5) == 0).double() - 0.5
    for shifted in dropped[1:] * dropped[:-1], dropped[:, 1:] * dropped[:, :-1]:
        assert abs(shifted.mean() * 4) < 5e-3


@pytest.mark.parametrize('p', [1, 1.5, -0.1, 40, float('nan'), float('inf')])
def test_impossible_probabilities_are_refused(p):
    for make in (check_p, RNNDropout, layer, lambda p: EmbeddingDropout(nn.Embedding(4, 2), p)):
        with pytest.raises(ValueError, match=r'lies in \[0, 1\)'):
            make(p)


# RNNDropout


def test_a_feature_is_dropped_for_all_time_steps():
    out = RNNDropout(0.3)(torch.ones(50, 20, 40))
    assert (out == out[:, :1]).all(), 'the mask should not change in time'
    assert len({tuple(r.tolist()) for r in out[:, 0]}) == 50, 'each row of the batch should have a mask of its own'
    assert out.mean().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize('module', [RNNDropout(0.0), RNNDropout(0.5).eval()])
def test_no_dropout_hands_back_its_input(module):
    x = torch.randn(2, 3, 4)
    assert module(x) is x


# EmbeddingDropout


def test_a_word_is_dropped_at_all_its_places():
    emb = EmbeddingDropout(nn.Embedding(50, 6), 0.4)
    ids = torch.randint(50, (8, 100))
    out = emb(ids)
    scaled = emb.emb(ids) / 0.6
    gone = (out == 0).all(-1)
    assert torch.allclose(out[~gone], scaled[~gone], atol=1e-3)
    assert {*ids[gone].tolist()}.isdisjoint(ids[~gone].tolist()), 'a word is either there or not'
    assert 5 < len(ids[gone].unique()) < 35


def test_masking_looked_up_rows_equals_masking_the_matrix():
    emb, ids = EmbeddingDropout(nn.Embedding(20, 6), 0.5), torch.randint(20, (3, 9))
    torch.manual_seed(7)
    got = emb(ids)
    torch.manual_seed(7)
    want = nn.functional.embedding(ids, emb.emb.weight * dropout_mask(emb.emb.weight, (20, 1), 0.5))
    assert torch.equal(got, want)
    grads = [torch.autograd.grad(o.pow(2).sum(), emb.emb.weight)[0] for o in (got, want)]
    assert torch.allclose(*grads)


def test_embedding_without_dropout():
    ids = torch.arange(6)[None]
    for emb in EmbeddingDropout(nn.Embedding(6, 3), 0.0), EmbeddingDropout(nn.Embedding(6, 3), 0.9).eval():
        assert torch.equal(emb(ids), emb.emb(ids))


# WeightDropout: the ways in which it has broken elsewhere


def works_as_weight_drop(lstm, dtype=torch.float32):
    "Two passes differ, evaluation repeats, and the raw weight gets a gradient where it was not dropped."
    x, state = inputs(dtype)
    lstm.train()
    assert not torch.equal(lstm(x, state)[0], lstm(x, state)[0]), 'weight drop is off'
    weights = lstm.weights()
    lstm.zero_grad()
    lstm(x, state, weights)[0].pow(2).sum().backward()
    grad = lstm.lstm.weight_hh_l0.grad
    assert grad is not None, 'the raw weight gets no gradient'
    assert torch.equal(grad == 0, weights[1] == 0)
    lstm.eval()
    assert torch.equal(lstm(x, state)[0], lstm(x, state)[0]), 'evaluation is not deterministic'


def saved_and_loaded(lstm):
    file = io.BytesIO()
    torch.save(lstm.state_dict(), file)
    file.seek(0)
    new = layer()
    new.load_state_dict(torch.load(file, weights_only=True))
    return new


@pytest.mark.parametrize(
    'change, dtype',
    [
        (lambda l: l, torch.float32),
        (copy.deepcopy, torch.float32),
        (saved_and_loaded, torch.float32),
        (lambda l: l.to('cpu', torch.float64), torch.float64),
        (lambda l: copy.deepcopy(l.double()).float(), torch.float32),
        (lambda l: l.eval().train(), torch.float32),
    ],
    ids=['as built', 'deepcopy', 'save and load', 'to float64', 'there and back', 'eval and train'],
)
def test_weight_drop_survives(change, dtype):
    lstm = layer()
    x, state = inputs()
    lstm(x, state)[0].sum().backward()  # a training pass before: the dropped weight must not stick
    want = copy.deepcopy(lstm).eval()(x, state)[0]
    changed = change(lstm)
    got = changed.eval()(x.to(dtype), tuple(s.to(dtype) for s in state))[0]
    assert torch.allclose(got.float(), want, atol=1e-6)
    works_as_weight_drop(changed, dtype)


def test_the_optimizer_moves_the_raw_weight_and_the_file_holds_it():
    lstm, (x, state) = layer(), inputs()
    before = lstm.lstm.weight_hh_l0.detach().clone()
    opt = torch.optim.SGD(lstm.parameters(), 0.1)
    lstm(x, state)[0].pow(2).sum().backward()
    opt.step()
    assert not torch.equal(before, lstm.lstm.weight_hh_l0)
    assert (lstm.state_dict()['lstm.weight_hh_l0'] == 0).sum() == 0, 'the file should hold the raw weight'
    assert list(lstm.state_dict()) == [f'lstm.{k}' for k in nn.LSTM(1, 1).state_dict()]


@pytest.mark.parametrize('p, training', [(0.0, True), (0.0, False), (0.5, False)])
def test_equals_an_lstm_when_nothing_is_dropped(p, training):
    lstm, (x, _) = layer(p).train(training), inputs()
    state = torch.randn(1, BS, N_OUT), torch.randn(1, BS, N_OUT)
    (a, (h, c)), (b, (h2, c2)) = lstm(x, state), lstm.lstm(x, state)
    assert torch.equal(a, b) and torch.equal(h, h2) and torch.equal(c, c2)
    grads = [torch.autograd.grad(o.pow(2).sum(), lstm.parameters()) for o in (a, b)]
    assert all(torch.equal(g, g2) for g, g2 in zip(*grads))


@settings(max_examples=20)
@given(cut=st.integers(1, 9), p=st.sampled_from([0.0, 0.3, 0.8]))
def test_kept_weights_make_pieces_equal_to_the_whole(cut, p):
    lstm, (x, state) = layer(p), inputs()
    weights = lstm.weights()
    first, carried = lstm(x[:, :cut], state, weights)
    second, last = lstm(x[:, cut:], carried, weights)
    whole, end = lstm(x, state, weights)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(last, end))


def test_only_the_recurrent_weight_is_dropped():
    lstm = layer(0.5)
    w_ih, w_hh, b_ih, b_hh = lstm.weights()
    assert w_ih is lstm.lstm.weight_ih_l0 and b_ih is lstm.lstm.bias_ih_l0 and b_hh is lstm.lstm.bias_hh_l0
    kept = w_hh != 0
    assert 0.4 < kept.float().mean() < 0.6 and torch.allclose(w_hh[kept], 2 * lstm.lstm.weight_hh_l0[kept])


def test_a_frozen_layer_computes_without_a_graph():
    lstm, (x, state) = layer().requires_grad_(False), inputs()
    out, (h, c) = lstm(x, state)
    assert not out.requires_grad and not h.requires_grad and not c.requires_grad
    assert lstm(x.requires_grad_(), state)[0].requires_grad, 'a layer below may still learn'


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('onednn', [True, False], ids=['onednn', 'native'])
def test_bf16_autocast_on_the_cpu(training, onednn):
    lstm, (x, state) = layer(0.3).train(training), inputs()
    weights = [w.detach() for w in lstm.weights()]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch's own, about a flag for Intel's GPUs
        flags = torch.backends.mkldnn.flags(enabled=onednn)
        with flags, torch.autocast('cpu', torch.bfloat16):
            (low, (h, c)), drawn = lstm(x, state, weights), lstm(x, state)[0]
            drawn.float().pow(2).sum().backward()
    assert low.dtype == h.dtype == c.dtype == drawn.dtype == torch.bfloat16, 'the type should not depend on the machine'
    assert torch.allclose(low.float(), lstm(x, state, weights)[0], atol=0.02)
    assert lstm.lstm.weight_hh_l0.grad.dtype == torch.float32 and lstm.lstm.weight_hh_l0.grad.isfinite().all()


def test_no_warning_in_training_or_evaluation():
    lstm, (x, state) = layer(), inputs()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for l in lstm, copy.deepcopy(lstm), saved_and_loaded(lstm):
            l(x, state)[0].sum().backward()
            l.eval()(x, state)


@pytest.mark.parametrize('option', [{'num_layers': 2}, {'bidirectional': True}, {'batch_first': False}, {'bias': False}, {'proj_size': 3}])
def test_other_lstms_are_refused(option):
    with pytest.raises(ValueError, match='one layer in one direction'):
        WeightDropout(nn.LSTM(N_IN, N_OUT, **({'batch_first': True} | option)))
