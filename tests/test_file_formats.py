"Files of texts: each field as it was written, and what a file leaves open is said or refused."

import csv
import gzip
import io
import json
import tempfile
import time
import warnings
from pathlib import Path

import pandas as pd
import pytest
from helpers import refuse
from hypothesis import given
from hypothesis import strategies as st

from ulmfit_nb.data import DataError
from ulmfit_nb.file_formats import decoded, kind_of, read_columns


def columns(path, content=None, **how) -> dict:
    "The columns of a file; `content` is written to it first."
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read_columns(path, **how)
    return table.to_pydict() if hasattr(table, 'to_pydict') else table.to_dict('list')


# --- nothing is guessed


@pytest.mark.parametrize('kind', ['.csv', '.tsv'])
@pytest.mark.parametrize(
    'values',
    [
        ['1.1', '1.10', '1.2', '1.20'],
        ['007', '010', '7'],
        ['1000', '1e3', '1_000'],
        ['FALSE', 'False', 'True', 'true'],
        ['NA', 'nan', 'None', 'null', 'inf', '-0'],
        ['2024-01-02', '02/01/24', '12:30'],
        [' pos', 'pos', 'pos '],
        ['9' * 400, '0x10', '١٢'],
    ],
)
def test_fields_are_as_written(tmp_path, kind, values):
    sep = ',' if kind == '.csv' else '\t'
    content = f'text{sep}label\n' + ''.join(f'text {i}{sep}{v}\n' for i, v in enumerate(values))
    assert columns(tmp_path / f'x{kind}', content)['label'] == values


def test_a_column_of_digits_is_text(tmp_path):
    assert columns(tmp_path / 'x.csv', 'text\n1984\n2001\n') == {'text': ['1984', '2001']}


def test_an_empty_field_is_missing_and_a_short_row_lacks_its_last_ones(tmp_path):
    found = columns(tmp_path / 'x.csv', 'text,label,more\nfine,,x\n"",pos,y\n\nshort\n')
    assert found == {'text': ['fine', None, 'short'], 'label': [None, 'pos', None], 'more': ['x', 'y', None]}


texts = st.lists(st.text(st.characters(codec='utf-8'), min_size=1), min_size=1, max_size=6)


@given(texts, texts, st.sampled_from(['minimal', 'all']))
def test_what_a_csv_writer_writes_comes_back(tmp_path_factory, first, second, how):
    "For any texts, written by Python's csv module, which quotes what needs it or everything."
    n = min(len(first), len(second))
    out = io.StringIO(newline='')
    writer = csv.writer(out, quoting={'minimal': csv.QUOTE_MINIMAL, 'all': csv.QUOTE_ALL}[how])
    writer.writerows([['text', 'other'], *zip(first[:n], second[:n])])
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # texts with line breaks may look like rows
        found = columns(Path(folder) / 'x.csv', out.getvalue().encode('utf-8'), sep=',', encoding='utf-8')
    assert found == {'text': first[:n], 'other': second[:n]}


def test_json_values_stand_as_they_are(tmp_path):
    rows = [
        {'text': 'a', 'label': 1},
        {'text': 'b', 'label': None},
        {'text': 'c', 'label': '1.10'},
        {'text': 'd', 'label': [1, 2]},
        {'text': 'e', 'label': True},
    ]
    expected = [1, None, '1.10', [1, 2], True]
    for name, content in (('x.jsonl', '\n'.join(map(json.dumps, rows))), ('x.json', json.dumps(rows, indent=1)), ('y.json', '\n'.join(map(json.dumps, rows)))):
        found = columns(tmp_path / name, content)
        assert found['text'] == list('abcde') and found['label'] == expected and found['label'][4] is True


# --- letters


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-32'])
@pytest.mark.parametrize(
    'kind, content', [('.csv', 'text,label\nnaïve 😀,pos\n'), ('.tsv', 'text\tlabel\nnaïve 😀\tpos\n'), ('.jsonl', '{"text": "naïve 😀", "label": "pos"}')]
)
def test_encodings_that_a_file_tells_of(tmp_path, encoding, kind, content):
    assert columns(tmp_path / f'x{kind}', content.encode(encoding)) == {'text': ['naïve 😀'], 'label': ['pos']}


def test_an_encoding_that_is_given(tmp_path):
    assert columns(tmp_path / 'x.csv', 'text\ncafé\n'.encode('cp1252'), encoding='cp1252') == {'text': ['café']}
    assert columns(tmp_path / 'y.csv', 'text\ncafé\n'.encode('utf-16-le'), encoding='utf-16-le') == {'text': ['café']}


def test_encodings_that_are_not_given(tmp_path):
    with refuse('x.csv: not utf-8: line 3', "'schön'", 'encoding="cp1252"'):
        columns(tmp_path / 'x.csv', 'text\nfine\nschön\n'.encode('cp1252'))
    for order in ('le', 'be'):
        with refuse('utf-16', f'encoding="utf-16-{order}"'):
            columns(tmp_path / 'y.csv', 'text\nfine\n'.encode(f'utf-16-{order}'))
    with refuse("no encoding 'klingon'"):
        columns(tmp_path / 'z.csv', 'text\nfine\n', encoding='klingon')
    with refuse('z.csv: not ascii: line 2'):
        columns(tmp_path / 'z.csv', 'text\ncafé\n', encoding='ascii')


@pytest.mark.parametrize(
    'first, word',
    [(b'PK\x03\x04\x14\0\xff', r'Excel file \(.xlsx\), or something in a zip'), (b'PAR1\x15\x04\xff', 'Parquet'), (b'\xd0\xcf\x11\xe0', 'old Excel'),
     (b'%PDF-1.7\n%\xe2\xe3', 'PDF'), (b'BZh91AY&SY\xff', 'bzip2'), (b'\xfd7zXZ\0', 'xz'), (b'\x28\xb5\x2f\xfd', 'zstd')],
)  # fmt: skip
def test_a_file_of_another_kind_says_which(tmp_path, first, word):
    for name in ('x.csv', 'x.jsonl'):
        with pytest.raises(DataError, match=f'{name}: it is .*{word}.*no text'):
            columns(tmp_path / name, first)


@pytest.mark.parametrize('wrong', [5, ['utf-8'], b'utf-8'])
def test_what_is_no_encoding(tmp_path, wrong):
    with refuse(f'encoding is {wrong!r}', 'give a name'):
        columns(tmp_path / 'x.csv', 'text\nfine\n', encoding=wrong)


def test_half_of_a_wide_letter():
    with refuse('not utf-16'):
        decoded('fine'.encode('utf-16') + b'x', None, 'x.csv')


# --- separators


@pytest.mark.parametrize('name, sep', [('x.csv', ';'), ('x.csv', '\t'), ('x.csv', '|'), ('x.tsv', ','), ('x.tsv', ';')])
def test_another_separator_is_seen_and_said(tmp_path, name, sep):
    content = f'text{sep}label\nwell, yes; no | and\tmore{sep}pos\n'.replace(f' {sep} ', ' ').replace(f'{sep} ', ' ').replace(f'and{sep}more', 'and more')
    with pytest.warns(UserWarning, match='taken to separate the fields. Give sep='):
        found = columns(tmp_path / name, content)
    assert found['label'] == ['pos'] and len(found) == 2
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert columns(tmp_path / name, sep=sep) == found


def test_a_separator_that_fits_not_every_row_is_not_taken(tmp_path):
    with refuse('x.csv', 'no comma, but a semicolon', "give sep=';'"):
        columns(tmp_path / 'x.csv', 'text;label\nwell; well;pos\n')
    assert columns(tmp_path / 'x.csv', sep=',') == {'text;label': ['well; well;pos']}


@pytest.mark.parametrize('sep', ['', ',,', '"', '\n', 1])
def test_what_can_not_separate(tmp_path, sep):
    with refuse(f'sep is {sep!r}', 'one character'):
        columns(tmp_path / 'x.csv', 'text\nfine\n', sep=sep)


def test_one_column_needs_no_separator(tmp_path, recwarn):
    assert columns(tmp_path / 'x.csv', 'text\none; two\tthree | four\n') == {'text': ['one; two\tthree | four']} and not recwarn.list


@pytest.mark.parametrize('sep', [';', '\t', ','])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_the_line_in_which_excel_names_it(tmp_path, sep, end):
    content = f'sep={sep}{end}text{sep}label{end}fine{sep}pos{end}bad{sep}neg{end}'
    assert columns(tmp_path / 'x.csv', content) == columns(tmp_path / 'x.csv', content.encode('utf-16')) == {'text': ['fine', 'bad'], 'label': ['pos', 'neg']}
    with refuse('line 3 has more fields'):
        columns(tmp_path / 'x.csv', f'sep=;{end}text;label{end}a;b;c{end}')


def test_a_name_that_is_missing_in_the_first_column_hides_no_separator(tmp_path):
    with pytest.warns(UserWarning, match='a tab, which is taken to separate'):
        assert columns(tmp_path / 'x.csv', '\ttext\n0\tfine\n1\tbad\n')['text'] == ['fine', 'bad']


def test_one_column_of_an_old_mac_needs_no_separator(tmp_path, recwarn):
    assert columns(tmp_path / 'x.csv', 'text\rone; two\rthree\r') == {'text': ['one; two', 'three']} and not recwarn.list


# --- quotation


def test_marks_behind_a_blank_quote_nothing_and_that_is_said(tmp_path, recwarn):
    with pytest.warns(UserWarning, match='a blank stands before a quotation mark, first in line 2'):
        assert columns(tmp_path / 'x.csv', 'label, text\npos, "so good"\nneg, "so bad"\n')[' text'] == [' "so good"', ' "so bad"']
    assert columns(tmp_path / 'x.csv', 'label,text\npos," he said ""no"", twice"\nneg, well\n') and len(recwarn.list) == 0


def test_a_quotation_that_nobody_closed_is_refused(tmp_path):
    content = 'text\n"I quote this\nand forget\na fine evening\n"quoted again" ok\nlast\n'
    with refuse('x.csv: line 2', 'quoting="none"'):
        columns(tmp_path / 'x.csv', content)
    for none in ('none', csv.QUOTE_NONE):
        assert columns(tmp_path / 'x.csv', quoting=none) == {'text': content.split('\n')[1:-1]}


def test_a_quotation_without_an_end_is_refused(tmp_path):
    with refuse('x.csv: line 3', 'quotation mark'):
        columns(tmp_path / 'x.csv', 'text,label\nfine,pos\n"bad,neg\nso,pos\n')


def test_rows_that_seem_to_be_swallowed_are_said(tmp_path):
    content = 'text,label\nfine,pos\n"great,pos\nawful,neg\nso"",pos\n"",neg\nbad,neg\n'
    with pytest.warns(UserWarning, match='1 quoted text, the first in line 3, hold line breaks and what looks like rows'):
        columns(tmp_path / 'x.csv', content.replace('so"",pos\n"",neg', 'so",neg'))


def test_line_breaks_in_a_single_column_are_said(tmp_path):
    with pytest.warns(UserWarning, match='2 quoted texts, the first in line 3, hold line breaks'):
        columns(tmp_path / 'x.csv', 'text\nfine\n"great\nawful"\nso\n"a\nb"\n')


def test_names_of_columns_as_a_row_are_said(tmp_path, recwarn):
    "Of files that were put together."
    with pytest.warns(UserWarning, match='line 3 holds the names of the columns once more'):
        assert len(columns(tmp_path / 'x.csv', 'text,label\nfine,pos\ntext,label\nbad,neg\n')['text']) == 3
    assert columns(tmp_path / 'y.csv', 'text\nfine\ntext\n') == {'text': ['fine', 'text']} and not recwarn.list


def test_line_breaks_in_a_table_need_no_word(tmp_path, recwarn):
    found = columns(tmp_path / 'x.csv', 'text,label\n"well, yes\nand, well, no",pos\nfine,pos\nbad,neg\n')
    assert found['text'][0] == 'well, yes\nand, well, no' and not recwarn.list


TWEETS = ['"Ganz toll"', '"Na ja" sagt sie', 'er sagt "gut"', 'plain', '"']


def test_quotation_marks_of_a_table_with_tabs_are_kept(tmp_path, recwarn):
    "As most programs write such tables: nothing is quoted."
    content = 'text\tlabel\n' + ''.join(f'{t}\tpos\n' for t in TWEETS)
    assert columns(tmp_path / 'x.tsv', content)['text'] == TWEETS
    assert columns(tmp_path / 'y.tsv', 'text\tlabel\n' + ''.join(f'"{w}"\tpos\n' for w in 'abc'))['text'] == ['"a"', '"b"', '"c"']
    assert not recwarn.list


@pytest.mark.parametrize('quoting', [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_table_with_tabs_whose_writer_quotes(tmp_path, quoting):
    frame = pd.DataFrame({'text': [*TWEETS, 'a\tb', 'two\nlines'], 'label': ['pos'] * 7})
    frame.to_csv(tmp_path / 'x.tsv', sep='\t', index=False, quoting=quoting)
    assert columns(tmp_path / 'x.tsv') == frame.to_dict('list')


def test_a_table_with_tabs_that_could_be_either_is_refused(tmp_path):
    content = 'text\tlabel\n"a ""good"" film"\tpos\n"fine"\tpos\n'
    with refuse('x.tsv', 'some fields begin with quotation marks', 'quoting="minimal"', 'quoting="none"'):
        columns(tmp_path / 'x.tsv', content)
    assert columns(tmp_path / 'x.tsv', quoting='minimal')['text'] == ['a "good" film', 'fine']
    assert columns(tmp_path / 'x.tsv', quoting='none')['text'] == ['"a ""good"" film"', '"fine"']


def test_rows_are_not_swallowed_where_lines_make_sense(tmp_path):
    content = 'text\tlabel\n"Great\tpos\nok\tneg\nhe said "x"\tpos\nthe end"\tpos\n'
    assert columns(tmp_path / 'x.tsv', content)['text'] == ['"Great', 'ok', 'he said "x"', 'the end"']


def test_quoting_that_there_is_not(tmp_path):
    for wrong in ('some', ['none'], 7):
        with refuse(f'quoting is {wrong!r}', '"none"'):
            columns(tmp_path / 'x.csv', 'text\nfine\n', quoting=wrong)


# --- columns


@pytest.mark.parametrize(
    'name, content', [('x.csv', 'text,text\na,b\n'), ('x.jsonl', '{"text": "a", "text": "b"}'), ('x.json', '[{"text": "a", "text": "b"}]')]
)
def test_two_columns_of_one_name_are_refused(tmp_path, name, content):
    with refuse(name, "two columns 'text'"):
        columns(tmp_path / name, content)


def test_rows_with_more_fields_than_names(tmp_path):
    assert columns(tmp_path / 'x.csv', 'text,label,\nfine,pos,\n') == {'text': ['fine'], 'label': ['pos']}
    assert columns(tmp_path / 'x.csv', ',text\n0,fine\n1,bad\n') == {'unnamed 0': ['0', '1'], 'text': ['fine', 'bad']}
    with refuse('x.csv: line 3 has more fields'):
        columns(tmp_path / 'x.csv', 'text,label\nfine,pos\nwell, bad,neg\n')


def test_line_ends_of_all_systems(tmp_path):
    for end in ('\n', '\r\n', '\r'):
        assert columns(tmp_path / 'x.csv', f'text,label{end}fine,pos{end}bad,neg') == {'text': ['fine', 'bad'], 'label': ['pos', 'neg']}


# --- kinds


def test_kinds_by_name():
    names = {'a.CSV': '.csv', 'a.b.tsv.gz': '.tsv', 'a.json.GZ': '.json', 'a.parquet.gz': '.gz', 'a.gz': '.gz', 'csv': ''}
    assert {name: kind_of(Path(name)) for name in names} == names


@pytest.mark.parametrize(
    'name, content', [('x.csv.gz', 'text\nfine\n'), ('x.tsv.gz', 'text\nfine\n'), ('x.jsonl.gz', '{"text": "fine"}'), ('x.json.gz', '[{"text": "fine"}]')]
)
def test_compressed_files(tmp_path, name, content):
    assert columns(tmp_path / name, gzip.compress(content.encode())) == {'text': ['fine']}
    with refuse(name, 'not a readable', 'Is it whole'):
        columns(tmp_path / name, gzip.compress(content.encode())[:-9])
    plain = name.removesuffix('.gz')
    assert columns(tmp_path / plain, gzip.compress(content.encode())) == columns(tmp_path / name, content) == {'text': ['fine']}, 'names that say otherwise'


def test_an_excel_file(tmp_path):
    pytest.importorskip('openpyxl')
    frame = pd.DataFrame({'text': ['fine', '007', 'two\nlines'], 'label': ['pos', None, 'neg'], 'stars': [5, 1, 3]})
    frame.to_excel(tmp_path / 'x.xlsx', index=False)
    assert columns(tmp_path / 'x.xlsx') == {'text': ['fine', '007', 'two\nlines'], 'label': ['pos', None, 'neg'], 'stars': [5, 1, 3]}
    with pd.ExcelWriter(tmp_path / 'y.xlsx') as book:
        frame.to_excel(book, sheet_name='one', index=False)
        frame.to_excel(book, sheet_name='two', index=False)
    with pytest.warns(UserWarning, match='only its first sheet is read, not two'):
        columns(tmp_path / 'y.xlsx')
    with refuse('z.xlsx', 'not a readable .xlsx file'):
        columns(tmp_path / 'z.xlsx', b'no book')
    pd.DataFrame().to_excel(tmp_path / 'w.xlsx', index=False)
    with refuse('w.xlsx', 'its first sheet is empty'):
        columns(tmp_path / 'w.xlsx')


def sheet(path, rows, then=lambda sheet: None):
    book = pytest.importorskip('openpyxl').Workbook()
    for row in rows:
        book.active.append(row)
    then(book.active)
    book.save(path)
    return path


def test_cells_without_a_value_of_their_own(tmp_path):
    "A formula that nobody computed, an error, a cell that others were merged into."
    with refuse('x.xlsx: cell A2 holds a formula, and no result', 'save it there'):
        columns(sheet(tmp_path / 'x.xlsx', [('text', 'label'), ('=A3&"!"', 'pos'), ('fine', 'pos')]))
    with refuse('y.xlsx: cell B3 holds the error #N/A'):
        columns(sheet(tmp_path / 'y.xlsx', [('text', 'label'), ('fine', 'pos'), ('bad', '#N/A')], lambda s: setattr(s['B3'], 'data_type', 'e')))
    merged = sheet(tmp_path / 'z.xlsx', [('text', 'label'), ('fine', 'pos'), ('good', None), ('bad', 'neg')], lambda s: s.merge_cells('B2:B3'))
    assert columns(merged) == {'text': ['fine', 'good', 'bad'], 'label': ['pos', None, 'neg']}


def test_a_column_of_a_sheet_without_a_name_is_kept_if_it_holds_something(tmp_path):
    rows = [('text', None, None, 'n'), ('fine', 'remark', None, 0), ('bad', None, None, None)]
    assert columns(sheet(tmp_path / 'x.xlsx', rows)) == {'text': ['fine', 'bad'], 'unnamed 1': ['remark', None], 'n': [0, None]}
    with refuse('y.xlsx', "two columns 'text'"):
        columns(sheet(tmp_path / 'y.xlsx', [('text', 'text'), ('a', 'b')]))


def test_an_excel_file_without_openpyxl(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'openpyxl', None)
    with refuse('x.xlsx', "pip install 'ulmfit-nb[excel]'"):
        columns(tmp_path / 'x.xlsx', b'whatever')


@pytest.mark.parametrize('content', ['{"a": 1}, {"a": 2}', '"fine"', '[1, 2]', '[{"text": "a"}', '[' * 100_000, '{"a":' * 100_000])
def test_json_that_is_no_table(tmp_path, content):
    with refuse('x.json', 'not a readable .json file'):
        columns(tmp_path / 'x.json', content)


@pytest.mark.parametrize(
    'content',
    ['{"text": {"0": "a", "1": "b"}}', '{"text": ["a", "b"], "label": ["x", "y"]}', '{"data": [{"text": "a"}]}', '{\n "data": [\n {"text": "a"}]\n}', '{}'],
)
def test_json_of_columns_says_what_it_should_be(tmp_path, content):
    with refuse('x.json', 'no list of objects', 'orient="records"'):
        columns(tmp_path / 'x.json', content)
    assert columns(tmp_path / 'y.json', '{\n "text": "a",\n "tags": ["b"]\n}') == {'text': ['a'], 'tags': [['b']]}


def test_a_long_text_is_read_in_time(tmp_path):
    "Fields have no limit, and the limit of others stays as it was."
    before, began = 131_072, time.perf_counter()  # Python's own
    csv.field_size_limit(before)
    long = 'word, ' * 500_000
    assert columns(tmp_path / 'x.csv', f'text\n"{long}"\n', sep=',') == {'text': [long]}
    assert csv.field_size_limit() == before and time.perf_counter() - began < 20


def test_a_sheet_that_does_not_say_how_wide_it_is(tmp_path):
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for name, rows in {'one': [('text', 0), ('a', 'x'), ('b', 'y', 'more')], 'two': []}.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(tmp_path / 'x.xlsx')
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # the second sheet is empty
        assert columns(tmp_path / 'x.xlsx') == {'text': ['a', 'b'], '0': ['x', 'y'], 'unnamed 2': [None, 'more']}


def test_one_bad_quotation_tears_no_table_apart(tmp_path):
    whole = 'text\tlabel\n' + '"first line\nsecond ""line"""\tpos\n' * 3
    assert columns(tmp_path / 'x.tsv', whole)['text'] == ['first line\nsecond "line"'] * 3
    with refuse('x.tsv: line 8', 'quoting="none"'):
        columns(tmp_path / 'x.tsv', whole + '"cut short\nsecond')
    assert columns(tmp_path / 'x.tsv', 'text\tlabel\n"Toll" sagt er\tpos\n')['text'] == ['"Toll" sagt er']


def test_advice_on_encodings_is_such_as_works(tmp_path):
    for content, encoding, said in [
        ('text\n“so”\n'.encode() + b'caf\xe9\n', None, 'Give the encoding that it was written in'),  # cp1252 has no 0x9d
        ('text\n“so” '.encode() + b'caf\xe9\n', 'cp1252', 'Give the encoding that it was written in'),
        ('text\nfine\n'.encode('utf-32-le'), None, 'encoding="utf-32-le"'),
        ('text\nfine\n'.encode('utf-32-be'), None, 'encoding="utf-32-be"'),
        ('text\nfine\n'.encode('utf-16-be'), None, 'encoding="utf-16-be"'),
        (b'text\ncaf\xe9\n', None, 'encoding="cp1252"'),
    ]:
        (tmp_path / 'x.csv').write_bytes(content)
        with refuse(said):
            read_columns(tmp_path / 'x.csv', encoding=encoding)


@pytest.mark.parametrize('wrong', [False, True])
def test_a_yes_or_no_is_no_quoting(tmp_path, wrong):
    (tmp_path / 'x.tsv').write_text('text\n"a"\n')
    with refuse(f'quoting is {wrong}'):
        read_columns(tmp_path / 'x.tsv', quoting=wrong)


def test_the_line_of_a_bad_object_is_named(tmp_path):
    with refuse('x.jsonl', 'line 2', "two columns 'text'", 'Rename'):
        columns(tmp_path / 'x.jsonl', '{"text": "a"}\n{"text": "a", "text": "b"}')
    with refuse('x.jsonl', 'line 2: Exceeds the limit'):
        columns(tmp_path / 'x.jsonl', '{"text": "a"}\n{"text": ' + '1' * 5000 + '}')
