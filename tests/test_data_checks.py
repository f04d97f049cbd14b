"What training checks before it begins: texts on both sides, and words that a model hasn't got."

import re
import warnings

import pytest
from helpers import LM, REVIEWS, ROOT, TEXTS, TINY_CLASSIFIER

from ulmfit_nb import TextClassifier, fine_tune, train_classifier
from ulmfit_nb.data import TextData, Tokens
from ulmfit_nb.data_checks import shared_texts, unknown_words, warn_shared
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_pretrained
from ulmfit_nb.targets import prepare_data
from ulmfit_nb.tokenization import SPECIAL, Tokenizer, Vocab

TWEETS = ROOT.parent / 'shared/data/germeval2018/train.parquet'


# --- the same texts on both sides


def said_by(f, *args, **kwargs):
    "What it warns of."
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        f(*args, **kwargs)
    return [str(w.message) for w in said]


def test_texts_on_both_sides_are_counted_and_one_is_shown():
    held = TextData(['something new', TEXTS[3], f'  {TEXTS[0]}\n', ''], [0, 1, 1, 0], ['neg', 'pos'])
    (said,) = said_by(warn_shared, REVIEWS, held)
    assert said.startswith('2 of 4 validation texts are among the training texts too') and repr(TEXTS[3]) in said and 'split_data(groups=...)' in said


@pytest.mark.parametrize('held', [REVIEWS.select(range(8)), TextData(TEXTS, REVIEWS.labels, REVIEWS.classes)], ids=['a part of them', 'a copy of them'])
def test_all_of_them_known(held):
    (said,) = said_by(warn_shared, REVIEWS, held)
    assert said.startswith(f'{len(held)} of {len(held)} ')


def test_a_table_with_everything_twice_leaks_by_the_split_itself():
    ready = prepare_data(TextData(TEXTS * 2, REVIEWS.labels * 2, REVIEWS.classes), None)
    shared = sum(t in ready.train.texts for t in ready.valid.texts)
    assert shared and said_by(warn_shared, ready.train, ready.valid)[0].startswith(f'{shared} of 8 validation texts')


def test_nothing_is_said_without_need():
    tokens = TextData([Tokens(['a', 'b']), Tokens(['c'])] * 2, [0, 1] * 2, ['x', 'y'])
    new = TextData(['new', ''], [0, 1], REVIEWS.classes)
    for train, valid in ((REVIEWS, new), (tokens, TextData(['a b'], [0], tokens.classes))):
        assert len(said_by(warn_shared, train, valid)) == (train is tokens)
    assert shared_texts(TextData(['', ' ']), TextData(['', 'a'])) == []


@pytest.mark.parametrize('twice', [True, False])
def test_stage_3_and_the_estimator_say_so(twice, tiny_lm, tmp_path):
    held = REVIEWS.select(range(6, 10)) if twice else TextData(['quite new', 'newer'], [0, 1], REVIEWS.classes)
    said = said_by(train_classifier, tiny_lm, REVIEWS, tmp_path / 'c', held, **TINY_CLASSIFIER | {'epochs': 1})
    assert [s[:6] for s in said] == ['4 of 4'] * twice
    model = TextClassifier(tiny_lm, preset='tiny', epochs=1, bs=8)
    said = said_by(model.fit, TEXTS * (1 + twice), REVIEWS.labels * (1 + twice))
    assert [s[2:].startswith('of 8 validation texts') for s in said] == [True] * twice
    assert said_by(model.set_params(hold_out=False).fit, TEXTS * 2, REVIEWS.labels * 2) == []


# --- words that a model hasn't got

GERMAN = ['Das war leider überhaupt nicht lustig', 'Wer hat denn das verbrochen und warum', 'Schade um die Zeit und um das Geld']


def test_the_share_of_unknown_words():
    vocab = Vocab([*SPECIAL, 'a', 'b'])
    assert unknown_words(['a b a c', 'A B b c c d'], vocab, Tokenizer()) == (4 / 10, ['c', 'd'])
    assert unknown_words([''], vocab, Tokenizer()) == (0.0, []) and unknown_words([Tokens(['a', 'z', 'xxunk'])], vocab, Tokenizer()) == (0.5, ['z'])
    assert unknown_words(['a'] * 500 + ['z'] * 500, vocab, Tokenizer()) == (0.5, ['z']), 'texts from everywhere'


@pytest.mark.parametrize('stage', ['fine_tune', 'train_classifier', 'fit'])
def test_a_stranger_to_the_texts(stage, tiny_lm, tmp_path):
    other = TextData([f'{t} {i}' for i in range(4) for t in GERMAN], [0, 1] * 6, REVIEWS.classes)
    run = {
        'fine_tune': lambda texts, data, out: fine_tune(tiny_lm, texts, out, epochs=1, **LM),
        'train_classifier': lambda texts, data, out: train_classifier(tiny_lm, data, out, data, **TINY_CLASSIFIER | {'epochs': 1}),
        'fit': lambda texts, data, out: TextClassifier(tiny_lm, preset='tiny', epochs=1, bs=8).fit(texts, data.labels),
    }[stage]
    (said,) = said_by(run, other.texts, other, tmp_path / 'strange')
    assert re.match(r'\d\d+% of the words in these texts are unknown to the language model \(.*das', said) and 'load_fastai' in said and 'pretrain' in said
    assert said_by(run, TEXTS, REVIEWS, tmp_path / 'known') == []


@pytest.mark.skipif(not TWEETS.exists(), reason='German tweets are not at hand')
def test_german_tweets():
    tweets = load_data(TWEETS).texts[:300]
    assert 0.4 < unknown_words(tweets, load_pretrained().vocab, Tokenizer())[0] < 0.7


@pytest.mark.parametrize('name', ['subjectivity', 'snippets', 'film_reviews', 'clothing', 'wikipedia'])
def test_the_model_that_ships_knows_the_sets_that_ship(name):
    assert unknown_words(load_data(name).texts, load_pretrained().vocab, Tokenizer(), most=100)[0] < 0.15


@pytest.mark.parametrize('n', [200, 399, 2200])
def test_the_end_of_a_sorted_list_is_looked_at_too(n):
    vocab = Vocab.build([['known']], min_freq=1)
    share, _ = unknown_words(['known'] * 200 + ['fremd'] * (n - 200), vocab, Tokenizer())
    assert share == pytest.approx((n - 200) / n, abs=0.01)
