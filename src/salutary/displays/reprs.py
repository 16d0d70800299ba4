"""How results look in a shell and in a notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from salutary.advice.verdict import Verdict
from salutary.displays.style import legible

WIDTH, LINES = 80, 24
"""A screen."""

LONGEST_TEXT = 6 * WIDTH

MOST_ROUNDS = 10
"""Of more rounds, the first and last are shown in a notebook."""

MOST_SWITCHES = 8


def on_a_screen(*parts: str | pd.DataFrame) -> str:
    """Texts and tables below each other, cut where a screen ends."""
    lines: list[str] = []
    for part in parts:
        if isinstance(part, str):
            lines += textwrap.wrap(legible(part, longest=LONGEST_TEXT), WIDTH)
        else:
            lines += _aligned(part)
    shown = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines]
    if len(shown) > LINES:
        shown = [*shown[: LINES - 1], "…"]
    return "\n".join(shown)


def in_a_notebook(*parts: str | pd.DataFrame) -> str:
    """The same as HTML; whatever texts and tables hold is shown as text."""
    shown = [
        f"<p>{escape(legible(part, longest=LONGEST_TEXT))}</p>"
        if isinstance(part, str)
        else part.to_html(index=False, border=0)
        for part in parts
    ]
    return f'<div class="salutary">{"".join(shown)}</div>'


def options_table(verdict: Verdict) -> pd.DataFrame:
    """The options of a verdict; an arrow marks the advised one."""
    table = verdict.table
    intervals = [*map(interval_in_figures, table["lower"], table["upper"])]
    return pd.DataFrame(
        {
            "": ["▸" if name == verdict.option else "" for name in table["option"]],
            "trained on": [legible(name) for name in table["option"]],
            legible(verdict.objective.replace("_", " "), longest=16): [
                f"{loss:.4f}" for loss in table["loss"]
            ],
            "behind": [f"{behind:z.4f}" for behind in table["difference"]],
            "95% interval": intervals,
            "accuracy": [f"{accuracy:.3f}" for accuracy in table["accuracy"]],
        }
    )


def interval_in_figures(lower: float, upper: float) -> str:
    """An interval of a difference, as in the verdict's sentence; nothing if none.

    Examples
    --------
    >>> interval_in_figures(-0.0002, 0.0549)
    '-0.0002 to 0.0549'
    """
    return "" if lower == upper == 0 else f"{lower:z.4f} to {upper:z.4f}"


def rounds_table(history: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The first and last rounds of a run, each with what the guard has made of it."""
    rows = [
        {
            "round": str(entry["round"]),
            "rows trained on": str(entry["n_labeled"]),
            "validation loss": _figure(entry["validation_loss"]),
            "held-out loss": _figure(entry["canary_loss"]),
            "its fall so far": _with_error(entry["canary_fall"], entry["canary_se"]),
            "": "undone" if entry["undone"] else "",
        }
        for entry in history
    ]
    if len(rows) > MOST_ROUNDS:
        gap = dict.fromkeys(rows[0], "…")
        half = MOST_ROUNDS // 2
        rows = [*rows[:half], gap, *rows[-half:]]
    return pd.DataFrame(rows)


def switches_table(switches: pd.DataFrame) -> pd.DataFrame:
    """The first switches of a relabeling."""
    first = switches.head(MOST_SWITCHES)
    table = pd.DataFrame(
        {
            "row": first["row"].astype(str),
            "old label": [legible(label, longest=20) for label in first["old_label"]],
            "label": [legible(label, longest=20) for label in first["label"]],
            "influence": [
                _with_error(*pair)
                for pair in zip(first["influence"], first["influence_se"], strict=True)
            ],
            "round": first["round"].astype(str),
        }
    )
    if len(switches) > len(first):
        table.loc[len(table)] = "…"
    return table


def _figure(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4f}"


def _with_error(value: float | None, error: float | None) -> str:
    shown = _figure(value)
    return f"{shown} ± {_figure(error)}" if shown and _figure(error) else shown


def _aligned(table: pd.DataFrame) -> list[str]:
    """Lines of a table of texts; names to the left, figures to the right."""
    if table.empty:
        return []
    columns = []
    for name in table:
        cells = [str(name), *table[name]]
        width = max(map(len, cells))
        is_name = any(cell[:1].isalpha() for cell in cells[1:])
        columns.append(
            [cell.ljust(width) if is_name else cell.rjust(width) for cell in cells]
        )
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
