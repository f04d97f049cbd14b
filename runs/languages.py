"""What pieces of words are worth, and what a language model is for which nobody has one: classifiers from few labels, by language models of whole
words and of subwords, beside counted words and counted letters. Hausa has its tweets alone: stage 1 reads them, and there is nothing for stage 2 to
add. German reads law in stage 1 and tweets in stage 2. The record is written after every point; run again, the study goes on."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import carry_out
from typer import Argument, Option

from ulmfit_nb import fine_tune, load_classifier, pretrain, train_classifier
from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.checkpoint import same_settings
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData, fingerprint
from ulmfit_nb.data_checks import unknown_words
from ulmfit_nb.pretraining import evaluate_texts
from ulmfit_nb.settings import PRESETS, ClassifierSettings, FineTuneSettings, PretrainSettings
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Tokenizer

RESULTS = Path(__file__).parent.parent / 'results'
NETWORKS, COUNTED, LETTERS = ('words', 'subwords'), 'tf-idf', 'character n-grams'
ROWS = (*NETWORKS, COUNTED, LETTERS)


@dataclass(frozen=True)
class Plan:
    "What is read and learnt in a language."

    lang: str  # as spaCy has it
    general: str | None  # folder with the texts of stage 1; None: those of the task, and no stage 2
    task: str  # folder with labelled texts
    subwords: int
    pretrain: PretrainSettings
    fine_tune: FineTuneSettings
    classify: ClassifierSettings


LITTLE = dict(emb_sz=100, n_hid=200, n_layers=2, bs=32, bptt=35, lr=0.01, drop_mult=0.2)
TINY = PRESETS['tiny']
PLANS = {
    'hausa': Plan('xx', None, 'afrisenti_hausa', 4000, PretrainSettings(**LITTLE, min_freq=3, max_vocab=8000, epochs=6), TINY.fine_tune, TINY.train_classifier),
    'german': Plan(
        'de',
        'de_gesetze',
        'germeval2018',
        8000,
        PretrainSettings(**LITTLE, min_freq=3, max_vocab=20_000),
        replace(TINY.fine_tune, bs=16, epochs=6, lr=0.01, max_vocab=20_000),
        TINY.train_classifier,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Study:
    "What is studied, and how large it is: the options of the command line."

    language: Annotated[str, Argument(help=f'one of {", ".join(PLANS)}')]
    out: Annotated[Path, Option(help='directory for the language models and the classifier under way')]
    data: Annotated[Path | None, Option(help='directory with the folders of texts. Default: ULMFIT_NB_DATA')] = None
    sizes: Annotated[list[int], Option(help='numbers of labels')] = (100, 500)
    seeds: Annotated[list[int], Option(help='of the draw of labels, the head, dropout and the order of the data')] = (0, 1, 2, 3, 4)
    tokens: Annotated[int | None, Option(help='of stage 1 at most; default: all there are')] = None
    test: Annotated[int, Option(help='test texts, the same for all points')] = 1500
    results: Annotated[Path, Option(help='directory of the record')] = RESULTS
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6
    commit: Annotated[str | None, Option(help='of this code, where there is no git to ask')] = None

    @property
    def plan(self) -> Plan:
        if self.language not in PLANS:
            sys.exit(f'no plan for {self.language!r}, but {", ".join(PLANS)}.')
        return PLANS[self.language]

    def read(self, folder: str, split: str) -> TextData:
        root = self.data or os.environ.get('ULMFIT_NB_DATA')
        if not root:
            sys.exit('Where are the texts? Say ULMFIT_NB_DATA=/path/to/data, or --data.')
        labelled = {'label': 'label'} if folder == self.plan.task else {'label': None}
        return load_data(Path(root) / folder / f'{split}.parquet', **labelled)


class Models:
    "The language models of a study, and what classifiers that start from them are worth."

    def __init__(self, args: Study, train: TextData, test: TextData):
        self.args, self.plan, self.train, self.test = args, args.plan, train, test
        self.watch = {'callback': Deadline(args.minutes), 'progress_bar': False}

    def language_model(self, row: str) -> Path:
        "A row's language model; made at the first call."
        plan, out = self.plan, self.args.out / self.args.language / row
        general = self.train.texts if plan.general is None else self.args.read(plan.general, 'train').texts
        how = replace(plan.pretrain, lang=plan.lang, subwords=plan.subwords if row == 'subwords' else None, max_tokens=self.args.tokens)
        first = pretrain(general, out / 'pretrained', how, **self.watch)
        return first if plan.general is None else fine_tune(first, self.train.texts, out / 'tuned', plan.fine_tune, **self.watch)

    def facts(self, row: str) -> dict:
        "What is to be told of a row's language model."
        lm, held = load_lm(self.language_model(row)), self.test.texts
        tokenizer = Tokenizer(**lm.config['tokenizer'])
        found = evaluate_texts(lm.model, lm.vocab, held, tokenizer=tokenizer)
        words = sum(len(text.split()) for text in held)
        share, _ = unknown_words(held, lm.vocab, tokenizer, most=len(held))
        history = json.loads((self.language_model(row) / 'history.json').read_text())
        bits = np.log2(np.e) * np.log(found['fair_perplexity']) * found['tokens'] / sum(map(len, held))
        return {
            'vocabulary': len(lm.vocab),
            'tokens_a_word': found['tokens'] / words,
            'unknown': share,
            'fair_bits_a_character': float(bits),
            'weights': sum(p.numel() for p in lm.model.parameters()),
            'minutes': history[-1]['minutes'],
        }

    def accuracy(self, row: str, n: int, seed: int) -> float:
        "Of a classifier on `n` labels. (Training is validated on a few of its own texts: nothing is chosen by it.)"
        few = self.train.select(draw_labels(self.train, n, 100 + seed))
        if row == COUNTED:
            return float(count_words(few).score(self.test.texts, self.test.labels))
        if row == LETTERS:
            return float(count_letters(few).score(self.test.texts, self.test.labels))
        out = self.args.out / self.args.language / f'{row}-{n}-{seed}'
        train_classifier(self.language_model(row), few, out, few.select(range(min(20, n))), self.plan.classify, seed=seed, **self.watch)
        found = load_classifier(out).predict_proba(self.test.texts).argmax(1)
        shutil.rmtree(out)
        return float((found == np.asarray(self.test.labels)).mean())


def count_letters(train: TextData):  # labelled; gives a fitted scikit-learn pipeline
    "Two to five letters within a word, weighed by TF-IDF, with logistic regression."
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    letters = TfidfVectorizer(analyzer='char_wb', ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(letters, LogisticRegression(C=10, max_iter=1000)).fit(train.texts, train.labels)


def about(args: Study, train: TextData, test: TextData) -> dict:
    "What the record says of a language beside its points. Points are only added to a record that says the same."
    plan = args.plan
    settings = {name: getattr(plan, name).identity() for name in ('pretrain', 'fine_tune', 'classify')}
    return {k: v for k, v in asdict(plan).items() if k not in settings} | {
        'settings': settings,
        'stage_1_tokens': args.tokens,
        'texts': {'labelled': fingerprint(train.texts), 'asked about': fingerprint(test.texts)},
        'labels': train.classes,
        'test_texts': len(test),
    }


def study(args: Study, say: Callable[[str], None] = print):
    "All points of a language, one after another, seeds outermost so that a study cut short has something to say."
    train, test = args.read(args.plan.task, 'train'), args.read(args.plan.task, 'test')
    test = test.select(draw_labels(test, min(args.test, len(test)), 2))
    path, what, commit = args.results / 'languages.json', about(args, train, test), args.commit or git_commit()
    everything = json.loads(path.read_text(encoding='utf-8'))['languages'] if path.exists() else {}
    mine = everything.setdefault(args.language, what | {'language_models': {}, 'points': []})
    same_settings({k: mine.get(k) for k in what}, what, path)
    models = Models(args, train, test)

    def write():
        record(path, 'bash runs/languages.sh', {'lm_saw_test_texts': False, 'commit': commit, 'languages': everything})

    for row in NETWORKS:
        if row not in mine['language_models']:
            mine['language_models'][row] = models.facts(row)
            write()
            say(f'{row}: {mine["language_models"][row]}')
    for seed in args.seeds:
        for n in args.sizes:
            for row in ROWS:
                point = {'start': row, 'labels': n, 'seed': seed}
                if any(point.items() <= p.items() for p in mine['points']):
                    continue
                mine['points'].append(point | {'accuracy': models.accuracy(row, n, seed)})
                write()
                say(f'{row:<18} {n:>5} labels, seed {seed}: {mine["points"][-1]["accuracy"]:.4f}')


def main():
    carry_out(study, Study)


if __name__ == '__main__':
    main()
