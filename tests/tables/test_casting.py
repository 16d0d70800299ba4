"""The gate: each value cast to each kind against what is right, or refused by row."""

import datetime
from decimal import Decimal

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
        ("number", "true", 1.0),  # in a column of nothing else
        ("duration", datetime.timedelta(seconds=1), 1.0),
        ("boolean", "true", 1.0),
        ("boolean", "False", 0.0),
        ("boolean", 1, 1.0),
        ("text", "007", "007"),
        ("text", 7, "7"),
        ("text", True, "true"),
        ("text", 1e15, "1000000000000000"),
        ("text", -(2.0**53), "-9007199254740992"),
        ("text", 1e-7, "1e-7"),
        ("text", Decimal("9007199254740993"), "9007199254740993"),
        ("text", Decimal("-1.500"), "-1.5"),
        ("text", Decimal("100.00"), "100"),
        ("text", Decimal("0.00"), "0"),
        ("text", Decimal("1e-9"), "0.000000001"),
        ("number", Decimal("0.10"), 0.1),
        ("boolean", Decimal("1.00"), 1.0),
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


# Casts that would lose


def column_of(values: list[object], arrow_type: pa.DataType | None = None) -> pa.Table:
    array = pa.array(values, arrow_type, from_pandas=False)
    return pa.table({"a": array})


BOOLEANS = [
    ([1.0, float("nan"), 0.0], [1.0, None, 0.0]),
    ([1, None, 0], [1.0, None, 0.0]),
    (["1", "?", "FALSE"], [1.0, None, 0.0]),
    (["1.0", "", "0.0"], [1.0, None, 0.0]),
]


@pytest.mark.parametrize(("values", "expected"), BOOLEANS, ids=str)
def test_zero_and_one_are_booleans_and_a_gap_stays_a_gap(
    values: list[object], expected: list[float | None]
) -> None:
    found = cast_features(column_of(values), {"a": "boolean"}, "val")["a"]
    assert found.astype(object).where(found.notna(), None).tolist() == expected


@pytest.mark.parametrize(
    "values", [[1, 0, 7], [1.0, 0.0, 0.5], ["true", None, "2"], [0, 1, -1]], ids=str
)
def test_other_numbers_are_no_booleans(values: list[object]) -> None:
    words = rf"val: column 'a', row 2: {values[2]!r} is not true or false, as in the"
    with pytest.raises(InputError, match=words):
        cast_features(column_of(values), {"a": "boolean"}, "val")


@pytest.mark.parametrize("kind", ["category", "text"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, float("nan"), 2.5], ["1", None, "2.5"]),
        ([True, None, False], ["true", None, "false"]),
        (["?", " ", " x"], [None, None, " x"]),
        (["None", "N/A", "none so far"], [None, None, "none so far"]),
    ],
    ids=str,
)
def test_a_gap_never_becomes_a_category(
    kind: str, values: list[object], expected: list[str | None]
) -> None:
    found = cast_features(column_of(values), {"a": kind}, "val")["a"]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    "text", ["007", "1,5", "12%", "\u22125", "1_000", "0x1F", "1 2", "true"]
)
def test_a_text_that_is_not_a_plain_number_is_refused_by_row(text: str) -> None:
    with pytest.raises(InputError, match=r"column 'a', row 1: .* is not a number, as"):
        cast_features(column_of(["1", text]), {"a": "number"}, "val")


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e39", "1e400"])
@pytest.mark.parametrize("arrow_type", [pa.string(), pa.float64()], ids=str)
def test_infinite_and_too_large_numbers_are_refused_by_row(
    text: str, arrow_type: pa.DataType
) -> None:
    value = text if arrow_type == pa.string() else float(text)
    words = "column 'a', row 1: (infinity cannot|1e[+]39 is too large for a feature)"
    with pytest.raises(InputError, match=words):
        cast_features(column_of([None, value], arrow_type), {"a": "number"}, "val")


FAR = [
    (pa.timestamp("s"), 10**15),
    (pa.timestamp("s", "UTC"), 10**15),
    (pa.timestamp("ms"), -(10**18)),
    (pa.timestamp("us", "Europe/Paris"), 2**62),
    (pa.date32(), 10**8),
    (pa.date64(), 86_400_000 * 10**8),
]


@pytest.mark.parametrize(("arrow_type", "count"), FAR, ids=str)
def test_a_moment_out_of_range_is_refused_by_row(
    arrow_type: pa.DataType, count: int
) -> None:
    small = pa.int32() if arrow_type == pa.date32() else pa.int64()
    table = pa.table({"a": pa.array([0, None, count], small).cast(arrow_type)})
    with pytest.raises(InputError, match=r"column 'a', row 2: .* is not a date"):
        cast_features(table, {"a": "date"}, "val")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_are_seconds_whatever_their_unit(unit: str) -> None:
    durations = pa.array([90, None, -3]).cast(pa.duration("s")).cast(pa.duration(unit))
    found = cast_features(pa.table({"a": durations}), {"a": "duration"}, "val")["a"]
    np.testing.assert_array_equal(found, [90.0, np.nan, -3.0])


@pytest.mark.parametrize("kind", ["category", "text", "document"])
def test_a_duration_is_not_spelled_as_a_number_without_its_unit(kind: str) -> None:
    durations = pa.table({"a": pa.array([3, None], pa.duration("us"))})
    with pytest.raises(InputError, match=r"is of type duration\[us\], but holds texts"):
        cast_features(durations, {"a": kind}, "val")


@pytest.mark.parametrize("kind", ["number", "date", "duration", "time"])
def test_a_type_is_not_taken_for_another(kind: str) -> None:
    arrays = {
        "number": pa.array([1.5]),
        "date": pa.array([MOMENT]),
        "duration": pa.array([datetime.timedelta(1)]),
        "time": pa.array([MOMENT.time()]),
    }
    for other, array in arrays.items():
        if other != kind:
            with pytest.raises(
                InputError, match=r"column 'a': is of type .* but holds"
            ):
                cast_features(pa.table({"a": array}), {"a": kind}, "val")


def test_dates_are_read_in_the_format_of_the_training_table_alone() -> None:
    kinds = {"a": "date:%d/%m/%Y"}
    found = cast_features(column_of(["31/12/2020", None, "01/02/2021"]), kinds, "val")
    assert found["a"].tolist() == [
        pd.Timestamp("2020-12-31"),
        pd.NaT,
        pd.Timestamp("2021-02-01"),
    ]
    words = "row 1: '2020-12-31' is not a date written as %d/%m/%Y, as in the training"
    with pytest.raises(InputError, match=words):
        cast_features(column_of(["31/12/2020", "2020-12-31"]), kinds, "val")
    moments = pa.table({"a": pa.array([MOMENT.date()])})
    assert cast_features(moments, kinds, "val")["a"][0] == pd.Timestamp("2024-02-29")


@pytest.mark.parametrize(
    ("values", "target"),
    [
        ([1.0, 2.5], pa.int64()),
        ([1, 300], pa.int8()),
        ([1, -1], pa.uint64()),
        ([1, 2**63 + 5], pa.int64()),
        ([1.0, 2.0**60], pa.int64()),
        (["1", "x"], pa.int64()),
        (["1", str(2**64)], pa.int64()),
    ],
    ids=str,
)
def test_whole_numbers_change_to_no_other(values: list, target: pa.DataType) -> None:
    large = pa.uint64() if 2**63 + 5 in values else None
    with pytest.raises(InputError, match=r"here, row 1: .* is not a whole number"):
        cast_column(pa.chunked_array([pa.array(values, large)]), target, "here")


@pytest.mark.parametrize("digits", [1, 19, 38])
def test_a_decimal_is_a_whole_number_only_if_it_is_that_number(digits: int) -> None:
    whole = Decimal("1" * digits)
    given = chunked(whole, type=pa.decimal128(38, 0))
    if digits == 38:
        with pytest.raises(InputError, match=r"row 0: .* is not a whole number"):
            cast_column(given, pa.int64(), "y")
    else:
        assert cast_column(given, pa.int64(), "y").to_pylist() == [int(whole)]
    with pytest.raises(InputError, match=r"row 0: .* is not a whole number"):
        cast_column(chunked(whole / 10), pa.int64(), "y")


def test_a_long_text_is_cut_in_a_message() -> None:
    with pytest.raises(InputError) as caught:
        cast_features(column_of(["x" * 10**6]), {"a": "number"}, "val")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("kind", ["text", "category", "document"])
def test_a_duration_is_no_text_as_its_unit_would_be_lost(kind: str) -> None:
    table = pa.table({"a": pa.array([1, 2], pa.duration("s"))})
    words = r"^rows: column 'a': is of type duration\[s\], but holds texts in the train"
    with pytest.raises(InputError, match=words):
        cast_features(table, {"a": kind}, "rows")


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_moment_beyond_all_calendars_is_no_text(unit: str, zone: str | None) -> None:
    moments = pa.array([0, None, 2**62], pa.timestamp(unit, zone))
    words = r"^rows: column 'a', row 2: 4611686018427387904 \(timestamp.* is not a text"
    with pytest.raises(InputError, match=words):
        cast_features(pa.table({"a": moments}), {"a": "text"}, "rows")
    known = cast_features(pa.table({"a": moments[:2]}), {"a": "text"}, "rows")["a"]
    assert known[0].startswith("1970-01-01 0")
    assert known[1] is None
