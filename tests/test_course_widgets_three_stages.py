"The slider from random weights to a verdict: what is shown is what the record has, at every checkpoint and every width."

import json
import re

import pytest
from javascript import call_js, page
from notebooks import ROOT

from ulmfit_nb.course.palette import ROLES
from ulmfit_nb.course.records import read_records
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.three_stages import ThreeStages, three_stages_source, three_stages_view

CODE = es_module('words.js', 'svg.js', 'three_stages.js')
RECORD = read_records(ROOT / 'results', 'explorable')['explorable']
TRAITS = ('tokens', 'known', 'points', 'about', 'at', 'word', 'own')
LAYERS = ['head', 'lstm 3', 'lstm 2', 'lstm 1', 'embedding']
PARTS = "const slide = host.all('input')[0], words = host.all('span').filter(s => s.at.role === 'option'), p = host.all('p');\n"


@pytest.fixture(scope='module')
def view():
    return three_stages_view(RECORD).view


def at_each(view, look: str):
    "What `look` gives at every checkpoint."
    then = f'{PARTS}const out = state.points.map((_, i) => {{ slide.value = i; slide.oninput(); return {look}; }}); console.log(JSON.stringify(out))'
    return page(ThreeStages._esm, view, TRAITS, then)


def test_the_record_is_small_and_goes_from_nothing_to_a_verdict(view):
    points = RECORD['points']
    stages = list(dict.fromkeys(p['stage'] for p in points))
    assert stages == ['random', 'beginning', 'general', 'film', 'stage 2', 'stage 3'] and 35 <= len(points) <= 45
    assert (ROOT / 'results/explorable.json').stat().st_size < 400_000 and len(json.dumps(view.get_state()['points'])) < 200_000
    assert points[0]['perplexity'] > 10_000 and points[-1]['accuracy'] > 0.7
    assert all(len(p['guesses']) == len(p['bits'].split()) == len(RECORD['tokens']) == len(RECORD['known']) for p in points)


def test_what_is_shown_is_what_the_record_has(view):
    shown = at_each(view, '[p.map(e => e.textContent), words.map(w => [w.style.background, w.at["aria-label"]]), slide.at["aria-valuetext"]]')
    for point, (texts, words, value) in zip(RECORD['points'], shown, strict=True):
        assert point['line'] in texts and value.endswith(f'step {point["step"]}')
        figures = next(t for t in texts if t.startswith('perplexity'))
        assert f'{100 * point["guessed"]:.1f} % of next words' in figures and ('Verdicts right' in figures) == ('accuracy' in point)
        for (fill, label), token, bits, guess in zip(words, RECORD['tokens'], point['bits'].split(), point['guesses'], strict=True):
            assert label.startswith(f'{token}: {bits} bits') and guess.split()[0] in label
            assert float(fill.split(',')[-1].strip(' )')) == pytest.approx(0.72 * min(1, float(bits) / 14), abs=1e-3)


def test_the_layers_are_those_that_learnt(view):
    rows = at_each(view, "host.all('li').filter(l => l.kids[0].at.class === 'name').map(l => l.kids.map(k => k.textContent))")
    for point, layers in zip(RECORD['points'], rows, strict=True):
        assert [name for name, *_ in layers] == LAYERS
        assert [name for name, state, *_ in layers if state == 'learns'] == [g for g in LAYERS if g in point['awake']]
        assert [name for name, state, *_ in layers if state == 'not yet'] == ([] if point['stage'] == 'stage 3' else ['head'])


def test_a_layer_that_learns_has_its_own_colour(view):
    "The one that it has in the figures."
    styles = at_each(view, "host.all('li').map(l => l.kids[2]?.kids[0]?.at.style ?? '').filter(s => s.startsWith('width'))")
    named = {layer for point in styles for style in point for layer in re.findall(r'background: var\(--nb-(\w+)\)', style)}
    assert named == {layer.split()[0] for layer in LAYERS} <= set(ROLES)
    assert [bool(re.search('background', ''.join(point))) for point in styles] == [bool(p['awake']) for p in RECORD['points']]


def test_the_buttons_lead_to_the_end_of_each_stage(view):
    found = page(ThreeStages._esm, view, TRAITS, "console.log(JSON.stringify(host.all('button').map(b => { b.onclick(); return state.at; })))")
    last = {p['stage']: i for i, p in enumerate(RECORD['points'])}
    assert found == list(last.values())


@pytest.mark.parametrize('wide', [280, 330, 760])
def test_the_curves_are_laid_out_for_their_width(view, wide):
    code = f"""{CODE}
{PAGE_SVG}
export function drawn(points, at, wide) {{ const svg = new Node('svg'); curves(svg, points, at, wide); return [svg.at.viewBox, flat(svg)]; }}"""
    ((box, nodes),) = call_js(code, [['drawn', [view.points, len(view.points) - 1, wide]]])
    assert box == f'0 0 {wide} 278'
    xs = [float(n[k]) for n in nodes for k in ('x', 'x1', 'x2', 'cx') if k in n]
    assert 0 <= min(xs) and max(xs) <= wide and {n.get('data-what') for n in nodes if n['tag'] == 'circle'} == {'perplexity', 'guessed', 'accuracy'}
    assert 'NaN' not in json.dumps(nodes)


PAGE_SVG = """
class Node {
  constructor(tag) { Object.assign(this, { tag, at: {}, kids: [] }); }
  setAttribute(k, v) { this.at[k] = String(v); }
  append(...kids) { this.kids.push(...kids); }
}
globalThis.document = { createElementNS: (_, tag) => new Node(tag) };
const flat = node => [{ tag: node.tag, ...node.at, text: node.textContent ?? '' }, ...node.kids.flatMap(flat)];"""


def test_a_sentence_of_ones_own_is_text_and_only_text(view):
    own = {'name': 'film-small', 'tokens': ['<img onerror=1>', 'مرحبا'], 'known': [True, False], 'bits': [3.0, 5.0], 'line': '<b>'}
    own['guesses'] = [[['a', 0.5]], [['b', 0.1]]]
    then = f"model.set('own', {json.dumps(own)}); console.log(JSON.stringify([host.textContent, host.all('img').length]))"
    text, images = page(ThreeStages._esm, view, TRAITS, then)
    assert 'the less film-small, a network that has read Wikipedia and film reviews, expected the word' in text
    assert 'among 16.0 words' in text and 'in a dashed frame it does not know' in text
    assert '<img onerror=1>' in text and images == 0 and 'innerHTML' not in CODE


def test_the_caption_says_where_the_path_jumps():
    source = three_stages_source(RECORD)
    assert '**jumps** to `wiki-small`' in source and f'{RECORD["sentences"]:,} sentences' in source and '`python runs/explorable.py`' in source
