"Memory: the peak is counted on every system, and steps use that of the steps before."

import os
import platform
import shutil
import sys
from types import SimpleNamespace

import pytest
from helpers import ALL, new_lm, random_batches, run_program

from ulmfit_nb import memory
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.memory import peak_memory_mb
from ulmfit_nb.onnx_engine import export_onnx
from ulmfit_nb.sources import load_data
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


@pytest.mark.parametrize('engine, size, others', [('torch', 10_000_000, 0), ('torch', 900_000, 63), ('onnx-int8', 2_000_000, 0)])
def test_a_long_document_costs_its_own_memory_only(tiny_classifier, tmp_path, engine, size, others):
    "Megabytes of text are read a block and a piece at a time, and no other text of the batch is padded to their length."
    folder = shutil.copytree(tiny_classifier, tmp_path / 'clas')
    (tmp_path / 'sentences.txt').write_text('\n'.join(load_data('subjectivity', 'validation').texts))
    if engine != 'torch':
        pytest.importorskip('onnxruntime')
        export_onnx(folder)
    before, after = map(int, run_program('long_document', folder, engine, size, others, check=True).stdout.split())
    assert after < 500 and after - before < 25 + 6 * size / 1e6


@pytest.mark.parametrize('most', [2**25, 2**31 - 1])
def test_an_older_c_library_takes_less(most, monkeypatch):
    "It refuses a threshold above 32 MB, and would give each block back at once if it were left with the other setting alone."
    asked = []

    def mallopt(setting, value):
        asked.append((setting, value))
        return int(setting == -1 or value <= most)

    monkeypatch.setattr(memory.platform, 'libc_ver', lambda: ('glibc', '2.31'))
    monkeypatch.setattr(memory.ctypes, 'CDLL', lambda name: SimpleNamespace(mallopt=mallopt))
    memory.keep_memory()
    assert asked[0] == (-1, 2**31 - 1) and asked[-1] == (-3, most)
