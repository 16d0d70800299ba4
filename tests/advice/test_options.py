"""Options against scikit-learn: what each is fitted on, and how it tunes its C."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.semi_supervised import SelfTrainingClassifier

from salutary import SalutaryClassifier
from salutary.advice.options import (
    OPTIONS,
    POOL_OPTIONS,
    options_of,
    salutary,
    salutary_and_validation,
    salutary_paper,
    self_training,
    train_and_validation,
    train_only,
    validation_only,
    weighted_validation,
)
from salutary.advice.task import AdviceTask
from salutary.influence.objectives import log_losses
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import (
    PENALTIES,
    best_C,
    fit_penalized,
    probabilities,
)
from salutary.names import WHOLE_POOL

X, Y = make_blobs(300, 4, centers=3, cluster_std=4.0, random_state=3)
# Of two labels in ten of the training rows the class is another.
NOISY = np.where(np.arange(300) % 5 == 0, (Y + 1) % 3, Y)
BOTH = "train + validation"
TRAIN, VALIDATION, POOL = slice(0, 60), slice(60, 120), slice(120, 300)


def rows(part: slice, labels: np.ndarray = Y) -> LabeledRows:
    return LabeledRows(X[part], labels[part], np.ones(len(labels[part])))


@pytest.fixture
def task() -> AdviceTask:
    return AdviceTask(
        classes=np.arange(3),
        train=rows(TRAIN, NOISY),
        validation=rows(VALIDATION),
        pool=X[POOL],
        budget=20,
        batch_size=5,
        seed=7,
    )


def refit(C: float, X: np.ndarray, y: np.ndarray, weight: object = None) -> np.ndarray:
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
    return model.fit(X, y, sample_weight=weight).coef_


def parts() -> list[tuple[np.ndarray, np.ndarray]]:
    """The validation rows to fit on and to judge by, as the task parts them."""
    rng = np.random.RandomState(7)
    # So few rows are split three times.
    return [part for _ in range(3) for part in stratified_parts(Y[VALIDATION], 3, rng)]


def losses_of_both(C: float, weight: float, labels: np.ndarray = NOISY) -> np.ndarray:
    """Of models of the training and other validation rows, by scikit-learn.

    Mean losses of the validation rows over the ways to split.
    """
    X_val, y_val = X[VALIDATION], Y[VALIDATION]
    losses = np.zeros(60)
    for seen, held in parts():
        model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
        model.fit(
            np.vstack([X[TRAIN], X_val[seen]]),
            np.concatenate([labels[TRAIN], y_val[seen]]),
            sample_weight=np.repeat([1.0, weight], [60, len(seen)]),
        )
        losses[held] -= model.predict_log_proba(X_val[held])[
            np.arange(len(held)), y_val[held]
        ]
    return losses / 3


def loss_of_both(C: float, weight: float) -> float:
    return float(losses_of_both(C, weight).sum())


def test_training_rows_are_tuned_by_the_validation_rows(task: AdviceTask) -> None:
    losses = []
    for C in PENALTIES:
        model = LogisticRegression(C=C).fit(X[TRAIN], NOISY[TRAIN])
        losses.append(log_loss(Y[VALIDATION], model.predict_proba(X[VALIDATION])))
    found = train_only(task)
    assert PENALTIES[np.argmin(losses)] == found.C
    assert (found.C, found.validation_weight) != (PENALTIES[0], 1)
    expected = refit(found.C, X[TRAIN], NOISY[TRAIN])
    np.testing.assert_allclose(found.model.coef_, expected, atol=1e-5)


@pytest.mark.slow
def test_validation_rows_are_tuned_by_cross_validation(task: AdviceTask) -> None:
    scores = [
        cross_val_score(
            LogisticRegression(C=C),
            X[VALIDATION],
            Y[VALIDATION],
            scoring="neg_log_loss",
            cv=parts(),
        ).mean()
        for C in PENALTIES
    ]
    found = validation_only(task)
    assert PENALTIES[np.argmax(scores)] == found.C
    expected = refit(found.C, X[VALIDATION], Y[VALIDATION])
    np.testing.assert_allclose(found.model.coef_, expected, atol=1e-5)


@pytest.mark.slow
def test_both_are_tuned_by_cross_validation_of_all_their_rows(
    task: AdviceTask,
) -> None:
    X_both = np.vstack([X[TRAIN], X[VALIDATION]])
    y_both = np.concatenate([NOISY[TRAIN], Y[VALIDATION]])
    rng = np.random.RandomState(task.seed)
    folds = [part for _ in range(3) for part in stratified_parts(y_both, 5, rng)]
    scores = [
        cross_val_score(
            LogisticRegression(C=C), X_both, y_both, scoring="neg_log_loss", cv=folds
        )
        @ [len(part) for _, part in folds]
        for C in PENALTIES
    ]
    found = train_and_validation(task)
    assert PENALTIES[np.argmax(scores)] == found.C
    expected = refit(found.C, X_both, y_both)
    np.testing.assert_allclose(found.model.coef_, expected, atol=1e-5)


@pytest.mark.slow
def test_a_weight_of_the_validation_rows_is_tuned_with_the_penalty(
    task: AdviceTask,
) -> None:
    losses = {
        (weight, C): loss_of_both(C, weight)
        for weight in (1.0, 2.0, 5.0, 20.0)
        for C in PENALTIES
    }
    weight, C = min(losses, key=losses.__getitem__)
    found = weighted_validation(task)
    assert weight > 1
    assert (found.validation_weight, found.C) == (weight, C)
    expected = refit(
        C,
        np.vstack([X[TRAIN], X[VALIDATION]]),
        np.concatenate([NOISY[TRAIN], Y[VALIDATION]]),
        np.repeat([1.0, weight], 60),
    )
    np.testing.assert_allclose(found.model.coef_, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_weight_must_lower_the_loss_by_a_standard_error(
    seed: int, task: AdviceTask
) -> None:
    wrong = np.random.default_rng(seed).random(300) < 0.1 * seed
    labels = np.where(wrong, (Y + 1) % 3, Y)
    task = replace(task, train=rows(TRAIN, labels))
    losses = {
        (weight, C): losses_of_both(C, weight, labels)
        for weight in (2.0, 5.0, 20.0)
        for C in PENALTIES
    }
    best = min(losses, key=lambda key: losses[key].sum())
    fall = losses_of_both(task.both_C, 1.0, labels) - losses[best]
    shown = fall.mean() > fall.std(ddof=1) / np.sqrt(60)
    found, plain = weighted_validation(task), train_and_validation(task)
    assert shown == (found.validation_weight > 1)
    if shown:
        assert (found.validation_weight, found.C) == best
    else:
        np.testing.assert_array_equal(found.model.coef_, plain.model.coef_)


def test_no_weight_is_found_by_rows_without_weight(task: AdviceTask) -> None:
    blind = replace(task.validation, weight=np.zeros(60))
    task = replace(task, validation=blind)
    found, plain = weighted_validation(task), train_and_validation(task)
    assert found.validation_weight == 1
    np.testing.assert_array_equal(found.model.coef_, plain.model.coef_)


@pytest.mark.parametrize(("budget", "batch_size"), [(20, 5), (400, 50)])
def test_self_training_is_scikit_learns(
    budget: int, batch_size: int, task: AdviceTask
) -> None:
    task = replace(task, budget=budget, batch_size=batch_size)
    found = self_training(task)
    expected = SelfTrainingClassifier(
        LogisticRegression(C=task.train_C, solver="newton-cholesky", tol=1e-12),
        criterion="k_best",
        k_best=batch_size,
        max_iter=budget // batch_size,
    ).fit(
        np.vstack([X[TRAIN], X[POOL]]),
        np.concatenate([NOISY[TRAIN], np.full(180, -1)]),
    )
    assert task.train_C == found.C
    np.testing.assert_allclose(found.model.coef_, expected.estimator_.coef_, atol=1e-5)


def test_self_training_spends_the_whole_budget_and_no_more(task: AdviceTask) -> None:
    few = self_training(replace(task, budget=1, batch_size=10)).model
    chance = train_only(task).model.predict_proba(X[POOL])
    likeliest = chance.max(axis=1).argmax()
    expected = refit(
        task.train_C,
        np.vstack([X[TRAIN], X[POOL][[likeliest]]]),
        np.append(NOISY[TRAIN], chance[likeliest].argmax()),
    )
    np.testing.assert_allclose(few.coef_, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "rule"), [(salutary, "tempered"), (salutary_paper, "paper")]
)
def test_salutary_labels_are_the_classifiers(
    option: Callable, rule: str, task: AdviceTask
) -> None:
    found = option(task)
    classifier = SalutaryClassifier(
        LogisticRegression(C=task.train_C),
        rule=rule,
        budget=20,
        batch_size=5,
        random_state=7,
    ).fit(
        np.vstack([X[TRAIN], X[POOL]]),
        np.concatenate([NOISY[TRAIN], np.full(180, -1)]),
        X[VALIDATION],
        Y[VALIDATION],
    )
    if rule == "tempered":
        assert (classifier.labeled_iter_ > 0).any()
    np.testing.assert_allclose(
        found.model.coef_, classifier.estimator_.coef_, atol=1e-6
    )


@pytest.mark.slow
def test_salutary_labels_are_refitted_with_the_validation_rows(
    task: AdviceTask,
) -> None:
    kept = task.labeled[0].best
    assert len(kept.rows) > 0
    found = salutary_and_validation(task)
    assert task.both_C == found.C
    expected = refit(
        task.both_C,
        np.vstack([X[TRAIN], X[POOL][kept.rows], X[VALIDATION]]),
        np.concatenate([NOISY[TRAIN], kept.labels, Y[VALIDATION]]),
    )
    np.testing.assert_allclose(found.model.coef_, expected, atol=1e-5)


def test_where_no_label_was_kept_a_refit_is_training_on_both(task: AdviceTask) -> None:
    # The guard undoes the label of this row.
    task = replace(task, pool=X[POOL][[10]], budget=1, batch_size=1)
    assert len(task.labeled[0].best.rows) == 0
    models = [option(task).model for option in (salutary_and_validation, OPTIONS[BOTH])]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


RELABELING = ("relabeled", "relabeled + validation")
"""Where a row of weight two is switched whole, and of two copies perhaps one."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in (*OPTIONS, *POOL_OPTIONS)
        # What uses a whole pool is tuned by folds, which may hold one copy each.
        if name not in (*RELABELING, WHOLE_POOL)
    ],
)
def test_a_training_row_of_weight_two_is_the_row_twice(
    name: str, task: AdviceTask
) -> None:
    train = task.train
    heavy = replace(train, weight=np.where(np.arange(60) < 20, 2.0, 1.0))
    twice = train.take(np.concatenate([np.arange(60), np.arange(20)]))
    option = options_of(task)[name]
    # Two copies may be in two folds of a cross-validation, and another C seem best.
    task = replace(task, penalties=(0.3,))
    models = [option(replace(task, train=part)).model for part in (heavy, twice)]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, atol=1e-4)
    if name != "validation only":
        assert not np.allclose(models[0].coef_, option(task).model.coef_, atol=1e-3)


def test_without_a_pool_its_options_are_absent(task: AdviceTask) -> None:
    assert options_of(replace(task, pool=None)) == OPTIONS
    assert list(options_of(task)) == [*OPTIONS, *POOL_OPTIONS]
    with pytest.raises(ValueError, match="needs a pool"):
        salutary(replace(task, pool=None))


def test_rows_of_one_class_say_that_class_always() -> None:
    classes = np.array(["a", "b", "c"])
    model = fit_penalized(1.0, rows(TRAIN, np.full(300, 1)), classes)
    chance = probabilities(model, X[POOL], classes)
    np.testing.assert_array_equal(chance, np.tile([0.0, 1.0, 0.0], (180, 1)))


def test_an_absent_class_has_no_chance_and_losses_are_scikit_learns() -> None:
    classes, some = np.arange(3), Y[TRAIN] != 1
    model = fit_penalized(1.0, rows(TRAIN).take(np.flatnonzero(some)), classes)
    chance = probabilities(model, X[VALIDATION], classes)
    assert (chance[:, 1] == 0).all()
    losses = log_losses(chance, Y[VALIDATION])
    assert losses.mean() == pytest.approx(
        log_loss(Y[VALIDATION], chance, labels=classes)
    )
    assert losses.max() > 36


def test_of_penalties_that_do_alike_the_smallest_is_taken() -> None:
    alike = (rows(TRAIN, np.ones(300, dtype=np.intp)), rows(VALIDATION))
    assert best_C([alike], np.arange(3), (0.1, 1.0))[0] == 0.1
