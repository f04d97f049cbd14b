"The search for a rate, as the studies share it."

import pytest
from rates import best_rate, rates_to_try


def test_beyond_the_edge_but_no_more_than_asked():
    tried = {}
    for rate in rates_to_try([0.01, 0.02], tried, more=2, best=min):
        tried[str(rate)] = -rate
    assert [*map(float, tried)] == [0.01, 0.02, 0.04, 0.08]
    assert list(rates_to_try([0.01, 0.02], tried, more=2, best=min)) == [], 'asked again, there is no more'
    for rate in rates_to_try([0.01, 0.02, 0.04], tried := {}, best=min):
        tried[str(rate)] = abs(rate - 0.02)
    assert len(tried) == 3


def test_it_goes_on_from_what_was_tried():
    kept, tried = [], {'0.01': 0.7}
    assert best_rate([0.005, 0.01, 0.02], lambda lr: 0.9 - lr, tried, lambda: kept.append(len(tried))) == (0.000625, 0.9 - 0.000625)
    assert list(tried) == ['0.01', '0.005', '0.02', '0.0025', '0.00125', '0.000625'] and kept == [2, 3, 4, 5, 6]


def test_a_rate_that_diverges_is_not_the_best():
    def score(lr):
        if lr > 0.015:
            raise FloatingPointError
        return lr

    assert best_rate([0.005, 0.01, 0.02], score, tried := {}) == (0.01, 0.01) and tried['0.02'] == 0


@pytest.mark.parametrize('first', [[1 / 3, 2 / 3, 4 / 3], [0.1], [0.1 * 3, 0.1 * 6]])
def test_it_ends_whatever_the_digits(first):
    asked = []
    best_rate(first, lambda lr: asked.append(lr) or lr)
    assert len(asked) == len(set(asked)) == (len(first) + 3 if len(first) > 1 else 1)
