"""The arrays that all of the library works on."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.floating]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

Matrix: TypeAlias = Any
"""Dense ndarray or SciPy CSR of shape (n_rows, n_features)."""

BLOCK_ROWS = 4096
"""Rows handled at once: a block of 64 float32 features and its logits fit in cache."""


def as_float64(X: Matrix) -> Matrix:
    """Rows in float64, in which every solve is done."""
    if sparse.issparse(X):
        return X.astype(np.float64)
    return np.asarray(X, dtype=np.float64)
