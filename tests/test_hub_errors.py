"What the hub answers: a sentence for each of its errors, in the right order."

import huggingface_hub.errors as errors
import pytest

from ulmfit_nb.hub_errors import FILES, MENDS, NOT_FETCHED, NOT_SENT, ON_THE_HUB, PUSH_MENDS, told
from ulmfit_nb.stages import StageError


@pytest.mark.parametrize('mends', [MENDS, PUSH_MENDS])
def test_the_first_that_fits_is_the_one_meant(mends):
    "Every name is one of the client's, and no general case stands before a special one."
    kinds = [getattr(errors, name) for name in mends]
    assert not any(issubclass(b, a) for i, a in enumerate(kinds) for b in kinds[i + 1 :])


@pytest.mark.parametrize('other', [NOT_FETCHED, NOT_SENT])
def test_what_nobody_foresaw_is_told_with_its_name(other):
    with pytest.raises(StageError, match='(?s)^a/b: it could not be .*TimeoutError: after 10 s'), told('a/b', 'a/b', {}, other):
        raise TimeoutError('after 10 s')


def test_names_on_the_hub():
    assert [bool(ON_THE_HUB.fullmatch(n)) for n in ('a/b', 'a-b/c.d_e', 'a', 'a/b/c', './a', '/a/b', 'a/')] == [True, True] + [False] * 5


def test_only_files_that_can_not_run_are_fetched():
    assert {f.rsplit('.', 1)[1] for f in FILES} == {'json', 'safetensors', 'md'}
