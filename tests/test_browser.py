"A real JupyterLab in a real browser: every page with a widget runs without an error, its question opens, and its widgets move when their controls do."

import os
import re
from pathlib import Path

import pytest
from browser import ASK, ROOT, RUN_CODE, browser_path, chromium, commit_to, copy_notebook, dead_controls, jupyterlab, open_notebook, run_all
from notebooks import NBS, has_widgets, name_of, read
from test_exercises import LESSONS, exercises_of

EXPLORER = '08_schedules'
SCREENSHOTS = Path(os.environ.get('ULMFIT_NB_SCREENSHOTS', ROOT / 'screenshots'))  # pictures of these pages, for people; git ignores them
THEMES = ['JupyterLab Light'] + ['JupyterLab Dark'] * bool(os.environ.get('ULMFIT_NB_DARK'))


@pytest.fixture(scope='module')
def browser():
    "Without a browser there is nothing to see: a failure in CI, a skip elsewhere."
    path = browser_path()
    if path is None:
        stop = pytest.fail if os.environ.get('CI') == 'true' else pytest.skip
        stop('no browser to test in: playwright is not installed, or there is no /usr/bin/chromium and `playwright install chromium` has not been run')
    with chromium(path) as browser:
        yield browser


@pytest.fixture(scope='module', params=THEMES)
def lab(request, tmp_path_factory):
    "A JupyterLab with every notebook in it, without outputs."
    folder = tmp_path_factory.mktemp('lab')
    for path in NBS:
        copy_notebook(name_of(path), folder, outputs=False)
    with jupyterlab(folder, request.param) as address:
        yield address, request.param.split()[-1].lower()


@pytest.fixture(scope='module')
def page(request, browser, lab):
    "A notebook, run from its first cell to its last."
    address, theme = lab
    with open_notebook(browser, address, f'nbs/{request.param}.ipynb') as page:
        page.errors, page.chapter = run_all(page), request.param
        take_picture(page, f'{request.param}_{theme}')
        yield page
        page.evaluate('() => jupyterapp.shell.currentWidget.sessionContext.shutdown()')


def take_picture(page, name: str):
    "The whole notebook as one picture."
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight + 200")
    size = page.viewport_size
    page.set_viewport_size({'width': size['width'], 'height': min(height, 16_000)})
    page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)")  # a run ends at the last cell
    page.wait_for_timeout(500)
    file = SCREENSHOTS / f'{name}.png'
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
    page.set_viewport_size(size)


every = pytest.mark.parametrize('page', [name_of(p) for p in NBS if has_widgets(read(p))], indirect=True)
asked = pytest.mark.parametrize('page', [name_of(p) for p in LESSONS if any(e['asked'] for e in exercises_of(p))], indirect=True)
explorer = pytest.mark.parametrize('page', [EXPLORER], indirect=True)


@every
def test_every_cell_runs(page):
    assert page.errors == []


def press_right(page, label: str, times: int):
    "Focus the slider with this label, as Tab does, and press an arrow key."
    handle = page.locator('.widget-slider', has_text=label).locator('.noUi-handle')
    handle.focus()
    for _ in range(times):
        handle.press('ArrowRight')


def stlr_curve(page):
    return page.locator('.ulmfit-nb path.stlr[data-name]')


def sees_change(locator, attribute: str, before: str):
    from playwright.sync_api import expect

    expect(locator).not_to_have_attribute(attribute, before)


def python_says(page, code: str, value: str):
    "The kernel's answer becomes `value` in time: a slider's move is on its way for some milliseconds."
    for _ in range(100):
        if (answer := page.evaluate(ASK, code)) == value:
            return
        page.wait_for_timeout(50)
    assert answer == value


@explorer
@pytest.mark.parametrize(
    'label, name, moved', [('cut_frac', 'cut_frac', '0.15'), ('ratio', 'ratio', '37.0'), ('T (steps', 'T', '205'), ('lr_max', 'lr_max', '0.017783')]
)
def test_a_slider_moves_the_curve_and_python_follows(page, label, name, moved):
    before = stlr_curve(page).get_attribute('d')
    press_right(page, label, times=5)
    sees_change(stlr_curve(page), 'd', before)
    python_says(page, f'round(explorer.schedule.{name}, 6)', moved)


@explorer
@pytest.mark.parametrize('label, name, moved', [('factor', 'factor', '2.8'), ('lr (peak', 'lr', '0.012589')])
def test_a_slider_recolours_the_grid_and_python_follows(page, label, name, moved):
    cell = page.locator('.ulmfit-nb rect.cell:not(.frozen)').last  # the embedding, in the last epoch
    before = cell.get_attribute('data-rate')
    press_right(page, label, times=2)
    sees_change(cell, 'data-rate', before)
    python_says(page, f'round(explorer.layers.{name}, 6)', moved)


@explorer
def test_more_epochs_more_columns(page):
    cells, frozen = page.locator('.ulmfit-nb rect.cell'), page.locator('.ulmfit-nb rect.frozen[data-rate]')
    columns = cells.count() // 5
    press_right(page, 'epochs', times=1)
    python_says(page, 'explorer.layers.epochs', str(columns - 3))
    assert (cells.count(), frozen.count()) == (5 * (columns + 1), 4 + 3 + 2 + 1)


@explorer
def test_python_moves_the_slider_and_the_curve(page):
    before = stlr_curve(page).get_attribute('d')
    page.evaluate(ASK, 'explorer.schedule.set_trait("cut_frac", 0.5)')
    sees_change(stlr_curve(page), 'd', before)


@explorer
def test_sliders_stand_beside_their_picture(page):
    "So that both are seen at once on a screen of 1280 x 800."
    beside = """() => [...document.querySelectorAll('.widget-slider + .ulmfit-nb')].map(picture => {
        const slider = picture.previousElementSibling.getBoundingClientRect(), box = picture.getBoundingClientRect();
        return slider.right <= box.left + 1 && box.top < slider.bottom;
    })"""
    assert page.evaluate(beside) == [True, True]


@explorer
def test_long_lines_of_code_are_wrapped(page):
    "As `make lab` has it: at the edge of a cell a comment would be cut off."
    wide = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputArea .cm-scroller')].filter(e => e.scrollWidth > e.clientWidth + 1).length"""
    assert page.evaluate(wide) == 0


# After those of the explorer, which count from where its sliders stand at first.
@every
def test_every_control_moves_its_picture(page):
    assert dead_controls(page) == []


@every
def test_the_answer_opens_on_committing(page):
    question = page.locator('.predict')
    for i in range(question.count()):
        assert page.locator('.predict').nth(i).locator('.answer').count() == 0, 'the answer is to be seen before a choice was made'
        assert len(commit_to(page, page.locator('.predict').nth(i)).split()) > 5


@every
def test_figures_have_the_text_of_their_cells(page):
    "JupyterLab gives them none; the extension that `ulmfit-nb lab` brings along does."
    told = [line for c in read(ROOT / f'nbs/{page.chapter}.ipynb').cells for line in figure_texts(c)]
    page.wait_for_function("() => ![...document.querySelectorAll('.jp-RenderedImage img')].some(i => !i.alt)")
    assert page.locator('.jp-RenderedImage img').evaluate_all('images => images.map(i => i.alt)') == told


def figure_texts(cell) -> list[str]:
    "The texts of a cell's figures."
    found = re.search(r'^#\| fig-alt: (.*)', cell.source, re.M)
    return [found[1].strip('"')] * sum('image/png' in o.get('data', {}) for o in cell.get('outputs', [])) if found else []


NUMBER = re.compile(r'-?\d[\d,]*\.?\d*')


def numbers(text: str) -> list[float]:
    return [float(n.replace(',', '')) for n in NUMBER.findall(text)]


# Last, for the solutions leave names of their own in the kernel.
@asked
def test_solutions_print_what_they_say(page):
    "A figure in a solution is what the solution gives, asked at the end of its chapter; to a tenth, for training differs a little from machine to machine."
    for exercise in exercises_of(ROOT / f'nbs/{page.chapter}.ipynb'):
        if exercise['asked']:
            found, said = page.evaluate(RUN_CODE, exercise['solution'] + '\n' + exercise['asked']), exercise['printed']
            assert NUMBER.sub('', found).split() == NUMBER.sub('', said).split(), f'it printed:\n{found}'
            assert numbers(found) == pytest.approx(numbers(said), rel=0.1), f'it printed:\n{found}'


def test_the_saved_notebook_is_alive_without_running_it(browser, tmp_path):
    "The widget's state is stored in the notebook: its slider moves the curve though no cell was run."
    path = copy_notebook(EXPLORER, tmp_path)
    with jupyterlab(tmp_path) as address, open_notebook(browser, address, path) as page:
        before = stlr_curve(page).get_attribute('d')
        press_right(page, 'cut_frac', times=3)
        sees_change(stlr_curve(page), 'd', before)
        assert 'NameError' in page.evaluate(ASK, 'explorer')
        chains = "() => [...document.querySelectorAll('.jupyter-widgets-disconnected')].filter(e => getComputedStyle(e, '::before').content !== 'none').length"
        assert page.evaluate(chains) == 0, 'broken chains, which say that nothing here works'
        assert page.locator('.jp-RenderedImage img').count() == page.locator('.jp-RenderedImage img[alt]').count() > 3
