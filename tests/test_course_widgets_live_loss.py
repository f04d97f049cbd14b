"The live loss: a running mean, five messages a second, and what its JavaScript computes is what Python says."

import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from javascript import call_js

import ulmfit_nb.course.widgets.live_loss as module
from ulmfit_nb import pretrain
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.course.widgets.live_loss import Curve, LiveLoss, live_loss


def javascript(calls: list) -> list:
    "What the exported functions of the widget give for (name, arguments)."
    return call_js(es_module('svg.js', 'live_loss.js'), calls)


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
    monkeypatch.setattr(module.time, 'monotonic', lambda: now.t)
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
    (found,) = javascript([['loss_range', [[curve]]]])
    assert found['low'] <= low and high <= found['high'] and found['low'] < found['high']
    parts = (found['high'] - found['low']) / found['step']
    assert parts == pytest.approx(round(parts)) and 1 <= round(parts) <= 9
    (ticks,) = javascript([['perplexity_ticks', [found['low'], found['high']]]])
    assert ticks == sorted(set(ticks)) and all(math.exp(found['low']) <= p * (1 + 1e-12) and p <= math.exp(found['high']) * (1 + 1e-12) for p in ticks)
    assert len(ticks) >= 1 or found['high'] - found['low'] < 0.15


def test_the_words_beside_the_curve():
    cases = {
        ('loss', (4.0,), 'tokens'): f'loss: 4.00 nats, perplexity {math.exp(4):.3g}',
        ('a', (0.5, 0.25), 'documents'): 'a: 0.25 nats',
        ('b', (), 'tokens'): 'b: waiting',
    }
    calls = [['standing', [{'name': n, 'seen': list(loss), 'loss': list(loss)}, unit]] for n, loss, unit in cases]
    assert javascript(calls) == list(cases.values())
    assert javascript([['count', [n]] for n in (0, 999, 12_000, 1_234_567)]) == ['0', '999', '12k', '1.23M']


def test_nothing_is_read_as_html():
    assert not re.search(r'innerHTML|insertAdjacentHTML|document\.write|outerHTML', str(LiveLoss._esm))
