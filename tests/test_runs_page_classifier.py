"The classifier of the pages, from a tiny language model and few sentences: stored, carded, recorded."

import json

import page_classifier
import pytest

from ulmfit_nb import load_classifier
from ulmfit_nb.settings import recipe
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import read_config


@pytest.fixture
def make(monkeypatch, tiny_lm, tmp_path):
    "The script, on sixty sentences of each split; and its arguments."
    monkeypatch.setattr(page_classifier, 'load_data', lambda name, split: load_data(name, split).select(range(60)))
    monkeypatch.setattr(page_classifier, 'recipe', lambda name: recipe('tiny'))
    monkeypatch.setattr(page_classifier, 'accuracy_of', lambda path, test: 0.25 if read_config(path).get('weights') == 'int8' else 0.75)
    args = page_classifier.Made(out=tmp_path / 'film-tiny', lm=str(tiny_lm), work=tmp_path / 'work', results=tmp_path)
    return lambda: page_classifier.make(args) or args


@pytest.mark.filterwarnings('ignore:.*unknown to the language model')
def test_what_ships_is_what_is_recorded(make, tiny_lm, tmp_path):
    args = make()
    found = json.loads((tmp_path / 'film_tiny.json').read_text())
    assert found['lm'] == read_config(tiny_lm)['sha256']['model.safetensors'] and found['test_texts'] == 60 and found['seed'] == 0
    assert found['accuracy'] == {'fp32': 0.75, 'int8': 0.25}, 'each of its own weights'
    assert read_config(args.out)['weights'] == 'int8' and load_classifier(args.out).classes == ['plot', 'opinion']
    card = (args.out / 'README.md').read_text(encoding='utf-8')
    assert '75.0% in fp32, 25.0% in int8' in card and 'Pang & Lee 2004' in card and 'not stated' not in card
