"The docs site without Quarto: nbdev's processing of every page, reference pages, links, anchors, alternative texts."

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from notebooks import NBS, ROOT, directives, module_of, read

import ulmfit_nb

sys.path.insert(0, str(ROOT / 'runs'))
import docs

LINK = re.compile(r'(?<!!)\[[^\]]*\]\(([^)\s]+)\)')
IMAGE = re.compile(r'!\[([^\]]*)\]\(([^)\s]+)\)')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The pages as nbdev hands them to Quarto."
    here = tmp_path_factory.mktemp('site')
    for name in ('settings.ini', 'pyproject.toml', 'setup.py', '_quarto.yml', 'README.md'):
        shutil.copy(ROOT / name, here)
    shutil.copytree(ROOT / 'nbs', here / 'nbs', symlinks=True, ignore=shutil.ignore_patterns('.*', 'reference', 'llms.txt'))
    docs.write(here / 'nbs')
    code = 'from nbdev.serve import proc_nbs; proc_nbs(n_workers=0, force=True)'
    paths = {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'MPLBACKEND': 'agg'}
    done = subprocess.run([sys.executable, '-c', code], cwd=here, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'Error' not in done.stdout, done.stdout[-2000:]
    return here / '_proc'


def sidebar() -> list[str]:
    "What the sidebar names, in order."
    contents = yaml.safe_load((ROOT / '_quarto.yml').read_text())['website']['sidebar']['contents']
    return [page for section in contents for page in section['contents']]


def headings(cells) -> set[str]:
    "The anchors that a page's headings get."
    lines = [line for c in cells if c.cell_type == 'markdown' for line in c.source.splitlines() if re.match(r'#+ ', line)]
    text = [re.sub(r'[^\w\s-]', '', line.lstrip('# ').lower()).strip() for line in lines]
    return {re.sub(r'\s+', '-', re.sub(r'^[\d\s]+', '', t)) for t in text}


def test_every_page_is_processed(site):
    assert {p.stem for p in NBS} <= {p.stem for p in site.glob('*.ipynb')}


def test_every_page_is_in_the_sidebar_once():
    named = [p for p in sidebar() if p.endswith('.ipynb')]
    assert sorted(named) == [p.name for p in NBS]


def test_a_reference_page_a_module(site):
    modules = {module_of(read(p)) for p in NBS} - {None}
    pages = {p.stem: p.read_text() for p in (site / 'reference').glob('*.qmd')}
    assert set(pages) == modules
    assert 'cut_frac:float=0.1, # the share of steps in which the rate rises' in pages['schedules']
    assert '## stlr {#stlr}' in pages['schedules'] and 'lrs: list[float]' in pages['training']


def test_backticked_names_become_links(site):
    "A name in backticks leads to the chapter that builds it; a public name of the package to its own module, and no namesake."
    text = {p.stem: '\n'.join(c.source for c in read(p).cells if c.cell_type == 'markdown') for p in site.glob('*.ipynb')}
    links = [link for page in text.values() for link in re.findall(r'\[`(\w+)`\]\(/(\w+)\.html#\w+\)', page)]
    assert len(links) > 50 and ('Tokenizer', 'tokenization') in links
    built = {name: getattr(ulmfit_nb, name).__module__.rpartition('.')[2] for name in ulmfit_nb.__all__}
    wrong = {(name, page) for name, page in links if name in built and page != built[name]}
    assert not wrong, f'{wrong} lead to a namesake'


@pytest.mark.parametrize('path', NBS, ids=lambda p: p.stem)
def test_links_and_anchors(path):
    cells = read(path).cells
    for cell in cells:
        if cell.cell_type != 'markdown':
            continue
        for target in LINK.findall(cell.source):
            if re.match(r'\w+:', target):
                continue
            page, _, anchor = target.partition('#')
            there = path.parent / page if page else path
            assert there.exists(), f'{path.name}: a link to {target}'
            if anchor and there.suffix == '.ipynb':
                assert anchor in headings(read(there).cells), f'{path.name}: no heading for {target}; there are {sorted(headings(read(there).cells))}'


@pytest.mark.parametrize('path', NBS, ids=lambda p: p.stem)
def test_pictures_say_what_they_show(path):
    for cell in read(path).cells:
        for alt, target in IMAGE.findall(cell.source) if cell.cell_type == 'markdown' else ():
            assert len(alt.split()) >= 4 and (path.parent / target).exists(), f'{path.name}: {target}'
        if cell.cell_type == 'code' and any('image/png' in o.get('data', {}) for o in cell.outputs):
            assert 'fig-alt' in directives(cell), f'{path.name}, cell {cell.id}: give its picture a text, #| fig-alt: what it shows:\n{cell.source[:200]}'


def test_llms_txt_names_every_page(site):
    text = (site.parent / 'nbs/llms.txt').read_text()
    assert all(f'({docs.html_name(p)})' in text for p in NBS)


@pytest.mark.skipif(shutil.which('quarto') is None, reason='Quarto is not on PATH: the pages are checked up to what it would be given')
def test_quarto_renders(site):
    done = subprocess.run(['quarto', 'render', '--no-execute'], cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (site / '_docs/index.html').exists()
