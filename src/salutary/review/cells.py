"""How a review shows the columns of a row: numbers, texts, and images in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from salutary.report.rows import OwnRows, path_of, shown_value
from salutary.report.visible import visible
from salutary.tables.urls import TableURL

LONGEST_TEXT = 20_000
"""Characters of a text that a review shows."""

IMAGES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Suffixes of files that are shown as images; SVG can hold scripts and is none."""


@dataclass(frozen=True)
class Cell:
    """A value of a row.

    Parameters
    ----------
    name : str
        Of the column.
    text : str
    is_image : bool
        Whether it names an image that can be shown.
    """

    name: str
    text: str
    is_image: bool = False


def cells_of(rows: OwnRows, facts: Mapping[str, Any], at: int) -> list[Cell]:
    """The own columns of a label's row, as texts, and which of them name images."""
    found = []
    for name, value in rows.values(at):
        is_text = pa.types.is_string(value.type) or pa.types.is_large_string(value.type)
        text = value.as_py() if is_text else None
        if text:
            is_image = image_of(facts, text) is not None
            found.append(Cell(name, lines_of(text), is_image))
        else:
            found.append(Cell(name, shown_value(value)))
    return found


def lines_of(text: str) -> str:
    r"""A text with its line ends, of moderate length, and nothing hidden in it.

    Examples
    --------
    >>> lines_of("one\r\ntwo\u202e")
    'one\ntwo\\u202e'
    """
    cut = text[:LONGEST_TEXT].replace("\r\n", "\n")
    lines = cut.split("\n")
    shown = "\n".join(visible(line, len(line)) if line else "" for line in lines)
    if len(text) > LONGEST_TEXT:
        shown += f"… ({len(text):,} characters)"
    return shown


def image_of(facts: Mapping[str, Any], value: str) -> Path | None:
    """The image that a value names, relative to the folder of the pool; None if none.

    No link, no ``..`` and no absolute path leads out of that folder.
    """
    if Path(value).suffix.lower() not in IMAGES:
        return None
    try:
        pool = path_of(facts, "pool")
        if isinstance(pool, TableURL):  # whose images are not shown
            return None
        folder = pool.parent.resolve(strict=True)
        path = (folder / value).resolve(strict=True)
    except (OSError, ValueError, KeyError, RuntimeError):  # no such file, or no name
        return None
    return path if path.is_relative_to(folder) and path.is_file() else None
