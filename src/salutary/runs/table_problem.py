"""Make a problem that the loop can run from a user's tables."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from salutary.arrays import IntArray, Matrix
from salutary.influence.objectives import ExpectedCost, Objective, find_objective
from salutary.labeling.definition import split_folds
from salutary.labeling.edits import TrainingEdit, default_batch
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.labeling.tuning import ChooseC, tuned_folds
from salutary.names import EstimateName, ObjectiveName, RuleName
from salutary.pools.arrays import ArrayPool
from salutary.pools.files import FilePool
from salutary.pools.protocol import Pool
from salutary.progress import Stage, reporting
from salutary.runs.encoded_pool import encode_here, encode_on_cluster
from salutary.tables.batches import MANY_ROWS
from salutary.tables.checks import Checks, check_tables
from salutary.tables.costs import read_costs
from salutary.tables.encoding import (
    ColumnTypes,
    embedder_of,
    fit_encoder,
    with_names,
)
from salutary.tables.reading import Tables
from salutary.tables.recurring import count_recurring
from salutary.tables.sources import Sources


@dataclass(frozen=True)
class Settings:
    """Settings of a run, see ``salutary label --help``.

    If ``batch_size`` is None, `default_batch` of the training rows is used. If ``C`` is
    None, it is tuned by the log loss on rows that a model has not seen: in labeling of
    the training and the validation table, in relabeling of the latter alone. A fold of
    the guard is tuned without its canary rows. The ``objective`` "cost" uses the table
    of costs.
    """

    rule: RuleName
    C: float | None
    batch_size: int | None
    guard: bool
    seed: int
    min_influence_z: float = 0.0
    estimate: EstimateName = "first_order"
    objective: ObjectiveName | Any = "log_loss"


@dataclass(frozen=True)
class EncodedTables:
    """Tables as matrices of numbers.

    Parameters
    ----------
    tables : Tables
    encoder : Pipeline
        Fitted; it turns the feature columns of a table into a matrix.
    train, validation : LabeledRows
    pool : Pool or None
    checks : Checks
    """

    tables: Tables
    encoder: Pipeline
    train: LabeledRows
    validation: LabeledRows
    pool: Pool | None
    checks: Checks

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model that embeds texts, if there is one."""
        embedder = embedder_of(self.encoder)
        return None if embedder is None else embedder.fingerprint_

    @property
    def pool_matrix(self) -> Matrix | None:
        """The encoded pool if it is here, memory-mapped if it is in a file."""
        return self.pool.X if isinstance(self.pool, ArrayPool | FilePool) else None

    def model(self, classifier: LogisticRegression) -> Pipeline:
        """The pipeline from a table to classes, which ends with a classifier."""
        types, encoder = ColumnTypes(self.tables.kinds), with_names(self.encoder)
        classifier = copy(classifier)
        classifier.feature_names_in_ = encoder.get_feature_names_out()
        return Pipeline([("types", types), *encoder.steps, ("classify", classifier)])


def encode_tables(
    tables: Tables, sources: Sources, seed: int, stage: Stage
) -> EncodedTables:
    """Fit the encoder on the training table and the pool, and encode every table.

    The rows of a large pool are encoded once, into a file.

    Parameters
    ----------
    tables : Tables
    sources : Sources
    seed : int
        Random state of the encoder.
    stage : callable
        Displays which step is running.

    Raises
    ------
    InputError
        If no feature has a value, if a language model cannot be loaded, or if the disk
        has no room.
    """
    doing = "encoding the columns" if sources.texts is None else "embedding the texts"
    with stage(doing) as report, reporting(report):
        encoder, matrices = fit_encoder(tables, sources, seed)
    pool: Pool | None = None
    if tables.large_pool is not None:
        n_features = matrices["pool"].shape[1]
        encode = encode_on_cluster if sources.engine == "ray" else encode_here
        pool = encode(tables.large_pool, encoder, n_features, sources, stage)
    elif "pool" in matrices:
        pool = ArrayPool.of(matrices["pool"])
        if sources.engine == "ray":
            warnings.warn(
                f"{sources.pool}: {len(matrices['pool'])} rows are scored on this "
                f"machine; --engine ray is for more than {MANY_ROWS:,}",
                UserWarning,
                stacklevel=2,
            )
    with stage("checking the tables"):
        checks = check_tables(tables, matrices, seed)
    return EncodedTables(
        tables=tables,
        encoder=encoder,
        train=_unweighted(matrices["train"], tables.train_labels),
        validation=_unweighted(
            matrices["validation"], tables.validation_labels, tables.groups
        ),
        pool=pool,
        checks=checks,
    )


def _unweighted(
    X: Matrix, labels: IntArray, groups: IntArray | None = None
) -> LabeledRows:
    return LabeledRows(X, labels, np.ones(len(labels)), groups)


@dataclass(frozen=True)
class TableProblem:
    """A problem, and the tables it was made from.

    Parameters
    ----------
    problem : Problem
    encoded : EncodedTables
    ids : pyarrow.Array
        Names of the rows that get labels.
    unseen : dict of str to int
        Number of pool rows with a category that no training row has, by column.
    """

    problem: Problem
    encoded: EncodedTables
    ids: pa.Array
    unseen: dict[str, int]

    @property
    def label_type(self) -> pa.DataType:
        """Arrow type of the target column."""
        return self.encoded.tables.label_type

    @property
    def pool_labels(self) -> NDArray[Any] | None:
        """Labels that the pool came with, or None.

        They are only used to report the agreement.
        """
        return self.encoded.tables.pool_labels

    @property
    def n_rows(self) -> dict[str, int]:
        """Number of rows of each table."""
        return self.encoded.tables.n_rows

    @property
    def recurring(self) -> int:
        """Number of validation rows that the training table or the pool has as well."""
        return recurring_rows(self.encoded.tables)

    @property
    def checks(self) -> Checks:
        """What is to be known of the tables."""
        return self.encoded.checks

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model that embeds texts, if there is one."""
        return self.encoded.embedder


def make_problem(
    encoded: EncodedTables,
    sources: Sources,
    settings: Settings,
    pool: Pool,
    edit: TrainingEdit,
    choose_C: ChooseC,
) -> Problem:
    """Make the problem of encoded tables.

    Raises
    ------
    InputError
        If the table of costs cannot be used.
    """
    tables = encoded.tables
    objective: Objective
    if sources.costs is not None:
        objective = ExpectedCost(
            read_costs(sources.costs, tables.classes, tables.label_type)
        )
    else:
        objective = find_objective(settings.objective)
    rng = np.random.RandomState(settings.seed)
    train, validation, C = encoded.train, encoded.validation, settings.C
    folds = split_folds(validation, settings.guard, rng)
    if C is None:
        C = choose_C(train, validation, tables.classes)
        folds = tuned_folds(folds, train, tables.classes, choose_C)
    return Problem(
        estimator=LogisticRegression(C=C),
        classes=tables.classes,
        labeled=train,
        validation=validation,
        folds=folds,
        pool=pool,
        rule=find_rule(settings.rule),
        hessian="train",
        batch_size=settings.batch_size or default_batch(len(encoded.train)),
        estimate=settings.estimate,
        min_influence_z=settings.min_influence_z,
        objective=objective,
        edit=edit,
    )


def recurring_rows(tables: Tables) -> int:
    """Number of validation rows whose features another table has as well.

    Of a large pool, the rows that were looked at count.
    """
    features = dict(tables.features)
    return count_recurring(features.pop("validation"), *features.values())
