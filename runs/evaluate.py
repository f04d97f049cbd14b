"""The perplexity of a language model on a whole held-out split, in fp32, printed and recorded. `--check` compares with what is recorded and
fails if it is off by more than 1 %."""

import argparse
import json
import sys
from pathlib import Path

from ulmfit_nb.course.records import circumstances, record
from ulmfit_nb.data import iter_texts
from ulmfit_nb.pretraining import evaluate_texts, load_lm
from ulmfit_nb.sources import iter_texts
from ulmfit_nb.training import locate

BS, BPTT = 16, 70
SPLITS = ('validation', 'test')


def evaluate(path: Path, data: str, split: str) -> tuple[dict, dict]:
    "Which model it is, and its figures on a split."
    model, vocab, config = load_lm(path)
    found = evaluate_texts(model, vocab, iter_texts(data, split), BS, BPTT, config['backwards'])
    which = {'sha256': config['sha256']['model.safetensors'], 'architecture': config['architecture'], 'backwards': config['backwards']}
    return {'model': path.name, 'data': data} | which | {'parameters': sum(p.numel() for p in model.parameters()), 'vocab': len(vocab)}, found


def known(path: Path) -> dict:
    "The record there is."
    return json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}


def check(recorded: dict | None, found: dict) -> str | None:
    "What is wrong, if anything: the figure is missing, or is another one."
    if recorded is None:
        return 'nothing is recorded for this model and split: run without --check first.'
    off = found['perplexity'] / recorded['perplexity'] - 1
    print(f'recorded: {recorded["perplexity"]:.3f}, {off:+.3%} off')
    if not abs(off) <= 0.01:
        return f'the perplexity is {found["perplexity"]:.2f}, and {recorded["perplexity"]:.2f} is recorded.'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', help='directory of a language model, or the name of one that ships')
    parser.add_argument('data', help='a named set')
    parser.add_argument('--split', choices=SPLITS, default='validation')
    parser.add_argument('--check', action='store_true', help='compare with the record instead of writing it')
    parser.add_argument('--results', type=Path, default=Path(__file__).parent.parent / 'results', help='directory of the record')
    args = parser.parse_args()
    path = locate(args.model)
    which, found = evaluate(path, args.data, args.split)
    charged = f'{found["fair_perplexity"]:.2f} with xxunk charged for: {found["unknown"]:.2%} of the tokens, {found["unknown_words"]:,} different words'
    print(f'{args.data} {args.split}: perplexity {found["perplexity"]:.3f} over {found["tokens"]:,} tokens of {found["texts"]} texts ({charged})')
    file = args.results / f'{path.resolve().name.replace("-", "_")}.json'
    before = known(file)
    if args.check:
        sys.exit(check(before.get(args.split) if before.get('data') == args.data else None, found))
    command = f'python runs/evaluate.py {path.name} {args.data} --split {args.split}'
    here = {k: v for k, v in circumstances().items() if k in ('date', 'commit', 'hardware')}
    same = all(before.get(k) == v for k, v in which.items())  # the other split stays, if it was measured on the same weights and data
    splits = {k: before[k] for k in SPLITS if same and k in before}
    splits[args.split] = found | {'bs': BS, 'bptt': BPTT, 'precision': 'fp32', 'command': command} | here
    record(file, command, which | splits)


if __name__ == '__main__':
    main()
