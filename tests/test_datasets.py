"The sets that ship: what their cards say of them, what reads them, and what a lost or damaged file is answered with."

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import build_datasets as B
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import refuse
from notebooks import ROOT

from ulmfit_nb import sources as S
from ulmfit_nb.sources import DATASETS, NAMED, TextSource, iter_texts, load_data, read_table

SHARED = Path(os.environ.get('ULMFIT_NB_DATA') or ROOT.parent / 'shared/data')
SIZES = {
    'subjectivity': {'train': 6500, 'validation': 1000, 'test': 2500},
    'snippets': {'train': 7162, 'validation': 1000, 'test': 2500},
    'film_reviews': {'train': 1200, 'validation': 200, 'test': 600},
    'clothing': {'train': 4568, 'validation': 1000, 'test': 2500, 'unsup': 14566},
    'wikipedia': {'train': 135, 'validation': 15},
}
LABELLED = [name for name in SIZES if NAMED[name].classes]
every = pytest.mark.parametrize('name', SIZES)


def columns(name: str, split: str) -> dict[str, list]:
    return pq.read_table(DATASETS / name / f'{split}.parquet').to_pydict()


# ---- what they are


@every
def test_sizes_and_balance(name):
    known = NAMED[name]
    assert list(SIZES[name]) == list(known.splits) and known.unsup == ('unsup' in SIZES[name])
    assert sorted(p.name for p in (DATASETS / name).iterdir()) == sorted(['README.md', *(f'{s}.parquet' for s in known.splits)])
    for split, n in SIZES[name].items():
        data = load_data(name, split)
        assert len(data) == n and all(t.strip() for t in data.texts)
        if name == 'wikipedia' or split == 'unsup':
            assert data.labels is None
        else:
            assert data.classes == known.classes and Counter(data.labels) == {0: n // 2, 1: n // 2}


def test_classes_are_words_and_mean_what_they_say():
    assert NAMED['subjectivity'].classes == ['plot', 'opinion'] and NAMED['clothing'].classes == ['not recommended', 'recommended']
    telling = {'subjectivity': ('he', 'film'), 'snippets': ('bad', 'moving'), 'film_reviews': ('worst', 'perfect'), 'clothing': ('returned', 'perfect')}
    for name, words in telling.items():
        data = load_data(name)
        for label, word in enumerate(words):
            found = Counter(l for l, t in zip(data.labels, data.texts) if re.search(rf'\b{word}\b', t.lower()))
            assert found[label] > 1.3 * found[1 - label], (name, word, found)


@every
def test_no_text_stands_twice(name):
    texts = [t for split in SIZES[name] for t in load_data(name, split).texts]
    assert len(set(texts)) == len(texts)


def test_products_of_labelled_splits_are_apart():
    products = {split: set(columns('clothing', split)['product']) for split in SIZES['clothing']}
    train, validation, test, unsup = products.values()
    assert not train & validation and not train & test and not validation & test
    assert unsup & test, 'the card warns of it'


def test_articles():
    rows = [row for split in SIZES['wikipedia'] for row in zip(*columns('wikipedia', split).values())]
    assert all(len({row[i] for row in rows}) == 150 for i in range(3))
    assert all(400 <= len(text.split()) <= 1500 and 'formula_' not in text for _, _, text in rows)
    card = (DATASETS / 'wikipedia/README.md').read_text(encoding='utf-8')
    links = re.findall(r'\[([^]]+)\]\(https://en.wikipedia.org/wiki/(\S+?)\)', card)
    assert sorted(title for title, _ in links) == sorted(title for _, title, _ in rows)
    assert all(' ' not in page and page.count('(') == 0 for _, page in links) and 'has read every one of these articles' in card


def test_they_are_small():
    assert sum(f.stat().st_size for name in SIZES for f in (DATASETS / name).iterdir()) < 7e6
    for name in SIZES:
        for split in SIZES[name]:
            kept = pq.ParquetFile(DATASETS / name / f'{split}.parquet').metadata.row_group(0)
            assert {kept.column(i).compression for i in range(kept.num_columns)} == {'ZSTD'}


# ---- the cards


@every
def test_a_card_says_what_it_should(name):
    card = (DATASETS / name / 'README.md').read_text(encoding='utf-8')
    for part in ('| source |', '| licence |', '## Columns', '## Good for', '## What is wrong with it', '## To cite'):
        assert part in card
    assert all(f'- `{column}`: ' in card for column in columns(name, 'train'))
    assert all(f'`{split}`' in card for split in SIZES[name]) and all(f'`{c}`' in card for c in NAMED[name].classes or [])
    assert f'](../{name}/README.md)' not in card and f']({name}/README.md)' in (DATASETS / 'README.md').read_text(encoding='utf-8')
    for link in re.findall(r'\]\(((?!http)[^)]+)\)', card):
        assert (DATASETS / name / link).is_file()
    total = re.search(r'\nAll ([0-9,]+) ', card)
    assert (total is None) == (name in ('clothing', 'wikipedia')) and (total is None or int(total[1].replace(',', '')) == sum(SIZES[name].values()))


@every
def test_the_figures_in_a_card_are_true(name):
    card = (DATASETS / name / 'README.md').read_text(encoding='utf-8')
    assert B.with_figures(card, B.figures(name)) == card, 'run runs/build_datasets.py'


def test_near_copies_are_found():
    text = 'one two three four five six seven eight nine ten'
    found = B.near_copies([text, 'nothing of the kind is here , is it', text.replace(' ten', ' eleven').upper(), 'x y z ' + text, 'one two three'])
    assert found == [(0, 2), (0, 3), (2, 3)]


def test_opinions_stand_in_both_sets_of_sentences():
    "Why no model is to be carried from one to the other."
    opinions = {B.bare(t) for t, l in zip(*columns('subjectivity', 'test').values()) if l == 1}
    plots = {B.bare(t) for t, l in zip(*columns('subjectivity', 'test').values()) if l == 0}
    snippets = {B.bare(t) for split in SIZES['snippets'] for t in load_data('snippets', split).texts}
    assert len(opinions & snippets) > 1000 and not plots & snippets


# ---- building them


@pytest.fixture
def one_set(tmp_path, monkeypatch):
    "The script, with no other set than wikipedia, which it takes from the package."
    monkeypatch.setattr(B, 'SHIP', {'wikipedia': NAMED['wikipedia'].splits})
    monkeypatch.setattr(B, 'built', lambda folder: (('wikipedia', s, pq.read_table(DATASETS / f'wikipedia/{s}.parquet')) for s in SIZES['wikipedia']))
    monkeypatch.setenv('ULMFIT_NB_DATA', 'here')
    return tmp_path


def test_what_is_built_is_what_ships(one_set):
    B.build(out=one_set, check=False)
    for split in SIZES['wikipedia']:
        new, old = (folder / f'wikipedia/{split}.parquet' for folder in (one_set, DATASETS))
        assert pq.read_table(new).equals(pq.read_table(old)) and abs(new.stat().st_size - old.stat().st_size) < 0.02 * old.stat().st_size
    shutil.copytree(DATASETS / 'wikipedia', one_set / 'wikipedia', dirs_exist_ok=True)
    B.build(out=one_set, check=True)


def test_the_check_names_what_differs(one_set):
    shutil.copytree(DATASETS / 'wikipedia', one_set / 'wikipedia')
    path = one_set / 'wikipedia/validation.parquet'
    table = pq.read_table(path)
    texts = table['text'].to_pylist()
    B.write(table.set_column(2, 'text', pa.array([texts[0] + '.', *texts[1:]])), path)
    with pytest.raises(SystemExit, match='validation.parquet'):
        B.build(out=one_set, check=True)
    B.write(table, path)
    card = one_set / 'wikipedia/README.md'
    card.write_text(card.read_text(encoding='utf-8').replace('| train | 135 |', '| train | 136 |'), encoding='utf-8')
    with pytest.raises(SystemExit, match='README.md'):
        B.build(out=one_set, check=True)
    path.unlink()
    with pytest.raises(SystemExit, match='validation.parquet'):
        B.build(out=one_set, check=True)


@pytest.mark.parametrize('folder, said', [(None, 'ULMFIT_NB_DATA=/path'), ('nowhere', 'train.parquet: no such file')])
def test_building_without_the_sources(tmp_path, monkeypatch, folder, said):
    monkeypatch.setenv('ULMFIT_NB_DATA', str(tmp_path / folder) if folder else '')
    with pytest.raises(SystemExit, match=said):
        B.build(out=tmp_path, check=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not (SHARED / 'clothing').is_dir(), reason='the sources of the sets are not here: say ULMFIT_NB_DATA=/path/to/data')
def test_what_ships_is_what_the_sources_give():
    for name, split, content in B.built(SHARED):
        assert pq.read_table(DATASETS / name / f'{split}.parquet').equals(content), (name, split)


# ---- reading them


def test_other_columns_are_labels_too():
    train, validation = (load_data('clothing', split, label='department') for split in ('train', 'validation'))
    assert train.classes == validation.classes == ['Bottoms', 'Dresses', 'Intimates', 'Jackets', 'Tops', 'Trend']
    assert [train.classes[l] for l in train.labels] == columns('clothing', 'train')['department']
    assert load_data('clothing', label='rating').classes == ['1', '2', '3', '4', '5']
    assert len(load_data('clothing', 'validation', label='kind').classes) == 20, 'those that occur in any split'
    assert load_data('clothing', label=None).labels is None and load_data('film_reviews', 'test', label='id').classes[0] == 'cv000_29416'
    both = load_data('clothing', 'train+validation', label='department')
    assert both.labels == train.labels + validation.labels and both.classes == train.classes


def test_rows_without_a_department_are_left_out_and_told():
    with pytest.warns(UserWarning, match='clothing, test: texts without a department are left out, 1 of 2500'):
        data = load_data('clothing', 'test', label='department')
    assert len(data) == 2499 and len(data.classes) == 6


def test_a_title_and_a_text():
    data = load_data('clothing', 'validation', text=['title', 'text'])
    title, text = (columns('clothing', 'validation')[c][0] for c in ('title', 'text'))
    assert data.texts[0] == f'xxfld 1 {title} xxfld 2 {text}' and data.labels == load_data('clothing', 'validation').labels
    assert list(iter_texts('clothing', 'validation', ['title', 'text'])) == list(TextSource('clothing', 'validation', ['title', 'text'])) == data.texts
    assert load_data('wikipedia', text='title').texts == columns('wikipedia', 'train')['title']


def test_several_splits():
    assert len(load_data('clothing', 'train+unsup')) == 4568 + 14566 and load_data('clothing', 'train+unsup').labels is None
    assert len(list(TextSource('wikipedia', 'train+validation'))) == 150
    assert TextSource('wikipedia', 'train+validation').mark.startswith('wikipedia:train+validation:text@')


def test_a_set_that_ships_is_read_from_the_package(tmp_path, monkeypatch):
    (tmp_path / 'subjectivity').mkdir()
    pq.write_table(pa.table({'text': ['another'], 'label': [0]}), tmp_path / 'subjectivity/train.parquet')
    monkeypatch.setenv('ULMFIT_NB_DATA', str(tmp_path))
    assert len(load_data('subjectivity')) == 6500
    assert len(load_data(tmp_path / 'subjectivity/train.parquet')) == 1, 'by its path it can be had'


def test_pandas_is_not_imported_for_parquet():
    code = "import sys; from ulmfit_nb import load_data; load_data('subjectivity'); load_data('clothing', label='kind'); assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT)


def test_a_table_of_parquet_is_pandas_for_who_asks():
    frame = read_table(DATASETS / 'snippets/test.parquet')
    assert list(frame.columns) == ['text', 'label'] and S.from_table(frame) == S.from_table(S.read_columns(DATASETS / 'snippets/test.parquet'))


# ---- refusals


@pytest.fixture
def copied(tmp_path, monkeypatch):
    "A package of which files can be lost."
    shutil.copytree(DATASETS, tmp_path / 'datasets')
    monkeypatch.setattr(S, 'DATASETS', tmp_path / 'datasets')
    return tmp_path / 'datasets'


READERS = [load_data, lambda *a: list(iter_texts(*a)), lambda *a: TextSource(*a).mark]
readers = pytest.mark.parametrize('read', READERS, ids=['load_data', 'iter_texts', 'mark'])


@readers
def test_unknown_names(read):
    with refuse('subjectivty: no such file', 'no data set of that name', 'subjectivity, snippets, film_reviews, clothing, wikipedia'):
        read('subjectivty')
    with refuse("subjectivity: there is no split 'dev'", 'train, validation, test', 'Name one'):
        read('subjectivity', 'dev')
    with refuse("wikipedia: there is no split 'test'", 'train, validation'):
        read('wikipedia', 'train+test')


def test_unknown_columns():
    with refuse('clothing', "no column 'colour'", 'department, kind, product', 'Name the column of labels'):
        load_data('clothing', label='colour')
    with refuse('clothing', "no column 'body'", 'it has text, label, title', 'Name the column of texts'):
        load_data('clothing', text='body')


@readers
def test_a_lost_file(copied, read):
    (copied / 'snippets/test.parquet').unlink()
    with refuse('test.parquet: not there', 'of snippets there is train, validation', 'Install ulmfit-nb again'):
        read('snippets', 'test')
    assert read('snippets', 'validation')
    shutil.rmtree(copied / 'snippets')
    with refuse('train.parquet: not there', 'of snippets there is nothing'):
        read('snippets')


@pytest.mark.parametrize('damage', [lambda b: b[:-100], lambda b: b'', lambda b: b[:30000] + bytes([b[30000] ^ 1]) + b[30001:], lambda b: b'no Parquet'])
def test_a_damaged_file(copied, damage):
    path = copied / 'snippets/validation.parquet'
    path.write_bytes(damage(path.read_bytes()))
    for read in READERS[:2]:
        with refuse('validation.parquet', 'It ships with the package. Install ulmfit-nb again'):
            read('snippets', 'validation')


def test_two_columns_of_one_name(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array(['a']), pa.array(['b'])], names=['text', 'text']), tmp_path / 'x.parquet')
    with refuse('x.parquet', "two columns 'text'"):
        load_data(tmp_path / 'x.parquet')


def test_bytes_that_are_no_utf8(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b'\0\0\0\0\4\0\0\0'), pa.py_buffer('café'.encode('latin-1'))])
    pq.write_table(pa.table({'text': bad}), tmp_path / 'x.parquet')
    with refuse('x.parquet', 'not a readable .parquet file', 'UTF-8'):
        load_data(tmp_path / 'x.parquet')
