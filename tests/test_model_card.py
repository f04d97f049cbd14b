"Cards: what is known of a model, in Markdown and for machines, with an example that runs."

import json
import shutil

import pytest
from helpers import TEXTS

from ulmfit_nb.files import write_json
from ulmfit_nb.hub import save_pretrained
from ulmfit_nb.model_card import in_a_cell, measured, model_card
from ulmfit_nb.stages import StageError, load_lm


def test_the_card(tiny_lm, tiny_classifier, tmp_path):
    out = save_pretrained(
        tiny_lm, tmp_path / 'mine', {'licence': 'CC-BY-SA-4.0', 'trained on': 'a|b\nc', 'test perplexity': 61.25, 'hours': 3, 'about': 'It reads.'}
    )
    card = (out / 'README.md').read_text()
    head = card.split('---')[1]
    assert 'license: cc-by-sa-4.0' in head and 'text-generation' in head and '# mine\n\nIt reads.' in card
    for row in ('| trained on | a\\|b c |', '| test perplexity | 61.25 |', '| hours | 3 |', '| reads | forwards |', '| words | '):
        assert row in card
    assert 'tokens seen in training' in card and 'validation perplexity' in card and "download_model('mine')" in card
    odd = shutil.copytree(tiny_classifier, tmp_path / 'odd') / 'config.json'
    config = json.loads(odd.read_text()) | {'classes': ['neg | <b>', 'pos']}
    write_json(odd, config, sealed=True)
    card = (save_pretrained(odd.parent, tmp_path / 'clas') / 'README.md').read_text()
    assert 'text-classification' in card and 'neg \\| &lt;b>, pos' in card and 'validation accuracy' in card and 'license:' not in card
    assert '| licence | not stated |' in card and 'documents seen' in card


def test_the_example_in_a_card_runs(tiny_lm, tiny_classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source, name in ((tiny_lm, 'words'), (tiny_classifier, 'labels')):
        code = (save_pretrained(source, name) / 'README.md').read_text().split('```python\n')[1].split('```')[0]
        exec(code.replace("'tuned')", "'tuned', bs=2, min_freq=1, progress_bar=False)"), {'texts': TEXTS})
    assert load_lm('tuned')


@pytest.mark.parametrize('name, what', [('README.md', 'my notes'), ('config.json', '{"model_type": "bert"}'), ('model.safetensors', '')])
def test_a_file_of_somebody_elses_is_not_replaced(tiny_lm, tmp_path, name, what):
    (tmp_path / name).write_text(what)
    with pytest.raises(StageError, match=f'holds {name}, and no model of this library'):
        save_pretrained(tiny_lm, tmp_path)
    assert (tmp_path / name).read_text() == what and len(list(tmp_path.iterdir())) == 1


def test_a_model_is_replaced_and_the_engine_made_of_it(tiny_lm, tiny_classifier, tmp_path):
    save_pretrained(tiny_classifier, tmp_path / 'm')
    (tmp_path / 'm/encoder.int8.onnx').touch()
    save_pretrained(tiny_lm, tmp_path / 'm')
    assert load_lm(tmp_path / 'm') and not (tmp_path / 'm/encoder.int8.onnx').exists()


def test_a_card_for_any_title(tiny_lm):
    model, vocab, config = load_lm(tiny_lm)
    assert '# {odd}' in model_card(config, vocab, [], '{odd}')


def test_a_card_asks_nothing_of_the_hub(tiny_lm, monkeypatch):
    import huggingface_hub

    def asked(*args, **kwargs):
        raise AssertionError('the hub was asked')

    monkeypatch.setattr(huggingface_hub.ModelCard, 'validate', asked)
    monkeypatch.setattr(huggingface_hub.repocard, 'get_session', asked)
    _, vocab, config = load_lm(tiny_lm)
    card = huggingface_hub.ModelCard(model_card(config, vocab, [], 'mine', {'licence': 'CC0-1.0'}))
    assert card.data.to_dict() == {
        'language': 'en',
        'license': 'cc0-1.0',
        'library_name': 'ulmfit-nb',
        'tags': ['ulmfit', 'awd-lstm'],
        'pipeline_tag': 'text-generation',
    }


@pytest.mark.parametrize('settings, said', [({}, 0.6), ({'best_epoch': True}, 0.9), ({'early_stopping': 2}, 0.9)])
def test_a_card_has_the_figures_of_the_weights_that_were_kept(settings, said):
    history = [{'groups': ['head'], 'valid_loss': loss, 'accuracy': a, 'seen': n, 'minutes': n} for loss, a, n in ((0.5, 0.7, 1), (0.2, 0.9, 2), (0.9, 0.6, 3))]
    found = measured(history, settings)
    assert found['validation accuracy'] == said and found['documents seen in training'] == 3


def test_yes_is_no_number():
    assert in_a_cell(True) == 'True' and in_a_cell(1234) == '1,234'
