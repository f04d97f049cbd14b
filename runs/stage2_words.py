"""Stage 2 on few texts: which words should it know? A record of classifiers, results/stage2_words_DATA.json: python runs/stage2_words.py"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from command_line import from_command_line
from typer import Option

from ulmfit_nb.awd_lstm import LM_DROPOUTS
from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.batching import TokenStream
from ulmfit_nb.classifier_training import train_classifier
from ulmfit_nb.course.records import record
from ulmfit_nb.demo import accuracy_of
from ulmfit_nb.fine_tuning import change_vocab
from ulmfit_nb.pretraining import train_lm
from ulmfit_nb.schedules import all_at_once
from ulmfit_nb.settings import n_epochs, override, recipe
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import LM, load_lm
from ulmfit_nb.tokenization import Tokenizer, Vocab
from ulmfit_nb.training import FitSettings, RunOptions

ROOT = Path(__file__).parent.parent
QUIET = RunOptions(progress_bar=False)


def vocabularies(old: Vocab, read: list[list[str]], all_of_them: list[list[str]], settings) -> dict[str, Vocab]:
    "The words that stage 2 may know: of the texts that it reads, of all there are, those it knew before, or the first and the third."
    own = Vocab.build(read, settings.min_freq, settings.max_vocab)
    return {
        'their own': own,
        'their own and those it had': Vocab([*own.words, *(word for word in old.words if word not in own)]),
        'those of all texts': Vocab.build(all_of_them, settings.min_freq, settings.max_vocab),
        'those it had': old,
    }


def tune(source: LM, vocab: Vocab, docs: list[list[str]], out: Path, settings) -> Path:
    "`fine_tune`, with the words given."
    stream = TokenStream.of([vocab.numericalize(d) for d in docs])
    torch.manual_seed(settings.seed)
    model = change_vocab(source.model, source.vocab, vocab, replace(source.model.config, vocab_sz=len(vocab)).drop(settings.drop_mult, **LM_DROPOUTS))

    def plan(batches):
        epochs = n_epochs(settings.epochs, settings.min_steps, batches.n_batches)
        return all_at_once(list(model.layer_groups()), settings.lr, epochs, settings.factor)

    how, kept = FitSettings(schedule=settings.schedule, seed=settings.seed), {'tokenizer': {'lang': 'en'}, 'backwards': False}
    return train_lm(LM(model, vocab, kept), stream, plan, out, settings, how, QUIET, settings.identity())


def unknown(vocab: Vocab, docs: list[list[str]]) -> float:
    "The share of tokens that a vocabulary has not got."
    return float(np.mean([t not in vocab for doc in docs for t in doc]))


def measure(
    data: Annotated[str, Option(help='a set that has the splits train and validation')] = 'subjectivity',
    lm: Annotated[str, Option(help='the language model to start from')] = 'film-small',
    texts: Annotated[int, Option(help='texts of the training split that stage 2 reads')] = 1000,
    labels: Annotated[int, Option(help='labels that stage 3 gets')] = 100,
    seeds: Annotated[int, Option(help='draws of the labels')] = 5,
    most: Annotated[int | None, Option(help='texts to be told; default: all of the validation split')] = None,
    out: Annotated[Path | None, Option(help='directory of the models; default: a temporary one')] = None,
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results',
):
    "Stage 2 with each vocabulary and none, then stage 3 on several draws of labels, told on the validation split."
    tuning, training = recipe('small').fine_tune, recipe('small').train_classifier
    train, valid = load_data(data), load_data(data, 'validation')
    valid = valid.select(range(0, len(valid), len(valid) // (most or len(valid))))
    tokens, unread = (list(Tokenizer().map(d.texts)) for d in (train, valid))
    source = load_lm(lm)
    words = vocabularies(source.vocab, tokens[:texts], tokens, tuning)
    with tempfile.TemporaryDirectory() as temporary:
        folder, rows = out or Path(temporary), []
        starts = {'no stage 2': lm} | {name: tune(source, v, tokens[:texts], folder / name.replace(' ', '-'), tuning) for name, v in words.items()}
        for name, start in starts.items():
            vocab, accuracies = load_lm(start).vocab, []
            for seed in range(seeds):
                few = train.select(draw_labels(train, labels, seed))
                path = folder / f'{name.replace(" ", "-")}-{seed}'
                train_classifier(start, few, path, few.select(range(20)), override(training, seed=seed), QUIET)
                accuracies.append(accuracy_of(path, valid))
            rows.append({'name': name, 'words': len(vocab), 'unknown': unknown(vocab, unread), 'accuracy': accuracies})
            print(json.dumps(rows[-1]), flush=True)
    return record(
        results / f'stage2_words_{data}.json',
        'python runs/stage2_words.py',
        {'lm': Path(lm).name, 'data': data, 'texts': texts, 'labels': labels, 'told': len(valid), 'rows': rows},
    )


def main():
    from_command_line(measure)


if __name__ == '__main__':
    main()
