"""Write a run's report: tables and pictures, as Markdown and HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from salutary.benchmark import summary
from salutary.benchmark.displays import (
    AverageRanks,
    Display,
    LearningCurves,
    TimeAgainstAccuracy,
)
from salutary.benchmark.runner import RUN, read_results
from salutary.benchmark.suites import STRATEGIES, SUITES
from salutary.errors import InputError
from salutary.files import write_text, write_whole

MARKDOWN = "report.md"
HTML = "report.html"


@dataclass(frozen=True)
class Table:
    """A table as text; of figures unless its cells are words."""

    title: str
    text: str
    header: list[str]
    rows: list[list[str]]
    of_words: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture and the file it goes to."""

    title: str
    text: str
    file: str
    display: Display


def write(directory: Path) -> list[Path]:
    """Write a run's report beside its results.

    Parameters
    ----------
    directory : Path
        Of a run, finished or not.

    Returns
    -------
    list of Path
        What was written: report.md, report.html and pictures.

    Raises
    ------
    InputError
        If there are no results, or they are damaged.
    """
    results, run = read_results(directory), _read_run(directory)
    if results.empty:
        raise InputError(f"{directory}: no cell is done yet; go on with the run")
    suite = run["suite"]
    content = {
        "suite": suite,
        "description": _description(suite["name"]),
        "verdict": _verdict(results),
        "command": f"salutary benchmark run --suite {suite['name']} --seeds "
        f"{run['seeds']} --jobs {run['jobs']} --data DIR --out DIR",
        "made_with": _made_with(run),
        "tables": [*_tables(results), *_not_done(run)],
        "pictures": _pictures(results),
    }
    for picture in content["pictures"]:
        figure = picture.display.plot()
        write_whole(directory / picture.file, partial(figure.savefig, dpi=80))
    for name, escaped in ((MARKDOWN, False), (HTML, True)):
        write_text(directory / name, _render(f"{name}.j2", escaped, content))
    pictures = [directory / picture.file for picture in content["pictures"]]
    return [directory / MARKDOWN, directory / HTML, *pictures]


def _read_run(directory: Path) -> dict[str, Any]:
    path = directory / RUN
    try:
        run: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for key in ("suite", "seeds", "jobs", "versions", "not_done", "wall_seconds"):
            run[key]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: is missing or damaged; the same 'salutary benchmark run' writes "
            "it again"
        ) from None
    return run


def _render(template: str, escaped: bool, content: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("salutary.benchmark"),
        autoescape=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _markdown_cell
    return environment.get_template(template).render(content)


def _markdown_cell(text: str) -> str:
    """Text that stays in its cell of a Markdown table."""
    line = " ".join(text.split())
    for special in "\\|<>&`[*_~":
        line = line.replace(special, "\\" + special)
    return line


def _description(name: str) -> str:
    return SUITES[name].description if name in SUITES else ""


def _verdict(results: pd.DataFrame) -> str:
    """The paper's claim, in a sentence; nothing where the strategy did not run."""
    if summary.PUBLISHED not in set(results["strategy"]):
        return ""
    found = summary.claim(results)
    total = len(found.holds) + len(found.fails)
    sentence = (
        f"{summary.PUBLISHED} ends above every strategy that buys true labels, in mean "
        f"accuracy, on {len(found.holds)} of {total} data sets"
    )
    if not found.fails:
        return f"{sentence}."
    where = ", ".join(
        f"{name} ({best} is {behind:.4f} ahead)"
        for name, (best, behind) in found.fails.items()
    )
    return f"{sentence}; not on {where}."


def _made_with(run: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    seconds = run["wall_seconds"]
    took = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} seconds"
    return (
        f"Python {run['python']}, {versions}; {run['cells']} cells in {took} on "
        f"{run['cores']} cores"
    )


def _tables(results: pd.DataFrame) -> Iterator[Table]:
    for measure, title in (
        ("accuracy", "Accuracy"),
        ("log_loss", "Log loss"),
        ("balanced_accuracy", "Balanced accuracy"),
    ):
        yield _means_table(results, measure, title)
    for strategy in results["strategy"].unique():
        if strategy.startswith("Salutary"):
            yield _compared_table(results, strategy)


def _means_table(results: pd.DataFrame, measure: str, title: str) -> Table:
    found = summary.means(results, measure)
    names = list(found.columns.get_level_values(0).unique())
    ranked = summary.ranks(results, measure).mean()
    rows = []
    for strategy in _in_order(found.index):
        cells = [
            _mean(
                found.loc[strategy, (name, "mean")], found.loc[strategy, (name, "sem")]
            )
            for name in names
        ]
        rows.append([strategy, *cells, f"{ranked.get(strategy, float('nan')):.1f}"])
    p = summary.friedman(summary.ranks(results, measure))
    seeds = results.groupby("dataset")["seed"].nunique()
    return Table(
        title,
        "On the test rows after the last round, mean ± standard error over "
        f"{seeds.min()} splits, and the mean rank over data sets (Friedman's test that "
        f"all do alike: p = {p:.2g}).",
        ["strategy", *names, "rank"],
        rows,
    )


def _mean(mean: float, error: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.4f}" if pd.isna(error) else f"{mean:.4f} ± {error:.4f}"


def _compared_table(results: pd.DataFrame, strategy: str) -> Table:
    accuracy = summary.compared(results, strategy, "accuracy")
    loss = summary.compared(results, strategy, "log_loss")
    rows = [
        [
            opponent,
            *(str(count) for count in accuracy.loc[opponent]),
            *(str(count) for count in loss.loc[opponent]),
        ]
        for opponent in _in_order(accuracy.index)
    ]
    return Table(
        f"{strategy} against each other",
        f"Data sets where {strategy} wins, ties and loses: Wilcoxon's signed-rank test "
        "over the splits, at 5% with Holm's correction over each measure's whole "
        "table. Splits of a data set share rows, so the tests are somewhat too sure.",
        ["against", *(f"{m}: {c}" for m in ("accuracy", "log loss") for c in accuracy)],
        rows,
    )


def _not_done(run: dict[str, Any]) -> Iterator[Table]:
    if run["not_done"]:
        yield Table(
            "Cells not done",
            "They count in no figure above.",
            ["cell", "why"],
            [[cell, why] for cell, why in run["not_done"].items()],
            of_words=True,
        )


def _pictures(results: pd.DataFrame) -> list[Picture]:
    return [
        Picture(
            "Accuracy by round",
            "Means over splits; bands of one standard error about salutary labels.",
            "curves.png",
            LearningCurves(results),
        ),
        Picture(
            "Log loss by round",
            "Means over splits; bands of one standard error about salutary labels.",
            "losses.png",
            LearningCurves(results, "log_loss"),
        ),
        Picture(
            "Average ranks",
            "By mean accuracy on each data set; bars join strategies that Nemenyi's "
            "test does not tell apart at 5%.",
            "ranks.png",
            AverageRanks(results),
        ),
        Picture(
            "Time against accuracy",
            "Median seconds of a whole cell, without preparing data and judging.",
            "time.png",
            TimeAgainstAccuracy(results),
        ),
    ]


def _in_order(strategies: Any) -> list[str]:
    """As the suites list them, and others after."""
    present = set(strategies)
    known = [name for name in STRATEGIES if name in present]
    return known + sorted(present - set(known))
