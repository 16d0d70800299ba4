"""Strategies made of others, against what scikit-learn makes of the rows."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary_benchmark.experiments.rounds import prepared
from salutary_benchmark.strategies.registry import COMPARED, STRATEGIES
from salutary_benchmark.strategies.task import Setting, Task
from salutary_benchmark.strategies.variants import VARIANTS, WEAKER

SETTING = Setting(n_labeled=60, validation=80, budget=6, batch_size=3, C=0.02)
DATA = ("digits", "breast_cancer")


def task_of(data: str) -> Task:
    return Task(prepared(data, None, SETTING, 0), SETTING, 0)


@pytest.mark.parametrize("data", DATA)
def test_the_unshrunk_model_has_the_penalty_with_the_lowest_validation_loss(
    data: str,
) -> None:
    task = task_of(data)
    (step,) = STRATEGIES["TrainUnshrunk"](task)
    X, y = task.split.validation
    losses = {}
    for C in WEAKER:
        model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
        model.fit(*task.split.labeled)
        losses[C] = log_loss(y, model.predict_proba(X))
    best = min(losses, key=lambda C: losses[C])
    assert WEAKER[0] < best < WEAKER[-1], "the grid is wide enough"
    assert pytest.approx(best) == step.model.C
    loss = log_loss(y, step.model.predict_proba(X))
    assert loss == pytest.approx(losses[best], rel=1e-5)
    assert step.n_labeled == SETTING.n_labeled


def test_with_validation_a_strategy_begins_with_all_human_labels() -> None:
    task = task_of("breast_cancer")
    (control,) = STRATEGIES["TrainPlusValidation"](task)
    first, *others = STRATEGIES["Margin+Validation"](task)
    np.testing.assert_allclose(first.model.coef_, control.model.coef_, atol=1e-6)
    assert [step.n_labeled for step in others] == [143, 146]
    # The rows bought are those of the pool alone.
    labeled = task.split.labeled
    joined = tuple(
        np.concatenate([labeled[i], task.split.validation[i]]) for i in range(2)
    )
    by_hand = Task(replace(task.split, labeled=joined), SETTING, 0)
    last = list(COMPARED["Margin"](by_hand))[-1]
    np.testing.assert_array_equal(others[-1].model.coef_, last.model.coef_)


def test_variants_are_in_no_suite_that_was_run_before_them() -> None:
    assert not set(VARIANTS) & set(COMPARED)
    assert set(STRATEGIES) == set(VARIANTS) | set(COMPARED)
