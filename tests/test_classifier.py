"""The classifier: equal to recorded fastai on each document alone, equal to a plain nn.LSTM, deaf to padding, order and batch-mates."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import tqdm.auto
from helpers import GOLDEN, TEXTS, made_of
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from ulmfit_nb import classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches, collate
from ulmfit_nb.checkpoint import load_weights
from ulmfit_nb.classifier import (
    Classifier,
    PoolingClassifier,
    PoolingHead,
    RunningPool,
    bptt_pieces,
    concat_pool,
    load_classifier,
    load_encoder,
    predict_logits,
)
from ulmfit_nb.classifier_training import save_classifier
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.precision import best_device
from ulmfit_nb.stages import Stage, StageError, save_stage
from ulmfit_nb.targets import SingleLabel
from ulmfit_nb.tokenization import SPECIAL, Vocab, words_that_differ
from ulmfit_nb.training import train_only

CASES = ['sorted', 'len1_all', 'exact_chunk', 'with_empty', 'unsorted', 'short', 'two']
CONFIG = AWDLSTMConfig(30, emb_sz=5, n_hid=7, n_layers=2)
quick = settings(max_examples=25, deadline=None)


# --- the peer ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def golden():
    return load_file(GOLDEN / 'clas.safetensors'), json.loads((GOLDEN / 'clas.json').read_text())


def our_name(name):
    if name.startswith('1.'):
        _, _, block, layer, rest = name.split('.')
        return f'head.layers.{4 * int(block) + int(layer)}.{rest}'
    if 'rnns' not in name:
        return 'encoder.embedding.emb.weight'
    return f'encoder.lstms.{name.split(".")[3]}.lstm.{name.split(".")[-1].removesuffix("_raw")}'


def peer_model(tensors, max_len=None):
    model = PoolingClassifier(AWDLSTMConfig(30, emb_sz=10, n_hid=14, n_layers=2), 3, bptt=8, max_len=max_len, hidden=(6,))
    load_weights(model, {our_name(k[3:]): v for k, v in tensors.items() if k.startswith('sd.')}, 'clas.safetensors')
    return model.eval()


def documents(tensors, case):
    return [row[row != 1].numpy() for row in tensors[f'{case}.x']]


def read(model, docs):
    "Logits and pooled features in the order of `docs`."
    batch = collate(docs)
    with torch.no_grad():
        o = model(batch.ids, batch.lengths)
    place = np.argsort(batch.index)
    return o.logits[place], o.pooled[place]


@pytest.mark.parametrize('case', [c for c in CASES if c != 'with_empty'])
def test_logits_equal_the_peer_reading_each_document_alone(golden, case):
    logits, _ = read(peer_model(golden[0]), documents(golden[0], case))
    torch.testing.assert_close(logits, golden[0][f'{case}.maxlenNone.logits_alone'], atol=1e-5, rtol=0)


@pytest.mark.parametrize('case', [c for c in CASES if c != 'with_empty'])
def test_with_max_len_equal_where_the_peer_kept_the_whole_document(golden, case):
    # Deliberate difference: fastai forgets what lies before max_len, we pool over all of it. The last vector is the same either way.
    tensors, docs = golden[0], documents(golden[0], case)
    alone = tensors[f'{case}.maxlen24.logits_alone']
    logits, _ = read(peer_model(tensors, 24), docs)
    short = [len(d) <= 24 for d in docs]
    torch.testing.assert_close(logits[short], alone[short], atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, read(peer_model(tensors), docs)[0], atol=1e-6, rtol=0)
    for i in np.flatnonzero(~np.array(short)):
        assert (logits[i] - alone[i]).abs().max() > 1e-3, 'the peer kept everything after all'


@pytest.mark.parametrize('case', CASES)
def test_pooled_features_equal_the_peers_batch_where_it_read_the_document(golden, case):
    # Deliberate difference: fastai's batch loses documents (fastai#3379: the wrong ones here) and gives NaN for an empty one.
    tensors, meta = golden
    logits, pooled = read(peer_model(tensors), documents(tensors, case))
    wrong = {'sorted': [7, 8], 'with_empty': [2, 3], 'unsorted': [0, 1, 2, 3]}.get(case, [])
    right = [i for i in range(len(pooled)) if i not in wrong]
    torch.testing.assert_close(pooled[right], tensors[f'{case}.maxlenNone.pooled'][right], atol=1e-5, rtol=0)
    assert logits.isfinite().all() and pooled.isfinite().all()
    off = (logits - tensors[f'{case}.maxlenNone.logits']).abs().amax(1)
    assert all(not off[i] < 5e-3 for i in wrong), 'the peer got this document right: it is no difference'
    assert meta[case]['maxlenNone']['nan'] == (case == 'with_empty')


def test_training_step_of_the_peer_is_equal_from_the_pooled_features_up(golden):
    # Not comparable below: its training batch is `sorted` with max_len 24, of which it lost two documents and cut four (see above),
    # batch norm mixes these into every logit and gradient, and its AR and TAR count padding.
    tensors, docs = golden[0], documents(golden[0], 'sorted')
    model = peer_model(tensors)
    for layer in model.head.layers:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    model.head.train()
    _, pooled = read(model, docs)
    theirs = tensors['sorted.maxlen24.pooled']
    assert (model.head(pooled) - tensors['train.logits']).abs().max() > 1e-2
    # Given the features it pooled, mistakes and all, our head in training mode gives its logits and its head's gradients.
    logits = model.head(theirs)
    torch.testing.assert_close(logits, tensors['train.logits'], atol=1e-5, rtol=0)
    torch.nn.functional.cross_entropy(logits, tensors['train.y']).backward()
    names = {'0.0.weight': 0, '0.0.bias': 0, '0.1.weight': 2, '1.0.weight': 4, '1.0.bias': 4, '1.2.weight': 6}
    for name, i in names.items():
        ours = getattr(model.head.layers[i], name.split('.')[-1]).grad
        torch.testing.assert_close(ours, tensors[f'train.grad.1.layers.{name}'], atol=1e-5, rtol=0)


# --- pooling ----------------------------------------------------------------------------------------------------------------------

lengths_lists = st.lists(st.integers(1, 25), min_size=1, max_size=6).map(lambda ls: sorted(ls, reverse=True))


def by_loop(out, lengths):
    rows = [o[:n] for o, n in zip(out, lengths)]
    return torch.stack([torch.cat([r[-1], r.max(0).values, r.mean(0)]) for r in rows])


@quick
@given(lengths_lists, st.integers(0, 9), st.sampled_from([0.0, 1e9, -1e9, torch.inf, torch.nan]))
def test_concat_pool_is_the_formula_whatever_the_padding(lengths, seed, rubbish):
    out, n = torch.randn(len(lengths), lengths[0] + 2, 3, generator=torch.Generator().manual_seed(seed)), torch.tensor(lengths)
    for row, size in zip(out, lengths):
        row[size:] = rubbish
    torch.testing.assert_close(concat_pool(out, n), by_loop(out, lengths))


@quick
@given(lengths_lists, st.integers(1, 30), st.integers(0, 9))
def test_running_pool_equals_concat_pool(lengths, width, seed):
    out, n = torch.randn(len(lengths), lengths[0], 3, generator=torch.Generator().manual_seed(seed)), torch.tensor(lengths)
    pool = RunningPool(n)
    for start in range(0, lengths[0], width):
        pool.add(out[n > start, start : start + width])
    torch.testing.assert_close(pool.result(), concat_pool(out, n))


def test_concat_pool_of_nothing_is_finite():
    assert concat_pool(torch.randn(2, 3, 4), torch.tensor([2, 0])).isfinite().all()


@pytest.mark.parametrize('tied,width', [(True, 1200), (False, 3450)])
def test_width_of_the_papers_head(tied, width):
    assert 3 * AWDLSTMConfig(60_000, 400, 1150, tie_weights=tied).n_out == width
    small = PoolingClassifier(replace(CONFIG, tie_weights=tied), 2)
    assert read(small.eval(), [[2, 3]])[1].shape[1] == 3 * (5 if tied else 7)


def test_head_refuses_dropouts_that_do_not_fit():
    with pytest.raises(ValueError, match='2 blocks need as many dropouts, and there are 3'):
        PoolingHead(6, 2, ps=(0.1, 0.1, 0.1))


# --- a prediction depends on its document alone -----------------------------------------------------------------------------------


def model_of(bptt=4, max_len=8, seed=0, **config):
    torch.manual_seed(seed)
    return PoolingClassifier(replace(CONFIG, **config), 3, bptt=bptt, max_len=max_len, hidden=(6,)).eval()


documents_of_any_length = st.lists(st.lists(st.integers(2, 29), max_size=25), min_size=1, max_size=7)


@quick
@given(documents_of_any_length, st.integers(1, 8), st.integers(1, 12), st.booleans(), st.randoms())
def test_batch_and_order_never_change_a_prediction(docs, bs, bptt, tied, random):
    model, docs = model_of(bptt, tie_weights=tied), [np.array(d, int) for d in docs]
    alone = torch.cat([predict_logits(model, DocBatches([d], bs=1)) for d in docs])
    order = random.sample(range(len(docs)), len(docs))
    together = predict_logits(model, DocBatches([docs[i] for i in order], bs=bs))
    assert alone.isfinite().all()
    torch.testing.assert_close(together, alone[order], atol=1e-5, rtol=0)


@quick
@given(documents_of_any_length, st.integers(0, 9), st.integers(0, 9))
def test_padding_never_changes_a_prediction(docs, extra, seed):
    model, batch = model_of(), collate([np.array(d, int) for d in docs])
    rng = np.random.default_rng(seed)
    ids = torch.from_numpy(rng.integers(0, 30, (len(docs), batch.ids.shape[1] + extra)))
    for row, doc, n in zip(ids, batch.ids, batch.lengths):
        row[:n] = doc[:n]
    with torch.no_grad():
        want, got = model(batch.ids, batch.lengths), model(ids, batch.lengths)
    torch.testing.assert_close(got.logits, want.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.pooled, want.pooled, atol=1e-5, rtol=0)


@pytest.mark.parametrize('sizes', [[0], [0, 0, 0], [1, 1], [5, 5, 5], [9, 0], [4, 4], [8, 4, 0]])
@pytest.mark.parametrize('max_len', [None, 4])
def test_awkward_lengths_are_finite_in_training_too(sizes, max_len):
    model, batch = model_of(max_len=max_len), collate([np.arange(2, 2 + n) for n in sizes])
    o = model(batch.ids, batch.lengths)
    (o.logits.sum() + o.ar + o.tar).backward()
    values = [*o, *(p.grad for p in model.parameters() if p.grad is not None)]
    assert all(v.isfinite().all() for v in values)


def test_a_batch_out_of_order_is_refused_not_misread():
    ids = torch.full((2, 6), 5)
    with pytest.raises(ValueError, match='documents come by length, the longest first'):
        model_of()(ids, torch.tensor([2, 6]))
    with pytest.raises(ValueError, match='7 tokens in a batch of 6 columns'):
        model_of()(ids, torch.tensor([7, 6]))


# --- gradients --------------------------------------------------------------------------------------------------------------------


def token_gradients(model, batch):
    "Size of the gradient at every token (document, place), zero where none flowed."
    sizes, seen = torch.zeros(batch.ids.shape), []

    def keep(module, args, out):
        if out.requires_grad:
            out.retain_grad()
        seen.append((args[0], out))

    hook = model.encoder.embedding.register_forward_hook(keep)
    model(batch.ids, batch.lengths).pooled.pow(2).sum().backward()
    hook.remove()
    for ids, out in seen:
        if out.grad is not None:  # every id of these batches occurs once, so it tells the place
            for id_, g in zip(ids.flatten(), out.grad.norm(dim=2).flatten()):
                if id_ != model.encoder.config.pad:
                    sizes[batch.ids == id_] = g
    return sizes


@quick
@given(st.lists(st.integers(0, 25), min_size=1, max_size=5), st.integers(1, 7), st.one_of(st.none(), st.integers(1, 30)))
def test_gradients_reach_the_last_max_len_tokens_in_whole_pieces(sizes, bptt, max_len):
    model = model_of(bptt, max_len, vocab_sz=140)
    starts = np.cumsum([2, *sizes])
    batch = collate([np.arange(a, a + n) for a, n in zip(starts, sizes)])
    reached = token_gradients(model, batch) > 0
    for row, n in zip(reached, batch.lengths.tolist()):
        first = 0 if max_len is None else max(0, n - max_len) // bptt * bptt
        assert row.tolist() == [first <= i < n for i in range(reached.shape[1])]


def json_default(model, ids):
    "Features of one document through whole nn.LSTM layers, pooled: no pieces, no padding."
    x = model.encoder.embedding.emb(torch.as_tensor(ids, dtype=torch.int64))[None]
    for layer in model.encoder.lstms:
        x, _ = layer.lstm(x)
    return x[0], torch.cat([x[0, -1], x[0].max(0).values, x[0].mean(0)])


@quick
@given(st.lists(st.integers(1, 25), min_size=2, max_size=5), st.integers(1, 9), st.booleans())
def test_logits_gradients_ar_and_tar_equal_a_plain_lstm(sizes, bptt, tied):
    model, rng = model_of(bptt, None, tie_weights=tied), np.random.default_rng(sum(sizes))
    batch = collate([rng.integers(2, 30, n) for n in sizes])
    docs = [ids[:n] for ids, n in zip(batch.ids, batch.lengths)]

    def gradients(logits, ar):
        model.zero_grad()
        (torch.nn.functional.cross_entropy(logits, torch.arange(len(docs)) % 3) + 2 * ar).backward()
        return {k: p.grad.clone() for k, p in model.named_parameters()}

    features, pooled = zip(*[json_default(model, d) for d in docs])
    flat = torch.cat(features)
    want = model.head(torch.stack(pooled)), flat.pow(2).mean()
    o = model(batch.ids, batch.lengths)
    torch.testing.assert_close(o.logits, want[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(o.ar, want[1])
    slow, fast = gradients(*want), gradients(o.logits, o.ar)
    for k in slow:
        torch.testing.assert_close(fast[k], slow[k], atol=1e-5, rtol=1e-4, msg=k)


def test_tar_counts_the_changes_within_pieces():
    model, ids = model_of(bptt=5, max_len=None), np.arange(2, 14)
    batch = collate([ids, ids[:7]])
    jumps = []
    for n in (12, 7):
        f = json_default(model, ids[:n])[0]
        jumps += [(f[i] - f[i - 1]).pow(2) for i in range(1, n) if i % 5]
    torch.testing.assert_close(model(batch.ids, batch.lengths).tar, torch.stack(jumps).mean())


def test_frozen_encoder_leaves_no_graph():
    model, batch = model_of().train(), collate([np.arange(2, 22), np.arange(2, 9)])
    train_only(model, ['head'])
    o = model(batch.ids, batch.lengths)
    assert not o.pooled.requires_grad and not o.ar.requires_grad and o.logits.requires_grad
    train_only(model, ['lstm 2', 'head'])
    model(batch.ids, batch.lengths).logits.sum().backward()
    assert {k for k, p in model.named_parameters() if p.grad is not None} == {
        k for k, p in model.named_parameters() if k.startswith(('head', 'encoder.lstms.1'))
    }


def test_plan_covers_every_token_once():
    plan = bptt_pieces([23, 9, 9, 1], bptt=5, max_len=6)
    assert [(p.start, p.stop) for p in plan] == [(0, 5), (5, 10), (10, 15), (15, 20), (20, 23)]
    assert [p.running for p in plan] == [4, 3, 1, 1, 1] and [p.no_grad for p in plan] == [1, 1, 1, 0, 0]


# --- the encoder's words ----------------------------------------------------------------------------------------------------------


def test_load_encoder_names_the_words_that_differ(tmp_path):
    vocab = Vocab(SPECIAL + [f'w{i}' for i in range(30 - len(SPECIAL))])
    lm = LanguageModel(CONFIG)
    save_stage(tmp_path, 'language model', lm, vocab, made_of(lm), [])
    model = model_of(seed=5)
    assert load_encoder(model, tmp_path, Vocab(vocab.words)) == vocab
    for ours, theirs in zip(model.encoder.parameters(), lm.encoder.parameters()):
        assert torch.equal(ours, theirs)
    swapped = [*vocab.words[:-2], vocab.words[-1], vocab.words[-2]]
    with pytest.raises(StageError, match="'w19' against 'w20' at 28"):
        load_encoder(model, tmp_path, Vocab(swapped))
    with pytest.raises(StageError, match='30 words against 29'):
        load_encoder(model, tmp_path, Vocab(vocab.words[:-1]))
    with pytest.raises(ValueError, match='belongs to another model'):
        load_encoder(model_of(n_hid=8), tmp_path)
    assert words_that_differ(vocab, Vocab(swapped), n=1).count('against') == 1


# --- saved, and loaded somewhere else ---------------------------------------------------------------------------------------------

VOCAB = Vocab(SPECIAL + [f'w{i}' for i in range(30 - len(SPECIAL))])
READ_BY = Stage(Path(), {'tokenizer': {'lang': 'en'}, 'backwards': False}, VOCAB, [], {})  # the language model
NO_HISTORY = [{'precision': 'fp32'}]
FEW = ['w0 w1 w2', '', 'w3 w4', 'w5 ' * 12, 'unheard of']


@pytest.fixture
def saved(tmp_path):
    return save_classifier(tmp_path / 'c', model_of(), READ_BY, SingleLabel(['a', 'b', 'c']), {}, NO_HISTORY)


@pytest.mark.parametrize('hidden', [(6,), (50,), (7, 5), ()])
def test_the_width_of_the_head_is_saved(tmp_path, hidden):
    model = PoolingClassifier(CONFIG, 3, bptt=4, hidden=hidden)
    path = save_classifier(tmp_path, model, READ_BY, SingleLabel(['a', 'b', 'c']), {}, NO_HISTORY)
    assert json.loads((path / 'config.json').read_text())['hidden'] == list(hidden)
    loaded = load_classifier(path, 'cpu')
    np.testing.assert_array_equal(loaded.predict_proba(FEW), Classifier(model, VOCAB, ['a', 'b', 'c']).predict_proba(FEW))


def test_weights_and_batches_meet_on_the_device_asked_for(saved, monkeypatch):
    "There need be no GPU: torch has a device that keeps shapes only."
    with pytest.raises(ValueError, match="device 'nonsense' is not to be had here; there is cpu"):
        load_classifier(saved, 'nonsense')
    assert {p.device.type for p in load_classifier(saved, 'cpu').model.parameters()} == {'cpu'}
    assert {p.device.type for p in load_classifier(saved, 'meta').model.parameters()} == {'meta'}
    monkeypatch.setattr(classifier, 'best_device', lambda device=None: torch.device('meta'))
    assert next(load_classifier(saved).model.parameters()).device.type == 'meta'


@pytest.mark.parametrize('cuda, mps, best', [(False, False, 'cpu'), (True, False, 'cuda'), (False, True, 'mps'), (True, True, 'cuda')])
def test_a_gpu_is_taken_if_there_is_one(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: mps)
    assert best_device().type == best and best_device('cpu').type == 'cpu'


@pytest.mark.skipif(best_device().type == 'cpu', reason='there is no GPU')
def test_a_gpu_says_what_the_cpu_says(saved):
    np.testing.assert_allclose(load_classifier(saved).predict_proba(FEW), load_classifier(saved, 'cpu').predict_proba(FEW), atol=1e-3)


def test_progress_is_shown_when_asked_for_and_changes_nothing(saved, capsys, monkeypatch):
    monkeypatch.setattr(tqdm.auto, 'tqdm', partial(tqdm.auto.tqdm, mininterval=0, miniters=1))  # or so short a run shows only the beginning
    loaded = load_classifier(saved, 'cpu')
    quiet = loaded.predict_proba(FEW, bs=2)
    assert capsys.readouterr().err == ''
    np.testing.assert_array_equal(loaded.predict_proba(FEW, bs=2, progress_bar=True), quiet)
    tokens, read = capsys.readouterr().err.split('0/5')[1:]
    assert '5/5' in tokens and '2/5' in read and '5/5' in read
    assert loaded.predict(FEW, progress_bar=True) == [loaded.classes[i] for i in quiet.argmax(1)]
    assert '5/5' in capsys.readouterr().err


# --- once it has been trained --------------------------------------------------------------------------------------------------------


def test_predictions_do_not_depend_on_batch_or_order(tiny_classifier):
    loaded, texts = load_classifier(tiny_classifier), [*TEXTS[:5], '', 'unheard-of words only', 'long ' * 60]
    one_by_one = [loaded.predict_proba([t])[0] for t in texts]
    for bs in (1, 3, 64):
        for got, want in zip(loaded.predict_proba(texts[::-1], bs=bs)[::-1], one_by_one):
            assert got == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize(
    'texts,message',
    [('a fine film', r'one string, where a list .* Write \[text\]'), ([None], 'text 0 is missing'), ([3.5], 'text 0 is 3.5'),
     (['fine', float('nan')], 'text 1 is missing'), ([b'bytes'], "text 0 is b'bytes'"), ([['a', 'b']], 'text 0 is'), ([], 'no texts in it'),
     (None, 'a NoneType, where a list'), (7, 'a int, where a list'), (TextData(['fine']), 'Give its .texts')],
)  # fmt: skip
def test_predict_refuses_what_is_not_a_list_of_texts(tiny_classifier, texts, message):
    with pytest.raises(DataError, match=message):
        load_classifier(tiny_classifier).predict(texts)
