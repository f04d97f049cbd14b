"The learning-rate explorer: its sliders are tied to its two pictures. Its rates are compared with Python's in test_schedules.py."

import ipywidgets
import pytest
import traitlets
from helpers import FIVE_GROUPS
from javascript import page

from ulmfit_nb.course.widgets.learning_rate import LRExplorer, lr_explorer

TRAITS = ('view', 'T', 'cut_frac', 'ratio', 'lr_max', 'lr', 'factor', 'epochs')


def test_seven_sliders_each_tied_to_a_trait(monkeypatch):
    linked = []
    monkeypatch.setattr(ipywidgets, 'jslink', lambda *ends: linked.append(ends))
    box = lr_explorer()
    tied = [{trait for _, (picture, trait) in linked if picture is it} for it in (box.schedule, box.layers)]
    assert tied == [{'T', 'cut_frac', 'ratio', 'lr_max'}, {'lr', 'factor', 'epochs'}]
    assert all(made in box.children and made.value == getattr(picture, trait) for (made, _), (picture, trait) in linked)


@pytest.mark.parametrize(
    'view, T, words', [('schedule', 200, ['linear', 'cosine', 'one-cycle', 'STLR', 'up 20, down 180 steps']), ('layers', 200, FIVE_GROUPS)]
)
def test_each_picture_names_what_it_shows(view, T, words):
    look = "console.log(JSON.stringify([host.all('text').map(n => n.textContent), host.all('path').length]))"
    found, paths = page(LRExplorer._esm, LRExplorer(view=view, T=T), TRAITS, look)
    assert set(words) <= set(found) and (paths >= 8) == (view == 'schedule')


@pytest.mark.parametrize('wrong', [{'T': 0}, {'cut_frac': 1.5}, {'ratio': 0.5}, {'epochs': 0}, {'view': 'else'}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        LRExplorer(**wrong)
