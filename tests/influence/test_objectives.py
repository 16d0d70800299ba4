"""Validation objectives against scikit-learn, loops, finite differences and refits."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from scipy.optimize import check_grad
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from salutary import SalutaryClassifier, add_one_in, label_influence
from salutary.influence.factored import factor_model
from salutary.influence.objectives import (
    ExpectedCost,
    LogLoss,
    Truth,
    WorstGroup,
    balanced_log_loss,
    bind,
    find_objective,
    row_log_loss,
)
from salutary.influence.objectives import log_loss as mean_log_loss
from salutary.influence.softmax import softmax_model
from salutary.influence.uncertainty import influence_errors
from salutary.labeling.guard import decrease_in

SHAPES = [(1, 2), (6, 3), (5, 10)]


def draw(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    n_rows, n_classes = shape
    logits = rng.normal(scale=3, size=shape)
    return logits, rng.integers(n_classes, size=n_rows), rng.uniform(0, 2, size=n_rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_value_is_scikit_learns_log_loss(shape: tuple[int, int]) -> None:
    logits, labels, weight = draw(shape)
    value, _ = LogLoss(labels, weight)(logits)
    probability, classes = softmax(logits, axis=1), range(shape[1])
    reference = log_loss(labels, probability, sample_weight=weight, labels=classes)
    assert value == pytest.approx(reference, rel=1e-12)
    mean = np.average(row_log_loss(logits, labels), weights=weight)
    assert mean == pytest.approx(reference, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_passes_check_grad(shape: tuple[int, int]) -> None:
    logits, labels, weight = draw(shape)
    objective = LogLoss(labels, weight)
    error = check_grad(
        lambda flat: objective(flat.reshape(shape))[0],
        lambda flat: objective(flat.reshape(shape))[1].ravel(),
        logits.ravel(),
    )
    assert error < 1e-6


@given(st.integers(0, 2**32 - 1), st.floats(-1e4, 1e4))
def test_a_constant_added_to_a_rows_logits_changes_nothing(
    seed: int, constant: float
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(4, 3))
    objective = LogLoss(rng.integers(3, size=4), rng.uniform(0.1, 1, size=4))
    value, gradient = objective(logits)
    moved_value, moved_gradient = objective(logits + constant)
    assert moved_value == pytest.approx(value, abs=1e-10)
    assert_allclose(moved_gradient, gradient, atol=1e-10)
    assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)


def test_a_hopeless_row_has_a_finite_loss() -> None:
    value, gradient = LogLoss(np.array([1]), np.ones(1))(np.array([[5000.0, 0.0]]))
    assert value == 5000
    assert_allclose(gradient, [[1, -1]])


# Every objective: values by scikit-learn and loops, gradients by differences

COSTS = np.array([[0.0, 1, 4, 2], [9, 0, 1, 3], [2, 0.5, -1, 1], [1, 2, 3, 0]])


def mean_loss(y: Any, probability: np.ndarray, weight: np.ndarray) -> float:
    classes = range(probability.shape[1])
    return float(log_loss(y, probability, sample_weight=weight, labels=classes))


def balanced_reference(
    y: np.ndarray, probability: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> float:
    kinds = [y == k for k in range(probability.shape[1]) if weight[y == k].any()]
    return float(
        np.mean([mean_loss(y[own], probability[own], weight[own]) for own in kinds])
    )


def cost_reference(
    y: np.ndarray, probability: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> float:
    total = 0.0
    for row, true in enumerate(y):
        for predicted, chance in enumerate(probability[row]):
            total += weight[row] * chance * COSTS[true, predicted]
    return total / weight.sum()


def group_losses(
    y: np.ndarray, probability: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> list[float]:
    kinds = [groups == g for g in set(groups.tolist()) if weight[groups == g].any()]
    return [mean_loss(y[own], probability[own], weight[own]) for own in kinds]


def worst_group_reference(temperature: float) -> Callable[..., float]:
    def reference(*rows: np.ndarray) -> float:
        losses = group_losses(*rows)
        powers = [math.exp(loss / temperature) for loss in losses]
        return temperature * math.log(sum(powers) / len(powers))

    return reference


def objective_of(name: str, n_classes: int) -> Any:
    return {
        "log_loss": mean_log_loss,
        "balanced": balanced_log_loss,
        "cost": ExpectedCost(COSTS[:n_classes, :n_classes]),
        "worst_group": WorstGroup(),
        "mild worst_group": WorstGroup(temperature=1.0),
    }[name]


REFERENCES: dict[str, Callable[..., float]] = {
    "log_loss": lambda y, probability, weight, groups: mean_loss(
        y, probability, weight
    ),
    "balanced": balanced_reference,
    "cost": cost_reference,
    "worst_group": worst_group_reference(0.1),
    "mild worst_group": worst_group_reference(1.0),
}
NAMES = [*REFERENCES]
every_objective = pytest.mark.parametrize("name", NAMES)


@st.composite
def judged_rows(draw: st.DrawFn) -> tuple[np.ndarray, Truth]:
    """Logits and truths; classes and groups absent, rows without a weight."""
    n_rows, n_classes = draw(st.integers(1, 7)), draw(st.integers(2, 4))
    whole = st.lists(st.integers(0, 2), min_size=n_rows, max_size=n_rows)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.array(draw(whole)) % n_classes
    groups = np.array([0, 3, 4])[draw(whole)]
    weight = rng.uniform(0.1, 5, n_rows) * (np.array(draw(whole)) > 0)
    weight[rng.integers(n_rows)] = 1.0
    logits = rng.normal(scale=draw(st.sampled_from([0.1, 2, 4])), size=(n_rows, 4))
    return logits[:, :n_classes], Truth(labels, weight, groups)


@every_objective
@given(judged_rows())
def test_a_value_is_that_of_scikit_learn_and_loops(
    name: str, rows: tuple[np.ndarray, Truth]
) -> None:
    logits, truth = rows
    value, _ = objective_of(name, logits.shape[1])(logits, truth)
    reference = REFERENCES[name](
        truth.labels, softmax(logits, axis=1), truth.weight, truth.groups
    )
    assert value == pytest.approx(reference, rel=1e-9, abs=1e-12)


@pytest.mark.slow
@every_objective
@given(judged_rows())
def test_a_gradient_is_that_of_central_differences(
    name: str, rows: tuple[np.ndarray, Truth]
) -> None:
    logits, truth = rows
    objective = objective_of(name, logits.shape[1])
    _, gradient = objective(logits, truth)
    differences = np.empty_like(logits)
    for place in np.ndindex(*logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        up, down = (
            objective(logits + step, truth)[0],
            objective(logits - step, truth)[0],
        )
        differences[place] = (up - down) / 2e-5
    assert_allclose(gradient, differences, rtol=1e-5, atol=1e-7)
    assert_allclose(gradient.sum(axis=1), 0, atol=1e-13)
    assert not gradient[truth.weight == 0].any()


@every_objective
@given(judged_rows(), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_constants_in_logits_and_the_scale_of_weights_change_nothing(
    name: str, rows: tuple[np.ndarray, Truth], constant: float, scale: float
) -> None:
    logits, truth = rows
    objective = objective_of(name, logits.shape[1])
    value, gradient = objective(logits, truth)
    moved = Truth(truth.labels, scale * truth.weight, truth.groups)
    moved_value, moved_gradient = objective(logits + constant, moved)
    assert moved_value == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert_allclose(moved_gradient, gradient, rtol=1e-9, atol=1e-9)


@every_objective
@given(judged_rows())
def test_rows_without_a_weight_are_no_rows(
    name: str, rows: tuple[np.ndarray, Truth]
) -> None:
    logits, truth = rows
    objective = objective_of(name, logits.shape[1])
    weighed = np.flatnonzero(truth.weight)
    value, gradient = objective(logits, truth)
    alone, alone_gradient = objective(logits[weighed], truth.take(weighed))
    assert value == pytest.approx(alone, rel=1e-12)
    assert_allclose(gradient[weighed], alone_gradient, rtol=1e-12)


@every_objective
@pytest.mark.parametrize("size", [1e4, 1e8])
def test_extreme_logits_have_finite_values_and_gradients(
    name: str, size: float
) -> None:
    logits = size * np.array([[1.0, -1, 0], [1, -1, 0], [-1, 1, 0], [0, 0, 0]])
    truth = Truth(np.array([0, 1, 1, 2]), np.ones(4), np.array([0, 0, 1, 1]))
    value, gradient = objective_of(name, 3)(logits, truth)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if name == "cost":  # 0, 9, 0 and the mean of 2, 0.5 and -1
        assert value == pytest.approx((9 + 0.5) / 4)
    elif name == "log_loss":
        assert value == pytest.approx((2 * size + np.log(3)) / 4)
    elif name == "worst_group":  # the first group's, but for T log 2
        assert value == pytest.approx(size - 0.1 * np.log(2))


@pytest.mark.slow
@given(judged_rows(), st.floats(0.01, 100))
def test_the_worst_group_is_between_the_groups_mean_and_maximum(
    rows: tuple[np.ndarray, Truth], temperature: float
) -> None:
    logits, truth = rows
    losses = group_losses(
        truth.labels, softmax(logits, axis=1), truth.weight, truth.groups
    )
    value, _ = WorstGroup(temperature)(logits, truth)
    assert np.mean(losses) - 1e-9 <= value <= max(losses) + 1e-9
    cold, _ = WorstGroup(1e-5)(logits, truth)
    assert cold == pytest.approx(max(losses), abs=2e-5)
    hot, _ = WorstGroup(1e6)(logits, truth)
    assert hot == pytest.approx(np.mean(losses), abs=1e-3)


def test_a_cold_worst_group_pulls_at_the_rows_of_that_group_only() -> None:
    logits = np.array([[2.0, 0], [2, 0], [2, 0]])
    truth = Truth(np.array([0, 1, 1]), np.array([1.0, 1, 3]), np.array([5, 2, 2]))
    _, gradient = WorstGroup(1e-3)(logits, truth)
    pull = softmax([2.0, 0])[0]
    expected = np.array([[0, 0], [pull / 4, -pull / 4], [3 * pull / 4, -3 * pull / 4]])
    assert_allclose(gradient, expected, atol=1e-12)


def test_a_cost_of_one_for_every_mistake_is_the_share_of_chance_mistaken() -> None:
    logits, labels, weight = draw((6, 3))
    chance = softmax(logits, axis=1)[np.arange(6), labels]
    for costs in (1 - np.eye(3), (1 - np.eye(3)).tolist()):
        value, _ = ExpectedCost(costs)(logits, Truth(labels, weight))
        assert value == pytest.approx(np.average(1 - chance, weights=weight))


@pytest.mark.parametrize(
    "costs",
    [np.zeros((2, 2)), np.zeros(3), np.full((3, 3), np.nan), np.full((3, 3), np.inf)],
)
def test_costs_of_another_shape_or_not_finite_are_refused(costs: Any) -> None:
    with pytest.raises(ValueError, match=r"costs must be finite and of shape \(3, 3\)"):
        ExpectedCost(costs)(np.zeros((1, 3)), Truth(np.array([0]), np.ones(1)))


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ([[0, 1, 1], [1, 0], [1, 1, 0]], "but are not a table of numbers"),
        ([[0, "dear", 1]] * 3, "but are not a table of numbers"),
        (np.zeros((2, 2)), r"but are of shape \(2, 2\)"),
        (np.full((3, 3), np.nan), "but have nan in row 0, column 0"),
        ([[0, 1, 2], [3, 0, 4], [5, np.inf, 0]], "but have inf in row 2, column 1"),
        (
            [[0, 1, 2], [3, 0, -1e160], [5, 6, 0]],
            r"but have -1e\+160 in row 1, column 2, beyond 1e\+30; .* larger unit",
        ),
    ],
)
def test_what_is_wrong_with_costs_is_said(costs: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ExpectedCost(costs)(np.zeros((1, 3)), Truth(np.array([0]), np.ones(1)))


def test_the_worst_group_needs_groups() -> None:
    with pytest.raises(ValueError, match="pass groups_val"):
        WorstGroup()(np.zeros((1, 3)), Truth(np.array([0]), np.ones(1)))


def test_some_of_the_rows_keep_their_labels_weights_and_groups() -> None:
    truth = Truth(np.array([2, 0, 1]), np.array([1.0, 2, 3]), np.array([7, 8, 9]))
    some = truth.take(np.array([2, 0]))
    assert len(some) == 2
    assert_array_equal(some.labels, [1, 2])
    assert_array_equal(some.weight, [3, 1])
    assert_array_equal(some.groups, [9, 7])
    assert Truth(truth.labels, truth.weight).take(np.array([0])).groups is None


# Finding and binding


def test_names_find_their_objectives_and_callables_are_their_own() -> None:
    logits, labels, weight = draw((6, 3))
    truth = Truth(labels, weight, np.arange(6) % 2)
    probability = softmax(logits, axis=1)
    for name in ("log_loss", "balanced", "worst_group"):
        value, _ = find_objective(name)(logits, truth)
        reference = REFERENCES[name](labels, probability, weight, truth.groups)
        assert value == pytest.approx(reference)
    cost = ExpectedCost(np.eye(3))
    assert find_objective(cost) is cost


@pytest.mark.parametrize("name", ["logloss", "", "cost"])
def test_an_unknown_name_is_refused_with_those_known(name: str) -> None:
    known = r"one of \['balanced', 'log_loss', 'worst_group'\] or a callable"
    with pytest.raises(ValueError, match=known):
        find_objective(name)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ((1.0, np.zeros((3, 2))), r"shape \(3, 2\) for logits of shape \(2, 3\)"),
        ((1.0, np.zeros(6)), r"shape \(6,\) for logits"),
        ((np.nan, np.zeros((2, 3))), "not finite"),
        ((np.inf, np.zeros((2, 3))), "not finite"),
        ((1.0, np.full((2, 3), np.nan)), "not finite"),
        ((1.0, np.full((2, 3), -np.inf)), "not finite"),
    ],
)
def test_a_bound_objective_refuses_wrong_shapes_and_what_is_not_finite(
    result: tuple[float, np.ndarray], words: str
) -> None:
    bound = bind(lambda logits, truth: result, Truth(np.array([0, 1]), np.ones(2)))
    with pytest.raises(ValueError, match=words):
        bound(np.zeros((2, 3)))


@pytest.mark.parametrize(
    "result",
    [
        None,
        1.0,
        (1.0,),
        (1.0, np.zeros((2, 3)), 0),
        np.zeros((2, 3)),
        (np.zeros((2, 3)), 1.0),
        (None, np.zeros((2, 3))),
        ("low", np.zeros((2, 3))),
        (1.0, [[0, 0, 0], [0]]),
        (1.0, "flat"),
        {"value": 1.0, "gradient": np.zeros((2, 3))},
    ],
    ids=repr,
)
def test_a_bound_objective_refuses_what_is_no_value_and_gradient(result: Any) -> None:
    bound = bind(lambda logits, truth: result, Truth(np.array([0, 1]), np.ones(2)))
    with pytest.raises(ValueError, match=r"must return \(value, gradient\)"):
        bound(np.zeros((2, 3)))


def test_an_error_within_an_objective_is_its_own() -> None:
    def fails(logits: np.ndarray, truth: Truth) -> Any:
        raise ValueError("mine")

    bound = bind(fails, Truth(np.array([0]), np.ones(1)))
    with pytest.raises(ValueError, match=r"^mine$"):
        bound(np.zeros((1, 3)))


def test_costs_by_name_get_a_hint() -> None:
    rows = Rows(3)
    X, y = marked(rows)
    with pytest.raises(ValueError, match=r"pass salutary.ExpectedCost\(costs\)"):
        find_objective("cost")
    model = SalutaryClassifier(objective="cost")
    with pytest.raises(ValueError, match=r"pass salutary.ExpectedCost\(costs\)"):
        model.fit(X, y, rows.X_val, rows.y_val)


@every_objective
def test_a_bound_objective_is_the_objective_of_its_rows(name: str) -> None:
    logits, labels, weight = draw((6, 3))
    truth = Truth(labels, weight, np.arange(6) % 2)
    value, gradient = bind(objective_of(name, 3), truth)(logits)
    probability = softmax(logits, axis=1)
    reference = REFERENCES[name](labels, probability, weight, truth.groups)
    assert value == pytest.approx(reference)
    assert gradient.shape == logits.shape


# Influence on any objective, against refits


class Rows:
    """Training, pool and validation rows, and J of a model by the references."""

    def __init__(self, n_classes: int, n_val: int = 30, **parameters: Any) -> None:
        X, y = make_blobs(
            46 + n_val,
            3,
            centers=n_classes,
            center_box=(-2, 2),
            cluster_std=1.5,
            random_state=4,
        )
        self.X, self.y = X[:40], y[:40]
        self.pool = X[40:46]
        self.X_val, self.y_val = X[46:], y[46:]
        rng = np.random.default_rng(0)
        self.groups = rng.integers(3, size=n_val)
        self.parameters = parameters
        self.model = self.fit(self.X, self.y, np.ones(40))
        self.given: dict[str, Any] = {
            "X_train": self.X,
            "y_train": self.y,
            "X_val": self.X_val,
            "y_val": self.y_val,
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray, **parameters: Any
    ) -> LogisticRegression:
        model = LogisticRegression(
            solver="newton-cholesky",
            tol=1e-12,
            max_iter=1000,
            **{**self.parameters, **parameters},
        )
        return model.fit(X, y, sample_weight=weight)

    def value(
        self, name: str, model: LogisticRegression, weight: np.ndarray | None = None
    ) -> float:
        weight = np.ones(len(self.y_val)) if weight is None else weight
        probability = model.predict_proba(self.X_val)
        return REFERENCES[name](self.y_val, probability, weight, self.groups)

    def with_row(
        self, row: np.ndarray, label: int, weight: float, **parameters: Any
    ) -> LogisticRegression:
        # A second row takes a negative weight, as derivatives need, from the first.
        return self.fit(
            np.vstack([self.X, row]),
            np.append(self.y, label),
            np.append(np.ones(len(self.y)), weight),
            **parameters,
        )


@pytest.mark.slow
@every_objective
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n_classes", "parameters"),
    [
        (2, {}),
        (3, {}),
        (3, {"fit_intercept": False}),
        (3, {"class_weight": "balanced"}),
        (2, {"C": 0.1, "class_weight": {0: 1.0, 1: 4.0}}),
    ],
)
def test_the_influence_is_the_derivative_that_refits_show(
    n_classes: int, parameters: dict[str, Any], weighted: bool, name: str
) -> None:
    rows = Rows(n_classes, **parameters)
    weight = np.linspace(0, 2, 30) if weighted else None
    influence = label_influence(
        rows.model,
        rows.pool[:2],
        **rows.given,
        val_weight=weight,
        objective=objective_of(name, n_classes),
        groups_val=rows.groups,
    )
    held = {}
    if "class_weight" in parameters:  # as it is before the row comes
        classes = np.arange(n_classes)
        factors = compute_class_weight(
            parameters["class_weight"], classes=classes, y=rows.y
        )
        held = {"class_weight": dict(zip(classes.tolist(), factors, strict=True))}
    differences = np.empty((2, n_classes))
    for place in np.ndindex(2, n_classes):
        row, label = place
        # Weights cannot be negative: second order from the right.
        at = [
            rows.value(name, rows.with_row(rows.pool[row], label, step, **held), weight)
            for step in (0.0, 1e-3, 2e-3)
        ]
        differences[place] = (3 * at[0] - 4 * at[1] + at[2]) / 2e-3
    assert_allclose(influence, differences, rtol=1e-3, atol=1e-5 * abs(influence).max())


@every_objective
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_float32_and_sparse_rows_have_the_same_influence(
    container: Any, name: str
) -> None:
    rows = Rows(3)
    further: dict[str, Any] = {
        "objective": objective_of(name, 3),
        "groups_val": rows.groups,
    }
    exact = label_influence(rows.model, rows.pool, **rows.given, **further)
    found = label_influence(
        rows.model,
        container(rows.pool.astype(np.float32)),
        X_train=container(rows.X),
        X_val=container(rows.X_val),
        y_val=rows.y_val,
        **further,
    )
    assert found.dtype == np.float32
    assert_allclose(found, exact, rtol=1e-4, atol=1e-5 * abs(exact).max())


def test_a_separable_problem_with_one_row_a_class_has_finite_influences() -> None:
    X, y = np.array([[-3.0], [3.0], [9.0]]), np.arange(3)
    model = LogisticRegression(tol=1e-10, C=1e3, max_iter=10_000).fit(X, y)
    for name in NAMES:
        influence = label_influence(
            model,
            X + 1,
            X_train=X,
            X_val=X,
            y_val=np.array([0, 0, 2]),
            objective=objective_of(name, 3),
            groups_val=["a", "b", "b"],
        )
        assert np.isfinite(influence).all()
        assert abs(influence).max() > 0


def test_an_objective_not_of_the_probabilities_is_refused() -> None:
    rows = Rows(3)

    def of_logits(logits: np.ndarray, truth: Truth) -> tuple[float, np.ndarray]:
        gradient = np.zeros_like(logits)
        gradient[4, 1] = 0.5
        return float(logits[4, 1] / 2), gradient

    with pytest.raises(ValueError, match=r"sum to zero .* 0\.5 at validation row 4"):
        label_influence(rows.model, rows.pool, **rows.given, objective=of_logits)


@pytest.mark.parametrize("ask", [label_influence, add_one_in])
def test_groups_are_asked_for_and_checked(ask: Callable[..., Any]) -> None:
    rows = Rows(3)
    with pytest.raises(ValueError, match="pass groups_val"):
        ask(rows.model, rows.pool, **rows.given, objective="worst_group")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ask(rows.model, rows.pool, **rows.given, groups_val=["a"])
    missing = [*["a"] * 29, None]
    with pytest.raises(ValueError, match="no group for row 29"):
        ask(rows.model, rows.pool, **rows.given, groups_val=missing)
    with pytest.raises(ValueError, match="objective must be one of"):
        ask(rows.model, rows.pool, **rows.given, objective="accuracy")


@every_objective
@pytest.mark.parametrize("n_classes", [2, 3])
def test_adding_one_in_is_what_a_refit_shows(n_classes: int, name: str) -> None:
    rows = Rows(n_classes)
    further: dict[str, Any] = {
        "objective": objective_of(name, n_classes),
        "groups_val": rows.groups,
    }
    pool = rows.pool[:2]
    first, newton, refit = (
        add_one_in(rows.model, pool, **rows.given, **further, estimate=estimate)
        for estimate in ("first_order", "newton", "refit")
    )
    before = rows.value(name, rows.model)
    expected = np.array(
        [
            [
                before - rows.value(name, rows.with_row(row, label, 1.0))
                for label in range(n_classes)
            ]
            for row in pool
        ]
    )
    largest = abs(expected).max()
    assert_allclose(refit, expected, atol=1e-5 * largest)
    assert_allclose(newton, expected, atol=1e-3 * largest)
    influence = label_influence(rows.model, pool, **rows.given, **further)
    assert_allclose(first, influence, rtol=1e-9)
    assert abs(first - expected).max() > 1e-2 * largest  # or it would show nothing


# The classifier


def marked(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    X = np.vstack([rows.X, rows.X_val + 0.3])
    return X, np.append(np.where(np.arange(40) < 15, rows.y, -1), [-1] * 30)


@pytest.mark.slow
@every_objective
@pytest.mark.parametrize("guard", [False, True])
def test_the_history_has_the_objective_of_the_model_so_far(
    guard: bool, name: str
) -> None:
    rows = Rows(3)
    model = SalutaryClassifier(
        objective=objective_of(name, 3),
        budget=12,
        batch_size=4,
        guard=guard,
        random_state=0,
    )
    X, y = marked(rows)
    model.fit(X, y, rows.X_val, rows.y_val, groups_val=rows.groups)
    kept = [record for record in model.history_ if not record["undone"]]
    last = kept[-1]["validation_loss"]
    assert last == pytest.approx(rows.value(name, model.estimator_), rel=1e-9)
    for record in kept:  # refitted from the labels alone
        own = (model.labeled_iter_ >= 0) & (model.labeled_iter_ <= record["round"])
        refit = rows.fit(X[own], model.transduction_[own], np.ones(own.sum()))
        value = rows.value(name, refit)
        assert record["validation_loss"] == pytest.approx(value, rel=1e-5)
    if not guard:
        assert len(kept) == 4


@every_objective
def test_the_first_round_takes_the_labels_of_largest_influence(name: str) -> None:
    rows = Rows(3)
    X, y = marked(rows)
    objective = objective_of(name, 3)
    model = SalutaryClassifier(
        objective=objective, rule="plausible", budget=4, batch_size=4, guard=False
    ).fit(X, y, rows.X_val, rows.y_val, groups_val=rows.groups)
    own, rest = np.flatnonzero(y >= 0), np.flatnonzero(y < 0)
    start = rows.fit(X[own], y[own], np.ones(len(own)))
    influence = label_influence(
        start,
        X[rest],
        X_train=X[own],
        X_val=rows.X_val,
        y_val=rows.y_val,
        objective=objective,
        groups_val=rows.groups,
    )
    scores = influence * start.predict_proba(X[rest])
    best = np.argsort(-scores.max(axis=1))[:4]
    assert_array_equal(np.flatnonzero(model.labeled_iter_ == 1), np.sort(rest[best]))
    assert_array_equal(model.transduction_[rest[best]], scores[best].argmax(axis=1))
    chosen = influence[best, scores[best].argmax(axis=1)]
    assert_allclose(model.influence_[rest[best]], chosen, rtol=1e-4)


def test_groups_as_words_are_as_good_as_numbers() -> None:
    rows = Rows(3)
    X, y = marked(rows)
    settings = {"objective": "worst_group", "budget": 8, "guard": False}
    numbers, words = (
        SalutaryClassifier(**settings).fit(
            X, y, rows.X_val, rows.y_val, groups_val=groups
        )
        for groups in (rows.groups, np.array(["z", "y", "x"])[rows.groups])
    )
    assert_array_equal(numbers.transduction_, words.transduction_)


@pytest.mark.parametrize("objective", ["balanced", ExpectedCost(COSTS[:3, :3])])
def test_a_clone_fits_to_the_same_labels(objective: Any) -> None:
    rows = Rows(3)
    X, y = marked(rows)
    model = SalutaryClassifier(objective=objective, budget=6, random_state=0)
    twin = clone(model)
    assert twin.get_params()["objective"] == objective
    for each in (model, twin):
        each.fit(X, y, rows.X_val, rows.y_val)
    assert_array_equal(model.transduction_, twin.transduction_)


def test_objectives_without_what_they_need_are_refused() -> None:
    rows = Rows(3)
    X, y = marked(rows)
    with pytest.raises(ValueError, match="pass X_val and y_val too"):
        SalutaryClassifier().fit(X, y, groups_val=rows.groups)
    model = SalutaryClassifier(objective="worst_group")
    with pytest.raises(ValueError, match="pass groups_val"):
        model.fit(X, y, rows.X_val, rows.y_val)
    with pytest.raises(ValueError, match="pass groups_val"):
        model.set_params(guard=False).fit(X, y)
    with pytest.raises(ValueError, match="objective"):
        SalutaryClassifier(objective="accuracy").fit(X, y)
    with pytest.raises(ValueError, match=r"costs must be finite and of shape \(3, 3\)"):
        SalutaryClassifier(objective=ExpectedCost(np.eye(2))).fit(
            X, y, rows.X_val, rows.y_val
        )


# The guard's standard errors


def own_log_loss(logits: np.ndarray, truth: Truth) -> tuple[float, np.ndarray]:
    """A caller's mean log loss."""
    rows = np.arange(len(truth.labels))
    share = truth.weight / truth.weight.sum()
    gradient = softmax(logits, axis=1)
    gradient[rows, truth.labels] -= 1
    value = -share @ log_softmax(logits, axis=1)[rows, truth.labels]
    return float(value), gradient * share[:, None]


@given(st.integers(0, 2**32 - 1), st.integers(2, 20))
def test_the_jackknife_of_a_plain_mean_is_its_standard_error(
    seed: int, n_rows: int
) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, n_rows, 3))
    labels = rng.integers(3, size=n_rows)
    fall, error = decrease_in(
        own_log_loss, Truth(labels, np.ones(n_rows)), before, after
    )
    falls = row_log_loss(before, labels) - row_log_loss(after, labels)
    assert fall == pytest.approx(falls.mean(), rel=1e-9)
    assert error == pytest.approx(stats.sem(falls), rel=1e-9)
    assert (fall, error) == pytest.approx(
        decrease_in(mean_log_loss, Truth(labels, np.ones(n_rows)), before, after)
    )


@pytest.mark.slow
@every_objective
@pytest.mark.parametrize("n_rows", [2, 13, 20, 21, 50])
def test_the_fall_has_the_error_of_leaving_parts_out(n_rows: int, name: str) -> None:
    rng = np.random.default_rng(n_rows)
    before, after = rng.normal(size=(2, n_rows + 5, 3))
    labels, groups = rng.integers(3, size=(2, n_rows + 5))
    weight = rng.uniform(0.5, 2, n_rows + 5)
    weight[rng.permutation(n_rows + 5)[:5]] = 0

    def fall_without(kept: np.ndarray) -> float:
        values = [
            REFERENCES[name](
                labels[kept], softmax(logits[kept], axis=1), weight[kept], groups[kept]
            )
            for logits in (before, after)
        ]
        return values[0] - values[1]

    fall, error = decrease_in(
        objective_of(name, 3), Truth(labels, weight, groups), before, after
    )
    rows = np.flatnonzero(weight)
    assert fall == pytest.approx(fall_without(rows), rel=1e-9)
    if name == "log_loss":
        return  # by the closed form, as tests/labeling/test_guard.py has it
    n_parts = min(20, n_rows)
    parts = [
        fall_without(np.delete(rows, np.s_[part::n_parts])) for part in range(n_parts)
    ]
    expected = math.sqrt((n_parts - 1) * np.var(parts))
    assert error == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "objective",
    [
        mean_log_loss,
        balanced_log_loss,
        ExpectedCost(1 - np.eye(3)),
        pytest.param(
            WorstGroup(),
        ),
        pytest.param(
            lambda logits, truth: (
                float(np.average(row_log_loss(logits, truth.labels))),
                np.zeros_like(logits),
            ),
        ),
    ],
    ids=["log_loss", "balanced", "cost", "worst_group", "callable"],
)
def test_one_row_shows_no_error_of_its_fall(objective: Any) -> None:
    truth = Truth(np.array([1]), np.ones(1), np.array([0]))
    fall, error = decrease_in(objective, truth, np.zeros((1, 3)), np.eye(3)[[1]])
    assert fall > 0
    assert np.isnan(error)


# Of some orders of the rows, large effects cancel in a part by chance.
@settings(max_examples=15, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_influences_on_a_callers_log_loss_have_the_closed_forms_errors(
    seed: int, n_val: int
) -> None:
    rows = Rows(3, n_val=n_val)
    rng = np.random.default_rng(seed)
    viewed = softmax_model(rows.model)
    factored = factor_model(viewed, rows.X, np.ones(40))
    gradient = viewed.probability(rows.pool) - np.eye(3)[rng.integers(3, size=6)]
    order = rng.permutation(n_val)
    exact, found = (
        influence_errors(
            factored,
            rows.pool,
            gradient,
            rows.X_val[order],
            objective,
            Truth(rows.y_val[order], np.ones(n_val)),
        )
        for objective in (mean_log_loss, own_log_loss)
    )
    if n_val <= 20:
        assert_allclose(found, exact, rtol=1e-6)
    else:  # from 20 parts, so off by a sixth, give or take
        assert (abs(np.log(found / exact)) < 1).all()


@every_objective
def test_errors_of_influences_are_those_of_leaving_validation_rows_out(
    name: str,
) -> None:
    rows = Rows(3, n_val=45)
    objective = objective_of(name, 3)
    labels = np.array([0, 1, 2, 0, 1, 2])
    viewed = softmax_model(rows.model)
    factored = factor_model(viewed, rows.X, np.ones(40))
    n_parts, left = (45, np.arange(45)) if name == "log_loss" else (20, range(20))
    found = influence_errors(
        factored,
        rows.pool,
        viewed.probability(rows.pool) - np.eye(3)[labels],
        rows.X_val,
        objective,
        Truth(rows.y_val, np.ones(45), rows.groups),
    )
    parts = []
    for part in left:
        kept = np.delete(np.arange(45), np.s_[part::n_parts])
        influence = label_influence(
            rows.model,
            rows.pool,
            X_train=rows.X,
            X_val=rows.X_val[kept],
            y_val=rows.y_val[kept],
            objective=objective,
            groups_val=rows.groups[kept],
        )
        parts.append(influence[np.arange(6), labels])
    expected = np.sqrt((n_parts - 1) * np.var(parts, axis=0))
    assert_allclose(found, expected, rtol=1e-6)
