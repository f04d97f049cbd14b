"Batches for the language model and the classifier: equal to the peer's, and the properties that training relies on."

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit_nb.batching import DocBatches, LMBatches, StreamWriter, TokenStream, collate, open_stream, sorted_batches


def golden(name):
    return json.loads((GOLDEN / name).read_text())


def as_docs(lengths):
    "Documents of these lengths, in which every token is another number."
    ends = np.cumsum(lengths)
    return [np.arange(end - n, end, dtype=np.int32) for n, end in zip(lengths, ends)]


def in_order(batches):
    "What an epoch reads, row by row, each from its first batch to its last: x, and the token that follows the last of it."
    batches = list(batches)
    x, y = (torch.cat([b[k] for b in batches], 1) for k in (0, 1))
    return x, y


# Equal to the peer


@pytest.mark.parametrize('case', golden('lm_loader.json'), ids=lambda c: f'bs{c["bs"]}-bptt{c["seq_len"]}-{len(c["docs"])}docs')
def test_lm_batches_equal_the_peers(case):
    stream = TokenStream.of([np.array(d) for d in case['docs']])
    batches = LMBatches(*stream, bs=case['bs'], bptt=case['seq_len'])
    assert [{'x': x.tolist(), 'y': y.tolist()} for x, y in batches] == case['batches']
    assert (len(batches), batches.row_len, batches.lengths()[-1]) == (case['n_batches'], case['bl'], case['last_len'])


def whole_documents(rows, docs):
    "The documents that one run of tokens is made of, by number; the last one may be cut off. None if it is not made of them."
    run, found = list(rows), []
    by_start = {d[0]: (i, d) for i, d in enumerate(docs)}
    while run:
        i, doc = by_start.get(run[0], (None, None))
        if doc is None or run[: len(doc)] != doc[: len(run)]:
            return None
        found.append(i)
        run = run[len(doc) :]
    return found


def check_shuffled(epochs, case):
    "Each epoch is the documents whole, in some order, cut into rows that go on; what is left over at the end is not read."
    for batches in epochs:
        x, y = in_order(batches)
        assert torch.equal(x[:, 1:], y[:, :-1])
        found = whole_documents([*x.flatten().tolist(), int(y[-1, -1])], case['docs'])
        assert found is not None and len(set(found)) == len(found)


def test_shuffled_epochs_have_the_peers_structure():
    case = golden('lm_loader_shuffled.json')
    theirs = [[(torch.tensor(b['x']), torch.tensor(b['y'])) for b in epoch] for epoch in case['epochs']]
    ours = LMBatches(*TokenStream.of([np.array(d) for d in case['docs']]), bs=case['bs'], bptt=case['seq_len'], shuffle=True)
    check_shuffled(theirs, case)
    check_shuffled([ours.epoch(e) for e in range(20)], case)
    assert [x.shape for x, _ in ours] == [x.shape for x, _ in theirs[0]]
    assert len({tuple(in_order(ours.epoch(e))[0].flatten().tolist()) for e in range(20)}) > 10, 'the epochs should differ'


def test_documents_come_in_the_peers_order():
    "The same batches. Only the padding differs, on purpose: the peer puts whole chunks of it in front, we put all at the end."
    case = golden('sorted_dl.json')
    docs = [np.arange(2, n + 2) for n in case['lens']]
    ours = list(DocBatches(docs, [i % 2 for i in range(len(docs))], bs=case['bs']))
    assert len(ours) == len(case['valid'])
    for mine, theirs in zip(ours, case['valid']):
        assert mine.labels.tolist() == theirs['y']
        assert tuple(mine.ids.shape) == np.array(theirs['x']).shape
        for row, n, their_row in zip(mine.ids.tolist(), mine.lengths.tolist(), theirs['x']):
            assert row[:n] == [i for i in their_row if i != 1] and set(row[n:]) <= {1}


# Properties of the language model's batches

corpora = st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(lambda lengths: sum(lengths) > 1)
options = st.fixed_dictionaries({k: st.booleans() for k in ('shuffle', 'vary_bptt', 'backwards')} | {'seed': st.integers(0, 9)})


@st.composite
def lm_batches(draw):
    docs = as_docs(draw(corpora))
    stream = TokenStream.of(docs)
    bs = draw(st.integers(1, min(8, len(stream.ids) - 1)))
    return docs, LMBatches(*stream, bs=bs, bptt=draw(st.integers(1, 40)), **draw(options))


@given(lm_batches(), st.integers(0, 3))
def test_each_row_goes_on_in_the_next_batch(made, epoch):
    _, batches = made
    seen = list(batches.epoch(epoch))
    assert all(torch.equal(x[:, 1:], y[:, :-1]) for x, y in seen)
    assert all(torch.equal(a[1][:, -1], b[0][:, 0]) for a, b in pairwise(seen))
    assert [x.shape[1] for x, _ in seen] == batches.lengths(epoch) and len(seen) == batches.n_batches(epoch)
    assert all(x.shape == y.shape and x.shape[0] == batches.bs and x.dtype == y.dtype == torch.int64 for x, y in seen)


@given(lm_batches(), st.integers(0, 3))
def test_every_token_is_read_once(made, epoch):
    docs, batches = made
    x, y = in_order(batches.epoch(epoch))
    read = x.flatten().tolist()
    assert len(set(read)) == len(read) == batches.bs * batches.row_len > sum(map(len, docs)) - 1 - batches.bs
    assert [*read[1:], int(y[-1, -1])] == y.flatten().tolist(), 'a row should end where the next one begins'


@given(lm_batches(), st.integers(0, 3))
def test_documents_are_read_whole_and_backwards_turns_each_round(made, epoch):
    docs, batches = made
    x, y = in_order(batches.epoch(epoch))
    turned = [d[:: -1 if batches.backwards else 1].tolist() for d in docs if len(d)]
    found = whole_documents([*x.flatten().tolist(), int(y[-1, -1])], turned)
    assert found is not None and (batches.shuffle or found == sorted(found))


@given(lm_batches(), st.integers(0, 3), st.integers(0, 50))
def test_start_equals_skipping(made, epoch, start):
    _, batches = made
    want, got = list(batches.epoch(epoch))[start:], list(batches.epoch(epoch, start))
    assert len(want) == len(got) and all(torch.equal(a, b) for w, g in zip(want, got) for a, b in zip(w, g))


@given(lm_batches())
@settings(max_examples=25)
def test_memory_map_equals_memory(tmp_path_factory, made):
    docs, batches = made
    writer = StreamWriter(tmp_path_factory.mktemp('stream') / 'ids')
    for d in docs:
        writer.add(d)
    stream = writer.close()
    mapped = LMBatches(*stream, batches.bs, batches.bptt, batches.shuffle, batches.vary_bptt, batches.backwards, batches.seed)
    assert stream.n_docs == len(docs) and all(np.array_equal(stream.doc(i), d) for i, d in enumerate(docs))
    assert all(torch.equal(a, b) for m, n in zip(mapped, batches, strict=True) for a, b in zip(m, n))


@pytest.mark.parametrize('bptt', [140, 70, 10])
def test_varied_lengths_follow_the_paper(bptt):
    batches = LMBatches(np.zeros(2_000_000, np.int32), bs=1, bptt=bptt, vary_bptt=True)
    lengths = np.array(batches.lengths()[:-1])
    assert lengths.min() >= 5 and lengths.max() <= bptt + 20 and sum(batches.lengths()) == batches.row_len
    if bptt < 70:
        return  # below, the two humps overlap
    full = lengths > 0.75 * bptt
    assert full.mean() == pytest.approx(0.95, abs=0.02)
    assert lengths[full].mean() == pytest.approx(bptt - 0.5, abs=0.7)  # int() rounds down
    assert lengths[~full].mean() == pytest.approx(bptt / 2 - 0.5, abs=1.5)
    assert batches.lengths(0) != batches.lengths(1) and batches.lengths(1) == batches.lengths(1)


# Properties of the classifier's batches


@st.composite
def doc_batches(draw):
    docs = as_docs(draw(st.lists(st.integers(0, 20), min_size=1, max_size=70)))
    kinds = {'bs': st.integers(1, 9), 'shuffle': st.booleans(), 'backwards': st.booleans(), 'seed': st.integers(0, 9)}
    return docs, DocBatches(docs, list(range(len(docs))), pad=-1, **draw(st.fixed_dictionaries(kinds)))


@given(doc_batches(), st.integers(0, 3))
def test_each_document_comes_once_with_its_length_and_label(made, epoch):
    docs, batches = made
    seen = list(batches.epoch(epoch))
    assert sorted(i for b in seen for i in b.index) == list(range(len(docs)))
    for b in seen:
        assert b.labels.tolist() == b.index.tolist() and b.lengths.tolist() == sorted(b.lengths.tolist(), reverse=True)
        for row, n, i in zip(b.ids, b.lengths.tolist(), b.index):
            doc = docs[i][::-1] if batches.backwards else docs[i]
            assert row[:n].tolist() == doc.tolist() and (row[n:] == -1).all()
        assert b.ids.shape[1] == max(1, int(b.lengths[0]))


@given(doc_batches(), st.integers(0, 3), st.integers(0, 80))
def test_batches_follow_from_seed_and_epoch(made, epoch, start):
    docs, batches = made
    again = DocBatches(docs, batches.labels, batches.bs, batches.shuffle, batches.backwards, batches.pad, batches.seed)
    want, got = list(batches.epoch(epoch))[start:], list(again.epoch(epoch, start))
    assert len(want) == len(got) and all(torch.equal(a.ids, b.ids) and np.array_equal(a.index, b.index) for a, b in zip(want, got))


@given(doc_batches(), st.integers(0, 3))
def test_the_longest_comes_first_and_none_is_alone(made, epoch):
    docs, batches = made
    groups = batches.batches(epoch)
    assert max(map(len, docs)) == max(len(docs[i]) for i in groups[0])
    if batches.shuffle and batches.bs > 1 and len(docs) > 1:
        assert min(map(len, groups)) > 1, "batch norm can't train on a single document"
    assert max(map(len, groups)) <= batches.bs + batches.shuffle


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 60))
def test_a_batch_in_order_holds_no_more_tokens_than_it_may(sizes, bs, most):
    sizes = np.array(sizes)
    groups = sorted_batches(sizes, bs, most)
    assert np.concatenate(groups).tolist() == np.argsort(-sizes, kind='stable').tolist()
    assert all(len(g) <= bs and (len(g) == 1 or len(g) * sizes[g].max() <= most) for g in groups)
    fuller = [(g, rest) for g, rest in zip(groups, groups[1:]) if len(g) < bs]
    assert all((len(g) + 1) * max(1, sizes[g].max()) > most for g, _ in fuller), 'one more would have been too many'


def test_one_long_document_makes_a_batch_of_its_own():
    docs = [np.zeros(n, np.int32) for n in (9, 700_000, 8, 9)]
    assert [b.index.tolist() for b in DocBatches(docs, bs=64)] == [[1], [0, 3, 2]]


def test_shuffled_batches_differ_by_epoch_and_seed():
    docs = as_docs(np.random.default_rng(0).integers(1, 50, 500))
    orders = {tuple(np.concatenate(DocBatches(docs, bs=8, shuffle=True, seed=s).batches(e))) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4


def test_buckets_save_most_of_the_padding():
    sizes = np.random.default_rng(0).lognormal(5, 0.6, 4000).astype(int)
    docs = [np.zeros(n, np.int32) for n in sizes]

    def padded(groups):
        return 1 - sizes.sum() / sum(len(g) * sizes[g].max() for g in groups)

    at_random = padded(np.split(np.random.default_rng(1).permutation(4000), range(32, 4000, 32)))
    assert at_random > 0.5 and padded(DocBatches(docs, bs=32, shuffle=True).batches()) < 0.1


# Bad input

IDS = np.arange(100, dtype=np.int32)


@pytest.mark.parametrize(
    'make, says',
    [
        (lambda: LMBatches(IDS, bs=100), '100 tokens are too few for 100 rows: give more text, or a smaller bs'),
        (lambda: LMBatches(IDS, bs=0), 'at least one row'),
        (lambda: LMBatches(IDS, bs=4, bptt=0), 'at least one token'),
        (lambda: LMBatches(IDS, [0, 50], bs=4), 'offsets must rise from 0 to the number of ids, 100'),
        (lambda: LMBatches(IDS, [0, 60, 50, 100], bs=4), 'these go from 0 to 100, and fall in between'),
        (lambda: LMBatches(IDS, [], bs=4), 'these are none'),
        (lambda: LMBatches(IDS, [10, 100], bs=4), 'these go from 10 to 100'),
        (lambda: DocBatches([]), 'no documents'),
        (lambda: DocBatches([IDS, IDS], [1]), '1 labels for 2 documents'),
    ],
)
def test_bad_input_is_refused_by_name(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def write(path, docs):
    writer = StreamWriter(path)
    for d in docs:
        writer.add(d)
    return writer


def test_an_unfinished_stream_leaves_no_stream_behind(tmp_path):
    writer = write(tmp_path / 'ids', as_docs([3, 4]))
    assert [p.suffix for p in tmp_path.iterdir()] == ['.part']  # what a kill leaves before close()
    writer.abort()
    assert not list(tmp_path.iterdir())


def test_a_damaged_stream_is_refused(tmp_path):
    write(tmp_path / 'ids', as_docs([3, 4])).close()
    (tmp_path / 'ids').write_bytes((tmp_path / 'ids').read_bytes()[:-4])
    with pytest.raises(ValueError, match='holds 24 bytes, and ids.offsets was made for 28'):
        open_stream(tmp_path / 'ids')


def test_writing_to_a_mapped_stream_leaves_the_file_alone(tmp_path):
    stream = write(tmp_path / 'ids', as_docs([3, 4])).close()
    stream.ids[:] = 99
    assert open_stream(tmp_path / 'ids').ids.tolist() == list(range(7))


def test_empty_documents():
    batch = collate([[], [5]], labels=[1, 0])
    assert (batch.ids.tolist(), batch.lengths.tolist(), batch.labels.tolist()) == ([[5], [1]], [1, 0], [0, 1])
    assert collate([[]]).ids.tolist() == [[1]] and TokenStream.of([]).n_docs == 0
