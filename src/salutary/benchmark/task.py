"""What a strategy is given, what it yields, and how all of them fit their models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from salutary.benchmark.splits import Part, Split
from salutary.fitting import fit_converged
from salutary.influence.label_influence import HessianRows
from salutary.problem import LabeledRows

PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Values of C that tuning chooses from."""
FOLDS = 3
TUNING_TOLERANCE = 1e-3
"""Enough to rank penalties by; the model itself is fitted to convergence."""


@dataclass(frozen=True)
class Setting:
    """How an experiment is set up.

    Parameters
    ----------
    n_labeled : int
        Labeled rows at the start.
    validation : float or int
        Validation rows, as a part of all rows or their number.
    budget, batch_size : int
        Labels in all and in a round.
    C : float or None
        Inverse strength of the penalty; None tunes it in every round.
    fit_intercept : bool
    hessian : {"train", "pool", "both"}
        Rows whose curvature enters influences.
    equal_labels : bool
        Whether everyone ends with the same number of human labels: strategies that
        buy labels begin with the labeled rows and as many validation rows as leave
        room for the budget, others that do not look at validation train on all of it.
    """

    n_labeled: int = 300
    validation: float | int = 0.2
    budget: int = 100
    batch_size: int = 10
    C: float | None = 0.02
    fit_intercept: bool = True
    hessian: HessianRows = "train"
    equal_labels: bool = False


@dataclass(frozen=True)
class Task:
    """One split of a data set under a setting.

    Parameters
    ----------
    split : Split
        Of float64 matrices and classes 0, 1, ...
    setting : Setting
    seed : int
        Fixes what a strategy draws.
    """

    split: Split
    setting: Setting
    seed: int

    @property
    def classes(self) -> NDArray[np.intp]:
        """All classes of the data set."""
        return np.unique(np.concatenate([self.split.pool[1], self.split.labeled[1]]))

    def labeled_with(self, n_validation: int) -> Part:
        """The labeled rows, in an equal setting with so many validation rows."""
        if not self.setting.equal_labels:
            return self.split.labeled
        X, y = self.split.validation
        return joined(self.split.labeled, (X[:n_validation], y[:n_validation]))


@dataclass(frozen=True)
class Step:
    """A strategy's model after a round.

    Parameters
    ----------
    model : classifier
    n_labeled : int
        Rows with a label, given, bought or assigned, that it was trained on.
    agreement : float
        Part of the labels given in the rounds so far that are true; NaN before any.
    """

    model: Any
    n_labeled: int
    agreement: float = float("nan")


Strategy = Callable[[Task], Iterator[Step]]
"""Yields its model before the first round and after each."""


def joined(*parts: Part) -> Part:
    """The rows of all parts."""
    return (
        np.concatenate([X for X, _ in parts]),
        np.concatenate([y for _, y in parts]),
    )


def fit(
    task: Task,
    rows: Part,
    previous: LogisticRegression | None = None,
    *,
    held_out: Part | None = None,
) -> LogisticRegression:
    """Fit the setting's logistic regression to convergence.

    Parameters
    ----------
    task : Task
    rows : (matrix, classes)
    previous : LogisticRegression, optional
        Where to start from; used if it has the same classes.
    held_out : (matrix, classes), optional
        Rows to tune C on, where the setting has it tuned; without them cross-validation
        on ``rows`` does.

    Returns
    -------
    LogisticRegression
    """
    X, y = rows
    classes, labels = np.unique(y, return_inverse=True)
    if previous is not None and not np.array_equal(previous.classes_, classes):
        previous = None
    weighed = LabeledRows(X, labels.astype(np.intp), np.ones(len(y)))
    return fit_converged(estimator(task, rows, held_out), weighed, classes, previous)


def estimator(task: Task, rows: Part, held_out: Part | None) -> LogisticRegression:
    """The setting's logistic regression, unfitted, its C tuned if that is asked for."""
    setting = task.setting
    C = setting.C
    if C is None:
        C = tuned(rows, held_out, fit_intercept=setting.fit_intercept)
    return LogisticRegression(C=C, fit_intercept=setting.fit_intercept, max_iter=10_000)


def tuned(rows: Part, held_out: Part | None, *, fit_intercept: bool = True) -> float:
    """The C of `PENALTIES` with the lowest mean log loss on rows not fitted on.

    Rows of a class that no fitted row has are left out.
    """
    losses = np.zeros(len(PENALTIES))
    for fitted, judged in _folds(rows, held_out):
        known = np.isin(judged[1], fitted[1])
        truth = np.searchsorted(np.unique(fitted[1]), judged[1][known])
        # From strong to weak penalty, each fit starts from the last.
        model = LogisticRegression(
            fit_intercept=fit_intercept,
            max_iter=10_000,
            tol=TUNING_TOLERANCE,
            warm_start=True,
        )
        for position, C in enumerate(PENALTIES):
            model.set_params(C=C).fit(*fitted)
            chance = model.predict_log_proba(judged[0][known])
            losses[position] -= chance[np.arange(len(truth)), truth].sum()
    return PENALTIES[int(np.argmin(losses))]


def _folds(rows: Part, held_out: Part | None) -> Iterator[tuple[Part, Part]]:
    if held_out is not None:
        yield rows, held_out
        return
    X, y = rows
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = list(folds.split(X, y))
    for fitted, judged in parts:
        yield (X[fitted], y[fitted]), (X[judged], y[judged])
