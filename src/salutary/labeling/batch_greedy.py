"""Pick a batch greedily from a shortlist, taking earlier picks into account cheaply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.optimize import brentq

from salutary.arrays import Float64Array, FloatArray, Matrix, as_float64
from salutary.influence.factored import FactoredModel
from salutary.influence.softmax import class_probability, parameter_gradient
from salutary.labeling.definition import Definition
from salutary.labeling.edits import TrainingEdit
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Scores
from salutary.labeling.selection import Selection, round_significant

SAMPLE_ROWS = 1_000
"""Maximum number of validation rows from which the direction is updated."""


def pick_greedily(
    problem: Definition,
    factored: FactoredModel,
    validation: LabeledRows,
    shortlist: Selection,
    scores: Scores,
    size: int,
) -> Selection:
    r"""Pick rows with their labels one by one, updating the direction after each.

    Taken together, the rows with the best scores often move the model in the same
    direction, so that the second brings little that the first has not. Here the model
    moves with each pick, and the influences of the remaining rows are computed at the
    moved model.

    Parameters
    ----------
    problem : Definition
    factored : FactoredModel
    validation : LabeledRows
        The validation rows that influence sees.
    shortlist : Selection
        Rows to pick from, with the labels they would get.
    scores : callable
        Scores of a variant of the rule.
    size : int
        Maximum number of picks.

    Returns
    -------
    Selection
        The picks in their order, with the influences that ``shortlist`` has, and the
        scores by which they were picked. Fewer than ``size`` if no other label seems to
        help any more.

    Notes
    -----
    Let g be minus the gradient, with respect to the row's logits, of what the label
    adds to the training objective; it is :math:`e_c - p(x)` for a row added under c. A
    pick moves the parameters along :math:`\Delta = H^{-1} g \otimes \tilde x` by the t
    that minimizes

    .. math:: \frac{t^2}{2} \Delta^T H \Delta + w\, \ell(x, c; \theta + t \Delta)

    with the Hessian H from before the batch. For two classes, this is the optimum with
    the row, except that the curvature of the other rows does not change.

    The gradient of J is that of all validation rows at the model, plus its change since
    then on at most `SAMPLE_ROWS` of them. A pick costs two solves with the factored
    Hessian, and a product with these rows and the shortlist. The simple version, which
    refits after each pick, is in `salutary.labeling.batch_refit`.
    """
    shortlist = shortlist.take(np.argsort(shortlist.rows))
    X = as_float64(problem.pool.take(shortlist.rows))
    weight = np.asarray(problem.pool.weight[shortlist.rows], dtype=np.float64)
    own = np.arange(len(shortlist)), shortlist.labels
    logits = factored.model.logits(X)
    seen = _sample(validation)
    X_seen = as_float64(seen.X)
    seen_logits = factored.model.logits(X_seen)
    objective = problem.objective_of(seen)
    unseen = _gradient(problem, factored, validation)
    unseen = unseen - _gradient(problem, factored, seen)
    free = np.ones(len(shortlist), dtype=bool)
    picked: list[int] = []
    won: list[float] = []
    while len(picked) < size and free.any():
        gradient = _slope(factored, X_seen, objective(seen_logits)[1])
        slope = _logits(X, factored.solved(gradient + unseen), factored)
        probability = class_probability(logits)
        influence = np.einsum("ik,ik->i", probability, slope)[:, None] - slope
        if factored.class_weight is not None:
            influence = influence * factored.class_weight
        effect = problem.edit.effect(influence, shortlist.rows)
        score = np.where(free, scores(effect, probability)[own] * weight, -np.inf)
        if score.max() <= 0:
            break
        best = _first_of_the_best(score)
        picked.append(best)
        won.append(float(score[best]))
        free[best] = False

        pulls = _pulls(problem.edit, shortlist, best, factored.class_weight)
        pull = probability[[best]] @ pulls
        move = factored.solved(_slope(factored, X[[best]], pull))
        change = _logits(X, move, factored)
        along = pulls @ change[best]
        length = _length(logits[best], change[best], along, float(weight[best]))
        logits = logits + length * change
        seen_logits = seen_logits + length * _logits(X_seen, move, factored)
    picks = shortlist.take(np.array(picked, dtype=np.intp))
    return replace(picks, scores=round_significant(np.array(won, dtype=np.float64)))


def _first_of_the_best(score: FloatArray) -> int:
    """Place of the largest rounded score; of equal rows, the first."""
    near = np.flatnonzero(score >= score.max() * (1 - 1e-11))
    return int(near[round_significant(score[near]).argmax()])


def _sample(validation: LabeledRows) -> LabeledRows:
    """At most `SAMPLE_ROWS` of the rows, evenly spaced."""
    step = -(-len(validation) // SAMPLE_ROWS)
    sample = validation.take(np.arange(0, len(validation), step))
    return sample if sample.weight.any() else validation


def _gradient(
    problem: Definition, factored: FactoredModel, validation: LabeledRows
) -> Float64Array:
    """Gradient of the objective of validation rows at the model."""
    X = as_float64(validation.X)
    objective = problem.objective_of(validation)
    return _slope(factored, X, objective(factored.model.logits(X))[1])


def _slope(factored: FactoredModel, X: Matrix, at_logits: FloatArray) -> Float64Array:
    return parameter_gradient(X, at_logits, factored.model.fit_intercept)


def _logits(
    X: Matrix, parameters: Float64Array, factored: FactoredModel
) -> Float64Array:
    """Logits of rows under a parameter matrix, shape (n_rows, n_classes)."""
    n_features = factored.model.n_features
    logits = X @ parameters[:, :n_features].T
    if sparse.issparse(logits):
        logits = logits.toarray()
    logits = np.asarray(logits)
    if factored.model.fit_intercept:
        logits = logits + parameters[:, -1]
    return logits


def _pulls(
    edit: TrainingEdit,
    shortlist: Selection,
    place: int,
    class_weight: FloatArray | None,
) -> Float64Array:
    """The pull of a pick where its row is certainly of each class, (K, K).

    A pull is linear in the probabilities, so any other is their mean of these.
    """
    certain = np.eye(shortlist.probability.shape[1])
    places = np.full(len(certain), place)
    rows, labels = shortlist.rows[places], shortlist.labels[places]
    return np.asarray(edit.pull(certain, rows, labels, class_weight))


def _length(
    logits: Float64Array, change: Float64Array, along: Float64Array, weight: float
) -> float:
    """How far the parameters move along a pick's pull; at most by its weight.

    ``along`` is how much each class, if certain, pulls along the change of the logits.
    """

    def pull(length: float) -> float:
        moved = logits + length * change
        chance = np.exp(moved - moved.max())
        return float(chance @ along / chance.sum())

    curvature = pull(0.0)  # of the other rows: Delta' H Delta

    def slope(length: float) -> float:
        return length * curvature - weight * pull(length)

    if slope(weight) <= 0:  # by rounding: the model is certain of the row's label
        return weight
    return float(brentq(slope, 0.0, weight, xtol=1e-12 * weight))
