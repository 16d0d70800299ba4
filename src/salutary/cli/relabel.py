"""``salutary relabel``: noisy labels in, a cleaned table, a model and a record out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from salutary.cli import options
from salutary.cli.progress import display
from salutary.cli.summary import relabel_summary

if TYPE_CHECKING:
    from salutary.loop import Round


def relabel(
    train: options.Train,
    validation: options.Validation,
    target: options.Target,
    out: options.Out,
    budget: Annotated[
        int | None,
        typer.Option(help="Labels to switch, at most; any number without it."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Labels a round; without it 10, or a fiftieth of TRAIN if that is "
            "more."
        ),
    ] = None,
    rule: options.RuleOption = "tempered",
    objective: options.ObjectiveOption = "log_loss",
    group: options.Group = None,
    costs: options.Costs = None,
    c: Annotated[
        float | None,
        typer.Option(
            "--C",
            help="Inverse strength of the penalty.",
            show_default="what does best on VAL, before any switch",
        ),
    ] = None,
    text_column: options.TextColumn = None,
    text_pair: options.TextPair = None,
    embedder: options.Embedder = None,
    pooling: options.PoolingOption = "mean",
    device: options.Device = None,
    embedding_cache: options.EmbeddingCache = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names TRAIN's rows; never a feature. Without it they go "
            "by their numbers from 0.",
        ),
    ] = None,
    no_guard: options.NoGuard = False,
    min_influence_z: options.SmallestZ = 0.0,
    seed: options.Seed = 0,
    resume: options.Resume = False,
) -> None:
    """Switch the labels of TRAIN that do harm on VAL, and fit a model.

    For labels of which some are wrong; those of VAL must be right. Each row is switched
    once at most. RUN_DIR gets switches.parquet, the cleaned table, model.skops,
    run.json and ledger.sqlite.

    Example: salutary relabel noisy.csv --validation clean.csv --target y
    --out runs/cleaned
    """
    texts = options.texts_of(
        text_column, text_pair, embedder, pooling, device, embedding_cache
    )
    options.check_numbers(budget, batch_size, c, min_influence_z, seed)
    options.check_objective(objective, group, costs)
    with display(budget, "switches") as shown:
        # Imported here: 'salutary --help' needs none of it.
        from salutary.loop import describe
        from salutary.reading import Sources
        from salutary.relabel_run import RELABELING
        from salutary.request import Request
        from salutary.table_problem import Settings
        from salutary.table_run import run_tables

        def show(record: Round) -> None:
            number = len(record.selection)
            shown.advance(number, f"{describe(record)}; {number} switched")

        request = Request(
            sources=Sources(
                train, validation, None, target, id_column, group, costs, texts
            ),
            settings=Settings(
                rule,
                c,
                batch_size,
                not no_guard,
                seed,
                min_influence_z,
                objective=objective,
            ),
            budget=budget,
            out=out,
            resume=resume,
        )
        report = run_tables(RELABELING, request, shown.stage, show)
    for line in relabel_summary(report, out):
        print(line)
