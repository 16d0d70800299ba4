"""Where a model is certain, influences and losses against 130 digits."""

from collections.abc import Iterator
from decimal import localcontext
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from salutary import ExpectedCost, add_one_in, label_influence
from salutary.influence.factored import factor_model
from salutary.influence.objectives import Truth, bind, find_objective, row_log_loss
from salutary.influence.softmax import log_loss_gradient, softmax_model
from salutary.influence.uncertainty import (
    influence_errors,
    jackknife_error,
    leave_one_part_out,
    standard_error,
)
from tests.influence import exact
from tests.influence.exact import Exact

NAMES = ["log_loss", "balanced", "worst_group", "cost", "gain"]


@pytest.fixture(autouse=True)
def many_digits() -> Iterator[None]:
    with localcontext() as context:
        context.prec = exact.DIGITS
        yield


def objective_of(name: str, n_classes: int) -> Any:
    if name in ("cost", "gain"):
        table = exact.COSTS if name == "cost" else exact.GAINS
        return ExpectedCost(table[:n_classes, :n_classes])
    return find_objective(name)  # type: ignore[arg-type]


# The parts, row by row


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("gap", [0.5, 5.0, 20.0, 30.0, 36.0, 38.0, 50.0, 200.0])
def test_losses_and_gradients_of_certain_rows(gap: float, n_classes: int) -> None:
    logits = np.array([[gap, 0.3, -0.2], [0.1, -0.4, gap], [-gap, 0.2, 1.3]])
    logits = logits[:, [0, 2]] if n_classes == 2 else logits
    for labels in (np.array([0, 1, 0]), np.array([0, n_classes - 1, 1])):
        chances = exact.probability(exact.exact(logits))
        assert_allclose(
            log_loss_gradient(exact.floats(chances), labels),
            exact.floats(exact.minus_label(chances, labels)),
            rtol=1e-13,
        )
        assert_allclose(
            row_log_loss(logits, labels),
            exact.floats(exact.losses(exact.exact(logits), labels)),
            rtol=1e-13,
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gap", [0.5, 5.0, 30.0, 36.0, 50.0, 200.0])
def test_objectives_of_rows_that_are_all_certain(gap: float, name: str) -> None:
    logits = np.array([[gap, 0.3, -0.2], [0.1, gap - 1, 0.4], [0.0, 0.7, gap + 1]])
    logits = np.vstack([logits, logits * 1.01])
    labels, groups = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 1, 0, 0, 2])
    bound = bind(objective_of(name, 3), Truth(labels, np.ones(6), groups))
    value, gradient = bound(logits)
    expected = exact.objective(name, exact.exact(logits), labels, groups)
    assert value == pytest.approx(float(expected[0]), rel=1e-12, abs=0)
    assert_allclose(gradient, exact.floats(expected[1]), rtol=1e-12)


# What the public functions make of them


def case(seed: int, n_classes: int, scale: float, fit_intercept: bool) -> Any:
    """A model, validation rows that it is certain of, and rows to add."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_classes, 2)) * 2
    y = np.arange(24) % n_classes
    X = centers[y] + rng.normal(size=(24, 2))
    model = LogisticRegression(tol=1e-12, max_iter=10_000, fit_intercept=fit_intercept)
    model.fit(X, y)
    X_val = centers[y[:9]] * scale + rng.normal(size=(9, 2))
    # The model's own predictions, so that it is certain of the right class.
    y_val = model.predict(X_val)
    rows = {"X_train": X, "y_train": y, "X_val": X_val, "y_val": y_val}
    added = rng.normal(size=(4, 2))
    added[3] *= scale
    return model, rows, added, np.arange(9) % 2


def true_direction(
    reference: Exact, name: str, X_val: Any, y_val: Any, groups: Any
) -> Any:
    X_val = Exact.rows(X_val, reference.fit_intercept)
    logits = X_val @ reference.parameters.T
    gradient = exact.objective(name, logits, y_val, groups)[1]
    return reference.solved(gradient.T @ X_val)


def true_influence(reference: Exact, direction: Any, X: np.ndarray) -> np.ndarray:
    rows = Exact.rows(X, reference.fit_intercept)
    chances, slope = (
        exact.probability(rows @ reference.parameters.T),
        rows @ direction.T,
    )
    return exact.floats((chances * slope).sum(axis=1)[:, None] - slope)


CASES = pytest.mark.parametrize(
    ("seed", "n_classes", "scale", "fit_intercept"),
    [
        (seed, n_classes, scale, fit_intercept)
        for seed, (n_classes, fit_intercept) in enumerate(
            [(2, True), (2, False), (3, True), (3, False)]
        )
        for scale in (1.0, 10.0, 30.0)
    ],
)


@CASES
@pytest.mark.parametrize("name", NAMES)
def test_influence(
    seed: int, n_classes: int, scale: float, fit_intercept: bool, name: str
) -> None:
    model, rows, X, groups = case(seed, n_classes, scale, fit_intercept)
    reference = Exact.of(model, rows["X_train"], rows["y_train"])
    truth = true_influence(
        reference,
        true_direction(reference, name, rows["X_val"], rows["y_val"], groups),
        X,
    )
    chosen: Any = {"objective": objective_of(name, n_classes), "groups_val": groups}
    atol = 1e-10 * np.abs(truth).max()
    found = label_influence(model, X, **rows, **chosen)
    assert_allclose(found, truth, rtol=1e-10, atol=atol)
    found = add_one_in(model, X, **rows, **chosen)
    assert_allclose(found, truth, rtol=1e-10, atol=atol)


# The loss of a gain is beside -3, so that its decrease has no more digits than that.
@pytest.mark.slow
@CASES
@pytest.mark.parametrize("name", NAMES[:-1])
def test_newton(
    seed: int, n_classes: int, scale: float, fit_intercept: bool, name: str
) -> None:
    model, rows, X, groups = case(seed, n_classes, scale, fit_intercept)
    X = X[:1]
    before = Exact.of(model, rows["X_train"], rows["y_train"])
    X_val = Exact.rows(rows["X_val"], fit_intercept)
    row = Exact.rows(X, fit_intercept)[0]

    def value(fitted: Exact) -> Any:
        logits = X_val @ fitted.parameters.T
        return exact.objective(name, logits, rows["y_val"], groups)[0]

    truth = [
        float(value(before) - value(before.refitted(row, label)))
        for label in range(n_classes)
    ]
    found = add_one_in(
        model,
        X,
        **rows,
        estimate="newton",
        objective=objective_of(name, n_classes),
        groups_val=groups,
    )[0]
    assert_allclose(found, truth, atol=2e-3 * np.abs(truth).max(), rtol=0)


@pytest.mark.slow
@CASES
@pytest.mark.parametrize("name", NAMES)
def test_standard_errors(
    seed: int, n_classes: int, scale: float, fit_intercept: bool, name: str
) -> None:
    model, rows, X, groups = case(seed, n_classes, scale, fit_intercept)
    reference = Exact.of(model, rows["X_train"], rows["y_train"])
    labels, weight = np.array([0, 1, n_classes - 1, 0]), np.ones(9)
    own = np.arange(4), labels

    def influence(kept: Any, name: str) -> np.ndarray:
        parts = rows["X_val"][kept], rows["y_val"][kept], groups[kept]
        direction = true_direction(reference, name, *parts)
        return true_influence(reference, direction, X)[own]

    if name == "log_loss":
        effects = np.array([influence([val], name) for val in range(9)])
        truth = standard_error(effects.T, weight)
    else:
        parts = [influence(kept, name) for kept in leave_one_part_out(weight)]
        truth = jackknife_error(np.array(parts))
    viewed = softmax_model(model)
    found = influence_errors(
        factor_model(viewed, rows["X_train"], np.ones(24)),
        X,
        log_loss_gradient(viewed.probability(X), labels),
        rows["X_val"],
        objective_of(name, n_classes),
        Truth(rows["y_val"], weight, groups),
    )
    assert_allclose(found, truth, rtol=1e-8)
