"Words cut into pieces: the best way of all there are, as another library cuts them; and pieces that are learnt from words."

import math
from collections import Counter
from itertools import combinations

import pytest
from helpers import TINY_CLASSIFIER, TINY_LM
from hypothesis import given
from hypothesis import strategies as st

from ulmfit_nb import fine_tune, load_classifier, pretrain, train_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.languages import LONGEST_PIECE, PieceMemo, best_cut, expected_counts, frequent_substrings, most_useful, shares, train_pieces
from ulmfit_nb.quick_tokenization import text_ids
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import INNER, Tokenizer, count_tokens, join_pieces

WORDS = Counter({'unlock': 5, 'unlocked': 4, 'locked': 9, 'lock': 20, 'undo': 8, 'do': 30, 'doing': 12, 'locking': 3, 'x': 2})
PIECES = train_pieces(WORDS, 16)


@pytest.fixture(scope='module')
def english():
    counts = count_tokens(map(Tokenizer(), load_data('subjectivity', 'validation').texts))
    return {w: n for w, n in counts.items() if w.isalpha()}


def every_cut(word):
    for k in range(len(word)):
        for places in combinations(range(1, len(word)), k):
            yield [word[a:b] for a, b in zip((0, *places), (*places, len(word)))]


def score(cut, pieces, unknown=-30.0):
    return sum(pieces.get(p, unknown if len(p) == 1 else -math.inf) for p in cut)


# --- cutting


@given(st.text('ab?', min_size=1, max_size=9), st.dictionaries(st.text('ab', min_size=1, max_size=4), st.floats(-12, -0.1)))
def test_no_cut_is_better(word, pieces):
    cut, found = best_cut(word, pieces)
    assert ''.join(cut) == word and math.isclose(found, score(cut, pieces))
    assert found >= max(score(c, pieces) for c in every_cut(word)) - 1e-9


def test_cuts_are_those_of_another_library(english):
    tokenizers = pytest.importorskip('tokenizers')
    pieces = train_pieces(english, 300)
    theirs = tokenizers.models.Unigram([('<unk>', 0.0), *pieces.items()], 0)
    for word in english:
        cut = [t.value for t in theirs.tokenize(word)]
        assert math.isclose(score(cut, pieces), best_cut(word, pieces)[1]), word


def test_a_long_word_takes_time_with_its_length_and_is_not_remembered():
    memo = PieceMemo(PIECES)
    assert len(memo['lock' * 10_000]) == 10_000 and not memo


def test_memory_is_bounded():
    memo = PieceMemo(PIECES, size=20_000)
    for i in range(500):
        memo[f'lock{i}']
    assert memo.used < 21_000 and 20 < len(memo) < 100


# --- learning


def test_only_frequent_parts_are_looked_at():
    found = frequent_substrings({'abc': 1, 'abd': 1, 'xyz': 1}, least=2)
    assert found == {'a': 2, 'b': 2, 'ab': 2}
    assert max(map(len, frequent_substrings({'a' * 40: 2}))) == LONGEST_PIECE


@given(st.text('abc', min_size=1, max_size=7))
def test_expected_counts_are_the_mean_over_all_cuts(word):
    p = shares({'a': 5, 'b': 3, 'c': 2, 'ab': 4, 'bc': 1, 'abc': 2, 'ca': 3})
    cuts = [(c, math.exp(score(c, {k: math.log(v) for k, v in p.items()}, -math.inf))) for c in every_cut(word)]
    total, found = sum(w for _, w in cuts), expected_counts({word: 2}, p)
    for piece in p:
        assert math.isclose(found[piece], 2 * sum(c.count(piece) * w for c, w in cuts) / total, abs_tol=1e-9)


def likelihood(counts, p):
    logs = {k: math.log(v) for k, v in p.items()}
    return sum(n * best_cut(w, logs)[1] for w, n in counts.items())


def test_a_step_makes_words_likelier(english):
    found = frequent_substrings(english)
    p = shares(found)
    again = shares({k: v for k, v in expected_counts(english, p).items() if v > 1e-6})
    assert likelihood(english, again) > likelihood(english, p)


def test_what_is_kept_is_what_is_needed():
    p = shares({'a': 1, 'b': 1, 'c': 1, 'ab': 10, 'bc': 10})
    kept = most_useful({'a': 1, 'b': 1, 'c': 1, 'ab': 10, 'bc': 2}, p, 4)
    assert set(kept) == {'a', 'b', 'c', 'ab'} and math.isclose(sum(kept.values()), 1)


def test_pieces_are_as_good_as_another_librarys(english):
    tokenizers = pytest.importorskip('tokenizers')
    model = tokenizers.Tokenizer(tokenizers.models.Unigram())
    model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.UnigramTrainer(vocab_size=1000, show_progress=False)
    model.train_from_iterator([' '.join([w] * n) for w, n in english.items()], trainer)
    ours = train_pieces(english, 1000)
    long_ones = {w: n for w, n in english.items() if len(w) > 6}
    theirs = sum(n * len(model.encode(w).ids) for w, n in long_ones.items())
    assert len(ours) <= 1000 and sum(n * len(best_cut(w, ours)[0]) for w, n in long_ones.items()) < 1.02 * theirs


def test_the_same_words_give_the_same_pieces(english):
    first = train_pieces(english, 500)
    assert first == train_pieces(dict(reversed(english.items())), 500) and list(first.values()) == sorted(first.values(), reverse=True)
    assert {c for w in english for c in w} <= first.keys() | {c for c in map(str, 'é')} and math.isclose(sum(map(math.exp, first.values())), 1, rel_tol=0.01)


def test_too_few_pieces_are_refused():
    with pytest.raises(ValueError, match='subwords is 5, and the texts have 11 different characters.*give more'):
        train_pieces(WORDS, 5)


# --- tokens


def test_rules_come_before_pieces():
    tokenizer = Tokenizer(pieces=dict.fromkeys(['un', 'lock', 'ed', 'do'], -2.0) | dict.fromkeys('unlockedits', -9.0))
    assert tokenizer('UNLOCKED!!! Un-do\n\nit') == ['xxbos', 'xxup', 'un', '##lock', '##ed', 'xxrep', '3', '!', 'xxmaj', 'un', '-', 'do', '\n\n', 'i', '##t']
    assert join_pieces(tokenizer('unlocked locks')) == ['xxbos', 'unlocked', 'locks']


@given(st.text('unlock edig#?!\n', max_size=30))
def test_pieces_are_the_words_again(text):
    words = Tokenizer()(text)
    assert join_pieces(Tokenizer(pieces=PIECES)(text)) == words and not any(w.startswith(INNER) for w in words)


def test_ids_are_those_of_the_tokens():
    tokenizer, seen = Tokenizer(pieces=PIECES), {}
    texts = ['unlocked do', 'do lock']
    ids = list(text_ids(tokenizer, texts, lambda w: seen.setdefault(w, len(seen))))
    assert [[list(seen)[i] for i in doc] for doc in ids] == list(tokenizer.map(texts))


# --- stages


def test_a_model_of_pieces_goes_through_the_stages(tmp_path):
    data = load_data('subjectivity', 'validation').select(range(0, 1000, 12))
    lm = pretrain(data.texts, tmp_path / 'lm', **TINY_LM | {'subwords': 200})
    config = load_lm(lm).config
    tokenizer = Tokenizer(**config['tokenizer'])
    assert config['settings']['subwords'] == 200 and len(tokenizer.pieces) <= 200 and not (lm / 'work').exists()
    assert any(w.startswith(INNER) for w in load_lm(lm).vocab.words)
    tuned = fine_tune(lm, data.texts, tmp_path / 'tuned', epochs=1, bs=4, bptt=20, progress_bar=False)
    made = train_classifier(tuned, TextData(data.texts, data.labels, data.classes), tmp_path / 'c', **TINY_CLASSIFIER)
    classifier = load_classifier(made)
    assert classifier.tokenizer.pieces == tokenizer.pieces and classifier.predict(['unheard-of wordishness']) is not None
    assert pretrain(data.texts, tmp_path / 'lm', **TINY_LM | {'subwords': 200}) == lm, 'finished: known again'
    with pytest.raises(ValueError, match='subwords'):
        pretrain(data.texts, tmp_path / 'lm', **TINY_LM | {'subwords': 300})
