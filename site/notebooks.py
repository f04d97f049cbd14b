"What tests and the docs site need to know about the notebooks: where they are, their cells and directives, the modules they fill."

import re
from pathlib import Path

import nbformat
from nbdev.config import nbpath2html

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / 'nbs'
EXPORTS = ('export', 'exporti', 'exports')


def notebooks_in(folder: Path) -> list[Path]:
    "Every notebook in a folder and its folders, the chapters first; folders whose names begin with _ or . are other programs'."
    found = [p.relative_to(folder) for p in folder.rglob('*.ipynb')]
    return [folder / p for p in sorted(found, key=lambda p: (p.parent.parts, p.name)) if not any(part[0] in '._' for part in p.parts)]


NBS = notebooks_in(FOLDER)
CHAPTERS = [p for p in NBS if p.parent == FOLDER and re.match(r'\d\d', p.name) and not p.name.startswith('00')]


def name_of(path: Path, folder: Path = FOLDER) -> str:
    "What sets a notebook apart from all others, and a person can read: `08_schedules`, `course/widgets/microscope`."
    return path.relative_to(folder).with_suffix('').as_posix()


def html_name(path: Path, folder: Path = FOLDER) -> str:
    "The page that nbdev makes of a notebook, from the top of the site: the number is dropped."
    return nbpath2html(path.relative_to(folder)).as_posix()


def read(path):
    return nbformat.read(path, as_version=4)


def _directives(cell) -> list[list[str]]:
    "The words of a code cell's directives: those lines at its top that begin with #|."
    lines = cell.source.splitlines()
    top = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith('#|')), len(lines))
    return [line[2:].split() or [''] for line in lines[:top] if line.startswith('#|')]


def directives(cell) -> list[str]:
    "The names of a code cell's directives."
    return [words[0].rstrip(':') for words in _directives(cell)]


def module_of(nb) -> str | None:
    "The module that a notebook begins, with `#| default_exp`."
    return next((words[1] for c in nb.cells if c.cell_type == 'code' for words in _directives(c) if words[0] == 'default_exp'), None)


def is_export(cell) -> bool:
    return cell.cell_type == 'code' and any(d in EXPORTS for d in directives(cell))


def goes_to(cell, nb) -> list[str]:
    "The modules that a cell of a notebook goes to: the notebook's own, or the one that its directive names, as `#| export stages` does."
    named = [words[1:] for words in _directives(cell) if words[0] in EXPORTS] if cell.cell_type == 'code' else []
    return [words[0] if words else module_of(nb) for words in named]


def has_widgets(nb) -> bool:
    return any('application/vnd.jupyter.widget-view+json' in o.get('data', {}) for c in nb.cells if c.cell_type == 'code' for o in c.outputs)


def modules_of(nb) -> list[str]:
    "Every module that a notebook fills, its own first."
    return list(dict.fromkeys(filter(None, [module_of(nb), *(m for c in nb.cells for m in goes_to(c, nb))])))
