"Weights from elsewhere, and to elsewhere: fastai's files equal fastai's output, hostile ones run nothing, what is saved is whole or not there."

import json
import os
import pickle
import runpy
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ulmfit_nb import fastai_weights, fine_tune, load_classifier, pretrain, stages, train_classifier
from ulmfit_nb import hub as hub_module
from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.checkpoint import model_tensors
from ulmfit_nb.data import TextData
from ulmfit_nb.fastai_weights import load_fastai, read_pth, read_words
from ulmfit_nb.hub import FILES, download_model, push_to_hub, save_pretrained
from ulmfit_nb.model_card import model_card
from ulmfit_nb.sources import TextSource
from ulmfit_nb.stages import StageError, load_lm
from ulmfit_nb.tokenization import FAKE, SPECIAL, Vocab

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / 'golden'
WORDS = SPECIAL + [f'w{i}' for i in range(20)] + [FAKE]
TEXTS = [f'{t} , {n}' for n in ('truly', 'really', 'honestly') for t in ('a warm film', 'a dull film', 'i laughed and cried', 'i slept and left')]
REVIEWS = TextData(TEXTS, [int(t[:6] in ('a warm', 'i laug')) for t in TEXTS], ['neg | <b>', 'pos'])


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


# --- fastai's checkpoints ---------------------------------------------------------------------------------------------------------


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
    tuned = fine_tune(save_pretrained(lm, tmp_path / 'lm'), TEXTS * 3, tmp_path / 'tuned', bs=2, bptt=5, min_freq=1, progress_bar=False)
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


@pytest.mark.parametrize('wrong, word', [(WORDS[:-1], '29 words'), (WORDS + ['more'], '31 words'), (['a'] * 30, 'xxpad')])
def test_words_of_another_model(wrong, word, theirs, tmp_path):
    (tmp_path / 'w.pkl').write_bytes(pickle.dumps(wrong))
    with pytest.raises(StageError, match=word):
        load_fastai(save(tmp_path / 'x.pth', theirs), tmp_path / 'w.pkl')


# --- hostile files ----------------------------------------------------------------------------------------------------------------


class Calls:
    "Pickled, a call of any function."

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


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


# --- saving -----------------------------------------------------------------------------------------------------------------------

LM = dict(bs=2, bptt=10, min_freq=1, lr=0.02, drop_mult=0.1, progress_bar=False)


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    return pretrain(TEXTS * 4, tmp_path_factory.mktemp('lm') / 'lm', emb_sz=12, n_hid=16, n_layers=2, epochs=1, **LM)


@pytest.fixture(scope='module')
def classifier(lm, tmp_path_factory):
    return train_classifier(lm, REVIEWS, tmp_path_factory.mktemp('c') / 'classifier', REVIEWS, epochs=1, bs=4, progress_bar=False)


def test_a_language_model_there_and_back(lm, tmp_path):
    out = save_pretrained(lm, tmp_path / 'deep' / 'shared')
    assert out == tmp_path / 'deep/shared' and {f.name for f in out.iterdir()} == set(FILES)
    (a, words, _), (b, again, config) = load_lm(lm), load_lm(out)
    assert words == again and a.config == b.config
    for (name, p), q in zip(a.named_parameters(), b.parameters()):
        assert q.dtype == torch.float32
        torch.testing.assert_close(q, p.half().float() if p.ndim > 1 else p, msg=name, atol=0, rtol=0)
    assert config['settings'] == json.loads((lm / 'config.json').read_text())['settings']
    assert (out / 'history.json').read_text() == (lm / 'history.json').read_text()
    dtypes = {str(v.dtype) for v in load_file(out / 'model.safetensors').values() if v.ndim > 1}
    assert dtypes == {'torch.float16'} and (out / 'model.safetensors').stat().st_size < 0.6 * (lm / 'model.safetensors').stat().st_size


def test_stages_go_on_from_a_shared_model(lm, tmp_path):
    shared = save_pretrained(lm, tmp_path / 'shared')
    tuned = fine_tune(shared, TEXTS * 3, tmp_path / 'tuned', epochs=1, **LM)
    assert load_classifier(train_classifier(tuned, REVIEWS, tmp_path / 'c', REVIEWS, epochs=1, bs=4, progress_bar=False)).predict(TEXTS[:2])


def test_a_classifier_there_and_back(classifier, tmp_path):
    out = save_pretrained(classifier, tmp_path / 'shared')
    before, after = load_classifier(classifier), load_classifier(out)
    assert after.classes == before.classes
    np.testing.assert_allclose(after.predict_proba(TEXTS), before.predict_proba(TEXTS), atol=5e-3)
    statistics = {k: v.dtype for k, v in load_file(out / 'model.safetensors').items() if 'running' in k or 'num_batches' in k}
    assert set(statistics.values()) == {torch.float32, torch.int64}


def test_what_load_lm_gave_can_be_saved_again(lm, tmp_path):
    out = save_pretrained(load_lm(lm), tmp_path / 'shared')
    assert load_lm(out)[2]['settings'] == load_lm(lm)[2]['settings'] and not (out / 'history.json').exists()
    assert save_pretrained(out, tmp_path / 'twice') and (tmp_path / 'twice/model.safetensors').read_bytes() == (out / 'model.safetensors').read_bytes()


def test_the_same_bytes_whatever_the_day(lm, tmp_path):
    a, b = (save_pretrained(lm, tmp_path / d / 'm') for d in 'ab')
    assert all((a / f).read_bytes() == (b / f).read_bytes() for f in FILES)


def test_the_card(lm, classifier, tmp_path):
    out = save_pretrained(
        lm, tmp_path / 'mine', {'licence': 'CC-BY-SA-4.0', 'trained on': 'a|b\nc', 'test perplexity': 61.25, 'hours': 3, 'about': 'It reads.'}
    )
    card = (out / 'README.md').read_text()
    head = card.split('---')[1]
    assert 'license: cc-by-sa-4.0' in head and 'text-generation' in head and '# mine\n\nIt reads.' in card
    for row in ('| trained on | a\\|b c |', '| test perplexity | 61.25 |', '| hours | 3 |', '| reads | forwards |', '| words | '):
        assert row in card
    assert 'tokens seen in training' in card and 'validation perplexity' in card and "download_model('mine')" in card
    card = (save_pretrained(classifier, tmp_path / 'clas') / 'README.md').read_text()
    assert 'text-classification' in card and 'neg \\| &lt;b>, pos' in card and 'validation accuracy' in card and 'license:' not in card
    assert '| licence | not stated |' in card and 'documents seen' in card


def test_the_example_in_a_card_runs(lm, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source, name in ((lm, 'words'), (classifier, 'labels')):
        code = (save_pretrained(source, name) / 'README.md').read_text().split('```python\n')[1].split('```')[0]
        exec(code.replace("'tuned')", "'tuned', bs=2, min_freq=1, progress_bar=False)"), {'texts': TEXTS * 3})
    assert load_lm('tuned')


def test_folders_of_texts_stay_private(tmp_path):
    (tmp_path / 'secret').mkdir()
    (tmp_path / 'secret/mine.csv').write_text('text\n' + '\n'.join(f'"{t}"' for t in TEXTS * 3))
    lm = pretrain(TextSource(tmp_path / 'secret/mine.csv'), tmp_path / 'lm', emb_sz=6, n_hid=6, n_layers=1, **LM)
    out = save_pretrained(fine_tune(lm, TEXTS * 3, tmp_path / 'tuned', **LM), tmp_path / 'shared')
    for name in ('config.json', 'README.md'):
        assert 'secret' not in (out / name).read_text() and 'mine.csv' in (out / name).read_text()
    assert '| trained on | mine.csv, train; then a list of texts |' in (out / 'README.md').read_text()


def test_nothing_is_overwritten_that_is_not_a_model(lm, tmp_path):
    with pytest.raises(StageError, match='very directory'):
        save_pretrained(lm, lm)
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(StageError, match='thesis.tex'):
        save_pretrained(lm, tmp_path)
    with pytest.raises(StageError, match='thesis.tex'):
        save_pretrained(lm, tmp_path / 'thesis.tex')
    assert [f.name for f in tmp_path.iterdir()] == ['thesis.tex']


@pytest.mark.parametrize('last', ['write_tensors', 'write_json', 'model_card', 'sha256', 'replace'])
def test_whole_or_not_at_all(last, lm, tmp_path, monkeypatch):
    "Whatever fails on the way, what was there stays, and nothing else is left."

    def fail(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    old = save_pretrained(lm, tmp_path / 'a' / 'shared')
    before = {f.name: f.read_bytes() for f in old.iterdir()}
    if last == 'replace':
        real = os.replace
        monkeypatch.setattr(
            hub_module.os, 'replace', lambda a, b: fail() if str(a).endswith('.part') and '.old.' not in str(a) and Path(a).is_dir() else real(a, b)
        )
    else:
        monkeypatch.setattr(hub_module, last, fail)
    for out in (old, tmp_path / 'b'):
        with pytest.raises(OSError, match='no space left'):
            save_pretrained(load_lm(lm), out)
    monkeypatch.undo()
    assert {f.name: f.read_bytes() for f in old.iterdir()} == before
    assert sorted(p.name for p in tmp_path.rglob('*') if p.is_dir()) == ['a', 'shared']


def test_an_earlier_copy_is_replaced(lm, classifier, tmp_path):
    save_pretrained(lm, tmp_path / 'shared')
    save_pretrained(classifier, tmp_path / 'shared')
    assert load_classifier(tmp_path / 'shared') and [p.name for p in tmp_path.iterdir()] == ['shared']


def test_what_cannot_be_saved(lm, tmp_path):
    for wrong, word in (
        (42, 'int'),
        (load_lm(lm)[0], 'LanguageModel'),
        ((1, 2, 3), 'tuple'),
        (tmp_path / 'nowhere', 'no such directory'),
        (tmp_path, 'config.json'),
    ):
        with pytest.raises(StageError, match=word):
            save_pretrained(wrong, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_card_for_any_title(lm):
    model, vocab, config = load_lm(lm)
    assert '# {odd}' in model_card(config, vocab, [], '{odd}')


# --- from elsewhere ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(lm, classifier, tmp_path, monkeypatch):
    "A hub of two repositories; the second one has no vocabulary. Beside the model lies a pickle."
    import fnmatch
    import shutil

    import huggingface_hub

    for name in ('me/model', 'me/half'):
        save_pretrained(lm, tmp_path / 'hub' / name)
        (tmp_path / 'hub' / name / 'pytorch_model.bin').write_bytes(pickle.dumps(payloads(tmp_path / 'mark')['mkdir']))
    (tmp_path / 'hub/me/half/vocab.json').unlink()
    calls = []

    def snapshot_download(repo_id, *, revision=None, allow_patterns=None):
        calls.append((repo_id, revision))
        out = tmp_path / 'cache' / repo_id
        for f in (tmp_path / 'hub' / repo_id).iterdir():
            if any(fnmatch.fnmatch(f.name, p) for p in allow_patterns):
                out.mkdir(parents=True, exist_ok=True)
                shutil.copy(f, out)
        return str(out)

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', snapshot_download)
    return calls


def test_from_the_hub(hub, lm, tmp_path):
    path = download_model('me/model', 'abc123')
    assert hub == [('me/model', 'abc123')] and {f.name for f in path.iterdir()} == set(FILES), 'a pickle was fetched'
    torch.testing.assert_close(load_lm(download_model('me/model'))[0].state_dict(), load_lm(save_pretrained(lm, tmp_path / 's'))[0].state_dict())
    assert fine_tune(path, TEXTS * 3, tmp_path / 'tuned', epochs=1, **LM)
    assert not (tmp_path / 'mark').exists()


def test_half_a_repository(hub):
    with pytest.raises(StageError, match='vocab.json is missing'):
        download_model('me/half')


def test_a_directory_comes_before_the_hub(hub, lm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pretrained(lm, tmp_path / 'me/model')
    assert download_model('me/model') == Path('me/model') and hub == []
    with pytest.raises(StageError, match='revision'):
        download_model('me/model', 'abc123')


@pytest.mark.parametrize('name', ['wiki-enormous', 'a/b/c', '../model', '/nowhere/at/all', 'owner/', Path('owner/name')])
def test_what_is_no_name_on_the_hub_is_not_looked_up_there(name, hub):
    with pytest.raises(StageError, match='no such directory'):
        download_model(name)
    assert hub == []


def test_a_model_that_ships(lm, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path)
    monkeypatch.chdir(tmp_path / save_pretrained(lm, tmp_path / 'wiki-tiny'))
    assert download_model('wiki-tiny') == tmp_path / 'wiki-tiny' and load_lm('wiki-tiny')[1] == load_lm(lm)[1]
    assert save_pretrained('wiki-tiny', tmp_path / 'copy')


ERRORS = {
    'RepositoryNotFoundError': 'no such model on the hub',
    'GatedRepoError': 'grants access',
    'RevisionNotFoundError': 'no such revision',
    'LocalEntryNotFoundError': 'cannot be reached',
    'HfHubHTTPError': 'could not be fetched',
    'OSError': 'could not be fetched',
}


@pytest.mark.parametrize('kind', ERRORS)
def test_what_can_go_wrong_on_the_hub(kind, monkeypatch):
    import huggingface_hub
    from huggingface_hub import errors

    cls = getattr(errors, kind, OSError)
    error = cls.__new__(cls)
    error.args = ('a long story',)

    def snapshot_download(*args, **kwargs):
        raise error

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', snapshot_download)
    with pytest.raises(StageError, match=ERRORS[kind]) as e:
        download_model('owner/name', 'v2')
    assert str(e.value).startswith('owner/name, revision v2: ') and e.value.__cause__ is error


def test_from_the_cache_of_the_hub_offline(lm, tmp_path):
    "What was fetched once is there without a network, in the layout that huggingface_hub keeps; what wasn't is not."
    repo, commit = tmp_path / 'models--owner--name', 'a' * 40
    (repo / 'refs').mkdir(parents=True)
    (repo / 'refs/main').write_text(commit)
    (repo / 'snapshots' / commit).mkdir(parents=True)
    for f in save_pretrained(lm, tmp_path / 'made').iterdir():
        (repo / 'snapshots' / commit / f.name).symlink_to(f)
    code = f"""
from ulmfit_nb.hub import download_model
from ulmfit_nb.stages import load_lm, StageError
print([len(load_lm(download_model('owner/name', r))[1]) for r in (None, 'main', {commit!r})])
for name, revision in (('owner/other', None), ('owner/name', {'b' * 40!r})):
    try: download_model(name, revision)
    except StageError as e: print(e)
"""
    env = {**os.environ, 'HF_HUB_OFFLINE': '1', 'HF_HUB_CACHE': str(tmp_path)}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=env)
    found, *refused = done.stdout.splitlines()
    assert found == str([len(load_lm(lm)[1])] * 3), done.stderr
    assert len(refused) == 2 and all('cannot be reached' in line for line in refused)


# --- to elsewhere -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def api(monkeypatch):
    "In place of huggingface_hub's HfApi, one that notes what it is asked and keeps what it is given; `fails` and `private` say how it answers."
    import huggingface_hub

    class Api:
        asked, files, private, fails = [], {}, True, {}

        def __init__(self, token=None):
            self.asked.append(('token', token))

        def note(self, what, *facts):
            self.asked.append((what, *facts))
            if what in self.fails:
                raise self.fails[what]

        def create_repo(self, repo_id, *, private=None, exist_ok=False):
            self.note('create_repo', repo_id, private, exist_ok)
            return f'https://huggingface.co/{repo_id}'

        def repo_info(self, repo_id):
            self.note('repo_info', repo_id)
            return types.SimpleNamespace(private=self.private)

        def upload_folder(self, *, repo_id, folder_path, commit_message=None, delete_patterns=None):
            self.note('upload_folder', repo_id)
            self.files.update({f.name: f.read_bytes() for f in Path(folder_path).iterdir()})
            assert set(delete_patterns) == set(FILES), 'what an earlier model left there must go'

    Api.asked, Api.files, Api.fails = [], {}, {}
    monkeypatch.setattr(huggingface_hub, 'HfApi', Api)
    return Api


def test_a_model_is_pushed_as_it_is_saved(api, lm, tmp_path):
    assert push_to_hub(lm, 'me/model', {'hours': 3}, token='secret') == 'https://huggingface.co/me/model'
    assert api.asked == [('token', 'secret'), ('create_repo', 'me/model', False, True), ('upload_folder', 'me/model')]
    out = save_pretrained(lm, tmp_path / 'model', {'hours': 3})
    assert api.files == {f.name: f.read_bytes() for f in out.iterdir()} and '| hours | 3 |' in api.files['README.md'].decode()


def test_what_is_private_is_never_sent_where_all_can_see_it(api, lm):
    assert push_to_hub(lm, 'me/model', private=True) and ('create_repo', 'me/model', True, True) in api.asked and api.files
    api.private, api.asked[:] = False, []
    with pytest.raises(StageError, match='everybody can see it'):
        push_to_hub(lm, 'me/model', private=True)
    assert 'upload_folder' not in [what for what, *_ in api.asked]


@pytest.mark.parametrize('name', ['model', 'a/b/c', '', '../model', None, Path('me/model')])
def test_a_name_that_is_none_on_the_hub(name, api, lm):
    with pytest.raises(StageError, match='owner/name'):
        push_to_hub(lm, name)
    assert not api.asked


def test_what_cannot_be_saved_is_not_pushed(api, tmp_path):
    with pytest.raises(StageError, match='no such directory'):
        push_to_hub(tmp_path / 'nowhere', 'me/model')
    assert not api.asked


@pytest.mark.parametrize('step', ['create_repo', 'upload_folder'])
@pytest.mark.parametrize(
    'kind, said',
    [
        ('LocalTokenNotFoundError', 'hf auth login'),
        ('RepositoryNotFoundError', 'name of the owner'),
        ('HfHubHTTPError', 'a long story'),
        ('HFValidationError', 'no such name'),
        ('OSError', 'Check the connection'),
    ],
)
def test_what_can_go_wrong_on_the_way_to_the_hub(kind, said, step, api, lm):
    from huggingface_hub import errors

    cls = getattr(errors, kind, OSError)
    api.fails[step] = cls.__new__(cls)
    api.fails[step].args = ('a long story',)
    with pytest.raises(StageError, match=said) as e:
        push_to_hub(lm, 'me/model')
    assert str(e.value).startswith('me/model: ') and e.value.__cause__ is api.fails[step] and not api.files


def test_a_card_asks_nothing_of_the_hub(lm, monkeypatch):
    import huggingface_hub

    def asked(*args, **kwargs):
        raise AssertionError('the hub was asked')

    monkeypatch.setattr(huggingface_hub.ModelCard, 'validate', asked)
    monkeypatch.setattr(huggingface_hub.repocard, 'get_session', asked)
    _, vocab, config = load_lm(lm)
    card = huggingface_hub.ModelCard(model_card(config, vocab, [], 'mine', {'licence': 'CC0-1.0'}))
    assert card.data.to_dict() == {
        'language': 'en',
        'license': 'cc0-1.0',
        'library_name': 'ulmfit-nb',
        'tags': ['ulmfit', 'awd-lstm'],
        'pipeline_tag': 'text-generation',
    }


# --- the package ------------------------------------------------------------------------------------------------------------------


def test_importing_the_library_is_cheap():
    heavy = ('sklearn', 'pandas', 'huggingface_hub', 'spacy', 'matplotlib', 'accelerate')
    code = f'import sys, ulmfit_nb; found = [m for m in {heavy} if m in sys.modules]; assert not found, found'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def package(monkeypatch):
    "runs/package.py, with arguments; gives what it says when it refuses."

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['package.py', *map(str, args)])
        monkeypatch.syspath_prepend(ROOT / 'runs')
        try:
            runpy.run_path(str(ROOT / 'runs/package.py'), run_name='__main__')
        except SystemExit as e:
            return str(e)

    return run


def test_packaging(package, lm, tmp_path):
    evaluated = tmp_path / 'wiki_small.json'
    sha = json.loads((lm / 'config.json').read_text())['sha256']['model.safetensors']
    evaluated.write_text(json.dumps({'model': 'x', 'sha256': sha, 'validation': {'perplexity': 70.5}, 'test': {'perplexity': 71.25}}))
    refused = package(lm, 'wiki-tiny', '--into', tmp_path / 'pretrained', '--record', evaluated, '--hardware', 'an abacus', '--hours', '0.5')
    assert refused is None
    card = (tmp_path / 'pretrained/wiki-tiny/README.md').read_text()
    for word in (
        'CC BY-SA',
        'May 2015',
        'an abacus',
        '| hours of training | 0.5 |',
        '| validation perplexity | 70.5 |',
        '| test perplexity | 71.25 |',
        'commit',
    ):
        assert word in card, card
    assert load_lm(tmp_path / 'pretrained/wiki-tiny')[1] == load_lm(lm)[1]


def test_packaging_refuses(package, lm, classifier, tmp_path):
    into = ['--into', tmp_path / 'pretrained']
    assert 'results' in package(lm, 'a', *into, '--record', tmp_path / 'none.json')
    (tmp_path / 'r.json').write_text(json.dumps({'validation': {'perplexity': 3.0}}))
    assert 'test perplexity' in package(lm, 'a', *into, '--record', tmp_path / 'r.json')
    figures = {'validation': {'perplexity': 3.0}, 'test': {'perplexity': 4.0}}
    (tmp_path / 'r.json').write_text(json.dumps(figures | {'sha256': 'other'}))
    assert 'other weights' in package(lm, 'a', *into, '--record', tmp_path / 'r.json')
    (tmp_path / 'r.json').write_text(json.dumps(figures))
    with_record = [*into, '--record', tmp_path / 'r.json']
    assert 'MB' in package(lm, 'a', *with_record, '--limit', '0.001')
    assert 'language model' in package(classifier, 'a', *with_record)
    assert not (tmp_path / 'pretrained').exists()
    assert package(lm, 'a', *with_record) is None
    assert '| test perplexity | 4 |' in (tmp_path / 'pretrained/a/README.md').read_text()


def test_tensors_of_a_shared_model_are_named_as_ever(lm, tmp_path):
    names = load_file(save_pretrained(lm, tmp_path / 's') / 'model.safetensors').keys()
    assert names == model_tensors(load_lm(lm)[0]).keys()
