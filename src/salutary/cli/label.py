"""``salutary label``: three tables in, labels, a model and a record out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salutary.cli import parameters
from salutary.cli.run_summary import label_summary
from salutary.cli.terminal import display

if TYPE_CHECKING:
    from salutary.labeling.loop import Round


def label(
    train: parameters.Train,
    validation: parameters.Validation,
    pool: Annotated[
        Path, typer.Option(metavar="POOL", help="Unlabeled table to take rows from.")
    ],
    target: parameters.Target,
    out: parameters.Out,
    budget: Annotated[int, typer.Option(help="Labels to assign, at most.")] = 100,
    batch_size: Annotated[int, typer.Option(help="Labels a round.")] = 10,
    rule: parameters.RuleOption = "tempered",
    objective: parameters.ObjectiveOption = "log_loss",
    group: parameters.Group = None,
    costs: parameters.Costs = None,
    estimate: Annotated[
        Literal["first_order", "newton", "refit"],
        typer.Option(
            help="How the effect of a label is estimated. The last two are true and "
            "far slower: a shortlist is looked at again for every pick."
        ),
    ] = "first_order",
    c: parameters.PenaltyOrTuned = None,
    text_column: parameters.TextColumn = None,
    text_pair: parameters.TextPair = None,
    embedder: parameters.Embedder = None,
    pooling: parameters.PoolingOption = "mean",
    device: parameters.Device = None,
    embedding_cache: parameters.EmbeddingCache = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the pool's rows; never a feature. Without it they "
            "go by their numbers from 0.",
        ),
    ] = None,
    no_guard: parameters.NoGuard = False,
    min_influence_z: parameters.SmallestZ = 0.0,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
) -> None:
    """Label the pool rows that lower the validation loss most, and fit a model.

    Tables are .csv, .parquet or .jsonl files or folders of .parquet files, with the
    same columns. RUN_DIR gets labels.parquet, model.skops, run.json and ledger.sqlite.

    Example: salutary label train.csv --validation val.csv --pool pool.csv --target y
    --out runs/first

    Texts: salutary label train.csv --validation val.csv --pool pool.csv --target y
    --text-column review --embedder sentence-transformers/all-MiniLM-L6-v2
    --out runs/text
    """
    texts = parameters.texts_of(
        text_column, text_pair, embedder, pooling, device, embedding_cache
    )
    if c is None and texts is None:
        c = 1.0
    parameters.check_numbers(budget, batch_size, c, min_influence_z, seed)
    parameters.check_objective(objective, group, costs)
    with display(budget, "labels") as shown:
        # Imported here: 'salutary --help' needs none of it.
        from salutary.labeling.loop import describe
        from salutary.runs.directory import run_tables
        from salutary.runs.kind import Request
        from salutary.runs.label import LABELING
        from salutary.runs.table_problem import Settings
        from salutary.tables.sources import Sources

        def show(record: Round) -> None:
            shown.advance(len(record.selection), describe(record))

        request = Request(
            sources=Sources(
                train, validation, pool, target, id_column, group, costs, texts
            ),
            settings=Settings(
                rule,
                c,
                batch_size,
                not no_guard,
                seed,
                min_influence_z,
                estimate,
                objective,
            ),
            budget=budget,
            out=out,
            resume=resume,
        )
        report = run_tables(LABELING, request, shown.stage, show)
    for line in label_summary(report, out):
        print(line)
