"""Score the pool in one pass, and choose a batch from the rows with the best scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salutary.influence.direction import influence_direction
from salutary.influence.factored import FactoredModel, factor_with_pool
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import softmax_model
from salutary.influence.uncertainty import influence_errors
from salutary.labeling.batch_greedy import pick_greedily
from salutary.labeling.batch_refit import pick_by_refit
from salutary.labeling.definition import Definition
from salutary.labeling.fitting import Snapshot, weighted_training_rows
from salutary.labeling.rows import LabeledRows
from salutary.labeling.selection import (
    Selection,
    keep_best,
    keep_best_of_each_class,
)
from salutary.labeling.standing import Survey

SHORTLIST = 5
"""Rows on a shortlist for each row of a batch, where rows are examined one by one."""


def choose_batches(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    size: int,
    survey: Survey | None = None,
) -> dict[str, Selection]:
    """Choose a batch under each variant of the problem's rule.

    Parameters
    ----------
    problem : Definition
    validation : LabeledRows
        The validation rows that influence sees.
    snapshot : Snapshot
    size : int
        Maximum number of rows in a batch.
    survey : Survey, optional
        Gets the influences of the whole pool.

    Returns
    -------
    dict of str to Selection
        The batch of each variant, with standard errors.

    Notes
    -----
    Costs a solve and one pass over the pool, O(n_pool n_features n_classes), for any
    number of variants. Extra memory is one block of rows, and one byte for each row of
    the pool, besides the survey.
    """
    factored = factor_snapshot(problem, snapshot)
    closer = problem.estimate != "first_order" or problem.min_influence_z > 0
    n_kept = SHORTLIST * size if closer else size
    shortlists = score_pool(problem, factored, validation, snapshot, n_kept, survey)
    batches = {
        name: pick_batch(problem, factored, validation, snapshot, shortlist, name, size)
        for name, shortlist in shortlists.items()
    }
    done, edit = (snapshot.rows, snapshot.labels), problem.edit
    return {
        name: batch.take(edit.keeping_every_class(*done, batch.rows, batch.labels))
        for name, batch in batches.items()
    }


def pick_batch(
    problem: Definition,
    factored: FactoredModel,
    validation: LabeledRows,
    snapshot: Snapshot,
    shortlist: Selection,
    variant: str,
    size: int,
) -> Selection:
    """Choose a batch from a shortlist, as the problem's estimate and rule ask.

    Rows are picked one by one by their true effects, one by one by their influences, or
    all together by their scores.
    """
    scores = problem.variants[variant]
    if problem.estimate != "first_order":
        return pick_by_refit(problem, validation, snapshot, shortlist, scores, size)
    if problem.min_influence_z > 0:
        shortlist = _with_errors(problem, factored, validation, shortlist)
        shortlist = shortlist.significant(problem.min_influence_z)
    if problem.rule.greedy:
        batch = pick_greedily(problem, factored, validation, shortlist, scores, size)
    else:
        batch = shortlist.take(slice(size))
    return _with_errors(problem, factored, validation, batch)


def factor_snapshot(problem: Definition, snapshot: Snapshot) -> FactoredModel:
    """Factor a snapshot's model with the Hessian that the problem asks for."""
    pool, free = problem.pool, available(problem, snapshot)
    training, class_weight = weighted_training_rows(problem, snapshot)
    blocks = (lambda: (X for _, X in pool.blocks(free)), int(free.sum()))
    return factor_with_pool(
        softmax_model(snapshot.model),
        training.X,
        training.weight,
        class_weight,
        problem.hessian,
        blocks,
    )


def available(problem: Definition, snapshot: Snapshot) -> NDArray[np.bool_]:
    """Which pool rows can still be labeled; rows of weight zero could not help."""
    free = problem.pool.unlabeled & (problem.pool.weight > 0)
    free[snapshot.rows] = False
    free[problem.edit.last_of_class(snapshot.rows, snapshot.labels)] = False
    return free


def score_pool(
    problem: Definition,
    factored: FactoredModel,
    validation: LabeledRows,
    snapshot: Snapshot,
    size: int,
    survey: Survey | None = None,
) -> dict[str, Selection]:
    """Find the best rows of the pool under each variant of the rule, in one pass.

    Returns
    -------
    dict of str to Selection
        Rows with positive scores only: at most ``size``, or at most ``size`` of each
        label if picks are greedy.
    """
    pool, n_classes = problem.pool, factored.model.n_classes
    direction = influence_direction(
        factored, validation.X, problem.objective_of(validation)
    )
    scorer = InfluenceScorer(factored, direction, pool.dtype)
    keep = keep_best_of_each_class if problem.rule.greedy else keep_best
    best = dict.fromkeys(problem.variants, Selection.empty(n_classes))
    for rows, X in pool.blocks(available(problem, snapshot)):
        influence, probability = scorer(X)
        influence = problem.edit.effect(influence, rows)
        if survey is not None:
            survey.add(rows, influence)
        for name, variant in problem.variants.items():
            scores = variant(influence, probability)
            # To first order, a row of weight two moves the model twice as far.
            scores = scores * pool.weight[rows, None].astype(scores.dtype)
            best[name] = keep(best[name], rows, scores, influence, probability, size)
    return best


def _with_errors(
    problem: Definition,
    factored: FactoredModel,
    validation: LabeledRows,
    batch: Selection,
) -> Selection:
    pull = problem.edit.pull(
        batch.probability, batch.rows, batch.labels, factored.class_weight
    )
    errors = influence_errors(
        factored,
        problem.pool.take(batch.rows),
        -pull,
        validation.X,
        problem.objective,
        validation.truth,
    )
    return replace(batch, influence_se=errors)
