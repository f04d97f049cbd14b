"What TextClassifier comes to as it comes, at a size that takes seconds."

import json

import pytest
from helpers import ROOT


@pytest.fixture
def measure(monkeypatch, tiny_lm, tiny_tuned, tmp_path):
    "The script, from tiny language models."
    monkeypatch.syspath_prepend(ROOT / 'runs')
    import defaults

    return lambda **more: defaults.measure(('subjectivity',), 20, 40, lms=(str(tiny_lm), str(tiny_tuned)), results=tmp_path, **{'seeds': (0, 1)} | more)


def test_every_seed_beside_counting_words(measure, tmp_path, capsys):
    measure()
    record = json.loads((tmp_path / 'defaults.json').read_text())
    assert [(p['data'], p['seed'], p['lm']) for p in record['points']] == [('subjectivity', seed, lm) for seed in (0, 1) for lm in record['lms']]
    assert len(set(record['lms'].values())) == 2 and record['points'][0]['counting words'] == record['points'][1]['counting words']
    assert all(round(p[k] * 40, 6) == round(p[k] * 40) for p in record['points'] for k in ('accuracy', 'counting words')), 'shares of 40 texts'
    assert record['estimator']['preset'] == 'small' and record['estimator']['unlabelled'] is None
    assert capsys.readouterr().out.count('of 2 above') == 2


def test_it_goes_on_and_refuses_other_settings(measure, tmp_path):
    measure(seeds=(0,))
    file = tmp_path / 'defaults.json'
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {'points': [record['points'][0] | {'accuracy': 0.123}, record['points'][1]]}))
    measure()
    points = json.loads(file.read_text())['points']
    assert [p['seed'] for p in points] == [0, 0, 1, 1] and points[0]['accuracy'] == 0.123, 'a point that is there is not measured again'
    file.write_text(json.dumps(record | {'labels': 30}))
    with pytest.raises(ValueError, match='other settings'):
        measure()
