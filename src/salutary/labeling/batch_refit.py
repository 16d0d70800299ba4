"""Choose a batch from a shortlist by true effects, one row after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from salutary.arrays import as_float64
from salutary.influence.add_one_in import estimate_decreases
from salutary.labeling.fitting import Snapshot, extend, training_of
from salutary.labeling.guard import decrease_in
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Scores
from salutary.labeling.selection import Selection, keep_best


def pick_by_refit(
    problem: Problem,
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
    problem : Problem
    validation : LabeledRows
        What the effects are on.
    snapshot : Snapshot
        The model, and the pool rows labeled so far.
    shortlist : Selection
        Rows to pick from.
    scores : callable
        Of a rule's variant.
    size : int

    Returns
    -------
    Selection
        In the order they were picked; fewer than ``size`` where no further row would
        help. Its influence is the estimated fall of the objective, with the row's own
        weight; its standard error that of what the refit with the row did to the
        objective. Costs an estimate of the shortlist and a refit for each
        row picked, or passed over for the problem's ``min_influence_z``.
    """
    nothing = Selection.empty(len(problem.classes))
    picked, remaining = nothing, shortlist.rows
    logits = validation.logits(snapshot.model)
    while len(picked) < size and len(remaining):
        training, factors = training_of(
            problem, snapshot.model, snapshot.rows, snapshot.labels
        )
        X = as_float64(problem.pool.X[remaining])
        own_weight = np.asarray(problem.pool.weight[remaining], dtype=np.float64)
        added = np.repeat(own_weight[:, None], len(problem.classes), axis=1)
        if factors is not None:
            added = added * factors
        falls = estimate_decreases(
            snapshot.model,
            training,
            X,
            added,
            as_float64(validation.X),
            problem.objective_of(validation),
            problem.estimate,
        )
        probability = training.model.probability(X)
        best = keep_best(
            nothing, remaining, scores(falls, probability), falls, probability, 1
        )
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
