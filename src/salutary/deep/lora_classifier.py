"""``LoraClassifier``: a language model that is fine-tuned to tell classes apart."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from salutary.deep.texts import Pooling, Text, as_bytes, as_texts, n_characters
from salutary.deep.vectors import Vectors, embed
from salutary.errors import InputError, needs
from salutary.influence.inputs import check_held
from salutary.influence.labels import encode_training_labels, encode_validation_labels

if TYPE_CHECKING:
    from salutary.deep.language_model import LanguageModel
    from salutary.deep.training import Plan


class LoraClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fine-tune a language model by LoRA, with a linear layer for the classes.

    The model's own weights stay as they are; low-rank changes of some of its matrices
    are learned, and a linear layer on a text's vector. That layer starts as the
    logistic regression on the vectors of the model as it comes. Needs
    ``salutary[text]``.

    Parameters
    ----------
    model : str
        A folder with a model, or a name on the Hugging Face hub, as for
        `TransformerEmbedder`.
    pooling : {"mean", "cls", "last"}, default="mean"
        A text's vector: the mean over its tokens, the first token's, or the last one's
        (for decoders).
    max_length : int, default=None
        Tokens of a text that are looked at. None: as many as the model takes, 512 at
        most.
    rank : int, default=8
        Of the changes.
    target_modules : list of str, default=None
        Names of the layers that are changed; None for those peft takes in a model of
        this kind, mostly the queries' and values', else all linear ones.
    learning_rate : float, default=1e-3
        The largest; it rises in the first tenth of the steps and then falls to zero.
    epochs : int, default=5
        At most.
    patience : int, default=2
        Epochs without a lower loss on ``X_val`` after which training ends.
    batch_size : int, default=16
        Texts a step.
    weight_decay : float, default=0.01
    device : str, default=None
        For instance "cpu" or "cuda:1"; None for CUDA, else MPS, else the CPU.
    cache_dir : path, default=None
        Folder that keeps every vector, by the model's weights and the text.
    random_state : int, RandomState instance or None, default=None
        Decides the first changes and the order of the rows. The same on one machine and
        number of threads.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
        Of the linear layer.
    intercept_ : ndarray of shape (n_classes,), float64
    n_epochs_ : int
        Epochs whose changes were kept.
    base_fingerprint_ : str
        SHA-256 of the model before fine-tuning, and of how vectors are made.

    References
    ----------
    Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, arXiv 2106.09685.
    Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution, arXiv 2202.10054 (where the linear layer starts).

    Examples
    --------
    >>> model = LoraClassifier("sentence-transformers/all-MiniLM-L6-v2", epochs=4)
    >>> model.fit(["good", "bad"], [1, 0]).predict(["fine"])  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        pooling: Pooling = "mean",
        max_length: int | None = None,
        rank: int = 8,
        target_modules: list[str] | None = None,
        learning_rate: float = 1e-3,
        epochs: int = 5,
        patience: int = 2,
        batch_size: int = 16,
        weight_decay: float = 0.01,
        device: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.max_length = max_length
        self.rank = rank
        self.target_modules = target_modules
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.device = device
        self.cache_dir = cache_dir
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, X_val: Any = None, y_val: Any = None
    ) -> LoraClassifier:
        """Fine-tune the model as it comes, whatever was learned before.

        Parameters
        ----------
        X : sequence of str, Series, or DataFrame or array with one or two columns
            Texts, or pairs of texts.
        y : array-like of shape (n_texts,)
            At least two classes.
        X_val, y_val : like X and y, optional
            Texts by whose loss the best epoch is kept; all epochs are run without.

        Returns
        -------
        LoraClassifier

        Raises
        ------
        InputError
            For a text that is missing or is no text, by its row; if the model cannot be
            loaded or changed, or training does not converge.
        ValueError
            For fewer than two classes, or a class of ``y_val`` that ``y`` lacks.
        ModuleNotFoundError
            Without ``salutary[text]``; says how to install it.
        """
        with needs("text"):
            from salutary.deep.lora import fine_tune
        check_held(X_val, y_val)
        texts, plan, held = as_texts(X), self._plan(), None
        self.classes_, codes = encode_training_labels(y, texts)
        if X_val is not None:
            held_texts = as_texts(X_val)
            codes_val = encode_validation_labels(y_val, self.classes_, held_texts)
            held = held_texts, codes_val
        loaded = self.load_base()
        warn_of_cut(loaded, texts)
        self.base_fingerprint_ = loaded.fingerprint.hex()
        base = self._embedded(texts, loaded)
        first = LogisticRegression(max_iter=1000).fit(base, codes)
        seed = check_random_state(self.random_state).randint(2**31)
        tuned = fine_tune(
            loaded,
            texts,
            codes,
            as_softmax(first),
            held,
            plan,
            self.rank,
            self.target_modules,
            seed,
        )
        self.coef_, self.intercept_ = tuned.layer
        self.n_epochs_ = tuned.n_epochs
        try:
            self._embedded(texts[:1], tuned.model)
        except InputError:
            raise InputError(
                "training went astray: the vectors are no numbers; pass a smaller "
                "learning rate"
            ) from None
        self._tuned, self._fitted_with = tuned.model, self.get_params()
        return self

    def embed(self, X: Any) -> Vectors:
        """Vectors of texts under the fine-tuned model.

        Parameters
        ----------
        X : sequence of str, Series, or DataFrame or array with one or two columns

        Returns
        -------
        ndarray of shape (n_texts, n_features), float32
        """
        check_is_fitted(self)
        return self._embedded(as_texts(X), self._tuned)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits, shape (n_texts, n_classes), for two classes too."""
        vectors = self.embed(X).astype(np.float64)
        logits: NDArray[np.float64] = vectors @ self.coef_.T + self.intercept_
        return logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities, shape (n_texts, n_classes)."""
        chances: NDArray[np.float64] = softmax(self.decision_function(X), axis=1)
        return chances

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each text, shape (n_texts,)."""
        best = self.decision_function(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the adapter and the linear layer as safetensors.

        Parameters
        ----------
        folder : path
            New, or an empty one. ``adapter_model.safetensors`` and
            ``adapter_config.json`` are peft's and can be loaded with it,
            ``layer.safetensors`` and ``classifier.json`` hold the rest.

        Raises
        ------
        InputError
            If there is something in the folder.
        """
        check_is_fitted(self)
        from salutary.deep.adapter_files import write_adapter

        write_adapter(self, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], **parameters: Any) -> LoraClassifier:
        """Read what `save` has written; nothing is unpickled and no code is run.

        Parameters
        ----------
        folder : path
        **parameters
            In place of those saved, for instance ``model`` where that lies elsewhere by
            now, or ``device``.

        Raises
        ------
        InputError
            If the folder holds no adapter, or its model is not the one it was made for.
        """
        with needs("text"):
            from salutary.deep.adapter_files import read_adapter
        return read_adapter(cls, Path(folder), parameters)

    def load_base(self) -> LanguageModel:
        """The language model as it comes.

        Raises
        ------
        InputError
            If it cannot be loaded or takes no changes of this rank, or a parameter is
            out of range.
        """
        with needs("text"):
            from salutary.deep.devices import pick_device
            from salutary.deep.language_model import load_language_model
        if not isinstance(self.rank, Integral) or self.rank < 1:
            raise InputError(f"rank must be a whole number from 1: {self.rank!r}")
        loaded = load_language_model(
            os.fspath(self.model),
            self.pooling,
            self.max_length,
            pick_device(self.device),
        )
        if getattr(loaded.model, "peft_config", None):
            raise InputError(
                f"{self.model}: has an adapter already; merge it into the model "
                "(peft's merge_and_unload) and pass that"
            )
        width = int(loaded.model.config.hidden_size)
        if self.rank > width:
            raise InputError(
                f"rank {self.rank} is above the model's width; pass {width} at most"
            )
        return loaded

    def _embedded(self, texts: list[Text], model: LanguageModel) -> Vectors:
        if not texts:
            return np.zeros((0, model.model.config.hidden_size), dtype=np.float32)
        return embed(
            texts,
            model.encode,
            model=model.fingerprint,
            as_bytes=as_bytes,
            size=n_characters,
            batch_size=2 * self.batch_size,
            n_features=int(model.model.config.hidden_size),
            folder=None if self.cache_dir is None else Path(self.cache_dir),
        )

    def _plan(self) -> Plan:
        from salutary.deep.training import Plan

        return Plan(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            self.patience,
        )

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "_tuned"):
            raise TypeError("a fitted LoraClassifier is not pickled; use save and load")
        return dict(super().__getstate__())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_tuned")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


def as_softmax(model: LogisticRegression) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coefficients and intercepts with a row for each class, of two classes too."""
    coef, intercept = model.coef_, model.intercept_
    if len(coef) == 1:
        return np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    return coef, intercept


def warn_of_cut(model: LanguageModel, texts: list[Text]) -> None:
    """Warn of texts only the beginnings of which are looked at."""
    n_cut = model.n_cut(texts)
    if n_cut:
        warnings.warn(
            f"{n_cut} of {len(texts)} texts have more than {model.max_length} tokens; "
            "only their beginnings count",
            UserWarning,
            stacklevel=3,
        )
