"""``salutary check``: what to know of the tables before a run, on a short card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.card import WIDTH, facts, warnings_of
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import display, print_json, printable, say
from salutary.cli.texts import TEXTS, TextPair, columns_of
from salutary.tables.urls import table_at

MOST_FEATURES = 100
"""Features of each kind that ``salutary check`` names."""


@is_conventional
@takes_config
def check(
    *,
    train: parameters.Train,
    validation: parameters.Validation = None,
    validation_fraction: parameters.ValidationFraction = None,
    target: parameters.Target,
    pool: Annotated[
        Path | None,
        typer.Option(
            parser=table_at, metavar="POOL", help="Unlabeled table, if there is one."
        ),
    ] = None,
    id_column: parameters.PoolId = None,
    text_column: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=TEXTS,
            metavar="COLUMN",
            help="Column of texts, which a run turns into vectors by its --embedder. "
            "No language model is needed to look at it.",
        ),
    ] = None,
    text_pair: TextPair = None,
    group: parameters.Group = None,
    keep: parameters.Keep = None,
    seed: parameters.Seed = 0,
    as_json: parameters.AsJson = False,
) -> None:
    r"""Look at the tables before a run, and write nothing.

    It says what becomes a feature and of what kind, which columns are left out as they
    name rows, which rows stand in two tables, and how far the tables differ. What would
    stop a run stops this command too. The same card stands at the head of every run.

    Example: salutary check train.csv --validation val.csv --pool pool.csv \
        --target y
    """
    parameters.check_seed(seed)
    held_out = parameters.held_out(validation, validation_fraction, train, seed)
    documents = columns_of(text_column, text_pair)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.runs.check import check_sources
    from salutary.tables.sources import Sources, Texts

    sources = Sources(
        *(train, validation, pool, target, id_column, group),
        # No model is loaded, so none is named.
        texts=Texts(documents, embedder="") if documents else None,
        keep=tuple(keep or ()),
        held_out=held_out,
    )
    with display(0, "tables") as shown:
        checks = check_sources(sources, seed, shown.stage).to_dict()
    if as_json:
        found = {**checks, "warnings": [*warnings_of(checks)]}
        print_json(found)
        return
    for line in (*facts(checks, MOST_FEATURES), *_of_documents(documents)):
        say(line)
    for text in warnings_of(checks):
        say(f"warning: {text}")


def _of_documents(names: tuple[str, ...]) -> Iterator[str]:
    """What the columns of texts become in a run."""
    if names:
        what = "becomes a vector" if len(names) == 1 else "become one vector together,"
        quoted = " and ".join(f"'{printable(name)}'" for name in names)
        yield (
            f"{'texts':<{WIDTH}}{quoted} {what} by the run's --embedder; drift is "
            "measured here without that model"
        )
