"""The validation objective against scikit-learn and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from scipy.special import softmax
from sklearn.metrics import log_loss

from salutary.objective import LogLoss, row_log_loss

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
