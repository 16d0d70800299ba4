"""Compare what can be done with training rows, validation rows and a pool; advise one.

`compare` does the work. `salutary.estimators.advising` takes rows as arrays, and
`salutary.runs.advise` as tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from salutary.advice.cross_fitting import Difference, Judged, cross_fit, difference
from salutary.advice.options import (
    POOL_OPTIONS,
    AdviceTask,
)
from salutary.arrays import as_float64
from salutary.influence.labels import absent_classes
from salutary.labeling.rows import LabeledRows
from salutary.names import TRAIN_AND_VALIDATION, TRAIN_ONLY, VALIDATION_ONLY

FEWEST_VALIDATION = 6
"""With fewer validation rows, an option has none to tune by in some fold."""

LARGEST_POOL = 20_000
"""Maximum number of pool rows to use; they are drawn at random from a larger pool."""

ACTIONS = {
    TRAIN_ONLY: "train on the training rows alone",
    VALIDATION_ONLY: "train on the validation rows alone",
    TRAIN_AND_VALIDATION: "train on both",
    "train + weighted validation": (
        "train on both, with a tuned weight of the validation rows (about {weight:g})"
    ),
    "relabeled": "relabel the training rows",
    "relabeled + validation": (
        "relabel the training rows, then train on them and the validation rows"
    ),
    "self-training": "train on the training rows and self-train on the pool",
    "salutary, paper's rule": "use salutary labels under the paper's rule",
    "salutary": "use salutary labels",
    "salutary + validation": (
        "use salutary labels, then refit with the validation rows as well"
    ),
}
"""How to follow an option, in words, by its name."""


@dataclass(frozen=True)
class Advice:
    """The result of `salutary.advise`: which option does best, and by how much.

    Parameters
    ----------
    table : DataFrame
        A row for each option, in the order of preference if losses are equal, with the
        columns

        - ``option``: the name;
        - ``accuracy`` and ``log_loss`` (in nats) on validation rows that the option was
          not fitted on;
        - ``difference``, ``lower``, ``upper``: how much higher the log loss is than the
          lowest, and the ends of the 95% interval of this difference;
        - ``C`` and ``validation_weight``: medians of the tuned values over all fits. A
          weight of 0 means that the option was not fitted on validation rows.
    option : str
        The advised option, which has the lowest log loss.
    sentence : str
        The advice and the reason in words, beginning with "Advice:".
    n_train, n_validation, n_pool : int
        Numbers of rows.
    n_pool_used : int
        Number of pool rows that were used. Of more than 20,000 a part is drawn.
    n_splits, n_repeats : int
        Number of folds, and how often the cross-fitting was repeated.
    classes_not_validated : list of str
        Classes that no validation row has. Nothing shows what helps for them.
    model_ : Pipeline or classifier
        The advised option, fitted on all rows. It takes rows as `salutary.advise` was
        given them.

    See Also
    --------
    salutary.advise : Compares the options.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from salutary import advise
    >>> X, y = load_iris(return_X_y=True)
    >>> advice = advise(
    ...     X[::9], y[::9], X[1::3], y[1::3], splits=2, repeats=1, random_state=0
    ... )
    >>> advice.option
    'train + weighted validation'
    >>> differences = advice.table.set_index("option")["difference"]
    >>> bool(differences["train only"] > 0)  # its log loss is higher
    True
    >>> advice.to_dict()["n_validation"]
    50
    """

    table: pd.DataFrame
    option: str
    sentence: str
    n_train: int
    n_validation: int
    n_pool: int
    n_pool_used: int
    n_splits: int
    n_repeats: int
    classes_not_validated: list[str]
    model_: Any = None

    def to_dict(self) -> dict[str, Any]:
        """The advice as numbers, strings, lists and dicts, for instance for JSON.

        The rows of the table are under ``options``. The model is left out.
        """
        others = ("table", "model_")
        plain = {
            name: value for name, value in vars(self).items() if name not in others
        }
        return {**plain, "options": self.table.to_dict("records")}


def compare(
    task: AdviceTask,
    n_splits: int,
    n_repeats: int,
    fitted: Callable[[str], None] = lambda line: None,
) -> Advice:
    """Cross-fit all options of a task, and advise one.

    Parameters
    ----------
    task : AdviceTask
        With all validation rows and the whole pool.
    n_splits, n_repeats : int
        See `salutary.advice.cross_fitting.cross_fit`.
    fitted : callable, optional
        Called with a line about the progress after each fit.

    Returns
    -------
    Advice
    """
    used = _drawn(task)
    with threadpool_limits(limits=1, user_api="blas"):
        judged = cross_fit(used, n_splits, n_repeats, fitted)
    option = lowest(judged)
    return Advice(
        table=_table(judged),
        option=option,
        sentence=_sentence(judged, option),
        n_train=len(task.train),
        n_validation=len(task.validation),
        n_pool=_n_rows(task),
        n_pool_used=_n_rows(used),
        n_splits=n_splits,
        n_repeats=n_repeats,
        classes_not_validated=absent_classes(task.classes, task.validation.labels),
    )


def behind_best(judged: dict[str, Judged]) -> dict[str, Difference]:
    """The difference of each option's log loss to the lowest."""
    best = judged[lowest(judged)]
    return {name: difference(found.loss, best.loss) for name, found in judged.items()}


def lowest(judged: dict[str, Judged]) -> str:
    """The option with the lowest log loss; of ties, the most preferred.

    Preferring an option that is only slightly worse gives worse models, see
    ``docs/studies/advise``.
    """
    return min(judged, key=lambda name: float(judged[name].loss.mean()))


def _drawn(task: AdviceTask) -> AdviceTask:
    """The task in float64, as for every fit, with at most `LARGEST_POOL` pool rows."""
    pool = task.pool
    if pool is not None:
        if pool.shape[0] > LARGEST_POOL:
            rng = np.random.RandomState(task.seed)
            rows = rng.choice(pool.shape[0], LARGEST_POOL, replace=False)
            pool = pool[np.sort(rows)]
        pool = as_float64(pool)

    def converted(rows: LabeledRows) -> LabeledRows:
        return replace(rows, X=as_float64(rows.X))

    return replace(
        task,
        train=converted(task.train),
        validation=converted(task.validation),
        pool=pool,
    )


def rows_of(number: int) -> str:
    """A number of rows, in words."""
    return "1 row" if number == 1 else f"{number} rows"


def _n_rows(task: AdviceTask) -> int:
    return 0 if task.pool is None else int(task.pool.shape[0])


def _table(judged: dict[str, Judged]) -> pd.DataFrame:
    rows = []
    for name, behind in behind_best(judged).items():
        found = judged[name]
        rows.append(
            {
                "option": name,
                "accuracy": float(found.right.mean()),
                "log_loss": float(found.loss.mean()),
                "difference": behind.mean,
                "lower": behind.lower,
                "upper": behind.upper,
                "C": float(np.median(found.C)),
                "validation_weight": float(np.median(found.validation_weight)),
            }
        )
    return pd.DataFrame(rows)


def _sentence(judged: dict[str, Judged], option: str) -> str:
    """What to do, and why."""
    weight = float(np.median(judged[option].validation_weight))
    action = ACTIONS.get(option, f"follow the option {option!r}").format(weight=weight)
    return f"Advice: {action}; {_reason(judged, option)}."


def _reason(judged: dict[str, Judged], option: str) -> str:
    """The reason for an option: how much worse the closest other option is.

    For an option that uses the pool, this is the best without it. For one that does
    not, it is the best with salutary labels, if there is a pool.
    """
    with_pool = {name: judged[name] for name in judged if name in POOL_OPTIONS}
    rest = {name: judged[name] for name in judged if name not in POOL_OPTIONS}
    if not with_pool:
        other = lowest({name: rest[name] for name in rest if name != option})
        return (
            f"{_behind(judged, other, option)}, and salutary labels were not tried, as "
            "they need a pool"
        )
    if option in with_pool:
        other = lowest(rest)
        return f"{_behind(judged, other, option)}, the best without the pool"
    labeled = {name: found for name, found in with_pool.items() if "salutary" in name}
    behind = _behind(judged, lowest(labeled), option)
    return f"salutary labels add nothing here: {behind}"


def _behind(judged: dict[str, Judged], other: str, option: str) -> str:
    """Compare another option's log loss with the advised option's, in words."""
    found = difference(judged[other].loss, judged[option].loss)
    if found.lower == found.upper == 0:
        return f"the log loss of {other!r} is the same"
    word = "higher" if found.mean >= 0 else "lower"
    words = f"the log loss of {other!r} is {abs(found.mean):.4f} {word}"
    return f"{words} ({_interval(found)})"


def _interval(found: Difference) -> str:
    """The 95% interval of a difference in words, with signs for a positive mean."""
    lower, upper = found.lower, found.upper
    if found.mean < 0:
        lower, upper = -upper, -lower
    words = f"95% interval {lower:z.4f} to {upper:z.4f}"
    return words if found.lower > 0 or found.upper < 0 else f"{words}, maybe by chance"
