"""Why no further round can start."""

import pytest

from salutary.labeling.loop import before_round


@pytest.mark.parametrize(
    ("n_assigned", "n_available", "reason"),
    [
        (9, 1, None),
        (10, 1, "budget"),
        (11, 1, "budget"),
        (10, 0, "budget"),
        (9, 0, "pool_exhausted"),
        (0, 0, "pool_exhausted"),
    ],
)
def test_reason(n_assigned: int, n_available: int, reason: str | None) -> None:
    assert before_round(n_assigned, n_available, budget=10) == reason
