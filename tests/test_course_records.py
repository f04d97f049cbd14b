"The tables of chapter 13: rows and figures are those of the records, and the paper's are those of the paper."

import math
import re

import ablations
import matplotlib.pyplot as plt
import numpy as np
import paper
import pytest
from notebooks import CHAPTERS, read
from scipy.stats import sem, ttest_rel

from ulmfit_nb.course.records import (
    DATA_SETS,
    FULL,
    PAPER_ABLATIONS,
    PAPER_DIRECTIONS,
    PAPER_VALIDATION,
    TABLE_7,
    ablation_table,
    direction_table,
    few_label_table,
    markdown_table,
    mean_and_error,
    n_seeds,
    paired,
    paper_change,
    plot_few_labels,
    plot_techniques,
    read_records,
    record,
    technique_table,
    technique_tables,
)


def records(**accuracy):
    "Records by run, as runs/paper.py names them: `_` for a space."
    return {f'paper_{i}': {'run': run, 'validation_accuracy' if ':' in run else 'test_accuracy': a} for i, (run, a) in enumerate(accuracy.items())}


def test_every_ablation_that_is_run_has_a_row_in_the_paper():
    run = {r.name.split(': ')[1] for r in paper.GROUPS['ablations']() if ':' in r.name}
    assert run <= set(PAPER_ABLATIONS) and set(PAPER_ABLATIONS) - run == {'vanilla LM'}
    assert {r.name.split(': ')[0] for r in paper.GROUPS['ablations']() if ':' in r.name} == set(DATA_SETS)


def test_the_paper_says_that_all_of_it_is_best_but_for_one():
    "On AG News a cosine beats the triangle; else the full method has the smallest error of each table."
    for i, best in enumerate(('all of it', 'all of it', 'freez + cosine')):
        assert min(PAPER_ABLATIONS, key=lambda row: PAPER_ABLATIONS[row][i]) == best


def test_ablations_beside_the_paper():
    found = records(**{'imdb: freez + cosine': 0.94, 'imdb: all of it': 0.9512, 'trec: all of it': 0.95, 'imdb-0': 0.5})
    found['paper_rehearsal'] = {'steps': []}
    found['few'] = {'run': 'imdb-lm', 'perplexity': 50.0}
    table = ablation_table(found)
    assert [row['row'] for row in table] == ['freez + cosine', 'all of it']
    assert table[0] | {'row': ''} == {
        'row': '',
        **{'IMDb, paper': '5.70', 'IMDb, ours': '6.00', 'IMDb, difference': '+0.30'},
        **{'TREC-6, paper': '6.38', 'TREC-6, ours': '', 'TREC-6, difference': ''},
    }
    assert (table[1]['IMDb, difference'], table[1]['TREC-6, ours']) == ('-0.12', '5.00')
    assert len({len(line.split('|')) for line in markdown_table(table).splitlines()}) == 1


@pytest.mark.parametrize('data, name', DATA_SETS.items())
def test_every_data_set_has_a_column(data, name):
    place = list(DATA_SETS).index(data)
    (row,) = ablation_table(records(**{f'{data}: full': 1.0}))
    assert row[f'{name}, paper'] == f'{PAPER_ABLATIONS["full"][place]:.2f}' and row[f'{name}, ours'] == '0.00' and len(row) == 4


def test_directions():
    found = records(**{'imdb-both-0': 0.955, 'imdb-0': 0.94, 'imdb-1': 0.95, 'imdb-10': 0.96, 'imdb-backwards-2': 0.93, 'imdb: full': 0.1})
    found |= {'lm': {'run': 'imdb-lm-backwards', 'perplexity': 50.0}, 'rehearsal': {}, 'lost': {'run': 'imdb-7', 'diverged': 'the loss is nan'}}
    assert direction_table(found)[1:] == [
        {'reads': 'backwards', 'seeds': 1, 'error in %': '7.00', 'paper': ''},
        {'reads': 'both', 'seeds': 1, 'error in %': '4.50', 'paper': '4.58'},
    ]
    found = records(**{'imdb-0': 0.94, 'imdb-1': 0.95, 'imdb-10': 0.96})
    assert direction_table(found) == [{'reads': 'forwards', 'seeds': 3, 'error in %': '5.00 (4.00 to 6.00)', 'paper': f'{PAPER_DIRECTIONS["forwards"]:.2f}'}]


@pytest.mark.parametrize('table', [ablation_table, direction_table])
def test_without_records_there_is_no_table(table):
    assert table({}) == [] and table({'laptop': {'test_accuracy': 0.9}}) == [] and markdown_table(table({})) == ''


def test_records_of_the_runs_are_read_as_written(tmp_path):
    for run in paper.GROUPS['imdb']():
        if run.data == 'imdb':
            record(tmp_path / f'paper_{paper.file_name(run.name)}.json', 'python runs/paper.py imdb', {'run': run.name, 'test_accuracy': 0.95})
    table = direction_table(read_records(tmp_path, 'paper_*'))
    assert [(row['reads'], row['seeds']) for row in table] == [('forwards', 3), ('backwards', 3), ('both', 3)]


# --- how sure a figure is


@pytest.mark.parametrize('seed', range(3))
def test_errors_are_those_of_scipy(seed):
    a, b = np.random.default_rng(seed).normal(80, 2, (2, 6)).tolist()
    assert mean_and_error(a) == pytest.approx((np.mean(a), sem(a)))
    assert paired(a, b).mean / paired(a, b).error == pytest.approx(ttest_rel(a, b).statistic)


def test_one_run_has_no_error_and_shows_no_difference():
    assert mean_and_error([80.0])[0] == 80 and math.isnan(mean_and_error([80.0])[1])
    assert not paired([80.0], [70.0]).seen and not paired([80.0, 80.0], [80.0, 80.0]).seen


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError):
        paired([1.0, 2.0], [1.0])


def test_a_shared_day_is_taken_out():
    "Recipes a point apart, whose runs scatter by ten points, but together."
    days = [0.0, 10.0, -10.0, 5.0, -5.0]
    d = paired([81 + day for day in days], [80 + day + 0.1 * (-1) ** i for i, day in enumerate(days)])
    assert d.seen and str(d).startswith('+1.0 ± 0.0')


def test_the_words_where_nothing_is_seen():
    assert str(paired([81.0, 79.0, 80.0], [80.0, 80.0, 80.0])) == '+0.0 ± 0.6, no difference seen'
    assert 'seen' not in str(paired([85.0, 86.0, 87.0], [80.0, 81.0, 82.5]))


# --- what techniques are worth: records of runs/ablations.py


def study(**rows):
    "A record as runs/ablations.py writes it; `_` for a space in a name."
    rows = [{'name': n.replace('_', ' '), 'group': g, 'seeds': s, 'lr': 0.02, 'valid': 85.0} for n, (g, s) in rows.items()]
    return {'data': 'subjectivity', 'labels': 200, 'test_texts': 2500, 'rows': rows}


STUDY = study(no_stage_2=('stages', [80.0, 82.0, 81.0]), all_of_it=('all', [85.0, 88.0, 86.0]), max_alone=('pooling', [84.5, 88.5]), freez=('stage 3', [86.0]))
COUNTED = STUDY | {'counting words': [79.0, 80.0, 79.5]}
COLUMN = f'difference to *{FULL}*'


def test_a_row_a_technique_the_full_recipe_first(tmp_path):
    record(tmp_path / 'ablations_subjectivity.json', 'python runs/ablations.py subjectivity', STUDY)
    table = technique_table(read_records(tmp_path, 'ablations_*')['ablations_subjectivity'])
    assert [(r['row'], r['seeds']) for r in table] == [(FULL, 3), ('no stage 2', 3), ('max alone', 2), ('freez', 1)]
    assert [r['accuracy in %'] for r in table] == ['86.3 ± 0.9', '81.0 ± 0.6', '86.5 ± 2.0', '86.0']
    assert [r[COLUMN] for r in table] == ['', '-5.3 ± 0.3', '+0.0 ± 0.5, no difference seen', '']
    assert len({len(line.split('|')) for line in markdown_table(table).splitlines()}) == 1


def test_groups_are_chosen_and_the_full_recipe_stays():
    assert [r['row'] for r in technique_table(STUDY, ['pooling', 'stage 3'])] == [FULL, 'max alone', 'freez']


def test_the_rival_has_a_row_if_it_was_counted():
    assert technique_table(COUNTED)[-1][COLUMN] == str(paired([79.0, 80.0, 79.5], [85.0, 88.0, 86.0]))
    assert [r['row'] for r in technique_table(COUNTED, ['stages'])] == [FULL, 'no stage 2', 'counting words']


def test_single_rows_are_chosen_and_compared_with_one_that_they_build_on():
    table = technique_table(COUNTED, ['max alone'], base='no stage 2')
    assert [r['row'] for r in table] == ['no stage 2', 'max alone', 'counting words']
    assert table[1]['difference to *no stage 2*'] == str(paired([84.5, 88.5], [80.0, 82.0]))


def test_a_chapter_shows_the_rows_that_there_are_or_says_that_there_are_none(tmp_path):
    none = 'Not recorded yet: `python runs/ablations.py subjectivity` makes these rows.'
    assert technique_tables(tmp_path, 'stages') == none
    record(tmp_path / 'ablations_subjectivity.json', '', COUNTED)
    record(tmp_path / 'ablations_snippets.json', '', study(all_of_it=('all', [85.0])) | {'data': 'snippets', 'counting words': [70.0]})
    record(tmp_path / 'ablations_trec.json', '', study(freez=('stage 3', [85.0])) | {'data': 'trec'})
    assert technique_tables(tmp_path, 'frozen') == technique_tables(tmp_path, 'stages', base='full') == none
    shown = technique_tables(tmp_path, 'stages', 'freez')
    assert re.findall('`(\\w+)`', shown) == ['subjectivity'], 'a set without these rows, or without the row they are compared with, has no table'
    assert shown.endswith(markdown_table(technique_table(COUNTED, ['stages', 'freez'])))
    assert technique_tables(tmp_path).endswith(markdown_table(technique_table(COUNTED)))


def test_chapters_ask_for_rows_that_the_study_has():
    "A misspelt row would never be shown, and nobody would miss it."
    known = {row.name for row in ablations.ROWS} | {row.group for row in ablations.ROWS}
    code = '\n'.join(c.source for path in CHAPTERS for c in read(path).cells if c.cell_type == 'code')
    asked = [name for call in re.findall(r"technique_tables\('../results'(.*?)\)", code) for name in re.findall("'(.+?)'", call)]
    assert asked and set(asked) <= known, set(asked) - known


def test_a_study_without_the_full_recipe_yet():
    assert [r[COLUMN] for r in technique_table(study(freez=('stage 3', [86.0, 87.0])))] == ['']


def test_the_plot_shows_what_the_table_says():
    ax = plot_techniques(STUDY)
    assert [t.get_text() for t in ax.get_yticklabels()] == ['no stage 2', 'max alone']
    points = [c.lines[0].get_xdata()[0] for c in ax.containers]
    plt.close()
    assert points == pytest.approx([paired([80, 82, 81], [85, 88, 86]).mean, 0])


@pytest.mark.parametrize('begun', [study(), study(all_of_it=('all', [85.0, 86.0])), study(freez=('stage 3', [85.0, 86.0]))])
def test_a_study_that_has_just_begun_has_no_plot(begun):
    before = plt.get_fignums()
    assert plot_techniques(begun) is None and plt.get_fignums() == before


def test_table_7_is_part_of_the_ablations():
    assert set(TABLE_7) <= set(PAPER_ABLATIONS) and set(PAPER_VALIDATION) == set(DATA_SETS) and len(TABLE_7) == 10


# --- few labels: whatever rows a study has


def few_labels(**rows):
    return {'points': [{'start': s, 'labels': n, 'seed': k, 'accuracy': a + n / 1000 + k / 100} for s, a in rows.items() for n in (100, 200) for k in (0, 1)]}


def test_rows_of_any_name():
    names = ('scratch', 'wiki-small', 'film-small', 'both directions', 'tf-idf', 'minilm')
    points = few_labels(**{n: 0.5 + i / 50 for i, n in enumerate(names)})
    (row, _) = few_label_table(points)
    assert tuple(row) == ('labels', *names) and row['wiki-small'] == '62.5 (62.0 to 63.0)' and n_seeds(points) == '2'
    ax = plot_few_labels(points)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert set(lines) == set(names) and list(lines['minilm'].get_ydata()) == pytest.approx([70.5, 80.5])
    assert len({line.get_color() for line in lines.values()}) == len(names)
    plt.close()


@pytest.mark.parametrize('i, data', list(enumerate(DATA_SETS)))
def test_a_change_in_the_paper_has_the_error_of_two_shares(i, data):
    change, error = paper_change('full', 'all of it', data)
    shares = [PAPER_ABLATIONS[row][i] / 100 for row in ('full', 'all of it')]
    simulated = np.random.default_rng(0).binomial(PAPER_VALIDATION[data], shares, (20_000, 2)) / PAPER_VALIDATION[data] * 100
    assert change == pytest.approx(PAPER_ABLATIONS['all of it'][i] - PAPER_ABLATIONS['full'][i])
    assert error == pytest.approx((simulated[:, 1] - simulated[:, 0]).std(), rel=0.03)
