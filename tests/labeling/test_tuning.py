"""The choice of C, against scikit-learn's own cross-validation."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict

from salutary.labeling.definition import split_folds
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import (
    PENALTIES,
    best_C_by_all_rows,
    best_C_by_validation,
    tuned_folds,
)

X, Y = make_blobs(120, 4, centers=3, cluster_std=6.0, random_state=2)
CLASSES = np.arange(3)


def rows(part: slice) -> LabeledRows:
    return LabeledRows(X[part], Y[part], np.ones(len(Y[part])))


TRAIN, VALIDATION = rows(slice(0, 50)), rows(slice(50, 120))


def losses(validation: LabeledRows, with_train: bool) -> list[float]:
    """Summed log loss of each C, by scikit-learn."""
    parts = stratified_parts(TRAIN.labels, 5, np.random.RandomState(0))
    folds = list(parts)
    found = []
    for C in PENALTIES:
        model = LogisticRegression(C=C, max_iter=1000)
        chance = model.fit(TRAIN.X, TRAIN.labels).predict_proba(validation.X)
        loss = log_loss(validation.labels, chance, normalize=False, labels=CLASSES)
        if with_train:
            chance = cross_val_predict(
                model, TRAIN.X, TRAIN.labels, cv=folds, method="predict_proba"
            )
            loss += log_loss(TRAIN.labels, chance, normalize=False)
        found.append(loss)
    return found


@pytest.mark.parametrize("with_train", [False, True])
def test_c_is_the_one_that_does_best_on_unseen_rows(with_train: bool) -> None:
    choose = best_C_by_all_rows if with_train else best_C_by_validation
    expected = PENALTIES[int(np.argmin(losses(VALIDATION, with_train)))]
    assert choose(TRAIN, VALIDATION, CLASSES) == expected


def test_a_fold_is_tuned_without_its_canary_rows() -> None:
    folds = split_folds(VALIDATION, True, np.random.RandomState(0))
    tuned = tuned_folds(folds, TRAIN, CLASSES, best_C_by_all_rows)
    for before, after in zip(folds, tuned, strict=True):
        assert after.own is before.own
        assert after.canary is before.canary
        expected = PENALTIES[int(np.argmin(losses(before.own, True)))]
        assert expected == after.C
