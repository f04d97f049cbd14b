"A language, and pieces, that can't be used are refused in words; pieces are made once."

import json
import shutil
import sys

import pytest
from helpers import TINY_LM
from typer.testing import CliRunner

import ulmfit_nb.new_language as new_language
from ulmfit_nb import load_classifier, pretrain
from ulmfit_nb.cli import app
from ulmfit_nb.files import write_json
from ulmfit_nb.new_language import check_lang, check_pieces, count_words_of, new_tokenizer, spacy_languages
from ulmfit_nb.settings import PretrainSettings
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Tokenizer

TEXTS = ['Das Gesetz gilt. Die Gesetze gelten z.B. hier.', 'Ein Gesetz, das gilt, gilt.', 'Die Geltung des Gesetzes'] * 20


def test_languages_are_named():
    assert {'en', 'de', 'xx', 'zh'} < set(spacy_languages()) and all(2 <= len(name) <= 3 for name in spacy_languages())


@pytest.mark.parametrize('lang', ['ha', 'german', 'DE', '', None, 3, '../en', 'en_core_web_sm'])
def test_an_unknown_language_is_refused(lang):
    with pytest.raises(ValueError, match='no tokenizer. Give xx.* de, '):
        Tokenizer(lang=lang)


def test_a_language_that_needs_a_package_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sudachipy', None)
    with pytest.raises(ImportError, match='(?s)sudachipy.*subwords'):
        check_lang('ja')


def test_a_stage_refuses_a_language_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="lang is 'ha'"):
        pretrain(TEXTS, tmp_path / 'lm', **TINY_LM, lang='ha')
    assert not (tmp_path / 'lm').exists()
    done = CliRunner().invoke(app, ['pretrain', '--out', str(tmp_path / 'lm'), '--data', 'wikipedia', '--lang', 'ha'])
    assert done.exit_code == 1 and 'has no tokenizer' in done.output and 'Traceback' not in done.output


def test_german_words_are_german():
    assert 'z.b.' in Tokenizer(lang='de')('Es gilt z.B. hier.') and 'z.b.' not in Tokenizer(lang='xx')('Es gilt z.B. hier.')


@pytest.mark.parametrize('wrong', [[], ['a'], 'abc', {}, {'a': 'b'}, {'a': 1.0}, {'a': float('nan')}, {'': -1.0}, {1: -1.0}, {'a': None}])
def test_what_is_no_table_of_pieces_is_refused(wrong):
    with pytest.raises(ValueError, match='^pieces: .*copy the directory of the model again'):
        Tokenizer(pieces=wrong)


def test_words_are_counted_as_far_as_the_corpus_is_read():
    words = Tokenizer(lang='de')
    assert count_words_of(['ja nein', 'ja', 'doch'], words, max_tokens=4) == {'ja': 2, 'nein': 1}
    assert count_words_of(['NEIN\n\nnein!!!'], words) == {'nein': 2, '3': 1, '!': 1}


def test_pieces_are_made_once(tmp_path, monkeypatch):
    settings = PretrainSettings(lang='de', subwords=60)
    first = new_tokenizer(tmp_path, TEXTS, settings)
    monkeypatch.setattr(new_language, 'train_pieces', None)
    assert new_tokenizer(tmp_path, TEXTS, settings).asdict() == first.asdict() and first.lang == 'de'
    for other in ({'lang': 'xx'}, {'subwords': 61}, {'max_tokens': 100}):
        with pytest.raises(ValueError, match=next(iter(other))):
            new_tokenizer(tmp_path, TEXTS, PretrainSettings(**{'lang': 'de', 'subwords': 60} | other))
    with pytest.raises(ValueError, match='texts'):
        new_tokenizer(tmp_path, TEXTS[:-1], settings)


def test_whole_words_need_no_first_pass(tmp_path):
    assert new_tokenizer(tmp_path, iter(()), PretrainSettings(lang='de')).pieces is None and list(tmp_path.iterdir()) == []


def test_settings_of_earlier_days_are_known_again():
    assert not {'lang', 'subwords'} & PretrainSettings().identity().keys()
    assert PretrainSettings(lang='de', subwords=60).identity().items() >= {'lang': 'de', 'subwords': 60}.items()
    with pytest.raises(ValueError, match='subwords is 0'):
        PretrainSettings(subwords=0)


def test_a_corpus_of_other_words_is_not_taken_up(tmp_path):
    from ulmfit_nb.corpus import cached_corpus

    cached_corpus(tmp_path, TEXTS, Tokenizer(), min_freq=1)
    with pytest.raises(ValueError, match='tokenizer'):
        cached_corpus(tmp_path, TEXTS, Tokenizer(lang='de'), min_freq=1)


def damaged(model, tmp_path, tokenizer):
    out = shutil.copytree(model, tmp_path / 'copy')
    config = json.loads((out / 'config.json').read_text()) | {'tokenizer': tokenizer}
    write_json(out / 'config.json', config, sealed=True)
    return out


def test_damaged_pieces_are_found_when_a_model_is_opened(tiny_classifier, tmp_path):
    with pytest.raises(ValueError, match="pieces: 'a' has None.*copy the directory"):
        load_classifier(damaged(tiny_classifier, tmp_path, {'lang': 'en', 'pieces': {'a': None}}))


def test_texts_in_another_script_are_told(tiny_lm, tmp_path):
    from ulmfit_nb.data_checks import warn_unknown

    lm, tokenizer = load_lm(tiny_lm), Tokenizer(pieces={c: -3.0 for c in 'abcdefghijklmnopqrstuvwxyz'})
    with pytest.warns(UserWarning, match='100% of the words .* Texts in another language need a model of it'):
        warn_unknown(['Это хороший фильм', 'Плохой фильм'], lm.vocab, tokenizer)


def test_check_pieces_leaves_good_ones():
    assert check_pieces({'a': -1, 'b': -2.5}) == {'a': -1, 'b': -2.5} and check_pieces(None) is None


def test_texts_without_blanks_have_no_pieces(tmp_path):
    with pytest.raises(ValueError, match='no words of up to 40 characters.*Are there blanks'):
        new_tokenizer(tmp_path / 'lm', [''.join(chr(0x0E01 + 7 * i % 40) for i in range(60))] * 10, PretrainSettings(lang='xx', subwords=100))
    assert not (tmp_path / 'lm/corpus.pieces.json').exists()


@pytest.mark.parametrize('content', ['{', '{}', '[]', '{"pieces": {}}'])
def test_a_damaged_file_of_pieces_is_named(content, tmp_path):
    (tmp_path / 'corpus.pieces.json').write_text(content)
    with pytest.raises(ValueError, match='corpus.pieces.json is damaged .*Delete it'):
        new_tokenizer(tmp_path, TEXTS, PretrainSettings(lang='de', subwords=100))
