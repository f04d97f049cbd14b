"""From LSTM to today: an LSTM and a Transformer with as many weights in their layers read the same texts, little and more, and then learn from few
labels. Both at a rate that rises for a hundred steps and stays, so that each point of a curve is what reading so far gives; each at the best of three
rates, and of more while the best one is the lowest or the highest. Seconds are those of one core's computing. The record is written after every run;
called again, the study goes on with the next one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import torch
from command_line import carry_out
from earlier import earlier
from rates import rates_to_try
from torch import nn
from typer import Option

from ulmfit_nb.awd_lstm import CLASSIFIER_DROPOUTS, AWDLSTMConfig, LanguageModel
from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.batching import LMBatches, TokenStream
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier, evaluate_classifier
from ulmfit_nb.classifier_training import doc_batches
from ulmfit_nb.cost import Deadline
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import TextData, fingerprint
from ulmfit_nb.language_model import LMTask, evaluate_lm
from ulmfit_nb.ngrams import unknown_charge
from ulmfit_nb.schedules import all_at_once, gradual_unfreezing, stlr
from ulmfit_nb.settings import PRESETS, n_epochs
from ulmfit_nb.sources import load_data
from ulmfit_nb.tokenization import Tokenizer, Vocab
from ulmfit_nb.training import fit
from ulmfit_nb.transformer import TransformerClassifier, TransformerEncoder, TransformerLM

CLASSIFY = PRESETS['small'].train_classifier
KINDS = ('lstm', 'transformer')
ROW = 64  # tokens in a row of training, and the reach of a Transformer: it knows no place that it hasn't trained
BEYOND = 2  # rates at most beyond those that are given
THAW = 3  # groups that are thawed one by one: as many passes for both, though the Transformer has a layer more
READINGS = {'sentences': None, 'wikipedia': None, 'both': 'wikipedia'}  # what is read, and by whom; both: the sentences, by who has read Wikipedia
CHOOSING = 100  # the seed that chooses a classifier's rate


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    general: Annotated[str, Option(help='named set with articles of Wikipedia; one that ships is called wikipedia')] = 'enwiki2015'
    tokens: Annotated[int, Option(help='of it, read once')] = 500_000
    epochs: Annotated[int, Option(help='passes over the sentences')] = 2
    n: Annotated[int, Option(help='features of a word; the LSTM has twice as many inside, the Transformer three blocks')] = 128
    max_vocab: Annotated[int, Option(help='words')] = 8000
    seeds: Annotated[list[int], Option(help='of weights, dropout and order')] = (0, 1, 2)
    label_seeds: Annotated[list[int], Option(help='of the draw of labels, the head, dropout and order')] = (0, 1, 2, 3, 4)
    lstm_rates: Annotated[list[float], Option(help='that an LSTM tries first')] = (0.003, 0.01, 0.03)
    transformer_rates: Annotated[list[float], Option(help='that a Transformer tries first')] = (0.001, 0.003, 0.01)
    rates: Annotated[list[float], Option(help='that classifiers try first')] = (0.002, 0.005, 0.0125)
    labels: Annotated[list[int], Option(help='numbers of labels')] = (100, 500)
    test: Annotated[int, Option(help='test texts')] = 1000
    held: Annotated[int, Option(help='tokens by which a rate is chosen, and tokens of the validation texts for each point of a curve')] = 8000
    marks: Annotated[int, Option(help='points of a curve')] = 6
    out: Annotated[Path, Option(help='directory of the language models')] = Path('runs/out/transformer')
    results: Annotated[Path, Option(help='directory of the record')] = Path(__file__).parent.parent / 'results'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6


def warm_up(t: float, T: int, lr_max: float) -> float:
    "A hundred steps up, then level."
    return lr_max * min(1, (t + 1) / 100)


def read_until(texts: list[str], n: int) -> list[list[str]]:
    "Tokens of texts, until there are `n`."
    lists = []
    for tokens in Tokenizer().map(texts):
        lists.append(tokens)
        n -= len(tokens)
        if n <= 0:
            break
    return lists


class Study:
    "Language models and classifiers of both kinds, each made when it is first asked for."

    def __init__(self, args: Options):
        self.args, self.deadline, self.sentences = args, Deadline(args.minutes), load_data('subjectivity')
        lists = {
            ('wikipedia', 'train'): read_until(load_data(args.general).texts, args.tokens),
            ('wikipedia', 'validation'): read_until(load_data(args.general, 'validation').texts, 2 * args.held),
            ('sentences', 'train'): list(Tokenizer().map(self.sentences.texts)),
            ('sentences', 'validation'): list(Tokenizer().map(load_data('subjectivity', 'validation').texts)),
        }
        self.vocab = Vocab.build(lists['wikipedia', 'train'] + lists['sentences', 'train'], min_freq=3, max_vocab=args.max_vocab)
        self.streams = {k: TokenStream.of([self.vocab.numericalize(t) for t in texts]) for k, texts in lists.items()}
        self.unknown = {k: len({t for tokens in texts for t in tokens if t not in self.vocab}) for k, texts in lists.items()}
        self.split = cache(self.split)

    def language_model(self, kind: str, seed: int) -> nn.Module:
        n, vocab_sz = self.args.n, len(self.vocab)
        torch.manual_seed(seed)
        if kind == 'transformer':
            return TransformerLM(TransformerEncoder(vocab_sz, n=n, n_layers=3, reach=ROW, p=0.1))
        return LanguageModel(AWDLSTMConfig(vocab_sz, n, 2 * n, 2).drop(0.5))

    def judge(self, model: nn.Module, corpus: str, which: str) -> float:
        """Fair perplexity: on the first validation tokens, or by those behind them, which choose a rate. Read in half rows, so that behind the first
        of them a Transformer sees half a row at least."""
        n = self.args.held
        ids = self.streams[corpus, 'validation'].ids
        part = ids[:n] if which == 'test' else ids[n : 2 * n]
        charge = unknown_charge(part, self.vocab, self.unknown[corpus, 'validation'])
        return charge * evaluate_lm(model, LMBatches(part, bs=8, bptt=ROW // 2))['perplexity']

    def read(self, kind: str, reading: str, rate: float, seed: int, before: Path | None) -> dict:
        "A language model's curve, and what it is chosen by; its weights are kept. `before`: weights to begin with."
        corpus, model = 'wikipedia' if reading == 'wikipedia' else 'sentences', self.language_model(kind, seed)
        if before:
            model.load_state_dict(torch.load(before, weights_only=True))
        epochs = 1 if corpus == 'wikipedia' else self.args.epochs
        batches = LMBatches(*self.streams[corpus, 'train'], bs=8, bptt=ROW, shuffle=True, seed=seed)
        total, curve, spent, began = epochs * batches.bs * sum(batches.lengths()), [], 0.0, time.process_time()

        def look(seen, loss):
            nonlocal spent, began
            self.deadline(seen, loss)
            if seen >= total * (len(curve) + 1) // self.args.marks:
                spent += time.process_time() - began
                curve.append({'tokens': seen, 'seconds': round(spent, 2), 'perplexity': self.judge(model, corpus, 'test')})
                model.train()
                began = time.process_time()

        ar = {} if kind == 'lstm' else {'alpha': 0, 'beta': 0}
        plan = all_at_once(list(model.layer_groups()), rate, epochs, 1)
        fit(LMTask(model, batches, **ar), plan, schedule=warm_up, seed=seed, callback=look, progress_bar=False, precision='fp32')
        self.args.out.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), self.weights(kind, reading, rate, seed))
        return {'chosen_by': self.judge(model, corpus, 'choose'), 'curve': curve}

    def weights(self, kind: str, reading: str, rate: float, seed: int) -> Path:
        return self.args.out / f'{kind}-{reading}-{rate:.3g}-{seed}.pt'

    def few(self, n: int, seed: int) -> TextData:
        return self.sentences.select(draw_labels(self.sentences, n, seed))

    def split(self, which: str) -> TextData:
        data = load_data('subjectivity', which)
        return data.select(draw_labels(data, min(self.args.test, len(data)), 2))

    def classify(self, kind: str, before: Path | None, n: int, rate: float, seed: int, which: str) -> float:
        "Accuracy after stage 3, from the weights of a language model, or from nothing."
        lm, few = self.language_model(kind, seed), self.few(n, seed)
        if before:
            lm.load_state_dict(torch.load(before, weights_only=True))
        if kind == 'lstm':
            model = PoolingClassifier(lm.config.drop(1, **CLASSIFIER_DROPOUTS).drop(CLASSIFY.drop_mult), 2)
            model.encoder.load_state_dict(lm.encoder.state_dict())
        else:
            model = TransformerClassifier(lm.encoder, 2, ps=(CLASSIFIER_DROPOUTS['output_p'] * CLASSIFY.drop_mult, 0.1))
        docs = doc_batches(few, self.vocab, CLASSIFY.bs, True, False, seed)
        names, epochs = list(model.layer_groups()), n_epochs(CLASSIFY.epochs, CLASSIFY.min_steps, docs.n_batches)
        awake = all_at_once(names, rate, epochs + THAW, 1)
        plan = gradual_unfreezing(names, rate, epochs, CLASSIFY.factor, steps=THAW) if before else awake
        ar = {} if kind == 'lstm' else {'alpha': 0, 'beta': 0}
        fit(ClassifierTask(model, docs, **ar), plan, schedule=stlr, seed=seed, callback=self.deadline, progress_bar=False, precision='fp32')
        return evaluate_classifier(model, doc_batches(self.split(which), self.vocab, 64, False, False, 0))['accuracy']


def about(args: Options, work: Study) -> dict:
    "What the record says beside its runs. Runs are only added to a record that says the same."
    sizes = {kind: sum(p.numel() for p in work.language_model(kind, 0).parameters()) for kind in KINDS}
    return {
        'tokens': {f'{corpus}, {split}': len(s.ids) for (corpus, split), s in work.streams.items()},
        'texts': {'sentences': fingerprint(work.sentences.texts)},
        'vocab_sz': len(work.vocab),
        'weights': sizes,
        'epochs': args.epochs,
        'n': args.n,
        'row': ROW,
        'thaw': THAW,
        'held': args.held,
        'test_texts': args.test,
    }


def study(args: Options, say: Callable[[str], None] = print):
    "Little text first, then more; of each the first seed, classifiers, and the other seeds."
    torch.set_num_threads(1)
    work, path = Study(args), args.results / 'transformer.json'
    what, commit = about(args, work), git_commit()
    before = earlier(path, what) or {}
    done = {k: before.get(k, new) for k, new in {'counting words': {}, 'tried': {}, 'runs': [], 'points': []}.items()}

    def write():
        record(path, 'ULMFIT_NB_DATA=/path/to/data python runs/transformer.py', what | {'commit': commit} | done)

    for readings, starts in ((('sentences',), ('nothing', 'sentences')), (('wikipedia', 'both'), ('both',))):
        language_models(work, readings, args.seeds[:1], done, write, say)
        classifiers(work, starts, done, write, say)
        language_models(work, readings, args.seeds[1:], done, write, say)


def best(done: dict, name: str) -> float:
    return float(min(done['tried'][name], key=done['tried'][name].get))


def language_models(work: Study, readings: tuple[str, ...], seeds: list[int], done: dict, write: Callable, say: Callable):
    "Curves of each kind and reading; the first seed of all chooses the rate."
    for seed in seeds:
        for reading in readings:
            for kind in KINDS:
                name, first = f'{kind}, {reading}', READINGS[reading]
                start = work.weights(kind, first, best(done, f'{kind}, {first}'), seed) if first else None
                tried = done['tried'].setdefault(name, {})
                choosing = seed == work.args.seeds[0]
                first_rates = getattr(work.args, f'{kind}_rates')
                for rate in rates_to_try(first_rates, tried, BEYOND, min) if choosing else [best(done, name)]:
                    run = {'kind': kind, 'reading': reading, 'rate': rate, 'seed': seed}
                    if any(run.items() <= r.items() for r in done['runs']):
                        continue
                    found = work.read(kind, reading, rate, seed, start)
                    done['runs'].append(run | found)
                    if choosing:
                        tried[str(rate)] = found['chosen_by']
                    write()
                    last = found['curve'][-1]
                    say(f'{name}, rate {rate:.3g}, seed {seed}: perplexity {last["perplexity"]:.1f} in {last["seconds"]:.0f} s')


def classifiers(work: Study, starts: tuple[str, ...], done: dict, write: Callable, say: Callable):
    "Few labels, from nothing and from what was read; and counted words."
    args = work.args
    for seed in args.label_seeds:
        for n in args.labels:
            counted = done['counting words'].setdefault(str(n), [])
            if len(counted) <= args.label_seeds.index(seed):
                counted.append(count_words(work.few(n, seed)).score(work.split('test').texts, work.split('test').labels))
            for start in starts:
                for kind in KINDS:
                    name, point = f'{kind}, {start}, {n} labels', {'kind': kind, 'start': start, 'labels': n, 'seed': seed}
                    if any(point.items() <= p.items() for p in done['points']):
                        continue
                    first = args.seeds[0]
                    weights = None if start == 'nothing' else work.weights(kind, start, best(done, f'{kind}, {start}'), first)
                    tried = done['tried'].setdefault(name, {})
                    for rate in rates_to_try(args.rates, tried, BEYOND, min):
                        tried[str(rate)] = 1 - work.classify(kind, weights, n, rate, CHOOSING, 'validation')
                        write()
                    right = work.classify(kind, weights, n, best(done, name), seed, 'test')
                    done['points'].append(point | {'rate': best(done, name), 'accuracy': right})
                    write()
                    say(f'{name}, seed {seed}: {right:.4f} (rate {best(done, name):.3g})')


def main():
    carry_out(study, Options)


if __name__ == '__main__':
    main()
