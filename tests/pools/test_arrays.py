"""A pool in memory."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy import sparse

from salutary.pools.arrays import ArrayPool


def pool_of(X: Any, block_rows: int) -> ArrayPool:
    n_rows = X.shape[0]
    return ArrayPool(X, np.ones(n_rows, dtype=bool), np.ones(n_rows), block_rows)


@given(
    arrays(bool, st.integers(1, 30)),
    st.integers(1, 31),
    st.sampled_from([np.asarray, sparse.csr_array]),
)
def test_blocks_are_the_available_rows_in_order(
    available: np.ndarray, block_rows: int, container: Any
) -> None:
    X = np.arange(2.0 * len(available)).reshape(-1, 2)
    numbers = []
    for rows, block in pool_of(container(X), block_rows).blocks(available):
        assert 0 < len(rows) <= block_rows
        dense = block.toarray() if sparse.issparse(block) else block
        assert_array_equal(dense, X[rows])
        numbers.extend(rows.tolist())
    assert numbers == np.flatnonzero(available).tolist()


def test_a_block_of_available_rows_is_not_copied() -> None:
    X = np.ones((9, 2))
    blocks = pool_of(X, 3).blocks(np.ones(9, dtype=bool))
    assert all(np.shares_memory(block, X) for _, block in blocks)


@pytest.mark.parametrize("block_rows", [4, 100])
def test_blocks_can_be_passed_over_anew(block_rows: int) -> None:
    pool, available = pool_of(np.ones((9, 2)), block_rows), np.arange(9) % 2 == 0
    first, second = (
        [rows.tolist() for rows, _ in pool.blocks(available)] for _ in range(2)
    )
    assert first == second
