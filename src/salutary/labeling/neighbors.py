"""The labeled rows nearest to a row, in the features that the model sees."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.metrics import euclidean_distances

from salutary.arrays import Float64Array, Matrix, as_float64
from salutary.labeling.definition import Definition
from salutary.labeling.edits import SwitchLabel

NEAREST = 5
"""Number of nearest labeled rows that an explanation names."""

SAMPLE = 200
"""Labeled rows whose own nearest rows say what distance is usual, at most."""


class Neighbors:
    """The labeled rows of a run, without those it labeled, beside other rows.

    Parameters
    ----------
    problem : Definition
    """

    def __init__(self, problem: Definition) -> None:
        labeled = problem.labeled
        self._X = as_float64(labeled.X)
        self._labels = problem.classes[labeled.labels]
        self._are_own = isinstance(problem.edit, SwitchLabel)
        sample = np.arange(0, len(labeled), -(-len(labeled) // SAMPLE))
        apart = _distances(self._X[sample], self._X)
        apart[np.arange(len(sample)), sample] = np.inf
        self._usual = apart.min(axis=1)

    def of(self, row: Matrix, number: int) -> tuple[pd.DataFrame, float]:
        """The nearest labeled rows, and how many are farther from theirs.

        Parameters
        ----------
        row : matrix of shape (1, n_features)
        number : int
            Its number in the pool; where that is the labeled set, it is not its own
            neighbor.

        Returns
        -------
        nearest : DataFrame
            row, label and distance of the nearest, nearest first.
        farther : float
            Share of the labeled rows, or of a sample, that are farther from their
            nearest one than this row is.
        """
        distance = _distances(row, self._X)[0]
        if self._are_own:
            distance[number] = np.inf
        found = np.argsort(distance, kind="stable")[:NEAREST]
        found = found[np.isfinite(distance[found])]
        nearest = pd.DataFrame(
            {
                "row": found,
                "label": self._labels[found],
                "distance": distance[found],
            }
        )
        return nearest, float(np.mean(self._usual > distance.min()))


def _distances(X: Matrix, others: Matrix) -> Float64Array:
    """Euclidean distances, of dense rows by differences, which keeps small ones."""
    of_all = euclidean_distances if sparse.issparse(others) else cdist
    distances: Float64Array = of_all(X, others)
    return distances
