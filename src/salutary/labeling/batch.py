"""Choose a batch from the rows of the pool with the best scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import IntArray, Matrix
from salutary.influence.direction import influence_direction
from salutary.influence.factored import FactoredModel, factor_with_pool
from salutary.influence.softmax import softmax_model
from salutary.influence.uncertainty import influence_errors
from salutary.labeling.batch_greedy import pick_greedily
from salutary.labeling.batch_refit import pick_by_refit
from salutary.labeling.definition import Definition
from salutary.labeling.fitting import Snapshot, weighted_training_rows
from salutary.labeling.rows import LabeledRows
from salutary.labeling.scoring import View, score_pool
from salutary.labeling.selection import Selection


def choose_batches(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    size: int,
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

    Returns
    -------
    dict of str to Selection
        The batch of each variant, with standard errors.

    Notes
    -----
    Costs a solve and one pass over the pool, O(n_pool n_features n_classes), for any
    number of variants. Extra memory is one block of rows of the pool.
    """
    view = look(problem, validation, snapshot, size)
    batches = pick_batches(view, *score_pool([view]).shortlists)
    return {name: with_errors(view, batch) for name, batch in batches.items()}


def look(
    problem: Definition,
    validation: LabeledRows,
    snapshot: Snapshot,
    size: int,
    surveyed: bool = False,
) -> View:
    """Solve for what `score_pool` needs to know, see `choose_batches`."""
    factored = factor_snapshot(problem, snapshot)
    return View(
        problem,
        validation,
        snapshot,
        factored,
        influence_direction(factored, validation.X, problem.objective_of(validation)),
        taken(problem, snapshot),
        size,
        surveyed,
    )


def pick_batches(
    view: View, shortlists: Mapping[str, Selection]
) -> dict[str, Selection]:
    """Choose the batch of each variant from its shortlist."""
    edit, done = view.problem.edit, (view.snapshot.rows, view.snapshot.labels)
    batches = {}
    for name, shortlist in shortlists.items():
        batch = _pick_batch(view, shortlist, name)
        kept = edit.keeping_every_class(*done, batch.rows, batch.labels)
        batches[name] = batch.take(kept)
    return batches


def _pick_batch(view: View, shortlist: Selection, variant: str) -> Selection:
    """Choose a batch from a shortlist, as the problem's estimate and rule ask.

    Rows are picked one by one by their true effects, one by one by their influences, or
    all together by their scores.
    """
    problem, size = view.problem, view.size
    scores = problem.variants[variant]
    if problem.estimate != "first_order":
        return pick_by_refit(
            problem, view.validation, view.snapshot, shortlist, scores, size
        )
    if problem.min_influence_z > 0:
        shortlist = with_errors(view, shortlist)
        shortlist = shortlist.significant(problem.min_influence_z)
    if problem.rule.greedy:
        return pick_greedily(
            problem, view.factored, view.validation, shortlist, scores, size
        )
    return shortlist.take(slice(size))


def factor_snapshot(problem: Definition, snapshot: Snapshot) -> FactoredModel:
    """Factor a snapshot's model with the Hessian that the problem asks for."""
    training, class_weight = weighted_training_rows(problem, snapshot)

    def rows() -> Iterator[Matrix]:  # which makes its mask anew, and keeps none
        yield from (X for _, X in problem.pool.blocks(available(problem, snapshot)))

    blocks = rows, int(available(problem, snapshot).sum())
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
    free[taken(problem, snapshot)] = False
    return free


def taken(problem: Definition, snapshot: Snapshot) -> IntArray:
    """Pool rows that can no longer be labeled, ascending."""
    last = problem.edit.last_of_class(snapshot.rows, snapshot.labels)
    return np.union1d(snapshot.rows, last).astype(np.intp)


def with_errors(view: View, batch: Selection) -> Selection:
    """A batch with the standard errors of its influences, if it has none yet."""
    if np.isfinite(batch.influence_se).any() or view.problem.estimate != "first_order":
        return batch
    problem, factored = view.problem, view.factored
    pull = problem.edit.pull(
        batch.probability, batch.rows, batch.labels, factored.class_weight
    )
    errors = influence_errors(
        factored,
        problem.pool.take(batch.rows),
        -pull,
        view.validation.X,
        problem.objective,
        view.validation.truth,
    )
    return replace(batch, influence_se=errors)
