"""From the columns of a table to a standardized matrix."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import _check_feature_names_in, validate_data
from skrub import DatetimeEncoder, StringEncoder

from salutary.deep.texts import cuts_told
from salutary.deep.transformer_embedder import TransformerEmbedder
from salutary.errors import InputError
from salutary.tables.casting import VECTOR, cast_features, entry_names
from salutary.tables.formats import check_names
from salutary.tables.reading import Tables
from salutary.tables.scaling import fit_transform
from salutary.tables.sources import Sources, Texts


class ColumnTypes(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Give a table's columns the kinds that they have in the training table.

    The first step of a saved model. It takes a table of any library, in whatever types
    its columns have: every value becomes the kind of its column without loss, or the
    table is refused with the column and the row. Gaps stay gaps, and the texts in
    `salutary.tables.spelling.MISSING` are gaps.

    Parameters
    ----------
    kinds : dict of str to str
        Kind of each feature, as from `column_kinds`.

    Examples
    --------
    >>> types = ColumnTypes({"size": "number", "member": "boolean"})
    >>> rows = pd.DataFrame({"member": ["true", "?"], "size": [" 1.5", "2e3"]})
    >>> types.transform(rows)
         size  member
    0     1.5     1.0
    1  2000.0     NaN
    """

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds

    def fit(self, X: pd.DataFrame, y: object = None) -> ColumnTypes:
        """Do nothing, as the types are known."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the features, shape (n_features_in_,)."""
        return np.array([*self.kinds], dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of features."""
        return len(self.kinds)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, optional
            If passed, the names of the features, as scikit-learn asks for.

        Returns
        -------
        ndarray of str objects
            A column of vectors is a column for each entry, "COLUMN[0]" and so on.
        """
        _check_feature_names_in(self, input_features)
        names: list[str] = []
        for name, kind in self.kinds.items():
            names += entry_names(name, kind) if kind.startswith(VECTOR) else [name]
        return np.array(names, dtype=object)

    def transform(self, X: Any) -> pd.DataFrame:
        """Select the features and cast them, see `cast_features`.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or pyarrow.Table

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        InputError
            If ``X`` is no table, a column has values of several types, or
            `cast_features` refuses it.
        """
        return cast_features(as_table(X, list(self.kinds), "X"), self.kinds, "X")


def as_table(X: Any, names: list[str], called: str) -> pa.Table:
    """Some columns of a table as Arrow has them; what is absent is left.

    Parameters
    ----------
    X : DataFrame of pandas or polars, or pyarrow.Table
    names : list of str
    called : str
        What the caller calls it, for messages.

    Raises
    ------
    InputError
        If ``X`` is no table, has no rows, or a column occurs twice, or has values of
        several types.
    """
    if isinstance(X, pa.Table):
        found = X.column_names
    elif hasattr(X, "columns"):
        found = [*X.columns]
    else:
        raise InputError(
            f"{called}: is of type {type(X).__name__}; pass a DataFrame of pandas or "
            "polars, or a pyarrow.Table"
        )
    wanted = {*names}
    check_names((name for name in found if name in wanted), called)
    columns = {}
    for name in names:
        if name not in found:
            continue
        try:
            column = X[name]
            if isinstance(X, pd.DataFrame):
                column = pa.array(column, from_pandas=True)
            elif not isinstance(X, pa.Table):
                column = column.to_arrow()
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            cause = " ".join(str(error).split())
            raise InputError(
                f"{called}: column {name!r}: cannot be read ({cause}); make its values "
                "all text, or all numbers"
            ) from None
        columns[name] = column
    table = pa.table(columns)
    if columns and table.num_rows == 0:
        raise InputError(f"{called}: has no rows; pass a table with at least one")
    return table


class Numbers(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pass columns of numbers on as float32."""

    def fit(self, X: pd.DataFrame, y: object = None) -> Numbers:
        """Keep the names of the columns, as nothing else is learned."""
        validate_data(self, X, skip_check_array=True)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: pd.DataFrame) -> NDArray[np.float32]:
        """Return the same numbers, shape (n_rows, n_columns)."""
        return np.asarray(X, dtype=np.float32)


def table_encoder(
    kinds: Mapping[str, str], seed: int, embedder: TransformerEmbedder | None = None
) -> Pipeline:
    """Steps that turn columns as `cast_features` returns them into a matrix.

    Every column is encoded as its kind says, and nothing is inferred from its values.
    Then gaps are filled with the column's median, and every column is standardized.

    Parameters
    ----------
    kinds : mapping of str to str
        Kind of each column that is encoded, "vector" for an entry of a vector. The
        columns of the matrix are in its order, but vectors come first and embedded
        texts last.
    seed : int
        Random state of the encoder of text columns with many different values.
    embedder : TransformerEmbedder, optional
        Embeds the columns of the kind "document".

    Returns
    -------
    Pipeline
        Unfitted. Its output is float32.
    """
    encoded_as = {
        name: ENCODED_AS[kind.partition(":")[0]] for name, kind in kinds.items()
    }
    vectors = [name for name, encoded in encoded_as.items() if encoded == "vectors"]
    documents = [name for name, encoded in encoded_as.items() if encoded == "texts"]
    parts: list[tuple[str, Any, Any]] = [("vectors", "passthrough", vectors)]
    others = [name for name in kinds if name not in {*vectors, *documents}]
    for encoded, group in groupby(others, key=encoded_as.__getitem__):
        parts += _parts(encoded, list(group), seed, len(parts))
    parts.append(("texts", embedder, documents))
    parts = [part for part in parts if len(part[2])]
    side_by_side = ColumnTransformer(
        parts, sparse_threshold=0, verbose_feature_names_out=False
    )
    return Pipeline(
        [
            ("vectorize", side_by_side),
            ("impute", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
        ]
    )


ENCODED_AS = {
    **dict.fromkeys(("number", "boolean", "time", "duration"), "numbers"),
    **{"category": "categories", "text": "n-grams", "date": "dates"},
    **{"vector": "vectors", "document": "texts"},
}
"""How each kind is encoded."""


def _parts(
    encoded: str, columns: list[str], seed: int, number: int
) -> list[tuple[str, Any, Any]]:
    """Transformers of neighboring columns that are encoded alike."""
    if encoded == "numbers":
        return [(f"numbers {number}", Numbers(), columns)]
    if encoded == "categories":
        # All categories are kept, so that an unseen one is zero in each of them.
        one_hot = OneHotEncoder(
            dtype="float32", handle_unknown="ignore", sparse_output=False
        )
        return [(f"categories {number}", one_hot, columns)]
    return [
        (
            f"{encoded} {number + place}",
            DatetimeEncoder()
            if encoded == "dates"
            else StringEncoder(random_state=seed),
            column,
        )
        for place, column in enumerate(columns)
    ]


def _encoder_for(
    tables: Tables, stacked: pd.DataFrame, sources: Sources, seed: int
) -> Pipeline:
    """A `table_encoder` of all columns with a value; the others are left out."""
    filled = stacked.columns[stacked.notna().any()]
    if not len(filled):
        raise InputError(
            f"{sources.train}: no feature has a value; fill at least one column"
        )
    texts, documents = sources.texts, sources.documents
    columns = [name for name in filled if name not in documents]
    # Only the entries of vectors have names of their own.
    kinds = {name: tables.kinds.get(name, "vector") for name in (*columns, *documents)}
    return table_encoder(kinds, seed, None if texts is None else _embedder(texts))


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
    found: TransformerEmbedder | None
    found = encoder["vectorize"].named_transformers_.get("texts")
    return found


def with_names(encoder: Pipeline) -> Pipeline:
    """A fitted `table_encoder` whose steps pass on frames with named columns.

    Parameters
    ----------
    encoder : Pipeline
        Fitted on frames, with arrays between its steps.

    Returns
    -------
    Pipeline
        It returns the same numbers as ``encoder``, as DataFrames.
    """
    named = Pipeline([(name, copy(step)) for name, step in encoder.steps])
    side_by_side = named["vectorize"]
    try:
        names = side_by_side.get_feature_names_out()
    except ValueError:  # as when a is "b" in one column, and another is called "a_b"
        side_by_side.verbose_feature_names_out = True
        names = side_by_side.get_feature_names_out()
    for step in (named["impute"], named["scale"]):
        step.feature_names_in_ = names
        names = step.get_feature_names_out()
    return named.set_output(transform="pandas")


def fit_encoder(
    tables: Tables, sources: Sources, seed: int
) -> tuple[Pipeline, dict[str, NDArray[np.float32]]]:
    """Fit an encoder on the training rows and the pool, and encode every table.

    Numbers of the pool that are far outside the training table's set no scale.

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
        If no feature has a value, all training rows have the same features, or the
        language model cannot be loaded.

    Warns
    -----
    UserWarning
        If texts are truncated; says how many of each table.
    """
    features = tables.features
    frames = [features[name] for name in ("train", "pool") if name in features]
    stacked = pd.concat(frames, ignore_index=True)
    encoder = _encoder_for(tables, stacked, sources, seed)
    with cuts_told():
        matrix = np.asarray(fit_transform(encoder, stacked, len(frames[0])))
        matrices = {"train": matrix[: len(frames[0])], "pool": matrix[len(frames[0]) :]}
        matrices["validation"] = np.asarray(encoder.transform(features["validation"]))
    if not np.ptp(matrices["train"], axis=0).any():
        raise InputError(
            f"{sources.train}: all rows have the same features, as the model sees "
            "them, so nothing tells the classes apart; add a column that differs"
        )
    embedder = embedder_of(encoder)
    if embedder is not None:
        called, documents = sources.names(), list(sources.documents)
        embedder.warn_of_cut(
            {called[name]: features[name][documents] for name in features}
        )
        # Both belong to this machine, and the encoder is to be used on others too.
        embedder.set_params(cache_dir=None, device=None)
        encoder.set_params(vectorize__texts__cache_dir=None)
        encoder.set_params(vectorize__texts__device=None)
    return encoder, {name: matrices[name] for name in features}


def unseen_categories(
    encoder: Pipeline, train: pd.DataFrame, pool: pd.DataFrame
) -> dict[str, int]:
    """Number of pool rows, by column, with a category that no training row has."""
    counts: dict[str, int] = {}
    for _, step, columns in encoder["vectorize"].transformers_:
        if not isinstance(step, OneHotEncoder):
            continue
        for column in columns:
            unseen = pool[column].notna() & ~pool[column].isin(train[column].dropna())
            if unseen.any():
                counts[column] = int(unseen.sum())
    return counts
