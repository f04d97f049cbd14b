"How the scripts of runs/ and bench/ take their options, and that each of them explains its own."

import re
import runpy
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from command_line import carry_out, from_command_line, spread
from notebooks import ROOT
from typer import Argument, Option

from ulmfit_nb.training import Stop

TAKES_OPTIONS = re.compile(r'\b(from_command_line|carry_out)\(')
SCRIPTS = sorted(
    p for folder in ('runs', 'bench', 'site') for p in (ROOT / folder).glob('*.py') if TAKES_OPTIONS.search(p.read_text()) and p.stem != 'command_line'
)


@dataclass(frozen=True, kw_only=True)
class Options:
    what: Annotated[Literal['a', 'b'], Argument()]
    only: Annotated[list[str] | None, Option()] = None
    seeds: Annotated[list[int], Option()] = (0, 1)
    max_vocab: int = 10
    check: Annotated[bool, Option('--check')] = False


def call(monkeypatch, line, called=Options):
    monkeypatch.setattr(sys, 'argv', ['script.py', *line.split()])
    return from_command_line(called)


def test_lists(monkeypatch):
    assert list(spread('x --only a b --n 1 --seeds 1,2 3 --check y'.split(), {'--only', '--seeds'})) == (
        'x --only a --only b --n 1 --seeds 1 --seeds 2 --seeds 3 --check y'.split()
    )
    assert call(monkeypatch, 'a --only one two --max-vocab 3') == Options(what='a', only=['one', 'two'], seeds=[0, 1], max_vocab=3)
    assert call(monkeypatch, '--check b --seeds 1,2 3') == Options(what='b', seeds=[1, 2, 3], check=True)


@pytest.mark.parametrize(
    'line, says', [('c', "'c' is not one of"), ('a --seeds x', '--seeds'), ('a --seeds', 'requires an argument'), ('', 'Missing argument')]
)
def test_mistakes_are_a_sentence(monkeypatch, capsys, line, says):
    with pytest.raises(SystemExit) as e:
        call(monkeypatch, line)
    assert e.value.code == 2 and says in capsys.readouterr().err


def test_what_a_function_gives_and_how_it_ends(monkeypatch):
    assert call(monkeypatch, '3', lambda n: 2 * int(n)) == 6
    with pytest.raises(SystemExit, match='a sentence'):
        call(monkeypatch, '', lambda: sys.exit('a sentence'))


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda p: p.stem)
def test_every_option_is_explained(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [script.name, '--help'])
    monkeypatch.setattr(sys, 'path', [str(script.parent), *sys.path])
    with pytest.raises(SystemExit) as e:
        runpy.run_path(str(script), run_name='__main__')
    page = capsys.readouterr().out
    bare = re.findall(r'^  (--?[\w-]+(?: \S+)?)(?:  \[.*)?\n(?! {10})', page, re.M)
    assert not e.value.code and 'Show this message' in page and not bare


def test_a_study_whose_time_is_up_says_how_to_go_on(monkeypatch):
    def study(sizes):
        raise Stop(f'stopped after {sizes}: the same call goes on')

    monkeypatch.setattr(sys, 'argv', ['study', '--n', '3'])

    def options(n: int = 1):
        return n

    with pytest.raises(SystemExit) as e:
        carry_out(study, options)
    assert e.value.code == 'stopped after 3: the same call goes on'
