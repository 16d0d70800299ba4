"""Training a network, against what every epoch must do with its rows."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs salutary[torch]")

from hypothesis import example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from salutary.deep.training import Plan, seeded, train  # noqa: E402


@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 80),
    batch_size=st.integers(1, 20),
    n_sizes=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
@example(n_rows=33, batch_size=16, n_sizes=1, seed=0)
@example(n_rows=17, batch_size=16, n_sizes=5, seed=0)
def test_an_epoch_has_every_row_once(
    n_rows: int, batch_size: int, n_sizes: int, seed: int
) -> None:
    network, seen = torch.nn.Linear(1, 2), []

    def logits_of(rows: list[int]) -> torch.Tensor:
        seen.append(list(rows))
        return network(torch.ones(len(rows), 1))

    labels = torch.zeros(n_rows, dtype=torch.int64)
    plan = Plan(2, batch_size, 0.1, 0.0, 1)
    with seeded(seed, torch.device("cpu")):
        train(
            network,
            logits_of,
            labels,
            plan,
            validation_loss=None,
            sizes=[row % n_sizes for row in range(n_rows)],
        )
    epochs = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    for epoch in epochs:
        assert sorted(row for rows in epoch for row in rows) == list(range(n_rows))
        assert max(map(len, epoch)) <= batch_size + 1
        assert batch_size == 1 or n_rows == 1 or min(map(len, epoch)) > 1
