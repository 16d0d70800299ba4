"""How every strategy fits and tunes, against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from salutary.errors import InputError
from salutary_benchmark.data.splits import Part, Split
from salutary_benchmark.strategies import task as task_module
from salutary_benchmark.strategies.task import (
    PENALTIES,
    Setting,
    Task,
    best_C,
    estimator,
    fit,
    joined,
)


def problem(seed: int, n: int, n_classes: int, noise: float) -> Part:
    """Rows of a noisy linear model, at least six of every class."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    logits = X @ rng.normal(size=(5, n_classes)) + noise * rng.gumbel(
        size=(n, n_classes)
    )
    y = logits.argmax(axis=1)
    y[: 6 * n_classes] = np.repeat(np.arange(n_classes), 6)
    return X, y


def task_of(setting: Setting, seed: int = 0) -> Task:
    X, y = problem(seed, 160, 3, 1.0)
    parts = [
        (X[start : start + 40], y[start : start + 40]) for start in range(0, 160, 40)
    ]
    return Task(Split(*parts), setting, seed)


PROBLEMS = [
    (0, 30, 2, 0.1),
    (1, 60, 2, 1.0),
    (2, 60, 3, 8.0),
    (3, 90, 3, 0.5),
    (4, 120, 4, 2.0),
    (5, 300, 2, 4.0),
    (6, 300, 5, 0.2),
    (7, 36, 2, 30.0),
]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("seed", "n", "n_classes", "noise"), PROBLEMS)
def test_tuning_chooses_as_scikit_learns_grid_search(
    seed: int, n: int, n_classes: int, noise: float, fit_intercept: bool
) -> None:
    rows = problem(seed, n, n_classes, noise)
    search = GridSearchCV(
        LogisticRegression(fit_intercept=fit_intercept, max_iter=10_000),
        {"C": PENALTIES},
        scoring="neg_log_loss",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit(*rows)
    assert best_C(rows, fit_intercept=fit_intercept) == search.best_params_["C"]


def test_the_problems_above_are_not_all_tuned_alike() -> None:
    chosen = {best_C(problem(*arguments)) for arguments in PROBLEMS}
    assert len(chosen) >= 3


def losses(rows: Part, n_human: int) -> list[float]:
    """The log loss of every C, of rows with human labels alone."""
    X, y = rows
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(
        X[:n_human], y[:n_human]
    ))  # fmt: skip
    found = []
    for C in PENALTIES:
        total = 0.0
        for training, judged in folds:
            used = [*training, *range(n_human, len(y))]
            model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
            chance = model.fit(X[used], y[used]).predict_proba(X[judged])
            total += log_loss(y[judged], chance, labels=model.classes_, normalize=False)
        found.append(total)
    return found


@pytest.mark.parametrize("right", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_assigned_labels_are_trained_on_but_not_judged(seed: int, right: float) -> None:
    X, y = problem(seed, 240, 3, 1.0)
    n_human = 61
    rng = np.random.default_rng(seed)
    wrong = rng.random(240) >= right
    wrong[:n_human] = False
    y = np.where(wrong, (y + 1) % 3, y)
    expected = losses((X, y), n_human)
    assert best_C((X, y), n_human) == PENALTIES[int(np.argmin(expected))]


def test_assigned_labels_of_a_class_that_no_human_gave_are_trained_on() -> None:
    X, y = problem(0, 120, 2, 1.0)
    y[60:80] = 7
    expected = losses((X, y), 60)
    assert best_C((X, y), 60) == PENALTIES[int(np.argmin(expected))]


def test_all_labels_are_human_unless_it_is_said() -> None:
    rows = problem(2, 60, 3, 8.0)
    assert best_C(rows) == best_C(rows, 60)
    # Garbage is not predicted, so where it is judged a strong penalty is best.
    X, y = problem(3, 120, 2, 0.1)
    y[60:] = np.random.default_rng(0).integers(2, size=60)
    expected = [PENALTIES[int(np.argmin(losses((X, y), n)))] for n in (120, 60)]
    assert [best_C((X, y)), best_C((X, y), 60)] == expected
    assert expected[0] != expected[1]


@pytest.mark.parametrize("n_rare", [1, 2])
@pytest.mark.parametrize("rare", [0, 1, 2])
def test_classes_absent_from_a_fold_are_left_out(n_rare: int, rare: int) -> None:
    X, y = problem(1, 90, 2, 1.0)
    labels = np.delete(np.arange(3), rare)[y]
    labels[:n_rare] = rare
    assert best_C((X, labels)) in PENALTIES


def test_a_class_of_one_row_is_judged_by_no_fold() -> None:
    # Where the rare row is judged no model knows its class: its label adds nothing
    # but to the training of the other folds, which an explicit loop shows.
    X, y = problem(1, 90, 2, 1.0)
    y[0] = 2
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    totals = np.zeros(len(PENALTIES))
    with pytest.warns(UserWarning, match="least populated"):
        parts = list(folds.split(X, y))
    for training, judged in parts:
        judged = judged[np.isin(y[judged], y[training])]
        for position, C in enumerate(PENALTIES):
            model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
            chance = model.fit(X[training], y[training]).predict_proba(X[judged])
            totals[position] += log_loss(
                y[judged], chance, labels=model.classes_, normalize=False
            )
    assert best_C((X, y)) == PENALTIES[int(np.argmin(totals))]


def test_a_far_outlier_does_not_end_tuning() -> None:
    X, y = problem(0, 60, 2, 1.0)
    X[5] *= 1e4
    search = GridSearchCV(
        LogisticRegression(max_iter=10_000),
        {"C": PENALTIES},
        scoring="neg_log_loss",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit(X, y)
    assert best_C((X, y)) == search.best_params_["C"]


def test_few_rows_of_every_class_can_be_tuned_on() -> None:
    X, y = problem(0, 6, 1, 1.0)
    assert best_C((X, np.array([0, 0, 1, 1, 2, 2]) + y)) in PENALTIES


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_fit_is_scikit_learns_to_convergence(
    n_classes: int, fit_intercept: bool
) -> None:
    X, y = problem(3, 120, n_classes, 1.0)
    setting = Setting(C=0.5, fit_intercept=fit_intercept)
    # Names of classes, and their order, are the rows'.
    rows = X, np.array([4, 2, 9])[y]
    expected = LogisticRegression(
        C=0.5, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-12
    ).fit(*rows)
    task = task_of(setting)
    cold = fit(task, rows)
    start = fit(task, (X[:60], rows[1][:60]))
    for model in (cold, fit(task, rows, cold), fit(task, rows, start)):
        np.testing.assert_array_equal(model.classes_, expected.classes_)
        np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)
        np.testing.assert_allclose(model.intercept_, expected.intercept_, atol=1e-6)


def test_a_previous_model_of_other_classes_is_not_started_from() -> None:
    X, y = problem(3, 120, 3, 1.0)
    task = task_of(Setting(C=0.5))
    two = fit(task, (X[y < 2], y[y < 2]))
    shifted = fit(task, (X, y + 1))
    expected = fit(task, (X, y))
    for previous in (two, shifted):
        model = fit(task, (X, y), previous)
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])
        np.testing.assert_array_equal(model.coef_, expected.coef_)


def test_a_fit_leaves_the_previous_model_and_the_rows_as_they_were() -> None:
    X, y = problem(3, 120, 3, 1.0)
    task = task_of(Setting(C=0.5))
    previous = fit(task, (X[:60], y[:60]))
    before = previous.coef_.copy(), X.copy(), y.copy()
    fit(task, (X, y), previous)
    for now, then in zip((previous.coef_, X, y), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.fixture
def tunings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """What tuning is asked for: human labels, and whether with an intercept."""
    asked: list[tuple[int, bool]] = []

    def noted(
        rows: Part, n_human: int | None = None, *, fit_intercept: bool = True
    ) -> float:
        asked.append((len(rows[1]) if n_human is None else n_human, fit_intercept))
        return best_C(rows, n_human, fit_intercept=fit_intercept)

    monkeypatch.setattr(task_module, "best_C", noted)
    return asked


def test_only_a_setting_without_a_penalty_is_tuned(
    tunings: list[tuple[int, bool]],
) -> None:
    rows = problem(1, 60, 2, 1.0)
    assert estimator(task_of(Setting(C=0.5)), rows).C == 0.5
    assert tunings == []
    task = task_of(Setting(C=None, fit_intercept=False))
    model = fit(task, rows, n_human=30)
    assert best_C(rows, 30, fit_intercept=False) == model.C
    assert not model.fit_intercept
    assert best_C(rows, fit_intercept=False) == estimator(task, rows).C
    assert tunings == [(30, False), (60, False)]


@pytest.mark.parametrize("n_validation", [0, 15, 40])
def test_validation_rows_are_trained_on_only_for_equal_labels(
    n_validation: int,
) -> None:
    unequal, equal = (task_of(Setting(equal_labels=equal)) for equal in (False, True))
    X, y = unequal.labeled_with(n_validation)
    np.testing.assert_array_equal(X, unequal.split.labeled[0])
    np.testing.assert_array_equal(y, unequal.split.labeled[1])
    X, y = equal.labeled_with(n_validation)
    labeled, validation = equal.split.labeled, equal.split.validation
    np.testing.assert_array_equal(X[:40], labeled[0])
    np.testing.assert_array_equal(y[:40], labeled[1])
    np.testing.assert_array_equal(X[40:], validation[0][:n_validation])
    np.testing.assert_array_equal(y[40:], validation[1][:n_validation])


def test_the_classes_of_a_task_are_those_of_its_labeled_and_pool_rows() -> None:
    split = task_of(Setting()).split
    labeled = split.labeled[0], np.full(40, 2)
    pool = split.pool[0], np.array([0, 3] * 20)
    task = Task(Split(labeled, split.validation, pool, split.test), Setting(), 0)
    assert task.classes.tolist() == [0, 2, 3]


def test_joined_keeps_the_order_of_parts() -> None:
    first, second = problem(0, 12, 2, 1.0), problem(1, 18, 2, 1.0)
    X, y = joined(first, second, first)
    np.testing.assert_array_equal(X, np.vstack([first[0], second[0], first[0]]))
    np.testing.assert_array_equal(y, np.hstack([first[1], second[1], first[1]]))


def test_equal_labels_need_room_for_the_budget() -> None:
    setting = Setting(budget=100, equal_labels=True)
    part = (np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    with pytest.raises(InputError, match="lower the budget"):
        Task(Split(part, part, part, part), setting, 0).labeled_with(4 - 100)
