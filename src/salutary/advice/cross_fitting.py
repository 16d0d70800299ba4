"""Cross-fitting: judge every option on validation rows that it was not fitted on."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from threading import Thread
from typing import Any, Protocol

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from salutary.advice.options import Option, options_of
from salutary.advice.task import AdviceTask
from salutary.arrays import Float64Array, IntArray
from salutary.influence.objectives import row_log_loss
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import probabilities
from salutary.names import TAKING_POOL

LOG = logging.getLogger("salutary")


@dataclass(frozen=True)
class FoldResult:
    """An option's model of one fold, on the rows that the fold did not see.

    Parameters
    ----------
    logits : ndarray of shape (n_held, n_classes)
    C, validation_weight : float
        The values that the fit was tuned to.
    n_labels : int
        Number of labels that the option assigned or switched; of one in `TAKING_POOL`
        the number of pool rows that took part.
    loss : float
        Weighted mean log loss of the held-out rows, in nats; 0 if none has a weight.
    """

    logits: Float64Array
    C: float
    validation_weight: float
    n_labels: int
    loss: float


FoldResults = dict[str, FoldResult]
"""What each option gave in one fold."""


class KnownFolds(Protocol):
    """Results by the number of the fold, such as a dict or a ledger."""

    def __contains__(self, number: object, /) -> bool: ...
    def __getitem__(self, number: int, /) -> FoldResults: ...
    def __setitem__(self, number: int, results: FoldResults, /) -> None: ...


@dataclass(frozen=True)
class Judged:
    """The results of an option on validation rows that it was not fitted on.

    Parameters
    ----------
    logits : ndarray of shape (n_repeats, n_val, n_classes)
        Of each row under the model of the fold that had not seen it, once a repeat.
    C, validation_weight, n_labels : ndarrays of shape (n_fits,)
        See `FoldResult`.
    """

    logits: Float64Array
    C: Float64Array
    validation_weight: Float64Array
    n_labels: IntArray


def cross_fit(
    task: AdviceTask,
    n_splits: int,
    n_repeats: int,
    fitted: Callable[[str], None],
    known: KnownFolds | None = None,
    going_on: Callable[[dict[str, Judged]], Collection[str]] = list,
    n_jobs: int | None = None,
) -> dict[str, Judged]:
    """Judge every option of a task by repeated, stratified cross-fitting.

    Parameters
    ----------
    task : AdviceTask
    n_splits : int
        Number of folds of the validation rows. Options are fitted on the training rows,
        the pool, and all folds but one, and judged on that fold.
    n_repeats : int
        Number of times the rows are split anew into folds.
    fitted : callable
        Called with a line about the progress after each fit, and for each option
        that no longer goes on.
    known : KnownFolds, optional
        Those in it are not computed again and not told of, and each new one is put into
        it, so that an interrupted comparison can go on.
    going_on : callable, optional
        Given the results of all repeats so far, after each, says which options go on to
        the next. The others keep what they have. By default all go on.
    n_jobs : int, optional
        Number of processes that judge folds of a repeat at once, as in joblib. It shows
        in no result.

    Returns
    -------
    dict of str to Judged
        The results by option, in the order of `options_of`.
    """
    rows, options = task.validation, options_of(task)
    n_options = len(options)
    known = {} if known is None else known
    folds, n_folds = _folds(task, n_splits, n_repeats), n_splits * n_repeats
    done: list[tuple[IntArray, FoldResults]] = []

    def tell() -> None:
        line = f"fold {len(done) + 1} of {n_folds}"
        if done:
            line += f", so far {leading([results for _, results in done])!r} leads"
        fitted(line)

    for first in range(0, n_folds, n_splits):
        if first:
            left = going_on(together(done, len(rows)))
            options = {name: options[name] for name in options if name in left}
        repeat = dict(enumerate(islice(folds, n_splits), first))
        new = [
            (seen, held)
            for number, (seen, held) in repeat.items()
            if number not in known
        ]
        judged = _judged(new, rows, options, tell, n_jobs)
        for number, (_, held) in repeat.items():
            if number not in known:
                known[number] = next(judged)
                for _ in range(n_options - len(options)):
                    tell()
            done.append((held, known[number]))
            found = [results for _, results in done]
            LOG.info(
                "fold %d of %d: %r has the lowest loss so far",
                *(number + 1, n_folds, leading(found)),
            )
    return together(done, len(rows))


@cache
def _end_with(parent: int) -> None:
    """Let this process end within a second of its parent.

    Where a signal ends the parent, its workers would go on, and keep its output open.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _judged(
    folds: Sequence[tuple[AdviceTask, IntArray]],
    rows: LabeledRows,
    options: Mapping[str, Option],
    tell: Callable[[], None],
    n_jobs: int | None,
) -> Iterator[FoldResults]:
    """Options judged on held-out rows, fold after fold, or several at once."""
    if effective_n_jobs(n_jobs) == 1:
        for seen, held in folds:
            yield judge_fold(seen, rows.take(held), options, tell)
        return
    # Processes: most of a fold is Python between small matrices, where threads wait.
    at_once = Parallel(n_jobs=n_jobs, return_as="generator")
    calls = (
        delayed(_apart)(seen, rows.take(held), options, os.getpid())
        for seen, held in folds
    )
    for results, warned in at_once(calls):
        for warning in warned:
            warnings.warn_explicit(*warning)
        for _ in options:
            tell()
        yield results


def _apart(
    seen: AdviceTask, held: LabeledRows, options: Mapping[str, Option], parent: int
) -> tuple[FoldResults, list[tuple[Warning, type[Warning], str, int]]]:
    """A fold judged in a process of its own, and what it warned of."""
    if os.getppid() == parent:  # not a thread, nor on another machine
        _end_with(parent)
    with (
        threadpool_limits(limits=1, user_api="blas"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        results = judge_fold(seen, held, options)
    return results, [
        (warning.message, warning.category, warning.filename, warning.lineno)
        for warning in caught
        if isinstance(warning.message, Warning)
    ]


def judge_fold(
    seen: AdviceTask,
    held: LabeledRows,
    options: Mapping[str, Option],
    fitted: Callable[[], None] = lambda: None,
) -> FoldResults:
    """Fit options on the rows of a task, and judge them on held-out rows.

    Parameters
    ----------
    seen : AdviceTask
        Without the held-out rows.
    held : LabeledRows
    options : mapping of str to Option
    fitted : callable, optional
        Called after each fit.
    """
    results = {}
    for name, option in options.items():
        found = option(seen)
        logits = _logits(found.model, held, seen.classes)
        losses, weight = row_log_loss(logits, held.labels), held.weight
        results[name] = FoldResult(
            logits=logits,
            C=found.C,
            validation_weight=found.validation_weight,
            n_labels=found.n_labels or found.pool_rows,
            loss=float(weight @ losses / weight.sum()) if weight.any() else 0.0,
        )
        fitted()
    return results


def fold_figures(number: int, results: FoldResults) -> dict[str, Any]:
    """Figures of a fold of a comparison: each option's loss, C and numbers of rows."""
    return {
        "fold": number + 1,
        "options": {
            name: {
                "loss": found.loss,
                "C": found.C,
                **rows_by_kind(name, int(found.n_labels)),
            }
            for name, found in results.items()
        },
    }


def rows_by_kind(option: str, n_rows: float) -> dict[str, float]:
    """How many labels an option has, and how many pool rows take part without one."""
    takes_pool = option in TAKING_POOL
    return {
        "labels": 0 if takes_pool else n_rows,
        "pool_rows": n_rows if takes_pool else 0,
    }


def leading(folds: Sequence[FoldResults]) -> str:
    """The option with the lowest mean loss so far, of those that the last fold has."""
    return min(folds[-1], key=lambda name: sum(fold[name].loss for fold in folds))


def together(
    folds: Sequence[tuple[IntArray, FoldResults]], n_rows: int
) -> dict[str, Judged]:
    """The results of all folds, row by row.

    Parameters
    ----------
    folds : sequence of (ndarray of row numbers, FoldResults)
        Every row is held out equally often. An option may be missing from all folds of
        the last repeats.
    n_rows : int
    """

    def judged(name: str) -> Judged:
        having = [(held, results[name]) for held, results in folds if name in results]
        order = np.argsort(np.concatenate([held for held, _ in having]), kind="stable")
        found = [result for _, result in having]
        logits = np.concatenate([result.logits for result in found])[order]
        return Judged(
            logits.reshape(n_rows, len(order) // n_rows, -1).transpose(1, 0, 2),
            np.array([result.C for result in found]),
            np.array([result.validation_weight for result in found]),
            np.array([result.n_labels for result in found], dtype=np.intp),
        )

    return {name: judged(name) for name in folds[0][1]}


def _folds(
    task: AdviceTask, n_splits: int, n_repeats: int
) -> Iterator[tuple[AdviceTask, IntArray]]:
    """The task without a fold of its validation rows, and the numbers of these rows."""
    rng = np.random.RandomState(task.seed)
    for _ in range(n_repeats):
        for seen, held in stratified_parts(task.validation.labels, n_splits, rng):
            seed = int(rng.randint(2**31))
            yield replace(task, validation=task.validation.take(seen), seed=seed), held


def _logits(model: Any, rows: LabeledRows, classes: NDArray[Any]) -> Float64Array:
    """Logits of rows; for a class that a model has not seen, as in scikit-learn's loss.

    There, a probability of zero gives a loss of 36, not infinity.
    """
    if hasattr(model, "coef_") and len(model.classes_) == len(classes):
        return np.asarray(rows.logits(model), dtype=np.float64)
    chance = probabilities(model, rows.X, classes)
    return np.log(np.clip(chance, np.finfo(np.float64).eps, None))
