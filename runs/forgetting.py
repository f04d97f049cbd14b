"Train a classifier by three plans, and in four ways for one pass, and measure on the way what it learns and what its encoder forgets."

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb.checkpoint import same_settings
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.course.forgetting import baseline_plans, head_or_rate, watch_forgetting
from ulmfit_nb.course.records import record
from ulmfit_nb.data import TextData
from ulmfit_nb.files import write_json
from ulmfit_nb.settings import PRESETS, ClassifierSettings, n_doc_batches, n_epochs, override
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage
from ulmfit_nb.tokenization import Tokenizer
from ulmfit_nb.training import RunOptions, constant


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Argument(help='a language model: a directory, or the name of one that ships')] = 'wiki-small'
    data: Annotated[str, Option(help='data set; labelled texts come from its training split')] = 'subjectivity'
    labels: Annotated[int, Option(help='labelled texts to learn from')] = 100
    valid: Annotated[int, Option(help='others, for the accuracy')] = 300
    language: Annotated[str, Option(help='data set whose validation texts the perplexity is taken over: the language that the model knows')] = 'wikipedia'
    tokens: Annotated[int, Option(help='of these')] = 2_000
    every: Annotated[int, Option(help='steps from one measurement to the next, with the first seed; with the others, two passes')] = 7
    one_pass: Annotated[int, Option(help='labelled texts of the one pass in four ways; the accuracy is taken over as many others as a quarter of them')] = 256
    seeds: Annotated[int, Option(help='how many, from 0: each draws its own sample, head, dropout and order of the data')] = 5
    preset: Annotated[Literal[*PRESETS], Option(help='of stage 3')] = 'tiny'
    epochs: Annotated[int | None, Option(help='other than the preset says')] = 4
    lr: Annotated[float | None, Option(help='other than the preset says')] = None
    factor: Annotated[float | None, Option(help='other than the preset says')] = 2.6
    work: Annotated[Path, Option(help='directory for finished runs')] = Path('runs/out/forgetting')
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


def settings_of(args: Options, seed: int) -> ClassifierSettings:
    "What stage 3 is told: the preset, overruled by the command line."
    settings = override(PRESETS[args.preset].train_classifier, epochs=args.epochs, lr=args.lr, factor=args.factor, seed=seed)
    return replace(settings, epochs=n_epochs(settings.epochs, settings.min_steps, n_doc_batches(args.labels, settings.bs)))


def texts_of(args: Options, stage: Stage, seed: int) -> tuple[TextData, TextData, list[str], int]:
    "Labelled texts, others for the accuracy, texts for the perplexity, and how many tokens these have."
    train, rest = sample(load_data(args.data), args.labels, seed)
    valid, _ = sample(rest, args.valid, seed)
    return train, valid, *as_many(load_data(args.language, 'validation').texts, Tokenizer(**stage.config['tokenizer']), args.tokens)


def plans_of(stage: Stage, how: ClassifierSettings) -> dict[str, dict]:
    "What is carried out: name → (plan, schedule), under the name of its list in the record."
    names = list(new_classifier(stage, 2).layer_groups())
    four = head_or_rate(names, how.lr, how.factor)
    return {'runs': baseline_plans(names, how.lr, how.epochs, how.factor), 'one_pass': {name: (plan, constant) for name, plan in four.items()}}


def run_once(file: Path, stage: Stage, settings: dict, train: Callable) -> dict:
    "A run with its minutes; one that was finished before is read from its file."
    if file.exists():
        known = json.loads(file.read_text())
        same_settings(known['settings'], settings, file)
        return known
    started = time.perf_counter()
    run = train()
    known = {'settings': settings, 'run': run, 'minutes': (time.perf_counter() - started) / 60}
    write_json(file, known)
    return known


def sizes_of(args: Options, kind: str) -> Options:
    "The options with the numbers of texts of a list of the record."
    return replace(args, labels=args.one_pass, valid=args.one_pass // 4) if kind == 'one_pass' else args


def run_seed(args: Options, stage: Stage, seed: int) -> dict[str, tuple[dict, list[dict]]]:
    "Every plan with one seed: by the lists of the record, the settings and the runs."
    watch, found = RunOptions(progress_bar=not args.quiet), {}
    for kind, plans in plans_of(stage, settings_of(args, seed)).items():
        sized, how = sizes_of(args, kind), settings_of(args, seed)
        *data, n_tokens = texts_of(sized, stage, seed)
        sizes = {'data': args.data, 'language': args.language, 'labels': len(data[0]), 'valid': len(data[1]), 'tokens': n_tokens, 'every': args.every}
        options = {k: getattr(how, k) for k in ('epochs', 'lr', 'factor', 'bs', 'drop_mult')}
        settings = sizes | options | {'seed': seed, 'lm': stage.config['sha256']['model.safetensors']}
        two_passes = 2 * n_doc_batches(len(data[0]), how.bs)
        every = 8 if kind == 'one_pass' else args.every if seed == 0 else two_passes
        runs = []
        for name, (plan, schedule) in plans.items():
            file = args.work / f'{seed}-{name.replace(", ", "-").replace(" ", "-")}.json'
            known = run_once(file, stage, settings, partial(watch_forgetting, stage, *data, how, every, watch, plan=plan, schedule=schedule))
            last = known['run']['points'][-1]
            print(f'seed {seed}, {name:>26}: accuracy {last["accuracy"]:.3f}, perplexity {last["perplexity"]:.1f} after {last["step"]} steps', flush=True)
            runs.append({'name': name, 'seed': seed, 'schedule': schedule.__name__, 'minutes': known['minutes'], **known['run']})
        found[kind] = sizes | {'options': options}, runs
    return found


def main():
    args = from_command_line(Options)
    stage = Stage.open(args.lm, 'language model')
    found = [run_seed(args, stage, seed) for seed in range(args.seeds)]
    lists = {kind: [run for of_seed in found for run in of_seed[kind][1]] for kind in found[0]}
    minutes = sum(run.pop('minutes') for runs in lists.values() for run in runs)
    sha256 = stage.config['sha256']['model.safetensors']
    lm = {'name': Path(args.lm).name, 'architecture': stage.config['architecture'], 'words': len(stage.vocab), 'sha256': sha256}
    record(
        args.out,
        'bash runs/forgetting.sh',
        found[0]['runs'][0] | {'seeds': args.seeds, 'one_pass_labels': args.one_pass, 'lm': lm, **lists, 'minutes': round(minutes, 1)},
    )
    print(f'written: {args.out}')


if __name__ == '__main__':
    main()
