"What the widgets share: one module of JavaScript, sliders tied to traits, and text that stays text."

import ipywidgets
import pytest
import traitlets
from javascript import run_js

from ulmfit_nb.course.widgets.base import STATIC, Widget, caption, es_module, rich, slider


def test_files_become_one_module():
    "Nothing is imported from a file that the browser has not got."
    together = es_module('schedules.js', 'svg.js', 'lr_explorer.js')
    assert 'import ' in (STATIC / 'lr_explorer.js').read_text(encoding='utf-8') and 'import ' not in together
    assert together.index('export function stlr') < together.index('export default')
    with pytest.raises(FileNotFoundError, match='nothing.js'):
        es_module('svg.js', 'nothing.js')


def test_a_class_without_files_takes_those_of_the_class_above():
    class Above(Widget, js=('svg.js', 'stream.js')):
        pass

    class Below(Above):
        pass

    assert Below._esm == Above._esm == es_module('svg.js', 'stream.js') and Below._css


def test_a_slider_begins_where_the_trait_is_and_moves_it_in_the_browser(monkeypatch):
    class Counted(Widget, js=('svg.js', 'stream.js')):
        n = traitlets.Int(3).tag(sync=True)

    linked, target = [], Counted()
    monkeypatch.setattr(ipywidgets, 'jslink', lambda *ends: linked.append(ends))
    made = slider(target, 'n', 'how many', 1, 9, step=2)
    assert (made.value, made.min, made.max, made.step, made.description) == (3, 1, 9, 2, 'how many')
    assert linked == [((made, 'value'), (target, 'n'))]


@pytest.mark.parametrize(
    'text, html',
    [('**a** and *b*', '<b>a</b> and <i>b</i>'), ('`p` < 1 & <b>', '<code>p</code> &lt; 1 &amp; &lt;b&gt;'), ('**over\ntwo lines**', '<b>over\ntwo lines</b>')],
)
def test_text_stays_text(text, html):
    assert rich(text) == html and html in caption(text).value


KEPT = """
let width = 500, drawn = 0, seen = () => {};
const host = { get clientWidth() { return width; } }, watching = {};
globalThis.ResizeObserver = class { constructor(f) { seen = f; } observe() {} disconnect() { seen = () => {}; } };
const model = { on: (e, f) => { watching[e] = f; }, off: e => { delete watching[e]; } };
const end = keepDrawn(model, 'change:a', host, () => { drawn++; }), found = [drawn];
watching['change:a'](); found.push(drawn);
width = 400; seen(); found.push(drawn);
seen(); found.push(drawn);
end(); width = 300; seen(); watching['change:a']?.(); found.push(drawn);
console.log(JSON.stringify(found));
"""


def test_a_picture_is_kept_drawn_until_that_is_ended():
    "At once, when the model changes, when the width does, not when it doesn't, and never after the end."
    assert run_js(es_module('svg.js') + KEPT) == [1, 2, 3, 3, 3]
