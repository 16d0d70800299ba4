"""Estimators taken apart and put together, against scikit-learn's pipelines."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from salutary import SalutaryClassifier, relabel
from salutary.estimators.pipelines import checked_matrix, joined_again, split_estimator

X, Y = load_iris(return_X_y=True)


def test_nothing_is_a_plain_logistic_regression() -> None:
    transformer, classifier = split_estimator(None)
    assert transformer is None
    assert classifier.get_params() == LogisticRegression().get_params()


def test_a_bare_model_has_no_earlier_steps() -> None:
    model = LogisticRegression(C=0.3)
    assert split_estimator(model) == (None, model)
    transformer, classifier = split_estimator(make_pipeline(model))
    assert transformer is None
    assert classifier is model


def test_earlier_steps_are_unfitted_copies() -> None:
    pipeline = make_pipeline(StandardScaler(), PCA(2), LogisticRegression(C=0.3))
    pipeline.fit(X, Y)
    transformer, classifier = split_estimator(pipeline)
    assert [type(step) for _, step in transformer.steps] == [StandardScaler, PCA]
    assert transformer[0] is not pipeline[0]
    assert not hasattr(transformer[0], "mean_")
    assert classifier.C == 0.3
    transformer.fit(X[:50])
    assert_array_equal(pipeline[0].mean_, X.mean(axis=0))


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (SGDClassifier(loss="log_loss"), "got SGDClassifier"),
        (make_pipeline(StandardScaler(), PCA()), "got PCA"),
        (make_pipeline(LogisticRegression(), StandardScaler()), "got StandardScaler"),
        (LogisticRegression(C=np.inf), "C"),
        (make_pipeline(PCA(), LogisticRegression(l1_ratio=0.5)), "l1_ratio"),
        (LogisticRegression(solver="liblinear"), "liblinear"),
    ],
    ids=["another", "no model", "steps after", "no penalty", "L1", "liblinear"],
)
def test_other_models_are_refused(estimator: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_estimator(estimator)


@pytest.mark.parametrize(
    "step",
    [
        SelectKBest(k=2),
        TargetEncoder(),
        LinearDiscriminantAnalysis(),
        NeighborhoodComponentsAnalysis(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_step_that_learns_from_labels_is_named(step: Any) -> None:
    pipeline = make_pipeline(StandardScaler(), step, LogisticRegression())
    marked = np.where(np.arange(150) % 3, -1, Y)
    name, kind = pipeline.steps[1][0], type(step).__name__
    with pytest.raises(ValueError, match=rf"'{name}' \({kind}\) learns from labels"):
        SalutaryClassifier(pipeline).fit(X, marked)


def test_a_step_within_a_step_that_learns_from_labels_is_named() -> None:
    inner = make_pipeline(StandardScaler(), SelectKBest(k=2))
    marked = np.where(np.arange(150) % 3, -1, Y)
    for last in (LogisticRegression(), make_pipeline(inner, LogisticRegression())):
        pipeline = make_pipeline(inner, last)
        with pytest.raises(ValueError, match=r"'selectkbest' .* learns from labels"):
            SalutaryClassifier(pipeline).fit(X, marked)
    with pytest.raises(ValueError, match=r"'selectkbest' .* learns from labels"):
        relabel(X[::2], Y[::2], X[1::2], Y[1::2], estimator=pipeline)


NESTED = {
    "last": make_pipeline(
        StandardScaler(), make_pipeline(PCA(3), LogisticRegression(C=0.3))
    ),
    "only": make_pipeline(make_pipeline(PCA(3), LogisticRegression(C=0.3))),
    "bare": make_pipeline(PCA(3), make_pipeline(LogisticRegression(C=0.3))),
    "first": make_pipeline(
        make_pipeline(StandardScaler(), PCA(3)), LogisticRegression(C=0.3)
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_pipelines_in_pipelines_are_fitted_as_they_are(name: str) -> None:
    pipeline = NESTED[name]
    transformer, template = split_estimator(pipeline)
    assert template.C == 0.3
    model = template.fit(transformer.fit_transform(X), Y)
    whole = joined_again(pipeline, transformer, model, None)
    reference = clone(pipeline).fit(X, Y)
    assert_array_equal(whole.predict_proba(X), reference.predict_proba(X))
    assert [name for name, _ in whole.steps] == [name for name, _ in pipeline.steps]
    marked = np.where(np.arange(150) % 3, -1, Y)
    found = SalutaryClassifier(pipeline, budget=3, guard=False, random_state=0)
    found.fit(X, marked)
    assert_array_equal(found.estimator_.predict(X), found.predict(X))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("by_name", [False, True])
def test_tables_of_every_library_are_rows(kind: str, by_name: bool) -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    kinds = {"pandas": frame, "polars": pl.from_arrow(table), "pyarrow": table}
    given, marked = kinds[kind], np.where(np.arange(150) % 3, -1, Y)
    earlier: Any = StandardScaler()
    if by_name:
        earlier = make_column_transformer((StandardScaler(), list("abcd")))
    pipeline = make_pipeline(earlier, LogisticRegression())
    model = SalutaryClassifier(pipeline, budget=3, guard=False, random_state=0)
    model.fit(given, marked)
    reference = clone(model).set_params(
        estimator=make_pipeline(StandardScaler(), LogisticRegression())
    )
    reference.fit(X, marked)
    assert_array_equal(model.transduction_, reference.transduction_)
    assert_allclose(model.predict_proba(given), reference.predict_proba(X), atol=1e-6)
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.n_features_in_ == 4
    first, second = (given[:75], given[75:])
    found = relabel(
        first, Y[:75], second, np.where(Y[75:] > 1, 1, Y[75:]), budget=2, guard=False
    )
    assert found.model.predict(frame).shape == (150,)


@pytest.mark.parametrize("rows", [{"a": [1, 2], "b": [3, 4]}, "text"])
def test_a_dict_and_a_text_are_no_rows(rows: Any) -> None:
    marked = np.where(np.arange(150) % 3, -1, Y)
    model = SalutaryClassifier(budget=3, guard=False)
    with pytest.raises(ValueError, match=r"X is (a dict|one text)"):
        model.fit(rows, marked)
    with pytest.raises(ValueError, match=r"X_val is (a dict|one text)"):
        model.fit(X, marked, rows, Y[:2])
    with pytest.raises(ValueError, match=r"X_val is (a dict|one text)"):
        relabel(X, Y, rows, Y[:2])


@pytest.mark.parametrize("container", ["array", "frame"])
def test_what_is_joined_again_predicts_as_the_pipeline_fitted_whole(
    container: str,
) -> None:
    names = ["a", "b", "c", "d"]
    rows = pd.DataFrame(X, columns=names) if container == "frame" else X
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("turn", PCA(3)), ("model", LogisticRegression())]
    )
    transformer, template = split_estimator(pipeline)
    Z = transformer.fit(rows).transform(rows)
    model = template.fit(Z, Y)
    whole = joined_again(pipeline, transformer, model, None)
    assert isinstance(whole, Pipeline)
    assert whole is not pipeline
    assert [name for name, _ in whole.steps] == ["scale", "turn", "model"]
    assert not hasattr(pipeline["scale"], "mean_")
    reference = Pipeline(pipeline.steps).fit(rows, Y)
    assert_array_equal(whole.predict_proba(rows), reference.predict_proba(rows))
    if container == "frame":
        assert whole.feature_names_in_.tolist() == names


def test_a_bare_model_gets_the_names_of_its_columns_in_a_copy() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, Y)
    named = joined_again(None, None, model, ["a", "b", "c", "d"])
    assert named.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert not hasattr(model, "feature_names_in_")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    assert_array_equal(named.predict(frame), model.predict(X))  # without a warning
    assert joined_again(None, None, model, None) is model


def test_a_scaler_of_frames_gives_its_model_the_names_it_puts_out() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.set_output(transform="pandas")
    transformer, template = split_estimator(pipeline)
    matrix, names = checked_matrix(transformer.fit(frame).transform(frame), "X")
    whole = joined_again(pipeline, transformer, template.fit(matrix, Y), names)
    assert whole.predict(frame).shape == (150,)  # without a warning


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.coo_array])
def test_rows_keep_their_precision(container: Any, dtype: type) -> None:
    found, names = checked_matrix(container(X.astype(dtype)), "X")
    assert names is None
    assert found.dtype == dtype
    dense = found.toarray() if sparse.issparse(found) else found
    assert_array_equal(dense, X.astype(dtype))
    assert not sparse.issparse(found) or found.format == "csr"


def test_whole_numbers_become_floats_and_frames_give_their_names() -> None:
    found, names = checked_matrix(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), "X")
    assert found.dtype == np.float64
    assert_array_equal(found, [[1, 3], [2, 4]])
    assert list(names) == ["a", "b"]


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, pd.DataFrame])
@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "X_val contains NaN"), (-np.inf, "infinity"), (-2e100, "too large")],
)
def test_values_that_cannot_be_computed_with_are_named(
    value: float, words: str, container: Any
) -> None:
    bad = X.copy()
    bad[7, 2] = bad[9, 0] = value
    with pytest.raises(ValueError, match=rf"{words}.*[\s\S]*row 7, column 2"):
        checked_matrix(container(bad), "X_val")


def test_no_rows_and_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="0 sample"):
        checked_matrix(X[:0], "X")
    with pytest.raises(ValueError, match="Expected 2D array"):
        checked_matrix(X[0], "X")
