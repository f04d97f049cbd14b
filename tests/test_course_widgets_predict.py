"A question to commit to: its answer waits for a choice, and nothing in it is read as HTML."

import pytest
from javascript import page

from ulmfit_nb.course.widgets.predict import Predict, predict

TRAITS = ('question', 'choices', 'right', 'why', 'chosen')
LOOK = """console.log(JSON.stringify([host.textContent, host.all('label').map(n => n.className), host.all('input').map(n => n.disabled),
    host.all('code').length, host.all('button').length]))"""


def drawn(**traits):
    return page(Predict._esm, Predict(**traits), TRAITS, LOOK)


@pytest.fixture
def asked():
    question = predict('What does `p` do?', ['<b>nothing</b>', 'all'], 'all', 'Because **it** does.')
    return {t: getattr(question, t) for t in TRAITS}


def test_the_answer_waits_for_a_choice(asked):
    text, classes, disabled, code, buttons = drawn(**asked)
    assert text == 'What does p do?<b>nothing</b>allCommit' and classes == ['', ''] and disabled == [False, False] and (code, buttons) == (1, 1)


@pytest.mark.parametrize('chosen, says, classes', [(0, 'It is: all. ', ['wrong', 'right']), (1, 'As you said. ', ['other', 'right'])])
def test_a_choice_opens_it_and_is_final(asked, chosen, says, classes):
    text, found, disabled, _, buttons = drawn(**asked | {'chosen': chosen})
    assert text.endswith(f'{says}Because it does.') and found == classes and disabled == [True, True] and buttons == 0


def test_the_right_answer_is_one_of_the_choices():
    with pytest.raises(ValueError, match="'c' is not among the choices"):
        predict('Which?', ['a', 'b'], 'c', 'Because.')
