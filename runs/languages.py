"""What pieces of words are worth, and what a language model is for which nobody has one: classifiers from few labels, by language models of whole
words and of subwords, beside a network that has read nothing, counted words and counted letters. Hausa has its tweets alone: stage 1 reads them, and
there is nothing for stage 2 to add. German reads law in stage 1 and tweets in stage 2. Heads begin as linear probes, but for that of the network that
has read nothing. Classes are weighed alike by all, and of each the best of three rates (of a linear model: penalties) is taken, and of more while the
best is the lowest or the highest: by macro-F1 on validation texts, the mean of three draws. The record is written after every point; run again, the
study goes on."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import carry_out
from hold_back import hold_back
from rates import best_rate
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from typer import Argument, Option

from ulmfit_nb import fine_tune, load_classifier, pretrain, train_classifier
from ulmfit_nb.baselines import draw_labels, from_scratch
from ulmfit_nb.checkpoint import same_settings
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData, fingerprint
from ulmfit_nb.data_checks import unknown_words
from ulmfit_nb.pretraining import evaluate_texts
from ulmfit_nb.settings import PRESETS, ClassifierSettings, FineTuneSettings, PretrainSettings
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm, untrained
from ulmfit_nb.tokenization import Tokenizer

RESULTS = Path(__file__).parent.parent / 'results'
NETWORKS, SCRATCH = ('words', 'subwords'), 'scratch'
COUNTED = {  # what is counted, in words and pairs of them, or in two to five letters within a word
    'tf-idf': dict(ngram_range=(1, 2)),
    'character n-grams': dict(analyzer='char_wb', ngram_range=(2, 5)),
}
ROWS = (SCRATCH, *NETWORKS, *COUNTED)
STRENGTHS = (1, 10, 100)  # of a linear model, the inverse of its penalty: what is tried first
CHOOSING = (100, 101, 102)  # seeds that choose
TINY = PRESETS['tiny']
CLASSIFY = replace(TINY.train_classifier, head='linear-probe', lr=0.002, factor=1.0, class_weight='balanced')
UNREAD = replace(TINY.train_classifier, lr=0.08, class_weight='balanced')  # from scratch: features of random weights are no ground for a probe


@dataclass(frozen=True)
class Plan:
    "What is read and learnt in a language."

    lang: str  # as spaCy has it
    general: str | None  # folder with the texts of stage 1; None: those of the task, and no stage 2
    task: str  # folder with labelled texts
    subwords: int
    pretrain: PretrainSettings
    fine_tune: FineTuneSettings
    classify: ClassifierSettings = CLASSIFY


LITTLE = dict(emb_sz=100, n_hid=200, n_layers=2, bs=32, bptt=35, lr=0.01, drop_mult=0.2)
PLANS = {
    'hausa': Plan('xx', None, 'afrisenti_hausa', 4000, PretrainSettings(**LITTLE, min_freq=3, max_vocab=8000, epochs=20), TINY.fine_tune),
    'german': Plan(
        'de',
        'de_gesetze',
        'germeval2018',
        8000,
        PretrainSettings(**LITTLE, min_freq=3, max_vocab=20_000),
        replace(TINY.fine_tune, bs=16, epochs=20, lr=0.01, max_vocab=20_000),
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
    valid: Annotated[int, Option(help='validation texts, likewise; of the training texts, where there is no such split')] = 1000
    results: Annotated[Path, Option(help='directory of the record')] = RESULTS
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6
    commit: Annotated[str | None, Option(help='of this code, where there is no git to ask')] = None

    @property
    def plan(self) -> Plan:
        if self.language not in PLANS:
            sys.exit(f'no plan for {self.language!r}, but {", ".join(PLANS)}.')
        return PLANS[self.language]

    def file(self, folder: str, split: str) -> Path:
        root = self.data or os.environ.get('ULMFIT_NB_DATA')
        if not root:
            sys.exit('Where are the texts? Say ULMFIT_NB_DATA=/path/to/data, or --data.')
        return Path(root) / folder / f'{split}.parquet'

    def read(self, folder: str, split: str) -> TextData:
        return load_data(self.file(folder, split), label='label' if folder == self.plan.task else None)


def parts(args: Study) -> dict[str, TextData]:
    "What is read, what labels are drawn from, what chooses, and what is asked about at last."
    read, test = args.read(args.plan.task, 'train'), args.read(args.plan.task, 'test')
    if args.file(args.plan.task, 'validation').exists():
        train, held = read, args.read(args.plan.task, 'validation')
        held = held.select(draw_labels(held, min(args.valid, len(held)), 1))
    elif args.valid < len(read):
        train, held = hold_back(read, args.valid)
    else:
        sys.exit(f'{len(read)} labelled texts: {args.valid} for validation leave none to learn from. Give a smaller --valid.')
    return {'read': read, 'train': train, 'validation': held, 'test': test.select(draw_labels(test, min(args.test, len(test)), 2))}


class Models:
    "The language models of a study, and what classifiers that start from them are worth."

    def __init__(self, args: Study, texts: dict[str, TextData]):
        self.args, self.plan, self.texts = args, args.plan, texts
        self.watch = {'callback': Deadline(args.minutes), 'progress_bar': False}

    def language_model(self, row: str) -> Path:
        "A row's language model; made at the first call. From scratch: that of whole words, with random weights."
        if row == SCRATCH:
            out = self.args.out / self.args.language / row
            return untrained(self.language_model('words'), out)
        plan, out, task = self.plan, self.args.out / self.args.language / row, self.texts['read'].texts
        general = task if plan.general is None else self.args.read(plan.general, 'train').texts
        how = replace(plan.pretrain, lang=plan.lang, subwords=plan.subwords if row == 'subwords' else None, max_tokens=self.args.tokens)
        first = pretrain(general, out / 'pretrained', how, **self.watch)
        return first if plan.general is None else fine_tune(first, task, out / 'tuned', plan.fine_tune, **self.watch)

    def facts(self, row: str) -> dict:
        "What is to be told of a row's language model."
        path, held = self.language_model(row), self.texts['test'].texts
        lm = load_lm(path)
        tokenizer = Tokenizer(**lm.config['tokenizer'])
        found = evaluate_texts(lm.model, lm.vocab, held, tokenizer=tokenizer)
        words = sum(len(text.split()) for text in held)
        share, _ = unknown_words(held, lm.vocab, tokenizer, most=len(held))
        bits = np.log2(np.e) * np.log(found['fair_perplexity']) * found['tokens'] / sum(map(len, held))
        histories = [json.loads(p.read_text()) for p in path.parent.glob('*/history.json')]
        return {
            'vocabulary': len(lm.vocab),
            'tokens_a_word': found['tokens'] / words,
            'unknown': share,
            'fair_bits_a_character': float(bits),
            'weights': sum(p.numel() for p in lm.model.parameters()),
            'minutes': sum(history[-1]['minutes'] for history in histories),
        }

    def figures(self, row: str, n: int, strength: float, seed: int, which: str) -> dict[str, float]:
        "Accuracy and macro-F1 of a classifier on `n` labels. `strength`: the rate, or the inverse of the penalty."
        few, asked = self.texts['train'].select(draw_labels(self.texts['train'], n, seed)), self.texts[which]
        found = (self.counted if row in COUNTED else self.trained)(row, few, strength, seed, asked.texts)
        return {'accuracy': float(np.mean(found == asked.labels)), 'macro_f1': float(f1_score(asked.labels, found, average='macro'))}

    def settings(self, row: str) -> ClassifierSettings:
        return UNREAD if row == SCRATCH else self.plan.classify

    def trained(self, row: str, few: TextData, lr: float, seed: int, asked: list[str]) -> np.ndarray:
        "(texts,) what a network says. Training is validated on a few of its own texts: nothing is chosen by it."
        out = self.args.out / self.args.language / f'{row}-{len(few)}-{lr}-{seed}'
        lm, settings = self.language_model(row), replace(self.settings(row), lr=lr, seed=seed)
        if row == SCRATCH:
            settings = replace(settings, plan=from_scratch([*load_lm(lm).model.encoder.layer_groups(), 'head'], settings, len(few)))
        train_classifier(lm, few, out, few.select(range(min(20, len(few)))), settings, **self.watch)
        found = load_classifier(out).predict_proba(asked).argmax(1)
        shutil.rmtree(out)
        return found

    def counted(self, row: str, few: TextData, strength: float, seed: int, asked: list[str]) -> np.ndarray:
        "(texts,) what logistic regression says of what is counted, weighed by TF-IDF."
        linear = LogisticRegression(C=strength, max_iter=1000, class_weight='balanced')
        return make_pipeline(TfidfVectorizer(sublinear_tf=True, **COUNTED[row]), linear).fit(few.texts, few.labels).predict(asked)

    def chosen_by(self, row: str, n: int, strength: float) -> float:
        "Macro-F1 on validation texts, the mean of some draws."
        return float(np.mean([self.figures(row, n, strength, seed, 'validation')['macro_f1'] for seed in CHOOSING]))


def first_rates(settings: ClassifierSettings) -> list[float]:
    "The rates that are tried first."
    return [settings.lr / 2, settings.lr, settings.lr * 2]


def about(args: Study, texts: dict[str, TextData]) -> dict:
    "What the record says of a language beside its points. Points are only added to a record that says the same."
    plan = args.plan
    settings = {name: getattr(plan, name).identity() for name in ('pretrain', 'fine_tune', 'classify')}
    return {k: v for k, v in asdict(plan).items() if k not in settings} | {
        'settings': settings,
        'stage_1_tokens': args.tokens,
        'texts': {name: fingerprint(data.texts) for name, data in texts.items()}
        | ({'general': fingerprint(args.read(plan.general, 'train').texts)} if plan.general else {}),
        'tried first': {'rates': first_rates(plan.classify), SCRATCH: first_rates(UNREAD), 'penalties': list(STRENGTHS)},
        'chosen with seeds': list(CHOOSING),
        'counted': COUNTED,
        'labels': texts['test'].classes,
        'test_texts': len(texts['test']),
        'valid_texts': len(texts['validation']),
    }


def study(args: Study, say: Callable[[str], None] = print):
    "All points of a language, one after another, seeds outermost so that a study cut short has something to say."
    texts = parts(args)
    what = json.loads(json.dumps(about(args, texts)))  # as a record gives it back: tuples as lists
    path, commit = args.results / 'languages.json', args.commit or git_commit()
    everything = json.loads(path.read_text(encoding='utf-8'))['languages'] if path.exists() else {}
    shares = [texts['test'].labels.count(i) / len(texts['test']) for i in range(len(texts['test'].classes))]
    mine = everything.setdefault(args.language, what | {'shares': shares, 'language_models': {}, 'chosen': {}, 'points': []})
    same_settings({k: mine.get(k) for k in what}, what, path)
    models = Models(args, texts)

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
                tried = mine['chosen'].setdefault(f'{n} labels, {row}', {})
                first = STRENGTHS if row in COUNTED else first_rates(models.settings(row))
                strength, _ = best_rate(first, partial(models.chosen_by, row, n), tried, write)
                mine['points'].append(point | {'strength': strength} | models.figures(row, n, strength, seed, 'test'))
                write()
                say(f'{row:<18} {n:>5} labels, seed {seed}: macro-F1 {mine["points"][-1]["macro_f1"]:.4f} ({strength:.3g})')


def main():
    carry_out(study, Study)


if __name__ == '__main__':
    main()
