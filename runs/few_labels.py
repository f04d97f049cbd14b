"""What pretraining buys with few labels: accuracy by number of labels, from scratch, from a pretrained language model, and from one
fine-tuned on unlabelled texts, beside TF-IDF with logistic regression. Every point is kept when it is done; run again, it goes on."""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.data import TextData, fingerprint, load_data
from ulmfit_nb.experiments import record
from ulmfit_nb.pretraining import PRESETS, load_lm, untrained
from ulmfit_nb.scaling import load_packed
from ulmfit_nb.schedules import all_at_once, gradual_unfreezing
from ulmfit_nb.training import read_config, same_settings, write_json

STARTS = ('scratch', 'pretrained', 'fine-tuned')
SETTINGS = {
    'fine_tune': PRESETS['small']['fine_tune'],
    'train_classifier': dict(lr=0.01, factor=2.6, drop_mult=0.5, bf16=True),
}
STEPS = 300  # about so many batches with everything unfrozen, however few labels there are


def draw(data: TextData, n: int, rng: np.random.Generator) -> list[int]:
    "Places of `n` texts, as many of each class as there are of it in the whole, to the nearest."
    labels = np.asarray(data.labels)
    order = rng.permutation(len(labels))
    ranks = np.empty(len(labels))  # a text's place among those of its class, as a share: the first n of all are stratified
    for c in np.unique(labels):
        mine = order[labels[order] == c]
        ranks[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
    return np.argsort(ranks, kind='stable')[:n].tolist()


def tfidf(train: TextData, test: TextData) -> float:
    "Accuracy of counting words and pairs of words."
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
    return float(model.fit(train.texts, train.labels).score(test.texts, test.labels))


def plan_of(start: str, n_layers: int, n: int, bs: int) -> list:
    "Gradual unfreezing; but there is nothing to protect in a network that has read nothing, which learns all at once, for as many epochs."
    names = ['embedding', *(f'lstm {i + 1}' for i in range(n_layers)), 'head']
    lr, factor = (SETTINGS['train_classifier'][k] for k in ('lr', 'factor'))
    epochs = min(12, max(2, round(STEPS * bs / n)))
    if start == 'scratch':
        return all_at_once(names, lr / 2, epochs + len(names) - 1, factor=1)
    return gradual_unfreezing(names, lr, epochs, factor)


def read(data: str, split: str) -> TextData:
    "A split of a data set; from runs/pack.py, if `data` is where its packs lie: packs/imdb for packs/imdb-train and so on."
    return load_packed(f'{data}-{split}') if Path(f'{data}-{split}').is_dir() else load_data(data, split)


def classify(lm: Path, start: str, train: TextData, valid: TextData, test: TextData, out: Path, seed: int) -> dict:
    "Train on `train`, count the right answers on `test`."
    began, bs = time.perf_counter(), 16 if len(train) <= 1000 else 32
    options = {k: v for k, v in SETTINGS['train_classifier'].items() if k not in ('lr', 'factor')}
    plan = plan_of(start, load_lm(lm)[2]['architecture']['n_layers'], len(train), bs)
    train_classifier(lm, train, out, valid, plan=plan, bs=bs, seed=seed, progress_bar=False, **options)
    history, trained = json.loads((out / 'history.json').read_text()), time.perf_counter()
    right = np.mean([p == test.classes[y] for p, y in zip(load_classifier(out).predict(test.texts), test.labels)])
    wall = {'wall_minutes': (trained - began) / 60, 'test_minutes': (time.perf_counter() - trained) / 60}
    return {'accuracy': float(right), 'epochs': len(history), 'minutes': history[-1]['minutes']} | {k: round(v, 2) for k, v in wall.items()}


def starts(args) -> dict[str, Path]:
    "The three language models to start from."
    texts = read(args.data, args.unlabelled_split).texts
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[: args.unlabelled]]
    scratch = args.out / 'scratch'
    if not (scratch / 'config.json').exists():
        untrained(args.lm, scratch)
    tuned = fine_tune(args.lm, texts, args.out / 'tuned', **SETTINGS['fine_tune'])
    return dict(zip(STARTS, (scratch, args.lm, tuned)))


def measure(out: Path, name: str, start: str, lm: Path | None, texts: tuple[TextData, TextData, TextData], seed: int) -> dict:
    "A point's figures: those kept from an earlier run, or those made now, which are kept. `texts`: training, validation, test."
    path, work, (train, valid, test) = out / 'points' / f'{name}.json', out / 'work' / name, texts
    made = {'settings': SETTINGS, 'steps': STEPS, 'train': fingerprint(train.texts), 'test': fingerprint(test.texts)}
    if lm:
        made['lm'] = read_config(lm)['sha256']['model.safetensors']
    if not path.exists():
        figures = {'accuracy': tfidf(train, test)} if start == 'tf-idf' else classify(lm, start, train, valid, test, work, seed)
        write_json(path, figures | {'made': made})
    shutil.rmtree(work, ignore_errors=True)
    figures = json.loads(path.read_text())
    same_settings(figures.pop('made'), made, path)
    return figures


def study(args) -> list[dict]:
    "All points, one after another, seeds outermost so that a study cut short has something to say."
    data, test = read(args.data, 'train'), read(args.data, 'test')
    held = draw(data, args.valid, np.random.default_rng(1))  # for choosing settings; never among the labels
    valid, rest = data.select(held), data.select(sorted(set(range(len(data))) - set(held)))
    test = valid if args.choose else test.select(draw(test, args.test, np.random.default_rng(2)))
    lms, points, part = starts(args), [], 'valid' if args.choose else 'test'
    for seed in args.seeds:
        for n in args.sizes:
            train = rest.select(draw(rest, n, np.random.default_rng(100 + seed)))
            for start in (*STARTS, *(() if Path(f'{args.data}-train').is_dir() else ('tf-idf',))):  # that counts words in texts, not in tokens
                texts = train, valid.select(range(min(200, len(valid)))), test
                made = measure(args.out, f'{part}-{start}-{n}-{seed}', start, lms.get(start), texts, seed)
                points.append({'start': start, 'labels': n, 'seed': seed, **made})
                print(f'{start:<11} {n:>6} labels, seed {seed}: {made["accuracy"]:.4f}', flush=True)
    return points


def numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(',')]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', help='a named set, a folder with train and test splits, or the beginning of the names of packs (runs/out/packs/imdb)')
    parser.add_argument('--lm', default='wiki-small', help='language model to start from: a directory, or the name of one that ships')
    parser.add_argument('--out', type=Path, required=True, help='directory for the runs and the points that are done')
    parser.add_argument('--sizes', type=numbers, default=[100, 500, 1000, 5000], help='numbers of labels')
    parser.add_argument('--seeds', type=numbers, default=[0, 1, 2])
    parser.add_argument('--unlabelled', type=int, default=10_000, help='unlabelled texts for stage 2')
    parser.add_argument('--unlabelled-split', default='unsup')
    parser.add_argument('--test', type=int, default=2500, help='test texts, the same for all points')
    parser.add_argument('--valid', type=int, default=1000, help='texts of the training split set aside for choosing settings')
    parser.add_argument('--results', type=Path, default=Path(__file__).parent.parent / 'results', help='directory of the record')
    parser.add_argument('--choose', action='store_true', help='measure on these instead of the test split, and record nothing')
    args = parser.parse_args()
    began = time.perf_counter()
    points = study(args)
    if args.choose:
        return
    _, vocab, config = load_lm(args.lm)
    tuned = json.loads((args.out / 'tuned/history.json').read_text())
    figures = {
        'data': Path(args.data).name,
        'lm': {'name': str(args.lm), 'architecture': config['architecture'], 'sha256': config['sha256']['model.safetensors']},
        'tuned_on': {'texts': args.unlabelled, 'split': args.unlabelled_split, 'perplexity': tuned[-1]['perplexity'], 'minutes': tuned[-1]['minutes']},
        'lm_saw_test_texts': 'test' in args.unlabelled_split,
        'settings': SETTINGS | {'steps': STEPS},
        'test_texts': args.test,
        'points': points,
        'minutes': round((time.perf_counter() - began) / 60, 1),
    }
    record(args.results / f'few_labels_{Path(args.data).name}.json', f'python runs/few_labels.py {args.data}', figures)


if __name__ == '__main__':
    main()
