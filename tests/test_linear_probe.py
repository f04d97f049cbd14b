"A head that begins as a linear probe: the solver beside scikit-learn's, a norm that stays, and runs of stage 3 from settings to their directory."

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import LABELS, REVIEWS, TEXTS, TINY_CLASSIFIER, contents, history_of
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression, Ridge

from ulmfit_nb import TextClassifier
from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.classifier_training import classifier_task, stage_3_plan, train_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.layers import pooled_features
from ulmfit_nb.linear_probe import PENALTY, ProbeHead, begin_with_probe, fit_probe
from ulmfit_nb.settings import ClassifierSettings, recipe
from ulmfit_nb.stages import Stage
from ulmfit_nb.targets import MultiLabel, MultiTask, Number, prepare_data
from ulmfit_nb.training import Phase, Stop

SETTINGS = ClassifierSettings(bs=8, bptt=5, max_len=8, head='linear-probe', hold_out=False)
QUICK = TINY_CLASSIFIER | {'epochs': 2, 'lr': 0.001, 'factor': 1, 'head': 'linear-probe', 'hold_out': False}
X = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32))
Y = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 40))
SEVERAL = TextData(TEXTS, [[['good', 'bad'][b]] * a + ['long'] * (i % 3 == 0) for i, (a, b) in enumerate((i % 4 > 0, i % 2) for i in range(len(TEXTS)))])
TASKS = TextData(
    TEXTS, [[f'verdict: {label}', f'length: {"long" if len(t) > 40 else "short"}'][: 2 - i % 2] for i, (t, label) in enumerate(zip(TEXTS, LABELS))]
)
UNSEEN = replace(REVIEWS, classes=[*REVIEWS.classes, 'neither'])  # a class that no text has
NUMBERS = TextData(TEXTS, [float(len(t)) for t in TEXTS])


def task_of(lm, data=REVIEWS, settings=SETTINGS, sample_weight=None):
    stage = Stage.open(lm, 'language model')
    return classifier_task(stage, prepare_data(data, None, settings, sample_weight), settings)


def features(task):
    "What the head sees of the training texts, standardised as the head does it."
    norm = task.model.eval().head.layers[0]
    x = torch.from_numpy(pooled_features(task.model, DocBatches(task.train.docs, bs=64, backwards=task.train.backwards)))
    return x, (x - norm.running_mean) / (norm.running_var + norm.eps) ** 0.5


# --- the solver


@pytest.mark.parametrize('penalty', [0.5, 30.0])
@pytest.mark.parametrize('weights', [None, np.linspace(0.2, 3, 40, dtype=np.float32)])
@pytest.mark.parametrize('n', [2, 3])
def test_it_is_logistic_regression(penalty, weights, n):
    y = Y if n == 3 else Y % 2
    w, b = fit_probe(X, y, weights=weights, penalty=penalty)
    assert w.shape == (n, 12) and b.shape == (n,) and w.dtype == torch.float32
    rival = LogisticRegression(C=(2 if n == 2 else 1) / penalty, max_iter=5000, tol=1e-9).fit(X.double(), y, weights)
    assert np.abs((X @ w.T + b).softmax(1).numpy() - rival.predict_proba(X.double())).max() < 1e-4


def test_several_labels_are_as_many_regressions():
    there = np.stack([Y == 0, Y < 2, X[:, 0] > 0], 1).astype(np.float32)
    w, b = fit_probe(X, torch.from_numpy(there), MultiLabel(['a', 'b', 'c']), penalty=2.0)
    for k in range(3):  # the mean over labels stands for a sum, so that each loss counts a third
        rival = LogisticRegression(C=1 / (3 * 2.0), max_iter=5000, tol=1e-9).fit(X.double(), there[:, k])
        assert np.allclose(w[k], rival.coef_[0], atol=1e-4) and np.isclose(b[k], rival.intercept_[0], atol=1e-4)


def test_of_a_number_it_is_ridge_regression():
    y = X[:, 0] * 2 - X[:, 3] + 1
    w, b = fit_probe(X, y, Number(0.0, 1.0), penalty=4.0)
    rival = Ridge(alpha=2.0).fit(X.double(), y)  # squares are not halved here
    assert np.allclose(w[0], rival.coef_, atol=1e-4) and np.isclose(b, rival.intercept_, atol=1e-4)


def test_tasks_are_told_apart_and_what_has_no_label_is_left_out():
    target = MultiTask(['a: x', 'a: y', 'b: 1', 'b: 2'])
    y = torch.stack([Y % 2, torch.where(Y == 2, -1, (X[:, 0] > 0).long())], 1)
    w, b = fit_probe(X, y, target, penalty=0.1)
    other = fit_probe(X + 0, torch.where(torch.tensor([True, False]), y, torch.where(y < 0, y, 1 - y)), target, penalty=0.1)[0]
    said = target.decode(X @ w.T + b)
    assert np.mean([names[1] == f'b: {1 + int(x > 0)}' for names, x in zip(said, X[:, 0])]) > 0.8
    assert torch.allclose(other[2:], -w[2:], atol=1e-3) and torch.allclose(other[:2], w[:2], atol=1e-3)


def test_a_penalty_shrinks():
    sizes = [fit_probe(X, Y, penalty=p)[0].norm() for p in (0.1, 10, 1000, 1e5)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 1e-2


# --- the head


def test_the_norm_keeps_what_it_was_given():
    head = ProbeHead(6, 2, 0.5)
    head.layers[0].running_mean += 3.0
    before = {k: v.clone() for k, v in head.state_dict().items()}
    head.train()(torch.randn(32, 6) * 7)
    assert all(torch.equal(v, before[k]) for k, v in head.state_dict().items())
    assert head.training and head.layers[1].training and not head.layers[0].training
    x = torch.randn(4, 6)
    head.layers[1].p = 0.0
    assert torch.allclose(head.train()(x)[:1], head(x[:1])), 'whoever is beside it'
    assert torch.equal(head.train()(x), head.eval()(x))


@pytest.mark.parametrize('layers', ['last', 'all'])
@pytest.mark.parametrize('data', [REVIEWS, UNSEEN, SEVERAL, TASKS, NUMBERS], ids=['one', 'unseen', 'several', 'tasks', 'number'])
def test_a_classifier_begins_as_the_probe(data, layers, tiny_tuned):
    kind = {id(SEVERAL): 'multi-label', id(TASKS): 'multi-task', id(NUMBERS): 'number'}.get(id(data), 'single-label')
    task = task_of(tiny_tuned, data, replace(SETTINGS, target=kind, layers=layers))
    x, z = features(task)
    w, b = fit_probe(z, torch.as_tensor(np.asarray(task.train.labels)), task.target)
    assert torch.allclose(task.model.head(x), z @ w.T + b, atol=1e-4) and len(b) == task.target.n_out
    assert data is not UNSEEN or task.model.head(x).softmax(1)[:, 2].max() < 0.01
    assert torch.allclose(z.mean(0), torch.zeros(z.shape[1]), atol=1e-4)


def test_weights_of_texts_count(tiny_tuned):
    weights = np.where(np.array(LABELS) == 'good', 5.0, 1.0)
    plain, heavy = (task_of(tiny_tuned, sample_weight=w) for w in (None, weights))
    said = [task.model.eval().head(features(task)[0]).softmax(1)[:, 1].mean() for task in (plain, heavy)]
    assert said[1] > said[0] + 0.1


def test_the_encoder_stays_and_so_does_chance(tiny_tuned):
    "Computed from a seed or not, the head is the same; and numbers drawn afterwards are not disturbed."
    usual, begun, again = (task_of(tiny_tuned, settings=replace(SETTINGS, **how)) for how in ({'head': 'hidden-layer'}, {}, {'seed': 7}))
    for key, value in usual.model.encoder.state_dict().items():
        assert torch.equal(value, begun.model.encoder.state_dict()[key])
    assert all(torch.equal(a, b) for a, b in zip(begun.model.head.parameters(), again.model.head.parameters()))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    begin_with_probe(usual)
    assert torch.equal(torch.rand(3), expected)


# --- runs


def test_a_run_from_settings_to_its_directory(tiny_tuned, tmp_path):
    path = train_classifier(tiny_tuned, REVIEWS, tmp_path / 'c', **QUICK)
    config = json.loads((path / 'config.json').read_text())
    assert config['hidden'] == [] and config['settings']['head'] == 'linear-probe'
    assert [h['groups'] for h in history_of(path)] == [['embedding', 'lstm 1', 'lstm 2', 'head']] * 2
    classifier = load_classifier(path)
    assert (classifier.predict_proba(TEXTS).argmax(1) == np.array(REVIEWS.labels)).mean() > 0.7
    x, _ = features(task_of(tiny_tuned))
    kept = load_file(path / 'model.safetensors')
    assert torch.allclose(kept['head.layers.0.running_mean'], x.mean(0), atol=1e-5), 'training leaves the norm alone'


def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(tiny_tuned, tmp_path):
    whole = train_classifier(tiny_tuned, REVIEWS, tmp_path / 'whole', **QUICK)
    steps = []

    def cut(*given):
        steps.append(given)
        if len(steps) == 7:
            raise Stop('enough')

    with pytest.raises(Stop):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'cut', callback=cut, every=2, **QUICK)
    train_classifier(tiny_tuned, REVIEWS, tmp_path / 'cut', every=2, **QUICK)
    assert contents(tmp_path / 'cut')['model.safetensors'] == contents(whole)['model.safetensors']
    with pytest.raises(ValueError, match='head'):
        train_classifier(tiny_tuned, REVIEWS, whole, **QUICK | {'head': 'hidden-layer'})


def test_going_on_keeps_the_head(tiny_tuned, tiny_classifier, tmp_path):
    path = train_classifier(tiny_tuned, REVIEWS, tmp_path / 'c', **QUICK)
    before = load_file(path / 'model.safetensors')
    for head in ('hidden-layer', 'linear-probe'):
        further = train_classifier(path, REVIEWS.select(range(16)), tmp_path / head, **QUICK | {'head': head})
        after = load_file(further / 'model.safetensors')
        for name in ('running_mean', 'running_var'):
            assert torch.equal(after[f'head.layers.0.{name}'], before[f'head.layers.0.{name}'])
        assert not torch.equal(after['head.layers.2.weight'], before['head.layers.2.weight'])
    with pytest.raises(ValueError, match="head is 'linear-probe', and .* has a head with a hidden layer. Leave head out"):
        train_classifier(tiny_classifier, REVIEWS, tmp_path / 'other', **QUICK)


def test_a_plan_without_a_pass_is_refused(tiny_tuned, tiny_classifier, tmp_path):
    for lm, how in ((tiny_tuned, QUICK), (tiny_classifier, TINY_CLASSIFIER)):
        with pytest.raises(ValueError, match='epochs is 0, and there is no thaw, so nothing would be learnt. Give it one'):
            train_classifier(lm, REVIEWS, tmp_path / 'c', **how | {'epochs': 0})
    with pytest.raises(ValueError, match='the plan has no epochs'):
        train_classifier(tiny_tuned, REVIEWS, tmp_path / 'c', **QUICK | {'plan': [Phase(['head'], [0.01], 0)]})
    assert not (tmp_path / 'c' / 'model.safetensors').exists()
    task, stage = task_of(tiny_tuned, settings=replace(SETTINGS, epochs=0, head='hidden-layer')), Stage.open(tiny_tuned)
    assert len(stage_3_plan(task, stage, replace(SETTINGS, epochs=0, head='hidden-layer'))) == 4, 'the thaw may be all there is'


@pytest.mark.parametrize('wrong', ['probe', '', None, True])
def test_other_heads_are_refused(wrong):
    with pytest.raises(ValueError, match="^head is .*: give 'hidden-layer' or 'linear-probe'."):
        ClassifierSettings(head=wrong)


def test_the_preset_is_small_but_for_the_head(tiny_lm):
    small, probe = recipe('small'), recipe('probe')
    assert probe[:2] == small[:2]
    assert replace(probe.train_classifier, head='hidden-layer', lr=0.01, factor=1.6) == small.train_classifier
    assert (probe.train_classifier.head, probe.train_classifier.factor, PENALTY) == ('linear-probe', 1, 1000)
    estimator = TextClassifier(tiny_lm, unlabelled=False, preset='probe', epochs=1, bs=8, hold_out=False).fit(TEXTS, LABELS)
    assert estimator.classifier_.model.head.hidden == [] and estimator.score(TEXTS, LABELS) > 0.6
