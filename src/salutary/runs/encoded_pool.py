"""Encode the rows of a large pool once: into a file here, or on a Ray cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from sklearn.pipeline import Pipeline

from salutary.arrays import FloatArray
from salutary.errors import InputError, counted
from salutary.pools.files import FilePool
from salutary.pools.protocol import Pool
from salutary.progress import Report, Stage
from salutary.tables.large_pool import LargePool
from salutary.tables.sources import Sources


def encode_here(
    pool: LargePool, encoder: Pipeline, n_features: int, sources: Sources, stage: Stage
) -> Pool:
    """Encode the rows of a large pool into a file, a batch at a time.

    Raises
    ------
    InputError
        If a value cannot be used, or the disk has no room.
    """
    size = _bytes(FilePool.size(pool.n_rows, n_features))
    with stage(f"encoding {pool.n_rows:,} rows of the pool ({size} on disk)") as report:
        return _encoded(pool, encoder, n_features, sources.scratch, report)


def encode_on_cluster(
    pool: LargePool, encoder: Pipeline, n_features: int, sources: Sources, stage: Stage
) -> Pool:
    """Encode the rows of a large pool on the machines of a Ray cluster.

    Each processor reads, encodes and keeps a part of them, on the disk of its machine.

    Raises
    ------
    InputError
        If Ray is not installed or no cluster answers, if the pool is not of Parquet, a
        value cannot be used, or a disk has no room.
    """
    from salutary.pools.cluster import RayPool, connect

    with stage("connecting to the Ray cluster"):
        n_processors = connect(sources.address)
    parts = pool.parts(n_processors)
    settings = encoder, n_features, sources.scratch
    encoded = RayPool(
        [(part.n_rows, partial(_encoded, part, *settings)) for part in parts],
        n_features,
    )
    spread = f"in {counted(len(parts), 'part')} on the Ray cluster"
    with stage(f"encoding {pool.n_rows:,} rows of the pool {spread}") as report:
        encoded.make(report)
    return encoded


def _encoded(
    pool: LargePool,
    encoder: Pipeline,
    n_features: int,
    scratch: Path | None,
    report: Report = lambda done, total: None,
) -> FilePool:
    folder = scratch or Path(gettempdir())
    size = FilePool.size(pool.n_rows, n_features)

    def encoded() -> Iterator[FloatArray]:
        n_done = 0
        for frame in pool.frames():
            yield np.asarray(encoder.transform(frame))
            n_done += len(frame)
            report(n_done, pool.n_rows)

    try:
        _check_room(folder, size)
        return FilePool.written(encoded(), pool.n_rows, n_features, folder)
    except OSError as error:
        raise InputError(
            f"{folder}: the encoded pool ({_bytes(size)}) cannot be written: "
            f"{error.strerror}; make room, or pass --scratch with a folder on another "
            "disk"
        ) from None


def _check_room(folder: Path, size: int) -> None:
    """Refuse to write more bytes than a disk has free."""
    missing = size - shutil.disk_usage(folder).free
    if missing > 0:
        raise InputError(
            f"{folder}: the encoded pool takes {_bytes(size)}, {_bytes(missing)} more "
            "than its disk has free; make room, or pass --scratch with a folder on "
            "another disk"
        )


def _bytes(number: int) -> str:
    """A number of bytes in the unit that suits it."""
    if number >= 1e9:
        return f"{number / 1e9:.1f} GB"
    return f"{max(number / 1e6, 0.1):.1f} MB"
