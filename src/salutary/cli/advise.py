"""``salutary advise``: what to train on, compared on the user's own tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.run_summary import not_validated
from salutary.cli.terminal import display
from salutary.errors import InputError


def advise(
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="Labeled table.")],
    validation: Annotated[
        Path, typer.Option(metavar="VAL", help="Labeled table to do well on.")
    ],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column of labels.")],
    pool: Annotated[
        Path | None,
        typer.Option(
            metavar="POOL",
            help="Unlabeled table; without it nothing that needs one is tried. Of more "
            "than 20,000 rows so many are drawn.",
        ),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the pool's rows; never a feature.",
        ),
    ] = None,
    budget: Annotated[
        int, typer.Option(help="Labels to assign, at most, by options that do.")
    ] = 100,
    batch_size: Annotated[int, typer.Option(help="Labels a round.")] = 10,
    splits: Annotated[
        int,
        typer.Option(help="Parts of VAL; each is judged by models not fitted on it."),
    ] = 5,
    repeats: Annotated[int, typer.Option(help="Times VAL is parted anew.")] = 2,
    text_column: parameters.TextColumn = None,
    text_pair: parameters.TextPair = None,
    embedder: parameters.Embedder = None,
    pooling: parameters.PoolingOption = "mean",
    device: parameters.Device = None,
    embedding_cache: parameters.EmbeddingCache = None,
    seed: Annotated[int, typer.Option(help="Fixes what is drawn.")] = 0,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON document instead; progress goes to standard error.",
        ),
    ] = False,
) -> None:
    """Compare what to train on: TRAIN, VAL, both, or labels for the pool as well.

    Each option is fitted on TRAIN, a part of VAL and POOL, with its C tuned, and judged
    by the rest of VAL. Ends with one sentence, "Advice: ...".

    Example: salutary advise train.csv --validation val.csv --pool pool.csv --target y
    """
    _check(budget, batch_size, splits, repeats, seed)
    texts = parameters.texts_of(
        text_column, text_pair, embedder, pooling, device, embedding_cache
    )
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        report = _report(
            (train, validation, pool, target, id_column, None, None, texts),
            (budget, batch_size, splits, repeats, seed),
        )
    if as_json:
        print(json.dumps(report, indent=2, allow_nan=False))
        return
    for line in summary(report):
        print(line)


def _report(sources: tuple[Any, ...], plan: tuple[Any, ...]) -> dict[str, Any]:
    """The comparison, with its progress shown."""
    # Imported here: 'salutary --help' needs none of it.
    from salutary.advice.options import OPTIONS, POOL_OPTIONS
    from salutary.runs.advise import Plan, advise_tables
    from salutary.tables.sources import Sources

    asked, how = Sources(*sources), Plan(*plan)
    n_options = len(OPTIONS) + (len(POOL_OPTIONS) if asked.pool else 0)
    with display(how.splits * how.repeats * n_options, "fits") as shown:

        def fitted(line: str) -> None:
            shown.advance(1, line)

        return advise_tables(asked, how, shown.stage, fitted)


def _check(budget: int, batch_size: int, splits: int, repeats: int, seed: int) -> None:
    for name, value, least in (
        ("budget", budget, 1),
        ("batch-size", batch_size, 1),
        ("splits", splits, 2),
        ("repeats", repeats, 1),
    ):
        if value < least:
            raise InputError(f"--{name} {value}: must be at least {least}")
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: must be from 0 to 4294967295")


def summary(report: dict[str, Any]) -> Iterator[str]:
    """The report in lines for a person."""
    rows = f"{report['n_train']} training and {report['n_validation']} validation rows"
    if report["n_pool"]:
        rows += f", {report['n_pool']} in the pool"
    if report["n_pool_used"] < report["n_pool"]:
        rows += f", of which {report['n_pool_used']} were drawn and looked at"
    folds = f"{report['n_splits']} folds, repeats: {report['n_repeats']}"
    yield f"{rows}; {folds}"
    yield (
        f"{'option':<28}{'accuracy':>9}{'log loss':>10}{'behind':>9}"
        f"{'95% interval':>18}{'C':>8}{'weight':>8}"
    )
    for row in report["options"]:
        interval = f"{row['lower']:z.4f} to {row['upper']:z.4f}"
        if row["lower"] == row["upper"] == 0:
            interval = ""
        yield (
            f"{row['option']:<28}{row['accuracy']:>9.3f}{row['log_loss']:>10.4f}"
            f"{row['difference']:>9.4f}{interval:>18}{row['C']:>8g}"
            f"{row['validation_weight']:>8g}"
        )
    yield "weight: of a validation row in the fit; a training row's is 1"
    if report["recurring_validation_rows"]:
        yield (
            f"warning: {report['recurring_validation_rows']} validation rows stand in "
            "the training table or the pool too; losses may flatter"
        )
    if report["classes_not_validated"]:
        yield f"warning: {not_validated(report['classes_not_validated'])}"
    yield report["sentence"]
