"""A language model from the Hugging Face, as a function from texts to vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoModel, AutoTokenizer
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, logging
from transformers.utils.hub import cached_file

from salutary.deep.devices import fingerprint, pick_dtype
from salutary.deep.texts import Pooling, Text, as_bytes
from salutary.deep.vectors import Vectors
from salutary.errors import InputError

LONGEST = 512
"""Tokens of a text at most, unless a caller says otherwise: beyond, time is lost."""

MOST_TOKENS = 1_000_000
"""No model looks at more."""

MOST_MARKS = 8
"""Tokens that a tokenizer adds to a text or pair, at most."""


@dataclass(frozen=True)
class LanguageModel:
    """A transformer that gives each text a vector.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode, on ``device``.
    tokenizer : PreTrainedTokenizerFast
        Pads on the right.
    pooling : {"mean", "cls", "last"}
        Of the last layer: the mean over the text's tokens, the first, or the last one.
    max_length : int
        Tokens of a text (or pair) that are looked at.
    device : torch.device
    """

    model: Any
    tokenizer: Any
    pooling: Pooling
    max_length: int
    device: torch.device

    @cached_property
    def fingerprint(self) -> bytes:
        """Digest of all that the vectors depend on: weights, vocabulary, pooling.

        As it is when first asked for; not to be asked for before training ends.
        """
        config = self.model.config.to_dict()
        for place in ("_name_or_path", "transformers_version"):
            config.pop(place, None)
        words = json.loads(self.tokenizer.backend_tokenizer.to_str())
        for of_last_call in ("padding", "truncation"):
            words.pop(of_last_call, None)
        return fingerprint(
            self.model,
            json.dumps(config, default=str, sort_keys=True),
            json.dumps(words, sort_keys=True),
            f"{self.pooling} {self.max_length}",
        )

    def vectors(self, texts: list[Text]) -> torch.Tensor:
        """Vectors of a batch of texts, shape (n_texts, n_features), float32.

        Raises
        ------
        InputError
            Where the model fails: more tokens than it has positions for, or too little
            memory.
        """
        tokens = self._tokens(texts)
        try:
            output = self.model(**tokens)
            # Sums of bfloat16 would lose digits.
            return pool(output[0].float(), tokens["attention_mask"], self.pooling)
        except (IndexError, RuntimeError, NotImplementedError) as error:
            cause, length = str(error).splitlines()[0], tokens["input_ids"].shape[1]
            raise InputError(
                f"the language model fails on texts of up to {length} tokens: {cause}; "
                "pass a smaller max_length, or another model or device"
            ) from None

    def encode(self, texts: list[Text]) -> Vectors:
        """The same as an array, without the way back to the weights."""
        with torch.inference_mode():
            encoded: Vectors = self.vectors(texts).cpu().numpy()
        return encoded

    def n_cut(self, texts: Iterable[Text]) -> int:
        """How many texts have more tokens than are looked at."""
        # A token is a byte at least, or one of the marks around a text.
        short = self.max_length - MOST_MARKS
        long = [_pair(text) for text in texts if len(as_bytes(text)) > short]
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
        # Tokenizers that add no marks make nothing of an empty text.
        empty = mask.sum(dim=1) == 0
        ids[empty, 0] = self.tokenizer.pad_token_id
        mask[empty, 0] = 1
        tokens = {**tokens, "input_ids": ids, "attention_mask": mask}
        return {name: value.to(self.device) for name, value in tokens.items()}


def _pair(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """A text's vector from its tokens'.

    Parameters
    ----------
    hidden : Tensor of shape (n_texts, n_tokens, n_features)
    mask : Tensor of shape (n_texts, n_tokens)
        1 for tokens, 0 for the padding behind them.
    pooling : {"mean", "cls", "last"}

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
    """Load a model and its tokenizer; weights are read as safetensors only.

    Parameters
    ----------
    name : str
        A local folder, or a name on the hub (``HF_HUB_OFFLINE`` is respected).
    pooling : {"mean", "cls", "last"}
    max_length : int or None
        None for as many tokens as the model takes, `LONGEST` at most.
    device : torch.device

    Returns
    -------
    LanguageModel

    Raises
    ------
    InputError
        If there is no such model, or it is of a kind that is not taken.
    """
    if pooling not in ("mean", "cls", "last"):
        raise InputError(f"pooling must be 'mean', 'cls' or 'last': {pooling!r}")
    if max_length is not None and (
        not isinstance(max_length, Integral) or not 1 <= max_length <= MOST_TOKENS
    ):
        raise InputError(
            f"max_length must be a whole number from 1 to {MOST_TOKENS}: {max_length!r}"
        )
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        _check_shards(name)
        # Unless told, transformers asks the terminal whether to run a model's code.
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model, found = AutoModel.from_pretrained(
            name,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=pick_dtype(device),
            output_loading_info=True,
        )
    except Exception as error:
        # Of any kind, from a missing file to a damaged one.
        raise InputError(f"{name}: {_cause(name, error)}") from None
    _check_weights(name, model, found["missing_keys"])
    _check_tokenizer(name, tokenizer, model)
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token_id is None:
        known = tokenizer.eos_token or tokenizer.bos_token
        # Any will do: what is padded is masked.
        tokenizer.pad_token = known or tokenizer.convert_ids_to_tokens(0)
    longest = getattr(model.config, "max_position_embeddings", None) or LONGEST
    longest = min(longest, tokenizer.model_max_length, LONGEST)
    return LanguageModel(
        model.eval().to(device), tokenizer, pooling, max_length or longest, device
    )


def _check_shards(name: str) -> None:
    """Refuse a list of parts that are not safetensors; they would be unpickled."""
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
    """Refuse a model some of whose weights were made up, each time anew."""
    lacking = sorted(key for key in missing if not key.startswith("pooler."))
    if lacking:
        raise InputError(
            f"{name}: lacks {len(lacking)} of the model's weights, {lacking[0]!r} "
            "among them; pass a whole model"
        )
    if set(missing):
        # Nobody looks at what the pooler makes, but a fingerprint must be the same.
        with torch.no_grad():
            for parameter in model.pooler.parameters():
                parameter.zero_()


def _check_tokenizer(name: str, tokenizer: Any, model: Any) -> None:
    """Refuse a tokenizer that knows no words, or words the model does not know."""
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(f"{name}: has no fast tokenizer; pass a model with one")
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise InputError(
            f"{name}: has a tokenizer without words; put its tokenizer.json there"
        )
    n_known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > n_known:
        raise InputError(
            f"{name}: has a tokenizer of {len(tokenizer)} tokens, but a model of "
            f"{n_known}; put those together that belong together"
        )


def _cause(name: str, error: Exception) -> str:
    """Why a model could not be loaded, in one line."""
    if Path(name).exists():
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        return (
            f"is no model that transformers can load ({cause}); pass a folder with "
            "config.json, model.safetensors and a tokenizer"
        )
    return (
        "is no folder, and the hub has no such model or cannot be reached; pass a "
        "folder with the model, or a name when online (and without HF_HUB_OFFLINE)"
    )
