"What several tests share: texts, a short run of the loop, what a directory holds, and programs that run in a process of their own."

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from ulmfit_nb import fine_tune, pretrain, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches, LMBatches
from ulmfit_nb.checkpoint import model_tensors
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.schedules import one_cycle, one_cycle_momentum
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Vocab
from ulmfit_nb.training import Phase, fit

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / 'golden'
PROGRAMS = Path(__file__).parent / 'programs'


# --- texts that a tiny model learns in a second: short reviews, and sentences of a story

GOOD = ['a warm and funny film', 'what a lovely , clever story', 'i laughed and i cried , a joy', 'wonderful cast and a great script']
BAD = ['a dull and lazy film', 'what a long , stupid mess', 'i slept and i left , a bore', 'awful cast and a poor script']
TEXTS = [f'{t} , {n}' for n in ('truly', 'really', 'honestly', 'in the end', 'all in all') for t in GOOD + BAD]
REVIEWS = TextData(TEXTS, [int(t.rsplit(' , ', 1)[0] in GOOD) for t in TEXTS], ['neg', 'pos'])
LABELS = ['good' if t.rsplit(' , ', 1)[0] in GOOD else 'bad' for t in TEXTS]
PROSE = [f'The {a} {b} went to the {c} and saw nothing.' for a in ('old', 'young') for b in ('fox', 'crow', 'owl') for c in ('sea', 'hill')] * 3

# Settings of the three stages that the fixtures `tiny_lm`, `tiny_tuned` and `tiny_classifier` are made with.
LM = dict(bs=2, bptt=10, min_freq=1, lr=0.02, drop_mult=0.1, progress_bar=False)
TINY_LM = dict(emb_sz=12, n_hid=16, n_layers=2, epochs=1) | LM
TINY_CLASSIFIER = dict(epochs=6, lr=0.05, bs=8, bptt=5, max_len=8, drop_mult=0.1, progress_bar=False)

# Arguments of the estimator: for a fit that is soon done, and for one that learns the reviews.
QUICK = dict(preset='tiny', epochs=1, bs=8)
LEARNT = dict(preset='tiny', epochs=25, lr=0.05, bs=8, drop_mult=0.1, hold_out=False)

# Those of a smaller model, which has read the story.
PROSE_LM = dict(emb_sz=8, n_hid=12, n_layers=2, min_freq=1, bs=2, bptt=10, lr=0.01, every=3, progress_bar=False)

# Any text, with much that a tokenizer can trip over.
BLANKS = st.text(' \t\n\r\x0b\x0c\x1c\x85\xa0\u2009\u3000', max_size=4)
TRICKY = "don't U.K. (so) well-known... :-) 7/10 'em 10a.m. can't. $5.99 x, — é́ 😀 xxmaj xxup. http://x.y a.b ''nested'' 5km"
PIECES = st.sampled_from(TRICKY.split())
WORDY = st.lists(st.tuples(BLANKS, PIECES | st.text(max_size=6)), max_size=8).map(lambda ps: ''.join(a + b for a, b in ps))


def refuse(*parts):
    "A `DataError` whose message holds these parts, in this order."
    return pytest.raises(DataError, match='(?s)' + '.*'.join(map(re.escape, parts)))


def same_answers(a, b):
    "Whether two estimators say the same of the reviews."
    return np.array_equal(a.predict_proba(TEXTS), b.predict_proba(TEXTS)) and np.array_equal(a.predict(TEXTS), b.predict(TEXTS))


# --- a short run of the loop, which can be cut

ALL = ['lstm 1', 'lstm 2', 'embedding']
PLAN = [Phase(['embedding'], [0.02], 2), Phase(ALL, [0.005, 0.01, 0.02], 2)]


class Cut(LMBatches):
    "Batches that come to a sudden end at (epoch, batch)."

    cut, how = None, staticmethod(lambda: (_ for _ in ()).throw(KeyboardInterrupt))

    def epoch(self, epoch=0, start=0):
        for i, batch in enumerate(super().epoch(epoch, start), start):
            if (epoch, i) == self.cut:
                self.how()
            yield batch


def random_batches(cls=LMBatches, n=300, **kw):
    ids, offsets = np.random.default_rng(0).integers(2, 40, n), np.arange(0, n + 1, 20)
    return cls(ids, offsets, bs=4, bptt=9, **kw)


def new_lm(tie=True, seed=0):
    torch.manual_seed(seed)
    return LanguageModel(AWDLSTMConfig(40, emb_sz=8, n_hid=12, n_layers=2, tie_weights=tie))


def made_of(model, **more):
    "What config.json says of a language model, or with more of a classifier."
    return {'architecture': asdict(model.config), 'tokenizer': {'lang': 'en'}, 'backwards': False, 'settings': {}} | more


def some_words(n, of='w'):
    "A vocabulary of so many words."
    return Vocab(['xxunk', 'xxpad'] + [f'{of}{i}' for i in range(2, n)])


def copied(folder, to):
    "A directory that a test may spoil."
    return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


@contextmanager
def peak_mb_of(most):
    "Fails if Python or torch ask for much more memory at a time than there should be."
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < most, f'{grown:.0f} MB more at the peak'


def short_run(cut=None, checkpoint=None, plan=PLAN, every=3, model=None, how=None, **kw):
    "Weights and history of a run (None if it was cut), each run with a new model and new data, as in a new process."
    batches, model = random_batches(Cut, shuffle=True, vary_bptt=True), model or new_lm()
    batches.cut = cut
    if how:
        batches.how = how
    task = LMTask(model, batches, random_batches())
    try:
        history = fit(task, plan, schedule=one_cycle, momentum=one_cycle_momentum, checkpoint=checkpoint, every=every, progress_bar=False, **kw)
    except KeyboardInterrupt:
        return None
    return {k: v.detach().clone() for k, v in model_tensors(model).items()}, timeless(history)


# --- stages that several processes carry out as one does: without dropout, with documents of several lengths

TOGETHER = dict(bs=4, bptt=10, lr=0.02, drop_mult=0, progress_bar=False, every=2)
LONGER = [' '.join(TEXTS[i : i + 1 + i % 4]) for i in range(39)]


def stage_1(out, **how):
    return pretrain(PROSE + TEXTS, out, emb_sz=12, n_hid=16, n_layers=2, epochs=2, min_freq=1, **TOGETHER | how)


def three_stages(out):
    "Stages 1, 2 and 3; the last of a run's batches has an odd number of documents."
    tuned = fine_tune(stage_1(out / 'lm'), TEXTS, out / 'tuned', epochs=2, min_freq=1, **TOGETHER)
    data = TextData(LONGER, REVIEWS.labels[:39], REVIEWS.classes)
    train_classifier(tuned, data, out / 'classifier', epochs=1, class_weight='balanced', **TOGETHER | {'bs': 16, 'bptt': 5, 'lr': 0.002})


def timeless(history):
    "A history but for what differs from one machine and hour to the next."
    return [{k: v for k, v in h.items() if k not in ('minutes', 'peak_mb')} for h in history]


def same_run(a, b):
    return a[1] == b[1] and same_tensors(a[0], b[0])


def same_tensors(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


class Made(TorchDispatchMode):
    "Notes the operations that are carried out, and the size in bytes of the largest tensor they make."

    def __init__(self):
        super().__init__()
        self.largest, self.names = 0, []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        made = op(*args, **(kwargs or {}))
        self.names.append(op.name())
        if isinstance(made, torch.Tensor):
            self.largest = max(self.largest, made.numel() * made.element_size())
        return made


# --- tasks for rates to be tried on

FIVE_GROUPS = ['embedding', 'lstm 1', 'lstm 2', 'lstm 3', 'head']


def small_classifier():
    return PoolingClassifier(AWDLSTMConfig(vocab_sz=50, emb_sz=6, n_hid=8, n_layers=3), n_class=2, bptt=5, hidden=(4,))


def small_lm_task():
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(vocab_sz=20, emb_sz=4, n_hid=6, n_layers=2, tie_weights=False))
    return LMTask(model, LMBatches(np.random.default_rng(0).integers(2, 20, 330), bs=4, bptt=8))


def small_classifier_task():
    rng = np.random.default_rng(0)
    return ClassifierTask(small_classifier(), DocBatches([rng.integers(2, 50, n) for n in range(3, 25)], [0, 1] * 11, bs=4, shuffle=True))


# --- what a directory holds


def names_in(folder) -> list[str]:
    return sorted(f.name for f in Path(folder).iterdir())


def contents(folder) -> dict[str, bytes]:
    "The files below a folder, byte for byte."
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in Path(folder).rglob('*') if f.is_file()}


def weights_of(path) -> dict[str, torch.Tensor]:
    "The parameters of a language model in a directory."
    return load_lm(path)[0].state_dict()


def history_of(path) -> list[dict]:
    "What the run that made a directory noted, but for what differs from one machine and hour to the next."
    return timeless(json.loads((path / 'history.json').read_text()))


class Calls:
    "Pickled, a call of any function."

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


# --- programs of tests/programs, in a process of their own


def program(name: str, *args, env=None, **options) -> dict:
    "What `subprocess` takes to run one: it finds the library, the scripts of runs/ and these helpers."
    paths = [ROOT, Path(__file__).parent, ROOT / 'runs', *filter(None, [os.environ.get('PYTHONPATH')])]
    found = {'PYTHONPATH': os.pathsep.join(map(str, paths)), 'OMP_NUM_THREADS': '1'}  # sums in another number of threads differ in the last digit
    command = [sys.executable, PROGRAMS / f'{name}.py', *map(str, args)]
    return {'args': command, 'env': dict(env or os.environ) | found, 'text': True} | options


def run_program(name: str, *args, **options):
    "Run a program to its end."
    return subprocess.run(**program(name, *args, capture_output=True, **options))


def start_program(name: str, *args, **options):
    "Start a program, and go on while it runs."
    return subprocess.Popen(**program(name, *args, stdout=subprocess.PIPE, **options))
