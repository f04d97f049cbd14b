"What a table holds, by hand; and in words."

import pytest
from helpers import refuse

from ulmfit_nb.data import TextData
from ulmfit_nb.data_report import data_report, data_report_text, length_bars
from ulmfit_nb.tokenization import Tokenizer, Vocab


def test_counts_by_hand():
    data = TextData(['one two two', 'one', 'three'], [1, 1, 0], ['no', 'yes'])
    vocab = Vocab.build([['one', 'two']], min_freq=1)
    report = data_report(data, vocab)
    assert report['labels'] == [['yes', 2], ['no', 1]] and report['known'] == pytest.approx(4 / 5) and report['unknown'] == [['three', 1]]
    assert (report['n'], report['tokens'], report['median'], report['longest']) == (3, 8, 2, 4)  # xxbos is a token too
    assert data_report(data)['known'] is None


@pytest.mark.parametrize('lengths', [[5], [5, 5], [1, 2, 3], list(range(1, 400)), [4] * 99 + [5000]])
@pytest.mark.parametrize('most', [3, 12])
def test_length_bars_count_every_text_once(lengths, most):
    bars = length_bars(lengths, most)
    assert len(bars) <= most and bars[0][0] == min(lengths)
    assert all(a[1] + 1 == b[0] for a, b in zip(bars, bars[1:]))
    for low, high, n in bars:
        assert n == sum(low <= x <= (high or 10**9) for x in lengths)


def test_what_stands_there_twice():
    data = TextData(['good', 'good', 'good', 'bad', ' ', '', 'bad', 'once'], [1, 1, 0, 0, 0, 0, 0, 1], ['no', 'yes'])
    report = data_report(data)
    assert (report['empty'], report['duplicates'], report['conflicting']) == (2, 3, 1)
    unlabelled = data_report(TextData(data.texts))
    assert (unlabelled['duplicates'], unlabelled['conflicting'], unlabelled['labels']) == (3, 0, [])
    text = data_report_text(report)
    assert 'empty texts: 2' in text and 'copies of other texts: 3' in text and 'another label: 1' in text
    clean = data_report_text(data_report(TextData(['a', 'b'])))
    assert 'empty' not in clean and 'copies' not in clean and 'labels: none' in clean


@pytest.mark.parametrize('n,said', [(80, False), (81, True)])
def test_one_label_for_nearly_all_is_said(n, said):
    data = TextData([f'text {i}' for i in range(100)], [0] * n + [1] * (100 - n), ['fine', 'broken'])
    assert ("whoever always says 'fine'" in data_report_text(data_report(data))) == said


@pytest.mark.parametrize('known,said', [(79, True), (80, False)])
def test_a_language_that_was_not_read_is_said(known, said):
    data = TextData([' '.join(f'w{i}' for i in range(100))])
    report = data_report(data, Vocab.build([[f'w{i}' for i in range(known)]], min_freq=1), 'mine')
    assert report['known'] == known / 100 and (f'mine knows {known}.0 %' in data_report_text(report))
    assert ('ulmfit-nb pretrain' in data_report_text(report)) == said


def test_the_tokenizer_is_the_models():
    "A rule of English takes a word apart; another language's tokenizer doesn't."
    lengths = [data_report(TextData(["don't"]), tokenizer=Tokenizer(lang=lang))['tokens'] for lang in ('en', 'sv')]
    assert lengths[0] == lengths[1] + 1


def test_minutes_are_shown_if_there_are_any():
    report = data_report(TextData(['a']))
    assert 'expected' not in data_report_text(report)
    assert 'fine tune 2.0 minutes' in data_report_text(report | {'minutes': [['fine_tune', 2.0]]})


def test_one_long_text_leaves_the_others_their_bars():
    assert length_bars([3, 4, 4, 5, 9, 10, 11, 300], most=4) == [[3, 5, 4], [6, 8, 0], [9, None, 4]]


def test_numbers_have_no_classes():
    texts = [f'text {i}' for i in range(5)]
    report = data_report(TextData(texts, [1, 3, 2, 0, 4], ['1', '2', '3.5', '4', '4.5']), target='number')
    assert report['labels'] == [] and report['numbers'] == [1, 3.5, 4.5]
    told = data_report_text(report)
    assert 'numbers from 1 to 4.5, half of them 3.5 or less' in told and 'hardly any' not in told and 'labels' not in told
    with refuse('mine: text 1 has', 'where a number is due'):
        data_report(TextData(texts[:2], [1, 0], ['good', '1']), source='mine', target='number')


def test_a_single_class_is_no_question():
    told = data_report_text(data_report(TextData(['a', 'b'], [0, 0], ['fine'])))
    assert "every text is labelled 'fine': there is nothing to learn" in told and 'unbalanced' not in told


def test_a_label_that_most_texts_have_is_no_verdict():
    "Where they may have others too, nobody is right who says it always."
    data = TextData(['a', 'b', 'c', 'd', 'e', 'f'], [['x', 'y'], ['x'], ['x', 'z'], ['x'], ['x'], []])
    assert 'unbalanced' not in data_report_text(data_report(data, target='multi-label'))
