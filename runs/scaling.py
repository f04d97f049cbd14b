"""Perplexity on held-out articles by the tokens read and the shape of the model. One vocabulary for all runs, from the largest amount of text;
the smaller amounts are its beginning. Every run is kept when it is done; run again, it goes on."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import TokenStream
from ulmfit_nb.corpus import cached_corpus
from ulmfit_nb.course.records import record
from ulmfit_nb.pretraining import evaluate_texts, train_lm
from ulmfit_nb.schedules import all_at_once, one_cycle, one_cycle_momentum
from ulmfit_nb.settings import TrainSettings
from ulmfit_nb.sources import TextSource, iter_texts
from ulmfit_nb.stages import LM, is_finished, load_lm
from ulmfit_nb.tokenization import Tokenizer, Vocab
from ulmfit_nb.training import FitSettings, RunOptions

RESULTS = Path(__file__).parent.parent / 'results'


class Shape(NamedTuple):
    "Of a language model."

    emb_sz: int
    n_hid: int
    n_layers: int


def shape_of(text: str) -> Shape:
    emb_sz, n_hid, n_layers = map(int, text.split('/'))
    return Shape(emb_sz, n_hid, n_layers)


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    data: Annotated[str, Argument(help='a named set with train and validation splits')]
    out: Annotated[Path, Option(help='directory for the corpus and the runs')]
    tokens: Annotated[list[int], Option(help='read in training')] = (250_000, 500_000, 1_000_000, 2_000_000)
    shapes: Annotated[list[Shape], Option(parser=shape_of, metavar='E/H/L', help='embedding/hidden/layers')] = ('100/200/2', '160/512/2')
    max_vocab: Annotated[int, Option(help='words of the vocabulary')] = 12_000
    bs: Annotated[int, Option(help='rows in a batch: few, so that little text still makes some hundred steps')] = 16
    lr: Annotated[float, Option(help='highest learning rate')] = 0.005
    drop_mult: Annotated[float, Option(help='of all dropouts')] = 0.1
    results: Annotated[Path, Option(help='directory of the record')] = RESULTS
    progress: Annotated[bool, Option('--progress', help='show a progress bar')] = False


def beginning(stream: TokenStream, n_tokens: int) -> TokenStream:
    "The first documents, up to the one in which there are so many tokens."
    n = min(stream.n_docs, int(np.searchsorted(stream.offsets, n_tokens)))
    return TokenStream(stream.ids[: stream.offsets[n]], stream.offsets[: n + 1])


def train(shape: Shape, n_tokens: int, vocab: Vocab, corpus: TokenStream, args: Options) -> Path:
    "The language model's directory; at once, if it is finished already."
    out, stream = args.out / f'{"-".join(map(str, shape))}-{n_tokens}', beginning(corpus, n_tokens)
    settings = dict(shape=shape, max_tokens=n_tokens, data=args.data, max_vocab=args.max_vocab, of=max(args.tokens))
    settings |= dict(bs=args.bs, bptt=70, lr=args.lr, drop_mult=args.drop_mult, seed=0)
    if is_finished(out, settings):
        return out
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(len(vocab), *shape).drop(args.drop_mult))
    plan = all_at_once(list(model.layer_groups()), args.lr, factor=1)
    lm = LM(model, vocab, {'tokenizer': {'lang': 'en'}, 'backwards': False})
    how = FitSettings(schedule=one_cycle, momentum=one_cycle_momentum)
    return train_lm(lm, stream, plan, out, TrainSettings(bs=args.bs), how, RunOptions(progress_bar=args.progress), settings)


def figures_of(lm: Path, shape: Shape, held_out: list[str]) -> tuple[dict, dict]:
    "What a finished run has come to, and what it was tried on."
    model, vocab, config = load_lm(lm)
    history = json.loads((lm / 'history.json').read_text())
    found = evaluate_texts(model, vocab, held_out)
    run = {'shape': '/'.join(map(str, shape)), 'parameters': sum(p.numel() for p in model.parameters()), 'tokens': history[-1]['seen']}
    run |= {k: history[-1][k] for k in ('minutes', 'train_loss')} | {k: found[k] for k in ('valid_loss', 'perplexity', 'fair_perplexity', 'accuracy')}
    return run | {'settings': config['settings']}, {k: found[k] for k in ('texts', 'tokens', 'unknown', 'unknown_words')}


def main():
    args = from_command_line(Options)
    began = time.perf_counter()
    vocab, corpus = cached_corpus(args.out / 'corpus', TextSource(args.data), Tokenizer(), max_vocab=args.max_vocab, max_tokens=max(args.tokens))
    held_out, runs = list(iter_texts(args.data, 'validation')), []
    for n_tokens in sorted(args.tokens):
        for shape in args.shapes:
            r, tried_on = figures_of(train(shape, n_tokens, vocab, corpus, args), shape, held_out)
            runs.append(r)
            print(f'{r["shape"]:>12}, {r["tokens"]:>9,} tokens: perplexity {r["perplexity"]:.1f}, {r["minutes"]} minutes', flush=True)
    figures = {'data': args.data, 'vocab': len(vocab), 'held_out': {'split': 'validation', **tried_on}}
    record(args.results / 'scaling.json', 'bash runs/scaling.sh', figures | {'runs': runs, 'minutes': round((time.perf_counter() - began) / 60, 1)})


if __name__ == '__main__':
    main()
