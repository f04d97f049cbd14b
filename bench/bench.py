"""Measure ulmfit_nb beside fastai: the same work, in one process, interleaved repeat by repeat. One record a measurement, in results/.

\b
python bench/bench.py all      everything below, in about twelve minutes on two quiet cores
                     check     that both compute the same: losses step by step without dropout, predictions, tokens
                     lm        (a) a training step of the language model
                     clas      (b) an epoch of the classifier, all of it learning, or its head alone
                     infer     (c) predictions, from ids to probabilities
                     engines   from texts to labels with a classifier that ships, in PyTorch and in ONNX Runtime, and TF-IDF
                     rivals    training and predictions beside an encoder of DistilBERT's size
                     tokenize  (d) texts to tokens
                     loader    (e) an epoch of language-model batches, from ids and from tokens
                     growth    time and memory against the size of a corpus
                     import    (f) importing the package"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'runs'), str(HERE.parent)]
THREADS = os.environ.setdefault('BENCH_THREADS', '2')
os.environ.setdefault('OMP_NUM_THREADS', THREADS)
SHARED = HERE.parents[1] / 'shared/data'
if SHARED.is_dir():
    os.environ.setdefault('ULMFIT_NB_DATA', str(SHARED))

import numpy as np  # noqa: E402
import quiet  # noqa: E402
import workload  # noqa: E402
from command_line import from_command_line  # noqa: E402
from typer import Argument, Option  # noqa: E402

from ulmfit_nb.course.records import record as write_record  # noqa: E402
from ulmfit_nb.memory import peak_memory_mb  # noqa: E402

CASES = {  # one measurement, several cases
    'check': [{}],
    'lm': [dict(size='small', vocab=5000, steps=20), dict(size='full', vocab=10_000, steps=3), dict(size='full', vocab=30_000, steps=3)],
    'clas': [dict(size=s, n=n, frozen=f) for s, n in (('small', 96), ('full', 16)) for f in (False, True)],
    'infer': [dict(size='small', n=500), dict(size='full', n=128)],
    'engines': [dict(n=2500)],
    'rivals': [dict(work='training', n=16), dict(work='predictions', n=32)],
    'tokenize': [dict(n=2000, workers=0), dict(n=2000, workers=2)],
    'loader': [dict(source='ids', tokens=5_000_000), dict(source='tokens', tokens=1_000_000)],
    'growth': [dict(mb=5), dict(mb=50), dict(mb=500)],
    'import': [{}],
}
SMOKE = {  # the same, so small that only the plumbing is tested
    'lm': [dict(size='small', vocab=1000, steps=2)],
    'clas': [dict(size='small', n=8, frozen=f, vocab=1000, bs=4) for f in (False, True)],
    'infer': [dict(size='small', n=16, vocab=1000)],
    'engines': [dict(n=100)],
    'rivals': [dict(work='training', n=2), dict(work='predictions', n=2)],
    'tokenize': [dict(n=40, workers=w) for w in (0, 2)],
    'loader': [dict(source=s, tokens=60_000) for s in ('ids', 'tokens')],
    'growth': [dict(mb=1), dict(mb=2)],
}


def load(label):
    "The implementation that a label names; what follows a hyphen (bf16, raw) is a variant of it."
    path = HERE / f'impl_{label.split("-")[0]}.py'
    if not path.exists():
        raise SystemExit(f'no implementation {label!r}: there is no {path}')
    spec = importlib.util.spec_from_file_location('impl_' + label.replace('-', '_'), path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as e:
        raise SystemExit(f'{label} needs {e.name}: make the environment as bench/README.md says.') from e
    return module


def json_default(labels):
    return [l for l in labels if '-' not in l]  # where precision and loop play no part


def learning(labels):
    return [l for l in labels if not l.endswith('-int8')]  # bytes are for predictions


def alike(models):
    "Give all the weights of the first, so that they start alike."
    import torch

    first, *others = [m.weights() for m in models.values()]
    with torch.no_grad():
        for weights in others:
            for a, b in zip(first, weights, strict=True):
                b.copy_(a)
    return models


def interleave(labels, repeats, once, work, unit):
    "Each implementation in turn, `repeats` times over. `once(label)` gives seconds and what else is worth noting."
    seconds, values = {l: [] for l in labels}, {}
    for _ in range(repeats):
        for l in labels:
            s, values[l] = once(l)
            seconds[l].append(s)
    return quiet.summary(seconds, work, unit, values)


def lm(labels, repeats, size, vocab, steps, bs=16, seq_len=72, warm_up=2):
    labels, batches = learning(labels), workload.lm_batches(steps + warm_up, vocab, bs, seq_len)
    models = alike({l: load(l).lm_trainer(vocab, workload.SIZES[size], raw=l.endswith('-raw')) for l in labels})
    for m in models.values():
        m.run(batches[:warm_up])

    def once(label):
        seconds, losses = models[label].run(batches[warm_up:])
        return float(np.median(seconds)), {'last_loss': round(losses[-1], 3)}

    return interleave(labels, repeats, once, bs * seq_len, 'tokens')


def clas(labels, repeats, size, n, frozen, vocab=30_000, bs=16, seed=2):
    labels, (docs, y) = learning(labels), workload.documents(n, vocab, seed)
    options = dict(freeze_to=1 + workload.SIZES[size]['n_layers']) if frozen else {}
    models = alike({l: load(l).clas_trainer(vocab, workload.SIZES[size], raw=l.endswith('-raw'), **options) for l in labels})
    warm, warm_y = workload.documents(bs, vocab, 50)
    for m in models.values():
        m.run_epoch(warm, warm_y, bs)

    def once(label):
        seconds, loss = models[label].run_epoch(docs, y, bs)
        return seconds, {'loss': round(loss, 3)}

    return interleave(labels, repeats, once, n, 'docs') | {'tokens': sum(map(len, docs))}


def infer(labels, repeats, size, n, vocab=30_000, bs=64):
    docs, _ = workload.documents(n, vocab, 7)
    models = alike({l: load(l).clas_predictor(vocab, workload.SIZES[size], raw=l.endswith('-raw')) for l in labels})
    for m in models.values():
        m.predict(docs[:8], bs)
    found = {}

    def once(label):
        start = time.perf_counter()
        found[label] = models[label].predict(docs, bs)
        seconds = time.perf_counter() - start
        differ = np.abs(found[label] - found[labels[0]]).max(1)
        return seconds, {'docs_off_by_1e-4': int((differ > 1e-4).sum()), 'docs_off_by_1e-2': int((differ > 1e-2).sum())}

    return interleave(labels, repeats, once, n, 'docs') | {'tokens': sum(map(len, docs))}


def engines(labels, repeats, n):
    "A classifier that ships, on the texts of its test set: each engine, how far off it is, and what counting words takes."
    import shutil
    import tempfile

    from ulmfit_nb.baselines import count_words
    from ulmfit_nb.classifier import load_classifier
    from ulmfit_nb.onnx_engine import FILES, export_onnx
    from ulmfit_nb.sources import load_data
    from ulmfit_nb.stages import resolve_model

    train, test = load_data('subjectivity'), load_data('subjectivity', 'test')
    texts, y, found = test.texts[:n], np.array(test.labels[:n]), {}
    with tempfile.TemporaryDirectory() as work:
        folder = shutil.copytree(resolve_model('film-subjectivity'), Path(work) / 'classifier')
        export_onnx(folder)
        ours = {engine: load_classifier(folder, 'cpu', engine).predict_proba for engine in ('torch', *FILES)}
    start = time.perf_counter()
    counting = count_words(train)
    fit_seconds = round(time.perf_counter() - start, 2)
    ours['tfidf'] = counting.predict_proba
    for predict in ours.values():
        predict(texts[:64])

    def once(label):
        start = time.perf_counter()
        found[label] = ours[label](texts)
        seconds, verdicts = time.perf_counter() - start, found[label].argmax(1)
        off = np.abs(found[label] - found['torch']).max(1)
        same = {
            'mean_error': off.mean(),
            'within_0.01': (off < 0.01).mean(),
            'max_error': off.max(),
            'same_verdict': (verdicts == found['torch'].argmax(1)).mean(),
        }
        figures = {'accuracy': (verdicts == y).mean()} | (same if label in FILES else {})
        return seconds, {k: float(f'{v:.4g}') for k, v in figures.items()}

    return interleave(list(ours), repeats, once, len(texts), 'docs') | {'tfidf_fit_seconds': fit_seconds, 'tfidf_fit_docs': len(train.texts)}


def rivals(labels, repeats, work, n, vocab=30_000, bs=16):
    "An encoder of DistilBERT's size beside ours of both sizes, on the same documents; it reads no more than 512 tokens of each."
    docs, y = workload.documents(n, vocab, 7)
    kind = 'clas_trainer' if work == 'training' else 'clas_predictor'
    names = {'distilbert': ('distilbert', None)} | {f'ours {s}': ('ours', s) for s in workload.SIZES}
    if work != 'training':
        names |= {f'ours-int8 {s}': ('ours-int8', s) for s in workload.SIZES}
    models = {name: getattr(load(impl), kind)(vocab, workload.SIZES.get(size)) for name, (impl, size) in names.items()}

    def once(label, docs=docs, y=y):
        if work == 'training':
            return models[label].run_epoch(docs, y, bs)[0], {}
        start = time.perf_counter()
        models[label].predict(docs, bs)
        return time.perf_counter() - start, {}

    for name in names:
        once(name, docs[:2], y[:2])
    return interleave(list(names), repeats, once, n, 'docs') | {'tokens': sum(map(len, docs)), 'tokens_cut': sum(min(len(d), 512) for d in docs)}


def real_texts():
    "Reviews: those of IMDb where they are to be had."
    from ulmfit_nb.sources import load_data, local_files

    source = 'imdb' if local_files('imdb', 'train') else 'film_reviews'
    return source, load_data(source).texts


def tokenize(labels, repeats, n, workers):
    source, texts = real_texts()
    texts = texts[:: max(1, len(texts) // n)][:n]
    labels, found = json_default(labels), {}
    impls = {l: load(l) for l in labels}
    for m in impls.values():
        m.tokenize(texts[:20])

    def once(label):
        start = time.perf_counter()
        found[label] = impls[label].tokenize(texts, workers)
        seconds = time.perf_counter() - start
        differ = sum(a != b for a, b in zip(found[label], found[labels[0]], strict=True))
        return seconds, {'tokens': sum(map(len, found[label])), 'docs_that_differ': differ}

    return interleave(labels, repeats, once, len(texts), 'docs') | {'source': source, 'words': sum(len(t.split()) for t in texts)}


def loader(labels, repeats, source, tokens):
    "Each in a process of its own, for its memory."

    def once(label):
        return split(child('loader', label=label, source=source, tokens=tokens, repeats=repeats))

    return interleave(json_default(labels), 2, once, tokens, 'tokens')


def child_loader(label, source, tokens, repeats, bs=64, seq_len=72):
    impl, docs = load(label), workload.corpus(tokens)
    if source == 'tokens':
        words = [f'w{i}' for i in range(30_000)]
        docs = [[words[i] for i in d] for d in docs]
    before, start = quiet.rss_mb(), time.perf_counter()
    batches = (impl.lm_loader if source == 'ids' else impl.lm_pipeline)(docs, bs, seq_len)
    build, seconds = time.perf_counter() - start, []
    for _ in range(repeats):
        start, n = time.perf_counter(), 0
        for x, _ in batches:
            n += x.numel()
        seconds.append(time.perf_counter() - start)
    return {
        'seconds': float(np.median(seconds)),
        'build_seconds': round(build, 3),
        'tokens_given': n,
        'data_mb': before,
        'end_mb': quiet.rss_mb(),
        'peak_mb': peak_memory_mb(),
    }


def growth(labels, repeats, mb):
    "Each in a process of its own, once. Counting words holds a matrix of all texts, so it stops at 50 MB."
    return interleave(['ours', 'tfidf'][: 1 + (mb <= 50)], 1, lambda label: split(child('growth', label=label, mb=mb)), mb, 'MB')


def child_growth(label, mb):
    "Texts of so many MB, the same again where there are fewer, to ids on disk with a vocabulary of their own; or to a matrix of counts."
    import itertools
    import tempfile

    source, texts = real_texts()
    size = sum(map(len, texts))
    passes, rest = divmod(mb * 1_000_000, size)
    ends = np.cumsum([len(t) for t in texts])
    given = itertools.chain(itertools.chain.from_iterable(itertools.repeat(texts, passes)), texts[: int(np.searchsorted(ends, rest)) + 1])
    if label == 'tfidf':
        from sklearn.feature_extraction.text import TfidfVectorizer

        before, start = quiet.rss_mb(), time.perf_counter()
        words = TfidfVectorizer().fit_transform(given).shape[1]
        seconds, more = time.perf_counter() - start, {}
    else:
        from ulmfit_nb.corpus import build_corpus
        from ulmfit_nb.tokenization import Tokenizer

        with tempfile.TemporaryDirectory() as work:
            before, start = quiet.rss_mb(), time.perf_counter()
            vocab, stream = build_corpus(given, Path(work) / 'ids', Tokenizer())
            seconds, words, more = time.perf_counter() - start, len(vocab), {'tokens': len(stream.ids)}
    return {'seconds': seconds, 'source': source, 'words': words, 'data_mb': before, 'peak_mb': peak_memory_mb()} | more


def imports(labels, repeats):
    modules = {'torch': 'torch'} | {l: {'fastai': 'fastai.text.all', 'ours': 'ulmfit_nb'}[l] for l in json_default(labels)}
    for m in modules.values():
        child('import', module=m)  # so that all files are in the page cache
    return interleave(list(modules), repeats, lambda l: split(child('import', module=modules[l])), 1, 'imports')


def child_import(module):
    code = (
        f'import sys, time; t = time.perf_counter(); import {module}; t = time.perf_counter() - t; from resource import *; '
        'print(t, len(sys.modules), getrusage(RUSAGE_SELF).ru_maxrss >> 10)'
    )
    found = subprocess.run([sys.executable, '-c', code], cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return {'seconds': float(found[0]), 'modules': int(found[1]), 'peak_mb': int(found[2])}


def check(labels, repeats):
    """All dropout off, equal weights, the same data: everything that can be equal must be. Raises SystemExit if it is not.
    (A multiplier of 1e-9 turns dropout off; at 0 the peer's weight dropout fails: it hands its parameter on undropped.)"""
    import torch

    labels = [l for l in learning(labels) if not l.endswith('-bf16')]
    impls, vocab, size, off = {l: load(l) for l in labels}, 500, workload.SIZES['small'], {}
    batches = workload.lm_batches(6, vocab, 8, 40)
    lms = alike({l: m.lm_trainer(vocab, size, l.endswith('-raw'), drop_mult=1e-9) for l, m in impls.items()})
    losses = {'lm_losses': {l: m.run(batches)[1] for l, m in lms.items()}}
    trainers = alike({l: m.clas_trainer(vocab, size, raw=l.endswith('-raw'), drop_mult=1e-9) for l, m in impls.items()})
    for t in trainers.values():
        for m in t.model.modules():
            if isinstance(m, torch.nn.Dropout):
                m.p = 0.0
    docs, y = workload.documents(8, vocab, 5, [70] * 8)  # one piece each: the peer cuts gradients between pieces, we don't
    losses['clas_losses'] = {l: [t.run_epoch(docs, y, 8)[1] for _ in range(4)] for l, t in trainers.items()}
    docs, _ = workload.documents(8, vocab, 5, [200] * 8)
    predictors = alike({l: m.clas_predictor(vocab, size, raw=l.endswith('-raw')) for l, m in impls.items()})
    losses['predictions'] = {l: p.predict(docs, 8)[:, 1].tolist() for l, p in predictors.items()}
    for name, found in losses.items():
        off[name] = {l: float(np.abs(np.subtract(v, found[labels[0]])).max()) for l, v in found.items() if l != labels[0]}
        for l, d in off[name].items():
            if not d < 1e-4:
                raise SystemExit(f'{name} of {l} are off by {d:.2g}: {found[l]} against {found[labels[0]]}')
    return {'greatest_difference': off, 'compared_with': labels[0], 'values': losses}


MEASURES = {
    'check': check,
    'lm': lm,
    'clas': clas,
    'infer': infer,
    'engines': engines,
    'rivals': rivals,
    'tokenize': tokenize,
    'loader': loader,
    'growth': growth,
    'import': imports,
}
CHILDREN = {'loader': child_loader, 'growth': child_growth, 'import': child_import}


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    what: Annotated[Literal['all', *MEASURES], Argument(help='one measurement, or all')]
    impl: Annotated[list[str], Option(help='implementations, fastai-raw too; ratios are taken to the first')] = ('fastai', 'ours', 'ours-bf16', 'ours-int8')
    repeats: Annotated[int, Option(help='of each')] = 3
    out: Annotated[str, Option(help='directory of the records')] = str(HERE.parent / 'results')
    smoke: Annotated[bool, Option('--smoke', help='tiny sizes, to test the plumbing; give --out too')] = False
    force: Annotated[bool, Option('--force', help='measure, and record, on a busy machine')] = False


def split(found):
    "The seconds, and the rest, of what a process of its own found."
    return found.pop('seconds'), found


def child(name, **options):
    "What a process of its own finds."
    found = subprocess.run([sys.executable, __file__, 'child', name, json.dumps(options)], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise SystemExit(f'{name} {options} failed in its own process; its message stands above.')
    return json.loads(found.stdout.splitlines()[-1])


def measure(name, args: Options):
    "All cases of one measurement, then its record. Gives False if others disturbed it; what was recorded before then stays."
    if not args.force:
        quiet.wait_for_quiet()
    watch, start, cases = quiet.Watch(), time.time(), []
    for case in (SMOKE if args.smoke else CASES).get(name, CASES[name]):
        cases.append({'case': case} | MEASURES[name](args.impl, 1 if args.smoke else args.repeats, **case))
        show(name, cases[-1])
    others, command = watch.others(), f'python bench/bench.py {name} --impl {",".join(args.impl)} --repeats {args.repeats}' + ' --smoke' * args.smoke
    if not args.force and others is not None and others > quiet.QUIET:
        print(f'{name}: other processes used {others} cores meanwhile; nothing is recorded')
        return False
    write_record(
        Path(args.out) / f'bench_{name}.json',
        command + ' --force' * args.force,
        {
            'bench': name,
            'threads': int(THREADS),
            'fastai': version('fastai'),
            'minutes': round((time.time() - start) / 60, 2),
            'other_cpu': others,
            'peak_mb': peak_memory_mb(),
            'cases': cases,
        },
    )
    return True


def show(name, case):
    "A case in a line."
    what = ' '.join(str(v) if isinstance(v, str) else f'{k}={v}' for k, v in case['case'].items())
    if case.get('ratios'):
        rates = [f'{l} {next(iter(r.values())):g}' for l, r in case['results'].items()]
        ratios = [f'{l} {r["median"]:.2f}x ({r["min"]:.2f} to {r["max"]:.2f})' for l, r in case['ratios'].items()]
        unit = next(iter(next(iter(case['results'].values())))).replace('_per_s', '/s')
        print(f'{name:9} {what}: {unit} {", ".join(rates)}; beside {case["times_as_fast_as"]}: {", ".join(ratios)}', flush=True)
    else:
        print(f'{name:9} {what} {json.dumps(case.get("greatest_difference", case.get("results")))}', flush=True)


def run_all(args: Options):
    "Every measurement in a process of its own; one that was disturbed gets a second chance."
    options = ['--impl', ','.join(args.impl), '--repeats', str(args.repeats), '--out', args.out] + ['--smoke'] * args.smoke + ['--force'] * args.force
    start = time.time()

    def failed(name):
        return subprocess.run([sys.executable, __file__, name, *options]).returncode != 0

    left = [m for m in MEASURES if failed(m)]
    left = [m for m in left if failed(m)]
    print(f'{(time.time() - start) / 60:.1f} minutes' + (f'; not recorded: {", ".join(left)}' if left else ''))
    return not left


def main():
    if sys.argv[1:2] == ['child']:
        print(json.dumps(CHILDREN[sys.argv[2]](**json.loads(sys.argv[3]))))
        return
    args = from_command_line(Options)
    sys.exit(not (run_all(args) if args.what == 'all' else measure(args.what, args)))


if __name__ == '__main__':
    main()
