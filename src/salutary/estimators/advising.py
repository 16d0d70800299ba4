"""``advise``: what to train on, given labeled rows and perhaps a pool."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import _num_samples

from salutary.advice.comparison import (
    FEWEST_VALIDATION,
    after_last_fit,
    compare,
    follow,
)
from salutary.advice.task import AdviceTask
from salutary.arrays import as_float64
from salutary.deep.rows import joined
from salutary.errors import counted
from salutary.estimators.advice import Advice
from salutary.estimators.mistakes import check_rows, row_keys
from salutary.estimators.pipelines import (
    as_plain_regression,
    as_rows,
    checked_matrix,
    fit_without_labels,
    joined_again,
    matrix_like,
    split_estimator,
    transformed,
)
from salutary.estimators.told import ToldComparison
from salutary.influence.inputs import check_weight
from salutary.influence.labels import encode_training_labels, encode_validation_labels
from salutary.labeling.callbacks import RunCallback, check_callbacks
from salutary.labeling.rows import LabeledRows
from salutary.tables.frames import prepare_frames
from salutary.tables.scaling import fit_transform


def advise(
    X: Any,
    y: Any,
    X_val: Any,
    y_val: Any,
    X_pool: Any = None,
    *,
    estimator: Any = None,
    sample_weight: Any = None,
    budget: int = 100,
    batch_size: int = 10,
    splits: int = 5,
    repeats: int = 2,
    use_all: bool = False,
    keep: Collection[str] = (),
    n_jobs: int | None = None,
    random_state: Any = None,
    callbacks: Sequence[RunCallback] | None = None,
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
      the paper's rule, under the default rule, and with a refit on the validation rows;
    - train + validation with the whole pool, by that method of
      `salutary.SemiSupervisedClassifier` which does best in cross-validation.

    Every option has its C tuned on rows that the tuning fits have not seen: training on
    both by all rows, the others by validation rows.

    Parameters
    ----------
    X : array-like, sparse matrix or table of shape (n_train, n_features)
        Training rows. A table is a DataFrame of pandas or polars or a pyarrow.Table,
        with names of columns.
    y : array-like of shape (n_train,)
        Labels of the training rows, of two or more classes. Every value is a class, -1
        too.
    X_val : array-like, sparse matrix or table of shape (n_val, n_features)
        Validation rows, six or more. They must be like the rows that the model will be
        used on.
    y_val : array-like of shape (n_val,)
        Labels of the validation rows.
    X_pool : array-like, sparse matrix or table of shape (n_pool, n_features), optional
        Unlabeled rows. From a pool of more than 20,000 rows, 20,000 are drawn.
    estimator : LogisticRegression(CV) or Pipeline ending in one, optional
        By default rows are prepared as on the command line: columns of tables are
        encoded by what they hold, those that name rows are left out, gaps are filled,
        and all features are scaled; numbers of the pool that are far outside those of
        the training rows set no scale.
        The earlier steps of a pipeline replace this; a bare LogisticRegression takes
        rows as they are. Steps are fitted without labels, on training and pool rows.
        Its C is not used, as every option tunes its own.
    sample_weight : array-like of shape (n_train,), optional
        Weights of the training rows. Validation and pool rows have a weight of one.
    budget : int, default=100
        Maximum number of labels that an option assigns.
    batch_size : int, default=10
        Labels assigned in a round.
    splits : int, default=5
        Number of parts of the validation rows. Options are judged on each part by fits
        that have not seen it.
    repeats : int, default=2
        Number of times the validation rows are cut into parts, each time differently.
    use_all : bool, default=False
        Whether all rows of a large pool are used, however long that takes.
    keep : collection of str, default=()
        Columns of tables that become features even if they name rows, as an id does.
        For the default ``estimator`` alone.
    n_jobs : int, optional
        Number of processes that judge parts of the validation rows at once, as in
        joblib: None is 1 unless in a ``joblib.parallel_config`` context, -1 all
        processors. The advice is the same for any number.
    random_state : int, RandomState instance or None, default=None
        Cuts the validation rows into parts and draws from the pool. An int gives what
        the command line gives with that ``--seed``.
    callbacks : list of RunCallback, optional
        Told as the comparison begins, of each of its folds, and at its end.
    verbose : int, default=0
        1 prints progress.

    Returns
    -------
    Advice
        Its ``model_`` is the advised option fitted on all rows, behind the steps that
        prepare them: it predicts rows like those of ``X``.

    Warns
    -----
    UserWarning
        For classes that no validation row has, for validation rows that are training
        or pool rows too, and for pool rows that are training rows. For columns of a
        table that are left out as they name rows, and for those that a few texts keep
        from being read as numbers.

    Raises
    ------
    ValueError
        For rows with NaN or infinity, of which the first is named; for other columns
        than those of ``X``; for labels that are missing, of several kinds, or numbers
        with a fraction; for fewer than two classes; for a class in ``y_val`` that ``y``
        lacks; for fewer than six validation rows, and for those that are all training
        rows too; for a column to keep that is not there; and for a table that cannot be
        read or an estimator that cannot be used.

    See Also
    --------
    salutary.SalutaryClassifier : Assigns the labels.

    Notes
    -----
    Each option is fitted and tuned ``splits * repeats`` times, each time with
    ``(splits - 1) / splits`` of the validation rows. Options that train on
    validation rows are therefore judged a little too strictly. The intervals of
    differences are Student's t intervals over paired validation rows. They do not allow
    for the best option being picked among several.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from salutary import advise
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> advice = advise(
    ...     X[::9], y[::9], X[1::3], y[1::3], X[2::3],
    ...     budget=10, batch_size=5, splits=2, repeats=1, random_state=0,
    ... )
    >>> advice.sentence.startswith("Advice: ")
    True
    >>> advice.table["option"].tolist()[:3]
    ['train + validation', 'train only', 'validation only']
    >>> advice.model_.predict(X[:3]).tolist()
    [0, 0, 0]
    """
    for value, name, least in (
        (budget, "budget", 1),
        (batch_size, "batch_size", 1),
        (splits, "splits", 2),
        (repeats, "repeats", 1),
    ):
        check_scalar(value, name, Integral, min_val=least)
    check_callbacks(callbacks)
    seed, given = _seed(random_state), X
    if not isinstance(keep, Collection):
        raise ValueError(f"keep is {keep!r}; pass a list of names of columns")
    settings = {
        "estimator": estimator,
        "budget": budget,
        "batch_size": batch_size,
        "splits": splits,
        "repeats": repeats,
        "keep": keep,
        "random_state": random_state,
    }
    prepares = estimator is None
    if prepares:
        X, X_val, X_pool = _checked(X, X_val, X_pool)
        if _is_table(X):
            X, X_val, X_pool, steps = _prepared(X, X_val, X_pool, keep, seed)
        else:
            _check_nothing_to_keep(keep)
            steps = [("scale", StandardScaler(with_mean=not sparse.issparse(X)))]
        estimator = Pipeline([*steps, ("classify", LogisticRegression())])
    else:
        _check_nothing_to_keep(keep)
        X, X_val = as_rows(X, "X"), as_rows(X_val, "X_val")
        X_pool = None if X_pool is None else as_rows(X_pool, "X_pool")
    transformer, template = split_estimator(estimator)
    if transformer is not None:
        rows = X if X_pool is None else joined(X, X_pool, "X_pool")
        if prepares:
            fit_transform(transformer, rows, _num_samples(X))
        else:
            fit_without_labels(transformer, rows)
        X = transformed(transformer, X, "X")
        X_val = transformed(transformer, X_val, "X_val")
        if X_pool is not None:
            X_pool = transformed(transformer, X_pool, "X_pool")
    X, names = checked_matrix(X, "X")
    X_val = matrix_like(X, names, X_val, "X_val")
    X_pool = None if X_pool is None else matrix_like(X, names, X_pool, "X_pool")
    classes, codes = encode_training_labels(y, X)
    weight = check_weight(sample_weight, X, "sample_weight")
    val_codes = encode_validation_labels(y_val, classes, X_val)
    _check_parts(len(val_codes), splits)
    known, seen = row_keys(X), row_keys(X_val)
    pool = known[:0] if X_pool is None else row_keys(X_pool)
    check_rows(known, seen, pool, "rows of X_pool")
    task = AdviceTask(
        classes=classes,
        train=LabeledRows(as_float64(X), codes, weight),
        validation=LabeledRows(as_float64(X_val), val_codes, np.ones(len(val_codes))),
        pool=None if X_pool is None else as_float64(X_pool),
        budget=budget,
        batch_size=batch_size,
        seed=seed,
        estimator=as_plain_regression(template),
        use_all=use_all,
    )
    folds = ToldComparison(callbacks, settings, task)
    fitted = _Printed() if verbose else _silent
    found = compare(task, splits, repeats, fitted, folds, n_jobs)
    if found.classes_not_validated:
        warnings.warn(
            f"no validation row has class {', '.join(found.classes_not_validated)}; "
            "whether labels help there cannot be seen",
            UserWarning,
            stacklevel=2,
        )
    advised, pool_rows = follow(task, found.option)
    found = after_last_fit(found, advised)
    model = joined_again(estimator, transformer, advised.model, names)
    folds.end(found, advised, pool_rows, model, given)
    return Advice(**vars(found), model_=model)


def _seed(random_state: Any) -> int:
    """A number to draw from; an int is that of the command line's ``--seed``."""
    rng = check_random_state(random_state)
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(rng.randint(2**31))


def _is_table(X: Any) -> bool:
    """Whether rows are a table whose columns have names, and so may be of any kind."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    return names is not None and all(isinstance(name, str) for name in names)


def _checked(X: Any, X_val: Any, X_pool: Any) -> tuple[Any, Any, Any]:
    """Rows of numbers as matrices of the same columns; tables as they are."""
    parts = [rows for rows in (X, X_val, X_pool) if rows is not None]
    are_tables = [_is_table(rows) for rows in parts]
    if all(are_tables):
        return X, X_val, X_pool
    if any(are_tables):
        raise ValueError(
            "some of X, X_val and X_pool have names of columns and some do not; pass "
            "all as tables, or all as arrays"
        )
    X, names = checked_matrix(X, "X")
    X_val = matrix_like(X, names, X_val, "X_val")
    return (
        X,
        X_val,
        X_pool if X_pool is None else matrix_like(X, names, X_pool, "X_pool"),
    )


def _prepared(
    X: Any, X_val: Any, X_pool: Any, keep: Collection[str], seed: int
) -> tuple[Any, Any, Any, list[tuple[str, Any]]]:
    """Tables without columns that name rows, and the steps that prepare them."""
    frames = {"train": X, "validation": X_val}
    if X_pool is not None:
        frames["pool"] = X_pool
    found = prepare_frames(frames, [keep] if isinstance(keep, str) else keep, seed)
    if found.left_out:
        named = ", ".join(f"{name!r} ({what})" for name, what in found.left_out.items())
        warnings.warn(
            f"columns of X that name rows are left out: {named}; pass "
            f"keep=[{next(iter(found.left_out))!r}] to make one a feature",
            UserWarning,
            stacklevel=3,
        )
    for doubt in found.doubts:
        warnings.warn(f"X: {doubt}", UserWarning, stacklevel=3)
    train, validation, *pool = found.frames.values()
    return train, validation, pool[0] if pool else None, found.encoder.steps


def _check_nothing_to_keep(keep: Collection[str]) -> None:
    if len(keep):
        raise ValueError(
            f"keep={keep!r} is for tables without an estimator, of which columns that "
            "name rows are left out; pass no keep"
        )


def _check_parts(n_validation: int, splits: int) -> None:
    if n_validation < FEWEST_VALIDATION:
        raise ValueError(
            f"X_val has {counted(n_validation, 'row')}, too few to tune and judge on; "
            f"pass {FEWEST_VALIDATION} or more"
        )
    if splits > n_validation:
        raise ValueError(
            f"splits={splits} is more than the {n_validation} rows of X_val; pass a "
            "smaller one"
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
