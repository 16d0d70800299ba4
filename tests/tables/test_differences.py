"""Tables whose columns differ, all said in one line."""

from pathlib import Path

import pyarrow as pa
import pytest

from salutary.errors import InputError
from salutary.tables.differences import check_columns
from salutary.tables.sources import Sources

SOURCES = Sources(Path("t.csv"), Path("v.csv"), Path("p.csv"), "y", None)


def refusal(
    columns: dict[str, str], left_out: str = "", sources: Sources = SOURCES
) -> str | None:
    """What is said of tables with the columns named by the letters of each text."""
    tables = {
        name: pa.table({letter: ["1", "2"] for letter in letters})
        for name, letters in columns.items()
    }
    features = [name for name in columns["train"] if name not in ("y", *left_out)]
    try:
        check_columns(tables, features, left_out, sources)
    except InputError as error:
        return str(error)
    return None


def test_tables_with_the_same_columns_pass() -> None:
    assert refusal({"train": "aby", "validation": "yba", "pool": "ab"}) is None
    grouped = Sources(Path("t.csv"), Path("v.csv"), None, "y", None, "g")
    assert refusal({"train": "ay", "validation": "ayg"}, sources=grouped) is None


def test_a_column_that_is_left_out_may_be_anywhere_or_nowhere() -> None:
    for validation in ("ay", "aiy"):
        for pool in ("a", "ai"):
            tables = {"train": "aiy", "validation": validation, "pool": pool}
            assert refusal(tables, left_out="i") is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            ("aby", "ay", "ab"),
            "v.csv: has no column 'b', which t.csv has; add what is missing, or drop "
            "it there",
        ),
        (
            ("abcy", "ay", "abd"),
            "v.csv: has no columns 'b', 'c', which t.csv has; p.csv: has no column "
            "'c', which t.csv has; p.csv: has the column 'd', which t.csv lacks; add "
            "what is missing, or drop it there; pass --id 'd' if it names the rows of "
            "p.csv; else drop what t.csv lacks, or add it there",
        ),
        (
            ("ay", "aby", "a"),
            "v.csv: has the column 'b', which t.csv lacks; drop what t.csv lacks, "
            "or add it there",
        ),
    ],
)
def test_all_differences_are_said_at_once(
    columns: tuple[str, str, str], words: str
) -> None:
    tables = dict(zip(("train", "validation", "pool"), columns, strict=True))
    assert refusal(tables) == words


def test_another_spelling_of_a_column_is_proposed_to_be_renamed() -> None:
    tables = {
        "train": pa.table({"age": [1], "job": [2], "y": [0]}),
        "validation": pa.table({"Age": [1], "job": [2], "y": [0]}),
        "pool": pa.table({"Age": [1], "jobb": [2]}),
    }
    with pytest.raises(InputError) as caught:
        check_columns(tables, ["age", "job"], [], SOURCES)
    words = "; perhaps rename 'Age' to 'age', 'jobb' to 'job'; add what is missing, "
    assert words in str(caught.value)


def test_only_a_column_without_repeats_is_proposed_as_the_ids() -> None:
    tables = {"train": pa.table({"a": [1, 2], "y": [0, 1]})}
    tables["pool"] = pa.table({"a": [1, 2], "s": [0, 0], "i": [1, 2]})
    with pytest.raises(InputError, match="pass --id 'i' if it names the rows of p"):
        check_columns(tables, ["a"], [], SOURCES)
    tables["pool"] = tables["pool"].drop_columns("i")
    with pytest.raises(InputError, match=r"column 's', which t\.csv lacks; drop what"):
        check_columns(tables, ["a"], [], SOURCES)


def test_of_many_columns_some_are_named() -> None:
    table = {f"c{number}": [1] for number in range(200)}
    tables = {"train": pa.table({"a": [1], "y": [0]}), "pool": pa.table(table)}
    with pytest.raises(InputError) as caught:
        check_columns(tables, ["a"], [], SOURCES)
    assert "'c9' and 190 more, which t.csv lacks" in str(caught.value)
    assert len(str(caught.value)) < 400
