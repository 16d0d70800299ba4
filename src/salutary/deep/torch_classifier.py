"""``TorchClassifier``: any torch module, trained as a whole to tell classes apart."""

from __future__ import annotations

import os
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from salutary.deep.torch_embedder import TorchEmbedder, as_rows, check_module
from salutary.deep.vectors import Vectors
from salutary.errors import needs
from salutary.influence.inputs import check_held
from salutary.influence.labels import encode_training_labels, encode_validation_labels
from salutary.influence.objectives import row_log_loss

if TYPE_CHECKING:
    import torch


class TorchClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Train a torch module that gives logits.

    Needs ``salutary[torch]``.

    Parameters
    ----------
    module : torch.nn.Module
        Takes a float32 tensor of shape (n_rows, ...) and returns logits of shape
        (n_rows, n_classes). It is left as it is; copies of it are trained.
    layer : str
        As in ``module.named_modules()``; what it returns, flattened, are a row's
        embeddings.
    learning_rate : float, default=1e-3
        The largest; it rises in the first tenth of the steps and then falls to zero.
    epochs : int, default=50
        At most.
    patience : int, default=10
        Epochs without a lower loss on ``X_val`` after which training ends.
    batch_size : int, default=16
        Rows a step.
    weight_decay : float, default=0.01
    device : str, default=None
        For instance "cpu" or "cuda:1"; None for CUDA, else MPS, else the CPU.
    cache_dir : path, default=None
        Folder that keeps every vector, by the module's weights and the row; whatever
        else changes what the module does is not seen.
    random_state : int, RandomState instance or None, default=None
        Decides the order of the rows and what is dropped out. The same on one machine
        and number of threads.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    module_ : torch.nn.Module
        Trained.
    n_epochs_ : int
        Epochs that were kept.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Linear(8, 2))
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> model = TorchClassifier(module, "0", epochs=200, random_state=0, device="cpu")
    >>> model.fit(X, ["a", "b"]).predict(X).tolist()
    ['a', 'b']
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
        self.module = module
        self.layer = layer
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
    ) -> TorchClassifier:
        """Train a copy of the module, whatever was learned before.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
        y : array-like of shape (n_rows,)
            At least two classes.
        X_val, y_val : like X and y, optional
            Rows by whose loss the best epoch is kept; all epochs are run without.

        Returns
        -------
        TorchClassifier

        Raises
        ------
        ValueError
            If the module has no such layer, cannot take the rows, or gives another
            number of logits than there are classes.
        ModuleNotFoundError
            Without ``salutary[torch]``; says how to install it.
        """
        with needs("torch"):
            import torch

            from salutary.deep.devices import pick_device
            from salutary.deep.training import Plan, seeded, train
        check_module(self.module)
        check_held(X_val, y_val)
        rows = _finite(as_rows(X), "X")
        self.classes_, codes = encode_training_labels(y, rows)
        held = None
        if X_val is not None:
            held = _finite(as_rows(X_val), "X_val")
            held_codes = encode_validation_labels(y_val, self.classes_, held)
        plan = Plan(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            self.patience,
        )
        device = self._device = pick_device(self.device)
        self.module_ = deepcopy(self.module).to(device)
        self._check_module(rows[:1])
        inputs = torch.tensor(rows, device=device)
        held_loss = None
        if held is not None:
            held_loss = partial(self._mean_loss, held, held_codes)
        with seeded(check_random_state(self.random_state).randint(2**31), device):
            self.n_epochs_ = train(
                self.module_,
                lambda batch: self.module_(inputs[batch]),
                torch.from_numpy(codes).to(device),
                plan,
                held_loss,
            )
        return self

    def embed(self, X: Any) -> Vectors:
        """What the layer makes of rows, shape (n_rows, n_features), float32."""
        check_is_fitted(self)
        vectors: Vectors = self._embedder().fit_transform(as_rows(X))
        return vectors

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits, shape (n_rows, n_classes), for two classes too."""
        check_is_fitted(self)
        return self._logits(as_rows(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities, shape (n_rows, n_classes)."""
        chances: NDArray[np.float64] = softmax(self.decision_function(X), axis=1)
        return chances

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row, shape (n_rows,)."""
        best = self.decision_function(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def _logits(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        import torch

        found = [np.zeros((0, len(self.classes_)))]
        with torch.inference_mode():
            for begin in range(0, len(rows), 256):
                # A copy: a module may work in place.
                batch = torch.tensor(rows[begin : begin + 256], device=self._device)
                try:
                    logits = self.module_(batch)
                except RuntimeError as error:
                    raise ValueError(
                        f"the module cannot take rows of shape {rows.shape[1:]}: "
                        f"{str(error).splitlines()[0]}"
                    ) from None
                found.append(logits.double().cpu().numpy())
        return np.concatenate(found)

    def _embedder(self) -> TorchEmbedder:
        return TorchEmbedder(
            self.module_, self.layer, device=self.device, cache_dir=self.cache_dir
        )

    def _check_module(self, row: NDArray[np.float32]) -> None:
        """Refuse a layer that is not there, and logits for other classes."""
        import torch

        self._embedder().fit(row)
        self.module_.eval()
        with torch.inference_mode():
            logits = self.module_(torch.tensor(row, device=self._device))
        shape = tuple(getattr(logits, "shape", (type(logits).__name__,)))
        if shape != (1, len(self.classes_)):
            raise ValueError(
                f"the module returns shape {shape} for a row, but there are "
                f"{len(self.classes_)} classes; give it a last layer of as many logits"
            )

    def _mean_loss(self, rows: Any, codes: NDArray[np.intp]) -> float:
        return float(row_log_loss(self._logits(rows), codes).mean())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_epochs_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags


def _finite(rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """The rows, if all of them are numbers."""
    finite = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise ValueError(
            f"{name} has NaN, or a value that float32 cannot hold, in row {bad[0]}; "
            "fill it, or drop the row"
        )
    return rows
