"""Score a pool for a run and all its folds in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray

from salutary.arrays import BLOCK_ROWS, Float64Array, FloatArray, IntArray, Matrix
from salutary.influence.factored import FactoredModel
from salutary.influence.scores import InfluenceScorer, products_of
from salutary.labeling.definition import Definition
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Tempered
from salutary.labeling.selection import Keep, Selection
from salutary.labeling.standing import Survey

SHORTLIST = 5
"""Rows on a shortlist for each row of a batch, where rows are examined one by one."""

CHUNK_BYTES = 2**20
"""Largest product of a chunk of rows with all weights: it is to stay in the cache."""

FEWEST_ROWS = 256
"""Smallest chunk: below it NumPy's calls take longer than their work."""

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """A run, or a fold of it, as it looks at the pool in a round.

    Parameters
    ----------
    problem : Definition
    validation : LabeledRows
        The validation rows that influence sees.
    snapshot : Snapshot
    factored : FactoredModel
        The snapshot's model.
    direction : ndarray of shape (n_classes, n_features + fit_intercept)
        See `salutary.influence.direction`.
    taken : ndarray of shape (n_taken,), dtype intp
        Pool rows that can no longer be labeled, ascending. A mask of the pool for each
        view would take its memory.
    size : int
        Maximum number of rows in a batch.
    survey : Survey, optional
        Gets the influences of all free rows.
    """

    problem: Definition
    validation: LabeledRows
    snapshot: Snapshot
    factored: FactoredModel
    direction: Float64Array
    taken: IntArray
    size: int
    survey: Survey | None = None

    def free(self, rows: IntArray) -> NDArray[np.bool_]:
        """Which of some pool rows, in ascending order, can still be labeled."""
        first, end = np.searchsorted(self.taken, [rows[0], rows[-1] + 1])
        return np.isin(rows, self.taken[first:end], invert=True)

    @property
    def keep(self) -> Keep:
        """Which rows come onto the shortlist."""
        problem = self.problem
        closer = problem.estimate != "first_order" or problem.min_influence_z > 0
        size = SHORTLIST * self.size if closer else self.size
        return Keep(size, of_each_class=problem.rule.greedy)


def score_pool(
    views: Sequence[View], n_jobs: int | None = None
) -> list[dict[str, Selection]]:
    """Find the best rows of the pool in each view, by each variant of its rule.

    Parameters
    ----------
    views : sequence of View
        Of one pool, with the same classes.
    n_jobs : int, optional
        Number of threads, as in joblib. Each takes the next block when it is done with
        one, and which gets which shows in no result.

    Returns
    -------
    list of dict of str to Selection
        Rows with positive scores only: at most as many as `View.keep` says.

    Notes
    -----
    The pool is read once: the matrices [W; u] of all views are stacked into one for one
    product, O(n_pool n_features n_classes n_views). Each view then scores its columns,
    in memory that is used again and again, and only rows that may come onto a shortlist
    are looked at more closely.
    """
    pool = views[0].problem.pool
    wanted = pool.weight > 0
    wanted &= pool.unlabeled
    blocks, turn = iter(pool.blocks(wanted)), Lock()
    n_threads = min(effective_n_jobs(n_jobs), 1 + len(wanted) // BLOCK_ROWS)
    found = Parallel(n_jobs=n_threads, require="sharedmem")(
        delayed(_score)(views, _in_turn(blocks, turn)) for _ in range(n_threads)
    )
    first, *others = found
    for other in others:
        first = [
            {name: view.keep.best_of(one[name].followed_by(two[name])) for name in one}
            for view, one, two in zip(views, first, other, strict=True)
        ]
    return list(first)


def _in_turn(items: Iterator[T], turn: Lock) -> Iterator[T]:
    """What is left of an iterator that several threads take from."""
    while True:
        with turn:
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def _score(
    views: Sequence[View], blocks: Iterable[tuple[IntArray, Matrix]]
) -> list[dict[str, Selection]]:
    """The shortlists of some blocks."""
    pool, n_classes = views[0].problem.pool, views[0].factored.model.n_classes
    weighted = bool((pool.weight != 1).any())
    columns = [_Columns(view, weighted) for view in views]
    weights = np.vstack([own.scorer.weights for own in columns])
    n_rows = CHUNK_BYTES // (weights.itemsize * len(weights))
    n_rows = min(max(FEWEST_ROWS, n_rows), BLOCK_ROWS)
    products = np.empty((n_rows, len(weights)), dtype=pool.dtype)
    room = np.empty(3 * n_classes * n_rows, dtype=pool.dtype)
    for rows, X in blocks:
        for start in range(0, len(rows), n_rows):
            chunk = slice(start, start + n_rows)
            some = rows[chunk]
            product = products_of(X[chunk], weights, products[: len(some)])
            for place, own in enumerate(columns):
                part = slice(2 * n_classes * place, 2 * n_classes * (place + 1))
                own.take_in(some, product[:, part], room[: 3 * n_classes * len(some)])
    return [own.best for own in columns]


class _Columns:
    """The columns of the products that belong to one view, and what it found so far."""

    def __init__(self, view: View, weighted: bool) -> None:
        pool, n_classes = view.problem.pool, view.factored.model.n_classes
        self.view = view
        self.scorer = InfluenceScorer(view.factored, view.direction, pool.dtype)
        self.variants, self.keep = view.problem.variants, view.keep
        self.best = dict.fromkeys(self.variants, Selection.empty(n_classes))
        self._weighted = weighted

    def take_in(self, rows: IntArray, products: FloatArray, room: FloatArray) -> None:
        """Score some rows of the pool, and keep the best."""
        room = room.reshape(3 * self.scorer.n_classes, len(rows))
        room, left = room[: products.shape[1]], room[products.shape[1] :].T
        influence, probability = self.scorer.finish(products, room)
        influence = self.view.problem.edit.effect(influence, rows)
        if self.view.survey is not None:
            free = self.view.free(rows)
            if free.all():
                self.view.survey.add(rows, influence)
            else:
                self.view.survey.add(rows[free], influence[free])
        for name, variant in self.variants.items():
            if isinstance(variant, Tempered):
                scores = variant(influence, probability, left)
            else:  # a caller's own function may keep or change what it gets
                scores = variant(influence.copy(), probability.copy())
            if self._weighted:
                # To first order, a row of weight two moves the model twice as far.
                weight = self.view.problem.pool.weight[rows, None]
                scores = scores * weight.astype(scores.dtype)
            self._keep(name, rows, scores, influence, probability)

    def _keep(
        self,
        name: str,
        rows: IntArray,
        scores: FloatArray,
        influence: FloatArray,
        probability: FloatArray,
    ) -> None:
        near = self.keep.near(self.best[name], scores)
        if len(near):
            near = near[self.view.free(rows[near])]
        if len(near):
            block = rows[near], scores[near], influence[near], probability[near]
            self.best[name] = self.keep(self.best[name], *block)
