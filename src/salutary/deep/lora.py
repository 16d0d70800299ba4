"""Fine-tune a language model by LoRA, together with a linear layer on its vectors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from sklearn.linear_model import LogisticRegression

from salutary.deep.language_model import LanguageModel
from salutary.deep.texts import Text, n_characters
from salutary.deep.training import Plan, seeded, train
from salutary.errors import InputError

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Coefficients (n_classes, n_features) and intercepts (n_classes,)."""


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned language model and its linear layer.

    Parameters
    ----------
    model : LanguageModel
        With LoRA's update matrices, in evaluation mode.
    layer : tuple of ndarrays
        Coefficients and intercepts.
    n_epochs : int
        Number of epochs that were kept.
    """

    model: LanguageModel
    layer: Layer
    n_epochs: int


def check_rank(rank: Any) -> None:
    """Refuse a rank that is no positive integer.

    Raises
    ------
    InputError
    """
    if not isinstance(rank, Integral) or rank < 1:
        raise InputError(f"rank must be an integer of at least 1, got {rank!r}")


def check_takes_lora(model: LanguageModel, name: str, rank: int) -> None:
    """Refuse a model that has an adapter already, or is narrower than the rank.

    Parameters
    ----------
    model : LanguageModel
    name : str
        What the caller calls the model, for the message.
    rank : int

    Raises
    ------
    InputError
    """
    if getattr(model.model, "peft_config", None):
        raise InputError(
            f"{name}: has an adapter already; merge it into the model (peft's "
            "merge_and_unload) and pass the merged model"
        )
    if rank > model.n_features:
        raise InputError(
            f"rank must be at most {model.n_features}, the model's hidden size, got "
            f"{rank}"
        )


def as_softmax(model: LogisticRegression) -> Layer:
    """Coefficients and intercepts of a logistic regression, one row for each class.

    For two classes scikit-learn keeps one row; half of it and its negative give the
    same probabilities.

    Parameters
    ----------
    model : LogisticRegression
        Fitted.

    Returns
    -------
    coef : ndarray of shape (n_classes, n_features)
    intercept : ndarray of shape (n_classes,)
    """
    coef, intercept = model.coef_, model.intercept_
    if len(coef) == 1:
        return np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    return coef, intercept


def fine_tune(
    model: LanguageModel,
    texts: list[Text],
    targets: NDArray[Any],
    weight: NDArray[np.float32] | None,
    layer: Layer,
    validation: tuple[list[Text], NDArray[np.intp]] | None,
    plan: Plan,
    rank: int,
    target_modules: list[str] | None,
    seed: int,
    folder: Path | None,
) -> FineTuned:
    """Train LoRA's update matrices of a model, and the linear layer on its vectors.

    Parameters
    ----------
    model : LanguageModel
        The base model; the update matrices are added to it in place.
    texts : list of str, or of (str, str)
    targets, weight : ndarrays
        What the texts are to be predicted as, see `salutary.deep.soft_labels`.
    layer : tuple of ndarrays
        Coefficients and intercepts that the linear layer starts from.
    validation : tuple of texts and labels, or None
        The epoch with the lowest loss on these is kept. With None, the last epoch is.
    plan : Plan
    rank : int
        Rank of the update matrices.
    target_modules : list of str or None
        Names of the layers that are updated. None is peft's choice for this kind of
        model, or all linear layers if peft has none.
    seed : int
    folder : Path or None
        Folder of the store of vectors, which gets that of the first text.

    Returns
    -------
    FineTuned

    Raises
    ------
    InputError
        If the model has no such layers, or training diverges.
    """
    device = model.device
    with seeded(seed, device):
        with_lora = replace(
            model, model=_add_lora_or_refuse(model.model, rank, target_modules)
        )
        linear = _linear(layer, device)
        network = torch.nn.ModuleList([with_lora.model, linear])

        def logits_of(rows: list[int]) -> torch.Tensor:
            vectors = with_lora.vectors([texts[row] for row in rows])
            logits: torch.Tensor = linear(vectors)
            return logits

        n_epochs = train(
            network,
            logits_of,
            torch.from_numpy(targets).to(device),
            plan,
            None
            if validation is None
            else lambda: _mean_loss(with_lora, linear, *validation),
            [n_characters(text) for text in texts],
            None if weight is None else torch.from_numpy(weight).to(device),
        )
    try:
        with_lora.embed(texts[:1], 1, folder)
    except InputError:
        raise InputError(
            "training diverged: the vectors are not finite; lower learning_rate"
        ) from None
    coef, intercept = (
        value.detach().cpu().double().numpy() for value in (linear.weight, linear.bias)
    )
    return FineTuned(with_lora, (coef, intercept), n_epochs)


def add_lora(model: Any, rank: int, target_modules: Any) -> Any:
    """Add LoRA's update matrices to a model, and freeze all its other weights.

    Parameters
    ----------
    model : PreTrainedModel
        Changed in place.
    rank : int
        Rank of the update matrices.
    target_modules : list of str, str or None
        The layers that are updated, as peft's ``LoraConfig`` takes them.

    Returns
    -------
    PeftModel
    """
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=target_modules)
    with warnings.catch_warnings():
        # peft reads an attribute that transformers has deprecated.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        # GPT-2's layers store transposed weights; peft warns, and handles them itself.
        warnings.filterwarnings("ignore", ".*Conv1D", UserWarning)
        return get_peft_model(model, config)


def _add_lora_or_refuse(model: Any, rank: int, target_modules: list[str] | None) -> Any:
    try:
        try:
            return add_lora(model, rank, target_modules)
        except ValueError as error:
            if target_modules is not None or "target_modules" not in str(error):
                raise
            return add_lora(model, rank, "all-linear")
    except ValueError as error:
        cause = " ".join(str(error).split())
        raise InputError(
            f"LoRA cannot be applied to the model: {cause[:200]}; pass other "
            "target_modules"
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
    """Mean log loss of texts, in batches of similar length."""
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
