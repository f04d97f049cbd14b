"""What a head is worth that begins well, with few labels. There is gradual unfreezing under a head that begins at random, as in the paper; the same head,
everything awake at one rate from the first step; the best linear head for the frozen encoder, with nothing trained (a linear probe); and everything awake
at one rate from the first step, under a head that begins as this probe. Each way has the best of three rates, the probe of three penalties, and of more while
the best is the lowest or the highest; they are chosen on validation texts, with a seed of its own. The record is written after every point; run again, the
study goes on."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from ablations import split_of
from command_line import carry_out
from earlier import earlier
from few_labels import CLASSIFY, FINE_TUNE
from frozen import frozen_features
from rates import best_rate
from typer import Option

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData
from ulmfit_nb.linear_probe import PENALTY, ProbeHead
from ulmfit_nb.schedules import all_at_once
from ulmfit_nb.settings import ClassifierSettings, n_doc_batches, n_epochs
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage, load_lm

CHOOSING = 100  # the seed that chooses
READ = ('imdb',)  # sets whose texts the language model has read: no stage 2
LONG = ('imdb',)  # sets of which each text is cut

COUNTED, THAW, AT_ONCE, PROBE, PROBE_FIRST = 'tf-idf', 'thaw', 'at once', 'probe', 'probe first'
FIRST = {  # what is tried first: rates, or for the probe penalties
    THAW: (CLASSIFY.lr / 4, CLASSIFY.lr / 2, CLASSIFY.lr),
    AT_ONCE: (CLASSIFY.lr / 20, CLASSIFY.lr / 10, CLASSIFY.lr / 5),
    PROBE: (PENALTY / 4, PENALTY, PENALTY * 4),
    PROBE_FIRST: (CLASSIFY.lr / 20, CLASSIFY.lr / 10, CLASSIFY.lr / 5),
}
WAYS = (COUNTED, *FIRST)


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Option(help='language model: a directory, or the name of one that ships')] = 'film-small'
    data: Annotated[list[str], Option(help='named sets')] = ('subjectivity', 'snippets', 'imdb')
    labels: Annotated[list[int], Option(help='numbers of labelled texts')] = (100, 500)
    words: Annotated[int, Option(help=f'of each text of {", ".join(LONG)}, the first so many')] = 60
    seeds: Annotated[list[int], Option(help='of the draw of labels, of heads, dropout and the order of texts')] = (0, 1, 2, 3, 4)
    test: Annotated[int, Option(help='test texts at most, the same for all points')] = 2500
    valid: Annotated[int, Option(help='validation texts at most, likewise; of the training split, if there is none')] = 500
    out: Annotated[Path, Option(help='directory of the language models and of what is under way')] = Path('runs/out/linear_probe')
    results: Annotated[Path, Option(help='directory of the record')] = Path(__file__).parent.parent / 'results'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6


class Study:
    "Trains on a draw of labels, and asks about validation or test texts."

    def __init__(self, args: Options):
        self.args, self.deadline = args, Deadline(args.minutes)
        self.splits, self.lm, self.pooled = cache(self.splits), cache(self.lm), cache(self.pooled)

    def splits(self, name: str) -> dict[str, TextData]:
        "What labels are drawn from, what chooses, and what is asked about at last."

        def cut(data: TextData) -> TextData:
            return replace(data, texts=[' '.join(t.split()[: self.args.words]) for t in data.texts]) if name in LONG else data

        return dict(zip(('train', 'validation', 'test'), map(cut, split_of(name, self.args.valid, self.args.test))))

    def lm(self, name: str) -> Stage:
        "The language model after it has read the training texts of a set."
        if name in READ:
            return Stage.open(self.args.lm, 'language model')
        out = self.args.out / f'tuned-{name}'
        texts = load_data(name).texts
        return Stage.open(fine_tune(self.args.lm, texts, out, FINE_TUNE, callback=self.deadline, progress_bar=False), 'language model')

    def few(self, name: str, n: int, seed: int) -> TextData:
        train = self.splits(name)['train']
        return train.select(draw_labels(train, n, seed))

    def settings(self, name: str, way: str, n: int, lr: float, seed: int) -> ClassifierSettings:
        "Those of a way that trains."
        settings = replace(CLASSIFY, lr=lr, seed=seed)
        if way == PROBE_FIRST:
            return replace(settings, head='linear-probe', factor=1.0)
        if way == AT_ONCE:
            names = [*load_lm(self.lm(name)).model.encoder.layer_groups(), 'head']
            epochs = n_epochs(settings.epochs, settings.min_steps, n_doc_batches(n, settings.bs)) + len(names) - 1
            return replace(settings, plan=all_at_once(names, lr, epochs, factor=1))
        return settings

    def trained(self, name: str, way: str, n: int, lr: float, seed: int, which: str) -> np.ndarray:
        "(texts,) the class that a trained classifier gives. Training is validated on a few of its own texts: nothing is chosen by it."
        few, out = self.few(name, n, seed), self.args.out / f'{name}-{way}-{n}-{lr}-{seed}'.replace(' ', '_')
        settings = self.settings(name, way, n, lr, seed)
        train_classifier(self.lm(name), few, out, few.select(range(min(20, n))), settings, callback=self.deadline, progress_bar=False)
        found = load_classifier(out).predict_proba(self.splits(name)[which].texts).argmax(1)
        shutil.rmtree(out)
        return found

    def pooled(self, name: str, which: str, n: int = 0, seed: int = 0) -> np.ndarray:
        "Features of texts, of the frozen encoder."
        return frozen_features(self.lm(name), self.few(name, n, seed) if which == 'few' else self.splits(name)[which])

    def probed(self, name: str, n: int, penalty: float, seed: int, which: str) -> np.ndarray:
        "(texts,) the class that a linear model gives, on the features of the frozen encoder."
        x, asked = self.pooled(name, 'few', n, seed), self.pooled(name, which)
        few = self.few(name, n, seed)
        head = ProbeHead(x.shape[1], len(few.classes), p=0).fit(torch.from_numpy(x), torch.as_tensor(few.labels), penalty=penalty)
        with torch.no_grad():
            return head(torch.from_numpy(asked)).argmax(1).numpy()

    def accuracy(self, name: str, way: str, n: int, strength: float | None, *, seed: int, which: str) -> float:
        "`strength`: the rate, or the penalty."
        asked = self.splits(name)[which]
        if way == COUNTED:
            return float(count_words(self.few(name, n, seed)).score(asked.texts, asked.labels))
        found = self.probed(name, n, strength, seed, which) if way == PROBE else self.trained(name, way, n, strength, seed, which)
        return float((found == np.asarray(asked.labels)).mean())


def about(args: Options) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."
    return {
        'lm': Stage.open(args.lm, 'language model').config['sha256']['model.safetensors'],
        'lm_saw_test_texts': False,
        'settings': {'fine_tune': FINE_TUNE.identity(), 'train_classifier': CLASSIFY.identity(), 'penalty': PENALTY},
        'first': {way: list(first) for way, first in FIRST.items()},
        'words': {name: args.words for name in LONG},
        'test_texts': args.test,
        'valid_texts': args.valid,
    }


def study(args: Options, say: Callable[[str], None] = print):
    "All ways, seeds outermost: cut short, the study has something to say of each."
    work, path = Study(args), args.results / 'linear_probe.json'
    what, commit = about(args), git_commit()
    before = earlier(path, what) or {}
    done = {'chosen': before.get('chosen', {}), 'points': before.get('points', [])}

    def write():
        record(path, 'python runs/linear_probe.py', what | {'commit': commit} | done)

    for seed in args.seeds:
        for name in args.data:
            for n in args.labels:
                for way in WAYS:
                    point = {'data': name, 'labels': n, 'way': way, 'seed': seed}
                    if any(point.items() <= p.items() for p in done['points']):
                        continue
                    work.deadline.check()
                    strength = None
                    if way != COUNTED:
                        tried = done['chosen'].setdefault(f'{name}, {n} labels, {way}', {})
                        strength, _ = best_rate(FIRST[way], partial(work.accuracy, name, way, n, seed=CHOOSING, which='validation'), tried, write)
                    right = work.accuracy(name, way, n, strength, seed=seed, which='test')
                    done['points'].append(point | {'strength': strength, 'accuracy': right})
                    write()
                    say(f'{name:>12}, {n} labels, {way}, seed {seed}: {right:.4f}' + (f' ({strength:.3g})' if strength else ''))


def main():
    carry_out(study, Options)


if __name__ == '__main__':
    main()
