"The reliability campaign (runs/campaign.py) in small: a kill at every kind of operation on files, flips and cuts of every file, 5,000 hostile texts."

import json
import os

import numpy as np
import pytest
from campaign import Killable, growth, hostile_texts, kill_each, spoil_each, spoil_stages, stages, try_texts

from ulmfit_nb.classifier import load_classifier

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='each kill is a forked process')
CALLS = ['pretrain', 'fine_tune', 'train_classifier', 'save_pretrained', 'save_pretrained over another']


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return tmp_path_factory.mktemp('made')


@pytest.fixture(scope='module')
def calls(made):
    return stages(made)


@pytest.mark.parametrize('name', CALLS)
def test_a_call_that_is_killed_anywhere_ends_in_the_same_bytes(name, calls, tmp_path):
    found = kill_each(calls[name], tmp_path / 'k', most=7)
    assert found['kills'] == 7 and found['kinds'] > 25 and found['wrong'] == {}


def test_flips_and_cuts_of_every_file_are_told_or_do_no_harm(tmp_path):
    found = spoil_stages(tmp_path, 12)
    assert found.keys() >= {'config.json', 'history.json', 'model.safetensors', 'vocab.json', 'checkpoint.safetensors', 'corpus.ids', 'corpus.json'}
    assert {name: f['wrong'] for name, f in found.items() if f['wrong']} == {}
    assert all(f['refused'] > 0 and f['refused'] + f['same'] in (12, 3) for f in found.values())


def test_5000_hostile_texts(calls, made):
    classifier = load_classifier(made / 'classifier', 'cpu')
    assert [wrong for chunk in range(5) for wrong in try_texts(classifier, hostile_texts(1000, 0, chunk))] == []


# --- the campaign can fail


def test_a_call_that_writes_what_it_reads_is_found_out(tmp_path):
    def careless(out):
        (out / 'n').parent.mkdir(exist_ok=True)
        (out / 'n').write_text(str(int((out / 'n').read_text()) + 1 if (out / 'n').exists() else 12))

    found = kill_each(Killable(careless), tmp_path / 'k')
    assert found['kills'] == 2 and [*found['wrong']] == ['1 write_text n']


def test_a_file_without_a_hash_is_found_out(tmp_path):
    file = tmp_path / 'x.json'
    file.write_text(json.dumps([1, 2, 3] * 20))
    found = spoil_each(file, lambda: json.loads(file.read_text()), 40)
    assert 'another answer without a word' in found['wrong'] and any(w.startswith('an error without its file') for w in found['wrong'])
    assert json.loads(file.read_text()) == [1, 2, 3] * 20


def test_answers_that_depend_on_the_company_are_found_out(calls, made):
    classifier = load_classifier(made / 'classifier', 'cpu')
    answer = classifier.predict_proba
    classifier.predict_proba = lambda texts: np.roll(answer(texts), len(texts) > 1, 1)
    assert 'another answer alone than in company' in try_texts(classifier, ['a fine film', 'a dull book'])[0]
    classifier.predict_proba = lambda texts: 1 / 0
    assert try_texts(classifier, ['a'])[0].startswith('ZeroDivisionError')


def test_memory_that_grows_is_seen():
    assert growth([{'process': 1, 'resident_mb': 100.0 + n} for n in range(10)]) == 5
    assert growth([{'process': 1, 'resident_mb': 100.0}] * 10 + [{'process': 2, 'resident_mb': 50.0}] * 4) == 0
