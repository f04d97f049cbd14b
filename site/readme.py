"Write the results in README.md from the records in results/. `--check` only says whether they are up to date."

import re
import sys
from pathlib import Path
from typing import Annotated

from typer import Option

from ulmfit_nb.course.records import DATA_SETS, few_label_table, markdown_table, n_seeds, read_records
from ulmfit_nb.files import atomic_open

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / 'runs'))
from command_line import from_command_line  # noqa: E402

MARKED = re.compile(r'(<!-- results: .*?-->\n).*?(<!-- /results -->)', re.S)


def accuracy_table(r: dict) -> str:
    "A run of all three stages."
    stages, saw = r['stages'], 'had' if r['lm_saw_test_texts'] else 'had not'
    rows = [
        {'stage': '1 Wikipedia', 'validation': f'perplexity {stages["pretrain"]["history"][-1]["perplexity"]:.1f}'},
        {'stage': '2 IMDb, unlabelled', 'validation': f'perplexity {stages["fine_tune"]["history"][-1]["perplexity"]:.1f}'},
    ]
    for h in stages['train_classifier']['history']:
        rows.append({'stage': f'3 learning: {", ".join(h["groups"])}', 'validation': f'{100 * h["accuracy"]:.1f} %'})
    rows.append({'stage': f'**test**, {r["test_texts"]:,} reviews', 'validation': f'**{100 * r["test_accuracy"]:.1f} %**'})
    cost = f'{r["minutes"]:.0f} minutes of training and validation on {r["hardware"]}, {r["peak_mb"] / 1024:.1f} GB'
    return f'IMDb by `{r["command"]}`: {cost}; the language model {saw} seen the test texts.\n\n' + markdown_table(rows)


def shipped_models(records: list[dict]) -> str:
    "The language models that ship, and how well they predict what they have not read."
    size = f'{records[0]["parameters"] / 1e6:.1f} million weights, {records[0]["vocab"]:,} words, 9 MB each'
    rows = [
        {
            'model': f'`{r["model"]}`',
            'reads': 'backwards' if r['backwards'] else 'forwards',
            'held-out texts': r['data'],
            **{f'perplexity, {split}': f'{r[split]["perplexity"]:.1f}' if split in r else '' for split in ('validation', 'test')},
        }
        for r in records
    ]
    return f'The language models that ship (`bash runs/small_models.sh`): {size}.\n\n{markdown_table(rows)}'


def few_labels(r: dict) -> str:
    "A few-label study."
    rows = [{{'scratch': 'from scratch', 'fine-tuned': 'pretrained and fine-tuned'}.get(k, k): v for k, v in row.items()} for row in few_label_table(r)]
    about = f'{DATA_SETS[r["data"]]}, accuracy in % on {r["test_texts"]:,} test texts, mean of {n_seeds(r)} seeds (worst to best), starting from `wiki-small`'
    return f'{about} (`bash runs/few_labels.sh`):\n\n{markdown_table(rows)}'


WORK = {
    'lm': 'language model, training step',
    'clas': 'classifier, training epoch',
    'infer': 'predictions',
    'tokenize': 'tokenising',
    'loader': 'batches for the language model, a first epoch',
}


def case_words(case: dict) -> str:
    "What sets one case of a measurement apart."
    size = {'small': '128/256/2', 'full': '400/1152/3'}.get(case.get('size'), '')
    words = [size, f'{case["vocab"]:,} words' if 'vocab' in case else '', 'head only' if case.get('frozen') else '']
    words += [f'from {case["source"]}' if 'source' in case else '', f'{case["workers"]} workers' if case.get('workers') else '']
    return ', '.join(w for w in words if w)


def speed_rows(r: dict) -> list[dict]:
    "One measurement beside the peer: a row a case."
    rows = []
    for c in r['cases']:
        if not c.get('ratios'):
            continue
        ratios = with_building(c) if r['bench'] == 'loader' else {label: ratio['median'] for label, ratio in c['ratios'].items()}
        ratios = {label: f'{ratios[label]:.2f}' if label in ratios else '' for label in ('ours', 'ours-bf16')}
        rows.append({'work': WORK[r['bench']], 'case': case_words(c['case'])} | ratios)
    return rows


def with_building(c: dict) -> dict[str, float]:
    "Ratios for a first epoch: what one of the two does once, before it, the other does in every epoch."
    seconds = {label: found['build_seconds'] + found['seconds']['median'] for label, found in c['results'].items()}
    return {'ours': seconds[c['times_as_fast_as']] / seconds['ours']}


def results() -> str:
    "The tables, in Markdown."
    models = [r for kind in ('wiki', 'film') for r in read_records(ROOT / 'results', f'{kind}_small*').values()]
    parts = [shipped_models(models)] if models else []
    parts += [few_labels(r) for r in read_records(ROOT / 'results', 'few_labels_*').values()]
    parts += [accuracy_table(r) for r in read_records(ROOT / 'results', 'laptop*').values()]
    benches = [r for r in read_records(ROOT / 'results', 'bench_*').values() if r['bench'] not in ('check', 'import')]
    speed = [row for r in benches for row in speed_rows(r)]
    if speed:
        sizes = '128/256/2: features of a word, features of an LSTM layer, layers. `ours-bf16` computes in bfloat16, the others in single precision'
        head = f'Times as fast as fastai {benches[0]["fastai"]} on the same work (`bench/README.md` says how). {sizes}:'
        parts.append(f'{head}\n\n{markdown_table(speed)}')
    return '\n\n'.join(parts) or 'None recorded yet.'


def update(check: Annotated[bool, Option('--check', help='Write nothing; say whether README.md is up to date.')] = False):
    path = ROOT / 'README.md'
    text = path.read_text(encoding='utf-8')
    body = results()
    new = MARKED.sub(lambda m: m[1] + (f'\n{body}\n\n' if body else '') + m[2], text)
    if check:
        sys.exit('README.md is not what results/ says: run make readme' if new != text else 0)
    with atomic_open(path, 'w') as f:
        f.write(new)


def main():
    from_command_line(update)


if __name__ == '__main__':
    main()
