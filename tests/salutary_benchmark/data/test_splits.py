"""Who gets which rows, and that encoders see labeled and pool rows only."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary_benchmark.data.splits import COMPONENTS, Part, Split, make_encoder, split

N = 1200
ROWS = np.arange(N)[:, None]
Y = np.repeat([0, 1, 2], [600, 480, 120])


def parts_of(drawn: Split) -> list[Part]:
    return [drawn.labeled, drawn.validation, drawn.pool, drawn.test]


@pytest.mark.parametrize(
    ("n_labeled", "validation", "sizes"),
    [
        (60, 0.2, [60, 240, 660, 240]),
        (60, 0.1, [60, 120, 780, 240]),
        (100, 80, [100, 80, 780, 240]),
        (300, 0.25, [300, 300, 360, 240]),
    ],
)
def test_parts_have_the_sizes_asked_for_every_row_once_and_are_stratified(
    n_labeled: int, validation: float, sizes: list[int]
) -> None:
    drawn = split(ROWS, Y, n_labeled=n_labeled, validation=validation, seed=3)
    parts = parts_of(drawn)
    assert [len(y) for _, y in parts] == sizes
    together = np.concatenate([X[:, 0] for X, _ in parts])
    assert sorted(together) == list(range(N))
    for X, y in parts:
        np.testing.assert_array_equal(Y[X[:, 0]], y)
        shares = np.bincount(y, minlength=3)
        np.testing.assert_allclose(shares, len(y) * np.array([0.5, 0.4, 0.1]), atol=1)


def test_a_split_is_seeded() -> None:
    drawn = [split(ROWS, Y, n_labeled=60, seed=seed) for seed in (0, 0, 1)]
    for first, second, other in zip(*map(parts_of, drawn), strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        assert set(first[0][:, 0]) != set(other[0][:, 0])


def test_a_largest_pool_samples_the_pool_and_leaves_the_others_as_they_were() -> None:
    whole = split(ROWS, Y, n_labeled=60, seed=0)
    smaller = split(ROWS, Y, n_labeled=60, largest_pool=200, seed=0)
    for name in ("labeled", "validation", "test"):
        first, second = getattr(whole, name), getattr(smaller, name)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])
    X, y = smaller.pool
    assert len(np.unique(X)) == 200
    assert set(X[:, 0]) <= set(whole.pool[0][:, 0])
    assert np.bincount(y).tolist() == [100, 80, 20]
    np.testing.assert_array_equal(Y[X[:, 0]], y)


@pytest.mark.parametrize("largest_pool", [660, 661, 10_000])
def test_a_pool_no_larger_than_the_largest_is_left_as_it_was(largest_pool: int) -> None:
    whole = split(ROWS, Y, n_labeled=60, seed=0)
    same = split(ROWS, Y, n_labeled=60, largest_pool=largest_pool, seed=0)
    np.testing.assert_array_equal(same.pool[0], whole.pool[0])


@pytest.mark.parametrize("largest_pool", [659, 658])
def test_a_pool_little_larger_than_the_largest_is_sampled(largest_pool: int) -> None:
    drawn = split(ROWS, Y, n_labeled=60, largest_pool=largest_pool, seed=0)
    assert len(drawn.pool[1]) == largest_pool


def test_tables_and_arrays_are_split_alike() -> None:
    frame = pd.DataFrame({"row": ROWS[:, 0]}, index=np.arange(N) + 7)
    drawn = (split(X, Y, n_labeled=60, seed=0) for X in (frame, ROWS))
    for of_frame, of_array in zip(*map(parts_of, drawn), strict=True):
        assert isinstance(of_frame[0], pd.DataFrame)
        np.testing.assert_array_equal(of_frame[0], of_array[0])
        np.testing.assert_array_equal(of_frame[1], of_array[1])


@pytest.fixture
def frame() -> pd.DataFrame:
    """Numbers of several types, with gaps, and categories of which two are rare."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(50, 10, size=N)
    numbers[rng.random(N) < 0.1] = np.nan
    categories = rng.choice(["x", "y", "z"], size=N).astype(object)
    categories[::300], categories[1::300] = "rare", "rarer"
    return pd.DataFrame(
        {
            "number": numbers,
            "count": rng.integers(9, size=N).astype(np.int16),
            "category": pd.Series(categories, dtype="str"),
            "flag": rng.random(N) < 0.5,
        }
    )


def test_labeled_and_pool_rows_together_are_standardized(frame: pd.DataFrame) -> None:
    drawn = split(frame, Y, n_labeled=60, seed=0)
    encoded = drawn.encoded(make_encoder("table", 0))
    fitted = np.concatenate([encoded.labeled[0], encoded.pool[0]])
    # Two numbers, three frequent categories and one for the rare, two flags.
    assert fitted.shape == (720, 8)
    np.testing.assert_allclose(fitted.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(fitted.std(axis=0), 1)
    for (X, y), (_, y_before) in zip(parts_of(encoded), parts_of(drawn), strict=True):
        assert X.dtype == np.float64
        assert np.isfinite(X).all()
        np.testing.assert_array_equal(y, y_before)


def test_numbers_are_imputed_with_the_mean_of_labeled_and_pool_rows(
    frame: pd.DataFrame,
) -> None:
    drawn = split(frame, Y, n_labeled=60, seed=0)
    encoded = drawn.encoded(make_encoder("table", 0))
    seen = pd.concat([drawn.labeled[0], drawn.pool[0]])["number"]
    scale = seen.fillna(seen.mean()).std(ddof=0)
    for (X, _), (raw, _) in zip(parts_of(encoded), parts_of(drawn), strict=True):
        expected = (raw["number"].fillna(seen.mean()) - seen.mean()) / scale
        np.testing.assert_allclose(X[:, 0], expected, atol=1e-12)


def test_rare_and_unseen_categories_are_encoded_as_one(frame: pd.DataFrame) -> None:
    drawn = split(frame, Y, n_labeled=60, seed=0)
    encoder = make_encoder("table", 0)
    drawn.encoded(encoder)
    rows = frame.iloc[[2] * 4].assign(category=["rare", "rarer", "unseen", "x"])
    encoded = encoder.transform(rows)
    np.testing.assert_array_equal(encoded[0], encoded[1])
    np.testing.assert_array_equal(encoded[0], encoded[2])
    assert not np.array_equal(encoded[0], encoded[3])


def test_a_category_unseen_where_none_is_rare_is_none_of_them() -> None:
    fitted = pd.DataFrame({"category": ["x", "y"] * 50})
    encoder = make_encoder("table", 0).fit(fitted)
    encoded = encoder.transform(pd.DataFrame({"category": ["x", "unseen"]}))
    np.testing.assert_allclose(encoded, [[1, -1], [-1, -1]])


TEXTS = [f"common w{i % 90} w{i % 70} w{i % 110}" for i in range(N)]
KINDS: list[tuple[str, Any, Any]] = [
    (
        "images",
        np.random.default_rng(0).integers(256, size=(N, 100), dtype=np.uint8),
        np.full((N, 100), 255, dtype=np.uint8),
    ),
    (
        "text",
        pd.DataFrame({"text": TEXTS}),
        pd.DataFrame({"text": ["quite another thing"] * N}),
    ),
    (
        "text",
        pd.DataFrame({"text": TEXTS, "text_b": TEXTS[::-1]}),
        pd.DataFrame({"text": ["quite another"] * N, "text_b": [""] * N}),
    ),
]


@pytest.mark.parametrize(
    ("kind", "X", "other"), KINDS, ids=["images", "texts", "pairs"]
)
def test_images_and_texts_become_finite_numbers_of_the_width_it_says(
    kind: Any, X: Any, other: Any
) -> None:
    drawn = split(X, Y, n_labeled=60, seed=0)
    encoded = parts_of(drawn.encoded(make_encoder(kind, 0)))
    for (rows, _), (raw, _) in zip(encoded, parts_of(drawn), strict=True):
        assert rows.shape == (len(raw), COMPONENTS)
        assert rows.dtype == np.float64
        assert np.isfinite(rows).all()


def test_both_texts_of_a_pair_count() -> None:
    pairs = pd.DataFrame({"text": TEXTS, "text_b": TEXTS[::-1]})
    encoder = make_encoder("text", 0).fit(pairs)
    some, swapped = pairs[:50], pairs[:50].set_axis(["text_b", "text"], axis=1)
    encoded = encoder.transform(some)
    np.testing.assert_allclose(encoder.transform(swapped[["text", "text_b"]]), encoded)
    for column in some:
        assert not np.allclose(encoder.transform(some.assign(**{column: ""})), encoded)


def test_pixels_are_projected_on_components_of_the_unit_interval() -> None:
    pixels = KINDS[0][1]
    encoded = make_encoder("images", 0).fit_transform(pixels)
    # The leading components keep distances no longer than they are in [0, 1].
    variance = (pixels / 255).var(axis=0).sum()
    assert 0.6 * variance < encoded.var(axis=0).sum() < variance


@pytest.mark.parametrize(
    ("kind", "X", "other"),
    [("table", None, None), *KINDS],
    ids=["table", "images", "texts", "pairs"],
)
def test_validation_and_test_rows_do_not_enter_the_encoding_of_others(
    kind: Any, X: Any, other: Any, frame: pd.DataFrame
) -> None:
    if kind == "table":
        X = frame
        other = frame.assign(number=1e6, count=np.int16(99), category="new", flag=True)
    drawn = split(X, Y, n_labeled=60, seed=0)
    changed = split(other, Y, n_labeled=60, seed=0)
    mixed = Split(drawn.labeled, changed.validation, drawn.pool, changed.test)
    before = drawn.encoded(make_encoder(kind, 0))
    after = mixed.encoded(make_encoder(kind, 0))
    for name in ("labeled", "pool"):
        np.testing.assert_array_equal(getattr(before, name)[0], getattr(after, name)[0])
    for name in ("validation", "test"):
        assert np.isfinite(getattr(after, name)[0]).all()
        assert not np.allclose(getattr(before, name)[0], getattr(after, name)[0])


@pytest.mark.parametrize("name", ["labeled", "pool"])
def test_labeled_and_pool_rows_both_enter_the_encoding(
    name: str, frame: pd.DataFrame
) -> None:
    drawn = split(frame, Y, n_labeled=60, seed=0)
    parts = {part: getattr(drawn, part) for part in vars(drawn)}
    X, y = parts[name]
    changed = Split(**parts | {name: (X.assign(number=X["number"] + 1000), y)})
    before = drawn.encoded(make_encoder("table", 0)).test[0]
    after = changed.encoded(make_encoder("table", 0)).test[0]
    assert not np.allclose(before[:, 0], after[:, 0])
