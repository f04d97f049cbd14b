"The pooling view: its sums are those of Python, and each choice colours the words anew."

import json

import numpy as np
import pytest
import torch
from javascript import PARTS, page, run_js

from ulmfit_nb.awd_lstm import AWDLSTMConfig
from ulmfit_nb.classifier import Classifier, PoolingClassifier
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.pooling import PoolingView, pooling_view
from ulmfit_nb.interpretation import contributions, pooling_winners
from ulmfit_nb.tokenization import Tokenizer, Vocab

TEXT = 'A fine cast, and no <i>film</i>. I liked the cast; nobody liked the film.'
TRAITS = ('tokens', 'wins', 'parts', 'cls', 'start', 'probability', 'shown', 'at')


@pytest.fixture(scope='module')
def classifier():
    torch.manual_seed(0)
    vocab = Vocab.build([Tokenizer()(TEXT)], min_freq=1)
    model = PoolingClassifier(AWDLSTMConfig(len(vocab), emb_sz=10, n_hid=14, n_layers=2), 3)
    model.head.layers[0].running_mean.uniform_(-0.2, 0.2)
    model.head.layers[4].bias.data.uniform_(-1, 1)
    return Classifier(model, vocab, ['<neg>', 'so so', 'pos'])


@pytest.fixture(scope='module', params=[None, 'pos'])
def view(classifier, request):
    return pooling_view(classifier, TEXT, request.param).view


def test_javascript_agrees_with_python(view, classifier):
    found = contributions(classifier, TEXT, view.cls)
    code = es_module('words.js', 'svg.js', 'pooling.js')
    totals, each, bars = run_js(
        f'{code}\nconst parts = {json.dumps(view.parts)}, wins = {json.dumps(view.wins)};\n'
        f'console.log(JSON.stringify([by_part(parts), VIEWS.map(v => values(v, wins, parts)), steps({view.start}, by_part(parts))]))'
    )
    np.testing.assert_allclose(totals, list(found.by_part().values()), atol=1e-3)
    wins = pooling_winners(classifier, TEXT).wins
    for theirs, ours in zip(each, [wins, *found.parts.T, found.parts.sum(1)], strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-4)
    assert bars[-1][2] == pytest.approx(found.margin, abs=1e-3) and all(a[2] == b[1] for a, b in zip(bars[:3], bars[1:4]))


def test_the_class_in_question(classifier):
    assert pooling_view(classifier, TEXT).view.cls == classifier.predict([TEXT])[0]
    view = pooling_view(classifier, TEXT, 'so so').view
    assert view.probability == pytest.approx(classifier.predict_proba([TEXT])[0, 1], abs=1e-6)
    with pytest.raises(ValueError, match='not among the classes'):
        pooling_view(classifier, TEXT, 'good')


def test_choosing_a_part_recolours_the_words(view):
    out = page(
        PoolingView._esm,
        view,
        TRAITS,
        PARTS + 'const out = radio.map(r => { r.onchange(); return [state.shown, words.map(w => w.style.background)]; }); console.log(JSON.stringify(out))',
    )
    assert [shown for shown, _ in out] == ['wins', 'last', 'max', 'mean', 'all'] and len({tuple(c) for _, c in out}) == 5


def test_arrow_keys_give_a_words_figures(view):
    out = page(
        PoolingView._esm,
        view,
        TRAITS,
        PARTS
        + """const panel = host.all('div').find(d => d.className === 'panel low');
        const out = ['ArrowRight', 'ArrowRight', 'End'].map(key => { row.onkeydown({ key, preventDefault() {} }); return panel.textContent; });
        console.log(JSON.stringify({ out, bars: host.all('rect').length, label: host.all('svg')[0].at['aria-label'] }))""",
    )
    for i, text in zip((1, 2, len(view.tokens) - 1), out['out']):
        assert f'“{view.tokens[i]}”' in text and f'won {view.wins[i]} of 10 features' in text
    assert out['bars'] == 5 and view.cls in out['label']
