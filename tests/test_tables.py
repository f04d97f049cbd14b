"Tables and folders: texts and labels from each kind of file, and what can't be read is named."

import json

import pandas as pd
import pyarrow as pa
import pytest
from helpers import refuse

from ulmfit_nb import train_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.data_report import data_report
from ulmfit_nb.sources import iter_texts, load_data
from ulmfit_nb.tables import from_table, read_table, without_gaps

TEXTS = ['plain', 'a, b', '"quoted"', 'two\nlines', 'NA', 'None', 'null', ' blanks ', 'naïve 😀', '1984']
LABELS = ['pos', 'neg'] * 5
WRITERS = {
    '.csv': lambda f, p: f.to_csv(p, index=False),
    '.tsv': lambda f, p: f.to_csv(p, index=False, sep='\t'),
    '.jsonl': lambda f, p: f.to_json(p, orient='records', lines=True),
    '.parquet': lambda f, p: f.to_parquet(p),
}


@pytest.mark.parametrize('kind', WRITERS)
@pytest.mark.parametrize('upper', [False, True], ids=['', 'UPPER'])
def test_files_give_back_what_was_written(tmp_path, kind, upper):
    path = tmp_path / f'reviews{kind.upper() if upper else kind}'
    WRITERS[kind](pd.DataFrame({'text': TEXTS, 'label': LABELS}), path)
    data = load_data(path)
    assert data == TextData(TEXTS, [1, 0] * 5, ['neg', 'pos']) and list(iter_texts(path)) == TEXTS


@pytest.mark.parametrize('kind', WRITERS)
def test_columns_by_name_and_several_texts(tmp_path, kind):
    path = tmp_path / f'x{kind}'
    WRITERS[kind](pd.DataFrame({'head': ['A', 'B'], 'body': ['c', 'd'], 'stars': [10, 9]}), path)
    assert load_data(path, text='body', label='stars') == TextData(['c', 'd'], [1, 0], ['9', '10'])
    assert load_data(path, text='body').labels is None
    assert load_data(path, text=['head', 'body']).texts == ['xxfld 1 A xxfld 2 c', 'xxfld 1 B xxfld 2 d']


@pytest.mark.parametrize('kind', ['.csv', '.jsonl'])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path, kind):
    path = tmp_path / f'x{kind}'
    path.write_text('text\nfine\n' if kind == '.csv' else '{"text": "fine"}\r\n', encoding='utf-8-sig')
    assert load_data(path).texts == ['fine']


def test_folders(tmp_path):
    for split, name, text in [('train', 'pos', 'ü'), ('train', 'neg', 'v'), ('train', 'unsup', 'w'), ('test', 'pos', 'x')]:
        (tmp_path / split / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / split / name / '1.txt').write_text(text, encoding='utf-8')
    assert load_data(tmp_path) == load_data(tmp_path / 'train') == TextData(['v', 'ü'], [0, 1], ['neg', 'pos'])
    assert load_data(tmp_path, 'test') == TextData(['x'], [0], ['pos'])
    assert load_data(tmp_path / 'train', 'unsup') == TextData(['w'])
    assert load_data(tmp_path, 'train+test') == TextData(['v', 'ü', 'x'], [0, 1, 1], ['neg', 'pos'])


# --- refusals: the message names the cause and the mend


@pytest.mark.parametrize(
    'name, content, cause, mend',
    [
        ('gone.csv', None, 'no such file', 'no data set of that name'),
        ('notes.docx', b'x', 'a .docx file', 'Give a .csv'),
        ('nameless', b'x', 'a nameless file', 'Give a .csv'),
        ('empty.csv', b'', 'the file is empty', 'Give one that holds texts'),
        ('empty.jsonl', b'', 'the file is empty', 'Give one that holds texts'),
        ('empty.parquet', b'', 'the file is empty', 'Give one that holds texts'),
        ('header.csv', b'text,label\n', 'no texts in it', 'Check the file'),
        ('blank.jsonl', b'\n\n', "no column 'text'; it has none", 'Name the column'),
        ('column.csv', b'review,label\nfine,pos\n', "no column 'text'; it has review, label", 'Name the column of texts'),
        ('missing.csv', b'text,label\nfine,pos\n,neg\n', 'text 1 is missing', 'Drop such rows'),
        ('null.jsonl', b'{"text": "fine"}\n{"text": null}\n', 'text 1 is missing', 'Drop such rows'),
        ('absent.jsonl', b'{"text": "fine"}\n{"body": "x"}\n', 'text 1 is missing', 'Drop such rows'),
        ('number.jsonl', b'{"text": "fine"}\n{"text": 5}\n', 'text 1 is 5', 'turn what is there into strings'),
        ('label.csv', b'text,label\nfine,pos\nbad,\n', 'text 1 has no label', 'label them'),
        ('ragged.csv', b'text,label\nfine,pos\na,b,c,d\n', 'line 3 has more fields', 'Name every column'),
        ('latin.csv', 'text\ncafé\n'.encode('latin-1'), 'not utf-8: line 2', 'cp1252'),
        ('cut.jsonl', b'{"text": "fine"}\n{"text": "cu', 'not a readable .jsonl file (line 2', 'Is it whole'),
        ('list.jsonl', b'["fine"]\n', 'line 1 is no object', 'Is it whole'),
        ('cut.parquet', b'PAR1 and no more', 'not a readable .parquet file', 'Is it whole'),
    ],
)
def test_files_that_can_not_be_used(tmp_path, name, content, cause, mend):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with refuse(name, cause, mend):
        load_data(path)


def test_a_dict_in_place_of_a_table():
    with refuse('table: a dict, where a table', 'pandas.DataFrame'):
        from_table({'text': ['fine']})


def test_a_table_that_is_not_there():
    with refuse('gone.csv', 'no such file', 'Check the path'):
        read_table('gone.csv')


def test_a_column_of_labels_asked_for_by_name(tmp_path):
    (tmp_path / 'x.csv').write_text('text,stars\nfine,5\n')
    with refuse('x.csv', "no column 'star'; it has text, stars", 'Name the column of labels'):
        load_data(tmp_path / 'x.csv', label='star')


def test_folders_that_can_not_be_used(tmp_path):
    with refuse(tmp_path.name, 'no text files', 'a folder for each class'):
        load_data(tmp_path)
    (tmp_path / 'pos').mkdir()
    (tmp_path / 'pos' / '1.txt').write_bytes('café'.encode('latin-1'))
    with refuse('1.txt', 'not utf-8', 'cp1252'):
        load_data(tmp_path)
    with refuse(tmp_path.name, "no split 'test'", 'give the path'):
        load_data(tmp_path, 'test')


@pytest.mark.parametrize('rows', ['fine film,pos,x\nbad film,neg,y\n', 'fine film,pos\nwell, bad,neg\n'])
def test_rows_with_more_fields_than_names_are_refused(tmp_path, rows):
    (tmp_path / 'm.csv').write_text('text,label\n' + rows)
    with refuse('m.csv: ', 'more fields than the first line has names', 'Name every column') as e:
        load_data(tmp_path / 'm.csv')
    assert 'not a readable' not in str(e.value)


def test_a_comma_at_the_end_of_each_row_means_nothing(tmp_path):
    (tmp_path / 'm.csv').write_text('text,label\nfine film,pos,\nbad film,neg,\n')
    data = load_data(tmp_path / 'm.csv')
    assert data.texts == ['fine film', 'bad film'] and data.labels == [1, 0]


def test_a_missing_label_at_the_top_of_a_nullable_column():
    frame = pd.DataFrame({'text': ['a', 'b'], 'label': pd.array([None, 1], dtype='Int64')})
    with refuse('text 0 has no label'):
        from_table(frame)


def test_hidden_folders_are_no_classes(tmp_path):
    for name in ('neg', 'pos', '.ipynb_checkpoints', '__MACOSX'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '1.txt').write_text('a film')
        (tmp_path / name / '.2.txt').write_text('none')
    assert load_data(tmp_path).classes == ['neg', 'pos'] and len(load_data(tmp_path)) == 2


def test_nothing_in_a_folder_is_left_out_without_a_word(tmp_path):
    files = ['good/1.txt', 'bad/2.TXT', 'mixed/batch/3.txt', 'mixed/batch/deeper/4.txt', 'bad/notes.md', 'README.txt', 'unsup/5.txt']
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'this is {name}')
    (tmp_path / 'odd').mkdir()
    with pytest.warns(UserWarning, match='left out README.txt, bad/notes.md, odd. A text is a .txt file in the folder of its class'):
        data = load_data(tmp_path)
    names = ['bad/2.TXT', 'good/1.txt', 'mixed/batch/3.txt', 'mixed/batch/deeper/4.txt']
    assert data == TextData([f'this is {name}' for name in names], [0, 1, 2, 2], ['bad', 'good', 'mixed'])


def test_a_folder_in_order_is_read_without_a_word(tmp_path, recwarn):
    for name in ('good/1.txt', 'bad/2.txt', 'unsup/3.txt', '.hidden/4.md', '__MACOSX/5.txt'):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text('a film')
    assert len(load_data(tmp_path)) == 2 and not recwarn.list


def test_splits_are_no_classes(tmp_path):
    (tmp_path / 'test/pos').mkdir(parents=True)
    (tmp_path / 'test/pos/1.txt').write_text('a film')
    with refuse(tmp_path.name, 'it holds splits (test) and no classes', 'Name the split'):
        load_data(tmp_path)


def test_a_folder_in_another_encoding(tmp_path):
    for name in ('gut', 'schlecht'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '1.txt').write_bytes('schön'.encode('cp1252'))
    assert load_data(tmp_path, encoding='cp1252').texts == ['schön', 'schön']


def test_names_and_labels_with_blanks_around_them(tmp_path):
    (tmp_path / 'x.csv').write_text('text, label\nfine,pos\nbad,pos \nso,neg\n')
    with pytest.warns(UserWarning, match="'pos ' and 'pos' are two labels"):
        data = load_data(tmp_path / 'x.csv')
    assert data.classes == ['neg', 'pos', 'pos ']


@pytest.mark.parametrize(
    'pair',
    [('Pos', 'pos'), ('caf\u00e9', 'cafe\u0301'), ('very  good', 'very good'), ('pos\u00a0', 'pos'), ('\uff11', '1'), ('stra\u00dfe', 'STRASSE'), ('1.0', '1')],
)
def test_labels_that_look_alike_are_said(pair):
    with pytest.warns(UserWarning, match='are two labels. Write them alike'):
        assert from_table(pd.DataFrame({'text': list('abc'), 'label': [*pair, 'neg']})).classes == sorted([*pair, 'neg'])


def test_labels_that_differ_need_no_word(recwarn):
    for labels in (['1.1', '1.10', '007', '7'], ['a', 'b', 'ä', 'a b'], [1, 2, 3, 10], [True, False, True, False]):
        from_table(pd.DataFrame({'text': list('abcd'), 'label': labels}))
    assert not recwarn.list


@pytest.mark.parametrize('name', ['Label', 'LABEL', ' Labels'])
def test_a_column_of_labels_by_almost_that_name_is_said(name, recwarn):
    frame = pd.DataFrame({'text': ['a', 'b'], name: ['x', 'y']})
    with pytest.warns(UserWarning, match=f'the texts are unlabelled. Give label={name!r}'):
        assert from_table(frame).labels is None
    assert from_table(frame, label=None).labels is None and from_table(frame.rename(columns={name: 'stars'})).labels is None and not recwarn.list


def test_a_label_is_no_object():
    with refuse("text 0 is labelled {'x': 1}", 'Give a string'):
        from_table(pd.DataFrame({'text': ['a', 'b'], 'label': [{'x': 1}, {'y': 1}]}))


def test_labels_that_all_have_a_blank_are_named(tmp_path):
    (tmp_path / 'in.csv').write_text('text, label\nfine, pos\ndull, neg\n')
    with pytest.warns(UserWarning, match="labels such as ' neg' keep the blanks"):
        assert load_data(tmp_path / 'in.csv').classes == [' neg', ' pos']


@pytest.mark.parametrize('kind', ['csv', 'jsonl', 'parquet'])
def test_lists_of_labels(kind, tmp_path):
    path, frame = tmp_path / f'in.{kind}', pd.DataFrame({'text': ['a', 'b', 'c'], 'label': [['late', 'broken'], [], ['late']]})
    match kind:
        case 'csv':  # a list as its JSON
            frame.assign(label=frame['label'].map(json.dumps)).to_csv(path, index=False)
        case 'jsonl':
            frame.to_json(path, orient='records', lines=True)
        case 'parquet':
            frame.to_parquet(path)
    if kind != 'csv':  # there, two texts have the same label
        with refuse('text 0 has several labels', 'multi_label=True'):
            load_data(path)
    data = load_data(path, multi_label=True)
    assert data.labels == [['late', 'broken'], [], ['late']] and data.classes is None and data.names == data.labels
    assert repr(data) == 'TextData(3 texts: 1 broken, 2 late)' and data.select([1]).labels == [[]]
    assert data.fingerprint != TextData(data.texts, [['late'], [], ['late']]).fingerprint
    report = data_report(TextData(['a', 'a', 'a'], [['x', 'y'], ['y', 'x'], []]))
    assert report['labels'] == [['x', 2], ['y', 2]] and (report['duplicates'], report['conflicting']) == (2, 1)
    with refuse('text 0 has several labels', "target='multi-label'"):
        train_classifier('wiki-small', data, tmp_path / 'out')


@pytest.mark.parametrize('labels', [[['a'], 'b'], [['a'], None], [['a'], ['b', None]], [['a'], ['']]])
def test_lists_and_what_is_none(labels):
    with refuse('table: the labels of text 1 are', '[] for none'):
        from_table(pd.DataFrame({'text': ['a', 'b'], 'label': labels}), multi_label=True)


def test_lists_are_asked_of_files_alone(tmp_path):
    (tmp_path / 'good').mkdir()
    (tmp_path / 'good/1.txt').write_text('fine')
    for source in (tmp_path, 'subjectivity'):
        with refuse('one label each'):
            load_data(source, multi_label=True)


# --- tables in memory


class Column:
    def __init__(self, values):
        self.to_list = lambda: values


class Polars:
    "Names and columns as polars has them."

    def __init__(self, **columns):
        self.columns, self.of = list(columns), columns

    def __getitem__(self, name):
        return Column(self.of[name])


SAME = TextData(['a', 'b'], [1, 0], ['x', 'y'])
MADE = {
    'pandas, one index twice': pd.DataFrame({'text': ['a', 'b'], 'label': ['y', 'x']}, index=[7, 7]),
    'categories': pd.DataFrame({'text': ['a', 'b'], 'label': pd.Categorical(['y', 'x'], ['z', 'y', 'x'])}),
    'strings of pandas': pd.DataFrame({'text': ['a', 'b'], 'label': ['y', 'x']}, dtype='string'),
    'a batch of pyarrow': pa.RecordBatch.from_pydict({'text': ['a', 'b'], 'label': ['y', 'x']}),
    'a dictionary of pyarrow': pa.table({'text': pa.array(['a', 'b']).dictionary_encode(), 'label': pa.array(['y', 'x']).dictionary_encode()}),
    'polars': Polars(text=['a', 'b'], label=['y', 'x']),
}


@pytest.mark.parametrize('kind', MADE)
def test_tables_of_any_kind(kind):
    assert from_table(MADE[kind]) == SAME


@pytest.mark.parametrize('name', ['text', 'label'])
def test_two_columns_of_one_name(name):
    for table in (pd.DataFrame([['a', 'y', 'b']], columns=['text', 'label', name]), pa.table([['a'], ['y'], ['b']], names=['text', 'label', name])):
        with refuse(f'two columns {name!r}', 'Rename or drop one'):
            from_table(table)


def test_only_a_column_of_nothing_but_minus_one_is_unlabelled():
    frame = pd.DataFrame({'text': ['a', 'b', 'c'], 'label': [-1, 1, -1]})
    assert from_table(frame).classes == ['-1', '1'] and from_table(frame.assign(label='-1')).labels is None


def test_rows_with_gaps_are_counted_from_one():
    holes = {'text': ['a', None, 'c', ''], 'label': ['x', 'x', None, 'y']}
    for table in (pd.DataFrame(holes), pa.table(holes)):
        whole, gaps = without_gaps(table)
        assert from_table(whole).texts == ['a'] and gaps == {'no_text': [2, 4], 'no_label': [3]}
    unfilled = {'text': ['a', 'b'], 'label': [None, '']}
    for table in (pd.DataFrame(unfilled), pa.table(unfilled), pa.table({'text': pa.array([], pa.string()), 'label': pa.array([], pa.string())})):
        whole, gaps = without_gaps(table)
        assert len(whole) == 0 and gaps.get('no_label', []) == [1, 2][: len(table)]
        with refuse('there are no texts in it'):
            from_table(whole)


def test_two_columns_that_differ_in_blanks_are_not_chosen_between():
    with refuse("no column 'text'; it has  text, text "):
        from_table(pd.DataFrame([['a', 'b']], columns=[' text', 'text ']))


@pytest.mark.parametrize(
    'text, said', [([], 'no column of texts is named'), (5, 'no column 5; it has text'), (None, 'no column None'), (['text', 7], 'no column 7')]
)
def test_columns_that_are_none(text, said):
    with refuse(said, 'Name'):
        from_table(pd.DataFrame({'text': ['a']}), text)


def test_an_error_names_some_of_many():
    wide = pd.DataFrame([range(5000)], columns=[f'column {i}' for i in range(5000)])
    with refuse("no column 'text'; it has column 0, ", 'column 19 and 4,980 more. Name') as e:
        from_table(wide)
    assert len(str(e.value)) < 400 and len(repr(TextData(['a'] * 5000, range(5000), [str(i) for i in range(5000)]))) < 200


def test_rows_with_lists_of_labels_have_gaps_like_others(tmp_path):
    table = pd.DataFrame({'text': ['a', None, 'c'], 'label': [['x', 'y'], ['x'], []]})
    table.to_parquet(tmp_path / 'x.parquet')
    for frame in (table, read_table(tmp_path / 'x.parquet')):
        whole, gaps = without_gaps(frame)
        assert len(whole) == 2 and gaps == {'no_text': [2]}
