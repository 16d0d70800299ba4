"""Greedy picks against the formulas in plain NumPy, SciPy's optimizers, and refits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from salutary import label_influence
from salutary.influence.factored import FactoredModel, factor_model
from salutary.influence.softmax import softmax_model
from salutary.labeling import batch_greedy
from salutary.labeling.batch_greedy import pick_greedily
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES
from salutary.labeling.selection import Keep, Selection
from salutary.pools.arrays import ArrayPool

Seen = list[tuple[np.ndarray, np.ndarray]]


def blobs(
    n: int, seed: int, n_classes: int, n_features: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    centers = np.random.default_rng(7).normal(size=(n_classes, n_features))
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n - n_classes)]
    return centers[y] + rng.normal(size=(n, n_features)), y.astype(np.intp)


@dataclass
class Case:
    """A fitted model, validation rows, and a shortlist of rows with a label each."""

    model: LogisticRegression
    X_train: np.ndarray
    y_train: np.ndarray
    weight_train: np.ndarray
    validation: LabeledRows
    X: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    class_weight: np.ndarray | None = None
    container: Any = np.asarray

    def factored(self) -> FactoredModel:
        model = softmax_model(self.model)
        weight = self.weight_train * self.factor(self.y_train)
        X_train = self.container(self.X_train)
        return factor_model(model, X_train, weight, self.class_weight)

    def factor(self, labels: np.ndarray) -> np.ndarray:
        if self.class_weight is None:
            return np.ones(len(labels))
        return self.class_weight[labels]

    def influence(self) -> np.ndarray:
        """By the public function; of weight one, class weights included."""
        return label_influence(
            self.model,
            self.X,
            X_train=self.X_train,
            y_train=self.y_train,
            sample_weight=self.weight_train,
            X_val=self.validation.X,
            y_val=self.validation.labels,
            val_weight=self.validation.weight,
        )

    def shortlist(self, order: np.ndarray | None = None) -> Selection:
        n, n_classes = len(self.X), len(self.model.classes_)
        order = np.arange(n) if order is None else order
        whole = Selection.unexamined(
            np.arange(n) * 3,
            self.labels,
            np.zeros(n),
            np.arange(n * n_classes, dtype=float).reshape(n, n_classes),
            np.zeros((n, n_classes)),
        )
        return whole.take(order)

    def problem(self) -> Problem:
        """Its pool has two rows more after each of the shortlist's."""
        X, weight = np.repeat(self.X, 3, axis=0), np.repeat(self.weight, 3)
        X[np.arange(len(X)) % 3 > 0] = np.nan
        labeled = LabeledRows(self.X_train, self.y_train, self.weight_train)
        return Problem(
            estimator=self.model,
            classes=self.model.classes_,
            labeled=labeled,
            validation=self.validation,
            folds=(),
            pool=ArrayPool.of(self.container(X), weight),
            rule=RULES["tempered"],
            hessian="train",
            batch_size=10,
        )

    def pick(
        self, size: int, exponent: float = 1.0, order: np.ndarray | None = None
    ) -> tuple[list[int], Seen]:
        """Places picked, and what the rule was shown before each pick."""
        seen: Seen = []

        def scores(influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
            seen.append((influence.copy(), probability.copy()))
            return influence * probability**exponent

        order = np.arange(len(self.X)) if order is None else order
        found = pick_greedily(
            self.problem(),
            self.factored(),
            replace_matrix(self.validation, self.container),
            self.shortlist(order),
            scores,
            size,
        )
        assert_array_equal(found.labels, self.labels[found.rows // 3])
        # What the shortlist says of a row stays with it.
        assert_array_equal(
            found.influence[:, 0] // found.influence.shape[1] * 3, found.rows
        )
        return (found.rows // 3).tolist(), seen


def replace_matrix(rows: LabeledRows, container: Any) -> LabeledRows:
    return LabeledRows(container(rows.X), rows.labels, rows.weight)


def make_case(
    n_classes: int = 3,
    *,
    C: float = 1.0,
    weighted: bool = False,
    class_weight: Any = None,
    fit_intercept: bool = True,
    n_validation: int = 40,
    n_shortlist: int = 25,
    container: Any = np.asarray,
) -> Case:
    X, y = blobs(30, 0, n_classes)
    X_val, y_val = blobs(n_validation, 1, n_classes)
    X_pool, _ = blobs(n_shortlist, 2, n_classes)
    rng = np.random.default_rng(3)

    def weights(n: int) -> np.ndarray:
        return rng.uniform(0.5, 3, size=n) if weighted else np.ones(n)

    weight = weights(len(y))
    model = LogisticRegression(
        C=C,
        class_weight=class_weight,
        fit_intercept=fit_intercept,
        tol=1e-10,
        solver="newton-cholesky",
    ).fit(X, y, weight)
    factors = None
    if class_weight is not None:
        factors = compute_class_weight(
            class_weight, classes=model.classes_, y=y, sample_weight=weight
        )
    validation = LabeledRows(X_val, y_val, weights(n_validation))
    case = Case(
        *(model, X, y, weight, validation, X_pool, np.zeros(n_shortlist, np.intp)),
        *(weights(n_shortlist), factors, container),
    )
    score = case.influence() * model.predict_proba(X_pool)
    return Case(**{**vars(case), "labels": score.argmax(axis=1)})


class Plain:
    """The picks as documented, on a full matrix, its gauge left to a pseudo-inverse."""

    def __init__(self, case: Case, looked_at: int = 10**9) -> None:
        self.case = case
        model, K = case.model, len(case.model.classes_)
        self.theta = np.column_stack(
            [model.coef_, model.intercept_ * np.ones(len(model.coef_))]
        )
        if K == 2:
            self.theta = np.vstack([-self.theta, self.theta]) / 2
        penalty = (2 if K == 2 else 1) / model.C
        X = self.extended(case.X_train)
        P = softmax(X @ self.theta.T, axis=1)
        weight = case.weight_train * case.factor(case.y_train)
        H = np.zeros((K, X.shape[1], K, X.shape[1]))
        for x, p, w in zip(X, P, weight, strict=True):
            H += w * np.einsum("ab,i,j->aibj", np.diag(p) - np.outer(p, p), x, x)
        for k in range(K):
            for j in range(model.n_features_in_):
                H[k, j, k, j] += penalty
        size = K * X.shape[1]
        self.inverse = np.linalg.pinv(H.reshape(size, size), rcond=1e-11)
        step = -(-len(case.validation) // looked_at)
        self.seen = case.validation.take(np.arange(0, len(case.validation), step))
        at_start = self.gradient(case.validation, self.theta)
        self.unseen = at_start - self.gradient(self.seen, self.theta)

    def extended(self, X: np.ndarray) -> np.ndarray:
        X = np.column_stack([X, np.ones(len(X))])
        if not self.case.model.fit_intercept:
            X[:, -1] = 0
        return X

    def gradient(self, rows: LabeledRows, theta: np.ndarray) -> np.ndarray:
        X = self.extended(rows.X)
        residual = softmax(X @ theta.T, axis=1)
        residual[np.arange(len(X)), rows.labels] -= 1
        share = rows.weight / rows.weight.sum()
        return (residual * share[:, None]).T @ X

    def solved(self, gradient: np.ndarray) -> np.ndarray:
        return (self.inverse @ gradient.ravel()).reshape(gradient.shape)

    def picks(self, size: int, exponent: float) -> tuple[list[int], Seen]:
        case, theta = self.case, self.theta.copy()
        X = self.extended(case.X)
        own = np.arange(len(X)), case.labels
        weight = case.weight * case.factor(case.labels)
        picked: list[int] = []
        seen: Seen = []
        while len(picked) < size:
            direction = self.solved(self.gradient(self.seen, theta) + self.unseen)
            P, S = softmax(X @ theta.T, axis=1), X @ direction.T
            influence = (P * S).sum(axis=1)[:, None] - S
            influence = influence * case.factor(np.arange(P.shape[1]))
            seen.append((influence, P))
            score = (influence * P**exponent)[own] * case.weight
            score[picked] = -np.inf
            if score.max() <= 0:
                break
            best = int(score.argmax())
            picked.append(best)
            pull = np.eye(P.shape[1])[case.labels[best]] - P[best]
            move = self.solved(np.outer(pull, X[best]))
            curvature = np.sum(np.outer(pull, X[best]) * move)

            aim = weight[best], case.labels[best], theta @ X[best], move @ X[best]
            theta = theta + self.length(curvature, *aim) * move
        return picked, seen

    @staticmethod
    def length(
        curvature: float, weight: float, label: int, logits: Any, change: Any
    ) -> float:
        """How far to go along a pull: the quadratic and the row's own loss, minimal."""

        def worth(t: float) -> float:
            loss = -log_softmax(logits + t * change)[label]
            return t**2 / 2 * curvature + weight * loss

        exactly = {"xatol": 1e-10}
        found = minimize_scalar(
            worth, bounds=(0, weight), method="bounded", options=exactly
        )
        return float(found.x)


def assert_same_run(
    found: tuple[list[int], Seen], expected: tuple[list[int], Seen], rtol: float
) -> None:
    assert found[0] == expected[0]
    for (influence, probability), (influence_then, probability_then) in zip(
        found[1], expected[1], strict=True
    ):
        scale = np.abs(influence_then).max()
        assert_allclose(influence, influence_then, rtol=rtol, atol=rtol * scale)
        assert_allclose(probability, probability_then, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"C": 0.05},
        {"weighted": True},
        {"class_weight": "balanced", "weighted": True},
        {"class_weight": {0: 5.0}},
        {"fit_intercept": False},
    ],
)
def test_picks_are_those_of_the_formulas_on_a_full_matrix(
    settings: dict[str, Any], n_classes: int, exponent: float
) -> None:
    case = make_case(n_classes, **settings)
    expected = Plain(case).picks(8, exponent)
    assert len(set(expected[0])) > 3
    assert_same_run(case.pick(8, exponent), expected, rtol=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
@pytest.mark.parametrize(
    "settings", [{}, {"weighted": True, "class_weight": {0: 5.0, 2: 0.5}}]
)
def test_the_first_pick_is_the_best_by_the_public_influence(
    settings: dict[str, Any], exponent: float
) -> None:
    case = make_case(**settings)
    score = case.influence() * case.model.predict_proba(case.X) ** exponent
    score = score[np.arange(len(case.X)), case.labels] * case.weight
    assert case.pick(1, exponent)[0] == [score.argmax()]


@pytest.mark.parametrize("weight", [1.0, 20.0])
@pytest.mark.parametrize("C", [0.05, 1.0, 100.0])
def test_for_two_classes_a_pick_moves_the_model_to_the_optimum_with_the_row(
    C: float, weight: float
) -> None:
    """That of the quadratic the other rows leave, and the row's own loss, by SciPy."""
    case = make_case(2, C=C)
    case.weight = np.full(len(case.X), weight)
    (first, *_), seen = case.pick(2, 1.0)
    X = np.column_stack([case.X_train, np.ones(len(case.X_train))])
    start = np.r_[case.model.coef_[0], case.model.intercept_]
    p = 1 / (1 + np.exp(-X @ start))
    H = (X * (p * (1 - p))[:, None]).T @ X + np.diag([1 / C] * 4 + [0])
    x, sign = np.r_[case.X[first], 1], 2 * case.labels[first] - 1

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        move, margin = theta - start, sign * (theta @ x)
        value = move @ H @ move / 2 + weight * np.logaddexp(0, -margin)
        return value, H @ move - weight * sign * x / (1 + np.exp(margin))

    best = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    probability = 1 / (1 + np.exp(-(case.X @ best.x[:4] + best.x[4])))
    before, after = seen[0][1][:, 1], seen[1][1][:, 1]
    assert_allclose(after, probability, rtol=1e-5, atol=1e-7)
    assert np.abs(before - after).max() > 1e-3


def test_the_influences_after_a_pick_are_nearly_those_of_a_refit() -> None:
    case = make_case(C=0.01)
    (first, *_), seen = case.pick(2, 1.0)
    X = np.vstack([case.X_train, case.X[first]])
    y = np.append(case.y_train, case.labels[first])
    refit = LogisticRegression(C=0.01, tol=1e-10, solver="newton-cholesky").fit(X, y)
    influence = label_influence(
        refit, case.X, X_train=X, X_val=case.validation.X, y_val=case.validation.labels
    )
    change = influence - case.influence()
    # The pick explains nearly all of what a refit changes, without one.
    assert np.abs(seen[1][0] - influence).max() < 0.25 * np.abs(change).max()
    assert_allclose(seen[1][1], refit.predict_proba(case.X), atol=1e-3)


def test_ten_copies_of_the_best_row_are_not_ten_picks() -> None:
    case = make_case(C=1.0, n_shortlist=15)
    best = case.pick(1)[0][0]
    order = np.r_[np.full(10, best), np.setdiff1d(np.arange(15), [best])]
    copied = Case(
        **{**vars(case), "X": case.X[order], "labels": case.labels[order]},
    )
    copied.weight = np.ones(len(order))
    score = copied.influence() * case.model.predict_proba(copied.X)
    keep = Keep(10, of_each_class=False)
    together = keep(Selection.empty(3), np.arange(len(order)), score, score, score)
    assert sorted(together.rows.tolist()) == list(range(10))
    picked, _ = copied.pick(10)
    assert picked[0] == 0
    # Each pick of a copy makes the next worth less, until another row is worth more.
    assert sum(place >= 10 for place in picked) >= 3
    assert len(picked) == 10


def test_picks_end_where_no_row_seems_to_help_any_more() -> None:
    case = make_case(n_shortlist=15)
    best = case.pick(1)[0][0]
    heavy = Case(
        **{**vars(case), "X": case.X[[best] * 5], "labels": case.labels[[best] * 5]}
    )
    heavy.weight = np.full(5, 200.0)
    picked, seen = heavy.pick(5)
    assert 1 <= len(picked) < 5
    assert (seen[-1][0][:, heavy.labels[0]] <= 0).all()


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_order_of_the_shortlist_changes_nothing(
    n_classes: int, copies: int
) -> None:
    case = make_case(n_classes, weighted=True)
    place = np.repeat(np.arange(len(case.X)), copies)
    case = Case(
        **{
            **vars(case),
            "X": case.X[place],
            "labels": case.labels[place],
            "weight": case.weight[place],
        }
    )
    expected, _ = case.pick(8)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(place))
        assert case.pick(8, order=order)[0] == expected


@pytest.mark.parametrize("n_classes", [2, 3])
def test_of_equal_rows_the_lower_is_picked_first(n_classes: int) -> None:
    case = make_case(n_classes, n_shortlist=12)
    place = np.tile(np.arange(12), 3)
    tiled = Case(
        **{**vars(case), "X": case.X[place], "labels": case.labels[place]},
    )
    tiled.weight = np.ones(36)
    picked, _ = tiled.pick(20)
    for place in range(12):
        copies = [pick for pick in picked if pick % 12 == place]
        assert copies == [place, place + 12, place + 24][: len(copies)]


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_sparse_rows_are_picked_as_dense_ones(n_classes: int, container: Any) -> None:
    dense, other = (
        make_case(n_classes, weighted=True, container=kind)
        for kind in (np.asarray, container)
    )
    assert_same_run(other.pick(8), dense.pick(8), rtol=1e-9)


def test_float32_rows_are_picked_as_their_float64_copies() -> None:
    case = make_case()
    single = Case(**{**vars(case), "container": lambda X: X.astype(np.float32)})
    rounded = Case(
        **{**vars(case), "container": lambda X: X.astype(np.float32).astype(float)}
    )
    assert_same_run(single.pick(8), rounded.pick(8), rtol=1e-12)


@pytest.mark.parametrize("looked_at", [7, 20, 39])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_many_validation_rows_a_part_renews_the_direction(
    looked_at: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_greedy, "SAMPLE_ROWS", looked_at)
    case = make_case(weighted=weighted)
    found = case.pick(6)
    assert_same_run(found, Plain(case, looked_at).picks(6, 1.0), rtol=1e-5)
    # All rows decide the first pick.
    assert_allclose(found[1][0][0], case.influence(), rtol=1e-6, atol=1e-9)


def test_more_rows_than_are_looked_at_pick_nearly_what_all_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make_case(n_validation=5_000)
    assert batch_greedy.SAMPLE_ROWS < 5_000
    picked, seen = case.pick(8)
    monkeypatch.setattr(batch_greedy, "SAMPLE_ROWS", 5_000)
    exactly, seen_all = case.pick(8)
    assert_allclose(seen[0][0], seen_all[0][0], rtol=1e-9, atol=1e-12)
    assert picked == exactly
    change = np.abs(seen_all[-1][0] - seen_all[0][0]).max()
    off = np.abs(seen[-1][0] - seen_all[-1][0]).max()
    assert 0 < off < 0.2 * change


def test_a_part_without_any_weight_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_greedy, "SAMPLE_ROWS", 20)
    case = make_case()
    weight = np.where(np.arange(40) % 2 == 0, 0.0, 1.0)
    case.validation = LabeledRows(case.validation.X, case.validation.labels, weight)
    assert_same_run(case.pick(6), Plain(case).picks(6, 1.0), rtol=1e-5)


def test_a_row_that_the_model_is_sure_of_changes_nothing() -> None:
    case = make_case(2, C=100.0, n_shortlist=4)
    case.X = case.X * np.array([1e4, 1e3, 1, 1])[:, None]
    case.labels = case.model.predict(case.X)
    for exponent in (0.0, 1.0, 2.0):
        picked, seen = case.pick(4, exponent)
        assert len(set(picked)) == len(picked)
        assert all(np.isfinite(part).all() for pair in seen for part in pair)


def test_a_shortlist_without_rows_gives_none() -> None:
    case = make_case(n_shortlist=3)
    none = np.zeros(0, dtype=np.intp)
    assert case.pick(5, order=none)[0] == []
