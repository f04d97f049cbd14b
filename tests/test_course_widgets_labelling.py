"The labelling widget: its heads are scikit-learn's, the features arrive as they were, and what is drawn follows what is labelled."

import json
from base64 import b64decode, b64encode

import labelling as run
import numpy as np
import pytest
from javascript import call_js, page
from notebooks import ROOT
from sklearn.linear_model import LogisticRegression

from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.course.records import read_records
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.labelling import Labelling, labelling_source, labelling_view
from ulmfit_nb.data import TextData

CODE = es_module('words.js', 'svg.js', 'labelling.js')
RECORD = read_records(ROOT / 'results', 'labelling')['labelling']
TRAITS = ('texts', 'told', 'classes', 'features', 'given')


@pytest.fixture(scope='module')
def pool():
    "The sentences with their labels, and their features as numbers."
    found = np.frombuffer(b64decode(RECORD['features']), np.int8).reshape(len(RECORD['texts']), -1)
    return TextData(RECORD['texts'], [int(c) for c in RECORD['told']], RECORD['classes']), found


def test_what_ships_is_small_and_whole(pool):
    data, found = pool
    assert len(data) == 600 and found.shape == (600, RECORD['kept']) and abs(found).max() == 127
    assert len(json.dumps(RECORD)) < 200_000 and sorted(set(data.labels)) == [0, 1]


def test_features_arrive_as_they_were(pool):
    (rows,) = call_js(CODE, [['rowsOf', [RECORD['features'], 600]]])
    np.testing.assert_allclose(rows, run.unit(pool[1]), atol=1e-12)


@pytest.mark.parametrize('n, seed', [(10, 0), (23, 1), (100, 2)])
def test_both_heads_are_scikit_learns(pool, n, seed):
    data, found = pool
    drawn, x, y = draw_labels(data, n, seed), run.unit(found), np.array(data.labels)
    given = [[i, data.labels[i]] for i in drawn]
    (theirs,) = call_js(CODE, [['measured', [data.texts, x.tolist(), given, data.labels]]])
    ours = run.measure(data, x, n, seed)
    assert theirs['labels'] == n
    assert theirs['features'] == pytest.approx(ours['features'], abs=0.0021) and theirs['words'] == pytest.approx(ours['words'], abs=0.0021)
    head = LogisticRegression(C=10, tol=1e-8, max_iter=5000).fit(x[drawn], y[drawn])
    ((*counts, bias),) = call_js(CODE, [['learn', [(x[drawn] @ x[drawn].T).tolist(), y[drawn].tolist()]]])
    np.testing.assert_allclose(x @ (np.array(counts) @ x[drawn]) + bias, head.decision_function(x), atol=1e-3)


def test_words_are_weighed_as_scikit_learn_does():
    texts = ['A fine, fine film: fine!', 'no film at all', 'Über 3d-film, a b', '', 'unheard of']
    made = count_words(TextData(texts[:3], [0, 1, 1], ['x', 'y']))[0]
    names = made.get_feature_names_out()
    (theirs,) = call_js(CODE + '\nexport function asLists(texts, n) { return weighed(texts, n).map(m => [...m]); }', [['asLists', [texts, 3]]])
    for row, ours in zip(theirs, made.transform(texts).toarray(), strict=True):
        assert dict(row) == pytest.approx({name: v for name, v in zip(names, ours) if v})


def test_labels_of_one_kind_teach_nothing(pool):
    assert call_js(CODE, [['measured', [pool[0].texts, run.unit(pool[1]).tolist(), [[0, 1], [1, 1]], pool[0].labels]]]) == [None]


THEN = """const [opinion, plot] = [1, 0].map(i => host.all('button')[i]), [, , ten, again] = host.all('button'), out = [];
const drawn = () => host.all('path').filter(p => p.at['data-what']).map(p => p.at.d.split('L').length);
const say = () => out.push([state.given.length, host.all('p')[1].textContent, drawn()]);
say(); opinion.onclick(); plot.onclick(); say(); ten.onclick(); say(); for (let i = 0; i < 12; i++) ten.onclick(); say();
out.push([ten.disabled, host.all('p')[0].textContent]); again.onclick(); say();
console.log(JSON.stringify(out))"""


def test_the_curves_grow_with_the_labels():
    view = labelling_view(RECORD).view
    start, two, twelve, full, end, begun = page(Labelling._esm, view, TRAITS, THEN)
    assert [s[0] for s in (start, two, twelve, full, begun)] == [0, 2, 12, 100, 0]
    assert '0 of 10 labels' in start[1] and '2 of 10 labels' in two[1] and 'of the other 590' in twelve[1] and 'of the other 500' in full[1]
    assert twelve[2] == [1, 1] and full[2] == [19, 19] and end == [True, 'That was the 100th label.']


def test_sentences_are_text_and_only_text():
    assert 'innerHTML' not in CODE
    odd = ['<img src=x onerror=alert(1)>', 'مرحبا 😀'] * 10
    state = {'texts': odd, 'told': '01' * 10, 'classes': ['a', 'b'], 'features': b64encode(bytes(range(20))).decode()}
    shown, said = page(
        Labelling._esm,
        Labelling(**state),
        TRAITS,
        'const before = host.all("p")[0].textContent; host.all("button")[2].onclick(); console.log(JSON.stringify([before, host.all("p")[1].textContent]))',
    )
    assert shown == odd[0] and 'of the other 10' in said


def test_the_caption_says_what_is_frozen_and_what_was_measured():
    source, first = labelling_source(RECORD), [r for r in RECORD['draws'] if r['labels'] == 10]
    assert 'frozen' in source and 'not yet stage 3' in source and 'drawn 5 times' in source
    assert f'with 10 labels {100 * np.mean([r["features"] for r in first]):.1f} % against {100 * np.mean([r["words"] for r in first]):.1f}' in source
