"""Read data sets from a local folder, or download them.

Their content must have the hash in the catalog, so that a truncated, edited or
reordered file is noticed before anything is computed on it.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from salutary.errors import InputError
from salutary_benchmark.data.catalog import DataSet
from salutary_benchmark.data.fetching import FetchError, fetch

FOLDER_VARIABLE = "SALUTARY_DATA"
"""Environment variable with the folder of the data sets, used without ``--data``."""


@dataclass(frozen=True)
class Rows:
    """Features and classes of a data set, in the order of its source.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,), dtype intp
        Position of each row's class among the sorted classes.
    fingerprint : str
        SHA-256 of the raw content, see `content_sha256`.
    """

    X: Any
    y: NDArray[np.intp]
    fingerprint: str


def data_folder(given: Path | None) -> Path | None:
    """The folder of the data sets: the given one, or that of the environment.

    Returns
    -------
    Path or None
        None if neither is set; data sets are then downloaded.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    folder = given if given is not None else Path(named) if named else None
    if folder is not None and not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; pass the folder of the data sets as --data or "
            f"in {FOLDER_VARIABLE}, or neither to download them"
        )
    return folder


def load(data: DataSet, folder: Path | None) -> Rows:
    """Read or download a data set, check it, and prepare it.

    Parameters
    ----------
    data : DataSet
    folder : Path or None
        None downloads the data set, or reads an earlier download.

    Returns
    -------
    Rows

    Raises
    ------
    InputError
        If the file is missing or damaged, or is not the one of the catalog.

    Warns
    -----
    UserWarning
        If a download is not the one of the catalog, as published copies change.
    """
    raw, found, where = _read(data, folder)
    if found != data.fingerprint:
        foreign = f"{where}: is not the copy of {data.title} that results were made on"
        if folder is not None and data.file:
            raise InputError(f"{foreign}; restore the file from {data.source}")
        warnings.warn(f"{foreign}, so figures will differ", UserWarning, stacklevel=2)
    try:
        X, labels = data.prepare(raw)
    except KeyError as error:
        raise InputError(f"{where}: has no column {error}; it has changed") from None
    y = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    return Rows(X, y, found)


def _read(data: DataSet, folder: Path | None) -> tuple[Any, str, str]:
    """The raw content, its hash, and where it came from."""
    if folder is None or not data.file:
        try:
            raw = fetch(data.name)
            return raw, content_sha256(raw), data.source
        except FetchError as error:
            raise InputError(
                f"{data.name}: {error}; put {data.file} in a folder and pass it as "
                f"--data or in {FOLDER_VARIABLE}"
            ) from None
    path = folder / data.file
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; put {data.title} ({data.source}) there, or pass no "
            "--data to download it"
        )
    try:
        raw = pd.read_parquet(path) if path.suffix == ".parquet" else read_arrays(path)
        return raw, content_sha256(raw), str(path)
    except PermissionError:
        raise InputError(f"{path}: cannot be read; fix its permissions") from None
    except Exception:
        # A damaged file can raise anything.
        raise InputError(
            f"{path}: is damaged or cut short; restore it from {data.source}"
        ) from None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file; a damaged file can raise any exception."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


_BOOKKEEPING = ["split", "domain"]


def content_sha256(raw: pd.DataFrame | dict[str, NDArray[Any]]) -> str:
    """SHA-256 of the content of a table or of arrays, whatever file held it.

    Numbers are hashed as float64 and everything else as text, so that the same rows
    have the same hash from CSV, ARFF and Parquet. Columns that say which part of a text
    corpus a row belongs to are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> whole = pd.DataFrame({"a": [1, 2], "label": ["x", "y"]})
    >>> content_sha256(whole) == content_sha256(whole.astype({"a": float}))
    True
    >>> content_sha256(whole) == content_sha256(whole[::-1])
    False
    """
    digest = hashlib.sha256()
    if isinstance(raw, dict):
        for name in ("x_train", "y_train", "x_test", "y_test"):
            if name not in raw:
                return f"no array {name}"
            digest.update(np.ascontiguousarray(raw[name]).tobytes())
        return digest.hexdigest()
    for name in raw.columns.drop(_BOOKKEEPING, errors="ignore"):
        column = raw[name]
        if pd.api.types.is_numeric_dtype(column):
            # Not every version of pandas hashes -0.0 as 0.0.
            column = column.astype(np.float64) + 0.0
        else:
            column = column.astype("str")
        digest.update(str(name).encode())
        digest.update(
            pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes()
        )
    return digest.hexdigest()
