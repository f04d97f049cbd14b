"What training checks before it begins: labels by name, and a tenth of each class to validate on."

import pytest
from helpers import REVIEWS, TEXTS

from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.data_checks import train_valid


def test_a_class_without_training_examples_is_unseen():
    three = TextData(TEXTS, REVIEWS.labels, ['neg', 'pos', 'mixed'])
    with pytest.raises(DataError, match="label 'mixed' was not among the classes seen"):
        train_valid(three, TextData(['so so'], [2], three.classes))


def test_labels_are_matched_by_name():
    names = TextData(TEXTS, [REVIEWS.classes[l] for l in REVIEWS.labels])
    turned = TextData(['lovely', 'awful'], [0, 1], ['pos', 'neg'])
    train, valid = train_valid(names, turned)
    assert (train.labels, train.classes) == (REVIEWS.labels, ['neg', 'pos']) and valid.labels == [1, 0]


def test_a_tenth_of_each_class_is_set_aside():
    train, valid = train_valid(REVIEWS, None)
    assert sorted(train.texts + valid.texts) == sorted(TEXTS) and sorted(valid.labels) == [0, 0, 1, 1]
    assert train_valid(REVIEWS, None, seed=1)[1].texts != valid.texts
