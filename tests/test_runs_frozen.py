"Texts as a frozen network reads them: in its words, its direction, its tokens."

import numpy as np
import pytest
from frozen import documents, frozen_features

from ulmfit_nb import pretrain
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.layers import pooled_features
from ulmfit_nb.settings import PretrainSettings
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage
from ulmfit_nb.tokenization import Tokenizer


@pytest.fixture(scope='module')
def data():
    return load_data('subjectivity').select(range(12))


@pytest.fixture(scope='module')
def stage(tmp_path_factory):
    "A language model that reads pieces of words from the end."
    settings = PretrainSettings(bs=4, bptt=20, lr=0.01, emb_sz=16, n_hid=24, n_layers=2, min_freq=1, max_vocab=500, backwards=True, subwords=200)
    return Stage.open(pretrain(load_data('subjectivity').texts[:60], tmp_path_factory.mktemp('lm'), settings, progress_bar=False))


def test_documents_are_in_its_words_and_its_direction(stage, data):
    batch = next(iter(documents(stage, data, bs=4)))
    tokens = Tokenizer(**stage.config['tokenizer'])(data.texts[int(batch.index[0])])
    assert any(t.startswith('##') for t in tokens)
    assert [stage.vocab.words[i] for i in batch.ids[0][batch.ids[0] != 1]] == tokens[::-1]


def test_features_are_those_of_the_layers_asked_for(stage, data):
    last, every = (frozen_features(stage, data, layers) for layers in ('last', 'all'))
    assert last.shape == (12, 3 * 16) and every.shape[1] > last.shape[1]
    again = pooled_features(new_classifier(stage, 2), documents(stage, data))
    assert isinstance(documents(stage, data), DocBatches) and np.allclose(last, again, atol=1e-6)
