"The record of a network: what it says of the layers, and that it survives being kept."

import json
from dataclasses import FrozenInstanceError, asdict

import pytest
from helpers import GOLDEN

from ulmfit_nb import awd_lstm
from ulmfit_nb.lstm_config import AWDLSTMConfig

TINY = AWDLSTMConfig(30, emb_sz=10, n_hid=14, n_layers=3)


@pytest.mark.parametrize('tie_weights, sizes', [(True, [(10, 14), (14, 14), (14, 10)]), (False, [(10, 14), (14, 14), (14, 14)])])
def test_the_last_layer_is_as_wide_as_what_reads_it(tie_weights, sizes):
    config = AWDLSTMConfig(30, emb_sz=10, n_hid=14, n_layers=3, tie_weights=tie_weights)
    assert config.layer_sizes() == sizes and config.n_out == sizes[-1][1]


def test_one_layer_reads_words_and_gives_what_is_asked_for():
    assert AWDLSTMConfig(30, emb_sz=10, n_hid=14, n_layers=1).layer_sizes() == [(10, 10)]


@pytest.mark.parametrize('dropout', [k for k in vars(TINY) if k.endswith('_p')])
def test_default_dropouts(dropout):
    assert getattr(TINY, dropout) == json.loads((GOLDEN / 'groups.json').read_text())['lm_config'][dropout] == awd_lstm.LM_DROPOUTS[dropout]


def test_dropouts_are_set_and_then_multiplied():
    config = TINY.drop(0.5, weight_p=0.4)
    assert config.weight_p == 0.2 and config.hidden_p == TINY.hidden_p / 2
    assert TINY.drop(1) == TINY and TINY.weight_p != 0.4, 'the record itself is changed'
    assert {k: v for k, v in vars(config).items() if not k.endswith('_p')} == {k: v for k, v in vars(TINY).items() if not k.endswith('_p')}
    with pytest.raises(TypeError, match='embd_p'):
        TINY.drop(embd_p=0.1)


def test_it_survives_json_and_can_not_be_changed():
    assert AWDLSTMConfig(**json.loads(json.dumps(asdict(TINY)))) == TINY
    with pytest.raises(FrozenInstanceError):
        TINY.emb_sz = 3


def test_it_is_where_it_is_looked_for():
    assert awd_lstm.AWDLSTMConfig is AWDLSTMConfig and awd_lstm.CLASSIFIER_DROPOUTS.keys() == awd_lstm.LM_DROPOUTS.keys()
