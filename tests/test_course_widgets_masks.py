"The mask widget: its generator, written a second time here; what its masks must have in common with those of the library."

import json

import numpy as np
import pytest
import torch
from javascript import call_js

from ulmfit_nb import dropout
from ulmfit_nb.awd_lstm import AWDLSTMConfig
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.masks import activations, mask_explorer

PROBABILITIES = dict(output_p=0.1, hidden_p=0.15, input_p=0.25, embed_p=0.02, weight_p=0.2)
MULTS = [0, 0.05, 0.35, 1, 1.5, 3]


def javascript(calls: list) -> list:
    "What the widget's own module answers to (function, arguments) calls."
    return call_js(es_module('svg.js', 'masks.js'), calls)


def random_ints(seed: int, n: int) -> list[int]:
    "mulberry32, in integers that don't overflow."
    found, full = [], 2**32
    for i in range(n):
        state = (seed + (i + 1) * 0x6D2B79F5) % full
        t = (state ^ state >> 15) * (state | 1) % full
        t ^= (t + (t ^ t >> 7) * (t | 61)) % full
        found.append((t ^ t >> 14) % full)
    return found


def mask(seed, rows, cols, p):
    "A mask from those integers, as chapter 05 makes one from torch's."
    cut = min(round(p * 32768), 32767)
    keep = (np.array(random_ints(seed, rows * cols)) >> 17 >= cut).reshape(rows, cols)
    return keep * 32768 / (32768 - cut)


def masks_of(**settings):
    given = {'draw': 0, 'drop_mult': 1, 'probabilities': PROBABILITIES, 'ids': [0, 1, 2, 1, 0, 3], 'n_words': 4, 'features': 12, 'steps': 24}
    return {k: np.array(v) for k, v in javascript([('all_masks', (given | settings,))])[0].items()}


@pytest.mark.parametrize('seed', [0, 1, 7, 247, 2**31])
def test_the_generator_is_the_same_in_both_languages(seed):
    assert javascript([('random_ints', (seed, 200))])[0] == random_ints(seed, 200)


def test_its_numbers_are_spread_evenly_and_neighbouring_draws_are_unlike():
    drawn = np.array(javascript([('random_ints', (seed, 4096)) for seed in range(8)])[0:8]) / 2**32
    assert abs(drawn.mean() - 0.5) < 0.01
    assert np.bincount((drawn.ravel() * 16).astype(int)).min() > 0.9 * drawn.size / 16
    assert np.abs(np.corrcoef(drawn) - np.eye(8)).max() < 0.08


@pytest.mark.parametrize('p', [0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.99])
def test_a_mask_is_the_librarys_but_for_the_random_numbers(p):
    (theirs,) = javascript([('dropout_mask', (3, 200, 200, p))])
    theirs, ours = np.array(theirs), dropout.dropout_mask(torch.zeros((), dtype=torch.float64), (200, 200), p).numpy()
    assert np.array_equal(theirs, mask(3, 200, 200, p))
    assert sorted(set(theirs.ravel())) == pytest.approx(sorted(set(ours.ravel())), rel=1e-12), 'the values of a mask: 0 and the same scale'
    assert (theirs == 0).mean() == pytest.approx(p, abs=5 * (p * (1 - p) / theirs.size) ** 0.5 + 1e-4)
    assert theirs.mean() == pytest.approx(1, abs=5 * (p / (1 - p) / theirs.size) ** 0.5 + 1e-4)


@pytest.mark.parametrize('drop_mult', MULTS)
def test_drop_mult_moves_all_five_as_the_configuration_does(drop_mult):
    config = AWDLSTMConfig(11).drop(drop_mult)
    theirs = javascript([('multiply', (PROBABILITIES, drop_mult))])[0]
    assert theirs == pytest.approx({name: getattr(config, name) for name in PROBABILITIES})


@pytest.mark.parametrize('draw, drop_mult', [(0, 1), (13, 1), (5, 0.35), (30, 3)])
def test_all_masks_in_both_languages(draw, drop_mult):
    made, p = masks_of(draw=draw, drop_mult=drop_mult), {k: v * drop_mult for k, v in PROBABILITIES.items()}
    assert np.array_equal(made['ordinary'], mask(8 * draw + 1, 12, 24, p['input_p']))
    assert np.array_equal(made['weights'], mask(8 * draw + 5, 48, 12, p['weight_p']))
    assert np.array_equal(made['words'], mask(8 * draw, 4, 1, p['embed_p'])[[0, 1, 2, 1, 0, 3], 0])
    for place, name in enumerate(('input', 'hidden', 'output'), 2):
        assert np.array_equal(made[name], np.repeat(mask(8 * draw + place, 12, 1, p[f'{name}_p']), 24, axis=1))


def test_locked_is_the_same_at_every_step_and_ordinary_is_not():
    for draw in range(5):
        made = masks_of(draw=draw, drop_mult=2)
        for name in ('input', 'hidden', 'output'):
            assert (made[name] == made[name][:, :1]).all() and 0 < (made[name] == 0).mean() < 1
        assert not (made['ordinary'] == made['ordinary'][:, :1]).all(1).any()


def test_a_word_is_gone_everywhere_or_nowhere():
    ids = np.random.default_rng(0).integers(0, 40, 300)
    made = masks_of(ids=ids.tolist(), n_words=40, drop_mult=20)['words']
    assert {*ids[made == 0]}.isdisjoint(ids[made > 0]) and 5 < len({*ids[made == 0]}) < 30


def test_places_have_masks_of_their_own_and_draws_too():
    same = dict.fromkeys(PROBABILITIES, 0.5)
    made, other = (masks_of(draw=d, probabilities=same) for d in (1, 2))
    columns = [tuple(m[n][:, 0]) for m in (made, other) for n in ('input', 'hidden', 'output')]
    assert len(set(columns)) == 6
    assert not any(np.array_equal(made[n], other[n]) for n in ('ordinary', 'weights'))


def test_more_of_the_same_is_dropped_when_drop_mult_rises():
    made = [masks_of(draw=4, drop_mult=m) for m in MULTS]
    for fewer, more in zip(made, made[1:]):
        assert all((more[name][fewer[name] == 0] == 0).all() for name in fewer)
    assert all((m == 1).all() for m in made[0].values()), 'drop_mult 0 drops nothing and scales nothing'


def test_intact_counts_rows_without_a_zero():
    assert javascript([('intact', ([[1, 2], [0, 1], [3, 3], [0, 0]],))]) == [2]


def test_the_first_picture_shows_what_the_chapter_asks_for():
    "At the paper's strength ordinary dropout leaves nothing whole, locked dropout does, and a word that recurs is gone."
    shown = mask_explorer().masks
    made = masks_of(draw=shown.draw, ids=shown.ids, n_words=len(shown.words))
    ordinary, locked = javascript([('intact', (made[k].tolist(),)) for k in ('ordinary', 'input')])
    assert (ordinary, locked) == (0, 7)
    gone = [shown.words[i] for i, m in zip(shown.ids, made['words']) if not m]
    assert len(gone) > len(set(gone)) > 0


def test_the_answer_given_in_the_chapter():
    "From what drop_mult on ordinary dropout leaves nothing whole, and how many rows locked dropout leaves there, in every draw of the slider."
    first, left = [], []
    for draw in range(31):
        smallest = (np.array(random_ints(8 * draw + 1, 12 * 24)) >> 17).reshape(12, 24).min(1)  # a row is whole while the line is not above this
        first.append(next(m for m in np.arange(0, 3, 0.05) if not (smallest >= round(0.25 * m * 32768)).any()))
        left.append(int((mask(8 * draw + 2, 12, 1, 0.25 * first[-1]) > 0).sum()))
    assert min(first) == pytest.approx(0.25) and max(first) == pytest.approx(1.1) and first[13] == pytest.approx(0.4)
    assert np.mean([n >= 9 for n in left]) > 0.75 and (mask(8 * 13 + 2, 12, 1, 0.75) > 0).any()


def test_the_activations_are_an_encoders_and_leave_no_trace():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    made = activations([3, 1, 2] * 10, 4)
    assert torch.equal(torch.get_rng_state(), before) and made == activations([3, 1, 2] * 10, 4)
    inputs, hidden, weights = (torch.tensor(made[k]) for k in ('inputs', 'hidden', 'weights'))
    assert torch.equal(inputs[:, 0], inputs[:, 3]) and not torch.equal(inputs[:, 0], inputs[:, 1])
    assert not torch.equal(hidden[:, 0], hidden[:, 3]) and hidden.shape == (12, 24) and weights.shape == (48, 12)


def test_the_explorer_is_small_and_labelled():
    box = mask_explorer()
    assert [w.description for w in box.children if hasattr(w, 'max')] == ['drop_mult (of all five)', 'draw (another picks anew)']
    assert len(json.dumps([getattr(box.masks, k) for k in ('words', 'ids', 'inputs', 'hidden', 'output', 'weights')])) < 40_000
    assert box.masks.probabilities == {k: getattr(AWDLSTMConfig(11), k) for k in PROBABILITIES}


def test_a_short_text_is_refused():
    with pytest.raises(ValueError, match='tokens, and the picture needs 24'):
        mask_explorer('Too short.')
