"What TextClassifier comes to as it comes, at a size that takes seconds."

import json

import pytest
from helpers import ROOT


@pytest.fixture
def measure(monkeypatch, tiny_lm, tmp_path):
    "The script, from a tiny language model."
    monkeypatch.syspath_prepend(ROOT / 'runs')
    import defaults

    return lambda **more: defaults.measure(('subjectivity',), 20, 40, lm=str(tiny_lm), results=tmp_path, **{'seeds': (0, 1)} | more)


def test_every_seed_beside_counting_words(measure, tmp_path, capsys):
    measure()
    record = json.loads((tmp_path / 'defaults.json').read_text())
    assert [(p['data'], p['seed']) for p in record['points']] == [('subjectivity', 0), ('subjectivity', 1)]
    assert all(round(p[k] * 40, 6) == round(p[k] * 40) for p in record['points'] for k in ('accuracy', 'counting words')), 'shares of 40 texts'
    assert record['estimator']['preset'] == 'small' and record['estimator']['unlabelled'] is None
    assert 'of 2 above' in capsys.readouterr().out


def test_it_goes_on_and_refuses_other_settings(measure, tmp_path):
    measure(seeds=(0,))
    file = tmp_path / 'defaults.json'
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {'points': [record['points'][0] | {'accuracy': 0.123}]}))
    measure()
    points = json.loads(file.read_text())['points']
    assert [p['seed'] for p in points] == [0, 1] and points[0]['accuracy'] == 0.123, 'a point that is there is not measured again'
    file.write_text(json.dumps(record | {'labels': 30}))
    with pytest.raises(ValueError, match='other settings'):
        measure()
