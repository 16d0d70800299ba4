"""What a strategy is given, what it yields, and how all of them fit their models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from salutary.errors import InputError
from salutary.influence.objectives import log_losses
from salutary.labeling.fitting import fit_converged
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import lowest_loss
from salutary.names import HessianRows
from salutary_benchmark.data.noise import Noise
from salutary_benchmark.data.splits import Part, Split

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
    batch_fraction : float or None
        Labels a round as a part of the pool instead, in as many rounds.
    n_rounds : int or None
        After which a run ends, though it may have spent less than its budget: a round
        of salutary labels is smaller where no further one seems to help.
    C : float or None
        Inverse strength of the penalty; None tunes it in every round, by
        cross-validation over the human labels trained on.
    fit_intercept : bool
    hessian : {"train", "pool", "both"}
        Rows whose curvature enters influences.
    equal_labels : bool
        Whether everyone ends with the same number of human labels: strategies that
        buy labels begin with the labeled rows and as many validation rows as leave
        room for the budget, others that do not look at validation train on all of it.
    largest_pool : int
        Pool rows above which a sample is taken.
    noise : {"none", "symmetric", "class-dependent", "aggre", "random1", "worse"}
        What makes labels of the labeled rows wrong, see
        `salutary_benchmark.data.noise`.
    noise_rate : float
        Part of them that is wrong, where they are drawn.
    """

    n_labeled: int = 300
    validation: float | int = 0.2
    budget: int = 100
    batch_size: int = 10
    batch_fraction: float | None = None
    n_rounds: int | None = None
    C: float | None = 0.02
    fit_intercept: bool = True
    hessian: HessianRows = "train"
    equal_labels: bool = False
    largest_pool: int = 10_000
    noise: Noise = "none"
    noise_rate: float = 0.0

    def for_pool(self, n_pool: int) -> Setting:
        """The setting with the number of labels a round settled."""
        if self.batch_fraction is None:
            return self
        size = max(1, round(self.batch_fraction * n_pool))
        n_rounds = self.budget // self.batch_size
        return replace(
            self, batch_size=size, budget=n_rounds * size, batch_fraction=None
        )


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
        if n_validation < 0:
            raise InputError(
                "with equal labels the validation rows must be at least as many as the "
                "budget; lower the budget"
            )
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


def as_labeled_rows(rows: Part, classes: NDArray[Any]) -> LabeledRows:
    """The rows as the library has them: labels as positions, and all weights one."""
    X, y = rows
    return LabeledRows(X, np.searchsorted(classes, y), np.ones(len(y)))


def fit(
    task: Task,
    rows: Part,
    previous: LogisticRegression | None = None,
    *,
    n_human: int | None = None,
) -> LogisticRegression:
    """Fit the setting's logistic regression to convergence.

    Parameters
    ----------
    task : Task
    rows : (matrix, classes)
    previous : LogisticRegression, optional
        Where to start from; used if it has the same classes.
    n_human : int, optional
        Of ``rows``, how many, the first, have labels that a human gave; all by default.

    Returns
    -------
    LogisticRegression
    """
    classes = np.unique(rows[1])
    if previous is not None and not np.array_equal(previous.classes_, classes):
        previous = None
    model = estimator(task, rows, n_human=n_human)
    return fit_converged(model, as_labeled_rows(rows, classes), classes, previous)


def estimator(
    task: Task, rows: Part, *, n_human: int | None = None
) -> LogisticRegression:
    """The setting's logistic regression, unfitted; tuned on the rows if it is to be."""
    setting = task.setting
    C = setting.C
    if C is None:
        C = best_C(rows, n_human, fit_intercept=setting.fit_intercept)
    return LogisticRegression(C=C, fit_intercept=setting.fit_intercept, max_iter=10_000)


def best_C(
    rows: Part, n_human: int | None = None, *, fit_intercept: bool = True
) -> float:
    """The C of `PENALTIES` with the lowest log loss in cross-validation.

    See `salutary.labeling.tuning.lowest_loss` for where the search ends. Only rows with
    human labels are judged; rows with assigned labels are in every training part.
    Judged rows of a class that no row of the training part has are left out. Where rows
    are too few to be parted, C is 1.
    """
    # Of every fold one model, which starts from its last fit.
    folds = [(_tunable(fit_intercept), *parts) for parts in _folds(rows, n_human)]
    if not folds:
        return PENALTIES[-1]

    def loss_of(C: float) -> float:
        return sum(
            _loss(model.set_params(C=C).fit(*fitted), *judged)
            for model, fitted, judged in folds
        )

    return lowest_loss(PENALTIES, loss_of)[0]


def _tunable(fit_intercept: bool) -> LogisticRegression:
    return LogisticRegression(
        fit_intercept=fit_intercept,
        max_iter=10_000,
        tol=TUNING_TOLERANCE,
        warm_start=True,
    )


def _loss(model: LogisticRegression, X: Any, y: NDArray[Any]) -> float:
    """The summed log loss of the rows of classes that the model knows."""
    known = np.isin(y, model.classes_)
    truth = np.searchsorted(model.classes_, y[known])
    return float(log_losses(model.predict_proba(X[known]), truth).sum())


def _folds(rows: Part, n_human: int | None) -> Iterator[tuple[Part, Part]]:
    X, y = rows
    n_human = len(y) if n_human is None else n_human
    if np.bincount(y[:n_human]).max() < FOLDS:
        return
    assigned = np.arange(n_human, len(y))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = list(folds.split(X[:n_human], y[:n_human]))
    for training, judged in parts:
        fitted = np.concatenate([training, assigned])
        classes = np.unique(y[fitted])
        if len(classes) > 1 and np.isin(y[judged], classes).any():
            yield (X[fitted], y[fitted]), (X[judged], y[judged])
