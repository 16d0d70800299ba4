"""Influence against the derivative that refits with scikit-learn show."""

import tracemalloc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    RidgeClassifier,
)
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from salutary import InfluenceWarning, label_influence
from salutary.influence import solvers

STEP = 1e-4
PARTS = ("X_pool", "X_train", "X_val")


@dataclass(frozen=True)
class Case:
    """A model's settings and its rows; all float64."""

    model: LogisticRegression
    X_pool: Any
    X_train: Any
    y_train: Any
    X_val: Any
    y_val: Any
    sample_weight: Any = None
    val_weight: Any = None

    def fitted(self) -> LogisticRegression:
        return clone(self.model).fit(self.X_train, self.y_train, self.sample_weight)

    def influence(self, **changes: Any) -> np.ndarray:
        passed = {
            "X_train": self.X_train,
            "y_train": self.y_train,
            "X_val": self.X_val,
            "y_val": self.y_val,
            "sample_weight": self.sample_weight,
            "val_weight": self.val_weight,
        }
        X_pool = changes.pop("X_pool", self.X_pool)
        return label_influence(self.fitted(), X_pool, **(passed | changes))


def draw_case(
    n_classes: int = 3,
    *,
    C: float = 1.0,
    fit_intercept: bool = True,
    n_train: int = 60,
    n_features: int = 4,
    spread: float = 2.0,
    **settings: Any,
) -> Case:
    rows, labels = make_blobs(
        n_train + 34,
        n_features,
        centers=n_classes,
        center_box=(-2, 2),
        cluster_std=spread,
        random_state=7,
    )
    model = LogisticRegression(
        C=C,
        fit_intercept=fit_intercept,
        solver="newton-cholesky",
        tol=1e-10,
        max_iter=1000,
        **settings,
    )
    train, val = slice(4, 4 + n_train), slice(4 + n_train, None)
    return Case(
        model, 1.5 * rows[:2], rows[train], labels[train], rows[val], labels[val]
    )


def class_factor(case: Case) -> np.ndarray:
    """scikit-learn's weight of each class."""
    return compute_class_weight(
        case.model.class_weight,
        classes=np.unique(case.y_train),
        y=case.y_train,
        sample_weight=case.sample_weight,
    )


def measured(case: Case) -> np.ndarray:
    """Fall of the validation loss per unit weight, by refits at weight -+STEP."""
    classes = np.unique(case.y_train)
    factor = class_factor(case)
    weight = np.ones(len(case.y_train))
    if case.sample_weight is not None:
        weight = weight * case.sample_weight
    weight *= factor[np.searchsorted(classes, case.y_train)]
    model = clone(case.model).set_params(class_weight=None)

    def loss(row: np.ndarray, position: int, step: float) -> float:
        model.fit(
            np.vstack([case.X_train, row]),
            np.append(case.y_train, classes[position]),
            np.append(weight, step * factor[position]),
        )
        return log_loss(
            case.y_val,
            model.predict_proba(case.X_val),
            sample_weight=case.val_weight,
            labels=classes,
        )

    return np.array(
        [
            [
                (loss(row, c, -STEP) - loss(row, c, STEP)) / (2 * STEP)
                for c in range(len(classes))
            ]
            for row in case.X_pool
        ]
    )


def worst_error(influence: np.ndarray, reference: np.ndarray) -> float:
    error = np.abs(influence - reference).max(axis=1)
    return float((error / np.abs(reference).max(axis=1)).max())


@pytest.mark.parametrize("C", [0.02, 1.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_influence_is_the_derivative_that_refits_show(
    n_classes: int, fit_intercept: bool, C: float
) -> None:
    case = draw_case(n_classes, C=C, fit_intercept=fit_intercept)
    # Values that float32 holds exactly, so that both dtypes mean the same rows.
    single = {part: getattr(case, part).astype(np.float32) for part in PARTS}
    case = replace(case, **{part: X.astype(float) for part, X in single.items()})
    reference = measured(case)
    assert worst_error(case.influence(), reference) <= 1e-3
    in_single = case.influence(**single)
    assert in_single.dtype == np.float32
    assert worst_error(in_single, reference) <= 1e-2


def weigh_rows(case: Case) -> Case:
    weight = np.linspace(0, 3, len(case.X_train))
    return replace(case, sample_weight=weight)


def weigh_validation(case: Case) -> Case:
    return replace(case, val_weight=np.linspace(0, 3, len(case.X_val)))


def duplicate_columns(case: Case) -> Case:
    return replace(
        case,
        **{part: np.hstack([getattr(case, part)] * 2) for part in PARTS},
    )


def add_constant_column(case: Case) -> Case:
    return replace(
        case,
        **{
            part: np.column_stack([getattr(case, part), np.full(len(rows), 3.0)])
            for part, rows in ((p, getattr(case, p)) for p in PARTS)
        },
    )


def name_classes(case: Case) -> Case:
    names = np.array(["ash", "birch", "cedar"])
    return replace(case, y_train=names[case.y_train], y_val=names[case.y_val])


def drop_class_from_validation(case: Case) -> Case:
    known = case.y_val != 1
    return replace(case, X_val=case.X_val[known], y_val=case.y_val[known])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "change",
    [
        weigh_rows,
        weigh_validation,
        duplicate_columns,
        add_constant_column,
        name_classes,
        drop_class_from_validation,
    ],
)
def test_it_is_so_for_other_rows_and_weights(change: Any, n_classes: int) -> None:
    case = change(draw_case(n_classes))
    assert worst_error(case.influence(), measured(case)) <= 1e-3


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_so_for_nearly_separable_rows(n_classes: int) -> None:
    case = draw_case(n_classes, C=100.0, spread=0.6)
    sure = case.fitted().predict_proba(case.X_train).max(axis=1)
    assert np.median(sure) > 0.999
    assert worst_error(case.influence(), measured(case)) <= 1e-3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_it_is_so_for_class_weights_held_constant(
    class_weight: Any, n_classes: int, weighted: bool
) -> None:
    case = draw_case(n_classes, class_weight=class_weight)
    keep = (case.y_train != 0) | (np.arange(len(case.y_train)) % 3 == 0)
    case = replace(case, X_train=case.X_train[keep], y_train=case.y_train[keep])
    case = weigh_rows(case) if weighted else case
    assert np.ptp(class_factor(case)) > 0.5
    assert worst_error(case.influence(), measured(case)) <= 1e-3


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_so_for_fewer_rows_than_columns(
    n_classes: int, fit_intercept: bool
) -> None:
    case = draw_case(
        n_classes, n_train=15, n_features=25, spread=4.0, fit_intercept=fit_intercept
    )
    assert worst_error(case.influence(), measured(case)) <= 1e-3


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_so_when_nothing_may_be_factored(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solvers, "DIRECT_LIMIT", 0)
    case = draw_case(n_classes)
    assert worst_error(case.influence(), measured(case)) <= 1e-3


def test_it_is_so_for_liblinear_without_intercept() -> None:
    case = draw_case(2, fit_intercept=False)
    liblinear = clone(case.model).set_params(solver="liblinear")
    influence = replace(case, model=liblinear).influence()
    assert worst_error(influence, measured(case)) <= 1e-3


@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
@pytest.mark.parametrize("part", [*PARTS, "all"])
def test_sparse_rows_give_the_same(part: str, hessian: str) -> None:
    case = weigh_rows(draw_case())
    case = replace(
        case,
        **{p: np.where(getattr(case, p) > 0, getattr(case, p), 0.0) for p in PARTS},
    )
    parts = PARTS if part == "all" else (part,)
    changes = {p: sparse.csr_array(getattr(case, p)) for p in parts}
    dense = case.influence(hessian=hessian)
    assert_allclose(case.influence(hessian=hessian, **changes), dense, rtol=1e-8)


def logits(parameters: np.ndarray, X: np.ndarray) -> np.ndarray:
    """scikit-learn's: for two classes one logit, that of the second."""
    values = X @ parameters[:, :-1].T + parameters[:, -1]
    return (
        np.column_stack([np.zeros(len(X)), values])
        if len(parameters) == 1
        else (values)
    )


def gradient(
    parameters: np.ndarray, X: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Gradient of the weighted cross-entropy with soft targets."""
    residual = softmax(logits(parameters, X), axis=1) - target
    residual = (residual * weight[:, None])[:, -len(parameters) :]
    return np.column_stack([residual.T @ X, residual.sum(axis=0)]).ravel()


def with_curvature_of(case: Case, X: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Influences with the Hessian of these rows, differentiated numerically.

    The rows' targets are the model's own probabilities: the curvature does not depend
    on them, and the fitted model is stationary for them.
    """
    model = case.fitted()
    fitted = np.column_stack([model.coef_, model.intercept_])
    target = model.predict_proba(X)
    columns = []
    for unit in np.eye(fitted.size):
        step = 1e-5 * unit.reshape(fitted.shape)
        ahead = gradient(fitted + step, X, target, weight)
        columns.append((ahead - gradient(fitted - step, X, target, weight)) / 2e-5)
    penalty = np.full(fitted.shape, 1 / case.model.C)
    penalty[:, -1] = 0
    hessian = np.column_stack(columns) + np.diag(penalty.ravel())
    n_val = len(case.y_val)
    classes = np.eye(len(model.classes_))
    of_loss = gradient(
        fitted, case.X_val, classes[case.y_val], np.full(n_val, 1 / n_val)
    )
    direction = np.linalg.pinv(hessian, rcond=1e-9) @ of_loss
    return np.array(
        [
            [
                direction @ gradient(fitted, x[None], c[None], np.ones(1))
                for c in classes
            ]
            for x in case.X_pool
        ]
    )


@pytest.mark.parametrize("rows", ["train", "pool", "both"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_pool", [3, 50])
def test_hessian_has_the_mean_curvature_of_the_rows_it_names(
    n_pool: int, n_classes: int, rows: Any
) -> None:
    case = weigh_rows(draw_case(n_classes))
    rng = np.random.default_rng(0)
    case = replace(case, X_pool=3 * rng.normal(size=(n_pool, 4)))
    total = case.sample_weight.sum()
    own, ones = case.sample_weight, np.ones(n_pool)
    X, weight = {
        "train": (case.X_train, own),
        "pool": (case.X_pool, ones * total / n_pool),
        "both": (
            np.vstack([case.X_train, case.X_pool]),
            np.r_[own, ones] * total / (total + n_pool),
        ),
    }[rows]
    reference = with_curvature_of(case, X, weight)
    assert worst_error(case.influence(hessian=rows), reference) <= 1e-6


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_pool_of_the_training_rows_makes_all_hessians_equal(n_classes: int) -> None:
    case = draw_case(n_classes)
    case = replace(case, X_pool=case.X_train)
    train, pool, both = (
        case.influence(hessian=rows) for rows in ("train", "pool", "both")
    )
    assert_allclose(pool, train, rtol=1e-9, atol=1e-12)
    assert_allclose(both, train, rtol=1e-9, atol=1e-12)


# Properties, which hold at any coefficients, so nothing is fitted below.

SEEDS = st.integers(0, 2**32 - 1)
HESSIANS = st.sampled_from(["train", "pool", "both"])


def any_model(
    rng: np.random.Generator, n_classes: int, n_features: int
) -> LogisticRegression:
    model = LogisticRegression(C=float(10 ** rng.uniform(-2, 2)))
    model.classes_ = np.arange(n_classes)
    n_logits = 1 if n_classes == 2 else n_classes
    model.coef_ = rng.normal(size=(n_logits, n_features))
    model.intercept_ = rng.normal(size=n_logits)
    return model


def any_rows(rng: np.random.Generator, n_classes: int, n_features: int) -> dict:
    n_train, n_val = rng.integers(n_classes, 12, size=2)
    return {
        "X_train": rng.normal(size=(n_train, n_features)),
        "X_val": rng.normal(size=(n_val, n_features)),
        "y_val": rng.integers(n_classes, size=n_val),
        "sample_weight": rng.integers(1, 3, size=n_train),
        "val_weight": rng.integers(1, 3, size=n_val),
    }


@pytest.mark.slow
@given(SEEDS, st.integers(2, 5), st.integers(1, 6), HESSIANS)
def test_influences_weighted_by_probability_sum_to_zero(
    seed: int, n_classes: int, n_features: int, hessian: Any
) -> None:
    rng = np.random.default_rng(seed)
    model = any_model(rng, n_classes, n_features)
    X_pool = rng.normal(size=(5, n_features))
    influence = label_influence(
        model, X_pool, hessian=hessian, **any_rows(rng, n_classes, n_features)
    )
    total = (model.predict_proba(X_pool) * influence).sum(axis=1)
    assert_allclose(total, 0, atol=1e-12 * np.abs(influence).max())


@pytest.mark.slow
@given(SEEDS, st.integers(2, 5), HESSIANS)
def test_weight_two_is_the_row_twice(seed: int, n_classes: int, hessian: Any) -> None:
    rng = np.random.default_rng(seed)
    model, X_pool = any_model(rng, n_classes, 3), rng.normal(size=(4, 3))
    weighted = any_rows(rng, n_classes, 3)
    train, val = weighted["sample_weight"], weighted["val_weight"]
    twice = {
        "X_train": np.repeat(weighted["X_train"], train, axis=0),
        "X_val": np.repeat(weighted["X_val"], val, axis=0),
        "y_val": np.repeat(weighted["y_val"], val),
    }
    first = label_influence(model, X_pool, hessian=hessian, **weighted)
    second = label_influence(model, X_pool, hessian=hessian, **twice)
    assert_allclose(first, second, atol=1e-9 * np.abs(second).max())


@pytest.mark.slow
@given(SEEDS, st.integers(2, 5), HESSIANS)
def test_the_order_of_rows_and_classes_carries_over(
    seed: int, n_classes: int, hessian: Any
) -> None:
    rng = np.random.default_rng(seed)
    model, X_pool = any_model(rng, n_classes, 3), rng.normal(size=(4, 3))
    rows = any_rows(rng, n_classes, 3)
    straight = label_influence(model, X_pool, hessian=hessian, **rows)

    pool, train, val, classes = (
        rng.permutation(n)
        for n in (4, len(rows["X_train"]), len(rows["X_val"]), n_classes)
    )
    moved = clone(model)
    moved.classes_ = model.classes_
    if n_classes == 2:
        sign = 1 if classes[0] == 0 else -1
        moved.coef_, moved.intercept_ = sign * model.coef_, sign * model.intercept_
    else:
        moved.coef_, moved.intercept_ = model.coef_[classes], model.intercept_[classes]
    permuted = label_influence(
        moved,
        X_pool[pool],
        hessian=hessian,
        X_train=rows["X_train"][train],
        sample_weight=rows["sample_weight"][train],
        X_val=rows["X_val"][val],
        y_val=np.argsort(classes)[rows["y_val"][val]],
        val_weight=rows["val_weight"][val],
    )
    assert_allclose(
        permuted, straight[pool][:, classes], atol=1e-9 * np.abs(straight).max()
    )


def test_a_pool_of_many_blocks_is_scored_row_by_row() -> None:
    case = draw_case()
    pool = np.random.default_rng(0).normal(size=(10_000, 4))
    whole = case.influence(X_pool=pool)
    ends = [0, 4095, 4096, 8192, 9999]
    assert_allclose(whole[ends], case.influence(X_pool=pool[ends]), rtol=1e-9)


@pytest.mark.parametrize("hessian", ["train", "both"])
def test_memory_besides_the_result_does_not_grow_with_the_pool(hessian: Any) -> None:
    case = draw_case()
    model = case.fitted()
    rows = {"X_train": case.X_train, "X_val": case.X_val, "y_val": case.y_val}
    extra = []
    for n_pool in (20_000, 160_000):
        pool = np.random.default_rng(0).normal(size=(n_pool, 4))
        tracemalloc.start()
        result = label_influence(model, pool, hessian=hessian, **rows)
        extra.append(tracemalloc.get_traced_memory()[1] - result.nbytes)
        tracemalloc.stop()
    assert extra[1] - extra[0] < 140_000


# Warnings


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_model_stopped_early_is_warned_of_when_labels_are_passed(
    n_classes: int,
) -> None:
    case = draw_case(n_classes)
    case = replace(case, model=clone(case.model).set_params(solver="lbfgs", tol=0.1))
    with pytest.warns(InfluenceWarning, match="smaller tol, for instance tol=1e-8"):
        case.influence()
    case.influence(y_train=None)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_model_stopped_early_on_separable_rows_is_warned_of(n_classes: int) -> None:
    case = draw_case(n_classes, C=1e6, spread=0.2)
    converged = case.influence()
    early = replace(case, model=clone(case.model).set_params(solver="lbfgs", tol=1e-6))
    with pytest.warns(InfluenceWarning, match="tol"):
        influence = early.influence()
    assert worst_error(influence, converged) > 0.01


@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_rows_with_hardly_a_penalty_are_warned_of(n_classes: int) -> None:
    case = draw_case(n_classes, C=1e10, spread=0.2)
    case = replace(case, model=clone(case.model).set_params(solver="lbfgs", tol=1e-8))
    with pytest.warns(InfluenceWarning, match="tol|smaller C"):
        influence = case.influence()
    assert np.isfinite(influence).all()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_convergence_does_not_depend_on_the_units_of_features(scale: float) -> None:
    case = draw_case(3, C=1 / scale**2)
    case = replace(
        case,
        X_pool=case.X_pool * scale,
        X_train=case.X_train * scale,
        X_val=case.X_val * scale,
    )
    case.influence()
    model = case.fitted()
    model.coef_ = model.coef_ * 1.2
    rows = {"X_train": case.X_train, "X_val": case.X_val, "y_val": case.y_val}
    with pytest.warns(InfluenceWarning, match="not converged"):
        label_influence(model, case.X_pool, y_train=case.y_train, **rows)


@pytest.mark.parametrize("direct_limit", [0, solvers.DIRECT_LIMIT])
@pytest.mark.parametrize("n_train", [5, 60])
def test_a_saturated_model_is_warned_of_and_gives_finite_influences(
    n_train: int, direct_limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solvers, "DIRECT_LIMIT", direct_limit)
    case = draw_case(3, n_train=n_train, n_features=8)
    model = any_model(np.random.default_rng(0), 3, 8)
    model.coef_ *= 1e4
    with pytest.warns(InfluenceWarning, match="use a smaller C"):
        influence = label_influence(
            model,
            case.X_pool,
            X_train=case.X_train,
            X_val=case.X_val,
            y_val=case.y_val,
        )
    assert np.isfinite(influence).all()


def test_duplicated_columns_without_penalty_to_speak_of_are_warned_of() -> None:
    case = duplicate_columns(draw_case(C=1e12, n_train=60))
    with pytest.warns(InfluenceWarning, match="drop duplicated"):
        influence = case.influence(y_train=None)
    assert np.isfinite(influence).all()


# Refusals


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (RidgeClassifier(), "RidgeClassifier; fit a LogisticRegression on that model"),
        (LogisticRegressionCV(), r"fit LogisticRegression\(C=\.\.\.\) with the C it"),
    ],
)
def test_other_models_are_refused(model: Any, match: str) -> None:
    case = draw_case()
    with pytest.raises(TypeError, match=match):
        label_influence(
            model, case.X_pool, X_train=case.X_train, X_val=case.X_val, y_val=case.y_val
        )


def test_an_unfitted_model_is_refused() -> None:
    case = draw_case()
    with pytest.raises(NotFittedError, match="fit"):
        label_influence(
            case.model,
            case.X_pool,
            X_train=case.X_train,
            X_val=case.X_val,
            y_val=case.y_val,
        )


def test_class_weights_without_training_labels_are_refused() -> None:
    case = draw_case(class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced'.* pass y_train"):
        case.influence(y_train=None)


def test_an_unknown_hessian_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of \('train', 'pool', 'both'\): 'val'"):
        draw_case().influence(hessian="val")


@pytest.mark.parametrize("name", ["y_val", "y_train"])
def test_an_unknown_label_is_refused(name: str) -> None:
    case = draw_case()
    labels = getattr(case, name).copy()
    labels[[4, 9]] = 8
    with pytest.raises(ValueError, match=rf"{name} has the class 8 \(row 4\).*drop it"):
        case.influence(**{name: labels})


@pytest.mark.parametrize("name", ["y_val", "y_train"])
@pytest.mark.parametrize("n_missing", [-1, 1])
def test_labels_of_another_length_than_their_rows_are_refused(
    name: str, n_missing: int
) -> None:
    case = draw_case()
    labels = getattr(case, name)
    labels = labels[:-1] if n_missing == 1 else np.append(labels, 0)
    with pytest.raises(ValueError, match=f"{name}|inconsistent numbers of samples"):
        case.influence(**{name: labels})


@pytest.mark.parametrize("name", PARTS)
def test_rows_of_another_width_are_refused(name: str) -> None:
    case = draw_case()
    with pytest.raises(ValueError, match=f"{name} has 3 features.* fitted with 4"):
        case.influence(**{name: getattr(case, name)[:, :3]})


@pytest.mark.parametrize("name", ["sample_weight", "val_weight"])
@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan])
def test_impossible_weights_are_refused_by_name(name: str, value: float) -> None:
    case = draw_case()
    rows = case.X_train if name == "sample_weight" else case.X_val
    with pytest.raises(ValueError, match=name):
        case.influence(**{name: np.full(len(rows), value)})


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    ("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_values_that_are_not_finite_are_refused_with_their_place(
    container: Any, value: float, kind: str, name: str
) -> None:
    case = draw_case()
    X = getattr(case, name).copy()
    X[1, 2:] = value
    place = r"row 1, column 2( \(2\))?\.$"
    with pytest.raises(ValueError, match=rf"^Input {name} contains {kind}.*{place}"):
        case.influence(**{name: container(X)})
