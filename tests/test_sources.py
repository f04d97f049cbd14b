"Texts and labels from every source, and every way in which a source can be refused."

import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from helpers import refuse

from ulmfit_nb import sources as S
from ulmfit_nb.data import TextData, fingerprint
from ulmfit_nb.sources import NAMED, TextSource, iter_texts, load_data, read_named, source_files


@pytest.fixture
def parquet(tmp_path, monkeypatch):
    "Named sets in the local layout: a folder each, with a Parquet file (or several) for each split."

    def write(name, file, **columns):
        (tmp_path / name).mkdir(exist_ok=True)
        pd.DataFrame(columns).to_parquet(tmp_path / name / file)

    write('imdb', 'train.parquet', text=['a', 'b', 'c', 'd'], label=[0, 0, 1, 1])
    write('imdb', 'test.parquet', text=['e'], label=[1])
    write('imdb', 'unsup.parquet', text=['f', 'g'], label=[-1, -1])
    write('imdb', 'meta_train.parquet', id=[1, 2, 3, 4])
    write('trec', 'train.parquet', text=['p', 'q', 'r', 's'], coarse_label=[5, 3, 5, 3], fine_label=[40, 2, 40, 2])
    write('ag_news', 'train_subset.parquet', text=['h', 'i', 'j', 'k'], label=[3, 3, 0, 0])
    write('wikitext-2-v1', 'train.parquet', text=['', ' = Title = '])
    for i in range(2):
        write('enwiki2015', f'train-0000{i}-of-00002.parquet', title=['t'], text=[f'article {i}'])
    monkeypatch.setenv('ULMFIT_NB_DATA', str(tmp_path))
    return tmp_path


def test_named_sets_from_local_files(parquet):
    assert load_data('imdb') == TextData(list('abcd'), [0, 0, 1, 1], ['neg', 'pos'])
    assert load_data('imdb', 'test') == TextData(['e'], [1], ['neg', 'pos'])
    assert load_data('imdb', 'unsup').labels is None
    assert load_data('imdb', 'train+test').labels == [0, 0, 1, 1, 1]
    assert load_data('imdb', 'train+unsup') == TextData(list('abcdfg'))
    trec = load_data('trec')
    assert [trec.classes[l] for l in trec.labels] == ['NUM', 'HUM', 'NUM', 'HUM'] and len(trec.classes) == 6
    assert load_data('trec', label='fine_label').classes == ['2', '40']
    assert load_data('ag_news').labels == [3, 3, 0, 0] and load_data('ag_news').classes[3] == 'Sci/Tech'
    assert load_data('wikitext-2') == TextData(['', ' = Title = '])
    assert list(iter_texts('enwiki2015')) == load_data('enwiki2015').texts == ['article 0', 'article 1']


def test_a_large_corpus_is_read_a_file_at_a_time(parquet, monkeypatch):
    read, original = [], S.read_columns
    monkeypatch.setattr(S, 'read_columns', lambda path: read.append(path.name) or original(path))
    texts = iter_texts('enwiki2015')
    assert next(texts) == 'article 0' and len(read) == 1


def test_what_is_not_here_comes_from_the_hub(parquet, monkeypatch):
    import datasets

    asked = []
    hub = datasets.Dataset.from_dict({'text': ['u'], 'label': [-1]})
    monkeypatch.setattr(datasets, 'load_dataset', lambda *a, split, revision: asked.append((*a, split, revision)) or hub)
    monkeypatch.delenv('ULMFIT_NB_DATA')
    assert load_data('imdb', 'unsup') == TextData(['u'])
    assert load_data('trec', label=None) == TextData(['u'])
    parquet_branch = 'refs/convert/parquet'  # the main one holds a script, which datasets no longer runs
    assert asked == [('stanfordnlp/imdb', None, 'unsupervised', None), ('CogComp/trec', None, 'train', parquet_branch)]


def test_a_path_is_a_path(parquet, tmp_path, monkeypatch):
    "Whatever sets there are of that name; a string that could be either is refused, unless both are the same."
    here = tmp_path / 'here'
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ('imdb', 'ag_news'):
        for label in ('complaint', 'praise'):
            (here / name / label).mkdir(parents=True)
            (here / name / label / '1.txt').write_text('my own')
        mine = TextData(['my own'] * 2, [0, 1], ['complaint', 'praise'])
        assert load_data(Path(name)) == load_data(f'./{name}') == load_data(here / name) == mine
        assert list(TextSource(Path(name))) == ['my own'] * 2 and len(source_files(Path(name))) == 2
        for read in (load_data, lambda name: list(iter_texts(name)), source_files):
            with refuse(name, 'the name of a data set, and something of that name lies here', f"Path('{name}')"):
                read(name)
    monkeypatch.chdir(parquet)
    assert load_data('imdb') == load_data('imdb', 'train')


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'x.csv').write_text('text,label\nfine,pos\nbad,neg\n')
    (tmp_path / 'films/pos').mkdir(parents=True)
    (tmp_path / 'films/pos/1.txt').write_text('a film')
    assert len(load_data('~/x.csv')) == 2 and load_data('~/films').texts == list(TextSource('~/films')) == ['a film']
    assert TextSource('~/x.csv').mark.startswith('~/x.csv:train:text@')


def test_how_a_file_is_read_can_be_said_everywhere(tmp_path):
    path = tmp_path / 'x.csv'
    path.write_bytes('text;label\n"schön, ja;gut\nna ja;schlecht\n'.encode('cp1252'))
    how = dict(sep=';', encoding='cp1252', quoting='none')
    assert load_data(path, **how) == TextData(['"schön, ja', 'na ja'], [0, 1], ['gut', 'schlecht'])
    assert list(TextSource(path, **how)) == list(iter_texts(path, **how)) == ['"schön, ja', 'na ja']
    marks = {TextSource(path, **{k: v}).mark for k, v in how.items()} | {TextSource(path).mark, TextSource(path, **how).mark}
    assert len(marks) == 5, 'read in another way it is another corpus'
    assert TextSource(path, sep=None).mark == TextSource(path).mark


@pytest.mark.skipif(not Path('../shared/data/imdb').is_dir(), reason='../shared/data is not here')
def test_the_real_imdb(monkeypatch):
    monkeypatch.setenv('ULMFIT_NB_DATA', os.path.abspath('../shared/data'))
    data = load_data('imdb')
    assert len(data) == 25_000 and data.classes == ['neg', 'pos'] and Counter(data.labels) == {0: 12_500, 1: 12_500}


def test_sources_are_known_again():
    source = TextSource('wikipedia', 'validation')
    assert list(source) == list(source) == load_data('wikipedia', 'validation').texts
    assert fingerprint(source) == fingerprint(TextSource('wikipedia', 'validation')) != fingerprint(TextSource('wikipedia'))
    assert fingerprint(['a', 'b']) == fingerprint(('a', 'b')) != fingerprint(['ab'])


def test_a_changed_file_is_another_corpus(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f'{i}.txt').write_text(f'{name} {i}')
    table = tmp_path / 'x.csv'
    table.write_text('text\nfine\n')
    for source, file in ((tmp_path, tmp_path / 'b/2.txt'), (table, table)):
        before = fingerprint(TextSource(source))
        assert before == fingerprint(TextSource(source)) and before.startswith(f'{source}:train:text@')
        file.write_text(file.read_text().replace('2', '3').replace('fine', 'fire'))
        assert fingerprint(TextSource(source)) != before
    before = fingerprint(TextSource(tmp_path))
    (tmp_path / 'b/2.txt').rename(tmp_path / 'b/9.txt')
    assert fingerprint(TextSource(tmp_path)) != before


def test_the_files_of_a_source_are_those_that_are_read(parquet, monkeypatch):
    read, original = [], S.read_columns
    monkeypatch.setattr(S, 'read_columns', lambda path: read.append(path) or original(path))
    for name, split in (('imdb', 'train+unsup'), ('enwiki2015', 'train'), ('trec', 'train+unsup')):
        read.clear()
        assert list(iter_texts(name, split)) and source_files(name, split) == read and read
    before = fingerprint(TextSource('imdb', 'train+unsup'))
    pd.DataFrame({'text': ['F', 'g'], 'label': [-1, -1]}).to_parquet(parquet / 'imdb' / 'unsup.parquet')
    assert fingerprint(TextSource('imdb', 'train+unsup')) != before and before.startswith('imdb:train+unsup:text@')
    monkeypatch.delenv('ULMFIT_NB_DATA')
    assert fingerprint(TextSource('imdb', 'train+unsup')) == 'imdb:train+unsup:text'  # on the hub


def test_a_stage_does_not_go_on_with_a_changed_file(tmp_path):
    from ulmfit_nb import pretrain

    path = tmp_path / 'x.csv'
    path.write_text('text\n' + '\n'.join(f'The old fox number {i} runs over the quiet hill.' for i in range(30)))
    tiny = dict(emb_sz=4, n_hid=4, n_layers=1, min_freq=1, bs=2, bptt=5, progress_bar=False)
    pretrain(TextSource(path), tmp_path / 'lm', **tiny)
    pretrain(TextSource(path), tmp_path / 'lm', **tiny)
    path.write_text(path.read_text().replace('quiet', 'quick'))
    with pytest.raises(ValueError, match='other settings .texts: .*x.csv:train:text@'):
        pretrain(TextSource(path), tmp_path / 'lm', **tiny)


# --- refusals: the message names the cause and the mend


def test_labels_of_a_named_set_out_of_range(parquet):
    pd.DataFrame({'text': ['a'], 'label': [7]}).to_parquet(parquet / 'imdb' / 'test.parquet')
    with refuse("label '7'", 'Correct the label'):
        load_data('imdb', 'test')


@pytest.mark.parametrize(
    'source, mend',
    [
        (pd.DataFrame({'text': ['fine']}), 'from_table(table)'),
        ({'text': ['fine']}, 'from_table(pandas.DataFrame(it))'),
        (['fine', 'bad'], 'TextData(texts'),
        (TextData(['fine']), 'TextData(texts'),
    ],
)
@pytest.mark.parametrize('load', [load_data, TextSource, lambda s: list(iter_texts(s))], ids=['load_data', 'TextSource', 'iter_texts'])
def test_texts_in_place_of_a_place(load, source, mend):
    with refuse(f'a {type(source).__name__}, where the name', mend):
        load(source)


def test_a_file_has_no_other_split(tmp_path):
    (tmp_path / 'x.csv').write_text('text\nfine\n')
    for split in ('test', 'unsup', 'train+test'):
        with refuse('x.csv', 'there is no split', 'give the path'):
            load_data(tmp_path / 'x.csv', split)


def test_unlabelled_texts_are_an_extra(tmp_path, parquet):
    "No file's texts are doubled, and a set without `unsup` does for stage 2."
    (tmp_path / 'x.csv').write_text('text\nfine\n')
    for read in (lambda *a: load_data(*a).texts, lambda *a: list(iter_texts(*a))):
        assert read(tmp_path / 'x.csv', 'train+unsup') == ['fine']
        assert read('trec', 'train+unsup') == list('pqrs')
        assert read('imdb', 'train+unsup') == list('abcdfg')


def test_named_sets_that_can_not_be_had(monkeypatch):
    import datasets

    def unreachable(*args, **kwargs):
        raise ConnectionError('no route')

    monkeypatch.delenv('ULMFIT_NB_DATA', raising=False)
    monkeypatch.setattr(datasets, 'load_dataset', unreachable)
    with refuse('clothing', "no split 'dev'", 'train, validation, test, unsup', 'Name one'):
        load_data('clothing', 'dev')
    with refuse('enwiki2015', 'on no hub', 'Set ULMFIT_NB_DATA'):
        load_data('enwiki2015')
    with refuse('imdb', 'ConnectionError: no route', 'Check the connection'):
        load_data('imdb')


def test_no_set_is_read_half_from_here_and_half_from_the_hub(monkeypatch, tmp_path):
    import datasets

    (tmp_path / 'imdb').mkdir()
    pd.DataFrame({'text': ['a'], 'label': [0]}).to_parquet(tmp_path / 'imdb/train.parquet')
    monkeypatch.setenv('ULMFIT_NB_DATA', str(tmp_path))
    monkeypatch.setattr(datasets, 'load_dataset', lambda *args, **kwargs: pytest.fail('it asks the hub'))
    with refuse('imdb', "has train, and no 'test'", 'Name one'):
        load_data('imdb', 'test')


def test_named_sets_with_bad_files(parquet):
    pd.DataFrame({'review': ['a']}).to_parquet(parquet / 'imdb' / 'train.parquet')
    with refuse('imdb', "no column 'text'; it has review", 'Name the column'):
        next(iter_texts('imdb'))
    (parquet / 'imdb' / 'test.parquet').write_bytes(b'PAR1 and no more')
    with refuse('test.parquet', 'not a readable', 'Is it whole'):
        load_data('imdb', 'test')


@pytest.mark.parametrize('name', NAMED)
def test_every_named_set_says_what_its_labels_mean(name):
    known = NAMED[name]
    assert (known.label is None) == (known.classes is None)
    if known.splits:
        assert {'text', known.label} - {None} <= set(next(read_named(name, 'train')).column_names)


@pytest.mark.parametrize(
    'source, said', [('', "'' is the path of nothing"), ('a warm film ' * 500, 'no such file'), ('a\0b.csv', 'no such file'), ('~nobody/x.csv', 'no such file')]
)
def test_strings_that_are_no_path(source, said, tmp_path, monkeypatch):
    "Of a folder of classes that we are in, for one."
    (tmp_path / 'pos').mkdir()
    (tmp_path / 'pos/1.txt').write_text('fine')
    monkeypatch.chdir(tmp_path)
    for read in (load_data, lambda s: list(iter_texts(s)), source_files):
        with refuse(said) as e:
            read(source)
        assert len(str(e.value)) < 600


def test_links_that_go_in_circles(tmp_path):
    (tmp_path / 'a').symlink_to(tmp_path / 'b')
    (tmp_path / 'b').symlink_to(tmp_path / 'a')
    with refuse('no such file or folder'):
        load_data(tmp_path / 'a')


@pytest.mark.parametrize('split', [5, None, ['train']])
def test_what_is_no_split(split, tmp_path):
    with refuse(f'split is {split!r}'):
        load_data(tmp_path, split)


def test_a_lock_file_of_a_spreadsheet_is_a_name_like_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / '~$mine.csv').write_text('text\nfine\n')
    assert load_data('~$mine.csv').texts == ['fine']


def test_the_folder_of_sets_may_be_in_the_home_folder_or_nowhere(tmp_path, monkeypatch):
    (tmp_path / 'data/trec').mkdir(parents=True)
    pd.DataFrame({'text': ['Who?'], 'coarse_label': [3]}).to_parquet(tmp_path / 'data/trec/train.parquet')
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('ULMFIT_NB_DATA', '~/data')
    assert load_data('trec').texts == ['Who?']
    monkeypatch.setenv('ULMFIT_NB_DATA', '')
    monkeypatch.chdir(tmp_path / 'data')
    with refuse("'trec' is the name of a data set, and something of that name lies here"):
        load_data('trec')
