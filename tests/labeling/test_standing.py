"""Ranks and histograms against NumPy, distances against scikit-learn's neighbors."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from salutary.labeling.standing import (
    EDGES,
    Spread,
    Survey,
    nearest_distances,
    rank_floors,
    ranks_by,
)


def influences(n: int, seed: int = 0) -> np.ndarray:
    """Of many sizes, as those of rows that the model is sure of or not."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-14, 2, size=(n, 1))
    return rng.normal(size=(n, 3)) * sizes


def surveyed(influence: np.ndarray, block: int) -> Survey:
    survey = Survey()
    for begin in range(0, len(influence), block):
        survey.add(influence[begin : begin + block].max(axis=1))
    return survey


def spread_of(influence: np.ndarray, block: int) -> Spread:
    return Spread.of_counts(surveyed(influence, block).counts)


def ranks(
    influence: np.ndarray, block: int, rows: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Ranks of influences of some rows among those of all."""
    floors = rank_floors(own)
    above = surveyed(influence, block).above(floors)
    return ranks_by(floors, above, influence[rows].max(axis=1))


@pytest.mark.parametrize("block", [1, 7, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_histogram_is_numpys(dtype: type, block: int) -> None:
    influence = influences(2000).astype(dtype)
    spread = spread_of(influence, block)
    within = influence.max(axis=1).clip(EDGES[0], np.nextafter(EDGES[-1], 0))
    expected, _ = np.histogram(within, bins=EDGES)
    assert spread.n_rows.sum() == 2000
    assert_array_equal(spread.n_rows, expected[expected > 0])
    assert_array_equal(spread.lower, EDGES[:-1][expected > 0])
    assert_array_equal(spread.upper, EDGES[1:][expected > 0])


def test_edges_are_the_same_on_both_sides_of_zero_which_has_a_bin_of_its_own() -> None:
    assert_array_equal(EDGES, -EDGES[::-1])
    assert (np.diff(EDGES) > 0).all()
    spread = spread_of(np.zeros((3, 2)), 2)
    assert (spread.lower[0], spread.upper[0]) == (-1e-12, 1e-12)


def test_values_at_the_edges_and_next_to_them_are_in_their_bins() -> None:
    edges = EDGES.astype(np.float32)
    infinite = np.float32(np.inf)
    values = np.concatenate(
        [
            *(edges, np.nextafter(edges, infinite), np.nextafter(edges, -infinite)),
            np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf]),
            (10.0 ** np.linspace(-14, 14, 20_000)).astype(np.float32),
            (-(10.0 ** np.linspace(-14, 14, 20_000))).astype(np.float32),
        ],
        dtype=np.float32,
    )
    survey = surveyed(values[:, np.newaxis], 4096)
    expected = np.bincount(np.searchsorted(edges[1:-1], values, side="right"))
    assert_array_equal(survey.counts, expected)


def test_what_is_beyond_the_edges_counts_in_the_outermost_bins() -> None:
    spread = spread_of(np.array([[1e30], [-1e30], [1e12]]), 3)
    assert spread.n_rows.tolist() == [1, 2]
    assert (spread.lower[0], spread.upper[-1]) == (-1e12, 1e12)


@pytest.mark.parametrize("block", [1, 7, 5000])
def test_ranks_are_numpys(block: int) -> None:
    sizes = np.geomspace(1e-12, 10, 1400)
    many = np.concatenate([sizes, -sizes, np.zeros(100), np.full(100, 0.3)])
    best = np.random.default_rng(0).permutation(many)
    influence = np.column_stack([best - 1, best, best - 1e-3])
    expected = rankdata(-best, method="min").astype(int)
    rows = np.random.default_rng(1).permutation(3000)[:500]
    assert_array_equal(ranks(influence, block, rows, best[rows]), expected[rows])


def test_a_label_that_is_not_the_best_of_its_row_is_ranked_by_its_own() -> None:
    influence = np.array([[0.9, 0.2], [0.5, 0.1], [0.3, -1.0]])
    found = ranks(influence, 2, np.array([0, 1]), np.array([0.2, 0.5]))
    # Before row 0 under its second label are rows 1 and 2, and not itself.
    assert found.tolist() == [3, 2]


def test_equal_influences_share_a_rank_whatever_rounding_made_of_them() -> None:
    influence = np.array([[0.3], [0.1 + 0.2], [0.3 * (1 - 1e-12)], [0.2], [0.4]])
    found = ranks(influence, 5, np.arange(5), influence[:, 0])
    assert found.tolist() == [2, 2, 2, 5, 1]


def test_no_rows_and_no_floors_are_no_special_case() -> None:
    assert Survey().above(np.array([-1.0, 0.5])).tolist() == [0, 0]
    assert Survey().counts.sum() == 0
    assert surveyed(np.ones((3, 1)), 2).above(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pairs", [1, 100, 1_000_000])
def test_distances_are_those_of_scikit_learns_neighbors(
    pairs: int, dtype: type, container: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salutary.labeling.standing.PAIRS", pairs)
    rng = np.random.default_rng(0)
    training = rng.normal(size=(60, 5)).astype(dtype)
    X = rng.normal(size=(23, 5)).astype(dtype)
    X[4] = training[7]
    exact = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(training)
    found = nearest_distances(container(X), container(training))
    assert_allclose(found, exact.kneighbors(X)[0][:, 0], rtol=1e-6, atol=1e-12)
    assert found[4] == 0


def test_a_row_is_not_its_own_neighbor() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[8] = X[3]
    exact = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(X)
    rows = np.array([5, 8, 0])
    expected = exact.kneighbors()[0][rows, 0]  # without rows, none is its own
    assert_allclose(nearest_distances(X[rows], X, own=rows), expected, rtol=1e-12)
    assert expected[1] == 0


def test_distances_keep_their_digits_far_from_zero() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    far = X + 1e8
    expected = NearestNeighbors(n_neighbors=1).fit(X[10:]).kneighbors(X[:10])[0]
    found = nearest_distances(far[:10], far[10:])
    assert_allclose(found, expected[:, 0], rtol=1e-6)
