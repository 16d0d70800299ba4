"""``salutary advise``: what to train on, compared on the user's own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.callbacks import at_work, find_callbacks
from salutary.cli.config import TYPED, takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.report import report_at_end, where_the_page_is
from salutary.cli.run_summary import table_warnings
from salutary.cli.running import show_checks
from salutary.cli.terminal import display, print_json, printable, say, tell
from salutary.cli.texts import takes_texts
from salutary.cli.verdict import verdict_lines
from salutary.errors import InputError, counted
from salutary.names import RELABELED
from salutary.tables.urls import local_path, table_at

if TYPE_CHECKING:
    from salutary.cli.terminal import Display
    from salutary.runs.advise import Plan
    from salutary.runs.kind import Request
    from salutary.tables.sources import Sources, Texts

COMPARISON = "Comparison"
"""Panel of the help."""


@is_conventional
@takes_config
@takes_texts
def advise(
    *,
    train: parameters.Train,
    validation: parameters.Validation = None,
    validation_fraction: parameters.ValidationFraction = None,
    target: parameters.Target,
    pool: Annotated[
        Path | None,
        typer.Option(
            parser=table_at,
            metavar="POOL",
            help="Unlabeled table. Without it, options that need a pool are not tried. "
            "Of a pool of more than 20,000 rows, 20,000 are drawn and used.",
        ),
    ] = None,
    use_all: Annotated[
        bool,
        typer.Option(
            "--all", help="Use all rows of a large POOL, however long that takes."
        ),
    ] = False,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the pool's rows; never a feature.",
        ),
    ] = None,
    budget: Annotated[
        int,
        typer.Option(
            help="Maximum number of labels to assign, for options that assign labels."
        ),
    ] = 100,
    batch_size: parameters.BatchSize = 10,
    splits: Annotated[
        int,
        typer.Option(
            rich_help_panel=COMPARISON,
            help="Number of parts of VAL. Each part judges models that were not fitted "
            "on it.",
        ),
    ] = 5,
    repeats: Annotated[
        int,
        typer.Option(
            rich_help_panel=COMPARISON, help="Number of times that VAL is split anew."
        ),
    ] = 2,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            rich_help_panel=COMPARISON,
            metavar="N",
            help="Number of processes that judge parts of VAL at once; -1 for as many "
            "as there are processors. The advice is the same for any number.",
        ),
    ] = 1,
    texts: Texts | None = None,
    keep: parameters.Keep = None,
    scratch: parameters.Scratch = None,
    seed: parameters.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="RUN_DIR",
            help="New directory for the model of the advised option, for its labels if "
            "it has any, and for run.json. 'salutary predict RUN_DIR' uses the model.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted comparison in RUN_DIR."),
    ] = False,
    no_report: parameters.NoReport = False,
    callback: parameters.Callback = None,
    as_json: parameters.AsJson = False,
    options: dict[str, Any],
) -> None:
    r"""Compare what to train on, and advise one option.

    The options are TRAIN, VAL, both, both with a tuned weight of VAL, TRAIN with some
    labels switched by influence ("relabeled"), and with a pool: TRAIN and rows that get
    the model's own labels ("self-training") or labels by influence ("salutary"), or
    both tables and the whole pool without labels ("whole pool"). Each is fitted on
    TRAIN, a part of VAL and POOL, with its C tuned, and judged by the rest of VAL. The
    sentence that starts with "Advice: " says what to do.

    Example: salutary advise train.csv --validation val.csv --pool pool.csv \
        --target y --out runs/advised
    """
    parameters.check_at_least("--budget", budget, 1)
    parameters.check_at_least("--batch-size", batch_size, 1)
    parameters.check_at_least("--splits", splits, 2)
    parameters.check_at_least("--repeats", repeats, 1)
    parameters.check_seed(seed)
    parameters.check_jobs(jobs)
    if resume and out is None:
        raise InputError("--resume: needs the directory to continue in; pass --out")
    if no_report and out is None:
        raise InputError("--no-report: is for a comparison with --out; leave it out")
    if callback and out is None:
        raise InputError(
            f"--callback {callback[0]}: is for a comparison with --out; pass --out"
        )
    held_out = parameters.held_out(validation, validation_fraction, train, seed)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.runs.advise import Plan
    from salutary.runs.kind import Request
    from salutary.tables.sources import Sources

    sources = Sources(
        *(train, validation, pool, target, id_column),
        texts=texts,
        keep=tuple(keep or ()),
        held_out=held_out,
        scratch=parameters.scratch_folder(scratch, out),
    )
    if use_all and pool is None:
        raise InputError("--all: is for the rows of a pool; pass --pool, or no --all")
    plan = Plan(budget, batch_size, splits, repeats, seed, use_all)
    if out is None:
        report = _compare(sources, plan, jobs)
    else:
        request = Request(
            *(sources, plan, plan.budget, out, resume, options),
            command=TYPED.get(),
            jobs=jobs,
        )
        report = _compare_into(request, callback or (), no_report)
    for line in table_warnings(report):
        tell(line)
    if as_json:
        print_json(report)
        return
    for line in (*summary(report), *(() if out is None else where_the_page_is(out))):
        say(line)


def _compare(sources: Sources, plan: Plan, jobs: int) -> dict[str, Any]:
    """The comparison, with its progress shown."""
    from salutary.runs.advise import advise_tables

    n_fits = plan.splits * plan.repeats * _n_options(sources)
    with display(n_fits, "fits") as shown:
        checked = partial(show_checks, shown)
        return advise_tables(sources, plan, shown.stage, _fitted(shown), checked, jobs)


def _compare_into(
    request: Request, callback: Sequence[str], no_report: bool
) -> dict[str, Any]:
    """The comparison in a directory, of which callbacks are told too."""
    from salutary.labeling.callbacks import Callbacks
    from salutary.runs.advise import advise_into
    from salutary.runs.callbacks import comparison_begin, comparison_end

    told, out = Callbacks(find_callbacks(callback)), request.out
    n_folds = request.settings.splits * request.settings.repeats
    n_options = _n_options(request.sources)
    with display(n_folds * n_options, "fits") as shown, at_work():

        def known(number: int) -> None:
            were = "was" if number == 1 else "were"
            line = (
                f"{number} of {n_folds} folds {were} taken from {printable(str(out))}"
            )
            shown.advance(number * n_options, line)

        checked = partial(show_checks, shown)
        report = advise_into(request, shown.stage, _fitted(shown), checked, known, told)
    report_at_end(out, no_report)
    # Told after that, as the page may be among what they keep.
    with at_work():
        if not told.begun:  # it had finished, perhaps before they were told
            told.begin(partial(comparison_begin, out))
        told.end(partial(comparison_end, out))
    facts = {name: report[name] for name in ("settings", "checks")}
    return {**facts, **report["outcome"], "out": str(out)}


def _n_options(sources: Sources) -> int:
    from salutary.advice.options import OPTIONS, POOL_OPTIONS

    return len(OPTIONS) + (len(POOL_OPTIONS) if sources.pool else 0)


def _fitted(shown: Display) -> Callable[[str], None]:
    """Shows that a fit is done, with a line about where the comparison is."""
    return partial(shown.advance, 1)


def summary(report: dict[str, Any]) -> Iterator[str]:
    """The report in lines for a person."""
    from salutary.advice.comparison import how_pool_is_used, rows_of_pool

    validation = counted(report["n_validation"], "validation row")
    rows = f"{report['n_train']} training and {validation}"
    if report["n_pool"]:
        rows += f", {report['n_pool']} in the pool"
    if report["n_pool_used"] < report["n_pool"]:
        rows += f", of which {report['n_pool_used']} were drawn and used"
    folds = f"{report['splits']} folds, repeats: {report['repeats']}"
    yield f"{rows}; {folds}"
    yield from rows_of_pool(report, "--all")
    yield from verdict_lines(report)
    yield from how_pool_is_used(report)
    if "out" in report:
        labels = ""
        if report["labels"]:
            switched = report["option"].startswith(RELABELED)
            labels = "switches.parquet, " if switched else "labels.parquet, "
        out = printable(str(report["out"]))
        files = "model.skops, metrics.jsonl, run.json, config.toml, ledger.sqlite"
        yield f"In {out}: {labels}{files}"
