"""Whether features are of a scale that a penalty can be tuned for."""

from __future__ import annotations

from math import sqrt

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from salutary.arrays import BLOCK_ROWS, Float64Array, Matrix
from salutary.labeling.tuning import PENALTIES

REACH = sqrt(PENALTIES[-1] / PENALTIES[0])
"""The largest standard deviation that a penalty can even out; the least is 1 / REACH.

A feature times s under a penalty of C is the feature itself under C s². Beyond these,
all values of C that are tried lie outside the range tried for scaled features.
"""


def out_of_reach(X: Matrix) -> tuple[int, float] | None:
    """The column with the largest standard deviation, and that, if no C suits it.

    Parameters
    ----------
    X : matrix of shape (n_rows, n_features)

    Returns
    -------
    column, deviation : int, float, or None
        None where some C suits, and where no column has two values.

    Examples
    --------
    >>> import numpy as np
    >>> out_of_reach(np.array([[1.0, -1e30], [2.0, 1e30]]))
    (1, 1e+30)
    >>> out_of_reach(np.array([[1.0, -1.0], [2.0, 1.0]]))
    """
    deviations = _deviations(X)
    column = int(np.argmax(deviations))
    largest = float(deviations[column])
    within = largest == 0 or 1 / REACH <= largest <= REACH
    return None if within else (column, largest)


def _deviations(X: Matrix) -> Float64Array:
    """Standard deviation of each column, a block of rows at a time."""
    scaler = StandardScaler(with_mean=False)
    with np.errstate(over="ignore", invalid="ignore"):
        for batch in gen_batches(X.shape[0], BLOCK_ROWS):
            scaler.partial_fit(X[batch])
        # What overflows is large, whatever it is.
        deviations = np.sqrt(scaler.var_)
    return np.asarray(np.nan_to_num(deviations, nan=np.inf, posinf=np.inf))
