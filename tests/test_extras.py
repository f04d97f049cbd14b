"What an extra brings is imported, or missed in words."

import sys

import pytest

from ulmfit_nb.extras import import_extra


def test_modules_come_back_in_order():
    assert [m.__name__ for m in import_extra('onnx', 'json', 'csv')] == ['json', 'csv']


def test_the_one_that_is_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'csv', None)
    with pytest.raises(ImportError, match=r"^csv is not installed: pip install 'ulmfit-nb\[serve\]'\.$"):
        import_extra('serve', 'json', 'csv')
