"""A widget on the site and a model in its page: fetched on a click, from this site alone, kept, and asked what Python would be asked. Whatever goes wrong, a
sentence says so, and the page lives on."""

import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import page_model
import pytest
import widget_pages
from notebooks import ROOT
from test_static_widgets import RENEWED, browser  # noqa: F401

from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.course.widgets.microscope import microscope_steps
from ulmfit_nb.course.widgets.pooling import pooling_view
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Tokenizer

WIDGETS = {w.classes[0]: w for w in RENEWED.values() if w.classes and w.classes[0] in page_model.ANSWERS}
WEIGHTS = 'model/film-small/model.safetensors'
LIVES_ON = 'A film &amp; <img src=x onerror="document.title=1"> 😀 مرحبا!'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope='module')
def lm(tiny_lm, tmp_path_factory):
    "A model in int8, which the site takes for the one that ships."
    return save_pretrained(tiny_lm, tmp_path_factory.mktemp('shipped') / 'film-small', weights='int8')


@pytest.fixture(scope='module')
def classifier(tiny_classifier, tmp_path_factory):
    return save_pretrained(tiny_classifier, tmp_path_factory.mktemp('shipped') / 'film-subjectivity', weights='int8')


@pytest.fixture
def site(lm, classifier, tmp_path, monkeypatch):
    "A site of one page for each widget: its address, and its folder."
    monkeypatch.setattr(page_model, 'pretrained_models', lambda: {'film-small': lm, 'film-subjectivity': classifier})
    page_model.write(tmp_path / 'model')
    (tmp_path / 'player.js').write_bytes((ROOT / 'site/player.js').read_bytes())
    for name, widget in WIDGETS.items():
        html = f'<!doctype html><meta charset="utf-8"><script src="player.js" defer></script>{widget_pages.as_html(widget, {})}'
        (tmp_path / f'{name}.html').write_text(html, encoding='utf-8')
    server = ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}', tmp_path
    server.shutdown()


@pytest.fixture
def page(browser):  # noqa: F811
    with browser.new_page() as page:
        page.faults, page.asked = [], []
        page.set_default_timeout(20_000)
        page.on('pageerror', lambda e: page.faults.append(str(e)))
        page.on('request', lambda r: page.asked.append(r.url))
        yield page
        assert page.faults == []


def load(page, site, kind):
    "Open a widget's page and load the model."
    page.goto(f'{site[0]}/{kind}.html')
    page.click('.page-model button')
    page.wait_for_selector('.page-model :text("nothing is sent anywhere")')


def said(page, *parts: str):
    "Wait until the row below a widget says this."
    page.wait_for_function('parts => parts.every(p => document.querySelector(".page-model").innerText.includes(p))', arg=list(parts))


def words_of(page) -> list[str]:
    return page.locator('.stage .word').all_inner_texts()


def test_nothing_is_fetched_before_a_click_and_all_of_it_from_here(page, site):
    page.goto(f'{site[0]}/Generation.html')
    page.wait_for_selector('.page-model button')
    assert not [u for u in page.asked if '/model/' in u] and 'MB' in page.inner_text('.page-model')
    load(page, site, 'Generation')
    assert {u.split('/')[2] for u in page.asked if u.startswith('http')} == {site[0].split('/')[2]}
    assert [u for u in page.asked if WEIGHTS in u]


def test_a_typed_text_is_coloured(page, site, lm):
    load(page, site, 'SurprisalView')
    page.fill('.page-model textarea', LIVES_ON)
    page.click('.page-model button:text("Colour it")')
    tokens = Tokenizer()(LIVES_ON)[1:]
    page.wait_for_function(f'() => document.querySelectorAll(".stage .word").length === {len(tokens)}')
    assert words_of(page) == tokens and page.locator('.stage img').count() == 0 and page.title() == ''
    assert f'over {len(tokens)} tokens' in page.inner_text('.stage .figures')


HUGE = f'{LIVES_ON} ' * 2500  # 150 KB


@pytest.mark.parametrize('kind, press, words', [('SurprisalView', 'Colour it', 400), ('ThreeStages', 'Colour it', 400), ('PoolingView', 'Judge it', 400)])
def test_a_text_of_100_kb_is_cut_and_the_page_says_so(page, site, kind, press, words):
    load(page, site, kind)
    before = len(words_of(page)) if kind == 'ThreeStages' else 0
    page.fill('.page-model textarea', HUGE)
    page.click(f'.page-model button:text("{press}")')
    said(page, 'Only the first 400 tokens were read.')
    assert len(words_of(page)) == before + words and page.title() == ''


def test_a_prompt_of_100_kb_is_cut_by_its_field(page, site):
    load(page, site, 'Generation')
    before = page.inner_text('.stage .written')
    page.locator('.stage input[type=text]').focus()
    page.keyboard.insert_text(HUGE)
    page.click('.stage button')
    page.wait_for_function('before => document.querySelector(".stage .written").innerText !== before', arg=before)
    assert 290 < len(page.input_value('.stage input[type=text]')) <= 300 and page.title() == ''


def test_what_takes_long_can_be_stopped(page, site):
    load(page, site, 'SurprisalView')
    page.fill('.page-model textarea', HUGE)
    page.evaluate("""() => {
        let now = 0;
        performance.now = () => now += 100;   // a model so small would be done before anybody could stop it
        document.querySelector('.page-model form').requestSubmit();
        [...document.querySelectorAll('.page-model button')].find(b => b.textContent === 'Stop').click(); }""")
    said(page, 'Stopped.')


@pytest.mark.parametrize('kind', ['SurprisalView', 'ThreeStages', 'PoolingView'])
def test_a_text_without_words(page, site, kind):
    load(page, site, kind)
    before = words_of(page)
    page.fill('.page-model textarea', ' \n ')
    page.click('.page-model form button')
    said(page, 'There is no word in this text.')
    assert words_of(page) == before


def test_the_microscope_takes_what_is_typed(page, site, lm):
    load(page, site, 'Microscope')
    assert not [u for u in page.asked if WEIGHTS in u], 'it needs no network'
    page.fill('.stage textarea', LIVES_ON)
    page.locator('.stage input[type=radio]').last.check()
    steps = microscope_steps(LIVES_ON, load_lm(lm).vocab)
    assert page.locator('.stage .chips li small').all_inner_texts() == [f'{i} xxunk' if kind == 'unknown' else str(i) for _, i, kind in steps[-1]['tokens']]
    page.fill('.stage textarea', 'so good ' * 200)
    page.locator('.stage input[type=radio]').first.check()
    page.wait_for_selector('.stage :text("Only the first 1000 characters")')


def test_a_sentence_is_judged_and_the_winning_words_shown(page, site, classifier):
    load(page, site, 'PoolingView')
    said(page, ' or '.join(load_classifier(classifier).classes))
    page.fill('.page-model textarea', LIVES_ON)
    page.click('.page-model button:text("Judge it")')
    ours = pooling_view(load_classifier(classifier), LIVES_ON).view
    page.wait_for_function(f'() => document.querySelectorAll(".stage .word").length === {len(ours.tokens)}')
    assert f'Verdict in question: {ours.cls}, probability {ours.probability:.3f}.' in page.inner_text('.stage .figures')
    wins = [label.split(': ')[-1] for label in page.locator('.stage .word').evaluate_all('words => words.map(w => w.getAttribute("aria-label"))')]
    assert wins == [f'{n} features won' for n in ours.wins]


def test_a_sentence_of_ones_own_beside_the_slider(page, site):
    load(page, site, 'ThreeStages')
    before = words_of(page)
    page.fill('.page-model textarea', LIVES_ON)
    page.click('.page-model button:text("Colour it")')
    page.wait_for_selector('.stage :text("the less film-small")')
    assert words_of(page) == before + Tokenizer()(LIVES_ON)[1:] and page.locator('.stage img').count() == 0
    boxes = [page.locator(where).last.bounding_box()['y'] for where in ('.stage .words', '.page-model', '.stage :text("What to look for")')]
    assert boxes == sorted(boxes), 'the answer, what was asked, and only then the caption'
    assert len(page.locator('.stage .written').last.inner_text()) > 10
    page.locator('.stage button').first.click()
    assert page.locator('.stage .word').count() == len(words_of(page)), 'it stays when the slider moves'


def test_the_model_writes_on(page, site):
    load(page, site, 'Generation')
    texts = []
    for prompt in ('a warm and funny', '', LIVES_ON):
        before = page.inner_text('.stage .written')
        page.fill('.stage input[type=text]', prompt)
        page.click('.stage button')
        page.wait_for_function('before => document.querySelector(".stage .written").innerText !== before', arg=before)
        texts.append(page.inner_text('.stage .written'))
    assert texts[0].startswith('a warm and funny ') and len(texts[0].split()) > 20 and len(set(texts)) == 3
    assert page.locator('.stage img').count() == 0


def test_what_was_loaded_once_is_kept(browser, site):  # noqa: F811
    with browser.new_context() as context:
        for gone in (False, True):
            page = context.new_page()
            page.set_default_timeout(20_000)
            if gone:
                (site[1] / WEIGHTS).unlink()
            load(page, site, 'Generation')


SHORT = 'is damaged, or of another version than this page'


@pytest.mark.parametrize(
    'spoil, said_of_it',
    [
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-100]), SHORT),
        (lambda f: (f / WEIGHTS).unlink(), 'is not on this site (404)'),
        (lambda f: (f / 'model/film-small/config.json').write_text('<!doctype html>'), 'config.json is damaged'),
        (lambda f: (f / 'model/film-small/config.json').write_text('7'), 'config.json is damaged'),
        (lambda f: (f / 'model/film-small/vocab.json').write_text('["a"]'), SHORT),
        (lambda f: other_shape(f / 'model/film-small/config.json'), 'of another version than this page'),
        (lambda f: (f / 'model/tokenizer.json').write_text('{"prefix": '), 'tokenizer.json is damaged'),
        (lambda f: (f / 'model/page.js').unlink(), 'The code of the model did not come'),
    ],
    ids='short missing no-json no-object words shape tables code'.split(),
)
def test_what_goes_wrong_is_said_and_can_be_tried_again(page, site, spoil, said_of_it):
    kept = {p: p.read_bytes() for p in site[1].rglob('*') if p.is_file()}
    spoil(site[1])
    page.goto(f'{site[0]}/Generation.html')
    page.click('.page-model button')
    said(page, said_of_it)
    for file, content in kept.items():
        file.write_bytes(content)
    page.click('.page-model button')
    said(page, 'nothing is sent anywhere')


def other_shape(config):
    about = json.loads(config.read_text())
    about['architecture']['n_hid'] += 1
    config.write_text(json.dumps(about))


def test_without_the_model_there_is_no_button(monkeypatch):
    monkeypatch.setattr(page_model, 'pretrained_models', dict)
    assert 'data-answers' not in widget_pages.as_html(WIDGETS['Generation'], {})
