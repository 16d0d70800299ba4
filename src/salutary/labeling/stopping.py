"""When a run ends, and the word for it."""

from __future__ import annotations

import sys
from typing import Literal

Termination = Literal["budget", "no_positive_influence", "guard", "pool_exhausted"]


def before_round(n_assigned: int, n_available: int, budget: int) -> Termination | None:
    """Why no further round can start, if none can.

    Parameters
    ----------
    n_assigned : int
        Labels assigned so far.
    n_available : int
        Pool rows without a label.
    budget : int
        Labels to assign.

    Returns
    -------
    {"budget", "pool_exhausted"} or None

    Examples
    --------
    >>> before_round(n_assigned=10, n_available=5, budget=10)
    'budget'
    """
    if n_assigned >= budget:
        return "budget"
    if n_available == 0:
        return "pool_exhausted"
    return None


def as_limit(budget: int | None) -> int:
    """A budget as a number; as large as can be for None."""
    return sys.maxsize if budget is None else budget
