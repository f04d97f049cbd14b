"Counted words and pairs: they are models, they are what the formula says, and they are judged as the library judges its own."

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from helpers import TEXTS
from hypothesis import given
from hypothesis import strategies as st

from ulmfit_nb import ngrams
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.ngrams import (
    Bigrams,
    Frequencies,
    as_function,
    best_words,
    network_perplexity,
    perplexity,
    read_sentences,
    unknown_charge,
    write_line,
)
from ulmfit_nb.pretraining import evaluate_texts
from ulmfit_nb.sources import load_data
from ulmfit_nb.tokenization import Tokenizer, Vocab

N = 12
IDS = st.lists(st.integers(0, N - 1), min_size=2, max_size=60)


@pytest.fixture(scope='module')
def few():
    "A vocabulary, and ids of the tiny texts."
    lists = [*Tokenizer().map(TEXTS)]
    vocab = Vocab.build(lists, min_freq=1)
    return vocab, np.concatenate([vocab.numericalize(t) for t in lists])


def by_formula(ids, v, w):
    "The probability of `w` after `v`, in fractions."
    pairs = Counter(zip(ids, ids[1:]))
    once, twice = (sum(n == k for n in pairs.values()) for k in (1, 2))
    d = Fraction(once, once + 2 * twice) if once else Fraction(1, 2)
    counts = {b: n for (a, b), n in pairs.items() if a == v}
    p = Fraction(ids.count(w) + 1, len(ids) + N)
    if not counts:
        return p
    total = sum(counts.values())
    return (max(counts.get(w, 0) - d, 0) + d * len(counts) * p) / total


@given(IDS)
def test_pairs_are_what_the_formula_says(ids):
    model = Bigrams(np.array(ids, np.int32), N)
    for v in range(N):
        assert model(np.array([3, v])).tolist() == pytest.approx([float(by_formula(ids, v, w)) for w in range(N)])


@given(IDS)
def test_they_are_models(ids):
    for model in (Frequencies(np.array(ids), N), Bigrams(np.array(ids), N)):
        for v in range(N):
            p = model(np.array([v]))
            assert p.shape == (N,) and p.sum() == pytest.approx(1) and p.min() >= 0
    assert Frequencies(np.array(ids), N)(None).min() > 0


def test_a_pair_that_was_never_seen_is_possible(few):
    vocab, ids = few
    model = Bigrams(ids, len(vocab))
    assert model.discount == 0.5, 'no pair was seen just once'
    assert all(model(np.array([v])).min() > 0 for v in range(len(vocab)))


def test_ids_of_many_words_do_not_overflow():
    "A pair is one number: with int32 as ids come, 60,000 squared would be too large."
    ids = np.array([59_999, 59_998, 59_999, 59_998, 7], np.int32)
    words, counts = Bigrams(ids, 60_000).followers(59_999)
    assert words.tolist() == [59_998] and counts.tolist() == [2]


def test_what_pairs_do_not_say_another_model_does():
    ids = np.array([1, 2, 1, 2, 3])
    lower = Frequencies(np.array([5] * 90), N)
    assert Bigrams(ids, N, lower)(np.array([7])) is lower.p, 'nothing ever followed 7'
    assert Bigrams(ids, N, lower)(np.array([1]))[5] > Bigrams(ids, N)(np.array([1]))[5]


def test_perplexity_by_hand():
    p = np.array([0.5, 0.25, 0.125, 0.125])
    assert perplexity(lambda before: p, np.array([3, 0, 1, 2, 1])) == pytest.approx(4)
    assert perplexity(lambda before: p, np.array([3, 0, 1, 2, 1]), 2.5) == pytest.approx(10)
    assert perplexity(lambda before: np.array([1.0, 0]), np.array([0, 0, 1])) == math.inf


def test_a_model_is_given_what_stands_before_and_no_more():
    given = []
    perplexity(lambda before: given.append(before.tolist()) or np.ones(9) / 9, np.array([4, 8, 2]))
    assert given == [[4], [4, 8]]


@pytest.fixture(scope='module')
def network():
    "A small LSTM over `N` words: ids and a state to logits and a state."
    torch.manual_seed(0)
    emb, lstm, decoder = torch.nn.Embedding(N, 8), torch.nn.LSTM(8, 8, batch_first=True), torch.nn.Linear(8, N)

    def called(ids, state):
        out, state = lstm(emb(ids), state)
        return 9 * decoder(out), state

    return called


def test_a_network_is_judged_as_any_model_is(network):
    "In one row its state is carried over three batches, and nothing is lost; in several rows each begins anew."
    ids = np.random.default_rng(0).integers(0, N, 161)
    by_word = perplexity(as_function(network), ids, 2.5)
    assert network_perplexity(network, ids, 2.5, rows=1) == pytest.approx(by_word, rel=1e-4)
    halves = [perplexity(as_function(network), part) for part in (ids[:81], ids[80:])]
    assert network_perplexity(network, ids, rows=2) == pytest.approx(math.prod(halves) ** 0.5, rel=1e-4) != by_word / 2.5


def test_a_network_as_a_function_is_a_model(network):
    model = as_function(network)
    p = model(np.array([3, 1, 4], np.int32))
    assert p.shape == (N,) and p.sum() == pytest.approx(1) and p.min() > 0 and not np.allclose(p, model(np.array([3, 4, 1])))


def test_unknown_words_are_charged_for_as_the_library_does():
    "A network's `fair_perplexity` is what `perplexity`, charged, finds for the same guesses."
    texts = load_data('subjectivity', 'validation').texts[:12]
    lists = [*Tokenizer().map(texts)]
    vocab = Vocab.build(lists, min_freq=2)
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(len(vocab), emb_sz=8, n_hid=8, n_layers=1)).eval()
    found = evaluate_texts(model, vocab, texts, bs=1)
    ids = np.concatenate([vocab.numericalize(t) for t in lists])
    with torch.no_grad():
        p = model(torch.from_numpy(ids)[None].long()).logits[0].softmax(-1).numpy()
    charge = unknown_charge(ids, vocab, found['unknown_words'])
    assert charge > 1.5 and perplexity(lambda before: p[len(before) - 1], ids, charge) == pytest.approx(found['fair_perplexity'], rel=1e-3)
    assert unknown_charge(ids, vocab, 0) == 1


def test_the_sentences(monkeypatch):
    monkeypatch.setattr(ngrams, 'load_data', lambda data, split: load_data(data, split).select(range(60 if split == 'train' else 20)))
    vocab, train, held, charge = read_sentences.__wrapped__(rows=8)
    assert (len(held) - 1) % 8 == 0 and train.max() < len(vocab) and held.max() < len(vocab)
    counts = np.bincount(train, minlength=len(vocab))
    assert all(counts[i] >= 3 for i in range(len(vocab)) if vocab.words[i].isalpha() and not vocab.words[i].startswith('xx'))
    assert charge > 1 and vocab.words[held[0]] == vocab.words[train[0]] == 'xxbos'


def test_best_words(few):
    vocab, ids = few
    p = np.zeros(len(vocab))
    p[[vocab.unk, vocab.index['film'], vocab.index['joy']]] = 0.5, 0.2, 0.3
    assert best_words(p, vocab, 2) == ['joy', 'film']


def test_a_line_is_drawn_and_ends(few):
    vocab, ids = few
    model = Bigrams(ids, len(vocab))
    lines = {write_line(model, vocab, 'a warm', seed=seed) for seed in range(8)}
    assert len(lines) > 1 and all(line.startswith('a warm ') and 'xx' not in line for line in lines)
    assert write_line(model, vocab, 'a warm', seed=3) == write_line(model, vocab, 'a warm', seed=3)
    assert max(len(line.split()) for line in lines) <= 22
    assert len({write_line(model, vocab, 'a warm', top_k=1, seed=seed) for seed in range(4)}) == 1, 'always the likeliest'
