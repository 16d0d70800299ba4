"""What a run is made of: tables, settings and versions, and whether they still are."""

from __future__ import annotations

import errno
import platform
import warnings
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from salutary.errors import InputError
from salutary.runs.kind import Request
from salutary.tables.batches import Stamp, stamp
from salutary.tables.formats import file_sha256
from salutary.tables.paths import check_exists
from salutary.tables.sources import Sources

VERSIONED = ("salutary", "numpy", "scipy", "scikit-learn", "skrub", "pandas", "pyarrow")
"""Packages whose versions a run writes down, as its figures depend on them."""

VERSIONED_WITH_TEXTS = ("torch", "transformers", "peft")
"""Further such packages where a language model embeds texts."""


def checked_sha256(path: Path) -> str:
    """SHA-256 of a table's content; refuse a path that cannot be read."""
    try:
        check_exists(path)
        return file_sha256(path)
    except OSError as error:
        remedy = "fix the permissions"
        if error.errno == errno.ENAMETOOLONG:
            remedy = "pass a shorter path"
        raise InputError(
            f"{path}: cannot be read: {error.strerror}; {remedy}"
        ) from None


def hashed(sources: Sources) -> tuple[dict[str, str], dict[str, Stamp]]:
    """SHA-256 of each table, and its stamp of before it was read for that."""
    data, before = {}, {}
    for name, path in sources.paths().items():
        with suppress(OSError):  # of which the next line tells
            before[name] = stamp(path)
        data[name] = checked_sha256(path)
    return data, before


def refuse_changes(sources: Sources, before: dict[str, Stamp]) -> None:
    """Refuse tables that have changed since they were hashed.

    Raises
    ------
    InputError
    """
    for name, path in sources.paths().items():
        now = None
        with suppress(OSError):
            now = stamp(path)
        if now != before[name]:
            raise InputError(
                f"{path}: has changed while it was read; start again once nothing "
                "writes to it"
            )


def versions(sources: Sources) -> dict[str, str]:
    """Versions of Python and of the packages that a run's figures depend on."""
    has_texts = sources.texts is not None
    for_texts = filter(find_spec, VERSIONED_WITH_TEXTS) if has_texts else ()
    packages = {name: version(name) for name in (*VERSIONED, *for_texts)}
    return {"python": platform.python_version(), **packages}


def begun(request: Request) -> dict[str, Any]:
    """When a run begins, in UTC, and the command line if there is one."""
    now = datetime.now(UTC)
    return {
        "started": now.isoformat(timespec="seconds"),
        "command": list(request.command),
    }


def warn_of_versions(before: dict[str, str], now_of: dict[str, str]) -> None:
    """Warn of packages whose version is another than when a run was started."""
    for name, now in now_of.items():
        if before.get(name) != now:
            warnings.warn(
                f"the run was started with {name} {before.get(name)}, now it is {now}; "
                "further labels may differ from those of an uninterrupted run",
                UserWarning,
                stacklevel=2,
            )


def refuse_other(request: Request, facts: dict[str, Any], data: dict[str, str]) -> None:
    """Refuse to continue a run with other settings or data."""
    out = request.out
    for name, value in request.fixed().items():
        before = facts["settings"].get(name)
        # A language model may have been moved; its fingerprint is compared later.
        if before != value and name != "embedder":
            raise InputError(
                f"{out}: was started {_changed(name, before, value)}; pass the same, "
                "or begin another run"
            )
    for name, path in request.sources.paths().items():
        if facts["data"].get(name) != data[name]:
            raise InputError(
                f"{path}: is not the {name} table that {out} was started with; put the "
                "same data back, or begin another run"
            )


def _changed(name: str, before: Any, now: Any) -> str:
    """How a setting differs from that of the run's start; None is none of one's own."""
    if before is None:
        return f"without {name}, not with {now!r}"
    return f"with {name} = {before!r}, not {'without' if now is None else repr(now)}"


def data_of(
    facts: dict[str, Any], sources: Sources, n_rows: dict[str, int]
) -> dict[str, Any]:
    """Each table's file, content and number of rows, for the report."""
    data = {
        name: {
            "file": facts["files"][name],
            "sha256": facts["data"][name],
            "rows": n_rows.get(name),
        }
        for name in sources.paths()
    }
    if sources.held_out is not None:
        part = {**asdict(sources.held_out), "rows": n_rows["validation"]}
        data["validation"] = {**data["train"], **part}
    return data
