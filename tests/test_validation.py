"What is read is refused, in words and before anything is built, or it is what was written."

import hashlib
import json
import struct
from copy import deepcopy
from dataclasses import fields

import pytest
import torch
from helpers import REVIEWS, TEXTS, copied, peak_mb_of
from safetensors.torch import load, save

from ulmfit_nb import TextClassifier, train_classifier
from ulmfit_nb.awd_lstm import AWDLSTMConfig
from ulmfit_nb.checkpoint import check_weights, model_tensors
from ulmfit_nb.classifier import PoolingHead, load_classifier
from ulmfit_nb.setting_checks import check_fields
from ulmfit_nb.stages import Stage, StageError, load_lm, pretrained_models
from ulmfit_nb.targets import TARGETS, MultiLabel, MultiTask, Number, SingleLabel
from ulmfit_nb.validation import ARCHITECTURE, Head, check_config, check_network, check_words

FIRST = 'encoder.embedding.emb.weight'
NAN, INF = float('nan'), float('inf')


def put(where, value):
    "Something else at a place of the config."

    def change(config):
        *folders, name = where.split('/')
        for folder in folders:
            config = config[folder]
        config[name] = value

    return change


def without(where):
    def change(config):
        *folders, name = where.split('/')
        for folder in folders:
            config = config[folder]
        del config[name]

    return change


# what no config of a stage can say, whoever wrote it and whatever its digest
SIZES = [10**12, 2**70, 1e12, -1, 0, '48', None, True, [], 2.5]
IMPOSSIBLE = {
    **{f'{k} {v!r}': put(f'architecture/{k}', v) for k in ('vocab_sz', 'emb_sz', 'n_hid', 'n_layers') for v in SIZES},
    **{f'pad {v!r}': put('architecture/pad', v) for v in (99, 2, -1, None, 1.0)},
    **{f'{k} {v!r}': put(f'architecture/{k}', v) for k in ('weight_p', 'input_p') for v in (1, 2.0, -0.1, NAN, INF, '0.1', None, False)},
    **{f'tie {v!r}': put('architecture/tie_weights', v) for v in (False, 'yes', 1, None)},
    **{f'backwards {v!r}': put('backwards', v) for v in (1, 0, 'no', None, [])},
    **{f'lang {v!r}': put('tokenizer/lang', v) for v in ('zz', '', '../en', '__init__', 5, None, ['en'], 'e' * 10**6)},
    **{f'tokenizer {v!r}': put('tokenizer', v) for v in ('en', [], None, {}, {'lang': 'en', 'rules': []}, {'lang': 'en', 'rules': ['os.system']})},
    **{f'classes {v!r}': put('classes', v) for v in (['a'], ['a', 'b', 'c'], ['a', 'a'], [1, 2], 'ab', None, {'a': 1, 'b': 2}, ['', 'b'], [])},
    **{f'bptt {v!r}': put('bptt', v) for v in (0, -1, '5', 2.5, None, NAN)},
    **{f'hidden {v!r:.20}': put('hidden', v) for v in ([], [51], [10**9], [-1], '50', None, [50, 50], [1] * 10**6)},
    **{
        f'target {v!r}': put('target', v)
        for v in ({'kind': 'none'}, {'kind': ['x']}, {}, [], {'kind': 'number', 'mean': 0, 'std': 1}, {'kind': 'single-label', 'x': 1}, {'kind': 'multi-task'})
    },
    **{f'thresholds {v!r}': put('target', {'kind': 'multi-label', 'thresholds': v}) for v in ([0.5], [NAN, 0.5], [0.5, 2], 0.5, None, ['a', 'b'])},
    **{f'{k} {v!r}': put(k, v) for k in ('architecture', 'settings', 'sha256') for v in (None, [], 'x', 5)},
    **{f'stage {v!r}': put('stage', v) for v in ('bert', None, [], {}, 'language model')},
    **{f'weights {v!r}': put('weights', v) for v in (5, [1], 'int4', None)},
    **{f'no {k}': without(k) for k in ('stage', 'architecture', 'tokenizer', 'tokenizer/lang', 'backwards', 'settings', 'sha256', 'sha256/vocab.json')},
    **{f'no {k}': without(k) for k in ('classes', 'bptt', 'hidden', 'architecture/n_hid', 'architecture/vocab_sz', 'architecture/weight_p')},
    **{f'new {k}': put(k, 1) for k in ('surprise', 'architecture/depth', 'sha256/other.bin')},
}
# what it can say, but this one doesn't: only a digest tells
OTHERWISE = {
    'labels swapped': lambda c: c['classes'].reverse(),
    'a label renamed': put('classes', ['neg', 'pso']),
    'turned round': put('backwards', True),
    'another language': put('tokenizer/lang', 'de'),
    'another width of pieces': put('bptt', 6),
    'another rate': put('settings/lr', 0.5),
    'several labels': put('target', {'kind': 'multi-label', 'thresholds': [0.5, 0.5]}),
    'several tasks': lambda c: c.update(classes=['t: a', 't: b'], target={'kind': 'multi-task'}),
}


@pytest.fixture(scope='module')
def config(tiny_classifier):
    return json.loads((tiny_classifier / 'config.json').read_text())


def told(folder, text):
    "What is said of a classifier with this config."
    (folder / 'config.json').write_bytes(text if isinstance(text, bytes) else text.encode())
    with peak_mb_of(50), pytest.raises(StageError) as e:
        load_classifier(folder)
    assert str(folder) in str(e.value) and str(e.value).endswith('.')
    with pytest.raises(StageError):
        TextClassifier.load(folder)
    return str(e.value)


@pytest.mark.parametrize('sealed', [True, False])
def test_a_config_that_no_stage_has_is_refused(sealed, config, tiny_classifier, tmp_path):
    folder, taken = copied(tiny_classifier, tmp_path / 'c'), {}
    for name, change in IMPOSSIBLE.items():
        other = deepcopy(config)
        if not sealed:
            del other['digest']
        change(other)
        try:
            told(folder, json.dumps(other))
        except BaseException as e:  # pytest's own among them: one list of all is worth more than the first
            taken[name] = f'{type(e).__name__}: {str(e)[:100]}'
    assert not taken


@pytest.mark.parametrize('what', OTHERWISE)
def test_a_config_that_was_changed_is_refused_by_its_digest(what, config, tiny_classifier, tmp_path):
    folder, other = copied(tiny_classifier, tmp_path / 'c'), deepcopy(config)
    OTHERWISE[what](other)
    assert 'config.json is damaged: its digest is another' in told(folder, json.dumps(other))
    if what != 'several labels':
        del other['digest']  # as a person takes it out who changes a label's name, or as there was none in earlier versions
        (folder / 'config.json').write_text(json.dumps(other))
        assert load_classifier(folder).predict(TEXTS[:2])


DEEP = 200_000
TEXTS_OF_JSON = {
    'deep lists': '[' * DEEP,
    'deep objects': '{"a":' * DEEP,
    'deep inside': lambda t: t[:-1] + ',"x":' + '[' * DEEP + ']' * DEEP + '}',
    'a long number': lambda t: t[:-1] + ',"x":' + '9' * 5000 + '}',
    'a key twice': lambda t: t[:-1] + ',"backwards":true}',
    'more behind': lambda t: t + ' x',
    'a mark of byte order': lambda t: '\ufeff' + t,
    'half a character': lambda t: t.replace('"neg"', '"\\ud800"'),
    'another encoding': lambda t: t.encode('utf-16'),
    'null': 'null',
    'nothing': '',
    'a number': '5',
}


@pytest.mark.parametrize('what', TEXTS_OF_JSON)
def test_json_that_is_none(what, config, tiny_classifier, tmp_path):
    made = TEXTS_OF_JSON[what]
    for name in ('config.json', 'vocab.json', 'history.json'):
        folder = copied(tiny_classifier, tmp_path / name)
        text = (folder / name).read_text() if name != 'config.json' else json.dumps(config)
        text = made(text) if callable(made) else made
        data = text if isinstance(text, bytes) else text.encode()
        if name == 'config.json':
            told(folder, data)
        elif what in ('deep lists', 'deep objects', 'more behind', 'another encoding', 'null', 'nothing', 'a number'):
            (folder / name).write_bytes(data)
            told(folder, json.dumps(rehashed(folder, config)))


def rehashed(folder, config):
    "A config by somebody who set the hashes right."
    hashes = {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in config['sha256']}
    return {k: v for k, v in config.items() if k != 'digest'} | {'sha256': hashes}


WORDS = {
    'a word twice': lambda w: [*w[:-9], w[20], *w[-8:]],
    'one word': lambda w: [w[0]] * len(w),
    'too few': lambda w: w[:-1],
    'too many': lambda w: [*w, 'x'],
    'a mapping': lambda w: {x: i for i, x in enumerate(w)},
    'numbers': lambda w: list(range(len(w))),
    'a gap': lambda w: [*w[:12], None, *w[13:]],
    'a list among them': lambda w: [*w[:12], ['a'], *w[13:]],
    'no unknown word': lambda w: ['q', *w[1:]],
    'no padding': lambda w: [w[0], 'q', *w[2:]],
    'changed places': lambda w: [w[1], w[0], *w[2:]],
    'a text': lambda w: 'a' * len(w),
    'none': lambda w: [],
}


@pytest.mark.parametrize('what', WORDS)
def test_words_that_are_none(what, config, tiny_classifier, tmp_path):
    folder = copied(tiny_classifier, tmp_path / 'c')
    (folder / 'vocab.json').write_text(json.dumps(WORDS[what](json.loads((folder / 'vocab.json').read_text()))))
    assert 'vocab.json is damaged' in told(folder, json.dumps(rehashed(folder, config)))


def spoilt(value, key=FIRST):
    def change(t):
        t[key].view(-1)[3] = value

    return change


def header(shape, offsets=(0, 0)):
    text = json.dumps({FIRST: {'dtype': 'F32', 'shape': shape, 'data_offsets': offsets}}).encode()
    return lambda t: struct.pack('<Q', len(text)) + text


TENSORS = {
    'no number': spoilt(NAN),
    'infinite': spoilt(INF),
    'no number in the head': spoilt(NAN, 'head.layers.2.weight'),
    'infinite statistics': spoilt(-INF, 'head.layers.0.running_var'),
    'whole numbers': lambda t: {k: v.int() for k, v in t.items()},
    'switches': lambda t: {k: v.bool() for k, v in t.items()},
    'complex': lambda t: t | {FIRST: t[FIRST].to(torch.complex64)},
    'bytes without scale': lambda t: t | {FIRST: t[FIRST].char()},
    'one missing': lambda t: {k: v for k, v in t.items() if k != FIRST},
    'one more': lambda t: t | {'x': torch.zeros(2)},
    'turned': lambda t: t | {FIRST: t[FIRST].t().contiguous()},
    'no head': lambda t: {k: v for k, v in t.items() if not k.startswith('head')},
    'a header of exabytes': lambda t: struct.pack('<Q', 2**60) + b'{}',
    'zeros': lambda t: bytes(100),
    'nothing': lambda t: b'',
    'large and empty': header([10**6, 10**6]),
    'larger than numbers go': header([10**12, 10**12]),
}


@pytest.mark.parametrize('what', TENSORS)
def test_weights_that_are_none(what, config, tiny_classifier, tmp_path):
    folder = copied(tiny_classifier, tmp_path / 'c')
    tensors = load((folder / 'model.safetensors').read_bytes())
    made = TENSORS[what](tensors)
    (folder / 'model.safetensors').write_bytes(made if isinstance(made, bytes) else save(tensors if made is None else made))
    told(folder, json.dumps(rehashed(folder, config)))


@pytest.mark.parametrize('where', ['architecture/vocab_sz', 'architecture/emb_sz', 'architecture/n_hid', 'architecture/n_layers'])
def test_stages_that_start_from_it_ask_for_no_memory_either(where, tiny_lm, tmp_path):
    folder = copied(tiny_lm, tmp_path / 'lm')
    config = json.loads((folder / 'config.json').read_text())
    del config['digest']
    put(where, 10**10)(config)
    (folder / 'config.json').write_text(json.dumps(config))
    for use in (load_lm, lambda lm: train_classifier(lm, REVIEWS, tmp_path / 'out')):
        with peak_mb_of(50), pytest.raises(StageError, match='damaged|not written by'):
            use(folder)


@pytest.mark.parametrize('data', [b'[' * DEEP, b'\xff\xfe', b'{}', b'[{"a":', b'[1, 2]', b''])
def test_a_history_that_is_none(data, config, tiny_classifier, tmp_path):
    folder = copied(tiny_classifier, tmp_path / 'c')
    (folder / 'history.json').write_bytes(data)
    assert 'history.json' in told(folder, json.dumps(config))
    old = rehashed(folder, config)
    del old['sha256']['history.json']  # as earlier versions wrote it
    assert 'history.json' in told(folder, json.dumps(old))


# --- what is right passes


def test_the_tables_know_every_field():
    assert ARCHITECTURE.keys() == {f.name for f in fields(AWDLSTMConfig)}
    made = {
        'single-label': SingleLabel(['a', 'b']),
        'multi-label': MultiLabel(['a', 'b']),
        'multi-task': MultiTask(['t: a', 't: b']),
        'number': Number(0.5, 2.0),
    }
    assert made.keys() == TARGETS.keys()
    for target in made.values():
        check_fields(target.about(), target.kept)


@pytest.mark.parametrize('hidden', [(50,), (7, 5), ()])
def test_a_head_has_the_weights_of_the_head(hidden):
    sizes = [36, *hidden, 3]
    ours, due = (model_tensors(m) for m in (Head(sizes), PoolingHead(36, 3, hidden, [0.1] * (len(sizes) - 1))))
    check_weights(ours, due, 'here')
    assert list(ours) == list(due)


@pytest.mark.parametrize('name', pretrained_models())
def test_models_that_ship_pass(name):
    stage = Stage.open(name)
    check_config(stage.config)
    check_words(stage.vocab.words, AWDLSTMConfig(**stage.config['architecture']))
    check_network(stage.config, stage.tensors, name)


def test_a_directory_of_an_earlier_version_passes(config, tiny_classifier, tmp_path):
    folder = copied(tiny_classifier, tmp_path / 'c')
    old = {k: v for k, v in config.items() if k not in ('digest', 'weights', 'precision')}
    del old['sha256']['history.json']
    (folder / 'config.json').write_text(json.dumps(old))
    new = load_classifier(tiny_classifier)
    assert load_classifier(folder).predict(TEXTS) == new.predict(TEXTS) and Stage.open(folder).history == Stage.open(tiny_classifier).history


def test_a_network_that_is_not_built_draws_no_random_numbers(tiny_classifier):
    before = torch.get_rng_state()
    Stage.open(tiny_classifier)
    assert torch.equal(before, torch.get_rng_state())
