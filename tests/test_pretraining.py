"Stage 1: a run from texts to a directory, cut short or not."

import errno
import json
import math
import subprocess
from collections import Counter

import numpy as np
import pytest
import torch
from helpers import PROSE, PROSE_LM, same_tensors, start_program, weights_of

import ulmfit_nb.training as training
from ulmfit_nb.batching import StreamWriter, TokenStream
from ulmfit_nb.corpus import lm_batches
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.files import BusyError
from ulmfit_nb.pretraining import evaluate_texts, pretrain
from ulmfit_nb.sources import TextSource
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Tokenizer, Vocab


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


def test_pretrain_from_texts_to_a_directory(tmp_path):
    out = pretrain(PROSE, tmp_path / 'lm', epochs=2, **PROSE_LM)
    assert sorted(p.name for p in out.iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    model, vocab, config = load_lm(out)
    history = json.loads((out / 'history.json').read_text())
    assert [h['epoch'] for h in history] == [1, 2] and history[1]['perplexity'] < history[0]['perplexity'] < len(vocab)
    assert vocab == Vocab.build(list(Tokenizer().map(PROSE)), 1) and len(vocab) == model.config.vocab_sz
    assert not config['backwards'] and config['settings']['lr'] == 0.01 and not model.training


def test_a_finished_directory_is_handed_back_at_once(tmp_path, monkeypatch):
    out = pretrain(PROSE, tmp_path / 'lm', **PROSE_LM)
    cut_at(monkeypatch, 0)
    assert pretrain(PROSE, out, **PROSE_LM) == out
    with pytest.raises(ValueError, match=r'other settings \(lr: 0.01 there, 0.02 now'):
        pretrain(PROSE, out, **(PROSE_LM | {'lr': 0.02}))


@pytest.mark.parametrize('step', [2, 4, 10])  # before the first checkpoint, between two, later
def test_a_run_cut_short_ends_like_one_that_was_not(tmp_path, monkeypatch, step):
    whole = pretrain(PROSE, tmp_path / 'whole', epochs=2, **PROSE_LM)
    with monkeypatch.context() as m, pytest.raises(Stop):
        cut_at(m, step)
        pretrain(PROSE, tmp_path / 'cut', epochs=2, **PROSE_LM)
    assert not (tmp_path / 'cut/config.json').exists() and (tmp_path / 'cut/work/checkpoint.safetensors').exists() == (step > 3)
    cut = pretrain(PROSE, tmp_path / 'cut', epochs=2, **PROSE_LM)
    assert same_tensors(weights_of(cut), weights_of(whole)) and not (cut / 'work').exists()


def test_backwards_reads_from_the_end(tmp_path):
    forwards, backwards = (pretrain(PROSE, tmp_path / str(b), backwards=b, **PROSE_LM) for b in (False, True))
    assert load_lm(backwards)[2]['backwards'] and not same_tensors(weights_of(forwards), weights_of(backwards))
    stream = TokenStream.of([np.arange(10 * i, 10 * i + 10) for i in range(13)])
    x, y = next(iter(lm_batches(stream, 2, 5, backwards=True)[1]))
    assert (y == x - 1).all()


def bad_texts():
    data = TextData(PROSE)
    return [
        ([], 'there are no texts'),
        (PROSE[:1], 'at least two texts'),
        (['Two words.'] * 3, 'too few for 2 rows'),
        (['a', None], 'text 1 is missing'),
        ('a text', 'Write \\[text\\]'),
        ((t for t in PROSE), 'generator can be read only once. Write list'),
        (map(str, PROSE), 'only once'),
        (data, 'a TextData, where a list of strings is due. Give its .texts'),
        (None, 'NoneType, where a list'),
        (TextSource('no-such-file.csv'), 'no such file'),
    ]


@pytest.mark.parametrize(('texts', 'message'), bad_texts())
def test_texts_that_can_not_be_used_leave_nothing_behind(tmp_path, texts, message):
    with pytest.raises(DataError, match=message):
        pretrain(texts, tmp_path / 'a/lm', **PROSE_LM)
    assert not list((tmp_path / 'a').glob('*')), 'something was left behind'


def test_too_large_a_bs_does_not_cost_a_run_its_checkpoint(tmp_path, monkeypatch):
    with monkeypatch.context() as m, pytest.raises(Stop):
        cut_at(m, 5)
        pretrain(PROSE, tmp_path / 'lm', **PROSE_LM)
    with pytest.raises(DataError, match='too few for 500 rows'):
        pretrain(PROSE, tmp_path / 'lm', **(PROSE_LM | {'bs': 500}))
    assert (tmp_path / 'lm/work/checkpoint.safetensors').exists()


def test_a_corpus_larger_than_memory_comes_from_a_source(tmp_path):
    (tmp_path / 't.csv').write_text('text\n' + '\n'.join(PROSE))
    out = pretrain(TextSource(tmp_path / 't.csv'), tmp_path / 'lm', max_tokens=200, **PROSE_LM)
    counts = Counter(t for tokens in Tokenizer().map(PROSE[:17]) for t in tokens)
    assert set(load_lm(out)[1].words) <= set(Vocab.from_counts(counts, 1).words)
    assert str(tmp_path / 't.csv') in load_lm(out)[2]['settings']['texts']


def test_texts_are_evaluated_as_the_formula_says(tmp_path):
    model, vocab, _ = load_lm(pretrain(PROSE, tmp_path / 'lm', **PROSE_LM))
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


@pytest.mark.parametrize('where', ['add', 'close'])
def test_a_full_disk_is_named_and_leaves_nothing(where, tmp_path, monkeypatch):
    "Whether a document finds no room, or the last buffer."

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(StreamWriter, where, full)
    with pytest.raises(OSError, match='(?s)no space left to write .*corpus.ids.*Free some'):
        pretrain(PROSE, tmp_path / 'lm', **PROSE_LM)
    assert not list(tmp_path.rglob('*.part'))


def test_two_runs_in_one_directory_do_not_share_a_corpus(tmp_path):
    with start_program('slow_corpus', tmp_path / 'lm', stdin=subprocess.PIPE) as first:
        assert first.stdout.readline() == 'counted\n'
        with pytest.raises(BusyError, match=f'process {first.pid} '):
            pretrain(PROSE, tmp_path / 'lm', **PROSE_LM)
        first.stdin.close()
        assert first.wait() == 0
    assert not (tmp_path / 'lm/work').exists()
    alone = pretrain(PROSE, tmp_path / 'alone', **PROSE_LM)
    assert (tmp_path / 'lm/model.safetensors').read_bytes() == (alone / 'model.safetensors').read_bytes()


@pytest.mark.parametrize('texts', [PROSE, PROSE[:1]])
def test_what_lay_there_before_is_left_alone(tmp_path, texts):
    mine = tmp_path / 'lm/work/thesis.txt'
    mine.parent.mkdir(parents=True)
    mine.write_text('years')
    try:
        pretrain(texts, tmp_path / 'lm', **PROSE_LM)
    except DataError:
        assert len(texts) == 1
    assert mine.read_text() == 'years' and [f.name for f in mine.parent.iterdir()] == ['thesis.txt']


def test_numbers_of_numpy_are_settings(tmp_path):
    numbers = PROSE_LM | {k: np.array(PROSE_LM[k])[()] for k in ('min_freq', 'bs', 'lr', 'every')}
    plain = pretrain(PROSE, tmp_path / 'plain', **PROSE_LM)
    assert pretrain(PROSE, tmp_path / 'plain', **numbers) == plain
    assert load_lm(pretrain(PROSE, tmp_path / 'numpy', **numbers))[2]['settings'] == load_lm(plain)[2]['settings']


@pytest.mark.parametrize(
    ('out', 'change', 'message'),
    [('lm', {'lr': torch.tensor(0.1)}, 'lr is tensor'), ('file', {}, 'is a file'), ('lm', {'max_tokens': 0}, 'at least 1')],
)
def test_what_could_not_be_written_in_the_end_is_refused_at_once(tmp_path, out, change, message):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises((TypeError, ValueError), match=message):
        pretrain(PROSE, tmp_path / out, **PROSE_LM | change)
    assert sorted(f.name for f in tmp_path.iterdir()) == ['file']
