"""The options of a run: noted to resume it by, and written to repeat it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from salutary.errors import InputError
from salutary.files import refuse_links, toml_lines
from salutary.ledgers.advice_ledger import AdviceLedger
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import (
    UNREADABLE,
    application_of,
    damaged,
    not_as_written,
    open_ledger,
)
from salutary.runs.artifacts import CONFIG
from salutary.runs.kind import Request


def options_of(request: Request) -> dict[str, Any]:
    """The options that repeat a run, of the budget that it has now."""
    options = {**request.options, "budget": request.budget}
    return {name: value for name, value in options.items() if value is not None}


def config_text(command: str, options: dict[str, Any]) -> str:
    """A TOML file of the options that repeat a run."""
    return (
        f"# salutary {command} --config {CONFIG} --out NEW_DIR repeats this run.\n"
        f"[{command}]\n{toml_lines(options)}"
    )


def command_of(out: Path) -> str | None:
    """The command that a run was started with; None where its ledger does not say.

    Why a ledger cannot be read is told by whoever goes on with it.
    """
    refuse_links(out)
    path = out / LEDGER
    try:
        with _kind_at(path)(path) as ledger:
            return str(ledger.facts()["kind"])
    except (InputError, sqlite3.Error, *UNREADABLE):
        return None


def _kind_at(path: Path) -> type[AdviceLedger] | type[Ledger]:
    is_advice = application_of(path) == AdviceLedger.APPLICATION
    return AdviceLedger if is_advice else Ledger


def started_with(out: Path) -> tuple[str, dict[str, Any]]:
    """The command that a run was started with, and its options.

    Raises
    ------
    InputError
        If there is no run, or it does not say.
    """
    path = out / LEDGER
    if not path.is_file() or not path.stat().st_size:
        raise InputError(f"{out}: holds no run; pass the --out of one")
    refuse_links(out)
    kind: type[AdviceLedger | Ledger] = _kind_at(path)
    with open_ledger(kind, path) as ledger:
        if ledger.is_empty() or not ledger.is_sound():
            raise not_as_written(path)
        try:
            facts = ledger.facts()
            command, options = str(facts["kind"]), dict(facts.get("options", {}))
        except UNREADABLE as error:
            raise damaged(path, error) from None
    if "train" not in options:
        raise InputError(
            f"{out}: was started by a version of salutary that did not note all "
            f"options; repeat its 'salutary {command}' command with --resume"
        )
    return command, options
