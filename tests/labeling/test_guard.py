"""The guard against the t statistics of SciPy and sums written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ttest_1samp, ttest_rel

from salutary.labeling.guard import FOLDS, judge, mean_decrease
from salutary.labeling.splits import stratified_parts

LOSSES = arrays(float, 7, elements=st.integers(0, 40).map(lambda tenths: tenths / 10))
WEIGHTS = arrays(float, 7, elements=st.integers(0, 5).map(float))


@given(LOSSES, LOSSES, st.floats(0.1, 10))
def test_with_equal_weights_the_verdict_is_a_paired_t(
    kept: np.ndarray, now: np.ndarray, weight: float
) -> None:
    change = kept - now
    if np.ptp(change) < 1e-9:  # SciPy warns of rows that all change alike
        expected = "kept" if change.mean() > 1e-9 else "harmful"
        if abs(change.mean()) > 1e-9:
            assert judge(*mean_decrease(kept, now, np.full(7, weight))) == expected
        return
    t = ttest_rel(kept, now).statistic
    if min(abs(t), abs(t + 1)) > 1e-9:
        expected = "kept" if t > 0 else "harmful" if t < -1 else "waiting"
        assert judge(*mean_decrease(kept, now, np.full(7, weight))) == expected


@given(LOSSES, LOSSES, WEIGHTS.filter(lambda weight: (weight > 0).sum() > 1))
def test_a_weighted_fall_is_the_sum_written_out(
    before: np.ndarray, after: np.ndarray, weight: np.ndarray
) -> None:
    mean, error = mean_decrease(before, after, weight)
    total = sum(weight)
    rows = [(w / total, b - a) for w, b, a in zip(weight, before, after, strict=True)]
    expected = sum(share * fall for share, fall in rows)
    n = sum(w > 0 for w in weight)
    squares = sum((share * (fall - expected)) ** 2 for share, fall in rows)
    assert mean == pytest.approx(expected, abs=1e-12)
    assert error == pytest.approx(np.sqrt(n / (n - 1) * squares), abs=1e-12)


def test_an_unweighted_fall_has_the_standard_error_that_scipy_gives() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.gamma(2, size=(2, 40))
    mean, error = mean_decrease(before, after, np.full(40, 3.0))
    expected = ttest_1samp(before - after, 0)
    assert mean / error == pytest.approx(expected.statistic)
    low, high = expected.confidence_interval(0.95)
    assert mean == pytest.approx((low + high) / 2)


@pytest.mark.parametrize(
    ("fall", "verdict"),
    [(0.01, "kept"), (-0.01, "waiting"), (-0.99, "waiting"), (-1.01, "harmful")],
)
def test_the_limits_are_any_fall_and_one_standard_error_up(
    fall: float, verdict: str
) -> None:
    noise = np.array([-1.0, 1.0, -2.0, 2.0])
    error = np.std(noise, ddof=1) / 2
    kept = np.full(4, 10.0)
    assert (
        judge(*mean_decrease(kept, kept - noise - fall * error, np.ones(4))) == verdict
    )


def test_no_change_leaves_the_verdict_to_later_rounds() -> None:
    losses = np.linspace(0, 2, 5)
    assert judge(*mean_decrease(losses, losses, np.ones(5))) == "waiting"


def test_rows_of_weight_zero_do_not_count() -> None:
    before, after = np.zeros(4), np.array([0.1, 0.2, -9.0, -9.0])
    assert judge(*mean_decrease(before, after, np.ones(4))) == "kept"
    assert (
        judge(*mean_decrease(before, after, np.array([1.0, 1.0, 0.0, 0.0])))
        == "harmful"
    )


LABELS = st.lists(st.integers(0, 4), max_size=60).map(
    lambda labels: np.array(labels, dtype=np.intp)
)


def part_numbers(labels: np.ndarray, seed: int) -> np.ndarray:
    """Number of each row's part; every other row must be in the rest."""
    numbers = np.full(labels.shape, -1)
    parts = stratified_parts(labels, FOLDS, np.random.RandomState(seed))
    for number, (rest, part) in enumerate(parts):
        assert_array_equal(np.sort(np.r_[rest, part]), np.arange(len(labels)))
        assert len(part) > 0
        numbers[part] = number
    return numbers


@given(LABELS, st.integers(0, 2**32 - 1))
def test_parts_and_those_of_each_class_differ_by_one_row_at_most(
    labels: np.ndarray, seed: int
) -> None:
    part = part_numbers(labels, seed)
    assert (part >= 0).all()
    for chosen in (part, *(part[labels == label] for label in range(5))):
        sizes = np.bincount(chosen, minlength=FOLDS)
        assert len(sizes) == FOLDS
        assert np.ptp(sizes) <= 1


@pytest.mark.parametrize(
    "labels", [np.zeros(30, dtype=np.intp), np.repeat([0, 1, 2], [5, 20, 5])]
)
def test_a_seed_fixes_the_parts_and_another_deals_anew(labels: np.ndarray) -> None:
    def parts(seed: int) -> np.ndarray:
        return part_numbers(labels, seed)

    assert_array_equal(parts(1), parts(1))
    assert (parts(1) != parts(2)).any()


@pytest.mark.slow
def test_every_row_comes_into_every_part_as_often() -> None:
    labels = np.repeat([0, 1], [5, 7])
    parts = np.array([part_numbers(labels, seed) for seed in range(3000)])
    frequency = (parts[:, :, None] == np.arange(FOLDS)).mean(axis=0)
    # Of the 5 and 7, one part has more than its third; which one is not drawn.
    assert_allclose(frequency[:5], [[2 / 5, 2 / 5, 1 / 5]] * 5, atol=0.04)
    assert_allclose(frequency[5:], [[2 / 7, 2 / 7, 3 / 7]] * 7, atol=0.04)
