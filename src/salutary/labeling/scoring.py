"""Score a pool for a run and all its folds in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np

from salutary.arrays import BLOCK_ROWS, Float64Array, FloatArray, IntArray
from salutary.influence.factored import FactoredModel
from salutary.influence.scores import InfluenceScorer, products_of
from salutary.labeling.columns import (
    Columns,
    Compiled,
    Pass,
    PlainPass,
    ScreenedPass,
    Shortlists,
    compiled_for,
)
from salutary.labeling.definition import Definition
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rows import LabeledRows
from salutary.labeling.selection import Keep
from salutary.labeling.standing import (
    Spread,
    Survey,
    rank_floors,
    ranks_by,
)
from salutary.pools.protocol import Block, Scan

SHORTLIST = 5
"""Rows on a shortlist for each row of a batch, where rows are examined one by one."""

CHUNK_BYTES, MOST_ROWS = 2**20, BLOCK_ROWS
"""Largest product of a chunk of rows with all weights, as NumPy's temporaries of its
size are to stay in the cache; and the most rows of a chunk."""

COMPILED_CHUNK_BYTES, COMPILED_MOST_ROWS = 2**22, 4 * BLOCK_ROWS
"""The same for compiled code, which has no temporaries, and so makes fewer calls."""

FEWEST_ROWS = 256
"""Smallest chunk: below it NumPy's calls take longer than their work."""

SLOW_PASS = 10_000_000
"""Rows times (8 + classes) of all views from which on compiled code looks for the best.

It saves about five nanoseconds of each, 0.05 seconds in all then, and takes half a
second to load.
"""

MANY_WEIGHTS = 1_000
"""Weights of all views from which on threads score blocks faster than one does.

With fewer, threads wait for each other in Python between small products
(`speed/jobs.py`).
"""


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
    surveyed : bool, default=False
        Whether the influences of all rows that can be labeled are gathered.
    """

    problem: Definition
    validation: LabeledRows
    snapshot: Snapshot
    factored: FactoredModel
    direction: Float64Array
    taken: IntArray
    size: int
    surveyed: bool = False

    @property
    def keep(self) -> Keep:
        """Which rows come onto the shortlist."""
        problem = self.problem
        closer = problem.estimate != "first_order" or problem.min_influence_z > 0
        size = SHORTLIST * self.size if closer else self.size
        return Keep(size, of_each_class=problem.rule.greedy)


@dataclass(frozen=True)
class ScoredPool:
    """What a pass over the pool found.

    Parameters
    ----------
    shortlists : list of dict of str to Selection
        Those of each view. They hold rows with positive scores only, at most as many as
        `View.keep` says.
    """

    shortlists: list[Shortlists]
    _scan: Scan[_Found]

    def spread(self) -> Spread:
        """The histogram of the influences that a view has surveyed."""
        counts = self._scan.ask(attrgetter("survey.counts"))
        return Spread.of_counts(np.sum(counts, axis=0))

    def ranks(self, influence: FloatArray, largest: FloatArray) -> IntArray:
        """Ranks of influences of some rows among those surveyed; 1 for the largest.

        A rank is one more than the number of other rows whose largest influence is
        larger.

        Parameters
        ----------
        influence, largest : ndarrays of shape (n_rows,)
            Influence of a label of each row, and of its best label.
        """
        floors = rank_floors(influence)
        above = self._scan.ask(partial(_above, floors=floors))
        return ranks_by(floors, np.sum(above, axis=0), largest)


def score_pool(views: Sequence[View], n_jobs: int | None = None) -> ScoredPool:
    """Find the best rows of the pool in each view, by each variant of its rule.

    Parameters
    ----------
    views : sequence of View
        Of one pool, with the same classes.
    n_jobs : int, optional
        Number of threads, as in joblib, where the pool is on this machine and the
        product with a row is large enough.

    Returns
    -------
    ScoredPool

    Notes
    -----
    The pool is read once: the matrices [W; u] of all views are stacked into one for one
    product, O(n_pool n_features n_classes n_views). Each view then scores its columns,
    in memory that is used again and again, and only rows that may come onto a shortlist
    are looked at more closely. In a large pool compiled code finds these, see
    `salutary.labeling.screening`; they are scored as they are without it, to the
    rounding of products with more or fewer rows. Which thread or machine scored a row
    shows in no result.
    """
    pool = views[0].problem.pool
    weight = pool.weight if (pool.weight != 1).any() else None
    columns = [_columns(view, weight) for view in views]
    n_weights = sum(own.scorer.weights.size for own in columns)
    n_classes = columns[0].scorer.n_classes
    is_slow = len(pool.weight) * len(views) * (8 + n_classes) >= SLOW_PASS
    work = _Work(columns, is_slow)
    scan = pool.scan(work, n_jobs if n_weights >= MANY_WEIGHTS else 1)
    first, *others = scan.ask(attrgetter("shortlists"))
    for other in others:
        first = [
            {name: view.keep.best_of(one[name].followed_by(two[name])) for name in one}
            for view, one, two in zip(views, first, other, strict=True)
        ]
    return ScoredPool(list(first), scan)


def _columns(view: View, weight: FloatArray | None) -> Columns:
    problem = view.problem
    scorer = InfluenceScorer(view.factored, view.direction, problem.pool.dtype)
    settings = problem.edit, problem.variants, view.keep, view.taken
    return Columns(scorer, *settings, weight, view.surveyed)


@dataclass
class _Found:
    """What was found in some blocks: the shortlists of each view, and the survey."""

    shortlists: list[Shortlists]
    survey: Survey


def _above(found: _Found, floors: FloatArray) -> IntArray:
    return found.survey.above(floors)


def _chunks(blocks: Iterable[Block], n_rows: int) -> Iterator[Block]:
    """Cut blocks to at most so many rows; the first set floors, so they have few."""
    size = min(n_rows, FEWEST_ROWS)
    for rows, X in blocks:
        start = 0
        while start < len(rows):
            chunk = slice(start, start + size)
            yield rows[chunk], X[chunk]
            start, size = start + size, min(n_rows, 4 * size)


@dataclass(frozen=True)
class _Work:
    """Scores blocks of the pool in all views."""

    columns: list[Columns]
    is_slow: bool

    def __call__(self, blocks: Iterable[Block]) -> _Found:
        # Here, as it may be another machine.
        compiled = compiled_for(self.columns) if self.is_slow else None
        n_bytes, most_rows = CHUNK_BYTES, MOST_ROWS
        if compiled is not None:
            n_bytes, most_rows = COMPILED_CHUNK_BYTES, COMPILED_MOST_ROWS
        weights = np.vstack([own.scorer.weights for own in self.columns])
        width = len(self.columns[0].scorer.weights)
        n_rows = n_bytes // (weights.itemsize * len(weights))
        n_rows = min(max(FEWEST_ROWS, n_rows), most_rows)
        products = np.empty((n_rows, len(weights)), dtype=weights.dtype)
        survey = Survey() if compiled is None else Survey(compiled.count)
        passes = _passes(self.columns, survey, compiled, n_rows)
        for some, X in _chunks(blocks, n_rows):
            product = products_of(X, weights, products[: len(some)])
            for place, own in enumerate(passes):
                own.add(some, product[:, width * place : width * (place + 1)])
        for own in passes:
            own.finish()
        return _Found([own.best for own in passes], survey)


def _passes(
    columns: Sequence[Columns], survey: Survey, compiled: Compiled | None, n_rows: int
) -> Sequence[Pass]:
    """One for each view; they share the survey, and the room for so many rows."""
    if compiled is not None:
        return [ScreenedPass(own, survey, compiled) for own in columns]
    scorer = columns[0].scorer
    room = np.empty(3 * scorer.n_classes * n_rows, dtype=scorer.weights.dtype)
    return [PlainPass(own, survey, room) for own in columns]
