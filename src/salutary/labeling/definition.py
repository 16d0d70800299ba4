"""What stays the same during a run: its rows, its pool, and how labels are chosen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.influence.objectives import (
    BoundObjective,
    Objective,
    Truth,
    bind,
    log_loss,
)
from salutary.labeling.edits import AddRow, TrainingEdit
from salutary.labeling.guard import FOLDS
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Rule, Scores
from salutary.labeling.splits import stratified_parts
from salutary.names import EstimateName, HessianRows
from salutary.pools.protocol import Pool


@dataclass(frozen=True)
class Fold:
    """The validation rows, split into rows for influence and canary rows.

    Canary rows are validation rows that influence does not see, so that their loss
    shows whether labels really help.

    Parameters
    ----------
    own : LabeledRows
        Rows that the influences of this fold see.
    canary : LabeledRows
        Rows that only the guard sees.
    C : float, optional
        Inverse strength of the penalty of the fold's models, tuned without its canary
        rows. By default that of the run.
    """

    own: LabeledRows
    canary: LabeledRows
    C: float | None = None


@dataclass(frozen=True)
class Definition:
    """What stays the same during a run.

    `salutary.labeling.problem.Problem` adds the steps of the run to it.

    Parameters
    ----------
    estimator : LogisticRegression
        Unfitted.
    classes : ndarray of shape (n_classes,), sorted
    labeled : LabeledRows
        The labeled set, with at least one row of each class.
    validation : LabeledRows
        The validation rows that influence sees.
    folds : tuple of Fold
        The validation rows, split in several ways for the guard; empty without a guard.
    pool : Pool
    rule : Rule
    hessian : {"train", "pool", "both"}
        Rows whose curvature enters the Hessian.
    batch_size : int
        Number of labels in a round.
    estimate : {"first_order", "newton", "refit"}
        How the effect of a row is estimated. The costly two are used on a shortlist of
        the rows with the best first-order scores.
    min_influence_z : float
        A row is labeled only if its influence is at least this many standard errors.
    objective : callable
        What labels are to lower on the validation rows.
    edit : TrainingEdit
        How a label changes the training rows.
    """

    estimator: LogisticRegression
    classes: NDArray[np.generic]
    labeled: LabeledRows
    validation: LabeledRows
    folds: tuple[Fold, ...]
    pool: Pool
    rule: Rule
    hessian: HessianRows
    batch_size: int
    estimate: EstimateName = "first_order"
    min_influence_z: float = 0.0
    objective: Objective = log_loss
    edit: TrainingEdit = field(default_factory=AddRow)

    def within(self, fold: Fold) -> Self:
        """The same run as a fold sees it: with its own validation rows and C."""
        estimator = self.estimator
        if fold.C is not None:
            estimator = clone(estimator).set_params(C=fold.C)
        return replace(self, estimator=estimator, validation=fold.own)

    def objective_of(self, rows: LabeledRows) -> BoundObjective:
        """The objective, for certain rows."""
        return bind(self.objective, rows.truth)

    @property
    def variants(self) -> dict[str, Scores]:
        """The variants of the rule that a round tries.

        Only the first without canary rows, as there is nothing to choose by: on rows
        that influence sees, the most influential labels always seem best. Also only the
        first if the estimate is not first order, as true effects need no tempering.
        """
        if self.folds and self.estimate == "first_order":
            return dict(self.rule.variants)
        return dict(islice(self.rule.variants.items(), 1))

    @property
    def seen(self) -> Truth:
        """The validation rows that influence sees."""
        return self.validation.truth

    @property
    def canary(self) -> Truth:
        """The canary rows of all folds, fold after fold; empty without a guard."""
        if not self.folds:
            return self.validation.take(np.zeros(0, dtype=np.intp)).truth
        parts = [fold.canary.truth for fold in self.folds]
        groups = [part.groups for part in parts if part.groups is not None]
        return Truth(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.weight for part in parts]),
            np.concatenate(groups) if groups else None,
        )


def split_folds(
    validation: LabeledRows, guard: bool, rng: np.random.RandomState
) -> tuple[Fold, ...]:
    """Split the validation rows into folds for the guard.

    Parameters
    ----------
    validation : LabeledRows
    guard : bool
    rng : numpy.random.RandomState

    Returns
    -------
    tuple of Fold
        Each row is a canary row of one fold. Empty without a guard.

    Warns
    -----
    UserWarning
        If there are too few rows to split; then there is no guard.
    """
    if not guard:
        return ()
    folds = tuple(
        Fold(validation.take(own), validation.take(canary))
        for own, canary in stratified_parts(validation.labels, FOLDS, rng)
    )
    weighed = (rows.weight.any() for fold in folds for rows in (fold.own, fold.canary))
    if len(validation) < 2 * FOLDS or not all(weighed):
        warnings.warn(
            f"{len(validation)} validation rows are too few to guard the run with, so "
            f"it goes on without a guard; pass {2 * FOLDS} or more, or switch the "
            "guard off",
            UserWarning,
            stacklevel=3,
        )
        return ()
    return folds
