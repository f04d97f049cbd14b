"The models that ship, from numbered texts, at a size that takes seconds."

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers import ROOT

from ulmfit_nb.batching import open_stream
from ulmfit_nb.corpus import cached_corpus
from ulmfit_nb.data import DataError
from ulmfit_nb.quantization import unpack_tensors
from ulmfit_nb.sources import TextSource
from ulmfit_nb.stages import Stage, load_lm
from ulmfit_nb.tokenization import Tokenizer

SMALLER = dict(bs=4, bptt=20, min_freq=2, max_vocab=300, epochs=1)


@pytest.fixture(scope='module')
def small():
    "runs/small_models.py, on sets that ship."
    with pytest.MonkeyPatch.context() as m:
        m.syspath_prepend(ROOT / 'runs')
        import small_models

        wiki = replace(small_models.WIKI, **SMALLER, emb_sz=16, n_hid=24, n_layers=2)
        texts = {'wiki': ('wikipedia', 'validation', wiki), 'film': ('subjectivity', 'validation', replace(small_models.FILM, **SMALLER))}
        m.setattr(small_models, 'TEXTS', texts)
        yield small_models


@pytest.fixture(scope='module')
def call(small):
    "What the script ends with; nothing if all went well."

    def run(*args):
        with pytest.MonkeyPatch.context() as m:
            m.setattr(sys, 'argv', ['small_models.py', *map(str, args)])
            try:
                small.main()
            except SystemExit as e:
                return str(e)

    return run


@pytest.fixture(scope='module')
def numbered(call, tmp_path_factory):
    out = tmp_path_factory.mktemp('numbered')
    assert call('number', out, '--limit', 4000, '--size', 1500) is None
    return out


@pytest.fixture(scope='module')
def models(call, numbered, tmp_path_factory):
    out = tmp_path_factory.mktemp('models')
    assert call('train', numbered, out) is None
    return out


def test_numbers_are_those_that_a_stage_would_give(small, numbered, tmp_path):
    assert len(list((numbered / 'wiki').glob('*.xz'))) > 2 and not (numbered / 'wiki/work').exists()
    small.Numbered(numbered / 'wiki').put(tmp_path)
    put = open_stream(tmp_path / 'corpus.ids')
    _, made = cached_corpus(tmp_path / 'made', TextSource('wikipedia', 'validation'), Tokenizer(), min_freq=2, max_vocab=300, max_tokens=4000)
    assert np.array_equal(put.ids, made.ids) and np.array_equal(put.offsets, made.offsets) and put.n_docs > 1


def test_all_four_are_trained_and_follow_one_another(models):
    names = ['wiki-small', 'wiki-small-backwards', 'film-small', 'film-small-backwards']
    found = {name: Stage.open(models / 'int8' / name).config for name in names}
    assert [found[n]['backwards'] for n in names] == [False, True, False, True] and {c['weights'] for c in found.values()} == {'int8'}
    for way in ('', '-backwards'):  # what ships is what the next stage began with
        assert found[f'film-small{way}']['settings']['from'] == found[f'wiki-small{way}']['sha256']['model.safetensors']
    assert found['wiki-small']['settings']['texts'].startswith('wikipedia:validation')


def test_saving_what_was_saved_in_int8_changes_nothing(models, tmp_path):
    from ulmfit_nb.hub import save_pretrained

    packed = models / 'int8/wiki-small'
    again = save_pretrained(packed, tmp_path / 'again', weights='int8')
    assert (again / 'model.safetensors').read_bytes() == (packed / 'model.safetensors').read_bytes()
    assert unpack_tensors(Stage.open(again).tensors).keys() == Stage.open(packed).tensors.keys()


def test_it_stops_and_goes_on(call, numbered, models, tmp_path):
    assert 'goes on from here' in call('train', numbered, tmp_path, '--only', 'wiki-small', '--minutes', 0)
    assert (tmp_path / 'wiki-small/work/checkpoint.safetensors').exists() and not (tmp_path / 'int8').exists()
    assert call('train', numbered, tmp_path, '--only', 'wiki-small') is None
    whole, cut = (load_lm(d / 'wiki-small').model.decoder.weight for d in (models, tmp_path))
    assert (whole - cut).abs().max() < 1e-6
    assert json.loads((tmp_path / 'wiki-small/history.json').read_text())[-1]['seen'] > 0


def test_refusals(small, call, numbered, tmp_path):
    assert 'film-small-backwards' in call('train', numbered, tmp_path, '--only', 'wiki-large')
    assert 'directory for the models' in call('train', numbered)
    with pytest.raises(DataError, match='numbers, and no texts'):
        list(small.Numbered(numbered / 'wiki'))
