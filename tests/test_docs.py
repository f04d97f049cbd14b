"The docs site without Quarto: nbdev's processing of every page, reference pages, links, anchors, alternative texts."

import os
import re
import shutil
import subprocess
import sys

import check_site
import docs
import page_model
import pytest
import widget_pages
import yaml
from nbconvert import HTMLExporter
from notebooks import NBS, ROOT, directives, html_name, modules_of, name_of, notebooks_in, read
from test_static_widgets import browser  # noqa: F401

import ulmfit_nb

LINK = re.compile(r'(?<!!)\[[^\]]*\]\(([^)\s]+)\)')
IMAGE = re.compile(r'!\[([^\]]*)\]\(([^)\s]+)\)')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The pages as nbdev hands them to Quarto."
    here = tmp_path_factory.mktemp('site')
    for name in ('settings.ini', 'pyproject.toml', 'setup.py', '_quarto.yml', 'README.md'):
        shutil.copy(ROOT / name, here)
    shutil.copytree(ROOT / 'nbs', here / 'nbs', symlinks=True, ignore=shutil.ignore_patterns('.*', 'reference', 'llms.txt', 'site'))
    docs.write(here / 'nbs')
    code = 'from nbdev.serve import proc_nbs; proc_nbs(n_workers=0, force=True)'
    paths = {'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "site"}', 'OMP_NUM_THREADS': '1', 'MPLBACKEND': 'agg'}
    done = subprocess.run([sys.executable, '-c', code], cwd=here, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'Error' not in done.stdout, done.stdout[-2000:]
    return here / '_proc'


def processed(site) -> dict:
    "The processed notebooks by their names."
    return {name_of(p, site): p for p in notebooks_in(site)}


def headings(cells) -> set[str]:
    "The anchors that a page's headings get."
    texts = [c.source for c in cells if c.cell_type == 'markdown']
    texts += [''.join(o.data.get('text/markdown', '')) for c in cells for o in c.get('outputs', []) if 'data' in o]  # reference entries
    lines = [line for text in texts for line in re.sub(r'^```.*?^```', '', text, flags=re.M | re.S).splitlines() if re.match(r'#+ ', line)]
    named = {m[1] for line in lines if (m := re.search(r'\{#([^} ]+)', line))}
    text = [re.sub(r'[^\w\s.-]', '', re.sub(r'\{[^}]*\}', '', line).lstrip('# ').lower()).strip() for line in lines]
    return named | {re.sub(r'\s+', '-', re.sub(r'^[^a-z]+', '', t)) for t in text}


def html_of(path) -> str:
    "What a processed page hands on as it is."
    outputs = [o for c in read(path).cells for o in c.get('outputs', []) if 'data' in o]
    return '\n'.join(''.join(o.data.get('text/markdown', '')) for o in outputs)


def test_every_page_is_processed(site):
    assert {name_of(p) for p in NBS} == set(processed(site))


def test_every_page_has_a_name_of_its_own():
    "Numbers are dropped and folders become a part of the name: widgets and their pictures are called after it."
    assert sorted({widget_pages.page_name(p) for p in NBS}) == sorted(widget_pages.page_name(p) for p in NBS)


def test_the_files_that_quarto_is_told_of_are_there(site):
    named = set(re.findall(r'site/[\w.]+', (ROOT / '_quarto.yml').read_text()))
    assert named == {'site/model', *(f'site/{name}' for name in docs.ASSETS)} and [n for n in named if not (site / n).exists()] == []
    assert {'tokenizer.json', *page_model.MODULES} <= {f.name for f in (site / 'site/model').iterdir()}


def test_the_modules_of_the_page_have_all_that_they_import():
    needed = {
        name for file in page_model.MODULES for name in re.findall(r"^import .* from '\./(.*)';", (page_model.STATIC / file).read_text(encoding='utf-8'), re.M)
    }
    assert 'lm.js' in needed and needed <= set(page_model.MODULES)


def test_every_page_is_in_the_sidebar_once():
    assert sorted(docs.pages()) == sorted(NBS)
    assert 'reference/*.qmd' in docs.sidebar()


def test_a_reference_page_a_module(site):
    pages = {p.stem: p.read_text() for p in (site / 'reference').glob('*.qmd')}
    assert set(pages) == {m for p in NBS for m in modules_of(read(p))}
    assert [(p.stem, m) for p in NBS for m in modules_of(read(p)) if f'](../{name_of(p)}.ipynb)' not in pages[m]] == []
    assert 'cut_frac:float=0.1, # the share of steps in which the rate rises' in pages['schedules']
    assert '## stlr {#stlr}' in pages['schedules'] and 'lrs: list[float]' in pages['training']


def test_classes_say_what_they_are(site):
    "Where nbdev would show *args: the fields of a dataclass, else what a class is a kind of; and no class of a page's own is called __main__."
    text = html_of(site / '07_training.ipynb')
    assert 'class Phase' in text and 'lrs: list[float]' in text
    assert 'class StageError(' in html_of(site / 'appendix/stages.ipynb')
    assert not [name for name, p in processed(site).items() if '__main__.' in html_of(p)]
    assert '*args, **kw' not in (site / 'reference/training.qmd').read_text()


def test_backticked_names_become_links(site):
    "A name in backticks leads to the notebook that builds it; a public name of the package to one that fills its own module, and no namesake."
    text = ['\n'.join(c.source for c in read(p).cells if c.cell_type == 'markdown') for p in processed(site).values()]
    links = [link for page in text for link in re.findall(r'\[`(\w+)`\]\(/([\w/]+\.html)#\w+\)', page)]
    assert len(links) > 50 and ('Tokenizer', 'tokenization.html') in links
    built = {name: getattr(ulmfit_nb, name).__module__.removeprefix('ulmfit_nb.') for name in ulmfit_nb.__all__}
    fills = {html_name(p): modules_of(read(p)) for p in NBS}
    wrong = {(name, page) for name, page in links if name in built and built[name] not in fills[page]}
    assert not wrong, f'{wrong} lead to a namesake'


def test_backticked_names_lead_somewhere(site):
    pages = {html_name(p, site): read(p).cells for p in processed(site).values()}
    anchors = {page: headings(cells) for page, cells in pages.items()}
    links = {m for cells in pages.values() for c in cells if c.cell_type == 'markdown' for m in re.findall(r'\]\(/([\w/]+\.html)#([\w.]+)\)', c.source)}
    assert len(links) > 50
    assert {(page, anchor) for page, anchor in links if anchor not in anchors.get(page, ())} == set()


@pytest.mark.parametrize('path', NBS, ids=name_of)
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
            assert there.exists(), f'{name_of(path)}: a link to {target}'
            if anchor and there.suffix == '.ipynb':
                assert anchor in headings(read(there).cells), f'{name_of(path)}: no heading for {target}; there are {sorted(headings(read(there).cells))}'


def jupyterlab_anchors(cells) -> set[str]:
    "JupyterLab's anchors: a heading's text with hyphens for blanks, capitals and signs as they are."
    return {line.lstrip('#').strip().replace(' ', '-') for c in cells if c.cell_type == 'markdown' for line in c.source.splitlines() if line.startswith('## ')}


GLOSSARY = read(ROOT / 'nbs/glossary.ipynb').cells


def test_the_glossary_has_the_same_anchors_in_jupyterlab_and_on_the_site():
    terms = [line[3:] for c in GLOSSARY if c.cell_type == 'markdown' for line in c.source.splitlines() if line.startswith('## ')]
    assert len(terms) > 50 and terms == sorted(set(terms)), 'each term once, in order'
    assert jupyterlab_anchors(GLOSSARY) == headings(GLOSSARY) - {'glossary'} == {t.replace(' ', '-') for t in terms}


def test_each_term_has_two_sentences_or_so_and_the_place_where_it_is_built():
    for entry in re.split(r'^## ', '\n\n'.join(c.source for c in GLOSSARY[2:]), flags=re.M)[1:]:
        term, text = entry.strip().split('\n\n')
        told, place = re.fullmatch(r'(.*) (?:Chapter|Appendix|\[Chapter).*?\((\S+\.ipynb)\)\.', text).groups()
        assert 1 <= len(re.findall(r'[.:!?](?: |$)', told)) <= 4 and len(told) < 400, term
        assert place[0].isdigit() or place.startswith('appendix/'), term


@pytest.mark.parametrize('path', NBS, ids=name_of)
def test_links_to_the_glossary_lead_to_a_term(path):
    for cell in read(path).cells:
        for target in LINK.findall(cell.source) if cell.cell_type == 'markdown' else ():
            page, _, anchor = target.partition('#')
            if page.endswith('glossary.ipynb') and anchor:
                assert anchor in jupyterlab_anchors(GLOSSARY), f'{name_of(path)}: {target} is no heading of the glossary as JupyterLab sees it'


@pytest.mark.parametrize('path', NBS, ids=name_of)
def test_pictures_say_what_they_show(path):
    for cell in read(path).cells:
        for alt, target in IMAGE.findall(cell.source) if cell.cell_type == 'markdown' else ():
            assert len(alt.split()) >= 4 and (path.parent / target).exists(), f'{name_of(path)}: {target}'
        if cell.cell_type == 'code' and any('image/png' in o.get('data', {}) for o in cell.outputs):
            assert 'fig-alt' in directives(cell), f'{name_of(path)}, cell {cell.id}: give its picture a text, #| fig-alt: what it shows:\n{cell.source[:200]}'


@pytest.mark.parametrize('path', NBS, ids=name_of)
def test_options_of_cells_are_yaml(path):
    "Quarto stops at the first that isn't, a text with a colon and without quotation marks, and renders no page."
    for cell in read(path).cells:
        for line in cell.source.splitlines() if cell.cell_type == 'code' else ():
            if option := re.match(r'#\| ([\w-]+: .*)', line):
                assert isinstance(yaml.safe_load(option[1]), dict), f'{name_of(path)}, cell {cell.id}: {line[:80]}'


def test_llms_txt_names_every_page(site):
    text = (site.parent / 'nbs/llms.txt').read_text()
    assert all(f'({html_name(p)})' in text for p in NBS)


@pytest.mark.parametrize('path', NBS, ids=name_of)
def test_every_widget_has_a_twin_without_scripts(site, path):
    "What is on the page is what the notebook shows, in its order; each has its picture, or its question."
    page = processed(site)[name_of(path)]
    text = html_of(page)
    widgets = [w for found in widget_pages.widgets_of(read(path), widget_pages.page_name(path)).values() for w in found if w.classes]
    assert re.findall(r'<div class="static-widget" id="([^"]+)"', text) == [w.name for w in widgets if w.lives]
    assert re.findall(r'<b>This one needs Python.*', text) == [] or any(not w.lives for w in widgets)
    assert check_site.twinless(text) == []
    pictures = re.findall(r'src="([./]*images/widgets/[^"]+)" alt="([^"]*)"', text)
    assert len(pictures) == len([w for w in widgets if not w.question])
    assert [src for src, alt in pictures if len(alt.split()) < 4 or not (path.parent / src).exists()] == []
    assert [src for src in re.findall(r'<script src="([^"]+)"', text) if not (page.parent / src).exists()] == []


def test_pages_need_nothing_from_elsewhere(site):
    "A stored widget or a table in HTML would make Quarto load require.js, jQuery and the widget manager from a network of its own."
    for name, path in processed(site).items():
        nb = read(path)
        kinds = {kind for c in nb.cells for o in c.get('outputs', []) for kind in o.get('data', {})}
        assert 'widgets' not in nb.metadata and not kinds & {'text/html', 'application/javascript', widget_pages.VIEW}, name
    settings = yaml.safe_load((ROOT / '_quarto.yml').read_text())['format']['html']
    assert settings['html-math-method'] == 'mathml'
    assert all('site/theme.scss' in theme for theme in settings['theme'].values()), 'where the fonts from elsewhere are turned off'


@pytest.mark.parametrize(
    'given, becomes',
    [
        ('see [`f`](/a.html#f)', 'see [`f`](/a.html#f)'),
        ('[the page of [`f`](/a.html#f)](b.html)', '[the page of `f`](b.html)'),
        ('[of [`f`](/a.html#f) and [`g`](/a.html#g), too](b.html)', '[of `f` and `g`, too](b.html)'),
        ('[a](b.html), [`f`](/a.html#f)', '[a](b.html), [`f`](/a.html#f)'),
        ('Text.\n\n![A "line"](a.svg)\n\nMore.', 'Text.\n\n![](a.svg){fig-alt="A &quot;line&quot;"}\n\nMore.'),
        ('a picture\n![that ends](a.svg)', 'a picture\n![that ends](a.svg)'),
        ('![that begins](a.svg)\na paragraph', '![that begins](a.svg)\na paragraph'),
        ('a picture\n![that stands](a.svg)\nin a paragraph', 'a picture\n![that stands](a.svg)\nin a paragraph'),
    ],
)
def test_markdown_is_made_ready_for_quarto(given, becomes):
    "nbdev links names in the text of a link again; a picture by itself would have its text under it."
    assert widget_pages.prepared(given) == becomes


def test_no_page_shows_how_it_was_made(site):
    "Links in links, addresses of memory; a picture by itself has its text where a screen reader looks."
    pages = [read(path) for path in processed(site).values()]
    text = '\n\n'.join(c.source for nb in pages for c in nb.cells if c.cell_type == 'markdown')
    entries = '\n'.join(html_of(path) for path in processed(site).values()) + '\n'.join(p.read_text() for p in (site / 'reference').glob('*.qmd'))
    assert re.findall(r'\[[^\[\]\n]*\[`[^`]+`\]\([^)]*\)[^\[\]\n]*\]\(', text) == [] and re.findall(r'.{0,60} at 0x[0-9a-f]{8,}', entries) == []
    there = sum(len(widget_pages.ALONE.findall(c.source)) for p in NBS for c in read(p).cells if c.cell_type == 'markdown')
    assert text.count('{fig-alt="') == there > 0


def test_defaults_are_called_by_their_names():
    there = [docs.telling, object(), lambda t: t, docs.Path.exists]
    text = docs.telling(f'f({", ".join(map(repr, there))})', None)
    assert text == 'f(telling, object(), <lambda>, exists)'


def test_the_title_of_a_chapter_has_its_number(site):
    "For chapters cite each other by it; the file and its address stay what they were."
    for name, path in processed(site).items():
        front = read(path).cells[0].source
        number = re.match(r'\d\d', name)
        title = docs.title_and_promise(read(ROOT / f'nbs/{name}.ipynb'))[0]
        assert yaml.safe_load(front.split('---')[1])['title'] == (f'{number[0]} · {title}' if number else title)


@pytest.mark.parametrize(
    'printed, keeps',
    [
        ('     words   56.7 ± 1.0\n  subwords   56.3 ± 0.5\n    tf-idf   53.9 ± 0.6', True),
        ('┌─┐\n└─┘', True),
        ('one line   of two columns', False),
        ('A sentence.\nAnother one.\nAnd a third.', False),
        ('  name: of one\n other: of two\n third: of three', True),
        ('Words  apart.\nA sentence.\nAnother.\nAnd a third.', False),
        ('two  lines\nof  columns', False),
        ('\n'.join(['a column   and ' + 50 * 'words '] * 3), False),
    ],
)
def test_a_printed_table_keeps_its_lines(printed, keeps):
    assert widget_pages.keeps_lines(printed) is keeps


def test_a_table_that_was_printed_in_parts_keeps_its_lines(site):
    "Quarto makes one block of what a cell prints, however many outputs a notebook has stored."
    printed = [(c, [''.join(o.get('text', '')) for o in c.outputs]) for p in processed(site).values() for c in read(p).cells if c.cell_type == 'code']
    parts = [c for c, texts in printed if widget_pages.keeps_lines(''.join(texts)) and not any(map(widget_pages.keeps_lines, texts))]
    assert parts and all('#| classes: keep-lines' in c.source for c in parts)


def test_a_question_does_not_show_its_answer(site):
    "The code above a question holds the answer: it stays out of the page."
    asking = [c for path in processed(site).values() for c in read(path).cells if re.search(r'id="[\w-]+-predict', str(c.get('outputs', '')))]
    assert len(asking) > 10 and all('echo' in directives(c) for c in asking)


def test_every_page_that_has_code_says_where_it_can_be_run(site):
    "In Binder and in Colab, from a plain clone: the notebook is where the links have it, and so is what they install."
    repo = docs.website()['repo-url']
    for name, path in processed(site).items():
        text = ''.join(c.source for c in read(path).cells if c.cell_type == 'markdown')
        links = re.findall(r'<a href="(https://(?:mybinder|colab)[^"]+)"', text)
        assert len(links) == (2 if any(c.cell_type == 'code' for c in read(ROOT / f'nbs/{name}.ipynb').cells) else 0), name
        for link in links:
            assert (ROOT / re.search(r'nbs/.*\.ipynb', link)[0]).exists() and repo.removeprefix('https://github.com') in link
        assert not links or f'git clone -q --depth 1 {repo} ' in text and f'%cd ulmfit_nb/{os.path.dirname(f"nbs/{name}")}<' in text
        assert text.count('site/player.js') == 1, name
    needs = (ROOT / '.binder/requirements.txt').read_text()
    assert '-e .' in needs.splitlines() and (ROOT / '.binder' / re.search(r'^-c (.*)', needs, re.M)[1]).exists()


def as_page(path) -> str:
    "A processed page as a browser can show it without Quarto: the same HTML, the site's own rules, none of Bootstrap's."
    nb = read(path)
    for cell in nb.cells:
        cell.metadata = {}  # nbdev's are not quite valid
        if cell.cell_type == 'raw':
            cell.source = ''
        for holder in (cell, *(o.data for o in cell.get('outputs', []) if 'text/markdown' in o.get('data', {}))):
            key = 'source' if holder is cell else 'text/markdown'
            holder[key] = re.sub(r'^```\{=html\}\n(.*?)\n```$', r'\1', ''.join(holder[key]), flags=re.M | re.S)
        if cell.cell_type == 'code':
            cell.update(outputs=[o for o in cell.outputs if o.output_type != 'display_data' or 'image/png' in o.data or 'text/markdown' in o.data])
    body, _ = HTMLExporter(template_name='basic').from_notebook_node(nb)
    rules = re.sub(r'^//.*$', '', (ROOT / 'site/theme.scss').read_text().split('/*-- scss:rules --*/')[1], flags=re.M)
    style = 'body { margin: 0; font: 17px/1.5 sans-serif } main { max-width: 860px; margin: auto; padding: 0 12px } img { max-width: 100%; height: auto }'
    wrapped = 'code { white-space: pre } main div.highlight pre { white-space: pre-wrap; overflow-wrap: anywhere }'  # Quarto's own, and code-overflow: wrap
    return f'<!doctype html><meta charset="utf-8"><base href="{path.parent.as_uri()}/"><style>{style} {wrapped} {rules}</style><main>{body}</main>'


def test_no_chapter_scrolls_sideways_on_a_phone(site, browser):  # noqa: F811
    "Its widgets are left out: tests/test_static_widgets.py looks at them."
    wide = {}
    with browser.new_page(viewport={'width': 390, 'height': 800}) as page:
        for name, path in processed(site).items():
            if path.parent == site:
                page.set_content(re.sub(r'<script.*?</script>', '', as_page(path), flags=re.S), wait_until='domcontentloaded')
                if (found := page.evaluate('document.documentElement.scrollWidth')) > 390:
                    wide[name] = found
    assert wide == {}


def test_the_address_and_the_repository_are_settings_of_one_file():
    "Canonical links, cards, source and edit links are made of them by Quarto; what names them elsewhere agrees."
    about, page = docs.website(), yaml.safe_load((ROOT / '_quarto.yml').read_text())['format']['html']
    assert page['canonical-url'] is True and about['open-graph'] and {'source', 'edit'} <= set(about['repo-actions'])
    assert (
        (ROOT / 'nbs' / about['image']).exists()
        and len(about['image-alt'].split()) > 4
        and about['image'] in (ROOT / '_quarto.yml').read_text().split('website:')[0]
    )
    cited = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert (cited['repository-code'], cited['url']) == (about['repo-url'], about['site-url'])
    settings = dict(line.split(' = ', 1) for line in (ROOT / 'settings.ini').read_text().splitlines() if ' = ' in line)
    assert (cited['version'], cited['license'], cited['title']) == (settings['version'], settings['license'], settings['lib_name'])
    assert f'Repository = "{about["repo-url"]}"' in (ROOT / 'pyproject.toml').read_text()


def test_a_link_past_the_sidebar_comes_first():
    "The first that Tab reaches; that it leads somewhere is checked of the rendered pages."
    settings = yaml.safe_load((ROOT / '_quarto.yml').read_text())['format']['html']
    assert settings['include-before-body'] == [{'text': '<a class="skip-link" href="#quarto-document-content">Skip to the text</a>'}]
    assert '.skip-link:focus { left: 0; }' in (ROOT / 'site/theme.scss').read_text()


def test_the_search_finds_chapters_before_widgets(site):
    "Pages of widgets and checks stay out of it; their names are on reference pages, which have no source to edit."
    assert yaml.safe_load((site / 'course/_metadata.yml').read_text()) == {'search': False}
    assert all('repo-actions: false' in p.read_text() and 'search: false' not in p.read_text() for p in (site / 'reference').glob('*.qmd'))


def test_each_widget_is_in_the_gallery_with_its_picture():
    "And leads to a page that shows it."
    cells = read(ROOT / 'nbs/gallery.ipynb').cells
    shown = re.findall(r'\[!\[[^\]]+\]\(images/widgets/([^)]+)\.png\)\]\(([^)]+)\) \[[^\]]+\]\(([^)]+)\)', ''.join(c.source for c in cells))
    stored = {
        w.name: (name_of(p), w.classes[0]) for p in NBS for ws in widget_pages.widgets_of(read(p), widget_pages.page_name(p)).values() for w in ws if w.classes
    }
    assert all(page == again and f'{stored[name][0]}.ipynb' == page for name, page, again in shown)
    assert sorted({stored[name][1] for name, *_ in shown}) == sorted({kind for _, kind in stored.values()} - {'Predict'})


GOOD = """<h2 id="top">Top</h2><pre><code><span>x[i](y)</span><br>x[i](y)</code></pre></i><p>of <code>f[i](x)</code></p>
<a href="other.html#there">x</a><a href="#top">x</a><a href="https://example.org">x</a><script src="play.js"></script>
<img src="a.png" alt="a line that rises and falls"><div class="static-widget" id="w-1"></div>
<noscript id="w-1-still"><img src="a.png" alt="a line that rises and falls"></noscript>"""
MISTAKES = {
    'a link to othr.html': ('other.html#there', 'othr.html'),
    'no anchor for other.html#ther': ('#there', '#ther'),
    'no anchor for #tip': ('href="#top"', 'href="#tip"'),
    'no text for the picture a.png': (' alt="a line that rises and falls"><div', '><div'),
    '](other.html#there) as it stands in the source': ('>x</a><a href="#top">', '>[x](other.html#there)</a><a href="#top">'),
    'b](other.html) as it stands': ('</h2>', '</h2><p>a<br><code>x</code> b](other.html)</p>'),
    'a value by its address': ('<h2', '<p>of=&lt;function f at 0x7f0f89243600&gt;</p><h2'),
    'play.js is missing': ('<script src="play.js">', '<script src="lib/play.js">'),
    'from elsewhere': ('"play.js"', '"https://example.org/play.js"'),
    'the widget w-1 has no twin': ('<noscript id="w-1-still">', '<noscript>'),
    'a widget': ('alt="a line that rises and falls"></noscript>', 'alt=""></noscript>'),
}


@pytest.mark.parametrize('fault', [None, *MISTAKES])
def test_faults_of_a_site_are_found(tmp_path, fault):
    page = GOOD.replace(*MISTAKES[fault]) if fault else GOOD
    assert fault is None or page != GOOD
    for name, text in (('index.html', page), ('other.html', '<p id="there">'), ('play.js', ''), ('a.png', '')):
        (tmp_path / name).write_text(text)
    found = check_site.faults(tmp_path)
    assert bool(found) == bool(fault) and (fault in (None, 'a widget') or any(fault in f for f in found)), found


@pytest.mark.skipif(shutil.which('quarto') is None, reason='Quarto is not on PATH: the pages are checked up to what it would be given')
def test_quarto_renders(site):
    done = subprocess.run(['quarto', 'render', '--no-execute'], cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert check_site.faults(site / '_docs') == []
