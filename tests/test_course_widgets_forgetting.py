"The forgetting widget: what JavaScript reckons is what Python does, and the picture shows the point that is chosen."

import json
import math

import numpy as np
import pytest
from javascript import call_js
from notebooks import ROOT

from ulmfit_nb.course.forgetting import baseline_plans, phase_starts, point_before
from ulmfit_nb.course.records import read_records
from ulmfit_nb.course.widgets.base import caption, es_module
from ulmfit_nb.course.widgets.forgetting import forgetting_source, forgetting_view

GROUPS = ['embedding', 'lstm 1', 'lstm 2', 'head']

# As much of a browser as the picture needs: elements that keep their attributes, text and children.
DOM = """
class Node {
  constructor(tag) { Object.assign(this, { tag, attrs: {}, children: [], textContent: '', classList: { add() {} } }); }
  setAttribute(k, v) { this.attrs[k] = String(v); }
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }
  set innerHTML(text) { throw new Error('text is read as HTML'); }
}
globalThis.document = { createElementNS: (_, tag) => new Node(tag) };
const flat = node => [{ tag: node.tag, ...node.attrs, text: node.textContent }, ...node.children.flatMap(flat)];
export function picture(values) {
  const host = new Node('div');
  render({ model: { get: k => values[k], on() {}, off() {} }, el: host });
  return flat(host);
}
"""


def javascript(calls: list) -> list:
    "What the widget's own module answers to (function, arguments) calls."
    return call_js(es_module('svg.js', 'forgetting.js') + DOM, calls)


class TenBatches:
    def n_batches(self, epoch):
        return 10


def made_up(every=4, seed=0) -> dict:
    "A record in the form that runs/forgetting.py writes."
    rng, runs = np.random.default_rng(seed), []
    for name, (plan, _) in baseline_plans(GROUPS, epochs=2).items():
        steps = [*range(0, 50, every), 50]
        points = [{'step': s, 'accuracy': None if s == 0 else float(rng.uniform(0.4, 0.9)), 'perplexity': float(rng.uniform(40, 900))} for s in steps]
        runs.append({'name': name, 'phases': phase_starts(plan, TenBatches()), 'points': points})
    return {'data': 'imdb', 'labels': 500, 'valid': 1000, 'tokens': 20_000, 'date': '2026-01-02', 'command': 'bash runs/forgetting.sh', 'runs': runs}


RECORDS = [made_up(), made_up(7, 1), *read_records(ROOT / 'results', 'forgetting').values()]


@pytest.mark.parametrize('record', RECORDS)
def test_where_a_run_stands_is_the_same_in_both_languages(record):
    for run in record['runs']:
        steps = range(run['points'][-1]['step'] + 3)
        for step, theirs in zip(steps, javascript([('point_at', (run, s)) for s in steps])):
            ours = point_before(run, step)
            assert theirs.pop('times') == pytest.approx(ours.pop('times'), rel=1e-12)
            assert theirs == ours, step


def test_a_point_belongs_to_the_phase_whose_steps_led_to_it():
    run = made_up(every=5)['runs'][0]
    assert [p['start'] for p in run['phases']] == [0, 10, 20, 30]
    awake = {s: point_before(run, s)['awake'] for s in (0, 5, 10, 15, 20, 30, 35, 50)}
    assert [len(awake[s]) for s in awake] == [1, 1, 1, 2, 2, 3, 4, 4]


def test_standard_errors_and_ticks():
    ps = [0.0, 0.5, 0.91, 1.0]
    found = javascript([('standard_error', (p, n)) for p in ps for n in (1, 120, 1000)])
    np.testing.assert_allclose(found, [math.sqrt(p * (1 - p) / n) for p in ps for n in (1, 120, 1000)], rtol=1e-12)
    assert javascript([('log_ticks', (60, 800)), ('log_ticks', (9, 11)), ('log_ticks', (0.4, 3))]) == [[100, 200, 500], [10], [0.5, 1, 2]]
    assert javascript([('tenths', ([0.51, 0.79],)), ('tenths', ([0.5, 0.8],)), ('tenths', ([0.6],))]) == [[5, 8], [5, 8], [6, 6]]


def values_of(view) -> dict:
    return {k: getattr(view, k) for k in ('runs', 'valid', 'shown', 'at')}


@pytest.mark.parametrize('record', RECORDS)
def test_the_picture_shows_the_chosen_point(record):
    view = forgetting_view(record).view
    for shown, run in enumerate(view.runs):
        cases = [values_of(view) | {'shown': shown, 'at': at} for at in range(len(run['points']))]
        for point, nodes in zip(run['points'], javascript([('picture', (c,)) for c in cases])):
            markers = [n for n in nodes if n['tag'] == 'circle']
            assert [m['data-what'] for m in markers] == ['accuracy'] * (point['step'] > 0) + ['perplexity']
            assert all(f'plan{shown}' in m['class'] for m in markers)
            words = [str(n['text']) for n in nodes if n['tag'] == 'text']
            assert f'after step {point["step"]}' in words and run['name'] in words
            at, groups = point_before(run, point['step']), run['phases'][-1]['groups']
            assert [w for w in words if w.endswith(' learns')] == [f'{g} learns' for g in reversed(groups) if g in at['awake'] and point['step']]
            assert f'{at["times"]:.2f} times that before' in words
            svg = next(n for n in nodes if n['tag'] == 'svg')
            assert svg['role'] == 'img' and f'{run["name"]}, after step {point["step"]}:' in svg['aria-label']
            numbers = [float(n[k]) for n in nodes for k in ('x', 'y', 'cx', 'cy', 'x1', 'x2', 'y1', 'y2') if k in n]
            assert all(0 <= x <= 760 for x in numbers), 'all of it lies within the frame'


def test_short_and_odd_records_are_drawn_too():
    point = {'step': 0, 'accuracy': None, 'perplexity': 50.0}
    run = {'name': '<b>one</b> & only', 'phases': [{'groups': ['head'], 'lrs': [0.1], 'epochs': 1, 'start': 0}], 'points': [point]}
    for points in ([point], [point, {'step': 3, 'accuracy': 0.6, 'perplexity': 50.0}]):
        view = forgetting_view({'data': 'imdb', 'labels': 2, 'valid': 3, 'tokens': 4, 'runs': [run | {'points': points}]}).view
        (nodes,) = javascript([('picture', (values_of(view) | {'at': 99, 'shown': 5},))])
        assert 'NaN' not in json.dumps(nodes) and 'Infinity' not in json.dumps(nodes)
        assert run['name'] in [n['text'] for n in nodes]
    with pytest.raises(ValueError, match='no runs in this record'):
        forgetting_view({'data': 'imdb', 'runs': []})


def test_of_several_seeds_the_first_is_shown():
    seeds = [made_up(seed=seed)['runs'] for seed in range(3)]
    view = forgetting_view(made_up() | {'runs': [run for runs in seeds for run in runs]}).view
    assert [(run['name'], run['points']) for run in view.runs] == [(run['name'], run['points']) for run in seeds[0]]


def test_the_controls_are_tied_to_the_picture():
    record = made_up()
    box = forgetting_view(record)
    plans, step = box.children[:2]
    assert list(plans.options) == [r['name'] for r in record['runs']] and plans.index == box.view.shown == 0
    assert step.options[-1] == 50 == step.value and box.view.at == step.index == len(record['runs'][0]['points']) - 1
    assert len(json.dumps(values_of(box.view))) < 50_000


def test_the_caption_says_what_the_record_is_worth():
    record = made_up()
    source = forgetting_source(record)
    assert '500 labels of `imdb`' in source and '`bash runs/forgetting.sh`' in source and source.endswith('20,000 tokens. One seed.')
    assert forgetting_source(record | {'seeds': 5, 'language': 'wikipedia'}).endswith('20,000 tokens of `wikipedia`. The first of 5 seeds.')
    assert forgetting_source({k: v for k, v in record.items() if k != 'command'}).startswith('Measured in this notebook')
    assert '<script>' not in caption(forgetting_source(record | {'command': '<script>'})).value
