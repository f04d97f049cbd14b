"The time under each title: measured twice where the processor has more than AVX2, and the slower is said."

import json
import os
import subprocess
import sys

import minutes
import nbformat
import pytest
import torch
from notebooks import read


@pytest.fixture
def chapters(tmp_path, monkeypatch):
    "Two chapters, which say 5 s; a record to be written, and the variables that each measurement set."
    asked = []
    for name in ('a', 'b'):
        cells = [nbformat.v4.new_markdown_cell('# A title'), nbformat.v4.new_markdown_cell('**Time** about 5 s on 2 cores'), nbformat.v4.new_code_cell('1')]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f'{name}.ipynb')
    monkeypatch.setattr(minutes, 'NBS', [tmp_path / 'a.ipynb', tmp_path / 'b.ipynb'])
    monkeypatch.setattr(minutes, 'name_of', lambda p: p.stem)
    monkeypatch.setattr(minutes, 'RECORD', tmp_path / 'chapters.json')
    monkeypatch.setattr(minutes, 'measure', lambda path, variables: asked.append((path.stem, variables)) or (21.0 if variables else 11.04))
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    return tmp_path, asked


def on(monkeypatch, capability):
    monkeypatch.setattr(torch.backends.cpu, 'get_cpu_capability', lambda: capability)


def said(path):
    return minutes.STRIP.search(read(path).cells[1].source)[2]


def test_both_are_kept_and_the_slower_is_said(chapters, monkeypatch):
    folder, asked = chapters
    monkeypatch.setattr(minutes, 'machines', lambda: minutes.MACHINES)
    minutes.time_chapters()
    record = json.loads((folder / 'chapters.json').read_text())
    assert record['seconds'] == {'a': 11.0, 'b': 11.0} and record['seconds_avx2'] == {'a': 21.0, 'b': 21.0}
    assert asked == [(name, variables) for name in 'ab' for variables in ({}, minutes.AVX2)]
    assert said(folder / 'a.ipynb') == said(folder / 'b.ipynb') == '25'
    with pytest.raises(SystemExit) as e:
        minutes.time_chapters(check=True)
    assert e.value.code == 0


def test_one_chapter_measured_again_leaves_the_others(chapters, monkeypatch):
    "On a machine with AVX2 alone, the time under its restriction is that without."
    folder, asked = chapters
    monkeypatch.setattr(minutes, 'machines', lambda: minutes.MACHINES)
    minutes.time_chapters()
    monkeypatch.setattr(minutes, 'machines', lambda: {'seconds': {}})
    minutes.time_chapters(['b'])
    record = json.loads((folder / 'chapters.json').read_text())
    assert record['seconds_avx2'] == {'a': 21.0} and record['seconds'] == {'a': 11.0, 'b': 11.0}
    assert (said(folder / 'a.ipynb'), said(folder / 'b.ipynb')) == ('25', '15')


@pytest.mark.parametrize('harm', ['a slower record', 'no record'])
def test_a_line_that_is_not_of_the_record_is_named(chapters, monkeypatch, harm):
    folder, _ = chapters
    monkeypatch.setattr(minutes, 'machines', lambda: minutes.MACHINES)
    minutes.time_chapters()
    record = json.loads((folder / 'chapters.json').read_text())
    if harm == 'no record':
        del record['seconds']['a'], record['seconds_avx2']['a']
    else:
        record['seconds_avx2']['a'] = 25.1
    (folder / 'chapters.json').write_text(json.dumps(record))
    with pytest.raises(SystemExit, match='a was never measured' if harm == 'no record' else 'a says 25 s, and 30 were measured') as e:
        minutes.time_chapters(check=True)
    assert not str(e.value).startswith('b ') and 'b says' not in str(e.value)


@pytest.mark.parametrize('capability, n', [('AVX2', 1), ('DEFAULT', 1), ('AVX512', 2)])
def test_only_a_processor_with_more_is_measured_twice(monkeypatch, capability, n):
    on(monkeypatch, capability)
    monkeypatch.setattr(minutes.subprocess, 'run', lambda *a, **k: subprocess.CompletedProcess(a, 0, 'False\n'))
    assert len(minutes.machines()) == n and minutes.machines()['seconds'] == {}


def test_a_processor_that_keeps_its_bf16_is_no_avx2_machine(monkeypatch):
    on(monkeypatch, 'AVX512')
    monkeypatch.setattr(minutes.subprocess, 'run', lambda *a, **k: subprocess.CompletedProcess(a, 0, 'True\n'))
    with pytest.raises(SystemExit, match='leaves this processor its bf16'):
        minutes.machines()


def test_under_the_restriction_there_is_no_bf16():
    "Asked of a process of its own, for torch looks at these variables once."
    done = subprocess.run([sys.executable, '-c', minutes.BF16], env=os.environ | minutes.AVX2, capture_output=True, text=True)
    assert done.stdout.strip() == 'False', done.stderr


def test_the_kernel_is_given_the_variables(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(f"assert __import__('os').environ['{k}'] == '{v}' and 'PATH' in __import__('os').environ") for k, v in minutes.AVX2.items()
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / 'x.ipynb')
    assert 0 < minutes.measure(tmp_path / 'x.ipynb', minutes.AVX2) < 60
