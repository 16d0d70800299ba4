"""Rows of a pool that are passed by themselves, in whatever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
from numpy.typing import NDArray
from scipy import sparse

from salutary.arrays import Matrix
from salutary.influence.inputs import as_floats, check_finite, check_size
from salutary.names import HessianRows
from salutary.pools.arrays import ArrayPool
from salutary.pools.arrow import pool_of_batches
from salutary.pools.protocol import Pool
from salutary.tables.batches import BATCH_ROWS, is_parquet
from salutary.tables.parquet import count_parquet_rows, parquet_batches
from salutary.tables.paths import check_exists
from salutary.tables.urls import table_at


def check_apart(unlabeled: NDArray[np.bool_], transformer: Any) -> None:
    """Refuse a pool where rows of X are one too, or steps of a pipeline come first.

    Raises
    ------
    ValueError
    """
    if unlabeled.any():
        raise ValueError(
            f"row {np.flatnonzero(unlabeled)[0]} of X has no label, though there is a "
            "pool; pass all rows without a label in one of the two"
        )
    if transformer is not None:
        raise ValueError(
            "a pool is taken as the regression sees it; transform X, X_val and pool "
            "first, and pass the regression as the estimator"
        )


def as_pool(
    rows: Any,
    labeled: Matrix,
    names: Sequence[str] | None = None,
    hessian: HessianRows = "train",
) -> Pool:
    """Make a `Pool` of rows.

    Parameters
    ----------
    rows : Pool, path, Arrow, Hugging Face or Ray dataset, array-like or CSR matrix
        See `salutary.SalutaryClassifier.fit`.
    labeled : ndarray or CSR of shape (n_labeled, n_features)
    names : sequence of str, optional
        Names of the features, if the labeled rows have any.
    hessian : {"train", "pool", "both"}, default="train"
        Explanations would need the pool later with another than "train", so it must
        then be a matrix.

    Raises
    ------
    ValueError
        For rows that cannot be used, or if there are none.
    """
    pool = _elsewhere(rows, labeled.shape[1], names)
    if pool is None:
        return _in_memory(rows, labeled, names)
    if hessian != "train":
        raise ValueError(
            f"hessian={hessian!r} needs the pool as a matrix; pass an array, or "
            "hessian='train'"
        )
    return pool


def _elsewhere(rows: Any, n_features: int, names: Sequence[str] | None) -> Pool | None:
    """The pool of rows that are no matrix; None of a matrix."""
    if hasattr(rows, "scan") and hasattr(rows, "blocks"):
        return rows  # type: ignore[no-any-return]
    if type(rows).__module__.startswith("ray.data"):
        from salutary.pools.cluster import pool_of_dataset

        return pool_of_dataset(rows, n_features, names)
    found = _batches(rows)
    if found is None:
        return None
    batches, n_rows = found
    if not n_rows:
        raise ValueError("pool: has no rows")
    return pool_of_batches(batches, n_rows, n_features, Path(gettempdir()), names)


def _batches(rows: Any) -> tuple[Iterable[Any], int] | None:
    """Rows as Arrow batches, and their number; None if they are nothing like that."""
    if isinstance(rows, str | Path):
        path = table_at(str(rows))
        check_exists(path)
        if not is_parquet(path):
            raise ValueError(
                f"pool: {path}: is not of Parquet; read it, and pass an array or a "
                "DataFrame"
            )
        parts = (part for _, part in parquet_batches(path, BATCH_ROWS))
        return parts, count_parquet_rows(path)
    if isinstance(rows, pa.RecordBatch):
        rows = pa.Table.from_batches([rows])
    if isinstance(rows, pa.Table):
        return rows.to_batches(BATCH_ROWS), rows.num_rows
    if isinstance(rows, pa.dataset.Dataset):
        return rows.to_batches(batch_size=BATCH_ROWS), rows.count_rows()
    if isinstance(rows, dict):
        raise ValueError(
            f"pool is a {type(rows).__name__}; pass one of its values, such as "
            "pool['train'] of a DatasetDict"
        )
    if not hasattr(rows, "__len__") and not hasattr(rows, "shape"):
        collected = "; pass pool.collect()" if hasattr(rows, "collect") else ""
        raise ValueError(
            f"pool is a {type(rows).__name__}, whose rows are not known beforehand"
            f"{collected or '; pass an array, a DataFrame or a Dataset'}"
        )
    if type(rows).__module__.startswith("datasets."):
        return rows.with_format("arrow").iter(BATCH_ROWS), len(rows)
    return None


def _in_memory(rows: Any, labeled: Matrix, names: Sequence[str] | None) -> ArrayPool:
    if names is not None and hasattr(rows, "columns"):
        missing = [name for name in names if name not in rows.columns]
        if missing:
            raise ValueError(f"pool: has no column {missing[0]!r}, which X has")
        rows = rows[list(names)]
    X = as_floats(rows, "pool")
    n_features = labeled.shape[1]
    if X.shape[1] != n_features:
        raise ValueError(f"pool has {X.shape[1]} features, but X has {n_features}")
    check_finite(X, "pool", names)
    check_size(X, "pool", names)
    return ArrayPool.of(_stored_like(X, labeled))


def _stored_like(X: Matrix, labeled: Matrix) -> Matrix:
    """The rows in a container that those of X can be joined with."""
    if sparse.issparse(labeled):
        return type(labeled)(X)
    return sparse.csr_array(X) if sparse.issparse(X) else X
