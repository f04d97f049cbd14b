"Put a finished language model into the package, as ulmfit_nb/pretrained/NAME: fp16, with a model card, 20 MB at most."

import argparse
import json
import sys
import tempfile
from pathlib import Path

from ulmfit_nb.course.records import git_commit, hardware
from ulmfit_nb.experiments import git_commit, hardware
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.pretraining import load_lm
from ulmfit_nb.training import PRETRAINED

ROOT = Path(__file__).parent.parent
ABOUT = (
    'A small English language model, for `fine_tune` and `train_classifier` to start from: it ships with [ulmfit_nb](https://github.com/ulmfit-nb/ulmfit_nb). '
    'It has read an encyclopaedia and nothing else, repeats what stood there, mistakes included, and is no source of facts.'
)
TEXTS = 'enwiki2015: cleaned articles of the English Wikipedia of May 2015'
LICENCE = "the texts are CC BY-SA, by Wikipedia's contributors; the weights are given away under the same terms"


def figures(path: Path, sha256: str) -> dict:
    "What runs/evaluate.py measured of the weights with this hash, for the card."
    if not path.exists():
        sys.exit(f'{path}: no such record. runs/evaluate.py measures a model and writes results/wiki_small.json.')
    record = json.loads(path.read_text(encoding='utf-8'))
    if record.get('sha256', sha256) != sha256:
        sys.exit(f'{path} is of other weights. Run runs/evaluate.py on this directory.')
    found = {f'{split} perplexity': record.get(split, {}).get('perplexity') for split in ('validation', 'test')}
    missing = [k for k, v in found.items() if v is None]
    if missing:
        sys.exit(f'{path} says nothing of the {missing[0]}. Run runs/evaluate.py with --split {missing[0].split()[0]}.')
    return found


def facts(args, sha256: str) -> dict:
    "What the card says beside what the directory knows."
    history = json.loads((args.directory / 'history.json').read_text(encoding='utf-8'))
    hours = round(history[-1]['minutes'] / 60, 1) if args.hours is None else args.hours
    return {
        'about': ABOUT,
        'trained on': TEXTS,
        'licence': LICENCE,
        'tokens seen in training': history[-1]['seen'],
        'hours of training': hours,
        'hardware': args.hardware,
        **figures(args.record, sha256),
        'commit': args.commit,
        'packaged by': f'`python runs/package.py {args.directory.name} {args.name}`',
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('directory', type=Path, help='what pretrain wrote')
    parser.add_argument('name', help='the model is called so from now on: wiki-small')
    parser.add_argument('--record', type=Path, default=ROOT / 'results/wiki_small.json', help='what runs/evaluate.py wrote')
    parser.add_argument('--hardware', default=hardware(), help='that it was trained on; default: this machine')
    parser.add_argument('--hours', type=float, help='that training took; default: what its history says')
    parser.add_argument('--commit', default=git_commit(), help='of the code that trained it; default: the one checked out')
    parser.add_argument('--limit', type=float, default=20, help='MB that the directory may have')
    parser.add_argument('--into', type=Path, default=PRETRAINED, help='folder of the models that ship')
    args = parser.parse_args()
    try:
        card = facts(args, load_lm(args.directory)[2]['sha256']['model.safetensors'])
        with tempfile.TemporaryDirectory() as temp:
            size = sum(f.stat().st_size for f in save_pretrained(args.directory, Path(temp) / args.name, card).iterdir()) / 1e6
        if size > args.limit:
            sys.exit(f'{args.directory} comes to {size:.1f} MB, and {args.limit:g} MB may ship: a smaller vocabulary or fewer features would do.')
        out = save_pretrained(args.directory, args.into / args.name, card)
    except (ValueError, OSError) as e:
        sys.exit(str(e))
    print(f'{out}: {size:.1f} MB')


if __name__ == '__main__':
    main()
