"""Load a language model from a folder or from the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from salutary.deep.devices import pick_dtype
from salutary.deep.language_model import LanguageModel
from salutary.deep.model_files import (
    check_shards,
    is_hub_out_of_reach,
    read_config,
    sentence_length,
)
from salutary.errors import InputError
from salutary.names import Pooling

DEFAULT_MAX_LENGTH = 512
"""Maximum number of tokens of a text; longer texts take much more time."""

LARGEST_MAX_LENGTH = 1_000_000
"""A larger ``max_length`` is taken for a mistake."""

POSITIONS = (
    *("position_embeddings", "position_embedding", "positions_embed"),
    *("embed_positions", "wpe"),
)
"""Names under which models have embeddings of positions."""


def load_language_model(
    name: str,
    pooling: Pooling,
    max_length: int | None,
    device: torch.device,
    fingerprint: str | None = None,
) -> LanguageModel:
    """Load a model and its tokenizer; weights are read from safetensors files only.

    Parameters
    ----------
    name : str
        Path of a local folder, or name on the Hugging Face hub (``HF_HUB_OFFLINE`` is
        respected).
    pooling : {"mean", "cls", "last"}
    max_length : int or None
        Maximum number of tokens of a text. None is as many as the model takes, or as
        sentence-transformers would take, but no more than `DEFAULT_MAX_LENGTH`.
    device : torch.device
    fingerprint : str, optional
        The fingerprint that the model is expected to have, in hexadecimal digits. If it
        was made when sentence-transformers' limit was not yet read, that limit is not
        applied with ``max_length`` None.

    Returns
    -------
    LanguageModel

    Raises
    ------
    InputError
        If there is no such model, it cannot be loaded, its weights or tokenizer are
        incomplete, it asks for code from elsewhere or for very many layers, or an
        argument is out of range.
    """
    _check_arguments(pooling, max_length)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    model, tokenizer, sentence = _read(name, device)
    _check_tokenizer(name, tokenizer, model)
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token_id is None:
        # Any token will do, because the attention mask hides the padding.
        known = tokenizer.eos_token or tokenizer.bos_token
        tokenizer.pad_token = known or tokenizer.convert_ids_to_tokens(0)
    positions = n_positions(model)
    if max_length is not None and positions is not None and max_length > positions:
        raise InputError(
            f"max_length must be at most {positions}, the number of tokens that "
            f"{name} has positions for, got {max_length}"
        )
    former = max_length or _longest(model, tokenizer, positions)
    own = former if max_length or not sentence else min(former, sentence)
    loaded = LanguageModel(model.eval().to(device), tokenizer, pooling, own, device)
    if fingerprint is not None and own != former:
        before = replace(loaded, max_length=former)
        return before if before.fingerprint.hex() == fingerprint else loaded
    return loaded


def _check_arguments(pooling: str, max_length: int | None) -> None:
    """Refuse a pooling or a length that no model has."""
    if pooling not in ("mean", "cls", "last"):
        raise InputError(f"pooling must be 'mean', 'cls' or 'last', got {pooling!r}")
    if max_length is not None and (
        not isinstance(max_length, Integral)
        or not 1 <= max_length <= LARGEST_MAX_LENGTH
    ):
        raise InputError(
            f"max_length must be an integer from 1 to {LARGEST_MAX_LENGTH}, or None, "
            f"got {max_length!r}"
        )


def _read(name: str, device: torch.device) -> tuple[Any, Any, int | None]:
    """Model, tokenizer, and the length that sentence-transformers would take."""
    try:
        local_only = is_hub_out_of_reach(name)
        config = read_config(name, local_only)
        check_shards(name, local_only)
        sentence = sentence_length(name, local_only)
        # By default transformers asks on the terminal whether to run a model's code.
        tokenizer = AutoTokenizer.from_pretrained(
            name, trust_remote_code=False, local_files_only=local_only
        )
        model, found = AutoModel.from_pretrained(
            name,
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=local_only,
            adapter_kwargs={"local_files_only": local_only},
            dtype=pick_dtype(device),
            output_loading_info=True,
        )
    except InputError:
        raise
    except Exception as error:
        # Anything from a missing to a damaged file raises here, with any exception.
        raise InputError(f"{name}: {_cause(name, error)}") from None
    _check_weights(name, model, found["missing_keys"])
    return model, tokenizer, sentence


def n_positions(model: Any) -> int | None:
    """Number of tokens that a model has embeddings of positions for.

    Parameters
    ----------
    model : PreTrainedModel

    Returns
    -------
    int or None
        None if positions are not embedded one by one, so that there is no limit.
    """
    for name, module in model.named_modules():
        if name.split(".")[-1] not in POSITIONS or not hasattr(
            module, "num_embeddings"
        ):
            continue
        # RoBERTa's positions begin after the padding token, BART's after an offset.
        padding = getattr(module, "padding_idx", None)
        skipped = getattr(module, "offset", 0 if padding is None else padding + 1)
        return int(module.num_embeddings) - int(skipped)
    return None


def _longest(model: Any, tokenizer: Any, positions: int | None) -> int:
    """Tokens that a model and its tokenizer take, at most `DEFAULT_MAX_LENGTH`."""
    named = getattr(model.config, "max_position_embeddings", None)
    limits = [DEFAULT_MAX_LENGTH, tokenizer.model_max_length, positions, named]
    return int(min(limit for limit in limits if limit))


def _check_weights(name: str, model: Any, missing: Iterable[str]) -> None:
    """Refuse missing weights, which were made at random, and those not finite."""
    lacking = sorted(key for key in missing if not key.startswith("pooler."))
    if lacking:
        raise InputError(
            f"{name}: lacks {len(lacking)} of the model's weights, for instance "
            f"{lacking[0]!r}; pass a folder with the complete model"
        )
    if set(missing):
        # The pooler's output is not used, but random weights would change the
        # fingerprint at every load.
        with torch.no_grad():
            for parameter in model.pooler.parameters():
                parameter.zero_()
    for key, parameter in model.named_parameters():
        if not parameter.detach().float().isfinite().all():
            raise InputError(
                f"{name}: has a weight that is NaN or infinite, in {key!r}; restore "
                "its files, or pass another model"
            )


def _check_tokenizer(name: str, tokenizer: Any, model: Any) -> None:
    """Refuse a tokenizer without a vocabulary, or with more tokens than the model."""
    length = tokenizer.model_max_length
    if type(length) not in (int, float) or not length >= 1:
        raise InputError(
            f"{name}: tokenizer_config.json has model_max_length {length!r}; make it a "
            "positive integer, or remove it"
        )
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"{name}: has no fast tokenizer (tokenizer.json); pass a model that has one"
        )
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise InputError(
            f"{name}: has a tokenizer with an empty vocabulary; add the model's "
            "tokenizer.json"
        )
    n_known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > n_known:
        raise InputError(
            f"{name}: has a tokenizer with {len(tokenizer)} tokens, but a model that "
            f"knows {n_known}; pass a folder whose model and tokenizer belong together"
        )


def _cause(name: str, error: Exception) -> str:
    """Why a model could not be loaded, in one line."""
    if Path(name).exists():
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        return (
            f"is not a model that transformers can load ({cause}); pass a folder with "
            "config.json, model.safetensors and a tokenizer"
        )
    return (
        "there is no such folder, and the Hugging Face hub has no such model or cannot "
        "be reached; pass the folder of a model, or go online and unset HF_HUB_OFFLINE"
    )
