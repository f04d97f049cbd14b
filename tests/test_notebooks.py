"The notebooks: they run, they are clean, they say what the modules say, and they keep to the form of a chapter."

import ast
import contextlib
import filecmp
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import notebooks
import pytest
import torch
from browser import browser_path
from nbdev.clean import clean_nb
from nbdev.export import nb_export
from nbdev.test import test_nb as run_notebook
from notebooks import CHAPTERS, FOLDER, NBS, ROOT, directives, goes_to, has_widgets, is_export, module_of, name_of, read

KNOWN = {
    'default_exp',
    'export',
    'exporti',
    'exports',
    'hide',
    'eval',
    'echo',
    'output',
    'slow',
    'gpu',
    'exec_doc',
    'code-fold',
    'warning',
    'code-summary',
    'fig-cap',
    'fig-alt',
    'label',
    'hide_input',
    'hide_output',
}
SECTIONS = ['See it work', 'Predict', 'Idea', 'Build', 'Break it', 'Equal to', 'Explore', 'Measure', 'Exercises', 'Recap']
OPTIONAL = {'Explore'}
LESSONS = [p for p in CHAPTERS if p.name < '16']
ids = {'ids': name_of}


@pytest.fixture
def against_module(monkeypatch):
    "Let export cells take their names from the exported module."
    import nbdev.test

    names_of = "import importlib as _i; globals().update({{k: v for k, v in vars(_i.import_module('ulmfit_nb.{}')).items() if not k.startswith('__')}})"

    class Swapped(nbdev.test.NBProcessor):
        def __init__(self, fn, **kwargs):
            super().__init__(fn, **kwargs)
            nb = read(fn)
            for cell, stored in zip(self.nb.cells, nb.cells, strict=True):
                if modules := goes_to(stored, nb):
                    cell.source = '\n'.join(names_of.format(m) for m in modules)
                    cell.pop('parsed_', None)

    monkeypatch.setattr(nbdev.test, 'NBProcessor', Swapped)


@pytest.fixture
def left_as_found():
    "What a notebook changes in its process is undone, for other tests run there too: style and figures, variables, folder, threads."
    with plt.rc_context(), mock.patch.dict(os.environ), warnings.catch_warnings(), contextlib.chdir(Path.cwd()):
        yield
    plt.close('all')
    torch.set_num_threads(1)
    gc.collect()


# Those with widgets are run by tests/test_browser.py, in JupyterLab; test_modules_are_fresh says that their code is the module's.
@pytest.mark.parametrize('path', [p for p in NBS if not (browser_path() and has_widgets(read(p)))], **ids)
def test_runs(path, against_module, left_as_found):
    ok, seconds = run_notebook(path, skip_flags=['slow', 'gpu'])
    assert ok, f'{name_of(path)} fails; run it in JupyterLab to see where'


@pytest.mark.parametrize('path', NBS, **ids)
def test_is_clean(path, tmp_path):
    copy = Path(shutil.copy(path, tmp_path))
    nb = read(copy)
    clean_nb(nb, allowed_cell_metadata_keys=tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['nbdev']['allowed_cell_metadata_keys'])
    for cell, cleaned in zip(read(path).cells, nb.cells):
        assert cell.metadata == cleaned.metadata, f'metadata in cell {cell.id}: run nbdev-clean'
        if cell.cell_type == 'code':
            assert cell.execution_count == cleaned.execution_count, f'execution count in cell {cell.id}: run nbdev-clean'


@pytest.mark.parametrize('path', NBS, **ids)
def test_outputs_are_there_and_no_errors(path):
    code = [c for c in read(path).cells if c.cell_type == 'code']
    errors = [o for c in code for o in c.outputs if o.output_type == 'error']
    assert not errors, f'{name_of(path)} was saved with an error: {errors[0].ename}: {errors[0].evalue}'
    ends_in_value = [c for c in code if not is_export(c) and not set(directives(c)) & {'hide', 'eval', 'default_exp'} and shows_something(c.source)]
    silent = [c.id for c in ends_in_value if not c.outputs]
    assert not silent, f'{name_of(path)}: cells {silent} end in a value and have no output stored: run the notebook and save it'


def statements(source: str) -> list:
    "A cell's statements, without magics."
    try:
        return ast.parse('\n'.join(line for line in source.splitlines() if not line.startswith(('%', '!')))).body
    except SyntaxError:
        return []


def shows_something(source: str) -> bool:
    "Whether the last statement of a cell is an expression with a value worth storing: a name, a number, a tuple, a print."
    body = statements(source)
    if not body or not isinstance(body[-1], ast.Expr) or source.rstrip().endswith(';'):
        return False
    last = body[-1].value
    return isinstance(last, ast.Tuple | ast.Name | ast.BinOp | ast.Subscript) or isinstance(last, ast.Call) and ast.unparse(last.func) == 'print'


def as_exported(paths: list) -> list:
    "Notebooks in the order in which nbdev-export takes them: by their names alone, whatever folders they lie in."
    return sorted(paths, key=lambda p: p.name)


def modules_in(package) -> set[str]:
    "The generated modules of a package; the `__init__.py` of a sub-package is written by hand."
    return {p.relative_to(package).as_posix() for p in package.rglob('[a-z]*.py')}


def too_early(books: list) -> list[str]:
    "What goes to a module, by `#| export stages`, before the notebook that begins it is exported: nbdev would lose it without a word."
    begun, found = set(), []
    for name, nb in books:
        begun.add(module_of(nb))
        found += [f'{name}, cell {c.id}: no notebook before it begins {m}' for c in nb.cells for m in goes_to(c, nb) if m not in begun]
    return found


def test_a_module_is_begun_before_it_is_added_to():
    assert too_early([(name_of(p), read(p)) for p in as_exported(NBS)]) == []


def test_a_module_that_is_added_to_too_early_is_found():
    cell = notebooks.nbformat.v4.new_code_cell
    first = notebooks.nbformat.v4.new_notebook(cells=[cell('#| default_exp files'), cell('#| export\nx = 1'), cell('#| exporti stages\ny = 1')])
    second = notebooks.nbformat.v4.new_notebook(cells=[cell('#| default_exp stages'), cell('#| export files\nz = 1')])
    assert [goes_to(c, first) for c in first.cells] == [[], ['files'], ['stages']] and notebooks.modules_of(first) == ['files', 'stages']
    assert len(too_early([('a', first), ('b', second)])) == 1 and too_early([('b', second), ('a', first)])[0].endswith('begins files')


def test_modules_are_fresh(tmp_path):
    "Exporting the notebooks anew gives exactly the modules that are committed, and no module is left over."
    shutil.copytree(ROOT / 'nbs', tmp_path / 'nbs', symlinks=True, ignore=shutil.ignore_patterns('_*', '.*'))
    for path in as_exported(NBS):
        nb_export(tmp_path / 'nbs' / path.relative_to(FOLDER), lib_path=tmp_path / 'ulmfit_nb')
    made = modules_in(tmp_path / 'ulmfit_nb')
    assert made == modules_in(ROOT / 'ulmfit_nb')
    stale = [n for n in sorted(made) if not filecmp.cmp(tmp_path / 'ulmfit_nb' / n, ROOT / 'ulmfit_nb' / n, shallow=False)]
    assert not stale, f'{stale} are not what the notebooks say: run nbdev-export'


@pytest.mark.parametrize('path', NBS, **ids)
def test_directives(path):
    for cell in read(path).cells:
        if cell.cell_type != 'code':
            continue
        unknown = set(directives(cell)) - KNOWN
        assert not unknown, f'{name_of(path)}, cell {cell.id}: no such directive: {unknown}'
        below = [line for line in cell.source.splitlines()[len(directives(cell)) :] if line.lstrip().startswith(('#|', '# |'))]
        assert not below, f'{name_of(path)}, cell {cell.id}: a directive must stand at the top of its cell: {below}'


@pytest.mark.parametrize('path', NBS, **ids)
def test_library_lines(path):
    "Lines of the library have at most 120 columns. Ruff can't say it: nbdev writes longer ones, a module's first and its `__all__`."
    lines = [(c.id, line) for c in read(path).cells if is_export(c) for line in c.source.splitlines()]
    assert [(cell, len(line), line) for cell, line in lines if len(line) > 120] == []


@pytest.mark.parametrize('path', NBS, **ids)
def test_cells(path):
    cells = [c for c in read(path).cells if c.cell_type == 'code']
    for c in cells:
        n = len([line for line in c.source.splitlines() if line.strip()])
        assert n <= 30, f'{name_of(path)}, cell {c.id}: {n} lines; 30 is the most, four is usual:\n{c.source[:200]}'
        assert 'import *' not in c.source, f'{name_of(path)}, cell {c.id}: name what you import'
        imports = [isinstance(s, ast.Import | ast.ImportFrom) for s in statements(c.source)]
        assert all(imports) or not any(imports), (
            f'{name_of(path)}, cell {c.id}: imports in cells of their own: the docs build runs those cells\n{c.source[:200]}'
        )


@pytest.mark.parametrize('path', NBS, **ids)
def test_figures_have_one_style(path):
    code = [c.source for c in read(path).cells if c.cell_type == 'code']
    if any('import matplotlib.pyplot' in source for source in code if not source.startswith('#| export')):
        assert any("plt.style.use('ulmfit_nb.course')" in source for source in code), f"{name_of(path)}: plt.style.use('ulmfit_nb.course') after the import"
    named = [source for source in code if 'tab:' in source]
    assert not named, f'{name_of(path)}: take the colours of the style, C0, C1 …:\n{named[0][:300] if named else ""}'


def test_strips_are_as_measured():
    "The seconds under each title are those of the last measured run, and under a minute."
    found = json.loads((ROOT / 'results/chapters.json').read_text())
    done = subprocess.run([sys.executable, ROOT / 'site/minutes.py', '--check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {p.stem for p in LESSONS} <= set(found['seconds'])
    for machine in ('seconds', 'seconds_avx2'):
        assert max(found.get(machine, {}).values(), default=0) < 60, found[machine]


@pytest.mark.parametrize('path', LESSONS, **ids)
def test_sections(path):
    cells = read(path).cells
    title = cells[0].source.splitlines()
    assert title[0].startswith('# ') and any(line.startswith('> ') for line in title), 'the first cell is the title and the promise'
    assert '**Time**' in cells[1].source and '**Exports**' in cells[1].source and '**Paper**' in cells[1].source, 'the second cell is the strip'
    found = [line[3:].strip() for c in cells if c.cell_type == 'markdown' for line in c.source.splitlines() if line.startswith('## ')]
    assert found == [s for s in SECTIONS if s in found], f'sections out of order, or not among {SECTIONS}: {found}'
    missing = [s for s in SECTIONS if s not in found and s not in OPTIONAL]
    assert not missing, f'{name_of(path)} lacks {missing}'


@pytest.mark.parametrize('path', LESSONS, **ids)
def test_the_answer_is_not_read_before_the_question(path):
    "The cell that asks holds the answer too: JupyterLab shows it folded, the docs site leaves it out."
    asks = [c for c in read(path).cells if c.cell_type == 'code' and re.search(r'^predict\(', c.source, re.M)]
    assert asks and all(c.metadata.get('jupyter', {}).get('source_hidden') and 'echo' in directives(c) for c in asks)


@pytest.mark.parametrize('path', LESSONS, **ids)
def test_words_and_code(path):
    cells = read(path).cells
    words = sum(len(c.source.split()) for c in cells if c.cell_type == 'markdown')
    lines = sum(len([x for x in c.source.splitlines() if x.strip()]) for c in cells if c.cell_type == 'code')
    assert words / lines > 2, f'{name_of(path)}: {words} words for {lines} lines of code; a lesson explains more'


def test_quarto_link():
    link = ROOT / 'nbs/_quarto.yml'
    assert link.is_symlink() and link.resolve() == ROOT / '_quarto.yml'


def test_lint_sees_a_misspelt_directive(tmp_path):
    "The lint itself can fail."
    nb = notebooks.nbformat.v4.new_notebook(cells=[notebooks.nbformat.v4.new_code_cell('#| exprot\nx = 1')])
    assert set(directives(nb.cells[0])) - KNOWN == {'exprot'}
