"What the labelling widget ships, made of a tiny model and few sentences."

import json
from base64 import b64decode

import labelling
import numpy as np
import torch

from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm
from ulmfit_nb.tokenization import Tokenizer


def test_the_record_holds_what_is_asked_for(tiny_lm, tmp_path):
    args = labelling.Options(lm=str(tiny_lm), sentences=40, features=6, labels=[10, 20], draws=2, results=tmp_path)
    labelling.make(args)
    found, train = json.loads((tmp_path / 'labelling.json').read_text()), load_data('subjectivity', 'train')
    drawn = train.select(draw_labels(train, 40))
    assert found['texts'] == drawn.texts and found['told'] == ''.join(map(str, drawn.labels)) and found['command'] == 'python runs/labelling.py'
    assert len(b64decode(found['features'])) == 40 * 6 == 40 * found['kept']
    assert [(r['labels'], r['seed']) for r in found['draws']] == [(10, 0), (10, 1), (20, 0), (20, 1)]
    assert all(0 <= r[k] <= 1 for r in found['draws'] for k in ('features', 'words'))


def test_all_layers_are_pooled_in_three_ways(tiny_lm):
    text, (model, vocab, _) = 'a fine film , truly', load_lm(tiny_lm)
    (row,) = labelling.pooled(str(tiny_lm), [text])
    sizes = [n for _, n in model.config.layer_sizes()]
    assert len(row) == 3 * sum(sizes)
    out, _ = model.eval().encoder(torch.from_numpy(vocab.numericalize(Tokenizer()(text)).astype(np.int64))[None])
    last = row[-3 * sizes[-1] :].reshape(3, -1)
    np.testing.assert_allclose(last, [out[0, -1].detach(), out[0].detach().max(0).values, out[0].detach().mean(0)], atol=1e-6)


def test_bytes_keep_what_components_say():
    rows = np.random.default_rng(0).normal(size=(50, 12)) @ np.diag(range(1, 13))
    kept = labelling.compress(rows, 12)
    z = (rows - rows.mean(0)) / rows.std(0)
    np.testing.assert_allclose(np.corrcoef((kept.astype(float) @ kept.T.astype(float)).ravel(), (z @ z.T).ravel())[0, 1], 1, atol=1e-3)
    assert kept.dtype == np.int8 and kept.shape == (50, 12)
