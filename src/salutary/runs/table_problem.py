"""From a user's tables to a problem the loop can run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from salutary.errors import InputError
from salutary.influence.add_one_in import Estimate
from salutary.influence.objectives import ExpectedCost, Objective, find_objective
from salutary.labeling.edits import (
    AddRow,
    SwitchLabel,
    TrainingEdit,
    default_batch,
    own_pool,
)
from salutary.labeling.problem import Problem, split_folds
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.labeling.tuning import (
    best_C_by_cross_validation,
    best_C_by_validation,
)
from salutary.pools.arrays import ArrayPool
from salutary.progress import Stage, reporting
from salutary.tables.costs import read_costs
from salutary.tables.encoding import (
    ColumnTypes,
    count_recurring,
    embedder_of,
    fit_encoder,
    unseen_categories,
)
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources


@dataclass(frozen=True)
class Settings:
    """What a run does with its tables; see ``salutary label --help``.

    A ``batch_size`` of None is `default_batch` of the training rows, a ``C`` of None
    the best by cross-validation on them, or in relabeling by the validation rows.
    """

    rule: str
    C: float | None
    batch_size: int | None
    guard: bool
    seed: int
    min_influence_z: float = 0.0
    estimate: Estimate = "first_order"
    objective: str = "log_loss"


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
        Names of the rows that get labels.
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

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model that embeds texts, if one does."""
        embedder = embedder_of(self.encoder)
        return None if embedder is None else embedder.fingerprint_

    def model(self, classifier: LogisticRegression) -> Pipeline:
        """The whole way from a table to a class."""
        return Pipeline([*self.encoder.steps, ("classify", classifier)])


def prepare_labeling(
    sources: Sources, settings: Settings, stage: Stage
) -> TableProblem:
    """Read, check and encode three tables; labels add rows of the pool.

    Parameters
    ----------
    sources : Sources
        With a pool.
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
    tables, encoder, rows = _read(sources, settings, stage)
    matrix = rows.pop("pool").X
    pool = ArrayPool.of(matrix)
    C = settings.C
    if C is None:
        C = best_C_by_cross_validation(rows["train"], tables.classes, settings.seed)
    problem = _problem(sources, settings, C, tables, rows, pool, AddRow())
    features = tables.features
    return _with_tables(
        problem,
        tables,
        encoder,
        unseen=unseen_categories(encoder, features["train"], features["pool"]),
    )


def prepare_relabeling(
    sources: Sources, settings: Settings, stage: Stage
) -> TableProblem:
    """Read, check and encode two tables; labels switch those of the training table.

    Parameters
    ----------
    sources : Sources
        Without a pool.
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
    tables, encoder, rows = _read(sources, settings, stage)
    if tables.ids is None:
        raise InputError(
            f"{sources.train}: has no id column {sources.id_column!r}; add it"
        )
    labeled = rows["train"]
    C = settings.C
    if C is None:
        C = best_C_by_validation(labeled, rows["validation"], tables.classes)
    edit = SwitchLabel(labeled.labels)
    problem = _problem(sources, settings, C, tables, rows, own_pool(labeled), edit)
    return _with_tables(problem, tables, encoder, unseen={})


def _read(
    sources: Sources, settings: Settings, stage: Stage
) -> tuple[Tables, Pipeline, dict[str, LabeledRows]]:
    """The tables, the fitted encoder, and every table's rows, those of a pool as 0."""
    with stage("reading the tables"):
        tables = read_tables(sources)
    doing = "encoding the columns" if sources.texts is None else "embedding the texts"
    with stage(doing) as report, reporting(report):
        encoder, matrices = fit_encoder(tables, sources, settings.seed)
    labels = {"train": tables.train_labels, "validation": tables.validation_labels}
    groups = {"validation": tables.groups}
    rows = {}
    for name, X in matrices.items():
        own = labels.get(name, np.zeros(len(X), dtype=np.intp))
        rows[name] = LabeledRows(X, own, np.ones(len(X)), groups.get(name))
    return tables, encoder, rows


def _problem(
    sources: Sources,
    settings: Settings,
    C: float,
    tables: Tables,
    rows: dict[str, LabeledRows],
    pool: ArrayPool,
    edit: TrainingEdit,
) -> Problem:
    objective: Objective
    if sources.costs is not None:
        costs = read_costs(sources.costs, tables.classes, tables.label_type)
        objective = ExpectedCost(costs)
    else:
        objective = find_objective(settings.objective)
    rng = np.random.RandomState(settings.seed)
    return Problem(
        estimator=LogisticRegression(C=C),
        classes=tables.classes,
        labeled=rows["train"],
        validation=rows["validation"],
        folds=split_folds(rows["validation"], settings.guard, rng),
        pool=pool,
        rule=find_rule(settings.rule),
        hessian="train",
        batch_size=settings.batch_size or default_batch(len(rows["train"])),
        estimate=settings.estimate,
        min_influence_z=settings.min_influence_z,
        objective=objective,
        edit=edit,
    )


def _with_tables(
    problem: Problem, tables: Tables, encoder: Pipeline, *, unseen: dict[str, int]
) -> TableProblem:
    features = dict(tables.features)
    recurring = count_recurring(features.pop("validation"), *features.values())
    assert tables.ids is not None  # of a pool, or looked at before
    return TableProblem(
        problem=problem,
        encoder=Pipeline([("types", ColumnTypes(tables.kinds)), *encoder.steps]),
        label_type=tables.label_type,
        ids=tables.ids,
        pool_labels=tables.pool_labels,
        n_rows={name: len(frame) for name, frame in tables.features.items()},
        unseen=unseen,
        recurring=recurring,
    )
