"What answers in the page where there is no Python: ulmfit_nb/static/answers.js gives a widget the traits that Python gives it."

import json

import numpy as np
import pytest
import torch
from helpers import WORDY
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from javascript import call_js, run_js
from page_model import tables

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.microscope import differences, microscope_steps
from ulmfit_nb.course.widgets.surprisal import surprisal_run
from ulmfit_nb.generation import generate, next_logits, read_prompt
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.interpretation import surprisal
from ulmfit_nb.stages import load_lm, save_stage
from ulmfit_nb.tokenization import Tokenizer, Vocab

MODULES = es_module('tokenizer.js', 'vocab.js', 'lm.js', 'svg.js', 'generation.js', 'differences.js', 'answers.js')
TEXT = 'A fine CAST, and <b>no</b> film. I liked the cast;  nobody liked nobody’s film!!! <img src=x onerror=alert(1)>'
AS_THEY_COME = [Phase.explicit, Phase.generate]  # without making what fails smaller, for each try starts node


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    "The directory of a model in int8 that knows most words of the text, and guesses wildly."
    torch.manual_seed(0)
    vocab = Vocab.build([Tokenizer()(TEXT.replace('nobody', 'someone'))], min_freq=1)
    model = LanguageModel(AWDLSTMConfig(len(vocab), 8, 12, 2))
    with torch.no_grad():
        model.decoder.bias.normal_(0, 2)
    folder = tmp_path_factory.mktemp('page')
    config = {'architecture': vars(model.config), 'tokenizer': {'lang': 'en'}, 'backwards': False, 'settings': {}}
    save_stage(folder / 'lm', 'language model', model, vocab, config, [])
    return save_pretrained(folder / 'lm', folder / 'int8', weights='int8')


def answer(path, code: str):
    "What `code` gives, in which `tokenizer`, `vocab` and `lm` are at hand, and `last` runs a generator to its end."
    return run_js(f"""const fs = await import('node:fs');
{MODULES}
const bytes = fs.readFileSync({json.dumps(str(path / 'model.safetensors'))}), json = f => JSON.parse(fs.readFileSync(`{path}/${{f}}.json`));
const lm = languageModel(json('config'), json('vocab'), bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const vocab = new Vocab(json('vocab')), tokenizer = new Tokenizer({json.dumps(tables())});
const last = work => {{ const shares = []; for (;;) {{ const {{ done, value }} = work.next(); if (done) return {{ value, shares }}; shares.push(value); }} }};
console.log(JSON.stringify({code}));""")


PAIRS = st.lists(st.tuples(WORDY, WORDY | st.just(TEXT)), min_size=40, max_size=40)


@settings(max_examples=3, phases=AS_THEY_COME, deadline=None, derandomize=True)
@given(PAIRS)
def test_differences_are_pythons(pairs):
    pairs += [(a, b + a) for a, b in pairs]
    theirs = call_js(es_module('tokenizer.js', 'differences.js'), [['differences', pair] for pair in pairs])
    assert theirs == [json.loads(json.dumps(differences(*pair))) for pair in pairs]


@pytest.mark.parametrize('text', [TEXT, '', 'مرحبا، بالعالم 😀 日本', 'no no no no\n\nSOOOO'])
def test_the_steps_of_the_microscope_are_pythons(path, text):
    ours = microscope_steps(text, load_lm(path).vocab)
    told = [step['what'] for step in ours]
    assert answer(path, f'microscopeSteps({json.dumps(text)}, vocab, tokenizer, {json.dumps(told)})') == json.loads(json.dumps(ours))


def test_surprisal_is_pythons(path):
    model, vocab = load_lm(path)[:2]
    ours = surprisal_run('page', surprisal(model, vocab, TEXT))
    found = answer(path, f"last(surprisalRun('page', lm, vocab, tokenizer.tokens({json.dumps(TEXT)})))")
    theirs, n = found['value'], len(ours['bits'])
    assert theirs['name'] == 'page' and theirs['known'] == ours['known'] and not all(ours['known'])
    np.testing.assert_allclose(theirs['bits'], ours['bits'], atol=2e-3)
    assert [[w for w, _ in g] for g in theirs['guesses']] == [[w for w, _ in g] for g in ours['guesses']]
    np.testing.assert_allclose([[p for _, p in g] for g in theirs['guesses']], [[p for _, p in g] for g in ours['guesses']], rtol=0.01)
    assert found['shares'] == pytest.approx([(i + 1) / n for i in range(n)])


def test_what_may_come_next_is_pythons(path):
    model, vocab = load_lm(path)[:2]
    logits, _ = next_logits(model, vocab, read_prompt(vocab, 'The film'))
    settings = '{ temperature: 1, top_k: 1, seed: 0, pad: 1, n: 12 }'
    found = answer(path, f"last(write(lm, vocab, tokenizer.tokens('The film'), {settings}))")['value']
    order = logits.argsort(descending=True)[: int(logits.isfinite().sum())]
    assert found['words'] == vocab.tokens(order[:12]) and len(found['logits']) == len(order)
    np.testing.assert_allclose(found['logits'], logits[order], atol=0.006)
    assert found['text'] == generate(model, vocab, 'The film', 12, top_k=1)  # always the likeliest: nothing is drawn


def test_words_are_drawn_as_often_as_they_are_likely(path):
    model, vocab = load_lm(path)[:2]
    p = next_logits(model, vocab, read_prompt(vocab, ''))[0].softmax(0)
    code = '[...Array(600).keys()].map(seed => last(write(lm, vocab, tokenizer.tokens(""), { temperature: 1, top_k: 1000, seed, pad: 1, n: 1 })).value.text)'
    texts = answer(path, code)
    for i in p.argsort(descending=True)[:3].tolist():
        assert texts.count(vocab.decode([i])) / 600 == pytest.approx(p[i].item(), abs=4 * (p[i].item() / 600) ** 0.5)
    assert texts[:9] == answer(path, code)[:9]


def test_the_largest_come_first_and_equal_ones_in_order(path):
    assert answer(path, '[largest([1, 3, 2, 3, 0], 3), largest([5], 3), largest([0, 0], 1)]') == [[1, 3, 2], [0], [0]]
