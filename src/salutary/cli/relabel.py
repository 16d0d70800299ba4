"""``salutary relabel``: noisy labels in, a cleaned table, a model and a record out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from salutary.cli import parameters
from salutary.cli.run_summary import relabel_summary
from salutary.cli.terminal import display

if TYPE_CHECKING:
    from salutary.labeling.loop import Round


def relabel(
    train: parameters.Train,
    validation: parameters.Validation,
    target: parameters.Target,
    out: parameters.Out,
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
    rule: parameters.RuleOption = "tempered",
    objective: parameters.ObjectiveOption = "log_loss",
    group: parameters.Group = None,
    costs: parameters.Costs = None,
    c: Annotated[
        float | None,
        typer.Option(
            "--C",
            help="Inverse strength of the penalty.",
            show_default="what does best on VAL, before any switch",
        ),
    ] = None,
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
            help="Column that names TRAIN's rows; never a feature. Without it they go "
            "by their numbers from 0.",
        ),
    ] = None,
    no_guard: parameters.NoGuard = False,
    min_influence_z: parameters.SmallestZ = 0.0,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
) -> None:
    """Switch the labels of TRAIN that do harm on VAL, and fit a model.

    For labels of which some are wrong; those of VAL must be right. Each row is switched
    once at most. RUN_DIR gets switches.parquet, the cleaned table, model.skops,
    run.json and ledger.sqlite.

    Example: salutary relabel noisy.csv --validation clean.csv --target y
    --out runs/cleaned
    """
    texts = parameters.texts_of(
        text_column, text_pair, embedder, pooling, device, embedding_cache
    )
    parameters.check_numbers(budget, batch_size, c, min_influence_z, seed)
    parameters.check_objective(objective, group, costs)
    with display(budget, "switches") as shown:
        # Imported here: 'salutary --help' needs none of it.
        from salutary.labeling.loop import describe
        from salutary.runs.directory import run_tables
        from salutary.runs.kind import Request
        from salutary.runs.relabel import RELABELING
        from salutary.runs.table_problem import Settings
        from salutary.tables.sources import Sources

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
