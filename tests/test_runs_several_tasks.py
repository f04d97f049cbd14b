"The study of several tasks, at a size that takes seconds: heads and words, choices on validation texts, a record that goes on."

import json
from dataclasses import replace

import pytest
import several_tasks

from ulmfit_nb.training import Stop


@pytest.fixture
def args(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(several_tasks, 'CLASSIFY', replace(several_tasks.CLASSIFY, epochs=1, min_steps=0, bs=8))
    monkeypatch.setattr(several_tasks, 'FINE_TUNE', replace(several_tasks.FINE_TUNE, epochs=1, bs=4, bptt=20, max_tokens=2000, min_freq=1))
    sizes = dict(labels=(16,), data=('subjectivity',), film_labels=(12,), weights=(0.3, 1.0), rates=(0.01, 0.02), seeds=(0,), test=20, valid=20)
    paths = dict(out=tmp_path / 'out', tuned=tmp_path / 'tuned', results=tmp_path)
    return several_tasks.Options(lm=str(tiny_lm), film=str(tiny_lm), **sizes, **paths)


def record_of(args):
    return json.loads((args.results / 'several_tasks.json').read_text())


def quiet(line):
    pass


def answered(accuracy=0.5):
    "In place of what trains: notes what it is asked, and says what it is told."
    seen = []

    def heads(n, tasks, lr, seed, split):
        seen.append((n, tasks, lr, seed, split))
        return {task: {'accuracy': accuracy, 'macro_f1': accuracy} for task in tasks}

    def beside(name, n, weight, lr, seed, which):
        seen.append((name, n, weight, lr, seed, which))
        return accuracy

    return seen, heads, beside


def test_both_questions_and_the_record_goes_on(args):
    several_tasks.study(args, quiet)
    first = record_of(args)
    assert {(p['way'], p['task']) for p in first['points']} == {(w, t) for w in ('tf-idf', 'separate', 'shared') for t in several_tasks.TASKS}
    assert [(p['way'], p['weight'] > 0) for p in first['lm_points']] == [('labels alone', False), ('next word too', True)]
    assert all(round(p['accuracy'] * 20, 6) == round(p['accuracy'] * 20) and 0 <= p['macro_f1'] <= 1 for p in first['points'])
    for key in ('separate, stars', 'shared, recommends, stars, department'):
        tried = first['chosen'][f'clothing, 16 labels, {key}']
        lr = next(p['lr'] for p in first['points'] if p['way'] == key.split(',')[0] and p['task'] == 'stars')
        assert tried[f'{lr:.6g}'] == max(tried.values()) and len(tried) >= 2
    assert first['majority'].keys() == set(several_tasks.TASKS) and not list(args.out.iterdir())
    said = []
    several_tasks.study(args, said.append)
    assert not said and record_of(args)['points'] == first['points']


def test_labels_are_those_of_the_reviews(args):
    "The same draw for all tasks, each with its own labels; nobody who is asked has been learnt from."
    work = several_tasks.Study(args)
    every, stars = (work.reviews(tasks, 'train', 16, 0) for tasks in (several_tasks.TASKS, ('stars',)))
    assert every.texts == stars.texts and [l[1:2] for l in every.labels] == stars.labels
    assert [l[0] for l in every.labels].count('recommends: recommended') == 8 and {l[1] for l in every.labels} <= {f'stars: {i}' for i in range(1, 6)}
    assert every.texts != work.reviews(several_tasks.TASKS, 'train', 16, 1).texts
    assert not set(work.clothes('train').texts) & {t for s in ('validation', 'test') for t in work.asked(several_tasks.TASKS, s).texts}


def test_test_texts_choose_nothing(args, monkeypatch):
    work = several_tasks.Study(args)
    seen, work.learnt, work.beside = answered()
    monkeypatch.setattr(work, 'counted', lambda n, task, seed: {task: {'accuracy': 0.5, 'macro_f1': 0.5}})
    done = {'chosen': {}, 'points': [], 'lm_points': []}
    several_tasks.tasks(work, 16, 0, done, lambda: None, quiet)
    several_tasks.words(work, 'subjectivity', 12, 0, done, lambda: None, quiet)
    assert {given[-1] for given in seen if given[-2] == several_tasks.CHOOSING} == {'validation'}
    assert {given[-2:] for given in seen if given[-1] == 'test'} == {(0, 'test')}


def test_small_sizes_and_first_seeds_come_first(args, monkeypatch):
    calls = []
    monkeypatch.setattr(several_tasks, 'tasks', lambda work, n, seed, *rest: calls.append((seed, n, 'clothing')))
    monkeypatch.setattr(several_tasks, 'words', lambda work, name, n, seed, *rest: calls.append((seed, n, name)))
    several_tasks.study(replace(args, seeds=(0, 1), labels=(40, 16), film_labels=(16, 20)), quiet)
    assert calls == [(s, n, d) for s in (0, 1) for n, d in ((16, 'clothing'), (16, 'subjectivity'), (20, 'subjectivity'), (40, 'clothing'))]


def test_of_the_weights_the_best_is_measured(args):
    work = several_tasks.Study(args)
    seen, _, beside = answered()
    work.beside = lambda name, n, weight, lr, seed, which: beside(name, n, weight, lr, seed, which) + (weight == 1.0 and lr == 0.02) / 4
    done = {'chosen': {}, 'lm_points': []}
    several_tasks.words(work, 'subjectivity', 12, 0, done, lambda: None, quiet)
    assert [(p['weight'], p['lr']) for p in done['lm_points']][1] == (1.0, 0.02)


def test_cut_short_it_says_how_to_go_on_and_other_settings_are_refused(args):
    with pytest.raises(Stop, match='The same call goes on'):
        several_tasks.study(replace(args, minutes=0), quiet)
    several_tasks.study(replace(args, seeds=(), labels=(), film_labels=()), quiet)
    (args.results / 'several_tasks.json').write_text(json.dumps(several_tasks.about(args, several_tasks.Study(args))))
    with pytest.raises(ValueError, match='test_texts: 20 there, 21 now'):
        several_tasks.study(replace(args, test=21), quiet)


def test_figures_are_those_of_the_task():
    "Macro-F1 is over the classes that are asked about: one that is never said counts, one that is only said does not."
    labels, said = [['a: x', 'b: 1'], ['a: y', 'b: 1'], ['a: z', 'b: 2']], [['b: 1', 'a: x'], ['b: 2', 'a: y'], ['b: 2', 'a: w']]
    assert several_tasks.two_figures(labels, said, 'a') == {'accuracy': pytest.approx(2 / 3), 'macro_f1': pytest.approx((1 + 1 + 0) / 3)}
    assert several_tasks.two_figures(labels, said, 'b')['accuracy'] == pytest.approx(2 / 3)


def test_rates_of_many_labels_are_chosen_with_fewer(args, monkeypatch):
    monkeypatch.setattr(several_tasks, 'CHOOSE_WITH', 8)
    work, (seen, heads, _) = several_tasks.Study(args), answered()
    monkeypatch.setattr(work, 'learnt', heads)
    done = {'chosen': {}, 'points': []}
    several_tasks.tasks(work, 16, 0, done, lambda: None, quiet)
    assert {n for n, *_, split in seen if split == 'validation'} == {8} and {n for n, *_, split in seen if split == 'test'} == {16}
    assert all(key.startswith('clothing, 8 labels') for key in done['chosen'])
