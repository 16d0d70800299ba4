"""Labeled, validation, pool and test rows of a data set, and their encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
)

from salutary_benchmark.data.catalog import Kind

Part = tuple[Any, NDArray[Any]]
"""Features and classes of rows."""

TEST_FRACTION = 0.2
RAREST = 0.01
"""Categories that a smaller part of the rows have are encoded as one category."""
COMPONENTS = 64
"""Number of principal components of images, and of latent dimensions of texts."""


@dataclass(frozen=True)
class Split:
    """Labeled, validation, pool and test rows, each as (X, y)."""

    labeled: Part
    validation: Part
    pool: Part
    test: Part

    def encoded(self, encoder: Any) -> Split:
        """All rows as float64, by an encoder fitted on labeled and pool rows."""
        encoder.fit(_stacked(self.labeled[0], self.pool[0]))

        def encode(part: Part) -> Part:
            return np.asarray(encoder.transform(part[0]), dtype=np.float64), part[1]

        return Split(
            encode(self.labeled),
            encode(self.validation),
            encode(self.pool),
            encode(self.test),
        )


def split(
    X: Any,
    y: NDArray[Any],
    *,
    n_labeled: int,
    validation: float | int = 0.2,
    largest_pool: int | None = None,
    seed: int,
) -> Split:
    """Draw 20% test rows, validation rows and labeled rows; the rest is the pool.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    n_labeled : int
        Number of labeled rows.
    validation : float or int
        Validation rows: a part of all rows, or their number.
    largest_pool : int, optional
        Number of pool rows above which the pool is sampled down to it.
    seed : int

    Returns
    -------
    Split
        All draws are stratified by class.
    """
    n_validation = round(validation * len(y)) if validation < 1 else int(validation)
    rows = np.arange(len(y))
    rows, test = _draw(rows, y, round(TEST_FRACTION * len(y)), seed)
    rows, held = _draw(rows, y, n_validation, seed)
    pool, labeled = _draw(rows, y, n_labeled, seed)
    if largest_pool is not None and len(pool) > largest_pool:
        pool = _sampled(pool, y, largest_pool, seed)

    def part(chosen: NDArray[np.intp]) -> Part:
        return (X.iloc[chosen] if hasattr(X, "iloc") else X[chosen]), y[chosen]

    return Split(part(labeled), part(held), part(pool), part(test))


def _draw(
    rows: NDArray[np.intp], y: NDArray[Any], size: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows left and the rows drawn."""
    left, drawn = train_test_split(
        rows, test_size=size, stratify=y[rows], random_state=seed
    )
    return left, drawn


def _sampled(
    rows: NDArray[np.intp], y: NDArray[Any], size: int, seed: int
) -> NDArray[np.intp]:
    """Draw rows, stratified by class if a row of each class can be left out."""
    if len(rows) - size < len(np.unique(y[rows])):
        rng = np.random.RandomState(seed)
        return np.sort(rng.choice(rows, size, replace=False))
    return _draw(rows, y, size, seed)[1]


def make_encoder(kind: Kind, seed: int) -> Pipeline:
    """The encoder that turns a kind of rows into a dense matrix.

    Tables: categories one-hot, with all rare ones as one; missing numbers imputed; all
    columns standardized. Images: the leading principal components of pixels in [0, 1].
    Texts: TF-IDF, then truncated SVD; the two texts of a pair are joined.
    """
    if kind == "images":
        scaled = FunctionTransformer(_unit_pixels)
        return make_pipeline(scaled, PCA(COMPONENTS, random_state=seed))
    if kind == "text":
        words = TfidfVectorizer(sublinear_tf=True, min_df=2)
        latent = TruncatedSVD(COMPONENTS, random_state=seed)
        return make_pipeline(
            FunctionTransformer(_joined_texts), words, latent, StandardScaler()
        )
    categories = OneHotEncoder(
        min_frequency=RAREST,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    )
    columns = make_column_transformer(
        (
            SimpleImputer(keep_empty_features=True),
            make_column_selector(dtype_include="number"),
        ),
        (categories, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, StandardScaler())


def _unit_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.divide(pixels, 255, dtype=np.float32)


def _joined_texts(texts: pd.DataFrame) -> pd.Series:
    return texts.agg(" ".join, axis=1)


def _stacked(first: Any, second: Any) -> Any:
    if hasattr(first, "iloc"):
        return pd.concat([first, second], ignore_index=True)
    return np.concatenate([first, second])
