"Stages: what a directory says, bad ones by name, models that ship, and a model that has learnt nothing."

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from helpers import REVIEWS, TEXTS, TINY_CLASSIFIER, TINY_LM, made_of, names_in, new_lm, same_tensors, some_words, weights_of

from ulmfit_nb import classifier_training, fine_tune, pretrain, pretraining, save_pretrained, stages, train_classifier
from ulmfit_nb.checkpoint import model_tensors
from ulmfit_nb.files import BusyError
from ulmfit_nb.stages import Stage, StageError, is_finished, load_lm, load_pretrained, resolve_model, save_stage, untrained


@pytest.fixture
def stage(tmp_path):
    for name, seed, words, settings in (('lm', 0, 'wörd', {'lr': 0.01}), ('other', 1, 'mot', {})):
        model = new_lm(seed=seed)
        save_stage(tmp_path / name, 'language model', model, some_words(40, words), made_of(model, settings=settings), [])
    return tmp_path / 'lm'


def test_a_stage_comes_back(stage):
    opened = Stage.open(stage, 'language model')
    config, vocab, tensors = opened.config, opened.vocab, opened.tensors
    assert config['settings'] == {'lr': 0.01} and vocab.words[3] == 'wörd3'
    assert names_in(stage) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    assert all(torch.equal(v, tensors[k]) for k, v in model_tensors(new_lm()).items())


def cut_short(name):
    return lambda d: (d / name).write_bytes((d / name).read_bytes()[:-30])


def remove(name):
    return lambda d: (d / name).unlink()


def of_another(name):
    return lambda d: (d / name).write_bytes((d.parent / 'other' / name).read_bytes())


def write(name, content):
    return lambda d: (d / name).write_bytes(content)


def rename(d):
    d.rename(d.parent / 'elsewhere')


def unfinished(d):
    remove('config.json')(d)
    (d / 'work').mkdir()


BAD = {
    'no directory': (rename, 'no such directory'),
    'a file': (lambda d: (rename(d), d.write_text('x')), 'no such directory'),
    'no config': (remove('config.json'), 'not a directory that a stage has written'),
    'unfinished': (unfinished, 'cut short. Run the same command again'),
    'config cut short': (cut_short('config.json'), 'config.json is damaged.*Copy'),
    'config empty': (write('config.json', b''), 'config.json is damaged'),
    'config not text': (write('config.json', b'\xff\xfe\x00'), 'config.json is damaged'),
    'config not ours': (write('config.json', b'{"model_type": "bert"}'), 'not written by this library'),
    'config a list': (write('config.json', b'[]'), 'not written by this library'),
    'config without hashes': (write('config.json', b'{"stage": "language model", "sha256": {}}'), "config.json is damaged: it lacks 'architecture'"),
    'no weights': (remove('model.safetensors'), 'model.safetensors is missing.*pretrain or fine_tune'),
    'no vocabulary': (remove('vocab.json'), 'vocab.json is missing'),
    'weights cut short': (cut_short('model.safetensors'), 'model.safetensors is damaged or comes from another model'),
    'vocabulary cut short': (cut_short('vocab.json'), 'vocab.json is damaged or comes from another model'),
    'weights empty': (write('model.safetensors', b''), 'model.safetensors is damaged'),
    'weights of another model': (of_another('model.safetensors'), 'model.safetensors.*comes from another model'),
    'vocabulary of another model': (of_another('vocab.json'), 'vocab.json.*comes from another model'),
    'config of another model': (of_another('config.json'), 'comes from another model'),
}


@pytest.mark.parametrize('what', BAD)
def test_bad_directory(what, stage):
    spoil, message = BAD[what]
    spoil(stage)
    with pytest.raises(StageError, match=message) as e:
        Stage.open(stage, 'language model')
    assert str(stage) in str(e.value)
    assert len(re.findall('Copy|again', str(e.value))) <= 3, 'what to do is said once'


def test_wrong_stage(stage):
    message = 'holds a language model, where a classifier is due.*train_classifier'
    with pytest.raises(StageError, match=message):
        Stage.open(stage, 'classifier')


def test_finished_or_not(stage, tmp_path):
    assert is_finished(stage, {'lr': 0.01}) and not is_finished(tmp_path / 'new', {'lr': 0.01})
    with pytest.raises(ValueError, match=r'other settings \(lr: 0.01 there, 0.1 now\)'):
        is_finished(stage, {'lr': 0.1})
    remove('config.json')(stage)
    assert not is_finished(stage, {'lr': 0.01})


@pytest.mark.parametrize('survivors', range(4))
def test_killed_while_saving_a_stage(survivors, tmp_path, monkeypatch):
    "However many of the four files were written: not finished, and named as such; saving again mends it."
    done, replace = [], os.replace

    def dies(a, b):
        if len(done) == survivors:
            raise KeyboardInterrupt
        done.append(b)
        replace(a, b)

    save = lambda: save_stage(tmp_path, 'language model', new_lm(), some_words(40), made_of(new_lm()), [])  # noqa: E731
    with monkeypatch.context() as m:
        m.setattr(os, 'replace', dies)
        with pytest.raises(KeyboardInterrupt):
            save()
    assert not is_finished(tmp_path, {})
    with pytest.raises(StageError, match='no config.json'):
        Stage.open(tmp_path, 'language model')
    save()
    assert Stage.open(tmp_path, 'language model').vocab == some_words(40)


@pytest.mark.parametrize('name', ['model.safetensors', 'vocab.json'])
@pytest.mark.parametrize('harm', ['gone', 'cut'])
def test_a_damaged_directory_is_not_finished(stage, name, harm):
    """The mend that `Stage.open` names, to run the stage again, must not be answered with 'there is nothing to do'."""
    path = stage / name
    path.write_bytes(path.read_bytes()[:-5])
    if harm == 'gone':
        path.unlink()
    assert not is_finished(stage, {'lr': 0.01})


# --- from the first step to the last file


@pytest.mark.parametrize('out', ['', None, 5, 'a\0b', 'file', 'file/sub', 'link', 'link/sub'])
def test_a_name_under_which_no_directory_can_be(out, tiny_lm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('file').write_text('mine')
    Path('link').symlink_to('nowhere')
    ways = (
        lambda: pretrain(TEXTS, out),
        lambda: fine_tune(tiny_lm, TEXTS, out),
        lambda: train_classifier(tiny_lm, REVIEWS, out),
        lambda: save_pretrained(tiny_lm, out),
        lambda: untrained(tiny_lm, out),
        lambda: is_finished(out, {}),
    )
    for way in ways:
        with pytest.raises(StageError, match='no name of a directory|is a file, where a directory is due|is a link that leads nowhere'):
            way()
    assert names_in(tmp_path) == ['file', 'link']


STAGES_TO_RUN = {
    'language model': (pretraining, lambda lm, out: pretrain(TEXTS * 2, out, **TINY_LM)),
    'classifier': (classifier_training, lambda lm, out: train_classifier(lm, REVIEWS, out, **TINY_CLASSIFIER | {'epochs': 1})),
}


@pytest.mark.parametrize('kind', STAGES_TO_RUN)
def test_whoever_comes_while_a_stage_is_saved_is_told_and_does_no_harm(kind, tiny_lm, tmp_path, monkeypatch):
    module, run = STAGES_TO_RUN[kind]
    save, told = module.save_stage, []

    def saving(*given):
        with pytest.raises(BusyError, match='another run is under way here'):
            run(tiny_lm, tmp_path / 'out')
        told.append(names_in(tmp_path / 'out/work'))
        save(*given)

    with monkeypatch.context() as m:
        m.setattr(module, 'save_stage', saving)
        run(tiny_lm, tmp_path / 'out')
    assert 'checkpoint.safetensors' in told[0] and names_in(tmp_path / 'out') == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    monkeypatch.setattr(module, 'save_stage', None)
    assert run(tiny_lm, tmp_path / 'out') == tmp_path / 'out', 'it is there, and asked for'


def test_whoever_gets_the_lock_looks_again(tmp_path, monkeypatch):
    "Another process has done it all, between the first look and the lock."
    run, lock = STAGES_TO_RUN['language model'][1], stages.checkpoint_lock
    theirs = run(None, tmp_path / 'theirs')

    @contextmanager
    def late(path):
        shutil.copytree(theirs, tmp_path / 'out', dirs_exist_ok=True)
        with lock(path):
            yield

    monkeypatch.setattr(stages, 'checkpoint_lock', late)
    monkeypatch.setattr(pretraining, 'fit', None)
    assert run(None, tmp_path / 'out') == tmp_path / 'out' and names_in(tmp_path / 'out') == names_in(theirs)


@pytest.mark.parametrize('left', [('checkpoint.safetensors',), ('corpus.json', '.run.lock'), ('.corpus.ids.1.2.part', 'mine.txt')])
def test_what_a_kill_has_left_of_the_work_is_removed_by_the_next_call(left, stage):
    (stage / 'work').mkdir()
    for name in left:
        (stage / 'work' / name).touch()
    assert is_finished(stage, {'lr': 0.01})
    assert [n for n in names_in(stage) if n == 'work'] == ['work'] * ('mine.txt' in left) and not (stage / 'work' / left[0]).exists()


def test_a_reader_finds_the_directory_that_a_killed_writer_put_aside(stage):
    stage.rename(stage.with_name('.lm.999999999.0.old.part'))
    assert Stage.open(stage).vocab.words[3] == 'wörd3' and names_in(stage.parent) == ['lm', 'other']


# --- models that ship


def test_models_that_ship_go_by_name_and_yours_come_first(stage, tmp_path, monkeypatch):
    (tmp_path / 'pretrained').mkdir()
    stage.rename(tmp_path / 'pretrained' / 'small')
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'pretrained')
    monkeypatch.chdir(tmp_path)
    assert resolve_model('small') == tmp_path / 'pretrained' / 'small'
    assert Stage.open('small', 'language model').vocab.words[3] == 'wörd3'
    with pytest.raises(StageError, match=r'large: no such directory, and no model of that name ships \(small\)'):
        Stage.open('large', 'language model')
    with pytest.raises(StageError, match=r'\.\./small: no such'):
        resolve_model('../small')
    (tmp_path / 'other').rename(tmp_path / 'small')
    assert resolve_model('small') == Path('small') and Stage.open('small', 'language model').vocab.words[3] == 'mot3'


def test_a_model_that_ships_is_asked_for_by_name(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'none')
    with pytest.raises(stages.StageError, match="no language model 'wiki-small' ships with this version: none does"):
        load_pretrained()
    shutil.copytree(tiny_lm, tmp_path / 'shipped/a-model')
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path / 'shipped')
    assert same_tensors(load_pretrained('a-model')[0].state_dict(), weights_of(tiny_lm))
    with pytest.raises(stages.StageError, match='there are a-model'):
        load_pretrained()


# --- a model that has learnt nothing


def test_untrained_has_the_shape_and_the_words_and_nothing_else(tiny_lm, tmp_path):
    (model, vocab, config), (blank, words, made) = load_lm(tiny_lm), load_lm(untrained(tiny_lm, tmp_path / 'blank'))
    assert words == vocab and made['architecture'] == config['architecture'] and made['settings'] == {'seed': 0, 'like': config['sha256']['model.safetensors']}
    assert not any(torch.equal(a, b) for a, b in zip(model.parameters(), blank.parameters()) if a.dim() > 1)
    again, other = (load_lm(untrained(tiny_lm, tmp_path / f'b{seed}', seed))[0].state_dict() for seed in (0, 1))
    assert same_tensors(again, blank.state_dict()) and not same_tensors(other, again)


def test_an_untrained_model_takes_no_other_ones_place(tiny_lm, tmp_path):
    blank = untrained(tiny_lm, tmp_path / 'blank')
    before = (blank / 'model.safetensors').stat().st_mtime_ns
    assert untrained(tiny_lm, blank) == blank and (blank / 'model.safetensors').stat().st_mtime_ns == before
    with pytest.raises(ValueError, match='belongs to a run with other settings'):
        untrained(tiny_lm, blank, seed=1)
    copy = Path(shutil.copytree(tiny_lm, tmp_path / 'lm'))
    with pytest.raises(ValueError, match='belongs to a run with other settings'):
        untrained(copy, copy)


def test_the_advice_for_a_damaged_config_works(stage):
    (stage / 'config.json').write_text('{"stage"')
    with pytest.raises(StageError, match='config.json is damaged.*or delete config.json and run its stage again'):
        is_finished(stage, {})
    (stage / 'config.json').unlink()
    assert not is_finished(stage, {})
