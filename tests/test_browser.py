"A real JupyterLab in a real browser: the chapter runs without an error, and its widget moves when a slider does."

import os

import pytest
from browser import ASK, browser_path, chromium, copy_notebook, jupyterlab, open_notebook, run_all

CHAPTER = '07_schedules'
SCREENSHOTS = os.environ.get('ULMFIT_NB_SCREENSHOTS')  # a folder for pictures, in the dark theme too; for people, not for the tests
THEMES = ['JupyterLab Light'] + ['JupyterLab Dark'] * bool(SCREENSHOTS)


@pytest.fixture(scope='module')
def browser():
    "Without a browser there is nothing to see: a failure in CI, a skip elsewhere."
    try:
        path, why = browser_path(), 'no /usr/bin/chromium, and `playwright install chromium` has not been run'
    except ImportError as e:
        path, why = None, str(e)
    if path is None:
        (pytest.fail if os.environ.get('CI') == 'true' else pytest.skip)(f'no browser to test in: {why}')
    with chromium(path) as browser:
        yield browser


@pytest.fixture(scope='module', params=THEMES)
def page(request, browser, tmp_path_factory):
    "The chapter without outputs, run from its first cell to its last."
    folder = tmp_path_factory.mktemp('lab')
    path = copy_notebook(CHAPTER, folder, outputs=False)
    with jupyterlab(folder, request.param) as address, open_notebook(browser, address, path) as page:
        page.errors = run_all(page)
        yield page
        if SCREENSHOTS:
            take_pictures(page, f'{SCREENSHOTS}/{CHAPTER}_{request.param.split()[-1].lower()}')


def take_pictures(page, name: str):
    for part in ('.widget-vbox', '.jp-Notebook'):
        page.locator(part).last.screenshot(path=f'{name}{part}.png')


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


def test_every_cell_runs(page):
    assert page.errors == []


@pytest.mark.parametrize(
    'label, name, moved', [('cut_frac', 'cut_frac', '0.15'), ('ratio', 'ratio', '37.0'), ('T (steps', 'T', '205'), ('lr_max', 'lr_max', '0.017783')]
)
def test_a_slider_moves_the_curve_and_python_follows(page, label, name, moved):
    before = stlr_curve(page).get_attribute('d')
    press_right(page, label, times=5)
    sees_change(stlr_curve(page), 'd', before)
    python_says(page, f'round(explorer.schedule.{name}, 6)', moved)


@pytest.mark.parametrize('label, name, moved', [('factor', 'factor', '2.8'), ('lr (peak', 'lr', '0.012589')])
def test_a_slider_recolours_the_grid_and_python_follows(page, label, name, moved):
    cell = page.locator('.ulmfit-nb rect.cell:not(.frozen)').last  # the embedding, in the last epoch
    before = cell.get_attribute('data-rate')
    press_right(page, label, times=2)
    sees_change(cell, 'data-rate', before)
    python_says(page, f'round(explorer.layers.{name}, 6)', moved)


def test_more_epochs_more_columns(page):
    cells, frozen = page.locator('.ulmfit-nb rect.cell'), page.locator('.ulmfit-nb rect.frozen[data-rate]')
    columns = cells.count() // 5
    press_right(page, 'epochs', times=1)
    python_says(page, 'explorer.layers.epochs', str(columns - 3))
    assert (cells.count(), frozen.count()) == (5 * (columns + 1), 4 + 3 + 2 + 1)


def test_python_moves_the_slider_and_the_curve(page):
    before = stlr_curve(page).get_attribute('d')
    page.evaluate(ASK, 'explorer.schedule.set_trait("cut_frac", 0.5)')
    sees_change(stlr_curve(page), 'd', before)


def test_the_saved_notebook_is_alive_without_running_it(browser, tmp_path):
    "The widget's state is stored in the notebook: its slider moves the curve though no cell was run."
    path = copy_notebook(CHAPTER, tmp_path)
    with jupyterlab(tmp_path) as address, open_notebook(browser, address, path) as page:
        before = stlr_curve(page).get_attribute('d')
        press_right(page, 'cut_frac', times=3)
        sees_change(stlr_curve(page), 'd', before)
        assert "NameError" in page.evaluate(ASK, 'explorer')
