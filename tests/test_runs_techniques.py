"The rows of the paper's table 7, as plans."

import pytest
import techniques


def test_plans_have_the_same_number_of_passes():
    names = ['embedding', 'lstm 1', 'lstm 2', 'lstm 3', 'head']
    made = techniques.plans(names, 0.01, 3)
    passes = {row: sum(p.epochs for p in plan) for row, (plan, _) in made.items()}
    assert set(passes.values()) == {7, 8} and passes['chain-thaw'] == 8
    assert made['freez'][0][1].lrs == [0.01, 0.01] and made['freez + discr'][0][-1].lrs[0] == pytest.approx(0.01 / 2.6**4)
    assert made['last layer only'][0][0].groups == ['head']
    assert techniques.plans(names, 0.01, 3, factor=2)['full + discr'][0][0].lrs[0] == pytest.approx(0.01 / 2**4)
