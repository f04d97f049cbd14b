"Precision: what is asked for, what the machine is good at, what is taken, and what is said of it."

import json
import os
import warnings

import pytest
import torch
from helpers import run_program
from torch import nn

from ulmfit_nb import precision, pretrain
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.precision import bf16_speedup, choose_precision, computes_bf16, computing_in
from ulmfit_nb.schedules import all_at_once
from ulmfit_nb.training import Stop, fit

CPU = torch.device('cpu')
LARGE = nn.LSTM(128, 200, batch_first=True)


@pytest.fixture
def machine(monkeypatch):
    "A machine that is so many times as fast in bfloat16, and has instructions for it or not."

    def made(speed: float, able=True):
        monkeypatch.setattr(precision, 'computes_bf16', lambda device: able)
        monkeypatch.setattr(precision, 'bf16_speedup', lambda *shape: speed)

    return made


@pytest.mark.parametrize(
    ('speed', 'able', 'before', 'taken'),
    [
        (2.0, True, None, 'bf16'),
        (1.05, True, None, 'fp32'),
        (0.1, True, None, 'fp32'),  # AVX-512 without the bfloat16 part
        (2.0, False, None, 'fp32'),
        (1.05, True, 'bf16', 'bf16'),  # the same machine, measured again
        (1.2, True, 'fp32', 'fp32'),
    ],
)
def test_auto_takes_what_is_faster(machine, speed, able, before, taken):
    machine(speed, able)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert choose_precision('auto', LARGE, 8, CPU, before) == taken


@pytest.mark.parametrize(('speed', 'before', 'taken'), [(0.03, 'bf16', 'fp32'), (3.0, 'fp32', 'bf16')])
def test_another_machine_is_announced(machine, speed, before, taken):
    machine(speed)
    with pytest.warns(UserWarning, match=f'in {before} so far, and goes on in {taken}, which is faster here'):
        assert choose_precision('auto', LARGE, 8, CPU, before) == taken


def test_asking_for_the_slower_one_warns_with_the_factor(machine):
    machine(1 / 35, able=False)
    with pytest.warns(UserWarning, match=r'bf16 is 35\.0 times slower than fp32'):
        assert choose_precision('bf16', LARGE, 8, CPU) == 'bf16'


def test_small_layers_are_not_measured(monkeypatch):
    monkeypatch.setattr(precision, 'bf16_speedup', lambda *shape: pytest.fail('measured'))
    assert choose_precision('auto', nn.LSTM(30, 40), 8, CPU) == choose_precision('auto', nn.Linear(500, 2), 8, CPU) == 'fp32'


def test_the_measurement_leaves_random_numbers_and_threads_alone():
    bf16_speedup.cache_clear()
    torch.manual_seed(0)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(0)
    with torch.no_grad():
        assert bf16_speedup(8, 16, 2, CPU) > 0
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == threads
    assert bf16_speedup(8, 16, 2, CPU) == bf16_speedup(8, 16, 2, CPU) and bf16_speedup.cache_info().misses == 1


def task(n_hid=24):
    torch.manual_seed(0)
    return LMTask(LanguageModel(AWDLSTMConfig(30, 8, n_hid, 2)), LMBatches([i % 29 + 1 for i in range(600)], bs=4, bptt=10))


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'fp16': give one of 'auto', 'fp32', 'bf16'"):
        fit(task(), all_at_once(['lstm 1', 'lstm 2', 'embedding']), precision='fp16')


@pytest.mark.filterwarnings('ignore:bf16 is')
def test_a_run_goes_on_in_the_other_precision(tmp_path):
    "The state of the middle of an epoch is in bfloat16: single precision takes it over."
    plan, file = all_at_once(['lstm 1', 'lstm 2', 'embedding'], 0.01, 2), tmp_path / 'checkpoint'

    def stop(seen, loss):
        if seen >= 400:
            raise Stop

    with pytest.raises(Stop):
        fit(task(), plan, precision='bf16', checkpoint=file, progress_bar=False, callback=stop)
    with pytest.warns(UserWarning, match='in bf16 so far, and goes on in fp32'):
        history = fit(task(), plan, precision='fp32', checkpoint=file, progress_bar=False)
    assert [h['precision'] for h in history] == ['fp32', 'fp32'] and history[1]['train_loss'] < history[0]['train_loss']


def test_what_was_used_is_kept_and_is_no_setting(tmp_path, capsys):
    texts, small = [f'A text, number {i}.' for i in range(60)], dict(emb_sz=8, n_hid=8, n_layers=1, bs=2, bptt=8)
    out = pretrain(texts, tmp_path / 'out', **small, precision='fp32')
    config = json.loads((out / 'config.json').read_text())
    assert config['precision'] == json.loads((out / 'history.json').read_text())[-1]['precision'] == 'fp32' and 'precision' not in config['settings']
    assert pretrain(texts, out, **small) == out, 'a finished stage is asked again with another precision'


def test_a_directory_with_the_old_setting_is_still_known(tmp_path):
    texts, small = [f'A text, number {i}.' for i in range(60)], dict(emb_sz=8, n_hid=8, n_layers=1, bs=2, bptt=8, progress_bar=False)
    out = pretrain(texts, tmp_path / 'out', **small)
    config = json.loads((out / 'config.json').read_text())
    config['settings']['bf16'] = True
    del config['digest']  # there was none in those days
    (out / 'config.json').write_text(json.dumps(config))
    before = (out / 'model.safetensors').stat().st_mtime_ns
    pretrain(texts, out, **small)
    assert (out / 'model.safetensors').stat().st_mtime_ns == before


AVX2 = {'ONEDNN_MAX_CPU_ISA': 'AVX2', 'ATEN_CPU_CAPABILITY': 'avx2'}


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() not in ('AVX2', 'AVX512'), reason='these two variables are for x86 processors')
def test_a_processor_without_bfloat16_trains_in_single_precision():
    done = run_program('precision_here', env=os.environ | AVX2)
    assert done.stdout.split() == ['False', 'fp32'], done.stderr


def test_where_there_are_instructions_they_are_used_only_if_faster():
    "On this very machine, whichever it is."
    chosen = choose_precision('auto', nn.LSTM(200, 512, batch_first=True), 16, CPU)
    assert (chosen == 'bf16') == (computes_bf16(CPU) and bf16_speedup(200, 512, 16, CPU) >= 1.1)


@pytest.mark.parametrize('precision, dtype', [('fp32', torch.float32), ('bf16', torch.bfloat16)])
def test_a_forward_pass_is_in_what_was_asked_for_and_what_follows_is_not(precision, dtype):
    linear = nn.Linear(3, 2)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that it is slower here
        with computing_in(precision, linear, 4) as chosen:
            inside = linear(torch.ones(4, 3))
    assert chosen == precision and inside.dtype == dtype and linear(torch.ones(4, 3)).dtype == torch.float32


def test_a_forward_pass_in_a_precision_that_there_is_not():
    with pytest.raises(ValueError, match="precision is 'fp16'"), computing_in('fp16', nn.Linear(1, 1), 1):
        pass


def test_a_run_with_small_layers_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(precision, 'computes_bf16', lambda device: True)
    monkeypatch.setattr(precision, 'bf16_speedup', lambda *shape: pytest.fail('measured'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert choose_precision('auto', nn.LSTM(30, 40), 8, CPU, 'bf16') == 'bf16'


def test_auto_is_not_said_to_do_what_it_would_not(machine):
    machine(0.95)
    with pytest.warns(UserWarning, match=r'slower than fp32 on this cpu\.$'):
        choose_precision('bf16', LARGE, 8, CPU, 'bf16')
    machine(0.5)
    with pytest.warns(UserWarning, match=r'slower than fp32 on this cpu\.$'):
        choose_precision('bf16', nn.LSTM(30, 40), 8, CPU, 'bf16')
