"""Solve with the Hessian: factor once, solve many times, and check the solutions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor
from scipy.linalg.lapack import dpocon, dpotrs
from scipy.sparse.linalg import LinearOperator, cg

from salutary.arrays import Float64Array, Matrix, as_float64
from salutary.influence.softmax import Hessian, curvature_roots

DIRECT_LIMIT = 5_000
"""Largest order of a matrix to factor; beyond it, conjugate gradients are used."""

SMALLEST_RCOND = 1e-12
"""Reciprocal condition number below which 12 of float64's 16 digits may be lost."""

LARGEST_RESIDUAL = 1e-6
"""Relative residual above which a solution is not trusted."""

NEGATIVE = 1e-8
"""How far below zero, on the scale of a unit diagonal, curvature is not by rounding."""


class Status(Enum):
    """Outcome of a solve; its value says what went wrong and how to fix it."""

    SUCCESS = ""
    ILL_CONDITIONED = (
        "the Hessian is ill-conditioned, so influences may be far off; use a smaller "
        "C, standardize the features, or drop duplicated and constant columns"
    )
    NOT_CONVERGED = (
        "conjugate gradients did not converge, so influences may be far off; use a "
        "smaller C, standardize the features, or reduce their number"
    )
    NOT_MINIMUM = (
        "the Hessian has negative curvature, so the model is no minimum of its "
        "objective and influences mean nothing; standardize the features and fit "
        "again, with more labeled rows or without the pool"
    )


@dataclass(frozen=True)
class Solution:
    """A solution, and whether it can be trusted.

    Parameters
    ----------
    value : ndarray of shape (n_classes - 1, n_columns)
        Parameter matrix in the reduced coordinates of the Hessian.
    status : Status
    residual : float
        Norm of ``rhs - H @ value``, relative to the norm of ``rhs``.
    """

    value: Float64Array
    status: Status
    residual: float

    @property
    def trusted(self) -> bool:
        """Whether the solve succeeded."""
        return self.status is Status.SUCCESS


class Solver(Protocol):
    """A Hessian that is ready for many solves."""

    def solve(self, rhs: Float64Array) -> Solution:
        """Solve H value = rhs, both of shape ``hessian.shape``, and check it."""

    def apply(self, rhs: Float64Array) -> Float64Array:
        """Apply H^-1 to n parameter matrices, (n, *hessian.shape), without a check."""


def factor(hessian: Hessian) -> Solver:
    """Prepare the cheapest solver for a Hessian.

    Parameters
    ----------
    hessian : Hessian
        With m rows, K classes and d columns, counting the intercept.

    Returns
    -------
    Solver
        `Woodbury` if m < d, else `Cholesky`, as long as the order of the matrix to
        factor is at most `DIRECT_LIMIT`; `ConjugateGradient` beyond that.
    """
    n_classes, n_columns = hessian.shape
    if n_classes * min(hessian.n_rows, n_columns) > DIRECT_LIMIT:
        return ConjugateGradient(hessian)
    if hessian.n_rows < n_columns:
        return Woodbury(hessian)
    return Cholesky(hessian)


@dataclass(frozen=True)
class ScaledCholesky:
    """Cholesky factor of a symmetric matrix that is scaled to a unit diagonal.

    The scaling makes the condition number independent of the units of the features. If
    rounding leaves a matrix that is not positive definite, a small ridge is added, and
    the reciprocal condition number is set to zero. A ridge above `NEGATIVE` says that
    it was not by rounding.
    """

    factor: tuple[Float64Array, bool]
    scale: Float64Array
    rcond: float
    ridge: float = 0.0

    @classmethod
    def of(cls, matrix: Float64Array) -> ScaledCholesky:
        diagonal = np.diagonal(matrix)
        scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        scaled = matrix * scale[:, None] * scale
        norm = np.abs(scaled).sum(axis=0).max()
        ridge = 0.0
        while True:
            try:
                lower = cho_factor(scaled, lower=True)
                break
            except np.linalg.LinAlgError:
                step = max(ridge * 9, len(scaled) * np.finfo(np.float64).eps)
                scaled[np.diag_indices_from(scaled)] += step
                ridge += step
        rcond = 0.0 if ridge else float(dpocon(lower[0], norm, uplo="L")[0])
        return cls(lower, scale, rcond, ridge)

    def solve(self, rhs: Float64Array) -> Float64Array:
        """Solve for a vector or for the columns of a matrix."""
        scale = self.scale if rhs.ndim == 1 else self.scale[:, None]
        # Without the checks of SciPy's cho_solve, which take longer than small solves.
        found, _ = dpotrs(self.factor[0], scale * rhs, lower=self.factor[1])
        solution: Float64Array = scale * found.reshape(rhs.shape)
        return solution


def _relative_residual(rhs: Float64Array, residual: Float64Array) -> float:
    norm = float(np.linalg.norm(rhs))
    return float(np.linalg.norm(residual)) / norm if norm > 0 else 0.0


def _direct_solution(value: Float64Array, residual: float, rcond: float) -> Solution:
    trusted = rcond >= SMALLEST_RCOND and residual <= LARGEST_RESIDUAL
    return Solution(
        value, Status.SUCCESS if trusted else Status.ILL_CONDITIONED, residual
    )


class Cholesky:
    """Cholesky factorization of the assembled Hessian.

    Assembling takes O(m d^2 K^2 / 2), factoring O((K d)^3 / 3), memory O((K d)^2).
    """

    def __init__(self, hessian: Hessian) -> None:
        self._shape = hessian.shape
        self._matrix = assemble(hessian)
        self._factor = ScaledCholesky.of(self._matrix)

    def solve(self, rhs: Float64Array) -> Solution:
        """Solve with one step of iterative refinement."""
        b = rhs.ravel()
        value = self._factor.solve(b)
        value += self._factor.solve(b - self._matrix @ value)
        residual = _relative_residual(b, b - self._matrix @ value)
        value = value.reshape(self._shape)
        if self._factor.ridge > NEGATIVE:
            return Solution(value, Status.NOT_MINIMUM, residual)
        return _direct_solution(value, residual, self._factor.rcond)

    def apply(self, rhs: Float64Array) -> Float64Array:
        """Apply the inverse to many parameter matrices."""
        return self._factor.solve(rhs.reshape(len(rhs), -1).T).T.reshape(rhs.shape)


def assemble(hessian: Hessian) -> Float64Array:
    """Build the Hessian as a dense matrix of order (K - 1) d, block by block."""
    n_classes, n_columns = hessian.shape
    first, second = np.triu_indices(n_classes)
    upper = np.zeros((len(first), n_columns, n_columns))
    for X, curvature in hessian.curvatures():
        rows = _with_intercept(as_float64(X), hessian.model.fit_intercept)
        curvature = curvature[:, first, second]
        for pair in range(len(first)):
            upper[pair] += _weighted_gram(rows, curvature[:, pair])
    matrix = np.empty((n_classes, n_columns, n_classes, n_columns))
    matrix[first, :, second] = upper
    matrix[second, :, first] = upper
    square: Float64Array = matrix.reshape(n_classes * n_columns, -1)
    square[np.diag_indices_from(square)] += np.tile(hessian.penalty(), n_classes)
    outer = hessian.outer.reshape(-1, len(square))
    return square + outer.T @ outer if len(outer) else square


def _with_intercept(X: Matrix, fit_intercept: bool) -> Matrix:
    if not fit_intercept:
        return X
    ones = np.ones((X.shape[0], 1))
    if sparse.issparse(X):
        return sparse.hstack([X, ones], format="csr")
    return np.hstack([X, ones])


def _weighted_gram(X: Matrix, weight: Float64Array) -> Float64Array:
    if sparse.issparse(X):
        gram = (X.T @ X.multiply(weight[:, None])).toarray()
    elif weight.min(initial=0.0) >= 0:  # half the work: NumPy sees that it is symmetric
        root = X * np.sqrt(weight)[:, None]
        gram = root.T @ root
    else:
        gram = X.T @ (X * weight[:, None])
    return np.asarray(gram, dtype=np.float64)


class Woodbury:
    """Woodbury identity in the space of the rows, for fewer rows than columns.

    Let B be the rows times the square roots of their curvatures. On the coefficients,
    H is l2 I + B'B. The intercepts are eliminated by their Schur complement,
    l2 B_0' (l2 I + B B')^-1 B_0 for the columns B_0 of the intercepts, in which nothing
    cancels. Time O(m^2 d + (K m)^3 / 3), memory O((K m)^2 + m d).
    """

    def __init__(self, hessian: Hessian) -> None:
        self._hessian = hessian
        parts = [
            (as_float64(X), curvature_roots(hessian.basis, probability, weight))
            for X, probability, weight in hessian.blocks()
        ]
        stack = sparse.vstack if sparse.issparse(parts[0][0]) else np.vstack
        self._X = stack([X for X, _ in parts])
        self._roots = np.concatenate([roots for _, roots in parts])
        gram = self._X @ self._X.T
        if sparse.issparse(gram):
            gram = gram.toarray()
        n_rows, n_classes, _ = self._roots.shape
        order = n_rows * n_classes
        self._border = self._roots.transpose(0, 2, 1).reshape(order, n_classes)
        small = (self._border @ self._border.T).reshape(
            n_rows, n_classes, n_rows, n_classes
        )
        small *= gram[:, None, :, None]
        small = small.reshape(order, order)
        small[np.diag_indices_from(small)] += hessian.model.l2
        self._small = ScaledCholesky.of(small)
        self._rcond = self._small.rcond
        if hessian.model.fit_intercept:
            self._solved_border = self._small.solve(self._border)
            schur = hessian.model.l2 * self._border.T @ self._solved_border
            self._schur = ScaledCholesky.of((schur + schur.T) / 2)
            self._rcond = min(self._rcond, self._schur.rcond)

    def solve(self, rhs: Float64Array) -> Solution:
        """Solve with one step of iterative refinement."""
        value = self.apply(rhs[None])[0]
        value += self.apply((rhs - self._hessian.matvec(value))[None])[0]
        residual = _relative_residual(rhs, rhs - self._hessian.matvec(value))
        return _direct_solution(value, residual, self._rcond)

    def apply(self, rhs: Float64Array) -> Float64Array:
        """Apply the inverse to many parameter matrices."""
        model = self._hessian.model
        coef_rhs = rhs[:, :, : model.n_features]
        small = self._small.solve(self._to_rows(coef_rhs))
        coef = (coef_rhs - self._from_rows(small)) / model.l2
        if not model.fit_intercept:
            return coef
        intercept = self._schur.solve(rhs[:, :, -1].T - self._border.T @ small)
        coef -= self._from_rows(self._solved_border @ intercept)
        return np.concatenate([coef, intercept.T[:, :, None]], axis=2)

    def _to_rows(self, coef: Float64Array) -> Float64Array:
        """B times each coefficient matrix, shape (n_rows (K - 1), n)."""
        n, n_classes, n_features = coef.shape
        logits = (self._X @ coef.reshape(-1, n_features).T).reshape(-1, n, n_classes)
        values: Float64Array = np.einsum("ika,ink->ian", self._roots, logits)
        return values.reshape(-1, n)

    def _from_rows(self, values: Float64Array) -> Float64Array:
        """B transposed times each column, shape (n, K - 1, n_features)."""
        n_rows, n_classes, _ = self._roots.shape
        n = values.shape[1]
        per_class = np.einsum(
            "ika,ian->ink", self._roots, values.reshape(n_rows, n_classes, n)
        )
        coef = np.asarray(self._X.T @ per_class.reshape(n_rows, -1))
        return coef.T.reshape(n, n_classes, -1)


class ConjugateGradient:
    """Conjugate gradients on products with the Hessian, scaled by its diagonal.

    A step takes O(m d K), and there are at most `max_steps`. Memory O(K d).
    """

    tolerance = 1e-11
    max_steps = 3_000

    def __init__(self, hessian: Hessian) -> None:
        self._hessian = hessian
        diagonal = _diagonal(hessian).ravel()
        self._preconditioner = 1 / np.where(diagonal > 0, diagonal, 1.0)

    def solve(self, rhs: Float64Array) -> Solution:
        """Iterate until the relative residual is at most ``tolerance``."""
        shape, order = self._hessian.shape, rhs.size
        negative = False

        def matvec(v: Float64Array) -> Float64Array:
            nonlocal negative
            product = self._hessian.matvec(v.reshape(shape)).ravel()
            scale = v.ravel() @ (v.ravel() / self._preconditioner)
            negative |= bool(v.ravel() @ product < -NEGATIVE * scale)
            return product

        operator = LinearOperator((order, order), matvec=matvec, dtype=np.float64)
        scaling = LinearOperator(
            (order, order),
            matvec=lambda v: self._preconditioner * v.ravel(),
            dtype=np.float64,
        )
        # With a singular Hessian the steps overflow; the status then reports it.
        with np.errstate(all="ignore"):
            value, _ = cg(
                operator,
                rhs.ravel(),
                rtol=self.tolerance,
                maxiter=self.max_steps,
                M=scaling,
            )
            value = value.reshape(shape)
            residual = _relative_residual(rhs, rhs - self._hessian.matvec(value))
        if not np.isfinite(residual):
            value, residual = np.zeros(shape), 1.0
        # Rounding may stop it a step or two before the tolerance; that is accepted.
        converged = residual <= 1_000 * self.tolerance
        status = Status.SUCCESS if converged else Status.NOT_CONVERGED
        return Solution(value, Status.NOT_MINIMUM if negative else status, residual)

    def apply(self, rhs: Float64Array) -> Float64Array:
        """Apply the inverse to many parameter matrices, with a solve for each."""
        return np.stack([self.solve(one).value for one in rhs])


def _diagonal(hessian: Hessian) -> Float64Array:
    diagonal = np.tile(hessian.penalty(), (hessian.shape[0], 1))
    for X, curvature in hessian.curvatures():
        rows = _with_intercept(as_float64(X), hessian.model.fit_intercept)
        squares = rows.multiply(rows) if sparse.issparse(rows) else rows**2
        diagonal += (squares.T @ np.einsum("iaa->ia", curvature)).T
    diagonal += np.einsum("nac,nac->ac", hessian.outer, hessian.outer)
    return diagonal
