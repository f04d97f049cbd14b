"Rates: the paper's formula, the peer's numbers, what an optimizer was really given, and JavaScript's opinion."

import json
import math
from itertools import product

import numpy as np
import pytest
import torch
from helpers import FIVE_GROUPS, GOLDEN, small_classifier, small_classifier_task, small_lm_task
from hypothesis import given
from hypothesis import strategies as st
from javascript import call_js
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.course.widgets.base import es_module
from ulmfit_nb.schedules import (
    all_at_once,
    cosine,
    cosine_annealing,
    discriminative,
    format_plan,
    freeze_to,
    gradual_unfreezing,
    linear_decay,
    one_cycle,
    one_cycle_momentum,
    rate_grid,
    slice_to_lrs,
    stlr,
)
from ulmfit_nb.training import Phase, fit, train_only


def golden(name):
    return json.loads((GOLDEN / f'{name}.json').read_text())


# --- slanted triangles


def as_printed(t, T, lr_max, cut_frac, ratio):
    "Equation 3 of the paper, to the letter."
    cut = math.floor(T * cut_frac)
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
    return lr_max * (1 + p * (ratio - 1)) / ratio


@pytest.mark.parametrize(
    'cut, one_in, lr_max, ratio',
    [
        (1, 10, 0.01, 32),
        (20, 10, 0.01, 32),
        (7, 4, 0.004, 10),
        (50, 2, 1, 100),
        (3, 100, 0.02, 2),
    ],
)
def test_stlr_is_the_papers_formula(cut, one_in, lr_max, ratio):
    T, cut_frac = cut * one_in, 1 / one_in
    for t in range(T + 1):
        assert stlr(t, T, lr_max, cut_frac, ratio) == pytest.approx(as_printed(t, T, lr_max, cut_frac, ratio), rel=1e-9)


@given(T=st.integers(10, 100_000), where=st.floats(0, 1))
def test_on_the_way_up_it_is_the_formula_whatever_the_length(T, where):
    t = int(where * math.floor(T * 0.1))
    assert stlr(t, T) == pytest.approx(as_printed(t, T, 0.01, 0.1, 32), rel=1e-9)


@given(T=st.integers(1000, 100_000), where=st.floats(0, 1))
def test_in_long_runs_rounding_hardly_matters(T, where):
    "The formula's way down is up to 1 / cut_frac steps shorter than the steps that are left."
    t = int(where * T)
    assert abs(stlr(t, T) - as_printed(t, T, 0.01, 0.1, 32)) <= 0.01 * 10 / (0.9 * T - 10)


@given(T=st.integers(1, 3000), cut_frac=st.floats(0, 1), ratio=st.floats(1, 1000))
def test_stlr_rises_to_one_peak_and_falls(T, cut_frac, ratio):
    rates = np.array([stlr(t, T, 0.01, cut_frac, ratio) for t in range(T)])
    cut = max(1, math.floor(T * cut_frac))
    assert rates.min() >= 0.01 / ratio * (1 - 1e-9) and rates.max() <= 0.01 * (1 + 1e-9)
    assert (np.diff(rates[: cut + 1]) >= 0).all() and (np.diff(rates[cut:]) <= 0).all()
    if cut < T:
        assert rates[cut] == rates.max() == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.01 / ratio)


@pytest.mark.parametrize('T', range(1, 20))
def test_very_short_runs_peak_at_their_second_step(T):
    rates = [stlr(t, T) for t in range(T)]
    assert rates[0] == 0.01 / 32
    if T > 1:
        assert rates[1] == 0.01 == max(rates) and rates == sorted(rates[:1]) + sorted(rates[1:], reverse=True)


# --- the peer

ONE_CYCLES = {k: v for k, v in golden('schedules').items() if k.startswith('text: fit_one_cycle')}


@pytest.mark.parametrize('name', ONE_CYCLES)
def test_one_cycle_is_the_peers_step_by_step(name):
    steps = ONE_CYCLES[name]
    peaks = slice_to_lrs(WIDE if 'slice' in name else 1e-2, 5)
    ours = np.array([[one_cycle(t, len(steps), lr) for lr in peaks] for t in range(len(steps))])
    np.testing.assert_allclose(ours / peaks, np.array([s['lr'] for s in steps]) / peaks, atol=1e-7, rtol=0)  # the peer reckons in fp32
    momenta = [one_cycle_momentum(t, len(steps)) for t in range(len(steps))]
    np.testing.assert_allclose(momenta, [s['mom'] for s in steps], atol=1e-7, rtol=0)


WIDE = slice(1e-2 / 2.6**4, 1e-2)


@pytest.mark.parametrize(
    'name, lrs, n',
    [
        ('1e-2', 1e-2, 5),
        ('slice(1e-2)', slice(1e-2), 5),
        ('slice(lr/(2.6**4),lr)', WIDE, 5),
        ('slice(1e-2/(2.6**4),1e-2)', WIDE, 5),
        ('slice(1e-4,1e-2)', slice(1e-4, 1e-2), 5),
        ('lm:slice(lr/(2.6**4),lr)', WIDE, 4),
        ('lm:slice(1e-2)', slice(1e-2), 4),
    ],
)
def test_slices_are_the_peers(name, lrs, n):
    assert len(golden('lrs')[name]) == n
    np.testing.assert_allclose(slice_to_lrs(lrs, n), golden('lrs')[name], rtol=1e-12)


def test_discriminative_rates_are_the_peers_slice_for_five_groups():
    np.testing.assert_allclose(discriminative(1e-2, 5), golden('lrs')['slice(lr/(2.6**4),lr)'], rtol=1e-12)


def test_one_group_gets_the_high_end():
    assert slice_to_lrs(slice(1e-4, 1e-2), 1) == slice_to_lrs(slice(1e-2), 1) == discriminative(1e-2, 1) == [1e-2]


def test_the_classifiers_groups_are_the_peers():
    groups, theirs = small_classifier().layer_groups(), golden('groups')['clas']
    assert list(groups) == FIVE_GROUPS
    assert [len(params) for params in groups.values()] == [len(params) for params in theirs]
    assert sum(map(len, groups.values())) == len(list(small_classifier().parameters()))


def test_the_language_models_groups_are_the_peers():
    model = LanguageModel(AWDLSTMConfig(vocab_sz=50, emb_sz=6, n_hid=8, n_layers=3))
    assert [len(params) for params in model.layer_groups().values()] == [len(params) for params in golden('groups')['lm']]


@pytest.mark.parametrize('n', golden('lrs')['freeze_to'])
def test_freezing_is_the_peers(n):
    model = small_classifier()
    train_only(model, freeze_to(FIVE_GROUPS, int(n)))
    learns = [[p.requires_grad for p in params] for params in model.layer_groups().values()]
    assert learns == golden('lrs')['freeze_to'][n]['requires_grad']


@pytest.mark.parametrize('n', [5, -6])
def test_no_such_group(n):
    with pytest.raises(IndexError, match='5 layer groups'):
        freeze_to(FIVE_GROUPS, n)


# --- plans


def test_gradual_unfreezing_is_the_papers():
    "The last layer first, one more after each epoch, all of them at the end; the rates never change on the way."
    plan, lrs = gradual_unfreezing(FIVE_GROUPS, lr=0.01, epochs=3), dict(zip(FIVE_GROUPS, discriminative(0.01, 5)))
    assert [p.groups for p in plan] == [FIVE_GROUPS[-k:] for k in (1, 2, 3, 4, 5)]
    assert [p.epochs for p in plan] == [1, 1, 1, 1, 3]
    for p in plan:
        assert p.lrs == [lrs[g] for g in p.groups]


def test_plans_with_fewer_steps():
    assert gradual_unfreezing(FIVE_GROUPS, epochs=2, steps=0) == all_at_once(FIVE_GROUPS, epochs=2)
    assert [p.groups for p in gradual_unfreezing(FIVE_GROUPS, steps=2)] == [FIVE_GROUPS[-1:], FIVE_GROUPS[-2:], FIVE_GROUPS]
    assert [p.epochs for p in gradual_unfreezing(FIVE_GROUPS, epochs=5, each=2, steps=9)] == [2, 2, 2, 2, 5]


def test_grid_and_text_say_what_the_plan_says():
    plan = [Phase(['head'], [0.5], 2), Phase(['lstm', 'head'], [0.1, 0.2], 1)]
    assert rate_grid(plan, ['lstm', 'head']) == [[0, 0, 0.1], [0.5, 0.5, 0.2]]
    assert [line.split() for line in format_plan(plan, ['lstm', 'head']).splitlines()] == [
        ['head', '5.0e-01', '5.0e-01', '2.0e-01'],
        ['lstm', '·', '·', '1.0e-01'],
    ]


# --- what the optimizer was given


@pytest.mark.parametrize('make, schedule, momentum', [(small_lm_task, one_cycle, one_cycle_momentum), (small_classifier_task, stlr, None)])
def test_the_rates_carried_out_are_those_of_plan_and_schedule(make, schedule, momentum):
    task, seen = make(), []
    plan = gradual_unfreezing(list(task.model.layer_groups()), lr=0.01, epochs=2)
    hook = register_optimizer_step_pre_hook(lambda opt, *_: seen.append({g['name']: (g['lr'], g['betas'][0]) for g in opt.param_groups}))
    try:
        fit(task, plan, schedule=schedule, momentum=momentum, progress_bar=False)
    finally:
        hook.remove()
    due, epoch = [], 0
    for p in plan:
        T = sum(task.train.n_batches(epoch + e) for e in range(p.epochs))
        due += [{g: (schedule(t, T, lr_max=lr), momentum(t, T) if momentum else 0.8) for g, lr in zip(p.groups, p.lrs)} for t in range(T)]
        epoch += p.epochs
    assert seen == due


def test_frozen_groups_stay_as_they_were():
    task = small_classifier_task()
    before = {g: [p.clone() for p in params] for g, params in task.model.layer_groups().items()}
    fit(task, gradual_unfreezing(FIVE_GROUPS)[:2], schedule=stlr, progress_bar=False)
    moved = [g for g, params in task.model.layer_groups().items() if any(not torch.equal(a, b) for a, b in zip(before[g], params))]
    assert moved == ['lstm 3', 'head']


# --- JavaScript


def javascript(calls: list) -> list:
    "What the widget's own module answers to (function, arguments) calls."
    return call_js(es_module('schedules.js', 'svg.js', 'lr_explorer.js'), calls)


LENGTHS = [1, 2, 3, 5, 9, 10, 19, 20, 29, 57, 100, 200, 300]
STEPS = [(t, T) for T in LENGTHS for t in {0, 1, T // 10, T // 4, T // 3, T // 2, T - 1, T}]
JS_CASES = {
    stlr: [(t, T, lr, f, r) for (t, T), lr, f, r in product(STEPS, (1e-4, 0.01, 0.1), (0.0, 0.01, 0.1, 0.29, 0.57, 0.9), (1, 32, 100))],
    one_cycle: [(t, T, lr, *rest) for (t, T), lr, rest in product(STEPS, (1e-4, 0.01, 0.1), ((), (0.1,), (0.3, 10, 1e3)))],
    cosine: list(product((0, 0.1, 0.5, 0.99, 1), (0, 1, -2.5), (0, 3.5))),
    cosine_annealing: [(t, T, lr) for (t, T), lr in product(STEPS, (1e-4, 0.01, 0.1))],
    linear_decay: [(t, T, lr) for (t, T), lr in product(STEPS, (1e-4, 0.01, 0.1))],
    discriminative: list(product((1e-4, 0.01, 0.1), (1, 4, 5), (1, 2.6, 5))),
}


@pytest.mark.parametrize('f', JS_CASES, ids=lambda f: f.__name__)
def test_javascript_agrees_with_python(f):
    theirs = javascript([(f.__name__, args) for args in JS_CASES[f]])
    for args, result in zip(JS_CASES[f], theirs, strict=True):
        np.testing.assert_allclose(result, f(*args), rtol=1e-12, atol=1e-17, err_msg=str(args))


@pytest.mark.parametrize('f', [stlr, one_cycle, cosine_annealing, linear_decay, discriminative], ids=lambda f: f.__name__)
def test_javascript_has_the_same_defaults(f):
    args = (7, 50)
    np.testing.assert_allclose(javascript([(f.__name__, args)])[0], f(*args), rtol=1e-12)


def test_javascript_makes_the_same_plans_and_grids():
    cases = [
        (FIVE_GROUPS[:n], lr, epochs, factor, each, steps)
        for n, lr, epochs, factor, each, steps in product((1, 2, 5), (1e-4, 0.1), (1, 6), (1, 2.6, 5), (1, 2), (None, 0, 2))
    ] + [(FIVE_GROUPS,)]
    ours = [gradual_unfreezing(*args) for args in cases]
    theirs = javascript([('gradual_unfreezing', args) for args in cases])
    for a, b in zip(ours, theirs, strict=True):
        assert [(p.groups, p.epochs) for p in a] == [(p['groups'], p['epochs']) for p in b]
        for p, q in zip(a, b):
            np.testing.assert_allclose(p.lrs, q['lrs'], rtol=1e-12)
    grids = javascript([('rate_grid', (plan, FIVE_GROUPS)) for plan in theirs])
    for a, b in zip(ours, grids):
        np.testing.assert_allclose(b, rate_grid(a, FIVE_GROUPS), rtol=1e-12)
