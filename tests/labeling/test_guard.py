"""The guard against the rule as written: mean(d) > std(d) / sqrt(n)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from salutary.labeling.guard import harms

LOSSES = arrays(float, 7, elements=st.integers(0, 40).map(lambda tenths: tenths / 10))


@given(LOSSES, LOSSES, st.floats(0.1, 10))
def test_a_rise_beyond_its_standard_error_harms(
    before: np.ndarray, after: np.ndarray, weight: float
) -> None:
    change = after - before
    margin = change.mean() - np.std(change) / np.sqrt(len(change))
    if abs(margin) > 1e-12:
        assert harms(before, after, np.full(7, weight)) == (margin > 0)


@pytest.mark.parametrize("shift", [-1.0, 0.0])
def test_no_rise_does_not_harm(shift: float) -> None:
    before = np.linspace(0.0, 2.0, 5)
    assert not harms(before, before + shift, np.ones(5))


def test_rows_of_weight_zero_do_not_count() -> None:
    before, after = np.zeros(4), np.array([0.1, 0.2, -9.0, -9.0])
    assert not harms(before, after, np.ones(4))
    assert harms(before, after, np.array([1.0, 1.0, 0.0, 0.0]))
