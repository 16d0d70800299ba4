"""From a table's columns to a standardized matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skrub import StringEncoder, TableVectorizer

from salutary.columns import cast_features
from salutary.errors import InputError


class ColumnTypes(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Give a table's columns the types of the training table.

    The first step of a saved model, so that it takes any table a user may read.

    Parameters
    ----------
    kinds : dict of str to str
        As from `column_kinds`.
    """

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds

    def fit(self, X: pd.DataFrame, y: object = None) -> ColumnTypes:
        """Do nothing; the types are known."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Select and cast the columns, see `cast_features`."""
        present = [column for column in self.kinds if column in X.columns]
        table = pa.Table.from_pandas(pd.DataFrame(X)[present], preserve_index=False)
        return cast_features(table, self.kinds, "table")


def table_encoder(seed: int) -> Pipeline:
    """Steps from columns as `cast_features` gives them to a standardized matrix.

    skrub's TableVectorizer makes numbers of categories, texts and dates; then gaps are
    filled with medians and columns standardized.

    Parameters
    ----------
    seed : int
        Of the encoder of texts of many values.

    Returns
    -------
    Pipeline, unfitted
        Its output is float32.
    """
    return Pipeline(
        [
            (
                "vectorize",
                TableVectorizer(
                    # No column dropped: unseen categories are then zeros everywhere.
                    low_cardinality=OneHotEncoder(
                        dtype="float32", handle_unknown="ignore", sparse_output=False
                    ),
                    high_cardinality=StringEncoder(random_state=seed),
                ),
            ),
            ("impute", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
        ]
    )


def fit_encoder(
    features: dict[str, pd.DataFrame], seed: int, place: str
) -> tuple[Pipeline, dict[str, NDArray[np.float32]]]:
    """Fit an encoder on the training table and the pool, and encode every table.

    Parameters
    ----------
    features : dict of str to DataFrame
        Of the tables "train", "validation" and, where there is one, "pool".
    seed : int
    place : str
        What messages call the training table.

    Returns
    -------
    encoder : Pipeline
    matrices : dict of str to ndarray of shape (n_rows, n_features)
        By table.

    Raises
    ------
    InputError
        If no feature has a value.
    """
    encoder = table_encoder(seed)
    frames = [features[name] for name in ("train", "pool") if name in features]
    stacked = pd.concat(frames, ignore_index=True)
    try:
        matrix = np.asarray(encoder.fit_transform(stacked))
    except ValueError as error:
        if not stacked.isna().all(axis=None) and "0 feature(s)" not in str(error):
            raise
        raise InputError(
            f"{place}: no feature has a value; fill at least one column"
        ) from None
    matrices = {"train": matrix[: len(frames[0])], "pool": matrix[len(frames[0]) :]}
    matrices["validation"] = np.asarray(encoder.transform(features["validation"]))
    return encoder, {name: matrices[name] for name in features}


def unseen_categories(
    encoder: Pipeline, train: pd.DataFrame, pool: pd.DataFrame
) -> dict[str, int]:
    """Pool rows, by column, with a category that no training row has."""
    columns = encoder["vectorize"].kind_to_columns_["low_cardinality"]
    counts = {}
    for column in columns:
        unseen = pool[column].notna() & ~pool[column].isin(train[column].dropna())
        if unseen.any():
            counts[column] = int(unseen.sum())
    return counts


def count_recurring(rows: pd.DataFrame, *others: pd.DataFrame) -> int:
    """Rows whose features stand in another table as well."""
    hashes = pd.util.hash_pandas_object(rows, index=False)
    known = pd.concat(
        [pd.util.hash_pandas_object(other, index=False) for other in others]
    )
    return int(hashes.isin(known).sum())
