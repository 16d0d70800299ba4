"""Texts and pairs as rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.deep.texts import as_bytes, as_texts, n_characters
from salutary.errors import InputError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ROWS = st.one_of(TEXTS, st.tuples(TEXTS, TEXTS))


@pytest.mark.parametrize(
    "X",
    [
        ["one", ""],
        ("one", ""),
        pd.Series(["one", ""], index=[7, 3]),
        pd.DataFrame({"text": ["one", ""]}),
        np.array(["one", ""]),
        np.array([["one"], [""]], dtype=object),
        iter(["one", ""]),
    ],
)
def test_one_column_is_texts(X: object) -> None:
    assert as_texts(X) == ["one", ""]


def test_two_columns_are_pairs() -> None:
    pairs = [("Why?", "So."), ("", "🎈")]
    assert as_texts(pd.DataFrame(pairs)) == pairs
    assert as_texts(np.array(pairs, dtype=object)) == pairs
    assert as_texts(pairs) == pairs
    assert [n_characters(pair) for pair in pairs] == [7, 1]


@pytest.mark.parametrize("value", [np.arange(3), [np.nan], 1.5])
def test_what_is_not_a_text_is_refused_by_its_row(value: object) -> None:
    series = pd.Series(["a", value], dtype=object)
    with pytest.raises(InputError, match=r"^row 1: .* is not a text; fill it"):
        as_texts(series)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_text_is_refused_by_its_row(missing: object) -> None:
    with pytest.raises(InputError, match=r"^row 2: the text is missing; fill it"):
        as_texts(["a", "b", missing])
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["x", missing]}, dtype=object)
    with pytest.raises(InputError, match=r"^column 'b', row 1: the text is missing"):
        as_texts(frame)


def test_what_is_not_a_text_is_refused() -> None:
    with pytest.raises(InputError, match="row 1: 3 is not a text"):
        as_texts(["a", 3])
    with pytest.raises(InputError, match="row 0: b'a' is not a text"):
        as_texts([b"a"])
    with pytest.raises(
        InputError, match=r"shape \(1, 3\); pass one column of texts, or two"
    ):
        as_texts([["a", "b", "c"]])


@given(ROWS, ROWS)
def test_different_rows_have_different_bytes(first: object, second: object) -> None:
    assert (as_bytes(first) == as_bytes(second)) == (first == second)


def test_half_a_character_is_refused_by_its_row() -> None:
    with pytest.raises(InputError, match="row 1: the text contains half a character"):
        as_texts(["é", "\ud800 x"])


def test_one_text_is_not_a_list_of_texts() -> None:
    with pytest.raises(InputError, match="X is one text, 'hello'; pass a list"):
        as_texts("hello")
