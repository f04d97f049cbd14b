"The corpus on disc: what memory would give, in little memory, split, and made once."

import os
import tracemalloc
from functools import partial

import numpy as np
import pytest
from helpers import PROSE, run_program
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit_nb import corpus
from ulmfit_nb.batching import TokenStream, open_stream
from ulmfit_nb.corpus import build_corpus, cached_corpus, first_pass, lm_batches, remap_ids, split_stream
from ulmfit_nb.data import DataError
from ulmfit_nb.files import read_json, write_json
from ulmfit_nb.tokenization import Tokenizer, Vocab


class Blanks:
    "A tokenizer that only splits."

    def map(self, texts, workers=0):
        return (t.split() for t in texts)


# --- from texts to ids

words = st.text('abc', min_size=1, max_size=2)
documents = st.lists(st.lists(words, min_size=1, max_size=8).map(' '.join), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    texts=documents,
    min_freq=st.integers(1, 3),
    max_vocab=st.integers(10, 20),
    max_tokens=st.none() | st.integers(1, 30),
    given_vocab=st.booleans(),
)
def test_corpus_is_what_memory_would_give(tmp_path_factory, texts, min_freq, max_vocab, max_tokens, given_vocab):
    vocab = Vocab(['xxunk', 'xxpad', 'b', 'a', 'cc']) if given_vocab else None
    built, stream = build_corpus(texts, tmp_path_factory.mktemp('c') / 'ids', Blanks(), vocab, min_freq, max_vocab, max_tokens)
    lists = [t.split() for t in texts]
    if max_tokens:
        lists = lists[: 1 + next((i for i, n in enumerate(np.cumsum([len(t) for t in lists])) if n >= max_tokens), len(lists))]
    expected = vocab or Vocab.build(lists, min_freq, max_vocab)
    assert built == expected
    assert [stream.doc(i).tolist() for i in range(stream.n_docs)] == [expected.numericalize(t).tolist() for t in lists]


def test_corpus_with_the_real_tokenizer(tmp_path):
    vocab, stream = build_corpus(PROSE, tmp_path / 'ids', Tokenizer(), min_freq=2)
    lists = list(Tokenizer().map(PROSE))
    assert vocab == Vocab.build(lists, 2)
    assert stream.ids.tolist() == [i for t in lists for i in vocab.numericalize(t)]
    assert stream.ids.dtype == np.int32 and isinstance(stream.ids, np.memmap)


def test_provisional_ids_are_in_order_of_arrival(tmp_path):
    counts = first_pass(['b a b', 'c a'], tmp_path / 'ids', Blanks())
    assert list(counts.items()) == [('b', 2), ('a', 2), ('c', 1)] and open_stream(tmp_path / 'ids').ids.tolist() == [0, 1, 0, 2, 1]


@pytest.mark.parametrize('n', [0, 1, 6, 7, 8, 14, 50])
def test_exchange_over_block_borders(tmp_path, n):
    rng = np.random.default_rng(n)
    ids, table = rng.integers(0, 20, n).astype(np.int32), rng.permutation(20).astype(np.int32)
    ids.tofile(tmp_path / 'ids')
    remap_ids(tmp_path / 'ids', table, block=7)
    assert np.fromfile(tmp_path / 'ids', np.int32).tolist() == table[ids].tolist()


def test_memory_does_not_grow_with_the_corpus(tmp_path, monkeypatch):
    class Many:
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            return (' '.join(f'w{(i * 7 + j) % 500}' for j in range(100)) for i in range(self.n))

    monkeypatch.setattr(corpus, 'remap_ids', partial(remap_ids, block=1000))  # its blocks are the one thing as large as this corpus

    def peak(n):
        tracemalloc.start()
        build_corpus(Many(n), tmp_path / 'ids', Blanks())
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    small, large = peak(200), peak(2000)
    size = (tmp_path / 'ids').stat().st_size
    assert size == 2000 * 100 * 4
    assert large - small < size / 10, f'{small} bytes at their peak, {large} for ten times the corpus'


@pytest.mark.skipif(not os.access('/proc/self/clear_refs', os.W_OK), reason='the peak of the resident memory is counted by Linux')
@pytest.mark.parametrize(('way', 'grows'), [('build_corpus', False), ('held_in_memory', True)])
def test_resident_memory_does_not_grow_with_the_corpus(tmp_path, way, grows):
    "Ten times the text; the second way is the proof that the bound can be exceeded."
    done = run_program('corpus_memory', way, tmp_path)
    assert done.returncode == 0, done.stderr
    (small, _), (large, file) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert file > 11, 'MB of ids in the larger corpus'
    assert (large - small > file / 4) == grows, f'{small:.1f} MB at its peak, {large:.1f} MB for ten times the corpus, whose ids are {file:.1f} MB'


def test_nothing_is_left_of_a_corpus_that_failed(tmp_path):
    def broken():
        yield 'a b'
        raise OSError('the disc has gone')

    with pytest.raises(OSError, match='the disc has gone'):
        build_corpus(broken(), tmp_path / 'ids', Blanks())
    with pytest.raises(DataError, match='the source is empty'):
        build_corpus([], tmp_path / 'ids', Blanks())
    assert not list(tmp_path.iterdir())


# --- the split


@pytest.mark.parametrize(
    ('lengths', 'frac', 'docs'),
    [
        ([10] * 100, 0.02, 2),
        ([10] * 10, 0.02, 1),
        ([10, 1000], 0.02, 1),
        ([1000, 10], 0.02, 1),
        ([5, 5], 0.9, 1),
        ([10] * 10 + [1], 0.02, 1 + 1),
        ([100, 1, 1], 0.001, 2),
        ([10] * 10, 0.5, 5),
    ],
)
def test_split_stream(lengths, frac, docs):
    stream = TokenStream.of([np.full(n, i) for i, n in enumerate(lengths)])
    train, valid = split_stream(stream, frac)
    assert valid.n_docs == docs and train.n_docs == len(lengths) - docs
    assert [*train.ids, *valid.ids] == [*stream.ids]
    assert all((valid.doc(i) == stream.doc(train.n_docs + i)).all() for i in range(docs))


@pytest.mark.parametrize(
    ('lengths', 'bs', 'message'),
    [
        ([500], 2, 'at least two texts'),
        ([30, 5], 4, '30 tokens are too few for 4 rows: give more text, or set bs to 1'),
        ([5, 5], 1, '5 tokens are too few for 1 rows: give more text.'),
        ([500, 1], 2, 'nothing to validate on'),
    ],
)
def test_too_little_text(lengths, bs, message):
    with pytest.raises(DataError, match=message):
        lm_batches(TokenStream.of([np.arange(n) for n in lengths]), bs, 10)


# --- a corpus that is there already


def test_corpus_is_used_again_or_refused(tmp_path):
    options = dict(min_freq=1, max_vocab=50, max_tokens=None)
    vocab, stream = cached_corpus(tmp_path / 'work', PROSE, Blanks(), **options)
    again, stream_again = cached_corpus(tmp_path / 'work', PROSE, None, workers=2, **options)  # None can't tokenise
    assert again == vocab and np.array_equal(stream.ids, stream_again.ids) and np.array_equal(stream.offsets, stream_again.offsets)
    for texts, other, name in (
        (PROSE, {'min_freq': 2}, 'min_freq'),
        (PROSE[1:], {}, 'texts'),
        (PROSE, {'vocab': Vocab(['xxunk'])}, 'vocab'),
    ):
        with pytest.raises(ValueError, match=rf'other settings \({name}'):
            cached_corpus(tmp_path / 'work', texts, Blanks(), **(options | other))


def flipped(at):
    def flip(path):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return flip


def replaced(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ('name', 'damage'),
    [
        ('corpus.ids', flipped(0)),
        ('corpus.ids', flipped(-1)),
        ('corpus.ids', lambda path: path.write_bytes(bytes(path.stat().st_size))),  # as after a power cut
        ('corpus.ids.offsets', flipped(9)),
        ('corpus.json', replaced('"fox', '"fux')),
        ('corpus.json', replaced('"min_freq": 1', '"min_freq": 2')),
        ('corpus.json', lambda path: path.write_bytes(path.read_bytes()[:-9])),
        ('corpus.json', lambda path: path.write_text('[' * 200_000)),
        ('corpus.json', lambda path: path.write_text('{"made": {}, "words": ["a", "a"]}')),
        ('corpus.json', lambda path: path.write_text('{"made": {}}')),
        ('corpus.json', lambda path: path.write_text('{"made": [], "words": 5}')),
    ],
)
def test_a_corpus_that_was_changed_is_an_error_and_names_the_mend(name, damage, tmp_path):
    cached_corpus(tmp_path, PROSE, Blanks(), min_freq=1)
    damage(tmp_path / name)
    with pytest.raises(ValueError, match=f'{tmp_path / name}.* Delete {tmp_path}/corpus.json to make the corpus anew'):
        cached_corpus(tmp_path, PROSE, None, min_freq=1)
    (tmp_path / 'corpus.json').unlink()
    assert cached_corpus(tmp_path, PROSE, Blanks(), min_freq=1)[1].n_docs == len(PROSE)


def test_a_corpus_of_an_earlier_version_is_used_again(tmp_path):
    vocab, stream = cached_corpus(tmp_path, PROSE, Blanks(), min_freq=1)
    known = read_json(tmp_path / 'corpus.json')
    del known['sha256']
    write_json(tmp_path / 'corpus.json', known)
    again, ids = cached_corpus(tmp_path, PROSE, None, min_freq=1)
    assert again == vocab and ids.ids.tolist() == stream.ids.tolist()


def remove(path):
    path.unlink()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize(
    ('name', 'damage'),
    [
        ('corpus.json', remove),
        ('corpus.ids', remove),
        ('corpus.ids', cut_short),
        ('corpus.ids.offsets', remove),
        ('corpus.ids.offsets', cut_short),
    ],
)
def test_an_incomplete_corpus_is_made_anew(tmp_path, name, damage):
    vocab, stream = cached_corpus(tmp_path, PROSE, Blanks(), min_freq=1)
    ids = stream.ids.tolist()
    damage(tmp_path / name)
    again, stream = cached_corpus(tmp_path, PROSE, Blanks(), min_freq=1)
    assert again == vocab and stream.ids.tolist() == ids
