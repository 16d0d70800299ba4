"""Names and figures of an explained row, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from rich.text import Text

from salutary.cli.terminal import printable

LONGEST_NAME = 30
"""Cells of a name or label in a sentence."""


def named_row(table: str, row: int, id_: Any) -> str:
    """How a row is called: by its id, else by its number."""
    called = {"train": "TRAIN", "validation": "VAL", "pool": "POOL"}[table]
    return f"{called} row {row}" if id_ is None else f"{called} id {cut(id_)}"


def place_of(line: Any) -> str:
    """The row of a line of a frame, as it is called."""
    return named_row(line["table"], line["row"], line["id"])


def cut(value: Any) -> str:
    """A user's name on one line, cut if it is long."""
    text = Text(printable(str(value)))
    text.truncate(LONGEST_NAME, overflow="ellipsis")
    return text.plain


def quoted(value: Any) -> str:
    """The same in quotes."""
    return f"'{cut(value)}'"


def value_in_words(value: Any) -> str:
    """A value of a table as a person writes it."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "(none)"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.7g}"
    return cut(value)


def digits_of(values: pd.Series[float], fewest: int = 4) -> int:
    """Decimals that show three digits of the largest value, and not too few."""
    largest = float(values.abs().max())
    if not 0 < largest < np.inf:
        return fewest
    return int(np.clip(2 - np.floor(np.log10(largest)), fewest, 12))


def plus_minus(value: float, error: float | None, sign: str = "-") -> str:
    """A figure and its error, both to two digits of the error."""
    if error is None or not np.isfinite(error):
        return f"{value:{sign}z.{digits_of(pd.Series([value]))}f}"
    digits = digits_of(pd.Series([value]))
    if error > 0:
        digits = int(np.clip(1 - int(f"{error:.1e}".partition("e")[2]), 0, 12))
    return f"{value:{sign}z.{digits}f} ± {error:.{digits}f}"
