"""Labels as callers pass them, each type against what it should become."""

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from salutary.influence.labels import absent_classes, check_labels

X = np.zeros((3, 1))


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
            "7 in row 0 and 'x' in row 2; make all of them text, or all num",
        ),
        (
            [(1,), (2, 3), (1,)],
            r"^y has the label \(1,\) in row 0, of type tuple; make",
        ),
        ([(1, 2), (3, 4), (1, 2)], r"^y: .*1d array, got an array of shape \(3, 2\)"),
        ([b"a", b"b", b"a"], "^y has the label b'a' in row 0, of type bytes; make it"),
        (np.array([b"a", b"b", b"a"]), "^y has the label .*b'a'.* in row 0, of type"),
        (
            np.array(["2024", "2025", "2024"], dtype="M8[Y]"),
            "in row 0, of type datetim",
        ),
        ([1, Fraction(1, 2), 1], "in row 1, of type Fraction; "),
        (None, "^y: .*1d array"),
        ([1, 2], r"^y: .*inconsistent numbers of samples: \[3, 2\]"),
    ],
    ids=str,
)
def test_what_are_no_labels_is_refused_by_row(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        check_labels(given, "y", X)
    assert "\n" not in str(error.value)


def test_classes_that_no_row_has_are_named() -> None:
    classes = np.array([3, 5, 8])
    assert absent_classes(classes, np.array([1, 1, 1])) == ["3", "8"]
    assert absent_classes(classes, np.array([2, 0, 1])) == []
