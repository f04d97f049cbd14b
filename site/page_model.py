"""What the site needs to run a model in the page: the modules of `static` that do it, the tables of spaCy's English tokenizer, read out of spaCy itself, and
the files of the model. None of it is fetched before somebody asks for it."""

import json
import shutil
from html import unescape
from html.entities import html5
from pathlib import Path

import spacy
from spacy.attrs import ORTH

from ulmfit_nb.course.widgets.base import STATIC
from ulmfit_nb.stages import pretrained_models
from ulmfit_nb.tokenization import SPECIAL

MODULES = [f'{name}.js' for name in 'page answers differences lm classifier tokenizer vocab generation svg words'.split()]
NETWORK = ('config.json', 'vocab.json', 'model.safetensors')
# What answers each widget, and what it needs of that.
ANSWERS = {
    'Microscope': ('film-small', NETWORK[:2]),
    'Generation': ('film-small', NETWORK),
    'SurprisalView': ('film-small', NETWORK),
    'ThreeStages': ('film-small', NETWORK),
    'PoolingView': ('film-subjectivity', NETWORK),
}
TABLES = 0.1  # MB: tokenizer.json

# Numbers for which HTML has another character than the one of that number, or none: look among these.
ODD = [*range(0xA0), *range(0xFDD0, 0xFDF0), *(plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))]


def tables() -> dict:
    "The patterns and exceptions of spaCy's English tokenizer, and HTML's entities: what static/tokenizer.js is made with."
    made = spacy.blank('en').tokenizer
    patterns = {'prefix': made.prefix_search, 'suffix': made.suffix_search, 'infix': made.infix_finditer, 'url': made.url_match}
    exceptions = [' '.join(part[ORTH] for part in parts) for word, parts in made.rules.items() if word.split() == [word]]
    return {
        **{name: bound.__self__.pattern for name, bound in patterns.items()},
        'exceptions': sorted({*exceptions, *SPECIAL}),  # a blank between the tokens of each; a piece has no white space, so those that have some are never met
        'entities': {name[:-1]: text for name, text in html5.items() if name.endswith(';')},
        'numbers': {n: text for n in ODD if (text := unescape(f'&#{n};')) != chr(n)},
    }


def attributes(kind: str) -> str:
    "What a widget on a page says of the model that can answer it; nothing for one that no model answers, or whose model does not ship."
    name, files = ANSWERS.get(kind, ('', ()))
    if name not in (shipped := pretrained_models()):
        return ''
    megabytes = TABLES + sum((shipped[name] / f).stat().st_size for f in files) / 1e6
    return f' data-answers="{kind}" data-model="{name}" data-megabytes="{megabytes:.1f}"'


def write(folder: Path):
    "Write what the page fetches into a folder."
    folder.mkdir(exist_ok=True)
    for name in MODULES:
        shutil.copy(STATIC / name, folder)
    (folder / 'tokenizer.json').write_text(json.dumps(tables(), ensure_ascii=False, separators=(',', ':')), encoding='utf-8')
    for name in {name for name, _ in ANSWERS.values()} & pretrained_models().keys():
        (folder / name).mkdir(exist_ok=True)
        for file in NETWORK:
            shutil.copy(pretrained_models()[name] / file, folder / name)
