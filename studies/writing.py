"""Run a study so that it resumes, and write what it found."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from salutary.benchmark.displays import Display
from salutary.cli.progress import display
from salutary.files import write_text, write_whole

STUDIES = Path(__file__).resolve().parents[1] / "docs" / "studies"


def environment() -> str:
    """Versions the figures were made with."""
    packages = ("salutary", "numpy", "scipy", "scikit-learn")
    named = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"Python {platform.python_version()}, {named}, {os.cpu_count()} cores"


def write_study(
    name: str,
    measurements: Callable[[pd.DataFrame], Iterator[pd.DataFrame]],
    show: Callable[[pd.DataFrame], Display],
    *,
    total: int,
    heading: tuple[str, str],
) -> None:
    """Measure what is missing, then write summary and picture.

    Parameters
    ----------
    name : str
        Module and folder of the study.
    measurements : callable
        From the measurements so far to an iterator over all so far, one longer each.
    show : callable
        From all measurements to what has their summary as ``frame()`` and its picture
        as ``plot()``.
    total : int
        Measurements in all.
    heading : (str, str)
        Title and how it was done.
    """
    folder = STUDIES / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "measurements.csv"
    found = pd.read_csv(path) if path.exists() else pd.DataFrame()
    with display(total, "measurements") as shown:
        for longer in measurements(found):
            found = longer
            write_whole(path, partial(found.to_csv, index=False))
            shown.advance(1, name)
    title, how = heading
    answer = show(found)
    table = _markdown(answer.frame())
    text = (
        f"# {title}\n\n{how}\n\nMade by `python -m studies.{name}`; every measurement "
        "is in [measurements.csv](measurements.csv).\n\n"
        f"![{title}](figure.png)\n\n{table}\n"
    )
    write_text(folder / "README.md", text)
    figure = answer.plot()
    write_whole(folder / "figure.png", lambda beside: figure.savefig(beside, dpi=110))


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        list(table.columns),
        ["---"] * table.shape[1],
        *table.astype(str).to_numpy(),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
