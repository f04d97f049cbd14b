"Matrices in int8: what is lost, what is never lost twice, and what a directory that holds them is to the rest of the library."

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import LM, REVIEWS, TEXTS, contents, some_words
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.torch import load_file, save_file

from ulmfit_nb import fine_tune, load_classifier, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.checkpoint import load_weights, model_tensors
from ulmfit_nb.files import sha256, write_json
from ulmfit_nb.hub import push_to_hub, save_pretrained
from ulmfit_nb.quantization import STORED, dequantize_rows, pack_tensors, quantize_rows, unpack_tensors
from ulmfit_nb.stages import Stage, StageError, load_lm, pretrained_models, save_stage

TINY, HUGE = torch.finfo(torch.float32).tiny, 2.0**127

numbers = st.floats(-HUGE, HUGE, width=32) | st.floats(-1, 1, width=32) | st.floats(-(2.0**-118), 2.0**-118, width=32) | st.just(0.0)
matrices = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=numbers).map(torch.from_numpy)


def row(*values):
    return torch.tensor([values], dtype=torch.float32)


# --- a matrix ---------------------------------------------------------------------------------------------------------------------


@given(matrices)
@example(row(TINY, 190 * 2.0**-149, 127 * TINY, 126.5 * TINY))
@example(row(1e-45, 0.0, -1e-45))
@example(row(HUGE, -HUGE, 1.0))
@example(row(127.0, 0.5, 1.5, -2.5, 126.5))
def test_the_error_is_half_a_step_at_most(w):
    q, scale = quantize_rows(w)
    assert q.dtype == torch.int8 and scale.dtype == torch.float32 and scale.shape == w.shape[:1] and q.abs().max() <= 127
    off = (dequantize_rows(q, scale).double() - w.double()).abs()
    assert (off <= 0.5001 * scale.double().unsqueeze(1)).all()
    step = w.double().abs().amax(1) / 127
    assert (scale.double() <= step.clamp(min=TINY) * (1 + 1e-6)).all(), 'steps are larger than they need be'


@given(matrices)
def test_what_was_stored_loses_nothing_when_it_is_stored_again(w):
    q, scale = quantize_rows(w)
    again = quantize_rows(dequantize_rows(q, scale))
    assert torch.equal(q, again[0]) and torch.equal(scale, again[1])


@given(matrices)
def test_a_matrix_and_its_negative_are_rounded_alike(w):
    (q, scale), (p, same) = quantize_rows(w), quantize_rows(-w)
    assert torch.equal(p, -q) and torch.equal(scale, same)


@given(matrices, st.sampled_from([torch.bfloat16, torch.float16, torch.float64]))
def test_in_whatever_precision_it_comes(w, dtype):
    w = w.clamp(-6e4, 6e4).to(dtype)
    assert all(torch.equal(a, b) for a, b in zip(quantize_rows(w), quantize_rows(w.float())))


def test_a_row_knows_nothing_of_the_others():
    w = torch.tensor([[0.9e-20, -2e-20], [0.0, 0.0], [1e20, 3e20]])
    q, scale = quantize_rows(w)
    assert q.tolist() == [[57, -127], [0, 0], [42, 127]] and torch.equal(dequantize_rows(q, scale)[1], torch.zeros(2))
    for i in range(3):
        assert torch.equal(quantize_rows(w[i : i + 1])[0][0], q[i])
    assert all(t.isfinite().all() for t in (scale, dequantize_rows(*quantize_rows(torch.zeros(3, 4)))))


# --- the tensors of a file --------------------------------------------------------------------------------------------------------


def test_names_and_types():
    tensors = {'w': torch.randn(3, 4), 'b': torch.randn(3), 'n': torch.tensor(7), 'h': torch.randn(2, 2).bfloat16(), 'v': torch.ones(2).half()}
    packed = pack_tensors(tensors, 'int8')
    kinds = {k: (v.dtype, tuple(v.shape)) for k, v in packed.items()}
    matrix = {'w': (torch.int8, (3, 4)), 'w.scale': (torch.float32, (3,)), 'h': (torch.int8, (2, 2)), 'h.scale': (torch.float32, (2,))}
    assert kinds == matrix | {'b': (torch.float32, (3,)), 'n': (torch.int64, ()), 'v': (torch.float32, (2,))}
    found = unpack_tensors(packed)
    assert list(found) == list(tensors) and torch.equal(found['b'], tensors['b']) and found['n'] == 7
    assert {k: v.dtype for k, v in found.items() if k != 'n'} == dict.fromkeys('wbhv', torch.float32)
    assert torch.equal(found['w'], dequantize_rows(*quantize_rows(tensors['w'])))


@pytest.mark.parametrize('weights, exact', [('fp16', lambda w: w.half().float()), ('fp32', lambda w: w)])
def test_the_other_ways(weights, exact):
    tensors = {'w': torch.randn(30, 4), 'b': torch.randn(30) / 3}
    packed = pack_tensors(tensors, weights)
    assert packed.keys() == tensors.keys() and packed['w'].dtype == {'fp16': torch.float16, 'fp32': torch.float32}[weights]
    found = unpack_tensors(packed)
    assert torch.equal(found['w'], exact(tensors['w'])) and torch.equal(found['b'], tensors['b']) and found['w'].dtype == torch.float32


@pytest.mark.parametrize('weights', STORED)
@pytest.mark.parametrize('value', [float('inf'), -float('inf'), float('nan')])
@pytest.mark.parametrize('shape', [(3, 4), (4,)])
def test_numbers_that_are_none(weights, value, shape):
    spoilt = torch.ones(shape)
    spoilt.view(-1)[2] = value
    with pytest.raises(ValueError, match='encoder.x holds numbers that are too large .*spoilt'):
        pack_tensors({'fine': torch.ones(2, 2), 'encoder.x': spoilt}, weights)


def test_numbers_too_large():
    with pytest.raises(ValueError, match='too large for fp16'):
        pack_tensors({'w': torch.full((2, 2), 7e4)}, 'fp16')
    assert all(pack_tensors({'b': torch.full((2,), 7e4), 'w': torch.ones(2, 2)}, w)['b'].dtype == torch.float32 for w in STORED)
    largest = torch.full((1, 2), torch.finfo(torch.float32).max)
    with pytest.raises(ValueError, match='too large for int8'):  # 127 steps of it would round to infinity
        quantize_rows(largest)
    assert dequantize_rows(*quantize_rows(0.9999 * largest)).isfinite().all()


@pytest.mark.parametrize('weights', ['int4', 'INT8', None, ''])
def test_a_way_there_is_not(weights):
    with pytest.raises(ValueError, match="give one of 'int8', 'fp16', 'fp32'"):
        pack_tensors({}, weights)


def test_a_name_that_is_kept_for_scales():
    with pytest.raises(ValueError, match='a.scale'):
        pack_tensors({'a.scale': torch.ones(2)}, 'int8')


# --- a model ----------------------------------------------------------------------------------------------------------------------


def test_logits_hardly_move():
    "By half a hundredth of their spread. One scale for a matrix whose rows are of different size would move them more than twice as far."
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(200, emb_sz=32, n_hid=48, n_layers=2)).eval()
    with torch.no_grad():
        model.encoder.embedding.emb.weight.mul_(torch.logspace(-1, 1, 200).unsqueeze(1))
    x, before = torch.randint(0, 200, (4, 20)), {k: v.detach().clone() for k, v in model_tensors(model).items()}
    with torch.no_grad():
        logits = model(x).logits

        def off(tensors):
            load_weights(model, tensors, 'rounded')
            return ((model(x).logits - logits).square().mean().sqrt() / logits.std()).item()

        by_row = off(unpack_tensors(pack_tensors(before, 'int8')))
        by_matrix = off({k: (v / v.abs().max() * 127).round() * v.abs().max() / 127 if v.ndim > 1 else v for k, v in before.items()})
    assert 0 < by_row < 0.006 and by_matrix > 2 * by_row, (by_row, by_matrix)


@pytest.fixture(scope='module')
def packed(tiny_lm, tmp_path_factory):
    return save_pretrained(tiny_lm, tmp_path_factory.mktemp('packed') / 'small', weights='int8')


def config_of(path):
    return json.loads((path / 'config.json').read_text(encoding='utf-8'))


def test_a_stage_in_int8(tiny_lm, packed):
    before, after = Stage.open(tiny_lm), Stage.open(packed)
    stored = load_file(packed / 'model.safetensors')
    assert after.config['weights'] == 'int8' and before.config['weights'] == 'fp32' and after.tensors.keys() == before.tensors.keys()
    for k, w in before.tensors.items():
        assert after.tensors[k].dtype == torch.float32
        if w.ndim > 1:
            assert stored[k].dtype == torch.int8 and ((after.tensors[k] - w).abs() <= 0.5001 * stored[f'{k}.scale'].unsqueeze(1)).all()
        else:
            assert torch.equal(after.tensors[k], w) and f'{k}.scale' not in stored
    assert after.config['sha256']['model.safetensors'] == sha256(packed / 'model.safetensors')
    assert after.vocab == before.vocab and after.history == before.history
    assert '| precision | matrices in int8, a scale a row; the rest in fp32 |' in (packed / 'README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('weights, words', [('fp16', 'matrices in fp16, the rest in fp32'), ('fp32', 'fp32')])
def test_the_other_ways_on_disk(weights, words, tiny_lm, tmp_path):
    out = save_pretrained(tiny_lm, tmp_path / 'out', weights=weights)
    assert config_of(out)['weights'] == weights and f'| precision | {words} |' in (out / 'README.md').read_text(encoding='utf-8')
    assert {v.dtype for v in Stage.open(out).tensors.values()} == {torch.float32}
    if weights == 'fp32':
        assert contents(out)['model.safetensors'] == contents(tiny_lm)['model.safetensors']


def test_fewer_bytes(tmp_path):
    torch.manual_seed(0)
    vocab = some_words(2000)
    model = LanguageModel(AWDLSTMConfig(len(vocab), emb_sz=100, n_hid=128, n_layers=2))
    facts = {'architecture': asdict(model.config), 'tokenizer': {'lang': 'en'}, 'backwards': False, 'settings': {}}
    save_stage(tmp_path / 'lm', 'language model', model, vocab, facts, [])
    size = {w: len(contents(save_pretrained(tmp_path / 'lm', tmp_path / w, weights=w))['model.safetensors']) for w in STORED}
    assert size['int8'] < 0.29 * size['fp32'] and size['fp16'] < 0.52 * size['fp32']


def test_packing_again_gives_the_same_bytes(packed, tmp_path):
    again = save_pretrained(packed, tmp_path / 'small', weights='int8')
    assert contents(again) == contents(packed)
    from_memory = save_pretrained(load_lm(packed), tmp_path / 'memory', weights='int8')
    assert contents(from_memory)['model.safetensors'] == contents(packed)['model.safetensors']
    assert config_of(from_memory)['sha256'].items() < config_of(packed)['sha256'].items(), 'memory holds no history'
    by_way_of_fp32 = save_pretrained(save_pretrained(packed, tmp_path / 'fp32', weights='fp32'), tmp_path / 'back', weights='int8')
    assert contents(by_way_of_fp32)['model.safetensors'] == contents(packed)['model.safetensors']


def test_stages_go_on_from_int8(packed, tmp_path):
    tuned = fine_tune(packed, TEXTS, tmp_path / 'tuned', epochs=1, **LM)
    config = config_of(tuned)
    assert config['weights'] == 'fp32', 'what is trained further is stored in full'
    assert config['settings']['from'] == config_of(packed)['sha256']['model.safetensors']
    classifier = train_classifier(tuned, REVIEWS, tmp_path / 'c', REVIEWS, epochs=1, bs=4, progress_bar=False)
    small = save_pretrained(classifier, tmp_path / 'small', weights='int8')
    before, after = load_classifier(classifier), load_classifier(small)
    np.testing.assert_allclose(after.predict_proba(TEXTS), before.predict_proba(TEXTS), atol=0.02)
    assert {v.dtype for k, v in load_file(small / 'model.safetensors').items() if 'running' in k or 'num_batches' in k} == {torch.float32, torch.int64}


def test_a_stage_says_fp32_whatever_it_came_from(packed, tmp_path):
    stage, (model, vocab, _) = Stage.open(packed), load_lm(packed)
    save_stage(tmp_path / 'lm', 'language model', model, vocab, stage.config, [])
    assert config_of(tmp_path / 'lm')['weights'] == 'fp32' and Stage.open(tmp_path / 'lm')


@pytest.mark.parametrize('weights', ['fp16', 'fp32'])
def test_directories_from_before(weights, tiny_lm, tmp_path):
    "They say nothing of how weights are stored, and load as ever."
    old = save_pretrained(tiny_lm, tmp_path / 'old', weights=weights)
    write_json(old / 'config.json', {k: v for k, v in config_of(old).items() if k not in ('weights', 'digest')})
    tensors, ours = load_file(old / 'model.safetensors'), model_tensors(load_lm(old).model)
    assert all(torch.equal(tensors[k].float(), v) for k, v in ours.items())
    assert config_of(save_pretrained(old, tmp_path / 'new', weights='int8'))['weights'] == 'int8'


def test_push_to_hub_takes_them_too(tiny_lm, monkeypatch):
    import huggingface_hub

    sent = {}

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **options):
            return repo_id

        def upload_folder(self, *, folder_path, **options):
            sent.update(contents(Path(folder_path)))

    monkeypatch.setattr(huggingface_hub, 'HfApi', Api)
    push_to_hub(tiny_lm, 'me/model', weights='int8')
    assert json.loads(sent['config.json'])['weights'] == 'int8'


# --- what doesn't fit together ----------------------------------------------------------------------------------------------------

NAME = 'encoder.lstms.0.lstm.weight_hh_l0'


def altered(path, out, change):
    "A packed directory whose tensors were changed by someone who set the hash right."
    out.mkdir()
    for name, data in contents(path).items():
        (out / name).write_bytes(data)
    tensors = load_file(path / 'model.safetensors')
    change(tensors)
    save_file(tensors, out / 'model.safetensors')
    config = config_of(out)
    config['sha256']['model.safetensors'] = sha256(out / 'model.safetensors')
    del config['digest']
    write_json(out / 'config.json', config)
    return out


def as_scale(change):
    return lambda t: t.update({f'{NAME}.scale': change(t[f'{NAME}.scale']).contiguous()})


DAMAGE = {
    'no scale': (lambda t: t.pop(f'{NAME}.scale'), f'{NAME} is in int8, and its scale is missing'),
    'a scale too few': (as_scale(lambda s: s[:-1]), rf'{NAME}.scale should be \(64,\) in torch.float32, and is \(63,\)'),
    'one for all': (as_scale(lambda s: s[:1]), r'and is \(1,\)'),
    'a number': (as_scale(lambda s: s[0].clone()), r'and is \(\)'),
    'a column': (as_scale(lambda s: s.unsqueeze(1)), r'and is \(64, 1\)'),
    'in fp16': (as_scale(lambda s: s.half()), r'torch.float16'),
    'in whole numbers': (as_scale(lambda s: s.long()), r'torch.int64'),
    'a scale without its matrix': (lambda t: t.pop(NAME), f'{NAME}.scale is the scale of no matrix in int8'),
    'a scale of what is no int8': (lambda t: t.update({NAME: t[NAME].float()}), f'{NAME}.scale is the scale of no matrix in int8'),
}


@pytest.mark.parametrize('damage', DAMAGE)
def test_parts_that_do_not_belong_together(damage, packed, tmp_path):
    change, says = DAMAGE[damage]
    broken = altered(packed, tmp_path / 'broken', change)
    for use in (Stage.open, load_lm, lambda p: save_pretrained(p, tmp_path / 'out')):
        with pytest.raises(StageError, match=says) as e:
            use(broken)
        assert str(broken / 'model.safetensors') in str(e.value) and 'anew' in str(e.value)
    assert not (tmp_path / 'out').exists()


def test_altered_without_a_change_is_fine(packed, tmp_path):
    assert load_lm(altered(packed, tmp_path / 'same', lambda t: None))


def test_a_byte_changed(packed, tmp_path):
    out = altered(packed, tmp_path / 'm', lambda t: None)
    data = bytearray((out / 'model.safetensors').read_bytes())
    data[-1] ^= 1
    (out / 'model.safetensors').write_bytes(data)
    with pytest.raises(StageError, match='model.safetensors is damaged'):
        Stage.open(out)


@pytest.mark.parametrize('stored', ['int4', '', 8, ['int8'], {}, None])
def test_stored_in_a_way_that_this_version_does_not_know(stored, packed, tmp_path):
    out = altered(packed, tmp_path / 'm', lambda t: None)
    write_json(out / 'config.json', config_of(out) | {'weights': stored}, sealed=True)
    with pytest.raises(StageError, match='config.json says that weights are stored in .*Install a newer one'):
        load_lm(out)


def test_another_way_leaves_nothing_behind(tiny_lm, tmp_path):
    with pytest.raises(ValueError, match="weights is 'int4'"):
        save_pretrained(tiny_lm, tmp_path / 'out', weights='int4')
    assert not list(tmp_path.iterdir())


def test_the_models_that_ship_open():
    for path in pretrained_models().values():
        kinds = {v.dtype for v in Stage.open(path).tensors.values() if v.is_floating_point()}  # a classifier's batch norm has a counter, too
        assert kinds == {torch.float32}
