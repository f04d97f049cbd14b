"""The tokenizer in the page: ulmfit_nb/static/tokenizer.js cuts texts as Python does, and vocab.js makes text of the tokens again."""

import json

import pytest
from helpers import BLANKS, PIECES
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from javascript import call_js, run_js
from page_model import tables

from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.sources import iter_texts
from ulmfit_nb.tokenization import FAKE, RULES, SPECIAL, Tokenizer, Vocab

AS_THEY_COME = [Phase.explicit, Phase.generate]  # without making what fails smaller, for each try starts node
REAL = {'subjectivity': 1900, 'snippets': 1900, 'clothing': 900, 'film_reviews': 300}  # texts of each: 5,000
ODD = """&amp;amp; &#39; &#146; &#x80; &#150; &#0; &#xD800; &#99999999999; &nbsp; &bogus; &constructor; amp; &amp #39;
<br /> <BR/> <unk> @.@ @-@ ... \\n \\" !!!!
no  no no No NO AWFUL A İstanbul ΑΣ. ß
'tis gonna :) :(( <3 hello:) e.g. it's. u.s.a. www.a-b.co.uk/x?y=1 me@x.com 1,000 -5 C$5 5°C a--b ~a~b ½ x² <img onerror=alert(1)>
مرحبا، بالعالم؟ שלום 日本語。 👩\u200d👩\u200d👧 🇩🇪 \ufeff \x1c \x85 \u2028""".split()  # fmt: skip
ASSIGNED = st.text(st.characters(exclude_categories=['Cs', 'Cn']), max_size=5)  # what neither side has in its tables yet is told apart by their age alone
TRICKY = st.lists(st.tuples(BLANKS, PIECES | st.sampled_from(ODD) | ASSIGNED), max_size=9).map(lambda ps: ''.join(a + b for a, b in ps))


@pytest.fixture(scope='module')
def tokenizer():
    "The code that makes the page's tokenizer."
    return f'{es_module("tokenizer.js", "vocab.js")}\nconst tokenizer = new Tokenizer({json.dumps(tables())});\n'


def differences(tokenizer: str, texts: list[str]) -> list[tuple]:
    "The texts that the page cuts differently from Python, with the tokens of both from a little before the first that differs."
    theirs = run_js(f'{tokenizer}console.log(JSON.stringify({json.dumps(texts)}.map(t => tokenizer.tokens(t))));')
    found = []
    for text, a, b in zip(texts, theirs, map(Tokenizer(), texts), strict=True):
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            found.append((text[:60], a[max(0, at - 2) : at + 3], b[max(0, at - 2) : at + 3]))
    return found


def test_5000_real_texts_are_cut_as_in_python(tokenizer):
    texts = [t for name, n in REAL.items() for t, _ in zip(iter_texts(name, 'train'), range(n))]
    assert len(texts) == 5000 and differences(tokenizer, texts) == []


@settings(max_examples=6, phases=AS_THEY_COME, deadline=None, derandomize=True)
@given(st.lists(TRICKY, min_size=60, max_size=60))
def test_any_text_is_cut_as_in_python(tokenizer, texts):
    assert differences(tokenizer, texts) == []


def test_odd_texts_are_cut_as_in_python(tokenizer):
    long = 'A film, I said, of which "nobody" knows (well... 9/10).\n' * 1800
    assert len(long) > 100_000 and differences(tokenizer, ['', ' ', '\n', 'half \ud83d', *ODD, ' '.join(ODD), long]) == []


def test_the_rules_are_pythons_one_by_one(tokenizer):
    text = 'SOOOO GOOD &amp; no no no/yes   The End... <br />"Xx"'
    now, ours = text, []
    for rule in RULES:
        now = rule(now)
        ours.append([rule.__name__, now])
    assert run_js(f'{tokenizer}console.log(JSON.stringify(tokenizer.rules({json.dumps(text)})));') == ours


@pytest.mark.parametrize('pattern, text, found', [(r'[\w-]+', 'é_2-x', ['é_2-x']), (r'\bà', 'là à', ['à']), (r'\-\'\U0001F600', "-'😀", ["-'😀"])])
def test_a_pattern_means_what_it_means_in_python(tokenizer, pattern, text, found):
    assert run_js(f'{tokenizer}console.log(JSON.stringify({json.dumps(text)}.match(fromPython({json.dumps(pattern)}))));') == found


# --- words and ids

MARKED = st.lists(st.sampled_from([*SPECIAL, FAKE, *"3 12 a film's I i \" ( ) - . ' n't ’s ▁ ▁▁ \n \ufeff \x1c 9 ß é $".split(' ')]), max_size=12)


@settings(max_examples=8, phases=AS_THEY_COME, deadline=None)
@given(st.lists(MARKED, min_size=50, max_size=50))
def test_text_comes_back_as_in_python(lists):
    vocab = Vocab([])
    calls = [['joinTokens', [tokens]] for tokens in lists]
    vocab.words = sorted({t for tokens in lists for t in tokens})
    assert call_js(es_module('tokenizer.js', 'vocab.js'), calls) == [vocab.decode(map(vocab.words.index, tokens)) for tokens in lists]


def test_ids_are_pythons():
    vocab = Vocab([*SPECIAL, 'the', 'film', 'the', FAKE, FAKE])
    words = ['film', 'the', 'xxfake', 'nothing', 'xxmaj', 'constructor']
    code = f'{es_module("tokenizer.js", "vocab.js")}\nconst v = new Vocab({json.dumps(vocab.words)});'
    assert run_js(f'{code} console.log(JSON.stringify([v.ids({json.dumps(words)}), v.fillers, v.decode([8, 9, 10])]));') == [
        vocab.numericalize(words).tolist(),
        2,
        vocab.decode([8, 9, 10]),
    ]
