"""What labels do to the training rows, against refits with rows split in two."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary import label_influence, relabel
from salutary.labeling.edits import AddRow, SwitchLabel, TrainingEdit
from salutary.labeling.rows import LabeledRows
from salutary.pools.arrays import ArrayPool

X, Y = make_blobs(70, 3, centers=3, center_box=(-2, 2), cluster_std=1.5, random_state=4)
TRAIN, VAL = np.arange(30), np.arange(30, 70)
WEIGHT = np.linspace(0.5, 2, 30)


def pool_of(rows: LabeledRows) -> ArrayPool:
    return ArrayPool.of(rows.X, rows.weight)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"fit_intercept": False}, {"class_weight": {0: 1.0, 1: 5.0, 2: 0.2}}],
    ids=["plain", "no intercept", "class weight"],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_effect_of_a_switch_is_the_derivative_that_split_rows_show(
    n_classes: int, parameters: dict[str, Any]
) -> None:
    y = Y[TRAIN] % n_classes
    if n_classes == 2:
        parameters = {**parameters}
        if "class_weight" in parameters:
            parameters["class_weight"] = {0: 1.0, 1: 5.0}
    kept = VAL if n_classes == 3 else VAL[Y[VAL] < 2]
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, **parameters)
    model.fit(X[TRAIN], y, sample_weight=WEIGHT)
    influence = label_influence(
        model,
        X[TRAIN],
        X_train=X[TRAIN],
        y_train=y,
        sample_weight=WEIGHT,
        X_val=X[kept],
        y_val=Y[kept],
    )
    rows = np.array([7, 3, 20])
    effect = SwitchLabel(y).effect(influence[rows], rows)
    assert effect.shape == (3, n_classes)
    assert not effect[np.arange(3), y[rows]].any()
    for place, row in enumerate(rows):
        for label in set(range(n_classes)) - {y[row]}:
            losses = []
            for moved in (-1e-3, 1e-3):
                # The row keeps all but a little of its weight, which the other
                # label gets; and the reverse by a row that has the rest.
                weight = np.append(WEIGHT, [0.1 + moved])
                weight[row] -= 0.1 + moved
                twin = np.append(y, label)
                refit = LogisticRegression(
                    solver="newton-cholesky", tol=1e-12, **parameters
                ).fit(np.vstack([X[TRAIN], X[row]]), twin, sample_weight=weight)
                losses.append(log_loss(Y[kept], refit.predict_proba(X[kept])))
            middle = LogisticRegression(
                solver="newton-cholesky", tol=1e-12, **parameters
            ).fit(
                np.vstack([X[TRAIN], X[row]]),
                np.append(y, label),
                sample_weight=_split(row),
            )
            at_middle = label_influence(
                middle,
                X[[row]],
                X_train=np.vstack([X[TRAIN], X[row]]),
                y_train=np.append(y, label),
                sample_weight=_split(row),
                X_val=X[kept],
                y_val=Y[kept],
            )
            found = SwitchLabel(y).effect(at_middle, np.array([row]))[0, label]
            difference = (losses[0] - losses[1]) / 2e-3
            assert found == pytest.approx(difference, rel=1e-4, abs=1e-8)
        # At the model itself, by differences from one side.
        label = (y[row] + 1) % n_classes
        values = []
        for moved in (0.0, 1e-3, 2e-3):
            weight = np.append(WEIGHT, moved)
            weight[row] -= moved
            refit = LogisticRegression(
                solver="newton-cholesky", tol=1e-12, **parameters
            ).fit(
                np.vstack([X[TRAIN], X[row]]), np.append(y, label), sample_weight=weight
            )
            values.append(log_loss(Y[kept], refit.predict_proba(X[kept])))
        slope = (3 * values[0] - 4 * values[1] + values[2]) / 2e-3
        assert effect[place, label] == pytest.approx(slope, rel=1e-3, abs=1e-7)


def _split(row: int) -> np.ndarray:
    weight = np.append(WEIGHT, 0.1)
    weight[row] -= 0.1
    return weight


@st.composite
def rows_of_classes(
    draw: st.DrawFn,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Logits, own labels, new labels, class weights."""
    n_rows, n_classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.normal(scale=3, size=(n_rows, n_classes))
    own, new = rng.integers(n_classes, size=(2, n_rows))
    factors = rng.uniform(0.1, 5, n_classes) if draw(st.booleans()) else None
    return logits, own, new, factors


@given(rows_of_classes(), st.booleans())
def test_a_pull_is_minus_the_gradient_of_what_the_label_adds(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], switches: bool
) -> None:
    logits, own, new, factors = rows
    n_rows, n_classes = logits.shape
    weights = np.ones(n_classes) if factors is None else factors
    edit: TrainingEdit = SwitchLabel(own[::-1].copy()) if switches else AddRow()
    # The pool's rows in reverse, so that rows and places differ.
    places = np.arange(n_rows)[::-1]
    found = edit.pull(softmax(logits, axis=1), places, new, factors)

    def added(at: np.ndarray, row: int) -> float:
        loss = -weights * log_softmax(at)
        return float(loss[new[row]] - (loss[own[row]] if switches else 0))

    for row in range(n_rows):
        for k in range(n_classes):
            step = 1e-5 * np.eye(n_classes)[k]
            rise = added(logits[row] + step, row) - added(logits[row] - step, row)
            assert found[row, k] == pytest.approx(-rise / 2e-5, rel=1e-5, abs=1e-7)
    assert_allclose(found.sum(axis=1), 0, atol=1e-13)


def test_a_row_the_model_is_sure_of_keeps_its_digits() -> None:
    probability = np.array([[1.0, 1e-30, 1e-40]])
    rows, label = np.array([0]), np.array([0])
    assert_allclose(
        AddRow().pull(probability, rows, label, None), [[1e-30, -1e-30, -1e-40]]
    )


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_switched_rows_stay_where_they_are(container: Any) -> None:
    labeled = LabeledRows(container(X[TRAIN]), Y[TRAIN].copy(), WEIGHT)
    rows, labels = np.array([5, 0]), (Y[[5, 0]] + 1) % 3
    found = SwitchLabel(labeled.labels).training(
        labeled, pool_of(labeled), rows, labels
    )
    assert (abs(found.X - labeled.X)).max() == 0
    assert_array_equal(found.weight, WEIGHT)
    assert_array_equal(np.flatnonzero(found.labels != Y[TRAIN]), [0, 5])
    assert_array_equal(found.labels[rows], labels)
    assert_array_equal(labeled.labels, Y[TRAIN])  # not changed in place


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_added_rows_come_after_the_labeled_ones(container: Any, dtype: type) -> None:
    labeled = LabeledRows(container(X[TRAIN].astype(dtype)), Y[TRAIN], WEIGHT)
    pool = ArrayPool(
        container(X[VAL].astype(dtype)), np.ones(40, dtype=bool), np.arange(40.0)
    )
    found = AddRow().training(labeled, pool, np.array([9, 2]), np.array([1, 0]))
    dense = found.X.toarray() if sparse.issparse(found.X) else found.X
    assert dense.dtype == np.float64
    assert_array_equal(dense[:30], X[TRAIN].astype(dtype))
    assert_array_equal(dense[30:], X[VAL[[9, 2]]].astype(dtype))
    assert_array_equal(found.labels, [*Y[TRAIN], 1, 0])
    assert_array_equal(found.weight, [*WEIGHT, 9, 2])


def test_the_effect_of_an_addition_is_its_influence() -> None:
    influence = np.arange(6.0).reshape(2, 3)
    assert_array_equal(AddRow().effect(influence, np.array([4, 1])), influence)


def test_the_effect_of_a_switch_is_taken_of_the_rows_own_class() -> None:
    influence = np.array([[1.0, 2, 4], [8, 16, 32]])
    found = SwitchLabel(np.array([2, 0, 1])).effect(influence, np.array([2, 0]))
    assert_array_equal(found, [[-1, 0, 2], [-24, -16, 0]])


@pytest.mark.slow
def test_a_class_never_loses_its_last_row() -> None:
    """Of a rare class that the validation rows deny, one row keeps its label."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.repeat([0, 1, 2], [29, 29, 2])
    X_val, y_val = rng.normal(size=(60, 3)), np.repeat([0, 1], 30)
    for batch_size in (1, 10):
        found = relabel(X, y, X_val, y_val, guard=False, batch_size=batch_size)
        assert len(found.switches) > 30
        assert np.unique(found.y).tolist() == [0, 1, 2]
        assert (found.switches["old_label"] == 2).any()


def test_rows_are_taken_in_order_while_their_class_has_another() -> None:
    edit = SwitchLabel(np.array([0, 0, 1, 1, 1]))
    none = np.zeros(0, dtype=np.intp)
    rows, labels = np.array([0, 1, 2, 3, 4]), np.array([1, 1, 0, 0, 0])
    assert edit.keeping_every_class(none, none, rows, labels).tolist() == [0, 2, 3, 4]
    done = np.array([0]), np.array([1])
    assert edit.last_of_class(*done).tolist() == [1]
    assert edit.last_of_class(none, none).tolist() == []
