"""What a classifier with few labels gains from texts without any: from what a teacher says of them, softly, as if it were the truth, or only where it is sure;
and from having to say the same of a text under two dropout masks. Beside these stand the labels alone, with as many steps and with more; and what may ruin
it: a teacher with a tenth of the labels, one with hardly any of one class, and texts of another kind. The rate is the best for the labels alone, and the
weight of the other texts that way's own best, both chosen on validation texts with a seed of its own. The record is written after every point; run again, the
study goes on."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import carry_out
from earlier import earlier
from few_labels import CLASSIFY, FINE_TUNE
from rates import best_rate
from typer import Option

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData
from ulmfit_nb.pseudo_labels import Unlabelled
from ulmfit_nb.sources import NAMED, load_data
from ulmfit_nb.stages import read_config

READ = ('imdb',)  # sets whose texts the language model has read: no stage 2
OTHER_TEXTS = {'clothing': 'subjectivity'}  # texts of another kind; for all sets but this one those of 'clothing'
CHOOSING = 100  # the seed that chooses

ALONE, LONGER = 'labels only', 'longer'
WAYS = {  # what is learnt of texts without labels, beside weight and teacher
    'soft': {},
    'hard': {'temperature': 0},
    'sure': {'temperature': 0, 'threshold': 0.9},
    'consistency': {},
}
CASES = {
    'usual': (ALONE, LONGER, *WAYS),
    'few': (ALONE, 'soft', 'hard'),  # a tenth of the labels
    'lopsided': (ALONE, 'soft', 'hard'),  # nine labels in ten of one class, the next seed's of the other
    'other texts': ('soft', 'consistency'),  # without labels
}
IN_TIME = {'imdb': ('usual', 'few')}  # of texts this long, unless more is asked for


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Option(help='language model: a directory, or the name of one that ships')] = 'film-small'
    data: Annotated[list[str], Option(help='named sets')] = ('subjectivity', 'imdb')
    cases: Annotated[list[str], Option(help=f'of {", ".join(CASES)}; none: all, of long texts two')] = ()
    labels: Annotated[int, Option(help='labelled texts')] = 100
    unlabelled: Annotated[int, Option(help='texts of the training split without their labels')] = 1000
    words: Annotated[int, Option(help='of each text, labelled or not, the first so many')] = 60
    seeds: Annotated[list[int], Option(help='of the draw of texts, the head, dropout and the order of texts')] = (0, 1, 2, 3, 4)
    rates: Annotated[list[float], Option(help='that the labels alone try')] = (CLASSIFY.lr / 2, CLASSIFY.lr, CLASSIFY.lr * 2)
    weights: Annotated[list[float], Option(help='of the texts without labels, that each way tries')] = (0.3, 1.0, 3.0)
    test: Annotated[int, Option(help='test texts, the same for all points')] = 1000
    valid: Annotated[int, Option(help='validation texts, likewise; of the training split, if there is none')] = 500
    out: Annotated[Path, Option(help='directory of what is under way')] = Path('runs/out/pseudo_labels')
    results: Annotated[Path, Option(help='directory of the record')] = Path(__file__).parent.parent / 'results'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6


def lopsided(data: TextData, n: int, seed: int) -> TextData:
    "So many labelled texts, nine in ten of one class."
    rng, labels = np.random.default_rng(seed), np.asarray(data.labels)
    order = rng.permutation(len(data))
    many, rest = (order[(labels[order] == seed % 2) == most] for most in (True, False))
    return data.select([*many[: n - n // 10], *rest[: n // 10]])


class Study:
    "Texts, teachers and students of a case and a seed."

    def __init__(self, args: Options):
        self.args, self.deadline = args, Deadline(args.minutes)
        self.cut, self.splits, self.lm, self.drawn = cache(self.cut), cache(self.splits), cache(self.lm), cache(self.drawn)

    def cut(self, name: str, which: str = 'train') -> TextData:
        "A split, of each text its first words."
        data = load_data(name, which)
        return TextData([' '.join(t.split()[: self.args.words]) for t in data.texts], data.labels, data.classes)

    def splits(self, name: str) -> dict[str, TextData]:
        "What is drawn from, what chooses, and what is asked about at last."
        train, test = self.cut(name), self.cut(name, 'test')
        valid = self.cut(name, 'validation') if 'validation' in (NAMED[name].splits or ()) else train
        chosen = draw_labels(valid, self.args.valid, 1)
        left = sorted(set(range(len(train))) - set(chosen)) if valid is train else range(len(train))
        asked = draw_labels(test, min(self.args.test, len(test)), 2)
        return {'train': train.select(left), 'validation': valid.select(chosen), 'test': test.select(asked)}

    def lm(self, name: str) -> Path | str:
        "The language model, which has read texts of the set, but for those asked about."
        if name in READ:
            return self.args.lm
        texts = self.splits(name)['train'].texts
        return fine_tune(self.args.lm, texts, self.args.out / f'tuned-{name}', FINE_TUNE, callback=self.deadline, progress_bar=False)

    def drawn(self, name: str, case: str, seed: int) -> tuple[TextData, TextData]:
        "Texts with labels, and others; these keep theirs for whoever counts how often a teacher is right."
        data, n = self.splits(name)['train'], self.args.labels
        few = lopsided(data, n, seed) if case == 'lopsided' else data.select(draw_labels(data, max(4, n // 10) if case == 'few' else n, seed))
        if case == 'other texts':
            source = self.cut(OTHER_TEXTS.get(name, 'clothing'))
            rest = range(len(source))
        else:
            source, known = data, set(few.texts)
            rest = [i for i, text in enumerate(data.texts) if text not in known]
        return few, source.select(np.random.default_rng(seed).permutation(rest)[: self.args.unlabelled])

    def train(self, name: str, case: str, way: str, lr: float, weight: float, seed: int) -> Path:
        "A classifier. Training is validated on a few of its own texts: nothing is chosen by it."
        few, more = self.drawn(name, case, seed)
        settings = replace(CLASSIFY, lr=lr, seed=seed)
        if way == LONGER:
            settings = replace(settings, epochs=2 * settings.epochs, min_steps=2 * settings.min_steps)
        lesson = None
        if way in WAYS:
            teacher = None if way == 'consistency' else self.teacher(name, case, lr, seed)
            lesson = Unlabelled(more.texts, teacher=teacher, weight=weight, **WAYS[way])
        out = self.args.out / f'{name}-{case}-{way}-{lr}-{weight}-{seed}'.replace(' ', '_')
        held = few.select(range(0, len(few), max(1, len(few) // 20)))
        return train_classifier(self.lm(name), few, out, held, settings, unlabelled=lesson, callback=self.deadline, progress_bar=False)

    def teacher(self, name: str, case: str, lr: float, seed: int) -> Path:
        return self.train(name, 'usual' if case == 'other texts' else case, ALONE, lr, 0, seed)

    def measure(self, name: str, case: str, way: str, lr: float, weight: float, seed: int, which: str) -> dict:
        "Accuracy; of a teacher also what it says of the texts without labels."
        path, asked = self.train(name, case, way, lr, weight, seed), self.splits(name)[which]
        classifier = load_classifier(path)
        found = {'accuracy': right(classifier.predict_proba(asked.texts), asked)}
        if way == ALONE and which == 'test':
            found['of unlabelled'] = opinion(classifier, self.drawn(name, case, seed)[1])
        if way != ALONE:
            shutil.rmtree(path)
        return found

    def forget(self, name: str, case: str):
        "Remove the teachers of a case."
        for path in self.args.out.glob(f'{name}-{case}-*'.replace(' ', '_')):
            shutil.rmtree(path)


def right(p: np.ndarray, data: TextData) -> float:
    return float((p.argmax(1) == np.asarray(data.labels)).mean())


def opinion(classifier, data: TextData) -> dict:
    "What a teacher says of texts without labels, and how often it is right, of all and of those of which it is sure."
    p = classifier.predict_proba(data.texts)
    sure = p.max(1) >= WAYS['sure']['threshold']
    hits = p.argmax(1) == np.asarray(data.labels)
    shares = np.bincount(p.argmax(1), minlength=p.shape[1]) / len(p)
    of_sure = float(hits[sure].mean()) if sure.any() else None
    return {'accuracy': float(hits.mean()), 'shares': shares.tolist(), 'sure': float(sure.mean()), 'accuracy of sure': of_sure}


def about(args: Options) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."
    return {
        'lm': read_config(args.lm)['sha256']['model.safetensors'],
        'lm_saw_test_texts': False,
        'settings': {'fine_tune': FINE_TUNE.identity(), 'train_classifier': CLASSIFY.identity()},
        'ways': WAYS,
        'labels': args.labels,
        'unlabelled': args.unlabelled,
        'words': args.words,
        'rates': list(args.rates),
        'weights': list(args.weights),
        'test_texts': args.test,
        'valid_texts': args.valid,
    }


def choose(work: Study, done: dict, write: Callable, name: str, way: str) -> tuple[float, float]:
    "Rate and weight, by validation texts, of the usual case; what has been tried is in the record."

    def asked(way, lr, weight):
        work.deadline.check()
        return work.measure(name, 'usual', way, lr, weight, CHOOSING, 'validation')['accuracy']

    def tried(what: str) -> dict[str, float]:
        return done['chosen'].setdefault(f'{name}, {what}', {})

    lr, _ = best_rate(work.args.rates, lambda lr: asked(ALONE, lr, 0), tried('rate'), write)
    if way not in WAYS:
        return lr, 0
    for weight in work.args.weights:
        if str(weight) not in tried(way):
            tried(way)[str(weight)] = asked(way, lr, weight)
            write()
    return lr, float(max(tried(way), key=tried(way).get))


def study(args: Options, say: Callable[[str], None] = print):
    "All points, seeds outermost and the shorter texts first, so that a study cut short has something to say."
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        sys.exit(f'no case {unknown[0]!r}, but {", ".join(CASES)}.')
    work, path, what, commit = Study(args), args.results / 'pseudo_labels.json', about(args), git_commit()
    before = earlier(path, what) or {}
    for name in args.data:
        work.splits(name)  # a set that isn't there is missed now, and not after hours
    done = {k: before.get(k, new) for k, new in {'chosen': {}, 'points': []}.items()}

    def write():
        record(path, 'python runs/pseudo_labels.py', what | {'commit': commit} | done)

    for seed in args.seeds:
        for name in args.data:
            for case in args.cases or IN_TIME.get(name, CASES):
                for way in CASES[case]:
                    point = {'data': name, 'case': case, 'way': way, 'seed': seed}
                    if any(point.items() <= p.items() for p in done['points']):
                        continue
                    work.deadline.check()
                    lr, weight = choose(work, done, write, name, way)
                    done['points'].append(point | {'lr': lr, 'weight': weight} | work.measure(name, case, way, lr, weight, seed, 'test'))
                    write()
                    say(f'{name:>12}, {case}, {way}, seed {seed}: {done["points"][-1]["accuracy"]:.4f}')
            for case in CASES:
                work.forget(name, case)


def main():
    carry_out(study, Options)


if __name__ == '__main__':
    main()
