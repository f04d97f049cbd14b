"One thread, no deadlines, the tiny models that many tests read, and how tests are shared out to several processes."

from contextlib import contextmanager

import pytest
import torch
from helpers import LABELS, LEARNT, LM, REVIEWS, TEXTS, TINY_CLASSIFIER, TINY_LM, contents, short_run
from hypothesis import settings

from ulmfit_nb import TextClassifier, fine_tune, pretrain, train_classifier

torch.set_num_threads(1)  # small models are slower on two threads than on one, and much slower on a busy machine
settings.register_profile('calm', deadline=None, derandomize=True)
settings.load_profile('calm')


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "With `-n 2`: a file stays with one process, but the notebooks, which take longest, are dealt out one by one."
    from xdist.scheduler import LoadFileScheduling

    class Dealt(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, page = super()._split_scope(nodeid), nodeid.removesuffix(']').split('[')[-1].split('-')[-1]
            return f'{file}-{page}' if file.endswith('test_browser.py') or '::test_runs[' in nodeid else file

    return Dealt(config, log)


# --- trained once a session, and only read: a test that wants to change one copies it


@contextmanager
def only_read(path):
    before = contents(path)
    yield path
    assert contents(path) == before, f'a test has changed {path.name}, which others read'


@pytest.fixture(scope='session')
def tiny_lm(tmp_path_factory):
    "The directory of a language model that has read the reviews."
    with only_read(pretrain(TEXTS * 2, tmp_path_factory.mktemp('tiny') / 'lm', **TINY_LM)) as path:
        yield path


@pytest.fixture(scope='session')
def tiny_tuned(tiny_lm, tmp_path_factory):
    "The directory of that model, fine-tuned."
    with only_read(fine_tune(tiny_lm, TEXTS * 3, tmp_path_factory.mktemp('tiny') / 'tuned', epochs=1, **LM)) as path:
        yield path


@pytest.fixture(scope='session')
def tiny_classifier(tiny_tuned, tmp_path_factory):
    "The directory of a classifier of the reviews."
    with only_read(train_classifier(tiny_tuned, REVIEWS, tmp_path_factory.mktemp('tiny') / 'classifier', **TINY_CLASSIFIER)) as path:
        yield path


@pytest.fixture(scope='session')
def fitted(tiny_lm):
    "A `TextClassifier` that has learnt the reviews."
    return TextClassifier(tiny_lm, **LEARNT).fit(TEXTS, LABELS)


@pytest.fixture(scope='session')
def undisturbed():
    "Weights and history of the short run that nobody cuts."
    return short_run()
