"Rows come back as they were, with a label beside them, from and to files of every kind."

import csv
import gzip
import io
import json
from datetime import date
from decimal import Decimal
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import REVIEWS, TINY_CLASSIFIER, refuse
from hypothesis import given
from hypothesis import strategies as st

from ulmfit_nb import train_classifier
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.prediction_files import (
    RowLines,
    RowPredictor,
    iter_rows,
    lines_of,
    predict_file,
    predict_rows,
    rows_in,
    rows_out,
    rows_to_label,
    shown,
)
from ulmfit_nb.report import report_on
from ulmfit_nb.sources import load_data
from ulmfit_nb.tables import join_fields
from ulmfit_nb.targets import MultiLabel, Number


class Lengths:
    "Says how long a text is, up to nine letters."

    classes = ['short', 'long']

    def __init__(self):
        self.seen = []

    def predict_proba(self, texts):
        self.seen.append(list(texts))
        p = np.array([min(len(t), 9) / 10 for t in texts])
        return np.stack([1 - p, p], 1)


ROWS = [
    {'id': '007', 'text': 'a "quoted", text'},
    {'id': '1.10', 'text': 'ö\n😀 in two lines'},
    {'id': 'NA', 'text': ''},
    {'id': '', 'text': 'no'},
]
LABELS = ['long', 'long', '', 'short']


def written(folder, kind, rows=ROWS):
    path = folder / f'in{kind}'
    if kind == '.txt':
        path.write_text(''.join(' '.join(row['text'].split()) + '\n' for row in rows), encoding='utf-8')
    elif kind == '.parquet':
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind.startswith('.json'):
        text = json.dumps(rows) if kind == '.json' else ''.join(json.dumps(row) + '\n' for row in rows)
        path.write_text(text, encoding='utf-8')
    elif kind == '.xlsx':
        pd.DataFrame(rows).to_excel(path, index=False)
    else:
        out = io.StringIO(newline='')
        csv.writer(out, delimiter='\t' if 'tsv' in kind else ',').writerows([rows[0].keys(), *(row.values() for row in rows)])
        raw = out.getvalue().encode()
        path.write_bytes(gzip.compress(raw) if kind.endswith('.gz') else raw)
    return path


KINDS = ['.csv', '.tsv', '.csv.gz', '.jsonl', '.json', '.parquet', '.txt', '.xlsx']


@pytest.mark.parametrize('kind,to', list(product(KINDS, ['.csv', '.tsv', '.jsonl', '.parquet'])))
def test_rows_and_columns_are_kept(kind, to, tmp_path):
    source, out = written(tmp_path, kind), tmp_path / f'out{to}'
    before = list(iter_rows(source))
    counts = predict_file(RowPredictor(Lengths()), source, out)
    assert counts == {'rows': 4, 'empty': 1, ('label', 'long'): 2, ('label', 'short'): 1}
    after = list(iter_rows(out))
    names = [*before[0], 'label', 'p_short', 'p_long']
    assert [list(row) for row in after] == [names] * 4
    assert [{k: row[k] or '' for k in old} for row, old in zip(after, before)] == [{k: v or '' for k, v in old.items()} for old in before]
    assert [row['label'] or '' for row in after] == LABELS
    assert float(after[3]['p_long']) == 0.2 and not after[2]['p_long'] and not after[2]['p_short']
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_values_of_json_stay_as_they_are(tmp_path):
    rows = [{'text': 'a', 'n': 1, 'tags': ['x', {'y': None}]}, {'text': 'b', 'n': 2.5, 'new': True}, {'n': 10**20}]
    predict_file(RowPredictor(Lengths()), written(tmp_path, '.jsonl', rows), tmp_path / 'out.jsonl')
    after = [json.loads(line) for line in (tmp_path / 'out.jsonl').read_text().splitlines()]
    assert [{k: v for k, v in row.items() if k not in ('label', 'p_short', 'p_long')} for row in after] == rows
    with refuse('values of one kind', 'Write a .jsonl file'):
        predict_file(RowPredictor(Lengths()), tmp_path / 'in.jsonl', tmp_path / 'out.parquet')
    assert not (tmp_path / 'out.parquet').exists()


def test_parquet_keeps_its_kinds(tmp_path):
    table = pa.table({'text': ['a', None], 'day': [date(2020, 1, 1), None], 'n': pa.array([1, None], pa.int8()), 'none': pa.array([None, None], pa.float32())})
    pq.write_table(table, tmp_path / 'in.parquet')
    predict_file(RowPredictor(Lengths()), tmp_path / 'in.parquet', tmp_path / 'out.parquet')
    out = pq.read_table(tmp_path / 'out.parquet')
    assert out.select(table.column_names).equals(table) and str(out.schema.field('p_long').type) == 'double'


def test_portions_make_no_difference(tmp_path):
    rows = [{'text': 'x' * (i % 12), 'n': i} for i in range(50)]
    results = []
    for portion in (1, 7, 1000):
        out, predictor = tmp_path / f'{portion}.jsonl', RowPredictor(model := Lengths())
        with rows_out(out) as write:
            predict_rows(iter(rows), predictor, write, portion)
        results.append(out.read_bytes())
        assert max(map(len, model.seen)) <= portion and not any('' in texts for texts in model.seen)
    assert results[0] == results[1] == results[2]


def test_a_field_that_comes_late(tmp_path):
    rows = [{'text': 'a'}, {'text': 'b', 'new': 'c'}]
    for to in ('.csv', '.parquet'):
        with refuse("a field 'new'", 'jsonl'), rows_out(tmp_path / f'out{to}') as write:
            predict_rows(iter(rows), RowPredictor(Lengths()), write, portion=1)
    assert list(tmp_path.iterdir()) == []


def test_a_column_of_labels_is_kept_and_said():
    predictor = RowPredictor(Lengths())
    with pytest.warns(UserWarning, match="column 'label' already.*kept.*'predicted_label'"):
        row = predictor([{'text': 'no', 'label': 'long'}])[0]
    assert row['label'] == 'long' and row['predicted_label'] == 'short' and row['predicted_p_long'] == 0.2
    with refuse("there is a column 'predicted_label' already"):
        RowPredictor(Lengths())([row])


def test_what_is_no_text_is_refused():
    with refuse("no column 'text'", 'review, id'):
        RowPredictor(Lengths())([{'review': 'a', 'id': 1}])
    predictor = RowPredictor(Lengths())
    predictor([{'text': 'a'}] * 5)
    with refuse('row 7: the text is 5, of type int'):
        predictor([{'text': 'a'}, {'text': 5}])
    for wrong in (dict(threshold=60), dict(temperature=0), dict(temperature=float('nan'))):
        with refuse(next(iter(wrong))):
            RowPredictor(Lengths(), **wrong)


def test_no_rows_and_kinds_that_are_not_written(tmp_path):
    (tmp_path / 'in.csv').write_text('text,label\n')
    with refuse('there are no texts'):
        predict_file(RowPredictor(Lengths()), tmp_path / 'in.csv', tmp_path / 'out.csv')
    with refuse('out.xlsx: a .xlsx file', '.csv, .tsv, .jsonl, .parquet'):
        predict_file(RowPredictor(Lengths()), tmp_path / 'in.csv', tmp_path / 'out.xlsx')
    with refuse('no such file'):
        predict_file(RowPredictor(Lengths()), tmp_path / 'no.jsonl', tmp_path / 'out.csv')
    assert [p.name for p in tmp_path.iterdir()] == ['in.csv']


def test_a_file_that_holds_something_already(tmp_path):
    "The file that is read stays, whatever it is called; a folder is refused before any work."
    source, model = written(tmp_path, '.csv'), Lengths()
    (tmp_path / 'link.csv').symlink_to(source)
    before = source.read_bytes()
    for out in (source, tmp_path / 'link.csv', f'{tmp_path}/./in.csv'):
        with refuse('is the very file that is read'):
            predict_file(RowPredictor(model), source, out)
    (tmp_path / 'out.csv').mkdir()
    with refuse('out.csv is a folder'):
        predict_file(RowPredictor(model), source, tmp_path / 'out.csv')
    assert source.read_bytes() == before and model.seen == []


@pytest.mark.parametrize('name', ['in.jsonl.gz', 'in.JSONL.GZ', 'in.jsonl', 'in.txt.gz', 'in.txt', 'in.csv', 'in.csv.gz'])
def test_compressed_whatever_its_name(name, tmp_path):
    (tmp_path / name).write_bytes(gzip.compress(b'{"text": "a"}\n' if 'json' in name.lower() else b'a\n' if 'txt' in name else b'text\na\n'))
    assert list(iter_rows(tmp_path / name)) == [{'text': 'a'}]


def test_what_parquet_can_not_hold(tmp_path):
    for value in (10**30, '\ud83d'):
        with refuse('Parquet wants values of one kind', 'Write a .jsonl file'), rows_out(tmp_path / 'out.parquet') as write:
            predict_rows(iter([{'text': 'a', 'n': value}]), RowPredictor(Lengths()), write)
    assert list(tmp_path.iterdir()) == []


def test_parquet_of_odd_kinds(tmp_path):
    columns = {
        'text': pa.array(['a', 'b']).dictionary_encode(),
        'map': pa.array([[('k', 1)], None], pa.map_(pa.string(), pa.int64())),
        'struct': pa.array([{'z': [1]}, {'z': None}]),
        'price': pa.array([Decimal('1.10'), None]),
        'long': pa.array([2**63 + 1, 0], pa.uint64()),
        'bytes': pa.array([b'\xff', b'']),
        'day': [date(2020, 1, 2), None],
    }
    pq.write_table(pa.table(columns), tmp_path / 'in.parquet')
    predict_file(RowPredictor(Lengths()), tmp_path / 'in.parquet', tmp_path / 'out.parquet')
    assert pq.read_table(tmp_path / 'out.parquet').select(list(columns)).to_pylist() == pa.table(columns).to_pylist()
    predict_file(RowPredictor(Lengths()), tmp_path / 'in.parquet', tmp_path / 'out.csv')
    first, second = iter_rows(tmp_path / 'out.csv')
    assert first['price'] == '1.10' and first['day'] == '2020-01-02' and first['struct'] == '{"z": [1]}' and first['long'] == '9223372036854775809'
    assert second['price'] is second['day'] is second['map'] is None


def test_files_of_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    written(tmp_path, '.parquet')
    predict_file(RowPredictor(Lengths()), '~/in.parquet', '~/out.parquet')
    assert pq.read_table(tmp_path / 'out.parquet').column_names == ['id', 'text', 'label', 'p_short', 'p_long']


def test_below_the_threshold_there_is_no_label():
    predictor = RowPredictor(Lengths(), threshold=0.75)
    rows = predictor([{'text': 'x' * n} for n in (1, 5, 9)])
    assert [row['label'] for row in rows] == ['short', '', 'long'] and rows[1]['p_long'] == 0.5 and predictor.counts['undecided'] == 1


def test_a_temperature_cools():
    plain, cooler = (RowPredictor(Lengths(), temperature=t)([{'text': 'x' * 9}])[0] for t in (1, 3))
    assert plain['p_long'] == 0.9 and 0.6 < cooler['p_long'] < 0.7 and cooler['label'] == 'long'


def test_several_columns_are_joined():
    model = Lengths()
    rows = RowPredictor(model, ['title', 'body'])([{'title': 'a', 'body': 'b'}, {'title': '', 'body': ' '}, {'title': 'c', 'body': None}])
    assert model.seen == [[join_fields('ab'), join_fields(['c', ''])]] and rows[1]['label'] == ''


def test_the_label_and_probabilities_are_those_of_the_classifier(tiny_classifier, tmp_path):
    classifier = load_classifier(tiny_classifier)
    (tmp_path / 'in.txt').write_text('\n'.join(REVIEWS.texts), encoding='utf-8')
    predict_file(RowPredictor(classifier), tmp_path / 'in.txt', tmp_path / 'out.csv')
    rows = list(iter_rows(tmp_path / 'out.csv'))
    assert [row['label'] for row in rows] == classifier.predict(REVIEWS.texts)
    found = [[float(row[f'p_{c}']) for c in classifier.classes] for row in rows]
    assert np.allclose(found, classifier.predict_proba(REVIEWS.texts), atol=1e-6)


def test_folders_and_named_sets(tmp_path):
    (tmp_path / 'pos').mkdir()
    (tmp_path / 'pos/a.txt').write_text('fine')
    assert list(iter_rows(tmp_path)) == [{'text': 'fine', 'label': 'pos'}]
    (tmp_path / 'plain').mkdir()
    (tmp_path / 'plain/a.txt').write_text('fine')
    assert list(iter_rows(tmp_path / 'plain')) == [{'text': 'fine'}]
    assert next(iter_rows('clothing')).keys() == next(iter_rows('clothing', 'unsup')).keys() > {'text', 'rating'}


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-32'])
def test_lines_in_any_encoding(encoding):
    raw = 'ä\r\n\n😀 b\n'.encode(encoding)
    assert list(lines_of(io.BytesIO(raw), None, 'x')) == ['ä', '', '😀 b']
    assert list(lines_of(io.BytesIO('ä'.encode('cp1252')), 'cp1252', 'x')) == ['ä']
    with refuse('x: not utf-8: line 3 holds bytes', 'cp1252'):
        list(lines_of(io.BytesIO(b'one\ntwo\nth\xe4ree\n'), None, 'x'))


def test_a_stream_is_read_as_it_comes():
    "The first row is there before the second line has been written."

    class Slow(io.RawIOBase):
        lines = [b'{"text": "a"}\n', b'{"text": "b"}\n']

        def readline(self, size=-1):
            return self.lines.pop(0) if self.lines else b''

    assert next(rows_in(Slow(), '.jsonl', 'x')) == {'text': 'a'} and len(Slow.lines) == 1
    with refuse('x: line 2, column 1', 'Give a JSON object a line'):
        list(rows_in(io.BytesIO(b'{"text": "a"}\nnot json\n'), '.jsonl', 'x'))
    assert list(rows_in(io.BytesIO(b'id\ttext\n1\ta\n'), '.tsv', 'x')) == [{'id': '1', 'text': 'a'}]


def test_what_steers_a_terminal_is_shown():
    text = 'a\x1b[2J\x9b\x7f\r\n\tb\u2028ö😀'
    assert shown(text) == r'a\x1b[2J\x9b\x7f\r\n\tb\u2028ö😀'
    for kind, line in (('.tsv', shown(text)), ('.jsonl', None)):
        out = io.BytesIO()
        RowLines(out, kind, terminal=True)([{'text': text}])
        last = out.getvalue().decode().removesuffix('\n').split('\n')[-1]
        assert not any(sign in last for sign in '\x1b\x9b\x7f\r\u2028')
        assert last == line if line else json.loads(last) == {'text': text}


@given(st.lists(st.text(st.characters(exclude_categories=['Cs'])), min_size=1))
def test_any_text_survives_a_table(texts):
    out = io.BytesIO()
    RowLines(out, '.csv')([{'text': text, 'n': '1'} for text in texts])
    rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline='')))
    assert rows == [['text', 'n'], *([text, '1'] for text in texts)]


def test_half_a_letter_is_written_out():
    out = io.BytesIO()
    RowLines(out, '.jsonl')([{'text': '\ud83d'}])
    assert json.loads(out.getvalue()) == {'text': '\ud83d'}


def test_what_to_label_next():
    rows = [{'text': 'x' * n, 'n': n} for n in (1, 5, 9, 0, 6, 4)]
    for portion in (2, 100):
        assert [row['n'] for row in rows_to_label(iter(rows), RowPredictor(Lengths()), 3, portion)] == [5, 6, 4]
    assert len(rows_to_label(iter(rows), RowPredictor(Lengths()), 99)) == 5 and rows_to_label(iter([]), RowPredictor(Lengths()), 3) == []


# --- several labels a text, or a number


class Tags:
    "Says which of its labels stand in a text."

    classes = ['late', 'broken']
    target = MultiLabel(classes, [0.5, 0.3])

    def predict_proba(self, texts):
        return np.array([[0.8 * (c in t) + 0.1 for c in self.classes] for t in texts])


class Stars:
    "Says how long a text is."

    classes, target = [], Number(0, 1)

    def predict(self, texts):
        return [len(t) / 2 for t in texts]


TAGGED = [{'text': 'fine'}, {'text': 'late and broken'}, {'text': ' '}, {'text': 'broken'}]


@pytest.mark.parametrize('kind', ['.csv', '.tsv', '.jsonl', '.parquet'])
def test_several_labels_are_a_list(kind, tmp_path):
    out, predictor = tmp_path / f'out{kind}', RowPredictor(Tags())
    with rows_out(out) as write:
        counts = predict_rows(iter(TAGGED), predictor, write, portion=1)  # the first label is an empty list
    assert counts == {'rows': 4, 'empty': 1, ('label', 'late'): 1, ('label', 'broken'): 2}
    rows, whole = list(iter_rows(out)), kind in ('.jsonl', '.parquet')
    assert [list(row) for row in rows] == [['text', 'label', 'p_late', 'p_broken']] * 4
    labels = [row['label'] if whole else json.loads(row['label'] or 'null') for row in rows]
    assert labels == [[], ['late', 'broken'], None, ['broken']] and float(rows[3]['p_broken']) == 0.9
    assert [row['label'] for row in RowPredictor(Tags(), threshold=0.95)(TAGGED)] == [[], [], None, []]
    with refuse('the labels of text 2 are None', '[] for none'):
        load_data(out, multi_label=True)


@pytest.mark.parametrize('kind', ['.csv', '.jsonl', '.parquet'])
def test_a_number_is_a_prediction(kind, tmp_path):
    out = tmp_path / f'out{kind}'
    with rows_out(out) as write:
        assert predict_rows(iter(TAGGED), RowPredictor(Stars()), write) == {'rows': 4, 'empty': 1}
    rows = list(iter_rows(out))
    assert [list(row) for row in rows] == [['text', 'prediction']] * 4
    assert [row['prediction'] and float(row['prediction']) for row in rows] in ([2.0, 7.5, x, 3.0] for x in (None, ''))


def test_what_has_no_meaning_is_refused():
    for model, option in ((Stars(), 'threshold'), (Stars(), 'temperature'), (Tags(), 'temperature')):
        with refuse(option):
            RowPredictor(model, **{option: 0.5})
    for model, said in ((Tags(), 'several'), (Stars(), 'numbers')):
        with refuse('one a text', said):
            rows_to_label(iter(TAGGED), RowPredictor(model), 2)
        with refuse('a report is of classes', said):
            report_on(model, REVIEWS)


def test_a_trained_model_of_either_kind(tiny_lm, tmp_path):
    tags = TextData(REVIEWS.texts, [['good'] * l + ['truly'] * ('truly' in t) for t, l in zip(REVIEWS.texts, REVIEWS.labels)])
    for target, data in (('multi-label', tags), ('number', TextData(REVIEWS.texts, [float(l) for l in REVIEWS.labels]))):
        out = train_classifier(tiny_lm, data, tmp_path / target, data, **TINY_CLASSIFIER | {'epochs': 1, 'target': target})
        classifier, name = load_classifier(out), 'label' if target == 'multi-label' else 'prediction'
        rows = RowPredictor(classifier)([{'text': t} for t in REVIEWS.texts])
        assert [row[name] for row in rows] == (
            classifier.predict(REVIEWS.texts) if target == 'multi-label' else pytest.approx(classifier.predict(REVIEWS.texts))
        )
        card = (save_pretrained(out, tmp_path / f'{target}-card') / 'README.md').read_text()
        kind = 'multi-label classifier of any number of 2 labels: good, truly' if target == 'multi-label' else 'regressor'
        assert f'| what | a {kind} |' in card and f'A {kind.split(" of ")[0]} made with' in card
        assert ('| validation macro F1 |' in card) == (target == 'multi-label') and ('| validation mean absolute error |' in card) == (target == 'number')


def test_a_column_of_labels_that_comes_late_is_not_written_over():
    predictor = RowPredictor(Lengths())
    with pytest.warns(UserWarning, match="column 'label' already"):
        rows = predictor([{'text': 'no'}, {'text': 'no', 'label': 'gold'}])
    assert rows[1]['label'] == 'gold' and rows[0]['predicted_label'] == rows[1]['predicted_label'] == 'short'
    predictor = RowPredictor(Lengths())
    predictor([{'id': 1}, {'text': 'no'}])
    with refuse("after row 2 comes a field 'label'", 'Rename it'):
        predictor([{'text': 'no', 'label': 'gold'}])


@pytest.mark.parametrize('first, then', [(3, 2.5), ([1], [1.5]), ({'a': 1}, {'a': 1, 'b': 2}), (1, 'a'), (True, 2)])
def test_parquet_changes_no_value(tmp_path, first, then):
    for one, other, fine in ((first, then, False), (then, None, True), (then, then, True)):
        rows = [{'text': 'a', 'x': one}, {'text': 'b', 'x': other}]
        if not fine:
            with refuse('Parquet wants values of one kind', 'Write a .jsonl'), rows_out(tmp_path / 'out.parquet') as write:
                predict_rows(rows, RowPredictor(Lengths()), write, portion=1)
            continue
        with rows_out(tmp_path / 'out.parquet') as write:
            predict_rows(rows, RowPredictor(Lengths()), write, portion=1)
        assert pq.read_table(tmp_path / 'out.parquet')['x'].to_pylist() == [one, other]


def test_rows_without_a_text_come_first(tmp_path):
    with rows_out(tmp_path / 'out.parquet') as write:
        predict_rows([{'text': ''}, {'text': 'no'}], RowPredictor(Lengths()), write, portion=1)
    assert pq.read_table(tmp_path / 'out.parquet')['p_long'].to_pylist() == [None, 0.2]
    with rows_out(tmp_path / 'out.parquet') as write:  # a column of the caller's that begins as these do
        predict_rows([{'p_note': None, 'text': ''}, {'p_note': 'late', 'text': 'no'}], RowPredictor(Lengths()), write, portion=1)
    assert pq.read_table(tmp_path / 'out.parquet')['p_note'].to_pylist() == [None, 'late']
