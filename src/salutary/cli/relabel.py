"""``salutary relabel``: noisy labels in, a cleaned table, a model and a record out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.run_summary import relabel_summary
from salutary.cli.running import run_and_summarize
from salutary.cli.texts import takes_texts

if TYPE_CHECKING:
    from salutary.labeling.outcome import Round
    from salutary.tables.sources import Texts


@is_conventional
@takes_config
@takes_texts
def relabel(
    *,
    train: parameters.Train,
    validation: parameters.Validation = None,
    validation_fraction: parameters.ValidationFraction = None,
    target: parameters.Target,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the rows of TRAIN; never a feature. Without it, "
            "rows are named by their numbers from 0.",
        ),
    ] = None,
    out: parameters.Out,
    budget: Annotated[
        int | None,
        typer.Option(
            help="Maximum number of labels to switch.", show_default="no maximum"
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=parameters.ROUNDS,
            help="Number of labels switched per round.",
            show_default="10, or a fiftieth of the rows of TRAIN if that is more",
        ),
    ] = None,
    rule: parameters.Rule = "tempered",
    objective: parameters.Objective = "log_loss",
    group: parameters.Group = None,
    costs: parameters.Costs = None,
    c: Annotated[
        float | None,
        typer.Option(
            "--C",
            rich_help_panel=parameters.MODEL,
            help="Inverse of the regularization strength, as in scikit-learn.",
            show_default="the one that does best on VAL before any label is switched",
        ),
    ] = None,
    texts: Texts | None = None,
    keep: parameters.Keep = None,
    no_guard: parameters.NoGuard = False,
    min_influence_z: parameters.MinInfluenceZ = 0.0,
    jobs: parameters.Jobs = 1,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
    callback: parameters.Callback = None,
    no_report: parameters.NoReport = False,
    as_json: parameters.AsJson = False,
    options: dict[str, Any],
) -> None:
    r"""Switch training labels that raise the validation loss.

    Use it where some labels of TRAIN are wrong and those of VAL are right. Each round
    switches the labels that do most harm and fits the model again; a row is switched at
    most once. RUN_DIR gets switches.parquet, the cleaned table, model.skops,
    metrics.jsonl, run.json, ledger.sqlite, and report.html, a page to look at.

    Example: salutary relabel noisy.csv --validation clean.csv --target y \
        --out runs/cleaned
    """
    parameters.check_numbers(budget, batch_size, c, min_influence_z, seed)
    parameters.check_jobs(jobs)
    parameters.check_objective(objective, group, costs)
    held_out = parameters.held_out(validation, validation_fraction, train, seed)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.labeling.loop import describe
    from salutary.runs.kind import Request
    from salutary.runs.relabel import RELABELING
    from salutary.runs.table_problem import Settings
    from salutary.tables.sources import Sources

    def described(record: Round) -> str:
        # The number of labeled rows, which `describe` gives, never changes here.
        return f"{describe(record)}; {len(record.selection)} switched"

    request = Request(
        sources=Sources(
            *(train, validation, None, target, id_column, group, costs, texts),
            keep=tuple(keep or ()),
            held_out=held_out,
        ),
        settings=Settings(
            rule=rule,
            C=c,
            batch_size=batch_size,
            guard=not no_guard,
            seed=seed,
            min_influence_z=min_influence_z,
            objective=objective,
        ),
        budget=budget,
        out=out,
        resume=resume,
        options=options,
        jobs=jobs,
    )
    run_and_summarize(
        RELABELING,
        request,
        "switches",
        described,
        relabel_summary,
        as_json,
        callback,
        no_report,
    )
