"""Labels as callers pass them, each type against what it should become."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from salutary.influence.labels import (
    absent_classes,
    check_labels,
    encode_classes,
    encode_labels,
    encode_training_labels,
    find_unlabeled,
)

X = np.zeros((3, 1))
NAN = float("nan")
BIG = 10**18  # beyond 2**53: the next whole number is the same float


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, 2, 1], "i"),
        ([True, False, True], "b"),
        (["a", "b", "a"], "U"),
        ([0.0, 1.0, 0.0], "f"),
        (np.array(["a", "b", "a"], dtype=object), "O"),
        (np.array([1, 2, 1], dtype=object), "i"),
        (np.array([[1], [2], [1]]), "i"),
        (pd.Series([1, 2, 1], dtype="Int64"), "i"),
        (pd.Series([True, False, True], dtype="boolean"), "b"),
        (pd.Series(["a", "b", "a"], dtype="string"), "O"),
        (pd.Series(["a", "b", "a"], dtype="category"), "O"),
        (pd.Series([7, -1, 7], dtype="category"), "i"),
    ],
    ids=str,
)
def test_labels_keep_what_they_are(given: Any, kind: str) -> None:
    labels = check_labels(given, "y", X)
    assert labels.dtype.kind == kind
    assert_array_equal(labels, np.asarray(given).ravel())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a", "b", None], "^y has no label in row 2; give it one, or drop the row$"),
        (["a", float("nan"), "b"], "^y has no label in row 1; "),
        (pd.Series([1, None, 2], dtype="Int64"), "^y has no label in row 1; "),
        (np.array([0.0, 1.0, np.nan]), "^y has no label in row 2; "),
        (["no", 7, "no"], "^y has labels of several kinds, 'no' in row 0 and 7 in row"),
        (
            [7, True, "x"],
            "7 in row 0 and True in row 1; make all of them text, all numbers or all",
        ),
        (
            [(1,), (2, 3), (1,)],
            r"^y has the label \(1,\) in row 0, of type tuple; make",
        ),
        (
            [(1, 2), (3, 4), (1, 2)],
            r"^y has the label \(1, 2\) in row 0, of type tuple",
        ),
        (np.ones((3, 2)), r"^y: .*1d array, got an array of shape \(3, 2\)"),
        ([b"a", b"b", b"a"], "^y has the label b'a' in row 0, of type bytes; make it"),
        (np.array([b"a", b"b", b"a"]), "^y has the label .*b'a'.* in row 0, of type"),
        (
            np.array(["2024", "2025", "2024"], dtype="M8[Y]"),
            "in row 0, of type datetim",
        ),
        ([1, Fraction(1, 2), 1], "in row 1, of type Fraction; "),
        (None, "^y: .*1d array"),
        (np.array([1 + 2j, 0, 1]), r"^y has the label \(1\+2j\) in row 0"),
        ([1, 2], r"^y: .*inconsistent numbers of samples: \[3, 2\]"),
    ],
    ids=str,
)
def test_what_are_no_labels_is_refused_by_row(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        check_labels(given, "y", X)
    assert "\n" not in str(error.value)


def large(values: list[Any]) -> pa.DataType | None:
    """The type that Arrow must be told of, for values such as 2**63."""
    return pa.uint64() if 2**63 in values else None


COLUMNS: dict[str, Callable[[list[Any]], Any]] = {
    "list with None": lambda values: values,
    "list with NaN": lambda values: [NAN if v is None else v for v in values],
    "list with NA": lambda values: [pd.NA if v is None else v for v in values],
    "array of objects": lambda values: np.array(values, dtype=object),
    "category": lambda values: pd.Series(pd.Categorical(values)),
    "bare category": pd.Categorical,
    "arrow": lambda values: pa.array(values, large(values)),
    "chunked arrow": lambda values: pa.chunked_array(
        [values[:3], values[3:]], large(values)
    ),
    "arrow dictionary": lambda values: pa.array(
        values, large(values)
    ).dictionary_encode(),
}
GAPPED = {
    "text": ["b", None, "a", "b", None, "nan"],
    "whole numbers": [7, None, 5, 7, None, 6],
    "large numbers": [BIG + 1, None, BIG, BIG + 1, None, 7],
    "beyond 63 bits": [2**63 + 1, None, 2**63, 2**63 + 1, None, 7],
    "booleans": [True, None, False, True, None, False],
    "floats": [2.0, None, 1.0, 2.0, None, 0.0],
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("values", GAPPED.values(), ids=GAPPED)
def test_labels_with_gaps_keep_their_values(values: list[Any], column: str) -> None:
    labels, unlabeled = find_unlabeled(COLUMNS[column](values))
    assert unlabeled.tolist() == [value is None for value in values]
    classes, codes = encode_classes(labels, unlabeled)
    expected = sorted({value for value in values if value is not None})
    assert classes.tolist() == expected
    assert [type(label) for label in classes.tolist()] == [type(expected[0])] * len(
        expected
    )
    assert codes.tolist() == [-1 if v is None else expected.index(v) for v in values]


class Column:
    """What polars shows of a column: no type of NumPy's, and to_list."""

    dtype = "Int64"

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array([NAN if v is None else v for v in self.values])

    def to_list(self) -> list[Any]:
        return self.values


@pytest.mark.parametrize("values", GAPPED.values(), ids=GAPPED)
def test_labels_of_a_column_with_a_list_keep_their_values(values: list[Any]) -> None:
    classes, _ = encode_classes(*find_unlabeled(Column(values)))
    assert classes.tolist() == sorted({v for v in values if v is not None})


def test_polars_labels_keep_their_values() -> None:
    pl = pytest.importorskip("polars")
    for name, values in GAPPED.items():
        # Not every version finds this type by itself.
        dtype = pl.UInt64 if name == "beyond 63 bits" else None
        labels, unlabeled = find_unlabeled(pl.Series(values, dtype=dtype))
        classes, _ = encode_classes(labels, unlabeled)
        assert classes.tolist() == sorted({v for v in values if v is not None})


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1, -1, 2], "int64"), ([1.0, NAN, 2.0], "float64"), (["a", "b", "a"], "<U1")],
)
def test_a_list_of_one_type_stays_an_array_of_it(values: list[Any], dtype: str) -> None:
    assert find_unlabeled(values)[0].dtype == dtype


MIXED = {
    "text and numbers": (
        ["a", 7, "a"],
        "y has labels of several kinds, 'a' in row 0 and 7 in row 1; make all of them",
    ),
    "booleans and numbers": ([True, 0, 2], "several kinds, True in row 0 and 0 in row"),
    "large numbers among floats": (
        [BIG + 1, 1.0, 0.5],
        "the label 1000000000000000001",
    ),
    "numbers that no type has": ([2**80, 1, 2], f"the label {2**80} in row 0, too la"),
    "signs and 64 bits": ([2**63, -5, 1], r"y has the label 9223372036854775808 in ro"),
    "moments": ([pd.Timestamp("2024"), pd.Timestamp("2025")] * 2, "of type Timestamp;"),
    "tuples": (
        [(1,), (2, 3), (1,)],
        r"y has the label \(1,\) in row 0, of type tuple;",
    ),
    "decimals": (
        [Decimal(1), Decimal(2), Decimal(1)],
        "of type Decimal; make it text,",
    ),
    "tuples of one length": (
        [(1, 2), (3, 4), (1, 2)],
        r"y has the label \(1, 2\) in row 0, of type tuple;",
    ),
    "lists of one label": ([[1], [2], [1]], r"the label \[1\] in row 0, of type list;"),
    "arrays": ([np.ones(2), np.zeros(2)], "in row 0, of type ndarray;"),
    "sets": ([{1}, {2}, {1}], r"y has the label \{1\} in row 0, of type set;"),
    "complex numbers": ([1j, 2j], "y has the label 1j in row 0, of type complex;"),
    "durations": (
        [np.timedelta64(1, "D"), np.timedelta64(2, "D")],
        "in row 0, of type timedelta64;",
    ),
}


@pytest.mark.parametrize(("values", "words"), MIXED.values(), ids=MIXED)
@pytest.mark.parametrize("objects", [False, True])
def test_labels_of_several_kinds_are_refused_alike_everywhere(
    values: list[Any], words: str, objects: bool
) -> None:
    given: Any = values
    if objects:
        given = np.fromiter(values, dtype=object, count=len(values))
    with pytest.raises(ValueError, match=words):
        encode_classes(*find_unlabeled(given))
    with pytest.raises(ValueError, match=words):
        encode_training_labels(given, np.zeros((len(values), 1)))
    classes = np.array([1, 2])  # to which a decimal is equal
    if not all(type(value) in (int, float) for value in values):
        with pytest.raises(ValueError, match=words):
            encode_labels(given, classes, "y")


COLUMNS_OF_NO_LABELS = {
    "moments": np.array(["2024", "2025", "2024"], dtype="M8[ns]"),
    "durations": pd.Series(pd.to_timedelta([1, 2, 1], unit="D")),
    "complex numbers": pd.Series([1j, 2j, 1j]),
    "bytes": np.array([b"a", b"b", b"a"]),
    "decimals of Arrow": pa.array([Decimal(1), Decimal(2), Decimal(1)]),
    "lists of Arrow": pa.array([[1], [2], [1]]),
}


@pytest.mark.parametrize(
    "given", COLUMNS_OF_NO_LABELS.values(), ids=COLUMNS_OF_NO_LABELS
)
def test_columns_of_no_labels_are_refused_alike_everywhere(given: Any) -> None:
    words = (
        r"^y has the label .* in row 0, of type \w+; make it text, a whole number or"
    )
    with pytest.raises(ValueError, match=words):
        encode_classes(*find_unlabeled(given))
    with pytest.raises(ValueError, match=words):
        encode_training_labels(given, X)
    with pytest.raises(ValueError, match=words):
        encode_labels(given, np.array([1, 2]), "y", X)


def test_a_missing_label_among_texts_is_no_class() -> None:
    with pytest.raises(ValueError, match="y_val has no label in row 1; give it one"):
        encode_labels(["a", NAN, "b"], np.array(["a", "b", "nan"]), "y_val")
    with pytest.raises(ValueError, match="y_val has no label in row 1; give it one"):
        encode_labels([True, NAN, False], np.array([False, True]), "y_val")


def test_classes_that_no_row_has_are_named() -> None:
    classes = np.array([3, 5, 8])
    assert absent_classes(classes, np.array([1, 1, 1])) == ["3", "8"]
    assert absent_classes(classes, np.array([2, 0, 1])) == []


@pytest.mark.parametrize(
    ("label", "classes", "known"),
    [
        ("NO", ["no", "yes"], "'no'"),
        (" yes ", ["no", "yes"], "'yes'"),
        ("0", ["0.0", "1.0"], "'0.0'"),
        ("True", ["0", "1"], "'1'"),
    ],
)
def test_another_spelling_of_a_class_is_said_to_be_one(
    label: str, classes: list[str], known: str
) -> None:
    with pytest.raises(ValueError, match=rf"no training row has; write it as {known}$"):
        encode_labels(np.array([label]), np.array(classes), "y_val")


def test_a_class_of_no_training_row_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"'maybe' \(row 1\), which no training row"
    ) as e:
        encode_labels(["no", "maybe"], np.array(["no", "yes"]), "y_val")
    assert str(e.value).endswith("(known classes: ['no', 'yes'])")
