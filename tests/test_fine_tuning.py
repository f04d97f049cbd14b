"Stage 2: vocabulary transfer against the peer, and a run from one directory to the next."

import json
import shutil
from dataclasses import replace

import pytest
import torch
from helpers import GOLDEN, PROSE, made_of, new_lm, same_tensors, some_words, weights_of
from safetensors.torch import load_file

import ulmfit_nb.training as training
from ulmfit_nb import pretraining, stages
from ulmfit_nb.awd_lstm import LM_DROPOUTS, AWDLSTMConfig, LanguageModel
from ulmfit_nb.data import DataError
from ulmfit_nb.files import read_json, write_json
from ulmfit_nb.fine_tuning import change_vocab, fine_tune, match_rows, shared_words
from ulmfit_nb.pretraining import evaluate_texts, pretrain
from ulmfit_nb.schedules import stlr
from ulmfit_nb.stages import StageError, load_lm, save_stage
from ulmfit_nb.tokenization import Tokenizer, Vocab

ROWS = json.loads((GOLDEN / 'match_embeds.json').read_text())
FILMS = [f'The film was {a} and the {b} went {c}.' for a in ('good', 'dull', 'long') for b in ('actor', 'fox') for c in ('on', 'off')] * 4
TINY = dict(min_freq=1, bs=2, bptt=10, lr=0.01, every=3, progress_bar=False)


# --- moving rows


@pytest.mark.parametrize('name', ROWS['new'])
def test_match_rows_equals_the_peer(name):
    rows = torch.tensor(ROWS['old_b' if name.endswith('bias') else 'old_w'])
    moved = match_rows(rows, Vocab(ROWS['old_vocab']), Vocab(ROWS['new_vocab']))
    assert moved.shape == torch.tensor(ROWS['new'][name]).shape
    assert torch.allclose(moved, torch.tensor(ROWS['new'][name]), atol=1e-6, rtol=0)


def test_match_rows_leaves_its_input_alone_and_checks_it():
    old, new, rows = Vocab(['xxunk', 'xxpad', 'a']), Vocab(['xxunk', 'b', 'a']), torch.arange(6.0).view(3, 2)
    moved = match_rows(rows, old, new)
    assert moved.tolist() == [[0, 1], [2, 3], [4, 5]] and rows.equal(torch.arange(6.0).view(3, 2))
    with pytest.raises(ValueError, match='2 rows for 3 words'):
        match_rows(rows[:2], old, new)


def test_fillers_get_the_mean_even_if_both_have_them():
    old, new, rows = Vocab(['xxunk', 'a', 'xxfake', 'xxfake']), Vocab(['xxunk', 'xxfake', 'a', 'xxfake']), torch.tensor([0.0, 2, 4, 6])
    assert match_rows(rows, old, new).tolist() == [0, 3, 2, 3]


def test_shared_words_counts_no_fillers():
    old, new = Vocab(['xxunk', 'xxpad', 'a', 'b', 'xxfake']), Vocab(['xxunk', 'xxpad', 'c', 'a', 'd', 'xxfake', 'xxfake', 'xxfake'])
    assert shared_words(old, new) == (3, ['c', 'd'])


@pytest.mark.parametrize('tied', [True, False])
def test_change_vocab_keeps_the_logits_of_shared_words(tied):
    old, new = Vocab(['xxunk', 'xxpad', 'a', 'b', 'c']), Vocab(['xxunk', 'xxpad', 'c', 'd', 'a', 'xxfake'])
    torch.manual_seed(0)
    model = LanguageModel(AWDLSTMConfig(5, 6, 7, 2, tie_weights=tied)).eval()
    torch.nn.init.normal_(model.decoder.bias)
    moved = change_vocab(model, old, new).eval()
    text = ['a', 'c', 'xxunk', 'c']
    with torch.no_grad():
        a, b = (m(torch.from_numpy(v.numericalize(text)).long()[None]).logits[0] for m, v in ((model, old), (moved, new)))
    words = ['xxunk', 'xxpad', 'a', 'c']
    assert torch.allclose(a[:, old.numericalize(words)], b[:, new.numericalize(words)], atol=1e-6)
    assert torch.allclose(b[:, 3], a.mean(1), atol=1e-6), 'a new word should get the mean of all logits'
    assert (moved.decoder.weight is moved.encoder.embedding.emb.weight) == tied
    assert moved.config == replace(model.config, vocab_sz=6)


# --- stage 2


def test_fine_tune_from_directory_to_directory(tiny_lm, tmp_path):
    out = fine_tune(tiny_lm, FILMS, tmp_path / 'ft', epochs=2, **TINY)
    assert sorted(p.name for p in out.iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    (_, vocab, config), (_, old, before) = load_lm(out), load_lm(tiny_lm)
    assert 'actor' in vocab and 'actor' not in old and 'lovely' in old and 'lovely' not in vocab
    assert config['settings']['from'] == before['sha256']['model.safetensors'] and config['settings']['before'] == before['settings']
    history = json.loads((out / 'history.json').read_text())
    assert history[1]['perplexity'] < history[0]['perplexity'] < len(vocab)


@pytest.mark.parametrize(
    'bs,texts',
    [(2, FILMS), (8, FILMS), (2, [*FILMS, ' '.join(FILMS)]), (4, [' '.join(FILMS)] * 2)],
    ids=['few', 'many rows', 'a long last text', 'two long texts'],
)
@pytest.mark.parametrize('epochs,min_steps', [(1, 0), (3, 10), (1, 100)])
def test_few_texts_are_read_until_there_are_enough_steps(bs, texts, epochs, min_steps, tiny_lm, tmp_path, monkeypatch):
    "Not a step too few, and not a pass too many: counted in the batches there are, without the texts that are set aside."
    taken = {}
    monkeypatch.setattr(pretraining, 'fit', lambda task, plan, *_: taken.update(task=task, plan=plan) or [{'precision': 'fp32'}])
    fine_tune(tiny_lm, texts, tmp_path / 'out', **TINY | dict(bs=bs, epochs=epochs, min_steps=min_steps))
    (phase,) = taken['plan']
    steps = [taken['task'].train.n_batches(e) for e in range(phase.epochs)]
    assert phase.epochs >= epochs and sum(steps) >= min_steps
    assert phase.epochs == epochs or sum(steps[:-1]) < min_steps


def test_texts_are_split_as_the_model_splits_them(tiny_lm, tmp_path):
    "A rule of English takes a word apart; another language's tokenizer doesn't."
    texts = ["You don't say, the film is on."] * 20
    for lang, whole in (('en', False), ('sv', True)):
        lm = shutil.copytree(tiny_lm, tmp_path / lang)
        write_json(lm / 'config.json', read_json(lm / 'config.json') | {'tokenizer': {'lang': lang}}, sealed=True)
        tuned = load_lm(fine_tune(lm, texts, tmp_path / f'{lang}-tuned', **TINY))
        assert ("don't" in tuned.vocab) == whole and tuned.config['tokenizer'] == {'lang': lang}
        found = [evaluate_texts(tuned.model, tuned.vocab, texts, bs=1, tokenizer=Tokenizer(lang=t))['unknown_words'] for t in (lang, 'en')]
        assert found == [0, 2 * whole]


def test_dropouts_are_multiplied_once(tiny_lm, tmp_path):
    config = load_lm(fine_tune(tiny_lm, FILMS, tmp_path / 'ft', drop_mult=0.5, **TINY))[0].config
    assert {k: getattr(config, k) for k in LM_DROPOUTS} == {k: 0.5 * v for k, v in LM_DROPOUTS.items()}


def test_rates_are_slanted_triangles_one_a_group(tiny_lm, tmp_path, monkeypatch):
    seen, real = [], training.set_schedule

    def set_schedule(opt, t, T, schedule, momentum, scale):
        real(opt, t, T, schedule, momentum, 1.0)
        seen.append((t, T, {g['name']: g['lr'] for g in opt.param_groups}))
        real(opt, t, T, schedule, momentum, scale)

    monkeypatch.setattr(training, 'set_schedule', set_schedule)
    fine_tune(tiny_lm, FILMS, tmp_path / 'ft', **TINY)
    for t, T, rates in seen:
        assert rates == pytest.approx({'lstm 1': stlr(t, T, 0.01 / 2.6**2), 'lstm 2': stlr(t, T, 0.01 / 2.6), 'embedding': stlr(t, T, 0.01)})
    assert [t for t, _, _ in seen] == list(range(seen[0][1]))


def test_a_finished_directory_is_handed_back_at_once(tiny_lm, tmp_path, monkeypatch):
    out = fine_tune(tiny_lm, FILMS, tmp_path / 'ft', **TINY)
    monkeypatch.setattr(training, 'set_schedule', None)  # can't train any more
    assert fine_tune(tiny_lm, FILMS, out, **TINY) == out
    with pytest.raises(ValueError, match=r'other settings \(factor: 2.6 there, 2 now'):
        fine_tune(tiny_lm, FILMS, out, factor=2, **TINY)
    with pytest.raises(ValueError, match=r'other settings \(texts'):
        fine_tune(tiny_lm, FILMS[1:], out, **TINY)
    with pytest.raises(ValueError, match=r'other settings \((before|from)'):
        fine_tune(out, FILMS, out, **TINY)


def test_a_run_cut_short_ends_like_one_that_was_not(tiny_lm, tmp_path, monkeypatch):
    whole = fine_tune(tiny_lm, FILMS, tmp_path / 'whole', **TINY)
    steps, real = iter(range(5)), training.set_schedule
    with monkeypatch.context() as m, pytest.raises(StopIteration):
        m.setattr(training, 'set_schedule', lambda *a: (next(steps), real(*a)))
        fine_tune(tiny_lm, FILMS, tmp_path / 'cut', **TINY)
    assert (tmp_path / 'cut/work/checkpoint.safetensors').exists()
    assert same_tensors(weights_of(fine_tune(tiny_lm, FILMS, tmp_path / 'cut', **TINY)), weights_of(whole))


def test_reading_direction_is_inherited(tmp_path):
    back = pretrain(PROSE, tmp_path / 'lm', emb_sz=8, n_hid=12, n_layers=2, backwards=True, **TINY)
    assert load_lm(fine_tune(back, FILMS, tmp_path / 'ft', **TINY))[2]['backwards']


# --- a model that ships


@pytest.fixture
def shipped(tiny_lm, tmp_path, monkeypatch):
    "The language model in half precision, where the models that ship would lie."
    model, vocab, config = load_lm(tiny_lm)
    save_stage(
        tmp_path / 'pretrained/wiki-tiny',
        'language model',
        model.half(),
        vocab,
        {k: config[k] for k in ('architecture', 'tokenizer', 'backwards', 'settings')},
        [],
    )
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'pretrained')
    return 'wiki-tiny'


def test_a_model_that_ships_goes_by_its_name(tiny_lm, shipped, tmp_path):
    weights = load_file(tmp_path / 'pretrained/wiki-tiny/model.safetensors')
    assert {v.dtype for v in weights.values()} == {torch.float16}
    model = load_lm(shipped)[0]
    for k, v in load_lm(tiny_lm)[0].state_dict().items():
        loaded = model.state_dict()[k]
        assert loaded.dtype == torch.float32 and torch.equal(loaded, v.half().float())
    out = fine_tune(shipped, FILMS, tmp_path / 'ft', **TINY)
    tuned, vocab, config = load_lm(out)
    assert {p.dtype for p in tuned.parameters()} == {torch.float32} and 'actor' in vocab
    assert config['settings']['from'] == load_lm(shipped)[2]['sha256']['model.safetensors']
    assert fine_tune(shipped, FILMS, out, **TINY) == out


def test_a_name_that_is_no_model(shipped, tmp_path):
    with pytest.raises(StageError, match=r'wiki-huge: no such directory, and no model of that name ships \(wiki-tiny\)'):
        fine_tune('wiki-huge', FILMS, tmp_path / 'ft', **TINY)


# --- bad input


def classifier(folder):
    model = new_lm()
    save_stage(folder, 'classifier', model, some_words(40), made_of(model, classes=['a', 'b'], bptt=70, hidden=[50]), [])
    return folder


def unfinished(folder):
    (folder / 'work').mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (classifier, 'holds a classifier, where a language model is due: give a directory made by pretrain or fine_tune'),
        (unfinished, 'its training was cut short'),
        (lambda p: p, 'no such directory'),
    ],
)
def test_a_directory_that_is_no_language_model(tmp_path, make, message):
    with pytest.raises(StageError, match=message):
        fine_tune(make(tmp_path / 'in'), FILMS, tmp_path / 'ft', **TINY)
    assert not (tmp_path / 'ft').exists()


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        ([], 'there are no texts'),
        (FILMS[:1], 'at least two texts'),
        (iter(FILMS), 'only once'),
        (['Two words.'] * 3, 'too few'),
        ([1.5, 'a'], 'text 0 is 1.5'),
    ],
)
def test_texts_that_can_not_be_used_leave_nothing_behind(tiny_lm, tmp_path, texts, message):
    with pytest.raises(DataError, match=message):
        fine_tune(tiny_lm, texts, tmp_path / 'ft', **TINY)
    assert not (tmp_path / 'ft').exists()
