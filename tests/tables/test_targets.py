"""Labels of tables, each type against what it should become."""

import datetime

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
