"""Choose a batch from a shortlist one by one, each knowing those before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from salutary.fitting import fit, training_of
from salutary.influence.add_one_in import estimate_falls
from salutary.influence.softmax import as_rows
from salutary.influence.uncertainty import standard_error
from salutary.labeling.selection import Selection, keep_best
from salutary.objective import IntArray
from salutary.problem import Problem


def refine(
    problem: Problem,
    model: LogisticRegression,
    rows: IntArray,
    labels: IntArray,
    shortlist: Selection,
    size: int,
) -> Selection:
    """Pick rows by the problem's estimate of what they do, greedily.

    After each pick the model is refitted with it, so what a pick has already brought
    counts no second time: ten copies of one row are not ten picks.

    Parameters
    ----------
    problem : Problem
    model : LogisticRegression
        Fitted on the labeled rows and ``rows``.
    rows, labels : ndarrays of shape (n_assigned,), dtype intp
        Pool rows labeled so far, and their classes' positions.
    shortlist : Selection
        Rows to pick from.
    size : int

    Returns
    -------
    Selection
        In the order they were picked; fewer than ``size`` where no further row would
        help. Its influence is the estimated fall of the objective, with the row's own
        weight; its standard error that of what the refit with the row did to each
        validation row's loss. Costs an estimate of the shortlist and a refit for each
        row picked, or passed over for the problem's ``min_influence_z``.
    """
    picked = Selection.empty(len(problem.classes))
    remaining = shortlist.rows
    loss = problem.validation.loss(model)
    while len(picked) < size and len(remaining):
        training, factors = training_of(problem, model, rows, labels)
        X = as_rows(problem.pool.X[remaining])
        own_weight = np.asarray(problem.pool.weight[remaining], dtype=np.float64)
        added = np.repeat(own_weight[:, None], len(problem.classes), axis=1)
        if factors is not None:
            added = added * factors
        falls = estimate_falls(
            model,
            training,
            X,
            added,
            as_rows(problem.validation.X),
            problem.objective,
            problem.estimate,
        )
        probability = training.model.probability(X)
        scores = problem.rule(falls, probability)
        best = keep_best(
            Selection.empty(len(problem.classes)),
            remaining,
            scores,
            falls,
            probability,
            1,
        )
        if len(best) == 0:
            break
        remaining = remaining[remaining != best.rows[0]]
        with_best = np.append(rows, best.rows), np.append(labels, best.labels)
        refitted = fit(problem, *with_best, model)
        refitted_loss = problem.validation.loss(refitted)
        change = (loss - refitted_loss)[None]
        error = standard_error(change, problem.validation.weight)
        best = replace(best, influence_se=error)
        if len(best.clearing(problem.min_influence_z)) == 0:
            continue
        picked = picked.then(best)
        (rows, labels), model, loss = with_best, refitted, refitted_loss
    return picked
