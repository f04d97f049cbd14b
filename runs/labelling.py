"""What the labelling widget ships: 600 sentences of `subjectivity`, for each what a frozen language model makes of it in 64 bytes, and how well a head on these
does beside counting words on the same few labels, in five draws: python runs/labelling.py"""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from command_line import from_command_line
from typer import Option

from ulmfit_nb.baselines import count_words, draw_labels
from ulmfit_nb.course.records import record
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm, resolve_model
from ulmfit_nb.tokenization import Tokenizer

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    lm: Annotated[str, Option(help='a language model: a directory, or the name of one that ships')] = 'film-small'
    sentences: Annotated[int, Option(help='of the training split of `subjectivity`')] = 600
    features: Annotated[int, Option(help='numbers kept of each')] = 64
    labels: Annotated[list[int], Option(help='to learn from')] = (10, 20, 50, 100)
    draws: Annotated[int, Option(help='of these')] = 5
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results'


@torch.no_grad()
def pooled(lm: str, texts: list[str]) -> np.ndarray:
    "Of each text the last, the largest and the mean features of every layer: (texts, 3 * features of all layers)."
    model, vocab, _ = load_lm(lm)
    layers, rows = [], []
    for layer in model.eval().encoder.lstms:
        layer.register_forward_hook(lambda _, given, out: layers.append(out[0][0]))
    for tokens in Tokenizer().map(texts):
        layers.clear()
        model.encoder(torch.from_numpy(vocab.numericalize(tokens).astype(np.int64))[None])
        rows.append(torch.cat([part for h in layers for part in (h[-1], h.max(0).values, h.mean(0))]).numpy())
    return np.array(rows)


def compress(rows: np.ndarray, n: int) -> np.ndarray:
    "The first `n` principal components of standardised features, in bytes: (texts, n) int8. No label is looked at."
    z = (rows - rows.mean(0)) / (rows.std(0) + 1e-8)
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    found = u[:, :n] * s[:n]
    return np.rint(127 * found / abs(found).max()).astype(np.int8)


def unit(x: np.ndarray) -> np.ndarray:
    "Rows whose mean squared length is 1, as static/labelling.js has them."
    x = x.astype(float)
    return x / np.sqrt((x**2).sum(1).mean())


def measure(data, x: np.ndarray, n: int, seed: int) -> dict:
    "Both heads on one draw of `n` labels; right on the rest, as a share."
    from sklearn.linear_model import LogisticRegression

    drawn, y = draw_labels(data, n, seed), np.asarray(data.labels)
    rest = np.setdiff1d(np.arange(len(data)), drawn)
    head = LogisticRegression(C=10, max_iter=2000).fit(x[drawn], y[drawn])
    words = count_words(data.select(drawn)).score([data.texts[i] for i in rest], y[rest])
    return {'labels': n, 'seed': seed, 'features': round(head.score(x[rest], y[rest]), 4), 'words': round(words, 4)}


def make(args: Options):
    torch.set_num_threads(1)
    train = load_data('subjectivity', 'train')
    data = train.select(draw_labels(train, args.sentences))
    found = compress(rows := pooled(args.lm, data.texts), args.features)
    runs = [measure(data, unit(found), n, seed) for n in args.labels for seed in range(args.draws)]
    about = {'lm': resolve_model(args.lm).name, 'pooled': rows.shape[1], 'kept': found.shape[1], 'draws': runs, 'classes': data.classes}
    pool = {'texts': data.texts, 'told': ''.join(map(str, data.labels)), 'features': b64encode(found.tobytes()).decode()}
    record(args.results / 'labelling.json', 'python runs/labelling.py', about | pool)
    for n in args.labels:
        print(n, {k: f'{np.mean([r[k] for r in runs if r["labels"] == n]):.1%}' for k in ('features', 'words')})


if __name__ == '__main__':
    make(from_command_line(Options))
