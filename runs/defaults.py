"""`TextClassifier` as it comes, with 500 labels and nothing else, beside counting words: what somebody gets who sets nothing; and what the other
language model that ships would give. Recorded in results/defaults.json, a point at a time; run again, it goes on."""

from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import from_command_line
from earlier import earlier
from typer import Option

from ulmfit_nb import TextClassifier
from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.course.records import git_commit, record
from ulmfit_nb.data import fingerprint
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import read_config

ROOT = Path(__file__).parent.parent
LMS = (TextClassifier().lm, 'wiki-small')


def measure(
    sets: Annotated[list[str], Option(help='named sets, or folders with train and test splits')] = ('subjectivity', 'snippets', 'clothing', 'trec', 'ag_news'),
    labels: Annotated[int, Option(help='how many')] = 500,
    test: Annotated[int, Option(help='test texts at most, the same for all points of a set')] = 2500,
    seeds: Annotated[list[int], Option(help='of the draw of labels and of everything else')] = (0, 1, 2, 3, 4),
    lms: Annotated[list[str], Option(help="language models; the first default is the estimator's")] = LMS,
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results',
):
    "Fit, score, record."
    data = {}
    for name in sets:
        asked = load_data(name, 'test')
        data[name] = load_data(name), asked.select(draw_labels(asked, min(test, len(asked)), 2))
    settings = TextClassifier().get_params()
    what = {'labels': labels, 'lms': {lm: read_config(lm)['sha256']['model.safetensors'] for lm in lms}, 'estimator': settings}
    what |= {'test texts': {name: fingerprint(asked.texts) for name, (_, asked) in data.items()}}
    path, commit = results / 'defaults.json', git_commit()
    points = (earlier(path, what) or {'points': []})['points']
    for seed, name, lm in product(seeds, sets, lms):
        if any((p['data'], p['seed'], p['lm']) == (name, seed, lm) for p in points):
            continue
        train, asked = data[name]
        few = train.select(draw_labels(train, labels, 100 + seed))
        ours = TextClassifier(**settings | {'seed': seed, 'lm': lm}).fit(few.texts, [few.classes[y] for y in few.labels])
        found = {'accuracy': ours.score(asked.texts, [asked.classes[y] for y in asked.labels])}
        found |= {'counting words': count_words(few).score(asked.texts, asked.labels)}
        points.append({'data': name, 'seed': seed, 'lm': lm, **{k: float(v) for k, v in found.items()}, 'commit': commit})
        record(path, 'python runs/defaults.py', what | {'points': points})
        print(points[-1], flush=True)
    for name, lm in product(sets, lms):
        gains = [p['accuracy'] - p['counting words'] for p in points if (p['data'], p['lm']) == (name, lm)]
        print(f'{name}, {lm}: {np.mean(gains):+.3f} beside counting words, {sum(g > 0 for g in gains)} of {len(gains)} above')


def main():
    from_command_line(measure)


if __name__ == '__main__':
    main()
