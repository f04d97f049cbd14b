"Put a finished language model into the package, as ulmfit_nb/pretrained/NAME: int8, with a model card, 9 MB at most."

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb.course.records import git_commit, hardware
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.quantization import STORED
from ulmfit_nb.stages import PRETRAINED, load_lm

ROOT = Path(__file__).parent.parent
SHIPS = (
    'A small English language model, for `fine_tune` and `train_classifier` to start from: it ships with [ulmfit_nb](https://github.com/ulmfit-nb/ulmfit_nb). '
    'It has read {}, repeats what stood there, mistakes included, and is no source of facts.'
)
WIKIPEDIA = 'enwiki2015: cleaned articles of the English Wikipedia of May 2015'
SHARE_ALIKE = "the articles are CC BY-SA, by Wikipedia's contributors; the weights are given away under the same terms"
CARDS = {  # the beginning of a model's name → what the card says of its texts
    'wiki': {'about': SHIPS.format('an encyclopaedia and nothing else'), 'trained on': WIKIPEDIA, 'licence': SHARE_ALIKE},
    'film': {
        'about': SHIPS.format('an encyclopaedia and then what people wrote of films'),
        'trained on': f'{WIKIPEDIA}; then imdb: the 75,000 reviews of train and unsup (Maas et al. 2011), and none of test',
        'licence': f'{SHARE_ALIKE}; the reviews belong to their authors, and were published for research',
    },
}


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    directory: Annotated[Path, Argument(help='what pretrain wrote')]
    name: Annotated[str, Argument(help='the model is called so from now on: wiki-small, film-small, perhaps with -backwards')]
    record: Annotated[Path | None, Option(help='what runs/evaluate.py wrote; default: results/NAME.json')] = None
    hardware: Annotated[str | None, Option(help='that it was trained on; default: this machine')] = None
    commit: Annotated[str | None, Option(help='of the code that trained it; default: the one checked out')] = None
    weights: Annotated[Literal[tuple(STORED)], Option(help='how to store matrices')] = 'int8'
    limit: Annotated[float, Option(help='MB that the directory may have')] = 9
    into: Annotated[Path, Option(help='folder of the models that ship')] = PRETRAINED


def figures(path: Path, sha256: str) -> dict:
    "What runs/evaluate.py measured of the weights with this hash, for the card."
    if not path.exists():
        sys.exit(f'{path}: no such record. runs/evaluate.py measures a model and writes it.')
    record = json.loads(path.read_text(encoding='utf-8'))
    if record.get('sha256', sha256) != sha256:
        sys.exit(f'{path} is of other weights. Run runs/evaluate.py on this directory.')
    found = {f'{split} perplexity ({record["data"]})': record[split]['perplexity'] for split in ('validation', 'test') if split in record}
    if not any(k.startswith('test') for k in found):
        sys.exit(f'{path} says nothing of the test perplexity. Run runs/evaluate.py with --split test.')
    return found


def facts(args: Options, sha256: str) -> dict:
    "What the card says beside what the directory knows."
    history = json.loads((args.directory / 'history.json').read_text(encoding='utf-8'))
    return {
        **CARDS[args.name.split('-')[0]],
        'tokens seen in training': history[-1]['seen'],
        'hardware': hardware() if args.hardware is None else args.hardware,
        **figures(args.record or ROOT / f'results/{args.name.replace("-", "_")}.json', sha256),
        'commit': git_commit() if args.commit is None else args.commit,
        'packaged by': f'`python runs/package.py {args.directory.name} {args.name} --weights {args.weights}`',
    }


def main():
    args = from_command_line(Options)
    if args.name.split('-')[0] not in CARDS:
        sys.exit(f'{args.name}: a model that ships is called {" or ".join(f"{kind}-…" for kind in CARDS)}, after what it has read.')
    try:
        card = facts(args, load_lm(args.directory).config['sha256']['model.safetensors'])
        with tempfile.TemporaryDirectory() as temp:
            tried = save_pretrained(args.directory, Path(temp) / args.name, card, args.weights)
            size = sum(f.stat().st_size for f in tried.iterdir()) / 1e6
        if size > args.limit:
            sys.exit(f'{args.directory} comes to {size:.1f} MB, and {args.limit:g} MB may ship: int8, a smaller vocabulary or fewer features would do.')
        out = save_pretrained(args.directory, args.into / args.name, card, args.weights)
    except (ValueError, OSError) as e:
        sys.exit(str(e))
    print(f'{out}: {size:.1f} MB')


if __name__ == '__main__':
    main()
