"""What a strategy gets and yields, and how all strategies fit their models."""

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
"""Folds of the cross-validation that tunes C."""
TUNING_TOLERANCE = 1e-3
"""Tolerance of fits that only rank values of C; models are fitted to convergence."""


@dataclass(frozen=True)
class Setting:
    """How an experiment is set up.

    Parameters
    ----------
    n_labeled : int
        Number of labeled rows at the start.
    validation : float or int
        Validation rows: a part of all rows, or their number.
    budget, batch_size : int
        Number of labels in total, and in each round.
    batch_fraction : float or None
        Labels of each round as a part of the pool, in place of ``batch_size``; the
        number of rounds stays ``budget // batch_size``.
    n_rounds : int or None
        Number of rounds after which a run ends, even if budget is left: a round of
        salutary labels is smaller than a batch where no further label seems to help.
    C : float or None
        Inverse strength of the penalty. None tunes it in every round, by
        cross-validation over the human labels that are trained on.
    fit_intercept : bool
    hessian : {"train", "pool", "both"}
        Rows whose curvature enters influences.
    equal_labels : bool
        Whether all strategies end with the same number of human labels. Strategies that
        buy labels then also train on validation rows from the start, on as many as
        leave room for the budget. Strategies that neither buy labels nor look at the
        validation rows train on all validation rows.
    largest_pool : int
        Number of pool rows above which the pool is sampled down to it.
    noise : {"none", "symmetric", "class-dependent", "aggre", "random1", "worse"}
        What makes labels of the labeled rows wrong, see
        `salutary_benchmark.data.noise`.
    noise_rate : float
        Part of these labels that is wrong, if they are made wrong at random.
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
        """The setting with ``batch_fraction`` turned into a number of labels."""
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
        Its rows are float64 matrices, its classes 0, 1, ...
    setting : Setting
    seed : int
        Seed of everything that a strategy draws.
    """

    split: Split
    setting: Setting
    seed: int

    @property
    def classes(self) -> NDArray[np.intp]:
        """All classes of the data set."""
        return np.unique(np.concatenate([self.split.pool[1], self.split.labeled[1]]))

    def labeled_with(self, n_validation: int) -> Part:
        """The labeled rows, if labels are equal with the first validation rows too."""
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
        Number of rows the model was trained on, whether their labels were there at the
        start, bought or assigned.
    agreement : float
        Part of the labels of the rounds so far that are true; NaN before any.
    """

    model: Any
    n_labeled: int
    agreement: float = float("nan")


Strategy = Callable[[Task], Iterator[Step]]
"""Yields a step before the first round and one after each round."""


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
        Model whose coefficients the fit starts from, if it has the same classes.
    n_human : int, optional
        Number of ``rows``, from the first on, whose labels a human gave; all by
        default. C is tuned on these.

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
    """The setting's logistic regression, unfitted, with C tuned if there is none."""
    setting = task.setting
    C = setting.C
    if C is None:
        C = best_C(rows, n_human, fit_intercept=setting.fit_intercept)
    return LogisticRegression(C=C, fit_intercept=setting.fit_intercept, max_iter=10_000)


def best_C(
    rows: Part, n_human: int | None = None, *, fit_intercept: bool = True
) -> float:
    """The C of `PENALTIES` with the lowest log loss in cross-validation.

    See `salutary.labeling.tuning.lowest_loss` for where the search ends. The loss is
    that of rows with human labels; rows with assigned labels are in every training
    part. Rows of a class that a training part lacks are not judged by its model. Where
    there are too few rows for a cross-validation, C is 1.
    """
    # One model for each fold, which starts from its last fit.
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
    """Sum of the log losses of the rows whose classes the model knows."""
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
