"""Train a network by gradient descent, and keep the epoch that does best."""

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
"""Share of the steps in which the learning rate rises; in the others it falls to 0."""

TOGETHER = 8
"""Batches whose rows are sorted by size; more would leave less to chance."""

LONGEST_GRADIENT = 1.0
"""To which longer ones are cut."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Parameters
    ----------
    epochs : int
        At most.
    batch_size : int
    learning_rate : float
        The largest; it rises at first and then falls to zero.
    weight_decay : float
        AdamW's.
    patience : int
        Epochs without a lower loss on the held rows after which training ends.

    Raises
    ------
    InputError
        For numbers that are out of range.
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
                raise InputError(f"{name} must be a whole number from 1: {value!r}")
        if not 0 < self.learning_rate <= 1:
            raise InputError(
                f"learning_rate must be above 0 and at most 1: {self.learning_rate}"
            )
        if not 0 <= self.weight_decay <= 1:
            raise InputError(f"weight_decay must be from 0 to 1: {self.weight_decay}")


def train(
    network: torch.nn.Module,
    logits_of: Callable[[list[int]], torch.Tensor],
    labels: torch.Tensor,
    plan: Plan,
    held_loss: Callable[[], float] | None,
    sizes: Sequence[int] | None = None,
) -> int:
    """Minimize the mean log loss of rows, in place.

    Parameters
    ----------
    network : Module
        Whose parameters that require gradients are trained; left in evaluation mode.
    logits_of : callable
        Of the rows of the given numbers, shape (n_rows, n_classes).
    labels : Tensor of shape (n_rows,), int64
        Positions of the rows' classes.
    plan : Plan
    held_loss : callable or None
        Loss on rows that are not trained on, by which the best epoch is kept. Without
        it all epochs are run and the last one is kept.
    sizes : sequence of int, optional
        What the rows cost; rows of like size then share a batch.

    Returns
    -------
    int
        Epochs that were kept.

    Raises
    ------
    InputError
        If the loss ceases to be a number.

    Notes
    -----
    Draws from torch's generator, see `seeded`.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise InputError("the network has no parameters to train; unfreeze some")
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay
    )
    n_batches = _n_batches(len(labels), plan.batch_size)
    n_steps = plan.epochs * n_batches
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _pace(step, n_steps)
    )
    batches = partial(_batches, sizes or [0] * len(labels), plan.batch_size)
    lowest, best, kept = float("inf"), None, plan.epochs
    for epoch in range(1, plan.epochs + 1):
        network.train()
        for step, rows in enumerate(batches(), start=1):
            losses = torch.nn.functional.cross_entropy(
                logits_of(rows), labels[rows], reduction="none"
            )
            loss = losses.sum() / len(rows)
            if not torch.isfinite(loss):
                raise InputError(
                    f"training went astray in epoch {epoch}: the loss is no number; "
                    "pass a smaller learning rate"
                )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, LONGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            report((epoch - 1) * n_batches + step, n_steps)
        network.eval()
        if held_loss is None:
            continue
        loss_now = held_loss()
        if loss_now < lowest:
            lowest, best, kept = loss_now, _snapshot(network), epoch
        elif epoch - kept >= plan.patience:
            break
    if best is not None:
        network.load_state_dict(best, strict=False)
    return kept


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Fix torch's random numbers in the block, and leave the caller's as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def _pace(step: int, n_steps: int) -> float:
    """Share of the largest learning rate."""
    rising = max(1, round(WARM_UP * n_steps))
    if step < rising:
        return (step + 1) / rising
    return max(0.0, (n_steps - step) / max(1, n_steps - rising))


def _batches(sizes: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Rows in random batches, those of like size among a few batches' rows together."""
    order: list[int] = torch.randperm(len(sizes)).tolist()
    found: list[list[int]] = []
    for few in _parts(order, TOGETHER * batch_size):
        found += _parts(sorted(few, key=sizes.__getitem__), batch_size)
    if len(found) > _n_batches(len(sizes), batch_size):
        # Batch normalization cannot be trained on a single row.
        lonely = found.pop()
        found[-1] += lonely
    for number in torch.randperm(len(found)).tolist():
        yield found[number]


def _n_batches(n_rows: int, batch_size: int) -> int:
    """As many as there must be, but none of a single row if others are larger."""
    n_batches = -(-n_rows // batch_size)
    lonely = batch_size > 1 and n_batches > 1 and n_rows % batch_size == 1
    return n_batches - lonely


def _parts(rows: list[int], size: int) -> list[list[int]]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


def _snapshot(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all that training changes."""
    changing = {
        name: value for name, value in network.named_parameters() if value.requires_grad
    }
    changing.update(network.named_buffers())
    return {name: value.detach().clone() for name, value in changing.items()}
