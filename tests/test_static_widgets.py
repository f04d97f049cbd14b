"""On the docs site there is no Python: what a notebook has stored must be enough for its widgets to draw and to move, by the player that the site ships. Where
scripts don't run, a picture or a plain question stands in their place."""

import json

import pictures
import pytest
import widget_pages
from browser import browser_path, chromium
from notebooks import NBS, ROOT, read

PLAYER = (ROOT / 'site/player.js').read_text(encoding='utf-8')
STORED = {w.name: w for path in NBS for found in widget_pages.widgets_of(read(path), widget_pages.page_name(path)).values() for w in found if w.classes}
LIVE = [w for w in STORED.values() if w.lives]
# What the widget shows, but for the controls that the player made: a control must change something else than itself.
LOOK = """() => [...document.querySelectorAll('.stage .ulmfit-nb')]
    .map(e => e.innerHTML + [...e.querySelectorAll('input')].map(i => `${i.value}${i.checked}`)).join()"""
CONTROLS = "() => document.querySelectorAll('.stage :is(input[type=range], input[type=radio]:not(:checked), textarea)').length"
MOVE = """i => {
    const it = document.querySelectorAll('.stage :is(input[type=range], input[type=radio]:not(:checked), textarea)')[i], was = it.value;
    if (it.type === 'radio') return it.click();
    if (it.type === 'range') { it.value = it.max; if (it.value === was) it.value = it.min; } else it.value += ' more';
    it.dispatchEvent(new Event('input', { bubbles: true }));
}"""


@pytest.fixture(scope='module')
def browser():
    path = browser_path()
    if path is None:
        pytest.skip('no browser: tests/test_browser.py says how to get one, and fails for it in CI')
    with chromium(path) as browser:
        yield browser


@pytest.fixture(scope='module')
def page(browser):
    with browser.new_page() as page:
        page.faults = []
        page.on('pageerror', lambda e: page.faults.append(str(e)))
        page.on('request', lambda r: page.faults.append(f'asks for {r.url}') if r.url.startswith('http') else None)
        yield page


def show(page, widget):
    page.faults.clear()
    page.set_content(f'{widget_pages.as_html(widget, {})}<script>{PLAYER}</script>')
    page.wait_for_function("() => !['', 'soon', undefined].includes(document.querySelector('.static-widget').dataset.drawn)")
    page.wait_for_timeout(60)


@pytest.mark.parametrize('widget', LIVE, ids=lambda w: w.name)
def test_a_stored_widget_draws_and_moves(page, widget):
    show(page, widget)
    assert page.faults == [] and page.get_attribute('.static-widget', 'data-drawn') == 'yes'
    assert page.locator('.stage .ulmfit-nb').count() == len(widget.classes) and len(page.inner_text('.stage')) > 20
    dead = []
    for i in range(0 if widget.question else page.evaluate(CONTROLS)):
        show(page, widget)
        before = page.evaluate(LOOK)
        page.evaluate(MOVE, i)
        try:
            page.wait_for_function(f'before => ({LOOK})() !== before', arg=before, timeout=3000)
        except Exception:
            dead.append(i)
    assert page.faults == [] and dead == []


def test_an_answer_opens(page):
    show(page, next(w for w in LIVE if w.question))
    page.locator('.predict input').last.check()
    page.click('.predict button')
    assert len(page.inner_text('.predict .answer')) > 20


def test_controls_are_found(page):
    "The explorer of chapter 08 has seven sliders; a test that finds no controls would say nothing."
    widget = STORED['schedules-lrexplorer']
    show(page, widget)
    assert page.locator('.stage input[type=range]').count() == 7
    assert [m['name'] for m in json.loads(widget.data())['models'].values()].count('LinkModel') == 7


def test_a_slider_says_what_python_would_say(page):
    "Of a slider whose places are powers of ten too."
    show(page, STORED['schedules-lrexplorer'])
    said = dict(zip(page.locator('.control > span').all_inner_texts(), page.locator('.control > output').all_inner_texts()))
    sliders = [m['state'] for m in STORED['schedules-lrexplorer'].models.values() if 'readout_format' in m['state']]
    assert said == {s['description']: format(s['value'], s['readout_format']) for s in sliders}


def test_what_fails_leaves_its_picture(page):
    "A widget whose code breaks shows the picture that scripts would have hidden."
    html = widget_pages.as_html(STORED['dropout-dropout-masks'], widget_pages.texts_of_pictures())
    page.set_content(html.replace('export default', 'throw new Error(); export default') + f'<script>{PLAYER}</script>')
    page.wait_for_selector('.stage img', state='attached')
    assert page.get_attribute('.stage img', 'alt')


@pytest.mark.parametrize('name', ['schedules-lrexplorer', 'schedules-predict'])
def test_without_scripts(browser, tmp_path, name):
    html = widget_pages.as_html(STORED[name], widget_pages.texts_of_pictures())
    file = tmp_path / 'page.html'
    file.write_text(f'<meta charset="utf-8"><base href="{(ROOT / "nbs").as_uri()}/">{html}<script>{PLAYER}</script>', encoding='utf-8')
    with browser.new_page(java_script_enabled=False) as page:
        page.goto(file.as_uri())
        if STORED[name].question:
            assert page.locator('.static-question li').count() == len(STORED[name].question['choices'])
            assert not page.locator('details p').is_visible()
            page.click('summary')
            assert page.locator('details p').is_visible()
        else:
            box = page.locator('.static-picture img').bounding_box()
            assert box['width'] > 600 and box['height'] > 200
            assert page.locator('figcaption').is_visible()


def test_pictures_are_of_what_is_stored():
    "A widget that has changed needs its picture drawn again: make pictures."
    known = widget_pages.texts_of_pictures()
    assert {w.name: w.digest() for w in pictures.wanted()} == {name: k['digest'] for name, k in known.items()}, 'run make pictures'
    assert {f.stem for f in widget_pages.PICTURES.glob('*.png')} == set(known)
    assert max(f.stat().st_size for f in widget_pages.PICTURES.glob('*.png')) <= pictures.LARGEST


def test_widgets_of_another_day_get_todays_code():
    "And nothing else of the notebook changes."
    nb = read(ROOT / 'nbs/08_schedules.ipynb')
    models = nb.metadata.widgets[widget_pages.STORED]['state']
    ours = next(i for i, m in models.items() if widget_pages.class_of(m) == 'Predict')
    pictures.renew(nb)
    models[ours]['state']['_esm'] = 'of yesterday'
    traits = {k: v for k, v in models[ours]['state'].items() if not k.startswith('_')}
    assert pictures.renew(nb) and not pictures.renew(nb)
    assert 'export default' in models[ours]['state']['_esm'] and {k: v for k, v in models[ours]['state'].items() if not k.startswith('_')} == traits


def page_of_the_site(browser, name: str):
    "A page as the site has it, in a browser that may keep things: a sidebar, the widget, a line of code."
    html = f"""<!doctype html><meta charset="utf-8"><nav id="quarto-sidebar"><a href="page.html">this</a><a href="other.html">other</a></nav>
<pre class="sourceCode"><code class="sourceCode"><span>    indented = [a for a in b]</span></code></pre>
{widget_pages.as_html(STORED[name], {})}<script>{PLAYER}</script>"""
    page = browser.new_page()
    page.route('http://site/**', lambda route: route.fulfill(body=html, content_type='text/html; charset=utf-8'))
    page.goto('http://site/page.html')
    page.wait_for_function("() => document.querySelector('.static-widget').dataset.drawn === 'yes'")
    return page


def test_an_answered_question_is_ticked_and_stays_so(browser):
    with browser.new_context() as context:
        page = page_of_the_site(context, 'schedules-predict')
        assert page.locator('.answered').count() == 0
        page.locator('.predict input').last.check()
        page.click('.predict button')
        assert page.locator('nav a').all_inner_texts() == ['this ✓', 'other']
        page.goto('http://site/other.html')
        assert page.locator('nav a').all_inner_texts() == ['this ✓', 'other']


def test_code_that_is_wrapped_keeps_its_indent(browser):
    with browser.new_context() as context:
        line = page_of_the_site(context, 'schedules-predict').locator('pre.sourceCode span')
        assert line.evaluate('e => [e.style.paddingLeft, e.style.textIndent]') == ['6ch', '-6ch']


def test_a_notebook_that_moved_keeps_its_pictures(tmp_path):
    "A new name for what was drawn is a copy; what has changed, or has no file, is drawn."
    known = {'widgets-grid': {'alt': 'a grid', 'digest': 'a'}, 'widgets-lost': {'alt': 'lost', 'digest': 'b'}}
    (tmp_path / 'widgets-grid.png').write_bytes(b'grid')
    asked = [('widgets-grid', 'a'), ('course-widgets-stream-grid', 'a'), ('widgets-grid', 'c'), ('widgets-lost', 'b')]
    assert [pictures.up_to_date(*it, known, tmp_path) for it in asked] == [True, True, False, False]
    assert (tmp_path / 'course-widgets-stream-grid.png').read_bytes() == b'grid' and known['course-widgets-stream-grid']['alt'] == 'a grid'


def test_text_in_a_question_stays_text():
    assert widget_pages.rich('**a** < `b`') == '<b>a</b> &lt; <code>b</code>'
    state = {'m': {'model_name': 'AnyModel', 'state': {'_anywidget_id': 'x.Masks', '_esm': '```</script>$', 'children': []}}}
    data = widget_pages.Stored(state, 'm', 'page').data()
    assert not set('<`$') & set(data) and json.loads(data)['models']['m0']['state']['_esm'] == '```</script>$'
