"""The error that a user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Bad input: one line that names file, column or row, and the remedy.

    The command line prints it and exits with 2.
    """


class MissingExtraError(ModuleNotFoundError, InputError):
    """A part of salutary was asked for whose packages are not installed."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import inside; a missing module says which extra to install.

    Raises
    ------
    MissingExtraError
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
