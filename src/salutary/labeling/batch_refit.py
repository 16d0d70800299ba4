"""Pick a batch from a shortlist by what each row truly does, one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from salutary.arrays import IntArray, as_float64
from salutary.influence.add_one_in import estimate_decreases
from salutary.influence.softmax import softmax_model
from salutary.labeling.definition import Definition
from salutary.labeling.fitting import Snapshot, extend, weighted_training_rows
from salutary.labeling.guard import decrease_in
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Scores
from salutary.labeling.selection import Selection, keep_best


def pick_by_refit(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    shortlist: Selection,
    scores: Scores,
    size: int,
) -> Selection:
    """Pick rows by the problem's estimate of what they do, greedily.

    After each pick the model is refitted with it, so what a pick has already brought
    counts no second time: ten copies of one row are not ten picks.

    Parameters
    ----------
    problem : Definition
    validation : LabeledRows
        Rows on which the effects are estimated.
    snapshot : Snapshot
        The model, and the pool rows labeled so far.
    shortlist : Selection
        Rows to pick from.
    scores : callable
        Of a rule's variant.
    size : int
        Picks, at most.

    Returns
    -------
    Selection
        In the order they were picked; fewer than ``size`` where no further row would
        help. Its influence is the estimated decrease of the objective, with the row's
        own weight. Its standard error is that of what the refit with the row did to the
        objective.

    Notes
    -----
    Costs an estimate of the shortlist and a refit for each row that is picked, or
    passed over for the problem's ``min_influence_z``.
    """
    nothing = Selection.empty(len(problem.classes))
    picked, remaining = nothing, shortlist.rows
    logits = validation.logits(snapshot.model)
    while len(picked) < size and len(remaining):
        best = _best_of(problem, validation, snapshot, remaining, scores)
        if len(best) == 0:
            break
        remaining = remaining[remaining != best.rows[0]]
        longer = extend(problem, snapshot, best.rows, best.labels)
        logits_then = validation.logits(longer.model)
        _, error = decrease_in(problem.objective, validation.truth, logits, logits_then)
        best = replace(best, influence_se=np.array([error]))
        if len(best.clearing(problem.min_influence_z)) == 0:
            continue
        picked, snapshot, logits = picked.then(best), longer, logits_then
    return picked


def _best_of(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    rows: IntArray,
    scores: Scores,
) -> Selection:
    """The one of some pool rows with the best score; none if no score is positive."""
    training, factors = weighted_training_rows(problem, snapshot)
    X = as_float64(problem.pool.take(rows))
    own_weight = np.asarray(problem.pool.weight[rows], dtype=np.float64)
    added = np.repeat(own_weight[:, None], len(problem.classes), axis=1)
    if factors is not None:
        added = added * factors
    decreases = estimate_decreases(
        snapshot.model,
        training,
        X,
        added,
        as_float64(validation.X),
        problem.objective_of(validation),
        problem.estimate,
    )
    probability = softmax_model(snapshot.model).probability(X)
    nothing = Selection.empty(len(problem.classes))
    return keep_best(
        nothing, rows, scores(decreases, probability), decreases, probability, 1
    )
