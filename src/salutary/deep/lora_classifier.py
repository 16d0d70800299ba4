"""``LoraClassifier``: a language model that is fine-tuned to classify texts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from salutary.deep.adapter_files import (
    SAVED_PARAMETERS,
    SavedAdapter,
    classifier_sha256,
    damage_refused,
    read_adapter,
    read_lora,
    write_adapter,
)
from salutary.deep.network_classifier import NetworkClassifier
from salutary.deep.soft_labels import as_labeled, check_soft, targets_of
from salutary.deep.texts import Text, as_texts, warn_of_cut
from salutary.deep.vectors import Vectors
from salutary.errors import InputError, MissingExtraError, needs
from salutary.influence.inputs import check_held
from salutary.influence.labels import encode_training_labels, encode_validation_labels
from salutary.names import Pooling

if TYPE_CHECKING:
    from salutary.deep.language_model import LanguageModel


class LoraClassifier(NetworkClassifier):
    """Fine-tune a language model by LoRA, with a linear layer on its vectors.

    The model's own weights stay frozen. Training learns low-rank updates of some weight
    matrices, and a linear layer that maps a text's vector to logits. The layer starts
    from the logistic regression on the base model's vectors. Needs ``salutary[text]``.

    Parameters
    ----------
    model : str or path
        Folder with a model, or name of a model on the Hugging Face hub, as for
        `TransformerEmbedder`.
    pooling : {"mean", "cls", "last"}, default="mean"
        How a text becomes a vector: the mean of its tokens' vectors, the first token's
        vector, or the last token's vector (for decoders).
    max_length : int, default=None
        Maximum number of tokens of a text; longer texts are truncated, with a warning.
        None is as many as `TransformerEmbedder` takes, no more than 512.
    rank : int, default=8
        Rank of the LoRA update matrices.
    target_modules : list of str, default=None
        Names of the layers that LoRA updates. None is peft's choice for this kind of
        model, mostly the query and value projections, else all linear layers.
    learning_rate : float, default=1e-3
        Peak learning rate. The rate rises during the first tenth of the steps, then
        falls to zero.
    epochs : int, default=5
        Maximum number of epochs. Training stops earlier if ``X_val`` is passed and its
        loss rises.
    patience : int, default=2
        Number of epochs without a lower loss on ``X_val`` after which training stops.
    batch_size : int, default=16
        Number of texts for each training step.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    device : str, default=None
        For instance "cpu" or "cuda:1". None is CUDA if available, else MPS, else the
        CPU.
    cache_dir : str or path, default=None
        Folder that keeps the vectors of texts, by the model's weights and the text.
        None keeps nothing.
    random_state : int, RandomState instance or None, default=None
        Seed of the update matrices and of the order of the texts. With an int, results
        repeat on the same machine and number of threads.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coef_ : ndarray of shape (n_classes, n_features), float64
        Coefficients of the linear layer.
    intercept_ : ndarray of shape (n_classes,), float64
        Intercepts of the linear layer.
    n_epochs_ : int
        Number of epochs that were kept: the best one on ``X_val``, or all.
    base_fingerprint_ : str
        SHA-256 of the base model, and of how it makes vectors.

    See Also
    --------
    SalutaryFineTuner : Fine-tunes a model on labels that influence assigns.
    TransformerEmbedder : Vectors of a language model that is not fine-tuned.

    References
    ----------
    Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, arXiv 2106.09685.
    Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution, arXiv 2202.10054 (where the linear layer starts).

    Examples
    --------
    Lines marked SKIP load the model from the Hugging Face hub.

    >>> from salutary import LoraClassifier
    >>> reviews = ["A delight.", "Dull and far too long.", "I loved it.", "A bore."]
    >>> sentiments = ["good", "bad", "good", "bad"]
    >>> X_val, y_val = ["A joy to watch.", "I hated it."], ["good", "bad"]
    >>> model = LoraClassifier("sentence-transformers/all-MiniLM-L6-v2", rank=4)

    Training stops when the loss on ``X_val`` rises, and the best epoch is kept:

    >>> model.fit(reviews, sentiments, X_val, y_val)  # doctest: +SKIP
    >>> model.predict(["Warm and funny."])  # doctest: +SKIP
    array(['good'], dtype='<U4')

    Save the adapter, and load it later or on another machine:

    >>> model.save("sentiment")  # doctest: +SKIP
    >>> LoraClassifier.load("sentiment", device="cpu")  # doctest: +SKIP
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
        super().__init__(
            learning_rate=learning_rate,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            weight_decay=weight_decay,
            device=device,
            cache_dir=cache_dir,
            random_state=random_state,
        )
        self.model = model
        self.pooling = pooling
        self.max_length = max_length
        self.rank = rank
        self.target_modules = target_modules

    def fit(
        self,
        X: Any,
        y: Any,
        X_val: Any = None,
        y_val: Any = None,
        *,
        X_soft: Any = None,
        y_soft: Any = None,
        soft_weight: float = 1.0,
    ) -> LoraClassifier:
        """Fine-tune the base model; earlier calls of ``fit`` have no effect.

        Parameters
        ----------
        X : sequence of str, Series, or DataFrame or array with one or two columns
            Texts; two columns are pairs of texts.
        y : array-like of shape (n_texts,)
            Labels, of at least two classes.
        X_val : like X, optional
            Texts that are not trained on. The epoch with the lowest loss on them is
            kept. Without them, all epochs are run.
        y_val : array-like of shape (n_val_texts,), optional
            Labels of ``X_val``.
        X_soft : like X, optional
            Rows to be trained on as well, to predict ``y_soft``.
        y_soft : array-like of shape (n_soft_rows, n_classes), optional
            Probabilities of the sorted classes, as of a ``predict_proba``.
        soft_weight : float, default=1.0
            Weight of each row of ``X_soft``; a row of ``X`` weighs 1.

        Returns
        -------
        LoraClassifier

        Raises
        ------
        InputError
            If a text is missing or not a string (the message names its row), the model
            cannot be loaded or updated, a parameter is out of range, or training
            diverges.
        ValueError
            If there are fewer than two classes, ``y_val`` has a class that ``y`` lacks,
            or the rows of ``y_soft`` are no probabilities.
        ModuleNotFoundError
            If the extra ``salutary[text]`` is not installed.
        """
        with needs("text"):
            from salutary.deep.lora import as_softmax, fine_tune
        check_held(X_val, y_val)
        texts, plan, validation = as_texts(X), self._plan(), None
        classes, codes = encode_training_labels(y, texts)
        if X_val is not None:
            held = as_texts(X_val)
            validation = held, encode_validation_labels(y_val, classes, held)
        soft = check_soft(X_soft, y_soft, soft_weight, len(classes))
        texts = [*texts, *([] if soft is None else as_texts(soft.X))]
        base = self.load_base()
        warn_of_cut(base, texts)
        base_fingerprint = base.fingerprint.hex()
        rows, labels, weight = as_labeled(codes, soft)
        vectors = self._embedded(texts, base)[rows]
        first = LogisticRegression(max_iter=1000).fit(vectors, labels, weight)
        tuned = fine_tune(
            *(base, texts, *targets_of(codes, soft), as_softmax(first), validation),
            *(plan, self.rank, self.target_modules, self._draw_seed()),
            self._cache_folder(),
        )
        # Set together and last, so that a fit that fails leaves the one before whole.
        self.classes_, self.base_fingerprint_ = classes, base_fingerprint
        self.coef_, self.intercept_ = tuned.layer
        self._tuned, self._fitted_with = tuned.model, self.get_params()
        self.n_epochs_ = tuned.n_epochs
        return self

    def embed(self, X: Any) -> Vectors:
        """Vectors of texts under the fine-tuned model.

        Parameters
        ----------
        X : like X of ``fit``

        Returns
        -------
        ndarray of shape (n_texts, n_features), float32
        """
        check_is_fitted(self)
        return self._embedded(as_texts(X), self._tuned)

    def embed_frozen(self, X: Any) -> Vectors:
        """Vectors of texts under the base model, before any fine-tuning."""
        return self._embedded(as_texts(X), self.load_base())

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits of texts.

        Parameters
        ----------
        X : like X of ``fit``

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float64
            One column for each class, also for two classes.
        """
        vectors = self.embed(X).astype(np.float64)
        logits: NDArray[np.float64] = vectors @ self.coef_.T + self.intercept_
        return logits

    def _divide_logits(self, temperature: float) -> None:
        # In the linear layer, the temperature is saved with the rest.
        self.coef_ = self.coef_ / temperature
        self.intercept_ = self.intercept_ / temperature

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the adapter and the linear layer into a folder.

        The base model is not written. ``adapter_model.safetensors`` and
        ``adapter_config.json`` are in peft's format and can be loaded with peft;
        ``layer.safetensors`` and ``classifier.json`` hold the rest.

        Parameters
        ----------
        folder : str or path
            A new or empty folder.

        Raises
        ------
        InputError
            If the folder is not empty, or the class labels are neither strings nor
            numbers.
        """
        check_is_fitted(self)
        lora = self._tuned.model
        parameters = {name: self._fitted_with[name] for name in SAVED_PARAMETERS}
        parameters["model"] = str(parameters["model"])
        targets = lora.peft_config["default"].target_modules
        parameters["target_modules"] = sorted(targets)
        saved = SavedAdapter(
            parameters=parameters,
            classes=self.classes_,
            n_epochs=self.n_epochs_,
            base_fingerprint=self.base_fingerprint_,
            coef=self.coef_,
            intercept=self.intercept_,
            fingerprint=classifier_sha256(
                self._tuned, self.coef_, self.intercept_, self.classes_
            ),
        )
        write_adapter(saved, lora, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], **parameters: Any) -> LoraClassifier:
        """Read a classifier that `save` has written.

        Nothing is unpickled, and no code in the folder is run.

        Parameters
        ----------
        folder : str or path
        **parameters
            Replace saved parameters, for instance ``model`` if the base model has
            moved, or set others, for instance ``device``.

        Returns
        -------
        LoraClassifier

        Raises
        ------
        InputError
            If a file of the adapter is missing or damaged, or ``model`` is not the base
            model of the adapter.
        ModuleNotFoundError
            If the extra ``salutary[text]`` is not installed.
        """
        folder = Path(folder)
        cls(**{"model": "", **parameters})  # refuses unknown names before any reading
        with damage_refused(folder):
            saved = read_adapter(folder)
            kept = {name: saved.parameters[name] for name in SAVED_PARAMETERS}
            classifier = cls(**{**kept, **parameters})
            classifier._restore(saved, folder)
        return classifier

    def _restore(self, saved: SavedAdapter, folder: Path) -> None:
        """Become the fitted classifier of a folder, if it is undamaged."""
        try:
            self._plan()  # refuses numbers out of range
            base = self.load_base(saved.base_fingerprint)
        except MissingExtraError:
            raise
        except InputError as error:
            raise InputError(f"{folder}: {error}") from None
        name, layers = str(self.model), self.target_modules
        tuned = read_lora(saved, folder, base, name, self.rank, layers)
        self.classes_, self.base_fingerprint_ = saved.classes, saved.base_fingerprint
        self.coef_, self.intercept_ = saved.coef, saved.intercept
        self._tuned, self._fitted_with = tuned, self.get_params()
        self.n_epochs_ = saved.n_epochs

    def load_base(self, fingerprint: str | None = None) -> LanguageModel:
        """Load the base model, before any fine-tuning.

        Parameters
        ----------
        fingerprint : str, optional
            The one it is expected to have, see `load_language_model`.

        Raises
        ------
        InputError
            If the model cannot be loaded, has an adapter already, or has fewer features
            than ``rank``; or if a parameter is out of range.
        """
        with needs("text"):
            from salutary.deep.devices import pick_device
            from salutary.deep.loading import load_language_model
            from salutary.deep.lora import check_rank, check_takes_lora
        check_rank(self.rank)
        loaded = load_language_model(
            os.fspath(self.model),
            self.pooling,
            self.max_length,
            pick_device(self.device),
            fingerprint,
        )
        check_takes_lora(loaded, str(self.model), self.rank)
        return loaded

    def _embedded(self, texts: list[Text], model: LanguageModel) -> Vectors:
        return model.embed(texts, 2 * self.batch_size, self._cache_folder())

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "_tuned"):
            raise TypeError(
                "a fitted LoraClassifier cannot be pickled; use its save and load"
            )
        return dict(super().__getstate__())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
