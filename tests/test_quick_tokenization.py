"""The quick way gives the tokens of the eight rules in order and of spaCy on each piece, whatever the text; and it stays linear and small.
Run as a program, it compares 20,000 real texts and 100,000 made ones, in some minutes."""

import random
import sys
import time
import tracemalloc

import numpy as np
import pytest
from helpers import BLANKS, WORDY
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit_nb import quick_tokenization
from ulmfit_nb.data import Tokens
from ulmfit_nb.quick_tokenization import UNCUT, QuickReader, Reader, RuledMemo, blocks, reader, text_ids
from ulmfit_nb.sources import load_data
from ulmfit_nb.tokenization import LONGEST, RULES, Memo, SpacyWords, Tokenizer, Vocab

TOK = Tokenizer()
MEMO = TOK.words.words.memo


class AskSpacy(Memo):
    "Nothing is remembered, and no word is plain."

    def __getitem__(self, piece):
        return self.ask_spacy(piece) if len(piece) <= LONGEST else super().__missing__(piece)


IN_ORDER = Reader(TOK.apply_rules, 'en')
IN_ORDER.words.memo = AskSpacy('en', 0)


def slow(text):
    "The rules in order, then spaCy on each piece."
    return IN_ORDER(text)


# --- texts of all that might go wrong

WORDS = """no No NO a A I it its it's can't mr. e.g. films' 's o'clock déjà Élan ΟΔΟΣ ß İ 1000 333 4444 0 3 4 xxrep xxbos xxup sooo aaa x-ray one--two
    a,b""".split()
SIGNS = r"""! !!! ... .... . , / // # \ \n " ' ( ) :) ;) ): … - -- *** 😀 _ & ; $""".split()
ODD = ['&amp;', '&lt;br&gt;', '<br />', 'quot;', '&#39;', '&#8230;', '<unk>', ' @-@ ', ' @.@ ', '&nbsp;', '\ud83d', '\u0301', '\u200d', '\x00', '▁']
SPACE = [' '] * 12 + ['', '', '  ', '   ', '\n', '\n\n', ' \n', '\n ', '\t', '\xa0', '\u3000', '\x1c', '\r\n']


def made(rng):
    "A text of such parts, most often words; now and then one part several times over."
    parts = []
    for _ in range(rng.randrange(1, 14)):
        kind = rng.choices([WORDS, SIGNS, ODD], [6, 4, 1])[0]
        part = rng.choice(kind) + (rng.choice(SIGNS) if rng.random() < 0.3 else '')
        parts += [part, rng.choice(SPACE)] * (rng.randrange(2, 5) if rng.random() < 0.15 else 1)
    return ''.join(parts)


def compare(texts):
    "The texts whose tokens differ, with both."
    return [(t, TOK(t), slow(t)) for t in texts if TOK(t) != slow(t)]


def test_tokens_of_made_texts():
    rng = random.Random(0)
    assert compare(made(rng) for _ in range(1500)) == []


def test_tokens_of_real_texts():
    assert compare(t for name in ['clothing', 'film_reviews', 'wikipedia'] for t in load_data(name, 'validation').texts[:100]) == []


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | WORDY | st.lists(st.sampled_from([*WORDS, *SIGNS, *ODD, *SPACE]), max_size=12).map(''.join))
def test_tokens_of_any_text(text):
    assert TOK(text) == slow(text)


BETWEEN = """no baaa a xxrep 333 3 aaab nob an no&nbsp;no no, a. baaa, nbsp; nbsp;no 3! amp;no xxbos films it's A AN <br /> @-@ ΟΔΟΣ""".split()


def test_blocks_of_a_text_have_the_tokens_of_the_whole(monkeypatch):
    "Cut wherever it may be cut: after each character, if a block could be so short."
    monkeypatch.setattr(quick_tokenization, 'BLOCK', 1)
    rng = random.Random(2)
    texts = [made(rng) for _ in range(1500)]
    texts += [' '.join(rng.choice(BETWEEN[rng.randrange(17) :]) for _ in range(rng.randrange(2, 9))) for _ in range(3000)]
    assert sum(len(blocks(t)) > 1 for t in texts) > 1000
    assert compare(texts) == []
    vocab = Vocab(sorted({token for t in texts for token in slow(t)}))
    assert all(TOK.words.ids(t, vocab.id_of).tolist() == vocab.numericalize(slow(t)).tolist() for t in texts[::10])


TRIPLES = ['no no no', '333 3', '1000 0 0.', '4444 4 4', 'x!!!no no no,', 'aaa a a', 'xxrep xxrep!!!', 'no  no\n\nno', 'No no no no', '#no no no/']


@pytest.mark.parametrize('text', TRIPLES)
def test_words_three_times_in_a_row(text):
    assert TOK(text) == slow(text) and TOK(f'and {text} and') == slow(f'and {text} and')


@pytest.mark.parametrize('end', ['/x', '#', '...', '!!!', '\\a', '/', ' /', 'aaab', 'a'])
def test_a_blank_behind_a_line_break(end):
    for space in ('\n', '\n\n', ' \n', '\n ', '\t', '\n  ', '  \n\t'):
        assert TOK(f'a{space}{end} b') == slow(f'a{space}{end} b'), (space, end)


BEFORE = ['', '(', '"', '("', "'", '…']
AFTER = [a + b + c for a in ['', *'.,!?'] for b in ')"' for c in ['', *'.,!?']] + ['', *".,!?;:…'"]
STEMS = """film films non-stop high-tech joints--many one,two word.the site.com sean'neil mc(wo km mm am st www.ab mel'oo
    ab it can mr co who wo'ss 1 8 45 1999 dont em""".split()


@pytest.mark.parametrize('stem', STEMS)
def test_plain_words_are_cut_as_spacy_cuts_them(stem):
    pieces = [b + stem + s + a for b in BEFORE for s in ('', "'s") for a in AFTER]
    found = [(p, plain) for p in pieces if (plain := MEMO.plain(p))]
    assert found or stem in 'it can mr co who 1 8 dont em mm am st ab'.split()
    for piece, plain in found:
        assert plain == tuple(t.text for t in MEMO.split(piece))


def test_only_capitals_change_in_lower_case():
    "What the memory takes for small letters, `lower` leaves alone."
    every = (chr(i) for i in range(sys.maxunicode + 1))
    assert [c for c in every if c.lower() != c and not (c.isupper() or c.istitle())] == []


def test_another_language_asks_spacy():
    german = Tokenizer(lang='de')
    assert isinstance(german.words, QuickReader) and german.words.words.memo.plain('gut,') == ()
    assert german('Das ist z.B. SEHR gut!!!') == german.words.words(german.apply_rules('Das ist z.B. SEHR gut!!!'))


# --- who reads how


def test_rules_of_ones_own_are_applied_in_order():
    for rules in ([], [*RULES, str]):
        assert type(reader(Tokenizer(rules))) is Reader
        assert Tokenizer(rules)('No NO no!!!') == SpacyWords()(Tokenizer(rules).apply_rules('No NO no!!!'))
    assert type(reader(Tokenizer(list(RULES)))) is QuickReader


@pytest.mark.parametrize('workers', [0, 1])
def test_ids_are_those_of_the_tokens(workers):
    texts = [*load_data('clothing', 'validation').texts[:100], '', 'no no no', Tokens(['xxbos', 'film'])]
    vocab = Vocab.build(TOK.map(texts), 2)
    for rules in (None, RULES[:5]):
        tokenizer = Tokenizer(rules)
        found = list(text_ids(tokenizer, texts, vocab.id_of, workers))
        assert all(ids.dtype == np.int32 for ids in found)
        assert [ids.tolist() for ids in found] == [vocab.numericalize(t).tolist() for t in tokenizer.map(texts)]


def test_two_vocabularies_do_not_mix():
    texts = ['a film', 'a good film']
    for words in (['xxunk', 'film', 'a'], ['xxunk', 'a', 'good', 'film']) * 2:
        vocab = Vocab(words)
        assert [i.tolist() for i in text_ids(TOK, texts, vocab.id_of)] == [vocab.numericalize(t).tolist() for t in TOK.map(texts)]


def test_what_is_no_text_has_no_ids():
    with pytest.raises(TypeError, match='must be a string'):
        list(text_ids(TOK, [None], len))


# --- time and memory


def seconds(text):
    start = time.process_time()
    TOK(text)
    return time.process_time() - start


LONG = ['?!', '😀🎉', '.,', '()', 'ab', "a'", '-a', 'Ab/', 'A', '&amp;', '<br', ';', 'a ', 'é\u0301']


@pytest.mark.parametrize('part', LONG, ids=ascii)
def test_a_long_text_takes_time_with_its_length(part):
    assert seconds('wow' + part * (50_000 // len(part))) < 2


@pytest.mark.parametrize('part', ['?!', '😀🎉', '.,', '()', ')('])
def test_a_long_row_of_signs_has_the_tokens_of_a_short_one(part):
    short, long = SpacyWords()('wow' + part * 20), SpacyWords()('wow' + part * 1000)
    assert long[:35] == short[:35] and len(long) - 1 == 50 * (len(short) - 1)


def test_a_long_piece_loses_nothing_and_is_not_remembered():
    memo = Memo('en', 2**20)
    ruled = RuledMemo(memo, tuple)
    for piece in ('ab,' * 500, 'x' * 1001, '日本' * 300, 'a' * LONGEST + '!'):
        assert ''.join(memo[piece]) == piece and (piece.isalnum() or max(map(len, memo[piece])) <= LONGEST)
        ruled[piece]
    assert memo['x' * 1001 + ',y'] == ('x' * 1001, ',', 'y')
    assert memo['a-' * 500 + 'a'] == memo['a-' * 5 + 'a'] + ('-', 'a') * 495
    assert max(map(len, memo)) <= LONGEST and max(map(len, ruled), default=0) <= LONGEST


MANY = {'no ': 3, 'no\n': 3, 'a': 3, 'A': 3, 'aa-': 60, 'word, ': 60, '(a) ': 60, '?!': 60}


@pytest.mark.parametrize('part', MANY, ids=ascii)
@pytest.mark.parametrize('size', [UNCUT - 9, UNCUT + 9])
def test_a_long_text_takes_memory_with_its_length(part, size):
    "Bytes a character, pieces and tokens included. A pattern that notes each repeat, to go back there, takes a hundred."
    text = (part * size)[:size]
    tracemalloc.start()
    try:
        TOK(text)
        assert tracemalloc.get_traced_memory()[1] < size * (MANY[part] if size > UNCUT else 60)
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_in_bytes():
    tokenizer = Tokenizer()
    quick = tokenizer.words
    quick.words.memo.size = 30_000
    texts = [' '.join(f'Word{i}x{j}, {i}-{j}?{"?!" * (j % 40)}' for j in range(20)) for i in range(12)]
    assert [tokenizer(t) for t in texts] == [TOK(t) for t in texts]
    assert max(quick.ruled.used, quick.words.memo.used) < 40_000 < TOK.words.ruled.used


@pytest.mark.parametrize('number', ['&#' + '9' * 4301 + ';', '&amp;#' + '9' * 4301 + ';', '&#x' + 'f' * 5000 + ';'])
def test_an_entity_that_is_no_number_stays_as_written(number):
    assert RULES[0](f'so {number} it') == f'so {number.replace("&amp;", "&")} it'


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(BLANKS, st.text('ab/#!.', max_size=4)), max_size=6))
def test_white_space_of_every_kind(parts):
    text = ''.join(a + b for a, b in parts)
    assert TOK(text) == slow(text)


if __name__ == '__main__':
    rng, real = random.Random(1), []
    for name in 'clothing film_reviews subjectivity snippets wikipedia imdb'.split():  # imdb: where ULMFIT_NB_DATA has it
        try:
            real += load_data(name).texts
        except Exception as e:
            print(f'{name}: {e}')
    differ = compare(rng.sample(real, min(20_000, len(real)))) + compare(made(rng) for _ in range(100_000))
    print(f'{min(20_000, len(real)):,} real texts of {len(real):,}, 100,000 made ones: {len(differ)} differ', *differ[:5], sep='\n')
    quick_tokenization.BLOCK = 100
    long = [' '.join(rng.sample(real, 5) + [made(rng) for _ in range(20)]) for _ in range(2000)]
    in_blocks = compare(long)
    print(f'{len(long):,} long ones in {sum(len(blocks(t)) for t in long):,} blocks: {len(in_blocks)} differ', *in_blocks[:5], sep='\n')
    sys.exit(bool(differ + in_blocks))
