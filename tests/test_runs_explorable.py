"The record of the first page's slider, at tiny size."

import json

import explorable
import pytest
from explorable import REVIEW, TOLD, Options, spaced

from ulmfit_nb.settings import recipe
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm


def test_the_sentence_is_one_that_nothing_has_learnt_from():
    valid = load_data('subjectivity', 'validation')
    assert valid.classes[valid.labels[valid.texts.index(REVIEW)]] == TOLD and REVIEW not in load_data('subjectivity', 'train').texts


def test_steps_are_closer_together_at_the_beginning():
    assert spaced(300, 8)[-1] == 300 and spaced(300, 8)[:3] == [2, 4, 8] and spaced(2, 8) == [1, 2]


@pytest.fixture(scope='module')
def found(tiny_lm, tiny_tuned, tmp_path_factory):
    folder = tmp_path_factory.mktemp('explorable')
    args = Options(general=str(tiny_lm), film=str(tiny_tuned), articles=1, sentences=40, labels=8, valid=12, words=4, results=folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorable, 'from_command_line', lambda _: args)
        patch.setitem(explorable.PRESETS, 'small', recipe('tiny'))
        explorable.main()
    return json.loads((folder / 'explorable.json').read_text())


def test_one_vocabulary_from_the_first_point_to_the_last(found, tiny_tuned):
    vocab = load_lm(tiny_tuned).vocab
    assert found['words'] == len(vocab) and found['known'] == [t in vocab for t in found['tokens']]
    assert found['points'][0]['perplexity'] == pytest.approx(len(vocab), rel=0.2)


def test_layers_wake_from_the_top(found):
    third = [p for p in found['points'] if p['stage'] == 'stage 3']
    assert third[0]['awake'] == [] and third[1]['awake'] == ['head'] and len(third[-1]['awake']) == len(third[-1]['moved'])
    for before, after in zip(third[1:], third[2:]):
        assert set(before['awake']) <= set(after['awake'])
    for point in third:
        assert [g for g, way in point['moved'].items() if way > 0 and g not in point['awake']] == []
        assert 0 <= point['verdict'] <= 1 and 0 <= point['accuracy'] <= 1
    frozen = [p['perplexity'] for p in third if set(p['awake']) <= {'head'}]
    assert len(frozen) > 2 and len(set(frozen)) == 1 != len({p['perplexity'] for p in third})


def test_every_point_has_all_that_is_drawn(found):
    for point in found['points']:
        assert len(point['bits'].split()) == len(point['guesses']) == len(found['tokens']) and point['line'].startswith('The')
        assert ('verdict' in point) == (point['stage'] == 'stage 3')
