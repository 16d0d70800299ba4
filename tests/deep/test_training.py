"""Training a network, against what every epoch must do with its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def trained(targets: Any, weight: Any = None, **sizes: int) -> Any:
    """Coefficients of a linear layer that was trained on random rows."""
    torch.manual_seed(3)
    n_rows, batch_size = sizes["n_rows"], sizes["batch_size"]
    network, X = torch.nn.Linear(4, 3), torch.randn(n_rows, 4)
    plan = Plan(5, batch_size, 0.05, 0.01, 1)
    with seeded(0, torch.device("cpu")):
        train(network, lambda rows: network(X[rows]), targets, plan, None, None, weight)
    return network.weight.detach().numpy(), X


def test_certain_soft_labels_train_as_hard_ones_do() -> None:
    labels = torch.arange(40) % 3
    hard, _ = trained(labels, n_rows=40, batch_size=16)
    one_hot = torch.nn.functional.one_hot(labels).float()
    for weight in (None, torch.ones(40)):
        soft, _ = trained(one_hot, weight, n_rows=40, batch_size=16)
        np.testing.assert_allclose(soft, hard, rtol=1e-5, atol=1e-6)


def test_a_step_follows_torchs_own_weighted_cross_entropy() -> None:
    torch.manual_seed(3)
    network, X = torch.nn.Linear(4, 3), torch.randn(20, 4)
    chance = torch.softmax(torch.randn(20, 3), dim=1)
    weight = torch.rand(20)
    weight /= weight.mean()
    expected = torch.nn.Linear(4, 3)
    expected.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(expected.parameters(), lr=0.05, weight_decay=0.01)
    loss = torch.nn.CrossEntropyLoss(reduction="none")(expected(X), chance) @ weight
    (loss / weight.sum()).backward()
    torch.nn.utils.clip_grad_norm_(expected.parameters(), 1.0)
    optimizer.step()
    train(
        network,
        lambda rows: network(X[rows]),
        chance,
        Plan(1, 20, 0.05, 0.01, 1),
        None,
        weight=weight,
    )
    for found, own in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(found, own)
