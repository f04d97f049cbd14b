"Texts that choose, of a set that has no validation split."

from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.data import TextData


def hold_back(train: TextData, n: int) -> tuple[TextData, TextData]:
    "What is left to learn from, and `n` others: the same for all studies."
    chosen = draw_labels(train, n, 1)
    return train.select(sorted(set(range(len(train))) - set(chosen))), train.select(chosen)
