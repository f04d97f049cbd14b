"How many page faults an ordinary step of training has, with its memory kept or given back after each."

import resource
import sys

import numpy as np
import torch

from ulmfit_nb import training
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.schedules import all_at_once

if sys.argv[1] == 'given back':
    training.keep_memory = lambda: None
torch.manual_seed(0)
model = LanguageModel(AWDLSTMConfig(20_000, emb_sz=16, n_hid=16, n_layers=1))
task, seen = LMTask(model, LMBatches(np.random.randint(9, 20_000, 6000), bs=8, bptt=70)), []


def watch(*_):
    seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)


training.fit(task, all_at_once(list(model.layer_groups())), progress_bar=False, callback=watch)
print(sorted(np.diff(seen))[len(seen) // 2])
