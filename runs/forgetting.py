"Train a classifier by three plans, measure on the way what it learns and what its encoder forgets, and write results/forgetting.json."

import argparse
import json
import time
from pathlib import Path

import numpy as np

from ulmfit_nb.course.records import record
from ulmfit_nb.data import TextData, load_data
from ulmfit_nb.fine_tuning import enough_passes
from ulmfit_nb.gradual_unfreezing import docs_in_batch, new_classifier, rival_plans, watch_forgetting
from ulmfit_nb.pretraining import PRESETS
from ulmfit_nb.sources import load_data
from ulmfit_nb.tokenization import Tokenizer
from ulmfit_nb.training import load_stage, same_settings, write_json


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


def options_of(args) -> dict:
    "What stage 3 is told: the preset, overruled by the command line."
    options = {'epochs': 3, 'min_steps': 0, 'lr': 0.01, 'factor': 2.6, 'bs': 64, 'drop_mult': 1.0} | PRESETS[args.preset]['train_classifier']
    options |= {k: v for k, v in vars(args).items() if k in options and v is not None}
    return options | {'epochs': enough_passes(options['epochs'], options.pop('min_steps'), args.labels / docs_in_batch(args.labels, options['bs']))}


def run_plans(args, options: dict, settings: dict, data: tuple) -> tuple[list[dict], float]:
    "Each plan in turn, and the minutes they took; one that was finished before is read from its file."
    config, _, _ = load_stage(args.lm, 'language model')
    names = list(new_classifier(args.lm, config, 2).layer_groups())
    plans = rival_plans(names, options['lr'], options['epochs'], options['factor'])
    runs = []
    for name, (plan, schedule) in plans.items():
        file = args.work / f'{name.replace(", ", "-").replace(" ", "-")}.json'
        if file.exists():
            known = json.loads(file.read_text())
            same_settings(known['settings'], settings, file)
        else:
            started = time.perf_counter()
            rest = {k: options[k] for k in ('bs', 'drop_mult')}
            run = watch_forgetting(args.lm, *data, plan, schedule, every=args.every, seed=args.seed, progress_bar=not args.quiet, **rest)
            known = {'settings': settings, 'minutes': (time.perf_counter() - started) / 60, 'run': {'name': name, 'schedule': schedule.__name__, **run}}
            write_json(file, known)
        last = known['run']['points'][-1]
        print(f'{name:>26}: accuracy {last["accuracy"]:.3f}, perplexity {last["perplexity"]:.1f} after {last["step"]} steps')
        runs.append(known)
    return [r['run'] for r in runs], sum(r['minutes'] for r in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('lm', help='a language model: a directory, or the name of one that ships')
    parser.add_argument('--data', default='imdb', help='data set; everything comes from its training split')
    parser.add_argument('--labels', type=int, default=500, help='labelled texts to learn from')
    parser.add_argument('--valid', type=int, default=400, help='others, for the accuracy')
    parser.add_argument('--tokens', type=int, default=20_000, help='of yet others, which the language model has not read either, for the perplexity')
    parser.add_argument('--every', type=int, default=8, help='steps from one measurement to the next')
    parser.add_argument('--preset', default='small', choices=PRESETS, help='of stage 3')
    parser.add_argument('--epochs', type=int)
    parser.add_argument('--lr', type=float)
    parser.add_argument('--factor', type=float)
    parser.add_argument('--seed', type=int, default=0, help='of the sample, the head, dropout and the order of the data')
    parser.add_argument('--work', type=Path, default=Path('runs/out/forgetting'), help='directory for finished plans')
    parser.add_argument('--out', type=Path, default=Path('results/forgetting.json'), help='the record')
    parser.add_argument('--quiet', action='store_true', help='no progress bars')
    args = parser.parse_args()
    options, (config, vocab, _) = options_of(args), load_stage(args.lm, 'language model')
    train, rest = sample(load_data(args.data), args.labels, args.seed)
    valid, rest = sample(rest, args.valid, args.seed)
    others = [rest.texts[i] for i in np.random.default_rng(args.seed).permutation(len(rest))]
    unread, n_tokens = as_many(others, Tokenizer(**config['tokenizer']), args.tokens)
    sizes = {'data': args.data, 'labels': len(train), 'valid': len(valid), 'tokens': n_tokens, 'every': args.every, 'seed': args.seed}
    settings = sizes | options | {'lm': config['sha256']['model.safetensors']}
    runs, minutes = run_plans(args, options, settings, (train, valid, unread))
    lm = {'architecture': config['architecture'], 'words': len(vocab), 'sha256': settings['lm']}
    record(args.out, 'bash runs/forgetting.sh', sizes | {'options': options, 'lm': lm, 'runs': runs, 'minutes': round(minutes, 1)})
    print(f'written: {args.out}')


if __name__ == '__main__':
    main()
