"""Types of the arrays that the whole library works on."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.floating]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

Matrix: TypeAlias = Any
"""Dense ndarray or SciPy CSR matrix of shape (n_rows, n_features)."""

BLOCK_ROWS = 4096
"""Rows in a block: with 64 float32 features, it and its logits fit in the cache."""


def as_float64(X: Matrix) -> Matrix:
    """Convert rows to float64, the precision of every solve and every fit."""
    if sparse.issparse(X):
        return X.astype(np.float64)
    return np.asarray(X, dtype=np.float64)
