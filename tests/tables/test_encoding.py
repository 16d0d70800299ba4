"""The encoder: columns of every kind to a matrix."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from salutary.errors import InputError
from salutary.tables.encoding import (
    ColumnTypes,
    Numbers,
    as_table,
    table_encoder,
    unseen_categories,
    with_names,
)


def mixed(n: int, seed: int) -> pd.DataFrame:
    """Columns as `cast_features` gives them, one for each of skrub's encoders."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 20, n),
            "color": rng.choice(["red", "green", "blue"], n),
            "note": [f"note {rng.integers(10**6)} of {row}" for row in range(n)],
            "day": day.astype("datetime64[us]"),
            "empty": pd.Series([None] * n, dtype=object),
        }
    ).astype({"color": object, "note": object})
    for place, column in enumerate(("size", "color", "note", "day")):
        frame.loc[rng.random(n) < 0.1 + 0.02 * place, column] = None
    return frame


MIXED = {"size": "number", "color": "category", "note": "text", "day": "date"}


def test_the_encoder_gives_the_same_numbers_again_and_only_finite_ones() -> None:
    frame, unseen = mixed(120, 0), mixed(60, 1)
    encoder = table_encoder(MIXED, 0)
    fitted = np.asarray(encoder.fit_transform(frame))
    assert fitted.dtype == np.float32
    np.testing.assert_allclose(encoder.transform(frame), fitted, atol=1e-4)
    assert np.isfinite(fitted).all()
    assert np.isfinite(encoder.transform(unseen)).all()
    np.testing.assert_allclose(fitted.mean(axis=0), 0, atol=1e-3)
    spread = fitted.std(axis=0)
    np.testing.assert_allclose(spread[spread > 1e-6], 1, atol=1e-3)
    # Alone or with others, a row becomes the same.
    one = np.asarray(encoder.transform(frame[7:8]))
    np.testing.assert_allclose(one, fitted[7:8], atol=1e-4)


def test_the_encoder_is_seeded() -> None:
    frame = mixed(120, 0)
    first = np.asarray(table_encoder(MIXED, 3).fit_transform(frame))
    np.testing.assert_array_equal(table_encoder(MIXED, 3).fit_transform(frame), first)


def test_columns_are_chosen_and_cast_by_name_whatever_else_there_is() -> None:
    types = ColumnTypes({"b": "number", "a": "text"})
    rows = pd.DataFrame(
        {"a": [1, 2], "other": [0, 0], "b": ["1.5", None]}, index=[9, 4]
    )
    found = clone(types).fit(rows).transform(rows)
    assert list(found) == ["b", "a"]
    assert found["a"].tolist() == ["1", "2"]
    assert found["b"][0] == 1.5
    with pytest.raises(InputError, match="'b'"):
        types.transform(rows[["a"]])


def test_unseen_categories_are_rows_of_the_pool_not_values() -> None:
    train = pd.DataFrame({"color": ["red", None, "blue"], "shape": ["x", "y", "x"]})
    pool = pd.DataFrame(
        {"color": ["red", "teal", "teal", None, "pink"], "shape": ["x", "y", *"xxy"]}
    )
    kinds = dict.fromkeys(train, "category")
    encoder = table_encoder(kinds, 0).fit(pd.concat([train, pool], ignore_index=True))
    assert unseen_categories(encoder, train, pool) == {"color": 3}


def test_kinds_say_the_names_of_the_columns_that_types_return() -> None:
    types = ColumnTypes({"size": "number", "v": "vector:2", "kind": "category"})
    rows = pd.DataFrame({"kind": ["a"], "v": [[1.0, 2.0]], "size": [3], "more": [4]})
    found = types.fit_transform(rows)
    assert found.columns.tolist() == types.get_feature_names_out().tolist()
    assert types.n_features_in_ == 3
    assert types.set_output(transform="pandas").transform(rows).equals(found)


def test_numbers_keep_their_names() -> None:
    rows = pd.DataFrame({"a": [1, 2], "b": [3.5, np.nan]})
    numbers = Numbers().fit(rows)
    assert numbers.get_feature_names_out().tolist() == ["a", "b"]
    frame = numbers.set_output(transform="pandas").transform(rows)
    assert frame.columns.tolist() == ["a", "b"]
    assert (frame.dtypes == np.float32).all()


@pytest.mark.parametrize("clash", [False, True])
def test_an_encoder_with_names_gives_the_same_numbers(clash: bool) -> None:
    rows = mixed(80, 3)
    kinds = dict(MIXED)
    if clash:
        rows["color_red"] = rows["size"]
        kinds["color_red"] = "number"
    encoder = table_encoder(kinds, 0)
    matrix = encoder.fit_transform(rows)
    frame = with_names(encoder).transform(rows)
    assert_array_equal(frame.to_numpy(), matrix)
    assert frame.columns.is_unique
    assert ("size" in frame.columns) is not clash
    assert_array_equal(encoder.transform(rows), matrix)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_table_without_rows_is_refused_in_a_line(library: Any) -> None:
    rows = library({"size": pa.array([], pa.float64()).to_numpy()})
    with pytest.raises(
        InputError, match=r"^X: has no rows; pass a table with at least"
    ):
        ColumnTypes({"size": "number"}).transform(rows)


def test_a_name_that_arrays_would_cut_is_refused() -> None:
    frame = pd.DataFrame({"size": [1.0, 2.0], "kind\0": ["u", "v"]})
    with pytest.raises(InputError, match=r"'kind\\x00' ends with the character NUL"):
        as_table(frame, [*frame.columns], "X")
