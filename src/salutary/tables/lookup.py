"""What to say where a table has no column of the name that a user gave."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_LISTED = 20
"""Columns of a table that a message lists."""

LONGEST = 200
"""Characters of a name that is compared, as comparing longer ones takes long."""


def instead_of(name: str, columns: Iterable[str], remedy: str) -> str:
    """The columns that may be meant; where none is like it, those that there are.

    Parameters
    ----------
    name : str
        A name that is not among ``columns``.
    columns : iterable of str
        What could have been named.
    remedy : str
        What to do if none was meant.

    Examples
    --------
    >>> instead_of("lable", ["size", "label"], "add it")
    "did you mean 'label'?"
    >>> instead_of("y", ["size", "label"], "add it")
    "it has 'size', 'label'; add it"
    """
    known = [*columns]
    close = alike(name, known)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    more = len(known) - MOST_LISTED
    shown = ", ".join(map(repr, known[:MOST_LISTED]))
    shown = f"{shown} and {more} more" if more > 0 else shown
    return f"it has {shown}; {remedy}" if known else remedy


def alike(name: str, columns: Iterable[str]) -> list[str]:
    """The columns of which a name may be another spelling, the most alike first.

    Letters that are small or large are no difference.

    Examples
    --------
    >>> alike("Age", ["size", "age"])
    ['age']
    """
    folded = {each.casefold(): each for each in columns if len(each) <= LONGEST}
    close = get_close_matches(name[:LONGEST].casefold(), folded)
    return [folded[each] for each in close]
