"""Texts of a .csv file for people: none runs in a spreadsheet, and none is lost.

An apostrophe goes before each text that a spreadsheet may take for a formula, and
before each that starts with one already. So whoever takes one apostrophe away from each
text that starts with one has the texts as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from salutary.tables.spelling import INFINITY, NUMBER

MARK = "'"

RISKY = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""Characters that may start a formula; the last four are the wide ones of the first.

More than `salutary.tables.formulas` warns of, as an apostrophe too many is undone.
"""

RUNS = f"^[{re.escape(RISKY)}]"
MARKED = f"^{MARK}"


def harmless(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts with an apostrophe before each that may run, or that starts with one.

    Numbers stay as they are.

    Examples
    --------
    >>> cells = harmless(pa.chunked_array([["=1+1", "-1.5", "'a", "a", None]]))
    >>> cells.to_pylist()
    ["'=1+1", '-1.5', "''a", 'a', None]
    >>> [text if text is None else as_it_was(text) for text in cells.to_pylist()]
    ['=1+1', '-1.5', "'a", 'a', None]
    """
    plain = pc.or_(
        pc.match_substring_regex(texts, NUMBER),
        pc.match_substring_regex(texts, INFINITY),
    )
    runs = pc.and_not(pc.match_substring_regex(texts, RUNS), plain)
    marked = pc.or_(runs, pc.match_substring_regex(texts, MARKED))
    return pc.if_else(marked, pc.binary_join_element_wise(MARK, texts, ""), texts)


def harmless_names(names: Iterable[str]) -> list[str]:
    """Names of columns, as `harmless` writes texts."""
    cells: list[str] = harmless(pa.chunked_array([[*names]], pa.string())).to_pylist()
    return cells


def as_it_was(cell: str) -> str:
    """The text of a cell that `harmless` wrote."""
    return cell.removeprefix(MARK)


def was_marked(cell: str) -> bool:
    """Whether `harmless` can have put the apostrophe before a cell."""
    return cell.startswith(MARK) and harmless_names([as_it_was(cell)]) == [cell]
