"""Write the report of a run: tables and pictures, in Markdown and in HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any

# Imported later where they are used; here so that a missing one is reported before
# anything is written.
import scikit_posthocs  # noqa: F401
import statsmodels  # noqa: F401
from jinja2 import Environment, PackageLoader

from salutary.errors import InputError
from salutary.files import read_json, write_text, write_whole
from salutary_benchmark.experiments.experiment import Picture, Table
from salutary_benchmark.runner import RUN, read_results
from salutary_benchmark.suites import Suite, find_suite
from salutary_benchmark.versions import sentence

MARKDOWN = "report.md"
HTML = "report.html"

RECORDED: dict[str, type | UnionType] = {
    "python": str,
    "versions": dict,
    "seeds": int,
    "jobs": int,
    "cells": int,
    "cores": int,
    "wall_seconds": int | float,
    "not_done": dict,
}
"""What the report shows of run.json, and its types."""


def write(directory: Path) -> list[Path]:
    """Write a run's report next to its results.

    Parameters
    ----------
    directory : Path
        Directory of a run, finished or not.

    Returns
    -------
    list of Path
        The files written: report.md, report.html and the pictures.

    Raises
    ------
    InputError
        If there are no results, or they are damaged.
    """
    run = _read_run(directory)
    suite = find_suite(run["suite"]["name"])
    results = read_results(directory, suite)
    if results.empty:
        raise InputError(f"{directory}: no cell is done yet; continue the run first")
    shown = suite.experiment.show(results)
    content: dict[str, Any] = {
        "suite": suite,
        "verdict": shown.verdict,
        "command": f"salutary benchmark run --suite {suite.name} --seeds "
        f"{run['seeds']} --jobs {run['jobs']} --data DIR --out DIR",
        "made_with": _made_with(run),
        "without": without(run, suite),
        "sections": [*shown.sections, *_not_done(run)],
    }
    pictures = [part for part in shown.sections if isinstance(part, Picture)]
    for picture in pictures:
        figure = picture.display.plot()
        write_whole(directory / picture.file, partial(figure.savefig, dpi=80))
    # The page alone can be mailed, as it holds its pictures.
    content["embedded"] = {
        picture.file: _data_uri(directory / picture.file) for picture in pictures
    }
    for name, escaped in ((MARKDOWN, False), (HTML, True)):
        write_text(directory / name, _render(f"{name}.j2", escaped, content))
    files = [MARKDOWN, HTML, *(picture.file for picture in pictures)]
    return [directory / name for name in files]


def without(run: dict[str, Any], suite: Suite) -> str:
    """A sentence about strategies that a suite has now, and had not when it was run.

    Parameters
    ----------
    run : dict
        The content of run.json.
    suite : Suite
    """
    before = run["suite"]["strategies"]
    since = [name for name in suite.strategies if name not in before]
    if not since:
        return ""
    return f"The suite has since got {', '.join(since)}, which were not run here."


def _data_uri(picture: Path) -> str:
    """A picture as an address that holds its content."""
    content = base64.b64encode(picture.read_bytes()).decode("ascii")
    return f"data:image/png;base64,{content}"


def _read_run(directory: Path) -> dict[str, Any]:
    path = directory / RUN
    try:
        run: dict[str, Any] = read_json(path)
        values = [*((run[key], kind) for key, kind in RECORDED.items())]
        values += [(run["suite"]["name"], str), (run["suite"]["strategies"], list)]
        values += [(text, str) for text in run["versions"].values()]
        values += [(text, str) for text in run["not_done"].values()]
        if not all(isinstance(value, kind) for value, kind in values):
            raise TypeError
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path}: is missing or damaged; pass the --out of a 'salutary benchmark "
            "run', or repeat that run, which writes the file again"
        ) from None
    return run


def _render(template: str, escaped: bool, content: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("salutary_benchmark"),
        autoescape=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _markdown_cell
    return environment.get_template(template).render(content)


def _markdown_cell(text: str) -> str:
    """Text with all characters escaped that mean something in a Markdown table."""
    line = " ".join(text.split())
    for special in "\\|<>&`[*_~":
        line = line.replace(special, "\\" + special)
    return line


def _made_with(run: dict[str, Any]) -> str:
    made_with = sentence(run["python"], run["versions"])
    seconds = run["wall_seconds"]
    took = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} seconds"
    return f"{made_with}; {run['cells']} cells in {took} on {run['cores']} cores"


def _not_done(run: dict[str, Any]) -> Iterator[Table]:
    if run["not_done"]:
        yield Table(
            "Cells not done",
            "No figure above includes them.",
            ["cell", "why"],
            [[cell, why] for cell, why in run["not_done"].items()],
            of_words=True,
        )
