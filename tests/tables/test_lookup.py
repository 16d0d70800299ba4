"""What is offered where a table has no column of the name that was given."""

import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.errors import InputError
from salutary.tables.lookup import MOST_LISTED, instead_of
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources, Texts

COLUMNS = ["size", "color", "label", "customer", "site", "review"]


@pytest.mark.parametrize(
    ("name", "close"),
    [("lable", "label"), ("Label", "label"), ("COLOUR", "color"), ("rewiew", "review")],
)
def test_a_close_name_is_offered(name: str, close: str) -> None:
    assert instead_of(name, COLUMNS, "add it") == f"did you mean {close!r}?"


def test_where_none_is_close_all_are_listed_up_to_a_number() -> None:
    listed = ", ".join(map(repr, COLUMNS))
    assert instead_of("y", COLUMNS, "add it") == f"it has {listed}; add it"
    many = [f"pixel {number}" for number in range(100)]
    found = instead_of("y", many, "add it")
    assert f"'pixel {MOST_LISTED - 1}' and {100 - MOST_LISTED} more; add it" in found
    assert f"pixel {MOST_LISTED}'" not in found
    assert instead_of("y", [], "add it") == "add it"


@given(st.lists(st.text(max_size=300), max_size=5, unique=True), st.text(max_size=300))
def test_any_names_are_quoted_so_that_none_looks_like_words_of_ours(
    columns: list[str], name: str
) -> None:
    found = instead_of(name, columns, "add it")
    assert found.isprintable()
    offered = [column for column in columns if repr(column) in found]
    if found.startswith("did you mean "):
        assert found == f"did you mean {found[13:-1]}?"
        assert offered
    elif columns:
        assert offered == columns


def test_names_as_long_as_a_file_take_no_time() -> None:
    began = time.perf_counter()
    instead_of("x" * 10**6, [f"{'x' * 10**5}{number}" for number in range(50)], "add")
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "lable"}, "train.csv: has no target column 'lable'; "),
        ({"id_column": "custmer"}, "pool.csv: has no id column 'custmer'; "),
        ({"group_column": "sit"}, "validation.csv: has no group column 'sit'; "),
        ({"keep": ("colr",)}, "--keep 'colr': "),
        ({"texts": Texts(("revew",), "")}, "train.csv: has no text column 'revew' "),
        ({"texts": Texts(("review", "siz"), "")}, "train.csv: has no text column 'si"),
    ],
)
def test_every_option_that_names_a_column_offers_the_close_one(
    change: dict[str, object], words: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({name: ["a", "b", "c"] * 4 for name in COLUMNS})
    frame["customer"] = [*range(12)]
    for name in ("train", "validation", "pool"):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = [tmp_path / f"{name}.csv" for name in ("train", "validation", "pool")]
    given = {"target": "label", "id_column": "customer", **change}
    with pytest.raises(InputError) as error:
        read_tables(Sources(*paths, **given))  # type: ignore[arg-type]
    meant = {"lable": "label", "custmer": "customer", "sit": "site", "colr": "color"}
    meant |= {"revew": "review", "siz": "size"}
    (close,) = (right for wrong, right in meant.items() if f"'{wrong}'" in str(error))
    assert words in str(error)
    assert str(error.value).endswith(f"did you mean {close!r}?")
