"""What each layer of a language model knows, and what a classifier gains by looking at all of them. Five questions are put to each layer by a linear
probe, and to networks with random weights; then the last layer stands against all, with few labels, the network frozen or trained. What is to be chosen,
a rate or a penalty, is chosen on validation texts with a seed of its own. The record is written after every seed; run again, the study goes on."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import carry_out
from earlier import earlier
from frozen import documents, frozen_features
from typer import Option

from ulmfit_nb import load_classifier, train_classifier
from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.checkpoint import seeded
from ulmfit_nb.classifier import PoolingClassifier
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData
from ulmfit_nb.layers import PENALTIES, Probe, balanced_rows, capital_labels, layer_widths, pooled_features, probe, split_layers, token_features, word_labels
from ulmfit_nb.lstm_config import AWDLSTMConfig
from ulmfit_nb.settings import PRESETS
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage
from ulmfit_nb.tokenization import Tokenizer

CLASSIFY = PRESETS['small'].train_classifier
CHOOSING = 100  # the seed that chooses
QUESTIONS = {  # what is asked: of whose texts, and of tokens or whole texts
    'word': ('subjectivity', 'tokens'),
    'capital': ('clothing', 'tokens'),
    'length': ('subjectivity', 'texts'),
    'opinion': ('subjectivity', 'texts'),
    'praise': ('snippets', 'texts'),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Option(help='language model: a directory, or the name of one that ships')] = 'film-small'
    data: Annotated[list[str], Option(help='named sets that classifiers learn')] = ('subjectivity', 'snippets')
    labels: Annotated[list[int], Option(help='numbers of labels')] = (100, 500)
    seeds: Annotated[list[int], Option(help='of the draws of labels and examples, of head, dropout and random weights')] = (0, 1, 2, 3, 4)
    rates: Annotated[list[float], Option(help='that a classifier tries')] = (CLASSIFY.lr / 2, CLASSIFY.lr, CLASSIFY.lr * 2)
    test: Annotated[int, Option(help='test texts, the same for all points')] = 1000
    valid: Annotated[int, Option(help='validation texts, likewise')] = 500
    texts: Annotated[int, Option(help='texts of a set that probes are asked about')] = 1600
    rows: Annotated[int, Option(help='examples of a question at most, shared out among its classes')] = 2000
    out: Annotated[Path, Option(help='directory of the classifier under way')] = Path('runs/out/layers')
    results: Annotated[Path, Option(help='directory of the record')] = Path(__file__).parent.parent / 'results'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6


class Study:
    "Reads texts with a language model, and with networks that have read nothing."

    def __init__(self, args: Options):
        self.args, self.stage = args, Stage.open(args.lm, 'language model')
        self.deadline, self.tokenizer = Deadline(args.minutes), Tokenizer(**self.stage.config['tokenizer'])
        self.asked, self.pooled = cache(self.asked), cache(self.pooled)

    def network(self, seed: int | None) -> PoolingClassifier:
        "All layers of the language model; of one with random weights, where there is a seed."
        model = new_classifier(self.stage, 2, replace(CLASSIFY, layers='all')).eval()
        if seed is None:
            return model
        with seeded(seed):
            return PoolingClassifier(model.encoder.config, 2, layers='all').eval()

    # --- probes

    def asked(self, name: str, of: str) -> TextData:
        "Training texts of a set, the same for every network; half as many where each token is asked about."
        data, n = load_data(name), self.args.texts // (2 if of == 'tokens' else 1)
        return data.select(draw_labels(data, min(n, len(data)), 3))

    def labels(self, question: str) -> np.ndarray:
        "Of each token, or of each text."
        data = self.asked(*QUESTIONS[question])
        lists = list(self.tokenizer.map(data.texts))
        tokens, sizes = [t for tokens in lists for t in tokens], np.array([*map(len, lists)])
        return {
            'word': lambda: word_labels(tokens),
            'capital': lambda: capital_labels(tokens),
            'length': lambda: np.digitize(sizes, np.quantile(sizes, (0.25, 0.5, 0.75))),
        }.get(question, lambda: np.asarray(data.labels))()

    def features(self, model: PoolingClassifier, name: str, of: str) -> dict[str, np.ndarray]:
        "Of the tokens of a set, or of its texts, by layer."
        batches = documents(self.stage, self.asked(name, of))
        return token_features(model.encoder, batches) if of == 'tokens' else split_layers(pooled_features(model, batches), model.encoder.config)

    def rows(self, y: np.ndarray, seed: int) -> np.ndarray:
        "The examples of a seed."
        return balanced_rows(y, self.args.rows // (y.max() + 1), seed)

    # --- classifiers

    def split(self, name: str, which: str) -> TextData:
        data, most = load_data(name, which), {'validation': self.args.valid, 'test': self.args.test}[which]
        return data.select(draw_labels(data, min(most, len(data)), 2))

    def few(self, name: str, n: int, seed: int) -> TextData:
        data = load_data(name)
        return data.select(draw_labels(data, n, seed))

    def pooled(self, name: str, which: str, n: int = 0, seed: int = 0) -> dict[str, np.ndarray]:
        "What a frozen network makes of texts: the last layer, and all of them."
        data = self.few(name, n, seed) if which == 'few' else self.split(name, which)
        every = frozen_features(self.stage, data, 'all')
        return {'last': list(split_layers(every, AWDLSTMConfig(**self.stage.config['architecture'])).values())[-1], 'all': every}

    def frozen(self, name: str, n: int, layers: str, penalty: float, seed: int, which: str) -> float:
        x, few = self.pooled(name, 'few', n, seed)[layers], self.few(name, n, seed)
        found = Probe(x, few.labels, penalty)(self.pooled(name, which)[layers])
        return float((found == self.split(name, which).labels).mean())

    def trained(self, name: str, n: int, layers: str, lr: float, seed: int, which: str) -> float:
        "Training is validated on a few of its own texts: nothing is chosen by it."
        few, out, asked = self.few(name, n, seed), self.args.out / f'{name}-{n}-{layers}-{lr}-{seed}', self.split(name, which)
        settings = replace(CLASSIFY, layers=layers, lr=lr, seed=seed)
        train_classifier(self.stage, few, out, few.select(range(min(20, n))), settings, callback=self.deadline, progress_bar=False)
        found = load_classifier(out).predict_proba(asked.texts).argmax(1)
        shutil.rmtree(out)
        return float((found == np.asarray(asked.labels)).mean())


def about(args: Options, work: Study) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."
    return {
        'lm': work.stage.config['sha256']['model.safetensors'],
        'lm_saw_test_texts': False,
        'settings': CLASSIFY.identity(),
        'rates': list(args.rates),
        'penalties': list(PENALTIES),
        'test_texts': args.test,
        'valid_texts': args.valid,
        'probe_texts': args.texts,
        'probe_examples': args.rows,
        'widths': layer_widths(work.network(None).encoder.config),
    }


def study(args: Options, say: Callable[[str], None] = print):
    "Probes first, then classifiers."
    work, path = Study(args), args.results / 'layers.json'
    what, commit = about(args, work), git_commit()
    before = earlier(path, what) or {}
    done = {k: before.get(k, new) for k, new in {'majority': {}, 'probes': [], 'chosen': {}, 'points': []}.items()}

    def write():
        lists = {k: list(dict.fromkeys(p[k] for p in done['points'])) for k in ('data', 'labels')}
        record(path, 'python runs/layers.py', what | {'commit': commit} | lists | done)

    probes(work, done, write, say)
    points(work, done, write, say)


def probes(work: Study, done: dict, write: Callable, say: Callable):
    "Every question to every layer: of the language model, with every draw of examples, and of a random network a seed."
    y = {question: work.labels(question) for question in QUESTIONS}
    done['majority'] = {question: float(max(np.bincount(rows)) / len(rows)) for question in y for rows in [y[question][work.rows(y[question], 0)]]}
    networks = {('learnt', None): work.args.seeds} | {('random', seed): [seed] for seed in work.args.seeds}
    for (name, own), seeds in networks.items():
        model = None
        for (data, of), questions in {where: [q for q in QUESTIONS if QUESTIONS[q] == where] for where in QUESTIONS.values()}.items():
            left = [(q, s) for q in questions for s in seeds if not any((p['question'], p['network'], p['seed']) == (q, name, s) for p in done['probes'])]
            if not left:
                continue
            work.deadline.check()
            model = model or work.network(own)
            x = work.features(model, data, of)
            for question, seed in left:
                rows = work.rows(y[question], seed)
                for layer in x:
                    right = probe(x[layer][rows], y[question][rows])
                    done['probes'].append({'question': question, 'network': name, 'layer': layer, 'seed': seed, 'accuracy': right})
                rights = [f'{p["accuracy"]:.3f}' for p in done['probes'][-len(x) :]]
                say(f'{name}, {question}, seed {seed}: {" ".join(rights)}')
            write()


def points(work: Study, done: dict, write: Callable, say: Callable):
    "The last layer against all: frozen, which is soon done, and then trained, seeds outermost so that a study cut short has something to say of each."
    args = work.args
    ways = {'frozen': (work.frozen, PENALTIES), 'trained': (work.trained, args.rates)}
    for way, (measure, choices) in ways.items():
        for seed in args.seeds:
            for n in args.labels:
                for data in args.data:
                    for layers in ('last', 'all'):
                        point = {'data': data, 'labels': n, 'way': way, 'layers': layers, 'seed': seed}
                        if any(point.items() <= p.items() for p in done['points']):
                            continue
                        work.deadline.check()
                        tried = done['chosen'].setdefault(f'{data}, {n} labels, {way}, {layers}', {})
                        for choice in choices:
                            if str(choice) not in tried:
                                tried[str(choice)] = measure(data, n, layers, choice, CHOOSING, 'validation')
                                write()
                        best = float(max(tried, key=tried.get))
                        done['points'].append(point | {'chosen': best, 'accuracy': measure(data, n, layers, best, seed, 'test')})
                        write()
                        say(f'{data:>12}, {n} labels, {way}, {layers}, seed {seed}: {done["points"][-1]["accuracy"]:.4f} ({best:.3g})')


def main():
    carry_out(study, Options)


if __name__ == '__main__':
    main()
