"""Features that no penalty suits, against NumPy's standard deviations."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from salutary.semisupervised.scale import REACH, out_of_reach


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    ("scale", "suits"),
    [
        *((1e-9, False), (0.9 / REACH, False), (1.1 / REACH, True), (1.0, True)),
        *((0.9 * REACH, True), (1.1 * REACH, False), (1e30, False), (1e100, False)),
    ],
)
def test_a_deviation_is_within_reach_or_named(
    scale: float, suits: bool, container: Any
) -> None:
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], (9_000, 3)) * [0.5, 1.0, 0.1]
    X[:, 1] /= X[:, 1].std()
    found = out_of_reach(container(X * scale))
    assert (found is None) == suits
    if found is not None:
        assert found[0] == 1
        assert found[1] == pytest.approx(scale)


def test_columns_of_one_value_have_no_scale() -> None:
    assert out_of_reach(np.full((5, 2), 1e30)) is None
