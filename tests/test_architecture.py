"The house: no room too large, no function with too many arguments, no import that costs what only some need."

import ast
import subprocess
import sys

import pytest
from notebooks import ROOT

MODULES = sorted(p for p in (ROOT / 'ulmfit_nb').rglob('*.py') if p.name not in ('_modidx.py', '__init__.py'))
ids = {'ids': lambda p: str(p.relative_to(ROOT / 'ulmfit_nb'))}
MANY = {
    'StageSettings.__init__': 'scikit-learn wants an estimator to name each parameter',
    'run_pretrain': 'options of the command line',
    'run_fine_tune': 'options of the command line',
    'classify': 'options of the command line',
}


@pytest.mark.parametrize('path', MODULES, **ids)
def test_a_module_is_read_at_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


def public_functions(tree):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith('_'):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            yield from ((f'{node.name}.{f.name}', f) for f in node.body if isinstance(f, ast.FunctionDef))


@pytest.mark.parametrize('path', MODULES, **ids)
def test_no_function_has_more_than_eight_parameters(path):
    for name, f in public_functions(ast.parse(path.read_text())):
        n = len([a for a in [*f.args.args, *f.args.kwonlyargs] if a.arg != 'self'])
        assert n <= 8 or name in MANY, f'{name} has {n}: put those that go together into an object'


def test_the_library_knows_nothing_of_the_course():
    for path in MODULES:
        if 'course' not in path.relative_to(ROOT / 'ulmfit_nb').parts:
            imported = [n.module or '' for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
            assert not [m for m in imported if 'course' in m.split('.')], f'{path.name} imports from the course'


def test_imports_make_no_circle():
    needs = {
        p.stem: {n.module for n in ast.parse(p.read_text()).body if isinstance(n, ast.ImportFrom) and n.level == 1}
        for p in MODULES
        if p.parent == ROOT / 'ulmfit_nb'
    }
    left = dict(needs)
    while ready := [m for m, on in left.items() if not on & left.keys()]:
        for m in ready:
            del left[m]
    assert not left, f'a circle among {sorted(left)}'


def test_the_core_is_torch():
    code = 'import sys, ulmfit_nb; print(*({"spacy", "pandas", "sklearn", "matplotlib", "ipywidgets", "datasets", "pyarrow"} & sys.modules.keys()))'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == ''
