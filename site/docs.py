"""What the docs site needs besides the chapters: a reference page for each module, llms.txt, a model for the page, and the player, the theme and the icon of
this folder. Written into nbs/, where git ignores it: Quarto takes nothing from outside its project."""

import ast
import inspect
import re
import shutil
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import page_model
import yaml
from nbdev.showdoc import BasicMarkdownRenderer, show_doc
from notebooks import FOLDER, ROOT, html_name, modules_of, name_of, read

ASSETS = ('player.js', 'theme.scss', 'favicon.svg')


def title_and_promise(nb) -> tuple[str, str]:
    "The title of a chapter and the line under it."
    lines = nb.cells[0].source.splitlines()
    return lines[0].removeprefix('# '), next(line.removeprefix('> ') for line in lines if line.startswith('> '))


def methods(cls: type) -> list[str]:
    "A class's own public methods that say what they do, in the order of the source."
    return [n for n, f in vars(cls).items() if callable(f) and not n.startswith('_') and f.__doc__]


def fields(cls: type) -> str | None:
    "The fields of a dataclass or named tuple with their comments, as in the source; None for another class."
    if not hasattr(cls, '_fields') and not is_dataclass(cls):
        return None
    source = inspect.getsource(cls)
    cut = re.search(r'\n\n? +(@|def |async )', source)
    return source[: cut.start() if cut else None].rstrip()


def telling(text: str, obj) -> str:
    "The entry of a class with its fields; where its signature says nothing, with the line that says what it is a kind of."
    listed = fields(obj) if isinstance(obj, type) else None
    if isinstance(obj, type) and not listed and re.search(r'^\s*(\*\w+,? ?)?\*\*?(args|kwargs|kwds)\n\)', text, re.M):
        listed = inspect.getsource(obj).split(':', 1)[0].splitlines()[-1]
    text = re.sub(r'```python\n.*?\n```', lambda _: f'```python\n{listed}\n```', text, count=1, flags=re.S) if listed else text
    text = re.sub(r'<[\w.]*?(\w+) object at 0x\w+>', r'\1()', text)  # defaults by their names
    return re.sub(r'<function (?:[\w.]|<locals>)*?(\w+|<lambda>) at 0x\w+>', r'\1', text)


def entry(obj, name: str, level: int) -> str:
    "A heading, the signature with its docments, the docstring."
    text = telling(show_doc(obj, renderer=BasicMarkdownRenderer, name=name)._repr_markdown_(), obj)
    text = re.sub(r'\A---\s*(\[source\].*\n)?', '', text.strip()).strip()
    return re.sub(r'\A#+ .*', f'{"#" * level} {name} {{#{name}}}', text)


def reference(module: str, chapters: dict[Path, str]) -> str:
    "The reference page of a module, as Quarto markdown; with the title of each notebook that fills it."
    lib = import_module(f'ulmfit_nb.{module}')
    parts = [f'---\ntitle: "{module}"\ndescription: "{ast.get_docstring(ast.parse(Path(lib.__file__).read_text(encoding="utf-8")))}"\nrepo-actions: false\n---']
    parts.append(f'Built and explained in {", ".join(f"[{title}](../{name_of(p)}.ipynb)" for p, title in chapters.items())}.')
    for name in lib.__all__:
        obj = getattr(lib, name)
        if not callable(obj) or not hasattr(obj, '__module__'):
            continue
        parts.append(entry(obj, name, 2))
        if isinstance(obj, type):
            parts += [entry(getattr(obj, m), f'{name}.{m}', 3) for m in methods(obj)]
    return '\n\n'.join(parts) + '\n'


def listed(contents) -> list[str]:
    "The pages that a part of the sidebar names, in order."
    if isinstance(contents, str):
        return [contents]
    if isinstance(contents, list):
        return [page for part in contents for page in listed(part)]
    return listed(contents.get('contents', contents.get('href', [])))


def website() -> dict:
    "What _quarto.yml says of the site: its address, its repository, its pages."
    return yaml.safe_load((ROOT / '_quarto.yml').read_text(encoding='utf-8'))['website']


def sidebar() -> list[str]:
    return listed(website()['sidebar'])


def run_links(page: str) -> str:
    "Where a notebook can be run without installing anything: HTML for the top of its page. Both begin with a plain clone."
    repo, branch = website()['repo-url'], website()['repo-branch']
    owner, folder = repo.removeprefix('https://github.com/'), repo.rpartition('/')[2]
    binder = f'https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/nbs/{page}.ipynb'
    colab = f'https://colab.research.google.com/github/{owner}/blob/{branch}/nbs/{page}.ipynb'
    first = f'!git clone -q --depth 1 {repo} &amp;&amp; pip install -q ./{folder}\n%cd {folder}/{Path("nbs", page).parent.as_posix()}'
    return (
        f'<details class="run-here"><summary>Run this page without installing anything</summary><p><a href="{binder}">Binder</a> opens it in JupyterLab. '
        f'<a href="{colab}">Colab</a> opens it alone: begin with a cell of these two lines.</p><pre><code>{first}</code></pre></details>'
    )


def pages() -> list[Path]:
    "The notebooks in the order of the sidebar, which names them one by one or a folder at a time."
    return [p for named in sidebar() if named.endswith('.ipynb') for p in (sorted(FOLDER.glob(named)) if '*' in named else [FOLDER / named])]


def llms(entries: list[tuple[str, str, str]]) -> str:
    "The site in one file of plain text, for readers that are programs."
    first = (ROOT / 'README.md').read_text(encoding='utf-8').split('\n\n')[1].replace('\n', ' ')
    lines = [f'- [{title}]({page}): {promise}' for page, title, promise in entries]
    return '# ulmfit_nb\n\n> ' + first + '\n\n## Chapters\n\n' + '\n'.join(lines) + '\n'


def write(out: Path):
    "Write reference/*.qmd, llms.txt and site/* into a folder."
    entries, chapters = [], {}
    for folder in ('reference', 'site'):
        (out / folder).mkdir(exist_ok=True)
    for name in ASSETS:
        shutil.copy(Path(__file__).parent / name, out / 'site')
    page_model.write(out / 'site/model')
    for path in pages():
        nb = read(path)
        title, promise = title_and_promise(nb)
        entries.append((html_name(path), title, promise))
        for module in modules_of(nb):
            chapters.setdefault(module, {})[path] = title
    for module, built_in in chapters.items():
        (out / f'reference/{module}.qmd').write_text(reference(module, built_in), encoding='utf-8')
    (out / 'llms.txt').write_text(llms(entries), encoding='utf-8')


if __name__ == '__main__':
    write(FOLDER)
