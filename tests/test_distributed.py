"Several processes: they take the steps that one would take, end in words when one of them dies, and go on in any number."

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from helpers import TEXTS, program, small_classifier_task, small_lm_task, stage_1, start_program, three_stages
from safetensors.torch import load_file
from torch import nn

from ulmfit_nb import TextClassifier, distributed
from ulmfit_nb.batching import LMBatches, collate
from ulmfit_nb.distributed import (
    LostProcess,
    SharedBatchNorm,
    all_there,
    as_sent,
    check_shares,
    from_rank_0,
    gather_shards,
    interleave,
    mean_count,
    own_shard,
    rank_0_first,
    seed_of_rank,
    shard,
    sharded,
    shared_norms,
)
from ulmfit_nb.training import RunOptions


@pytest.fixture
def process(monkeypatch):
    "Take this process for number `r` of `world`."

    def pretend(r, world):
        monkeypatch.setattr(distributed, 'rank', lambda: r)
        monkeypatch.setattr(distributed, 'world_size', lambda: world)

    return pretend


def weights(path):
    return load_file(path / 'model.safetensors')


def told(path):
    "What the history says of each epoch: tokens or documents so far, and the loss."
    return np.array([[h['seen'], h['train_loss']] for h in json.loads((path / 'history.json').read_text())])


def differ(a, b) -> float:
    "By how much two models differ at most."
    assert a.keys() == b.keys()
    return max(float((a[k].double() - b[k].double()).abs().max()) for k in a)


# --- one process


def test_alone_nothing_is_shared():
    task, options = small_lm_task(), RunOptions()
    with sharded(task, options, 0, None, {}) as found:
        assert found == (task, options)
    tensors, n = {'state.0.h': torch.ones(1)}, torch.tensor(3)
    assert gather_shards(tensors) is tensors and own_shard(tensors) is tensors and mean_count(n) is n
    assert from_rank_0(divmod, 7, 2) == (3, 1) and rank_0_first(divmod)(7, 2) == (3, 1)


@pytest.mark.parametrize('given,found', [
    ({}, (0, 1)), ({'RANK': '1', 'WORLD_SIZE': '2'}, (0, 1)), ({'RANK': '1', 'WORLD_SIZE': '2', 'LOCAL_RANK': '1'}, (1, 2)),
], ids=['none', 'of a cluster that has started no process group', 'of torchrun'])  # fmt: skip
def test_who_am_i(monkeypatch, given, found):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert (distributed.rank(), distributed.world_size()) == found


# --- shares


@pytest.mark.parametrize('world', [1, 2, 3])
def test_shares_of_streams_make_the_batch_and_go_on(world):
    batches = list(LMBatches(np.arange(100), bs=6, bptt=4))
    for x, y in batches:
        parts = [shard([x, y], r, world) for r in range(world)]
        assert torch.equal(interleave([p[0][None] for p in parts])[0], x) and torch.equal(interleave([p[1][None] for p in parts])[0], y)
    first, second = (shard(b, world - 1, world)[0] for b in batches[:2])
    assert torch.equal(first[:, -1] + 1, second[:, 0])


def test_shares_of_documents_are_dealt_by_length():
    batch = collate([np.arange(n) for n in (5, 1, 4, 2, 3)], labels=[0, 1, 0, 1, 0])
    parts = [shard(batch, r, 2) for r in range(2)]
    assert [p.index.tolist() for p in parts] == [[0, 4, 1], [2, 3]] and [p.labels.tolist() for p in parts] == [[0, 0, 1], [0, 1]]
    assert shard(batch, 0, 6) is batch  # fewer documents than processes: all read all
    assert shard(collate([np.arange(3)] * 4), 1, 2).labels is None


@pytest.mark.parametrize('make,world,words', [
    (small_lm_task, 3, 'batches of 4 .* to 3 processes: give bs=3, or start fewer'),
    (small_lm_task, 8, 'batches of 4 .* to 8 processes: give bs=8, or start fewer'),
    (small_classifier_task, 8, 'batches of 4 .* to 8 processes: give bs=8 or more texts, or'),
])  # fmt: skip
def test_batches_that_can_not_be_dealt_out(process, make, world, words):
    process(0, world)
    with pytest.raises(ValueError, match=words):
        check_shares(make())


def test_batches_that_can(process):
    process(0, 2)
    check_shares(small_lm_task())
    process(0, 3)
    check_shares(small_classifier_task())


# --- checkpoints


@pytest.mark.parametrize('made_by', [1, 2, 4])
@pytest.mark.parametrize('read_by', [1, 2])
def test_a_checkpoint_of_any_number_of_processes(process, monkeypatch, made_by, read_by):
    whole = torch.randn(1, 4, 3)
    parts = [{'state.0.h': whole[:, r::made_by], 'rng.cpu': torch.tensor([r]), 'loss': torch.ones(())} for r in range(made_by)]
    monkeypatch.setattr(distributed, 'gather', lambda own: [{k: p[k] for k in own} for p in parts])
    process(0, made_by)
    kept = gather_shards(parts[0])
    for r in range(read_by):
        process(r, read_by)
        own = own_shard(kept)
        assert torch.equal(own['state.0.h'], whole[:, r::read_by]) and own['loss'] == 1
        assert torch.equal(own['rng.cpu'], torch.tensor([r]) if r < made_by else torch.get_rng_state())


def test_dropout_differs_from_process_to_process(process):
    seeds = []
    for r in range(3):
        process(r, 3)
        seeds += [seed_of_rank(0), seed_of_rank(1)]
    assert seeds[:2] == [0, 1] and len(set(seeds)) == 6


# --- what goes wrong


def test_a_lost_process_is_told_in_words(process):
    process(0, 2)
    with pytest.raises(LostProcess, match=r'process 0 of 2.*goes on from the last checkpoint'), all_there():
        raise RuntimeError('[gloo/transport/tcp/pair.cc:538] Connection closed by peer')
    with pytest.raises(RuntimeError, match='shape'), all_there():
        raise RuntimeError('shape')


def test_processes_that_learn_from_other_texts(process, monkeypatch, tmp_path):
    process(0, 2)
    monkeypatch.setattr(distributed, 'gather', lambda own: [own, (0, {'texts': 'others'})])
    with pytest.raises(ValueError, match='differ.*same texts, and a directory that all machines see'):
        with sharded(small_lm_task(), RunOptions(), 0, tmp_path / 'c', {'texts': 'mine'}):
            pass


def test_an_estimator_trains_in_one_process(process):
    process(1, 2)
    with pytest.raises(ValueError, match='TextClassifier trains in one process, and there are 2: call fine_tune'):
        TextClassifier().fit(TEXTS[:8], [0, 1] * 4)


# --- batch norm


def test_batch_norm_of_one_process_is_batch_norm(tmp_path):
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/meet', rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        x, pull = torch.randn(7, 3) * 5 + 2, torch.randn(7, 3)
        found = []
        for model in (nn.Sequential(nn.BatchNorm1d(3)) for _ in range(2)):
            nn.init.normal_(model[0].weight, generator=torch.Generator().manual_seed(0))
            own = x.clone().requires_grad_()
            if not found:
                (model(own) * pull).sum().backward()
            else:
                with shared_norms(model):
                    assert type(model[0]) is SharedBatchNorm
                    (model(own) * pull).sum().backward()
            assert type(model[0]) is nn.BatchNorm1d
            found.append({'x': own.grad, **{k: v.grad for k, v in model.named_parameters()}, **dict(model.named_buffers())})
        for k, v in found[0].items():
            torch.testing.assert_close(found[1][k], v, msg=k)
    finally:
        torch.distributed.destroy_process_group()


# --- two processes


def in_two(out):
    "Stage 1 in two processes, by hand, to be killed: what they print, and how they end."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    common = os.environ | {'WORLD_SIZE': '2', 'LOCAL_WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}
    env = [common | {'RANK': str(r), 'LOCAL_RANK': str(r)} for r in range(2)]
    both = [start_program('killed_process', out, env=e) for e in env]
    return [(p.communicate(timeout=120)[0], p.returncode) for p in both]


@pytest.fixture(scope='module')
def killed(tmp_path_factory):
    "A run of two, of which the second was killed."
    out = tmp_path_factory.mktemp('killed')
    return out, in_two(out / 'lm')


def test_a_stop_is_everybodys_and_a_death_is_told(killed):
    out, [(first, code), (second, code_2)] = killed
    assert (code, code_2) == (3, -9)
    assert first.startswith('enough in 0 after a checkpoint\nprocess 0 of 2 waits for another that has ended')
    assert second == 'enough in 0 after a checkpoint\n'  # the callback was called in the first alone
    assert (out / 'lm/work/checkpoint.safetensors').exists() and not (out / 'lm/config.json').exists()


def test_two_are_as_good_as_one_and_go_on_for_each_other(killed, tmp_path, monkeypatch):
    out, _ = killed
    shutil.copytree(out / 'lm', tmp_path / 'goes on alone')
    made = program('three_stages', out)
    launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', *made['args'][1:]]
    two = subprocess.Popen(**made | {'args': launch}, stderr=subprocess.PIPE)
    monkeypatch.setattr(nn.Dropout, 'forward', lambda self, x: x)
    three_stages(tmp_path / 'one')
    stage_1(tmp_path / 'goes on alone')
    assert two.wait(timeout=120) == 0, two.stderr.read()
    assert differ(weights(tmp_path / 'one/lm'), weights(tmp_path / 'goes on alone')) < 1e-5
    for stage in ('lm', 'tuned', 'classifier'):
        assert differ(weights(tmp_path / 'one' / stage), weights(out / stage)) < 1e-5, stage
        assert np.allclose(told(tmp_path / 'one' / stage), told(out / stage), rtol=1e-4), stage
    assert not list(out.rglob('*.part')) and not (out / 'lm/work').exists()


def test_an_error_arrives_whatever_it_holds():
    class Two(Exception):
        def __init__(self, a, b):
            super().__init__(a)

    class Holds(Exception):
        def __init__(self):
            super().__init__('locked')
            self.lock = threading.Lock()

    assert isinstance(as_sent(KeyError('x')), KeyError)
    assert str(as_sent(Two('one', 'two'))) == 'Two: one' and str(as_sent(Holds())) == 'Holds: locked'
