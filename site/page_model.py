"""What the site needs to run a language model in the page: the tables of spaCy's English tokenizer, read out of spaCy itself."""

import json
from html import unescape
from html.entities import html5
from pathlib import Path

import spacy
from spacy.attrs import ORTH

from ulmfit_nb.tokenization import SPECIAL

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


def write(folder: Path):
    "Write what the page fetches into a folder."
    (folder / 'tokenizer.json').write_text(json.dumps(tables(), ensure_ascii=False, separators=(',', ':')), encoding='utf-8')
