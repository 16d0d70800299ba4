"""Which column of a table each column of a model's matrix comes from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from skrub import TableVectorizer

from salutary.deep.transformer_embedder import TransformerEmbedder

Names = list[Hashable]


def original_columns(
    transformer: Any, names: Sequence[Hashable], n_features: int
) -> Names:
    """Which input column each output of fitted steps comes from.

    Parameters
    ----------
    transformer : Pipeline, transformer or None
        Fitted; None passes everything on.
    names : sequence
        Names of the input columns.
    n_features : int
        Number of outputs.

    Returns
    -------
    list of n_features names
        Where a step mixes columns, as a PCA does, its outputs go by their own names,
        for instance "pca0", or by their numbers, "feature0". Texts that are embedded
        together are one feature.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> table = pd.DataFrame({"color": ["red", "blue"], "size": ["S", "M"]})
    >>> steps = make_pipeline(
    ...     OneHotEncoder(sparse_output=False), StandardScaler()
    ... ).fit(table)
    >>> original_columns(steps, list(table), 4)
    ['color', 'color', 'size', 'size']
    """
    found = _through(transformer, list(names), n_features)
    return found if len(found) == n_features else _numbered(n_features)


def _through(step: Any, names: Names, n_outputs: int | None) -> Names:
    """Where the outputs of a step come from; its own names where it mixes columns."""
    if step is None or isinstance(step, str):  # "passthrough"
        return names
    if isinstance(step, Pipeline):
        for _, inner in step.steps[:-1]:
            names = _through(inner, names, None)
        return _through(step.steps[-1][1], names, n_outputs)
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, names)
    if isinstance(step, TransformerEmbedder):
        joint: Names = [" + ".join(map(str, names)) or "text"]
        return joint * len(_own_names(step, n_outputs))
    known = _of_known_step(step, names)
    if known is not None:
        return known
    own = _own_names(step, n_outputs)
    return names * len(own) if len(names) == 1 else own


def _of_known_step(step: Any, names: Names) -> Names | None:
    """Where the outputs of steps come from that keep columns apart; None for others."""
    if isinstance(step, SimpleImputer):
        kept = _imputed(step, names)
        if step.indicator_ is not None:
            kept += [names[place] for place in step.indicator_.features_]
        return kept
    if isinstance(step, OneHotEncoder):
        widths = _widths(step)
        if len(widths) == len(names):
            pairs = zip(names, widths, strict=True)
            return [name for name, width in pairs for _ in range(width)]
        return None
    if isinstance(step, TableVectorizer):
        origin = {
            output: name
            for name, outputs in step.input_to_outputs_.items()
            for output in outputs
        }
        return [origin[output] for output in step.all_outputs_]
    if isinstance(step, SelectorMixin):
        return [names[place] for place in step.get_support(indices=True)]
    one_to_one = getattr(step, "feature_names_out", None) == "one-to-one"
    return names if one_to_one or isinstance(step, OneToOneFeatureMixin) else None


def _imputed(step: SimpleImputer, names: Names) -> Names:
    """The columns that are kept: those that had a value."""
    if step.keep_empty_features or step.statistics_.dtype.kind != "f":
        return names
    return [names[place] for place in np.flatnonzero(~np.isnan(step.statistics_))]


def _widths(step: OneHotEncoder) -> list[int]:
    """Number of outputs of each column."""
    rare = getattr(step, "infrequent_categories_", [None] * len(step.categories_))
    dropped = [None] * len(rare) if step.drop_idx_ is None else step.drop_idx_
    return [
        len(categories)
        - (0 if few is None else len(few) - 1)
        - (0 if drop is None else 1)
        for categories, few, drop in zip(step.categories_, rare, dropped, strict=True)
    ]


def _side_by_side(step: ColumnTransformer, names: Names) -> Names:
    found: dict[int, Hashable] = {}
    place = {name: number for number, name in enumerate(names)}
    for name, inner, columns in step.transformers_:
        outputs = range(*step.output_indices_[name].indices(10**9))
        if inner == "drop" or not len(outputs):
            continue
        numbers = _numbers(columns, place, len(names))
        own = _through(inner, [names[number] for number in numbers], len(outputs))
        if len(own) != len(outputs):
            return []
        found.update(zip(outputs, own, strict=True))
    return [found[output] for output in sorted(found)]


def _numbers(columns: Any, place: dict[Hashable, int], n_columns: int) -> list[int]:
    """Numbers of the columns that a part of a ColumnTransformer was fitted on."""
    if isinstance(columns, str | int):
        columns = [columns]
    if isinstance(columns, slice):
        columns = range(n_columns)[columns]
    values = np.asarray(columns, dtype=object).tolist()
    if values and all(isinstance(value, bool | np.bool_) for value in values):
        return np.flatnonzero(values).tolist()
    return [
        place[value] if value in place else range(n_columns)[value] for value in values
    ]


def _own_names(step: Any, n_outputs: int | None) -> Names:
    try:
        return [str(name) for name in step.get_feature_names_out()]
    except (AttributeError, ValueError, TypeError):
        return _numbered(n_outputs or 0)


def _numbered(number: int) -> Names:
    return [f"feature{place}" for place in range(number)]
