"""The paper's results at full size, on a GPU: a list of runs, the most telling first, each recorded as results/paper_NAME.json when it is done.
It stops before a time limit and goes on when it is called again; a run that fails does not keep those from being done that don't need it. Texts
come from runs/pack.py, so that the machine needs PyTorch, accelerate and typer, and neither spaCy nor nbdev nor an installation: PYTHONPATH=. is enough."""

import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from command_line import from_command_line
from techniques import ALL, plans
from typer import Argument, Option

from ulmfit_nb import fine_tune, load_classifier, pretrain, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig
from ulmfit_nb.checkpoint import same_settings
from ulmfit_nb.cost import Deadline, decoder_flops, document_flops, matmul_flops, step_seconds, training_flops
from ulmfit_nb.course.records import record
from ulmfit_nb.files import atomic_open
from ulmfit_nb.packs import load_packed
from ulmfit_nb.precision import best_device, computes_bf16
from ulmfit_nb.pretraining import evaluate_texts
from ulmfit_nb.settings import PRESETS, ClassifierSettings, FineTuneSettings, PretrainSettings, Recipe
from ulmfit_nb.stages import StageError, load_lm, untrained
from ulmfit_nb.training import RunOptions, Stop, constant

ROOT = Path(__file__).parent.parent
# The paper's architecture; batches large enough for a GPU, and rates for these. Everything else is the default of the stages.
PAPER = Recipe(
    PretrainSettings(bs=256, epochs=4, lr=0.006, drop_mult=0.2),
    FineTuneSettings(bs=128, epochs=8, lr=0.006, drop_mult=0.5),
    ClassifierSettings(bs=64, epochs=4, drop_mult=0.5),
)
RECIPES = {'paper': PAPER, **{name: PRESETS[name] for name in ('tiny', 'small')}}
EVERY = {'pretrain': 1500, 'fine_tune': 3000, 'train_classifier': 1000}  # steps from one checkpoint to the next


@dataclass(frozen=True)
class Run:
    "One run: what distinguishes it from the recipe."

    name: str
    stage: str  # a stage of the library, or random (a language model that has read nothing), or average (of classifiers' predictions)
    data: str = ''  # a pack for a language model; for a classifier the data set
    lm: str = ''  # the run whose language model it starts from
    of: tuple[str, ...] = ()  # the runs that are averaged
    options: dict = field(default_factory=dict)


def both_ways(seeds=(0, 1, 2)) -> Iterator[Run]:
    "Stage 1 to 3 on IMDb: forwards, backwards, and the mean of both."
    for way in ('', '-backwards'):
        yield Run(f'wiki{way}', 'pretrain', 'wiki', options={'backwards': bool(way)})
        yield Run(f'imdb-lm{way}', 'fine_tune', 'imdb-all', f'wiki{way}')
        for seed in seeds:
            yield Run(f'imdb{way}-{seed}', 'train_classifier', 'imdb', f'imdb-lm{way}', options={'seed': seed})
    for seed in seeds:
        yield Run(f'imdb-both-{seed}', 'average', 'imdb', of=(f'imdb-{seed}', f'imdb-backwards-{seed}'))


def ablations(data: str, texts: str) -> Iterator[Run]:
    "Rows of the paper's tables 4 to 7 for one data set: pretraining, LM fine-tuning, classifier fine-tuning. Validation error only."
    lm, classify = f'{data}-lm', 'train_classifier'
    reading = READING[data]
    if data != 'imdb':
        yield Run(lm, 'fine_tune', texts, 'wiki', options=reading)
    yield Run(f'{data}-unread-lm', 'pretrain', texts, options={'epochs': 8} | reading)
    yield Run(f'{data}-full-lm', 'fine_tune', texts, 'wiki', options={'factor': 1, 'schedule': constant} | reading)
    yield Run(f'{data}-discr-lm', 'fine_tune', texts, 'wiki', options={'schedule': constant} | reading)
    yield Run(f'{data}-random', 'random', lm=lm)
    rows = {'no pretraining': f'{data}-unread-lm', 'no LM fine-tuning': 'wiki', 'LM full': f'{data}-full-lm', 'LM full + discr': f'{data}-discr-lm'}
    for row, start in {**rows, 'all of it': lm}.items():
        yield Run(f'{data}: {row}', classify, data, start)
    yield Run(f'{data}: from scratch', classify, data, f'{data}-random', options={'plan': 'full'})
    for row in list(PLANS)[1:]:
        yield Run(f'{data}: {row}', classify, data, lm, options={'plan': row})


PLANS = plans(['embedding', 'lstm 1', 'head'], 0.01, 1)  # their names; the real ones are made for the model at hand
ABLATED = {'trec': 'trec-train', 'ag_news': 'ag_news-train', 'imdb': 'imdb-all'}  # data set to the texts that its language model reads; the quickest first
# What differs where there is little to read: a large batch would leave a handful of steps (the questions of TREC-6 are 70 thousand tokens).
READING = {'trec': {'epochs': 20, 'bs': 16, 'lr': 0.002}, 'ag_news': {'epochs': 20, 'bs': 64, 'lr': 0.004}, 'imdb': {}}
GROUPS = {
    'imdb': lambda: [*both_ways()],
    'ablations': lambda: [run for data, texts in ABLATED.items() for run in ablations(data, texts)],
}


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    group: Annotated[Literal['rehearse', *GROUPS], Argument(help='which runs; rehearse: speed and memory at several batch sizes')]
    packs: Annotated[Path, Option(help='what runs/pack.py wrote')] = ROOT / 'runs/out/packs'
    out: Annotated[Path, Option(help='directory of the models')] = ROOT / 'runs/out/paper'
    results: Annotated[Path, Option(help='directory of the records')] = ROOT / 'results'
    only: Annotated[list[str] | None, Option(help='names of runs; default: all of the group, in order')] = None
    preset: Annotated[Literal[*RECIPES], Option(help='sizes and rates')] = 'paper'
    minutes: Annotated[float, Option(help='stop cleanly after so long')] = 1e6
    commit: Annotated[str | None, Option(help='of this code, where there is no git to ask')] = None


def file_name(run: str) -> str:
    return run.replace(': ', '-').replace(' + ', '-').replace(' ', '_')  # letters, digits, - and _: any file system takes them


class Paper:
    "Carries out runs and records them."

    def __init__(self, args: Options):
        self.args, self.deadline, self.device = args, Deadline(args.minutes), best_device()
        dtype = torch.bfloat16 if computes_bf16(self.device) else torch.float32  # by emulated bf16 a step would take many times the whole rate
        self.rate = matmul_flops(self.device, dtype, 8192 if self.device.type == 'cuda' else 512)

    def folder(self, run: str) -> Path:
        return self.args.out / file_name(run)

    def pack(self, name: str):
        return load_packed(self.args.packs / name)

    def do(self, run: Run):
        "Carry out a run, unless it is recorded; raises `Stop` when the time is up."
        path = self.args.results / f'paper_{file_name(run.name)}.json'
        made_by = {'preset': self.args.preset}
        if path.exists():
            return same_settings({k: json.loads(path.read_text(encoding='utf-8')).get(k) for k in made_by}, made_by, path)
        self.deadline.check()
        print(f'{run.name} …', flush=True)
        for needed in (*filter(None, [run.lm]), *run.of):
            if not (self.folder(needed) / 'config.json').exists():
                raise StageError(f'{self.folder(needed)}: no such model. Bring it here, or delete its record to have it trained again.')
        try:
            found = getattr(self, run.stage)(run)
        except FloatingPointError as e:  # a result too: of rates that are too high
            found = {'diverged': str(e)}
        done = self.record(path, {'run': run.name, 'stage': run.stage, **made_by, **found})
        print(json.dumps({k: v for k, v in done.items() if isinstance(v, int | float)}), flush=True)

    def record(self, path: Path, figures: dict) -> dict:
        "Write figures down with the circumstances."
        return record(path, f'python runs/paper.py {self.args.group}', figures | ({'commit': self.args.commit} if self.args.commit else {}))

    def told(self, run: Run) -> dict:
        "The settings of a run's stage, and how it is carried out."
        settings = getattr(RECIPES[self.args.preset], run.stage)
        plan = {'plan': None} if 'plan' in run.options else {}  # by name: see `plans`
        return {
            'settings': replace(settings, **run.options | plan),
            'options': RunOptions(progress_bar=False, callback=self.deadline, every=EVERY[run.stage]),
        }

    def stage_figures(self, run: Run, seen_operations: float) -> dict:
        "What a finished stage says of itself; operations: of all that was seen."
        config, history = (json.loads((self.folder(run.name) / f).read_text()) for f in ('config.json', 'history.json'))
        minutes, seen = history[-1]['minutes'], history[-1]['seen']
        speed = {'seen': seen, 'minutes': minutes, 'per_second': seen / (60 * minutes) if minutes else None}
        share = {'matrix_rate': self.rate, 'share': seen_operations / (60 * minutes) / self.rate if minutes else None}
        settings = {k: v for k, v in config['settings'].items() if k != 'before'}
        return {'settings': settings, 'architecture': config['architecture'], 'history': history, **speed, **share}

    def lm_figures(self, run: Run) -> dict:
        model, _, _ = load_lm(self.folder(run.name))
        history = json.loads((self.folder(run.name) / 'history.json').read_text())
        return self.stage_figures(run, history[-1]['seen'] * training_flops(model.config)) | {k: history[-1][k] for k in ('perplexity', 'accuracy')}

    def pretrain(self, run: Run) -> dict:
        wiki = run.data == 'wiki'
        pretrain(self.pack(f'{run.data}-train' if wiki else run.data).texts, self.folder(run.name), **self.told(run))
        model, vocab, config = load_lm(self.folder(run.name))
        splits = ('validation', 'test') if wiki else ()
        found = {s: evaluate_texts(model.to(self.device), vocab, self.pack(f'wiki-{s}').texts, backwards=config['backwards']) for s in splits}
        return self.lm_figures(run) | found

    def fine_tune(self, run: Run) -> dict:
        fine_tune(self.folder(run.lm), self.pack(run.data).texts, self.folder(run.name), **self.told(run))
        return self.lm_figures(run)

    def random(self, run: Run) -> dict:
        return {'architecture': load_lm(untrained(self.folder(run.lm), self.folder(run.name))).config['architecture']}

    def train_classifier(self, run: Run) -> dict:
        train, valid = (self.pack(f'{run.data}-{part}') for part in ('train', 'valid'))
        told, encoder = self.told(run), load_lm(self.folder(run.lm)).model.encoder
        names, settings = [*encoder.layer_groups(), 'head'], told['settings']
        plan, schedule = plans(names, settings.lr, settings.epochs)[run.options.get('plan', ALL)]
        out = train_classifier(self.folder(run.lm), train, self.folder(run.name), valid, **told, plan=plan, schedule=schedule)
        tokens = train.texts.n_tokens
        operations = tokens * sum(phase.epochs * document_flops(encoder.config, phase.groups) for phase in plan)
        figures = self.stage_figures(run, operations)
        figures |= {'tokens_per_second': tokens * sum(p.epochs for p in plan) / (60 * figures['minutes']) if figures['minutes'] else None}
        figures |= {'validation_accuracy': figures['history'][-1]['accuracy']}
        if ':' in run.name:  # an ablation is looked at on validation texts only
            return figures
        test = self.pack(f'{run.data}-test')
        probs = load_classifier(out).predict_proba(test.texts)
        with atomic_open(out / 'test.npy') as f:
            np.save(f, probs.astype(np.float16))
        return figures | {'test_texts': len(test), 'test_accuracy': float(np.mean(probs.argmax(1) == np.asarray(test.labels)))}

    def average(self, run: Run) -> dict:
        test = self.pack(f'{run.data}-test')
        probs = np.mean([np.load(self.folder(name) / 'test.npy').astype(np.float32) for name in run.of], 0)
        return {'of': run.of, 'test_texts': len(test), 'test_accuracy': float(np.mean(probs.argmax(1) == np.asarray(test.labels)))}


def rehearse(paper: Paper) -> dict:
    "Two minutes: what a step takes at several batch sizes, how much memory, and the share of the matrix rate."
    cuda, rows = paper.device.type == 'cuda', []
    config = AWDLSTMConfig(60_000) if cuda else AWDLSTMConfig(2000, 40, 64)
    for bs, precision in ((128, 'fp32'), *((bs, 'bf16') for bs in (64, 128, 256, 512))) if cuda else ((4, 'fp32'), (4, 'auto'), (8, 'auto')):
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        s = step_seconds(config, bs, 70, precision, 20 if cuda else 2)
        gigabytes = torch.cuda.max_memory_allocated() / 2**30 if cuda else None
        row = {'bs': bs, 'precision': precision, 'tokens_per_second': bs * 70 / s, 'share': training_flops(config) * bs * 70 / s / paper.rate}
        row |= {'gigabytes': gigabytes}
        print(json.dumps(row), flush=True)
        rows.append(row)
    decoder = 3 * decoder_flops(config) / training_flops(config)
    return {'cudnn': torch.backends.cudnn.version(), 'matrix_rate': paper.rate, 'decoder_share': decoder, 'steps': rows}


def main():
    args = from_command_line(Options)
    paper = Paper(args)
    if args.group == 'rehearse':
        paper.record(args.results / 'paper_rehearsal.json', rehearse(paper))
        return
    runs = GROUPS[args.group]()
    unknown = set(args.only or ()) - {r.name for r in runs}
    if unknown:
        sys.exit(f'no run {sorted(unknown)[0]!r} in {args.group}, but {", ".join(r.name for r in runs)}.')
    failed = []
    for run in runs:
        if not args.only or run.name in args.only:
            try:
                paper.do(run)
            except Stop as e:
                sys.exit(str(e))
            except Exception as e:
                traceback.print_exc()
                failed.append(f'{run.name}: {e}')
    if failed:
        sys.exit('\n'.join(['Not done:', *failed]))


if __name__ == '__main__':
    main()
