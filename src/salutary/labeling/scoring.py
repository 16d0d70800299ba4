"""Score a pool for a run and all its folds in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import BLOCK_ROWS, Float64Array, FloatArray, IntArray
from salutary.influence.factored import FactoredModel
from salutary.influence.scores import InfluenceScorer, products_of
from salutary.labeling.definition import Definition
from salutary.labeling.edits import AddRow, TrainingEdit
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Scores, Tempered
from salutary.labeling.selection import Keep, Selection
from salutary.labeling.standing import (
    Count,
    Spread,
    Survey,
    rank_floors,
    ranks_by,
)
from salutary.pools.protocol import Block, Scan

SHORTLIST = 5
"""Rows on a shortlist for each row of a batch, where rows are examined one by one."""

CHUNK_BYTES = 2**20
"""Largest product of a chunk of rows with all weights: it is to stay in the cache."""

FEWEST_ROWS, MOST_ROWS = 256, 16_384
"""Smallest chunk: below it NumPy's calls take longer than their work; and largest."""

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

Shortlists = dict[str, Selection]
"""The best rows by each variant of a rule."""


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
    `salutary.labeling.screening`; they are scored as they are without it. Which thread
    or machine scored a row shows in no result.
    """
    pool = views[0].problem.pool
    weight = pool.weight if (pool.weight != 1).any() else None
    columns = [_Columns.of(view, weight) for view in views]
    n_weights = sum(own.scorer.weights.size for own in columns)
    n_classes = columns[0].scorer.n_classes
    is_slow = len(pool.weight) * len(views) * (8 + n_classes) >= SLOW_PASS
    work = _Work(columns, _compiled(columns) if is_slow else None)
    scan = pool.scan(work, n_jobs if n_weights >= MANY_WEIGHTS else 1)
    first, *others = scan.ask(attrgetter("shortlists"))
    for other in others:
        first = [
            {name: view.keep.best_of(one[name].followed_by(two[name])) for name in one}
            for view, one, two in zip(views, first, other, strict=True)
        ]
    return ScoredPool(list(first), scan)


@dataclass(frozen=True)
class _Compiled:
    """What `salutary.labeling.screening` has, which needs Numba."""

    screen: Callable[..., tuple[FloatArray, NDArray[np.bool_]]]
    count: Count


def _compiled(columns: Sequence[_Columns]) -> _Compiled | None:
    """Compiled code that finds rows for all views, if there is any for them."""
    if not all(own.can_be_screened for own in columns):
        return None
    try:
        from salutary.labeling.screening import count, screen
    except (ImportError, RuntimeError):
        # Numba is not installed, not for this NumPy, or has no folder for its files.
        return None
    return _Compiled(screen, count)


@dataclass
class _Found:
    """What was found in some blocks: the shortlists of each view, and the survey."""

    shortlists: list[Shortlists]
    survey: Survey


def _above(found: _Found, floors: FloatArray) -> IntArray:
    return found.survey.above(floors)


@dataclass(frozen=True)
class _Columns:
    """The columns of the products that belong to one view.

    It may travel to other machines, so it holds no more than scores need.
    """

    scorer: InfluenceScorer
    edit: TrainingEdit
    variants: dict[str, Scores]
    keep: Keep
    taken: IntArray
    weight: FloatArray | None
    surveyed: bool

    @classmethod
    def of(cls, view: View, weight: FloatArray | None) -> _Columns:
        problem = view.problem
        scorer = InfluenceScorer(view.factored, view.direction, problem.pool.dtype)
        settings = problem.edit, problem.variants, view.keep, view.taken
        return cls(scorer, *settings, weight, view.surveyed)

    def free(self, rows: IntArray) -> IntArray | slice:
        """Places of those of some pool rows, ascending, that can still be labeled."""
        first, end = np.searchsorted(self.taken, [rows[0], rows[-1] + 1])
        if first == end:
            return slice(None)
        return np.flatnonzero(np.isin(rows, self.taken[first:end], invert=True))

    def take_in(
        self,
        rows: IntArray,
        products: FloatArray,
        room: FloatArray,
        best: Shortlists,
    ) -> FloatArray:
        """Score some rows of the pool, keep the best, and return the influences."""
        n_classes = self.scorer.n_classes
        room = room[: 3 * n_classes * len(rows)].reshape(3 * n_classes, len(rows))
        room, left = room[: 2 * n_classes], room[2 * n_classes :].T
        influence, probability = self.scorer.finish(products, room)
        influence = self.edit.effect(influence, rows)
        for name, variant in self.variants.items():
            if isinstance(variant, Tempered):
                scores = variant(influence, probability, left)
            else:  # a caller's own function may keep or change what it gets
                scores = variant(influence.copy(), probability.copy())
            if self.weight is not None:
                # To first order, a row of weight two moves the model twice as far.
                scores = scores * self.weight[rows, None].astype(scores.dtype)
            near = self.keep.near(best[name], scores)
            if len(near):
                near = near[self.free(rows[near])]
            if len(near):
                block = rows[near], scores[near], influence[near], probability[near]
                best[name] = self.keep(best[name], *block)
        return influence

    @property
    def can_be_screened(self) -> bool:
        """Whether `salutary.labeling.screening` knows such rows and such a rule."""
        return (
            self.scorer.weights.dtype == np.float32
            and isinstance(self.edit, AddRow)
            and set(self.exponents) <= {0.0, 1.0, 2.0}
            and len(self.exponents) == len(self.variants)
        )

    @property
    def exponents(self) -> tuple[float, ...]:
        """Those of the variants that are `Tempered`."""
        variants = self.variants.values()
        return tuple(one.exponent for one in variants if isinstance(one, Tempered))

    def screened(
        self,
        compiled: _Compiled,
        rows: IntArray,
        products: FloatArray,
        best: Shortlists,
    ) -> tuple[FloatArray, IntArray]:
        """Largest influences of rows, and places of those that may be kept."""
        floors = [self.keep.floors(own, self.scorer.n_classes) for own in best.values()]
        shape = len(floors), self.scorer.n_classes
        class_weight = self.scorer.class_weight
        largest, near = compiled.screen(
            products,
            self.scorer.offset[:, 0],
            None if class_weight is None else class_weight[:, 0],
            None if self.weight is None else self.weight[rows].astype(np.float32),
            self.exponents,
            np.broadcast_to(np.array(floors, dtype=np.float32), shape),
        )
        return largest, np.flatnonzero(near)


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

    columns: list[_Columns]
    compiled: _Compiled | None

    def __call__(self, blocks: Iterable[Block]) -> _Found:
        weights = np.vstack([own.scorer.weights for own in self.columns])
        dtype, n_classes = weights.dtype, self.columns[0].scorer.n_classes
        width = len(self.columns[0].scorer.weights)
        n_rows = CHUNK_BYTES // (weights.itemsize * len(weights))
        # Fewer calls with many rows; but NumPy's temporaries must stay in the cache.
        most_rows = BLOCK_ROWS if self.compiled is None else MOST_ROWS
        n_rows = min(max(FEWEST_ROWS, n_rows), most_rows)
        products = np.empty((n_rows, len(weights)), dtype=dtype)
        room = np.empty(3 * n_classes * n_rows, dtype=dtype)
        none = Selection.empty(n_classes)
        survey = Survey() if self.compiled is None else Survey(self.compiled.count)
        shortlists = [dict.fromkeys(own.variants, none) for own in self.columns]
        found = _Found(shortlists, survey)
        for some, X in _chunks(blocks, n_rows):
            product = products_of(X, weights, products[: len(some)])
            for place, own in enumerate(self.columns):
                part = slice(width * place, width * (place + 1))
                best = found.shortlists[place]
                self._score(own, some, product[:, part], room, best, found.survey)
        return found

    def _score(
        self,
        own: _Columns,
        rows: IntArray,
        products: FloatArray,
        room: FloatArray,
        best: Shortlists,
        survey: Survey,
    ) -> None:
        """Score some rows in a view: keep the best, and survey all if that is asked."""
        if self.compiled is None:
            influence = own.take_in(rows, products, room, best)
            if own.surveyed:
                survey.add(influence.max(axis=1)[own.free(rows)])
            return
        largest, few = own.screened(self.compiled, rows, products, best)
        if own.surveyed:
            survey.add(largest[own.free(rows)])
        if len(few):
            own.take_in(rows[few], products[few], room, best)
