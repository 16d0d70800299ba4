"""A pass over the rows of a pool in threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Generic

from joblib import Parallel, delayed, effective_n_jobs

from salutary.arrays import BLOCK_ROWS
from salutary.pools.protocol import A, Block, Pool, R


@dataclass(frozen=True)
class ThreadedScan(Generic[R]):
    """A `Scan` whose parts are in this process, one for each thread."""

    parts: list[R]

    def ask(self, question: Callable[[R], A]) -> list[A]:
        """The answer of each part."""
        return [question(part) for part in self.parts]


def scan_in_threads(
    pool: Pool, work: Callable[[Iterable[Block]], R], n_jobs: int | None
) -> ThreadedScan[R]:
    """Pass a pool to a function in some threads, see `Pool.scan`.

    Each thread takes the next block when it is done with one.
    """
    wanted = pool.weight > 0
    wanted &= pool.unlabeled
    blocks, turn = iter(pool.blocks(wanted)), Lock()
    n_threads = min(effective_n_jobs(n_jobs), 1 + len(wanted) // BLOCK_ROWS)
    return ThreadedScan(
        Parallel(n_jobs=n_threads, require="sharedmem")(
            delayed(work)(_in_turn(blocks, turn)) for _ in range(n_threads)
        )
    )


def _in_turn(blocks: Iterator[Block], turn: Lock) -> Iterator[Block]:
    """What is left of an iterator that several threads take from."""
    while True:
        with turn:
            try:
                block = next(blocks)
            except StopIteration:
                return
        yield block
