"""The compiled search against softmax in float64: it misses no row, and tells few."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

pytest.importorskip("numba", reason="needs salutary[fast]")

from salutary.labeling import standing
from salutary.labeling.screening import count, screen


def plainly(
    products: np.ndarray, offset: np.ndarray, class_weight: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Influence and probability of each row and class, in float64."""
    both = (products + offset).astype(np.float64)
    if both.shape[1] == 2:  # differences between two classes
        both = np.insert(both, [0, 1], 0, axis=1)
    logits, slopes = np.split(both, 2, axis=1)
    probability = softmax(logits, axis=1)
    mean = (probability * slopes).sum(axis=1, keepdims=True)
    influence = (probability * (mean - slopes)).sum(axis=1, keepdims=True)
    influence = mean - slopes - influence  # exact where the rounded mean is not
    return influence * (1 if class_weight is None else class_weight), probability


@given(
    n_classes=st.sampled_from([2, 3, 10, 37]),
    n_rows=st.sampled_from([0, 1, 31, 32, 33, 200]),
    scale=st.sampled_from([0.1, 1.0, 10.0, 300.0]),
    slope=st.sampled_from([1e-6, 1.0, 1e6]),
    weighted=st.booleans(),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_rows_that_reach_a_floor_are_told(
    n_classes: int, n_rows: int, scale: float, slope: float, weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    width = 1 if n_classes == 2 else n_classes
    sizes = np.repeat([scale, slope], width)
    products = (rng.normal(size=(n_rows, 2 * width)) * sizes).astype(np.float32)
    offset = (rng.normal(size=2 * width) * sizes).astype(np.float32)
    class_weight = row_weight = None
    if weighted:
        class_weight = rng.uniform(0.1, 9, n_classes).astype(np.float32)
        row_weight = rng.uniform(0.1, 9, n_rows).astype(np.float32)
    influence, probability = plainly(products, offset, class_weight)
    exponents = (1.0, 0.0, 2.0)
    floors = slope * rng.uniform(0, 2, (3, n_classes)).astype(np.float32)
    found, near = screen(products, offset, class_weight, row_weight, exponents, floors)

    largest = influence.max(axis=1, initial=-np.inf)
    error = 1e-5 * abs(influence).max(axis=1, initial=0)
    assert (abs(found - largest) <= error).all()
    plain, _ = plainly(products, offset, None)
    most = abs(plain).max(axis=1, initial=0)
    most = most * (1 if class_weight is None else class_weight.max())
    reached, nearly = np.zeros((2, n_rows), dtype=bool)
    for exponent, floor in zip(exponents, floors, strict=True):
        scores = influence * probability**exponent
        scores = scores if row_weight is None else scores * row_weight[:, None]
        error = 1e-4 * abs(scores).max(axis=1, initial=0) + 1e-30
        own = scores.argmax(axis=1)
        top = scores.max(axis=1, initial=-np.inf)
        reached |= (top > 0) & (top >= floor[own])
        close = scores >= (top - 9 * error)[:, None]
        room = 1e-4 * most * (1 if row_weight is None else row_weight) + 1e-35
        close |= scores >= (top - room)[:, None]
        nearly |= (close & (scores + room[:, None] >= 0.999 * floor)).any(axis=1)
    assert near[reached].all()
    assert not near[~nearly].any()


def test_the_influence_of_a_class_that_is_almost_certain_keeps_its_digits() -> None:
    logits = np.array([[0.0, 30.0, -5.0]], dtype=np.float32)
    slopes = np.array([[1e3, 1e3 + 1, 1e3 + 2]], dtype=np.float32)
    products = np.hstack([logits, slopes])
    none = np.zeros(6, dtype=np.float32)
    p = softmax(logits.astype(np.float64))
    expected = p @ (slopes - slopes[0, 1]).T
    weight = np.array([0, 1, 0], dtype=np.float32)  # leaves that of the second class
    found, _ = screen(products, none, weight, None, (1.0,), np.zeros((1, 3), "f4"))
    assert expected.item() < 0 or found.item() == pytest.approx(expected.item(), 1e-5)
    mirrored = np.hstack([logits, -slopes])
    found, _ = screen(mirrored, none, weight, None, (1.0,), np.zeros((1, 3), "f4"))
    assert_allclose(found, -expected[0], rtol=1e-5)


def test_rows_that_are_not_finite_are_left_to_judge() -> None:
    products = np.zeros((3, 6), dtype=np.float32)
    products[0, 1] = products[1, 4] = np.nan
    products[2, 3:] = 3e38, 2e38, 3e38  # their sum is beyond float32, their mean is not
    none, floors = np.zeros(6, dtype=np.float32), np.full((2, 3), 1e38, dtype="f4")
    _, near = screen(products, none, None, None, (1.0, 0.0), floors)
    assert_array_equal(near, [True, True, True])
    _, near = screen(products[:, [0, 4]], none[:2], None, None, (1.0,), floors[:1, :2])
    assert_array_equal(near, [False, True, False])


def test_a_class_without_weight_does_not_hide_rounding() -> None:
    slopes = np.array([[1, 0, -1 - 1e-7 * n] for n in range(20)], dtype=np.float32)
    products = np.hstack([np.zeros_like(slopes), slopes])
    none, weight = np.zeros(6, dtype=np.float32), np.array([0, 1, 0], dtype=np.float32)
    floors = np.full((1, 3), 1e-9, dtype=np.float32)
    _, near = screen(products, none, weight, None, (0.0,), floors)
    influence, _ = plainly(products, none, weight)
    assert near[influence[:, 1] >= 1e-9].all()


def test_influences_are_counted_as_without_it() -> None:
    rng = np.random.default_rng(0)
    largest = rng.normal(size=5_000) * 10.0 ** rng.uniform(-40, 30, 5_000)
    largest = np.r_[largest, 0.0, -0.0, np.inf, -np.inf].astype(np.float32)
    found, expected = np.zeros((2, len(standing.EDGES) - 1), dtype=np.intp)
    count(largest, found)
    standing.count(largest, expected)
    assert found.sum() == len(largest)
    assert_array_equal(found, expected)
