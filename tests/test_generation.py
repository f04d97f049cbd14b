"A model that writes: the same text for the same seed, from the likeliest words alone."

import pytest
import torch

from ulmfit_nb.generation import candidates, generate, next_logits, read_prompt
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Vocab


class Ids(Vocab):
    "A vocabulary that leaves ids as they are."

    def decode(self, ids):
        return ids


def test_generate(tiny_lm):
    model, vocab, _ = load_lm(tiny_lm)
    a = generate(model, vocab, 'a warm film', n=10)
    assert a == generate(model, vocab, 'a warm film', n=10) and a.startswith('a warm film')
    assert any(generate(model, vocab, 'a warm film', n=10, seed=s) != a for s in range(1, 5))
    never = {i for i, w in enumerate(vocab.words) if w in ('xxunk', 'xxpad', 'xxfake')}
    assert len(never) > 2 and not never & set(generate(model, Ids(vocab.words), 'a', n=300, temperature=50.0, top_k=10_000))
    with pytest.raises(ValueError, match='temperature must be above 0'):
        generate(model, vocab, temperature=0)


def test_candidates_are_a_distribution_over_the_likeliest(tiny_lm):
    model, vocab, _ = load_lm(tiny_lm)
    ids = read_prompt(vocab, 'a warm film')
    logits, state = next_logits(model, vocab, ids)
    in_two, _ = next_logits(model, vocab, ids[2:], next_logits(model, vocab, ids[:2])[1])
    assert torch.allclose(logits, in_two, atol=1e-5), 'the state is not handed on'
    whole = (logits / 1.7).softmax(0)
    p, best = candidates(logits, 1.7, 4)
    assert torch.allclose(p, whole[best] / whole[best].sum()) and set(best.tolist()) == set(whole.argsort()[-4:].tolist())
