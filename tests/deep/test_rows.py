"""Rows as callers pass them: those of Arrow, which polars passes too, and dicts."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from salutary.deep.rows import as_pandas
from salutary.deep.texts import as_texts
from salutary.deep.torch_embedder import as_rows
from salutary.errors import InputError


class Stream:
    """What a table or column of polars offers to others, and nothing else."""

    def __init__(self, rows: pa.Table | pa.ChunkedArray) -> None:
        self.rows = rows
        self.shape = rows.shape if isinstance(rows, pa.Table) else (len(rows),)
        if isinstance(rows, pa.Table):
            self.columns = rows.column_names

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


PAIRS = pa.table({"question": ["Why?", "Who?"], "answer": ["So.", "Me!"]})


@pytest.mark.parametrize("kind", [Stream, lambda rows: rows])
def test_tables_and_columns_of_arrow_are_texts_and_numbers(kind: object) -> None:
    assert callable(kind)
    assert as_texts(kind(PAIRS)) == [("Why?", "So."), ("Who?", "Me!")]
    assert as_texts(kind(PAIRS["answer"])) == ["So.", "Me!"]
    numbers = pa.table({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6]})
    np.testing.assert_array_equal(as_rows(kind(numbers)), [[1, 4], [2, 5], [3, 6]])


def test_an_array_of_arrow_is_texts() -> None:
    assert as_texts(pa.array(["one", ""])) == ["one", ""]


def test_a_missing_text_of_arrow_is_refused_by_its_row() -> None:
    with pytest.raises(InputError, match=r"^row 1: the text is missing"):
        as_texts(pa.chunked_array([["a", None]]))


@pytest.mark.parametrize(
    "rows", [[1, 2], ("a", "b"), np.eye(2), pd.DataFrame({"a": [1]}), pd.Series([1])]
)
def test_other_rows_are_as_they_are(rows: object) -> None:
    assert as_pandas(rows, "X") is rows


@pytest.mark.parametrize("kind", ["coo", "csc", "dok", "lil", "bsr"])
def test_sparse_rows_of_every_kind_are_rows(kind: str) -> None:
    rows = as_pandas(sparse.csr_array(np.eye(3)).asformat(kind), "X")
    np.testing.assert_array_equal(rows[1:].toarray(), np.eye(3)[1:])


def test_a_slice_of_a_dataset_is_not_its_keys() -> None:
    piece = {"text": ["one", "two"], "label": [0, 1]}
    for reader in (as_texts, as_rows):
        with pytest.raises(
            InputError, match=r"^X is a dict with the keys 'text', 'label'; pass one"
        ):
            reader(piece)


@pytest.mark.parametrize("rows", [{"a", "b"}, frozenset("ab"), {"a": 1}.keys()])
def test_a_set_has_no_order_and_is_refused(rows: object) -> None:
    with pytest.raises(InputError, match=r"^X is of type .* no order; pass a list$"):
        as_texts(rows)
    with pytest.raises(InputError, match="no order"):
        as_rows(rows)


def test_rows_that_come_one_by_one_are_rows() -> None:
    assert as_texts(text for text in ("a", "b")) == ["a", "b"]
    np.testing.assert_array_equal(
        as_rows({0: [1, 2], 1: [3, 4]}.values()), [[1, 2], [3, 4]]
    )
