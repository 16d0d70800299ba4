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
    show: Callable[[pd.DataFrame], dict[str, Display]],
    *,
    total: int,
    heading: tuple[str, str],
) -> None:
    """Measure what is missing, then write tables and pictures.

    Parameters
    ----------
    name : str
        Module and folder of the study.
    measurements : callable
        From the measurements so far to an iterator over all so far, one longer each.
    show : callable
        From all measurements to what is to be shown, by its title: its table is
        ``frame()`` and its picture ``plot()``.
    total : int
        Measurements in all.
    heading : (str, str)
        Title and how it was done.
    """
    folder = STUDIES / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "measurements.parquet"
    found = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    with display(total, "measurements") as shown:
        for longer in measurements(found):
            found = longer
            write_whole(path, partial(found.to_parquet, compression="zstd"))
            shown.advance(1, name)
    title, how = heading
    parts = [f"# {title}\n\n{how}\n\nMade by `python -m studies.{name}`; every "]
    parts[0] += "measurement is in [measurements.parquet](measurements.parquet).\n"
    for number, (caption, answer) in enumerate(show(found).items(), start=1):
        picture = f"figure{number}.png"
        table = _markdown(answer.frame())
        parts.append(f"## {caption}\n\n![{caption}]({picture})\n\n{table}\n")
        write_whole(folder / picture, partial(answer.plot().savefig, dpi=110))
    write_text(folder / "README.md", "\n".join(parts))


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        list(table.columns),
        ["---"] * table.shape[1],
        *table.astype(str).to_numpy(),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
