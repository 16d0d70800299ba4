"""A Hugging Face language model, as a function from texts to vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoModel, AutoTokenizer
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, logging
from transformers.utils.hub import cached_file

from salutary.deep.devices import pick_dtype, weights_sha256
from salutary.deep.texts import Text, as_bytes, n_characters
from salutary.deep.vectors import Vectors, embed
from salutary.errors import InputError
from salutary.names import Pooling

DEFAULT_MAX_LENGTH = 512
"""Maximum number of tokens of a text; longer texts take much more time."""

LARGEST_MAX_LENGTH = 1_000_000
"""A larger ``max_length`` is taken for a mistake."""

MAX_SPECIAL_TOKENS = 8
"""Upper bound on the tokens that a tokenizer adds to a text or pair."""


@dataclass(frozen=True)
class LanguageModel:
    """A transformer that maps each text to a vector.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode, on ``device``.
    tokenizer : PreTrainedTokenizerFast
        Pads and truncates on the right.
    pooling : {"mean", "cls", "last"}
        How the last layer's vectors of a text's tokens become one vector: their mean,
        the first one, or the last one.
    max_length : int
        Maximum number of tokens of a text or pair; longer ones are truncated.
    device : torch.device
    """

    model: Any
    tokenizer: Any
    pooling: Pooling
    max_length: int
    device: torch.device

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 digest of weights, configuration, vocabulary, pooling and length.

        It is computed on first access and then kept, so do not access it before
        training has ended.
        """
        config = self.model.config.to_dict()
        for place in ("_name_or_path", "transformers_version"):
            config.pop(place, None)
        vocabulary = json.loads(self.tokenizer.backend_tokenizer.to_str())
        for set_by_last_call in ("padding", "truncation"):
            vocabulary.pop(set_by_last_call, None)
        return weights_sha256(
            self.model,
            json.dumps(config, default=str, sort_keys=True),
            json.dumps(vocabulary, sort_keys=True),
            f"{self.pooling} {self.max_length}",
        )

    @property
    def n_features(self) -> int:
        """Length of a vector."""
        return int(self.model.config.hidden_size)

    def vectors(self, texts: list[Text]) -> torch.Tensor:
        """Vectors of one batch of texts, with gradients.

        Parameters
        ----------
        texts : list of str, or of (str, str)

        Returns
        -------
        Tensor of shape (n_texts, n_features), float32

        Raises
        ------
        InputError
            If the model fails, for instance because a text has more tokens than the
            model has positions, or because memory runs out.
        """
        tokens = self._tokens(texts)
        try:
            output = self.model(**tokens)
            # Pooling in bfloat16 would lose digits.
            return pool(output[0].float(), tokens["attention_mask"], self.pooling)
        except (IndexError, RuntimeError, NotImplementedError) as error:
            cause, length = str(error).splitlines()[0], tokens["input_ids"].shape[1]
            raise InputError(
                f"the language model fails on texts of up to {length} tokens: {cause}; "
                "pass a smaller max_length, or another model or device"
            ) from None

    def encode(self, texts: list[Text]) -> Vectors:
        """Vectors of one batch of texts as an array, without gradients."""
        with torch.inference_mode():
            encoded: Vectors = self.vectors(texts).cpu().numpy()
        return encoded

    def embed(self, texts: list[Text], batch_size: int, folder: Path | None) -> Vectors:
        """Vectors of any number of texts, taken from the store where it has them.

        Parameters
        ----------
        texts : list of str, or of (str, str)
        batch_size : int
            Maximum number of texts that are encoded together.
        folder : Path or None
            Folder of the store. With None, no vectors are kept.

        Returns
        -------
        ndarray of shape (n_texts, n_features), float32
        """
        if not texts:
            return np.zeros((0, self.n_features), dtype=np.float32)
        return embed(
            texts,
            self.encode,
            model=self.fingerprint,
            as_bytes=as_bytes,
            size=n_characters,
            batch_size=batch_size,
            n_features=self.n_features,
            folder=folder,
        )

    def n_truncated(self, texts: Iterable[Text]) -> int:
        """Number of texts that have more than ``max_length`` tokens."""
        # Every token but the special ones takes at least one byte, so a text of few
        # bytes is not long.
        surely_short = self.max_length - MAX_SPECIAL_TOKENS
        long = [_pair(text) for text in texts if len(as_bytes(text)) > surely_short]
        if not long:
            return 0
        columns = [list(column) for column in zip(*long, strict=True)]
        tokens = self.tokenizer(*columns, truncation=False, verbose=False)
        return sum(len(ids) > self.max_length for ids in tokens["input_ids"])

    def _tokens(self, texts: list[Text]) -> dict[str, torch.Tensor]:
        pairs = [_pair(text) for text in texts]
        columns = [list(column) for column in zip(*pairs, strict=True)]
        tokens = self.tokenizer(
            *columns,
            padding=True,
            truncation=True,
            max_length=self.max_length,
            return_tensors="pt",
        )
        ids, mask = tokens["input_ids"].long(), tokens["attention_mask"]
        if ids.shape[1] == 0:
            ids = torch.zeros((len(texts), 1), dtype=torch.long)
            mask = torch.zeros_like(ids)
            tokens = {}
        # Tokenizers that add no special tokens give an empty text no token at all.
        empty = mask.sum(dim=1) == 0
        ids[empty, 0] = self.tokenizer.pad_token_id
        mask[empty, 0] = 1
        tokens = {**tokens, "input_ids": ids, "attention_mask": mask}
        return {name: value.to(self.device) for name, value in tokens.items()}


def _pair(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """One vector for each text from the vectors of its tokens.

    Parameters
    ----------
    hidden : Tensor of shape (n_texts, n_tokens, n_features)
        The last layer's output.
    mask : Tensor of shape (n_texts, n_tokens)
        1 for tokens, 0 for the padding after them.
    pooling : {"mean", "cls", "last"}
        Mean over the tokens, first token, or last token.

    Returns
    -------
    Tensor of shape (n_texts, n_features)

    Examples
    --------
    >>> hidden = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> mask = torch.tensor([[1, 1, 0]])
    >>> [pool(hidden, mask, name).item() for name in ("mean", "cls", "last")]
    [2.0, 1.0, 3.0]
    """
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last":
        rows = torch.arange(len(hidden), device=hidden.device)
        return hidden[rows, mask.sum(dim=1) - 1]
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


def load_language_model(
    name: str, pooling: Pooling, max_length: int | None, device: torch.device
) -> LanguageModel:
    """Load a model and its tokenizer; weights are read from safetensors files only.

    Parameters
    ----------
    name : str
        Path of a local folder, or name on the Hugging Face hub (``HF_HUB_OFFLINE`` is
        respected).
    pooling : {"mean", "cls", "last"}
    max_length : int or None
        Maximum number of tokens of a text. None is as many as the model takes, but no
        more than `DEFAULT_MAX_LENGTH`.
    device : torch.device

    Returns
    -------
    LanguageModel

    Raises
    ------
    InputError
        If there is no such model, it cannot be loaded, its weights or tokenizer are
        incomplete, or an argument is out of range.
    """
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
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        _check_shards(name)
        # By default transformers asks on the terminal whether to run a model's code.
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model, found = AutoModel.from_pretrained(
            name,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=pick_dtype(device),
            output_loading_info=True,
        )
    except Exception as error:
        # Anything from a missing to a damaged file raises here, with any exception.
        raise InputError(f"{name}: {_cause(name, error)}") from None
    _check_weights(name, model, found["missing_keys"])
    _check_tokenizer(name, tokenizer, model)
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token_id is None:
        # Any token will do, because the attention mask hides the padding.
        known = tokenizer.eos_token or tokenizer.bos_token
        tokenizer.pad_token = known or tokenizer.convert_ids_to_tokens(0)
    if max_length is None:
        positions = getattr(model.config, "max_position_embeddings", None)
        max_length = min(
            positions or DEFAULT_MAX_LENGTH,
            tokenizer.model_max_length,
            DEFAULT_MAX_LENGTH,
        )
    return LanguageModel(
        model.eval().to(device), tokenizer, pooling, max_length, device
    )


def _check_shards(name: str) -> None:
    """Refuse an index that names files other than safetensors: they are pickles."""
    path = cached_file(
        name,
        SAFE_WEIGHTS_INDEX_NAME,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return
    parts = json.loads(Path(path).read_text("utf-8"))["weight_map"].values()
    others = sorted({part for part in parts if not part.endswith(".safetensors")})
    if others:
        raise ValueError(f"{SAFE_WEIGHTS_INDEX_NAME} names {others[0]!r}")


def _check_weights(name: str, model: Any, missing: Iterable[str]) -> None:
    """Refuse a model with missing weights, which were initialized at random."""
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


def _check_tokenizer(name: str, tokenizer: Any, model: Any) -> None:
    """Refuse a tokenizer without a vocabulary, or with more tokens than the model."""
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
