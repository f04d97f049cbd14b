"A JupyterLab and a Chromium to try notebooks in: what tests/test_browser.py stands on."

import json
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from ulmfit_nb.lab import lab_environment

ROOT = Path(__file__).parents[1]
TOKEN = 'ulmfit-test'
DEBIAN = '/usr/bin/chromium'
FLAGS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]

# The notebook in front, once its kernel is there: asked for earlier, a run opens the Select Kernel dialog and hangs.
READY = """() => {
    const panel = window.jupyterapp?.shell.currentWidget, session = panel?.sessionContext;
    return !!panel?.context?.isReady && session?.isReady
        && session.session?.kernel?.connectionStatus === 'connected' && session.session.kernel.status === 'idle';
}"""
RUN_ALL = """() => { window.ran = false; void jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ran = true }) }"""
ERRORS = """() => jupyterapp.shell.currentWidget.context.model.toJSON().cells.flatMap(c => c.outputs ?? [])
    .filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`)"""
RUN_CODE = """async code => {
    const run = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code }), lines = [];
    run.onIOPub = ({ header, content }) => {
        if (header.msg_type === 'stream' && content.name === 'stdout') lines.push(content.text);
        if (header.msg_type === 'error') lines.push(`${content.ename}: ${content.evalue}`);
    };
    await run.done;
    return lines.join('');
}"""
ASK = """async code => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const reply = await kernel.requestExecute({ code: '', silent: true, user_expressions: { it: code } }).done;
    return reply.content.user_expressions.it.data?.['text/plain'] ?? JSON.stringify(reply.content.user_expressions.it);
}"""


def browser_path() -> str | None:
    "Where a Chromium is: Debian's, else the one that `playwright install chromium` fetched; None without one, or without playwright."
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if Path(DEBIAN).exists():
        return DEBIAN
    with sync_playwright() as p:
        path = p.chromium.executable_path
    return path if Path(path).exists() else None


def copy_notebook(name: str, to: Path, outputs=True) -> str:
    "A notebook, named as `name_of` names it, in a folder of its own; the recorded data where it looks for them; signed, so that its outputs are shown."
    import nbformat
    from nbformat.sign import NotebookNotary

    nb, copy = nbformat.read(ROOT / f'nbs/{name}.ipynb', as_version=4), to / f'nbs/{name}.ipynb'
    if not outputs:
        nb.metadata.pop('widgets', None)
        for cell in nb.cells:
            cell.update({'outputs': []} if cell.cell_type == 'code' else {})
    for folder in (copy.parent, to / 'tests', to / '.jupyter/data'):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in ('tests/golden', 'results'):
        if not (to / folder).exists():
            (to / folder).symlink_to(ROOT / folder)
    nbformat.write(nb, copy)
    NotebookNotary(data_dir=str(to / '.jupyter/data')).sign(nb)
    return f'nbs/{name}.ipynb'


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@contextmanager
def jupyterlab(folder: Path, theme='JupyterLab Light'):
    "The address of a JupyterLab that serves `folder` and has no settings, kernels or workspaces but its own."
    port, own = free_port(), folder / '.jupyter'
    places = {f'JUPYTER_{k}_DIR': str(own / k.lower()) for k in ('CONFIG', 'DATA', 'RUNTIME')}
    places |= {f'JUPYTERLAB_{k}_DIR': str(own / k.lower()) for k in ('SETTINGS', 'WORKSPACES')} | {'IPYTHONDIR': str(own / 'ipython')}
    settings = {
        'apputils-extension/themes': {'theme': theme},
        'apputils-extension/notification': {'fetchNews': 'false', 'checkForUpdates': False},
        'notebook-extension/tracker': {'windowingMode': 'none'},  # cells out of sight are drawn as well
    }
    for name, values in settings.items():
        file = own / f'settings/@jupyterlab/{name}.jupyterlab-settings'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    options = [
        '--no-browser',
        '--allow-root',
        '--ip=127.0.0.1',
        f'--port={port}',
        '--ServerApp.port_retries=0',
        f'--ServerApp.root_dir={folder}',
        f'--IdentityProvider.token={TOKEN}',
        '--LabApp.news_url=None',
        '--LabApp.expose_app_in_browser=True',
    ]
    command = [sys.executable, '-m', 'jupyterlab', *options]
    env = lab_environment() | places | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    with open(folder / 'lab.log', 'w') as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as server:
        try:
            address = f'http://127.0.0.1:{port}'
            wait_for_server(server, address, folder / 'lab.log')
            yield address
        finally:
            server.terminate()


def wait_for_server(server, address: str, log: Path, seconds=60):
    for _ in range(seconds * 5):
        if server.poll() is not None:
            break
        try:
            return urllib.request.urlopen(f'{address}/api?token={TOKEN}', timeout=5)
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f'JupyterLab did not start:\n{log.read_text()[-2000:]}')


@contextmanager
def chromium(path: str):
    "The browser at `path`. One at a time: playwright allows no second."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p, p.chromium.launch(executable_path=path, args=FLAGS) as browser:
        yield browser


@contextmanager
def open_notebook(browser, address: str, path: str, size=(1280, 1250)):
    "A page with the notebook open and its kernel idle."
    with browser.new_page(viewport={'width': size[0], 'height': size[1]}) as page:
        page.set_default_timeout(60_000)
        page.goto(f'{address}/lab/tree/{path}?reset&token={TOKEN}')
        page.wait_for_function(READY)
        yield page


# Every control in the outputs, with a number on it by which to find it again.
CONTROLS = """() => [...document.querySelectorAll('.jp-OutputArea-output')].flatMap((area, i) => {
    area.dataset.area = i;
    const found = [...area.querySelectorAll('.noUi-handle, input[type=range], input[type=radio], select')].filter(e => e.offsetParent && !e.disabled);
    return found.map((e, j) => {
        e.dataset.control = `${i}-${j}`;
        const kind = e.matches('.noUi-handle') ? 'slider' : e.tagName === 'SELECT' ? 'select' : e.type;
        return { id: `${i}-${j}`, area: i, kind, predict: !!e.closest('.predict') };
    });
})"""
# What an output shows, but for its controls.
PICTURE = """i => [...document.querySelectorAll(`[data-area="${i}"] .ulmfit-nb, [data-area="${i}"] img, [data-area="${i}"] .widget-html-content`)]
    .map(e => e.src ?? [...e.querySelectorAll('svg, p, span, table, pre, div, output')].map(n => n.outerHTML).join('')).join('|')"""


def changes(page, area: int, before: str, seconds: float) -> bool:
    "Whether a picture becomes another within some seconds."
    for _ in range(int(seconds * 10)):
        if page.evaluate(PICTURE, area) != before:
            return True
        page.wait_for_timeout(100)
    return False


def use(page, control: dict):
    "Move a control as the keyboard or the mouse would: yields after each way to do it."
    it = page.locator(f'[data-control="{control["id"]}"]')
    it.scroll_into_view_if_needed()
    if control['kind'] in ('slider', 'range'):
        for keys in (['ArrowRight'] * 2, ['ArrowLeft'] * 4):
            it.focus()
            for key in keys:
                it.press(key)
            yield
    elif control['kind'] == 'radio':
        it.check()
        yield
    else:
        for option in reversed(it.locator('option').all()):
            it.select_option(option.get_attribute('value'))
            yield
    for button in page.locator(f'[data-area="{control["area"]}"] button:visible').all():
        button.click()
        yield


def dead_controls(page) -> list[dict]:
    "The controls that change nothing in the picture beside them. A radio button that is chosen already is left out."
    dead = []
    for control in page.evaluate(CONTROLS):
        it = page.locator(f'[data-control="{control["id"]}"]')
        if control['predict'] or control['kind'] == 'radio' and it.is_checked() or not it.count():
            continue
        before = page.evaluate(PICTURE, control['area'])
        if not any(changes(page, control['area'], before, 3) for _ in use(page, control)):
            dead.append(control)
    return dead


def commit_to(page, question) -> str:
    "Choose the last answer of a question and commit to it; what opens then."
    question.locator('input[type=radio]').last.check()
    question.locator('button').click()
    answer = question.page.locator('.predict .answer').first
    answer.wait_for()
    return answer.inner_text()


def run_all(page, seconds=400) -> list[str]:
    "Run every cell; the errors there were."
    page.evaluate(RUN_ALL)
    page.wait_for_function('() => window.ran', timeout=seconds * 1000)
    return page.evaluate(ERRORS)
