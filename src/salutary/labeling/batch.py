"""Choose a batch for a snapshot: score the pool, and pick from what scores best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salutary.influence.direction import influence_direction
from salutary.influence.label_influence import curvature_of
from salutary.influence.scores import InfluenceScorer
from salutary.influence.solvers import factor
from salutary.influence.uncertainty import influence_errors
from salutary.labeling.batch_greedy import FactoredModel, pick_greedily
from salutary.labeling.batch_refit import pick_by_refit
from salutary.labeling.fitting import Snapshot, training_of
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.selection import Selection, keep_best, keep_best_of_each_class

SHORTLIST = 5
"""Rows looked at more closely for each that is labeled."""


def choose_batches(
    problem: Problem, validation: LabeledRows, snapshot: Snapshot, size: int
) -> dict[str, Selection]:
    """A batch under each of the problem's variants of its rule.

    Parameters
    ----------
    problem : Problem
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
    geometry = factored_model(problem, snapshot)
    closer = problem.estimate != "first_order" or problem.min_influence_z > 0
    shortlists = score_pool(
        problem, geometry, validation, snapshot, SHORTLIST * size if closer else size
    )
    batches = {
        name: pick_batch(problem, geometry, validation, snapshot, shortlist, name, size)
        for name, shortlist in shortlists.items()
    }
    done = snapshot.rows, snapshot.labels
    return {
        name: batch.take(problem.edit.without_last(*done, batch.rows, batch.labels))
        for name, batch in batches.items()
    }


def pick_batch(
    problem: Problem,
    geometry: FactoredModel,
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
        shortlist = _with_errors(problem, geometry, validation, shortlist)
        shortlist = shortlist.clearing(problem.min_influence_z)
    if problem.rule.greedy:
        batch = pick_greedily(problem, geometry, validation, shortlist, scores, size)
    else:
        batch = shortlist.take(slice(size))
    return _with_errors(problem, geometry, validation, batch)


def factored_model(problem: Problem, snapshot: Snapshot) -> FactoredModel:
    """A snapshot's model with the curvature that the problem asks for, factored."""
    pool, free = problem.pool, available(problem, snapshot)
    training, factors = training_of(
        problem, snapshot.model, snapshot.rows, snapshot.labels
    )
    blocks = (lambda: (X for _, X in pool.blocks(free)), int(free.sum()))
    hessian = curvature_of(
        training.model, training.X, training.weight, blocks, problem.hessian
    )
    return FactoredModel(training.model, hessian, factor(hessian), factors)


def available(problem: Problem, snapshot: Snapshot) -> NDArray[np.bool_]:
    """Pool rows that can still be labeled; a row of weight zero could not help."""
    free = problem.pool.unlabeled & (problem.pool.weight > 0)
    free[snapshot.rows] = False
    free[problem.edit.lonely(snapshot.rows, snapshot.labels)] = False
    return free


def score_pool(
    problem: Problem,
    geometry: FactoredModel,
    validation: LabeledRows,
    snapshot: Snapshot,
    size: int,
) -> dict[str, Selection]:
    """The best rows of the pool under each variant of the rule, in one pass.

    Rows with positive scores only. So many in all, or of each label where picks are to
    be greedy.
    """
    pool, model = problem.pool, geometry.model
    direction = influence_direction(
        model,
        geometry.hessian,
        geometry.solver,
        validation.X,
        problem.objective_of(validation),
    )
    scorer = InfluenceScorer(model, direction, pool.X.dtype, geometry.class_weight)
    keep = keep_best_of_each_class if problem.rule.greedy else keep_best
    best = dict.fromkeys(problem.variants, Selection.empty(model.n_classes))
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
    problem: Problem, geometry: FactoredModel, validation: LabeledRows, batch: Selection
) -> Selection:
    pull = problem.edit.pull(
        batch.probability, batch.rows, batch.labels, geometry.class_weight
    )
    errors = influence_errors(
        geometry.model,
        geometry.hessian,
        geometry.solver,
        problem.pool.X[batch.rows],
        -pull,
        validation.X,
        problem.objective,
        validation.truth,
    )
    return replace(batch, influence_se=errors)
