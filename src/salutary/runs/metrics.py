"""``metrics.jsonl``: a line of figures for each round or fold, to watch a run by.

The ledger holds all of it. The file is made of the ledger whole when a run begins, goes
on or ends; in between each round adds its line, so that ten thousand rounds write the
file no oftener than ten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from salutary.files import write_text
from salutary.ledgers.record import RoundEntry
from salutary.runs.artifacts import METRICS

MODELS = ("model", "folds")
"""What a round has besides figures."""


def figures_of(entry: RoundEntry, best_round: int | None = None) -> dict[str, Any]:
    """Figures of a round; one that does not exist is None.

    Parameters
    ----------
    entry : RoundEntry
    best_round : int, optional
        Number of the best round of a run that has ended. With it the figures say
        whether the round was undone, as rounds after the best are.
    """
    figures = {
        each.name: getattr(entry, each.name)
        for each in fields(entry)
        if each.name not in MODELS
    }
    if best_round is not None:
        figures["undone"] = entry.round > best_round
    return figures


def write_metrics(
    out: Path, entries: Iterable[RoundEntry], best_round: int | None = None
) -> None:
    """Write the file whole: all rounds that the ledger has."""
    write_lines(out, (_figures(entry, best_round) for entry in entries))


def add_metrics(out: Path, entry: RoundEntry) -> None:
    """Add the line of a round that the ledger has got."""
    add_line(out, _figures(entry))


def _figures(entry: RoundEntry, best_round: int | None = None) -> dict[str, Any]:
    # Before the end no round is undone.
    return figures_of(entry, entry.round if best_round is None else best_round)


def write_lines(out: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Write the file whole."""
    write_text(out / METRICS, "".join(map(_line, lines)))


def add_line(out: Path, figures: dict[str, Any]) -> None:
    """Add a line to the file."""
    with open(out / METRICS, "a", encoding="utf-8", opener=_no_link) as file:
        file.write(_line(figures))


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _line(figures: dict[str, Any]) -> str:
    return json.dumps(figures, allow_nan=False) + "\n"
