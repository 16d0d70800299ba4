"""How far the rows of one table differ from those of another, as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

from salutary.arrays import Matrix

FEWEST_ROWS = 10
"""Rows that each table needs, two for each fold."""

MOST_ROWS = 1000
"""Rows of each table that are drawn, so that the cost is bounded."""

FOLDS = 5

RARE = 1e-3
"""Chance below which a difference between two columns is named."""

FARTHEST = 10.0
"""Standard deviations from the mean beyond which a value counts as just as far."""


def drift(train: Matrix, other: Matrix, seed: int) -> tuple[float, float] | None:
    """How well a linear classifier tells the rows of two tables apart.

    The figure is the area under the ROC curve of a ridge classifier that is to say of
    each row which table it is from, the mean over five folds of rows it was not fitted
    on. 0.5 is chance: the tables may be samples of one population. 1 means that every
    row can be told. It is at least 0.5.

    A classifier as a test of two samples is that of Lopez-Paz and Oquab, "Revisiting
    classifier two-sample tests", ICLR 2017. This one is linear, since the model of a
    run is: it sees what that model can see, such as shifted means and other shares of
    categories, and is blind to variances alone. Ridge has a closed form, so the cost is
    bounded: at most 1,000 rows of each table are drawn.

    Parameters
    ----------
    train, other : matrix of shape (n_rows, n_features)
        Encoded rows of the two tables, every column standardized.
    seed : int
        Random state of the draw and of the folds.

    Returns
    -------
    (float, float) or None
        The area, and its standard error where the tables do not differ, that of the
        Mann-Whitney statistic: sqrt((m + n + 1) / (12 m n)) for m and n rows. None if a
        table has fewer than ten rows.
    """
    m, n = (min(table.shape[0], MOST_ROWS) for table in (train, other))
    if min(m, n) < FEWEST_ROWS:
        return None
    rng = np.random.RandomState(seed)
    drawn = [
        np.asarray(table[rng.permutation(table.shape[0])[:size]], dtype=np.float64)
        for table, size in ((train, m), (other, n))
    ]
    # One value far off tells its own row alone, and would hide all others.
    X = np.clip(np.vstack(drawn), -FARTHEST, FARTHEST)
    is_other = np.repeat([0, 1], [m, n])
    # A penalty of the size of the Gram matrix's diagonal halves the weights.
    areas = cross_val_score(
        RidgeClassifier(alpha=len(X), class_weight="balanced"),
        X,
        is_other,
        scoring="roc_auc",
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=rng),
    )
    # Below chance it is chance, or rows of one table stand in the other.
    return max(0.5, float(np.mean(areas))), float(np.sqrt((m + n + 1) / (12 * m * n)))


def differences(
    train: pd.DataFrame, other: pd.DataFrame, kinds: Mapping[str, str]
) -> dict[str, float]:
    """How far columns of numbers or categories differ between two tables, 0 to 1.

    Those are left out that differ no more than two samples of one population do, with a
    chance of one in a thousand (Kolmogorov-Smirnov for numbers, chi-squared for
    categories).

    Of numbers it is the largest distance of the two distribution functions
    (Kolmogorov-Smirnov), of categories half the sum of the differences of all shares
    (total variation); the share of gaps counts as a category.

    Parameters
    ----------
    train, other : DataFrame
        Features as `cast_features` returns them.
    kinds : mapping of str to str
        Kind of each column, see `column_kinds`.

    Returns
    -------
    dict of str to float
        By column, the largest first.
    """
    found = {}
    for name, kind in kinds.items():
        if kind in ("number", "time", "duration") or kind.startswith("date"):
            found[name], chance = _of_numbers(train[name], other[name])
        elif kind in ("category", "boolean"):
            found[name], chance = _of_categories(train[name], other[name])
        else:
            continue
        if chance > RARE:
            del found[name]
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _of_numbers(
    train: pd.Series[float], other: pd.Series[float]
) -> tuple[float, float]:
    """The difference, and how often chance alone gives one like it."""
    gaps = [table.isna() for table in (train, other)]
    n_gaps = np.array([[gap.sum(), (~gap).sum()] for gap in gaps])
    missing = abs(float(gaps[0].mean()) - float(gaps[1].mean()))
    values = [_as_numbers(table) for table in (train, other)]
    if not all(map(len, values)):
        return missing, _chance(n_gaps)
    found = ks_2samp(*values, method="asymp")
    return max(missing, float(found.statistic)), min(_chance(n_gaps), found.pvalue)


def _as_numbers(values: pd.Series[float]) -> NDArray[np.float64]:
    present = values.dropna().iloc[:MOST_ROWS].to_numpy()
    # Dates are counts of microseconds.
    counts = present.astype(np.int64) if present.dtype.kind == "M" else present
    return np.asarray(counts, dtype=np.float64)


def _of_categories(train: pd.Series[str], other: pd.Series[str]) -> tuple[float, float]:
    """The difference, and how often chance alone gives one like it."""
    values = pd.concat([train, other], ignore_index=True).astype(object)
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    parts = np.split(codes, [len(train)])
    both = np.stack([np.bincount(part, minlength=len(distinct)) for part in parts], 1)
    shares = both / both.sum(axis=0)
    return float(np.abs(shares[:, 0] - shares[:, 1]).sum() / 2), _chance(both)


def _chance(counts: NDArray[Any]) -> float:
    """The p-value of a table of counts, by chi-squared; 1 for one row or column."""
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape) < 2:
        return 1.0
    return float(chi2_contingency(counts).pvalue)
