"""Pick a batch greedily from a shortlist by true effects, with a refit per pick."""

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
from salutary.labeling.selection import Keep, Selection


def pick_by_refit(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    shortlist: Selection,
    scores: Scores,
    size: int,
) -> Selection:
    """Pick rows one by one by their estimated effects, refitting after each.

    Because the model is refitted with each pick, an effect is not counted twice: of ten
    copies of one row, not all are picked.

    Parameters
    ----------
    problem : Definition
        Its ``estimate`` says how effects are estimated.
    validation : LabeledRows
        Rows on which effects are estimated.
    snapshot : Snapshot
        The model, and the pool rows labeled so far.
    shortlist : Selection
        Rows to pick from.
    scores : callable
        Scores of a variant of the rule.
    size : int
        Maximum number of picks.

    Returns
    -------
    Selection
        The picks in their order; fewer than ``size`` if no further row would help. As
        influence they have the estimated decrease of the objective, for the row's own
        weight, and as standard error that of the decrease which the refit gave.

    Notes
    -----
    Costs an estimate for the whole shortlist, and a refit, for each row that is picked
    or rejected by the problem's ``min_influence_z``.
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
        if len(best.significant(problem.min_influence_z)) == 0:
            continue
        picked, snapshot, logits = picked.followed_by(best), longer, logits_then
    return picked


def _best_of(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    rows: IntArray,
    scores: Scores,
) -> Selection:
    """The pool row with the best score, among some; none if no score is positive."""
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
    keep = Keep(1, of_each_class=False)
    return keep(nothing, rows, scores(decreases, probability), decreases, probability)
