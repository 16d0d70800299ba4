"""A pool whose rows are on the machines of a Ray cluster."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import current_thread, main_thread
from typing import Any, Generic
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from salutary.arrays import BLOCK_ROWS, FloatArray, IntArray
from salutary.errors import InputError, needs
from salutary.pools.arrays import ArrayPool
from salutary.pools.arrow import numbers_of
from salutary.pools.protocol import A, Block, Pool, R
from salutary.progress import Report

with needs("ray"):
    import ray
    from ray._private import ray_constants


PATIENCE = 10.0
"""Seconds in which a cluster must answer."""


QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


def connect(address: str | None = None) -> int:
    """Connect to a Ray cluster, or start one on this machine; its number of processors.

    Parameters
    ----------
    address : str, optional
        As for ``ray.init``. Without it, the environment variable ``RAY_ADDRESS`` says
        which cluster. Without that too, one is started, which listens on loopback only
        and ends with this process.

    Raises
    ------
    InputError
        If no cluster answers.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if not ray.is_initialized():
        stops = signal.getsignal(signal.SIGTERM)
        try:
            _knock(address)
            if address is None:
                _start()
            else:
                ray.init(address, **QUIET)
        except (OSError, RuntimeError, ValueError) as error:
            words = [*str(error).splitlines(), type(error).__name__][0]
            raise InputError(
                f"Ray cluster {address or 'on this machine'}: cannot be used: "
                f"{words.rstrip('.')}; check --address, that 'ray status' finds it "
                "from here, and RAY_AUTH_MODE=token if it asks for a token"
            ) from None
        finally:  # Ray would print where in its own code the signal came
            if stops is not None and current_thread() is main_thread():
                signal.signal(signal.SIGTERM, stops)
    resources: dict[str, float] = ray.cluster_resources()
    return max(1, int(resources.get("CPU", 1)))


def _start() -> None:
    """Start a cluster of this machine, of which nothing is left in the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What the user waits for should not yield to everything else.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # Ray listens on loopback only where firewalls would ask, and else to the world.
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    # The paths of its sockets may not be long.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    atexit.register(_end, folder)
    try:
        ray.init("local", include_dashboard=False, _temp_dir=folder, **QUIET)
    finally:
        del os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR]
        ray_constants.ENABLE_RAY_CLUSTER = True


def _end(folder: str) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _knock(address: str | None) -> None:
    """Fail if nothing listens at an address; Ray itself would try for many minutes.

    Raises
    ------
    OSError, ValueError
    """
    url = address or ""
    place = urlsplit(url if "://" in url else f"//{url}")
    if place.hostname is not None and place.port is not None:
        socket.create_connection((place.hostname, place.port), PATIENCE).close()


class RayPool:
    """A `Pool` of which each part is in the memory, or on the disk, of some machine.

    A part belongs to a Ray actor. It makes its rows when they are first needed, and
    scores them there: only the best rows and sums travel. If a machine is lost, its
    parts are made again on others, and what was asked of them is computed again, so a
    loss costs no more than time.

    Parameters
    ----------
    parts : sequence of (int, callable)
        Number of rows of each part, in order, and a function that makes a `Pool` of
        them, numbered from 0. It is called without arguments, on any machine, and must
        make the same rows whenever it is called.
    n_features : int
    dtype : float32 or float64, default=float32
        Type of the rows.

    Notes
    -----
    `connect` comes first. Ray carries functions as pickles from here to machines of the
    cluster, and nowhere else.
    """

    def __init__(
        self,
        parts: Sequence[tuple[int, Callable[[], Pool]]],
        n_features: int,
        dtype: Any = np.float32,
    ) -> None:
        self.n_features = n_features
        self.dtype: np.dtype[np.floating] = np.dtype(dtype)
        ends = np.cumsum([n_rows for n_rows, _ in parts])
        self._ends: IntArray = ends.astype(np.intp)
        self.unlabeled: NDArray[np.bool_] = np.broadcast_to(np.True_, int(ends[-1]))
        self.weight: FloatArray = np.broadcast_to(np.float64(1.0), int(ends[-1]))
        self._numbers = count(1)
        holder = ray.remote(_Holder).options(
            max_restarts=-1, max_task_retries=-1, scheduling_strategy="SPREAD"
        )
        self._parts = [
            _Part(holder.remote(int(end) - n_rows), [ray.put(make)])
            for (n_rows, make), end in zip(parts, ends, strict=True)
        ]

    def make(self, report: Report) -> None:
        """Make the rows of all parts now, and tell how many are made."""
        n_rows_of = np.diff(self._ends, prepend=0).tolist()
        left = {
            part.make(): n_rows
            for part, n_rows in zip(self._parts, n_rows_of, strict=True)
        }
        n_done = 0
        while left:
            done, _ = ray.wait([*left])
            _results(done)
            n_done += sum(left.pop(ref) for ref in done)
            report(n_done, len(self.weight))

    def take(self, rows: IntArray) -> FloatArray:
        """The rows of the given numbers, in that order."""
        owner = np.searchsorted(self._ends, rows, side="right")
        owners = np.unique(owner).tolist()
        asked = [self._parts[own].take(rows[owner == own]) for own in owners]
        taken = np.empty((len(rows), self.n_features), dtype=self.dtype)
        for own, some in zip(owners, _results(asked), strict=True):
            taken[owner == own] = some
        return taken

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[Block]:
        """Yield (row numbers, rows) of the available rows, block by block.

        All of them travel to this machine.
        """
        for batch in gen_batches(len(available), BLOCK_ROWS):
            rows = batch.start + np.flatnonzero(available[batch])
            if len(rows):
                yield rows, self.take(rows)

    def scan(
        self, work: Callable[[Iterable[Block]], R], n_jobs: int | None = None
    ) -> RayScan[R]:
        """Pass all rows to a function, see `Pool.scan`."""
        return RayScan(self._parts, next(self._numbers), ray.put(work))


@dataclass(frozen=True)
class RayScan(Generic[R]):
    """A `Scan` whose parts are on other machines.

    The pass is made at the first question.
    """

    parts: list[_Part]
    number: int
    work: Any

    def ask(self, question: Callable[[R], A]) -> list[A]:
        """The answer of each part."""
        return _results(
            [part.ask(self.number, self.work, question) for part in self.parts]
        )


@dataclass(frozen=True)
class _Part:
    """A part of a pool as seen from here.

    Each call brings the function that makes the rows, in a list, so that it is only
    fetched where they have to be made.
    """

    holder: Any
    maker: list[Any]

    def make(self) -> Any:
        return self.holder.make.remote(self.maker)

    def take(self, rows: IntArray) -> Any:
        return self.holder.take.remote(self.maker, rows)

    def ask(self, number: int, work: Any, question: Any) -> Any:
        return self.holder.ask.remote(self.maker, number, work, question)


class _Holder:
    """Holds a part of a pool, in a process of its own on some machine."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._pool: Pool | None = None
        self._scan: tuple[int, Any] = 0, None

    def make(self, maker: list[Any]) -> None:
        """Make the rows, if they are not there."""
        self._made(maker)

    def take(self, maker: list[Any], rows: IntArray) -> Any:
        """Some rows by their numbers in the whole pool."""
        return self._made(maker).take(rows - self._first)

    def ask(
        self, maker: list[Any], number: int, work: Callable[..., Any], question: Any
    ) -> Any:
        """The answer of the last scan; of another one once it is made."""
        if self._scan[0] != number:
            self._scan = number, work(self._blocks(self._made(maker)))
        return question(self._scan[1])

    def _made(self, maker: list[Any]) -> Pool:
        if self._pool is None:
            self._pool = ray.get(maker[0])()
        return self._pool

    def _blocks(self, pool: Pool) -> Iterator[Block]:
        wanted = pool.unlabeled & (pool.weight > 0)
        for rows, X in pool.blocks(wanted):
            yield self._first + rows, X


def _results(asked: list[Any]) -> list[Any]:
    """What tasks return; rows that are refused there are refused here in one line."""
    try:
        return list(ray.get(asked))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ValueError):
            raise error.cause from None
        raise


def pool_of_dataset(
    dataset: Any, n_features: int, columns: Sequence[str] | None = None
) -> RayPool:
    """Make a pool of a Ray Dataset, whose blocks stay where they are.

    Parameters
    ----------
    dataset : ray.data.Dataset
        With a column for each feature, or one of vectors. What it is computed from is
        computed once.
    n_features : int
    columns : sequence of str, optional
        See `salutary.pools.arrow.numbers_of`.

    Raises
    ------
    ValueError
        If a value is missing or not finite. It names the row.
    """
    blocks = dataset.materialize().to_arrow_refs()
    count_rows = ray.remote(_n_rows)
    n_rows = _results([count_rows.remote(block) for block in blocks])
    parts, first = [], 0
    for block, n in zip(blocks, n_rows, strict=True):
        if n:
            make = partial(_of_block, [block], n_features, columns, first)
            parts.append((n, make))
        first += n
    if not parts:
        raise ValueError("pool: the dataset has no rows")
    pool = RayPool(parts, n_features)
    pool.make(lambda done, total: None)
    return pool


def _n_rows(block: Any) -> int:
    return int(block.num_rows)


def _of_block(
    block: list[Any], n_features: int, columns: Sequence[str] | None, first: int
) -> Pool:
    return ArrayPool.of(numbers_of(ray.get(block[0]), n_features, columns, first))
