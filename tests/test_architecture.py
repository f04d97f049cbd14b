"The house: no room too large, no function with too many arguments, no import that costs what only some need, a test file for each module."

import ast
import inspect
import re
import subprocess
import sys

import pytest
from fastcore.docments import docments
from notebooks import ROOT

from ulmfit_nb import batching, dropout

MODULES = sorted(p for p in (ROOT / 'ulmfit_nb').rglob('*.py') if p.name not in ('_modidx.py', '__init__.py'))
ids = {'ids': lambda p: str(p.relative_to(ROOT / 'ulmfit_nb'))}
MANY = {
    'StageSettings.__init__': 'scikit-learn wants an estimator to name each parameter',
    'run_pretrain': 'options of the command line',
    'run_fine_tune': 'options of the command line',
    'classify': 'options of the command line',
    'predict': 'options of the command line',
    'check_data': 'options of the command line',
    'evaluate': 'options of the command line',
    'choose_to_label': 'options of the command line',
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


HEAVY = {'ulmfit_nb.course.widgets.base', *'spacy pandas sklearn matplotlib ipywidgets anywidget datasets pyarrow huggingface_hub accelerate'.split()}


@pytest.mark.parametrize('name', ['ulmfit_nb', 'ulmfit_nb.schedules'])
def test_the_core_is_torch(name):
    code = f'import sys, {name}; print(*sys.modules)'
    loaded = set(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.split())
    assert 'torch' in loaded and loaded & HEAVY == set()


def test_the_library_does_without_widgets():
    library = {p for p in MODULES if p.parent == ROOT / 'ulmfit_nb'}
    assert [p.name for p in library if re.search(r'(from|import) \S*widgets', p.read_text(encoding='utf-8'))] == []


# --- what is public is explained

# Modules in which each parameter of a public function has a comment on its line, and the names that need none there.
EXPLAINED = {
    **dict.fromkeys('awd_lstm baselines checkpoint data fine_tuning language_model lr_finder memory precision quantization'.split(), ()),
    **dict.fromkeys('schedules settings sources training'.split(), ()),
    'classifier': ('model', 'encoder', 'batch', 'state'),
    'classifier_training': ('model',),
}


def undocumented(source: str) -> list[str]:
    "Public functions and methods without a comment on the line of each parameter, or public functions and classes without a docstring."
    lines, found = source.splitlines(), []
    tops = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith('_')]
    for top in tops:
        functions = [n for n in getattr(top, 'body', []) if isinstance(n, ast.FunctionDef)] if isinstance(top, ast.ClassDef) else [top]
        if not ast.get_docstring(top) and not (len(lines[top.lineno - 1 : top.end_lineno]) == 1):
            found.append(f'{top.name}: no docstring')
        for f in functions:
            a = f.args
            for arg in [x for x in [*a.args, *a.kwonlyargs, a.vararg, a.kwarg] if x and x.arg not in ('self', 'ctx')]:
                if '#' not in lines[arg.lineno - 1]:
                    found.append(f'{top.name}.{f.name}: {arg.arg}')
    return found


@pytest.mark.parametrize('module', EXPLAINED)
def test_every_parameter_is_documented(module):
    found = undocumented((ROOT / f'ulmfit_nb/{module}.py').read_text(encoding='utf-8'))
    assert [f for f in found if f.rpartition(': ')[2] not in EXPLAINED[module]] == []


def public(module):
    "The public functions and methods of a module; private names and `__dunders__` other than `__init__` and `__getitem__` left out."
    for name in module.__all__:
        made = getattr(module, name)
        members = vars(made).items() if inspect.isclass(made) else [(None, made)]
        for key, f in members:
            f = f.fget if isinstance(f, property) else getattr(f, '__func__', f)
            own = inspect.isfunction(f) and f.__module__ == module.__name__ and f.__code__.co_filename == module.__file__
            if own and (key is None or key in ('__init__', '__getitem__') or not key.startswith('_') and key != 'extra_repr'):
                yield f


@pytest.mark.parametrize('f', [*public(batching), *public(dropout)], ids=lambda f: f.__qualname__)
def test_public_functions_say_what_they_do_and_take(f):
    "A docstring, and for each parameter a comment or its `name` in the docstring."
    doc, comments = f.__doc__ or '', docments(f)
    assert doc or f.__name__ == '__init__', 'no docstring'
    assert [p for p in inspect.signature(f).parameters if p not in ('self', 'cls') and not comments.get(p) and f'`{p}`' not in doc] == []


# --- tests keep to the house

# Test files of what is no module of the library.
OTHERS = {
    'architecture': 'the house',
    'notebooks': 'what the notebooks are like, and that they run',
    'exercises': 'the exercises of all chapters, with the modules of ulmfit_nb/course/exercises',
    'browser': 'the notebooks in JupyterLab',
    'static_widgets': 'the widgets on the site',
    'page_model': 'the model in the page: ulmfit_nb/static/lm.js and classifier.js',
    'page_tokenizer': 'the tokenizer in the page: ulmfit_nb/static/tokenizer.js and vocab.js, site/page_model.py',
    'page_answers': 'what answers in the page in place of Python: ulmfit_nb/static/answers.js and differences.js',
    'page_widgets': 'widgets and a model in the page: ulmfit_nb/static/page.js, site/player.js',
    'docs': 'the site',
    'minutes': 'site/minutes.py',
    'readme': 'the README',
    'packaging': 'wheel, sdist and workflows',
    'datasets': 'the data that ship, and runs/build_datasets.py',
    'bench': 'bench/',
    'campaign': 'runs/campaign.py, and what it finds in small',
    'runs_pretraining': 'runs/scaling.py, runs/evaluate.py and runs/small_models.sh',
}
TEST_FILES = sorted((ROOT / 'tests').glob('test_*.py'))


def file_of_tests(path) -> str:
    "Of `ulmfit_nb/course/widgets/masks.py`: test_course_widgets_masks.py."
    return f'test_{"_".join(path.relative_to(ROOT / "ulmfit_nb").with_suffix("").parts)}.py'


@pytest.mark.parametrize('path', [p for p in MODULES if p.parent.name != 'exercises'], **ids)
def test_a_module_has_a_test_file_of_its_name(path):
    assert (ROOT / 'tests' / file_of_tests(path)).exists(), f'its tests go to tests/{file_of_tests(path)}'


def test_a_test_file_is_of_a_module_of_a_script_or_of_something_else():
    of_modules, of_scripts = {file_of_tests(p) for p in MODULES}, {f'test_runs_{p.stem}.py' for p in (ROOT / 'runs').glob('*.py')}
    known = of_modules | of_scripts | {f'test_{name}.py' for name in OTHERS}
    assert [f.name for f in TEST_FILES if f.name not in known] == [] and [name for name in OTHERS if not (ROOT / f'tests/test_{name}.py').exists()] == []


@pytest.mark.parametrize('path', TEST_FILES, ids=lambda p: p.stem)
def test_patches_name_the_object_and_programs_are_files(path):
    "A dotted path in a string, and a program in one, are seen by no linter and no search for a name."
    text = path.read_text(encoding='utf-8')
    assert re.findall(r'setattr\(\s*f?[\'"].*', text) == []
    strings = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    programs = [s for s in strings if re.search(r'^(import \w+|from [\w.]+ import )', s, re.M) and '\n' in s.strip()]
    assert programs == [], 'put it into tests/programs'
