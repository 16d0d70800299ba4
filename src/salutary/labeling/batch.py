"""Score the pool in one pass, and pick a batch from the rows with the best scores."""

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

SHORTLIST = 5
"""Rows looked at more closely for each that is labeled."""


def choose_batches(
    problem: Definition, validation: LabeledRows, snapshot: Snapshot, size: int
) -> dict[str, Selection]:
    """A batch under each of the problem's variants of its rule.

    Parameters
    ----------
    problem : Definition
    validation : LabeledRows
        The rows influence looks at.
    snapshot : Snapshot
    size : int
        Rows in a batch, at most.

    Returns
    -------
    dict of str to Selection
        With standard errors. Costs one pass over the pool, whatever the number of
        variants: O(n_pool n_features n_classes) besides a solve; extra memory is a
        block and one byte a pool row.
    """
    factored = factor_snapshot(problem, snapshot)
    closer = problem.estimate != "first_order" or problem.min_influence_z > 0
    shortlists = score_pool(
        problem, factored, validation, snapshot, SHORTLIST * size if closer else size
    )
    batches = {
        name: pick_batch(problem, factored, validation, snapshot, shortlist, name, size)
        for name, shortlist in shortlists.items()
    }
    done = snapshot.rows, snapshot.labels
    return {
        name: batch.take(problem.edit.without_last(*done, batch.rows, batch.labels))
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
    """A batch from a shortlist: by true effects, one by one, or the best together."""
    scores = problem.variants[variant]
    if problem.estimate != "first_order":
        return pick_by_refit(problem, validation, snapshot, shortlist, scores, size)
    if problem.min_influence_z > 0:
        shortlist = _with_errors(problem, factored, validation, shortlist)
        shortlist = shortlist.clearing(problem.min_influence_z)
    if problem.rule.greedy:
        batch = pick_greedily(problem, factored, validation, shortlist, scores, size)
    else:
        batch = shortlist.take(slice(size))
    return _with_errors(problem, factored, validation, batch)


def factor_snapshot(problem: Definition, snapshot: Snapshot) -> FactoredModel:
    """A snapshot's model with the curvature that the problem asks for, factored."""
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
    """Pool rows that can still be labeled; a row of weight zero could not help."""
    free = problem.pool.unlabeled & (problem.pool.weight > 0)
    free[snapshot.rows] = False
    free[problem.edit.lonely(snapshot.rows, snapshot.labels)] = False
    return free


def score_pool(
    problem: Definition,
    factored: FactoredModel,
    validation: LabeledRows,
    snapshot: Snapshot,
    size: int,
) -> dict[str, Selection]:
    """The best rows of the pool under each variant of the rule, in one pass.

    Returns
    -------
    dict of str to Selection
        Rows with positive scores only: ``size`` of them, or ``size`` of each label
        where picks are greedy.
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
        for name, variant in problem.variants.items():
            scores = variant(influence, probability)
            # A row of weight two moves the model twice as far.
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
