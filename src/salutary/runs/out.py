"""What ``--out`` may be: a new directory, a run to go on with, or a finished one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salutary.errors import InputError
from salutary.files import LOCK, refuse_links, writable
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import UNREADABLE, AnyLedger
from salutary.runs.artifacts import CONFIG, METRICS
from salutary.runs.kind import DirectoryKind, Request
from salutary.runs.repeating import command_of
from salutary.tables.formats import file_sha256


def check_directory(kind: DirectoryKind, request: Request) -> None:
    """Refuse an --out that holds something else, or cannot be created."""
    out, texts = request.out, request.sources.texts
    if texts is not None and texts.cache is not None:
        cache = texts.cache.resolve()
        if out.resolve() in (cache, *cache.parents):
            raise InputError(
                f"{texts.cache}: is in the run's own directory; pass another "
                "--embedding-cache"
            )
    if not out.exists():
        _check_can_be_made(out)
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; pass a directory as --out")
    if holds_run(out):
        command = command_of(out)
        if command not in (kind.name, None):
            raise of_another_command(out, str(command))
        if not request.resume:
            raise InputError(
                f"{out}: holds a run already; pass --resume to continue it, or another "
                "--out"
            )
        return
    ours = {LOCK, LEDGER, f"{LEDGER}-journal", *kind.scratch}
    others = sorted(path.name for path in out.iterdir() if path.name not in ours)
    results = (*kind.results(request.sources), METRICS, CONFIG)
    ours_too = {Path(name).parts[0] for name in results}
    if ours_too & {*others}:
        raise InputError(
            f"{out}: holds results, but no {LEDGER} to continue from; restore the "
            "ledger, or pass another --out"
        )
    if others:
        raise InputError(
            f"{out}: is not a run, but holds {others[0]!r}; pass another --out"
        )
    if not writable(out):
        raise InputError(
            f"{out}: cannot be written to; fix its permissions, or pass another --out"
        )


def of_another_command(out: Path, command: str) -> InputError:
    """What to say of a directory that holds a run of another command."""
    return InputError(
        f"{out}: holds a run of 'salutary {command}'; go on with it by 'salutary "
        f"resume {out}', or pass another --out"
    )


def _check_can_be_made(out: Path) -> None:
    """Refuse a missing directory that cannot be created."""
    if out.is_symlink():
        raise InputError(
            f"{out}: is a link that leads nowhere; pass a directory as --out"
        )
    above = next(path for path in out.absolute().parents if path.exists())
    if not above.is_dir():
        raise InputError(
            f"{out}: cannot be made, as {above} is a file; pass another --out"
        )
    if not writable(above):
        raise InputError(
            f"{out}: cannot be made, as {above} cannot be written to; fix its "
            "permissions, or pass another --out"
        )


def holds_run(out: Path) -> bool:
    """Whether a directory has a ledger."""
    ledger = out / LEDGER
    return ledger.is_file() and ledger.stat().st_size > 0


def report_if_finished(
    kind: type[AnyLedger],
    request: Request,
    is_done: Callable[[dict[str, Any]], bool],
    check: Callable[[AnyLedger], object],
) -> dict[str, Any] | None:
    """The report of a finished run that lacks nothing; None for any other run.

    Nothing is written, not even a lock, so that the directory may be read-only.

    Parameters
    ----------
    kind : type of ledger
    request : Request
    is_done : callable
        Whether a run with these facts has done all that is asked for.
    check : callable
        Refuses a ledger of another run, or one that was edited.
    """
    if not request.resume or not holds_run(request.out):
        return None
    refuse_links(request.out)
    try:
        with kind(request.out / LEDGER) as ledger:
            facts = ledger.facts()
            if not (is_done(facts) and has_all_results(request, facts)):
                return None
            check(ledger)
    except (sqlite3.Error, *UNREADABLE):
        return None  # why it cannot be continued is found where it is
    return dict(facts["report"])


def has_all_results(request: Request, facts: dict[str, Any]) -> bool:
    """Whether every result is there as it was written, for the same language model."""
    before = facts["report"]["settings"].get("embedder")
    if before != request.fixed().get("embedder"):
        return False
    results: dict[str, str] = facts.get("results", {})
    return bool(results) and all(
        (request.out / name).is_file() and file_sha256(request.out / name) == written
        for name, written in results.items()
    )
