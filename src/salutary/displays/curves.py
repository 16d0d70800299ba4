"""What curves by round have in common, those of a run and those of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salutary.displays import style
from salutary.names import (
    TRAIN_AND_VALIDATION,
    TRAIN_ONLY,
    VALIDATION_ONLY,
    WEIGHTED_VALIDATION,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import FillBetweenPolyCollection
    from matplotlib.lines import Line2D

DASHES: dict[str, Any] = {
    TRAIN_AND_VALIDATION: (0, (6, 2)),
    TRAIN_ONLY: (0, (1, 1.5)),
    VALIDATION_ONLY: (0, (4, 1.5, 1, 1.5)),
    WEIGHTED_VALIDATION: (0, (6, 1.5, 1, 1.5, 1, 1.5)),
}
"""Dashes of each line that a run's labels are held against."""


def baseline(ax: Axes, value: float, name: str, **own: Any) -> Line2D:
    """Draw the level of a single fit across all rounds.

    Parameters
    ----------
    ax : matplotlib Axes
    value : float
    name : str
        Of `DASHES`, or another one, whose line has no gaps.
    **own
        Properties of the line in place of these.
    """
    look = {
        "color": style.ink(),
        "linestyle": DASHES.get(name, "-"),
        "linewidth": 1.2,
        "gid": name.replace(" + ", "-and-").replace(" ", "-"),
    }
    return ax.axhline(value, **look | own)


def band(
    ax: Axes,
    rounds: pd.Series[Any],
    lower: pd.Series[Any],
    upper: pd.Series[Any],
    color: str,
) -> FillBetweenPolyCollection:
    """Shade what lies within an error of a curve."""
    return ax.fill_between(
        rounds, lower, upper, color=color, alpha=0.18, linewidth=0, gid="band"
    )
