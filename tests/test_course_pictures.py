"The pictures of chapters 06, 07 and 11: what is drawn is what was given."

import matplotlib.pyplot as plt
import pytest

from ulmfit_nb.classifier import bptt_pieces
from ulmfit_nb.course.pictures import pieces_read, truncated_backpropagation, unrolled_network


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close('all')


def said(ax) -> list[str]:
    return [t.get_text() for t in ax.texts if t.get_text()]


def test_each_word_goes_up_through_the_layers_to_the_next():
    found = said(unrolled_network(['a', 'dull', 'film'], ['embedding', 'lstm 1', 'decoder']))
    assert found == ['a', 'embedding', 'lstm 1', 'decoder', 'dull ?', 'dull', 'embedding', 'lstm 1', 'decoder', 'film ?', '(h, c) to the\nnext batch']
    with pytest.raises(ValueError, match='no colour of its own'):
        unrolled_network(['a', 'b'], ['sleep'])


@pytest.mark.parametrize('n_batches, n_words', [(3, 5), (2, 8)])
def test_the_gradient_ends_in_its_batch_and_the_state_does_not(n_batches, n_words):
    ax = truncated_backpropagation(n_batches, n_words)
    boxes = [(p.get_x(), p.get_x() + p.get_width()) for p in ax.patches]
    arrows = [(t.xy[0], t.xyann[0]) for t in ax.texts if not t.get_text()]
    *back, on = arrows
    assert len(boxes) == len(back) == n_batches and [len(line.get_xdata()) for line in ax.lines] == [n_words] * n_batches
    assert all(left < to < start < right for (left, right), (to, start) in zip(boxes, back, strict=True)), 'an arrow of the gradient leaves its batch'
    assert on[0] > boxes[-1][1] and on[1] < 0


def test_pieces_are_those_of_the_plan():
    lengths = [20, 12, 5]
    ax = pieces_read(lengths, bptt_pieces(lengths, bptt=4, max_len=8))
    assert ax.collections[0].get_array().reshape(3, 5).tolist() == [[1, 1, 1, 2, 2], [1, 2, 2, 0, 0], [2, 2, 0, 0, 0]]
    assert ax.lines[0].get_xdata().tolist() == [20, 20, 12, 12, 5, 5]
