"Models saved, fetched and pushed: whole or not at all, and nothing private in them."

import json
import os
import pickle
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import LM, REVIEWS, TEXTS, Calls, run_program
from safetensors.torch import load_file

from ulmfit_nb import fine_tune, load_classifier, pretrain, stages, train_classifier
from ulmfit_nb import hub as hub_module
from ulmfit_nb.checkpoint import model_tensors
from ulmfit_nb.hub import FILES, download_model, push_to_hub, save_pretrained
from ulmfit_nb.sources import TextSource
from ulmfit_nb.stages import StageError, load_lm

# --- saving


def test_a_language_model_there_and_back(tiny_lm, tmp_path):
    out = save_pretrained(tiny_lm, tmp_path / 'deep' / 'shared')
    assert out == tmp_path / 'deep/shared' and {f.name for f in out.iterdir()} == set(FILES)
    (a, words, _), (b, again, config) = load_lm(tiny_lm), load_lm(out)
    assert words == again and a.config == b.config
    for (name, p), q in zip(a.named_parameters(), b.parameters()):
        assert q.dtype == torch.float32
        torch.testing.assert_close(q, p.half().float() if p.ndim > 1 else p, msg=name, atol=0, rtol=0)
    assert config['settings'] == json.loads((tiny_lm / 'config.json').read_text())['settings']
    assert (out / 'history.json').read_text() == (tiny_lm / 'history.json').read_text()
    dtypes = {str(v.dtype) for v in load_file(out / 'model.safetensors').values() if v.ndim > 1}
    assert dtypes == {'torch.float16'} and (out / 'model.safetensors').stat().st_size < 0.6 * (tiny_lm / 'model.safetensors').stat().st_size


def test_stages_go_on_from_a_shared_model(tiny_lm, tmp_path):
    shared = save_pretrained(tiny_lm, tmp_path / 'shared')
    tuned = fine_tune(shared, TEXTS, tmp_path / 'tuned', epochs=1, **LM)
    assert load_classifier(train_classifier(tuned, REVIEWS, tmp_path / 'c', REVIEWS, epochs=1, bs=4, progress_bar=False)).predict(TEXTS[:2])


def test_a_classifier_there_and_back(tiny_classifier, tmp_path):
    out = save_pretrained(tiny_classifier, tmp_path / 'shared')
    before, after = load_classifier(tiny_classifier), load_classifier(out)
    assert after.classes == before.classes
    np.testing.assert_allclose(after.predict_proba(TEXTS), before.predict_proba(TEXTS), atol=5e-3)
    statistics = {k: v.dtype for k, v in load_file(out / 'model.safetensors').items() if 'running' in k or 'num_batches' in k}
    assert set(statistics.values()) == {torch.float32, torch.int64}


def test_what_load_lm_gave_can_be_saved_again(tiny_lm, tmp_path):
    out = save_pretrained(load_lm(tiny_lm), tmp_path / 'shared')
    assert load_lm(out)[2]['settings'] == load_lm(tiny_lm)[2]['settings'] and not (out / 'history.json').exists()
    assert save_pretrained(out, tmp_path / 'twice') and (tmp_path / 'twice/model.safetensors').read_bytes() == (out / 'model.safetensors').read_bytes()


def test_the_same_bytes_whatever_the_day(tiny_lm, tmp_path):
    a, b = (save_pretrained(tiny_lm, tmp_path / d / 'm') for d in 'ab')
    assert all((a / f).read_bytes() == (b / f).read_bytes() for f in FILES)


def test_folders_of_texts_stay_private(tmp_path):
    (tmp_path / 'secret').mkdir()
    (tmp_path / 'secret/mine.csv').write_text('text\n' + '\n'.join(f'"{t}"' for t in TEXTS))
    lm = pretrain(TextSource(tmp_path / 'secret/mine.csv'), tmp_path / 'lm', emb_sz=6, n_hid=6, n_layers=1, **LM)
    out = save_pretrained(fine_tune(lm, TEXTS, tmp_path / 'tuned', **LM), tmp_path / 'shared')
    for name in ('config.json', 'README.md'):
        assert 'secret' not in (out / name).read_text() and 'mine.csv' in (out / name).read_text()
    assert '| trained on | mine.csv, train; then a list of texts |' in (out / 'README.md').read_text()


def test_nothing_is_overwritten_that_is_not_a_model(tiny_lm, tmp_path):
    with pytest.raises(StageError, match='very directory'):
        save_pretrained(tiny_lm, tiny_lm)
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(StageError, match='thesis.tex'):
        save_pretrained(tiny_lm, tmp_path)
    with pytest.raises(StageError, match='thesis.tex'):
        save_pretrained(tiny_lm, tmp_path / 'thesis.tex')
    assert [f.name for f in tmp_path.iterdir()] == ['thesis.tex']


@pytest.mark.parametrize('last', ['write_tensors', 'write_json', 'model_card', 'write_config', 'replace'])
def test_whole_or_not_at_all(last, tiny_lm, tmp_path, monkeypatch):
    "Whatever fails on the way, what was there stays, and nothing else is left."

    def fail(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    old = save_pretrained(tiny_lm, tmp_path / 'a' / 'shared')
    before = {f.name: f.read_bytes() for f in old.iterdir()}
    if last == 'replace':
        real = os.replace
        monkeypatch.setattr(
            hub_module.os, 'replace', lambda a, b: fail() if str(a).endswith('.part') and '.old.' not in str(a) and Path(a).is_dir() else real(a, b)
        )
    else:
        monkeypatch.setattr(hub_module, last, fail)
    for out in (old, tmp_path / 'b'):
        with pytest.raises(OSError, match='no space left'):
            save_pretrained(load_lm(tiny_lm), out)
    monkeypatch.undo()
    assert {f.name: f.read_bytes() for f in old.iterdir()} == before
    assert sorted(p.name for p in tmp_path.rglob('*') if p.is_dir()) == ['a', 'shared']


def test_an_earlier_copy_is_replaced(tiny_lm, tiny_classifier, tmp_path):
    save_pretrained(tiny_lm, tmp_path / 'shared')
    save_pretrained(tiny_classifier, tmp_path / 'shared')
    assert load_classifier(tmp_path / 'shared') and [p.name for p in tmp_path.iterdir()] == ['shared']


def test_what_cannot_be_saved(tiny_lm, tmp_path):
    for wrong, word in (
        (42, 'int'),
        (load_lm(tiny_lm)[0], 'LanguageModel'),
        ((1, 2, 3), 'tuple'),
        (tmp_path / 'nowhere', 'no such directory'),
        (tmp_path, 'config.json'),
    ):
        with pytest.raises(StageError, match=word):
            save_pretrained(wrong, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_tensors_of_a_shared_model_are_named_as_ever(tiny_lm, tmp_path):
    names = load_file(save_pretrained(tiny_lm, tmp_path / 's') / 'model.safetensors').keys()
    assert names == model_tensors(load_lm(tiny_lm)[0]).keys()


# --- from elsewhere


@pytest.fixture
def hub(tiny_lm, tmp_path, monkeypatch):
    "A hub of two repositories; the second one has no vocabulary. Beside the model lies a pickle."
    import fnmatch
    import shutil

    import huggingface_hub

    for name in ('me/model', 'me/half'):
        save_pretrained(tiny_lm, tmp_path / 'hub' / name)
        (tmp_path / 'hub' / name / 'pytorch_model.bin').write_bytes(pickle.dumps(Calls(os.mkdir, str(tmp_path / 'mark'))))
    (tmp_path / 'hub/me/half/vocab.json').unlink()
    calls = []

    def snapshot_download(repo_id, *, revision=None, allow_patterns=None):
        calls.append((repo_id, revision))
        out = tmp_path / 'cache' / repo_id
        for f in (tmp_path / 'hub' / repo_id).iterdir():
            if any(fnmatch.fnmatch(f.name, p) for p in allow_patterns):
                out.mkdir(parents=True, exist_ok=True)
                shutil.copy(f, out)
        return str(out)

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', snapshot_download)
    return calls


def test_from_the_hub(hub, tiny_lm, tmp_path):
    path = download_model('me/model', 'abc123')
    assert hub == [('me/model', 'abc123')] and {f.name for f in path.iterdir()} == set(FILES), 'a pickle was fetched'
    torch.testing.assert_close(load_lm(download_model('me/model'))[0].state_dict(), load_lm(save_pretrained(tiny_lm, tmp_path / 's'))[0].state_dict())
    assert fine_tune(path, TEXTS, tmp_path / 'tuned', epochs=1, **LM)
    assert not (tmp_path / 'mark').exists()


def test_half_a_repository(hub):
    with pytest.raises(StageError, match='vocab.json is missing'):
        download_model('me/half')


def test_a_directory_comes_before_the_hub(hub, tiny_lm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pretrained(tiny_lm, tmp_path / 'me/model')
    assert download_model('me/model') == Path('me/model') and hub == []
    with pytest.raises(StageError, match='revision'):
        download_model('me/model', 'abc123')


@pytest.mark.parametrize('name', ['wiki-enormous', 'a/b/c', '../model', '/nowhere/at/all', 'owner/', Path('owner/name')])
def test_what_is_no_name_on_the_hub_is_not_looked_up_there(name, hub):
    with pytest.raises(StageError, match='no such directory'):
        download_model(name)
    assert hub == []


def test_a_model_that_ships(tiny_lm, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, 'PRETRAINED', tmp_path)
    monkeypatch.chdir(tmp_path / save_pretrained(tiny_lm, tmp_path / 'wiki-tiny'))
    assert download_model('wiki-tiny') == tmp_path / 'wiki-tiny' and load_lm('wiki-tiny')[1] == load_lm(tiny_lm)[1]
    assert save_pretrained('wiki-tiny', tmp_path / 'copy')


ERRORS = {
    'RepositoryNotFoundError': 'no such model on the hub',
    'GatedRepoError': 'grants access',
    'RevisionNotFoundError': 'no such revision',
    'LocalEntryNotFoundError': 'cannot be reached',
    'HfHubHTTPError': 'could not be fetched',
    'OSError': 'could not be fetched',
}


@pytest.mark.parametrize('kind', ERRORS)
def test_what_can_go_wrong_on_the_hub(kind, monkeypatch):
    import huggingface_hub
    from huggingface_hub import errors

    cls = getattr(errors, kind, OSError)
    error = cls.__new__(cls)
    error.args = ('a long story',)

    def snapshot_download(*args, **kwargs):
        raise error

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', snapshot_download)
    with pytest.raises(StageError, match=ERRORS[kind]) as e:
        download_model('owner/name', 'v2')
    assert str(e.value).startswith('owner/name, revision v2: ') and e.value.__cause__ is error


def test_from_the_cache_of_the_hub_offline(tiny_lm, tmp_path):
    "What was fetched once is there without a network, in the layout that huggingface_hub keeps; what wasn't is not."
    repo, commit = tmp_path / 'models--owner--name', 'a' * 40
    (repo / 'refs').mkdir(parents=True)
    (repo / 'refs/main').write_text(commit)
    (repo / 'snapshots' / commit).mkdir(parents=True)
    for f in save_pretrained(tiny_lm, tmp_path / 'made').iterdir():
        (repo / 'snapshots' / commit / f.name).symlink_to(f)
    env = {**os.environ, 'HF_HUB_OFFLINE': '1', 'HF_HUB_CACHE': str(tmp_path)}
    done = run_program('cached_models', commit, 'b' * 40, env=env)
    found, *refused = done.stdout.splitlines()
    assert found == str([len(load_lm(tiny_lm)[1])] * 3), done.stderr
    assert len(refused) == 2 and all('cannot be reached' in line for line in refused)


# --- to elsewhere


@pytest.fixture
def api(monkeypatch):
    "In place of huggingface_hub's HfApi, one that notes what it is asked and keeps what it is given; `fails` and `private` say how it answers."
    import huggingface_hub

    class Api:
        asked, files, private, fails = [], {}, True, {}

        def __init__(self, token=None):
            self.asked.append(('token', token))

        def note(self, what, *facts):
            self.asked.append((what, *facts))
            if what in self.fails:
                raise self.fails[what]

        def create_repo(self, repo_id, *, private=None, exist_ok=False):
            self.note('create_repo', repo_id, private, exist_ok)
            return f'https://huggingface.co/{repo_id}'

        def repo_info(self, repo_id):
            self.note('repo_info', repo_id)
            return types.SimpleNamespace(private=self.private)

        def upload_folder(self, *, repo_id, folder_path, commit_message=None, delete_patterns=None):
            self.note('upload_folder', repo_id)
            self.files.update({f.name: f.read_bytes() for f in Path(folder_path).iterdir()})
            assert set(delete_patterns) == set(FILES), 'what an earlier model left there must go'

    Api.asked, Api.files, Api.fails = [], {}, {}
    monkeypatch.setattr(huggingface_hub, 'HfApi', Api)
    return Api


def test_a_model_is_pushed_as_it_is_saved(api, tiny_lm, tmp_path):
    assert push_to_hub(tiny_lm, 'me/model', {'hours': 3}, token='secret') == 'https://huggingface.co/me/model'
    assert api.asked == [('token', 'secret'), ('create_repo', 'me/model', False, True), ('upload_folder', 'me/model')]
    out = save_pretrained(tiny_lm, tmp_path / 'model', {'hours': 3})
    assert api.files == {f.name: f.read_bytes() for f in out.iterdir()} and '| hours | 3 |' in api.files['README.md'].decode()


def test_what_is_private_is_never_sent_where_all_can_see_it(api, tiny_lm):
    assert push_to_hub(tiny_lm, 'me/model', private=True) and ('create_repo', 'me/model', True, True) in api.asked and api.files
    api.private, api.asked[:] = False, []
    with pytest.raises(StageError, match='everybody can see it'):
        push_to_hub(tiny_lm, 'me/model', private=True)
    assert 'upload_folder' not in [what for what, *_ in api.asked]


@pytest.mark.parametrize('name', ['model', 'a/b/c', '', '../model', None, Path('me/model')])
def test_a_name_that_is_none_on_the_hub(name, api, tiny_lm):
    with pytest.raises(StageError, match='owner/name'):
        push_to_hub(tiny_lm, name)
    assert not api.asked


def test_what_cannot_be_saved_is_not_pushed(api, tmp_path):
    with pytest.raises(StageError, match='no such directory'):
        push_to_hub(tmp_path / 'nowhere', 'me/model')
    assert not api.asked


@pytest.mark.parametrize('step', ['create_repo', 'upload_folder'])
@pytest.mark.parametrize(
    'kind, said',
    [
        ('LocalTokenNotFoundError', 'hf auth login'),
        ('RepositoryNotFoundError', 'name of the owner'),
        ('HfHubHTTPError', 'a long story'),
        ('HFValidationError', 'no such name'),
        ('OSError', 'Check the connection'),
    ],
)
def test_what_can_go_wrong_on_the_way_to_the_hub(kind, said, step, api, tiny_lm):
    from huggingface_hub import errors

    cls = getattr(errors, kind, OSError)
    api.fails[step] = cls.__new__(cls)
    api.fails[step].args = ('a long story',)
    with pytest.raises(StageError, match=said) as e:
        push_to_hub(tiny_lm, 'me/model')
    assert str(e.value).startswith('me/model: ') and e.value.__cause__ is api.fails[step] and not api.files
