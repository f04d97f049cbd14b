"The microscope: it shows what the rules do to a text, in Python and in the browser."

import json
import re

from helpers import WORDY
from hypothesis import given, settings
from javascript import run_js

from ulmfit_nb.course.widgets.base import STATIC, es_module
from ulmfit_nb.course.widgets.microscope import LONGEST, microscope, microscope_steps
from ulmfit_nb.tokenization import RULES, Tokenizer, Vocab

TOK = Tokenizer()


def steps_of(text, vocab=None):
    return microscope_steps(text, vocab or Vocab.build([TOK('the film was great')], 1))


@settings(max_examples=25, deadline=None)
@given(WORDY)
def test_the_microscope_shows_what_the_rules_do(text):
    steps, now = steps_of(text), text
    assert [s['name'] for s in steps] == ['your text', *(r.__name__ for r in RULES), 'decoding']
    for step, rule in zip(steps[1:-1], RULES):
        before, now = now, rule(now)
        for pieces, whole_text in ((step['before'], before), (step['after'], now)):
            assert ''.join(p for p, _ in pieces) == whole_text
        kept = [''.join(p for p, changed in step[k] if not changed) for k in ('before', 'after')]
        assert kept[0] == kept[1] and step['changed'] == (before != now)
    for step in steps[-2:]:
        assert [t for t, *_ in step['tokens']] == TOK(text)


def test_the_microscope_marks_unknown_words():
    last = steps_of('GREAT Zebulon')[-1]
    assert last['tokens'][:3] == [['xxbos', 2, 'mark'], ['xxup', 7, 'mark'], ['great', 12, '']] and last['tokens'][-1] == ['zebulon', 0, 'unknown']
    assert last['count'] == '5 tokens, 1 of them unknown' and ['GREAT xxunk', False] not in last['before']


def test_typing_moves_the_microscope():
    box = microscope(Vocab.build([TOK('the film')], 1))
    box.area.value = 'The FILM'
    assert box.picture.text == 'The FILM' and [t for t, *_ in box.picture.steps[0]['tokens']] == ['The', 'FILM']
    box.area.value = 'a ' * LONGEST
    assert len(box.picture.steps[0]['tokens']) <= LONGEST and 'first 1000' in box.picture.steps[0]['what']
    box.area.value = ''
    assert box.picture.steps[-1]['tokens'] == [['xxbos', 2, 'mark']]


DOM = """
class Node {
  constructor(tag) { this.tag = tag; this.children = []; this.own = ''; this.attrs = {}; this.classList = { add: () => {} }; }
  setAttribute(k, v) { this.attrs[k] = String(v); }
  append(node) { this.children.push(node); }
  replaceChildren() { this.children = []; }
  set textContent(t) { this.own = t; }
  get textContent() { return this.own + this.children.map(c => c.textContent).join(''); }
  find(tag) { return this.children.flatMap(c => [...(c.tag === tag ? [c] : []), ...c.find(tag)]); }
}
globalThis.document = { createElement: tag => new Node(tag) };
class Model {
  constructor(state) { this.state = state; this.heard = {}; }
  get(k) { return this.state[k]; }
  set(k, v) { this.state[k] = v; (this.heard[`change:${k}`] ?? (() => {}))(); }
  on(k, f) { this.heard[k] = f; }
  off() {}
  save_changes() {}
}
"""


def drawn(state: dict, moves: list[int]) -> list[dict]:
    "What microscope.js draws for a state, after each of its radio buttons in `moves` was chosen, in the least of a page."
    code = es_module('microscope.js').replace('export default', 'const widget =') + DOM
    code += f"""
const model = new Model({json.dumps(state)}), host = new Node('div'), out = [];
const stop = widget.render({{ model, el: host }});
for (const i of {json.dumps(moves)}) {{
  const radios = host.find('input');
  radios[i].onchange();
  const chips = host.find('li').map(li => [li.children[0].textContent, li.children[1].textContent, li.attrs.class]);
  const changed = tag => host.find(tag).map(n => n.textContent);
  const keys = radios.every(r => r.attrs['data-lm-suppress-shortcuts']), checked = radios.map(r => r.checked);
  out.push({{ chips, del: changed('del'), ins: changed('ins'), checked, keys, tags: host.find('b').length, text: host.textContent }});
}}
stop();
console.log(JSON.stringify(out));
"""
    return run_js(code)


def test_the_browser_draws_what_python_found():
    text = 'A GREAT  film<br /> <b>for</b> the\n\nweird!!!'
    steps = steps_of(text)
    moves = [3, 0, *range(len(steps))]
    shown = drawn({'steps': steps, 'step': 0, 'text': text, 'typed': text}, moves)
    for i, it in zip(moves, shown):
        signs = [t.replace('\n', '↵').replace('▁', '␣') for t, *_ in steps[i]['tokens']]
        ids = [f'{n} xxunk' if kind == 'unknown' else str(n) for _, n, kind in steps[i]['tokens']]
        assert it['chips'] == [list(c) for c in zip(signs, ids, (kind for *_, kind in steps[i]['tokens']))]
        for tag, key in (('del', 'before'), ('ins', 'after')):
            assert it[tag] == [p.replace('\n', '↵\n') for p, changed in steps[i][key] if changed]
        assert it['checked'] == [j == i for j in range(len(steps))] and steps[i]['count'] in it['text']
    assert all(it['keys'] for it in shown), 'JupyterLab would take the arrow keys'
    assert '<b>for</b>' in shown[1]['text'] and shown[1]['tags'] == 1, 'what was typed must be shown as text, and not be read as HTML'


def test_the_browser_reads_nothing_as_html():
    assert not re.search('innerHTML|outerHTML|insertAdjacent', (STATIC / 'microscope.js').read_text(encoding='utf-8'))
