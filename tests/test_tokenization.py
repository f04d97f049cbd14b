"Tokens, vocabularies and text again: equal to the peer's where we agree, and properties that hold for any text."

import json
import time

import numpy as np
import pytest
from helpers import BLANKS, GOLDEN, WORDY, run_program
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit_nb import tokenization as T
from ulmfit_nb.files import write_json
from ulmfit_nb.sources import load_data
from ulmfit_nb.tables import join_fields
from ulmfit_nb.tokenization import RULES, SPECIAL, SpacyWords, Tokenizer, Vocab, join_tokens, undo_marks


def recorded(name):
    return json.loads((GOLDEN / name).read_text(encoding='utf-8'))


CASES, VOCAB = recorded('tokens.json')['cases'], recorded('vocab.json')
TOK, WORDS = Tokenizer(), SpacyWords()

STUMP = 'the peer replaces the stump `amp;`, `quot;` or `nbsp;` inside a whole entity and leaves its `&`'
QUOT = '`quot;` is a double quotation mark; the peer writes a single one'
SWALLOWED = 'the peer swallows the blank that the second repeat begins with'
REVIEW = (
    'xxbos xxmaj this movie was xxup awesome xxrep 3 ! i loved it , loved it , loved it … 10 / 10 would watch again . \n\n '
    "xxmaj the acting by xxmaj john o'neil was so - so ( at best ) , but the xxup cgi ? ! xxup wow . xxmaj do n't miss it & do n't blink ."
)
DIFFERENT = {  # text: (our tokens, reason)
    'AT&amp;T rocks': ('xxbos xxup at&t rocks', STUMP),
    'Tom &amp; Jerry &lt;3': ('xxbos xxmaj tom & xxmaj jerry <3', STUMP),
    'a&nbsp;b&nbsp;c': ('xxbos a b c', STUMP),
    'x &amp;amp; y': ('xxbos x & y', STUMP + '; escaped twice, it is read twice'),
    next(c['text'] for c in CASES if c['text'].startswith('This movie was AWESOME')): (REVIEW, STUMP),
    '&quot;quoted&quot; text': ('xxbos " quoted " text', STUMP + '; ' + QUOT),
    'quot;x quot;': ('xxbos " x "', QUOT),
    '&notareal; entity': ('xxbos & notareal ; entity', 'HTML has no such entity; the peer takes `&not` out of it'),
    'one<br/>two': ('xxbos one \n two', 'a line break without a blank is one too'),
    'a a a b b b': ('xxbos xxwrep 3 a xxwrep 3 b', SWALLOWED),
    'foo foo foo foo bar bar bar': ('xxbos xxwrep 4 foo xxwrep 3 bar', SWALLOWED),
}


@pytest.mark.parametrize('case', CASES, ids=lambda c: ascii(c['text'][:30]))
def test_tokens_are_the_peers_or_differ_as_stated(case):
    ours = TOK(case['text'])
    if case['text'] not in DIFFERENT:
        assert ours == case['tokens']
    else:
        assert ours == DIFFERENT[case['text']][0].split(' ')
        assert ours != case['tokens'], 'no difference any more: take it out of the table'


def test_every_stated_difference_is_a_recorded_case():
    assert len(CASES) == 290 and set(DIFFERENT) <= {c['text'] for c in CASES}
    assert all(reason for _, reason in DIFFERENT.values())


@pytest.mark.parametrize('rule', RULES, ids=lambda r: r.__name__)
def test_each_rule_alone_on_the_peers_own_input(rule):
    "A rule is given what the peer's rule was given, so that a difference in one rule does not hide the next."
    at, compared = RULES.index(rule), 0
    for case in CASES:
        stages = [case['text'], *case['stages'].values()]
        if rule.__name__ in ('fix_html', 'replace_wrep') and case['text'] in DIFFERENT:
            continue
        assert rule(stages[at]) == stages[at + 1], case['text']
        compared += 1
    assert compared >= 279


@pytest.mark.parametrize(
    'rule, text, due',
    [
        (T.fix_html, 'AT&amp;T, AT&amp;amp;T', 'AT&T, AT&T'),
        (T.fix_html, 'one<br/>two<BR>three', 'one\ntwo\nthree'),
        (T.fix_html, '&notareal; lamp; T&A;', '&notareal; lamp; T&A;'),
        (T.replace_rep, 'wow!!! wow!! goo', 'wow xxrep 3 !  wow!! goo'),
        (T.replace_wrep, 'a a a b b b', ' xxwrep 3 a  xxwrep 3 b '),
        (T.replace_wrep, 'no no none, no, no, no', 'no no none, no, no, no'),
        (T.spec_add_spaces, '1/2', '1 / 2'),
        (T.rm_useless_spaces, 'a    b \n\n c', 'a b \n\n c'),
        (T.replace_all_caps, 'AWFUL I a', 'xxup awful i a'),
        (T.replace_maj, 'The MacBook eBay', 'xxmaj the MacBook eBay'),
        (T.lowercase, ' Élan ', 'xxbos élan'),
    ],
)
def test_a_rule_does_what_chapter_02_says(rule, text, due):
    assert rule(text) == due


@pytest.mark.parametrize('case', VOCAB['cases'], ids=lambda c: f'min_freq {c["min_freq"]}, max_vocab {c["max_vocab"]}')
def test_vocabulary_and_ids_are_the_peers(case):
    vocab = Vocab.build(VOCAB['tokens'], case['min_freq'], case['max_vocab'])
    assert vocab.words == case['make_vocab'] and len(vocab) == case['len'] and vocab.index == case['o2i']
    assert [vocab.numericalize(t).tolist() for t in VOCAB['tokens']] == case['ids']


def test_the_recorded_texts_give_the_recorded_tokens():
    "But for one repeat straight after another, as in `DIFFERENT`."
    theirs = [' '.join(t) for t in VOCAB['tokens']]
    assert theirs[3].count('fox fox fox') == 1
    theirs[3] = theirs[3].replace('fox fox fox', 'xxwrep 3 fox')
    assert [' '.join(TOK(t)) for t in VOCAB['texts']] == theirs


def test_several_columns_are_the_peers():
    record = recorded('tokenize_df.json')
    rows = [('A Title', 'Some TEXT here!!!'), ('OK', 'no no no no')]  # read off the recorded tokens
    assert [TOK(join_fields(row)) for row in rows] == record['two_cols']
    assert [TOK(join_fields(row[1:])) for row in rows] == record['one_col_marked']
    assert [TOK(row[1]) for row in rows] == record['one_col']


# ---- properties


def whole(text):
    return [t.text.replace(' ', '▁') for t in WORDS.memo.split(text)]


@settings(max_examples=150, deadline=None)
@given(st.tuples(WORDY, BLANKS).map(''.join))
def test_memo_equals_spacy_on_the_whole_text(text):
    assert WORDS(text) == whole(text)


@pytest.mark.parametrize('name', ['clothing', 'wikipedia', 'subjectivity'])
def test_memo_equals_spacy_on_what_ships(name):
    texts = load_data(name, 'validation').texts[:500]
    assert [WORDS(t) for t in texts] == [whole(t) for t in texts]
    ruled = [TOK.apply_rules(t) for t in texts]
    assert [WORDS(t) for t in ruled] == [whole(t) for t in ruled]


def test_memo_starts_afresh_when_full():
    small = SpacyWords(memo_size=900)
    texts = ['a b c d e', "don't stop, don't", 'a b c']
    assert [small(t) for t in texts] == [whole(t) for t in texts] and len(small.memo) <= 3


def test_spacys_own_table_does_not_grow_past_the_memo():
    small, texts = SpacyWords(memo_size=20_000), [f'word{i} other{i}, xxmaj' for i in range(200)]
    assert [small(t) for t in texts] == [whole(t) for t in texts]
    assert len(small.memo.split.vocab.strings) < len(SpacyWords().memo.split.vocab.strings) + 4 * 60


@settings(max_examples=200, deadline=None)
@given(st.text() | WORDY)
def test_any_text_gives_tokens_without_plain_blanks(text):
    tokens = TOK(text)
    assert tokens[0] == 'xxbos' and not any(' ' in t or t == '' for t in tokens)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDY, min_size=1, max_size=5))
def test_tokens_to_ids_to_tokens_loses_nothing_known(texts):
    lists = [TOK(t) for t in texts]
    vocab = Vocab.build(lists, min_freq=1)
    for tokens in lists:
        ids = vocab.numericalize(tokens)
        assert ids.dtype == np.int32 and vocab.tokens(ids) == [t if t in vocab else 'xxunk' for t in tokens]
        assert all(t in vocab for t in tokens if t != 'xxfake')


LOWER = st.from_regex(r'[a-z]{2,9}', fullmatch=True).filter(lambda w: whole(w) == [w] and w not in SPECIAL and w != 'xxfake')
CASED = st.tuples(LOWER, st.sampled_from([str, str.upper, str.capitalize])).map(lambda p: p[1](p[0]))


@settings(max_examples=100, deadline=None)
@given(st.lists(CASED.filter(lambda w: T.replace_rep(w) == w), max_size=12))
def test_decoding_gives_back_the_words(words):
    text = ' '.join(words)
    tokens = TOK(text)
    vocab = Vocab.build([tokens], min_freq=1)
    assert vocab.decode(vocab.numericalize(tokens)) == text


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(['no', 'NO', 'No']), st.integers(3, 40), st.sampled_from('!?o*'), st.integers(3, 40))
def test_repeats_come_back(word, n, char, k):
    text = ' '.join([word] * n) + ' bah' + char * k
    assert join_tokens(TOK(text)).replace(' ', '') == text.replace(' ', '')


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*SPECIAL, 'xxfake', '3', '99999999', 'i', 'the', '"', '(', '▁\n', '!']), max_size=15))
def test_decoding_survives_marks_in_any_order(tokens):
    text = join_tokens(tokens)
    assert isinstance(text, str) and not any(m in text for m in ('xxbos', 'xxeos', 'xxpad', 'xxfake'))


def test_capitals_are_carried_out_inside_repeats():
    assert undo_marks(TOK('No No No')) == ['No'] * 3 and undo_marks(TOK('NO NO NO')) == ['NO'] * 3


# ---- several processes, errors, files


def test_workers_give_the_same_in_the_same_order():
    texts = [f'Review {i}: ' + t for i, t in enumerate(load_data('subjectivity', 'validation').texts)]
    assert list(TOK.map(texts, workers=2)) == list(TOK.map(texts))


def test_a_bar_changes_nothing_and_counts_the_texts(capsys):
    texts = ['a b', 'c'] * 10
    assert list(TOK.map(texts, progress_bar=True)) == list(TOK.map(texts))
    shown = capsys.readouterr().err
    assert '20/20' in shown and 'tokenising' in shown
    assert next(TOK.map((t for t in texts), progress_bar=True)) == ['xxbos', 'a', 'b']


def shout(text):
    return text.upper()


def test_rules_of_ones_own_go_to_the_workers():
    assert list(Tokenizer([shout]).map(['a b'] * 3, workers=1)) == [['A', 'B']] * 3


def test_a_script_without_a_guard_is_told_what_to_do():
    done = run_program('no_guard', timeout=120)
    assert done.returncode and 'RuntimeError: a process that tokenises could not start' in done.stderr and '__name__ ==' in done.stderr


def test_workers_read_a_stream_only_as_far_as_they_must():
    read = []
    stream = TOK.map((read.append(i) or f'text {i}' for i in range(20_000)), workers=2)
    assert next(stream) == ['xxbos', 'text', '0']
    stream.close()
    assert len(read) < 5000


def test_an_error_in_a_worker_is_the_same_error():
    with pytest.raises(TypeError, match='None'):
        list(TOK.map(['fine', None], workers=1))


@pytest.mark.parametrize('bad', [None, 3, float('nan'), b'bytes', ['list']])
def test_what_is_no_text_is_refused_by_name(bad):
    with pytest.raises(TypeError, match='must be a string'):
        TOK(bad)


def test_strings_in_place_of_tokens_are_refused():
    with pytest.raises(TypeError, match='Tokenizer'):
        Vocab.build(['a text'])
    with pytest.raises(TypeError, match='Tokenizer'):
        Vocab.build([['a']], 1).numericalize('a text')


def test_half_a_surrogate_pair_is_a_question_mark():
    assert TOK('cut \ud83d off') == ['xxbos', 'cut', '?', 'off']


def test_a_long_piece_in_capitals_takes_no_time():
    start = time.process_time()
    TOK.apply_rules('AB' * 10_000 + 'a')
    assert time.process_time() - start < 1


def test_vocabulary_comes_back_from_its_file(tmp_path):
    vocab = Vocab.build([TOK(t) for t in load_data('wikipedia', 'validation').texts[:6] + ['naïve 😀 \n\n']], 1)
    write_json(tmp_path / 'vocab.json', vocab.words)
    assert Vocab.load(tmp_path / 'vocab.json') == vocab


def test_a_fake_word_is_never_an_id():
    vocab = Vocab.build([['the', 'xxfake', 'xxfake', 'xxfake']] * 3)
    assert vocab.words.count('xxfake') == 16 - 10 and 'xxfake' not in vocab
    assert vocab.numericalize(['xxfake', 'the']).tolist() == [0, 9]
