r"""Information maximization: a softmax regression that is certain of the pool's rows.

The training objective of ``LogisticRegression`` gets the term
:math:`\lambda W (\operatorname{mean}_j H(p_j) + KL(\operatorname{mean}_j p_j \| \pi))`,
with the predictions :math:`p_j` of the pool's rows, the weight W of the labeled rows,
and class frequencies :math:`\pi`. The entropy H moves the border between classes to
where few rows are; the divergence keeps classes as frequent as they are.

References
----------
Grandvalet and Bengio, Semi-supervised Learning by Entropy Minimization, 2004.
Krause, Perona and Gomes, Discriminative Clustering by Regularized Information
Maximization, 2010. There, :math:`\pi` is uniform, and the term without its sign is the
mutual information of rows and classes, up to a constant.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, Matrix
from salutary.influence.inputs import class_weights
from salutary.influence.softmax import (
    SoftmaxModel,
    as_fitted,
    centered,
    parameter_gradient,
    softmax_model,
)
from salutary.influence.training import TrainingRows, training_objective
from salutary.labeling.fitting import REFIT_STEPS
from salutary.labeling.tuning import PENALTIES, TUNING_TOLERANCE
from salutary.pools.protocol import Pool
from salutary.semisupervised.task import (
    Method,
    SemiSupervisedTask,
    Setting,
    drawn,
    pool_rows,
)

STRENGTHS = (0.1, 0.3, 1.0)
"""Strengths to choose from, in units of the weight of all labeled rows."""

SMOOTHING = 1e-3
"""Share of the class frequencies that is spread evenly, so that none is zero."""

CLIMBED_ROWS = 20_000
"""Largest number of pool rows that a fit comes near its optimum by."""

KEPT = 2**20
"""Probabilities kept from the first pass for the second; more are computed again."""

TUNING_STEPS = 300
"""Maximum number of iterations of a fit that is only compared, or only on the way."""

LEAST_FALL = 64 * np.finfo(np.float64).eps
"""Relative fall of the objective in a step that ends a fit, as in scikit-learn."""


@dataclass(frozen=True)
class Information(Setting):
    """What information maximization is tuned to.

    Parameters
    ----------
    strength : float
        Weight of the pool, in units of the weight of all labeled rows.
    """

    strength: float


def paths(C: float) -> list[list[Setting]]:
    """All strengths, for the C that does best without a pool and the next smaller one.

    The term makes models as certain as a weaker penalty does, so a weaker one is not
    among them.
    """
    best = PENALTIES.index(C)
    return [
        [Information(value, strength) for strength in STRENGTHS]
        for value in PENALTIES[max(0, best - 1) : best + 1]
    ]


def models(
    task: SemiSupervisedTask, settings: Sequence[Information]
) -> Iterator[LogisticRegression]:
    """Fit one setting after the other, each from the model of the strength below it.

    The objective has several local minima. Every fit comes from the supervised optimum
    by way of all smaller `STRENGTHS`, on at most 20,000 rows of the pool and loosely,
    and then goes on with the whole pool.
    """
    sample = drawn(task.pool, CLIMBED_ROWS, task.seed)
    finish = sample is not task.pool or task.tolerance < TUNING_TOLERANCE
    climbing = replace(task, pool=sample, tolerance=TUNING_TOLERANCE)
    reached, model = 0.0, task.plain(settings[0].C)
    for setting in settings:
        for strength in (*STRENGTHS, setting.strength):
            if reached < strength <= setting.strength:
                model, reached = fit_information(climbing, strength, model), strength
        yield fit_information(task, setting.strength, model) if finish else model


METHOD = Method(paths, models)


def fit_information(
    task: SemiSupervisedTask, strength: float, start: LogisticRegression
) -> LogisticRegression:
    """Fit a logistic regression by information maximization.

    Parameters
    ----------
    task : SemiSupervisedTask
    strength : float
        Weight of the pool, in units of the weight of all labeled rows.
    start : LogisticRegression
        Fitted, of the same classes and C: where to start.

    Returns
    -------
    LogisticRegression
        As scikit-learn leaves it, with ``n_iter_`` of this fit.

    Warns
    -----
    ConvergenceWarning
        If a fit of tolerance below `TUNING_TOLERANCE` does not converge.
    """
    objective = information_objective(task, strength, start)
    loose = task.tolerance >= TUNING_TOLERANCE
    steps = TUNING_STEPS if loose else max(start.max_iter, REFIT_STEPS)
    optimum, n_iter, converged = minimize_information(
        softmax_model(start), objective, task.tolerance, steps
    )
    if not (converged or loose):
        warnings.warn(
            f"information maximization did not converge in {steps} iterations; scale "
            "the features, for instance by StandardScaler in a pipeline",
            ConvergenceWarning,
            stacklevel=2,
        )
    return as_fitted(clone(start), optimum, start.classes_, n_iter)


def information_objective(
    task: SemiSupervisedTask, strength: float, model: LogisticRegression
) -> InformationObjective:
    """What is minimized for models of the classes and class weights of a fitted one."""
    labels = np.searchsorted(model.classes_, task.classes[task.rows.labels])
    weight = np.asarray(task.rows.weight, dtype=np.float64)
    factors = class_weights(model, model.classes_[labels], weight)
    return InformationObjective(
        TrainingRows(
            task.rows.X, labels, weight if factors is None else weight * factors[labels]
        ),
        task.pool,
        class_frequencies(labels, weight, len(model.classes_)),
        strength,
    )


def class_frequencies(
    labels: np.ndarray, weight: Float64Array, n_classes: int
) -> Float64Array:
    """Shares of the classes in the weight of rows, slightly evened out.

    Factors of a model's ``class_weight`` have no part in them, as the pool's rows have
    none.

    Examples
    --------
    >>> import numpy as np
    >>> class_frequencies(np.array([0, 0, 0, 1]), np.ones(4), 2).round(3)
    array([0.75, 0.25])
    """
    counts = np.bincount(labels, weight, n_classes)
    share: Float64Array = counts / counts.sum()
    return (1 - SMOOTHING) * share + SMOOTHING / n_classes


@dataclass(frozen=True)
class InformationObjective:
    """The objective of information maximization, and its gradient.

    Parameters
    ----------
    rows : TrainingRows
        Labeled rows.
    pool : Pool
        Its ``unlabeled`` rows; their weights count in the means.
    frequencies : ndarray of shape (n_classes,), float64
        Class frequencies that the mean prediction is drawn to; positive.
    strength : float
        Weight of the pool's term, in units of the weight of all rows.
    """

    rows: TrainingRows
    pool: Pool
    frequencies: Float64Array
    strength: float

    @property
    def factor(self) -> float:
        """What the pool's term is multiplied by."""
        return self.strength * float(self.rows.weight.sum())

    def __call__(self, model: SoftmaxModel) -> tuple[float, Float64Array]:
        """Value, in nats, and gradient of the shape of the model's parameters."""
        value, gradient = training_objective(model, self.rows)
        if self.strength == 0:
            return value, gradient
        term, slope = pool_term(model, self.pool, self.frequencies)
        return value + self.factor * term, gradient + self.factor * slope


def pool_term(
    model: SoftmaxModel, pool: Pool, frequencies: Float64Array
) -> tuple[float, Float64Array]:
    r"""Mean entropy of predictions, and the divergence of their mean from frequencies.

    Parameters
    ----------
    model : SoftmaxModel
    pool : Pool
        One row of it or more has a weight.
    frequencies : ndarray of shape (n_classes,), float64
        Positive.

    Returns
    -------
    value : float
        In nats.
    gradient : ndarray of shape (n_classes, n_features + fit_intercept), float64

    Notes
    -----
    With the mean prediction m, the gradient with respect to the logits of a row of
    share w is :math:`-w\, p\, (q - \sum_k p_k q_k)` with
    :math:`q = \log p - \log(m / \pi)`. It needs m, hence two passes over the pool; of a
    small one, the probabilities of the first are kept. Rows of float32 are multiplied
    in float32; all else is float64.
    """
    total = float(pool.weight[pool_rows(pool)].sum())
    keep = len(pool.weight) * model.n_classes <= KEPT
    kept, mean, entropy = [], np.zeros(model.n_classes), 0.0
    for rows, X in pool.blocks(pool.unlabeled):
        share = pool.weight[rows] / total
        found = log_probability(model, X)
        kept += [found] if keep else []
        mean += share @ found[1]
        entropy -= float(share @ np.einsum("ik,ik->i", *found))
    # The mean of a class that no row is given any chance of may be zero.
    ratio = np.log(np.maximum(mean, np.finfo(np.float64).tiny) / frequencies)
    gradient = np.zeros_like(model.parameters)
    for number, (rows, X) in enumerate(pool.blocks(pool.unlabeled)):
        log, probability = kept[number] if keep else log_probability(model, X)
        slope = probability * centered(log - ratio, probability)
        slope *= -(pool.weight[rows] / total)[:, None]
        slope = slope.astype(X.dtype, copy=False)
        gradient += parameter_gradient(X, slope, model.fit_intercept)
    return entropy + float(mean @ ratio), gradient


def log_probability(
    model: SoftmaxModel, X: Matrix
) -> tuple[Float64Array, Float64Array]:
    """Logarithms of the class probabilities of rows, and these probabilities."""
    product = X @ model.coef.T.astype(X.dtype, copy=False)
    log = np.asarray(product, dtype=np.float64) + model.intercept
    log -= log.max(axis=1, keepdims=True)
    probability = np.exp(log)
    total = probability.sum(axis=1, keepdims=True)
    log -= np.log(total)
    probability /= total
    return log, probability


def minimize_information(
    start: SoftmaxModel,
    objective: InformationObjective,
    tolerance: float,
    most_steps: int,
) -> tuple[SoftmaxModel, int, bool]:
    """The local minimum that L-BFGS comes to from a model.

    Parameters
    ----------
    start : SoftmaxModel
        The rows of its parameters sum to zero, and so do those of the minimum.
    objective : InformationObjective
    tolerance : float
        Largest entry of the gradient at the minimum, for a total weight of one.
    most_steps : int

    Returns
    -------
    minimum : SoftmaxModel
    n_iter : int
    converged : bool
        False if steps ran out.
    """
    shape, total = start.parameters.shape, float(objective.rows.weight.sum())

    def scaled(flat: Float64Array) -> tuple[float, Float64Array]:
        value, gradient = objective(_with_parameters(start, flat.reshape(shape)))
        return value / total, gradient.ravel() / total

    found = minimize(
        scaled,
        start.parameters.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": most_steps,
            "maxfun": 2 * most_steps,
            "maxls": 50,
            "gtol": tolerance,
            "ftol": LEAST_FALL,
        },
    )
    # Status 2 is a line search at the limits of precision.
    minimum = _with_parameters(start, found.x.reshape(shape))
    return minimum, int(found.nit), found.status != 1


def _with_parameters(model: SoftmaxModel, parameters: Float64Array) -> SoftmaxModel:
    """A model with other parameters."""
    coef = parameters[:, : model.n_features]
    intercept = parameters[:, -1] if model.fit_intercept else model.intercept
    return replace(model, coef=coef, intercept=intercept)
