"""``metrics.jsonl``: a line of figures for each round, to watch a run by.

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
    lines = (_line(entry, best_round) for entry in entries)
    write_text(out / METRICS, "".join(lines))


def add_metrics(out: Path, entry: RoundEntry) -> None:
    """Add the line of a round that the ledger has got."""
    with open(out / METRICS, "a", encoding="utf-8", opener=_no_link) as file:
        file.write(_line(entry))


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _line(entry: RoundEntry, best_round: int | None = None) -> str:
    # Before the end no round is undone.
    best_round = entry.round if best_round is None else best_round
    return json.dumps(figures_of(entry, best_round), allow_nan=False) + "\n"
