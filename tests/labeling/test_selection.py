"""Selection from a stream of blocks against a plain sort of the whole pool."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from salutary.labeling.selection import (
    Keep,
    Selection,
    round_significant,
)

DTYPES = [np.float32, np.float64]


def stream(
    scores: np.ndarray,
    cuts: list[int],
    size: int,
    rows: np.ndarray,
    of_each_class: bool = False,
) -> Selection:
    """Select from blocks cut at these places."""
    best, keep = Selection.empty(scores.shape[1]), Keep(size, of_each_class)
    edges = sorted({0, len(scores), *(cut % (len(scores) + 1) for cut in cuts)})
    for start, stop in itertools.pairwise(edges):
        block = slice(start, stop)
        # Influence and probability only pass through; these tell rows apart.
        influence, probability = scores[block] + 1, scores[block] + 2
        best = keep(best, rows[block], scores[block], influence, probability)
    return best


def sort_whole(scores: np.ndarray, size: int) -> list[tuple[int, int]]:
    """(row, label) by falling score as written with 12 (or 6) significant digits."""
    digits = 5 if scores.dtype == np.float32 else 11
    written = [[float(f"{score:.{digits}e}") for score in row] for row in scores]
    ranked = sorted(
        (-max(row), i, row.index(max(row))) for i, row in enumerate(written)
    )
    return [(i, label) for score, i, label in ranked if score < 0][:size]


@st.composite
def tied_scores(draw: st.DrawFn) -> np.ndarray:
    """Scores on a coarse grid, so with many ties, some only up to rounding."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.integers(1, 25)), draw(st.integers(2, 4))
    grid = draw(arrays(int, shape, elements=st.integers(-3, 6)))
    noise = draw(arrays(int, shape, elements=st.integers(0, 1)))
    power = draw(st.sampled_from([-12, 0, 9]))
    exact = grid / 7 * 10.0**power
    return (exact * (1 + noise * np.finfo(dtype).eps)).astype(dtype)


@given(tied_scores(), st.lists(st.integers(0, 25), max_size=6), st.integers(1, 8))
def test_any_cut_selects_what_a_full_sort_does(
    scores: np.ndarray, cuts: list[int], size: int
) -> None:
    best = stream(scores, cuts, size, np.arange(len(scores)))
    assert list(zip(best.rows, best.labels, strict=True)) == sort_whole(scores, size)
    assert_array_equal(best.influence, scores[best.rows] + 1)
    assert_array_equal(best.probability, scores[best.rows] + 2)
    assert_array_equal(best.assigned_influence, (scores + 1)[best.rows, best.labels])
    assert_array_equal(best.assigned_probability, (scores + 2)[best.rows, best.labels])
    assert (best.scores > 0).all()
    assert (np.diff(best.scores) <= 0).all()


@given(tied_scores(), st.lists(st.integers(0, 25), max_size=6), st.integers(1, 8))
def test_any_cut_selects_the_best_of_each_label_as_a_full_sort_does(
    scores: np.ndarray, cuts: list[int], size: int
) -> None:
    rows = np.arange(len(scores))
    best = stream(scores, cuts, size, rows, of_each_class=True)
    ranked = sort_whole(scores, len(scores))
    expected = [
        pair
        for label in range(scores.shape[1])
        for pair in [(i, own) for i, own in ranked if own == label][:size]
    ]
    assert list(zip(best.rows, best.labels, strict=True)) == expected
    assert_array_equal(best.influence, scores[best.rows] + 1)
    assert_array_equal(best.probability, scores[best.rows] + 2)


@pytest.mark.parametrize("cuts", [[], [1], [1, 2]])
def test_a_label_that_is_a_tie_up_to_rounding_is_the_lower_whatever_the_blocks(
    cuts: list[int],
) -> None:
    more = np.nextafter(2 / 3, 1)
    scores = np.array([[2 / 3, more], [0.5, 0.1], [0.1, 0.4]])
    best = stream(scores, cuts, 1, np.arange(3), of_each_class=True)
    assert list(zip(best.rows, best.labels, strict=True)) == [(0, 0), (2, 1)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_long_pool_is_selected_as_by_a_full_sort(dtype: type) -> None:
    scores = np.random.default_rng(0).normal(size=(5000, 3)).astype(dtype)
    best = stream(scores, [7, 100, 2500], 40, np.arange(5000))
    assert list(zip(best.rows, best.labels, strict=True)) == sort_whole(scores, 40)


def test_rows_keep_their_own_numbers_and_ties_go_to_the_lower() -> None:
    rows = np.array([30, 10, 20, 40])
    best = stream(np.array([[1.0], [1.0], [2.0], [1.0]]), [2], 3, rows)
    assert best.rows.tolist() == [20, 10, 30]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cuts", [[], [1]])
def test_a_difference_of_rounding_is_a_tie(cuts: list[int], dtype: type) -> None:
    score = dtype(2 / 3)
    scores = np.array([[score], [np.nextafter(score, dtype(1))]])
    assert stream(scores, cuts, 1, np.arange(2)).rows.tolist() == [0]


@pytest.mark.parametrize("score", [0.0, -1.0, -np.inf])
def test_scores_that_are_not_positive_are_never_selected(score: float) -> None:
    assert len(stream(np.full((5, 2), score), [2], 3, np.arange(5))) == 0


def test_infinite_scores_come_first() -> None:
    scores = np.array([[1.0, 2.0], [np.inf, 0.0], [-np.inf, 3.0], [0.0, np.inf]])
    best = stream(scores, [1], 3, np.arange(4))
    assert list(zip(best.rows, best.labels, strict=True)) == [(1, 0), (3, 1), (2, 1)]


def test_a_vanishing_score_does_not_take_the_label() -> None:
    best = stream(np.array([[5e-324, 1.0]]), [], 1, np.arange(1))
    assert best.labels.tolist() == [1]


FINITE = {"allow_nan": False, "allow_infinity": False}


@given(
    st.floats(**FINITE).map(np.float64) | st.floats(width=32, **FINITE).map(np.float32)
)
@example(np.float64(5e-324))
@example(np.float64(1.7976931348623157e308))
def test_rounding_moves_a_value_by_half_a_unit_of_the_last_digit(
    value: np.floating,
) -> None:
    rounded = float(round_significant(np.array([value]))[0])
    exact = Decimal(float(value))
    if exact == 0:
        assert rounded == 0
        return
    digits = 6 if value.dtype == np.float32 else 12
    unit = Decimal(10) ** (exact.adjusted() - digits + 1)
    # Subnormal numbers have fewer digits than are asked for.
    half = unit * Decimal("0.501") + Decimal("5e-324")
    assert abs(Decimal(rounded) - exact) <= half


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", range(-30, 31, 3))
@pytest.mark.parametrize("value", [1.0, 2.5, 1 / 3])
def test_values_that_differ_by_rounding_become_equal(
    value: float, exponent: int, dtype: type
) -> None:
    value = dtype(value * 10.0**exponent)
    low, high = (np.nextafter(value, dtype(limit)) for limit in (0, np.inf))
    rounded = round_significant(np.array([low, value, high, -value], dtype=dtype))
    assert len(set(np.abs(rounded).tolist())) == 1
