"fastai's checkpoints: its files equal its output, unusable ones are named, hostile ones run nothing."

import json
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import GOLDEN, TEXTS, Calls
from safetensors.torch import load_file

from ulmfit_nb import fastai_weights, fine_tune
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.fastai_weights import load_fastai, read_pth, read_words
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.stages import StageError
from ulmfit_nb.tokenization import FAKE, SPECIAL, Vocab

WORDS = SPECIAL + [f'w{i}' for i in range(20)] + [FAKE]


@pytest.fixture(scope='module')
def recorded():
    return load_file(GOLDEN / 'lm_eval.safetensors')


@pytest.fixture
def theirs(recorded):
    "A state dict under fastai's names."
    return {k.removeprefix('sd.'): v.clone() for k, v in recorded.items() if k.startswith('sd.')}


@pytest.fixture(scope='module')
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp('words') / 'itos.pkl'
    path.write_bytes(pickle.dumps(WORDS))
    return path


def save(path, what, **options):
    torch.save(what, path, **options)
    return path


def fastai_optimizer(monkeypatch):
    "What `Learner.save` puts beside the weights: a list type of fastcore's, numbers of numpy's, tensors."

    class L(list):
        def __reduce__(self):
            return (L, ([*self],))

    module = types.ModuleType('fastcore.foundation')
    L.__module__, L.__qualname__, module.L = 'fastcore.foundation', 'L', L
    monkeypatch.setitem(sys.modules, 'fastcore.foundation', module)
    return {'state': [{'step': 3, 'grad_avg': torch.ones(2)}], 'hypers': L([{'lr': np.float64(0.01), 'mom': 0.7}])}


def renamed(sd, **changes):
    "A state dict with parts of its names changed."
    for old, new in changes.values():
        sd = {k.replace(old, new): v for k, v in sd.items()}
    return sd


RAW = 'weight_hh_l0_raw'
MADE = {'0.rnns.0.module.weight_hh_l0': torch.zeros(56, 14)}, {'0.rnns.1.module.weight_hh_l0': torch.zeros(40, 10)}
OLD_NAMES = {'raw': (RAW, f'module.{RAW}'), 'copy': ('encoder_dp.emb', 'encoder_with_dropout.embed')}
FORMS = {
    'as published': lambda sd, opt: sd,
    'in the old file format': lambda sd, opt: sd,
    'as learn.save writes it': lambda sd, opt: {'model': sd, 'opt': opt},
    'with the matrices that weight drop made': lambda sd, opt: MADE[0] | sd | MADE[1],
    'without raw matrices': lambda sd, opt: renamed(sd, raw=(RAW, 'module.weight_hh_l0')),
    "with the paper's names": lambda sd, opt: renamed(sd, **OLD_NAMES),
}


@pytest.mark.parametrize('form', FORMS)
def test_logits_are_those_that_fastai_recorded(form, recorded, theirs, words, tmp_path, monkeypatch):
    what = FORMS[form](theirs, fastai_optimizer(monkeypatch))
    path = save(tmp_path / 'lstm_fwd.pth', what, _use_new_zipfile_serialization='old' not in form)
    monkeypatch.undo()
    model, vocab, config = load_fastai(path, words)
    state = None
    for i in range(5):
        o = model(recorded[f'x{i}'], state)
        state = o.state
        torch.testing.assert_close(o.logits, recorded[f'logits{i}'], atol=1e-6, rtol=1e-6)
    assert vocab == Vocab(WORDS) and model.config == AWDLSTMConfig(30, 10, 14, 2) and not model.training
    assert {'architecture', 'tokenizer', 'backwards', 'settings', 'sha256'} <= config.keys() and config['stage'] == 'language model'


@pytest.mark.parametrize('name, said, backwards', [('lstm_fwd', None, False), ('lstm_bwd', None, True), ('mine', True, True), ('lstm_bwd', False, False)])
def test_direction(name, said, backwards, theirs, words, tmp_path):
    lm = load_fastai(save(tmp_path / f'{name}.pth', theirs), words, said)
    assert lm[2]['backwards'] is backwards
    tuned = fine_tune(save_pretrained(lm, tmp_path / 'lm'), TEXTS, tmp_path / 'tuned', bs=2, bptt=5, min_freq=1, progress_bar=False)
    assert json.loads((tuned / 'config.json').read_text())['backwards'] is backwards


def test_full_size_is_read_off_the_shapes(theirs, tmp_path):
    sizes = json.loads((GOLDEN / 'groups.json').read_text())
    with torch.device('meta'):
        weights = {k: torch.empty(s) for k, s in sizes['lm_shapes'].items()}
    weights['1.decoder.weight'] = weights['0.encoder.weight'] = torch.zeros(sizes['lm_shapes']['0.encoder.weight'])
    found = fastai_weights.read_architecture(fastai_weights.our_weights(weights))
    assert (found.emb_sz, found.n_hid, found.n_layers, found.tie_weights) == (400, 1152, 3, True)


@pytest.mark.parametrize('tied', [True, False])
@pytest.mark.parametrize('n_layers', [1, 2, 4])
def test_any_architecture_there_and_back(tied, n_layers, words, tmp_path):
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(30, 6, 8, n_layers, tie_weights=tied)).eval()
    names = {'encoder.embedding.emb.weight': '0.encoder.weight', 'decoder.weight': '1.decoder.weight', 'decoder.bias': '1.decoder.bias'}
    sd = {names.get(k) or k.replace('encoder.lstms.', '0.rnns.').replace('.lstm.', '.module.'): v for k, v in model.state_dict().items()}
    again, _, _ = load_fastai(save(tmp_path / 'x.pth', sd), words)
    ids = torch.randint(30, (2, 7))
    torch.testing.assert_close(again(ids).logits, model(ids).logits)


def test_without_a_bias(theirs, words, tmp_path):
    del theirs['1.decoder.bias']
    assert load_fastai(save(tmp_path / 'x.pth', theirs), words)[0].decoder.bias.abs().sum() == 0


def test_words_in_our_spelling(theirs, tmp_path):
    odd = ['_unk_', '_pad_', 'xbos', ' ', '\n \n'] + [f'w{i}' for i in range(24)] + ['xxfake']
    path = tmp_path / 'itos.pkl'
    path.write_bytes(pickle.dumps(odd))
    _, vocab, _ = load_fastai(save(tmp_path / 'x.pth', theirs), path)
    assert vocab.words[:5] == ['xxunk', 'xxpad', 'xxbos', '▁', '\n▁\n'] and 'xxfake' not in vocab and vocab.unk == 0


def test_sixty_thousand_words_with_padding_elsewhere(tmp_path):
    many = ['xxunk', *(f'w{i}' for i in range(59_998)), 'xxpad']
    (tmp_path / 'itos.pkl').write_bytes(pickle.dumps(many))
    emb = torch.zeros(60_000, 2)
    sd = {'0.encoder.weight': emb, '1.decoder.weight': emb, '0.rnns.0.weight_hh_l0_raw': torch.zeros(8, 2), '0.rnns.0.module.weight_ih_l0': torch.zeros(8, 2)}
    sd |= {f'0.rnns.0.module.bias_{k}_l0': torch.zeros(8) for k in ('ih', 'hh')}
    model, vocab, _ = load_fastai(save(tmp_path / 'x.pth', sd), tmp_path / 'itos.pkl')
    assert len(vocab) == 60_000 and model.config.pad == 59_999


UNUSABLE = {
    'an encoder alone': (lambda sd: {k.removeprefix('0.'): v for k, v in sd.items() if k[0] == '0'}, 'AWD-LSTM language model'),
    'no decoder': (lambda sd: {k: v for k, v in sd.items() if k[0] == '0'}, 'decoder.weight'),
    'both directions in one': (lambda sd: sd | {'0.rnns.0.module.weight_ih_l0_reverse': torch.zeros(56, 10)}, 'one direction'),
    'a missing bias': (lambda sd: {k: v for k, v in sd.items() if k != '0.rnns.1.module.bias_ih_l0'}, 'bias_ih_l0'),
    'another size in the middle': (lambda sd: sd | {'0.rnns.1.module.weight_ih_l0': torch.zeros(40, 13)}, '(40, 13)'),
    'not weights': (lambda sd: {'model': [1, 2]}, 'not weights by name'),
    'a tensor': (lambda sd: torch.zeros(3), 'not weights by name'),
    'nothing': (lambda sd: {}, 'not weights by name'),
}


@pytest.mark.parametrize('case', UNUSABLE)
def test_unusable_weights_are_named(case, theirs, words, tmp_path):
    change, word = UNUSABLE[case]
    with pytest.raises(ValueError) as e:
        load_fastai(save(tmp_path / 'x.pth', change(theirs)), words)
    assert word in str(e.value)


@pytest.mark.parametrize(
    'wrong, word',
    [(WORDS[:-1], '29 words'), (WORDS + ['more'], '31 words'), ([f'w{i}' for i in range(30)], 'xxpad'), (WORDS[:-2] + WORDS[:1] + WORDS[-1:], 'twice')],
)
def test_words_of_another_model(wrong, word, theirs, tmp_path):
    (tmp_path / 'w.pkl').write_bytes(pickle.dumps(wrong))
    with pytest.raises(StageError, match=word):
        load_fastai(save(tmp_path / 'x.pth', theirs), tmp_path / 'w.pkl')


# --- hostile files


def payloads(mark) -> dict:
    "Ways to make the file `mark` while being unpickled."
    touch = f'open({str(mark)!r}, "w").close()'
    return {
        'mkdir': Calls(os.mkdir, str(mark)),
        'exec': Calls(exec, touch),
        'eval': Calls(eval, touch),
        'system': Calls(os.system, f'touch {mark}'),
        'subprocess': Calls(subprocess.call, ['touch', str(mark)]),
        'pathlib': Calls(Path.touch, Path(mark)),
        'open': Calls(open, str(mark), 'w'),
        'nested': [{'a': (1, Calls(os.mkdir, str(mark)))}],
        'numpy': Calls(np.ndarray.tofile, np.zeros(1), str(mark)),
    }


ATTACKS = list(payloads('x'))


@pytest.mark.parametrize('attack', ATTACKS)
def test_each_payload_is_live(attack, tmp_path):
    "The traps do spring when they are read in the usual way."
    pickle.loads(pickle.dumps(payloads(tmp_path / 'mark')[attack]))
    assert (tmp_path / 'mark').exists()


@pytest.mark.parametrize('protocol', [0, 2, 4, 5])
@pytest.mark.parametrize('attack', ATTACKS)
def test_a_hostile_word_list_is_refused_and_runs_nothing(attack, protocol, tmp_path):
    mark, path = tmp_path / 'mark', tmp_path / 'itos.pkl'
    path.write_bytes(pickle.dumps([*WORDS, payloads(mark)[attack]], protocol=protocol))
    with pytest.raises(StageError, match='nothing in it was run'):
        read_words(path)
    assert not mark.exists()


@pytest.mark.parametrize('old', [False, True])
@pytest.mark.parametrize('place', ['alone', 'among weights', 'in the optimiser', 'in the hypers', 'as a key'])
@pytest.mark.parametrize('attack', ATTACKS)
def test_hostile_weights_are_refused_and_run_nothing(attack, place, old, theirs, tmp_path, monkeypatch):
    mark = tmp_path / 'mark'
    evil, opt = payloads(mark)[attack], fastai_optimizer(monkeypatch)
    what = {
        'alone': evil,
        'among weights': theirs | {'0.encoder.weight': evil},
        'in the optimiser': {'model': theirs, 'opt': evil},
        'in the hypers': {'model': theirs, 'opt': opt | {'hypers': type(opt['hypers'])([evil])}},
        'as a key': {'model': theirs, 'opt': {1: (evil,)}},
    }[place]
    path = save(tmp_path / 'x.pth', what, _use_new_zipfile_serialization=not old)
    monkeypatch.undo()
    with pytest.raises(StageError, match='nothing in it was run'):
        read_pth(path)
    assert not mark.exists()


def test_the_message_names_what_was_asked_for(tmp_path, theirs, words):
    (tmp_path / 'w.pkl').write_bytes(pickle.dumps(Calls(os.system, 'true')))
    path = save(tmp_path / 'x.pth', {'model': theirs, 'opt': Calls(os.system, 'true')})
    for read, file in ((read_words, tmp_path / 'w.pkl'), (read_pth, path)):
        with pytest.raises(StageError, match=r'asks for (posix|nt)\.system,'):
            read(file)


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
def test_a_plain_pickle_for_weights(tmp_path):
    mark, path = tmp_path / 'mark', tmp_path / 'x.pth'
    path.write_bytes(pickle.dumps(payloads(mark)['exec']))
    with pytest.raises(StageError, match='refused'):
        read_pth(path)
    assert not mark.exists()


def test_the_optimisers_shells_do_nothing_and_are_gone_afterwards(theirs, tmp_path, monkeypatch):
    path = save(tmp_path / 'x.pth', {'model': theirs, 'opt': fastai_optimizer(monkeypatch)})
    monkeypatch.undo()
    before = set(torch.serialization.get_safe_globals())
    assert read_pth(path).keys() == theirs.keys()
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


OTHER = {
    'a dict': {'the': 0},
    'a string': 'the',
    'numbers': [1, 2],
    'lists': [['the']],
    'bytes': [b'the'],
    'a tuple': ('the',),
    'None among them': ['the', None],
    'a set': {'the'},
}


@pytest.mark.parametrize('case', OTHER)
def test_a_word_list_of_other_things(case, tmp_path):
    (tmp_path / 'w.pkl').write_bytes(pickle.dumps(OTHER[case]))
    with pytest.raises(StageError, match='refused'):
        read_words(tmp_path / 'w.pkl')


@pytest.mark.parametrize(
    'data', [b'', b'\x80', b'not a pickle', pickle.dumps(WORDS)[:-9], b'\x80\x04\x95' + b'\xff' * 9, b'cos\nsystem\n.', b'Pid\n.', b'\x82\x01.']
)
def test_a_damaged_word_list(data, tmp_path):
    (tmp_path / 'w.pkl').write_bytes(data)
    with pytest.raises(StageError, match='refused'):
        read_words(tmp_path / 'w.pkl')


@pytest.mark.parametrize('n', [0, 1, 100, 5000])
def test_damaged_weights(n, theirs, tmp_path):
    whole = save(tmp_path / 'x.pth', theirs).read_bytes()
    (tmp_path / 'x.pth').write_bytes(whole[:n])
    with pytest.raises(StageError, match='refused'):
        read_pth(tmp_path / 'x.pth')


@pytest.mark.parametrize('protocol', range(6))
def test_words_in_every_protocol(protocol, tmp_path):
    (tmp_path / 'w.pkl').write_bytes(pickle.dumps([*WORDS, '\n', 'ü', '雪', *WORDS[:3]], protocol=protocol))
    assert read_words(tmp_path / 'w.pkl') == [*WORDS, '\n', 'ü', '雪', *WORDS[:3]]


def test_files_that_are_not_there(words, tmp_path):
    with pytest.raises(StageError, match='no such file'):
        load_fastai(tmp_path / 'x.pth', words)
    with pytest.raises(StageError, match='no such file'):
        read_words(tmp_path)


def test_files_that_would_fill_the_memory(words, tmp_path):
    many = tmp_path / 'itos.pkl'
    many.write_bytes(pickle.dumps([{} for _ in range(1000)]))
    with pytest.raises(StageError, match='holds many lists, and a list of words is one'):
        read_words(many)
    one = torch.zeros(1000)
    shared = save(tmp_path / 'lm.pth', {f'w{i}': one for i in range(100)})
    with pytest.raises(StageError, match='many names in it stand for the same numbers'):
        read_pth(shared)
