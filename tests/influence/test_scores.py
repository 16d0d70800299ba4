"""All-class influence of a block against its definition, class by class."""

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax

from salutary.influence.factored import FactoredModel, factor_model
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import SoftmaxModel


def draw(n_classes: int, fit_intercept: bool) -> tuple[SoftmaxModel, Any, Any]:
    rng = np.random.default_rng(n_classes)
    intercept = rng.normal(size=n_classes) * fit_intercept
    model = SoftmaxModel(
        rng.normal(size=(n_classes, 3)), intercept, 1.0, bool(fit_intercept)
    )
    direction = rng.normal(size=(n_classes, 3 + fit_intercept))
    return model, direction, rng.normal(size=(20, 3))


def factored(
    model: SoftmaxModel, class_weight: np.ndarray | None = None
) -> FactoredModel:
    """The model with some Hessian; scores look at the model alone."""
    n_features = model.n_features
    return factor_model(model, np.eye(n_features), np.ones(n_features), class_weight)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_influence_is_the_direction_times_each_classs_gradient(
    n_classes: int, fit_intercept: bool, container: Any, dtype: type
) -> None:
    model, direction, X = draw(n_classes, fit_intercept)
    X = X.astype(dtype)
    rows = np.column_stack([X, np.ones(20)]) if fit_intercept else X
    probability = softmax(X @ model.coef.T + model.intercept, axis=1)
    reference = np.empty((20, n_classes))
    for i, x in enumerate(rows):
        for c in range(n_classes):
            gradient = np.outer(probability[i] - np.eye(n_classes)[c], x)
            reference[i, c] = (direction * gradient).sum()
    scorer = InfluenceScorer(factored(model), direction, np.dtype(dtype))
    influence, scored = scorer(container(X))
    assert influence.dtype == scored.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    assert_allclose(influence, reference, rtol=tolerance, atol=tolerance)
    assert_allclose(scored, probability, rtol=tolerance)


def test_class_weights_multiply_the_influences_of_their_class() -> None:
    model, direction, X = draw(3, True)
    plain, _ = InfluenceScorer(factored(model), direction, X.dtype)(X)
    factors = np.array([2.0, 0.5, 0.0])
    weighted, _ = InfluenceScorer(factored(model, factors), direction, X.dtype)(X)
    assert_allclose(weighted, plain * factors)


def one_row(logits: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Influences of a row whose products are exactly these."""
    model = SoftmaxModel(logits[:, None], np.zeros(len(logits)), 1.0, False)
    scorer = InfluenceScorer(factored(model), slopes[:, None], np.dtype(float))
    influence, _ = scorer(np.ones((1, 1)))
    return influence[0]


def exactly(logits: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """sum_k p_k s_k - s_c with a hundred digits."""
    with localcontext() as context:
        context.prec = 100
        odds = [Decimal(value).exp() for value in logits.tolist()]
        s = [Decimal(value) for value in slopes.tolist()]
        mean = sum(o * v for o, v in zip(odds, s, strict=True)) / sum(odds)
        return np.array([float(mean - value) for value in s])


@pytest.mark.parametrize("gap", [5.0, 20.0, 35.0, 50.0, 200.0])
def test_the_tiny_influence_of_an_almost_certain_class_keeps_its_digits(
    gap: float,
) -> None:
    logits, slopes = np.array([gap, 0.3, -0.2]), np.array([1.7, -0.4, 0.9])
    assert_allclose(one_row(logits, slopes), exactly(logits, slopes), rtol=1e-11)


@given(
    arrays(float, 4, elements=st.floats(-40, 40)),
    arrays(float, 4, elements=st.integers(-100, 100).map(float)),
)
def test_influences_keep_their_digits_and_balance(
    logits: np.ndarray, slopes: np.ndarray
) -> None:
    reference = exactly(logits, slopes)
    influence = one_row(logits, slopes)
    # Classes that differ little from the mean by chance lose digits, as they must.
    tiny = 1e-15 * np.abs(slopes).max() * (1 - softmax(logits))
    assert_allclose(
        influence - reference, 0, atol=(1e-12 * np.abs(reference) + 20 * tiny).max()
    )
    assert_allclose(softmax(logits) @ influence, 0, atol=1e-13 * np.abs(slopes).max())


@pytest.mark.parametrize("n_classes", [2, 5, 40])
def test_a_row_alone_has_the_figures_that_it_has_among_others(n_classes: int) -> None:
    model, direction, _ = draw(n_classes, True)
    scorer = InfluenceScorer(factored(model), direction, np.dtype(np.float32))
    rng, width = np.random.default_rng(0), len(scorer.weights)
    products = rng.normal(size=(50, width)).astype(np.float32)

    def figures(some: np.ndarray) -> np.ndarray:
        room = np.empty((2 * n_classes, len(some)), dtype=np.float32)
        return np.hstack(scorer.finish(some, room))

    alone = np.vstack([figures(products[row : row + 1]) for row in range(50)])
    assert_array_equal(alone, figures(products))
