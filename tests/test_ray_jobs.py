"Files as tasks: what a cluster makes is what one process makes, done once, whoever dies; and bad files are told apart from good ones."

import json
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import PROSE, TEXTS, TINY_LM, refuse
from typer.testing import CliRunner

from ulmfit_nb import extras, load_classifier, pretrain, ray_jobs
from ulmfit_nb.cli import app
from ulmfit_nb.corpus import cached_corpus
from ulmfit_nb.data import DataError
from ulmfit_nb.prediction_files import RowPredictor, predict_file
from ulmfit_nb.ray_jobs import TextFiles, files_below, is_done, predict_dataset, ray_corpus, run_each
from ulmfit_nb.settings import PretrainSettings
from ulmfit_nb.tokenization import Tokenizer


@pytest.fixture
def at_once(monkeypatch):
    "In place of a cluster, this process: each job when it is asked for."

    def run(work, jobs):
        for name, args in jobs.items():
            try:
                yield name, work(*args)
            except Exception as e:
                yield name, e

    monkeypatch.setattr(ray_jobs, 'run_each', run)


@pytest.fixture
def parts(tmp_path):
    "A data set of six files of different sizes, one of them in a folder and one without rows."
    where = tmp_path / 'parts'
    (where / 'more').mkdir(parents=True)
    for i in range(6):
        rows = {'id': list(range(100 * i, 100 * i + 5 * i)), 'text': (TEXTS * 2)[: 5 * i]}
        pq.write_table(pa.table(rows, pa.schema({'id': pa.int64(), 'text': pa.string()})), where / ('more/5.parquet' if i == 5 else f'{i}.parquet'))
    return where


NAMES = ['0.parquet', '1.parquet', '2.parquet', '3.parquet', '4.parquet', 'more/5.parquet']


def ids_in(folder) -> list[int]:
    return sorted(i for f in folder.rglob('*.parquet') for i in pq.read_table(f)['id'].to_pylist())


# --- labels


def test_a_data_set_is_labelled_as_its_files_are(at_once, parts, tiny_classifier, tmp_path):
    out = tmp_path / 'labelled'
    counts = predict_dataset(tiny_classifier, parts, out, threshold=0.6)
    assert counts['rows'] == 75 and ids_in(out) == ids_in(parts) and list(files_below(out, ('.parquet',))) == NAMES
    predictor = RowPredictor(load_classifier(tiny_classifier), threshold=0.6)
    for name in NAMES[1:]:
        predict_file(predictor, parts / name, tmp_path / 'one.parquet')
        assert pq.read_table(tmp_path / 'one.parquet').equals(pq.read_table(out / name))
    assert counts == predictor.counts
    assert pq.read_table(out / '0.parquet').equals(pq.read_table(parts / '0.parquet'))


def test_files_that_are_done_are_skipped_and_newer_ones_are_not(at_once, parts, tiny_classifier, tmp_path):
    out = tmp_path / 'labelled'
    predict_dataset(tiny_classifier, parts, out)
    assert predict_dataset(tiny_classifier, parts, out) == Counter()
    (out / '1.parquet').unlink()
    os.utime(parts / '2.parquet', (2**31, 2**31))
    assert not is_done(parts / '2.parquet', out / '2.parquet')
    assert predict_dataset(tiny_classifier, parts, out)['rows'] == 5 + 10


@pytest.mark.parametrize('how,said', [(dict(threshold=0.9), 'threshold: 0.0 there, 0.9 now'), (dict(text=['text', 'id']), 'text:')])
def test_other_settings_go_to_another_folder(at_once, parts, tiny_classifier, tmp_path, how, said):
    predict_dataset(tiny_classifier, parts, tmp_path / 'labelled')
    with pytest.raises(ValueError, match=f'_predictions.json belongs to a run with other settings .{said}'):
        predict_dataset(tiny_classifier, parts, tmp_path / 'labelled', **how)


def test_one_bad_file_does_not_stop_the_others(at_once, parts, tiny_classifier, tmp_path):
    (parts / '3.parquet').write_bytes(b'PAR1 no more')
    pq.write_table(pa.table({'words': ['a']}), parts / '4.parquet')
    with refuse('2 of 6 files failed, such as 3.parquet (', 'The others are done. Mend these'):
        predict_dataset(tiny_classifier, parts, tmp_path / 'labelled')
    assert list(files_below(tmp_path / 'labelled', ('.parquet',))) == [n for n in NAMES if n not in ('3.parquet', '4.parquet')]


def test_what_is_not_a_data_set(parts, tiny_classifier, tmp_path):
    for data, out, said in [
        (None, tmp_path / 'o', 'give --data and --out'), (parts, None, 'give --data and --out'),
        (parts / '1.parquet', tmp_path / 'o', 'no such folder'), (tmp_path / 'nowhere', tmp_path / 'o', 'no such folder'),
        (parts, parts, 'not among the data'), (parts, parts / 'out', 'not among the data'), (parts, parts / '1.parquet', 'not among the data'),
    ]:  # fmt: skip
        with refuse(said):
            predict_dataset(tiny_classifier, data, out)
    with refuse('threshold is 7'):
        predict_dataset(tiny_classifier, parts, tmp_path / 'o', threshold=7)
    assert not (tmp_path / 'o').exists()
    (tmp_path / 'empty').mkdir()
    with refuse('no file there ends in .parquet'):
        predict_dataset(tiny_classifier, tmp_path / 'empty', tmp_path / 'o')


def test_what_is_left_out_is_said(parts):
    (parts / 'notes.doc').touch()
    (parts / '_metadata').touch()
    (parts / '.1.parquet.7.part').touch()
    with pytest.warns(UserWarning, match=r'1 of 7 files are left out, such as notes.doc'):
        assert list(files_below(parts, ('.parquet',))) == NAMES


def test_the_command(at_once, parts, tiny_classifier, tmp_path):
    how = ['predict', '--model', tiny_classifier, '--data', parts, '--out', tmp_path / 'labelled', '--ray']
    done = CliRunner().invoke(app, list(map(str, how)))
    assert done.exit_code == 0 and '75 rows' in done.stderr and ids_in(tmp_path / 'labelled') == ids_in(parts)
    done = CliRunner().invoke(app, list(map(str, how[:5] + ['--ray'])))
    assert done.exit_code == 1 and 'give --data and --out' in done.stderr


def test_without_ray_it_is_missed_in_a_sentence(monkeypatch):
    monkeypatch.setattr(extras, 'import_module', lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name=name)))
    with pytest.raises(ImportError, match=r"ray is not installed: pip install 'ulmfit-nb\[ray\]'"):
        list(run_each(print, {}))


# --- a corpus

SMALL = PretrainSettings(min_freq=2, max_vocab=60, **{k: TINY_LM[k] for k in ('emb_sz', 'n_hid', 'n_layers', 'bs', 'bptt')})


@pytest.fixture
def many(tmp_path):
    "Texts in files of several kinds, one of them empty."
    where = tmp_path / 'texts'
    (where / 'b').mkdir(parents=True)
    pq.write_table(pa.table({'text': TEXTS[:20]}), where / 'a.parquet')
    (where / 'b/1.txt').write_text('\n'.join(PROSE))
    (where / 'b/2.jsonl').write_text(''.join(json.dumps({'text': t}) + '\n' for t in TEXTS[20:]))
    (where / 'c.txt').write_text('')
    return where


def is_that_of_one_process(found, texts, folder):
    vocab, stream = cached_corpus(folder, texts, Tokenizer(), min_freq=2, max_vocab=60, max_tokens=None)
    return found[0] == vocab and np.array_equal(found[1].ids, stream.ids) and np.array_equal(found[1].offsets, stream.offsets)


def test_a_corpus_is_that_of_one_process_and_the_stage_finds_it(at_once, many, tmp_path, monkeypatch):
    texts = TextFiles(many)
    assert list(texts) == TEXTS[:20] + PROSE + TEXTS[20:] == list(texts)
    found = ray_corpus(texts, tmp_path / 'lm', SMALL, progress_bar=False)
    assert is_that_of_one_process(found, texts, tmp_path / 'one')
    assert sorted(f.name for f in (tmp_path / 'lm/work').iterdir() if f.name[0] != '.') == ['corpus.ids', 'corpus.ids.offsets', 'corpus.json']
    monkeypatch.setattr(Tokenizer, 'map', None)  # the stage asks for none
    monkeypatch.setattr(Tokenizer, 'words', None)
    pretrain(texts, tmp_path / 'lm', SMALL, progress_bar=False)
    assert not (tmp_path / 'lm/work').exists()


def test_a_corpus_goes_on_where_it_was(at_once, many, tmp_path, monkeypatch):
    count, read = ray_jobs.count_file, []

    def counting(tokenizer, source, *rest):
        read.append(source.name)
        if len(read) == 2:
            raise OSError('no more')
        return count(tokenizer, source, *rest)

    monkeypatch.setattr(ray_jobs, 'count_file', counting)
    with refuse('1 of 4 files failed, such as b/1.txt (no more)'):
        ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    found = ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    assert read == ['a.parquet', '1.txt', '2.jsonl', 'c.txt', '1.txt']
    assert is_that_of_one_process(found, TextFiles(many), tmp_path / 'one')
    again = ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    assert len(read) == 5 and np.array_equal(again[1].ids, found[1].ids)


def test_a_corpus_of_other_texts_is_refused(at_once, many, tmp_path):
    ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    (many / 'c.txt').write_text('more')
    with pytest.raises(ValueError, match='corpus.json belongs to a run with other settings .texts'):
        ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)


def test_what_is_no_corpus(at_once, many, tmp_path):
    with pytest.raises(ValueError, match='max_tokens can not be shared out'):
        ray_corpus(TextFiles(many), tmp_path / 'lm', PretrainSettings(max_tokens=7))
    pq.write_table(pa.table({'words': ['a']}), many / 'd.parquet')
    with refuse('1 of 5 files failed', "row 1 has no 'text'; there is words"):
        ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    shutil.rmtree(many)
    many.mkdir()
    (many / 'c.txt').touch()
    with refuse('there are no texts to learn from'):
        ray_corpus(TextFiles(many), tmp_path / 'other', SMALL, progress_bar=False)


# --- a cluster of two nodes


@pytest.fixture(scope='module')
def cluster():
    os.environ |= {'RAY_USAGE_STATS_ENABLED': '0', 'RAY_ENABLE_UV_RUN_RUNTIME_ENV': '0'}
    ray, utils = pytest.importorskip('ray'), pytest.importorskip('ray.cluster_utils')
    how = dict(num_cpus=1, object_store_memory=100 * 2**20)
    for tries_left in (2, 1, 0):  # a node has half a minute to start, which can be too little on a busy machine
        two = utils.Cluster()
        try:
            two.add_node(include_dashboard=False, **how)
            second = two.add_node(**how)
            break
        except Exception:
            with suppress(Exception):
                two.shutdown()
            if not tries_left:
                raise
    ray.init(address=two.address, logging_level='ERROR', log_to_driver=False)
    yield two, second
    ray.shutdown()
    two.shutdown()


@pytest.mark.slow
def test_a_node_is_killed_in_the_middle(cluster, parts, many, tiny_classifier, tmp_path, monkeypatch):
    "A corpus with both nodes is that of one process; then labels, during which one of them dies: every row once."
    two, second = cluster
    found = ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    assert is_that_of_one_process(found, TextFiles(many), tmp_path / 'one')
    each, seen = ray_jobs.run_each, []

    def killing(work, jobs):
        for done in each(work, jobs):
            if not seen:
                two.remove_node(second, allow_graceful=False)
            seen.append(done[0])
            yield done

    monkeypatch.setattr(ray_jobs, 'run_each', killing)
    counts = predict_dataset(tiny_classifier, parts, tmp_path / 'labelled')
    assert counts['rows'] == 75 and ids_in(tmp_path / 'labelled') == ids_in(parts) and sorted(seen) == NAMES
    assert len(two.list_all_nodes()) == 1


def test_a_bad_file_is_mended_and_the_run_goes_on(at_once, many, tmp_path, monkeypatch):
    "What was counted is not counted again; what was mended, or taken out, is."
    good = (many / 'a.parquet').read_bytes()
    (many / 'a.parquet').write_bytes(b'PAR1 no more')
    with refuse('1 of 4 files failed, such as a.parquet', 'The others are done'):
        ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    (many / 'a.parquet').write_bytes(good)
    (many / 'c.txt').unlink()
    count, read = ray_jobs.count_file, []
    monkeypatch.setattr(ray_jobs, 'count_file', lambda t, source, *rest: (read.append(source.name), count(t, source, *rest)))
    found = ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    assert read == ['a.parquet'] and is_that_of_one_process(found, TextFiles(many), tmp_path / 'one')


def test_settings_under_which_nothing_was_done_bind_nobody(at_once, parts, tiny_classifier, tmp_path):
    (parts / '0.parquet').unlink()  # the one without rows, in which no column is looked for
    with refuse('5 of 5 files failed', '. Mend these') as e:
        predict_dataset(tiny_classifier, parts, tmp_path / 'labelled', text='txet')
    assert 'The others' not in str(e.value)
    assert predict_dataset(tiny_classifier, parts, tmp_path / 'labelled')['rows'] == 75


def test_a_link_says_what_a_file_is(at_once, parts, tiny_classifier, tmp_path):
    "As in the cache of the Hugging Face hub: the name is that of the link."
    (tmp_path / 'blobs').mkdir()
    shutil.move(parts / '5.parquet' if (parts / '5.parquet').exists() else parts / '3.parquet', tmp_path / 'blobs/0a1b')
    (parts / '3.parquet').symlink_to(tmp_path / 'blobs/0a1b')
    assert predict_dataset(tiny_classifier, parts, tmp_path / 'labelled')['rows'] == 75


def test_a_refusal_of_the_file_system_is_no_mistake_in_the_data(tmp_path):
    with pytest.raises(OSError, match='Input/output'), ray_jobs.os_errors():
        try:
            raise OSError(5, 'Input/output error')
        except OSError as e:
            raise DataError('not readable') from e
    with refuse('not readable'), ray_jobs.os_errors():
        raise DataError('not readable')


def test_a_corpus_in_another_language(at_once, many, tmp_path):
    german = replace(SMALL, lang='de')
    found = ray_corpus(TextFiles(many), tmp_path / 'lm', german, progress_bar=False)
    again = cached_corpus(tmp_path / 'lm/work', TextFiles(many), Tokenizer(lang='de'), min_freq=2, max_vocab=60, max_tokens=None)
    assert found[0] == again[0]
    with pytest.raises(ValueError, match='pieces of words are not learnt on a cluster'):
        ray_corpus(TextFiles(many), tmp_path / 'other', replace(SMALL, subwords=100))


def test_a_file_that_was_replaced_by_an_older_one_is_counted_again(at_once, many, tmp_path, monkeypatch):
    (many / 'd.parquet').write_bytes(b'PAR1 no more')
    with refuse('1 of 5 files failed'):
        ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    (many / 'd.parquet').unlink()
    (many / 'c.txt').write_text('A line more.')
    os.utime(many / 'c.txt', (0, 0))
    found = ray_corpus(TextFiles(many), tmp_path / 'lm', SMALL, progress_bar=False)
    assert is_that_of_one_process(found, TextFiles(many), tmp_path / 'one')


def test_labels_of_another_model_are_not_taken_for_its_own(at_once, parts, tiny_classifier, tmp_path):
    "Though the files that they are of are elsewhere just now."
    predict_dataset(tiny_classifier, parts, tmp_path / 'labelled')
    shutil.rmtree(parts)
    parts.mkdir()
    pq.write_table(pa.table({'id': [1], 'text': ['a']}), parts / 'new.parquet')
    with pytest.raises(ValueError, match='belongs to a run with other settings'):
        predict_dataset(tiny_classifier, parts, tmp_path / 'labelled', threshold=0.9)


def test_each_job_tells_a_refusal_of_the_file_system(parts, tiny_classifier, tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(pq, 'ParquetFile', refused)
    monkeypatch.setattr(pq, 'read_metadata', refused)
    with pytest.raises(OSError, match='Input/output'):
        ray_jobs.label_file({'engine': 'torch', 'model': ''}, str(tiny_classifier), parts / '1.parquet', tmp_path / 'out.parquet')
    with pytest.raises(OSError, match='Input/output'):
        ray_jobs.count_file(Tokenizer(), parts / '1.parquet', 'text', {}, tmp_path / 'shard.ids')
