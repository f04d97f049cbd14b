"The README says what is there: its commands, its files, its figures, its example."

import re
import subprocess
import sys

import readme
from notebooks import NBS, ROOT, name_of

from ulmfit_nb.settings import PRESETS, override

README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_results_are_those_recorded():
    done = subprocess.run([sys.executable, ROOT / 'site/readme.py', '--check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_table_of_few_labels_says_where_it_starts():
    record = readme.read_records(ROOT / 'results', 'few_labels_*')['few_labels_subjectivity']
    assert 'is fine-tuned (both directions of it) from `film-small` (`bash' in readme.few_labels(record)
    assert 'is fine-tuned (both directions of it) is `film-small`, which has read texts of this kind (`bash' in readme.few_labels(record | {'stage 2': None})


def test_tables_of_speed_show_what_the_records_hold():
    found = dict(docs_per_s=50, accuracy=0.94, seconds=dict(median=2.0), peak_mb=400, data_mb=280)
    bytes_ = found | {'mean_error': 0.0012, 'max_error': 0.1, 'same_verdict': 0.9988}
    table = readme.engines_table({'command': 'x', 'cases': [{'case': {'n': 2500}, 'results': {'torch': found, 'onnx-int8': bytes_}}]})
    assert '| ONNX Runtime, bytes | 50 | 94.0 % | 0.0012 | 0.1000 | 99.88 % |' in table and '2,500 test sentences' in table
    cases = [
        {'case': {'work': w}, 'results': r} for w, r in (('training', {'distilbert': found}), ('predictions', {'distilbert': found, 'ours-int8 full': found}))
    ]
    assert '| ours-int8, 400/1152/3 |  | 50 |' in readme.rivals_table({'command': 'x', 'cases': cases})
    cases = [{'case': {'mb': 5}, 'results': {'ours': found, 'tfidf': found}}, {'case': {'mb': 500}, 'results': {'ours': found}}]
    table = readme.growth_table({'command': 'x', 'cases': cases})
    assert '| 500 MB | 2.0 | 400 |  |  |' in table and 'holds 280 MB' in table


def test_speed_is_shown_with_and_without_avx512():
    def measured(**ratios):
        return {'bench': 'infer', 'cases': [{'case': {'size': 'small', 'n': 500}, 'ratios': {k: {'median': v} for k, v in ratios.items()}}]}

    (row,) = readme.speed_rows(measured(ours=1.5, **{'ours-int8': 3.5}), measured(ours=1.25))
    assert list(row.values()) == ['predictions', '128/256/2', '1.50', '1.25', '', '3.50']
    assert readme.speed_rows(measured(ours=1.5), None)[0]['ours, AVX2'] == '' and readme.speed_rows(measured(), None) == []


def test_make_targets_exist():
    makefile = (ROOT / 'Makefile').read_text()
    named = set(re.findall(r'(?:^|`)make (\w+)', README, re.M))
    assert {'demo', 'lab', 'test'} <= named
    for target in named:
        assert f'\n{target}:' in makefile, f'no target {target}'


def test_links_and_pictures_exist():
    for target in re.findall(r'\]\(([^)#:]+)\)', README):
        assert (ROOT / target).exists(), target


def test_every_chapter_is_named():
    "The chapters one by one, the notebooks of a folder by their folder."
    rows = [line for line in README.partition('## The chapters')[2].partition('\n## ')[0].splitlines() if line.startswith('|')]
    names = [name_of(p) for p in NBS]
    assert set(re.findall(r'`([\w/]+)`', '\n'.join(rows))) == {n.rpartition('/')[0] or n for n in names}


def test_the_example_runs(tmp_path, monkeypatch):
    "As it stands, but for the time that it takes: one short pass over each."
    code = re.search(r'```python\n(.*?)```', README, re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    small = PRESETS['small']
    short = override(small.fine_tune, epochs=1, min_steps=0, max_tokens=4000), override(small.train_classifier, epochs=1, min_steps=0)
    monkeypatch.setitem(PRESETS, 'small', small._replace(fine_tune=short[0], train_classifier=short[1]))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, 'README.md', 'exec'), {})
    assert (tmp_path / 'out/classifier/config.json').exists()
