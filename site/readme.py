"Write the results in README.md from the records in results/. `--check` only says whether they are up to date."

import re
import sys
from pathlib import Path
from typing import Annotated

from typer import Option

from ulmfit_nb.course.records import DATA_SETS, few_label_table, markdown_table, n_seeds, read_records
from ulmfit_nb.files import atomic_open
from ulmfit_nb.stages import read_config

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
    shipped = read_config(r['lm']['name'])['sha256']['model.safetensors'] == r['lm']['sha256']
    start = f'{"" if shipped else "an earlier "}`{r["lm"]["name"]}`'
    other = r.get('start', {}).get('', r['lm'])['name']
    if other != r['lm']['name']:
        how = 'from `{}`' if r['stage 2'] else 'is `{}`, which has read texts of this kind'
        start += f', and what is fine-tuned (both directions of it) {how.format(other)}'
    data = DATA_SETS.get(r['data'], f'`{r["data"]}`')
    about = f'{data}, accuracy in % on {r["test_texts"]:,} test texts, mean of {n_seeds(r)} seeds (worst to best), starting from {start}'
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


SHOWN = ('ours', 'ours, AVX2', 'ours-bf16', 'ours-int8')


def ratios_of(r: dict | None, case: dict) -> dict[str, float]:
    "How many times as fast as the peer each of ours is in a case of a measurement; nothing where it wasn't measured."
    for c in r['cases'] if r else ():
        if c['case'] == case and c.get('ratios'):
            return with_building(c) if r['bench'] == 'loader' else {label: ratio['median'] for label, ratio in c['ratios'].items()}
    return {}


def speed_rows(r: dict, avx2: dict | None) -> list[dict]:
    "One measurement beside the peer, and the same with AVX2 alone: a row a case."
    rows = []
    for c in r['cases']:
        found = ratios_of(r, c['case']) | {'ours, AVX2': ratios_of(avx2, c['case']).get('ours')}
        if any(found.values()):
            rows.append({'work': WORK[r['bench']], 'case': case_words(c['case'])} | {k: f'{found[k]:.2f}' if found.get(k) else '' for k in SHOWN})
    return rows


def with_building(c: dict) -> dict[str, float]:
    "Ratios for a first epoch: what one of the two does once, before it, the other does in every epoch."
    seconds = {label: found['build_seconds'] + found['seconds']['median'] for label, found in c['results'].items()}
    return {'ours': seconds[c['times_as_fast_as']] / seconds['ours']}


def engines_table(r: dict) -> str:
    "A classifier that ships, computed in three ways, and counting words."
    (c,) = r['cases']
    names = {'torch': 'PyTorch', 'onnx': 'ONNX Runtime, floats', 'onnx-int8': 'ONNX Runtime, bytes', 'tfidf': 'TF-IDF and logistic regression'}
    rows = []
    for label, found in c['results'].items():
        row = {'what computes': names[label], 'texts a second': f'{found["docs_per_s"]:,.0f}', 'accuracy': f'{100 * found["accuracy"]:.1f} %'}
        off = [f'{found["mean_error"]:.4f}', f'{found["max_error"]:.4f}', f'{100 * found["same_verdict"]:.2f} %'] if 'mean_error' in found else [''] * 3
        rows.append(row | dict(zip(['mean error of a probability', 'largest', 'same verdict as PyTorch'], off)))
    return f'`film-subjectivity` on {c["case"]["n"]:,} test sentences, from text to label (`{r["command"]}`):\n\n{markdown_table(rows)}'


def rivals_table(r: dict) -> str:
    "Documents a second beside an encoder of DistilBERT's size."
    rates = {c['case']['work']: {label: f'{found["docs_per_s"]:.3g}' for label, found in c['results'].items()} for c in r['cases']}
    sizes = {'small': '128/256/2', 'full': '400/1152/3'}
    names = {label: ', '.join(sizes.get(word, word) for word in label.split()) for found in rates.values() for label in found}
    rows = [{'documents a second': name} | {work: found.get(label, '') for work, found in rates.items()} for label, name in names.items()]
    return f"Beside an encoder of DistilBERT's size with random weights, on documents of film reviews' lengths (`{r['command']}`):\n\n{markdown_table(rows)}"


def growth_table(r: dict) -> str:
    "Time and memory against the size of a corpus."
    rows = []
    for c in r['cases']:
        row = {'corpus': f'{c["case"]["mb"]} MB'}
        for label, name in (('ours', 'to ids on disk'), ('tfidf', 'TF-IDF matrix')):
            found = c['results'].get(label)
            row |= {f'{name}, s': f'{found["seconds"]["median"]:.1f}' if found else '', f'{name}, peak MB': found['peak_mb'] if found else ''}
        rows.append(row)
    before = r['cases'][0]['results']['ours']['data_mb']
    return f'How time and memory grow with a corpus, in one process that holds {before} MB when it begins (`{r["command"]}`):\n\n{markdown_table(rows)}'


TABLES = {'engines': engines_table, 'rivals': rivals_table, 'growth': growth_table}


def results() -> str:
    "The tables, in Markdown."
    models = [r for kind in ('wiki', 'film') for r in read_records(ROOT / 'results', f'{kind}_small*').values()]
    parts = [shipped_models(models)] if models else []
    parts += [few_labels(r) for r in read_records(ROOT / 'results', 'few_labels_*').values()]
    parts += [accuracy_table(r) for r in read_records(ROOT / 'results', 'laptop*').values()]
    benches, avx2 = ({r['bench']: r for r in read_records(ROOT / folder, 'bench_*').values()} for folder in ('results', 'results/avx2'))
    speed = [row for name in WORK if name in benches for row in speed_rows(benches[name], avx2.get(name))]
    if speed:
        sizes = '128/256/2: features of a word, features of an LSTM layer, layers. `ours-bf16` computes in bfloat16, '
        sizes += '`ours-int8` in ONNX Runtime with bytes, the others in single precision; AVX2: both on the same processor, PyTorch without AVX-512'
        head = f'Times as fast as fastai {next(iter(benches.values()))["fastai"]} on the same work (`bench/README.md` says how). {sizes}:'
        parts.append(f'{head}\n\n{markdown_table(speed)}')
    parts += [table(benches[name]) for name, table in TABLES.items() if name in benches]
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
