"The surprisal view: what the browser works out is what Python works out, and nothing in a text is read as HTML."

import json
import math

import numpy as np
import pytest
import torch
from javascript import PARTS, page, run_js

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.surprisal import SurprisalView, surprisal_view
from ulmfit_nb.interpretation import surprisal
from ulmfit_nb.tokenization import Tokenizer, Vocab

TEXT = 'A fine cast, and <b>no</b> film. I liked the cast; nobody liked the film.'


@pytest.fixture(scope='module')
def models():
    torch.manual_seed(0)
    words = [Tokenizer()(TEXT.replace('liked', 'saw')), Tokenizer()('A fine film, and I liked it.')]
    vocabs = [Vocab.build([w], min_freq=1) for w in words]
    return {name: (LanguageModel(AWDLSTMConfig(len(v), 8, 12, 2)), v) for name, v in zip(('before', 'after'), vocabs)}


@pytest.fixture(scope='module')
def view(models):
    return surprisal_view(TEXT, models).view


def test_the_data_are_those_of_surprisal(view, models):
    for run, (name, model) in zip(view.runs, models.items(), strict=True):
        found = surprisal(*model, TEXT)
        assert run['name'] == name and view.tokens == found.tokens and run['known'] == found.known.tolist()
        np.testing.assert_allclose(np.array(run['bits']) * math.log(2), found.nats, atol=1e-3)
        assert [[w for w, _ in g] for g in run['guesses']] == [[w for w, _ in g] for g in found.guesses]


def test_javascript_agrees_with_python(view, models):
    code = es_module('words.js', 'surprisal.js')
    runs = json.dumps(view.runs)
    theirs = run_js(f'{code}\nconst r = {runs}; console.log(JSON.stringify([r.map(x => perplexity(x.bits)), saved(...r), common(...r).map(perplexity)]))')
    a, b = (surprisal(*m, TEXT) for m in models.values())
    both = a.known & b.known
    assert 0 < both.sum() < len(both)
    np.testing.assert_allclose(theirs[0], [a.perplexity, b.perplexity], rtol=1e-3)
    np.testing.assert_allclose([np.nan if x is None else x for x in theirs[1]], np.where(both, (a.nats - b.nats) / math.log(2), np.nan), atol=2e-3)
    np.testing.assert_allclose(theirs[2], [np.exp(s.nats[both].mean()) for s in (a, b)], rtol=1e-3)


def test_no_word_in_common():
    run = {'name': 'x', 'bits': [1.0], 'known': [False], 'guesses': [[]]}
    assert 'share no word' in run_js(f'{es_module("words.js", "surprisal.js")}\nconsole.log(JSON.stringify(summary({json.dumps([run, run])}, 2)))')


def test_long_texts_are_cut_to_what_a_page_can_carry(models):
    view = surprisal_view(TEXT * 80, models, max_tokens=400).view
    assert len(view.tokens) == len(view.runs[1]['guesses']) == 400
    assert len(json.dumps(view.get_state()['runs'])) < 200_000


def test_one_model_is_enough(models):
    assert len(surprisal_view(TEXT, {'only': models['after']}).view.runs) == 1


TRAITS = ('tokens', 'runs', 'shown', 'at')


def test_choosing_recolours_and_changes_the_figures(view):
    out = page(
        SurprisalView._esm,
        view,
        TRAITS,
        PARTS
        + 'const out = [];\nfor (const i of [0, 1, 2]) { radio[i].onchange(); out.push([words.map(w => w.style.background), host.all("p")[0].textContent]); }\n'
        'console.log(JSON.stringify({ out, shown: state.shown }))',
    )
    colours, figures = zip(*out['out'])
    assert len({tuple(c) for c in colours}) == 3 and len(set(figures)) == 3 and out['shown'] == 2
    assert 'both models know' in figures[2] and f'over {len(view.tokens)} tokens' in figures[0]


def test_arrow_keys_walk_through_the_words_and_show_the_guesses(view):
    out = page(
        SurprisalView._esm,
        view,
        TRAITS,
        PARTS
        + """const press = key => row.onkeydown({ key, preventDefault() {} });
        const heads = () => host.all('div').filter(d => d.at.class === 'faint').map(d => d.textContent);
        const out = [];
        for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'End', 'ArrowRight', 'Home']) {
          press(key);
          out.push([words.indexOf(focused), state.at, heads()[0]]);
        }
        const stops = words.filter(w => w.tabIndex === 0).length;
        console.log(JSON.stringify({ out, stops, keys: [...words, ...radio].filter(n => n.at['data-lm-suppress-shortcuts']).length }))""",
    )
    last = len(view.tokens) - 1
    assert [(at, seen) for at, seen, _ in out['out']] == [(i, i) for i in (1, 2, 1, last, last, 0)]
    assert all(f'“{view.tokens[at]}”' in head for at, _, head in out['out'])
    assert out['stops'] == 1 and out['keys'] == len(view.tokens) + 3  # else x cuts the cell in JupyterLab


def test_every_word_says_its_figure_and_its_guesses_to_a_screen_reader(view):
    labels = page(SurprisalView._esm, view, TRAITS, PARTS + 'console.log(JSON.stringify(words.map(w => w.at["aria-label"])))')
    for label, token, guesses in zip(labels, view.tokens, view.runs[0]['guesses'], strict=True):
        assert label.startswith(f'{token}: ') and guesses[0][0] in label


def test_nothing_is_read_as_html():
    for name in ('words.js', 'surprisal.js', 'pooling.js', 'own_data.js'):
        code = es_module(name)
        assert 'innerHTML' not in code and 'insertAdjacentHTML' not in code
