"""Compare what can be done with training rows, validation rows and a pool; advise one.

`compare` does the work. `salutary.estimators.advising` takes rows as arrays, and
`salutary.runs.advise` as tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from salutary.advice.cross_fitting import Judged, KnownFolds, cross_fit
from salutary.advice.measure import Measure
from salutary.advice.options import options_of
from salutary.advice.task import AdviceTask, FittedOption
from salutary.advice.verdict import ASSIGNED, Verdict, reach_verdict
from salutary.arrays import IntArray, as_float64
from salutary.influence.labels import absent_classes
from salutary.labeling.rows import LabeledRows
from salutary.names import POOL_METHODS, WHOLE_POOL, SemiSupervisedMethod
from salutary.semisupervised.tuning import METHODS

FEWEST_VALIDATION = 6
"""With fewer validation rows, an option has none to tune by in some fold."""

LARGEST_POOL = 20_000
"""Number of pool rows that are drawn from a larger pool, unless all are wanted."""


@dataclass(frozen=True)
class Comparison:
    """All options of a task compared; see `salutary.Advice`, which adds the model."""

    verdict: Verdict
    n_train: int
    n_validation: int
    n_pool: int
    n_pool_used: int
    splits: int
    repeats: int
    classes_not_validated: list[str]
    whole_pool_rows: dict[str, int] = field(default_factory=dict)
    pool_method: SemiSupervisedMethod | None = None
    pool_left_alone: bool | None = None

    @property
    def option(self) -> str:
        """The advised option."""
        return self.verdict.option

    @property
    def sentence(self) -> str:
        """The advice and the reason in words, beginning with "Advice: "."""
        return self.verdict.sentence

    @property
    def table(self) -> pd.DataFrame:
        """The options, a row for each, see `Verdict`."""
        return self.verdict.table

    def to_dict(self) -> dict[str, Any]:
        """The advice as numbers, strings, lists and dicts, for instance for JSON.

        The rows of the table are under ``options``. The model is left out.
        """
        names = [part.name for part in fields(Comparison) if part.name != "verdict"]
        return {
            **self.verdict.to_dict(),
            **{name: getattr(self, name) for name in names},
        }


def compare(
    task: AdviceTask,
    n_splits: int,
    n_repeats: int,
    fitted: Callable[[str], None] = lambda line: None,
    known: KnownFolds | None = None,
    n_jobs: int | None = None,
) -> Comparison:
    """Cross-fit all options of a task, and advise one.

    Parameters
    ----------
    task : AdviceTask
        With all validation rows and the whole pool.
    splits, repeats : int
        See `salutary.advice.cross_fitting.cross_fit`.
    fitted : callable, optional
        Called with a line about the progress after each fit.
    known : KnownFolds, optional
    n_jobs : int, optional
        See `salutary.advice.cross_fitting.cross_fit`.

    Returns
    -------
    Comparison
    """
    used, _ = drawn(task)
    measure = Measure(used.validation.truth)
    with threadpool_limits(limits=1, user_api="blas"):
        judged = cross_fit(
            *(used, n_splits, n_repeats, fitted, known),
            going_on=partial(going_on, measure),
            n_jobs=n_jobs,
        )
    return Comparison(
        verdict=reach_verdict(judged, measure),
        n_train=len(task.train),
        n_validation=len(task.validation),
        n_pool=_n_rows(task),
        n_pool_used=_n_rows(used),
        splits=n_splits,
        repeats=n_repeats,
        classes_not_validated=absent_classes(task.classes, task.validation.labels),
        whole_pool_rows=rows_of_whole_pool(used),
    )


def going_on(measure: Measure, judged: Mapping[str, Judged]) -> list[str]:
    """The options that another repeat may still bring forward.

    Options with assigned labels are left out once the 95% interval of how
    far they are behind the best one of all leaves out zero.
    """
    best = min(judged, key=lambda name: measure.loss(judged[name]))
    return [
        name
        for name, found in judged.items()
        if not name.startswith(ASSIGNED)
        or measure.difference(found, judged[best]).lower <= 0
    ]


def follow(task: AdviceTask, option: str) -> tuple[FittedOption, IntArray]:
    """Fit an option on all rows of a task.

    Returns
    -------
    FittedOption
    ndarray of row numbers, dtype intp
        Rows of the task's pool that were used: row k of the option's is the k-th.
    """
    used, rows = drawn(task)
    with threadpool_limits(limits=1, user_api="blas"):
        return options_of(used)[option](used), rows


def after_last_fit(found: Comparison, fitted: FittedOption) -> Comparison:
    """The comparison, with whether and how an advised pool is used by the last fit."""
    left_alone = found.option == WHOLE_POOL and not fitted.pool_rows
    return replace(found, pool_method=fitted.pool_method, pool_left_alone=left_alone)


def how_pool_is_used(advice: Mapping[str, Any]) -> list[str]:
    """A line on how the advised pool took part in the last fit, or that it did not.

    Parameters
    ----------
    advice : mapping
        As of `Comparison.to_dict`; empty for one that has not finished.
    """
    if method := advice.get("pool_method"):
        words = POOL_METHODS[method]
        return [f"The last fit, on all rows, uses the pool by {words}."]
    if not advice.get("pool_left_alone"):
        return []
    return [
        "The last fit, on all rows, leaves the pool alone, as it is not seen to help "
        "there: the model is that of training on both tables."
    ]


def rows_of_whole_pool(used: AdviceTask) -> dict[str, int]:
    """How many pool rows take part under each method, by its name in words.

    Fewer than the task's where a method draws from so many, and none without a pool.
    """
    if used.pool is None:
        return {}
    n_pool = _n_rows(used)
    return {
        POOL_METHODS[name]: method.n_used(n_pool, used.use_all)
        for name, method in METHODS.items()
    }


def rows_of_pool(advice: Mapping[str, Any], insisting: str) -> list[str]:
    """A line on how many pool rows the whole pool's methods used, if not all.

    Parameters
    ----------
    advice : mapping
        As of `Comparison.to_dict`; empty for one that has not finished.
    insisting : str
        How to have all of them used.
    """
    used = advice.get("whole_pool_rows", {})
    if all(number == advice["n_pool"] for number in used.values()):
        return []
    each = ", ".join(f"{name} {number}" for name, number in used.items())
    return [f"Pool rows that took part, at most: {each}; {insisting} takes all."]


def drawn(task: AdviceTask) -> tuple[AdviceTask, IntArray]:
    """The task in float64, as for every fit, with at most `LARGEST_POOL` pool rows.

    With all of them if the task is to use all.

    Returns
    -------
    AdviceTask
    ndarray of row numbers, dtype intp
        The pool rows.
    """
    pool, rows = task.pool, np.arange(_n_rows(task))
    if pool is not None:
        if len(rows) > LARGEST_POOL and not task.use_all:
            rng = np.random.RandomState(task.seed)
            rows = np.sort(rng.choice(len(rows), LARGEST_POOL, replace=False))
            pool = pool[rows]
        pool = as_float64(pool)

    def converted(rows: LabeledRows) -> LabeledRows:
        return replace(rows, X=as_float64(rows.X))

    used = replace(
        task,
        train=converted(task.train),
        validation=converted(task.validation),
        pool=pool,
    )
    return used, rows


def _n_rows(task: AdviceTask) -> int:
    return 0 if task.pool is None else int(task.pool.shape[0])
