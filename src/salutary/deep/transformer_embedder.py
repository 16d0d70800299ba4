"""``TransformerEmbedder``: a language model as a scikit-learn transformer of texts."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from salutary.deep.texts import Pooling, as_bytes, as_texts, n_characters
from salutary.deep.vectors import Vectors, embed
from salutary.errors import InputError, needs

if TYPE_CHECKING:
    from salutary.deep.language_model import LanguageModel


class TransformerEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Embed texts, or pairs of texts, with a language model.

    A transformer in scikit-learn's sense: the first step of a pipeline whose last is
    the logistic regression that influence is taken of. Needs ``salutary[text]``.

    Parameters
    ----------
    model : str
        A folder with a model, or a name on the Hugging Face hub (``HF_HUB_OFFLINE`` is
        respected). Encoders and decoders; of both in one, the encoder. Weights are read
        as safetensors only, and no code that comes with a model is run.
    pooling : {"mean", "cls", "last"}, default="mean"
        Of the last layer: the mean over a text's tokens, the first token's vector, as
        BERT is trained for, or the last token's, which in a decoder has seen the rest.
    max_length : int, default=None
        Tokens of a text that are looked at. None: as many as the model takes, 512 at
        most.
    batch_size : int, default=32
        Texts of like length that are encoded together.
    device : str, default=None
        For instance "cpu" or "cuda:1"; None for CUDA, else MPS, else the CPU. On CUDA
        the model runs in bfloat16.
    cache_dir : path, default=None
        Folder that keeps every vector, by the model's weights and the text, for later
        calls, rounds and runs; several processes may share it. None keeps nothing.

    Attributes
    ----------
    fingerprint_ : str
        SHA-256 of all that the vectors depend on besides the text. A saved embedder
        refuses a model of another fingerprint.
    n_features_out_ : int
        Length of a vector.

    Notes
    -----
    Vectors of a text differ in their last digits with the texts that share its batch,
    with the number of threads and with the device.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> embedder = TransformerEmbedder("sentence-transformers/all-MiniLM-L6-v2")
    >>> model = make_pipeline(embedder, StandardScaler(), LogisticRegression())
    >>> model.fit(["good", "bad"], [1, 0])  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        pooling: Pooling = "mean",
        max_length: int | None = None,
        batch_size: int = 32,
        device: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = device
        self.cache_dir = cache_dir

    def fit(self, X: Any, y: Any = None) -> TransformerEmbedder:
        """Load the model; nothing is learned from the texts.

        Parameters
        ----------
        X : ignored
        y : ignored

        Returns
        -------
        TransformerEmbedder

        Raises
        ------
        InputError
            If the model cannot be loaded.
        ModuleNotFoundError
            Without ``salutary[text]``; says how to install it.
        """
        loaded = self._load()
        self.fingerprint_ = loaded.fingerprint.hex()
        self.n_features_out_ = int(loaded.model.config.hidden_size)
        self._loaded = self._asked(), loaded
        return self

    def transform(self, X: Any) -> Vectors:
        """Vectors of texts.

        Parameters
        ----------
        X : sequence of str, Series, or DataFrame or array with one or two columns
            Two columns are pairs of texts.

        Returns
        -------
        ndarray of shape (n_texts, n_features_out_), float32

        Raises
        ------
        InputError
            For a text that is missing or is no text, by its row; for a damaged store.
        """
        check_is_fitted(self)
        texts = as_texts(X)
        if not texts:
            return np.zeros((0, self.n_features_out_), dtype=np.float32)
        model = self._same_model()
        n_cut = model.n_cut(texts)
        if n_cut:
            warnings.warn(
                f"{n_cut} of {len(texts)} texts have more than {model.max_length} "
                "tokens; only their beginnings count",
                UserWarning,
                stacklevel=2,
            )
        return embed(
            texts,
            model.encode,
            model=bytes.fromhex(self.fingerprint_),
            as_bytes=as_bytes,
            size=n_characters,
            batch_size=self.batch_size,
            n_features=self.n_features_out_,
            folder=None if self.cache_dir is None else Path(self.cache_dir),
        )

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the vectors' entries."""
        check_is_fitted(self)
        names = [f"embedding{number}" for number in range(self.n_features_out_)]
        return np.asarray(names, dtype=object)

    def _same_model(self) -> LanguageModel:
        """The model it was fitted with, loaded anew if it is not there as asked for."""
        self._check()
        if not hasattr(self, "_loaded") or self._loaded[0] != self._asked():
            loaded = self._load()
            if loaded.fingerprint.hex() != self.fingerprint_:
                raise InputError(
                    f"{self.model}: is another model, or cut or pooled otherwise, than "
                    "the embedder was fitted with; put that one there, or fit again"
                )
            self._loaded = self._asked(), loaded
        return self._loaded[1]

    def _asked(self) -> tuple[Any, ...]:
        return str(self.model), self.pooling, self.max_length, self.device

    def _check(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1: {self.batch_size}")

    def _load(self) -> LanguageModel:
        with needs("text"):
            from salutary.deep.devices import pick_device
            from salutary.deep.language_model import load_language_model
        self._check()
        return load_language_model(
            os.fspath(self.model),
            self.pooling,
            self.max_length,
            pick_device(self.device),
        )

    def __getstate__(self) -> dict[str, Any]:
        # Saved by name and fingerprint: a file of a run stays small and holds no code.
        state = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags
