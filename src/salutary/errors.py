"""The errors that a user can fix, and how messages say names and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WORD = 200
"""Characters of a name or path that a message shows."""


def shortened(text: str) -> str:
    """The text without the middle of very long words, such as names and paths.

    Examples
    --------
    >>> shortened("x" * 5000 + ": no such file") == (
    ...     "x" * 100 + "..." + "x" * 99 + ": no such file"
    ... )
    True
    """
    half = LONGEST_WORD // 2
    pattern = rf"(\S{{{half}}})\S{{4,}}(\S{{{half}}})"
    return re.sub(pattern, r"\1...\2", text)


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things, in words.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "row"), counted(2, "category", "categories")
    ('1 row', '2 rows', '2 categories')
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"


class InputError(ValueError):
    """The input cannot be used; the message says where it is wrong and how to fix it.

    The message is one line that names the file, column or row, and the remedy. The
    command line prints it and exits with code 2.

    Examples
    --------
    >>> try:
    ...     raise InputError("train.csv: column 'age' is missing; add it")
    ... except InputError as error:
    ...     print(error)
    train.csv: column 'age' is missing; add it
    """

    def __str__(self) -> str:
        return shortened(super().__str__())


class MissingExtraError(ModuleNotFoundError, InputError):
    """A package is not installed; the message names the extra that brings it."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a failed import in the block into an error that says what to install.

    Parameters
    ----------
    extra : str
        The extra of salutary that has the packages imported in the block, for
        instance "text".

    Raises
    ------
    MissingExtraError
        If a package other than salutary itself cannot be found.

    Examples
    --------
    >>> with needs("text"):  # doctest: +ELLIPSIS
    ...     import no_such_package
    Traceback (most recent call last):
    ...
    salutary.errors.MissingExtraError: no_such_package is not installed; ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("salutary"):
            raise
        raise MissingExtraError(
            f"{error.name} is not installed; pip install 'salutary[{extra}]'",
            name=error.name,
        ) from None
