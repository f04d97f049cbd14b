"""What several tasks on one encoder help. First: `clothing` says of a review whether the customer recommends the piece, how many stars she gives, and
the department; one network that learns all three against three networks, and beside them counted words. Then: a classifier whose encoder goes on guessing the
next word of the labelled texts while it learns, against one without (SiATL, Chronopoulou et al. 2019). Each way has the best of three rates, and of more
while the best is the lowest or the highest, and the second of three weights; both are chosen on validation texts, with a seed of its own. Those of more
than a thousand reviews are chosen with a thousand. The record is written after every point; run again, the study goes on."""

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import carry_out
from earlier import earlier
from few_labels import CLASSIFY, FINE_TUNE
from rates import best_rate
from sklearn.metrics import f1_score
from typer import Option

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData, encode_labels
from ulmfit_nb.multitask import join_labels
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage

CHOOSING = 100  # the seed that chooses
CHOOSE_WITH = 1000  # labelled reviews at most, where rates are chosen: with four thousand, choosing would take as long as measuring
COLUMNS = {'recommends': 'label', 'stars': 'rating', 'department': 'department'}
TASKS = tuple(COLUMNS)
COUNTED = 'tf-idf'


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Option(help='language model that reads reviews of clothes in stage 2: a directory, or the name of one that ships')] = 'wiki-small'
    film: Annotated[str, Option(help='language model of the sets about films, as it is')] = 'film-small'
    labels: Annotated[list[int], Option(help='numbers of labelled reviews of clothes')] = (100, 500, 1000, 4000)
    data: Annotated[list[str], Option(help='named sets on which the next word is guessed beside the labels')] = ('subjectivity', 'snippets')
    film_labels: Annotated[list[int], Option(help='numbers of labels of these')] = (100, 500)
    weights: Annotated[list[float], Option(help='of the loss of guessing the next word, to choose from')] = (0.1, 0.3, 1.0)
    seeds: Annotated[list[int], Option(help='of the draws of labels, of heads, dropout and the order of texts')] = (0, 1, 2, 3, 4)
    rates: Annotated[list[float], Option(help='to choose from, each as many times the one before')] = (CLASSIFY.lr / 2, CLASSIFY.lr, CLASSIFY.lr * 2)
    test: Annotated[int, Option(help='test texts at most, the same for all points')] = 2500
    valid: Annotated[int, Option(help='validation texts at most, likewise')] = 500
    tuned: Annotated[Path, Option(help='directory of the language model after stage 2; runs/few_labels.sh makes the same')] = Path(
        'runs/out/several_tasks/tuned'
    )
    out: Annotated[Path, Option(help='directory of the classifier under way')] = Path('runs/out/several_tasks')
    results: Annotated[Path, Option(help='directory of the record')] = Path(__file__).parent.parent / 'results'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6


class Study:
    "Trains on a draw of labels, and asks about validation or test texts."

    def __init__(self, args: Options):
        self.args, self.deadline, self.film = args, Deadline(args.minutes), Stage.open(args.film, 'language model')
        self.clothes, self.split = cache(self.clothes), cache(self.split)

    @cached_property
    def tuned(self) -> Stage:
        "The language model that has read reviews of clothes, those without labels too."
        texts = [text for split in ('train', 'unsup') for text in load_data('clothing', split).texts]
        return Stage.open(fine_tune(self.args.lm, texts, self.args.tuned, FINE_TUNE, callback=self.deadline, progress_bar=False))

    # --- one network or three

    def clothes(self, split: str) -> TextData:
        "The reviews of a split that have all labels."
        with warnings.catch_warnings(action='ignore'):  # that a few have no department
            data = join_labels({task: load_data('clothing', split, label=column) for task, column in COLUMNS.items()})
        return data.select([i for i, labels in enumerate(data.labels) if len(labels) == len(TASKS)])

    def reviews(self, tasks: tuple[str, ...], split: str, n: int, seed: int) -> TextData:
        "So many reviews, drawn alike for all tasks; with the labels of some."
        data, places = self.clothes(split), [TASKS.index(task) for task in tasks]
        drawn = data.select(draw_labels(replace(data, labels=[labels[0] for labels in data.labels]), n, seed))
        return replace(drawn, labels=[[labels[k] for k in places] for labels in drawn.labels])

    def asked(self, tasks: tuple[str, ...], split: str) -> TextData:
        most = {'validation': self.args.valid, 'test': self.args.test}[split]
        return self.reviews(tasks, split, min(most, len(self.clothes(split))), 2)

    def learnt(self, n: int, tasks: tuple[str, ...], lr: float, seed: int, split: str) -> dict[str, dict[str, float]]:
        "Accuracy and macro-F1 of each task, after one network has learnt them. Training is validated on a few of its own texts: nothing is chosen by it."
        few, asked, out = self.reviews(tasks, 'train', n, seed), self.asked(tasks, split), self.args.out / f'{"-".join(tasks)}-{n}-{lr}-{seed}'
        settings = replace(CLASSIFY, target='multi-task', lr=lr, seed=seed)
        train_classifier(self.tuned, few, out, few.select(range(min(20, n))), settings, callback=self.deadline, progress_bar=False)
        said = load_classifier(out).predict(asked.texts)
        shutil.rmtree(out)
        return {task: two_figures(asked.labels, said, task) for task in tasks}

    def counted(self, n: int, task: str, seed: int) -> dict[str, dict[str, float]]:
        "The same of counted words."
        few, asked = self.reviews((task,), 'train', n, seed), self.asked((task,), 'test')
        y, classes = encode_labels([label for (label,) in few.labels])
        said = count_words(TextData(few.texts, y, classes)).predict(asked.texts)
        return {task: two_figures(asked.labels, [[classes[i]] for i in said], task)}

    # --- the next word beside the labels

    def split(self, name: str, which: str) -> TextData:
        data, most = load_data(name, which), {'validation': self.args.valid, 'test': self.args.test}[which]
        return data.select(draw_labels(data, min(most, len(data)), 2))

    def beside(self, name: str, n: int, weight: float, lr: float, seed: int, which: str) -> float:
        "Accuracy. Training is validated on a few of its own texts: nothing is chosen by it."
        train, asked, out = load_data(name), self.split(name, which), self.args.out / f'{name}-{n}-{weight}-{lr}-{seed}'
        few, settings = train.select(draw_labels(train, n, seed)), replace(CLASSIFY, lm_weight=weight, lr=lr, seed=seed)
        train_classifier(self.film, few, out, few.select(range(min(20, n))), settings, callback=self.deadline, progress_bar=False)
        found = load_classifier(out).predict_proba(asked.texts).argmax(1)
        shutil.rmtree(out)
        return float((found == np.asarray(asked.labels)).mean())


def two_figures(labels: list[list[str]], said: list[list[str]], task: str) -> dict[str, float]:
    "Accuracy, and macro-F1 of the classes that are asked about; one that was not among those learnt from is never said."
    y, p = ([next(name for name in names if name.startswith(f'{task}: ')) for names in rows] for rows in (labels, said))
    return {'accuracy': float(np.mean([a == b for a, b in zip(y, p)])), 'macro_f1': float(f1_score(y, p, labels=sorted(set(y)), average='macro'))}


def about(args: Options, work: Study) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."
    return {
        'lm': {
            'clothing': Stage.open(args.lm, 'language model').config['sha256']['model.safetensors'],
            'films': work.film.config['sha256']['model.safetensors'],
        },
        'lm_saw_test_texts': False,
        'settings': {'fine_tune': FINE_TUNE.identity(), 'train_classifier': CLASSIFY.identity()},
        'rates': list(args.rates),
        'chosen with at most': CHOOSE_WITH,
        'weights': list(args.weights),
        'test_texts': args.test,
        'valid_texts': args.valid,
    }


def study(args: Options, say: Callable[[str], None] = print):
    "Both questions, a size at a time, seeds outermost: cut short, the study has something to say of each."
    work, path = Study(args), args.results / 'several_tasks.json'
    what, commit = about(args, work), git_commit()
    before = earlier(path, what) or {}
    done = {k: before.get(k, new) for k, new in {'majority': {}, 'chosen': {}, 'points': [], 'lm_points': []}.items()}

    def write():
        record(path, 'python runs/several_tasks.py', what | {'commit': commit} | done)

    for task in TASKS:
        labels = [label for (label,) in work.asked((task,), 'test').labels]
        done['majority'][task] = max(map(labels.count, set(labels))) / len(labels)
    for seed in args.seeds:
        for n in sorted({*args.labels, *args.film_labels}):
            if n in args.labels:
                tasks(work, n, seed, done, write, say)
            if n in args.film_labels:
                for name in args.data:
                    words(work, name, n, seed, done, write, say)


def tasks(work: Study, n: int, seed: int, done: dict, write: Callable, say: Callable):
    "Of so many labelled reviews: counted words, a network for each task, and one for all."
    n_choosing = min(n, CHOOSE_WITH)
    for way, names in [*((way, (task,)) for task in TASKS for way in (COUNTED, 'separate')), ('shared', TASKS)]:
        point = {'labels': n, 'way': way, 'seed': seed}
        if any((point | {'task': names[0]}).items() <= p.items() for p in done['points']):
            continue
        work.deadline.check()

        def score(lr: float, names: tuple[str, ...] = names) -> float:
            return float(np.mean([figures['accuracy'] for figures in work.learnt(n_choosing, names, lr, CHOOSING, 'validation').values()]))

        tried = done['chosen'].setdefault(f'clothing, {n_choosing} labels, {way}, {", ".join(names)}', {}) if way != COUNTED else None
        lr = None if tried is None else best_rate(work.args.rates, score, tried, write)[0]
        found = work.counted(n, names[0], seed) if lr is None else work.learnt(n, names, lr, seed, 'test')
        done['points'] += [point | {'task': task, 'lr': lr} | figures for task, figures in found.items()]
        write()
        for task, figures in found.items():
            say(f'{"clothing":>12}, {n} labels, {way}, seed {seed}, {task}: {figures["accuracy"]:.4f}')


def words(work: Study, name: str, n: int, seed: int, done: dict, write: Callable, say: Callable):
    "Of so many labels: a classifier without the next word, and one with it, at the best of the weights."
    for way, weights in (('labels alone', [0.0]), ('next word too', work.args.weights)):
        point = {'data': name, 'labels': n, 'way': way, 'seed': seed}
        if any(point.items() <= p.items() for p in done['lm_points']):
            continue
        work.deadline.check()
        best = {}
        for weight in weights:
            tried = done['chosen'].setdefault(f'{name}, {n} labels, weight {weight:g}', {})
            score = partial(work.beside, name, n, weight, seed=CHOOSING, which='validation')
            lr, best_score = best_rate(work.args.rates, score, tried, write)
            best[weight, lr] = best_score
        weight, lr = max(best, key=best.get)
        right = work.beside(name, n, weight, lr, seed, 'test')
        done['lm_points'].append(point | {'weight': weight, 'lr': lr, 'accuracy': right})
        write()
        say(f'{name:>12}, {n} labels, {way}, seed {seed}: {right:.4f} (weight {weight:g}, rate {lr:.3g})')


def main():
    carry_out(study, Options)


if __name__ == '__main__':
    main()
