"""Widgets on the docs site, where there is no Python. As nbdev processes a page, each stored widget becomes a piece of HTML that site/player.js draws
and moves from its own ES module and its stored traits, with a plain picture (site/pictures.py) or a plain question where scripts don't run."""

import hashlib
import html
import json
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import docs
import page_model
from fastcore.nbio import mk_cell
from nbdev.config import get_config
from nbdev.processors import Processor
from notebooks import FOLDER, html_name, modules_of, name_of, read

from ulmfit_nb.course.widgets.base import rich

PICTURES = FOLDER / 'images/widgets'
VIEW, STORED = 'application/vnd.jupyter.widget-view+json', 'application/vnd.jupyter.widget-state+json'
LINKS = ('LinkModel', 'DirectionalLinkModel')
DRAWN = {'AnyModel', 'VBoxModel', 'HTMLModel', 'IntSliderModel', 'FloatSliderModel', 'FloatLogSliderModel', 'SelectionSliderModel', 'RadioButtonsModel'}
DRAWN |= {'TextareaModel', *LINKS}  # what the player knows; a widget with other parts waits for Python
KEPT = ('children', 'value', 'min', 'max', 'step', 'base', 'index', 'description', 'readout_format', '_options_labels', 'source', 'target')


def bare(reference: str) -> str:
    "The id in a reference to a model."
    return reference.removeprefix('IPY_MODEL_')


def tree(models: dict, root: str) -> list[str]:
    "The ids of a widget and of all that it shows, from the top down."
    return [root, *(i for child in models[root]['state'].get('children', []) for i in tree(models, bare(child)))]


def slim(model: dict) -> dict:
    "What the player needs of a stored model."
    name, state = model['model_name'], model['state']
    kept = {k: v for k, v in state.items() if (not k.startswith('_') or k in ('_esm', '_css')) and k not in ('layout', 'tabbable', 'tooltip')}
    return {'name': name, 'state': kept if name == 'AnyModel' else {k: v for k, v in state.items() if k in KEPT}}


def class_of(model: dict) -> str:
    "The Python class of a widget of our own; an empty string for others."
    return model['state'].get('_anywidget_id', '').rpartition('.')[2]


def captions_of(models: dict, ids: list[str]) -> str:
    "The texts under a widget: the course's own HTML."
    return ''.join(models[i]['state']['value'] for i in ids if models[i]['model_name'] == 'HTMLModel')


class Stored:
    "A widget as a notebook has stored it."

    def __init__(self, models: dict, root: str, page: str):
        self.ids = tree(models, root)
        links = {i for i, m in models.items() if m['model_name'] in LINKS and all(bare(m['state'][e][0]) in self.ids for e in ('source', 'target'))}
        self.root, self.models = root, {i: models[i] for i in (*self.ids, *sorted(links))}
        self.classes = [class_of(models[i]) for i in self.ids if class_of(models[i])]
        self.caption = captions_of(models, self.ids)
        self.name = f'{page}-{re.sub("(?<=[a-z])(?=[A-Z])", "-", (self.classes or ["text"])[0]).lower()}'

    @property
    def question(self) -> dict | None:
        "The traits of a question to commit to."
        return self.models[self.root]['state'] if self.classes == ['Predict'] else None

    @property
    def lives(self) -> bool:
        "Whether the player can draw all of it."
        return {m['model_name'] for m in self.models.values()} <= DRAWN

    def data(self) -> str:
        "What the player reads: JSON in which nothing looks like HTML or Markdown. Ids are the places in the tree: the same for every run."
        short = {old: f'm{i}' for i, old in enumerate(sorted(self.models, key=self.place))}
        text = json.dumps({'root': short[self.root], 'models': {short[i]: slim(self.models[i]) for i in short}}, sort_keys=True)
        text = re.sub(r'IPY_MODEL_(\w+)', lambda m: 'IPY_MODEL_' + short.get(m[1], m[1]), text)
        return text.replace('<', '\\u003c').replace('`', '\\u0060').replace('$', '\\u0024')

    def place(self, id_: str) -> tuple:
        "Where a model stands: those shown first, in their order; then the links, by what they join."
        if id_ in self.ids:
            return (0, self.ids.index(id_))
        ends = (self.models[id_]['state'][e] for e in ('source', 'target'))
        return (1, *((self.ids.index(bare(i)), trait) for i, trait in ends))

    def digest(self) -> str:
        "Changes where what is drawn changes. Of a widget that waits for Python the picture is an example, minutes and folders in it are of one run."
        text = self.data() if self.lives else ' '.join(self.classes)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def widgets_of(nb, page: str) -> dict[int, list[Stored]]:
    "The widgets that a notebook shows, by the number of the cell."
    models, found, seen = nb['metadata'].get('widgets', {}).get(STORED, {}).get('state', {}), {}, Counter()
    for i, cell in enumerate(nb['cells']):
        for out in cell.get('outputs', []):
            root = out.get('data', {}).get(VIEW, {}).get('model_id')
            if root in models:
                widget = Stored(models, root, page)
                seen[widget.name] += 1
                if seen[widget.name] > 1:
                    widget.name += f'-{seen[widget.name]}'
                found.setdefault(i, []).append(widget)
    return found


def page_name(path: Path, folder: Path = FOLDER) -> str:
    "A page without its number, as a word: `schedules`, `course-widgets-microscope`."
    return html_name(path, folder).removesuffix('.html').replace('/', '-')


def to_top(path: Path, folder: Path = FOLDER) -> str:
    "What leads from a page to the top of the site: nothing, or `../` for each folder it lies in."
    return '../' * html_name(path, folder).count('/')


def plain_question(q: dict) -> str:
    "A question without scripts: the answer behind a fold."
    choices = ''.join(f'<li>{rich(c)}</li>' for c in q['choices'])
    answer = f'<details><summary>Answer</summary><p><b>It is: {rich(q["choices"][q["right"]])}.</b> {rich(q["why"])}</p></details>'
    return f'<div class="static-question"><p>{rich(q["question"])}</p><ul>{choices}</ul>{answer}</div>'


def plain_picture(widget: Stored, texts: dict, note='', top='') -> str:
    "A picture of a widget with its caption, for a page from which `top` leads to the top of the site."
    alt = html.escape(texts.get(widget.name, {}).get('alt', ''))
    under = f'<figcaption>{note}{widget.caption}</figcaption>' if note or widget.caption else ''
    return f'<figure class="static-picture"><img src="{top}images/widgets/{widget.name}.png" alt="{alt}">{under}</figure>'


WAITS = '<b>This one needs Python: it lives in the notebook.</b> '


def as_html(widget: Stored, texts: dict, top='') -> str:
    "A widget for a page from which `top` leads to the top of the site."
    if not widget.classes:  # a text alone
        return widget.models[widget.root]['state']['value']
    if not widget.lives:
        return plain_picture(widget, texts, WAITS, top)
    still = plain_question(widget.question) if widget.question else plain_picture(widget, texts, top=top)
    still = still.replace('`', '&#96;')
    data = f'<script type="application/json">{widget.data()}</script>'
    answers = ''.join(map(page_model.attributes, widget.classes))
    return f'<div class="static-widget" id="{widget.name}"{answers}>{data}</div>\n<noscript id="{widget.name}-still">{still}</noscript>'


def texts_of_pictures(folder: Path = PICTURES) -> dict:
    "For each picture the text that stands for it, and the digest of what was drawn."
    file = folder / 'pictures.json'
    return json.loads(file.read_text(encoding='utf-8')) if file.exists() else {}


PLAYER = '<script src="{top}site/player.js" defer></script>'


def raw(text: str) -> dict:
    "HTML as an output that Quarto passes on as it is. As `text/html` it would bring require.js and jQuery from elsewhere along."
    return {'text/markdown': f'```{{=html}}\n{text}\n```\n'}


METHOD = re.compile(r'(\]\(/[\w/]+\.html#\w+)\.\w+\)')
NAME = r'\[(`[^`]+`)\]\([^)]*\)'  # as nbdev links it
WITHIN = re.compile(r'\[((?:[^\[\]]|\[`[^`]+`\]\([^)]*\))*)\]\(')  # the text of a link, which may have such links in it
ALONE = re.compile(r'(?<!.\n)^!\[([^\]]+)\]\((\S+)\)$(?!\n.)', re.M)  # a picture by itself: Quarto would show its text as a caption


def prepared(text: str) -> str:
    "Markdown as nbdev has linked it, for Quarto."
    text = WITHIN.sub(lambda found: '[' + re.sub(NAME, r'\1', found[1]) + '](', METHOD.sub(r'\1)', text))
    return ALONE.sub(lambda found: f'![]({found[2]}){{fig-alt="{html.escape(found[1])}"}}', text)


def keeps_lines(printed: str) -> bool:
    """Whether what a cell prints falls apart where its lines are broken: a box drawn with lines, or a table of three lines or more. Prose may be broken
    anywhere, and so may lines that nobody would scroll along."""
    lines = printed.splitlines()
    columns = [line for line in lines if re.search(r'\S {2,}\S|^ +\S+:|±', line)]
    return '─' in printed or (len(lines) > 2 and len(columns) > len(lines) / 2 and max(map(len, lines)) <= 140)


class StaticWidgets(Processor):
    """Widgets and tables as HTML that needs nothing but the site itself; no code above a question, for it holds the answer. A method's name leads to its class,
    where the page explains it: nbdev links it to an anchor of its own, and there is none. A name in the text of a link leads where that link does."""

    def begin(self):
        path, folder = Path(self.nb.path_).resolve(), Path(get_config().nbs_path).resolve()
        self.found, self.top = widgets_of(self.nb, page_name(path, folder)), to_top(path, folder)
        self.texts, self.name = texts_of_pictures(), name_of(path, folder)
        self.nb.metadata.pop('widgets', None)
        self.built = {k: v for m in modules_of(read(self.nb.path_)) for k, v in vars(import_module(f'ulmfit_nb.{m}')).items()}

    def entry(self, text: str) -> str:
        "A reference entry: what is built on this page is called __main__ in it, and of many a class it shows no more than *args."
        name = re.search(r'^### (\w+)$', text, re.M)
        return docs.telling(text, self.built.get(name[1]) if name else None).replace('__main__.', '')

    def cell(self, cell):
        if cell.cell_type == 'markdown':
            cell.source = prepared(cell.source)
        waiting = iter(self.found.get(cell.idx_, []))
        if keeps_lines(''.join(''.join(out.get('text', '')) for out in cell.get('outputs', []))):  # one block on the page
            cell.source = '#| classes: keep-lines\n' + cell.source
        for out in cell.get('outputs', []):
            data = out.get('data', {})
            if VIEW in data:
                widget = next(waiting)
                out['data'] = raw(as_html(widget, self.texts, self.top))
                if widget.question and 'echo: false' not in cell.source:
                    cell.source = '#| echo: false\n' + cell.source
            elif 'text/html' in data:
                out['data'] = raw(''.join(data['text/html']))
            elif 'text/markdown' in data:
                out['data']['text/markdown'] = self.entry(''.join(data['text/markdown']))

    def end(self):
        """At the top of the page: what it takes to run it, and the player, which also ticks questions that were answered. The title of a chapter gets its
        number, by which others cite it."""
        links = docs.run_links(self.name) if any(c.cell_type == 'code' for c in self.nb.cells) else ''
        at = next(i for i, c in enumerate(self.nb.cells) if c.cell_type != 'raw' and c.source)
        number = re.match(r'\d\d', self.name)
        for c in self.nb.cells[: at if number else 0]:
            c.source = re.sub(r"^title: ('?)", rf'title: \g<1>{number[0]} · ', c.source, flags=re.M)
        self.nb.cells.insert(at, mk_cell(raw(f'{links}\n{PLAYER.format(top=self.top)}')['text/markdown'].strip(), 'markdown'))
