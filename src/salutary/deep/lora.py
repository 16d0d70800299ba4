"""Fine-tune a language model by LoRA, together with a linear layer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model

from salutary.deep.language_model import LanguageModel
from salutary.deep.texts import Text, n_characters
from salutary.deep.training import Plan, seeded, train
from salutary.errors import InputError

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Coefficients (n_classes, n_features) and intercepts (n_classes,)."""


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning comes to.

    Parameters
    ----------
    model : LanguageModel
        With the changes, in evaluation mode.
    layer : tuple of ndarrays
    n_epochs : int
        Epochs whose changes were kept.
    """

    model: LanguageModel
    layer: Layer
    n_epochs: int


def fine_tune(
    model: LanguageModel,
    texts: list[Text],
    labels: NDArray[np.intp],
    layer: Layer,
    held: tuple[list[Text], NDArray[np.intp]] | None,
    plan: Plan,
    rank: int,
    target_modules: list[str] | None,
    seed: int,
) -> Tuned:
    """Learn low-rank changes of a model, and the layer on its vectors.

    Parameters
    ----------
    model : LanguageModel
        As it comes; it is changed in place.
    texts : list of str or pairs
    labels : ndarray of shape (n_texts,), dtype intp
    layer : tuple of ndarrays
        Where the linear layer starts.
    held : tuple of texts and labels, or None
        By which the best epoch is kept.
    plan : Plan
    rank : int
    target_modules : list of str or None
        None for peft's choice, or all linear layers where it has none.
    seed : int

    Returns
    -------
    Tuned

    Raises
    ------
    InputError
        If the model has no such layers, or training does not converge.
    """
    device = model.device
    with seeded(seed, device):
        changed = replace(model, model=_changed(model.model, rank, target_modules))
        linear = _linear(layer, device)
        network = torch.nn.ModuleList([changed.model, linear])

        def logits_of(rows: list[int]) -> torch.Tensor:
            logits: torch.Tensor = linear(changed.vectors([texts[row] for row in rows]))
            return logits

        n_epochs = train(
            network,
            logits_of,
            torch.from_numpy(labels.astype(np.int64)).to(device),
            plan,
            None if held is None else lambda: _mean_loss(changed, linear, *held),
            [n_characters(text) for text in texts],
        )
    weight, bias = (
        value.detach().cpu().double().numpy() for value in (linear.weight, linear.bias)
    )
    return Tuned(changed, (weight, bias), n_epochs)


def with_changes(model: Any, rank: int, target_modules: Any) -> Any:
    """A model with low-rank changes of some layers, which alone are trained.

    Parameters
    ----------
    model : PreTrainedModel
        Changed in place.
    rank : int
    target_modules : list of str, str or None
        As peft takes them.
    """
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=target_modules)
    with warnings.catch_warnings():
        # peft asks transformers by a name that is to go.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        # Of GPT-2's layers, which are the transposed of others; peft sees to it.
        warnings.filterwarnings("ignore", ".*Conv1D", UserWarning)
        return get_peft_model(model, config)


def _changed(model: Any, rank: int, target_modules: list[str] | None) -> Any:
    try:
        try:
            return with_changes(model, rank, target_modules)
        except ValueError as error:
            if target_modules is not None or "target_modules" not in str(error):
                raise
            return with_changes(model, rank, "all-linear")
    except ValueError as error:
        cause = " ".join(str(error).split())
        raise InputError(
            f"the model cannot be changed: {cause[:200]}; pass other target_modules"
        ) from None


def _linear(layer: Layer, device: torch.device) -> torch.nn.Linear:
    coef, intercept = layer
    linear = torch.nn.Linear(coef.shape[1], coef.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(coef))
        linear.bias.copy_(torch.from_numpy(intercept))
    return linear.to(device)


def _mean_loss(
    model: LanguageModel,
    linear: torch.nn.Linear,
    texts: list[Text],
    labels: NDArray[np.intp],
) -> float:
    """Mean log loss of held texts."""
    order = sorted(range(len(texts)), key=lambda row: n_characters(texts[row]))
    total = 0.0
    with torch.inference_mode():
        for begin in range(0, len(order), 64):
            rows = order[begin : begin + 64]
            logits = linear(model.vectors([texts[row] for row in rows]))
            truth = torch.from_numpy(labels[rows].astype(np.int64)).to(logits.device)
            total += float(
                torch.nn.functional.cross_entropy(logits, truth, reduction="sum")
            )
    return total / len(texts)
