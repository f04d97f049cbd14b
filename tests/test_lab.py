"Ctrl-C, and what a program that was started makes of it; what JupyterLab is given along."

import json
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers import start_program
from javascript import run_js

from ulmfit_nb.lab import lab_environment


def parent(how, mark):
    process = start_program('until_stopped', 'ends_slowly', mark, how, start_new_session=True)
    assert process.stdout.readline() == 'ready\n'
    return process


@pytest.mark.skipif(sys.platform == 'win32', reason='no signals')
@pytest.mark.parametrize('ask', [signal.SIGINT, signal.SIGTERM, getattr(signal, 'SIGHUP', signal.SIGTERM)])
def test_ctrl_c_lets_jupyterlab_end_in_good_order(ask, tmp_path):
    "A terminal sends the interrupt to the whole group of processes."
    process = parent('listens', tmp_path / 'mark')
    os.killpg(process.pid, ask)
    assert process.wait(60) == 7 and (tmp_path / 'mark').read_text() == 'ended in good order'


@pytest.mark.skipif(sys.platform == 'win32', reason='no signals')
def test_the_second_ctrl_c_means_it(tmp_path):
    process = parent('stubborn', tmp_path / 'mark')
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == -signal.SIGKILL % 256 and not (tmp_path / 'mark').exists()


@pytest.mark.parametrize('name', ['JUPYTER_CONFIG_PATH', 'JUPYTER_PATH'])
def test_a_reader_s_own_places_come_first(monkeypatch, name):
    "For settings, and for extensions."
    monkeypatch.setenv(name, '/mine')
    first, *rest = lab_environment()[name].split(os.pathsep)
    assert first == '/mine' and len(rest) == 1 and os.path.isdir(rest[0])


# JupyterLab's notebook as far as the extension looks at it: two cells, of which one has drawn a figure and the other has no text for its own.
NOTEBOOK = r"""
const cells = ['#| code-fold: true\n#| fig-alt: "A line that rises: \'slowly\'."\nax.plot(x)', 'plt.plot(x)'].map(source => {
  const node = {}, image = { closest: () => node };
  return { node, image, model: { sharedModel: { getSource: () => source } } };
});
globalThis.window = globalThis;
globalThis.MutationObserver = class { constructor(look) { globalThis.look = look; } observe() {} };
globalThis.document = { body: null, querySelectorAll: () => cells.map(c => c.image).filter(i => i.alt === undefined) };
"""


def test_a_figure_gets_the_text_of_its_cell():
    "As JupyterLab loads an extension: by its package.json, its container, its plugin. In a JupyterLab itself: tests/test_browser.py."
    folder = Path(lab_environment()['JUPYTER_PATH'].split(os.pathsep)[-1]) / 'labextensions/ulmfit-nb'
    about = json.loads((folder / 'package.json').read_text())
    build = about['jupyterlab']['_build']
    found = run_js(f"""{NOTEBOOK}{(folder / build['load']).read_text(encoding='utf-8')}
const made = await window._JUPYTERLAB[{json.dumps(about['name'])}].get({json.dumps(build['extension'])}), module = made();
const plugin = Object.hasOwn(module, '__esModule') ? module.default : module;   // as JupyterLab has it
plugin.activate({{ shell: {{ widgets: () => [{{}}, {{ content: {{ widgets: cells }} }}] }} }});
const first = cells.map(c => c.image.alt ?? null);
delete cells[0].image.alt;
look();
console.log(JSON.stringify([plugin.autoStart, first, cells[0].image.alt]));""")
    assert found == [True, ["A line that rises: 'slowly'.", None], "A line that rises: 'slowly'."]
    assert about['version'] == version('ulmfit-nb')


@pytest.mark.skipif(not hasattr(signal, 'SIGHUP'), reason='no such signal')
def test_what_nohup_ignores_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a child inherits that
    try:
        process = parent('listens', tmp_path / 'mark')
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 7 and (tmp_path / 'mark').read_text() == 'ended in good order'
    finally:
        signal.signal(signal.SIGHUP, before)
