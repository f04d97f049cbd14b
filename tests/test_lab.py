"Ctrl-C, and what a program that was started makes of it."

import os
import signal
import sys
import time

import pytest
from helpers import start_program

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


def test_a_reader_s_own_places_for_settings_come_first(monkeypatch):
    monkeypatch.setenv('JUPYTER_CONFIG_PATH', '/mine')
    first, *rest = lab_environment()['JUPYTER_CONFIG_PATH'].split(os.pathsep)
    assert first == '/mine' and len(rest) == 1 and os.path.isdir(rest[0])
