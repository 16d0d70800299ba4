"""From a table's columns to a standardized matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skrub import StringEncoder, TableVectorizer

from salutary.deep.transformer_embedder import TransformerEmbedder
from salutary.errors import InputError
from salutary.tables.columns import cast_features
from salutary.tables.reading import Tables
from salutary.tables.sources import Sources, Texts


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


def table_encoder(seed: int, vectorize: Any = None) -> Pipeline:
    """Steps from columns as `cast_features` gives them to a standardized matrix.

    skrub's TableVectorizer makes numbers of categories, texts and dates; then gaps are
    filled with medians and columns standardized.

    Parameters
    ----------
    seed : int
        Of the encoder of texts of many values.
    vectorize : transformer, optional
        First step, instead of the TableVectorizer.

    Returns
    -------
    Pipeline, unfitted
        Its output is float32.
    """
    return Pipeline(
        [
            ("vectorize", _vectorizer(seed) if vectorize is None else vectorize),
            ("impute", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
        ]
    )


def _vectorizer(seed: int) -> TableVectorizer:
    return TableVectorizer(
        # No column dropped: unseen categories are then zeros everywhere.
        low_cardinality=OneHotEncoder(
            dtype="float32", handle_unknown="ignore", sparse_output=False
        ),
        high_cardinality=StringEncoder(random_state=seed),
    )


def _encoder_for(tables: Tables, texts: Texts | None, seed: int) -> Pipeline:
    """A `table_encoder` past which vectors go as they are, and texts embedded."""
    names = list(map(str, tables.features["train"]))
    documents = [] if texts is None else list(texts.columns)
    vectors = [name for name in names if name not in tables.kinds]
    others = [name for name in names if name not in {*documents, *vectors}]
    if not documents and not vectors:
        return table_encoder(seed)
    parts: list[tuple[str, Any, list[str]]] = [
        ("vectors", "passthrough", vectors),
        ("columns", _vectorizer(seed), others),
    ]
    if texts is not None:
        parts.append(("texts", _embedder(texts), documents))
    parts = [part for part in parts if part[2]]
    return table_encoder(seed, ColumnTransformer(parts, sparse_threshold=0))


def _embedder(texts: Texts) -> TransformerEmbedder:
    # A saved model is used from other places too.
    is_folder = Path(texts.embedder).is_dir()
    return TransformerEmbedder(
        str(Path(texts.embedder).resolve()) if is_folder else texts.embedder,
        pooling=texts.pooling,
        device=texts.device,
        cache_dir=None if texts.cache is None else str(texts.cache),
    )


def embedder_of(encoder: Pipeline) -> TransformerEmbedder | None:
    """The fitted embedder of an encoder, if it has one."""
    vectorize = encoder["vectorize"]
    if isinstance(vectorize, ColumnTransformer):
        found: TransformerEmbedder | None = vectorize.named_transformers_.get("texts")
        return found
    return None


def fit_encoder(
    tables: Tables, sources: Sources, seed: int
) -> tuple[Pipeline, dict[str, NDArray[np.float32]]]:
    """Fit an encoder on the training table and the pool, and encode every table.

    Parameters
    ----------
    tables : Tables
    sources : Sources
        Where they are from, and which texts are embedded.
    seed : int

    Returns
    -------
    encoder : Pipeline
    matrices : dict of str to ndarray of shape (n_rows, n_features)
        By table.

    Raises
    ------
    InputError
        If no feature has a value, or a language model cannot be loaded.
    """
    features = tables.features
    frames = [features[name] for name in ("train", "pool") if name in features]
    stacked = pd.concat(frames, ignore_index=True)
    encoder = _encoder_for(tables, sources.texts, seed)
    try:
        matrix = np.asarray(encoder.fit_transform(stacked))
    except InputError:
        raise
    except ValueError as error:
        if not stacked.isna().all(axis=None) and "0 feature(s)" not in str(error):
            raise
        raise InputError(
            f"{sources.train}: no feature has a value; fill at least one column"
        ) from None
    matrices = {"train": matrix[: len(frames[0])], "pool": matrix[len(frames[0]) :]}
    matrices["validation"] = np.asarray(encoder.transform(features["validation"]))
    embedder = embedder_of(encoder)
    if embedder is not None:
        # Of this machine, and the encoder is to be used on others.
        embedder.set_params(cache_dir=None, device=None)
        encoder.set_params(vectorize__texts__cache_dir=None)
        encoder.set_params(vectorize__texts__device=None)
    return encoder, {name: matrices[name] for name in features}


def unseen_categories(
    encoder: Pipeline, train: pd.DataFrame, pool: pd.DataFrame
) -> dict[str, int]:
    """Pool rows, by column, with a category that no training row has."""
    vectorize = encoder["vectorize"]
    if isinstance(vectorize, ColumnTransformer):
        vectorize = vectorize.named_transformers_.get("columns")
    counts: dict[str, int] = {}
    if vectorize is None:
        return counts
    columns = vectorize.kind_to_columns_["low_cardinality"]
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
