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


def test_a_package_that_is_there_and_broken_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / 'broken_one.py').write_text('from json import nothing_of_that_name')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="^broken_one: installed, and can't be loaded .*nothing_of_that_name.*install it anew"):
        import_extra('serve', 'broken_one')
