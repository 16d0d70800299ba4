"""Stratified splits of rows, also where classes have few rows."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from salutary.arrays import IntArray


def hold_out(
    labels: IntArray, fraction: float, rng: np.random.RandomState
) -> tuple[IntArray, IntArray]:
    """Split rows into kept and held-out ones, stratified by class.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    fraction : float in (0, 1)
        Share of the rows to hold out.
    rng : numpy.random.RandomState

    Returns
    -------
    kept, held : ndarrays of row numbers, dtype intp, ascending
        Every class keeps at least one row, so ``held`` may be empty.

    Examples
    --------
    >>> import numpy as np
    >>> kept, held = hold_out(np.repeat([0, 1], 5), 0.2, np.random.RandomState(0))
    >>> len(kept), len(held)
    (8, 2)
    """
    counts = np.bincount(labels)
    splittable = np.flatnonzero(counts[labels] > 1)
    classes = np.unique(labels[splittable])
    most = len(splittable) - len(classes)
    n_held = min(max(1, round(fraction * len(labels))), most)
    if n_held >= len(classes) > 0:
        _, held = train_test_split(
            splittable, test_size=n_held, stratify=labels[splittable], random_state=rng
        )
    else:
        shuffled = rng.permutation(splittable)
        _, first = np.unique(labels[shuffled], return_index=True)
        held = shuffled[np.sort(first)][:n_held]
    # A large fraction may have taken all rows of a small class.
    for label in np.setdiff1d(classes, np.delete(labels, held)):
        held = np.delete(held, np.flatnonzero(labels[held] == label)[0])
    held = np.sort(held)
    return np.setdiff1d(np.arange(len(labels)), held), held


def split_off(
    labeled: IntArray, codes: IntArray, fraction: float, rng: np.random.RandomState
) -> tuple[IntArray, IntArray]:
    """Split labeled rows into rows to train on and validation rows.

    Parameters
    ----------
    labeled : ndarray of row numbers, dtype intp
    codes : ndarray of shape (n_rows,), dtype intp
        Position of each row's class; any number for unlabeled rows.
    fraction : float in (0, 1)
        Share of the labeled rows to validate on.
    rng : numpy.random.RandomState

    Raises
    ------
    ValueError
        If no row is left to validate on, as each class must keep one.
    """
    kept, held = hold_out(codes[labeled], fraction, rng)
    if len(held) == 0:
        raise ValueError(
            f"the {len(labeled)} labeled rows leave none to validate on, as each class "
            "must keep one; label more rows, or pass X_val and y_val"
        )
    return labeled[kept], labeled[held]


def stratified_parts(
    labels: IntArray, n_parts: int, rng: np.random.RandomState
) -> list[tuple[IntArray, IntArray]]:
    """Split rows into parts, each with its share of every class.

    Unlike StratifiedKFold of scikit-learn, it works with classes of any size.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    n_parts : int
        Number of parts; with fewer rows, each row is a part.
    rng : numpy.random.RandomState

    Returns
    -------
    list of (rest, part), ndarrays of row numbers, dtype intp, ascending
        Each part, and the rows that are not in it. Sizes of parts differ by at most one
        row, and so do the numbers of rows that the parts have of a class.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.RandomState(0)
    >>> parts = stratified_parts(np.repeat([0, 1], [4, 3]), 3, rng)
    >>> [(len(rest), len(part)) for rest, part in parts]
    [(4, 3), (5, 2), (5, 2)]
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    number = np.empty(len(labels), dtype=np.intp)
    number[by_class] = np.arange(len(labels)) % n_parts
    return [
        (np.flatnonzero(number != own), np.flatnonzero(number == own))
        for own in range(min(n_parts, len(labels)))
    ]


def repeated_parts(
    labels: IntArray, n_parts: int, n_repeats: int, seed: int
) -> list[tuple[IntArray, IntArray]]:
    """Split rows into parts, and anew into others, see `stratified_parts`.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    n_parts, n_repeats : int
        Number of parts, and how often the rows are split.
    seed : int

    Examples
    --------
    >>> import numpy as np
    >>> parts = repeated_parts(np.repeat([0, 1], [4, 3]), 2, 2, seed=0)
    >>> [part.tolist() for _, part in parts]
    [[2, 3, 4, 6], [0, 1, 5], [1, 3, 5, 6], [0, 2, 4]]
    """
    rng = np.random.RandomState(seed)
    repeats = [stratified_parts(labels, n_parts, rng) for _ in range(n_repeats)]
    return [part for parts in repeats for part in parts]
