"""What pretraining buys with few labels: accuracy by number of labels, from scratch, from a pretrained language model, and from one
fine-tuned on unlabelled texts, beside TF-IDF with logistic regression. Settings are those of the preset `small`; only stage 2 differs, since
ten thousand reviews bear more passes and higher rates than a few hundred. The record is written after every point; run again, it goes on
with the next one."""

import json
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import from_command_line
from earlier import earlier
from typer import Argument, Option

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.baselines import count_words, draw_labels, from_scratch
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData, fingerprint
from ulmfit_nb.packs import load_packed
from ulmfit_nb.settings import PRESETS
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm, read_config, untrained
from ulmfit_nb.training import Stop

SHIPPED = 'wiki-small'
RESULTS = Path(__file__).parent.parent / 'results'
STARTS = ('scratch', 'pretrained', 'fine-tuned')
FINE_TUNE = replace(PRESETS['small'].fine_tune, epochs=4, lr=0.01, factor=1.3)
CLASSIFY = PRESETS['small'].train_classifier


@dataclass(frozen=True, kw_only=True)
class Study:
    "What is studied, and how large it is: the options of the command line."

    data: Annotated[str, Argument(help='a named set, a folder with train and test splits, or the beginning of the names of packs (runs/out/packs/imdb)')]
    lm: Annotated[str, Option(help='language model to start from: a directory, or the name of one that ships; the record is named after it')] = SHIPPED
    out: Annotated[Path, Option(help='directory for the language models and the classifier under way')]
    sizes: Annotated[list[int], Option(help='numbers of labels')] = (100, 500, 1000, 5000)
    seeds: Annotated[list[int], Option(help='of the draw of labels, the head, dropout and the order of the data')] = (0, 1, 2)
    unlabelled: Annotated[int, Option(help='unlabelled texts for stage 2')] = 10_000
    unlabelled_split: Annotated[str, Option(help='where they come from')] = 'unsup'
    test: Annotated[int, Option(help='test texts, the same for all points')] = 2500
    valid: Annotated[int, Option(help='texts of the training split set aside for choosing settings')] = 1000
    results: Annotated[Path, Option(help='directory of the record')] = RESULTS
    choose: Annotated[bool, Option('--choose', help='measure on these instead of the test split; the record goes into OUT')] = False
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6
    commit: Annotated[str | None, Option(help='of this code, where there is no git to ask')] = None


def packed(data: str) -> bool:
    "Whether `data` is where packs of runs/pack.py lie: packs/imdb for packs/imdb-train and so on."
    return Path(f'{data}-train').is_dir()


def read(data: str, split: str) -> TextData:
    "A split of a data set, or of its packs."
    return load_packed(f'{data}-{split}') if packed(data) else load_data(data, split)


def classify(lm: str | Path, start: str, train: TextData, test: TextData, out: Path, seed: int, watch: Deadline) -> dict:
    "Train on `train`, count the right answers on `test`. (It is validated on a few of its own texts: nothing is chosen by it.)"
    began = time.perf_counter()
    groups = [*load_lm(lm).model.encoder.layer_groups(), 'head']
    plan = from_scratch(groups, CLASSIFY, len(train)) if start == 'scratch' else None
    train_classifier(lm, train, out, train.select(range(20)), CLASSIFY, plan=plan, seed=seed, progress_bar=False, callback=watch)
    history, trained = json.loads((out / 'history.json').read_text()), time.perf_counter()
    right = np.mean([p == test.classes[y] for p, y in zip(load_classifier(out).predict(test.texts), test.labels)])
    wall = {'wall_minutes': (trained - began) / 60, 'test_minutes': (time.perf_counter() - trained) / 60}
    return {'accuracy': float(right), 'epochs': len(history), 'minutes': history[-1]['minutes']} | {k: round(v, 2) for k, v in wall.items()}


def unlabelled(args: Study) -> list:
    "The texts that the fine-tuned language model reads."
    texts = read(args.data, args.unlabelled_split).texts
    chosen = np.random.default_rng(0).permutation(len(texts))[: args.unlabelled]
    found = {i: texts[i] for i in sorted(chosen)}  # in order: packed texts come from one file after another
    return [found[i] for i in chosen]


def starts(args: Study, texts: list, watch: Deadline) -> dict[str, str | Path]:
    "The three language models to start from."
    scratch = args.out / 'scratch'
    if not (scratch / 'config.json').exists():
        untrained(args.lm, scratch)
    tuned = fine_tune(args.lm, texts, args.out / 'tuned', FINE_TUNE, callback=watch)
    return dict(zip(STARTS, (scratch, args.lm, tuned)))


def about(args: Study, labelled: TextData, test: TextData, texts: list) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."
    config = read_config(args.lm)
    return {
        'data': Path(args.data).name,
        'lm': {'name': Path(args.lm).name, 'architecture': config['architecture'], 'sha256': config['sha256']['model.safetensors']},
        'tuned_on': {'texts': len(texts), 'split': args.unlabelled_split},
        'lm_saw_test_texts': 'test' in args.unlabelled_split,
        'settings': {'fine_tune': FINE_TUNE.identity(), 'train_classifier': CLASSIFY.identity()},
        'texts': {'labelled': fingerprint(labelled.texts), 'asked about': fingerprint(test.texts)},
        'test_texts': len(test),
    }


def study(args: Study):
    "All points, one after another, seeds outermost so that a study cut short has something to say."
    watch = Deadline(args.minutes)
    data, test = read(args.data, 'train'), read(args.data, 'test')
    held = draw_labels(data, args.valid, 1)  # for choosing settings; never among the labels
    rest = data.select(sorted(set(range(len(data))) - set(held)))
    test = data.select(held) if args.choose else test.select(draw_labels(test, args.test, 2))
    name = '_'.join(['few_labels', Path(args.data).name] + [Path(args.lm).name] * (args.lm != SHIPPED))
    path = (args.out / 'chosen_by.json') if args.choose else args.results / f'{name}.json'
    texts = unlabelled(args)
    what = about(args, rest, test, texts)
    points = (earlier(path, what) or {'points': []})['points']  # before hours are spent on language models
    lms = starts(args, texts, watch)
    tuned = json.loads((Path(lms['fine-tuned']) / 'history.json').read_text())[-1]
    what |= {'tuning': {k: tuned[k] for k in ('perplexity', 'minutes')}}  # it may differ from machine to machine
    commit = args.commit or git_commit()
    for seed in args.seeds:
        for n in args.sizes:
            for start in (*STARTS, *(() if packed(args.data) else ('tf-idf',))):  # that counts words in texts, not in tokens
                point = {'start': start, 'labels': n, 'seed': seed}
                if not any(point.items() <= p.items() for p in points):
                    train, work = rest.select(draw_labels(rest, n, 100 + seed)), args.out / f'{start}-{n}-{seed}'
                    found = (
                        {'accuracy': float(count_words(train).score(test.texts, test.labels))}
                        if start == 'tf-idf'
                        else classify(lms[start], start, train, test, work, seed, watch)
                    )
                    points.append(point | found | {'commit': commit})
                    record(path, f'python runs/few_labels.py {args.data}', what | {'commit': commit, 'points': points})
                    shutil.rmtree(work, ignore_errors=True)
                accuracy = next(p['accuracy'] for p in points if point.items() <= p.items())
                print(f'{start:<11} {n:>6} labels, seed {seed}: {accuracy:.4f}', flush=True)


def main():
    try:
        study(from_command_line(Study))
    except Stop as e:
        sys.exit(str(e))


if __name__ == '__main__':
    main()
