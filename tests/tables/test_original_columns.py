"""Which column each feature comes from, against what changing a column changes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    SplineTransformer,
    StandardScaler,
)
from skrub import TableVectorizer

from salutary.tables.encoding import table_encoder
from salutary.tables.original_columns import original_columns

WORDS = ["lorem", "ipsum", "dolor", "amet", "consectetur", "elit", "tempor", "magna"]


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "empty": np.full(n, np.nan),
            "color": rng.choice(["red", "green", "blue"], n),
            "shape": rng.choice(["a"] * 20 + ["b", "c", "d"], n),
            "day": pd.Timestamp("2024-01-31") + pd.to_timedelta(np.arange(n), "D"),
            "words": [" ".join(rng.choice(WORDS, 3)) for _ in range(n)],
        }
    )


NUMBERS, KINDS = ["size", "gap", "empty"], ["color", "shape"]
ONE_HOT = {"sparse_output": False, "handle_unknown": "ignore"}
STEPS = {
    "one-hot": make_column_transformer(
        (OneHotEncoder(**ONE_HOT), KINDS), ("passthrough", ["size"])
    ),
    "one dropped": make_column_transformer((OneHotEncoder(drop="first"), KINDS)),
    "rare ones": make_column_transformer(
        (OneHotEncoder(min_frequency=5, **ONE_HOT), KINDS), ("drop", ["day"])
    ),
    "gaps": make_pipeline(
        make_column_transformer(
            (SimpleImputer(add_indicator=True), NUMBERS),
            (TfidfVectorizer(), "words"),
        ),
        FunctionTransformer(feature_names_out="one-to-one"),
        VarianceThreshold(),
    ),
    "a mask": make_column_transformer(
        (StandardScaler(), [True] + [False] * 6),
        (make_pipeline(SimpleImputer(), StandardScaler()), slice(1, 2)),
        (OneHotEncoder(**ONE_HOT), [3]),
    ),
    "splines": make_column_transformer((SplineTransformer(), ["size"])),
    "skrub": TableVectorizer(),
}


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_a_feature_changes_with_its_column_alone(steps: Any) -> None:
    frame = table()
    steps.fit(frame)

    def encoded(rows: pd.DataFrame) -> np.ndarray:
        found = steps.transform(rows)
        return np.asarray(found.todense() if hasattr(found, "todense") else found)

    before = encoded(frame)
    origin = original_columns(steps, list(frame), before.shape[1])
    assert {*origin} <= {*frame}
    for name in frame:
        # Every value in the place of another one's.
        moved = frame.assign(**{name: np.roll(frame[name].to_numpy(), 1)})
        moved = moved.astype(frame.dtypes)
        same = np.isclose(encoded(moved), before, equal_nan=True).all(axis=0)
        changed = set(np.flatnonzero(~same))
        assert {origin[place] for place in changed} <= {name}, name


def test_the_encoder_of_runs_is_known() -> None:
    kinds = {
        "size": "number",
        "color": "category",
        "shape": "category",
        "gap": "number",
        "day": "date:%Y-%m-%d",
        "words": "text",
    }
    frame = table()[[*kinds]]
    encoder = table_encoder(kinds, 0)
    encoder.set_params(vectorize__n_jobs=None).fit(frame)
    width = encoder.transform(frame).shape[1]
    found = original_columns(encoder, list(frame), width)
    assert list(dict.fromkeys(found)) == [*kinds]
    assert found.count("color") == 3
    assert found.count("shape") == 4
    assert found.count("day") > 1


def test_mixed_columns_go_by_the_names_of_the_mixture() -> None:
    frame = table()[["size", "color"]]
    steps = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(**ONE_HOT), ["color"]), remainder="passthrough"
        ),
        PCA(2),
        StandardScaler(),
    ).fit(frame)
    assert original_columns(steps, list(frame), 2) == ["pca0", "pca1"]
    nameless = make_pipeline(FunctionTransformer(np.hstack)).fit(frame)
    assert original_columns(nameless, list(frame), 2) == ["feature0", "feature1"]


def test_texts_without_a_column_go_by_their_words() -> None:
    texts = ["one two", "two three"]
    steps = make_pipeline(TfidfVectorizer()).fit(texts)
    assert original_columns(steps, [], 3) == ["one", "three", "two"]


def test_nothing_is_between_a_column_and_itself() -> None:
    assert original_columns(None, ["a", "b"], 2) == ["a", "b"]
