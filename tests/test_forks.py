"A process that has predicted forks, and predicts again; parent and child."

import os
import shutil
import subprocess

import pytest
from helpers import program

from ulmfit_nb.onnx_engine import FILES, export_onnx


@pytest.fixture(scope='module')
def exported(tiny_classifier, tmp_path_factory):
    "A copy with graphs beside its weights."

    folder = tmp_path_factory.mktemp('forks') / 'clas'
    shutil.copytree(tiny_classifier, folder)
    export_onnx(folder)
    return folder


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='there is no fork on this system')
@pytest.mark.parametrize('engine', ['torch', *FILES])
def test_a_child_answers(exported, engine):
    process = subprocess.Popen(**program('predicts_in_a_child', exported, engine, stdout=subprocess.PIPE, start_new_session=True))
    try:
        assert process.communicate(timeout=60)[0] == 'the same 1\n' and process.returncode == 0
    finally:
        if process.returncode is None:  # it hangs: the child as well
            os.killpg(process.pid, 9)
