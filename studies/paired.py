"""Differences between two ways to train, draw by draw."""

from __future__ import annotations

import pandas as pd
from scipy.stats import t


def difference(
    part: pd.DataFrame, one: str, other: str, figure: str = "log_loss"
) -> pd.Series[float]:
    """By seed, a figure of one way to train less that of another."""
    table = part.pivot(index="seed", columns="trained_on", values=figure)
    found: pd.Series[float] = table[one] - table[other]
    return found


def reach(found: pd.Series[float]) -> float:
    """Half the width of the 95% interval of their mean, by Student's t."""
    return float(t.ppf(0.975, len(found) - 1)) * float(found.sem())
