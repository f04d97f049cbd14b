"Packed texts are the texts; operations are counted right; a time limit loses nothing."

import json
import time

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ulmfit_nb import fine_tune, load_classifier, pretrain, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier
from ulmfit_nb.cost import Deadline, document_flops, matmul_flops, step_seconds, training_flops
from ulmfit_nb.data import DataError, TextData, Tokens, fingerprint, splits_of
from ulmfit_nb.packs import in_shards, load_packed, pack
from ulmfit_nb.sources import TextSource, load_data
from ulmfit_nb.tokenization import Tokenizer
from ulmfit_nb.training import Stop, train_only

REVIEWS = load_data('reviews', 'validation')
SIZES = dict(emb_sz=16, n_hid=24, n_layers=2, min_freq=2, max_vocab=500, bs=4, bptt=20, epochs=1, progress_bar=False)


@pytest.fixture(scope='module')
def packed(tmp_path_factory):
    return load_packed(pack(REVIEWS, tmp_path_factory.mktemp('pack'), size=2000))


def test_every_document_comes_back_whatever_piece_it_is_in(packed):
    tokenize = Tokenizer()
    assert len(packed.texts.index['pieces']) > 3 and len(packed) == len(REVIEWS)
    for i in (len(packed) - 1, 0, *np.random.default_rng(0).permutation(len(packed))):
        assert packed.texts[int(i)] == tokenize(REVIEWS.texts[i])
    assert list(packed.texts) == [packed.texts[i] for i in range(len(packed))]
    with pytest.raises(IndexError):
        packed.texts[len(packed)]


def test_labels_come_back(packed):
    assert (packed.labels, packed.classes) == (REVIEWS.labels, REVIEWS.classes)
    assert repr(packed) == repr(REVIEWS)


def test_it_is_known_as_what_it_was_made_from(tmp_path):
    source = TextSource('reviews', 'train+unsup')
    texts = load_packed(pack(source, tmp_path)).texts
    assert fingerprint(texts) == fingerprint(source) and splits_of(texts.mark) == ['train', 'unsup']
    assert [len(t) for t in texts] == [len(t) for t in Tokenizer().map(source)]


def test_empty_texts_are_kept(tmp_path):
    assert [list(t) for t in load_packed(pack(['', 'a b', ''], tmp_path)).texts] == [list(Tokenizer()(t)) for t in ('', 'a b', '')]


def test_packing_again_writes_nothing_and_other_texts_replace(tmp_path):
    pack(['one two', 'three'], tmp_path)
    before = (tmp_path / 'index.json').stat().st_mtime_ns
    pack(['one two', 'three'], tmp_path)
    assert (tmp_path / 'index.json').stat().st_mtime_ns == before
    assert list(load_packed(pack(['four'], tmp_path)).texts[0]) == Tokenizer()('four')


@pytest.mark.parametrize('harm, says', [('remove', 'is missing'), ('change', 'damaged'), ('index', 'no packed texts')])
def test_a_pack_that_is_not_whole_is_refused(tmp_path, harm, says):
    pack(['one two', 'three'], tmp_path)
    piece = tmp_path / '000.npz'
    if harm == 'change':
        piece.write_bytes(piece.read_bytes() + b'x')
    else:
        (piece if harm == 'remove' else tmp_path / 'index.json').unlink()
    with pytest.raises(DataError, match=says):
        load_packed(tmp_path)


def test_a_pack_cut_short_has_no_index(tmp_path):
    def texts():
        yield from ['one two'] * 5
        raise KeyboardInterrupt

    class Source:
        mark = 'x'

        def __iter__(self):
            return texts()

    with pytest.raises(KeyboardInterrupt):
        pack(Source(), tmp_path, size=2)
    with pytest.raises(DataError, match='no packed texts'):
        load_packed(tmp_path)


def test_nothing_to_pack(tmp_path):
    with pytest.raises(DataError, match='no texts'):
        pack([], tmp_path)


def test_pieces_end_with_a_document():
    ids = {}
    pieces = [[len(d) for d in docs] for docs in in_shards([['a'] * 3, ['b'] * 9, ['c'], ['d'] * 2], ids, size=4)]
    assert pieces == [[3, 9], [1, 2]] and ids == {'a': 0, 'b': 1, 'c': 2, 'd': 3}


def test_the_three_stages_on_packs_are_the_three_stages_on_texts(packed, tmp_path):
    found = []
    for name, data in (('texts', REVIEWS), ('packs', packed)):
        lm = pretrain(data.texts, tmp_path / name / 'lm', **SIZES)
        tuned = fine_tune(lm, data.texts, tmp_path / name / 'tuned', min_freq=2, bs=4, bptt=20, progress_bar=False)
        clas = train_classifier(tuned, data, tmp_path / name / 'clas', epochs=1, bs=16, progress_bar=False)
        found.append(load_classifier(clas).predict_proba(data.texts))
    assert np.array_equal(*found)


def test_a_list_of_lists_is_still_refused():
    with pytest.raises(DataError, match='of type list'):
        fingerprint([['a', 'b']])
    assert fingerprint([Tokens(['a', 'b'])]) != fingerprint([Tokens(['a b'])])


@pytest.mark.parametrize('tie', [True, False])
def test_a_language_models_operations_are_those_that_torch_counts(tie):
    from ulmfit_nb.awd_lstm import LanguageModel

    config, ids = AWDLSTMConfig(300, 20, 32, 2, tie_weights=tie), torch.randint(2, 300, (3, 7))
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.cross_entropy(LanguageModel(config).double()(ids).logits.flatten(0, 1), ids.flatten()).backward()
    first_state = 3 * sum(2 * 4 * h * h for _, h in config.layer_sizes())
    assert counter.get_total_flops() == ids.numel() * training_flops(config) - first_state


@pytest.mark.parametrize('groups', [['head'], ['lstm 2', 'head'], ['lstm 1', 'lstm 2', 'head'], ['embedding', 'lstm 1', 'lstm 2', 'head']])
def test_a_classifiers_operations_follow_what_learns(groups):
    config = AWDLSTMConfig(300, 20, 32, 2)
    model = PoolingClassifier(config, 2, bptt=10)
    model.encoder.double()
    train_only(model, groups)
    docs = [np.arange(2, 12)] * 4
    batch = next(iter(DocBatches(docs, [0, 1, 0, 1], bs=4)))
    with FlopCounterMode(display=False) as counter:
        ClassifierTask(model, None).step(model, batch, None).objective.backward()
    per_token = counter.get_total_flops() / 40
    head = 3 * 2 * (3 * config.n_out * 50 + 50 * 2) / 10
    assert per_token == pytest.approx(document_flops(config, groups) + head, rel=0.15)


def test_rates_are_numbers_that_can_be():
    rate = matmul_flops(n=256, seconds=0.05)
    config = AWDLSTMConfig(500, 16, 24, 1)
    reached = training_flops(config) * 4 * 10 / step_seconds(config, bs=4, bptt=10, steps=2)
    assert 1e8 < rate < 1e15 and 0 < reached < rate


class DeadlineAfter(Deadline):
    "Its time is up after a number of steps."

    def __init__(self, steps):
        super().__init__(60)
        self.steps = steps

    def __call__(self, seen, loss):
        self.steps -= 1
        if not self.steps:
            self.at = time.monotonic()
        super().__call__(seen, loss)


@pytest.mark.parametrize('stage', ['pretrain', 'fine_tune', 'train_classifier'])
def test_a_deadline_stops_each_stage_and_the_same_call_goes_on(tmp_path, stage):
    lm = None if stage == 'pretrain' else pretrain(REVIEWS.texts, tmp_path / 'lm', **SIZES)
    call = {
        'pretrain': lambda out, **kw: pretrain(REVIEWS.texts, out, **SIZES, **kw),
        'fine_tune': lambda out, **kw: fine_tune(lm, REVIEWS.texts, out, min_freq=2, bs=4, bptt=20, progress_bar=False, **kw),
        'train_classifier': lambda out, **kw: train_classifier(lm, REVIEWS, out, epochs=1, bs=16, progress_bar=False, **kw),
    }[stage]
    whole, cut = call(tmp_path / 'whole'), tmp_path / 'cut'
    for n in (1, 5):
        with pytest.raises(Stop, match='goes on from here'):
            call(cut, callback=DeadlineAfter(n))
    call(cut)
    weights = [(d / 'model.safetensors').read_bytes() for d in (whole, cut)]
    assert weights[0] == weights[1]
    assert json.loads((whole / 'config.json').read_text())['settings'] == json.loads((cut / 'config.json').read_text())['settings']


def test_a_stream_of_texts_without_labels(tmp_path):
    data = load_packed(pack(TextData(['one', 'two']), tmp_path))
    assert data.labels is None and len(data) == 2


def test_other_labels_are_packed_anew(tmp_path):
    texts, labels = ['one two', 'three', 'four'], [0, 1, 0]
    for data in (TextData(texts), TextData(texts, labels, ['a', 'b']), TextData(texts, [1, 0, 1], ['a', 'b']), TextData(texts, labels, ['b', 'a'])):
        packed = load_packed(pack(data, tmp_path))
        assert (packed.labels, packed.classes) == (data.labels, data.classes)
