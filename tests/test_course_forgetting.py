"Forgetting: what is watched is not changed, and frozen layers forget nothing."

import pytest
import torch
from helpers import REVIEWS, TEXTS, TINY_CLASSIFIER, history_of

from ulmfit_nb import train_classifier
from ulmfit_nb.batching import DocBatches, LMBatches, TokenStream
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.course.forgetting import Forgetting, baseline_plans, encoder_perplexity, head_or_rate, watch_forgetting
from ulmfit_nb.language_model import evaluate_lm
from ulmfit_nb.stages import Stage, load_lm
from ulmfit_nb.training import Phase, constant

GROUPS = ['embedding', 'lstm 1', 'lstm 2', 'head']


@pytest.fixture(scope='module')
def watched(tiny_tuned):
    "The plan of the tiny classifier, watched."
    plan, schedule = baseline_plans(GROUPS, TINY_CLASSIFIER['lr'], TINY_CLASSIFIER['epochs'])['gradual unfreezing']
    return watch_forgetting(tiny_tuned, REVIEWS, None, TEXTS[:20], every=5, plan=plan, schedule=schedule, bs=8, drop_mult=0.1)


def test_watching_does_not_change_what_is_watched(tiny_tuned, tmp_path, watched):
    path = train_classifier(tiny_tuned, REVIEWS, tmp_path / 'c', **{k: v for k, v in TINY_CLASSIFIER.items() if k not in ('bptt', 'max_len')})
    assert [p['step'] for p in watched['points']] == [*range(0, 50, 5)]  # 36 texts in batches of eight: five steps a pass
    assert [p['accuracy'] for p in watched['points'][1:]] == [h['accuracy'] for h in history_of(path)]


def test_frozen_layers_forget_nothing_and_the_phases_begin_where_they_are_said_to(watched):
    assert [p['start'] for p in watched['phases']] == [0, 5, 10, 15]
    before, head_only, thawed = [p['perplexity'] for p in watched['points'][:3]]
    assert before == head_only != thawed
    assert watched['points'][0]['accuracy'] is None and all(0 <= p['accuracy'] <= 1 for p in watched['points'][1:])


def test_all_at_once_forgets_from_the_first_step(tiny_tuned):
    plans = baseline_plans(GROUPS, 0.05, 1)
    assert {sum(p.epochs for p in plan) for plan, _ in plans.values()} == {4}
    plan, schedule = plans['all at once, one rate']
    assert schedule is constant and plan[0].lrs == [0.05] * 4
    run = watch_forgetting(tiny_tuned, REVIEWS, REVIEWS, TEXTS[:20], every=2, plan=[plan[0]._replace(epochs=1)], schedule=schedule, bs=8)
    assert [p['step'] for p in run['points']] == [0, 2, 4, 5], 'the end is measured too'
    assert len({p['perplexity'] for p in run['points']}) == 4


def test_each_of_the_four_ways_differs_from_the_first_in_one_thing():
    plain, first, slow, below = head_or_rate(GROUPS, 0.05, 2.0, first=3).values()
    assert plain == [Phase(GROUPS, [0.05] * 4, 1)] and first == [Phase(['head'], [0.05], 3), *plain]
    assert [p._replace(lrs=0) for p in slow] == [p._replace(lrs=0) for p in below] == [plain[0]._replace(lrs=0)]
    assert slow[0].lrs == pytest.approx([0.005] * 4) and below[0].lrs == pytest.approx([0.00625, 0.0125, 0.025, 0.05])


@pytest.mark.parametrize('training', [True, False])
def test_a_measurement_leaves_mode_and_random_numbers_alone(tiny_tuned, training):
    stage = Stage.open(tiny_tuned, 'language model')
    vocab = stage.vocab
    model, ids = new_classifier(stage, 2).train(training), [vocab.numericalize(t.split()) for t in TEXTS]
    watcher = Forgetting(model, DocBatches(ids, REVIEWS.labels, bs=8), load_lm(tiny_tuned)[0], LMBatches(*TokenStream.of(ids), bs=2, bptt=10), every=2)
    weights, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    for _ in range(3):
        watcher(8, 0.7)
    assert model.training is training and model.head.training is training and torch.get_rng_state().equal(state)
    assert all(v.equal(weights[k]) for k, v in model.state_dict().items())
    assert [p['step'] for p in watcher.points] == [0, 2]


def test_the_perplexity_is_that_of_the_encoder_in_its_language_model(tiny_tuned):
    stage = Stage.open(tiny_tuned, 'language model')
    vocab = stage.vocab
    batches = LMBatches(*TokenStream.of([vocab.numericalize(t.split()) for t in TEXTS]), bs=2, bptt=10)
    model = new_classifier(stage, 2)
    whole = load_lm(tiny_tuned)[0]
    assert encoder_perplexity(model, load_lm(tiny_tuned)[0], batches) == evaluate_lm(whole, batches)['perplexity']
    with torch.no_grad():
        for other in (model.encoder, whole.encoder):
            other.lstms[0].lstm.bias_ih_l0.add_(0.5)
    assert encoder_perplexity(model, load_lm(tiny_tuned)[0], batches) == evaluate_lm(whole, batches)['perplexity']
