"The model that writes: JavaScript chooses among the words that Python does, and any prompt will do."

import re

import numpy as np
import pytest
import torch
from javascript import call_js

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.generation import Generation, generation
from ulmfit_nb.generation import candidates, generate, next_logits, read_prompt
from ulmfit_nb.tokenization import Tokenizer, Vocab


def javascript(calls: list) -> list:
    "What the exported functions of the widget give for (name, arguments)."
    return call_js(es_module('svg.js', 'generation.js'), calls)


@pytest.fixture
def writer():
    torch.manual_seed(0)
    vocab = Vocab.build([Tokenizer()('The cat saw the dog, and the dog saw nothing but the cat.')], min_freq=1)
    lm = LanguageModel(AWDLSTMConfig(len(vocab), 8, 12, 2))
    with torch.no_grad():
        lm.decoder.bias.normal_(0, 2)
    return lm, vocab, generation(lm, vocab, 'The cat').picture


@pytest.mark.parametrize('temperature', [0.1, 0.8, 1.0, 3.0])
@pytest.mark.parametrize('top_k', [1, 3, 1000])
def test_javascript_chooses_among_the_words_that_python_does(writer, temperature, top_k):
    lm, vocab, picture = writer
    logits, _ = next_logits(lm, vocab, read_prompt(vocab, 'The cat'))
    (found,) = javascript([['next_words', [picture.logits, temperature, top_k]]])
    p, ids = candidates(logits, temperature, top_k)
    n = len(found['p'])
    assert n == min(top_k, int(logits.isfinite().sum()))
    np.testing.assert_allclose(found['p'], p[:n], atol=0.006 / temperature)  # logits travel with two decimals
    assert picture.words[: min(n, 3)] == vocab.tokens(ids[: min(n, 3)])
    left = (logits / temperature).softmax(0).sort(descending=True).values[:n].sum().item()
    assert found['cut'] == pytest.approx(1 - left, abs=0.01 / temperature)


def test_the_slider_of_top_k_stops_at_all_words():
    assert javascript([['stops', [n]] for n in (1, 5, 2003)]) == [
        [1],
        [1, 2, 5],
        [1, 2, 5, 10, 20, 40, 100, 200, 500, 1000, 2000, 2003],
    ]


def test_asking_writes_another_text(writer):
    lm, vocab, picture = writer
    assert picture.text == generate(lm, vocab, 'The cat', 40, 0.8, 40, seed=0)
    picture.prompt, picture.temperature, picture.top_k, picture.asked = 'The dog', 1.5, 3, 1
    assert picture.text == generate(lm, vocab, 'The dog', 40, 1.5, 3, seed=1) and picture.answered == 1
    before = picture.text
    picture.asked = 2
    assert picture.text != before


@pytest.mark.parametrize('prompt', ['', '<img src=x onerror=alert(1)>', '   ', 'ça 日本 😀'])
def test_any_prompt_will_do(writer, prompt):
    picture = writer[2]
    picture.prompt = prompt
    picture.asked += 1
    assert picture.answered == picture.asked and picture.text


def test_nothing_is_read_as_html():
    assert not re.search(r'innerHTML|insertAdjacentHTML|document\.write|outerHTML', str(Generation._esm))
