"""``TransformerEmbedder``: texts to vectors of a language model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from salutary.deep.texts import as_texts, warn_of_cut, warn_of_cut_in
from salutary.deep.vectors import Vectors
from salutary.errors import InputError, needs
from salutary.names import Pooling

if TYPE_CHECKING:
    from salutary.deep.language_model import LanguageModel


class TransformerEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Embed texts, or pairs of texts, with a language model.

    This is a transformer in scikit-learn's sense: the first step of a pipeline that
    ends in a logistic regression, for instance in `SalutaryClassifier`. Needs
    ``salutary[text]``.

    Parameters
    ----------
    model : str or path
        Folder with a model, or name of a model on the Hugging Face hub
        (``HF_HUB_OFFLINE`` is respected). Encoders and decoders are supported; of an
        encoder-decoder, the encoder is used. Weights are read from safetensors files
        only, and code that comes with a model is never run.
    pooling : {"mean", "cls", "last"}, default="mean"
        How the vectors of a text's tokens become one vector. "mean" is their mean.
        "cls" is the first token's vector, which BERT is trained for. "last" is the last
        token's vector, which in a decoder depends on the whole text.
    max_length : int, default=None
        Maximum number of tokens of a text; longer texts are truncated, with a warning.
        None is as many as the model takes, but no more than 512, and no more than the
        ``max_seq_length`` of a sentence-transformers model (256 for all-MiniLM-L6-v2).
    batch_size : int, default=32
        Maximum number of texts that are encoded together; they have similar length.
    device : str, default=None
        For instance "cpu" or "cuda:1". None is CUDA if available, else MPS, else the
        CPU. On CUDA the model runs in bfloat16 if the device supports it.
    cache_dir : str or path, default=None
        Folder that keeps vectors for later calls and runs, by the model's weights and
        the text. Several processes may share it. Beyond 4 GiB, the vectors that were
        not used for longest are removed. None keeps nothing. A file of skops sets no
        folder: set it after loading.

    Attributes
    ----------
    fingerprint_ : str
        SHA-256 of everything besides the text that the vectors depend on. A saved
        embedder refuses a model with another fingerprint.
    n_features_out_ : int
        Length of a vector.

    See Also
    --------
    LoraClassifier : Fine-tunes the language model as well.

    Notes
    -----
    The last digits of a text's vector depend on the texts in the same batch, on the
    number of threads and on the device.

    Examples
    --------
    The last line is marked SKIP because it loads the model from the Hugging Face hub.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from salutary import TransformerEmbedder
    >>> embedder = TransformerEmbedder("sentence-transformers/all-MiniLM-L6-v2")
    >>> model = make_pipeline(embedder, StandardScaler(), LogisticRegression())
    >>> model.fit(["good", "bad"], [1, 0]).predict(["great"])  # doctest: +SKIP
    array([1])
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
        """Load the model; nothing is trained.

        Parameters
        ----------
        X : ignored
        y : ignored

        Returns
        -------
        TransformerEmbedder
            The embedder itself.

        Raises
        ------
        InputError
            If the model cannot be loaded, or a parameter is out of range.
        ModuleNotFoundError
            If the extra ``salutary[text]`` is not installed.
        """
        loaded = self._load()
        self.fingerprint_ = loaded.fingerprint.hex()
        self.n_features_out_ = loaded.n_features
        self._loaded = self._load_parameters(), loaded
        return self

    def transform(self, X: Any) -> Vectors:
        """Vectors of texts.

        Parameters
        ----------
        X : sequence of str, Series, or DataFrame or array with one or two columns
            Texts; two columns are pairs of texts.

        Returns
        -------
        ndarray of shape (n_texts, n_features_out), float32

        Raises
        ------
        InputError
            If a text is missing or not a string (the message names its row), the model
            is not the one the embedder was fitted with, or the store in ``cache_dir``
            cannot be used.

        Warns
        -----
        UserWarning
            If texts are truncated.
        """
        check_is_fitted(self)
        texts = as_texts(X)
        if not texts:
            return np.zeros((0, self.n_features_out_), dtype=np.float32)
        model = self._fitted_model()
        warn_of_cut(model, texts)
        folder = None if self.cache_dir is None else Path(self.cache_dir)
        return model.embed(texts, self.batch_size, folder)

    def warn_of_cut(self, tables: Mapping[str, Any]) -> None:
        """Warn of the texts of several tables that are truncated, as `transform` does.

        Parameters
        ----------
        tables : mapping of str to sequence of texts
            Texts of each table, by its name.
        """
        check_is_fitted(self)
        texts = {name: as_texts(X) for name, X in tables.items()}
        warn_of_cut_in(texts, self._fitted_model())

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the output features: "embedding0", "embedding1", ..."""
        check_is_fitted(self)
        names = [f"embedding{number}" for number in range(self.n_features_out_)]
        return np.asarray(names, dtype=object)

    def as_of(self, fingerprint: str) -> TransformerEmbedder:
        """Set the ``max_length`` under which the model has a fingerprint.

        Parameters
        ----------
        fingerprint : str
            As ``fingerprint_`` of an embedder that was fitted before.

        Returns
        -------
        TransformerEmbedder
            The embedder itself.
        """
        self.max_length = self._load(fingerprint).max_length
        return self

    def _fitted_model(self) -> LanguageModel:
        """The model of ``fit``, loaded again after unpickling or ``set_params``."""
        self._check()
        if not hasattr(self, "_loaded") or self._loaded[0] != self._load_parameters():
            loaded = self._load(self.fingerprint_)
            if loaded.fingerprint.hex() != self.fingerprint_:
                raise InputError(
                    f"{self.model}: is another model, or has another pooling or "
                    "max_length, than the embedder was fitted with; restore that "
                    "model and these parameters, or fit again"
                )
            self._loaded = self._load_parameters(), loaded
        return self._loaded[1]

    def _load_parameters(self) -> tuple[Any, ...]:
        return str(self.model), self.pooling, self.max_length, self.device

    def _check(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {self.batch_size}")

    def _load(self, fingerprint: str | None = None) -> LanguageModel:
        with needs("text"):
            from salutary.deep.devices import pick_device
            from salutary.deep.loading import load_language_model
        self._check()
        return load_language_model(
            os.fspath(self.model),
            self.pooling,
            self.max_length,
            pick_device(self.device),
            fingerprint,
        )

    def __getstate__(self) -> dict[str, Any]:
        # Only name and fingerprint are saved, so the file of a run stays small and
        # holds no code.
        state = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Only skops calls this: pickle and copy go by __reduce__. A file of skops may
        # come from anyone, and is not to say where folders are made.
        super().__setstate__({**state, "cache_dir": None})

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.__getstate__())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


def _unpickled(kind: type[TransformerEmbedder], state: dict[str, Any]) -> Any:
    """An embedder as it was pickled or copied, with its folder of vectors."""
    embedder = kind.__new__(kind)
    embedder.__dict__.update(state)
    return embedder
