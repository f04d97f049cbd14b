"""What each part of ULMFiT is worth with few labels: one thing is left out or changed at a time. Every row gets the best of at least three rates,
chosen on validation texts with seeds of their own; then five seeds (the draw of labels, the head, dropout, the order of texts) are measured on the same
test texts, so that two rows can be compared seed by seed. Language models are made once a row: the spread between seeds is that of stage 3.
The record is written after every seed; run again, it goes on with the next one."""

import sys
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from command_line import carry_out
from earlier import earlier
from frozen import documents, frozen_features
from hold_back import hold_back
from rates import best_rate
from techniques import ALL, plans
from typer import Argument, Option

from ulmfit_nb import fine_tune, pretrain
from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier, evaluate_classifier
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData
from ulmfit_nb.demo import BEARS_MORE
from ulmfit_nb.schedules import all_at_once, stlr
from ulmfit_nb.settings import PRESETS, n_epochs, override
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage, load_lm, untrained
from ulmfit_nb.training import FitSettings, constant, fit

ROOT = Path(__file__).parent.parent
SMALL = PRESETS['small']
CLASSIFY, READ = SMALL.train_classifier, override(SMALL.fine_tune, **BEARS_MORE)
CHOOSING = (100, 101)  # seeds that choose rates, on validation texts


@dataclass(frozen=True, kw_only=True)
class Row:
    "One thing that is otherwise than in the full recipe."

    name: str
    group: str  # what it is compared with
    lm: str = 'tuned'  # the language model it starts from: see `LMS`
    plan: str = ALL  # one of `ways`
    lr: float = CLASSIFY.lr  # the middle one of the first three rates
    pools: tuple[str, ...] = ('last', 'max', 'mean')  # what the head sees of a document
    max_len: int | None = CLASSIFY.max_len
    layers: str = ''  # last or all: a linear model on pooled features of a network that is frozen


FULL = Row(name='all of it', group='all')
SLOW = CLASSIFY.lr / 4  # where everything learns at once
ROWS = [
    FULL,
    Row(name='no stage 1, no stage 2', group='stages', lm='random', plan='full', lr=CLASSIFY.lr / 10),
    Row(name='no stage 2', group='stages', lm='start'),
    Row(name='no stage 1', group='stages', lm='unread'),
    Row(name='last layer only', group='stage 3', plan='last layer only'),
    Row(name='full', group='stage 3', plan='full', lr=SLOW),
    Row(name='full + discr', group='stage 3', plan='full + discr', lr=SLOW),
    Row(name='full + discr + stlr', group='stage 3', plan='full + discr + stlr', lr=SLOW),
    Row(name='chain-thaw', group='stage 3', plan='chain-thaw', lr=SLOW),
    Row(name='freez', group='stage 3', plan='freez', lr=SLOW),
    Row(name='freez + discr', group='stage 3', plan='freez + discr', lr=SLOW),
    Row(name='freez + stlr', group='stage 3', plan='freez + stlr'),
    Row(name='freez + cosine', group='stage 3', plan='freez + cosine'),
    *(Row(name=f'{pool} alone', group='pooling', pools=(pool,)) for pool in ('last', 'max', 'mean')),
    Row(name='linear model on the last layer', group='frozen', layers='last'),
    Row(name='linear model on all layers', group='frozen', layers='all'),
    Row(name='stage 2 without dropout', group='stage 2', lm='no dropout'),
    Row(name='stage 2 full', group='stage 2', lm='full'),
    Row(name='stage 2 full + discr', group='stage 2', lm='full + discr'),
]
LONG = [Row(name=f'max_len {n or "none"}', group='max_len', max_len=n) for n in (70, 280, None)]


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    data: Annotated[str, Argument(help='a named set')]
    lm: Annotated[str, Option(help='language model to start from: a directory, or the name of one that ships')] = 'wiki-small'
    labels: Annotated[int, Option(help='labelled texts to learn from')] = 200
    seeds: Annotated[list[int], Option(help='those that are measured')] = (0, 1, 2, 3, 4)
    only: Annotated[list[str] | None, Option(help='names of rows; default: all')] = None
    test: Annotated[int, Option(help='test texts, the same for all rows')] = 2500
    valid: Annotated[int, Option(help='validation texts, likewise')] = 1000
    unlabelled: Annotated[int, Option(help='texts that stage 2 reads at most')] = 10_000
    unlabelled_split: Annotated[str, Option(help='where they come from')] = 'train'
    long: Annotated[bool, Option('--long', help='the rows of max_len as well, which need long texts')] = False
    out: Annotated[Path, Option(help='directory of the language models')] = ROOT / 'runs/out/ablations'
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6


def split_of(data: str, valid: int, test: int) -> tuple[TextData, TextData, TextData]:
    "Training, validation and test texts; a set without a validation split gives some of its training texts."
    train, unread = load_data(data, 'train'), load_data(data, 'test')
    try:
        held = load_data(data, 'validation')
        held = held.select(draw_labels(held, min(valid, len(held)), 1))
    except ValueError:
        train, held = hold_back(train, valid)
    return train, held, unread.select(draw_labels(unread, min(test, len(unread)), 2))


def ways(names: list[str], lr: float, epochs: int, factor: float) -> dict:
    "The paper's rows, and one that it lacks: everything but the thaw."
    together = all_at_once(names, lr, epochs + len(names) - 1, factor), stlr
    return plans(names, lr, epochs, factor) | {'full + discr + stlr': together}


class Study:
    "Makes language models and classifiers, each when it is first asked for."

    def __init__(self, args: Options):
        self.args, self.deadline = args, Deadline(args.minutes)
        self.train, self.valid, self.test = split_of(args.data, args.valid, args.test)
        self.folder = args.out / args.data
        self.lm = cache(self.lm)
        self.batches = cache(self.batches)
        self.pooled = cache(self.pooled)

    def texts(self) -> list[str]:
        "What stage 2 reads: never a validation or test text."
        args = self.args
        texts = self.train.texts if args.unlabelled_split == 'train' else load_data(args.data, args.unlabelled_split).texts
        return [texts[i] for i in sorted(np.random.default_rng(0).permutation(len(texts))[: args.unlabelled])]

    def lm(self, name: str) -> Stage:
        "A language model, by what is left out of it."
        out, watch = self.folder / name.replace(' ', '_'), {'progress_bar': False, 'callback': self.deadline}
        tune = partial(fine_tune, self.args.lm, out=out, settings=READ, **watch)
        make = {
            'start': lambda: self.args.lm,
            'random': lambda: untrained(self.lm('tuned').path, out),
            'unread': lambda: self.unread(out, watch),
            'tuned': lambda: tune(texts=self.texts()),
            'no dropout': lambda: tune(texts=self.texts(), drop_mult=0.0),
            'full': lambda: tune(texts=self.texts(), factor=1, schedule=constant, lr=READ.lr / 4),
            'full + discr': lambda: tune(texts=self.texts(), schedule=constant, lr=READ.lr / 4),
        }
        return Stage.open(make[name](), 'language model')

    def unread(self, out: Path, watch: dict) -> Path:
        "The same network, trained from nothing on the texts of stage 2, with the dropout and the passes that so few of them need."
        config = load_lm(self.args.lm).model.config
        sizes = {k: getattr(config, k) for k in ('emb_sz', 'n_hid', 'n_layers')}
        settings = replace(SMALL.pretrain, **sizes, min_freq=READ.min_freq, bs=READ.bs, epochs=12, drop_mult=1.0)
        return pretrain(self.texts(), out, settings, **watch)

    def batches(self, lm: str, split: str) -> DocBatches:
        "Validation or test texts, tokenised once."
        return documents(self.lm(lm), getattr(self, split))

    def few(self, seed: int) -> TextData:
        "The labelled texts of a seed: the same for all rows."
        return self.train.select(draw_labels(self.train, self.args.labels, seed))

    def measure(self, row: Row, lr: float, seed: int, splits: tuple[str, ...]) -> dict[str, float]:
        "Accuracy in % on some splits."
        if row.layers:
            return self.linear(row, lr, seed, splits)
        model = self.classifier(row, lr, seed)
        return {split: 100 * evaluate_classifier(model, self.batches(row.lm, split))['accuracy'] for split in splits}

    def classifier(self, row: Row, lr: float, seed: int) -> PoolingClassifier:
        "Stage 3 as `train_classifier` does it, with one thing changed."
        stage, few = self.lm(row.lm), self.few(seed)
        settings = replace(CLASSIFY, lr=lr, seed=seed, max_len=row.max_len)
        torch.manual_seed(seed)
        model = new_classifier(stage, len(few.classes), settings)
        see_only(model, row.pools)
        task = ClassifierTask(model, documents(stage, few, settings.bs, True, seed))
        epochs = n_epochs(settings.epochs, settings.min_steps, task.train.n_batches)
        plan, schedule = ways(list(model.layer_groups()), lr, epochs, settings.factor)[row.plan]
        fit(task, plan, FitSettings(schedule=schedule, seed=seed), progress_bar=False, callback=self.deadline)
        return model

    def pooled(self, lm: str, layers: str, split: str, seed: int | None) -> np.ndarray:
        "Pooled features of texts, of a network that is frozen."
        return frozen_features(self.lm(lm), self.few(seed) if split == 'few' else getattr(self, split), layers)

    def linear(self, row: Row, strength: float, seed: int, splits: tuple[str, ...]) -> dict[str, float]:
        "Logistic regression on these features; in place of a rate, the inverse of its penalty is chosen."
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        model.fit(self.pooled(row.lm, row.layers, 'few', seed), self.few(seed).labels)
        return {s: 100 * model.score(self.pooled(row.lm, row.layers, s, None), getattr(self, s).labels) for s in splits}


def see_only(model: PoolingClassifier, pools: tuple[str, ...]):
    "Let the head see some of last, maximum and mean: the others are zero, before and after batch norm."
    n = model.encoder.config.n_out
    seen = torch.cat([torch.full((n,), float(name in pools)) for name in FULL.pools])
    model.head.register_forward_pre_hook(lambda head, given: (given[0] * seen.to(given[0]),))


def rows_of(runs: list[dict], rows: list[Row]) -> list[dict]:
    "A row's figures together, in the order of `rows`."
    found = []
    for row in rows:
        mine = [r for r in runs if r['row'] == row.name]
        if mine:
            found.append({'name': row.name, 'group': row.group, 'lr': mine[0]['lr'], 'valid': mine[0]['valid'], 'seeds': [r['test'] for r in mine]})
    return found


def study(args: Options):
    "Row by row, each rate chosen before its seeds are measured."
    rows = ROWS + LONG * args.long
    unknown = set(args.only or ()) - {row.name for row in rows}
    if unknown:
        sys.exit(f'no row {sorted(unknown)[0]!r}, but {", ".join(row.name for row in rows)}.')
    work, path = Study(args), args.results / f'ablations_{args.data}.json'
    what = {'data': args.data, 'labels': args.labels, 'test_texts': len(work.test), 'valid_texts': len(work.valid)}
    what |= {'lm': Stage.open(args.lm, 'language model').config['sha256']['model.safetensors'], 'settings': CLASSIFY.identity() | {'read': READ.identity()}}
    before = earlier(path, what)
    runs = before['runs'] if before else []
    counted = [100 * count_words(work.few(seed)).score(work.test.texts, work.test.labels) for seed in args.seeds]
    for row in rows:
        if args.only and row.name not in args.only:
            continue
        mine = [r for r in runs if r['row'] == row.name]
        left = [seed for seed in args.seeds if seed not in {r['seed'] for r in mine}]
        if not left:
            continue
        lr, valid = (mine[0]['lr'], mine[0]['valid']) if mine else best_rate(first_rates(row), partial(chosen_by, work, row))
        for seed in left:
            found = work.measure(row, lr, seed, ('test',))
            runs.append({'row': row.name, 'seed': seed, 'lr': lr, 'valid': valid, 'test': found['test'], 'commit': git_commit()})
            record(path, f'python runs/ablations.py {args.data}', what | {'counting words': counted, 'rows': rows_of(runs, rows), 'runs': runs})
            print(f'{row.name:<32} rate {lr:.4g}, seed {seed}: {found["test"]:.2f} %', flush=True)


def first_rates(row: Row) -> list[float]:
    return [0.001, 0.01, 0.1] if row.layers else [row.lr / 2, row.lr, row.lr * 2]


def chosen_by(work: Study, row: Row, lr: float) -> float:
    "Validation accuracy of a rate, the mean of two seeds."
    return float(np.mean([work.measure(row, lr, seed, ('valid',))['valid'] for seed in CHOOSING]))


def main():
    carry_out(study, Options)


if __name__ == '__main__':
    main()
