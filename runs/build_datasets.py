"""The data sets that ship, as Parquet files in ulmfit_nb/datasets, from those in the folder that ULMFIT_NB_DATA names; and the figures in their cards.
(`datasets.py` it can't be called: that is the name of a library that the scripts beside it import.)"""

import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from command_line import from_command_line
from typer import Option

from ulmfit_nb.files import atomic_open, atomic_write
from ulmfit_nb.sources import DATASETS, NAMED
from ulmfit_nb.tables import read_columns

SHIP = {name: known.splits for name, known in NAMED.items() if known.splits}
TYPES = {'label': pa.int8(), 'rating': pa.int8(), 'product': pa.int16()}  # the others are strings
COLUMNS = {
    'subjectivity': ['text', 'label'],
    'snippets': ['text', 'label'],
    'film_reviews': ['text', 'label', 'id'],
    'clothing': ['text', 'label', 'title', 'rating', 'department', 'kind', 'product'],
}
PACKED = ('text', 'title', 'id')  # hardly a value twice: a dictionary of them would only be longer
ARTICLES, HELD_OUT, SEED = 150, 15, 2018
WORDS = (400, 1500)
LEAST_PROSE = 0.9
NEAR, RUNS = 0.8, 4  # a near copy: this share of the shorter text's runs of three words, if it has so many
GARBLED, CONTROL = r'[^\x00-\x7f]', r'[\x00-\x09\x0b-\x1f]'
MARK = r'\b\d(?: \. \d)? ?/ ?(?:10|4|5)\b|\* \*|out of (?:four|five|ten|4|5|10)\b|\bstars? \)|\brating :|\bgrade :'
BEGIN, END = '<!-- figures: written by runs/build_datasets.py -->', '<!-- end of figures -->'


# ---- from the sources to the files


def prose(text: str) -> float:
    "The share of a text's words that stand in lines of twenty and more: what is left is headings and lists."
    lines = [len(line.split()) for line in text.split('\n')]
    return sum(n for n in lines if n >= 20) / sum(lines)


def articles(folder: Path) -> list[dict]:
    "Articles of moderate length, in sentences, without formulas, drawn from those that wiki-small has read."
    files = sorted(folder.glob('enwiki2015/train-*.parquet'))
    if not files:
        raise SystemExit(f'{folder}/enwiki2015: no train-*.parquet in it. Give the folder that holds the sets: ULMFIT_NB_DATA=/path/to/data.')
    rows = sorted((row for file in files for row in pq.read_table(file).to_pylist()), key=lambda row: row['id'])
    fit = [r for r in rows if WORDS[0] <= len(r['text'].split()) <= WORDS[1] and 'formula_' not in r['text'] and prose(r['text']) >= LEAST_PROSE]
    return random.Random(SEED).sample(fit, ARTICLES)


def built(folder: Path) -> Iterator[tuple[str, str, pa.Table]]:
    "Name, split and content of every file that ships."
    for name, columns in COLUMNS.items():
        for split in SHIP[name]:
            file = folder / name / f'{split}.parquet'
            if not file.is_file():
                raise SystemExit(f'{file}: no such file. Give the folder that holds the sets: ULMFIT_NB_DATA=/path/to/data.')
            yield name, split, pq.read_table(file, columns=columns).cast(pa.schema([(c, TYPES.get(c, pa.string())) for c in columns]))
    chosen = articles(folder)
    schema = pa.schema([('id', pa.int32()), ('title', pa.string()), ('text', pa.string())])
    for split, rows in (('train', chosen[HELD_OUT:]), ('validation', chosen[:HELD_OUT])):
        yield 'wikipedia', split, pa.Table.from_pylist(rows, schema)


def write(table: pa.Table, path: Path):
    "One file: zstd at its strongest but for two, sums over pages that show damage, nothing of the machine."
    short = [c for c in table.column_names if c not in PACKED]
    options = dict(compression='zstd', compression_level=19, use_dictionary=short, data_page_size=1 << 26, write_page_checksum=True)
    with atomic_write(path) as temp:
        pq.write_table(table.replace_schema_metadata(None), temp, write_statistics=False, store_schema=False, **options)


# ---- the figures in the cards


def bare(text: str) -> str:
    "A text without signs and capitals."
    return ' '.join(re.findall(r'\w+', text.lower()))


def near_copies(texts: list[str]) -> list[tuple[int, int]]:
    "Pairs of texts of which the longer holds most of what the shorter says."
    from scipy.sparse import csr_array

    number, found, sizes = {}, [], []
    for i, text in enumerate(texts):
        words = bare(text).split()
        runs = {number.setdefault(run, len(number)) for run in zip(words, words[1:], words[2:])}
        sizes.append(len(runs))
        found += [(i, run) for run in runs]
    has = csr_array((np.ones(len(found), np.int32), tuple(np.array(found).T)), (len(texts), len(number)))
    sizes, pairs = np.array(sizes), []
    for start in range(0, len(texts), 1000):
        common = (has[start : start + 1000] @ has.T).tocoo()
        i, j = common.row + start, common.col
        least = np.minimum(sizes[i], sizes[j])
        near = (i < j) & (least >= RUNS) & (common.data >= NEAR * least)
        pairs += zip(i[near].tolist(), j[near].tolist())
    return sorted(pairs)


def by_split(pairs: list[tuple[int, int]], where: list[str], splits: tuple[str, ...]) -> str:
    "How many pairs lie within a split, and between two."
    counts = Counter(tuple(sorted((where[i], where[j]), key=splits.index)) for i, j in pairs)
    named = [(a if a == b else f'{a} and {b}', counts[a, b]) for a, b in combinations_with_replacement(splits, 2) if counts[a, b]]
    return ', '.join(f'{what} {n}' for what, n in named) or 'none'


def copies(data: dict[str, dict], splits: tuple[str, ...]) -> Iterator[str]:
    "What stands twice in a set, in three degrees."
    texts = [t for s in splits for t in data[s]['text']]
    where = [s for s in splits for _ in data[s]['text']]
    for what, form in (('letter for letter', str), ('but for signs and capitals', bare)):
        first, pairs = {}, []
        for i, text in enumerate(map(form, texts)):
            if text in first:
                pairs.append((first[text], i))
            first.setdefault(text, i)
        yield f'Texts alike {what}: {by_split(pairs, where, splits)}.'
    near = by_split(near_copies(texts), where, splits)
    yield f"Pairs of texts of which the longer holds {100 * NEAR:.0f} % of the shorter one's runs of three words (if these are {RUNS} or more): {near}."


def table(data: dict[str, dict], name: str) -> Iterator[str]:
    "Sizes of the splits."
    classes = NAMED[name].classes
    yield f'| split | texts |{" a class |" if classes else ""} words in a text: fewest, median, most | words in all |'
    yield f'| --- | --- |{" --- |" if classes else ""} --- | --- |'
    for split, columns in data.items():
        words = sorted(len(t.split()) for t in columns['text'])
        counts = Counter(columns['label']) if classes else {}
        each = ' unlabelled |' if set(counts) == {-1} else f' {", ".join(f"{classes[c]} {n:,}" for c, n in sorted(counts.items()))} |' if classes else ''
        yield f'| {split} | {len(words):,} |{each} {words[0]:,}, {words[len(words) // 2]:,}, {words[-1]:,} | {sum(words):,} |'


def holding(data: dict[str, dict], pattern: str, column: str = 'text') -> str:
    "In how many texts of each split a pattern is found."
    return ', '.join(f'{split} {sum(bool(re.search(pattern, t)) for t in columns[column]):,}' for split, columns in data.items())


def shared_sentences(name: str, data: dict[str, dict], other: str, folder: Path) -> Iterator[str]:
    "Which texts of a set stand in another set too."
    theirs = {split: set(map(bare, texts['text'])) for split, texts in read(other, folder).items()}
    everywhere = set().union(*theirs.values())
    for split, columns in data.items():
        ours = list(map(bare, columns['text']))
        there = ', '.join(f'its {s} {sum(t in texts for t in ours):,}' for s, texts in theirs.items())
        labels = Counter(NAMED[name].classes[l] for l, t in zip(columns['label'], ours) if t in everywhere)
        of = ', '.join(f'{c} {labels[c]:,}' for c in NAMED[name].classes)
        yield f'Texts of {split} that stand in `{other}` too, but for signs and capitals: {there} ({of}).'


def more(name: str, data: dict[str, dict], folder: Path) -> Iterator[str]:
    "What one set alone has to say."
    if name in ('subjectivity', 'snippets'):
        yield f'Texts with letters that were read in the wrong encoding (`clichÃ©`): {holding(data, GARBLED)}.'
        yield f'Texts with a sign as HTML writes it (`&#38 ;`): {holding(data, "&#?[0-9a-z]+ ?;")}.'
        yield from shared_sentences(name, data, 'snippets' if name == 'subjectivity' else 'subjectivity', folder)
    if name == 'film_reviews':
        yield f'Reviews in which a mark can be read, such as 7/10 or two stars out of four: {holding(data, MARK)}.'
        yield f'Reviews with control characters in place of quotation marks and dashes: {holding(data, CONTROL)}.'
    if name == 'clothing':
        yield f'Texts without a title: {holding(data, "^$", "title")}; without department and kind: {holding(data, "^$", "department")}.'
        yield f'Texts with a capital after their first letter: {holding(data, "(?s)^.+[A-Z]")}.'
        yield f'Texts of 495 characters and more, where many break off: {holding(data, "(?s)^.{495}")}.'
        yield f'Texts with letters that were read in the wrong encoding (`ombrã©`): {holding(data, GARBLED)}.'
        products = {split: set(columns['product']) for split, columns in data.items()}
        pairs = [f'{a} and {b} {len(products[a] & products[b]):,}' for a, b in combinations(products, 2)]
        yield f'Products: {", ".join(f"{split} {len(p):,}" for split, p in products.items())}. In two splits: {", ".join(pairs)}.'
        labelled = Counter((l, r) for s in ('train', 'validation', 'test') for l, r in zip(data[s]['label'], data[s]['rating']))
        for label, what in enumerate(NAMED[name].classes):
            yield f'Ratings of texts labelled *{what}*, 1 to 5: ' + ', '.join(f'{labelled[label, r]:,}' for r in range(1, 6)) + '.'
        rated = Counter(data['unsup']['rating'])
        yield 'Ratings of the unlabelled texts, 1 to 5: ' + ', '.join(f'{rated[r]:,}' for r in range(1, 6)) + '.'


def read(name: str, folder: Path = DATASETS) -> dict[str, dict]:
    "The columns of each split of a set as it lies in a folder."
    return {split: read_columns(folder / name / f'{split}.parquet').to_pydict() for split in SHIP[name]}


def figures(name: str, folder: Path = DATASETS) -> str:
    "What the card of a set says in figures."
    data = read(name, folder)
    size = sum((folder / name / f'{split}.parquet').stat().st_size for split in SHIP[name])
    lines = [*table(data, name), '', *(f'- {line}' for line in copies(data, SHIP[name])), *(f'- {line}' for line in more(name, data, folder))]
    if name == 'wikipedia':
        lines = [*table(data, name), '', *titles(data)]
    return '\n'.join([*lines, '', f'{size / 1e6:.2f} MB in all.'])


def titles(data: dict[str, dict]) -> Iterator[str]:
    "The articles, each with a link to the page that names its authors."
    pages = str.maketrans({' ': '_', '(': '%28', ')': '%29'})
    for split, columns in data.items():
        linked = [f'[{t}](https://en.wikipedia.org/wiki/{t.translate(pages)})' for t in sorted(columns['title'])]
        yield f'{split}: {", ".join(linked)}.\n'


def with_figures(card: str, found: str) -> str:
    "A card with these figures in their place."
    before, rest = card.split(BEGIN)
    return before + BEGIN + '\n' + found + '\n' + END + rest.split(END)[1]


# ---- the command


def build(
    out: Annotated[Path, Option(help='where the sets lie, a folder each')] = DATASETS,
    check: Annotated[bool, Option('--check', help='write nothing, and say what differs from what the sources give')] = False,
):
    "Write the files and the figures in the cards, or compare."
    root = os.environ.get('ULMFIT_NB_DATA')
    if not root:
        sys.exit('Where are the sets? Say ULMFIT_NB_DATA=/path/to/data.')
    other = []
    for name, split, content in built(Path(root)):
        path = out / name / f'{split}.parquet'
        if not check:
            write(content, path)
        elif not path.is_file() or not pq.read_table(path).equals(content):
            other.append(str(path))
        print(f'{name:<14}{split:<12}{content.num_rows:>7,} rows {path.stat().st_size if path.is_file() else 0:>10,} bytes', flush=True)
    for name in SHIP:
        card = out / name / 'README.md'
        now = card.read_text(encoding='utf-8') if card.is_file() else f'{BEGIN}\n{END}\n'
        if check and str(card.parent) not in {str(Path(o).parent) for o in other}:
            other += [] if with_figures(now, figures(name, out)) == now else [str(card)]
        elif not check:
            with atomic_open(card, 'w') as f:
                f.write(with_figures(now, figures(name, out)))
    if other:
        sys.exit('Other than what the sources give: ' + ', '.join(other) + '. Build them again, or find out who changed them.')


def main():
    from_command_line(build)


if __name__ == '__main__':
    main()
