"""Run a study, continue an interrupted one, and write its tables and pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import ParameterGrid
from threadpoolctl import threadpool_limits

from salutary.cli.terminal import display
from salutary.files import write_text, write_whole
from salutary_benchmark import versions
from salutary_benchmark.experiments.experiment import Display
from speed.measure import data_folder

DOCS = Path(__file__).resolve().parents[1] / "docs"
STUDIES, RESULTS = DOCS / "studies", DOCS / "results"


def environment() -> str:
    """Versions the figures were made with, and the machine's cores."""
    return f"{versions.environment()}, {os.cpu_count()} cores"


def real_data() -> Path:
    """The folder of the real data sets; the program ends if there is none."""
    folder = data_folder()
    if folder is None:
        raise SystemExit("no real data: set SALUTARY_DATA to the folder that has it")
    return folder


def write_study(
    name: str,
    grid: dict[str, Sequence[Any]] | list[dict[str, Sequence[Any]]],
    measure: Callable[..., Iterable[dict[str, Any]]],
    show: Callable[[pd.DataFrame], dict[str, Display]],
    *,
    heading: tuple[str, str | Callable[[pd.DataFrame], str]],
    jobs: int = 1,
    root: Path | None = None,
) -> None:
    """Measure what has not been measured yet, then write tables and pictures.

    Parameters
    ----------
    name : str
        Module and folder of the study.
    grid : dict of str to sequence, or list of such
        Values of each factor, of which every combination is measured.
    measure : callable
        From a value of each factor, by name, to rows of measurements.
    show : callable
        From all measurements to what is to be shown, by its title: its table is
        ``frame()`` and its picture ``plot()``.
    heading : (str, str or callable)
        Title and how it was done, or what tells that from all measurements.
    jobs : int, default=1
        Processes; one where times are measured.
    root : Path, optional
        Where its folder is, `STUDIES` by default.
    """
    real_data()
    folder = (root or STUDIES) / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "measurements.parquet"
    found = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    cells = list(_missing(ParameterGrid(grid), found))
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")
    with display(len(cells), "measurements") as shown:
        for rows in work(delayed(_measured)(measure, cell) for cell in cells):
            found = pd.concat([found, rows], ignore_index=True)
            write_whole(path, partial(found.to_parquet, compression="zstd"))
            shown.advance(1, name)
    title, how = heading
    how = how if isinstance(how, str) else how(found)
    parts = [f"# {title}\n\n{how}\n\nMade by `python -m studies.{name}`; every "]
    parts[0] += "measurement is in [measurements.parquet](measurements.parquet).\n"
    for number, (caption, answer) in enumerate(show(found).items(), start=1):
        picture = f"figure{number}.png"
        table = _markdown(answer.frame())
        parts.append(f"## {caption}\n\n![{caption}]({picture})\n\n{table}\n")
        write_whole(folder / picture, partial(answer.plot().savefig, dpi=110))
    write_text(folder / "README.md", "\n".join(parts))


def _missing(
    cells: Iterable[dict[str, Any]], found: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Combinations of factors that have not been measured."""
    for cell in cells:
        if (
            not len(found)
            or not (found[list(cell)] == pd.Series(cell)).all(axis=1).any()
        ):
            yield cell


def _measured(
    measure: Callable[..., Iterable[dict[str, Any]]], cell: dict[str, Any]
) -> pd.DataFrame:
    with threadpool_limits(limits=1, user_api="blas"):
        return pd.DataFrame([{**cell, **row} for row in measure(**cell)])


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        list(table.columns),
        ["---"] * table.shape[1],
        *table.astype(str).to_numpy(),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
