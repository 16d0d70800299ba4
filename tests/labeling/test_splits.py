"""Rows held back, class by class."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from salutary.labeling.splits import hold_out


def split(labels: np.ndarray, fraction: float, seed: int = 0) -> tuple:
    return hold_out(labels, fraction, np.random.RandomState(seed))


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40).map(np.array),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
@example(np.repeat([0, 1], [2, 30]), 0.9, 0)
def test_rows_are_parted_and_every_class_keeps_one(
    labels: np.ndarray, fraction: float, seed: int
) -> None:
    kept, held = split(labels, fraction, seed)
    assert_array_equal(np.sort(np.r_[kept, held]), np.arange(len(labels)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    assert set(labels[kept]) == set(labels)
    assert len(held) <= max(1, round(fraction * len(labels)))
    assert len(held) > 0 or len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("counts", "fraction", "n_held"),
    [
        ([50, 50], 0.2, 20),
        ([90, 10], 0.3, 30),
        ([5, 5], 0.01, 1),
        ([5, 5], 0.8, 8),
        ([5, 5], 0.9, 8),
        ([30, 1], 0.2, 6),
        ([2, 1], 0.5, 1),
        ([1, 1], 0.5, 0),
        ([1], 0.5, 0),
        ([2, 2, 2], 0.2, 1),
    ],
)
def test_as_many_are_held_as_the_fraction_and_the_classes_allow(
    counts: list[int], fraction: float, n_held: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    for seed in range(5):
        assert len(split(labels, fraction, seed)[1]) == n_held


def test_classes_are_held_in_proportion() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [60, 30, 10]))
    _, held = split(labels, 0.2)
    assert np.bincount(labels[held]).tolist() == [12, 6, 2]


def test_the_random_state_decides() -> None:
    labels = np.repeat([0, 1], 30)
    assert_array_equal(split(labels, 0.2)[1], split(labels, 0.2)[1])
    assert (split(labels, 0.2)[1] != split(labels, 0.2, seed=1)[1]).any()
