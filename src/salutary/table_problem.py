"""From three tables to a problem the loop can run on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from salutary.encoding import (
    ColumnTypes,
    count_recurring,
    fit_encoder,
    unseen_categories,
)
from salutary.influence.add_one_in import Estimate
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool
from salutary.problem import LabeledRows, Problem, split_folds
from salutary.reading import Sources, read_tables

Stage = Callable[[str], AbstractContextManager[object]]
"""Shows a person what is going on while the block runs."""


@dataclass(frozen=True)
class Settings:
    """What a run does with its tables; see ``salutary label --help``."""

    rule: str
    C: float
    batch_size: int
    guard: bool
    seed: int
    min_influence_z: float = 0.0
    estimate: Estimate = "first_order"


@dataclass(frozen=True)
class TableProblem:
    """A problem, and what leads back from it to the tables.

    Parameters
    ----------
    problem : Problem
    encoder : Pipeline
        Fitted; from the table's columns to the problem's features.
    label_type : pyarrow.DataType
        Of the target column.
    ids : pyarrow.Array
        The pool's rows' names.
    pool_labels : ndarray or None
        The pool's own labels, where it has them; they are never looked at but to
        report the agreement.
    n_rows : dict of str to int
        Rows of each table.
    unseen : dict of str to int
        Pool rows with a category that no training row has, by column.
    recurring : int
        Validation rows that stand in the training table or the pool as well.
    """

    problem: Problem
    encoder: Pipeline
    label_type: pa.DataType
    ids: pa.Array
    pool_labels: NDArray[Any] | None
    n_rows: dict[str, int]
    unseen: dict[str, int]
    recurring: int

    def model(self, classifier: LogisticRegression) -> Pipeline:
        """The whole way from a table to a class."""
        return Pipeline([*self.encoder.steps, ("classify", classifier)])


def prepare(sources: Sources, settings: Settings, stage: Stage) -> TableProblem:
    """Read, check and encode three tables.

    Parameters
    ----------
    sources : Sources
    settings : Settings
    stage : callable

    Returns
    -------
    TableProblem

    Raises
    ------
    InputError
        For anything in the tables that cannot be used.
    """
    with stage("reading the tables"):
        tables = read_tables(sources)
    with stage("encoding the columns"):
        encoder, matrices = fit_encoder(
            tables.features, settings.seed, str(sources.train)
        )
    labeled, validation = (
        LabeledRows(matrices[name], labels, np.ones(len(labels)))
        for name, labels in (
            ("train", tables.train_labels),
            ("validation", tables.validation_labels),
        )
    )
    n_pool = len(matrices["pool"])
    rng = np.random.RandomState(settings.seed)
    problem = Problem(
        estimator=LogisticRegression(C=settings.C),
        classes=tables.classes,
        labeled=labeled,
        validation=validation,
        folds=split_folds(validation, settings.guard, rng),
        pool=ArrayPool(matrices["pool"], np.ones(n_pool, dtype=bool), np.ones(n_pool)),
        rule=find_rule(settings.rule),
        hessian="train",
        batch_size=settings.batch_size,
        estimate=settings.estimate,
        min_influence_z=settings.min_influence_z,
    )
    train, pool = tables.features["train"], tables.features["pool"]
    steps = [("types", ColumnTypes(tables.kinds)), *encoder.steps]
    return TableProblem(
        problem=problem,
        encoder=Pipeline(steps),
        label_type=tables.label_type,
        ids=tables.ids,
        pool_labels=tables.pool_labels,
        n_rows={name: len(frame) for name, frame in tables.features.items()},
        unseen=unseen_categories(encoder, train, pool),
        recurring=count_recurring(tables.features["validation"], train, pool),
    )
