"The ways to fine-tune a classifier that the paper's table 7 compares, as plans for `fit`: its rows, by name."

from collections.abc import Callable

from ulmfit_nb.schedules import all_at_once, cosine_annealing, discriminative, gradual_unfreezing, stlr
from ulmfit_nb.training import Phase, constant

ALL = 'freez + discr + stlr'  # ULMFiT


def unfreezing_plan(names: list[str], rates: list[float], epochs: int) -> list[Phase]:
    "Gradual unfreezing at given rates."
    return [Phase(p.groups, rates[-len(p.groups) :], p.epochs) for p in gradual_unfreezing(names, epochs=epochs)]


def chain_thaw(names: list[str], rates: list[float], epochs: int) -> list[Phase]:
    "Felbo et al. 2017: the head, then each layer alone from the words up, then all."
    alone = [Phase([name], [rate], 1) for name, rate in zip([names[-1], *names[:-1]], [rates[-1], *rates[:-1]])]
    return [*alone, Phase(names, rates, epochs)]


def plans(
    names: list[str],  # layer groups, the words first and the head last
    lr: float,  # highest rate of the head
    epochs: int,  # with everything unfrozen, after one for each step of the thaw; rivals get as many in all
    factor: float = 2.6,  # between neighbouring groups, where rates are discriminative
) -> dict[str, tuple[list[Phase], Callable]]:  # row → plan and schedule
    "How the classifier is fine-tuned: the rows of the paper's table 7."
    n = len(names)
    even, discr, passes = [lr] * n, discriminative(lr, n, factor), epochs + n - 1
    return {
        ALL: (unfreezing_plan(names, discr, epochs), stlr),
        'full': (all_at_once(names, lr, passes, factor=1), constant),
        'full + discr': (all_at_once(names, lr, passes, factor), constant),
        'last layer only': ([Phase(names[-1:], [lr], passes)], constant),
        'chain-thaw': (chain_thaw(names, even, epochs), constant),
        'freez': (unfreezing_plan(names, even, epochs), constant),
        'freez + discr': (unfreezing_plan(names, discr, epochs), constant),
        'freez + stlr': (unfreezing_plan(names, even, epochs), stlr),
        'freez + cosine': (unfreezing_plan(names, even, epochs), cosine_annealing),
    }
