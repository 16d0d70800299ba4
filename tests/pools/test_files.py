"""A pool in a file has the rows of the array that it was written from."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from salutary.pools.arrays import ArrayPool
from salutary.pools.files import FilePool

FLOATS = st.floats(width=32, allow_nan=False)


def parts_of(X: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(X, sorted(cut % (len(X) + 1) for cut in cuts))


@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=FLOATS
    ),
    st.lists(st.integers(0, 40), max_size=4),
    st.integers(1, 41),
    st.data(),
)
def test_it_is_the_pool_of_the_array(
    X: np.ndarray, cuts: list[int], block_rows: int, data: st.DataObject
) -> None:
    in_file = FilePool.written(parts_of(X, cuts), *X.shape, Path())
    in_file.block_rows = block_rows
    in_memory = ArrayPool(X, np.ones(len(X), dtype=bool), np.ones(len(X)), block_rows)
    available = data.draw(arrays(bool, len(X)))
    rows = np.array(data.draw(st.lists(st.integers(0, len(X) - 1))), dtype=np.intp)
    assert in_file.dtype == in_memory.dtype
    assert_array_equal(in_file.unlabeled, in_memory.unlabeled)
    assert_array_equal(in_file.weight, in_memory.weight)
    assert_array_equal(in_file.X, X)
    assert_array_equal(in_file.take(rows), in_memory.take(rows))
    found, expected = (pool.blocks(available) for pool in (in_file, in_memory))
    for (numbers, block), (same, as_in_memory) in zip(found, expected, strict=True):
        assert_array_equal(numbers, same)
        assert_array_equal(block, as_in_memory)


def test_threads_can_read_it_at_once() -> None:
    X = np.arange(40_000, dtype=np.float32).reshape(-1, 4)
    pool = FilePool.written([X], *X.shape, Path())
    pool.block_rows = 7

    def read(number: int) -> np.ndarray:
        available = np.arange(len(X)) % 3 != number % 3
        return np.concatenate([block for _, block in pool.blocks(available)])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(read, range(16)))
    for number, rows in enumerate(found):
        assert_array_equal(rows, X[np.arange(len(X)) % 3 != number % 3])


def test_nothing_of_it_is_seen_in_its_folder_or_stays(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bfree
    pool = FilePool.written([np.ones((1 << 20, 32))], 1 << 20, 32, tmp_path)
    assert list(tmp_path.iterdir()) == []
    del pool
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert free - os.statvfs(tmp_path).f_bfree < (1 << 27) // 4096


@pytest.mark.parametrize("n_rows", [2, 4])
def test_another_number_of_rows_than_was_said_is_refused(n_rows: int) -> None:
    with pytest.raises(ValueError, match=f"3 rows were written, not {n_rows}"):
        FilePool.written([np.ones((1, 2)), np.ones((2, 2))], n_rows, 2, Path())


def test_a_file_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(np.ones(7, dtype=np.float32).tobytes())
    with path.open("rb", buffering=0) as file:
        pool = FilePool(file, 4, 2)
        assert_array_equal(pool.take(np.array([2])), np.ones((1, 2)))
        with pytest.raises(OSError, match="cut short"):
            pool.take(np.array([3]))
