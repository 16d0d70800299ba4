"""Newton's method for the optimum with one more row, for many rows at once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.utils import gen_batches

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix
from salutary.influence.direction import InfluenceWarning
from salutary.influence.factored import FactoredModel
from salutary.influence.objectives import BoundObjective
from salutary.influence.softmax import log_loss_gradient, reduced_curvatures
from salutary.influence.training import TrainingRows, minimize

MOST_STEPS = 10
"""Limit of Newton steps of all candidates together.

Most candidates take three. Those that need more go on alone.
"""

MOST_PRODUCTS = 12
"""Limit of products with the Hessian in one step; the first step needs none."""

STEP_TOLERANCE = 0.05
"""Relative residual, in the inverse Hessian's norm, at which a step is accepted."""

SMALLEST_DECREMENT = 1e-8
"""Squared Newton decrement at which a candidate has converged.

In nats, or relative to its first decrement, whichever is smaller.
"""

MOST_HALVINGS = 20
"""Limit of halvings of one step."""

BATCH_CELLS = 1_000_000
"""Limit of logits held at once: candidates x rows x classes."""


def newton_decreases(
    factored: FactoredModel,
    training: TrainingRows,
    X: Matrix,
    added: Float64Array,
    X_val: Matrix,
    objective: BoundObjective,
) -> Float64Array:
    """Decrease of the objective when each row is added, by Newton's method.

    Parameters
    ----------
    factored : FactoredModel
        Its Hessian is that of the training objective.
    training : TrainingRows
    X : matrix of shape (n_rows, n_features), float64
        Rows to add, each alone.
    added : ndarray of shape (n_rows, n_classes)
        Weight that each row is added with under each class.
    X_val : matrix of shape (n_val, n_features), float64
    objective : callable
        J as a function of the logits of the validation rows.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
        Decrease of J.

    Warns
    -----
    InfluenceWarning
        If candidates have not converged even alone; the message says how many.
    """
    model, lost = factored.model, 0
    before, _ = objective(model.logits(X_val))
    rows_held = training.X.shape[0] + X_val.shape[0]
    size = max(1, BATCH_CELLS // (rows_held * model.n_classes**2))
    decreases = np.empty((X.shape[0], model.n_classes))
    for batch in gen_batches(X.shape[0], size):
        rows = X[batch].toarray() if sparse.issparse(X) else X[batch]
        candidates = _Candidates.of(factored, training, rows, added[batch])
        with np.errstate(all="ignore"):  # steps that overflow are not taken
            parameters, unsettled = candidates.minimize()
        for place in unsettled.tolist():
            parameters[place], converged = candidates.alone(place, parameters[place])
            lost += not converged
        logits = candidates.logits(X_val, parameters)
        values = [
            objective(logits[:, place])[0] for place in range(len(candidates.labels))
        ]
        decreases[batch] = before - np.reshape(values, (-1, model.n_classes))
    if lost:
        warnings.warn(
            f"for {lost} of {decreases.size} candidates Newton's method has not "
            "converged, as the penalty is too weak for their rows, so what is said of "
            "them may be far off; use a smaller C, standardize the features, or take "
            "estimate='refit'",
            InfluenceWarning,
            stacklevel=2,
        )
    return decreases


@dataclass(frozen=True)
class _Candidates:
    """The pairs of a row and a class, each with its own objective, solved together.

    The parameters of all n candidates have shape (n, K - 1, d), in the reduced
    coordinates of the Hessian. Logits have shape (n_rows, n, K).
    """

    factored: FactoredModel
    training: TrainingRows
    rows: Float64Array
    labels: IntArray
    weight: Float64Array

    @classmethod
    def of(
        cls,
        factored: FactoredModel,
        training: TrainingRows,
        X: Float64Array,
        added: Float64Array,
    ) -> _Candidates:
        if factored.model.fit_intercept:
            X = np.column_stack([X, np.ones(len(X))])
        return cls(
            factored,
            training,
            np.repeat(X, added.shape[1], axis=0),
            np.tile(np.arange(added.shape[1]), len(X)),
            added.ravel(),
        )

    def take(self, places: IntArray) -> _Candidates:
        return replace(
            self,
            rows=self.rows[places],
            labels=self.labels[places],
            weight=self.weight[places],
        )

    def logits(self, X: Matrix, parameters: Float64Array) -> Float64Array:
        """Logits of rows under each candidate's parameters, shape (n_rows, n, K)."""
        coef = np.einsum("ak,nad->nkd", self.factored.hessian.basis, parameters)
        n_features = self.factored.model.n_features
        flat = coef.reshape(-1, coef.shape[2])
        logits = np.asarray(X @ flat[:, :n_features].T)
        if self.factored.model.fit_intercept:
            logits += flat[:, -1]
        return logits.reshape(X.shape[0], *coef.shape[:2])

    def own_logits(self, parameters: Float64Array) -> Float64Array:
        """Logits of each candidate's own row, shape (n, K)."""
        reduced = np.einsum("nad,nd->na", parameters, self.rows)
        own: Float64Array = reduced @ self.factored.hessian.basis
        return own

    def evaluate(self, parameters: Float64Array) -> _Point:
        """Each candidate's objective and probabilities at its own parameters."""
        logits = self.logits(self.training.X, parameters)
        rows = np.arange(len(self.training.labels))
        chosen = logits[rows, :, self.training.labels]
        # Class by class, as NumPy is slow to reduce a short last axis.
        top = reduce(np.maximum, np.moveaxis(logits, 2, 0))
        probability = np.exp(logits - top[..., None])
        total = reduce(np.add, np.moveaxis(probability, 2, 0))
        probability /= total[..., None]
        loss = self.training.weight @ (np.log(total) + top - chosen)
        own = log_softmax(self.own_logits(parameters), axis=1)
        loss -= self.weight * own[np.arange(len(own)), self.labels]
        penalty = np.einsum("nad,d->n", parameters**2, self.factored.hessian.penalty())
        return _Point(parameters, loss + penalty / 2, probability, np.exp(own))

    def gradient(self, point: _Point) -> Float64Array:
        """Gradient of each candidate's objective, shape (n, K - 1, d)."""
        residual = log_loss_gradient(point.probability, self.training.labels)
        own = log_loss_gradient(point.own_probability, self.labels)
        penalty = self.factored.hessian.penalty()
        return self._back(residual, own) + penalty * point.parameters

    def product(self, point: _Point, vectors: Float64Array) -> Float64Array:
        """Each candidate's Hessian times its own vector, shape (n, K - 1, d)."""
        probability, own_probability = point.probability, point.own_probability
        logits = self.logits(self.training.X, vectors)
        logits -= np.einsum("mnk,mnk->mn", probability, logits)[..., None]
        logits *= probability
        own = self.own_logits(vectors)
        own -= np.einsum("nk,nk->n", own_probability, own)[:, None]
        own *= own_probability
        return self._back(logits, own) + self.factored.hessian.penalty() * vectors

    def _back(self, logits: FloatArray, own: FloatArray) -> Float64Array:
        """Map weights of logits to parameters: the transpose of `logits`."""
        n_rows, n, n_classes = logits.shape
        weighted = (logits * self.training.weight[:, None, None]).reshape(n_rows, -1)
        coef = np.asarray(self.training.X.T @ weighted).T
        if self.factored.model.fit_intercept:
            coef = np.column_stack([coef, weighted.sum(axis=0)])
        coef = coef.reshape(n, n_classes, -1)
        coef += (own * self.weight[:, None])[:, :, None] * self.rows[:, None, :]
        reduced: Float64Array = np.einsum(
            "ak,nkd->nad", self.factored.hessian.basis, coef
        )
        return reduced

    def minimize(self) -> tuple[Float64Array, IntArray]:
        """Each candidate's optimal parameters, starting from the model's.

        Also the places of the candidates that have not converged in `MOST_STEPS`.
        """
        begin = self.factored.hessian.basis @ self.factored.model.parameters
        parameters = np.repeat(begin[None], len(self.labels), axis=0)
        point, step = self.evaluate(parameters), self._first_step()
        first = -_dot(self.gradient(point), step)
        enough = SMALLEST_DECREMENT * np.minimum(1.0, first)
        point = self._damped(point, step)
        moving = np.arange(len(self.labels))
        for _ in range(MOST_STEPS - 1):
            parameters[moving] = point.parameters
            part = self.take(moving)
            gradient = part.gradient(point)
            scaled = self.factored.solver.apply(gradient)
            still = np.flatnonzero(~(_dot(gradient, scaled) <= enough[moving]))
            if len(still) == 0:
                return parameters, moving[still]
            moving, point = moving[still], point.take(still)
            part = self.take(moving)
            step = part._newton_step(point, gradient[still], scaled[still])
            point = part._damped(point, step)
        parameters[moving] = point.parameters
        return parameters, moving

    def alone(self, place: int, parameters: Float64Array) -> tuple[Float64Array, bool]:
        """Optimal parameters of one candidate, and whether it has converged."""
        model, basis = self.factored.model, self.factored.hessian.basis
        n_features, coef = model.n_features, basis.T @ parameters
        intercept = coef[:, -1] if model.fit_intercept else model.intercept
        start = replace(model, coef=coef[:, :n_features], intercept=intercept)
        row, label = self.rows[place, :n_features], int(self.labels[place])
        rows = self.training.with_row(row, label, self.weight[place])
        found = minimize(start, rows)
        return basis @ found.model.parameters, found.converged

    def _first_step(self) -> Float64Array:
        """Newton's step at the model, in closed form.

        It uses the factored Hessian and the curvature of the added row.
        """
        hessian, n_classes = self.factored.hessian, self.factored.model.n_classes
        basis = hessian.basis
        reduced = n_classes - 1
        rows = self.rows[::n_classes]
        sides = np.zeros((len(rows), reduced, *hessian.shape))
        diagonal = np.arange(reduced)
        sides[:, diagonal, diagonal] = rows[:, None, :]
        solved = self.factored.solver.apply(sides.reshape(-1, *hessian.shape))
        solved = solved.reshape(sides.shape)
        begin = basis @ self.factored.model.parameters
        probability = softmax(rows @ begin.T @ basis, axis=1)
        curvature = reduced_curvatures(basis, probability, np.ones(len(rows)))
        gain = np.einsum("nbad,nd->nab", solved, rows)
        weight = self.weight.reshape(-1, n_classes)
        every = np.repeat(probability, n_classes, axis=0)
        slope = log_loss_gradient(every, self.labels) @ basis.T
        slope = self.weight[:, None] * slope
        system = np.eye(reduced) + weight[..., None, None] * (curvature @ gain)[:, None]
        share = _solved(system, slope.reshape(*weight.shape, reduced, 1))[..., 0]
        step: Float64Array = -np.einsum("nca,nabd->ncbd", share, solved)
        return _finite(step.reshape(-1, *hessian.shape))

    def _newton_step(
        self,
        point: _Point,
        gradient: Float64Array,
        scaled: Float64Array,
    ) -> Float64Array:
        """Newton's step by conjugate gradients.

        The preconditioner is the factored Hessian of the model.
        """
        residual, search = -gradient, -scaled
        step = np.zeros_like(residual)
        size = first = _dot(gradient, scaled)
        part, going = self, np.arange(len(first))
        tiny = np.finfo(np.float64).tiny
        for _ in range(MOST_PRODUCTS):
            product = part.product(point, search)
            length = size / np.maximum(_dot(search, product), tiny)
            step[going] += length[:, None, None] * search
            residual = _finite(residual - length[:, None, None] * product)
            scaled = self.factored.solver.apply(residual)
            ratio = _dot(residual, scaled) / np.maximum(size, tiny)
            size = ratio * size
            on = np.flatnonzero(size > STEP_TOLERANCE**2 * first[going])
            if len(on) == 0:
                break
            search = scaled + ratio[:, None, None] * search
            if len(on) < len(going):
                part, going, point = part.take(on), going[on], point.take(on)
                residual, search, size = residual[on], search[on], size[on]
        return _finite(step)

    def _damped(self, point: _Point, step: Float64Array) -> _Point:
        """Take the step, halved until the objective decreases."""
        length = np.ones(len(step))
        for _ in range(MOST_HALVINGS):
            after = self.evaluate(point.parameters + length[:, None, None] * step)
            worse = ~(after.value <= point.value * (1 + 1e-12))
            if not worse.any():
                return after
            length[worse] /= 2
        length[worse] = 0.0
        return self.evaluate(point.parameters + length[:, None, None] * step)


@dataclass(frozen=True)
class _Point:
    """Parameters of the candidates, and the values that follow from them.

    ``parameters`` has shape (n, K - 1, d), ``value`` of the objectives (n,),
    ``probability`` of the training rows (n_train, n, K), and ``own_probability`` of the
    candidates' own rows (n, K).
    """

    parameters: Float64Array
    value: Float64Array
    probability: Float64Array
    own_probability: Float64Array

    def take(self, places: IntArray) -> _Point:
        return _Point(
            self.parameters[places],
            self.value[places],
            self.probability[:, places],
            self.own_probability[places],
        )


def _solved(system: Float64Array, rhs: Float64Array) -> Float64Array:
    """Solve small systems, of which some may be singular to rounding."""
    try:
        return np.asarray(np.linalg.solve(system, rhs), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(system) @ rhs, dtype=np.float64)


def _finite(vectors: Float64Array) -> Float64Array:
    """The candidates' vectors; zero where one has overflowed."""
    vectors[~np.isfinite(_dot(vectors, vectors))] = 0.0
    return vectors


def _dot(first: Float64Array, second: Float64Array) -> Float64Array:
    product: Float64Array = np.einsum("nad,nad->n", first, second)
    return product
