"What a training costs: operations counted right, and a time limit that loses nothing."

import json
import time

import numpy as np
import pytest
import torch
from helpers import LM, REVIEWS, TEXTS, TINY_CLASSIFIER, TINY_LM
from torch.utils.flop_counter import FlopCounterMode

from ulmfit_nb import fine_tune, pretrain, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier
from ulmfit_nb.cost import Deadline, document_flops, matmul_flops, step_seconds, training_flops
from ulmfit_nb.training import Stop, train_only

# --- operations


@pytest.mark.parametrize('tie', [True, False])
def test_a_language_models_operations_are_those_that_torch_counts(tie):
    config, ids = AWDLSTMConfig(300, 20, 32, 2, tie_weights=tie), torch.randint(2, 300, (3, 7))
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.cross_entropy(LanguageModel(config).double()(ids).logits.flatten(0, 1), ids.flatten()).backward()
    first_state = 3 * sum(2 * 4 * h * h for _, h in config.layer_sizes())
    assert counter.get_total_flops() == ids.numel() * training_flops(config) - first_state


@pytest.mark.parametrize('groups', [['head'], ['lstm 2', 'head'], ['lstm 1', 'lstm 2', 'head'], ['embedding', 'lstm 1', 'lstm 2', 'head']])
def test_a_classifiers_operations_follow_what_learns(groups):
    config = AWDLSTMConfig(300, 20, 32, 2)
    model = PoolingClassifier(config, 2, bptt=10)
    model.encoder.double()
    train_only(model, groups)
    docs = [np.arange(2, 12)] * 4
    batch = next(iter(DocBatches(docs, [0, 1, 0, 1], bs=4)))
    with FlopCounterMode(display=False) as counter:
        ClassifierTask(model, None).step(model, batch, None).objective.backward()
    per_token = counter.get_total_flops() / 40
    head = 3 * 2 * (3 * config.n_out * 50 + 50 * 2) / 10
    assert per_token == pytest.approx(document_flops(config, groups) + head, rel=0.15)


def test_rates_are_numbers_that_can_be():
    rate = matmul_flops(n=256, seconds=0.05)
    config = AWDLSTMConfig(500, 16, 24, 1)
    reached = training_flops(config) * 4 * 10 / step_seconds(config, bs=4, bptt=10, steps=2)
    assert 1e8 < rate < 1e15 and 0 < reached < rate


# --- a time limit


class DeadlineAfter(Deadline):
    "Its time is up after a number of steps."

    def __init__(self, steps):
        super().__init__(60)
        self.steps = steps

    def __call__(self, seen, loss):
        self.steps -= 1
        if not self.steps:
            self.at = time.monotonic()
        super().__call__(seen, loss)


@pytest.mark.parametrize('stage', ['pretrain', 'fine_tune', 'train_classifier'])
def test_a_deadline_stops_each_stage_and_the_same_call_goes_on(tiny_lm, tmp_path, stage):
    call = {
        'pretrain': lambda out, **kw: pretrain(TEXTS * 2, out, **TINY_LM, **kw),
        'fine_tune': lambda out, **kw: fine_tune(tiny_lm, TEXTS * 3, out, **LM, **kw),
        'train_classifier': lambda out, **kw: train_classifier(tiny_lm, REVIEWS, out, **TINY_CLASSIFIER | {'epochs': 1}, **kw),
    }[stage]
    whole, cut = call(tmp_path / 'whole'), tmp_path / 'cut'
    for n in (1, 5):
        with pytest.raises(Stop, match='goes on from here'):
            call(cut, callback=DeadlineAfter(n))
    call(cut)
    weights = [(d / 'model.safetensors').read_bytes() for d in (whole, cut)]
    assert weights[0] == weights[1]
    assert json.loads((whole / 'config.json').read_text())['settings'] == json.loads((cut / 'config.json').read_text())['settings']
