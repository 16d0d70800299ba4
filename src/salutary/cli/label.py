"""``salutary label``: three tables in, labels, a model and a record out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.run_summary import label_summary
from salutary.cli.running import run_and_summarize
from salutary.cli.texts import takes_texts
from salutary.names import EstimateName

if TYPE_CHECKING:
    from salutary.tables.sources import Texts


@is_conventional
@takes_config
@takes_texts
def label(
    *,
    train: parameters.Train,
    validation: parameters.Validation = None,
    validation_fraction: parameters.ValidationFraction = None,
    pool: parameters.Pool,
    target: parameters.Target,
    id_column: parameters.PoolId = None,
    out: parameters.Out,
    budget: parameters.Budget = 100,
    batch_size: parameters.BatchSize = 10,
    rule: parameters.Rule = "tempered",
    objective: parameters.Objective = "log_loss",
    group: parameters.Group = None,
    costs: parameters.Costs = None,
    estimate: Annotated[
        EstimateName,
        typer.Option(
            rich_help_panel=parameters.ROUNDS,
            help="How the effect of a label is estimated. first_order: by its "
            "influence. newton: by Newton steps to the model that has the label. "
            "refit: by fitting that model. The last two are far slower: for every "
            "pick they estimate a shortlist again.",
        ),
    ] = "first_order",
    c: Annotated[
        float | None,
        typer.Option(
            "--C",
            rich_help_panel=parameters.MODEL,
            help="Inverse of the regularization strength, as in scikit-learn.",
            show_default="tuned by cross-validation on TRAIN and by VAL",
        ),
    ] = None,
    texts: Texts | None = None,
    keep: parameters.Keep = None,
    no_guard: parameters.NoGuard = False,
    min_influence_z: parameters.MinInfluenceZ = 0.0,
    jobs: parameters.Jobs = 1,
    scratch: parameters.Scratch = None,
    engine: parameters.Engine = "local",
    address: parameters.Address = None,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
    callback: parameters.Callback = None,
    no_report: parameters.NoReport = False,
    as_json: parameters.AsJson = False,
    options: dict[str, Any],
) -> None:
    r"""Label the pool rows that lower the validation loss most.

    The influence of a row with a label estimates by how much adding it to TRAIN lowers
    the loss on VAL. Each round adds the rows with the best scores and fits the model
    again. TRAIN, VAL and POOL are .csv, .tsv or .jsonl files, also with .gz, .parquet,
    .feather, .arrow or .xlsx files, or folders of .parquet files, with the same
    columns. They may be at URLs, such as s3://bucket/pool/. A pool of more than 50,000
    rows is read in batches, and need not fit into memory. RUN_DIR gets labels.parquet,
    model.skops, metrics.jsonl, run.json, ledger.sqlite, and report.html, a page to look
    at.

    Example: salutary label train.csv --validation val.csv --pool pool.csv \
        --target y --out runs/first

    With texts: salutary label train.csv --validation val.csv --pool pool.csv \
        --target y --text-column review \
        --embedder sentence-transformers/all-MiniLM-L6-v2 --out runs/text
    """
    parameters.check_numbers(budget, batch_size, c, min_influence_z, seed)
    parameters.check_jobs(jobs)
    parameters.check_engine(engine, address)
    parameters.check_objective(objective, group, costs)
    held_out = parameters.held_out(validation, validation_fraction, train, seed)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.labeling.loop import describe
    from salutary.runs.kind import Request
    from salutary.runs.label import LABELING
    from salutary.runs.table_problem import Settings
    from salutary.tables.sources import Sources

    request = Request(
        sources=Sources(
            *(train, validation, pool, target, id_column, group, costs, texts),
            keep=tuple(keep or ()),
            held_out=held_out,
            scratch=parameters.scratch_folder(
                scratch, None if engine == "ray" else out
            ),
            engine=engine,
            address=address,
        ),
        settings=Settings(
            rule=rule,
            C=c,
            batch_size=batch_size,
            guard=not no_guard,
            seed=seed,
            min_influence_z=min_influence_z,
            estimate=estimate,
            objective=objective,
        ),
        budget=budget,
        out=out,
        resume=resume,
        options=options,
        jobs=jobs,
    )
    run_and_summarize(
        LABELING,
        request,
        "labels",
        describe,
        label_summary,
        as_json,
        callback,
        no_report,
    )
