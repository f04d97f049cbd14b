"Packed texts are the texts."

import numpy as np
import pytest

from ulmfit_nb import fine_tune, load_classifier, pretrain, train_classifier
from ulmfit_nb.data import DataError, TextData, Tokens, fingerprint, splits_of
from ulmfit_nb.packs import in_shards, load_packed, pack
from ulmfit_nb.sources import TextSource, load_data
from ulmfit_nb.tokenization import Tokenizer

SENTENCES = load_data('subjectivity', 'validation').select(range(400))
SIZES = dict(emb_sz=16, n_hid=24, n_layers=2, min_freq=2, max_vocab=500, bs=4, bptt=20, epochs=1, progress_bar=False)


@pytest.fixture(scope='module')
def packed(tmp_path_factory):
    return load_packed(pack(SENTENCES, tmp_path_factory.mktemp('pack'), size=2000))


def test_every_document_comes_back_whatever_piece_it_is_in(packed):
    tokenize = Tokenizer()
    assert len(packed.texts.index['pieces']) > 3 and len(packed) == len(SENTENCES)
    for i in (len(packed) - 1, 0, *np.random.default_rng(0).permutation(len(packed))):
        assert packed.texts[int(i)] == tokenize(SENTENCES.texts[i])
    assert list(packed.texts) == [packed.texts[i] for i in range(len(packed))]
    with pytest.raises(IndexError):
        packed.texts[len(packed)]


def test_labels_come_back(packed):
    assert (packed.labels, packed.classes) == (SENTENCES.labels, SENTENCES.classes)
    assert repr(packed) == repr(SENTENCES)


def test_it_is_known_as_what_it_was_made_from(tmp_path):
    source = TextSource('wikipedia', 'train+validation')
    texts = load_packed(pack(source, tmp_path)).texts
    assert fingerprint(texts) == fingerprint(source) and splits_of(texts.mark) == ['train', 'validation']
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
    for name, data in (('texts', SENTENCES), ('packs', packed)):
        lm = pretrain(data.texts, tmp_path / name / 'lm', **SIZES)
        tuned = fine_tune(lm, data.texts, tmp_path / name / 'tuned', min_freq=2, bs=4, bptt=20, progress_bar=False)
        clas = train_classifier(tuned, data, tmp_path / name / 'clas', epochs=1, bs=16, progress_bar=False)
        found.append(load_classifier(clas).predict_proba(data.texts))
    assert np.array_equal(*found)


def test_a_stream_of_texts_without_labels(tmp_path):
    data = load_packed(pack(TextData(['one', 'two']), tmp_path))
    assert data.labels is None and len(data) == 2


def test_other_labels_are_packed_anew(tmp_path):
    texts, labels = ['one two', 'three', 'four'], [0, 1, 0]
    for data in (TextData(texts), TextData(texts, labels, ['a', 'b']), TextData(texts, [1, 0, 1], ['a', 'b']), TextData(texts, labels, ['b', 'a'])):
        packed = load_packed(pack(data, tmp_path))
        assert (packed.labels, packed.classes) == (data.labels, data.classes)


def test_a_good_pack_stays_until_there_is_another(tmp_path):
    pack(['one two', 'three'], tmp_path)
    (tmp_path.parent / 'empty.txt').write_text('')
    with pytest.raises(DataError):
        pack(TextSource(tmp_path.parent / 'empty.txt'), tmp_path)
    assert len(load_packed(tmp_path)) == 2


def test_a_damaged_pack_is_packed_again(tmp_path):
    pack(['one two', 'three'], tmp_path)
    (tmp_path / 'words.json').write_text('[]')
    assert len(load_packed(pack(['one two', 'three'], tmp_path))) == 2


def test_words_are_no_texts_for_pieces_or_another_language(packed, tmp_path):
    lm = dict(emb_sz=8, n_hid=8, n_layers=1, bs=2, bptt=5, min_freq=1, epochs=1, progress_bar=False)
    texts = load_packed(pack(['one two three four five six seven'] * 20, tmp_path / 'pack')).texts
    for given, other in ((texts, {'subwords': 20}), (texts, {'lang': 'de'}), (list(texts), {'lang': 'de'})):
        with pytest.raises(TypeError, match='words, where a text is due'):
            pretrain(given, tmp_path / 'lm', **lm, **other)
    mine = Tokens(['xxbos', 'ja'])  # of somebody who knows which tokenizer to ask
    assert Tokenizer(lang='de')(mine) is mine and Tokenizer()(texts[0]) == texts[0]
