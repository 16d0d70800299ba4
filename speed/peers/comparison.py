"""Tools timed in turn with salutary, and held against what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from speed.measure import Ratio, ratio
from speed.peers.process import Failed, Found, Process
from speed.peers.tools import Tool


@dataclass(frozen=True)
class Measured:
    """A tool's times and what it found, or why there are none."""

    tool: Tool
    ratio: Ratio | None = None
    found: Found | None = None
    error: str = ""


@dataclass(frozen=True)
class Comparison:
    """The reference, and all tools that were timed beside it."""

    tool: Tool
    reference: Found
    measured: tuple[Measured, ...]

    @property
    def seconds(self) -> float:
        """Of the reference: the median over the tools beside which it was timed."""
        timed = [each.ratio for each in self.measured if each.ratio is not None]
        return float(np.median([one.reference_seconds for one in timed]))


def compare(
    reference: Tool, tools: Sequence[Tool], source: Path, folder: Path
) -> Comparison:
    """Time every tool, each in its process, in turn with the reference in its own."""
    beside = Process(reference, source, folder)
    measured = [_measured(tool, beside, source, folder) for tool in tools]
    return Comparison(reference, beside.end(), tuple(measured))


def _measured(tool: Tool, beside: Process, source: Path, folder: Path) -> Measured:
    try:
        process = Process(tool, source, folder)
        timed = ratio(
            tool.name,
            process.run,
            "salutary",
            beside.run,
            bound=None,
            pairs=tool.pairs,
        )
        return Measured(tool, timed, process.end())
    except (Failed, OSError) as error:
        return Measured(tool, error=str(error))


def largest_difference(found: np.ndarray, reference: np.ndarray) -> float:
    """In standard deviations of the reference."""
    return float(np.abs(found - reference).max() / reference.std())


def rank_correlation(found: np.ndarray, reference: np.ndarray) -> float:
    return float(spearmanr(found.ravel(), reference.ravel()).statistic)


def shared(found: np.ndarray, reference: np.ndarray) -> int:
    """How many numbers of rows are in both."""
    return len(np.intersect1d(found, reference))
