"""Train a network by gradient descent, and keep its best epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import torch

from salutary.errors import InputError
from salutary.progress import report

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises; afterwards it falls to 0."""

BATCHES_SORTED_TOGETHER = 8
"""Number of batches whose rows are sorted by size; more would be less random."""

MAX_GRADIENT_NORM = 1.0
"""Longer gradients are scaled down to this norm."""


@dataclass(frozen=True)
class Plan:
    """The hyperparameters of training.

    Parameters
    ----------
    epochs : int
        Maximum number of epochs.
    batch_size : int
        Number of rows for each step.
    learning_rate : float
        Peak learning rate, in (0, 1]. The rate first rises, then falls to zero.
    weight_decay : float
        Weight decay of AdamW, in [0, 1].
    patience : int
        Number of epochs without a lower validation loss after which training stops.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise InputError(
                    f"{name} must be an integer of at least 1, got {value!r}"
                )
        if not 0 < self.learning_rate <= 1:
            raise InputError(
                f"learning_rate must be above 0 and at most 1, got {self.learning_rate}"
            )
        if not 0 <= self.weight_decay <= 1:
            raise InputError(
                f"weight_decay must be from 0 to 1, got {self.weight_decay}"
            )


def train(
    network: torch.nn.Module,
    logits_of: Callable[[list[int]], torch.Tensor],
    targets: torch.Tensor,
    plan: Plan,
    validation_loss: Callable[[], float] | None,
    sizes: Sequence[int] | None = None,
    weight: torch.Tensor | None = None,
) -> int:
    """Minimize the weighted mean log loss of rows, in place.

    Parameters
    ----------
    network : Module
        Its parameters that require gradients are trained. It is left in evaluation
        mode.
    logits_of : callable
        Takes row numbers and returns their logits, shape (n_rows, n_classes).
    targets : Tensor of shape (n_rows,), int64, or (n_rows, n_classes), float32
        Position of each row's class, or the probability of each class.
    plan : Plan
    validation_loss : callable or None
        Returns the loss on rows that are not trained on. The epoch with the lowest loss
        is kept. With None, all epochs are run and the last one is kept.
    sizes : sequence of int, optional
        What each row costs; rows of similar size then share a batch.
    weight : Tensor of shape (n_rows,), float32, optional
        Weight of each row. Their mean is 1, so that steps are as long as without any.

    Returns
    -------
    int
        Number of the epoch that was kept, counted from 1.

    Raises
    ------
    InputError
        If the network has no parameters to train, or training diverges.

    Notes
    -----
    The order of the rows comes from torch's random generator, see `seeded`.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise InputError(
            "the network has no parameters to train; set requires_grad of some to True"
        )
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay
    )
    n_batches = _n_batches(len(targets), plan.batch_size)
    n_steps = plan.epochs * n_batches
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate_factor(step, n_steps)
    )
    batches = partial(_batches, sizes or [0] * len(targets), plan.batch_size)
    lowest, best, kept = float("inf"), None, plan.epochs
    for epoch in range(1, plan.epochs + 1):
        network.train()
        for step, rows in enumerate(batches(), start=1):
            losses = torch.nn.functional.cross_entropy(
                logits_of(rows), targets[rows], reduction="none"
            )
            if weight is not None:
                losses = weight[rows] * losses
            loss = losses.sum() / len(rows)
            if not torch.isfinite(loss):
                raise InputError(
                    f"training diverged in epoch {epoch}: the loss is not finite; pass "
                    "a smaller learning_rate"
                )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            report((epoch - 1) * n_batches + step, n_steps)
        network.eval()
        if validation_loss is None:
            continue
        loss_now = validation_loss()
        if loss_now < lowest:
            lowest, best, kept = loss_now, _snapshot(network), epoch
        elif epoch - kept >= plan.patience:
            break
    if best is not None:
        network.load_state_dict(best, strict=False)
    return kept


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's random numbers in the block; afterwards the caller's go on."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def _rate_factor(step: int, n_steps: int) -> float:
    """The learning rate of a step, divided by the peak learning rate."""
    rising = max(1, round(WARM_UP * n_steps))
    if step < rising:
        return (step + 1) / rising
    return max(0.0, (n_steps - step) / max(1, n_steps - rising))


def _batches(sizes: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Random batches of row numbers; rows of similar size share a batch."""
    order: list[int] = torch.randperm(len(sizes)).tolist()
    found: list[list[int]] = []
    for few in _parts(order, BATCHES_SORTED_TOGETHER * batch_size):
        found += _parts(sorted(few, key=sizes.__getitem__), batch_size)
    if len(found) > _n_batches(len(sizes), batch_size):
        # Batch normalization cannot be trained on a single row.
        single_row = found.pop()
        found[-1] += single_row
    for number in torch.randperm(len(found)).tolist():
        yield found[number]


def _n_batches(n_rows: int, batch_size: int) -> int:
    """Number of batches; a last batch of a single row is merged into the one before."""
    n_batches = -(-n_rows // batch_size)
    has_single_row = batch_size > 1 and n_batches > 1 and n_rows % batch_size == 1
    return n_batches - has_single_row


def _parts(rows: list[int], size: int) -> list[list[int]]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


def _snapshot(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the trained parameters and the buffers, by name."""
    changing = {
        name: value for name, value in network.named_parameters() if value.requires_grad
    }
    changing.update(network.named_buffers())
    return {name: value.detach().clone() for name, value in changing.items()}
