"""``salutary benchmark``: compare strategies on real data sets."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salutary.cli.conventions import CONTEXT, PanelCommand, is_conventional
from salutary.cli.parameters import AsJson
from salutary.cli.terminal import display, print_json, printable
from salutary.errors import InputError, needs

if TYPE_CHECKING:
    import pandas as pd

    from salutary_benchmark.cells import Outcome
    from salutary_benchmark.experiments.experiment import Cell
    from salutary_benchmark.runner import Request
    from salutary_benchmark.suites import Suite

TOLERANCE = 1e-6
"""Largest difference allowed between a rerun cell's figures and the recorded ones."""

MOST_SEEDS = 10_000

benchmark = typer.Typer(
    name="benchmark",
    context_settings=CONTEXT,
    rich_markup_mode=None,
    invoke_without_command=True,
)


@benchmark.callback()
def overview(context: typer.Context) -> None:
    """Compare strategies on real data sets.

    Start with 'salutary benchmark list'. Anyone can rerun a report by the command that
    it names. 'run' and 'report' need further packages: pip install
    'salutary[benchmark]'.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder with the data sets. Without it and without SALUTARY_DATA they are "
        "downloaded.",
    ),
]


@benchmark.command(cls=PanelCommand)
@is_conventional
def run(
    *,
    suite: Annotated[
        str, typer.Option(metavar="NAME", help="Suite to run; 'list' shows all suites.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory for the results. An unfinished run in it is continued.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Number of random splits of each data set.")
    ] = 20,
    jobs: Annotated[
        int, typer.Option(help="Number of processes; -1 starts one for each core.")
    ] = -1,
    data: Data = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET/STRATEGY[/SETTING]/SEED",
            help="Run this one cell and print it. If --out has results, it is compared "
            "with them, and nothing is written; else they are written there.",
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Give up any cell that takes longer."),
    ] = 600.0,
    retry: Annotated[
        bool, typer.Option("--retry", help="Rerun cells that failed or hit the limit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Run a suite; after an interruption, the same command continues it.

    Writes results.parquet, run.json and cells.jsonl to the directory of --out.

    Example: salutary benchmark run --suite quick --seeds 2 --out runs/quick
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise InputError(f"--seeds {seeds}: must be from 1 to {MOST_SEEDS}")
    if jobs < 1 and jobs != -1:
        raise InputError(f"--jobs {jobs}: must be at least 1, or -1 for every core")
    if not time_limit > 0:
        raise InputError(f"--time-limit {time_limit:g}: must be positive")
    with needs("benchmark"):
        from salutary_benchmark.cells import parse_cell
        from salutary_benchmark.data.loading import data_folder
        from salutary_benchmark.runner import RESULTS, Request
        from salutary_benchmark.suites import find_suite

    chosen = find_suite(suite)
    folder = data_folder(data)
    cell = None if only is None else parse_cell(only, chosen)
    if cell is not None and (out is None or (out / RESULTS).exists()):
        _rerun(cell, chosen, folder, out, as_json)
        return
    if out is None:
        raise InputError("--out is missing; pass a directory for the results")
    _run(Request(chosen, seeds, folder, out, jobs, time_limit, retry, cell), as_json)


def _run(request: Request, as_json: bool) -> None:
    """Run with a progress bar, then print a summary."""
    from salutary_benchmark import runner
    from salutary_benchmark.cells import cells_of

    total = len(cells_of(request.suite, request.n_seeds)) if request.only is None else 1
    with display(total, "cells") as shown, ExitStack() as reading:
        reading.enter_context(shown.stage("reading the data sets"))

        def start(done: int, total: int) -> None:
            reading.close()
            already = f"{done} of {total} cells are done already"
            shown.advance(done, already if done else f"{total} cells to run")

        def show(outcome: Outcome) -> None:
            line = f"{outcome.cell.dataset}, split {outcome.cell.seed}"
            if outcome.status != "done":
                line = f"{outcome.cell}: {outcome.status}: {printable(outcome.error)}"
            shown.advance(1, line)

        found = runner.run(request, start, show)
    if as_json:
        print_json(found)
        return
    if request.only is not None:
        results = runner.read_results(request.out, request.suite)
        print(
            _shown(_rows_of(results, request.only), request.suite).to_string(
                index=False
            )
        )
    not_done = len(found["not_done"])
    print(
        f"{found['cells'] - not_done} of {found['cells']} cells done, {not_done} "
        f"failed or over the time limit; {found['wall_seconds']:.0f} s in total"
    )
    print(
        f"Written to {printable(str(request.out))}: {runner.RESULTS}, {runner.RUN}, "
        f"{runner.JOURNAL}.\n"
        f"Next: salutary benchmark report {printable(str(request.out))}"
    )


@benchmark.command(cls=PanelCommand)
@is_conventional
def report(
    *,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Directory that 'run' got as --out.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write report.md, report.html and pictures next to a run's results.

    Example: salutary benchmark report runs/paper
    """
    with needs("benchmark"):
        from salutary_benchmark.report import write

    with display(0, "parts") as shown, shown.stage("writing the report"):
        written = write(directory)
    names = [path.name for path in written]
    if as_json:
        print_json({"directory": str(directory), "files": names})
        return
    print(f"Written to {directory}: {', '.join(names)}")


@benchmark.command(cls=PanelCommand, name="list")
@is_conventional
def list_all(as_json: AsJson = False) -> None:
    """Show all suites, data sets and strategies.

    Example: salutary benchmark list
    """
    from salutary_benchmark.data.catalog import DATA_SETS
    from salutary_benchmark.strategies.registry import STRATEGIES
    from salutary_benchmark.suites import SUITES

    if as_json:
        print_json(
            {
                "suites": {
                    suite.name: {
                        "description": suite.description,
                        "settings": list(suite.settings),
                        "data_sets": list(suite.data_sets),
                        "strategies": list(suite.strategies),
                    }
                    for suite in SUITES.values()
                },
                "data_sets": {
                    data.name: {
                        "title": data.title,
                        "rows": data.rows,
                        "features": data.features,
                        "classes": data.classes,
                        "source": data.source,
                        "licence": data.licence,
                        "preprocessing": data.preprocessing,
                        "caution": data.caution,
                    }
                    for data in DATA_SETS.values()
                },
                "strategies": list(STRATEGIES),
            }
        )
        return
    print("Suites")
    for suite in SUITES.values():
        print(f"  {suite.name}: {suite.description}")
        named = ", ".join(name for name in suite.settings if name)
        if named:
            print(f"    settings: {named}")
    print("Data sets")
    for data in DATA_SETS.values():
        print(
            f"  {data.name}: {data.title}; {data.rows:,} rows, {data.features:,} "
            f"features, {data.classes} classes; {data.source}; {data.licence}\n"
            f"    Preprocessing: {data.preprocessing}. Caution: {data.caution}."
        )
    print(f"Strategies\n  {', '.join(STRATEGIES)}")


def _rerun(
    cell: Cell, suite: Suite, folder: Path | None, out: Path | None, as_json: bool
) -> None:
    """Print a cell's figures, and how far they are from the recorded ones."""
    import pandas as pd

    from salutary_benchmark.cells import run_cell
    from salutary_benchmark.runner import columns_of, read_results

    recorded = None if out is None else _rows_of(read_results(out, suite), cell)
    outcome = run_cell(cell, suite, folder, float("inf"))
    if outcome.status != "done":
        raise InputError(f"{cell}: {outcome.status}: {outcome.error}")
    found = pd.DataFrame(outcome.rows).astype(columns_of(suite))
    shown = _shown(found, suite)
    furthest = (
        None if recorded is None else _furthest(cell, suite, out, recorded, found)
    )
    if as_json:
        rows = json.loads(shown.to_json(orient="records", double_precision=15))
        print_json({"cell": str(cell), "rows": rows, "largest_difference": furthest})
        return
    print(shown.to_string(index=False))
    if furthest is not None:
        print(f"As recorded in {out}; the largest difference is {furthest:.1g}.")


def _furthest(
    cell: Cell,
    suite: Suite,
    out: Path | None,
    recorded: pd.DataFrame,
    found: pd.DataFrame,
) -> float:
    """Largest difference of a cell's figures from the recorded ones, if it is small."""
    if len(recorded) != len(found):
        count = len(recorded) or "no"
        raise InputError(f"{out}: has {count} rows for {cell}; expected {len(found)}")
    experiment = suite.experiment
    order, measures = list(experiment.keys), list(experiment.measures)
    before, now = (
        rows.sort_values(order, ignore_index=True)[measures]
        for rows in (recorded, found)
    )
    furthest = float((now - before).abs().max().max())
    if furthest > TOLERANCE:
        raise InputError(
            f"{cell}: differs from {out} by {furthest:.2g}; compare the versions and "
            "the data with those in its run.json"
        )
    return furthest


def _shown(rows: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """The columns of a cell's rows that a person wants to see."""
    names = [*suite.experiment.keys, *suite.experiment.columns]
    return rows[list(dict.fromkeys(names))]


def _rows_of(results: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    of_cell = (
        (results["dataset"] == cell.dataset)
        & (results["strategy"] == cell.strategy)
        & (results["setting"] == cell.setting)
        & (results["seed"] == cell.seed)
    )
    return results[of_cell]
