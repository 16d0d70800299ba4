"""Values of a table as JSON has them, and the texts that stand for one value."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from datetime import date, time
from typing import Any

import pyarrow as pa


def plain(value: Any) -> Any:
    """A value as JSON can hold it; what JSON has no kind of becomes text.

    Examples
    --------
    >>> plain(date(2024, 2, 29)), plain(float("nan")), plain(float("inf"))
    ('2024-02-29', None, 'inf')
    >>> plain([1, b"ab"])
    [1, '6162']
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value)


def plain_column(values: pa.ChunkedArray) -> list[Any]:
    """The values of a column as JSON can hold them."""
    return [plain(_python(value)) for value in values]


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as JSON can hold them.

    Examples
    --------
    >>> plain_rows(pa.table({"size": [1.5, None], "kind": ["cat", "dog"]}))
    [{'size': 1.5, 'kind': 'cat'}, {'size': None, 'kind': 'dog'}]
    """
    names = table.column_names
    columns = [plain_column(values) for values in table.columns]
    return [
        dict(zip(names, (column[row] for column in columns), strict=True))
        for row in range(table.num_rows)
    ]


def json_text(content: Any) -> str:
    """JSON in ASCII, which reads alike under every encoding and line reader."""
    return json.dumps(content, allow_nan=False)


def _python(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):  # a moment beyond Python's calendar
        return str(value)


def meant(value: Any, names: Collection[str]) -> str | None:
    """The one of some names that a value of another program stands for.

    Programs write a whole number as a float, a class "007" as 7, "true" as TRUE.
    So a value that is none of the names may still be the number that one name spells,
    if no other spells it.

    Parameters
    ----------
    value : object
        As JSON or Arrow has it.
    names : collection of str
        Classes, or ids.

    Examples
    --------
    >>> meant(3.0, ["1", "3"]), meant("7", ["007", "008"]), meant("TRUE", ["True"])
    ('3', '007', 'True')
    >>> meant(7, ["7", "007"]), meant(7, ["07", "007"]) is None
    ('7', True)
    """
    text = str(value)
    if text in names:
        return text
    if text.casefold() in ("true", "false"):
        same = [name for name in names if name.casefold() == text.casefold()]
    elif (number := _number(text)) is not None:
        same = [name for name in names if _number(name) == number]
    else:
        return None
    return same[0] if len(same) == 1 else None


def _number(text: str) -> int | float | None:
    """The number that a text spells; of a whole one, all digits."""
    if "_" in text:  # Python reads 1_0 as 10, and nobody else does
        return None
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None
