"""``salutary cache``: where the vectors of texts are kept, and how to remove them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import print_json, printable
from salutary.errors import InputError, counted

if TYPE_CHECKING:
    from salutary.deep.vectors import StoreFacts

GIB = 2**30

FIRST_DAY = date(1970, 1, 1).toordinal()


@is_conventional
def cache(
    *,
    embedding_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the store, as passed to other commands.",
            show_default="a folder in the user's cache",
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all vectors.")] = False,
    max_age: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS",
            help="Remove vectors that were not used for more than so many days.",
        ),
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(
            metavar="GIB",
            help="If the store has more GiB, remove those vectors that were not used "
            "for longest, until a tenth is free.",
        ),
    ] = None,
    as_json: parameters.AsJson = False,
) -> None:
    """Show the store of text vectors, or make it smaller.

    A language model takes long to turn texts into vectors, so these are kept for later
    runs. Whatever is removed here is only computed again. Without this command too,
    vectors that were not used for 90 days are removed when texts are next embedded, and
    beyond 4 GiB those that were not used for longest.

    Example: salutary cache --max-age 30
    """
    _check(clear, max_age, max_size)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.deep.vectors import FILE, StoreFacts, default_folder, open_store

    folder = default_folder() if embedding_cache is None else embedding_cache
    if not (folder / FILE).is_file():
        _show(folder / FILE, StoreFacts(0, 0, None, None), as_json)
        return
    with open_store(folder) as store:
        if clear:
            store.clear()
        if max_age is not None:
            store.forget(max_age)
        if max_size is not None:
            store.shrink(int(max_size * GIB))
        if clear or max_age is not None:
            store.compact()
        facts = store.facts()
    _show(folder / FILE, facts, as_json)


def _check(clear: bool, max_age: int | None, max_size: float | None) -> None:
    """Refuse limits that are out of range, and limits of what is removed anyway."""
    if clear and not (max_age is None and max_size is None):
        raise InputError("--clear: removes all vectors; pass it without a limit")
    if max_age is not None and not 0 <= max_age <= 1_000_000:
        raise InputError(f"--max-age {max_age}: must be from 0 to 1000000 days")
    if max_size is not None and not 0 < max_size < 1_000_000:
        raise InputError(
            f"--max-size {max_size}: must be above 0 and below 1000000, for instance 1"
        )


def _show(path: Path, facts: StoreFacts, as_json: bool) -> None:
    """Print where the store is, and what it holds."""
    first, last = _date(facts.first_day), _date(facts.last_day)
    if as_json:
        report = {
            "file": str(path),
            "vectors": facts.n_vectors,
            "bytes": facts.n_bytes,
            "first_used": first,
            "last_used": last,
        }
        print_json(report)
        return
    size = f"{facts.n_bytes / GIB:.2f} GiB"
    if facts.n_bytes < GIB:
        size = f"{facts.n_bytes / 2**20:.1f} MiB"
    print(f"{printable(str(path))}: {counted(facts.n_vectors, 'vector')}, {size}")
    if first is not None:
        print(f"  last used between {first} and {last}")


def _date(day: int | None) -> str | None:
    """The date of a day that is counted from 1970."""
    try:
        return None if day is None else date.fromordinal(FIRST_DAY + day).isoformat()
    except (ValueError, TypeError, OverflowError):  # of a store that was edited
        return None
