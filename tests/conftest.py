"Small models are slower on two threads than on one, and much slower on a busy machine. How tests are shared out to several processes."

import pytest
import torch

torch.set_num_threads(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "With `-n 2`: a file stays with one process, but the chapters in the browser, which take longest, are dealt out one by one."
    from xdist.scheduler import LoadFileScheduling

    class Dealt(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, chapter = super()._split_scope(nodeid), nodeid.removesuffix(']').split('-')[-1]
            return f'{file}-{chapter}' if file.endswith('test_browser.py') else file

    return Dealt(config, log)
