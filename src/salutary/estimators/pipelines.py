"""A user's estimator: its earlier steps, and the logistic regression that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from salutary.arrays import Float64Array, IntArray, Matrix
from salutary.deep.rows import as_pandas
from salutary.estimators.mistakes import check_columns
from salutary.influence.inputs import (
    as_floats,
    check_finite,
    check_order,
    check_size,
    column_names,
)
from salutary.influence.label_values import shown_all
from salutary.influence.softmax import check_objective


def as_rows(X: Any, name: str) -> Any:
    """Rows of Arrow as pandas has them, as scikit-learn does not know Arrow.

    Parameters
    ----------
    X : rows
    name : str
        Name of ``X`` in messages.

    Raises
    ------
    InputError
        For a dict or a text, which are no rows.
    """
    return as_pandas(X, name) if isinstance(X, pa.Table | Mapping | str) else X


def split_estimator(estimator: Any) -> tuple[Any, LogisticRegression]:
    """Part an estimator into its earlier steps and its logistic regression.

    Parameters
    ----------
    estimator : LogisticRegression(CV), Pipeline ending in one, or None
        The last step of a pipeline may be a pipeline again.

    Returns
    -------
    transformer : Pipeline or None
        A clone of the earlier steps, if there are any. Those of a pipeline that is the
        last step are a pipeline under its name.
    classifier : LogisticRegression or LogisticRegressionCV
        Unfitted.

    Raises
    ------
    ValueError
        If the last step is of another class, or does not have an L2 penalty.
    """
    steps = getattr(estimator, "steps", None)
    transformer = None
    classifier = LogisticRegression() if estimator is None else estimator
    if steps is not None:
        name, classifier = steps[-1]
        if len(steps) > 1:
            transformer = clone(estimator[:-1])
        if isinstance(classifier, Pipeline):
            inner, classifier = split_estimator(classifier)
            if inner is not None:
                before = [] if transformer is None else transformer.steps
                transformer = Pipeline([*before, (name, inner)])
    if not isinstance(classifier, LogisticRegression):
        raise ValueError(
            "estimator must be a LogisticRegression(CV) or a Pipeline ending in one, "
            f"got {type(classifier).__name__}; influence is exact for that model only"
        )
    if not isinstance(classifier, LogisticRegressionCV):
        check_objective(classifier)
    return transformer, classifier


def with_chosen_penalty(
    classifier: LogisticRegression, X: Matrix, y: Any, sample_weight: Any
) -> LogisticRegression:
    """Give a LogisticRegressionCV's choice of C to a plain LogisticRegression.

    Parameters
    ----------
    classifier : LogisticRegression or LogisticRegressionCV
        A plain LogisticRegression is returned as it is.
    X : matrix of shape (n_rows, n_features)
        Rows on which C is chosen.
    y, sample_weight : array-like of shape (n_rows,)

    Returns
    -------
    LogisticRegression
        Unfitted.

    Raises
    ------
    ValueError
        If the search chose a penalty with an L1 part.
    """
    if not isinstance(classifier, LogisticRegressionCV):
        return classifier
    found = clone(classifier).fit(X, y, sample_weight=sample_weight)
    chosen = as_plain_regression(classifier).set_params(
        # C_ is one number, or the same number for each class.
        C=float(np.ravel(found.C_)[0]),
        l1_ratio=float(np.ravel(found.l1_ratio_)[0] or 0.0),
    )
    check_objective(chosen)
    return chosen


def as_plain_regression(classifier: LogisticRegression) -> LogisticRegression:
    """A LogisticRegression with the settings that a LogisticRegressionCV shares."""
    known = LogisticRegression().get_params()
    return LogisticRegression(
        **{
            name: value
            for name, value in classifier.get_params().items()
            if name in known
        }
    )


def joined_again(
    estimator: Any, transformer: Any, model: LogisticRegression, names: Any
) -> Any:
    """Put a fitted model behind the fitted earlier steps.

    Parameters
    ----------
    estimator : LogisticRegression, Pipeline or None
        What `split_estimator` was given.
    transformer : Pipeline or None
        Fitted.
    model : LogisticRegression
        Fitted on arrays, without column names.
    names : sequence of str or None
        Names of the columns that the model will be shown.

    Returns
    -------
    LogisticRegression or Pipeline
        Of the same steps as ``estimator``.
    """
    if names is not None:
        model = copy(model)
        model.feature_names_in_ = np.asarray(names, dtype=object)
    if transformer is None:
        return model
    whole = clone(estimator)
    name, last = estimator.steps[-1]
    earlier = transformer.steps
    if isinstance(last, Pipeline):
        n_own = len(estimator.steps) - 1
        inner = earlier[n_own][1] if len(earlier) > n_own else None
        earlier, model = earlier[:n_own], joined_again(last, inner, model, None)
    whole.steps = [*earlier, (name, model)]
    return whole


def checked_matrix(X: Any, name: str) -> tuple[Matrix, Any]:
    """Turn rows into a dense or CSR matrix of floats.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
    name : str
        Name of ``X`` in messages.

    Returns
    -------
    matrix : ndarray or CSR of shape (n_rows, n_features)
        float32 stays float32; every other dtype becomes float64.
    names : sequence of str or None
        Names of the columns, if they have any.

    Raises
    ------
    ValueError
        For NaN, infinity, and values too large to compute with. The message names the
        first row and column, both from zero.
    """
    check_order(X, name)
    names = column_names(X)
    X = as_floats(X, name)
    check_finite(X, name, names)
    check_size(X, name, names)
    return X, names


def matrix_like(train: Matrix, columns: Any, X: Any, name: str) -> Matrix:
    """Turn rows into a matrix with the same columns as the training rows.

    Parameters
    ----------
    train : matrix of shape (n_rows, n_features)
    columns : sequence of str or None
        Names of the columns of ``train``.
    X : array-like or sparse matrix of shape (n_further, n_features)
    name : str
        Name of ``X`` in messages.

    Returns
    -------
    ndarray or CSR of shape (n_further, n_features)

    Raises
    ------
    ValueError
        For other columns or another number of them, and as `checked_matrix`.
    """
    found = column_names(X)
    if columns is not None and found is not None and list(found) != list(columns):
        raise ValueError(
            f"{name} has other columns than X, or has them in another order; pass "
            f"{shown_all(columns)}"
        )
    matrix, _ = checked_matrix(X, name)
    if matrix.shape[1] != train.shape[1]:
        raise ValueError(
            f"{name} has {matrix.shape[1]} features, but X has {train.shape[1]}; pass "
            "rows with the same columns"
        )
    return matrix


def fit_without_labels(transformer: Pipeline, rows: Any) -> None:
    """Fit the earlier steps of an estimator on rows with and without labels.

    Parameters
    ----------
    transformer : Pipeline
        The first part that `split_estimator` returns.
    rows : array-like, sparse matrix or table

    Raises
    ------
    ValueError
        If a step learns from labels, as `SelectKBest` does; names it.
    """
    try:
        transformer.fit(rows)
    except ValueError as error:
        # Only the words tell it, as SelectKBest has no tag that does: nothing but the
        # labels is None.
        if "None" not in str(error):
            raise
        raise ValueError(
            f"step {_learner(transformer, rows)} learns from labels, but the steps "
            "before the logistic regression are fitted without labels, on labeled and "
            "unlabeled rows; leave it out, or apply it to X beforehand"
        ) from error


def transformed(transformer: Pipeline, X: Any, name: str) -> Any:
    """Rows after the fitted earlier steps of an estimator.

    Raises
    ------
    ValueError
        If a column is missing; scikit-learn would not say of which rows.
    """
    check_columns(getattr(transformer, "feature_names_in_", None), X, name)
    return transformer.transform(X)


def _learner(transformer: Pipeline, rows: Any) -> str:
    """The first step that cannot be fitted without labels, by name and class."""
    steps = [pair for pair in transformer.steps if pair[1] not in (None, "passthrough")]
    fitted = 0
    for _, step in steps[:-1]:
        try:
            rows = clone(step).fit_transform(rows)
        except (TypeError, ValueError):
            break
        fitted += 1
    name, step = steps[fitted]
    if isinstance(step, Pipeline):
        return _learner(step, rows)
    return f"{name!r} ({type(step).__name__})"


class PipelineMixin:
    """Prediction by fitted earlier steps and the logistic regression behind them.

    The estimator that uses it sets ``_transformer`` to the first part that
    `split_estimator` returns, and then calls ``_fit_features`` and ``_finish``.
    """

    estimator: Any
    _transformer: Any
    _classifier: LogisticRegression

    def _fit_features(self, X: Any, held: IntArray) -> tuple[Matrix, Any]:
        """Fit the earlier steps on all rows but those held out; then as `_transformed`.

        Without earlier steps, rows are taken as ``_check_array`` has left them.
        """
        if self._transformer is None:
            return X, getattr(self, "feature_names_in_", None)
        check_order(X, "X")
        rows = _safe_indexing(X, np.setdiff1d(np.arange(_num_samples(X)), held))
        fit_without_labels(self._transformer, rows)
        return self._transformed(X, "X")

    def _finish(self, model: LogisticRegression, names: Any) -> None:
        """Put the fitted model behind the fitted earlier steps."""
        vars(self).update(self._fitted_with(model, names))

    def _fitted_with(self, model: LogisticRegression, names: Any) -> dict[str, Any]:
        """Attributes of this estimator with a model."""
        # Users pass frames to estimator_; the methods below pass arrays to the model.
        whole = joined_again(self.estimator, self._transformer, model, names)
        found = {"_classifier": model, "estimator_": whole}
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self._transformer, name):
                found[name] = getattr(self._transformer, name)
        return found

    def _check_array(self, X: Any, name: str, *, reset: bool) -> Matrix:
        check_order(X, name)
        matrix = as_floats(X, name)
        if name != "X":  # of X, scikit-learn says it
            check_columns(getattr(self, "feature_names_in_", None), X, name)
        validate_data(self, X, reset=reset, skip_check_array=True)
        names = getattr(self, "feature_names_in_", None)
        check_finite(matrix, name, names)
        check_size(matrix, name, names)
        return matrix

    def _transformed(self, X: Any, name: str) -> tuple[Matrix, Any]:
        """Rows after the earlier steps, and the names of their columns, if any."""
        check_order(X, name)
        return checked_matrix(transformed(self._transformer, X, name), name)

    def _matrix(self, X: Any, name: str) -> Matrix:
        """Rows as the logistic regression sees them."""
        X = as_rows(X, name)
        if self._transformer is None:
            return self._check_array(X, name, reset=False)
        return self._transformed(X, name)[0]

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row, shape (n_samples,)."""
        check_is_fitted(self)
        return np.asarray(self._classifier.predict(self._matrix(X, "X")))

    def predict_proba(self, X: Any) -> Float64Array:
        """Class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        return np.asarray(self._classifier.predict_proba(self._matrix(X, "X")))

    def predict_log_proba(self, X: Any) -> Float64Array:
        """Logarithms of the class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        return np.asarray(self._classifier.predict_log_proba(self._matrix(X, "X")))

    def decision_function(self, X: Any) -> Float64Array:
        """Logits, shape (n_samples, n_classes), or (n_samples,) for two classes."""
        check_is_fitted(self)
        return np.asarray(self._classifier.decision_function(self._matrix(X, "X")))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        if isinstance(self.estimator, BaseEstimator):
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags
