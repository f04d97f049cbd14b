"What a chapter measures of a backward pass: where a gradient arrives, and what is kept for it."

import pytest
import torch
from torch import nn

from ulmfit_nb.course.measures import kept_mb, tokens_reached

IDS = torch.arange(1, 9)[None]


def emb() -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(20, 4)


@pytest.mark.parametrize('first', [0, 3, 8])
def test_a_gradient_is_counted_where_it_arrives_and_is_not_zero(first):
    words = emb()
    assert tokens_reached(words, lambda: words(IDS)[:, first:]) == 8 - first


def test_several_calls_are_counted_together_and_those_without_gradients_not():
    words = emb()

    def read():
        with torch.no_grad():
            read_only = words(IDS[:, :3])
        return torch.cat([read_only, words(IDS[:, 3:5]), words(IDS[:, 5:])], 1)

    assert tokens_reached(words, read) == 5
    assert not words._forward_hooks


def test_the_hook_goes_also_when_reading_fails():
    words = emb()
    with pytest.raises(ZeroDivisionError):
        tokens_reached(words, lambda: words(IDS).sum() / 0 * (1 // 0))
    assert not words._forward_hooks


def test_a_storage_is_counted_once_and_weights_are_not():
    x, layer = torch.ones(1000, 250, requires_grad=True), nn.Linear(250, 250)
    assert kept_mb(lambda: x.exp(), layer) == 1
    assert kept_mb(lambda: layer(x), layer) == 1
    assert kept_mb(lambda: layer(x) + layer(x), layer) == 1
    assert kept_mb(lambda: layer(x), nn.Linear(1, 1)) == pytest.approx(1 + 0.25)


def test_without_gradients_nothing_is_kept():
    x = torch.ones(1000, 250)
    assert kept_mb(lambda: x.exp(), nn.Linear(1, 1)) == 0
