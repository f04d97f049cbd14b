"A Transformer in the place of the LSTM: causal, the same in pieces, trained by the same loop, pooled by the same head."

import numpy as np
import pytest
import torch
from helpers import random_batches

from ulmfit_nb.batching import DocBatches, LMBatches
from ulmfit_nb.classifier import ClassifierTask, concat_pool, evaluate_classifier
from ulmfit_nb.language_model import LMTask, evaluate_lm
from ulmfit_nb.schedules import all_at_once, gradual_unfreezing
from ulmfit_nb.training import fit
from ulmfit_nb.transformer import TransformerClassifier, TransformerEncoder, TransformerLM


def encoder(**how):
    torch.manual_seed(0)
    return TransformerEncoder(40, **{'n': 16, 'n_layers': 2, 'n_heads': 2, 'reach': 24, 'p': 0.1} | how)


def ids_of(bs, n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(2, 40, (bs, n)))


def test_no_token_sees_what_comes_after_it():
    model, ids = encoder().eval(), ids_of(3, 20)
    changed = ids.clone()
    changed[:, 12:] = 5
    a, b = (model(x)[0] for x in (ids, changed))
    assert torch.allclose(a[:, :12], b[:, :12], atol=1e-6) and not torch.allclose(a[:, 12], b[:, 12], atol=1e-3)


@pytest.mark.parametrize('sizes', [[20], [5, 9, 6], [1] * 20])
def test_in_pieces_as_at_once(sizes):
    model, ids = encoder().eval(), ids_of(3, 20)
    state, outs = None, []
    for part in ids.split(sizes, 1):
        out, state = model(part, state)
        outs.append(out)
    assert torch.allclose(torch.cat(outs, 1), model(ids)[0], atol=1e-5)


def test_it_sees_as_far_as_it_reaches():
    "Of a longer text the last `reach` tokens, the new ones among them; fewer rows than before are taken as the first."
    model, ids = encoder(reach=10).eval(), ids_of(3, 25)
    _, state = model(ids[:, :10])
    _, state = model(ids[:, 10:20], state)
    out, state = model(ids[:2, 20:], state)
    assert torch.allclose(out, model(ids[:2, 15:])[0][:, -5:], atol=1e-5) and state[0].shape == (2, 10)


def test_more_than_it_has_places_for_is_refused():
    model = encoder(reach=10).eval()
    assert model(ids_of(3, 10))[0].shape[1] == 10
    for ask in (model, TransformerLM(model)):
        with pytest.raises(ValueError, match='11 tokens, 10 places: read pieces'):
            ask(ids_of(3, 11))


def test_in_training_each_row_begins_anew():
    model = encoder().train()
    out, state = model(ids_of(3, 20))
    assert state == [] and out.shape == (3, 20, 16)


def test_the_order_of_words_is_told():
    model, ids = encoder(n_layers=1).eval(), ids_of(1, 12)
    other = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], 1)
    assert not torch.allclose(model(ids)[0][:, -1], model(other)[0][:, -1], atol=1e-4)
    model.place.weight.data.zero_()
    assert torch.allclose(model(ids)[0][:, -1], model(other)[0][:, -1], atol=1e-5)


def test_every_weight_is_in_one_group():
    for model in (TransformerLM(encoder()), TransformerClassifier(encoder(), 3)):
        grouped = [p for group in model.layer_groups().values() for p in group]
        assert len(grouped) == len({id(p) for p in grouped}) and {id(p) for p in grouped} == {id(p) for p in model.parameters()}
    assert list(TransformerLM(encoder()).layer_groups()) == ['layer 1', 'layer 2', 'embedding']
    assert list(TransformerClassifier(encoder(), 3).layer_groups()) == ['embedding', 'layer 1', 'layer 2', 'head']


def test_the_loop_trains_it():
    "A stream that repeats itself is soon learnt, and `evaluate_lm` reads it with state."
    ids = np.tile(np.arange(2, 14), 60)
    model = TransformerLM(encoder(p=0.0))
    before = evaluate_lm(model, LMBatches(ids, bs=4, bptt=12))['perplexity']
    fit(LMTask(model, LMBatches(ids, bs=4, bptt=12), alpha=0, beta=0), all_at_once(list(model.layer_groups()), 0.01, 8, 1), progress_bar=False)
    after = evaluate_lm(model, LMBatches(ids, bs=4, bptt=12))['perplexity']
    assert before > 20 and after < 2


def test_a_loss_is_the_mean_over_the_words_that_come():
    model, batch = TransformerLM(encoder()).eval(), next(iter(random_batches()))
    logits, loss = model(batch[0]).logits, model(batch[0], None, batch[1]).loss
    assert torch.allclose(torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten()), loss, atol=1e-5)


def test_a_classifier_pools_what_is_within_reach():
    model = TransformerClassifier(encoder(), 3).eval()
    docs = [np.random.default_rng(n).integers(2, 40, n) for n in (40, 24, 9, 0)]
    batch = next(iter(DocBatches(docs, bs=4)))
    found = model(batch.ids, batch.lengths)
    assert found.logits.shape == (4, 3) and found.logits.isfinite().all()
    for row, doc in enumerate(docs[:3]):
        out, _ = model.encoder(torch.from_numpy(doc[None, :24]))
        assert torch.allclose(found.pooled[row], concat_pool(out, torch.tensor([min(24, len(doc))]))[0], atol=1e-5)


def test_gradual_unfreezing_trains_it():
    rng = np.random.default_rng(0)
    labels = [0, 1] * 40
    docs = [np.append(rng.integers(4, 40, 8), 2 + y) for y in labels]
    model = TransformerClassifier(encoder(p=0.0), 2)
    batches = DocBatches(docs, labels, bs=8, shuffle=True)
    fit(ClassifierTask(model, batches, alpha=0, beta=0), gradual_unfreezing(list(model.layer_groups()), 0.02, 8, 1.6), progress_bar=False)
    assert evaluate_classifier(model, DocBatches(docs, labels, bs=8))['accuracy'] > 0.9
