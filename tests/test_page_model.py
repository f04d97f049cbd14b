"""The model in the page: ulmfit_nb/static/lm.js and classifier.js run the networks that PyTorch runs, from the same files, and say in a sentence what is wrong
with a file."""

import base64
import json

import numpy as np
import pytest
import torch
from helpers import TEXTS, new_lm
from javascript import run_js
from safetensors.torch import save

from ulmfit_nb.checkpoint import model_tensors
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.pooling import pooling_view
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.quantization import pack_tensors, unpack_tensors
from ulmfit_nb.stages import load_lm, pretrained_models
from ulmfit_nb.tokenization import Tokenizer

LM = es_module('lm.js')
DAMAGED, OTHER = 'The file of the model is damaged, or was cut short', 'The file of the model is of another version'
READ = """
const fs = await import('node:fs');
const bytes = data => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
const file = path => { const b = fs.readFileSync(path); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); };
"""


def write(folder, model, weights='int8'):
    "A model's three files, of which the words are numbers; the weights as the file gives them back."
    packed = pack_tensors(model_tensors(model), weights)
    (folder / 'model.safetensors').write_bytes(save(packed))
    config = {'stage': 'language model', 'architecture': vars(model.config)}
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'vocab.json').write_text(json.dumps([str(i) for i in range(model.config.vocab_sz)]))
    return unpack_tensors(packed)


def load(folder) -> str:
    "The code that loads a model from a directory."
    names = [json.dumps(str(folder / f)) for f in ('config.json', 'vocab.json', 'model.safetensors')]
    return f'{READ}{LM}\nconst [config, words] = [{names[0]}, {names[1]}].map(f => JSON.parse(fs.readFileSync(f)));\nconst buffer = file({names[2]});\n'


def log_probabilities(folder, ids) -> np.ndarray:
    "Of each word after each of the ids, as the page works them out; and once more, from a state that was kept."
    code = f"""{load(folder)}
const lm = languageModel(config, words, buffer), ids = {json.dumps(ids)}, states = [lm.start()];
for (const id of ids) states.push(lm.read(id, states.at(-1)));
const out = states.slice(1).map(s => logProbabilities(lm.logits(s)));
out.push(logProbabilities(lm.logits(lm.read(ids[2], states[2]))));
console.log(JSON.stringify(out.map(bytes)));"""
    rows = [np.frombuffer(base64.b64decode(r), np.float32) for r in run_js(code)]
    assert np.array_equal(rows[-1], rows[2]), 'reading on has changed a state that was kept'
    return np.array(rows[:-1])


@pytest.mark.parametrize('tie', [True, False])
@pytest.mark.parametrize('weights', ['int8', 'fp32'])
def test_the_page_computes_what_pytorch_does(tmp_path, tie, weights):
    model = new_lm(tie).eval()
    with torch.no_grad():
        model.decoder.bias.normal_()
    stored = write(tmp_path, model, weights)
    model.load_state_dict(stored, strict=False)
    ids = torch.arange(2, 40)
    with torch.no_grad():
        ours = model(ids[None]).logits[0].log_softmax(-1)
    np.testing.assert_allclose(log_probabilities(tmp_path, ids.tolist()), ours, atol=1e-5)


@pytest.mark.parametrize('name', ['film-small', 'wiki-small'])
def test_the_models_that_ship_guess_alike(name):
    path = pretrained_models()[name]
    model, vocab = load_lm(path)[:2]
    text = ' '.join(TEXTS[:3]) + ' The film was shown in 1972, and nobody "saw" it.'
    ids = torch.from_numpy(vocab.numericalize(Tokenizer()(text)).astype(np.int64))
    with torch.no_grad():
        ours = model.eval()(ids[None]).logits[0].log_softmax(-1)
    np.testing.assert_allclose(log_probabilities(path, ids.tolist()), ours, atol=1e-4)


CLASSIFIER = es_module('tokenizer.js', 'vocab.js', 'classifier.js')


def same_verdict(path, text: str):
    "A text is judged in the page as in Python: the verdict, its probability, and what each word brought."
    ours, tokens = pooling_view(load_classifier(path), text).view, Tokenizer()(text)
    theirs = run_js(f"""{load(path)}{CLASSIFIER}
const work = verdict(classifierFrom(config, words, buffer), new Vocab(words), {json.dumps(tokens)}), shares = [];
let now = work.next();
while (!now.done) {{ shares.push(now.value); now = work.next(); }}
console.log(JSON.stringify({{ ...now.value, shares }}));""")
    assert theirs['shares'] == pytest.approx([(i + 1) / len(tokens) for i in range(len(tokens))])
    assert [theirs[k] for k in ('tokens', 'wins', 'cls')] == [ours.tokens, ours.wins, ours.cls]
    np.testing.assert_allclose(theirs['parts'], ours.parts, atol=1e-4)
    assert theirs['start'] == pytest.approx(ours.start, abs=1e-4) and theirs['probability'] == pytest.approx(ours.probability, abs=1e-4)


@pytest.mark.parametrize('text', ['a dull film , truly , and a great bore', 'Awful!', 'zebulon', '<b>Zoë</b>, '.join(TEXTS[:12])])
@pytest.mark.parametrize('weights', ['int8', 'fp32'])
def test_a_verdict_is_pythons(tiny_classifier, tmp_path, text, weights):
    same_verdict(save_pretrained(tiny_classifier, tmp_path / 'classifier', weights=weights), text)


def test_the_classifier_that_ships_judges_alike():
    same_verdict(
        pretrained_models()['film-subjectivity'], 'A warm, funny and "honest" film: I have never laughed so much. <br />He finds the letter in 1972 … 😀 مرحبا'
    )


def test_a_language_model_is_no_classifier(tmp_path):
    write(tmp_path, new_lm())
    code = f'{load(tmp_path)}{CLASSIFIER}\ntry {{ classifierFrom(config, words, buffer) }} catch (e) {{ console.log(JSON.stringify(e.message)); }}'
    assert run_js(code).startswith(OTHER)


def refusal(folder, change: str) -> str:
    "What the page says to a file, after `change` to what was read."
    attempt = """
try { languageModel(it.config, it.words, it.buffer); console.log('"taken"'); }
catch (e) { console.log(JSON.stringify(e.constructor === Error ? e.message : `${e}`)); }"""
    return run_js(f'{load(folder)}let it = {{ config, words, buffer }};\n{change}{attempt}')


def header(head: str) -> str:
    "A file of this header and nothing else."
    return f"""const head = JSON.stringify({head}), b = new Uint8Array(8 + head.length);
b[0] = head.length; b.set(new TextEncoder().encode(head), 8); it.buffer = b.buffer;"""


@pytest.mark.parametrize(
    'change, said',
    [
        ('', 'taken'),
        *[(f'it.buffer = buffer.slice(0, {n});', DAMAGED) for n in (0, 5, 8, 100, 3000, -1)],
        ('const b = new Uint8Array(buffer.byteLength + 1); b.set(new Uint8Array(buffer)); it.buffer = b.buffer;', DAMAGED),
        ('it.buffer = new TextEncoder().encode("<!DOCTYPE html><p>No such page</p>").buffer;', DAMAGED),
        *[(header(head), DAMAGED) for head in ('{ a: 1 }', '{ a: { dtype: "F32", shape: [2], data_offsets: [0, 0] } }')],
        (header('{ a: { dtype: "F16", shape: [0], data_offsets: [0, 0] } }'), "The model's file holds numbers in F16; this page reads int8 and fp32"),
        *[(header(head), OTHER) for head in ('{}', '7', '{ "encoder.embedding.emb.weight": { dtype: "F32", shape: [0], data_offsets: [0, 0] } }')],
        ('it.words = words.slice(1);', OTHER),
        ('it.words = {};', OTHER),
        ('it.config = { ...config, stage: "classifier" };', OTHER),
        ('it.config = null;', OTHER),
        ('it.config.architecture.n_hid += 1;', OTHER),
        ('it.config.architecture.n_layers += 1;', OTHER),
    ],
)
def test_a_file_that_will_not_do_gets_a_sentence(tmp_path, change, said):
    write(tmp_path, new_lm())
    assert refusal(tmp_path, change).startswith(said)


def test_a_scale_that_is_missing(tmp_path):
    packed = pack_tensors(model_tensors(new_lm()), 'int8')
    write(tmp_path, new_lm())
    (tmp_path / 'model.safetensors').write_bytes(save({k: v for k, v in packed.items() if k != 'encoder.embedding.emb.weight.scale'}))
    assert refusal(tmp_path, '').startswith(OTHER)
