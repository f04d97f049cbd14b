"Validation: each token counts the same, and all logits are never held at once."

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import Made, new_lm, random_batches

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.language_model import evaluate_lm, loss_and_hits


def test_perplexity_counts_every_token_the_same():
    model, batches = new_lm().eval(), random_batches()
    state, losses = None, []
    with torch.no_grad():
        for x, y in batches:
            o = model(x, state)
            state = o.state
            losses += [-o.logits[i, t].log_softmax(0)[y[i, t]].item() for i in range(len(x)) for t in range(x.shape[1])]
    found = evaluate_lm(model, batches)
    assert found['valid_loss'] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found['perplexity'] == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)


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


def test_a_word_that_is_none_is_never_a_right_guess():
    model, batches = new_lm().eval(), random_batches()
    torch.nn.init.zeros_(model.decoder.weight)
    with torch.no_grad():
        model.decoder.bias[3] = 5  # it always guesses 3
    share = torch.cat([y.flatten() for _, y in batches]).eq(3).double().mean().item()
    assert evaluate_lm(model, batches)['accuracy'] == evaluate_lm(model, batches, unknown=0)['accuracy'] == pytest.approx(share) and share > 0
    assert evaluate_lm(model, batches, unknown=3)['accuracy'] == 0


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
    model, batches, each = new_lm().eval(), random_batches(), []
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        found, state = evaluate_lm(model, batches), None
        for x, y in batches:
            out, state = model.encoder(x, state)
            each.append(F.cross_entropy(model.decoder(out.flatten(0, 1)).double(), y.flatten(), reduction='none'))
    assert found['valid_loss'] == pytest.approx(torch.cat(each).mean().item(), rel=1e-7)
