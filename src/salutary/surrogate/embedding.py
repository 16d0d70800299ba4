"""Embed rows in batches, each different one once, and keep the vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salutary.errors import InputError
from salutary.surrogate.progress import report
from salutary.surrogate.vectors import Vectors, VectorStore, open_store

Encode = Callable[[list[Any]], Vectors]
"""A batch of rows to their vectors, shape (n_rows, n_features), float32."""


def embed(
    rows: Sequence[Any],
    encode: Encode,
    *,
    model: bytes,
    as_bytes: Callable[[Any], bytes],
    size: Callable[[Any], int],
    batch_size: int,
    n_features: int,
    folder: Path | None = None,
) -> Vectors:
    """Vectors of rows, from the store where it has them.

    Parameters
    ----------
    rows : sequence
    encode : callable
        Asked for each different row that the store lacks, once.
    model : bytes
        Fingerprint of all that makes the vectors.
    as_bytes : callable
        A row's content.
    size : callable
        What an encoded row costs; rows of like size share a batch, the largest first,
        so that too large a batch fails at once.
    batch_size, n_features : int
    folder : Path, optional
        Of the store; without it nothing is kept.

    Returns
    -------
    ndarray of shape (n_rows, n_features), float32

    Raises
    ------
    InputError
        If the model makes anything but finite numbers, or the store cannot be used.
    """
    keys = [hashlib.sha256(model + as_bytes(row)).digest() for row in rows]
    different = dict(zip(keys, rows, strict=True))
    with open_store(folder) as store:
        found = store.get(list(different), n_features)
        missing = [key for key in different if key not in found]
        missing.sort(key=lambda key: -size(different[key]))
        new = _encoded(missing, different, encode, batch_size, store)
    known = {**found, **new}
    return np.stack([known[key] for key in keys])


def _encoded(
    missing: list[bytes],
    rows: dict[bytes, Any],
    encode: Encode,
    batch_size: int,
    store: VectorStore,
) -> dict[bytes, Vectors]:
    """Vectors of the missing rows, each batch in the store before the next is made."""
    found: dict[bytes, Vectors] = {}
    for first in range(0, len(missing), batch_size):
        batch = missing[first : first + batch_size]
        vectors = encode([rows[key] for key in batch])
        if not np.isfinite(vectors).all():
            raise InputError(
                "the embedding model makes vectors that are not finite; pass a "
                "sound one, or rows of another scale"
            )
        store.add(batch, vectors)
        found.update(zip(batch, vectors, strict=True))
        report(first + len(batch), len(missing))
    return found
