"""Labels of tables, each type against what it should become."""

import datetime
import decimal

import pyarrow as pa
import pytest

from salutary.errors import InputError
from salutary.tables.targets import target_labels, target_type

MOMENT = datetime.datetime(2024, 2, 29, 10, 20, 30)


@pytest.mark.parametrize(
    "values",
    [["a", "b"], [1, -1], [True, False], [1.0, 2.0], ["1.5", "0.5"]],
    ids=str,
)
def test_classes_are_text_whole_numbers_or_booleans(values: list[object]) -> None:
    table = pa.table({"y": values})
    found = target_type(table, "y", "train.csv")
    assert found == pa.array(values).type
    assert target_labels(table, "y", found, "train.csv").tolist() == values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([MOMENT], "type timestamp"),
        ([[1]], "type list"),
        ([1.5, 2.0], "real numbers"),
        (["a", None], "empty in row 1"),
    ],
)
def test_a_target_without_classes_is_refused(values: list, words: str) -> None:
    table = pa.table({"y": values})
    with pytest.raises(InputError, match=words) as caught:
        target_labels(table, "y", target_type(table, "y", "train.csv"), "train.csv")
    assert "'y'" in str(caught.value)


def test_labels_of_another_table_take_the_type_of_train() -> None:
    found = target_labels(pa.table({"y": ["1", "2"]}), "y", pa.int64(), "val.csv")
    assert found.tolist() == [1, 2]
    with pytest.raises(InputError, match=r"val\.csv: column 'y', row 1: 'x'"):
        target_labels(pa.table({"y": ["1", "x"]}), "y", pa.int64(), "val.csv")


@pytest.mark.parametrize("marker", ["", " ", "?", "NA", "nan", "N/A", " null "])
@pytest.mark.parametrize("arrow_type", [pa.string(), pa.large_string()], ids=str)
def test_a_marker_of_a_missing_value_is_no_class(
    marker: str, arrow_type: pa.DataType
) -> None:
    table = pa.table({"y": pa.array(["a", "b", marker], arrow_type)})
    with pytest.raises(InputError, match=r"val: target column 'y' is empty in row 2"):
        target_labels(table, "y", arrow_type, "val")


def test_none_may_be_the_name_of_a_class() -> None:
    table = pa.table({"y": ["none", "mild", "None"]})
    found = target_labels(table, "y", pa.string(), "val").tolist()
    assert found == ["none", "mild", "None"]


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "arrow_type", "words"),
    [
        ([1.0, NAN, 0.0], pa.bool_(), "is empty in row 1 "),
        ([1.0, NAN, 2.0], pa.int64(), "is empty in row 1 "),
        ([1.0, NAN, 2.0], pa.string(), "is empty in row 1 "),
        ([1, 7, 0], pa.bool_(), "row 1: 7 is not true or false, as in the training"),
        ([1.0, 0.5, 0.0], pa.bool_(), "row 1: 0.5 is not true or false, as in the"),
        (
            [1.0, 2.5, 2.0],
            pa.int64(),
            "row 1: 2.5 is not a whole number of type int64, as",
        ),
        ([1, 300], pa.int8(), "row 1: 300 is not a whole number"),
        ([1.0, 2.0**60], pa.int64(), "row 1: 1.152921504606847e[+]18 is not a whole n"),
        ([1, 2**60 + 1], pa.float64(), "row 1: 1.152921504606847e[+]18 is a floating-"),
        ([1.0, 2.0**60], pa.float64(), "row 1: 1.152921504606847e[+]18 is a floating-"),
        (["1", "2.0"], pa.int64(), "row 1: '2.0' is not a whole number"),
    ],
    ids=str,
)
def test_a_label_is_never_changed_but_refused_by_row(
    values: list, arrow_type: pa.DataType, words: str
) -> None:
    table = pa.table({"y": pa.array(values, from_pandas=False)})
    with pytest.raises(InputError, match=words):
        target_labels(table, "y", arrow_type, "val")


@pytest.mark.parametrize(
    ("values", "arrow_type"),
    [
        ([1.0, 0.0], pa.bool_()),
        ([2, 1], pa.float64()),
        ([2.0, 1.0], pa.int8()),
        ([2**60 + 1, 2**60], pa.int64()),
        ([2**63 + 1, 2**63], pa.uint64()),
    ],
    ids=str,
)
def test_a_label_of_another_type_keeps_its_value(
    values: list, arrow_type: pa.DataType
) -> None:
    given = pa.uint64() if arrow_type == pa.uint64() else None
    table = pa.table({"y": pa.array(values, given)})
    assert target_labels(table, "y", arrow_type, "val").tolist() == values


@pytest.mark.parametrize(
    "values",
    [
        pa.array([datetime.datetime(2024, 1, 1)]).dictionary_encode(),
        pa.array([decimal.Decimal("1.0")]),
        pa.array([(1, 2)]),
    ],
    ids=["moment", "decimal", "tuple"],
)
def test_other_types_are_no_labels(values: pa.Array) -> None:
    with pytest.raises(InputError, match="make it text, whole numbers or booleans"):
        target_type(pa.table({"y": values}), "y", "train")
