"""The request for a run, made again from what its ledger has noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from salutary.deep.vectors import default_folder
from salutary.errors import InputError
from salutary.runs.finetune import FINE_TUNING, FineTuneSettings
from salutary.runs.kind import Request, RunKind
from salutary.runs.label import LABELING
from salutary.runs.relabel import RELABELING
from salutary.runs.table_problem import Settings
from salutary.tables.sources import HeldOut, Sources, Texts
from salutary.tables.urls import table_at

KINDS: dict[str, tuple[RunKind, type]] = {
    "label": (LABELING, Settings),
    "relabel": (RELABELING, Settings),
    "finetune": (FINE_TUNING, FineTuneSettings),
}
"""The kinds of runs that give labels, and the class of their settings."""


def check_gives_labels(out: Path, command: str) -> None:
    """Refuse a run of a command that gives no labels.

    Raises
    ------
    InputError
    """
    if command not in KINDS:
        raise InputError(
            f"{out}: holds a run of 'salutary {command}', which keeps no record of why "
            "a row got a label; pass the --out of 'salutary label', 'relabel' or "
            "'finetune'"
        )


def request_of(out: Path, facts: Mapping[str, Any]) -> tuple[RunKind, Request]:
    """The kind of a run, and the request that its ledger was begun with.

    Parameters
    ----------
    out : Path
        Directory of the run.
    facts : mapping
        Facts of its ledger.

    Raises
    ------
    InputError
        For a run that gives no labels.
    KeyError, TypeError, ValueError
        If the facts are not those of a run.
    """
    name = facts["kind"]
    check_gives_labels(out, name)
    kind, settings = KINDS[name]
    options, noted = dict(facts["options"]), dict(facts["settings"])
    request = Request(
        sources=_sources(out, options, noted, only_texts=name == "finetune"),
        settings=settings(**{part.name: noted[part.name] for part in fields(settings)}),
        budget=noted["budget"],
        out=out,
        resume=True,
        options=options,
    )
    return kind, request.continuing(facts["embedder"])


def _sources(
    out: Path, options: dict[str, Any], noted: dict[str, Any], *, only_texts: bool
) -> Sources:
    def path(name: str) -> Path | None:
        return table_at(options[name]) if options.get(name) else None

    fraction, seed = noted["validation_fraction"], noted["seed"]
    texts = None
    if noted["text"] is not None:
        texts = Texts(
            columns=tuple(noted["text"]),
            embedder=noted["embedder"],
            pooling=noted["pooling"],
            device=options.get("device"),
            cache=path("embedding-cache") or default_folder(),
        )
    return Sources(
        train=table_at(options["train"]),
        validation=path("validation"),
        pool=path("pool"),
        target=noted["target"],
        id_column=noted["id"],
        group_column=noted["group"],
        costs=path("costs"),
        texts=texts,
        keep=tuple(noted["keep"]),
        only_texts=only_texts,
        held_out=None if fraction is None else HeldOut(fraction, seed),
    )
