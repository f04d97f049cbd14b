"One table of colours: the style of the figures and the widgets take theirs from it, and no cell of a notebook names a hue of its own."

import ast
import re

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import CSS4_COLORS
from notebooks import NBS, name_of, read

from ulmfit_nb.course.palette import COLOURS, ROLES, colour, variables
from ulmfit_nb.course.widgets.base import STATIC, Widget

TABLE = 'course/palette'  # the page that holds it
NEUTRAL = {'white', 'black', 'none', 'k', 'w'}  # and grey levels: ground and ink
SETTINGS = {'color', 'c', 'fc', 'ec', 'facecolor', 'facecolors', 'edgecolor', 'edgecolors', 'ecolor', 'colors', 'mfc', 'mec'}
FORMAT = re.compile(r'[-.:osx^+*|<>v]*[bgrcmy][-.:osx^+*|<>v]+|[-.:osx^+*|<>v]+[bgrcmy]')  # 'r--', of a line


def test_the_style_of_the_figures_repeats_the_light_column():
    with plt.style.context('ulmfit_nb.course'):
        assert plt.rcParams['axes.prop_cycle'].by_key()['color'] == [light for light, _ in COLOURS.values()]


def test_what_several_chapters_draw_has_one_colour():
    assert set(ROLES.values()) <= set(COLOURS) and colour('LSTM 2') == colour('lstm') == 'C1' and colour('stlr') == 'C0'
    for kind in (['stlr', 'one_cycle', 'cosine_annealing', 'linear_decay', 'constant'], ['embedding', 'lstm', 'head'], ['train', 'valid', 'test']):
        assert len({colour(role) for role in kind}) == len(kind)
    with pytest.raises(ValueError, match="'sleep' has no colour of its own; these have: stlr, "):
        colour('sleep')


def test_widgets_take_their_colours_from_it():
    "The style sheet defines what it and the scripts name, for both themes, and names no hue beside them."
    sheet, scripts = (STATIC / 'widgets.css').read_text(), ''.join(f.read_text() for f in STATIC.iterdir() if f.name.endswith('.js'))
    light, dark = variables().strip().split('\n')
    assert Widget._css == variables() + sheet and re.findall('#[0-9a-f]{3,8}', sheet) == []
    assert set(re.findall(r'var\(--nb-([\w-]+)\)', sheet + scripts)) <= set(re.findall(r'--nb-([\w-]+):', light))
    for name, (on_light, on_dark) in COLOURS.items():
        assert f'--nb-{name}: {on_light};' in light and f'--nb-{name}: {on_dark};' in dark and '.quarto-dark' in dark


def strings(value) -> list[str]:
    "The strings that an expression may give: those that it only compares with, or hands to a function, are left out."
    if isinstance(value, ast.Constant):
        return [value.value] if isinstance(value.value, str) else []
    return [] if isinstance(value, ast.Call | ast.Compare) else [s for child in ast.iter_child_nodes(value) for s in strings(child)]


def hues(source: str) -> list[str]:
    "The colours that a cell names and that are neither of the style, C0 to C5, nor neutral."
    tree = ast.parse('\n'.join('' if line.startswith(('%', '!')) else line for line in source.splitlines()))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in SETTINGS:
            found += strings(node.value)
        if isinstance(node, ast.Dict):
            found += [s for key, value in zip(node.keys, node.values) if isinstance(key, ast.Constant) and key.value in SETTINGS for s in strings(value)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and 'plot' in node.func.attr:
            found += [s for arg in node.args for s in strings(arg) if FORMAT.fullmatch(s) or s in CSS4_COLORS]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch('#[0-9a-fA-F]{6,8}|tab:[a-z]+', node.value):
            found.append(node.value)
    return [s for s in found if not re.fullmatch(r'C[0-5]|[01]?\.\d+|1', s) and s not in NEUTRAL]


@pytest.mark.parametrize('path', [p for p in NBS if name_of(p) != TABLE], ids=name_of)
def test_no_cell_names_a_hue_of_its_own(path):
    named = {c.id: found for c in read(path).cells if c.cell_type == 'code' and (found := hues(c.source))}
    assert named == {}, f'take C0 to C5, or colour(role) of {TABLE}'


@pytest.mark.parametrize(
    'source, named',
    [
        ("ax.plot(x, color='#b34700')", ['#b34700', '#b34700']),
        ("ax.axvline(0, c='tab:red', ls='--')", ['tab:red', 'tab:red']),
        ("ax.text(0, 0, 'red', bbox={'fc': ('pink', 0.3), 'ec': '0.3'})", ['pink']),
        ("ax.plot(x, y, 'r--')\nax.semilogy(x, 'C1o-')", ['r--']),
        ("dict(arrowstyle='->', color='C6')", ['C6']),
        ("ax.bar(x, color=['C0' if v >= 0 else 'gold' for v in x])", ['gold']),
        ("ax.plot(x, '--', color=colour('stlr') if arm == 'red' else ('C0', 0.5))\nax.grid(color='0.5')\nprint('red')", []),
    ],
)
def test_a_hue_of_its_own_is_found(source, named):
    assert hues(source) == named
