"""On the docs site there is no Python: what a notebook has stored must be enough for its widgets to draw and to move, by the player that the site ships. Where
scripts don't run, a picture or a plain question stands in their place."""

import json
import re

import pictures
import pytest
import widget_pages
from browser import browser_path, chromium
from notebooks import NBS, ROOT, read

PLAYER = (ROOT / 'site/player.js').read_text(encoding='utf-8')
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


def stored(renew: bool) -> dict:
    "The widgets that notebooks have stored, by name; with the code that they would store today."
    found = {}
    for path in NBS:
        nb = read(path)
        if renew:
            pictures.renew(nb)
        found |= {w.name: w for ws in widget_pages.widgets_of(nb, widget_pages.page_name(path)).values() for w in ws if w.classes}
    return found


STORED, RENEWED = stored(renew=False), stored(renew=True)
LIVE = [w for w in STORED.values() if w.lives]
# What is wrong with the texts that a page shows: outside of it, too small, too pale.
FAULTS = """() => {
    const found = [], parse = c => { const [r, g, b, a = 1] = c.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
    const over = ([r, g, b, a], back) => [r, g, b].map((v, i) => a * v + (1 - a) * back[i]);
    const linear = v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = e => over(parse(getComputedStyle(e).backgroundColor), e.parentElement ? behind(e.parentElement) : [255, 255, 255]);
    const opacity = e => e ? Number(getComputedStyle(e).opacity) * opacity(e.parentElement) : 1;
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
    for (const e of document.querySelectorAll('.stage *')) {
        const says = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join(' '), box = e.getBoundingClientRect();
        if (!says || !box.width || e.tagName === 'title' || e.tagName === 'STYLE') continue;
        const at = getComputedStyle(e), to = e.getScreenCTM?.(), size = parseFloat(at.fontSize) * (to ? Math.hypot(to.a, to.b) : 1);
        if (size < 10.95) found.push(`${size.toFixed(1)} px: ${says.slice(0, 30)}`);
        if ((box.right > innerWidth + 1 || box.left < -1) && !e.closest('.stream')) found.push(`sticks out: ${says.slice(0, 30)}`);
        if (e.style.fill) continue;   // on a cell of its own colour, by which its ink is chosen
        const back = behind(e), [r, g, b, a] = parse(to ? at.fill : at.color), ink = over([r, g, b, a * opacity(e)], back);
        const [pale, dark] = [light(ink), light(back)].sort((x, y) => y - x), contrast = (pale + 0.05) / (dark + 0.05);
        if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(1)}: ${says.slice(0, 30)}`);
    }
    return found;
}"""


def themed(widget, dark: bool) -> str:
    "A page with a widget, in the site's rules and about the colours of its themes."
    rules = re.sub(r'^//.*$', '', (ROOT / 'site/theme.scss').read_text().split('/*-- scss:rules --*/')[1], flags=re.M)
    body = 'background: #222; color: #fff' if dark else 'background: #fff; color: #373a3c'
    style = f'body {{ font: 17px/1.5 system-ui, sans-serif; margin: 0; {body} }} main {{ max-width: 860px; margin: auto; padding: 0 12px }} {rules}'
    return f"""<!doctype html><meta charset="utf-8"><style>{style}</style><body class="{'quarto-dark' if dark else ''}">
<main>{widget_pages.as_html(widget, {})}</main><script>{PLAYER}</script>"""


@pytest.fixture(scope='module')
def renewed():
    "One widget of each kind as it would be stored today."
    kinds = {w.classes[0]: w for w in reversed(RENEWED.values()) if w.lives}  # of a chapter rather than of its own page
    return {w.name: w for w in kinds.values()}


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


def test_an_answer_opens_and_gets_the_focus(page):
    show(page, RENEWED['schedules-predict'])
    page.locator('.predict input').last.check()
    page.click('.predict button')
    assert len(page.inner_text('.predict .answer')) > 20
    assert page.evaluate("() => document.activeElement === document.querySelector('.predict .answer')")


def test_pages_of_all_widths_and_themes(page, renewed):
    "Nothing sticks out, no letter is smaller than 11 pixels, and every text has a contrast of 4.5 to what is behind it."
    faults = {}
    for name, widget in renewed.items():
        page.faults.clear()
        for dark in (False, True):
            page.set_viewport_size({'width': 390, 'height': 800})
            page.set_content(themed(widget, dark))
            page.wait_for_function("() => document.querySelector('.static-widget').dataset.drawn === 'yes'")
            for wide in (390, 1280):
                page.set_viewport_size({'width': wide, 'height': 800})
                page.wait_for_function('wide => innerWidth === wide && document.documentElement.clientWidth <= wide', arg=wide)
                page.wait_for_timeout(120)  # what watches the width draws again
                if found := page.evaluate(FAULTS) + page.faults:
                    faults[name, wide, 'dark' if dark else 'light'] = found[:4]
    assert faults == {}


def test_controls_stand_beside_their_picture_where_there_is_room(page, renewed):
    sides = {}
    for wide in (390, 1280):
        page.set_viewport_size({'width': wide, 'height': 800})
        page.set_content(themed(renewed['schedules-lrexplorer'], False))
        page.wait_for_selector('[data-drawn=yes]')
        boxes = [page.locator(f'.stage {what}').first.bounding_box() for what in ('input[type=range]', 'svg')]
        sides[wide] = boxes[0]['x'] + boxes[0]['width'] <= boxes[1]['x'] and boxes[1]['y'] < boxes[0]['y'] + boxes[0]['height']
    assert sides == {390: False, 1280: True}


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
