"The stream widget: rows, targets and places are those of LMBatches, and the arrow keys follow a row into the next batch."

import json

import numpy as np
import pytest
from javascript import call_js

from ulmfit_nb.batching import LMBatches, even_lengths, row_length
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.stream import stream_explorer


def javascript(calls: list) -> list:
    "What the widget's own module answers to (function, arguments) calls."
    return call_js(es_module('svg.js', 'stream.js'), calls)


SHAPES = [(n, bs, bptt) for n in (9, 30, 31, 264) for bs in (1, 2, 5, 8) for bptt in (1, 2, 6, 8, 300)]


def test_lengths_are_pythons():
    theirs = javascript([('row_length', (n, bs)) for n, bs, _ in SHAPES] + [('even_lengths', (row_length(n, bs), bptt)) for n, bs, bptt in SHAPES])
    assert theirs == [row_length(n, bs) for n, bs, _ in SHAPES] + [even_lengths(row_length(n, bs), bptt) for n, bs, bptt in SHAPES]


@pytest.mark.parametrize('n, bs, bptt', SHAPES)
def test_ids_and_targets_are_those_of_lm_batches(n, bs, bptt):
    ids = np.random.default_rng(n).integers(0, 50, n)
    ours = list(LMBatches(ids, bs=bs, bptt=bptt))
    theirs = javascript([('batch_at', (ids.tolist(), bs, bptt, k)) for k in range(len(ours))])
    for (x, y), batch in zip(ours, theirs, strict=True):
        assert (batch['x'], batch['y']) == (x.tolist(), y.tolist())
        assert [ids[a : a + x.shape[1]].tolist() for a in batch['starts']] == batch['x']


def test_the_shipped_stream_at_the_ends_and_the_middle_of_the_sliders():
    grid = stream_explorer().grid
    for bs in (1, 3, 8):
        batches = [LMBatches(np.array(grid.ids), bs=bs, bptt=bptt) for bptt in (2, 5, 8)]
        calls = [('batch_at', (grid.ids, bs, b.bptt, k)) for b in batches for k in range(len(b))]
        ours = [{'x': x.tolist(), 'y': y.tolist()} for b in batches for x, y in b]
        assert [{k: b[k] for k in 'xy'} for b in javascript(calls)] == ours


def walk(keys, **state):
    "Press keys one after the other."
    for key in keys:
        state |= javascript([('move', (key, state))])[0]
    return {k: state[k] for k in ('batch', 'row', 'col')}


@pytest.mark.parametrize(
    'keys, ends',
    [
        (['ArrowRight'] * 2, {'batch': 0, 'row': 1, 'col': 2}),
        (['ArrowRight'] * 3, {'batch': 1, 'row': 1, 'col': 0}),
        (['ArrowRight'] * 8, {'batch': 2, 'row': 1, 'col': 0}),  # lines of 7 tokens: batches of 3, 3 and 1, and there it ends
        (['ArrowRight'] * 3 + ['ArrowLeft'], {'batch': 0, 'row': 1, 'col': 2}),
        (['ArrowLeft'], {'batch': 0, 'row': 1, 'col': 0}),
        (['ArrowDown', 'ArrowDown', 'ArrowDown', 'End'], {'batch': 0, 'row': 3, 'col': 2}),
        (['ArrowUp', 'ArrowUp', 'End', 'Home'], {'batch': 0, 'row': 0, 'col': 0}),
    ],
)
def test_arrow_keys_follow_the_row(keys, ends):
    assert walk(keys, n_tokens=30, bs=4, bptt=3, batch=0, row=1, col=0) == ends


def test_other_keys_are_left_alone():
    state = {'n_tokens': 30, 'bs': 4, 'bptt': 3, 'batch': 0, 'row': 1, 'col': 0}
    assert javascript([('move', (key, state)) for key in ('Tab', 'a', 'Enter', 'PageDown')]) == [None] * 4


def test_numbers_are_made_to_fit():
    "A slider may ask for what the new cut no longer has."
    state = {'n_tokens': 30, 'bs': 4, 'bptt': 3, 'batch': 9, 'row': 7, 'col': 2}
    assert javascript([('fit', (state,))]) == [{'last': 2, 'batch': 2, 'row': 3, 'col': 0}]


def test_the_sentence_says_where_the_target_is():
    ids, words = list(range(30)), [f'w{i}' for i in range(30)]

    def says(batch, row, col):
        return javascript([('describe', (ids, words, {'bs': 4, 'bptt': 3, 'batch': batch, 'row': row, 'col': col}))])[0]

    assert '“w8”, place 8' in says(0, 1, 1) and '“w9”, place 9, the next column' in says(0, 1, 1)
    assert '“w10”, place 10, where row 1 goes on in batch 1' in says(0, 1, 2)
    assert '“w14”, place 14, where row 2 began in batch 0' in says(2, 1, 0)
    assert '“w28”, place 28, the token that was kept back' in says(2, 3, 0)


def test_the_explorer_is_small_labelled_and_linked():
    box = stream_explorer(bs=4, bptt=6)
    sliders = {w.description: w for w in box.children if hasattr(w, 'description') and hasattr(w, 'max')}
    assert [*sliders] == ['bs (rows in a batch)', 'bptt (tokens in a row)', 'batch (from 0)']
    batches = LMBatches(np.array(box.grid.ids), bs=4, bptt=6)
    assert sliders['batch (from 0)'].max == box.grid.last == len(batches) - 1
    assert max(box.grid.ids) < len(box.grid.words)
    assert len(json.dumps([box.grid.ids, box.grid.words])) < 20_000


def test_too_little_text_is_named():
    with pytest.raises(ValueError, match='too few for 40 rows'):
        stream_explorer(['a b c'], bs=40)
