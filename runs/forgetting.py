"Train a classifier by three plans, measure on the way what it learns and what its encoder forgets, and write results/forgetting.json."

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb.checkpoint import same_settings
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.course.forgetting import baseline_plans, watch_forgetting
from ulmfit_nb.course.records import record
from ulmfit_nb.data import TextData
from ulmfit_nb.files import write_json
from ulmfit_nb.settings import PRESETS, ClassifierSettings, batch_size, n_epochs, override
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage
from ulmfit_nb.tokenization import Tokenizer
from ulmfit_nb.training import RunOptions


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Argument(help='a language model: a directory, or the name of one that ships')]
    data: Annotated[str, Option(help='data set; everything comes from its training split')] = 'imdb'
    labels: Annotated[int, Option(help='labelled texts to learn from')] = 500
    valid: Annotated[int, Option(help='others, for the accuracy')] = 400
    tokens: Annotated[int, Option(help='of yet others, which the language model has not read either, for the perplexity')] = 20_000
    every: Annotated[int, Option(help='steps from one measurement to the next')] = 8
    preset: Annotated[Literal[*PRESETS], Option(help='of stage 3')] = 'small'
    epochs: Annotated[int | None, Option(help='other than the preset says')] = None
    lr: Annotated[float | None, Option(help='other than the preset says')] = None
    factor: Annotated[float | None, Option(help='other than the preset says')] = None
    seed: Annotated[int, Option(help='of the sample, the head, dropout and the order of the data')] = 0
    work: Annotated[Path, Option(help='directory for finished plans')] = Path('runs/out/forgetting')
    out: Annotated[Path, Option(help='the record')] = Path('results/forgetting.json')
    quiet: Annotated[bool, Option('--quiet', help='no progress bars')] = False


def sample(data: TextData, n: int, seed: int) -> tuple[TextData, TextData]:
    "About `n` texts, as many of each class, and the rest."
    rng, labels = np.random.default_rng(seed), np.asarray(data.labels)
    per_class = n // len(data.classes)
    taken = np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:per_class] for k in range(len(data.classes))])
    return data.select(np.sort(taken)), data.select(np.setdiff1d(np.arange(len(data)), taken))


def as_many(texts: list[str], tokenizer: Tokenizer, n_tokens: int) -> tuple[list[str], int]:
    "The first texts, until they have so many tokens, and how many these are."
    taken, n = [], 0
    for text in texts:
        if n >= n_tokens:
            break
        taken.append(text)
        n += len(tokenizer(text))
    return taken, n


def settings_of(args: Options) -> ClassifierSettings:
    "What stage 3 is told: the preset, overruled by the command line."
    settings = override(PRESETS[args.preset].train_classifier, epochs=args.epochs, lr=args.lr, factor=args.factor, seed=args.seed)
    return replace(settings, epochs=n_epochs(settings.epochs, settings.min_steps, args.labels / batch_size(args.labels, settings.bs)))


def run_plans(args: Options, stage: Stage, how: ClassifierSettings, settings: dict, data: tuple) -> tuple[list[dict], float]:
    "Each plan in turn, and the minutes they took; one that was finished before is read from its file."
    names = list(new_classifier(stage, 2).layer_groups())
    plans = baseline_plans(names, how.lr, how.epochs, how.factor)
    runs = []
    for name, (plan, schedule) in plans.items():
        file = args.work / f'{name.replace(", ", "-").replace(" ", "-")}.json'
        if file.exists():
            known = json.loads(file.read_text())
            same_settings(known['settings'], settings, file)
        else:
            started = time.perf_counter()
            run = watch_forgetting(stage, *data, how, args.every, RunOptions(progress_bar=not args.quiet), plan=plan, schedule=schedule)
            known = {'settings': settings, 'minutes': (time.perf_counter() - started) / 60, 'run': {'name': name, 'schedule': schedule.__name__, **run}}
            write_json(file, known)
        last = known['run']['points'][-1]
        print(f'{name:>26}: accuracy {last["accuracy"]:.3f}, perplexity {last["perplexity"]:.1f} after {last["step"]} steps')
        runs.append(known)
    return [r['run'] for r in runs], sum(r['minutes'] for r in runs)


def main():
    args = from_command_line(Options)
    how, stage = settings_of(args), Stage.open(args.lm, 'language model')
    options = {k: getattr(how, k) for k in ('epochs', 'lr', 'factor', 'bs', 'drop_mult')}
    train, rest = sample(load_data(args.data), args.labels, args.seed)
    valid, rest = sample(rest, args.valid, args.seed)
    others = [rest.texts[i] for i in np.random.default_rng(args.seed).permutation(len(rest))]
    unread, n_tokens = as_many(others, Tokenizer(**stage.config['tokenizer']), args.tokens)
    sizes = {'data': args.data, 'labels': len(train), 'valid': len(valid), 'tokens': n_tokens, 'every': args.every, 'seed': args.seed}
    settings = sizes | options | {'lm': stage.config['sha256']['model.safetensors']}
    runs, minutes = run_plans(args, stage, how, settings, (train, valid, unread))
    lm = {'architecture': stage.config['architecture'], 'words': len(stage.vocab), 'sha256': settings['lm']}
    record(args.out, 'bash runs/forgetting.sh', sizes | {'options': options, 'lm': lm, 'runs': runs, 'minutes': round(minutes, 1)})
    print(f'written: {args.out}')


if __name__ == '__main__':
    main()
