"""The softmax model behind a fitted ``LogisticRegression``, and its Hessian."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.utils.validation import check_is_fitted

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix

SMALLEST_C = 1e-100
"""Limit of C: with a smaller one, sums of squared penalties could overflow."""


@dataclass(frozen=True)
class SoftmaxModel:
    r"""K-class softmax regression, with one row of coefficients per class.

    It minimizes :math:`F = \sum_i w_i \ell(x_i, y_i) + \frac{l2}{2} \|coef\|^2`. The
    intercept is not penalized.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features), float64
    intercept : ndarray of shape (n_classes,), float64
        Zeros when ``fit_intercept`` is False.
    l2 : float
        Strength of the penalty; positive.
    fit_intercept : bool
    """

    coef: Float64Array
    intercept: Float64Array
    l2: float
    fit_intercept: bool

    @property
    def n_classes(self) -> int:
        return int(self.coef.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.coef.shape[1])

    @property
    def parameters(self) -> Float64Array:
        """Coefficients, with the intercept as the last column if there is one."""
        if not self.fit_intercept:
            return self.coef
        return np.column_stack([self.coef, self.intercept])

    def logits(self, X: Matrix) -> Float64Array:
        """Logits of rows, shape (n_rows, n_classes), float64."""
        return np.asarray(X @ self.coef.T + self.intercept, dtype=np.float64)

    def probability(self, X: Matrix) -> Float64Array:
        """Class probabilities of rows, shape (n_rows, n_classes), float64."""
        return np.asarray(class_probability(self.logits(X)), dtype=np.float64)


def class_probability(logits: FloatArray) -> FloatArray:
    """Class probabilities of rows from their logits, both (n_rows, n_classes).

    Of two classes by the logistic function: it is the same and several times faster, as
    NumPy reduces short axes slowly.
    """
    if logits.shape[1] == 2:
        probability = np.empty_like(logits)
        expit(logits[:, 1] - logits[:, 0], out=probability[:, 1])
        expit(logits[:, 0] - logits[:, 1], out=probability[:, 0])
        return probability
    found: FloatArray = softmax(logits, axis=1)
    return found


def softmax_model(model: LogisticRegression) -> SoftmaxModel:
    """View a fitted ``LogisticRegression`` as a softmax model.

    For two classes, scikit-learn fits one logit ``w·x`` with the penalty 1/C. The same
    model as a softmax has the coefficient rows ``-w/2`` and ``w/2``. Their squared norm
    is half that of ``w``, so the same objective needs the penalty 2/C.

    Parameters
    ----------
    model : LogisticRegression
        Fitted with an L2 penalty and a finite C.

    Returns
    -------
    SoftmaxModel

    Raises
    ------
    TypeError
        If ``model`` is not a ``LogisticRegression``.
    ValueError
        If its objective is not that of `SoftmaxModel`. The message names the remedy.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> softmax_model(LogisticRegression(C=0.5).fit(X, y)).l2
    2.0
    """
    check_objective(model)
    check_is_fitted(model)
    coef = np.asarray(model.coef_, dtype=np.float64)
    intercept = np.broadcast_to(model.intercept_, coef.shape[:1]).astype(np.float64)
    n_classes = len(model.classes_)
    if n_classes == 2:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.r_[-intercept, intercept] / 2
    l2 = penalty_strength(model.C, n_classes)
    return SoftmaxModel(coef, intercept, l2, bool(model.fit_intercept))


def penalty_strength(C: float, n_classes: int) -> float:
    """The ``l2`` of a `SoftmaxModel` for a C of scikit-learn, see `softmax_model`."""
    return (2.0 if n_classes == 2 else 1.0) / C


def as_fitted(
    regression: LogisticRegression,
    model: SoftmaxModel,
    classes: NDArray[Any],
    n_iter: int,
) -> LogisticRegression:
    """Make an unfitted ``LogisticRegression`` a softmax model; undoes `softmax_model`.

    Parameters
    ----------
    regression : LogisticRegression
        Gets the attributes that scikit-learn would leave it with after a fit.
    model : SoftmaxModel
        Of as many classes as ``classes``. Of two, one row of coefficients is minus the
        other.
    classes : ndarray of shape (n_classes,), sorted
    n_iter : int
        Number of iterations of the fit.

    Returns
    -------
    LogisticRegression
        ``regression``.
    """
    coef, intercept = model.coef, model.intercept
    if len(classes) == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    regression.classes_, regression.n_features_in_ = classes, model.n_features
    regression.coef_, regression.intercept_ = coef.copy(), intercept.copy()
    regression.n_iter_ = np.array([n_iter], dtype=np.int32)
    return regression


def check_objective(model: LogisticRegression) -> None:
    """Refuse a model, fitted or not, whose objective is not that of `SoftmaxModel`.

    Raises
    ------
    TypeError, ValueError
        As `softmax_model`.
    """
    if isinstance(model, LogisticRegressionCV):
        raise TypeError(
            "LogisticRegressionCV is not supported; fit LogisticRegression(C=...) with "
            "the C it chose (its C_ attribute)"
        )
    if not isinstance(model, LogisticRegression):
        raise TypeError(
            "influence is exact for sklearn.linear_model.LogisticRegression only, got "
            f"{type(model).__name__}; fit a LogisticRegression on that model's features"
        )
    penalty = getattr(model, "penalty", "deprecated")
    if penalty not in ("l2", "deprecated") or model.l1_ratio not in (0, None):
        raise ValueError(
            "the objective must be smooth, but the model has an L1 part or no penalty; "
            "use LogisticRegression with l1_ratio=0 and a finite C"
        )
    if not np.isfinite(model.C):
        raise ValueError(
            f"C={model.C} leaves the model without a penalty and its Hessian singular; "
            "use a finite C, for instance C=100"
        )
    if model.C < SMALLEST_C:
        raise ValueError(
            f"C={model.C} is too small to compute with; use C={SMALLEST_C:g} or more"
        )
    if model.solver == "liblinear" and model.fit_intercept:
        raise ValueError(
            "solver='liblinear' penalizes the intercept; use solver='lbfgs' or "
            "fit_intercept=False"
        )


HessianBlocks = Callable[[], Iterable[tuple[Matrix, FloatArray, FloatArray]]]
"""A callable that yields (rows, their class probabilities, their weights) in blocks.

Each call starts again from the first block.
"""


@lru_cache
def _basis(n_classes: int) -> Float64Array:
    """Helmert's matrix; made once, as every Newton step asks for it."""
    basis = np.asarray(helmert(n_classes), dtype=np.float64)
    basis.flags.writeable = False
    return basis


@dataclass(frozen=True)
class Hessian:
    r"""Hessian of the training objective, in reduced coordinates.

    Adding one constant to the intercepts of all classes changes no probability, so the
    Hessian is singular in this direction, the gauge. Gradients of functions of the
    probabilities sum to zero over the classes, so they are orthogonal to the gauge.
    This operator acts on the orthogonal subspace only: a parameter matrix of K rows is
    held as K - 1 rows, its product with an orthonormal ``basis`` (Helmert's).

    Parameters
    ----------
    model : SoftmaxModel
    blocks : callable
        Yields the rows whose curvature is summed, see `HessianBlocks`.
    n_rows : int
        Number of these rows.

    Notes
    -----
    :math:`H = \sum_i w_i A_i \otimes \tilde x_i \tilde x_i^T + l2\, I \otimes D` with
    :math:`A_i = Q (diag(p_i) - p_i p_i^T) Q^T`, where Q is the basis, and D the
    identity with a zero in the place of the intercept.
    """

    model: SoftmaxModel
    blocks: HessianBlocks
    n_rows: int

    @property
    def basis(self) -> Float64Array:
        """Orthonormal rows that sum to zero, shape (n_classes - 1, n_classes)."""
        return _basis(self.model.n_classes)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a parameter matrix in the reduced coordinates."""
        return (
            self.model.n_classes - 1,
            self.model.n_features + int(self.model.fit_intercept),
        )

    def penalty(self) -> Float64Array:
        """Penalty of each column of a parameter matrix; 0 for the intercept."""
        column = np.full(self.shape[1], self.model.l2)
        if self.model.fit_intercept:
            column[-1] = 0.0
        return column

    @property
    def outer(self) -> Float64Array:
        """Parameter matrices whose outer products are a part of it, (n, *shape)."""
        return np.zeros((0, *self.shape))

    def curvatures(self) -> Iterator[tuple[Matrix, Float64Array]]:
        """Yield rows, block by block, with their curvatures in reduced coordinates."""
        for X, probability, weight in self.blocks():
            yield X, reduced_curvatures(self.basis, probability, weight)

    def matvec(self, parameters: Float64Array) -> Float64Array:
        """Product with a parameter matrix of shape `shape`; O(rows x K x d)."""
        n_features = self.model.n_features
        coef = self.basis.T @ parameters
        product = np.zeros_like(coef)
        for X, probability, weight in self.blocks():
            logits = X @ coef[:, :n_features].T
            if self.model.fit_intercept:
                logits += coef[:, -1]
            logits = centered(logits, probability)
            residual = probability * logits * weight[:, None]
            product += parameter_gradient(X, residual, self.model.fit_intercept)
        return self.basis @ product + self.penalty() * parameters


def centered(values: FloatArray, probability: FloatArray) -> FloatArray:
    """Subtract each row's mean under its probabilities.

    It is subtracted twice, so that differences that nearly cancel keep their digits.
    """
    for _ in range(2):
        values = values - np.einsum("ik,ik->i", probability, values)[:, None]
    return values


def log_loss_gradient(probability: FloatArray, labels: IntArray) -> FloatArray:
    """Gradient p - e_label of each row's log loss with respect to its logits.

    The entry of the label is minus the sum of the other probabilities. The difference
    p - 1 would lose the digits of rows that the model is certain of.

    Parameters
    ----------
    probability : ndarray of shape (n_rows, ..., n_classes)
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.

    Returns
    -------
    ndarray of the shape and type of ``probability``
        A new array.

    Examples
    --------
    >>> import numpy as np
    >>> log_loss_gradient(np.array([[1e-30, 1.0]]), np.array([1]))
    array([[ 1.e-30, -1.e-30]])
    """
    gradient = probability.copy()
    own = np.arange(len(labels)), ..., labels
    gradient[own] = 0.0
    gradient[own] = -reduce(np.add, np.moveaxis(gradient, -1, 0))
    return gradient


def parameter_gradient(
    X: Matrix, logit_gradient: FloatArray, fit_intercept: bool
) -> Float64Array:
    """Gradient with respect to the parameters, from that with respect to the logits.

    Parameters
    ----------
    X : matrix of shape (n_rows, n_features)
    logit_gradient : ndarray of shape (n_rows, n_classes)
    fit_intercept : bool

    Returns
    -------
    ndarray of shape (n_classes, n_features + fit_intercept), float64
    """
    gradient = np.asarray((X.T @ logit_gradient).T, dtype=np.float64)
    if not fit_intercept:
        return gradient
    return np.column_stack([gradient, logit_gradient.sum(axis=0)])


def curvature_roots(
    basis: Float64Array, probability: FloatArray, weight: FloatArray
) -> Float64Array:
    r"""Square roots of the rows' curvatures in reduced coordinates.

    Returns S of shape (n_rows, K - 1, K - 1) with
    :math:`S_i S_i^T = w_i Q (diag(p_i) - p_i p_i^T) Q^T`.

    Notes
    -----
    :math:`L = diag(\sqrt p) - p \sqrt p^T` has :math:`L L^T = diag(p) - p p^T` and
    :math:`L \sqrt p = 0`. Therefore the Householder reflection that maps
    :math:`\sqrt p` to the axis of the most likely class m leaves K - 1 columns. The
    column of the class j is
    :math:`\sqrt{p_j}\, (e_j - (p + \sqrt{p_m} e_m) / (1 + \sqrt{p_m}))`, in which
    nothing cancels, however confident the model is.
    """
    n_rows, n_classes = probability.shape
    rows = np.arange(n_rows)[:, None]
    likeliest = np.argmax(probability, axis=1)
    others = np.arange(n_classes - 1) + (np.arange(n_classes - 1) >= likeliest[:, None])
    root = np.sqrt(probability[rows, others] * weight[:, None])
    top = np.sqrt(probability[rows, likeliest[:, None]])
    taken = probability / (1 + top)
    taken[rows, likeliest[:, None]] += top / (1 + top)
    full = np.repeat(-taken[:, :, None], n_classes - 1, axis=2)
    full[rows, others, np.arange(n_classes - 1)] += 1.0
    full *= root[:, None, :]
    roots: Float64Array = basis @ full
    return roots


def reduced_curvatures(
    basis: Float64Array, probability: FloatArray, weight: FloatArray
) -> Float64Array:
    """Curvatures of rows in reduced coordinates, shape (n_rows, K - 1, K - 1)."""
    if probability.shape[1] == 2:
        return np.asarray(2 * weight * probability.prod(axis=1))[:, None, None]
    roots = curvature_roots(basis, probability, weight)
    return roots @ roots.transpose(0, 2, 1)
