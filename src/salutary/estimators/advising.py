"""``advise``: what to train on, given labeled rows and perhaps a pool."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from salutary.advice.comparison import FEWEST_VALIDATION, Advice, compare, rows_of
from salutary.advice.options import AdviceTask
from salutary.estimators.pipelines import checked_matrix, matrix_like
from salutary.influence.inputs import check_weight
from salutary.influence.labels import encode_training_labels, encode_validation_labels
from salutary.labeling.rows import LabeledRows


def advise(
    X: Any,
    y: Any,
    X_val: Any,
    y_val: Any,
    X_pool: Any = None,
    *,
    sample_weight: Any = None,
    budget: int = 100,
    batch_size: int = 10,
    n_splits: int = 5,
    n_repeats: int = 2,
    random_state: Any = None,
    verbose: int = 0,
) -> Advice:
    """Advise what to train on: training rows, validation rows, labels for a pool.

    Compares logistic regressions that are fitted on different rows, by repeated
    cross-fitting over the validation rows:

    - train only, validation only, and train + validation, the last also with a larger
      weight of the validation rows;
    - training rows with some labels switched, as by `salutary.relabel`, with the
      validation rows and without;
    - with a pool: self-training, and labels as by `salutary.SalutaryClassifier` under
      the paper's rule, under the default rule, and with a refit on the validation rows.

    Every option has its C tuned on validation rows that it was not fitted on.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_train, n_features)
        Training rows, scaled as for a logistic regression.
    y : array-like of shape (n_train,)
        Labels of the training rows, of two or more classes. Every value is a class, -1
        too.
    X_val : array-like or sparse matrix of shape (n_val, n_features)
        Validation rows, six or more. They must be like the rows that the model will be
        used on.
    y_val : array-like of shape (n_val,)
        Labels of the validation rows.
    X_pool : array-like or sparse matrix of shape (n_pool, n_features), optional
        Unlabeled rows. From a pool of more than 20,000 rows, 20,000 are drawn.
    sample_weight : array-like of shape (n_train,), optional
        Weights of the training rows. Validation and pool rows have a weight of one.
    budget : int, default=100
        Maximum number of labels that an option assigns.
    batch_size : int, default=10
        Labels assigned in a round.
    n_splits : int, default=5
        Number of parts of the validation rows. Options are judged on each part by fits
        that have not seen it.
    n_repeats : int, default=2
        Number of times the validation rows are cut into parts, each time differently.
    random_state : int, RandomState instance or None, default=None
        Cuts the validation rows into parts and draws from the pool.
    verbose : int, default=0
        1 prints progress.

    Returns
    -------
    Advice

    Warns
    -----
    UserWarning
        For classes that no validation row has.

    Raises
    ------
    ValueError
        For rows with NaN or infinity, of which the first is named; for other columns
        than those of ``X``; for labels that are missing, of several kinds, or numbers
        with a fraction; for fewer than two classes; for a class in ``y_val`` that ``y``
        lacks; and for fewer than six validation rows.

    See Also
    --------
    salutary.SalutaryClassifier : Assigns the labels.

    Notes
    -----
    Each option is fitted and tuned ``n_splits * n_repeats`` times, each time with
    ``(n_splits - 1) / n_splits`` of the validation rows. Options that train on
    validation rows are therefore judged a little too strictly. The intervals of
    differences are Student's t intervals over paired validation rows. They do not allow
    for the best option being picked among several.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from salutary import advise
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> advice = advise(
    ...     X[::10], y[::10], X[1::3], y[1::3], X[2::3],
    ...     budget=10, batch_size=5, n_splits=2, n_repeats=1, random_state=0,
    ... )
    >>> advice.sentence.startswith("Advice: ")
    True
    >>> advice.table["option"].tolist()[:3]
    ['train + validation', 'train only', 'validation only']
    """
    for value, name, least in (
        (budget, "budget", 1),
        (batch_size, "batch_size", 1),
        (n_splits, "n_splits", 2),
        (n_repeats, "n_repeats", 1),
    ):
        check_scalar(value, name, Integral, min_val=least)
    train, columns = checked_matrix(X, "X")
    classes, codes = encode_training_labels(y, train)
    matrix = matrix_like(train, columns, X_val, "X_val")
    validation = LabeledRows(
        matrix,
        encode_validation_labels(y_val, classes, matrix),
        np.ones(matrix.shape[0]),
    )
    _check_parts(len(validation), n_splits)
    task = AdviceTask(
        classes=classes,
        train=LabeledRows(
            train, codes, check_weight(sample_weight, train, "sample_weight")
        ),
        validation=validation,
        pool=None if X_pool is None else matrix_like(train, columns, X_pool, "X_pool"),
        budget=budget,
        batch_size=batch_size,
        seed=int(check_random_state(random_state).randint(2**31)),
    )
    found = compare(task, n_splits, n_repeats, _Printed() if verbose else _silent)
    if found.classes_not_validated:
        warnings.warn(
            f"no validation row has class {', '.join(found.classes_not_validated)}; "
            "whether labels help there cannot be seen",
            UserWarning,
            stacklevel=2,
        )
    return found


def _check_parts(n_validation: int, n_splits: int) -> None:
    if n_validation < FEWEST_VALIDATION:
        raise ValueError(
            f"X_val has {rows_of(n_validation)}, too few to tune and judge on; pass "
            f"{FEWEST_VALIDATION} or more"
        )
    if n_splits > n_validation:
        raise ValueError(
            f"n_splits={n_splits} is more than the {n_validation} rows of X_val; pass "
            "a smaller one"
        )


class _Printed:
    """Print lines, but not the same line twice in a row."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, line: str) -> None:
        if line != self._last:
            print(line)
        self._last = line


def _silent(line: str) -> None:
    pass
