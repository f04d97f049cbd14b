"""All texts that runs/paper.py and runs/few_labels.py read, split into tokens, so that the machine that trains needs neither spaCy nor the texts.
IMDb's validation part shares no film with what is left, where the films are known (meta_train.parquet beside the reviews)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb.data import TextData, split_data
from ulmfit_nb.packs import load_packed, pack
from ulmfit_nb.sources import TextSource, load_data


def films() -> list[str] | None:
    "The film of each review of IMDb's training split; None if that isn't known here."
    import pandas as pd

    path = Path(os.environ.get('ULMFIT_NB_DATA', '.')) / 'imdb/meta_train.parquet'
    if path.exists():
        return pd.read_parquet(path)['movie'].tolist()
    print(f'{path} is not there: validation reviews may be of films that are in training too.')


def named(limit: int | None) -> Iterator[tuple[str, object]]:
    "Names and texts of the packs."

    def some(data: TextData) -> TextData:  # a sample, for trying things out
        return data if limit is None else data.select(range(0, len(data), max(1, len(data) // limit)))

    def texts(source: str, split: str):
        return TextSource(source, split) if limit is None else some(load_data(source, split)).texts

    for split in ('train', 'validation', 'test'):
        yield f'wiki-{split}', texts('enwiki2015', split)
    for name, split in (('all', 'train+unsup'), ('unsup', 'unsup')):
        yield f'imdb-{name}', texts('imdb', split)
    for source in ('imdb', 'trec', 'ag_news'):
        groups = films() if source == 'imdb' and limit is None else None
        train, valid = split_data(some(load_data(source)), 0.1, seed=0, groups=groups)
        yield from {f'{source}-train': train, f'{source}-valid': valid, f'{source}-test': some(load_data(source, 'test'))}.items()


def pack_all(
    out: Annotated[Path, Argument(help='directory of the packs, a folder each')],
    workers: Annotated[int, Option(help='processes that tokenise')] = 0,
    size: Annotated[int, Option(help='tokens after which a file ends (a little more than a byte each)')] = 20_000_000,
    limit: Annotated[int | None, Option(help='about so many texts of each set, for trying things out')] = None,
):
    "Write the packs, and print a line for each."
    for name, data in named(limit):
        texts = load_packed(pack(data, out / name, size, workers)).texts
        megabytes = sum(f.stat().st_size for f in texts.folder.iterdir()) / 2**20
        print(f'{name:<16} {len(texts):>7,} texts {texts.n_tokens:>12,} tokens {megabytes:6.1f} MB', flush=True)


def main():
    from_command_line(pack_all)


if __name__ == '__main__':
    main()
