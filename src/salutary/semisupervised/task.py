"""What every semi-supervised method is given: labeled rows, and a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, IntArray, Matrix, as_float64
from salutary.influence.labels import encode_classes
from salutary.labeling.fitting import REFIT_TOLERANCE
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.tuning import fit_penalized
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool

MOST_WEIGHT = 3.0
"""Weight of a pool row at most, in labeled rows; a pool of one row would weigh as much
as all labeled rows together."""


@dataclass(frozen=True)
class Setting:
    """What a fit is tuned to; on its own, a regression that knows of no pool.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    """

    C: float

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that say how the pool takes part, all but ``C``."""
        values = asdict(self)
        del values["C"]
        return values


@dataclass(frozen=True, eq=False)
class SemiSupervisedTask:
    """All that a method may use.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,), sorted
    rows : LabeledRows
        In float64, with weights above zero. Of two classes or more.
    pool : Pool
        Its ``unlabeled`` rows belong to it; one or more has a weight.
    estimator : LogisticRegression
        Unfitted. Every model is one of its kind, with a C of its own.
    seed : int
        Seed of what is drawn from the pool.
    tolerance : float
        Tolerance of the fits.
    use_all : bool
        Whether methods that draw from a large pool use all of it.
    """

    classes: NDArray[Any]
    rows: LabeledRows
    pool: Pool
    estimator: LogisticRegression = field(default_factory=LogisticRegression)
    seed: int = 0
    tolerance: float = REFIT_TOLERANCE
    use_all: bool = False
    _plain: dict[float, LogisticRegression] = field(
        default_factory=dict, init=False, repr=False
    )

    def pool_of(self, largest: int) -> Pool:
        """The pool, or so many rows drawn from a larger one unless all are wanted."""
        return self.pool if self.use_all else drawn(self.pool, largest, self.seed)

    def plain(self, C: float) -> LogisticRegression:
        """The regression on the labeled rows alone; it is fitted once for each C."""
        if C not in self._plain:
            self._plain[C] = self.fit(C, self.rows)
        return self._plain[C]

    def fit(self, C: float, rows: LabeledRows, previous: Any = None) -> Any:
        """Fit rows, see `salutary.labeling.tuning.fit_penalized`."""
        return fit_penalized(
            C, rows, self.classes, previous, self.tolerance, self.estimator
        )

    def fit_with_pool(
        self,
        C: float,
        pool: LabeledRows,
        weight: float,
        previous: LogisticRegression | None = None,
    ) -> LogisticRegression:
        """Fit the labeled rows and pool rows that got a label.

        Parameters
        ----------
        C : float
        pool : LabeledRows
            Their weights count in proportion to each other. If all are zero, the model
            is the plain one.
        weight : float
            Weight of all of them together, in units of that of all labeled rows. It is
            lowered where a row would weigh more than `MOST_WEIGHT` labeled ones, as in
            a pool of few rows.
        previous : LogisticRegression, optional
            Where the fit starts; by default, from the plain model.
        """
        total = pool.weight.sum()
        if not total > 0:
            return self.plain(C)
        n_added, n_labeled = map(np.count_nonzero, (pool.weight, self.rows.weight))
        weight = min(weight, MOST_WEIGHT * n_added / n_labeled)
        share = pool.weight / total * weight * self.rows.weight.sum()
        added = LabeledRows(pool.X, pool.labels, share)
        return self.fit(C, join(self.rows, added), previous or self.plain(C))


@dataclass(frozen=True)
class Method:
    """A way to let the pool take part in a fit.

    Parameters
    ----------
    paths : callable
        C -> settings to choose from, where C does best without a pool. They come in
        paths, along which the pool counts more and more and fits share work.
    models : callable
        (task, settings) -> an iterator of the fitted model of each setting. The
        settings are a path, or one setting alone.
    largest_pool : int or None
        Number of pool rows to which ``models`` draws a larger pool; None for all.
    """

    paths: Callable[[float], list[list[Setting]]]
    models: Callable[[SemiSupervisedTask, Sequence[Any]], Iterator[LogisticRegression]]
    largest_pool: int | None = None

    def n_used(self, n_pool: int, use_all: bool) -> int:
        """Number of rows that take part in a fit with a pool of so many."""
        if use_all or self.largest_pool is None:
            return n_pool
        return min(n_pool, self.largest_pool)


def task_of(
    X: Matrix, y: Any, unlabeled: NDArray[np.bool_], weight: Float64Array
) -> SemiSupervisedTask:
    """The labeled rows with a weight, and the pool of the others."""
    classes, codes = encode_classes(y, unlabeled | (weight == 0))
    labeled = np.flatnonzero(codes >= 0)
    rows = LabeledRows(as_float64(X[labeled]), codes[labeled], weight[labeled])
    in_pool = np.where(unlabeled, weight, 0.0)
    return SemiSupervisedTask(classes, rows, ArrayPool(X, in_pool > 0, in_pool))


def pool_rows(pool: Pool) -> IntArray:
    """Numbers of the pool's rows that have a weight."""
    return np.flatnonzero(pool.unlabeled & (pool.weight > 0))


def drawn(pool: Pool, largest: int, seed: int) -> Pool:
    """The pool, or of a larger one so many rows drawn at random, in their order."""
    rows = pool_rows(pool)
    if len(rows) <= largest:
        return pool
    rng = np.random.RandomState(seed)
    rows = np.sort(rng.choice(rows, largest, replace=False))
    return ArrayPool.of(pool.take(rows), pool.weight[rows])
