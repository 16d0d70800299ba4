"""Rows of a pool that are passed by themselves, in whatever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
from numpy.typing import NDArray

from salutary.influence.inputs import as_floats, check_finite, check_size
from salutary.names import HessianRows
from salutary.pools.arrays import ArrayPool
from salutary.pools.arrow import pool_of_batches
from salutary.pools.protocol import Pool


def as_pool(
    rows: Any,
    n_features: int,
    names: Sequence[str] | None = None,
    hessian: HessianRows = "train",
) -> Pool:
    """Make a `Pool` of rows.

    Parameters
    ----------
    rows : Pool, path, Arrow, Hugging Face or Ray dataset, array-like or CSR matrix
        See `salutary.SalutaryClassifier.fit`.
    n_features : int
    names : sequence of str, optional
        Names of the features, if the labeled rows have any.
    hessian : {"train", "pool", "both"}, default="train"
        Explanations would need the pool later with another than "train", so it must
        then be a matrix.

    Raises
    ------
    ValueError
        For rows that cannot be used.
    """
    pool = _elsewhere(rows, n_features, names)
    if pool is None:
        return _in_memory(rows, n_features, names)
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
    if isinstance(rows, str | Path):
        rows = _at_path(Path(rows))
    if type(rows).__module__.startswith("datasets."):
        rows = rows.with_format("arrow")
        batches, n_rows = rows.iter(BATCH_ROWS), len(rows)
    elif isinstance(rows, pa.Table):
        batches, n_rows = rows.to_batches(BATCH_ROWS), rows.num_rows
    elif isinstance(rows, pa.dataset.Dataset):
        batches, n_rows = rows.to_batches(batch_size=BATCH_ROWS), rows.count_rows()
    else:
        return None
    return pool_of_batches(batches, n_rows, n_features, Path(gettempdir()), names)


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


BATCH_ROWS = 1 << 14
"""Rows that are in memory at once."""


def _at_path(path: Path) -> Any:
    """The dataset of a Parquet file, or of a folder of them, by their names."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    try:
        return pa.dataset.dataset([str(file) for file in files], format="parquet")
    except (OSError, pa.ArrowException) as error:
        cause = [*str(error).splitlines(), type(error).__name__][0]
        raise ValueError(f"pool: {path}: cannot be read: {cause}") from None


def _in_memory(rows: Any, n_features: int, names: Sequence[str] | None) -> ArrayPool:
    if names is not None and hasattr(rows, "columns"):
        missing = [name for name in names if name not in rows.columns]
        if missing:
            raise ValueError(f"pool: has no column {missing[0]!r}, which X has")
        rows = rows[list(names)]
    X = as_floats(rows, "pool")
    if X.shape[1] != n_features:
        raise ValueError(f"pool has {X.shape[1]} features, but X has {n_features}")
    check_finite(X, "pool", names)
    check_size(X, "pool", names)
    return ArrayPool.of(X)
