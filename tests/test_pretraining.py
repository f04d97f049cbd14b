"Stage 1: the corpus on disc, the split, and a run from texts to a directory, cut short or not."

import errno
import json
import math
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ulmfit_nb.training as training
from ulmfit_nb import corpus, stages
from ulmfit_nb.batching import StreamWriter, TokenStream, open_stream
from ulmfit_nb.corpus import build_corpus, cached_corpus, first_pass, lm_batches, remap_ids, split_stream
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.generation import candidates, generate, next_logits, read_prompt
from ulmfit_nb.pretraining import evaluate_texts, pretrain
from ulmfit_nb.sources import TextSource
from ulmfit_nb.stages import load_lm, load_pretrained, untrained
from ulmfit_nb.tokenization import Tokenizer, Vocab

TEXTS = [f'The {a} {b} went to the {c} and saw nothing.' for a in ('old', 'young') for b in ('fox', 'crow', 'owl') for c in ('sea', 'hill')] * 3
TINY = dict(emb_sz=8, n_hid=12, n_layers=2, min_freq=1, bs=2, bptt=10, lr=0.01, every=3, progress_bar=False)


class Blanks:
    "A tokenizer that only splits."

    def map(self, texts, workers=0):
        return (t.split() for t in texts)


class Ids(Vocab):
    "A vocabulary that leaves ids as they are."

    def decode(self, ids):
        return ids


class Stop(Exception):
    pass


def cut_at(monkeypatch, n):
    "Let the training loop break down at its `n`th step from now."
    steps, real = iter(range(n)), training.set_schedule

    def set_schedule(*args, **kwargs):
        if next(steps, None) is None:
            raise Stop
        return real(*args, **kwargs)

    monkeypatch.setattr(training, 'set_schedule', set_schedule)


def weights(path):
    return load_lm(path)[0].state_dict()


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a.keys() | b.keys())


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
    vocab, stream = build_corpus(TEXTS, tmp_path / 'ids', Tokenizer(), min_freq=2)
    lists = list(Tokenizer().map(TEXTS))
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


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from ulmfit_nb.corpus import build_corpus
from ulmfit_nb.tokenization import Vocab
way, folder = sys.argv[1:]
texts = lambda n: (" ".join(f"w{(i * 7 + j) % 500}" for j in range(1000)) for i in range(n))
status = lambda name: next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(name)) / 1024

class Blanks:
    def map(self, texts, workers=0): return (t.split() for t in texts)

def held_in_memory(texts, path, tokenizer):
    lists = list(tokenizer.map(texts))
    ids = Vocab.build(lists).numericalize(t for l in lists for t in l)
    ids.tofile(path)

build = {"build_corpus": build_corpus, "held_in_memory": held_in_memory}[way]
for n in (300, 3000):
    open("/proc/self/clear_refs", "w").write("5")   # the peak is counted from here
    build(texts(n), Path(folder) / f"{n}.ids", Blanks())
    print(status("VmHWM"), (Path(folder) / f"{n}.ids").stat().st_size / 2**20)
"""


@pytest.mark.skipif(not os.access('/proc/self/clear_refs', os.W_OK), reason='the peak of the resident memory is counted by Linux')
@pytest.mark.parametrize(('way', 'grows'), [('build_corpus', False), ('held_in_memory', True)])
def test_resident_memory_does_not_grow_with_the_corpus(tmp_path, way, grows):
    "Ten times the text; the second way is the proof that the bound can be exceeded."
    done = subprocess.run([sys.executable, '-c', MEMORY, way, tmp_path], capture_output=True, text=True)
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
    vocab, stream = cached_corpus(tmp_path / 'work', TEXTS, Blanks(), **options)
    again, stream_again = cached_corpus(tmp_path / 'work', TEXTS, None, workers=2, **options)  # None can't tokenise
    assert again == vocab and np.array_equal(stream.ids, stream_again.ids) and np.array_equal(stream.offsets, stream_again.offsets)
    for texts, other, name in (
        (TEXTS, {'min_freq': 2}, 'min_freq'),
        (TEXTS[1:], {}, 'texts'),
        (TEXTS, {'vocab': Vocab(['xxunk'])}, 'vocab'),
    ):
        with pytest.raises(ValueError, match=rf'other settings \({name}'):
            cached_corpus(tmp_path / 'work', texts, Blanks(), **(options | other))


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
    vocab, stream = cached_corpus(tmp_path, TEXTS, Blanks(), min_freq=1)
    ids = stream.ids.tolist()
    damage(tmp_path / name)
    again, stream = cached_corpus(tmp_path, TEXTS, Blanks(), min_freq=1)
    assert again == vocab and stream.ids.tolist() == ids


# --- stage 1


def test_pretrain_from_texts_to_a_directory(tmp_path):
    out = pretrain(TEXTS, tmp_path / 'lm', epochs=2, **TINY)
    assert sorted(p.name for p in out.iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    model, vocab, config = load_lm(out)
    history = json.loads((out / 'history.json').read_text())
    assert [h['epoch'] for h in history] == [1, 2] and history[1]['perplexity'] < history[0]['perplexity'] < len(vocab)
    assert vocab == Vocab.build(list(Tokenizer().map(TEXTS)), 1) and len(vocab) == model.config.vocab_sz
    assert not config['backwards'] and config['settings']['lr'] == 0.01 and not model.training


def test_a_finished_directory_is_handed_back_at_once(tmp_path, monkeypatch):
    out = pretrain(TEXTS, tmp_path / 'lm', **TINY)
    cut_at(monkeypatch, 0)
    assert pretrain(TEXTS, out, **TINY) == out
    with pytest.raises(ValueError, match=r'other settings \(lr: 0.01 there, 0.02 now'):
        pretrain(TEXTS, out, **(TINY | {'lr': 0.02}))


@pytest.mark.parametrize('step', [2, 4, 10])  # before the first checkpoint, between two, later
def test_a_run_cut_short_ends_like_one_that_was_not(tmp_path, monkeypatch, step):
    whole = pretrain(TEXTS, tmp_path / 'whole', epochs=2, **TINY)
    with monkeypatch.context() as m, pytest.raises(Stop):
        cut_at(m, step)
        pretrain(TEXTS, tmp_path / 'cut', epochs=2, **TINY)
    assert not (tmp_path / 'cut/config.json').exists() and (tmp_path / 'cut/work/checkpoint.safetensors').exists() == (step > 3)
    cut = pretrain(TEXTS, tmp_path / 'cut', epochs=2, **TINY)
    assert same(weights(cut), weights(whole)) and not (cut / 'work').exists()


def test_backwards_reads_from_the_end(tmp_path):
    forwards, backwards = (pretrain(TEXTS, tmp_path / str(b), backwards=b, **TINY) for b in (False, True))
    assert load_lm(backwards)[2]['backwards'] and not same(weights(forwards), weights(backwards))
    stream = TokenStream.of([np.arange(10 * i, 10 * i + 10) for i in range(12)])
    x, y = next(iter(lm_batches(stream, 2, 5, backwards=True)[1]))
    assert (y == x - 1).all()


def bad_texts():
    data = TextData(TEXTS)
    return [
        ([], 'there are no texts'),
        (TEXTS[:1], 'at least two texts'),
        (['Two words.'] * 3, 'too few for 2 rows'),
        (['a', None], 'text 1 is missing'),
        ('a text', 'Write \\[text\\]'),
        ((t for t in TEXTS), 'generator can be read only once. Write list'),
        (map(str, TEXTS), 'only once'),
        (data, 'a TextData, where a list of strings is due. Give its .texts'),
        (None, 'NoneType, where a list'),
        (TextSource('no-such-file.csv'), 'no such file'),
    ]


@pytest.mark.parametrize(('texts', 'message'), bad_texts())
def test_texts_that_can_not_be_used_leave_nothing_behind(tmp_path, texts, message):
    with pytest.raises(DataError, match=message):
        pretrain(texts, tmp_path / 'a/lm', **TINY)
    assert not list((tmp_path / 'a').glob('*')), 'something was left behind'


def test_too_large_a_bs_does_not_cost_a_run_its_checkpoint(tmp_path, monkeypatch):
    with monkeypatch.context() as m, pytest.raises(Stop):
        cut_at(m, 5)
        pretrain(TEXTS, tmp_path / 'lm', **TINY)
    with pytest.raises(DataError, match='too few for 500 rows'):
        pretrain(TEXTS, tmp_path / 'lm', **(TINY | {'bs': 500}))
    assert (tmp_path / 'lm/work/checkpoint.safetensors').exists()


def test_a_corpus_larger_than_memory_comes_from_a_source(tmp_path):
    (tmp_path / 't.csv').write_text('text\n' + '\n'.join(TEXTS))
    out = pretrain(TextSource(tmp_path / 't.csv'), tmp_path / 'lm', max_tokens=200, **TINY)
    counts = Counter(t for tokens in Tokenizer().map(TEXTS[:17]) for t in tokens)
    assert set(load_lm(out)[1].words) <= set(Vocab.from_counts(counts, 1).words)
    assert str(tmp_path / 't.csv') in load_lm(out)[2]['settings']['texts']


# --- writing


def test_generate(tmp_path):
    model, vocab, _ = load_lm(pretrain(TEXTS, tmp_path / 'lm', **TINY))
    a = generate(model, vocab, 'The old fox', n=10)
    assert a == generate(model, vocab, 'The old fox', n=10) and a.startswith('The old fox')
    assert any(generate(model, vocab, 'The old fox', n=10, seed=s) != a for s in range(1, 5))
    never = {i for i, w in enumerate(vocab.words) if w in ('xxunk', 'xxpad', 'xxfake')}
    assert len(never) > 2 and not never & set(generate(model, Ids(vocab.words), 'The', n=300, temperature=50.0, top_k=10_000))
    with pytest.raises(ValueError, match='temperature must be above 0'):
        generate(model, vocab, temperature=0)


def test_a_model_that_ships_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'none')
    with pytest.raises(stages.StageError, match="no language model 'wiki-small' ships with this version: none does"):
        load_pretrained()
    out = pretrain(TEXTS, tmp_path / 'shipped/a-model', **TINY)
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'shipped')
    assert same(load_pretrained('a-model')[0].state_dict(), weights(out))
    with pytest.raises(stages.StageError, match='there are a-model'):
        load_pretrained()


def test_texts_are_evaluated_as_the_formula_says(tmp_path):
    model, vocab, _ = load_lm(pretrain(TEXTS, tmp_path / 'lm', **TINY))
    texts = ['The old walrus and the fox saw the sea.', 'A young walrus saw another sea.']
    found = evaluate_texts(model, vocab, texts, bs=1, bptt=5)
    tokens = [t for text in texts for t in Tokenizer()(text)]
    logits, targets = model(torch.tensor([vocab.numericalize(tokens)[:-1].tolist()])).logits[0], vocab.numericalize(tokens)[1:]
    losses = [-row.log_softmax(0)[i].item() for row, i in zip(logits, targets)]
    lost, unknown = {t for t in tokens if t not in vocab}, np.mean(targets == vocab.unk)
    assert len(lost) == 3 == found['unknown_words'] and found['unknown'] == pytest.approx(unknown) and found['tokens'] == len(losses)
    assert math.log(found['perplexity']) == pytest.approx(np.mean(losses), rel=1e-5)
    assert math.log(found['fair_perplexity']) == pytest.approx(np.mean(losses) + unknown * math.log(3), rel=1e-5)
    assert evaluate_texts(model, vocab, texts, bs=1, backwards=True)['perplexity'] != found['perplexity']
    with pytest.raises(DataError, match='nothing to predict'):
        evaluate_texts(model, vocab, [])


def test_candidates_are_a_distribution_over_the_likeliest(tmp_path):
    model, vocab, _ = load_lm(pretrain(TEXTS, tmp_path / 'lm', **TINY))
    ids = read_prompt(vocab, 'The old fox')
    logits, state = next_logits(model, vocab, ids)
    in_two, _ = next_logits(model, vocab, ids[2:], next_logits(model, vocab, ids[:2])[1])
    assert torch.allclose(logits, in_two, atol=1e-5), 'the state is not handed on'
    whole = (logits / 1.7).softmax(0)
    p, best = candidates(logits, 1.7, 4)
    assert torch.allclose(p, whole[best] / whole[best].sum()) and set(best.tolist()) == set(whole.argsort()[-4:].tolist())


@pytest.mark.parametrize('where', ['add', 'close'])
def test_a_full_disk_is_named_and_leaves_nothing(where, tmp_path, monkeypatch):
    "Whether a document finds no room, or the last buffer."

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(StreamWriter, where, full)
    with pytest.raises(OSError, match='(?s)no space left to write .*corpus.ids.*Free some'):
        pretrain(TEXTS, tmp_path / 'lm', **TINY)
    assert not list(tmp_path.rglob('*.part'))


def test_untrained_has_the_shape_and_the_words_and_nothing_else(tmp_path):
    lm = pretrain(TEXTS, tmp_path / 'lm', **TINY)
    (model, vocab, config), (blank, words, made) = load_lm(lm), load_lm(untrained(lm, tmp_path / 'blank'))
    assert words == vocab and made['architecture'] == config['architecture'] and made['settings'] == {'seed': 0}
    assert not any(torch.equal(a, b) for a, b in zip(model.parameters(), blank.parameters()) if a.dim() > 1)
    again, other = (load_lm(untrained(lm, tmp_path / f'b{seed}', seed))[0].state_dict() for seed in (0, 1))
    assert same(again, blank.state_dict()) and not same(other, again)


TWO = """
import sys, time
from ulmfit_nb import corpus, pretrain, stages
first_pass = pretraining.first_pass
def slow(*args):
    counts = first_pass(*args)
    print('counted', flush=True)
    sys.stdin.read()
    return counts
pretraining.first_pass = slow
from test_pretraining import TEXTS, TINY
pretrain(TEXTS, sys.argv[1], **TINY)
"""


def test_two_runs_in_one_directory_do_not_share_a_corpus(tmp_path):
    code = [sys.executable, '-c', f'import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n{TWO}', str(tmp_path / 'lm')]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == 'counted\n'
        with pytest.raises(training.BusyError, match=f'process {first.pid} '):
            pretrain(TEXTS, tmp_path / 'lm', **TINY)
        first.stdin.close()
        assert first.wait() == 0
    assert not (tmp_path / 'lm/work').exists()
    alone = pretrain(TEXTS, tmp_path / 'alone', **TINY)
    assert (tmp_path / 'lm/model.safetensors').read_bytes() == (alone / 'model.safetensors').read_bytes()


@pytest.mark.parametrize('texts', [TEXTS, TEXTS[:1]])
def test_what_lay_there_before_is_left_alone(tmp_path, texts):
    mine = tmp_path / 'lm/work/thesis.txt'
    mine.parent.mkdir(parents=True)
    mine.write_text('years')
    try:
        pretrain(texts, tmp_path / 'lm', **TINY)
    except DataError:
        assert len(texts) == 1
    assert mine.read_text() == 'years' and [f.name for f in mine.parent.iterdir()] == ['thesis.txt']


def test_numbers_of_numpy_are_settings(tmp_path):
    numbers = TINY | {k: np.array(TINY[k])[()] for k in ('min_freq', 'bs', 'lr', 'every')}
    plain = pretrain(TEXTS, tmp_path / 'plain', **TINY)
    assert pretrain(TEXTS, tmp_path / 'plain', **numbers) == plain
    assert load_lm(pretrain(TEXTS, tmp_path / 'numpy', **numbers))[2]['settings'] == load_lm(plain)[2]['settings']


@pytest.mark.parametrize(
    ('out', 'change', 'message'),
    [('lm', {'lr': torch.tensor(0.1)}, 'type Tensor'), ('file', {}, 'is a file'), ('lm', {'max_tokens': 0}, 'give 1 or more')],
)
def test_what_could_not_be_written_in_the_end_is_refused_at_once(tmp_path, out, change, message):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises((TypeError, ValueError), match=message):
        pretrain(TEXTS, tmp_path / out, **TINY | change)
    assert sorted(f.name for f in tmp_path.iterdir()) == ['file']
