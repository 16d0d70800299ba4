"""Training on both tables against cold fits of scikit-learn."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary.advice.after_run import train_and_validation
from salutary.influence.objectives import row_log_loss
from salutary.labeling.definition import split_folds
from salutary.labeling.loop import start
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES
from salutary.pools.arrays import ArrayPool

X, Y = make_blobs(90, 3, centers=3, cluster_std=4.0, random_state=1)
LABELED, VALIDATION = np.arange(20), np.arange(20, 70)


def problem(guard: bool) -> Problem:
    def rows(chosen: np.ndarray) -> LabeledRows:
        return LabeledRows(X[chosen], Y[chosen], np.ones(len(chosen)))

    validation = rows(VALIDATION)
    return Problem(
        estimator=LogisticRegression(C=0.3),
        classes=np.arange(3),
        labeled=rows(LABELED),
        validation=validation,
        folds=split_folds(validation, guard, np.random.RandomState(0)),
        pool=ArrayPool.of(X[70:]),
        rule=RULES["plausible"],
        hessian="train",
        batch_size=5,
    )


def test_each_canary_row_is_judged_by_a_model_that_has_not_seen_it() -> None:
    guarded = problem(guard=True)
    logits = start(guarded).canary.best
    kept = row_log_loss(logits, guarded.canary.labels)
    losses = []
    for fold in guarded.folds:
        model = LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-12)
        model.fit(
            np.vstack([X[LABELED], fold.own.X]),
            np.concatenate([Y[LABELED], fold.own.labels]),
        )
        losses.extend(
            log_loss([label], model.predict_proba(row[None]), labels=[0, 1, 2])
            for row, label in zip(fold.canary.X, fold.canary.labels, strict=True)
        )
    assert len(losses) == len(VALIDATION)
    found = train_and_validation(guarded, logits)
    assert found is not None
    assert found.canary_loss == pytest.approx(np.mean(losses), abs=1e-6)
    assert found.decrease == pytest.approx(kept.mean() - np.mean(losses), abs=1e-6)
    expected = ttest_rel(kept, losses).statistic
    assert found.decrease / found.se == pytest.approx(expected, rel=1e-4)


def test_without_a_guard_there_is_nothing_to_judge_by() -> None:
    unguarded = problem(guard=False)
    assert train_and_validation(unguarded, start(unguarded).canary.best) is None
