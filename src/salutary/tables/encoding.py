"""From the columns of a table to a standardized matrix."""

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

    The first step of a saved model. It lets the model take a table as pandas reads it.

    Parameters
    ----------
    kinds : dict of str to str
        Kind of each feature, as from `column_kinds`.
    """

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds

    def fit(self, X: pd.DataFrame, y: object = None) -> ColumnTypes:
        """Do nothing, as the types are known."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Select the features and cast them, see `cast_features`."""
        present = [column for column in self.kinds if column in X.columns]
        table = pa.Table.from_pandas(pd.DataFrame(X)[present], preserve_index=False)
        return cast_features(table, self.kinds, "table")


def table_encoder(seed: int, vectorize: Any = None) -> Pipeline:
    """Steps that turn columns as `cast_features` returns them into a matrix.

    skrub's TableVectorizer makes numbers of categories, texts and dates. Then gaps are
    filled with the column's median, and every column is standardized.

    Parameters
    ----------
    seed : int
        Random state of the encoder of text columns with many different values.
    vectorize : transformer, optional
        First step instead of the TableVectorizer.

    Returns
    -------
    Pipeline
        Unfitted. Its output is float32.
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
        # All columns are kept, so that an unseen category is zero in each of them.
        low_cardinality=OneHotEncoder(
            dtype="float32", handle_unknown="ignore", sparse_output=False
        ),
        high_cardinality=StringEncoder(random_state=seed),
    )


def _encoder_for(tables: Tables, texts: Texts | None, seed: int) -> Pipeline:
    """A `table_encoder` that leaves vectors as they are and embeds texts."""
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
    # The whole path, as a saved model may be used from another folder.
    is_folder = Path(texts.embedder).is_dir()
    embedder = TransformerEmbedder(
        str(Path(texts.embedder).resolve()) if is_folder else texts.embedder,
        pooling=texts.pooling,
        device=texts.device,
        cache_dir=None if texts.cache is None else str(texts.cache),
    )
    return embedder if texts.fingerprint is None else embedder.as_of(texts.fingerprint)


def embedder_of(encoder: Pipeline) -> TransformerEmbedder | None:
    """The fitted embedder of an encoder, or None if no texts are embedded."""
    vectorize = encoder["vectorize"]
    if isinstance(vectorize, ColumnTransformer):
        found: TransformerEmbedder | None = vectorize.named_transformers_.get("texts")
        return found
    return None


def fit_encoder(
    tables: Tables, sources: Sources, seed: int
) -> tuple[Pipeline, dict[str, NDArray[np.float32]]]:
    """Fit an encoder on the training rows and the pool, and encode every table.

    Parameters
    ----------
    tables : Tables
    sources : Sources
        Where the tables are, and which texts are embedded.
    seed : int
        Random state of the encoder.

    Returns
    -------
    encoder : Pipeline
    matrices : dict of str to ndarray of shape (n_rows, n_features), float32
        Matrix of each table.

    Raises
    ------
    InputError
        If no feature has a value, or the language model cannot be loaded.
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
        # Both belong to this machine, and the encoder is to be used on others too.
        embedder.set_params(cache_dir=None, device=None)
        encoder.set_params(vectorize__texts__cache_dir=None)
        encoder.set_params(vectorize__texts__device=None)
    return encoder, {name: matrices[name] for name in features}


def unseen_categories(
    encoder: Pipeline, train: pd.DataFrame, pool: pd.DataFrame
) -> dict[str, int]:
    """Number of pool rows, by column, with a category that no training row has."""
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
    """Number of rows that have the same features as a row of another table."""
    hashes = pd.util.hash_pandas_object(rows, index=False)
    known = pd.concat(
        [pd.util.hash_pandas_object(other, index=False) for other in others]
    )
    return int(hashes.isin(known).sum())
