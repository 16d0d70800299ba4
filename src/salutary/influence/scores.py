"""Influences of rows under every class, with one product per block of rows."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from salutary.arrays import Float64Array, FloatArray, Matrix
from salutary.influence.factored import FactoredModel

PIECE_BYTES, FEWEST_ROWS = 2**20, 512
"""Largest piece of rows that is multiplied at once, unless it has fewer rows.

A few columns of 768 features take half the time where the rows stay in the cache. For
many columns it makes no difference.
"""


class InfluenceScorer:
    r"""Computes probabilities and influences of rows for every class.

    With :math:`u = H^{-1} \nabla J` and :math:`s(x) = u \tilde x`,

    .. math:: I(x, c) = p(x) \cdot s(x) - s_c(x)

    so all influences of a row come from the product with the stacked matrix [W; u]. Two
    classes need its differences between the classes only, half as many rows:

    .. math:: I(x, c) = (p_1(x) - [c = 1]) (s_1(x) - s_0(x))

    Parameters
    ----------
    factored : FactoredModel
    direction : ndarray of shape (n_classes, n_features + fit_intercept)
        The matrix u, see `salutary.influence.direction`.
    dtype : float32 or float64
        Type of the rows and of the results.

    Attributes
    ----------
    weights : ndarray of shape (2 n_classes, n_features), or (2, n_features)
        [W; u] without the intercepts, or its differences. Those of several scorers can
        be stacked, so that one product serves all.
    offset : ndarray of shape (2 n_classes, 1), or (2, 1)
        Their intercepts, which `finish` adds to a product; zeros without intercepts.
    class_weight : ndarray of shape (n_classes, 1), or None
        What the influences of each class are multiplied by.
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
        parameters = [model.parameters, direction]
        if model.n_classes == 2:
            parameters = [np.diff(matrix, axis=0) for matrix in parameters]
        stacked = np.vstack(parameters).astype(dtype)
        self.weights: FloatArray = np.ascontiguousarray(stacked[:, :n_features])
        # Without intercepts there is no such column, and its sum is zero.
        self.offset: FloatArray = stacked[:, n_features:].sum(axis=1, keepdims=True)
        self.class_weight: FloatArray | None = (
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
        room = np.empty((2 * self.n_classes, len(products)), products.dtype)
        return self.finish(products, room)

    def finish(
        self, products: FloatArray, room: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Influence and probability from the product of rows with `weights`.

        Parameters
        ----------
        products : ndarray of shape (n_rows, n_weights)
        room : ndarray of shape (2 n_classes, n_rows)
            Memory, of which the results may be views.

        Returns
        -------
        influence, probability : ndarrays of shape (n_rows, n_classes)
            In column-major order.
        """
        if len(products) == 1:  # whose sums NumPy would take in another order
            room = np.empty((2 * self.n_classes, 2), dtype=room.dtype)
            influence, probability = self.finish(np.repeat(products, 2, axis=0), room)
            return influence[:1], probability[:1]
        # Here classes are rows, so that sums over a few classes run along memory.
        probability, influence = room[: self.n_classes], room[self.n_classes :]
        if self.n_classes == 2:
            np.add(products.T, self.offset, out=room[1:3])
            probability[0] = 0
            _softmax(probability)
            difference = influence[0]
            np.multiply(-probability[0], difference, out=influence[1])
            difference *= probability[1]
        else:
            np.add(products.T, self.offset, out=room)
            _softmax(probability)
            influence -= _mean(probability, influence)
            # The mean is now zero up to rounding. Subtracting it again keeps all digits
            # of the tiny influence of an almost certain class.
            np.subtract(_mean(probability, influence), influence, out=influence)
        if self.class_weight is not None:
            influence *= self.class_weight
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
    n_rows, n_features = X.shape
    if out is None:
        out = np.empty((n_rows, len(weights)), np.result_type(X, weights))
    step = max(FEWEST_ROWS, PIECE_BYTES // max(1, X.itemsize * n_features))
    for start in range(0, n_rows, step):
        piece = slice(start, start + step)
        np.matmul(X[piece], weights.T, out=out[piece])
    return out


def _mean(probability: FloatArray, values: FloatArray) -> FloatArray:
    mean: FloatArray = np.einsum("ki,ki->i", probability, values)
    return mean


def _softmax(logits: FloatArray) -> None:
    """Turn logits of shape (n_classes, n_rows) into probabilities, in their place."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)
