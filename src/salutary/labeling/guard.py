"""The guard: rows influence never sees decide whether a round stays."""

from __future__ import annotations

import numpy as np

from salutary.objective import FloatArray

CANARY_FRACTION = 0.3
"""Share of the validation rows that the guard keeps for itself."""

SMALLEST_CANARY = 2
"""Fewer rows have no standard error."""


def harms(before: FloatArray, after: FloatArray, weight: FloatArray) -> bool:
    r"""Whether a round made the canary rows' loss worse by more than chance explains.

    Parameters
    ----------
    before, after : ndarrays of shape (n_canary,)
        Loss of each canary row before and after the round.
    weight : ndarray of shape (n_canary,)

    Returns
    -------
    bool
        True if the mean of ``after - before`` exceeds its standard error, which for
        equal weights is :math:`std(d) / \sqrt n`.

    Examples
    --------
    >>> import numpy as np
    >>> harms(np.zeros(4), np.array([0.1, 0.2, 0.1, 0.2]), np.ones(4))
    True
    >>> harms(np.zeros(4), np.array([-0.5, 0.6, -0.5, 0.5]), np.ones(4))
    False
    """
    change = after - before
    share = weight / weight.sum()
    mean = float(share @ change)
    standard_error = float(np.sqrt(share**2 @ (change - mean) ** 2))
    return mean > standard_error
