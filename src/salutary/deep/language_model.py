"""A Hugging Face language model, as a function from texts to vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from salutary.deep.devices import weights_sha256
from salutary.deep.texts import Text, as_bytes, n_characters
from salutary.deep.vectors import Vectors, embed
from salutary.errors import InputError
from salutary.names import Pooling

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
