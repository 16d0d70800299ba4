"""``TorchClassifier``: any torch module, trained as a classifier."""

from __future__ import annotations

import os
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from salutary.deep.network_classifier import NetworkClassifier
from salutary.deep.soft_labels import SoftRows, check_soft, targets_of
from salutary.deep.torch_embedder import TorchEmbedder, as_rows, check_module
from salutary.deep.vectors import Vectors
from salutary.errors import InputError, needs
from salutary.influence.inputs import check_held
from salutary.influence.labels import encode_training_labels, encode_validation_labels
from salutary.influence.objectives import row_log_loss

if TYPE_CHECKING:
    import torch


class TorchClassifier(NetworkClassifier):
    """Train all parameters of a torch module that returns logits.

    Needs ``salutary[torch]``.

    Parameters
    ----------
    module : torch.nn.Module
        Takes a float32 tensor of shape (n_rows, ...) and returns logits of shape
        (n_rows, n_classes). A copy of it is trained; the module itself stays as it is.
    layer : str
        Name of the layer whose flattened output is a row's embedding, as in
        ``module.named_modules()``.
    learning_rate : float, default=1e-3
        Peak learning rate. The rate rises during the first tenth of the steps, then
        falls to zero.
    epochs : int, default=50
        Maximum number of epochs. Training stops earlier if ``X_val`` is passed and its
        loss rises.
    patience : int, default=10
        Number of epochs without a lower loss on ``X_val`` after which training stops.
    batch_size : int, default=16
        Number of rows for each training step.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    device : str, default=None
        For instance "cpu" or "cuda:1". None is CUDA if available, else MPS, else the
        CPU.
    cache_dir : str or path, default=None
        Folder that keeps embeddings, by the module's weights, its ``repr`` and the row.
        Do not reuse it for a module whose ``forward`` has changed in any other way.
        None keeps nothing.
    random_state : int, RandomState instance or None, default=None
        Seed of the order of the rows and of dropout. With an int, results repeat on the
        same machine and number of threads.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    module_ : torch.nn.Module
        The trained copy of ``module``.
    temperature_ : float
        Number that logits are divided by: 1, unless ``set_temperature`` was called.
    n_epochs_ : int
        Number of epochs that were kept: the best one on ``X_val``, or all.

    See Also
    --------
    SalutaryFineTuner : Fine-tunes a model on labels that influence assigns.
    TorchEmbedder : Embeddings of a module that is not trained.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from salutary import TorchClassifier
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Linear(8, 2))
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> model = TorchClassifier(module, "0", epochs=200, random_state=0, device="cpu")
    >>> model.fit(X, ["a", "b"]).predict(X).tolist()
    ['a', 'b']

    The embeddings are the outputs of the layer named "0":

    >>> model.embed(X).shape
    (2, 8)
    """

    def __init__(
        self,
        module: torch.nn.Module,
        layer: str,
        *,
        learning_rate: float = 1e-3,
        epochs: int = 50,
        patience: int = 10,
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
        self.module = module
        self.layer = layer

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
    ) -> TorchClassifier:
        """Train a copy of the module; earlier calls of ``fit`` have no effect.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            Rows of numbers, in the shape that the module takes.
        y : array-like of shape (n_rows,)
            Labels, of at least two classes.
        X_val : array-like of shape (n_val_rows, ...), optional
            Rows that are not trained on. The epoch with the lowest loss on them is
            kept. Without them, all epochs are run.
        y_val : array-like of shape (n_val_rows,), optional
            Labels of ``X_val``.
        X_soft : array-like of shape (n_soft_rows, ...), optional
            Rows to be trained on as well, to predict ``y_soft``.
        y_soft : array-like of shape (n_soft_rows, n_classes), optional
            Probabilities of the sorted classes, as of a ``predict_proba``.
        soft_weight : float, default=1.0
            Weight of each row of ``X_soft``; a row of ``X`` weighs 1.

        Returns
        -------
        TorchClassifier

        Raises
        ------
        InputError
            If a parameter is out of range, or training diverges.
        ValueError
            If the module has no such layer, cannot take the rows, or returns another
            number of logits than there are classes; or if the rows, labels or
            probabilities cannot be used.
        ModuleNotFoundError
            If the extra ``salutary[torch]`` is not installed.
        """
        with needs("torch"):
            import torch

            from salutary.deep.devices import pick_device
            from salutary.deep.training import seeded, train
        check_module(self.module)
        check_held(X_val, y_val)
        rows = _finite(as_rows(X), "X")
        classes, codes = encode_training_labels(y, rows)
        soft = check_soft(X_soft, y_soft, soft_weight, len(classes))
        validation_loss = None
        if X_val is not None:
            val_rows = _finite(as_rows(X_val), "X_val")
            val_codes = encode_validation_labels(y_val, classes, val_rows)
        plan, device = self._plan(), pick_device(self.device)
        module = deepcopy(self.module).to(device)
        self._check_logits(module, torch.tensor(rows[:1], device=device), len(classes))
        if X_val is not None:
            validation_loss = partial(_mean_loss, module, device, val_rows, val_codes)
        targets, weight = targets_of(codes, soft)
        inputs = torch.tensor(_with_soft(rows, soft), device=device)
        with seeded(self._draw_seed(), device):
            n_epochs = train(
                module,
                lambda batch: _trained_logits(module, inputs[batch]),
                torch.from_numpy(targets).to(device),
                plan,
                validation_loss,
                weight=None if weight is None else torch.from_numpy(weight).to(device),
            )
        # Set together and last, so that a fit that fails leaves the one before whole.
        self.classes_, self.module_, self._device = classes, module, device
        self.temperature_, self.n_epochs_ = 1.0, n_epochs
        return self

    def embed(self, X: Any) -> Vectors:
        """Embeddings of rows: the flattened output of ``layer``.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_features), float32
        """
        check_is_fitted(self)
        vectors: Vectors = self._embedder(self.module_).fit_transform(as_rows(X))
        return vectors

    def embed_frozen(self, X: Any) -> Vectors:
        """Embeddings of rows under ``module`` as it is, before any training."""
        check_module(self.module)
        vectors: Vectors = self._embedder(self.module).fit_transform(as_rows(X))
        return vectors

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits of rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_classes), float64
            One column for each class, also for two classes.
        """
        check_is_fitted(self)
        rows = as_rows(X)
        if not len(rows):
            return np.zeros((0, len(self.classes_)))
        logits: NDArray[np.float64] = _logits(self.module_, self._device, rows)
        return logits / self.temperature_

    def _divide_logits(self, temperature: float) -> None:
        self.temperature_ *= temperature

    def _embedder(self, module: Any) -> TorchEmbedder:
        return TorchEmbedder(
            module, self.layer, device=self.device, cache_dir=self.cache_dir
        )

    def _check_logits(self, module: Any, row: torch.Tensor, n_classes: int) -> None:
        """Refuse a layer that does not exist, and a wrong number of logits."""
        import torch

        self._embedder(module).fit(row.cpu().numpy())
        module.eval()
        with torch.inference_mode():
            logits = module(row)
        shape = tuple(getattr(logits, "shape", (type(logits).__name__,)))
        if shape != (1, n_classes):
            raise ValueError(
                f"the module returns shape {shape} for a row, but there are "
                f"{n_classes} classes; its last layer must return {n_classes} logits"
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags


def _logits(module: Any, device: Any, rows: NDArray[np.float32]) -> Any:
    """Logits of at least one row, shape (n_rows, n_classes), float64."""
    import torch

    found = []
    with torch.inference_mode():
        for begin in range(0, len(rows), 256):
            # A copy, because a module may change its input in place.
            batch = torch.tensor(rows[begin : begin + 256], device=device)
            try:
                logits = module(batch)
            except RuntimeError as error:
                raise ValueError(
                    f"the module cannot take rows of shape {rows.shape[1:]}: "
                    f"{str(error).splitlines()[0]}"
                ) from None
            found.append(logits.double().cpu().numpy())
    return np.concatenate(found)


def _mean_loss(
    module: Any, device: Any, rows: NDArray[np.float32], codes: NDArray[np.intp]
) -> float:
    return float(row_log_loss(_logits(module, device, rows), codes).mean())


def _trained_logits(module: Any, batch: torch.Tensor) -> torch.Tensor:
    """Logits of a batch while the module is trained."""
    try:
        logits: torch.Tensor = module(batch)
    except ValueError as error:
        # Batch normalization has no variance to divide by in a single row.
        raise InputError(
            f"the module cannot be trained on batches of {len(batch)} rows: "
            f"{str(error).splitlines()[0]}; pass another batch_size"
        ) from None
    return logits


def _with_soft(rows: NDArray[np.float32], soft: SoftRows | None) -> NDArray[np.float32]:
    """Labeled rows, and after them those with soft labels."""
    if soft is None:
        return rows
    others = _finite(as_rows(soft.X), "X_soft")
    if others.shape[1:] != rows.shape[1:]:
        raise ValueError(
            f"rows of X_soft have the shape {others.shape[1:]}, those of X "
            f"{rows.shape[1:]}; pass rows of the same"
        )
    return np.concatenate([rows, others])


def _finite(rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """The rows, after a check that all their numbers are finite."""
    finite = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise ValueError(
            f"{name} has NaN, or a value that float32 cannot hold, in row {bad[0]}; "
            "replace it, or drop the row"
        )
    return rows
