"""The gate: each value cast to each kind against what is right, or refused by row."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from salutary.errors import InputError
from salutary.tables.casting import cast_features
from salutary.tables.conversion import cast_column


def chunked(*values: object, type: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, type)])


MOMENT = datetime.datetime(2024, 2, 29, 10, 20, 30)
ZONED = MOMENT.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", "1.5", 1.5),
        ("number", " -3e5 ", -3e5),
        ("number", 7, 7.0),
        ("number", 2**60 + 1, float(2**60)),
        ("number", True, 1.0),
        ("duration", datetime.timedelta(seconds=1), 1.0),
        ("boolean", "true", 1.0),
        ("boolean", "False", 0.0),
        ("boolean", 1, 1.0),
        ("text", "007", "007"),
        ("text", 7, "7"),
        ("text", True, "true"),
        ("date", "2024-02-29", MOMENT.replace(hour=0, minute=0, second=0)),
        ("date", " 2024-02-29T10:20:30", MOMENT),
        ("date", "2024-02-29T10:20:30Z", MOMENT),
        ("date", "2024-02-29T10:20:30+02:00", MOMENT - datetime.timedelta(hours=2)),
        ("date", MOMENT.date(), MOMENT.replace(hour=0, minute=0, second=0)),
        ("date", ZONED, MOMENT - datetime.timedelta(hours=2)),
        ("time", "10:20:30", 37230.0),
        ("time", "10:20", 37200.0),
        ("time", "10:20:30.25", 37230.25),
        ("time", datetime.time(10, 20, 30, 250_000), 37230.25),
    ],
)
def test_a_value_is_cast_to_its_columns_kind(
    kind: str, value: object, expected: object
) -> None:
    table = pa.table({"a": pa.array([None, value])})
    column = cast_features(table, {"a": kind}, "rows")["a"]
    assert pd.isna(column[0])
    assert column[1] == expected
    dtypes = {"text": "object", "date": "datetime64[us]"}
    assert column.dtype == dtypes.get(kind, "float64")


@pytest.mark.parametrize("arrow_type", [pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", "1.5", 1.5),
        ("boolean", " true", 1.0),
        ("text", " x", " x"),
        ("date", "2024-02-29T10:20:30", MOMENT),
        ("time", "10:20:30", 37230.0),
    ],
)
def test_every_type_of_text_is_cast_alike(
    kind: str, value: str, expected: object, arrow_type: pa.DataType
) -> None:
    table = pa.table({"a": pa.array([value], arrow_type)})
    assert cast_features(table, {"a": kind}, "rows")["a"][0] == expected


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_a_moment_keeps_its_microseconds(zone: str | None) -> None:
    moment = pd.Timestamp("2024-02-29T10:20:30.123456789", tz=zone)
    table = pa.table({"a": pa.array([moment.value], pa.timestamp("ns", zone))})
    expected = (moment.tz_convert(None) if zone else moment).floor("us")
    assert cast_features(table, {"a": "date"}, "rows")["a"][0] == expected


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("number", ["1", None, "abc"]),
        ("boolean", ["true", None, "abc"]),
        ("date", ["2024-02-29", None, "abc"]),
        ("date", ["2024-02-29", None, "2023-02-29"]),
        ("time", ["10:20", None, "25:00"]),
    ],
)
def test_a_value_that_cannot_be_cast_is_named_with_its_place(
    kind: str, values: list[str]
) -> None:
    table = pa.table({"ok": [1.0] * 3, "a": values})
    with pytest.raises(InputError) as caught:
        cast_features(table, {"ok": "number", "a": kind}, "pool.csv")
    assert f"pool.csv: column 'a', row 2: {values[2]!r} is not" in str(caught.value)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinity_is_named_with_its_place(infinity: float) -> None:
    table = pa.table({"a": [0.0, None, infinity]})
    with pytest.raises(InputError, match=r"pool\.csv: column 'a', row 2: infinity"):
        cast_features(table, {"a": "number"}, "pool.csv")


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (chunked(1.5), pa.timestamp("us")),
        (chunked(3), pa.time64("us")),
        (chunked([1]), pa.float64()),
        (chunked({"x": 1}), pa.string()),
    ],
)
def test_a_type_that_cannot_be_cast_is_named(
    values: pa.ChunkedArray, target: pa.DataType
) -> None:
    with pytest.raises(InputError, match=r"here: is of type .* convert it"):
        cast_column(values, target, "here")


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(InputError, match="has no column 'b'"):
        cast_features(pa.table({"a": [1]}), {"a": "number", "b": "text"}, "rows")
