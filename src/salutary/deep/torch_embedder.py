"""``TorchEmbedder``: rows to the output of a layer of any torch module."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from salutary.deep.rows import as_pandas
from salutary.deep.vectors import Vectors, embed
from salutary.errors import InputError, needs

if TYPE_CHECKING:
    import torch


class TorchEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Embed rows by the output of a named layer of a torch module.

    The module is used as it is at each call: after further training, the vectors are
    those of the new weights. Needs ``salutary[torch]``.

    Parameters
    ----------
    module : torch.nn.Module
        Takes a float32 tensor of shape (n_rows, ...).
    layer : str
        Name of a layer, as in ``module.named_modules()``, for instance "features.3".
        Its output is flattened to one vector for each row.
    batch_size : int, default=256
        Maximum number of rows that are encoded together.
    device : str, default=None
        For instance "cpu" or "cuda:1". None is CUDA if available, else MPS, else the
        CPU.
    cache_dir : str or path, default=None
        Folder that keeps vectors for later calls and runs, by the module's weights, its
        ``repr`` and the row. Do not reuse it for a module whose ``forward`` has changed
        in any other way. None keeps nothing.

    Attributes
    ----------
    n_features_out_ : int
        Length of a vector.

    See Also
    --------
    TorchClassifier : Trains the module as well.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from salutary import TorchEmbedder
    >>> module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 2))
    >>> embedder = TorchEmbedder(module, "0", device="cpu")
    >>> embedder.fit_transform(np.ones((4, 3))).shape
    (4, 5)
    """

    def __init__(
        self,
        module: torch.nn.Module,
        layer: str,
        *,
        batch_size: int = 256,
        device: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.module = module
        self.layer = layer
        self.batch_size = batch_size
        self.device = device
        self.cache_dir = cache_dir

    def fit(self, X: Any, y: Any = None) -> TorchEmbedder:
        """Check the module on the first row; nothing is trained.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            At least one row.
        y : ignored

        Returns
        -------
        TorchEmbedder
            The embedder itself.

        Raises
        ------
        ValueError
            If the module has no such layer, cannot take the rows, or the layer does not
            return one vector for each row.
        ModuleNotFoundError
            If the extra ``salutary[torch]`` is not installed.
        """
        self._check()
        layers = [name for name, _ in self.module.named_modules() if name]
        if self.layer not in layers:
            known = ", ".join(layers[:20]) + (", ..." if len(layers) > 20 else "")
            raise ValueError(
                f"the module has no layer {self.layer!r}; it has {known or 'none'}"
            )
        rows = as_rows(X)
        if not len(rows):
            raise ValueError("there are no rows; pass at least one")
        self.n_features_out_ = self._encode(list(rows[:1])).shape[1]
        return self

    def transform(self, X: Any) -> Vectors:
        """Vectors of rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_features_out), float32

        Raises
        ------
        InputError
            If a vector is not finite, or the store in ``cache_dir`` cannot be used.
        ValueError
            If the module cannot take the rows.
        """
        check_is_fitted(self)
        self._check()
        rows = as_rows(X)
        if not len(rows):
            return np.zeros((0, self.n_features_out_), dtype=np.float32)
        from salutary.deep.devices import weights_sha256

        return embed(
            list(rows),
            self._encode,
            # Sizes and strides of layers are in the module's repr, not in its weights.
            model=weights_sha256(self.module, str(self.module), self.layer),
            as_bytes=lambda row: f"{row.shape}".encode() + row.tobytes(),
            size=lambda row: 0,
            batch_size=self.batch_size,
            n_features=self.n_features_out_,
            folder=None if self.cache_dir is None else Path(self.cache_dir),
        )

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the output features, for instance "features.3.0"."""
        check_is_fitted(self)
        names = [f"{self.layer}.{number}" for number in range(self.n_features_out_)]
        return np.asarray(names, dtype=object)

    def _encode(self, rows: list[NDArray[np.float32]]) -> Vectors:
        with needs("torch"):
            import torch

            from salutary.deep.devices import pick_device
        device = pick_device(self.device)
        module = self.module.to(device)
        was_training, caught = module.training, []
        hook = module.get_submodule(self.layer).register_forward_hook(
            lambda layer, inputs, output: caught.append(output)
        )
        try:
            with torch.inference_mode():
                module.eval()(torch.from_numpy(np.stack(rows)).to(device))
        except RuntimeError as error:
            cause = str(error).splitlines()[0]
            raise ValueError(
                f"the module cannot take rows of shape {rows[0].shape}: {cause}"
            ) from None
        finally:
            hook.remove()
            module.train(was_training)
        if not caught:
            raise ValueError(
                f"the module does not use layer {self.layer!r}; pass another layer"
            )
        if not isinstance(caught[-1], torch.Tensor):
            raise ValueError(
                f"layer {self.layer!r} returns {type(caught[-1]).__name__}, not a "
                "tensor; pass another layer"
            )
        output = caught[-1].detach()
        if output.ndim < 2 or len(output) != len(rows):
            raise ValueError(
                f"layer {self.layer!r} returns shape {tuple(output.shape)} for "
                f"{len(rows)} rows, not one vector for each row; pass another layer"
            )
        vectors: Vectors = output.flatten(1).float().cpu().numpy()
        return vectors

    def _check(self) -> None:
        check_module(self.module)
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags


def as_rows(X: Any) -> NDArray[np.float32]:
    """Rows as a float32 array of shape (n_rows, ...), as a module takes them."""
    if sparse.issparse(X):
        raise InputError(
            "X is a sparse matrix, which no module takes; pass X.toarray()"
        )
    rows = np.ascontiguousarray(as_pandas(X, "X"), dtype=np.float32)
    if rows.ndim < 2:
        raise ValueError(
            f"rows have shape {rows.shape}; pass an array of shape (n_rows, ...)"
        )
    return rows


def check_module(module: Any) -> None:
    """Refuse anything that is not a torch module, for instance a module's class.

    Raises
    ------
    ValueError
    """
    with needs("torch"):
        import torch
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"module is {module!r}, not a torch.nn.Module; pass a module")
