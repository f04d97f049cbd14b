"Memory: the peak is counted on every system, and steps use that of the steps before."

import os
import platform
import sys
from types import SimpleNamespace

import pytest
from helpers import ALL, new_lm, random_batches, run_program

from ulmfit_nb.language_model import LMTask
from ulmfit_nb.memory import peak_memory_mb
from ulmfit_nb.training import Phase, fit


def test_peak_memory_is_a_number_on_windows_too(monkeypatch):
    psutil = pytest.importorskip('psutil')
    assert peak_memory_mb() > 100
    monkeypatch.setitem(sys.modules, 'resource', None)  # importing it fails
    info = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=300 * 2**20))
    monkeypatch.setattr(psutil, 'Process', lambda: info)
    assert peak_memory_mb() == 300
    history = fit(LMTask(new_lm(), random_batches()), [Phase(ALL, [0.01] * 3)], progress_bar=False)
    assert max(h['peak_mb'] for h in history) == 300


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_steps_use_the_memory_of_the_steps_before():
    "A page that the system hands out anew is a page fault: hardly any in an ordinary step, thousands if the memory were given back."

    def faults(how):
        env = {k: v for k, v in os.environ.items() if not k.startswith('MALLOC_')}
        return int(run_program('page_faults', how, check=True, env=env).stdout)

    assert faults('kept') < 500 < 2000 < faults('given back')
