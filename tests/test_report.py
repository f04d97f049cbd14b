"A report says what scikit-learn's figures say, and what they mean for rare classes, sureness and mistakes."

import json

import numpy as np
import pytest
from helpers import REVIEWS, TEXTS, refuse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import classification_report, confusion_matrix

from ulmfit_nb.baselines import count_words
from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.estimator import TextClassifier
from ulmfit_nb.report import answered, calibration, cooled, decided, evaluate, fit_temperature, interval, label_next, plot_report, report_on

CLASSES = ['red', 'green', 'blue']


def draw(seed, n=60, classes=3):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n)
    return p, rng.integers(classes, size=n)


@given(st.integers(0, 10_000))
def test_figures_are_those_of_scikit_learn(seed):
    p, y = draw(seed)
    found, verdicts = evaluate(p, y, CLASSES), p.argmax(1)
    peer = classification_report(y, verdicts, labels=np.unique(y), target_names=[CLASSES[i] for i in np.unique(y)], output_dict=True, zero_division=0)
    assert found.macro_f1 == pytest.approx(peer['macro avg']['f1-score']) and found.accuracy == pytest.approx((y == verdicts).mean())
    assert found.recall == {c: pytest.approx(peer[c]['recall']) for c in peer if c in CLASSES}
    assert found.confusion == confusion_matrix(y, verdicts, labels=range(3)).tolist() and sum(found.support.values()) == found.n == 60


def test_a_class_that_is_never_found_shows():
    report = evaluate(np.tile([0.9, 0.1], (400, 1)), [0] * 396 + [1] * 4, ['fine', 'broken'], counted=[0] * 396 + [1] * 4)
    assert report.accuracy == 0.99 and report.recall == {'fine': 1.0, 'broken': 0.0} and report.precision == {'fine': 0.99}
    assert report.macro_f1 == pytest.approx(0.4975, abs=1e-3) and report.counted == {'accuracy': 1.0, 'macro_f1': 1.0}
    text = str(report)
    assert '99.0 % right' in text and 'counting words: 100.0 % right' in text
    assert [line.split() for line in text.splitlines() if line.startswith('broken')] == [['broken', '4', '0.000', '0.00', 'to', '0.49', '-', 'fine', '4']]


@given(st.integers(0, 40), st.integers(1, 40))
def test_the_interval_of_few_texts(hits, more):
    "By its own definition: the shares from which the one that was found is 1.96 standard errors away."
    n = hits + more - 1 or 1
    low, high = interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1 and high - low > interval(10 * hits, 10 * n)[1] - interval(10 * hits, 10 * n)[0]
    for edge in {low, high} - {0, 1}:
        assert abs(hits / n - edge) == pytest.approx(1.959964 * (edge * (1 - edge) / n) ** 0.5, abs=1e-6)


def test_the_recall_of_a_class_of_two_texts_is_hardly_known():
    report = evaluate(np.tile([0.9, 0.1], (20, 1)), [0] * 18 + [1] * 2, ['fine', 'broken'])
    low, high = report.interval['broken']
    assert report.recall['broken'] == 0 and low == 0 and 0.6 < high < 0.7 and report.interval['fine'][0] > 0.8
    assert [line.split() for line in str(report).splitlines() if line.startswith('broken')] == [
        ['broken', '2', '0.000', '0.00', 'to', '0.66', '-', 'fine', '2']
    ]


def test_many_classes_are_shown_in_part():
    n, classes = 120, [f'product {i}' for i in range(120)]
    report = evaluate(np.eye(n)[[*range(n), 7]], [*range(n), 7], classes)
    lines = [line for line in str(report).splitlines() if line.startswith('product')]
    assert len(lines) == 50 and lines[7].startswith('product 7 ') and 'and 70 rarer classes' in str(report)
    axes = plot_report(report)
    assert list(axes[0].texts) == [] and len(axes[0].get_xticks()) == 0


def test_classes_that_do_not_occur_are_left_out_of_the_mean():
    report = evaluate(np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), [0, 1], CLASSES)
    assert report.macro_f1 == 1 and 'blue' not in report.recall and report.support['blue'] == 0


def test_the_surest_mistakes_come_first():
    p = np.array([[0.6, 0.4], [0.99, 0.01], [0.7, 0.3], [0.2, 0.8]])
    report = evaluate(p, [1, 1, 1, 1], ['no', 'yes'], ['a', 'b\n b', 'c', 'd'], n_errors=2)
    assert [(e['place'], e['label'], e['said']) for e in report.errors] == [(1, 'yes', 'no'), (2, 'yes', 'no')]
    assert 'yes, and it said no at 99 %: b b' in str(report)
    assert evaluate(p, [1, 1, 1, 1], ['no', 'yes']).errors == []


def test_a_report_is_json():
    p, y = draw(0)
    found = evaluate(p, y, CLASSES, [str(i) for i in range(60)], p.argmax(1))
    assert json.loads(json.dumps(found.asdict()))['confusion'] == found.confusion


@pytest.mark.parametrize('n', [0, 3])
def test_too_few_labels(n):
    with refuse(f'2 verdicts for {n} labels', 'one label to each text'):
        evaluate(np.full((2, 2), 0.5), [0] * n, ['a', 'b'])


def test_calibration_by_hand():
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.55, 0.45], [1.0, 0.0]])
    error, groups = calibration(p, [0, 1, 1, 0])
    assert [(round(s, 3), r, n) for s, r, n in groups] == [(0.55, 0.0, 1), (0.967, pytest.approx(2 / 3), 3)]
    assert error == pytest.approx((0.55 + 3 * (0.9667 - 2 / 3)) / 4, abs=1e-3)


@given(st.integers(0, 10_000), st.floats(0.2, 5))
def test_a_temperature_changes_no_verdict(seed, temperature):
    p, _ = draw(seed)
    other = cooled(p, temperature)
    assert np.array_equal(other.argmax(1), p.argmax(1)) and np.allclose(other.sum(1), 1)
    if other.min() > 1e-9:  # smaller ones are cut off
        assert np.allclose(cooled(other, 1 / temperature), p, atol=1e-6)


def test_the_temperature_of_labels_drawn_at_that_temperature():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 20_000)
    y = (cooled(p, 2.0).cumsum(1) < rng.random((20_000, 1))).sum(1)
    assert fit_temperature(p, y) == pytest.approx(2.0, rel=0.05)
    assert calibration(cooled(p, 2.0), y)[0] < 0.02 < calibration(p, y)[0]


def test_probabilities_of_zero_and_one_are_allowed():
    p = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert np.isfinite(cooled(p, 3)).all() and np.isfinite(fit_temperature(p, [0, 1, 1]))


def test_no_verdict_below_a_threshold():
    p = np.array([[0.5, 0.5], [0.9, 0.1]])
    assert decided(p, 0.5).tolist() == [True, True] and decided(p, 0.6).tolist() == [False, True]
    with pytest.raises(ValueError, match='threshold is 60: give a probability'):
        decided(p, 60)


def test_what_to_label_next():
    p = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.34, 0.33, 0.33], [0.5, 0.5, 0.0]])
    assert label_next(p, 3) == [3, 2, 1] and label_next(p, 9) == [3, 2, 1, 0]


def test_the_picture_counts():

    p, y = draw(1)
    report = evaluate(p, y, CLASSES)
    axes = plot_report(report)
    assert [t.get_text() for t in axes[0].texts] == [str(n) for row in report.confusion for n in row]
    assert len(axes[1].collections[0].get_offsets()) == len(report.calibration)


def test_what_a_threshold_buys():
    p = np.array([[0.55, 0.45], [0.75, 0.25], [0.1, 0.9], [0.96, 0.04]])
    assert answered(p, [1, 0, 1, 0], [0.5, 0.7, 0.99]) == [(0.5, 1.0, 0.75), (0.7, 0.75, 1.0), (0.99, 0.0, None)]
    text = str(evaluate(p, [1, 0, 1, 0], ['no', 'yes']))
    assert 'with no label below 0.7: 75.0 % are labelled, 100.0 % of them right' in text and 'below 0.99' not in text


def test_a_report_has_the_temperature_of_its_texts():
    p, y = draw(5, 400)
    found = evaluate(p, y, CLASSES)
    assert found.temperature == fit_temperature(p, y) and found.cooled_error == calibration(cooled(p, found.temperature), y)[0] < found.calibration_error


@pytest.mark.filterwarnings('ignore:40 of 40 validation texts')
def test_a_classifier_beside_counting_words(tiny_classifier):
    "Labels may be in another order than the classifier's classes."
    classifier = load_classifier(tiny_classifier)
    turned = TextData(TEXTS, [1 - label for label in REVIEWS.labels], REVIEWS.classes[::-1])
    right = np.array(classifier.predict(TEXTS)) == [REVIEWS.classes[label] for label in REVIEWS.labels]
    peer = count_words(REVIEWS).score(TEXTS, REVIEWS.labels)
    for data in (REVIEWS, turned):
        found = report_on(classifier, data, data)
        assert found.classes == ['neg', 'pos'] and found.accuracy == right.mean() and found.counted['accuracy'] == peer
    with pytest.warns(UserWarning, match='40 of 40 validation texts are among the training texts'):
        report_on(classifier, REVIEWS, REVIEWS)
    assert report_on(classifier, REVIEWS).counted is None
    with refuse("label 'so so' was not among the classes"):
        report_on(classifier, TextData(['a'], [0], ['so so']))
    with refuse('the texts have no labels'):
        report_on(classifier, TextData(['a']))


@pytest.mark.filterwarnings('ignore:40 of 40 validation texts')
@pytest.mark.parametrize('names', [[False, True], [3, 7], ['a', 'b']])
def test_an_estimator_is_judged_by_labels_of_its_own_kind(tiny_classifier, names):
    est = TextClassifier.load(tiny_classifier)
    est.classes_, est.classifier_.classes = np.asarray(names), [str(name) for name in names]
    labels = np.asarray(names)[REVIEWS.labels]
    found = est.report(TEXTS, labels, train=(TEXTS, labels.tolist()))
    assert found.accuracy == est.score(TEXTS, labels) and found.counted['accuracy'] > 0.5
    with refuse('labels for'):
        est.report(TEXTS, labels[:-1])


@pytest.mark.parametrize('right, said', [(0.8, 'the surer the classifier'), (0.2, 'the less sure the classifier')])
def test_labels_that_give_no_temperature(right, said):
    found = evaluate(np.tile([right, 1 - right], (200, 1)), [0] * 200, ['a', 'b'])
    assert f'no temperature fits: these labels are the likelier, {said} is made' in str(found) and 'calibration error is' not in str(found)
