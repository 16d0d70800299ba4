"""Influences of rows under every class, with one product per block of rows."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from salutary.arrays import Float64Array, FloatArray, Matrix
from salutary.influence.factored import FactoredModel


class InfluenceScorer:
    r"""Computes probabilities and influences of rows for every class.

    With :math:`u = H^{-1} \nabla J` and :math:`s(x) = u \tilde x`,

    .. math:: I(x, c) = p(x) \cdot s(x) - s_c(x)

    so all influences of a row come from the product with the stacked matrix [W; u].

    Parameters
    ----------
    factored : FactoredModel
    direction : ndarray of shape (n_classes, n_features + fit_intercept)
        The matrix u, see `salutary.influence.direction`.
    dtype : float32 or float64
        Type of the rows and of the results.

    Attributes
    ----------
    weights : ndarray of shape (2 n_classes, n_features)
        [W; u] without the intercepts. Those of several scorers can be stacked, so that
        one product serves all.
    n_classes : int
    """

    def __init__(
        self,
        factored: FactoredModel,
        direction: Float64Array,
        dtype: np.dtype[np.floating],
    ) -> None:
        model, class_weight = factored.model, factored.class_weight
        n_features = model.n_features
        stacked = np.vstack([model.coef, direction[:, :n_features]])
        self.weights: FloatArray = np.ascontiguousarray(stacked, dtype=dtype)
        offset = np.zeros(2 * model.n_classes)
        if model.fit_intercept:
            offset = np.concatenate([model.intercept, direction[:, -1]])
        self._offset = offset.astype(dtype)[:, None]
        self._class_weight = (
            None if class_weight is None else class_weight.astype(dtype)[:, None]
        )
        self.n_classes = model.n_classes

    def __call__(self, X: Matrix) -> tuple[FloatArray, FloatArray]:
        """Influence and probability of a block of rows.

        Parameters
        ----------
        X : matrix of shape (n_rows, n_features)

        Returns
        -------
        influence, probability : ndarrays of shape (n_rows, n_classes)
            In column-major order.
        """
        products = products_of(X, self.weights)
        return self.finish(products, np.empty(products.shape[::-1], products.dtype))

    def finish(
        self, products: FloatArray, room: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Influence and probability from the product of rows with `weights`.

        Parameters
        ----------
        products : ndarray of shape (n_rows, 2 n_classes)
        room : ndarray of shape (2 n_classes, n_rows)
            Gets the results, which are views of it.

        Returns
        -------
        influence, probability : ndarrays of shape (n_rows, n_classes)
            In column-major order.
        """
        # Here classes are rows, so that sums over a few classes run along memory.
        np.add(products.T, self._offset, out=room)
        probability, slope = room[: self.n_classes], room[self.n_classes :]
        probability -= probability.max(axis=0)
        np.exp(probability, out=probability)
        probability /= probability.sum(axis=0)
        slope -= _mean(probability, slope)
        # The mean is now zero up to rounding. Subtracting it again keeps all digits of
        # the tiny influence of an almost certain class.
        influence = np.subtract(_mean(probability, slope), slope, out=slope)
        if self._class_weight is not None:
            influence *= self._class_weight
        return influence.T, probability.T


def products_of(
    X: Matrix, weights: FloatArray, out: FloatArray | None = None
) -> FloatArray:
    """Product of rows with each row of weights, shape (n_rows, n_weights).

    In this order it is two to five times as fast as its transpose, which later steps
    would like better: the longer side of the result should be its first.
    """
    if sparse.issparse(X):
        product: FloatArray = X @ weights.T
        return product
    return np.matmul(X, weights.T, out=out)


def _mean(probability: FloatArray, values: FloatArray) -> FloatArray:
    mean: FloatArray = np.einsum("ki,ki->i", probability, values)
    return mean
