"Write the results in README.md from the records in results/. `--check` only says whether they are up to date."
import re
import sys
from pathlib import Path

from ulmfit_nb.experiments import markdown_table, read_records

ROOT = Path(__file__).parent.parent
MARKED = re.compile(r'(<!-- results: .*?-->\n).*?(<!-- /results -->)', re.S)


def results() -> str:
    "The tables, in Markdown."
    parts = []
    for name, r in read_records(ROOT / 'results', 'laptop*').items():
        stages = r['stages']
        steps = ', '.join(f'{100 * h["accuracy"]:.1f} %' for h in stages['train_classifier']['history'])
        saw = 'has' if r['lm_saw_test_texts'] else 'has not'
        parts.append(
            f'IMDb on {r["hardware"]}, by `{r["command"]}` ({r["minutes"]:.0f} minutes, {r["peak_mb"] / 1024:.1f} GB; the language model {saw} read the test texts):\n\n'
            + markdown_table([{
                'Wikipedia perplexity': f'{stages["pretrain"]["history"][-1]["perplexity"]:.1f}',
                'IMDb perplexity': f'{stages["fine_tune"]["history"][-1]["perplexity"]:.1f}',
                'validation accuracy by epoch of unfreezing': steps,
                f'test accuracy ({r["test_texts"]:,} reviews)': f'**{100 * r["test_accuracy"]:.1f} %**',
            }]))
    speed = [{'measured': r['measures'], 'ulmfit_nb against fastai': r['ratio_text']} for r in read_records(ROOT / 'results', 'bench_*').values()]
    if speed: parts.append('Speed beside fastai 2.8.12, both in one process on the same work (above 1: we are faster):\n\n' + markdown_table(speed))
    return '\n\n'.join(parts)


def main():
    path = ROOT / 'README.md'
    text = path.read_text(encoding='utf-8')
    body = results()
    new = MARKED.sub(lambda m: m[1] + (f'\n{body}\n\n' if body else '') + m[2], text)
    if '--check' in sys.argv: sys.exit('README.md is not what results/ says: run make readme' if new != text else 0)
    path.write_text(new, encoding='utf-8')


if __name__ == '__main__': main()
