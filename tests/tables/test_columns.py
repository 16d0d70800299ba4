"""Kinds of columns, each type and spelling against what it should become."""

import pandas as pd
import pyarrow as pa
import pytest

from salutary.errors import InputError
from salutary.tables.casting import cast_features
from salutary.tables.columns import column_kinds, stray_texts

KINDS = {
    "number": [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(5, 2)],
    "boolean": [pa.bool_()],
    "duration": [pa.duration("s"), pa.duration("ns")],
    "category": [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int8(), pa.int64()),
        pa.null(),
    ],
    "date": [pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("s", "UTC")],
    "time": [pa.time32("s"), pa.time64("ns")],
}


@pytest.mark.parametrize(
    ("kind", "arrow_type"),
    [(kind, arrow_type) for kind, types in KINDS.items() for arrow_type in types],
    ids=str,
)
def test_every_plain_type_has_a_kind_and_can_be_cast_to_it(
    kind: str, arrow_type: pa.DataType
) -> None:
    table = pa.table({"a": pa.array([None], arrow_type)})
    assert column_kinds(table, table, ["a"]) == {"a": kind}
    frame = cast_features(table, {"a": kind}, "rows.parquet")
    assert frame["a"].isna().all()


@pytest.mark.parametrize(
    "arrow_type",
    [pa.list_(pa.string()), pa.struct({"x": pa.int8()}), pa.binary()],
    ids=str,
)
def test_nested_types_and_bytes_are_no_features(arrow_type: pa.DataType) -> None:
    table = pa.table({"a": pa.array([None], arrow_type)})
    with pytest.raises(InputError, match="'a'"):
        column_kinds(table, table, ["a"])


def test_the_pool_decides_about_a_column_that_is_empty_in_train() -> None:
    train, pool = pa.table({"a": [None]}), pa.table({"a": [1.5]})
    assert column_kinds(train, pool, ["a"]) == {"a": "number"}
    assert column_kinds(train, train, ["a"]) == {"a": "category"}
    marked = pa.table({"a": ["?", " "]})
    assert column_kinds(marked, pool, ["a"]) == {"a": "number"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([*"12345", "n.a."], (5, "n.a.")),
        ([*"12345", "n.a.", "n.a."], (5, "n.a.")),
        (["x", "-1.5", "+2", ".5", "1e-3", " 7 "], (0, "x")),
        (["?", "-1.5", "+2", ".5", "1e-3", " 7 "], None),  # a gap
        ([None, *"12345", "x"], (6, "x")),
        ([*"1234", "n.a."], None),  # so few numbers may be names
        ([*"123451", "n.a.", "none"], (6, "n.a.")),  # "none" is a gap
        ([*"123451", "n.a.", "nil"], None),
        (["007", "012", *"123456"], None),  # codes
        (["0,75", "1,5", "2", "3", "4", "5,25"], (0, "0,75")),
        (["1", "12%", "14%", "15%", "16%", "17%"], (1, "12%")),
        (["$5", "$6", "$7", "$8", "$9", "$10"], (0, "$5")),
        (["1,234", "2,345", "5", "6", "7", "8"], (0, "1,234")),
        (["1\xa0234", "5", "6", "7", "8", "9"], (0, "1\xa0234")),
        (["5", "6", "7", "8", "9", "\u22125"], (5, "\u22125")),
        (["10%", "20%", "30%"], None),  # so few may be names
        (["10.0.0.1", "10.0.0.2", "1", "2", "3", "4"], None),
        (["1-2", "2-3", "3-4", "4-5", "5-6", "6-7"], None),
        ([*"123456"], None),
        ([None, None], None),
    ],
)
def test_a_few_texts_among_many_numbers_are_strays(
    values: list[str | None], expected: tuple[int, str] | None
) -> None:
    table = pa.table({"a": pa.array(values, pa.string()), "b": [1] * len(values)})
    found = stray_texts(table, column_kinds(table, table, ["a", "b"]))
    assert found == ({} if expected is None else {"a": expected})


# Text is what it spells, by one rule for every format


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-2.5e3", " 7 ", "?", " ", "N/A"], "number"),
        (["1", "inf"], "number"),  # refused later, by row
        (["inf", "inf"], "category"),
        (["007", "012", "7"], "category"),
        (["0", "0.5", "-0"], "number"),
        (["true", "False", "NA"], "boolean"),
        (["true", "0"], "category"),
        (["2024-02-29", "2023-12-31T10:20:30"], "date"),
        (["2024-02-29T10:00:00Z"], "date"),
        (["31/12/2020", "01/02/2021"], "date:%d/%m/%Y"),
        (["12/31/2020", "01/02/2021"], "date:%m/%d/%Y"),
        (["10:20", "23:59:59.5"], "time"),
        (["25:00", "10:20"], "category"),
        (["red", "2"], "category"),
        (["0,75", "12%"], "category"),
        ([str(f"c{n}") for n in range(39)] * 2, "category"),
        ([str(f"c{n}") for n in range(40)], "text"),
    ],
    ids=str,
)
@pytest.mark.parametrize("arrow_type", [pa.string(), pa.string_view()], ids=str)
def test_texts_are_of_the_kind_that_they_spell(
    texts: list[str], kind: str, arrow_type: pa.DataType
) -> None:
    table = pa.table({"a": pa.array(texts, arrow_type)})
    assert column_kinds(table, table, ["a"]) == {"a": kind}


@pytest.mark.parametrize(
    "values",
    [["0", "1", "7"], [0, 1, 7], [0.5, 1.5, 7.5], ["2024-01-01", "2024-01-02", None]],
    ids=str,
)
def test_a_categorical_is_a_category_whatever_its_values_look_like(
    values: list[object],
) -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"a": pd.Categorical(values)}))
    assert column_kinds(table, table, ["a"]) == {"a": "category"}
    found = cast_features(table, {"a": "category"}, "train")["a"]
    assert found.tolist() == [None if v is None else f"{v}" for v in values]


def test_the_training_table_decides_alone_what_a_column_is() -> None:
    train, pool = pa.table({"a": ["1", "2"]}), pa.table({"a": ["1", "x"]})
    assert column_kinds(train, pool, ["a"]) == {"a": "number"}
    assert column_kinds(pool, train, ["a"]) == {"a": "category"}


def test_the_pool_tells_the_day_from_the_month_where_train_cannot() -> None:
    train = pa.table({"a": ["01/02/2021", "03/04/2021"]})
    pool = pa.table({"a": ["31/12/2020", None]})
    assert column_kinds(train, train, ["a"]) == {"a": "date:%m/%d/%Y"}
    assert column_kinds(train, pool, ["a"]) == {"a": "date:%d/%m/%Y"}
