"A model that ships is packaged with its figures, and never with those of another."

import json
import runpy
import sys

import pytest
from helpers import ROOT

from ulmfit_nb.quantization import STORED
from ulmfit_nb.stages import load_lm


@pytest.fixture
def package(monkeypatch):
    "runs/package.py, with arguments; gives what it says when it refuses."

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['package.py', *map(str, args)])
        monkeypatch.syspath_prepend(ROOT / 'runs')
        try:
            runpy.run_path(str(ROOT / 'runs/package.py'), run_name='__main__')
        except SystemExit as e:
            return str(e)

    return run


def test_packaging(package, tiny_lm, tmp_path):
    evaluated = tmp_path / 'wiki_small.json'
    sha = json.loads((tiny_lm / 'config.json').read_text())['sha256']['model.safetensors']
    evaluated.write_text(json.dumps({'data': 'articles', 'sha256': sha, 'validation': {'perplexity': 70.5}, 'test': {'perplexity': 71.25}}))
    refused = package(tiny_lm, 'wiki-tiny', '--into', tmp_path / 'pretrained', '--record', evaluated, '--hardware', 'an abacus')
    assert refused is None
    card = (tmp_path / 'pretrained/wiki-tiny/README.md').read_text()
    for word in (
        'CC BY-SA',
        'May 2015',
        'an abacus',
        '| validation perplexity (articles) | 70.5 |',
        '| test perplexity (articles) | 71.25 |',
        'commit',
    ):
        assert word in card, card
    assert load_lm(tmp_path / 'pretrained/wiki-tiny')[1] == load_lm(tiny_lm)[1]


def test_packaging_refuses(package, tiny_lm, tiny_classifier, tmp_path):
    into = ['--into', tmp_path / 'pretrained']
    assert 'wiki-… or film-…' in package(tiny_lm, 'a', *into)
    assert 'results/film_a.json' in package(tiny_lm, 'film-a', *into), 'a model is taken to its own record'
    assert 'no such record' in package(tiny_lm, 'film-a', *into, '--record', tmp_path / 'none.json')
    (tmp_path / 'r.json').write_text(json.dumps({'data': 'x', 'validation': {'perplexity': 3.0}}))
    assert 'test perplexity' in package(tiny_lm, 'film-a', *into, '--record', tmp_path / 'r.json')
    figures = {'data': 'x', 'validation': {'perplexity': 3.0}, 'test': {'perplexity': 4.0}}
    (tmp_path / 'r.json').write_text(json.dumps(figures | {'sha256': 'other'}))
    assert 'other weights' in package(tiny_lm, 'film-a', *into, '--record', tmp_path / 'r.json')
    (tmp_path / 'r.json').write_text(json.dumps(figures))
    with_record = [*into, '--record', tmp_path / 'r.json']
    assert 'MB' in package(tiny_lm, 'film-a', *with_record, '--limit', '0.001')
    assert 'language model' in package(tiny_classifier, 'wiki-a', *with_record)
    assert not (tmp_path / 'pretrained').exists()
    assert package(tiny_lm, 'film-a', *with_record) is None
    card = (tmp_path / 'pretrained/film-a/README.md').read_text()
    assert '| test perplexity (x) | 4 |' in card and '75,000 reviews' in card


@pytest.fixture
def packaged(package, tiny_lm, tmp_path):
    "The directory that it writes, given some options more, or what it said."
    record = tmp_path / 'record.json'
    record.write_text(json.dumps({'data': 'x', 'validation': {'perplexity': 3.0}, 'test': {'perplexity': 4.0}}))
    given = [tiny_lm, 'wiki-m', '--into', tmp_path / 'ships', '--record', record]
    return lambda *options: package(*given, *options) or tmp_path / 'ships/wiki-m'


def config_of(path):
    return json.loads((path / 'config.json').read_text(encoding='utf-8'))


def test_what_ships_is_int8(packaged):
    assert config_of(packaged())['weights'] == 'int8' and '--weights int8' in (packaged() / 'README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('weights', STORED)
def test_what_ships_may_be_stored_otherwise(weights, packaged):
    assert config_of(packaged('--weights', weights))['weights'] == weights
