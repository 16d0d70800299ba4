"""Cross-fitting: judge every option on validation rows that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t

from salutary.advice.options import AdviceTask, FittedOption, options_of
from salutary.arrays import Float64Array, IntArray
from salutary.influence.objectives import log_losses
from salutary.influence.uncertainty import standard_error
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import probabilities

CONFIDENCE = 0.95
"""Level of the intervals."""


@dataclass(frozen=True)
class Judged:
    """The results of an option on validation rows that it was not fitted on.

    Parameters
    ----------
    loss, right : ndarrays of shape (n_val,)
        Log loss of each row, and whether its class was predicted (1 or 0). Both are
        means over the repeats.
    C, validation_weight : ndarrays of shape (n_fits,)
        The values that each fit was tuned to.
    """

    loss: Float64Array
    right: Float64Array
    C: Float64Array
    validation_weight: Float64Array


@dataclass(frozen=True)
class Difference:
    """How much higher one option's mean log loss is than another's.

    Parameters
    ----------
    mean : float
        In nats.
    se : float
        Standard error of the mean, over the rows.
    lower, upper : float
        Ends of the 95% interval.
    """

    mean: float
    se: float
    lower: float
    upper: float


def cross_fit(
    task: AdviceTask, n_splits: int, n_repeats: int, fitted: Callable[[str], None]
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
        Called with a line about the progress after each fit.

    Returns
    -------
    dict of str to Judged
        The results by option, in the order of `options_of`.
    """
    rows, options = task.validation, options_of(task)
    loss, right = ({name: np.zeros(len(rows)) for name in options} for _ in range(2))
    fits: dict[str, list[FittedOption]] = {name: [] for name in options}
    folds = _folds(task, n_splits, n_repeats)
    for number, (seen, held) in enumerate(folds, start=1):
        judged = rows.take(held)
        for name, option in options.items():
            model = option(seen)
            chance = probabilities(model.model, judged.X, task.classes)
            loss[name][held] += log_losses(chance, judged.labels)
            right[name][held] += chance.argmax(axis=1) == judged.labels
            fits[name].append(model)
            fitted(f"fold {number} of {n_splits * n_repeats}")
    return {
        name: Judged(
            loss[name] / n_repeats,
            right[name] / n_repeats,
            np.array([found.C for found in fits[name]]),
            np.array([found.validation_weight for found in fits[name]]),
        )
        for name in options
    }


def _folds(
    task: AdviceTask, n_splits: int, n_repeats: int
) -> Iterator[tuple[AdviceTask, IntArray]]:
    """The task without a fold of its validation rows, and the numbers of these rows."""
    rng = np.random.RandomState(task.seed)
    for _ in range(n_repeats):
        for seen, held in stratified_parts(task.validation.labels, n_splits, rng):
            seed = int(rng.randint(2**31))
            yield replace(task, validation=task.validation.take(seen), seed=seed), held


def difference(loss: Float64Array, other: Float64Array) -> Difference:
    """Compare the losses of two options on the same rows.

    Parameters
    ----------
    loss, other : ndarrays of shape (n_rows,)

    Returns
    -------
    Difference
        The mean of ``loss - other``, with a paired interval by Student's t.

    Examples
    --------
    >>> import numpy as np
    >>> found = difference(np.array([0.5, 0.4, 0.6]), np.array([0.4, 0.4, 0.4]))
    >>> round(found.mean, 3), round(found.lower, 3), round(found.upper, 3)
    (0.1, -0.148, 0.348)
    """
    mean = float(np.mean(loss - other))
    se = float(standard_error(loss - other, np.ones(len(loss))))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(loss) - 1)) * se
    return Difference(mean, se, mean - reach, mean + reach)
