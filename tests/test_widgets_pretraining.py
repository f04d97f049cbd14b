"The widgets of chapter 8: the live loss and the writing model; what their JavaScript computes is what Python says."

import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from javascript import call_js

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.generation import Generation, generation
from ulmfit_nb.course.widgets.live_loss import Curve, LiveLoss, live_loss
from ulmfit_nb.generation import candidates, generate, next_logits, read_prompt
from ulmfit_nb.tokenization import Tokenizer, Vocab


def javascript(file: str, calls: list) -> list:
    "What the exported functions of a widget give for (name, arguments)."
    return call_js(es_module('svg.js', file), calls)


# --- a curve


def test_a_curve_is_a_running_mean():
    losses = np.random.default_rng(0).uniform(2, 8, 50).tolist()
    curve = Curve(smooth=0.9)
    for i, loss in enumerate(losses, 1):
        curve.add(10 * i, loss)
        weights = 0.9 ** np.arange(i)[::-1]
        assert curve.points()[-1] == (10 * i, pytest.approx(np.average(losses[:i], weights=weights)))
    assert [seen for seen, _ in curve.points()] == [10 * i for i in range(1, 51)]


@pytest.mark.parametrize('n', [1, 299, 300, 301, 1000, 12_345])
def test_a_curve_is_thinned_evenly_and_ends_with_the_last_step(n):
    curve, whole = Curve(), Curve(most=10**9)
    for step in range(1, n + 1):
        curve.add(step, 1000 / step)
        whole.add(step, 1000 / step)
    points, steps = curve.points(), [seen for seen, _ in curve.points()]
    assert len(points) <= 300 and steps[-1] == n and len(points) >= min(n, 150)
    assert len(set(np.diff(steps[:-1]))) <= 1, 'the points are unevenly spaced'
    assert set(points) <= set(whole.points()), 'thinning has changed the mean'


def test_a_curve_begins_anew_and_leaves_out_what_is_no_number():
    curve = Curve()
    for seen, loss in ((10, 5.0), (20, math.nan), (30, math.inf), (40, 3.0)):
        curve.add(seen, loss)
    assert [seen for seen, _ in curve.points()] == [10, 40] and all(math.isfinite(loss) for _, loss in curve.points())
    curve.add(10, 7.0)
    assert curve.points() == [(10, pytest.approx(7.0))]


# --- the picture


@pytest.fixture
def clock(monkeypatch):
    "A clock that stands still until it is moved."
    now = SimpleNamespace(t=0.0)
    monkeypatch.setattr('ulmfit_nb.course.widgets.live_loss.time.monotonic', lambda: now.t)
    return now


def test_at_most_five_messages_a_second(clock):
    picture, sent = live_loss(), []
    picture.observe(lambda change: sent.append(clock.t), 'curves')
    for step in range(1, 1001):
        clock.t += 0.01
        picture(step, 1.0 + 1 / step)
    assert 40 <= len(sent) <= 51 and min(np.diff(sent)) > 0.199


def test_what_is_owed_is_sent_when_the_cell_has_ended(clock, monkeypatch):
    import IPython

    ended = []
    events = SimpleNamespace(register=lambda name, f: ended.append(f), unregister=lambda name, f: ended.remove(f))
    monkeypatch.setattr(IPython, 'get_ipython', lambda: SimpleNamespace(events=events))
    picture = live_loss()
    for step in range(1, 50):
        picture(step, 2.0)
    assert picture.curves[0]['seen'] == [] and len(ended) == 1
    ended[0]('result')
    assert picture.curves[0]['seen'][-1] == 49 and not ended
    picture(50, 2.0)
    assert len(ended) == 1, 'the next cell is not waited for'


def test_training_calls_it(tmp_path):
    from ulmfit_nb import pretrain

    picture = live_loss('a', 'b')
    texts = ['The old fox went to the sea and saw nothing.'] * 30
    sizes = dict(emb_sz=8, n_hid=12, n_layers=1, min_freq=1, bs=2, bptt=10, progress_bar=False)
    pretrain(texts, tmp_path / 'lm', callback=picture['b'], **sizes)
    picture.show()
    history = json.loads((tmp_path / 'lm/history.json').read_text())
    assert picture.curves[1]['seen'][-1] == history[-1]['seen'] and picture.curves[0]['seen'] == []


def test_several_curves_are_asked_for_by_name():
    picture = live_loss('a', 'b')
    with pytest.raises(TypeError, match=r"several curves: watch one of them, as picture\['a'\]"):
        picture(1, 2.0)
    with pytest.raises(KeyError, match="no curve 'c'; there are a, b"):
        picture['c']
    with pytest.raises(ValueError, match='six at most'):
        live_loss(*'abcdefg')


RANGES = [(4.2, 7.6), (4.6, 4.72), (0.3, 0.69), (2.0, 11.0), (5.0, 5.0), (3.999, 4.001), (0.01, 0.02)]


@pytest.mark.parametrize('low, high', RANGES)
def test_axes_hold_the_losses_and_say_their_exponentials(low, high):
    curve = {'name': 'x', 'seen': [1, 2], 'loss': [high, low]}
    (found,) = javascript('live_loss.js', [['loss_range', [[curve]]]])
    assert found['low'] <= low and high <= found['high'] and found['low'] < found['high']
    parts = (found['high'] - found['low']) / found['step']
    assert parts == pytest.approx(round(parts)) and 1 <= round(parts) <= 9
    (ticks,) = javascript('live_loss.js', [['perplexity_ticks', [found['low'], found['high']]]])
    assert ticks == sorted(set(ticks)) and all(math.exp(found['low']) <= p * (1 + 1e-12) and p <= math.exp(found['high']) * (1 + 1e-12) for p in ticks)
    assert len(ticks) >= 1 or found['high'] - found['low'] < 0.15


def test_the_words_beside_the_curve():
    cases = {
        ('loss', (4.0,), 'tokens'): f'loss: 4.00 nats, perplexity {math.exp(4):.3g}',
        ('a', (0.5, 0.25), 'documents'): 'a: 0.25 nats',
        ('b', (), 'tokens'): 'b: waiting',
    }
    calls = [['standing', [{'name': n, 'seen': list(loss), 'loss': list(loss)}, unit]] for n, loss, unit in cases]
    assert javascript('live_loss.js', calls) == list(cases.values())
    assert javascript('live_loss.js', [['count', [n]] for n in (0, 999, 12_000, 1_234_567)]) == ['0', '999', '12k', '1.23M']


# --- the model that writes


@pytest.fixture
def writer():
    torch.manual_seed(0)
    vocab = Vocab.build([Tokenizer()('The cat saw the dog, and the dog saw nothing but the cat.')], min_freq=1)
    lm = LanguageModel(AWDLSTMConfig(len(vocab), 8, 12, 2))
    with torch.no_grad():
        lm.decoder.bias.normal_(0, 2)
    return lm, vocab, generation(lm, vocab, 'The cat').picture


@pytest.mark.parametrize('temperature', [0.1, 0.8, 1.0, 3.0])
@pytest.mark.parametrize('top_k', [1, 3, 1000])
def test_javascript_chooses_among_the_words_that_python_does(writer, temperature, top_k):
    lm, vocab, picture = writer
    logits, _ = next_logits(lm, vocab, read_prompt(vocab, 'The cat'))
    (found,) = javascript('generation.js', [['next_words', [picture.logits, temperature, top_k]]])
    p, ids = candidates(logits, temperature, top_k)
    n = len(found['p'])
    assert n == min(top_k, int(logits.isfinite().sum()))
    np.testing.assert_allclose(found['p'], p[:n], atol=0.006 / temperature)  # logits travel with two decimals
    assert picture.words[: min(n, 3)] == vocab.tokens(ids[: min(n, 3)])
    left = (logits / temperature).softmax(0).sort(descending=True).values[:n].sum().item()
    assert found['cut'] == pytest.approx(1 - left, abs=0.01 / temperature)


def test_the_slider_of_top_k_stops_at_all_words():
    assert javascript('generation.js', [['stops', [n]] for n in (1, 5, 2003)]) == [
        [1],
        [1, 2, 5],
        [1, 2, 5, 10, 20, 40, 100, 200, 500, 1000, 2000, 2003],
    ]


def test_asking_writes_another_text(writer):
    lm, vocab, picture = writer
    assert picture.text == generate(lm, vocab, 'The cat', 40, 0.8, 40, seed=0)
    picture.prompt, picture.temperature, picture.top_k, picture.asked = 'The dog', 1.5, 3, 1
    assert picture.text == generate(lm, vocab, 'The dog', 40, 1.5, 3, seed=1) and picture.answered == 1
    before = picture.text
    picture.asked = 2
    assert picture.text != before


@pytest.mark.parametrize('prompt', ['', '<img src=x onerror=alert(1)>', '   ', 'ça 日本 😀'])
def test_any_prompt_will_do(writer, prompt):
    picture = writer[2]
    picture.prompt = prompt
    picture.asked += 1
    assert picture.answered == picture.asked and picture.text


@pytest.mark.parametrize('widget', [LiveLoss, Generation])
def test_nothing_is_read_as_html(widget):
    assert not re.search(r'innerHTML|insertAdjacentHTML|document\.write|outerHTML', str(widget._esm))
