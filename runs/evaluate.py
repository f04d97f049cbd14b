"""The perplexity of a language model on a whole held-out split, in fp32, printed and recorded. `--check` compares with what is recorded and
fails if it is off by more than 1 %."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb.course.records import environment, record
from ulmfit_nb.pretraining import evaluate_texts
from ulmfit_nb.sources import iter_texts
from ulmfit_nb.stages import load_lm, resolve_model
from ulmfit_nb.tokenization import Tokenizer

BS, BPTT = 16, 70
SPLITS = ('validation', 'test')
RESULTS = Path(__file__).parent.parent / 'results'


def evaluate(path: Path, data: str, split: str) -> tuple[dict, dict]:
    "Which model it is, and its figures on a split."
    model, vocab, config = load_lm(path)
    found = evaluate_texts(model, vocab, iter_texts(data, split), BS, BPTT, config['backwards'], Tokenizer(**config['tokenizer']))
    which = {'sha256': config['sha256']['model.safetensors'], **{k: config[k] for k in ('weights', 'architecture', 'backwards') if k in config}}
    return {'model': path.name, 'data': data} | which | {'parameters': sum(p.numel() for p in model.parameters()), 'vocab': len(vocab)}, found


def known(path: Path) -> dict:
    "The record there is."
    return json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}


def compare(recorded: dict | None, found: dict) -> str | None:
    "What is wrong, if anything: the figure is missing, or is another one."
    if recorded is None:
        return 'nothing is recorded for this model and split: run without --check first.'
    off = found['perplexity'] / recorded['perplexity'] - 1
    print(f'recorded: {recorded["perplexity"]:.3f}, {off:+.3%} off')
    if not abs(off) <= 0.01:
        return f'the perplexity is {found["perplexity"]:.2f}, and {recorded["perplexity"]:.2f} is recorded.'


def measure(
    model: Annotated[str, Argument(help='directory of a language model, or the name of one that ships')],
    data: Annotated[str, Argument(help='a named set')],
    split: Annotated[Literal[SPLITS], Option(help='of the set')] = 'validation',
    check: Annotated[bool, Option('--check', help='compare with the record instead of writing it')] = False,
    results: Annotated[Path, Option(help='directory of the record')] = RESULTS,
):
    "Evaluate, print, and record or compare."
    path = resolve_model(model)
    which, found = evaluate(path, data, split)
    charged = f'{found["fair_perplexity"]:.2f} with xxunk charged for: {found["unknown"]:.2%} of the tokens, {found["unknown_words"]:,} different words'
    print(f'{data} {split}: perplexity {found["perplexity"]:.3f} over {found["tokens"]:,} tokens of {found["texts"]} texts ({charged})')
    file = results / f'{path.resolve().name.replace("-", "_")}.json'
    before = known(file)
    if check:
        sys.exit(compare(before.get(split) if before.get('data') == data else None, found))
    command = f'python runs/evaluate.py {path.name} {data} --split {split}'
    here = {k: v for k, v in environment().items() if k in ('date', 'commit', 'hardware')}
    same = all(before.get(k) == v for k, v in which.items())  # the other split stays, if it was measured on the same weights and data
    splits = {k: before[k] for k in SPLITS if same and k in before}
    splits[split] = found | {'bs': BS, 'bptt': BPTT, 'precision': 'fp32', 'command': command} | here
    record(file, command, which | splits)


def main():
    from_command_line(measure)


if __name__ == '__main__':
    main()
