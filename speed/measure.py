"""Ratios of two pieces of work, timed in turn in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from salutary_benchmark.data import loading

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the data sets are beside a checkout, unless SALUTARY_DATA names a folder."""


@dataclass(frozen=True)
class Ratio:
    """Ratio of the seconds of some work to those of a reference.

    ``bound`` is what the project promises, if anything, ``smallest`` and ``largest``
    the range over the pairs of runs.
    """

    name: str
    reference: str
    seconds: float
    reference_seconds: float
    median: float
    smallest: float
    largest: float
    bound: float | None

    def line(self) -> str:
        promise = ""
        if self.bound is not None:
            verdict = "holds" if self.median <= self.bound else "MISSED"
            promise = f", at most {self.bound} promised: {verdict}"
        return (
            f"{self.name}: {self.median:.2f} (from {self.smallest:.2f} to "
            f"{self.largest:.2f}) times {self.reference}{promise} "
            f"({self.seconds:.3f} s against {self.reference_seconds:.3f} s)"
        )


def ratio(
    name: str,
    work: Callable[[], object],
    reference_name: str,
    reference: Callable[[], object],
    *,
    bound: float | None,
    pairs: int = 7,
) -> Ratio:
    """Time both in turn, after a first run of each that does not count."""
    work(), reference()
    timings = [(_seconds(work), _seconds(reference)) for _ in range(pairs)]
    ratios = [first / second for first, second in timings]
    return Ratio(
        name,
        reference_name,
        statistics.median(first for first, _ in timings),
        statistics.median(second for _, second in timings),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        bound,
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def data_folder() -> Path | None:
    """The folder of the real data sets, or None if there is none here."""
    return loading.data_folder(None) or (BESIDE if BESIDE.is_dir() else None)


def read_complete_bank(folder: Path) -> pd.DataFrame:
    """Bank Marketing's 30,488 complete rows, without ``duration``, which leaks."""
    bank = pd.read_parquet(folder / "bank_marketing.parquet")
    return bank[(bank != "unknown").all(axis=1)].drop(columns="duration")
