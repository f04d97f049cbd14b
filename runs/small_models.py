"""The small language models that ship: `wiki-small` reads Wikipedia, `film-small` goes on to film reviews, each forwards and backwards. Texts are
numbered where they and spaCy are, and written down as compressed ids; the machine that trains needs PyTorch, accelerate and typer: PYTHONPATH=. is enough.
    python runs/small_models.py number NUMBERED
    python runs/small_models.py train NUMBERED MODELS"""

import json
import lzma
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb import fine_tune, pretrain
from ulmfit_nb.batching import StreamWriter, open_stream
from ulmfit_nb.corpus import cached_corpus
from ulmfit_nb.cost import Deadline
from ulmfit_nb.data import DataError
from ulmfit_nb.files import atomic_write
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.precision import PRECISIONS
from ulmfit_nb.settings import FineTuneSettings, PretrainSettings, recipe
from ulmfit_nb.sources import TextSource
from ulmfit_nb.tokenization import Tokenizer
from ulmfit_nb.training import RunOptions, Stop

# Sizes of the preset; batches that keep a GPU busy, and rates for these.
SMALL = recipe('small')
WIKI = replace(SMALL.pretrain, bs=256, lr=0.008, epochs=4)
FILM = replace(SMALL.fine_tune, bs=128, lr=0.006, epochs=2, min_steps=0)
TEXTS = {'wiki': ('enwiki2015', 'train', WIKI), 'film': ('imdb', 'train+unsup', FILM)}  # no text that somebody is tested on
MODELS = {f'{corpus}-small{way}': (corpus, bool(way)) for way in ('', '-backwards') for corpus in TEXTS}


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    what: Annotated[Literal['number', 'train'], Argument(help='number the texts, or train on numbered ones')]
    numbered: Annotated[Path, Argument(help='directory of the ids')]
    models: Annotated[Path | None, Argument(help='directory of the models')] = None
    only: Annotated[list[str] | None, Option(help='names of models, or of corpora; default: all, in order')] = None
    epochs: Annotated[int | None, Option(help='in place of the settings')] = None
    bs: Annotated[int | None, Option(help='likewise')] = None
    lr: Annotated[float | None, Option(help='likewise')] = None
    precision: Annotated[Literal[PRECISIONS], Option(help='what to compute in')] = 'auto'
    minutes: Annotated[float, Option(help='stop cleanly after so long; the same call goes on')] = 1e6
    size: Annotated[int, Option(help='tokens in a file, a little less than a byte each')] = 20_000_000
    workers: Annotated[int, Option(help='processes that tokenise')] = 0
    limit: Annotated[int | None, Option(help='tokens of each corpus, for trying things out')] = None


def compress(job: tuple[np.ndarray, Path]):
    "Write ids below 65,536 into a file, atomically."
    ids, path = job
    with atomic_write(path) as temp:
        temp.write_bytes(lzma.compress(ids.astype(np.uint16).tobytes()))


def decompress(path: Path) -> np.ndarray:
    return np.frombuffer(lzma.decompress(path.read_bytes()), np.uint16)


def number(corpus: str, args: Options):
    "Give every word of a corpus its number in the vocabulary that a stage would make, and write that down: `work` is the stage's own."
    source, split, settings = TEXTS[corpus]
    folder, tokens = args.numbered / corpus, settings.max_tokens if args.limit is None else args.limit
    options = {'min_freq': settings.min_freq, 'max_vocab': settings.max_vocab, 'max_tokens': tokens, 'workers': args.workers}
    _, stream = cached_corpus(folder / 'work', TextSource(source, split), Tokenizer(), **options)
    jobs = [(stream.ids[i : i + args.size], folder / f'{k:03}.xz') for k, i in enumerate(range(0, len(stream.ids), args.size))]
    with ThreadPoolExecutor(max(1, args.workers)) as pool:
        list(pool.map(compress, jobs))
    for name in ('corpus.json', 'corpus.ids.offsets'):
        shutil.copy(folder / 'work' / name, folder / name)
    shutil.rmtree(folder / 'work')
    print(f'{corpus}: {len(stream.ids):,} tokens in {len(jobs)} files, {sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.1f} MB')


class Numbered:
    "Texts of which only the numbers are here."

    def __init__(self, folder: Path):
        self.folder, self.made = folder, json.loads((folder / 'corpus.json').read_text(encoding='utf-8'))['made']
        self.mark = self.made['texts']

    def __iter__(self):
        raise DataError(f'{self.folder} holds numbers, and no texts.')

    def put(self, work: Path):
        "Lay the ids where a stage looks for them."
        if (work / 'corpus.json').exists():
            return
        writer = StreamWriter(work / 'corpus.ids')
        with ThreadPoolExecutor() as pool:
            for ids in pool.map(decompress, sorted(self.folder.glob('*.xz'))):
                writer.add(ids)
        writer.close()
        for name in ('corpus.ids.offsets', 'corpus.json'):  # the offsets of the documents, in place of those of the files
            shutil.copy(self.folder / name, work / name)
        open_stream(work / 'corpus.ids')  # refuses what does not fit together


class Watch(Deadline):
    "Says now and then how fast it goes. It asks for no number, so a GPU is never waited for."

    def __init__(self, name: str, minutes: float):
        super().__init__(minutes)
        self.name, self.since = name, None

    def __call__(self, seen: int, loss: torch.Tensor):
        now = time.monotonic()
        if self.since is None or now - self.since[0] > 5:
            if self.since:
                print(f'{self.name}: {seen:,} tokens, {(seen - self.since[1]) / (now - self.since[0]):,.0f} a second', flush=True)
            self.since = now, seen
        super().__call__(seen, loss)


def train(name: str, args: Options):
    "One model: trained, and saved with int8 weights under `int8`; what goes on from it goes on from these, as its users do."
    corpus, backwards = MODELS[name]
    settings, out, ready = TEXTS[corpus][2], args.models / name, args.models / 'int8' / name
    if ready.exists():
        return
    texts = Numbered(args.numbered / corpus)
    texts.put(out / 'work')
    given = {k: getattr(args, k) for k in ('epochs', 'bs', 'lr') if getattr(args, k) is not None}
    settings = replace(settings, **given, max_tokens=texts.made['max_tokens'])
    options = RunOptions(progress_bar=False, callback=Watch(name, args.minutes), every=4000, precision=args.precision)
    if isinstance(settings, PretrainSettings):
        pretrain(texts, out, replace(settings, backwards=backwards), options)
    elif isinstance(settings, FineTuneSettings):
        fine_tune(args.models / 'int8' / name.replace('film', 'wiki'), texts, out, settings, options)
    for entry in json.loads((out / 'history.json').read_text(encoding='utf-8')):
        print(f'{name}:', json.dumps({k: v for k, v in entry.items() if k != 'groups'}), flush=True)
    save_pretrained(out, ready, weights='int8')


def main():
    args = from_command_line(Options)
    known = [*TEXTS] if args.what == 'number' else [*MODELS]
    wanted = [name for name in known if not args.only or name in args.only]
    if not wanted or args.what == 'train' and args.models is None:
        sys.exit(f'give one of {", ".join(known)} as --only, and for train a directory for the models.')
    for name in wanted:
        try:
            (number if args.what == 'number' else train)(name, args)
        except (Stop, ValueError, OSError) as e:
            sys.exit(f'{name}: {e}')


if __name__ == '__main__':
    main()
