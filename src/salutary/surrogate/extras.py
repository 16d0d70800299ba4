"""What to install for modules that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from salutary.errors import InputError


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
