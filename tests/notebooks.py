"What the tests need to know about the notebooks: where they are, their cells and directives, and how to run one against the exported module."

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
NBS = sorted((ROOT / 'nbs').glob('*.ipynb'))
CHAPTERS = [p for p in NBS if re.match(r'\d\d_', p.name) and not p.name.startswith('00')]
EXPORTS = ('export', 'exporti', 'exports')


def read(path):
    return nbformat.read(path, as_version=4)


def directives(cell) -> list[str]:
    "The names of a code cell's directives: those lines at its top that begin with #|."
    lines = cell.source.splitlines()
    top = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith('#|')), len(lines))
    return [line[2:].split()[0].rstrip(':') if line[2:].split() else '' for line in lines[:top] if line.startswith('#|')]


def module_of(nb) -> str | None:
    "The module a notebook exports to."
    for cell in nb.cells:
        if cell.cell_type == 'code':
            found = re.search(r'^#\| default_exp (\S+)', cell.source, re.M)
            if found:
                return found[1]


def is_export(cell) -> bool:
    return cell.cell_type == 'code' and any(d in EXPORTS for d in directives(cell))
